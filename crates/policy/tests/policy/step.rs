//! What a tick gives, and what it refuses.

use crate::common::{MANIFEST, Net, layout, state, write};
use sinew_policy::{CommandInputs, Policy, PolicyError};
use sinew_types::{ActuatorCommand, ErrorCode, Time};

fn policy(manifest: &str) -> (Policy, CommandInputs) {
    let folder = tempfile::tempdir().unwrap();
    let policy = Policy::load(write(folder.path(), &Net::default(), manifest), &layout()).unwrap();
    let inputs = policy.command_inputs();
    (policy, inputs)
}

fn observation(policy: &Policy) -> Vec<f32> {
    policy.observations().flat_map(|(_, values)| values.to_vec()).collect()
}

#[test]
fn observation_order_offset_scale_and_clip_are_as_the_manifest_says() {
    let (mut policy, mut inputs) = policy(MANIFEST);
    inputs.set("height", &[7.0], state().stamp).unwrap();
    policy.reset(&state()).unwrap();
    policy.step(&state(), &inputs).unwrap();
    let seen = observation(&policy);
    assert_eq!(seen, [(0.3_f64 - 0.1) as f32 * 2.0, (0.2_f64 - 0.1) as f32 * 2.0, 1.0]);
}

#[test]
fn max_norm_shortens_a_vector_and_keeps_its_direction() {
    let manifest = MANIFEST
        .replace("offset: 0.1, scale: 2.0", "max_norm: 0.2")
        .replace("clip: [-1.0, 1.0]}", "scale: 1.0}");
    let (mut policy, mut inputs) = policy(&manifest);
    inputs.set("height", &[0.0], state().stamp).unwrap();
    policy.reset(&state()).unwrap();
    policy.step(&state(), &inputs).unwrap();
    let [elbow, shoulder, _] = observation(&policy)[..] else { panic!("three values") };
    assert!((elbow.hypot(shoulder) - 0.2).abs() < 1e-6);
    assert!((elbow / shoulder - 1.5).abs() < 1e-5);
}

#[test]
fn mean_and_std_apply_after_the_terms_own_scaling() {
    let normalisation =
        "normalisation: {mean_std: {mean: [0.4, 0.0, 0.5], std: [1.0, 2.0, 0.5], eps: 0}}";
    let manifest = MANIFEST.replace("normalisation: none", normalisation);
    let (mut policy, mut inputs) = policy(&manifest);
    inputs.set("height", &[1.0], state().stamp).unwrap();
    policy.reset(&state()).unwrap();
    policy.step(&state(), &inputs).unwrap();
    let expected = [0.0_f32, 0.1, 1.0];
    for (seen, expected) in observation(&policy).iter().zip(expected) {
        assert!((seen - expected).abs() < 1e-6, "{seen} {expected}");
    }
}

#[test]
fn a_delta_moves_the_previous_target_within_slew_and_lead() {
    let (mut policy, mut inputs) = policy(MANIFEST);
    inputs.set("height", &[1.0], state().stamp).unwrap();
    policy.reset(&state()).unwrap();
    // Raw actions are 0.9 and -0.3: 0.09 and -0.03 rad per tick, approached together in steps of at
    // most 0.03.
    let first: Vec<f64> = policy.step(&state(), &inputs).unwrap().to_vec();
    assert!((first[0] - 0.23).abs() < 1e-6 && (first[1] - 0.29).abs() < 1e-6, "{first:?}");
    let second: Vec<f64> = policy.step(&state(), &inputs).unwrap().to_vec();
    assert!((second[0] - 0.29).abs() < 1e-6 && (second[1] - 0.27).abs() < 1e-6, "{second:?}");
    // The joints do not follow: the target stops half a radian away.
    for _ in 0..100 {
        policy.step(&state(), &inputs).unwrap();
    }
    let mut command = ActuatorCommand::unused(&layout());
    policy.write(&mut command);
    assert!(!command.joints[0].is_used());
    assert!((command.joints[1].position - 0.7).abs() < 1e-6);
    assert!((command.joints[2].position + 0.2).abs() < 1e-6);
}

#[test]
fn a_position_is_scaled_and_offset() {
    let manifest = MANIFEST.replace(
        "  mode: delta\n  joints: [shoulder, elbow]\n  clip: [-1.0, 1.0]\n  scale: 0.1\n  slew: 0.03\n  max_lead: 0.5\n",
        "  mode: position\n  joints: [shoulder, elbow]\n  clip: [-0.5, 0.5]\n  scale: 2.0\n  offset: [0.0, 1.0]\n",
    );
    let (mut policy, mut inputs) = policy(&manifest);
    inputs.set("height", &[1.0], state().stamp).unwrap();
    policy.reset(&state()).unwrap();
    let targets = policy.step(&state(), &inputs).unwrap();
    // Raw 0.9 is clipped to 0.5, raw -0.3 stays.
    assert!((targets[0] - 1.0).abs() < 1e-6 && (targets[1] - 0.4).abs() < 1e-6, "{targets:?}");
}

