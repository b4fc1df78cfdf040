//! `sinew eval`. The full evaluation of 50 episodes is a step of its own of `cargo xtask test`.

use std::path::Path;

use crate::support::{copy_folder, files, json, root, sinew, text};
use serde_json::Value;

fn eval(arguments: &[&str]) -> (Option<i32>, Value) {
    let world = root().join("worlds/tabletop.yaml").display().to_string();
    let folder = tempfile::tempdir().unwrap();
    let mut all = vec!["eval", &world, "--json"];
    all.extend(arguments);
    let output = sinew(folder.path(), &all);
    eprintln!("{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.code() != Some(2), "{}", text(&output));
    (output.status.code(), json(&output))
}

#[test]
fn episodes_succeed_and_their_numbers_are_reported() {
    let (code, report) = eval(&["--episodes", "4", "--seed", "11", "--require", "0.75"]);
    assert_eq!(code, Some(0), "{report:#}");
    assert_eq!(report["success"]["trials"], 4);
    assert!(report["success"]["low"].as_f64() < report["success"]["rate"].as_f64());
    assert_eq!(report["by_instruction"].as_object().unwrap().len(), 4);
    assert!(report["by_skill"]["pick"]["trials"].as_u64() >= Some(3));
    assert!(report["policy_share"].as_f64() > Some(0.2), "{}", report["policy_share"]);
    assert!(report["peak_memory_mib"]["composed"].as_f64() > Some(1.0));
    assert_eq!(report["episodes"].as_array().unwrap().len(), 4);
}

#[test]
fn with_a_process_per_node_episodes_succeed_too() {
    let (code, report) = eval(&["--episodes", "2", "--seed", "21", "--processes"]);
    assert_eq!(code, Some(0), "{report:#}");
    for process in ["hardware", "skills", "connector", "planner"] {
        assert!(report["peak_memory_mib"][process].as_f64() > Some(1.0), "{process}");
    }
    let hardware = report["peak_memory_mib"]["hardware"].as_f64().unwrap();
    assert!(hardware < 150.0, "the hardware node took {hardware} MiB");
}

#[test]
fn with_a_policy_replaced_by_zeros_the_evaluation_fails() {
    for policy in ["reach", "drive_to"] {
        let folder = tempfile::tempdir().unwrap();
        copy_folder(&root().join("policies"), folder.path());
        let model = model_file(&folder.path().join(policy));
        let length = std::fs::metadata(&model).unwrap().len();
        std::fs::write(&model, vec![0; usize::try_from(length).unwrap()]).unwrap();
        let policies = folder.path().display().to_string();
        let (code, report) = eval(&["--episodes", "2", "--seed", "11", "--policies", &policies]);
        assert_eq!(code, Some(1), "{policy}: {report:#}");
        assert_eq!(report["success"]["succeeded"], 0, "{policy}");
        let message = report["episodes"][0]["error_msg"].as_str().unwrap();
        assert!(message.contains(policy), "{message}");
    }
}

fn model_file(folder: &Path) -> std::path::PathBuf {
    let mut all = files(folder).into_iter();
    all.find(|file| file.extension().is_some_and(|end| end == "onnx")).unwrap()
}
