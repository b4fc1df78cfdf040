//! `follow_joint_trajectory` of the simulated robot, as MoveIt would send it goals.

use std::time::Duration;

use serde_json::json;
use sinew_bus::{GoalStatus, names};
use sinew_msgs::control_msgs::action::FollowJointTrajectory;
use sinew_msgs::control_msgs::{
    FollowJointTrajectoryGoal, FollowJointTrajectoryResult as Outcome, JointComponentTolerance,
    JointTolerance,
};
use sinew_msgs::sinew_msgs::{AcquireLeaseRequest, GroupOwner, SafetyState};
use sinew_msgs::trajectory_msgs::JointTrajectoryPoint;
use sinew_nodes::convert::{duration_from_msg, duration_to_msg, time_from_msg, time_to_msg};
use sinew_types::{JointCommand, Time};

use crate::external_rig::{Rig, Sent, TICK, root};

const ARM: [&str; 6] = [
    "arm_pan_joint",
    "arm_shoulder_joint",
    "arm_elbow_joint",
    "arm_forearm_roll_joint",
    "arm_wrist_pitch_joint",
    "arm_wrist_roll_joint",
];
const HEAD: [&str; 2] = ["head_pan_joint", "head_tilt_joint"];
/// Where the robot starts.
const ARM_HOME: [f64; 6] = [0.0, -2.25, 2.55, 0.0, 1.270796, 0.0];
const HEAD_HOME: [f64; 2] = [-0.25, 0.80];
/// Of arm and head, rad/s².
const MAX_ACCELERATION: f64 = 8.0;

fn point(at_s: f64, positions: &[f64], velocities: &[f64]) -> JointTrajectoryPoint {
    JointTrajectoryPoint {
        positions: positions.to_vec(),
        velocities: velocities.to_vec(),
        time_from_start: duration_to_msg(Duration::from_secs_f64(at_s)),
        ..Default::default()
    }
}

fn goal(joints: &[&str], points: Vec<JointTrajectoryPoint>) -> FollowJointTrajectoryGoal {
    let mut goal = FollowJointTrajectoryGoal::default();
    goal.trajectory.joint_names = joints.iter().map(ToString::to_string).collect();
    goal.trajectory.points = points;
    goal
}

/// The arm's home with other angles of pan and wrist roll.
fn arm(pan: f64, roll: f64) -> [f64; 6] {
    let mut positions = ARM_HOME;
    (positions[0], positions[5]) = (pan, roll);
    positions
}

/// From rest at home to rest at this pan, in so many seconds.
fn pan_to(pan: f64, seconds: f64) -> FollowJointTrajectoryGoal {
    goal(&ARM, vec![point(seconds, &arm(pan, 0.0), &[0.0; 6])])
}

fn head_to(pan: f64, seconds: f64) -> FollowJointTrajectoryGoal {
    goal(&HEAD, vec![point(seconds, &[pan, HEAD_HOME[1]], &[0.0; 2])])
}

fn send(rig: &Rig, group: &str, goal: FollowJointTrajectoryGoal) -> Sent<FollowJointTrajectory> {
    rig.send(&names::follow_joint_trajectory(group), goal)
}

/// What a joint's speed may change by in a tick, measured.
fn bound() -> f64 {
    1.2 * MAX_ACCELERATION * TICK.as_secs_f64()
}

/// Sends a goal for the arm and runs into the middle of its motion.
fn in_mid_motion(rig: &mut Rig) -> Sent<FollowJointTrajectory> {
    let mut sent = send(rig, "arm", pan_to(1.0, 2.0));
    rig.run(1.0);
    sent.poll();
    assert!(sent.accepted && sent.end.is_none());
    assert_eq!(rig.owner("arm").source, AcquireLeaseRequest::SOURCE_EXTERNAL);
    assert!(rig.joint("arm_pan_joint").1 > 0.5, "{:?}", rig.joint("arm_pan_joint"));
    sent
}

/// That the arm rests, without an owner, and goes on doing so.
#[track_caller]
fn assert_rests(rig: &mut Rig) {
    rig.run(0.5);
    let before = rig.joint("arm_pan_joint").0;
    rig.run(1.0);
    let (after, speed) = rig.joint("arm_pan_joint");
    assert!((after - before).abs() < 1e-3 && speed.abs() < 0.01, "{before} {after} {speed}");
    assert!(after < 0.95, "it went on to {after}");
}

