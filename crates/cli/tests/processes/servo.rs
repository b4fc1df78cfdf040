//! `sinew servo` on emulated servos.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::{PROGRAM, json, root, sinew, text};
use sinew_driver_servo::emulator::{EmulatedServoConfig, Emulator, EmulatorConfig};
use sinew_robot::{RobotModel, ServoModel, ServoProtocol};

/// The machine may be busy with other things.
const PATIENT: [&str; 2] = ["--reply-allowance-ms", "500"];

fn emulator(protocol: ServoProtocol, model: ServoModel, ids: &[u8]) -> (Emulator, String) {
    let servos = ids
        .iter()
        .map(|id| EmulatedServoConfig {
            id: *id,
            model,
            start_ticks: 700 + i32::from(*id),
            homing_offset_ticks: 0,
            max_velocity_ticks_s: 3000.0,
        })
        .collect();
    let config = EmulatorConfig { protocol, baud_rate: 1_000_000, servos };
    let emulator = Emulator::spawn(&config).unwrap();
    let path = emulator.path().display().to_string();
    (emulator, path)
}

/// A shipped robot file in a folder of its own.
fn copy(name: &str, folder: &Path) -> PathBuf {
    let robot = format!("{name}.robot.yaml");
    for file in [robot.as_str(), "so101_follower.urdf", "koch_follower.urdf"] {
        std::fs::copy(root().join("urdf").join(file), folder.join(file)).unwrap();
    }
    folder.join(robot)
}

#[test]
fn scan_finds_servos_of_every_series_and_set_id_renames_one() {
    let folder = tempfile::tempdir().unwrap();
    for (protocol, model, name) in [
        (ServoProtocol::Dynamixel, ServoModel::Xl330M288, "dynamixel"),
        (ServoProtocol::FeetechSts, ServoModel::Sts3215, "feetech-sts"),
        (ServoProtocol::FeetechScs, ServoModel::Scs0009, "feetech-scs"),
    ] {
        let (_emulator, port) = emulator(protocol, model, &[1, 4]);
        let scan = || {
            let args = ["servo", "scan", "--json", "--port", &port, "--max-id", "6"];
            let output =
                sinew(folder.path(), &[&args[..], &["--baud", "1000000"], &PATIENT[..]].concat());
            assert_eq!(output.status.code(), Some(0), "{}", text(&output));
            json(&output)["servos"].as_array().unwrap().clone()
        };
        let found = scan();
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[1]["model"], model.as_str());
        assert_eq!(found[1]["protocol"], protocol.as_str());
        assert_eq!((&found[1]["id"], &found[1]["ticks"]), (&4.into(), &704.into()));
        let set = |from: &str, to: &str| {
            let args = ["servo", "set-id", from, to, "--port", &port, "--protocol", name];
            sinew(folder.path(), &[&args[..], &PATIENT[..]].concat())
        };
        let taken = set("4", "1");
        assert!(text(&taken).contains("one that no other servo has"), "{}", text(&taken));
        let output = set("4", "5");
        assert_eq!(output.status.code(), Some(0), "{}", text(&output));
        assert_eq!(scan()[1]["id"], 5);
    }
}

