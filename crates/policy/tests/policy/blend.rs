//! Several policies under one lease.

use sinew_policy::{Policy, PolicyBlend, PolicyError};
use sinew_types::ActuatorCommand;

use crate::common::{MANIFEST, Net, layout, state, write};

const DELTA: &str = "  mode: delta\n  joints: [shoulder, elbow]\n  clip: [-1.0, 1.0]\n  scale: 0.1\n  slew: 0.03\n  max_lead: 0.5\n";

/// Gives its height, times a factor, to both joints.
fn policy(joints: &str, factor: f64) -> Policy {
    let manifest = MANIFEST
        .replace(
            DELTA,
            &format!("  mode: position\n  joints: {joints}\n  scale: {factor}\n  offset: 0.0\n"),
        )
        .replace("[1.0, 2.0, 0.5]}, action: [1.25, 1.75]", "[0, 0, 1]}, action: [1, 2]");
    let net = Net { weights: vec![0.0, 0.0, 0.0, 0.0, 1.0, 2.0], ..Net::default() };
    let folder = tempfile::tempdir().unwrap();
    Policy::load(write(folder.path(), &net, &manifest), &layout()).unwrap()
}

#[test]
fn commands_are_the_mean_by_weight_whatever_the_order_of_joints() {
    // The second one has its joints the other way round.
    let policies = vec![policy("[shoulder, elbow]", 1.0), policy("[elbow, shoulder]", 10.0)];
    let mut blend = PolicyBlend::new(policies, &layout()).unwrap();
    let mut command = ActuatorCommand::unused(&layout());
    let stamp = state().stamp;
    blend.inputs(0).set("height", &[1.0], stamp).unwrap();
    blend.reset(&state()).unwrap();
    // The one without weight has no input, which does not matter.
    blend.step(&state(), &mut command).unwrap();
    let given =
        |command: &ActuatorCommand| (command.joints[1].position, command.joints[2].position);
    assert_eq!(given(&command), (1.0, 2.0));
    blend.set_weights(&[3.0, 1.0]).unwrap();
    assert!(blend.step(&state(), &mut command).is_err(), "now it matters");
    blend.inputs(1).set("height", &[1.0], stamp).unwrap();
    blend.step(&state(), &mut command).unwrap();
    assert_eq!(given(&command), (0.75 + 5.0, 1.5 + 2.5));
    assert!(!command.joints[0].is_used() && command.joints[1].velocity.is_nan());
}

#[test]
fn policies_that_do_not_command_the_same_and_weights_that_make_no_sense_are_refused() {
    let error = PolicyBlend::new(vec![], &layout()).err().unwrap();
    assert!(matches!(error, PolicyError::NoPolicy), "{error}");
    let folder = tempfile::tempdir().unwrap();
    let other = Policy::load(write(folder.path(), &Net::default(), MANIFEST), &layout()).unwrap();
    let policies = vec![policy("[shoulder, elbow]", 1.0), other];
    let error = PolicyBlend::new(policies, &layout()).err().unwrap().to_string();
    assert!(error.contains("action.mode"), "{error}");
    let policies = vec![policy("[shoulder, elbow]", 1.0), policy("[elbow, shoulder]", 1.0)];
    let mut blend = PolicyBlend::new(policies, &layout()).unwrap();
    for weights in [&[1.0][..], &[0.0, 0.0], &[-1.0, 2.0], &[f64::NAN, 1.0]] {
        let error = blend.set_weights(weights).unwrap_err();
        assert!(matches!(error, PolicyError::Weights { policies: 2, .. }), "{error}");
    }
    assert_eq!(blend.len(), 2);
}