#[test]
fn a_twist_goes_to_the_base() {
    let manifest = MANIFEST.replace(
        "  mode: delta\n  joints: [shoulder, elbow]\n  clip: [-1.0, 1.0]\n  scale: 0.1\n  slew: 0.03\n  max_lead: 0.5\n",
        "  mode: twist\n  axes: [angular_z, linear_x]\n  clip: [-1.0, 1.0]\n  scale: [2.0, 0.5]\n  slew: 10.0\n",
    );
    let (mut policy, mut inputs) = policy(&manifest);
    inputs.set("height", &[1.0], state().stamp).unwrap();
    policy.reset(&state()).unwrap();
    policy.step(&state(), &inputs).unwrap();
    let mut command = ActuatorCommand::unused(&layout());
    policy.write(&mut command);
    let twist = command.base.unwrap();
    assert!((twist.angular_z - 1.8).abs() < 1e-6 && (twist.linear_x + 0.15).abs() < 1e-6);
    assert_eq!(twist.linear_y, 0.0);
}

#[test]
fn an_input_that_was_not_given_or_is_too_old_is_refused_by_name() {
    let (mut policy, mut inputs) = policy(MANIFEST);
    policy.reset(&state()).unwrap();
    let error = policy.step(&state(), &inputs).unwrap_err();
    assert_eq!(error.code(), ErrorCode::ObservationStale);
    assert!(error.to_string().contains("command[height] is missing"), "{error}");
    inputs.set("height", &[0.0], Time::from_nanos(800_000_000)).unwrap();
    let error = policy.step(&state(), &inputs).unwrap_err();
    assert!(error.to_string().contains("200ms old"), "{error}");
    inputs.clear();
    assert!(policy.step(&state(), &inputs).is_err());
}

#[test]
fn a_joint_that_is_invalid_or_not_finite_is_refused_by_name() {
    let (mut policy, mut inputs) = policy(MANIFEST);
    inputs.set("height", &[0.0], state().stamp).unwrap();
    let mut broken = state();
    broken.joints[2].valid = false;
    let error = policy.step(&broken, &inputs).unwrap_err();
    assert!(error.to_string().contains("joint_position[elbow] is invalid"), "{error}");
    let mut broken = state();
    broken.joints[1].position = f64::NAN;
    let error = policy.step(&broken, &inputs).unwrap_err();
    assert_eq!(error.code(), ErrorCode::PolicyNotFinite);
    assert!(error.to_string().contains("joint_position[shoulder]"), "{error}");
}

#[test]
fn a_network_that_overflows_is_refused_and_the_command_stays() {
    let folder = tempfile::tempdir().unwrap();
    let weights = vec![f32::MAX, 0.0, f32::MAX, 1.0, f32::MAX, -0.5];
    let manifest = MANIFEST
        .replace("[1.0, 2.0, 0.5]}, action: [1.25, 1.75]", "[0, 0, 0]}, action: [0, 0]")
        .replace("clip: [-1.0, 1.0]}", "clip: [-9.0, 9.0]}");
    let net = Net { weights, ..Net::default() };
    let mut policy = Policy::load(write(folder.path(), &net, &manifest), &layout()).unwrap();
    let mut inputs = policy.command_inputs();
    policy.reset(&state()).unwrap();
    inputs.set("height", &[5.0], state().stamp).unwrap();
    let error = policy.step(&state(), &inputs).unwrap_err();
    assert!(matches!(error, PolicyError::NotFinite { .. }), "{error}");
    let mut command = ActuatorCommand::unused(&layout());
    policy.write(&mut command);
    assert_eq!(command.joints[1].position, state().joints[1].position);
}

#[test]
fn an_unknown_command_is_refused_with_the_known_ones() {
    let (_, mut inputs) = policy(MANIFEST);
    let error = inputs.set("hight", &[0.0], Time::ZERO).unwrap_err().to_string();
    assert!(error.contains("hight") && error.contains("height[1] (m)"), "{error}");
    assert!(inputs.set("height", &[0.0, 1.0], Time::ZERO).is_err());
}

