//! `gripper_cmd` and `parallel_gripper_cmd` of the simulated robot.

use std::path::Path;

use serde_json::json;
use sinew_bus::{GoalStatus, names};
use sinew_msgs::control_msgs::action::{GripperCommand, ParallelGripperCommand};
use sinew_msgs::control_msgs::{GripperCommandGoal, ParallelGripperCommandGoal};
use sinew_msgs::sinew_msgs::AcquireLeaseRequest;
use sinew_types::GripperCommand as WidthCommand;

use crate::external_rig::{Rig, Sent, root};

const LEFT: &str = "gripper_left_finger_joint";
const RIGHT: &str = "gripper_right_finger_joint";
/// Of the box between the fingers, m.
const BOX_M: f64 = 0.04;

fn gap(rig: &Rig, position: f64, max_effort: f64) -> Sent<GripperCommand> {
    let mut goal = GripperCommandGoal::default();
    (goal.command.position, goal.command.max_effort) = (position, max_effort);
    rig.send(&names::gripper_command("gripper"), goal)
}

fn fingers(rig: &Rig, named: &[&str], position: &[f64]) -> Sent<ParallelGripperCommand> {
    let mut goal = ParallelGripperCommandGoal::default();
    goal.command.name = named.iter().map(ToString::to_string).collect();
    goal.command.position = position.to_vec();
    rig.send(&names::parallel_gripper_command("gripper"), goal)
}

fn width(rig: &Rig) -> (f64, f64) {
    let tick = &rig.seen.last().unwrap().1;
    (tick.gripper_width_m[0], tick.gripper_force_n[0])
}