#[test]
fn a_trajectory_is_followed_through_its_points_and_succeeds_at_rest_at_the_last() {
    let mut rig = Rig::new();
    // Not in the robot's order.
    let order = [5, 3, 1, 0, 2, 4];
    let names = order.map(|joint| ARM[joint]);
    let shuffled = |values: [f64; 6]| order.map(|joint| values[joint]);
    let mut velocity = [0.0; 6];
    velocity[0] = 0.5;
    let vias = [(1.0, arm(0.3, 0.4)), (2.0, arm(0.8, 0.4))];
    let end = arm(1.0, 0.0);
    let points = vec![
        point(0.0, &shuffled(ARM_HOME), &[0.0; 6]),
        point(vias[0].0, &shuffled(vias[0].1), &shuffled(velocity)),
        point(vias[1].0, &shuffled(vias[1].1), &shuffled(velocity)),
        point(3.0, &shuffled(end), &[0.0; 6]),
    ];
    let mut sent = send(&rig, "arm", goal(&names, points));
    let (status, result) = rig.finish(&mut sent);
    assert_eq!((status, result.error_code), (GoalStatus::Succeeded, 0), "{result:?}");

    // 3 s at 20 Hz, and what it takes to settle.
    let count = sent.feedback.len();
    assert!((58..=64).contains(&count), "{count}");
    for said in &sent.feedback {
        assert_eq!(said.joint_names, ARM);
        let (desired, actual) = (&said.desired, &said.actual);
        let errors = desired.positions.iter().zip(&actual.positions).map(|(d, a)| d - a);
        assert!(errors.eq(said.error.positions.iter().copied()));
        for (name, error) in ARM.iter().zip(&said.error.positions) {
            assert!(error.abs() < 0.005, "{name} is {error} rad off");
        }
    }
    let first = &sent.feedback[0];
    let zero =
        time_from_msg(&first.header.stamp) - duration_from_msg(&first.desired.time_from_start);
    for (at_s, via) in vias {
        let at = zero + Duration::from_secs_f64(at_s);
        let (_, tick) = rig.seen.iter().find(|(stamp, _)| *stamp >= at).unwrap();
        for (name, wanted) in ARM.iter().zip(via) {
            let measured = tick.joint_state.position[rig.layout.joint_index(name).unwrap()];
            assert!((measured - wanted).abs() < 0.015, "{name}: {measured}, wanted {wanted}");
        }
    }
    for (name, wanted) in ARM.iter().zip(end) {
        let (position, velocity) = rig.joint(name);
        assert!((position - wanted).abs() < 0.01 && velocity.abs() < 0.05, "{name}: {position}");
    }
    let ended = rig.seen.len();
    // Sooner than a lease without commands ends by itself.
    rig.run(0.04);
    let owner = rig.owner("arm");
    assert_eq!((owner.source, owner.output_kind), (0, GroupOwner::OUTPUT_HOLD));
    rig.run(1.0);
    for (_, tick) in &rig.seen[ended..] {
        for (name, wanted) in ARM.iter().zip(end) {
            let measured = tick.joint_state.position[rig.layout.joint_index(name).unwrap()];
            assert!((measured - wanted).abs() < 1e-3, "{name} is held at {measured}");
        }
    }
}

#[test]
fn positions_alone_and_a_start_that_lies_ahead_will_do() {
    let mut rig = Rig::new();
    let points = vec![point(0.5, &[0.0, 0.8], &[]), point(1.0, &[0.2, 0.6], &[])];
    let mut ahead = goal(&HEAD, points);
    ahead.trajectory.header.stamp = time_to_msg(rig.now() + Duration::from_secs(1));
    let sent_at = rig.now();
    let mut sent = send(&rig, "head", ahead);
    let (status, result) = rig.finish(&mut sent);
    assert_eq!(status, GoalStatus::Succeeded, "{result:?}");
    let took = rig.now().since(sent_at);
    assert!(took > Duration::from_millis(1990) && took < Duration::from_millis(2400), "{took:?}");
    rig.run(0.5);
    assert!((rig.joint("head_pan_joint").0 - 0.2).abs() < 1e-3, "held at the end of a line, too");
}

