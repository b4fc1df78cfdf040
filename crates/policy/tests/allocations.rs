//! A tick allocates nothing on the Rust side. ONNX Runtime's own allocations are not counted: it does
//! not use Rust's allocator.

#![allow(clippy::unwrap_used)]

#[path = "policy/common.rs"]
mod common;

use assert_no_alloc::{AllocDisabler, assert_no_alloc};
use common::{MANIFEST, Net, layout, state, write};
use sinew_policy::Policy;
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
