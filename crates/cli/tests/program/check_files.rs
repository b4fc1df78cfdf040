//! `sinew check`: each shipped file passes, each wrong one is named with what is allowed.

use std::path::Path;

use crate::support::{files, json, root, sinew, text};

#[test]
fn every_shipped_file_is_accepted() {
    let root = root();
    let ends = [
        ".urdf",
        ".robot.yaml",
        ".skill.yaml",
        ".policy.yaml",
        ".launch.yaml",
        ".eval.yaml",
        ".teleop.yaml",
        ".objects.yaml",
    ];
    let mut shipped = Vec::new();
    for folder in ["urdf", "worlds", "launch", "policies", "teleop", "crates/skills/manifests"] {
        shipped.extend(files(&root.join(folder)).into_iter().filter(|file| {
            let name = file.to_string_lossy();
            ends.iter().any(|end| name.ends_with(end))
                || (folder == "worlds" && name.ends_with(".yaml"))
        }));
    }
    assert!(shipped.len() >= 15, "{shipped:?}");
    let mut arguments = vec!["check".to_owned(), "--json".to_owned()];
    arguments.extend(shipped.iter().map(|file| file.display().to_string()));
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let output = sinew(&root, &arguments);
    let report = json(&output);
    let failed: Vec<_> =
        report["files"].as_array().unwrap().iter().filter(|file| file["ok"] == false).collect();
    assert!(failed.is_empty(), "{failed:#?}");
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(report["files"].as_array().unwrap().len(), shipped.len());
}

fn expected(case: &Path) -> String {
    let beside = format!("{}.expect", case.display());
    let in_place = case.with_extension("expect");
    std::fs::read_to_string(&beside).or_else(|_| std::fs::read_to_string(in_place)).unwrap()
}

#[test]
fn every_invalid_file_is_refused_with_what_is_wrong_and_what_is_allowed() {
    let root = root();
    let cases: Vec<_> = files(&root.join("tests/cases"))
        .into_iter()
        .filter(|file| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            name.starts_with("invalid-") && !name.ends_with(".expect")
        })
        .collect();
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    let mut arguments = vec!["check".to_owned(), "--json".to_owned()];
    arguments.extend(cases.iter().map(|file| file.display().to_string()));
    let arguments: Vec<_> = arguments.iter().map(String::as_str).collect();
    let output = sinew(&root, &arguments);
    assert_eq!(output.status.code(), Some(2), "{}", text(&output));
    let report = json(&output);
    assert_eq!(report["files"].as_array().unwrap().len(), cases.len());
    for (case, file) in cases.iter().zip(report["files"].as_array().unwrap()) {
        let error = file["error"].as_str().unwrap_or_default();
        for part in expected(case).lines() {
            assert!(error.contains(part), "{}: expected `{part}` in: {error}", case.display());
        }
    }
}

#[test]
fn all_errors_are_reported_not_only_the_first() {
    let root = root();
    let output = sinew(
        &root,
        &["check", "tests/cases/invalid-skill-format.yaml", "nowhere.urdf", "urdf/mobi.urdf"],
    );
    assert_eq!(output.status.code(), Some(2));
    let text = text(&output);
    assert!(text.contains("invalid-skill-format.yaml") && text.contains("nowhere.urdf"), "{text}");
    assert!(text.contains("ok: urdf/mobi.urdf"), "{text}");
}
