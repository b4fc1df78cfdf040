//! Jacobian and inverse kinematics of mobi's arm.

use std::path::Path;

use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};
use proptest::prelude::*;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sinew_robot::{Chain, IkConstraint, IkError, IkOptions, IkSolver, RobotModel};

fn mobi() -> RobotModel {
    RobotModel::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../urdf/mobi.robot.yaml"))
        .unwrap()
}

fn random_positions(chain: &Chain, random: &mut ChaCha8Rng) -> Vec<f64> {
    chain.limits().map(|limits| random.random_range(limits.lower..=limits.upper)).collect()
}

#[test]
fn inverse_kinematics_reach_what_the_arm_can_reach() {
    let model = mobi();
    let chain = model.chain("arm").unwrap();
    let ready = model.group("arm").unwrap().configuration("ready").unwrap();
    let mut solver = IkSolver::new(chain.clone(), IkOptions::default());
    let mut random = ChaCha8Rng::seed_from_u64(11);
    let (mut solved, mut iterations, mut attempts) = (0, 0, 0);
    for _ in 0..1000 {
        let target = chain.base_from_tool(&random_positions(&chain, &mut random)).unwrap();
        let Ok(solution) = solver.solve(&target, ready) else { continue };
        let reached = chain.base_from_tool(&solution.positions).unwrap();
        let difference = target.inv_mul(&reached);
        assert!(difference.translation.vector.norm() < 1e-4 && difference.rotation.angle() < 1e-3);
        for (position, limits) in solution.positions.iter().zip(chain.limits()) {
            assert!(limits.contains(*position));
        }
        solved += 1;
        iterations += solution.report.iterations;
        attempts += solution.report.attempts;
    }
    println!(
        "{solved} of 1000 poses, {} steps and {:.2} attempts each",
        iterations / solved,
        f64::from(attempts) / f64::from(solved)
    );
    assert!(solved >= 990, "{solved} of 1000");
}

#[test]
fn top_down_grasps_over_the_table_keep_the_elbow_up() {
    let model = mobi();
    let chain = model.chain("arm").unwrap();
    let ready = model.group("arm").unwrap().configuration("ready").unwrap();
    let mut solver = IkSolver::new(chain, IkOptions::default());
    for x in [0.45, 0.55, 0.65, 0.75, 0.80] {
        for y in [-0.25, -0.1, 0.0, 0.1, 0.25] {
            for z in [0.42, 0.50, 0.60] {
                for yaw in [-1.5, -0.7, 0.0, 0.7, 1.5] {
                    let down = UnitQuaternion::from_euler_angles(0.0, 0.0, yaw)
                        * UnitQuaternion::from_euler_angles(0.0, std::f64::consts::FRAC_PI_2, 0.0);
                    let target = Isometry3::from_parts(Translation3::new(x, y, z), down);
                    let solution = solver.solve(&target, ready).unwrap();
                    assert_eq!(solution.report.attempts, 1, "({x}, {y}, {z}) yaw {yaw}");
                    assert!(
                        solution.positions[2] > 0.3,
                        "elbow {} at ({x}, {y}, {z})",
                        solution.positions[2]
                    );
                    assert!(
                        solution.positions[3].abs() < 1e-2,
                        "forearm rolled at ({x}, {y}, {z}): {:?}",
                        solution.positions
                    );
                }
            }
        }
    }
}

#[test]
fn a_target_out_of_reach_is_refused_with_its_distance() {
    let model = mobi();
    let mut solver = IkSolver::new(
        model.chain("arm").unwrap(),
        IkOptions { constraint: IkConstraint::Position, ..IkOptions::default() },
    );
    let target = Isometry3::translation(2.16, 0.0, 0.5);
    let Err(IkError::NotReached { position_error_m, .. }) = solver.solve(&target, &[0.1; 6]) else {
        panic!("reached the unreachable");
    };
    // The arm is 0.93 m long from the shoulder at x = 0.16.
    assert!((position_error_m - 1.07).abs() < 0.01, "{position_error_m}");
}