#[test]
fn scan_says_that_nothing_answered() {
    let folder = tempfile::tempdir().unwrap();
    let output = sinew(folder.path(), &["servo", "scan", "--port", "/dev/nowhere"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(text(&output).contains("no servo answered on /dev/nowhere"), "{}", text(&output));
}

/// Until the program has looked at every servo again.
fn wait_for_a_look(emulator: &Emulator) {
    let start = Instant::now();
    let before = emulator.handle().instruction_count();
    while emulator.handle().instruction_count() < before + 20 {
        assert!(start.elapsed() < Duration::from_secs(60));
        std::thread::yield_now();
    }
}

#[test]
fn calibrate_measures_zero_and_range_and_keeps_comments() {
    for (name, protocol) in
        [("so101_follower", ServoProtocol::FeetechSts), ("koch_follower", ServoProtocol::Dynamixel)]
    {
        let folder = tempfile::tempdir().unwrap();
        let robot = copy(name, folder.path());
        let mut config =
            EmulatorConfig::of(RobotModel::load(&robot).unwrap().config().servo.as_ref().unwrap());
        assert_eq!(config.protocol, protocol);
        for servo in &mut config.servos {
            // The middle pose is at the end of the encoder's turn.
            servo.start_ticks = 4000;
        }
        let emulator = Emulator::spawn(&config).unwrap();
        let mut child = Command::new(PROGRAM)
            .args(["servo", "calibrate"])
            .arg(&robot)
            .arg("--port")
            .arg(emulator.path())
            .args(PATIENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut input = child.stdin.take().unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut wait_for = |words: &str| loop {
            let line = lines.next().unwrap().unwrap();
            if line.contains(words) {
                return;
            }
        };
        wait_for("Bring every joint to its zero");
        input.write_all(b"\n").unwrap();
        wait_for("through its whole range");
        for ticks in [1000, 3000] {
            for id in emulator.handle().ids() {
                assert!(!emulator.handle().servo(id).has_torque);
                emulator.handle().place(id, ticks + 10 * i32::from(id));
            }
            wait_for_a_look(&emulator);
        }
        input.write_all(b"\n").unwrap();
        assert!(child.wait().unwrap().success());

        let model = RobotModel::load(&robot).unwrap();
        let joint = model.config().servo.as_ref().unwrap().joints["elbow_flex"];
        assert_eq!((joint.id, joint.zero_ticks, joint.range_ticks), (3, 2048, [1030, 3030]));
        let offset = if protocol == ServoProtocol::Dynamixel { -1952 } else { 1952 };
        assert_eq!(joint.homing_offset_ticks, offset);
        let text = std::fs::read_to_string(&robot).unwrap();
        assert!(text.contains("# Nominal calibration") && text.contains("# Folded over the base"));
    }
}

#[test]
fn calibrate_without_an_answer_leaves_the_file_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let robot = copy("so101_follower", folder.path());
    let before = std::fs::read_to_string(&robot).unwrap();
    let model = RobotModel::load(&robot).unwrap();
    let config = EmulatorConfig::of(model.config().servo.as_ref().unwrap());
    let emulator = Emulator::spawn(&config).unwrap();
    let calibrate = |input: &'static str| {
        let mut child = Command::new(PROGRAM)
            .args(["servo", "calibrate"])
            .arg(&robot)
            .arg("--port")
            .arg(emulator.path())
            .args(PATIENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert_eq!(output.status.code(), Some(1));
        text(&output)
    };
    let ended = calibrate("");
    assert!(ended.contains("the input ended before the pose was confirmed"), "{ended}");
    // Nothing was moved between the two lines.
    let unmoved = calibrate("\n\n");
    assert!(unmoved.contains("range_ticks") && unmoved.contains("moved by 50 ticks"), "{unmoved}");
    assert_eq!(std::fs::read_to_string(&robot).unwrap(), before);
}

#[test]
fn calibrate_takes_lerobots_file() {
    let folder = tempfile::tempdir().unwrap();
    let robot = copy("so101_follower", folder.path());
    let names =
        ["shoulder_pan", "shoulder_lift", "elbow_flex", "wrist_flex", "wrist_roll", "gripper"];
    let entries: Vec<String> = names
        .iter()
        .enumerate()
        .map(|(index, name)| {
            let (id, drive_mode) = (index + 1, u8::from(index == 1));
            format!(
                r#""{name}": {{"id": {id}, "drive_mode": {drive_mode}, "homing_offset": {}, "range_min": {}, "range_max": 3200}}"#,
                index as i32 - 3,
                800 + index
            )
        })
        .collect();
    let file = folder.path().join("arm.json");
    std::fs::write(&file, format!("{{{}}}", entries.join(", "))).unwrap();
    let arguments = |robot: &Path| {
        let robot = robot.display().to_string();
        sinew(folder.path(), &["servo", "calibrate", &robot, "--from-lerobot", "arm.json"])
    };
    let output = arguments(&robot);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let joints = RobotModel::load(&robot).unwrap().config().servo.clone().unwrap().joints;
    let lift = joints["shoulder_lift"];
    assert_eq!((lift.zero_ticks, lift.range_ticks), (2000, [801, 3200]));
    assert_eq!((lift.homing_offset_ticks, lift.invert), (-2, true));
    assert!(joints["shoulder_pan"].invert && !joints["elbow_flex"].invert);

    std::fs::write(&file, format!("{{{}}}", entries[1..].join(", "))).unwrap();
    let output = arguments(&robot);
    assert_eq!(output.status.code(), Some(2));
    assert!(text(&output).contains("arm.json: shoulder_pan: not in the calibration file"));
}
