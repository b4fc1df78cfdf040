//! What is called at every tick does not allocate. One test alone, because the counter is the whole process's.
#![allow(clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};

use nalgebra::Vector3;
use sinew_robot::{DifferentialIk, IkOptions, IkSolver, Kinematics, RobotModel};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is handed to the system allocator unchanged.
#[allow(unsafe_code)]
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise, passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise, passed on.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static COUNTING: Counting = Counting;

#[test]
fn repeated_kinematics_do_not_allocate() {
    let model =
        RobotModel::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../urdf/mobi.robot.yaml"))
            .unwrap();
    let chain = model.chain("arm").unwrap();
    let home = model.group("arm").unwrap().configuration("home").unwrap();
    let mut kinematics = Kinematics::new(&model);
    let mut positions = vec![0.1; model.joints().len()];
    let mut jacobian = chain.new_jacobian();
    let preferred = Some(home.to_vec());
    let mut solver = IkSolver::new(chain.clone(), IkOptions { preferred, ..IkOptions::default() });
    let mut differential = DifferentialIk::new(chain.clone(), 1.0);
    let target = chain.base_from_tool(&[0.4, -1.0, 1.2, 0.8, 0.5, -0.4]).unwrap();
    let mut solution = [0.0; 6];
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    for _ in 0..10 {
        model.apply_mimic(&mut positions).unwrap();
        kinematics.update(&positions).unwrap();
        chain.jacobian(home, &mut jacobian).unwrap();
        solver.solve_into(&target, home, &mut solution).unwrap();
        differential.velocities(home, Vector3::x() * 0.1, Vector3::z()).unwrap();
    }
    assert_eq!(ALLOCATIONS.load(Ordering::Relaxed) - before, 0);
}