#[test]
fn a_goal_that_cannot_be_followed_is_rejected_and_diagnostics_tell_why() {
    type Spoil = fn(&mut FollowJointTrajectoryGoal, Time);
    let cases: [(&str, Spoil); 23] = [
        ("trajectory.points: none", |goal, _| goal.trajectory.points.clear()),
        ("`arm_pan_joint`; allowed: each joint of `head` once: head_pan_joint", |goal, _| {
            goal.trajectory.joint_names[0] = "arm_pan_joint".into();
        }),
        ("INVALID_JOINTS: trajectory.joint_names: no `head_tilt_joint`", |goal, _| {
            goal.trajectory.joint_names.pop();
        }),
        ("`head_pan_joint` twice", |goal, _| {
            goal.trajectory.joint_names[1] = "head_pan_joint".into();
        }),
        ("points[0].positions: 1 values; allowed: 2, one per joint", |goal, _| {
            goal.trajectory.points[0].positions.pop();
        }),
        ("points[1].positions: 0 values", |goal, _| goal.trajectory.points[1].positions.clear()),
        ("points[1].velocities: 3 values; allowed: 2, one per joint, or none", |goal, _| {
            goal.trajectory.points[1].velocities.push(0.0);
        }),
        ("points[0].velocities: none; allowed: accelerations only beside", |goal, _| {
            goal.trajectory.points[0].velocities.clear();
            goal.trajectory.points[0].accelerations = vec![0.0; 2];
        }),
        ("points[0].effort", |goal, _| goal.trajectory.points[0].effort = vec![1.0; 2]),
        ("points[1].time_from_start: 1 s 0 ns; allowed: more than 1 s", |goal, _| {
            goal.trajectory.points[1].time_from_start.sec = 1;
        }),
        ("points[0].time_from_start: -1 s 0 ns", |goal, _| {
            goal.trajectory.points[0].time_from_start.sec = -1;
        }),
        ("points[1].positions: NaN", |goal, _| {
            goal.trajectory.points[1].positions[0] = f64::NAN;
        }),
        ("points[0].velocities: inf", |goal, _| {
            goal.trajectory.points[0].velocities[1] = f64::INFINITY;
        }),
        ("head_tilt_joint at 1.3 rad; allowed: -0.6 to 1.2 rad", |goal, _| {
            goal.trajectory.points[1].positions[1] = 1.3;
        }),
        ("points[1].velocities: head_pan_joint at 0.1; allowed: 0", |goal, _| {
            goal.trajectory.points[1].velocities[0] = 0.1;
        }),
        ("points[1].velocities: head_pan_joint at -", |goal, _| {
            // It would swing far out between two points that are well within.
            goal.trajectory.points[0].velocities[0] = -1e6;
        }),
        ("points[1].velocities: head_tilt_joint at NaN", |goal, _| {
            goal.trajectory.points[0].velocities[1] = 1e308;
            goal.trajectory.points[1].time_from_start.sec = 60;
        }),
        ("OLD_HEADER_TIMESTAMP: trajectory.header.stamp", |goal, now| {
            goal.trajectory.header.stamp = time_to_msg(now - Duration::from_secs(1));
        }),
        ("ahead, on the robot's clock; allowed: 0 for at once", |goal, now| {
            // As of a client on the wall clock.
            goal.trajectory.header.stamp = time_to_msg(now + Duration::from_secs(1_800_000_000));
        }),
        ("multi_dof_trajectory.joint_names", |goal, _| {
            goal.multi_dof_trajectory.joint_names.push("base".into());
        }),
        ("component_goal_tolerance", |goal, _| {
            goal.component_goal_tolerance.push(JointComponentTolerance::default());
        }),
        ("INVALID_JOINTS: path_tolerance: `elbow`", |goal, _| {
            goal.path_tolerance.push(JointTolerance { name: "elbow".into(), ..Default::default() });
        }),
        (
            "goal_tolerance: head_pan_joint: position: -0.5; allowed: 0 for the default",
            |goal, _| {
                let (name, position) = ("head_pan_joint".into(), -0.5);
                goal.goal_tolerance.push(JointTolerance { name, position, ..Default::default() });
            },
        ),
    ];
    let mut rig = Rig::new();
    let good = || {
        let points =
            vec![point(1.0, &[0.0, 0.7], &[0.1, -0.1]), point(2.0, &[0.1, 0.6], &[0.0, 0.0])];
        goal(&HEAD, points)
    };
    for (expected, spoil) in cases {
        let mut bad = good();
        spoil(&mut bad, rig.now());
        let mut sent = send(&rig, "head", bad);
        rig.run(0.1);
        sent.poll();
        assert!(sent.rejected && !sent.accepted, "{expected}: not rejected");
        let told = rig.trouble();
        assert!(told.starts_with("mobi/hardware: action head/follow_joint_trajectory: "), "{told}");
        assert!(told.contains(expected), "expected `{expected}` in: {told}");
        assert_eq!(rig.owner("head").lease_id, 0);
    }
    assert!((rig.joint("head_pan_joint").0 - HEAD_HOME[0]).abs() < 0.01, "nothing moved");
    let (status, result) = {
        let mut sent = send(&rig, "head", good());
        rig.finish(&mut sent)
    };
    assert_eq!(status, GoalStatus::Succeeded, "{result:?}");
    assert_eq!(rig.trouble(), "", "a warning lasts for a second");
}

