//! What cannot be done is refused before anything moves, with exit code 2 and with what is known.

use crate::support::{json, root, sinew, text};
use sinew_log::{Log, RunFolder};
use sinew_msgs::sinew_msgs::RobotTick;

/// The run is refused, its message holds each part, and no joint or base moved in its log.
fn assert_refused(arguments: &[&str], parts: &[&str]) {
    let folder = tempfile::tempdir().unwrap();
    let mut all = vec!["run", "--json"];
    all.extend(arguments);
    let output = sinew(folder.path(), &all);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let summary = json(&output);
    let message = summary["error_msg"].as_str().unwrap();
    for part in parts {
        assert!(message.contains(part), "expected `{part}` in: {message}");
    }
    let run = RunFolder::existing(&folder.path().join(summary["folder"].as_str().unwrap()));
    let log = Log::open(&run.log()).unwrap();
    let ticks = log.messages::<RobotTick>("/mobi/robot_tick").unwrap();
    let (first, last) = (&ticks.first().unwrap().message, &ticks.last().unwrap().message);
    let moved = first
        .joint_state
        .position
        .iter()
        .zip(&last.joint_state.position)
        .map(|(before, after)| (before - after).abs())
        .fold(0.0, f64::max);
    assert!(moved < 0.01, "a joint moved by {moved} rad");
}

#[test]
fn an_unknown_object_is_refused_with_what_is_known() {
    assert_refused(&["pick up the green dragon"], &["green dragon", "red_cube", "bin", "table"]);
}

#[test]
fn an_ambiguous_object_is_refused_with_the_candidates() {
    assert_refused(&["pick up the cube"], &["red_cube", "green_cube", "blue_cube"]);
}

#[test]
fn an_empty_instruction_is_refused() {
    assert_refused(&[""], &["empty"]);
    assert_refused(&["  "], &["empty"]);
}

#[test]
fn a_goal_out_of_reach_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let world = folder.path().join("high.yaml");
    let robot = root().join("urdf/mobi.robot.yaml");
    let text = format!(
        "name: high\nrobot: {{file: {}, configurations: {{arm: home, gripper: open, head: home}}}}\n\
         fixtures:\n  - {{id: tower, class: shelf, shape: {{table: {{size_m: [0.3, 0.3, 2.0]}}}}, \
         color: brown, pose: {{x_m: 1.3, y_m: 0.0}}}}\n\
         objects:\n  - {{id: lamp, class: lamp, shape: {{box: {{size_m: [0.04, 0.04, 0.04]}}}}, \
         mass_kg: 0.1, color: red, on: tower, pose: {{x_m: 0.0, y_m: 0.0}}}}\n",
        robot.display()
    );
    std::fs::write(&world, text).unwrap();
    assert_refused(&["pick up the lamp", "--world", world.to_str().unwrap()], &["lamp"]);
}

#[test]
fn wrong_files_and_arguments_are_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let cases: [(&[&str], &str); 4] = [
        (&["run", "go home", "--world", "nowhere.yaml"], "nowhere.yaml"),
        (&["run", "go home", "--set", "wrld:=x"], "`wrld`"),
        (&["eval", "nowhere.yaml"], "nowhere.eval.yaml"),
        (&["replay", "nowhere"], "summary.json"),
    ];
    for (arguments, part) in cases {
        let output = sinew(folder.path(), arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", text(&output));
        assert!(text(&output).contains(part), "{arguments:?}: {}", text(&output));
    }
}
