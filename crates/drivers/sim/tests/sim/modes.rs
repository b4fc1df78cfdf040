//! Position, velocity, effort and impedance of a joint, against physics that fits on a napkin.

use sinew_driver_sim::World;
use sinew_types::JointCommand;

use crate::bases::{BOLTED, BOLTED_YAML, world};
use crate::rig::{PERIOD_S, Rig, repository};

/// About a vertical axis of `modes`: the link's own, 0.5 kg at 0.1 m, and the drive's.
const INERTIA_KG_M2: f64 = 0.002 + 0.5 * 0.1 * 0.1 + 0.02;
/// Of the bolted beam: 1 kg at 0.2 m.
const LOAD_N_M: f64 = 9.81 * 0.2;

const POSITION: usize = 0;
const VELOCITY: usize = 1;
const EFFORT: usize = 2;
const IMPEDANCE: usize = 3;

fn effort(effort: f64) -> JointCommand {
    JointCommand { effort, ..JointCommand::UNUSED }
}

fn velocity(velocity: f64) -> JointCommand {
    JointCommand { velocity, ..JointCommand::UNUSED }
}

/// Joints on vertical axes, which gravity does not load.
fn modes(folder: &std::path::Path) -> Rig {
    let robot = repository("urdf/modes.robot.yaml").canonicalize().unwrap();
    let file = folder.join("world.yaml");
    std::fs::write(&file, format!("name: empty\nrobot: {{file: {}}}\n", robot.display())).unwrap();
    let world = World::load(file).unwrap();
    let scene = world.scene().unwrap();
    Rig::new(world, &scene)
}

/// A beam on a horizontal axis, which gravity turns towards positive angles.
fn beam(folder: &std::path::Path) -> Rig {
    let world = world(folder, ("robot.urdf", BOLTED), BOLTED_YAML);
    let scene = world.scene().unwrap();
    Rig::new(world, &scene)
}

#[test]
fn effort_accelerates_a_joint_as_its_inertia_says() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = modes(folder.path());
    rig.command.joints[EFFORT] = effort(0.1);
    rig.wait(0.2);
    let expected = 0.1 * 0.2 / INERTIA_KG_M2;
    let measured = rig.state.joints[EFFORT].velocity;
    assert!((measured - expected).abs() < 0.03 * expected, "{measured}, expected {expected} rad/s");
    assert!((rig.state.joints[EFFORT].effort - 0.1).abs() < 1e-9);
}

#[test]
fn impedance_is_a_spring_with_a_damper() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = modes(folder.path());
    let (kp, kd, goal) = (4.0, 0.05, 0.3);
    rig.command.joints[IMPEDANCE] =
        JointCommand { position: goal, velocity: 0.0, effort: 0.0, kp, kd };
    let decay = kd / (2.0 * INERTIA_KG_M2);
    let frequency = (kp / INERTIA_KG_M2 - decay * decay).sqrt();
    // Two periods of the oscillation.
    let ticks = (4.0 * std::f64::consts::PI / frequency / PERIOD_S).round() as u32;
    let mut worst = 0f64;
    for tick in 0..ticks {
        rig.tick(|_, _| {});
        let t = f64::from(tick) * PERIOD_S;
        let swing = (frequency * t).cos() + decay / frequency * (frequency * t).sin();
        let expected = goal * (1.0 - (-decay * t).exp() * swing);
        worst = worst.max((rig.state.joints[IMPEDANCE].position - expected).abs());
    }
    assert!(worst < 0.05 * goal, "{worst} rad off the solution");
}

#[test]
fn impedance_adds_feed_forward_effort_and_carries_nothing_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = beam(folder.path());
    let (kp, kd) = (10.0, 2.0);
    let pulled = JointCommand { position: 0.0, velocity: 0.0, effort: 0.0, kp, kd };
    rig.command.joints[0] = pulled;
    rig.wait(3.0);
    let sag = rig.state.joints[0].position;
    assert!((kp * sag - LOAD_N_M * sag.cos()).abs() < 0.01 * LOAD_N_M, "{sag} rad");
    rig.command.joints[0] = JointCommand { effort: -LOAD_N_M, ..pulled };
    rig.wait(3.0);
    assert!(rig.state.joints[0].position.abs() < 1e-3, "{:?}", rig.state.joints[0]);
}

#[test]
fn velocity_is_kept_against_a_load_and_position_where_it_ends() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = beam(folder.path());
    rig.command.joints[0] = velocity(-0.5);
    rig.wait(0.2);
    let from = rig.state.joints[0].position;
    rig.wait(1.0);
    let joint = rig.state.joints[0];
    assert!((joint.position - from + 0.5).abs() < 0.005, "{} rad in 1 s", joint.position - from);
    assert!((joint.velocity + 0.5).abs() < 0.01, "{} rad/s", joint.velocity);
    rig.command.joints[0] = JointCommand::position(joint.position);
    rig.wait(0.5);
    let moved = rig.state.joints[0].position - joint.position;
    assert!(moved.abs() < 0.01, "{moved} rad on the way to rest");
}

#[test]
fn no_mode_exerts_more_than_the_joints_effort_limit() {
    let folder = tempfile::tempdir().unwrap();
    for command in [
        effort(100.0),
        JointCommand { position: 5.0, velocity: 0.0, effort: 0.0, kp: 1000.0, kd: 1.0 },
        JointCommand::position(0.9),
        velocity(-50.0),
    ] {
        let mut rig = beam(folder.path());
        rig.command.joints[0] = command;
        for _ in 0..100 {
            rig.tick(|_, _| {});
            let effort = rig.state.joints[0].effort;
            assert!(effort.abs() <= 20.0 + 1e-9, "{command:?}: {effort} N m, allowed: 20");
        }
    }
}

#[test]
fn each_joint_has_a_mode_of_its_own_and_may_change_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = modes(folder.path());
    let spring = JointCommand { position: 0.2, velocity: 0.0, effort: 0.0, kp: 4.0, kd: 0.5 };
    rig.command.joints[POSITION] = JointCommand::position(-0.2);
    rig.command.joints[VELOCITY] = velocity(0.2);
    rig.command.joints[EFFORT] = effort(0.0);
    rig.command.joints[IMPEDANCE] = spring;
    rig.wait(1.0);
    let at = |rig: &Rig, joint: usize| rig.state.joints[joint].position;
    assert!((at(&rig, POSITION) + 0.2).abs() < 1e-3);
    assert!((at(&rig, VELOCITY) - 0.2).abs() < 0.005);
    assert!(at(&rig, EFFORT).abs() < 1e-3);
    assert!((at(&rig, IMPEDANCE) - 0.2).abs() < 0.01);

    let before = at(&rig, VELOCITY);
    rig.command.joints[POSITION] = JointCommand { position: -0.2, ..spring };
    rig.command.joints[VELOCITY] = JointCommand::position(before);
    rig.command.joints[EFFORT] = velocity(-0.2);
    rig.wait(1.0);
    assert!((at(&rig, POSITION) + 0.2).abs() < 1e-3, "a spring at its target pulls at nothing");
    assert!((at(&rig, VELOCITY) - before).abs() < 0.005);
    assert!((at(&rig, EFFORT) + 0.2).abs() < 0.005);
}