#[test]
fn the_same_call_gives_the_same_answer() {
    let model = mobi();
    let chain = model.chain("arm").unwrap();
    let mut solver = IkSolver::new(chain.clone(), IkOptions::default());
    let mut random = ChaCha8Rng::seed_from_u64(5);
    for _ in 0..20 {
        let target = chain.base_from_tool(&random_positions(&chain, &mut random)).unwrap();
        assert_eq!(solver.solve(&target, &[0.0; 6]), solver.solve(&target, &[0.0; 6]));
    }
}

#[test]
fn freedom_left_by_the_task_goes_to_the_preferred_posture() {
    let model = mobi();
    let chain = model.chain("arm").unwrap();
    let ready = model.group("arm").unwrap().configuration("ready").unwrap().to_vec();
    let mut target = chain.base_from_tool(&ready).unwrap();
    target.translation.vector += Vector3::new(0.05, 0.05, -0.05);
    let mut start = ready.clone();
    start[5] = 2.0;
    start[3] = 0.5;
    let distance = |options: IkOptions| {
        let solution = IkSolver::new(chain.clone(), options).solve(&target, &start).unwrap();
        let reached = chain.base_from_tool(&solution.positions).unwrap();
        assert!((reached * Vector3::x() - target * Vector3::x()).norm() < 1e-3);
        assert!((reached.translation.vector - target.translation.vector).norm() < 1e-4);
        solution.positions.iter().zip(&ready).map(|(a, b)| (a - b).powi(2)).sum::<f64>().sqrt()
    };
    let free = IkOptions { constraint: IkConstraint::Pointing, ..IkOptions::default() };
    let preferring = IkOptions { preferred: Some(ready.clone()), ..free.clone() };
    let (without, with) = (distance(free), distance(preferring));
    assert!(with < 0.4 && without > 1.0, "{with} with, {without} without");
}

#[test]
fn targets_that_are_not_finite_are_refused() {
    let model = mobi();
    let mut solver = IkSolver::new(model.chain("arm").unwrap(), IkOptions::default());
    let target = Isometry3::translation(f64::NAN, 0.0, 0.5);
    assert_eq!(solver.solve(&target, &[0.0; 6]), Err(IkError::NotFinite { what: "target" }));
    assert!(matches!(
        solver.solve(&Isometry3::identity(), &[0.0; 5]),
        Err(IkError::Length { what: "start", expected: 6, actual: 5 })
    ));
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]
    #[test]
    fn the_jacobian_is_the_derivative_of_the_pose(shares in prop::array::uniform6(0.01..0.99_f64)) {
        let chain = mobi().chain("arm").unwrap();
        let positions: Vec<f64> =
            chain.limits().zip(shares).map(|(limits, share)| limits.lower + share * (limits.upper - limits.lower)).collect();
        let mut jacobian = chain.new_jacobian();
        let pose = chain.jacobian(&positions, &mut jacobian).unwrap();
        prop_assert!((pose.translation.vector - chain.base_from_tool(&positions).unwrap().translation.vector).norm() < 1e-12);
        let step = 1e-6;
        for index in 0..chain.dof() {
            let moved = |by: f64| {
                let mut moved = positions.clone();
                moved[index] += by;
                chain.base_from_tool(&moved).unwrap()
            };
            let (before, after) = (moved(-step), moved(step));
            let linear = (after.translation.vector - before.translation.vector) / (2.0 * step);
            let angular = (after.rotation * before.rotation.inverse()).scaled_axis() / (2.0 * step);
            let column = jacobian.column(index);
            prop_assert!((column.fixed_rows::<3>(0) - linear).norm() < 1e-6);
            prop_assert!((column.fixed_rows::<3>(3) - angular).norm() < 1e-6);
        }
    }
}
