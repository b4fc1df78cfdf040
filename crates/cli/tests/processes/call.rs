//! `sinew call`: one skill of a system that is up, here one that somebody wrote in YAML.

use crate::support::{json, node, root, router, sinew, text};

const ADVANCE: &str = r#"
id: advance
version: 1.0.0
description: Drives forward for a time.
args:
  type: object
  properties: {seconds: {type: number, minimum: 0.1, maximum: 3.0}}
  required: [seconds]
  additionalProperties: false
groups: [base]
cost_s: 1.0
time_limit_s: 5.0
kind:
  policy:
    policies:
    - manifest: POLICIES/drive_to/drive_to.policy.yaml
      inputs: {goal_position: [1.0, 0.0], goal_heading: [0.0, 1.0]}
    until: {elapsed_s: $seconds}
"#;

#[test]
fn a_skill_of_a_folder_is_listed_called_and_refused() {
    let folder = tempfile::tempdir().unwrap();
    let policies = root().join("policies").display().to_string();
    let file = folder.path().join("advance.skill.yaml");
    std::fs::write(&file, ADVANCE.replace("POLICIES", &policies)).unwrap();
    let skills = folder.path().display().to_string();

    let listed = sinew(&root(), &["skills", "--skill-folder", &skills]);
    assert!(text(&listed).contains("advance(seconds) 1.0.0"), "{}", text(&listed));
    let checked = sinew(&root(), &["check", file.to_str().unwrap()]);
    assert_eq!(checked.status.code(), Some(0), "{}", text(&checked));

    let (_router, router) = router();
    let path = |name: &str| root().join(name).display().to_string();
    let world = path("worlds/tabletop.yaml");
    let _hardware = node(&router, "hardware", &[("world", world), ("seed", "1".into())]);
    let robot = path("urdf/mobi.robot.yaml");
    let parameters = [("robot", robot), ("policies", policies), ("skill_folder", skills)];
    let _skills = node(&router, "skills", &parameters);

    let call = |arguments: &[&str]| {
        let all = [&["call", "--router", &router], arguments].concat();
        sinew(&root(), &all)
    };
    let dry = call(&["advance", r#"{"seconds": 1.0}"#, "--dry-run"]);
    assert_eq!(dry.status.code(), Some(0), "{}", text(&dry));
    assert!(text(&dry).contains("advance could be called"), "{}", text(&dry));
    let called = call(&["advance", r#"{"seconds": 1.0}"#, "--json"]);
    assert_eq!(called.status.code(), Some(0), "{}", text(&called));
    let report = json(&called);
    assert_eq!((report["success"].as_bool(), report["error_code"].as_u64()), (Some(true), Some(0)));
    assert!(report["evidence"]["commanded_by_policy_s"].as_str().unwrap().starts_with("1.0"));

    for (arguments, wanted) in [
        (&["advance", r#"{"seconds": 9.0}"#][..], "9"),
        (&["advance", "[1]"], "allowed: one JSON object"),
        (&["retreat"], "retreat"),
    ] {
        let refused = call(arguments);
        assert_eq!(refused.status.code(), Some(2), "{arguments:?}: {}", text(&refused));
        assert!(text(&refused).contains(wanted), "{arguments:?}: {}", text(&refused));
    }
}
