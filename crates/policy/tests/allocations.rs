//! A tick allocates nothing on the Rust side. ONNX Runtime's own allocations are not counted: it does
//! not use Rust's allocator.

#![allow(clippy::unwrap_used)]

#[path = "policy/common.rs"]
mod common;

use std::sync::Arc;

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use common::{MANIFEST, Net, layout, state, write};
use sinew_policy::{Embodiment, Policy};
use sinew_robot::RobotModel;
use sinew_types::ActuatorCommand;

#[global_allocator]
static ALLOCATOR: AllocDisabler = AllocDisabler;

#[test]
fn a_tick_does_not_allocate() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &Net::default(), MANIFEST);
    let mut policy = Policy::load(path, &layout()).unwrap();
    let mut inputs = policy.command_inputs();
    let mut command = ActuatorCommand::unused(&layout());
    let state = state();
    policy.reset(&state).unwrap();
    assert_no_alloc(|| {
        for _ in 0..100 {
            inputs.set("height", &[0.5], state.stamp).unwrap();
            policy.step(&state, &inputs).unwrap();
            policy.write(&mut command);
        }
    });
}

#[test]
fn a_tick_of_a_tool_does_not_allocate() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let model = RobotModel::load(file.join("urdf/mobi.robot.yaml")).unwrap();
    let layout = sinew_hardware::layout_of(&model).unwrap();
    let robot = Embodiment::new(&layout, Arc::new(model));
    let path = file.join("policies/place/place.policy.yaml");
    let mut policy = Policy::load(path, &robot).unwrap();
    let mut inputs = policy.command_inputs();
    let mut command = ActuatorCommand::unused(&layout);
    let mut state = sinew_types::RobotState::invalid(&layout);
    state.joints.iter_mut().for_each(|joint| joint.valid = true);
    state.grippers.iter_mut().for_each(|gripper| gripper.valid = true);
    policy.reset(&state).unwrap();
    assert_no_alloc(|| {
        for _ in 0..100 {
            inputs.set("tool_position_error", &[0.1, 0.02, 0.0], state.stamp).unwrap();
            inputs.set("tool_rotation_error", &[0.1, 0.0, 0.0], state.stamp).unwrap();
            inputs.set("object_width", &[0.04], state.stamp).unwrap();
            inputs.set("approach_height", &[0.08], state.stamp).unwrap();
            policy.step(&state, &inputs).unwrap();
            policy.write(&mut command);
        }
    });
}

#[test]
fn a_tick_that_fails_does_not_allocate() {
    let folder = tempfile::tempdir().unwrap();
    let path = write(folder.path(), &Net::default(), MANIFEST);
    let mut policy = Policy::load(path, &layout()).unwrap();
    let mut inputs = policy.command_inputs();
    let command = ActuatorCommand::unused(&layout());
    let good = state();
    policy.reset(&good).unwrap();
    inputs.set("height", &[0.5], good.stamp).unwrap();
    let mut old = good.clone();
    old.stamp += std::time::Duration::from_secs(1);
    let mut invalid = good.clone();
    invalid.joints[1].valid = false;
    let mut endless = good.clone();
    endless.joints[1].position = f64::NAN;
    let mut foreign = good.clone();
    foreign.layout_hash += 1;
    assert_no_alloc(|| {
        for state in [&old, &invalid, &endless, &foreign] {
            for _ in 0..10 {
                assert!(policy.step(state, &inputs).is_err());
                assert!(policy.watch(state, &inputs, &command).is_err());
            }
        }
        assert!(policy.reset(&invalid).is_err());
    });
}
