//! What each part of a mode makes of sticks and leaders.

use std::time::Duration;

use nalgebra::{Isometry3, Vector3};
use sinew_robot::Kinematics;
use sinew_teleop::{LOST_AFTER, Mapping, Stop};
use sinew_types::ActuatorCommand;

use crate::rig::{HOLD, Rig, TICK, inline, shipped};

fn in_mode(mapping: &Mapping, select: usize) -> Rig {
    let mut rig = Rig::new(mapping);
    rig.tick();
    rig.pad().buttons[select] = true;
    rig.tick();
    rig.pad().buttons[select] = false;
    rig
}

fn arm(rig: &Rig) -> Vec<usize> {
    rig.robot.group("arm").unwrap().joints.clone()
}

fn tool(rig: &Rig) -> Isometry3<f64> {
    let positions: Vec<f64> = rig.state.joints.iter().map(|joint| joint.position).collect();
    let mut kinematics = Kinematics::new(&rig.robot);
    kinematics.update(&positions).unwrap();
    kinematics.base_from_link()[rig.robot.link_index("tool_link").unwrap()]
}

/// Commands that are followed at once, for so many ticks.
fn move_on(rig: &mut Rig, ticks: u32) -> ActuatorCommand {
    let mut last = None;
    for _ in 0..ticks {
        let Some(command) = rig.tick() else { panic!("{}", rig.session.phase()) };
        rig.follow(&command);
        last = Some(command);
    }
    last.unwrap()
}

#[test]
fn the_tool_goes_along_each_axis_of_the_frame_and_keeps_its_orientation() {
    for (axis, direction) in [(1, Vector3::x()), (0, Vector3::y()), (4, Vector3::z())] {
        let mut rig = in_mode(&shipped("xbox"), 2);
        rig.take_over();
        let before = tool(&rig);
        rig.pad().axes[axis] = 0.6;
        move_on(&mut rig, 100);
        let after = tool(&rig);
        let moved = after.translation.vector - before.translation.vector;
        let along = moved.dot(&direction);
        assert!(along > 0.03, "axis {axis}: {moved}");
        assert!((moved - direction * along).norm() < 0.03 * along, "axis {axis}: {moved}");
        assert!(after.rotation.angle_to(&before.rotation) < 0.01);
    }
}

#[test]
fn the_tool_turns_in_place_about_an_axis_of_the_frame() {
    let mut rig = in_mode(&shipped("xbox"), 2);
    rig.take_over();
    let before = tool(&rig);
    rig.pad().axes[3] = 1.0;
    move_on(&mut rig, 50);
    let after = tool(&rig);
    let turn = (after.rotation * before.rotation.inverse()).scaled_axis();
    assert!(turn.z > 0.3 && turn.xy().norm() < 0.02 * turn.z, "{turn}");
    assert!((after.translation.vector - before.translation.vector).norm() < 0.005);
}

#[test]
fn an_arm_that_is_stretched_out_stops_without_a_jump() {
    let mut rig = in_mode(&shipped("xbox"), 2);
    let mut last = rig.take_over();
    rig.pad().axes[1] = 1.0;
    let joints = arm(&rig);
    for _ in 0..500 {
        let command = rig.tick().unwrap();
        for joint in &joints {
            let step = command.joints[*joint].position - last.joints[*joint].position;
            let most = rig.robot.joints()[*joint].limits.max_velocity * TICK.as_secs_f64();
            assert!(step.abs() <= most + 1e-9, "{step}");
        }
        rig.follow(&command);
        last = command;
    }
}

#[test]
fn the_first_joint_command_is_the_last_set_point_and_not_where_the_arm_sags_to() {
    let mut rig = in_mode(&shipped("xbox"), 3);
    let joints = arm(&rig);
    let mut last = ActuatorCommand::unused(&rig.layout);
    for joint in &joints {
        last.joints[*joint].position = rig.state.joints[*joint].position + 0.02;
    }
    rig.session.observe_command(&last);
    let first = rig.take_over();
    for joint in &joints {
        assert!((first.joints[*joint].position - last.joints[*joint].position).abs() < 1e-9);
    }
    // A set-point that is far away is not what the arm is at.
    let mut rig = in_mode(&shipped("xbox"), 3);
    last.joints[joints[0]].position = 1.0;
    rig.session.observe_command(&last);
    let first = rig.take_over();
    let measured = rig.state.joints[joints[0]].position;
    assert!((first.joints[joints[0]].position - measured).abs() < 1e-9);
}

#[test]
fn an_arm_that_moves_is_taken_up_at_its_speed_and_brought_to_rest_within_its_acceleration() {
    let mut rig = in_mode(&shipped("xbox"), 3);
    let joint = arm(&rig)[0];
    rig.state.joints[joint].velocity = 0.6;
    let first = rig.take_over();
    let dt = TICK.as_secs_f64();
    let (mut position, mut velocity) = (rig.state.joints[joint].position, 0.6);
    let mut command = first;
    for _ in 0..20 {
        let next = command.joints[joint].position;
        let speed = (next - position) / dt;
        assert!((speed - velocity).abs() <= 8.0 * dt + 1e-9, "{speed} after {velocity}");
        (position, velocity) = (next, speed);
        rig.state.joints[joint].position = next;
        command = rig.tick().unwrap();
    }
    assert!(velocity.abs() < 1e-9);
}

#[test]
fn a_target_does_not_run_away_from_an_arm_that_is_held_back() {
    let mut rig = in_mode(&shipped("xbox"), 3);
    rig.take_over();
    rig.pad().axes[0] = 1.0;
    let joint = arm(&rig)[0];
    let command = rig.ticks(200).pop().unwrap();
    assert!(
        (command.joints[joint].position - rig.state.joints[joint].position).abs() <= 0.2 + 1e-9
    );
}