#[test]
fn a_state_of_another_robot_is_refused() {
    let (mut policy, mut inputs) = policy(MANIFEST);
    inputs.set("height", &[0.0], state().stamp).unwrap();
    let mut other = state();
    other.layout_hash ^= 1;
    let error = policy.step(&other, &inputs).unwrap_err();
    assert!(matches!(error, PolicyError::WrongLayout { .. }), "{error}");
}

#[test]
fn each_stage_is_timed() {
    let (mut policy, mut inputs) = policy(MANIFEST);
    inputs.set("height", &[0.0], state().stamp).unwrap();
    for _ in 0..5 {
        policy.step(&state(), &inputs).unwrap();
    }
    let latency = policy.latency();
    assert_eq!((latency.observe.count(), latency.run.count(), latency.decode.count()), (5, 5, 5));
}

#[test]
fn a_policy_may_be_loaded_on_one_thread_and_run_on_another() {
    let (mut policy, mut inputs) = policy(MANIFEST);
    inputs.set("height", &[0.0], state().stamp).unwrap();
    std::thread::spawn(move || {
        policy.reset(&state()).unwrap();
        policy.step(&state(), &inputs).unwrap();
    })
    .join()
    .unwrap();
}

const DELTA: &str = "  mode: delta\n  joints: [shoulder, elbow]\n  clip: [-1.0, 1.0]\n  scale: 0.1\n  slew: 0.03\n  max_lead: 0.5\n";

/// The state some milliseconds later, all joints measured then.
fn later(milliseconds: u64) -> sinew_types::RobotState {
    let mut state = state();
    state.stamp = Time::from_nanos(1_000_000_000 + milliseconds * 1_000_000);
    state.joints.iter_mut().for_each(|joint| joint.stamp = state.stamp);
    state
}

#[test]
fn a_term_may_keep_its_last_good_values_for_a_while() {
    let manifest =
        MANIFEST.replace("max_age_s: 0.05, offset", "max_age_s: 0.05, keep_last_s: 0.1, offset");
    let (mut policy, mut inputs) = policy(&manifest);
    inputs.set("height", &[0.0], later(0).stamp).unwrap();
    policy.reset(&later(0)).unwrap();
    policy.step(&later(0), &inputs).unwrap();
    let seen = observation(&policy);
    let lost = |milliseconds| {
        let mut state = later(milliseconds);
        state.joints[2].valid = false;
        state.joints[2].position = 9.0;
        state
    };
    inputs.set("height", &[0.0], later(100).stamp).unwrap();
    policy.step(&lost(100), &inputs).unwrap();
    assert_eq!(observation(&policy), seen);
    assert_eq!(policy.degraded(), (0, 1));
    let error = policy.step(&lost(120), &inputs).unwrap_err();
    assert!(error.to_string().contains("joint_position[elbow] is invalid"), "{error}");
    // A reset forgets it.
    policy.reset(&later(130)).unwrap();
    assert!(policy.step(&lost(130), &inputs).is_err());
}

#[test]
fn on_fault_repeats_the_last_command_for_as_long_as_the_manifest_says() {
    let manifest = MANIFEST.replace("on_fault: end", "on_fault: {repeat: {for_s: 0.05}}");
    let (mut policy, mut inputs) = policy(&manifest);
    inputs.set("height", &[1.0], later(0).stamp).unwrap();
    policy.reset(&later(0)).unwrap();
    let lost = |milliseconds| {
        let mut state = later(milliseconds);
        state.joints[1].valid = false;
        state
    };
    assert!(policy.step(&lost(0), &inputs).is_err(), "there is nothing to repeat yet");
    let good = policy.step(&later(0), &inputs).unwrap().to_vec();
    assert_eq!(policy.step(&lost(40), &inputs).unwrap(), good);
    assert_eq!(policy.degraded(), (1, 0));
    assert!(policy.step(&lost(60), &inputs).is_err());
    // A number that is not finite ends it at once.
    let mut broken = later(20);
    broken.joints[1].position = f64::NAN;
    assert!(policy.step(&broken, &inputs).is_err());
}