/// A world in which the open fingers stand around a box.
fn world_with_a_box(folder: &Path) -> std::path::PathBuf {
    let robot = root().join("urdf/mobi.robot.yaml");
    let text = format!(
        "name: held
robot:
  file: {}
  configurations: {{arm: ready, gripper: open, head: home}}
fixtures:
  - id: stand
    class: table
    color: brown
    shape: {{table: {{size_m: [0.12, 0.12, 0.63]}}}}
    pose: {{x_m: 0.55, y_m: 0.0}}
objects:
  - id: box
    class: box
    color: red
    shape: {{box: {{size_m: [{BOX_M}, {BOX_M}, {BOX_M}]}}}}
    mass_kg: 0.1
    on: stand
    pose: {{x_m: 0.0, y_m: 0.0}}
",
        robot.display()
    );
    let file = folder.join("held.yaml");
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn a_goal_is_aborted_with_what_is_measured_when_the_node_is_shut_down() {
    let mut rig = Rig::new();
    let mut sent = gap(&rig, 0.08, 0.0);
    rig.finish(&mut sent);
    let mut sent = gap(&rig, 0.0, 0.0);
    rig.run(0.04);
    sent.poll();
    // So that the client has asked for the result.
    rig.run(0.04);
    rig.shut_down();
    sent.poll();
    let (status, result) = sent.end.unwrap();
    assert_eq!(status, GoalStatus::Aborted);
    assert!(!result.reached_goal && result.position > 0.01, "{result:?}");
}

#[test]
fn a_gripper_closes_on_nothing_and_opens_and_says_what_is_measured() {
    let mut rig = Rig::new();
    for wanted in [0.0, 0.05, 0.08] {
        let mut sent = gap(&rig, wanted, 0.0);
        let (status, result) = rig.finish(&mut sent);
        assert_eq!(status, GoalStatus::Succeeded);
        assert!(sent.accepted && result.reached_goal && !result.stalled, "{result:?}");
        assert!((result.position - wanted).abs() <= 0.002, "{result:?}");
        assert!((width(&rig).0 - wanted).abs() <= 0.002, "{:?}", width(&rig));
        assert!(!sent.feedback.is_empty());
        // Sooner than a lease without commands ends by itself.
        rig.run(0.04);
        assert_eq!(rig.owner("gripper").source, 0, "given back");
    }
}

#[test]
fn fingers_that_an_object_stops_have_stalled_which_is_a_success_and_go_on_holding_it() {
    let folder = tempfile::tempdir().unwrap();
    let mut rig = Rig::with(json!({"world": world_with_a_box(folder.path())}));
    let mut sent = gap(&rig, 0.0, 15.0);
    let (status, result) = rig.finish(&mut sent);
    assert_eq!(status, GoalStatus::Succeeded);
    assert!(result.stalled && !result.reached_goal, "{result:?}");
    assert!((result.position - BOX_M).abs() < 0.004, "{result:?}");
    assert!(result.effort > 3.0 && result.effort <= 15.5, "{result:?}");
    rig.run(1.0);
    assert_eq!(rig.owner("gripper").source, 0);
    let (held, force) = width(&rig);
    assert!((held - BOX_M).abs() < 0.004 && force > 3.0, "{held} m, {force} N");

    let mut sent = gap(&rig, 0.07, 0.0);
    let (status, result) = rig.finish(&mut sent);
    assert!(status == GoalStatus::Succeeded && result.reached_goal && !result.stalled);
}

#[test]
fn positions_of_fingers_add_up_to_the_gap_and_those_not_named_move_alike() {
    let mut rig = Rig::new();
    let both = [LEFT, RIGHT];
    for (named, position) in [(&both[..1], &[0.02][..]), (&[], &[0.03]), (&both, &[0.01, 0.01])] {
        let mut sent = fingers(&rig, named, position);
        let (status, result) = rig.finish(&mut sent);
        assert_eq!(status, GoalStatus::Succeeded);
        assert!(result.reached_goal && !result.stalled, "{result:?}");
        assert_eq!(result.state.name, both);
        for measured in &result.state.position {
            assert!((measured - position[0]).abs() < 0.002, "{result:?}");
        }
        assert!((width(&rig).0 - 2.0 * position[0]).abs() <= 0.002);
    }
}

#[test]
fn a_goal_that_makes_no_sense_is_rejected_and_diagnostics_tell_why() {
    let mut rig = Rig::new();
    let gaps = [
        (0.2, 0.0, "command.position: a gap of 0.2 m; allowed: a gap of 0 to 0.08 m"),
        (-0.01, 0.0, "command.position"),
        (f64::NAN, 0.0, "command.position: a gap of NaN m"),
        (0.02, -1.0, "command.max_effort: -1"),
        (0.02, f64::INFINITY, "command.max_effort: inf"),
    ];
    for (position, max_effort, expected) in gaps {
        let mut sent = gap(&rig, position, max_effort);
        rig.run(0.1);
        sent.poll();
        assert!(sent.rejected, "{expected}");
        let told = rig.trouble();
        assert!(told.contains(expected), "expected `{expected}` in: {told}");
    }
    let named = [
        (&["elbow"][..], &[0.01][..], "INVALID_JOINTS: command.name: `elbow`"),
        (&[LEFT, LEFT], &[0.01, 0.01], "command.name"),
        (&[LEFT], &[0.01, 0.01], "command.position: 2 values; allowed: 1"),
        (&[LEFT], &[0.05], "a gap of 0.1 m"),
    ];
    for (names, position, expected) in named {
        let mut sent = fingers(&rig, names, position);
        rig.run(0.1);
        sent.poll();
        assert!(sent.rejected, "{expected}");
        let told = rig.trouble();
        assert!(told.contains(expected), "expected `{expected}` in: {told}");
    }
    assert!((width(&rig).0 - 0.08).abs() < 0.002, "nothing moved");
}

#[test]
fn a_gripper_goal_is_cancelled_pre_empted_and_lost_to_a_person() {
    let mut rig = Rig::new();
    let mut first = gap(&rig, 0.0, 0.0);
    rig.run(0.1);
    let mut second = fingers(&rig, &[LEFT], &[0.04]);
    let (status, _) = rig.finish(&mut first);
    assert_eq!(status, GoalStatus::Aborted);
    let (status, _) = rig.finish(&mut second);
    assert_eq!(status, GoalStatus::Succeeded);

    let mut sent = gap(&rig, 0.0, 0.0);
    rig.run(0.1);
    sent.call.cancel();
    let (status, result) = rig.finish(&mut sent);
    assert_eq!(status, GoalStatus::Canceled);
    assert!(!result.reached_goal && !result.stalled);
    let (held, _) = width(&rig);
    assert!(held > 0.01 && held < 0.078, "{held} m: between open and closed");
    rig.run(1.0);
    assert!((width(&rig).0 - held).abs() < 0.001, "it stays there");

    let mut sent = gap(&rig, 0.0, 0.0);
    rig.run(0.06);
    let taken = rig.acquire(AcquireLeaseRequest::SOURCE_TELEOP, &["gripper"]);
    assert!(taken.granted);
    rig.command(taken.lease_id, |command| {
        command.grippers[0] = WidthCommand { width_m: 0.06, max_force_n: f64::NAN };
    });
    let (status, _) = rig.finish(&mut sent);
    assert_eq!(status, GoalStatus::Aborted);
    let told = rig.trouble();
    assert!(told.contains("goal aborted: the lease was lost: taken over by Teleop"), "{told}");
    assert!((width(&rig).0 - 0.06).abs() < 0.002);
}