#[test]
fn a_trajectory_that_begins_where_the_arm_is_not_is_aborted_and_moves_nothing() {
    let mut rig = Rig::new();
    let points = vec![point(0.0, &arm(0.5, 0.0), &[0.0; 6]), point(2.0, &arm(1.0, 0.0), &[0.0; 6])];
    let mut sent = send(&rig, "arm", goal(&ARM, points));
    let (status, result) = rig.finish(&mut sent);
    assert_eq!((status, result.error_code), (GoalStatus::Aborted, Outcome::INVALID_GOAL));
    let told = &result.error_string;
    assert!(told.contains("it begins 0.500 rad from where arm_pan_joint is"), "{told}");
    rig.run(0.5);
    assert!(rig.joint("arm_pan_joint").0.abs() < 0.01, "{:?}", rig.joint("arm_pan_joint"));
    assert_eq!(rig.owner("arm").lease_id, 0);
}

#[test]
fn a_goal_is_aborted_with_a_reason_when_the_node_is_shut_down() {
    let mut rig = Rig::new();
    let mut sent = in_mid_motion(&mut rig);
    // So that the client has asked for the result.
    rig.run(0.04);
    rig.shut_down();
    sent.poll();
    let (status, result) = sent.end.unwrap();
    assert_eq!(status, GoalStatus::Aborted);
    assert_eq!(result.error_code, Outcome::INVALID_GOAL, "{result:?}");
    assert!(result.error_string.contains("shut down"), "{result:?}");
}

#[test]
fn a_cancelled_goal_ends_once_the_arm_has_come_to_rest() {
    let mut rig = Rig::new();
    let mut sent = in_mid_motion(&mut rig);
    let from = rig.now();
    sent.call.cancel();
    let (status, result) = rig.finish(&mut sent);
    assert_eq!(status, GoalStatus::Canceled, "{result:?}");
    let took = rig.now().since(from);
    assert!(took > Duration::from_millis(60) && took < Duration::from_millis(600), "{took:?}");
    assert!(rig.joint("arm_pan_joint").1.abs() < 0.05, "at rest when it ends");
    assert_eq!(rig.owner("arm").source, 0);
    assert_rests(&mut rig);
    assert!(rig.largest_step(&ARM, from) < bound(), "{}", rig.largest_step(&ARM, from));
    let (status, _) = {
        let mut again = send(&rig, "arm", pan_to(0.0, 2.0));
        rig.finish(&mut again)
    };
    assert_eq!(status, GoalStatus::Succeeded);
}

