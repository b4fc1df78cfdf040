//! `sinew plan`, `sinew skills` and `--json`.

use std::process::{Command, Stdio};

use crate::support::{PROGRAM, json, sinew, text};

#[test]
fn a_plan_is_printed_and_nothing_is_left_behind() {
    let folder = tempfile::tempdir().unwrap();
    let output = sinew(folder.path(), &["plan", "put the red cube in the bin"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let stdout = String::from_utf8(output.stdout).unwrap();
    for part in ["pick(object: red_cube", "place(", "goal: in(red_cube, bin)"] {
        assert!(stdout.contains(part), "expected `{part}` in: {stdout}");
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "a file was left");
}

#[test]
fn json_is_one_object_for_plans_and_refusals_alike() {
    let folder = tempfile::tempdir().unwrap();
    let plan = sinew(folder.path(), &["plan", "--json", "go to the bin"]);
    let report = json(&plan);
    assert_eq!((plan.status.code(), &report["accepted"]), (Some(0), &true.into()));
    assert_eq!(report["plan"]["steps"][0]["skill"], "drive_to");

    let refusal = sinew(folder.path(), &["plan", "--json", "pick up the green dragon"]);
    let report = json(&refusal);
    assert_eq!((refusal.status.code(), &report["accepted"]), (Some(2), &false.into()));
    assert_eq!(report["error_code"], 102);
}

#[test]
fn skills_are_listed_with_arguments_and_conditions() {
    let folder = tempfile::tempdir().unwrap();
    let output = sinew(folder.path(), &["skills", "--json"]);
    let report = json(&output);
    let skills = report["skills"].as_array().unwrap();
    let ids: Vec<_> = skills.iter().filter_map(|skill| skill["id"].as_str()).collect();
    assert_eq!(ids, ["drive_to", "home", "look_at", "pick", "place", "reach", "wait"]);
    let plain = text(&sinew(folder.path(), &["skills"]));
    assert!(plain.contains("pick(object)") && plain.contains("before:"), "{plain}");
}

#[test]
fn a_reader_that_has_gone_ends_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(PROGRAM)
        .args(["run", "go to the bin"])
        .current_dir(folder.path())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
}