#[test]
fn a_position_is_slewed_from_where_the_joints_are_and_low_passed() {
    let position = |more: &str| {
        let action = format!(
            "  mode: position\n  joints: [shoulder, elbow]\n  scale: 1.0\n  offset: 0.0\n{more}"
        );
        let (mut policy, mut inputs) = policy(&MANIFEST.replace(DELTA, &action));
        inputs.set("height", &[1.0], state().stamp).unwrap();
        policy.reset(&state()).unwrap();
        let first = policy.step(&state(), &inputs).unwrap().to_vec();
        let second = policy.step(&state(), &inputs).unwrap().to_vec();
        (first, second)
    };
    // The network says 0.9 and -0.3; the joints are at 0.2 and 0.3.
    let (first, second) = position("  slew: [0.1, 0.25]\n");
    assert!((first[0] - 0.3).abs() < 1e-6 && (first[1] - 0.05).abs() < 1e-6, "{first:?}");
    assert!((second[0] - 0.4).abs() < 1e-6 && (second[1] + 0.2).abs() < 1e-6, "{second:?}");
    // A cut-off at which one tick of 50 Hz goes half of the way.
    let half = std::f64::consts::LN_2 * 50.0 / std::f64::consts::TAU;
    let (first, second) = position(&format!("  low_pass_hz: {half}\n"));
    assert!((first[0] - 0.55).abs() < 1e-6 && first[1].abs() < 1e-6, "{first:?}");
    assert!((second[0] - 0.725).abs() < 1e-6 && (second[1] + 0.15).abs() < 1e-6, "{second:?}");
}

#[test]
fn velocities_efforts_and_gains_reach_their_joints() {
    let command = |action: &str| {
        let (mut policy, mut inputs) = policy(&MANIFEST.replace(DELTA, action));
        inputs.set("height", &[1.0], state().stamp).unwrap();
        policy.reset(&state()).unwrap();
        policy.step(&state(), &inputs).unwrap();
        let mut command = ActuatorCommand::unused(&layout());
        policy.write(&mut command);
        (command.joints[1], command.joints[2])
    };
    let (shoulder, elbow) =
        command("  mode: velocity\n  joints: [elbow, shoulder]\n  scale: 1.0\n  slew: 0.5\n");
    assert!((elbow.velocity - 0.5).abs() < 1e-6 && (shoulder.velocity + 0.3).abs() < 1e-6);
    assert!(elbow.position.is_nan() && elbow.kp.is_nan());
    let (shoulder, elbow) =
        command("  mode: effort\n  joints: [shoulder, elbow]\n  scale: [10.0, 1.0]\n");
    assert!((shoulder.effort - 9.0).abs() < 1e-5 && (elbow.effort + 0.3).abs() < 1e-6);
    let (shoulder, elbow) = command(
        "  mode: position\n  joints: [shoulder, elbow]\n  scale: 1.0\n  offset: 0.0\n  gains: {kp: [40.0, 20.0], kd: 2.0}\n",
    );
    assert_eq!((shoulder.kp, elbow.kp, shoulder.kd, elbow.kd), (40.0, 20.0, 2.0, 2.0));
    assert_eq!((shoulder.velocity, shoulder.effort), (0.0, 0.0));
}

#[test]
fn what_another_commands_is_remembered_as_if_it_were_the_policys_own() {
    let with_memory = MANIFEST
        .replace(
            "{source: command, name: height, size: 1, unit: m, max_age_s: 0.1, clip: [-1.0, 1.0]}",
            "{source: command, name: height, size: 1, unit: m, max_age_s: 0.1}\n      - {source: last_action, size: 2}",
        )
        .replace("[1.0, 2.0, 0.5]}, action: [1.25, 1.75]", "[1.0, 2.0, 0.5, 0, 0]}, action: [1.25, 1.75]");
    let net = Net {
        inputs: 5,
        weights: vec![1.0, 0.0, 0.0, 1.0, 0.5, -0.5, 0.0, 0.0, 0.0, 0.0],
        ..Net::default()
    };
    let folder = tempfile::tempdir().unwrap();
    let mut policy = Policy::load(write(folder.path(), &net, &with_memory), &layout()).unwrap();
    let mut inputs = policy.command_inputs();
    inputs.set("height", &[0.0], later(0).stamp).unwrap();
    policy.reset(&later(0)).unwrap();
    let mut command = ActuatorCommand::unused(&layout());
    command.joints[1] = sinew_types::JointCommand::position(0.24);
    command.joints[2] = sinew_types::JointCommand::position(0.28);
    policy.watch(&later(0), &inputs, &command).unwrap();
    // Changes of 0.04 and -0.02 from where the joints were, in units of 0.1 rad.
    let raw = policy.raw_action();
    assert!((raw[0] - 0.4).abs() < 1e-6 && (raw[1] + 0.2).abs() < 1e-6, "{raw:?}");
    policy.step(&later(20), &inputs).unwrap();
    let seen = observation(&policy);
    assert!((seen[3] - 0.4).abs() < 1e-6 && (seen[4] + 0.2).abs() < 1e-6, "{seen:?}");
}
