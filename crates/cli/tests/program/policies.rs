//! `sinew policy`.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Signal};

use crate::support::{PROGRAM, copy_folder, json, root, sinew, text};

#[test]
fn a_policy_is_checked_for_a_robot_and_says_what_it_sees() {
    let folder = tempfile::tempdir().unwrap();
    let reach = root().join("policies/reach/reach.policy.yaml").display().to_string();
    let output = sinew(folder.path(), &["policy", "check", &reach]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let said = text(&output);
    for part in [
        "ok:",
        "tool_position_error",
        "rad, rotation vector",
        "arm_pan_joint",
        " on CPUExecutionProvider",
    ] {
        assert!(said.contains(part), "expected `{part}` in: {said}");
    }
    let balancer = root().join("urdf/balancer.robot.yaml").display().to_string();
    let output = sinew(folder.path(), &["policy", "check", &reach, "--robot", &balancer]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("inputs[0].terms[0].joints[0]"), "{}", text(&output));
}

#[test]
fn a_policy_of_another_project_is_imported_by_one_command() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/g1/deploy.yaml");
    if !data.exists() {
        assert!(std::env::var_os("CI").is_none(), "{} is missing", data.display());
        eprintln!("skipped: {} is not here", data.display());
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let deploy = data.display().to_string();
    let output = sinew(folder.path(), &["policy", "import", &deploy, "--out", "g1"]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(text(&output).contains("joint order of the motors: left_hip_pitch_joint"));
    assert!(folder.path().join("g1/g1.policy.yaml").is_file());
    assert!(folder.path().join("g1/policy.onnx").is_file());
    let again = sinew(folder.path(), &["policy", "import", &deploy, "--out", "g1"]);
    assert_eq!(again.status.code(), Some(2), "{}", text(&again));
    let short = ["policy", "import", &deploy, "--out", "h1", "--joints", "hip,knee"];
    let output = sinew(folder.path(), &short);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("each of the robot's 2 motors once"), "{}", text(&output));
    let unknown = sinew(&root(), &["policy", "import", "--out", "x", "README.md"]);
    assert_eq!(unknown.status.code(), Some(2));
    assert!(text(&unknown).contains("allowed: deploy.yaml"), "{}", text(&unknown));
}

#[test]
fn a_bench_times_each_stage_beside_the_bare_call() {
    let reach = root().join("policies/reach/reach.policy.yaml").display().to_string();
    let arguments = ["policy", "bench", &reach, "--ticks", "200", "--rounds", "2", "--json"];
    let output =
        sinew(&root(), &[&arguments[..], &["--provider", "cpu", "--provider", "cuda"]].concat());
    // There is no such provider in this build of ONNX Runtime: what could be measured is told, and that is all.
    assert_eq!(output.status.code(), Some(1), "{}", text(&output));
    let report = json(&output);
    let rows = report["rows"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for stage in ["observe", "run", "decode", "total", "floor_by_turns", "observe_and_decode_cpu"] {
        assert!(rows[0][stage]["p50_s"].as_f64().unwrap() > 0.0, "{stage}: {report:#}");
    }
    assert!(rows[0]["run_p50_ratio"].as_f64().unwrap() > 0.5);
    assert!(rows[1]["missing"].as_str().unwrap().contains("Cuda is not there"), "{report:#}");
}

/// Waits for a line of the program.
fn hear(lines: &mut impl Iterator<Item = std::io::Result<String>>, wanted: &str) -> String {
    let mut said = String::new();
    for line in lines.map(|line| line.unwrap()) {
        if line.contains(wanted) {
            return line;
        }
        said += &format!("{line}\n");
    }
    panic!("it ended before it said `{wanted}`:\n{said}")
}

#[test]
fn a_policy_that_changes_while_it_runs_takes_over_and_a_broken_one_does_not() {
    let folder = tempfile::tempdir().unwrap();
    copy_folder(&root().join("policies/reach"), folder.path());
    let manifest = folder.path().join("reach.policy.yaml");
    let mut child = Command::new(PROGRAM)
        .args(["policy", "run", &manifest.display().to_string()])
        .args(["--driver", "sim", "--seconds", "120", "--watch", "--json"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let good = std::fs::read_to_string(&manifest).unwrap();
    // It says nothing when it begins; whatever it was loaded from, the second change is one.
    for round in 0..2 {
        std::thread::sleep(Duration::from_secs(1));
        std::fs::write(&manifest, format!("{good}# {round}\n")).unwrap();
    }
    let said = hear(&mut lines, "takes over");
    assert!(said.contains("reach.policy.yaml"), "{said}");
    std::fs::write(&manifest, good.replace("sha256: \"", "sha256: \"0")).unwrap();
    let said = hear(&mut lines, "not loaded");
    assert!(said.contains("the policy that runs goes on"), "{said}");
    let other = good.replace("rate_hz: 50", "rate_hz: 25");
    assert_ne!(other, good);
    std::fs::write(&manifest, other).unwrap();
    let said = hear(&mut lines, "not loaded");
    assert!(said.contains("rate_hz is 25; allowed: 50"), "{said}");
    std::fs::write(&manifest, &good).unwrap();
    hear(&mut lines, "takes over");
    // At the next tick, for which it is given some time.
    std::thread::sleep(Duration::from_secs(1));
    let pid = Pid::from_child(&child);
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    assert!(json(&output)["swaps"].as_u64().unwrap() >= 2, "{}", text(&output));
}

#[test]
fn a_policy_runs_alone_and_refuses_what_makes_no_sense() {
    let reach = root().join("policies/reach/reach.policy.yaml").display().to_string();
    let run = |more: &[&str]| sinew(&root(), &[&["policy", "run", &reach], more].concat());
    let folder = tempfile::tempdir().unwrap();
    let record = folder.path().join("ticks.json").display().to_string();
    let moving = ["--set", "tool_position_error=0.05,-0.02,0.01", "--driver", "sim"];
    let output = run(&[&["--seconds", "2", "--json", "--record", &record][..], &moving].concat());
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let report = json(&output);
    assert!(report["ticks"].as_u64().unwrap() > 20, "{report:#}");
    assert!(report["loop_cycles"].as_u64().unwrap() > 100, "{report:#}");
    let replay = |record: &str| sinew(&root(), &["policy", "replay", record, &reach]);
    let same = replay(&record);
    assert_eq!(same.status.code(), Some(0), "{}", text(&same));
    assert!(text(&same).contains("ticks, identical"), "{}", text(&same));
    let taken = std::fs::read_to_string(&record).unwrap();
    let mut ticks: serde_json::Value = serde_json::from_str(&taken).unwrap();
    let position = ticks["ticks"][9]["joint_position"][3].as_f64().unwrap();
    ticks["ticks"][9]["joint_position"][3] = (position + 1e-4).into();
    std::fs::write(&record, ticks.to_string()).unwrap();
    let other = replay(&record);
    assert_eq!(other.status.code(), Some(1), "{}", text(&other));
    assert!(text(&other).contains("rollout tick 9"), "{}", text(&other));
    for (more, says) in [
        (&["--driver", "servo"][..], "--arm"),
        (&["--world", "x.yaml"], "--world is for the driver sim"),
        (&["--set", "tool_position_error=1"], "tool_position_error"),
        (&["--set", "tool=a"], "NAME=NUMBER"),
        (&["--rate", "5000"], "up to 1000 Hz"),
        (&["--watch", "--rate", "100"], "--rate"),
    ] {
        let output = run(more);
        assert_eq!(output.status.code(), Some(2), "{more:?}: {}", text(&output));
        assert!(text(&output).contains(says), "{more:?}: {}", text(&output));
    }
}

#[test]
fn an_export_of_lerobot_says_what_it_lacks() {
    let folder = tempfile::tempdir().unwrap();
    let export =
        |more: &[&str]| sinew(folder.path(), &[&["policy", "export-lerobot"], more].concat());
    let output = export(&["."]);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("holds no config.json"), "{}", text(&output));

    let config = folder.path().join("config.json");
    std::fs::write(&config, r#"{"type": "diffusion"}"#).unwrap();
    let output = export(&["."]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("type diffusion; allowed: act"), "{}", text(&output));

    std::fs::write(&config, r#"{"type": "act"}"#).unwrap();
    let output = export(&[".", "--python", "no-such-python"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("cannot start no-such-python"), "{}", text(&output));
    assert!(!folder.path().join("act.onnx").exists());

    let output = export(&["--print"]);
    assert_eq!(output.status.code(), Some(0));
    assert!(text(&output).contains("ACTPolicy.from_pretrained"), "{}", text(&output));
}
