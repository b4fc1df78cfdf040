//! Every shipped robot loads; every broken file is refused with an error that says where and what is allowed.

use std::path::{Path, PathBuf};

use sinew_robot::{RobotError, RobotModel};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn files(folder: &Path, prefix: &str, suffix: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| {
            let name = path.file_name().unwrap().to_string_lossy();
            name.starts_with(prefix) && name.ends_with(suffix)
        })
        .collect();
    files.sort();
    files
}

/// Beside each case lies `CASE.expect`: one text per line that the error must contain.
fn assert_refused(
    prefix: &str,
    suffix: &str,
    at_least: usize,
    load: impl Fn(&Path) -> Result<(), RobotError>,
) {
    let cases = files(&root().join("tests/cases"), prefix, suffix);
    assert!(cases.len() >= at_least, "only {} cases {prefix}*{suffix}", cases.len());
    let mut failures = Vec::new();
    for case in cases {
        let expected = std::fs::read_to_string(format!("{}.expect", case.display())).unwrap();
        match load(&case) {
            Ok(()) => failures.push(format!("{}: was accepted", case.display())),
            Err(error) => {
                let text = error.to_string();
                for line in expected.lines().filter(|line| !text.contains(line)) {
                    failures
                        .push(format!("{}: the error lacks `{line}`:\n    {text}", case.display()));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn broken_urdf_is_refused() {
    assert_refused("invalid-urdf-", ".urdf", 10, RobotModel::check_body);
}

#[test]
fn broken_mjcf_is_refused() {
    assert_refused("invalid-mjcf-", ".xml", 5, RobotModel::check_body);
}

#[test]
fn broken_robot_yaml_is_refused() {
    assert_refused("invalid-robot-", ".yaml", 10, |path| RobotModel::load(path).map(|_| ()));
}

#[test]
fn every_shipped_robot_loads() {
    let robots = files(&root().join("urdf"), "", ".robot.yaml");
    assert!(!robots.is_empty());
    for robot in robots {
        RobotModel::load(&robot).unwrap_or_else(|error| panic!("{error}"));
    }
}

#[test]
fn an_unknown_name_is_answered_with_the_known_ones() {
    let model = RobotModel::load(root().join("urdf/mobi.robot.yaml")).unwrap();
    let text = model.group("legs").unwrap_err().to_string();
    assert!(text.contains("`legs`") && text.contains("arm, base, gripper, head"), "{text}");
    let text = model.chain("base").unwrap_err().to_string();
    assert!(text.contains("`base` has no `chain`"), "{text}");
}

#[test]
fn a_mimic_joint_follows() {
    let model = RobotModel::load(root().join("urdf/mobi.robot.yaml")).unwrap();
    let mut positions = vec![0.0; model.joints().len()];
    let left = model.joint_index("gripper_left_finger_joint").unwrap();
    let right = model.joint_index("gripper_right_finger_joint").unwrap();
    positions[left] = 0.03;
    model.apply_mimic(&mut positions).unwrap();
    assert_eq!(positions[right], 0.03);
}

/// The robot file narrows what the body says.
#[test]
fn joint_limits_of_the_robot_file_narrow_those_of_the_body() {
    let model =
        RobotModel::load(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/features.robot.yaml"))
            .unwrap();
    let lift = &model.joints()[model.joint_index("lift").unwrap()].limits;
    assert_eq!((lift.lower, lift.upper, lift.max_velocity), (0.02, 0.3, 0.2));
}