#[test]
fn a_joint_stops_at_its_limit() {
    let mut rig = in_mode(&shipped("xbox"), 3);
    rig.take_over();
    rig.pad().axes[1] = -1.0;
    let joint = arm(&rig)[1];
    let mut command = ActuatorCommand::unused(&rig.layout);
    for tick in 0..1000 {
        // A hand is never quite still; a device whose values never change is taken for a frozen one.
        rig.pad().axes[1] = if tick % 2 == 0 { -1.0 } else { -0.99 };
        command = move_on(&mut rig, 1);
    }
    let limit = rig.robot.joints()[joint].limits.lower;
    assert!((command.joints[joint].position - limit).abs() < 1e-9);
}

#[test]
fn a_gripper_is_left_alone_until_it_is_told_to_move_and_opens_from_the_width_of_what_it_holds() {
    let mut rig = in_mode(&shipped("xbox"), 2);
    let mut grasp = ActuatorCommand::unused(&rig.layout);
    grasp.grippers[0].width_m = 0.0;
    grasp.grippers[0].max_force_n = 12.0;
    rig.session.observe_command(&grasp);
    rig.state.grippers[0].width_m = 0.04;
    let first = rig.take_over();
    assert!(first.grippers[0].width_m.is_nan(), "it goes on holding");
    rig.pad().axes[5] = -1.0;
    let opening = rig.tick().unwrap().grippers[0];
    assert!((opening.width_m - 0.04 - 0.06 * TICK.as_secs_f64()).abs() < 1e-9, "{opening:?}");
    assert_eq!(opening.max_force_n, 12.0);
    rig.pad().axes[5] = 1.0;
    let stays = rig.tick().unwrap().grippers[0];
    assert_eq!(stays, opening);
}

#[test]
fn a_trigger_that_was_never_seen_at_rest_is_not_pulled() {
    let mut rig = in_mode(&shipped("xbox"), 2);
    // As ROS 2's joy_node reports a trigger before its first touch.
    let mut untouched = Rig::new(&shipped("xbox"));
    for rig in [&mut rig, &mut untouched] {
        rig.pad().axes[5] = 0.0;
    }
    untouched.tick();
    untouched.pad().buttons[2] = true;
    untouched.tick();
    untouched.pad().buttons[2] = false;
    assert!(untouched.take_over().grippers[0].width_m.is_nan());
    assert!(!rig.take_over().grippers[0].width_m.is_nan());
}

const LEADER: &str = "
device: pedal
buttons: {pedal: 4}
dead_man: pedal
modes:
  - name: follow
    leader:
      group: head
      approach_velocity: 0.25
      joints:
        head_pan_joint: {leader: pan}
        head_tilt_joint: {leader: tilt, scale: -1, offset: 0.1}
      gripper: {group: gripper, leader: trigger, closed: 0.2, open: 1.2}
";

fn led(rig: &mut Rig, pan: f64, tilt: f64, trigger: f64) {
    let names = ["pan", "tilt", "trigger"].map(String::from);
    rig.session.observe_leader(rig.now + TICK, &names, &[pan, tilt, trigger]);
}

#[test]
fn a_follower_is_brought_to_its_leader_slowly_and_follows_it_then() {
    let mut rig = Rig::new(&inline(LEADER).unwrap());
    let head = rig.robot.group("head").unwrap().joints.clone();
    rig.state.grippers[0].width_m = 0.03;
    rig.ticks(2);
    led(&mut rig, 0.5, -0.2, 0.7);
    rig.pad().buttons[HOLD] = true;
    rig.tick();
    let mut last = rig.state.joints[head[0]].position;
    let mut approached = 0;
    loop {
        led(&mut rig, 0.5, -0.2, 0.7);
        let command = rig.tick().unwrap();
        if rig.session.detail() == "following the leader" {
            break;
        }
        assert!(
            (command.joints[head[0]].position - last).abs() <= 0.25 * TICK.as_secs_f64() + 1e-9
        );
        assert_eq!(command.grippers[0].width_m, 0.03, "the hand keeps what it holds on the way");
        last = command.joints[head[0]].position;
        rig.follow(&command);
        approached += 1;
    }
    assert!(approached > 70, "{approached} ticks");
    for tick in 0..100 {
        let pan = 0.5 + 0.004 * f64::from(tick);
        led(&mut rig, pan, -0.2, 0.7);
        let command = rig.tick().unwrap();
        rig.follow(&command);
        if tick > 30 {
            let at = |joint: usize| command.joints[head[joint]].position;
            assert!((at(0) - pan).abs() < 0.02 && (at(1) - 0.3).abs() < 0.01, "{tick}");
            assert!((command.grippers[0].width_m - 0.04).abs() < 1e-9);
        }
    }
}

#[test]
fn a_leader_that_is_silent_or_not_a_number_is_lost() {
    for value in [None, Some(f64::NAN)] {
        let mut rig = Rig::new(&inline(LEADER).unwrap());
        rig.ticks(2);
        led(&mut rig, 0.0, 0.0, 0.2);
        rig.pad().buttons[HOLD] = true;
        rig.tick();
        for _ in 0..10 {
            led(&mut rig, 0.0, 0.0, 0.2);
            assert!(rig.tick().unwrap().dead_man);
        }
        let since = rig.now;
        let mut last = None;
        while rig.stopped().is_none() {
            if let Some(value) = value {
                led(&mut rig, value, 0.0, 0.2);
            }
            last = rig.tick();
        }
        assert_eq!(rig.stopped(), Some(Stop::LeaderLost));
        assert!(!last.unwrap().dead_man);
        let within = if value.is_some() { Duration::ZERO } else { LOST_AFTER };
        assert_eq!(rig.now.since(since), within + TICK);
    }
}