#[test]
fn a_new_goal_pre_empts_the_running_one_without_a_jolt_and_under_the_same_lease() {
    let mut rig = Rig::new();
    let mut first = in_mid_motion(&mut rig);
    let (from, lease) = (rig.now(), rig.owner("arm").lease_id);
    let mut second = send(&rig, "arm", pan_to(-0.1, 2.0));
    let (status, result) = rig.finish(&mut first);
    assert_eq!((status, result.error_code), (GoalStatus::Aborted, Outcome::INVALID_GOAL));
    assert!(result.error_string.contains("pre-empted by a new goal"), "{result:?}");
    assert_eq!(rig.owner("arm").lease_id, lease);
    let (status, result) = rig.finish(&mut second);
    assert_eq!(status, GoalStatus::Succeeded, "{result:?}");
    assert!((rig.joint("arm_pan_joint").0 + 0.1).abs() < 0.01);
    // Less than the gate would allow: the new way begins with the speed of the old one.
    let step = rig.largest_step(&ARM, from);
    assert!(step < 0.4 * bound(), "{step}");
}

#[test]
fn a_person_who_takes_over_aborts_the_goal_and_nothing_resumes_by_itself() {
    let mut rig = Rig::new();
    let mut sent = in_mid_motion(&mut rig);
    let from = rig.now();
    let taken = rig.acquire(AcquireLeaseRequest::SOURCE_TELEOP, &["arm"]);
    assert!(taken.granted, "{}", taken.error_msg);
    let indices: Vec<_> = ARM.iter().map(|name| rig.layout.joint_index(name).unwrap()).collect();
    let held = rig.seen.last().unwrap().1.joint_state.position.clone();
    rig.command(taken.lease_id, |command| {
        for index in &indices {
            command.joints[*index] = JointCommand::position(held[*index]);
        }
    });
    let (status, result) = rig.finish(&mut sent);
    assert_eq!((status, result.error_code), (GoalStatus::Aborted, Outcome::INVALID_GOAL));
    assert!(result.error_string.contains("taken over by Teleop"), "{result:?}");
    assert_rests(&mut rig);
    assert!(rig.largest_step(&ARM, from) < bound(), "{}", rig.largest_step(&ARM, from));

    // Let go, it is still the person's until an operator says otherwise.
    rig.command_nothing();
    assert_rests(&mut rig);
    let (status, result) = {
        let mut sent = send(&rig, "arm", pan_to(0.0, 2.0));
        rig.finish(&mut sent)
    };
    assert_eq!(status, GoalStatus::Aborted);
    let why = "group `arm` was taken by a person: an operator must resume it first";
    assert_eq!(result.error_string, why);
    rig.operator(&names::RESUME);
    assert_rests(&mut rig);
    let (status, result) = {
        let mut sent = send(&rig, "arm", pan_to(0.0, 2.0));
        rig.finish(&mut sent)
    };
    assert_eq!(status, GoalStatus::Succeeded, "{result:?}");
}

#[test]
fn a_protective_stop_aborts_the_goal_and_a_reset_does_not_go_on_with_it() {
    let mut rig = Rig::new();
    let mut sent = in_mid_motion(&mut rig);
    let from = rig.now();
    let skill = rig.acquire(AcquireLeaseRequest::SOURCE_SKILL, &["head"]);
    let head = rig.layout.joint_index(HEAD[0]).unwrap();
    rig.command(skill.lease_id, |command| {
        command.joints[head] = JointCommand::position(f64::INFINITY);
    });
    let (status, result) = rig.finish(&mut sent);
    assert_eq!((status, result.error_code), (GoalStatus::Aborted, Outcome::INVALID_GOAL));
    let why = "the robot was stopped: invalid_command: a lease holder sent NaN or infinity";
    assert_eq!(result.error_string, why);
    rig.command_nothing();
    assert_rests(&mut rig);
    assert!(rig.largest_step(&ARM, from) < bound(), "{}", rig.largest_step(&ARM, from));

    let (status, result) = {
        let mut sent = send(&rig, "arm", pan_to(0.0, 2.0));
        rig.finish(&mut sent)
    };
    assert_eq!(status, GoalStatus::Aborted);
    assert!(result.error_string.contains("the robot is ProtectiveStop"), "{result:?}");
    rig.operator(&names::E_STOP_RESET);
    assert_rests(&mut rig);
    assert_eq!(rig.newest.mode, SafetyState::MODE_READY);
    let (status, result) = {
        let mut sent = send(&rig, "arm", pan_to(0.0, 2.0));
        rig.finish(&mut sent)
    };
    assert_eq!(status, GoalStatus::Succeeded, "{result:?}");
}

#[test]
fn a_goal_takes_the_group_from_a_skill() {
    let mut rig = Rig::new();
    let skill = rig.acquire(AcquireLeaseRequest::SOURCE_SKILL, &["arm", "gripper"]);
    assert!(skill.granted);
    let _sent = in_mid_motion(&mut rig);
    assert_eq!(rig.owner("gripper").source, 0, "a lease is all of its groups or none");
}

#[test]
fn a_trajectory_that_the_gate_slows_down_violates_the_tolerances_that_it_has() {
    let mut rig = Rig::new();
    // 1.75 rad in 0.2 s; the gate allows 2 rad/s.
    let hasty = |rig: &Rig| {
        let from = rig.joint("head_pan_joint").0;
        head_to(if from < 0.5 { 1.5 } else { -0.25 }, 0.2)
    };
    let mut goal = hasty(&rig);
    goal.goal_time_tolerance = duration_to_msg(Duration::from_millis(100));
    let mut sent = send(&rig, "head", goal);
    let from = rig.now();
    let (status, result) = rig.finish(&mut sent);
    let code = Outcome::GOAL_TOLERANCE_VIOLATED;
    assert_eq!((status, result.error_code), (GoalStatus::Aborted, code), "{result:?}");
    let took = rig.now().since(from);
    assert!(took >= Duration::from_millis(300) && took < Duration::from_millis(400), "{took:?}");
    let said = &result.error_string;
    assert!(said.starts_with("head_pan_joint is ") && said.contains("off its goal"), "{said}");
    assert!(said.contains("allowed: 0.02") && !said.contains("head_tilt_joint"), "{said}");
    rig.run(1.0);
    assert!(rig.joint("head_pan_joint").0 < 1.0, "it came to rest on the way");

    let mut goal = hasty(&rig);
    let path = JointTolerance { name: HEAD[0].into(), position: 0.1, ..Default::default() };
    goal.path_tolerance.push(path);
    let mut sent = send(&rig, "head", goal);
    let (status, result) = rig.finish(&mut sent);
    let code = Outcome::PATH_TOLERANCE_VIOLATED;
    assert_eq!((status, result.error_code), (GoalStatus::Aborted, code), "{result:?}");
    let said = &result.error_string;
    assert!(said.starts_with("head_pan_joint is 0.1") && said.contains("off its path"), "{said}");
    rig.run(1.0);

    // It gets there all the same, if it may.
    let mut sent = send(&rig, "head", hasty(&rig));
    let (status, result) = rig.finish(&mut sent);
    assert_eq!(status, GoalStatus::Succeeded, "{result:?}");
}

#[test]
fn a_tolerance_of_minus_one_is_none() {
    let mut rig = Rig::new();
    let mut goal = head_to(1.5, 0.2);
    goal.goal_tolerance = HEAD
        .iter()
        .map(|name| JointTolerance {
            name: (*name).into(),
            position: -1.0,
            velocity: -1.0,
            acceleration: -1.0,
        })
        .collect();
    let mut sent = send(&rig, "head", goal);
    let (status, result) = rig.finish(&mut sent);
    assert_eq!(status, GoalStatus::Succeeded, "{result:?}");
    assert!(rig.joint("head_pan_joint").0 < 1.0, "it was on its way still");
}

#[test]
fn a_parameter_switches_the_actions_off() {
    let world = root().join("worlds/tabletop.yaml");
    let rig = Rig::with(json!({
        "world": world, "follow_joint_trajectory": false, "gripper_command": false
    }));
    let arm = rig.node.action_client(&names::follow_joint_trajectory("arm")).unwrap();
    let gripper = rig.node.action_client(&names::gripper_command("gripper")).unwrap();
    assert!(!arm.server_available() && !gripper.server_available());
    let rig = Rig::new();
    for group in ["arm", "head"] {
        let client = rig.node.action_client(&names::follow_joint_trajectory(group)).unwrap();
        assert!(client.server_available(), "{group}");
    }
    for group in ["base", "gripper"] {
        let client = rig.node.action_client(&names::follow_joint_trajectory(group)).unwrap();
        assert!(!client.server_available(), "{group} is not commanded by joint positions");
    }
}
