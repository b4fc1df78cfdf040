//! Type hashes and bytes of every message, service and action on our wire: against files that are
//! committed, which need nothing, and against rosbags, an implementation in Python that shares no
//! code with this one (`SINEW_TEST_PYTHON` names a Python that has it; `cargo xtask test` sets it).
//!
//! `SINEW_BLESS=1` rewrites the committed files with what rosbags says.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::{Value, json};

use crate::types::{Message, all_messages, all_services};

/// Random instances per type and direction. Fewer of MoveIt's, which are large, unless SINEW_MOVEIT_INSTANCES says how many.
fn instances(name: &str) -> u64 {
    let of_moveit = || std::env::var("SINEW_MOVEIT_INSTANCES").map(|text| text.parse().unwrap());
    if name.starts_with("moveit_msgs/") { of_moveit().unwrap_or(30) } else { 1000 }
}

fn golden(name: &str) -> PathBuf {
    let file = format!("{}.json", name.replace('/', "."));
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(file)
}

fn read_golden(name: &str) -> Value {
    let path = golden(name);
    let text = std::fs::read_to_string(&path)
        .unwrap_or_else(|e| panic!("{}: {e}; SINEW_BLESS=1 writes it", path.display()));
    serde_json::from_str(&text).unwrap()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|i| u8::from_str_radix(&text[i..i + 2], 16).unwrap()).collect()
}

/// Equal as JSON, where 1 is 1.0 and the filler of an empty type does not count.
fn same(ours: &Value, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Value::Number(a), Value::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Value::Object(a), Value::Object(b)) if a.is_empty() => {
            b.keys().all(|key| key == "structure_needs_at_least_one_member")
        }
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| same(a, b)))
        }
        (a, b) => a == b,
    }
}

#[test]
fn committed_hashes_and_bytes_still_hold() {
    for message in all_messages() {
        let golden = read_golden(message.name);
        assert_eq!(json!(message.hash), golden["hash"], "{}", message.name);
        let (bytes, value) = (message.again)(&unhex(golden["cdr"].as_str().unwrap()));
        assert_eq!(hex(&bytes), golden["cdr"].as_str().unwrap(), "{}", message.name);
        assert!(same(&value, &golden["value"]), "{}: {value}", message.name);
    }
    for (name, hash) in all_services() {
        assert_eq!(json!(hash), read_golden(name)["hash"], "{name}");
    }
}

#[test]
fn no_message_is_called_like_a_part_of_an_action() {
    // hiroz's generator would take it for one where an action refers to it, and hash it wrongly.
    for message in all_messages().iter().filter(|m| m.name.starts_with("sinew_msgs/msg/")) {
        let allowed = message.name == "sinew_msgs/msg/SkillResult"; // no action refers to it
        let like = ["Goal", "Result", "Feedback"].iter().any(|end| message.name.ends_with(end));
        assert!(allowed || !like, "{}", message.name);
    }
}

/// Interface packages whose structs are generated here; the judge wants those before that others refer to.
const PACKAGES: [&str; 10] = [
    "sinew_msgs",
    "standard/control_msgs",
    "standard/controller_manager_msgs",
    "standard/nav2_msgs",
    "standard/object_recognition_msgs",
    "standard/octomap_msgs",
    "standard/moveit_msgs",
    "standard/vision_msgs",
    "core/lifecycle_msgs",
    "core/rcl_interfaces",
];

#[test]
fn every_interface_file_has_a_golden_file() {
    let known: Vec<&str> = all_messages()
        .iter()
        .map(|m| m.name)
        .chain(all_services().iter().map(|(name, _)| *name))
        .collect();
    for folder in PACKAGES {
        let package = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(folder);
        // Those that are in every ROS 2 are not built.
        let is_built = !folder.starts_with("core/");
        let build =
            is_built.then(|| std::fs::read_to_string(package.join("CMakeLists.txt")).unwrap());
        let package_name = package.file_name().unwrap().to_str().unwrap();
        for kind in ["msg", "srv", "action"] {
            let Ok(entries) = std::fs::read_dir(package.join(kind)) else { continue };
            for entry in entries {
                let path = entry.unwrap().path();
                let stem = path.file_stem().unwrap().to_str().unwrap();
                let name = format!("{package_name}/{kind}/{stem}");
                assert!(known.iter().any(|k| k.starts_with(&name)), "{name} is in no golden test");
                let file = format!("\"{kind}/{}\"", path.file_name().unwrap().to_str().unwrap());
                let is_listed = build.as_ref().is_none_or(|build| build.contains(&file));
                assert!(is_listed, "CMakeLists.txt lacks {file}");
            }
        }
    }
}

/// rosbags, in a process of its own.
struct Judge {
    child: Child,
    requests: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Judge {
    /// None, with a line that says so, where there is no Python with rosbags; in CI there must be.
    fn start() -> Option<Self> {
        let Some(python) = std::env::var_os("SINEW_TEST_PYTHON") else {
            assert!(std::env::var_os("CI").is_none(), "CI must set SINEW_TEST_PYTHON");
            println!("skipped: SINEW_TEST_PYTHON names no Python with rosbags");
            return None;
        };
        let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
        let mut child = Command::new(python)
            .arg(root.join("../../tests/peers/cdr_judge.py"))
            .args(PACKAGES.map(|folder| root.join(folder)))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let requests = child.stdin.take().unwrap();
        let answers = BufReader::new(child.stdout.take().unwrap());
        Some(Self { child, requests, answers })
    }

    fn ask(&mut self, request: &Value) -> Value {
        writeln!(self.requests, "{request}").unwrap();
        let mut line = String::new();
        self.answers.read_line(&mut line).unwrap();
        serde_json::from_str(&line).unwrap_or_else(|e| panic!("{request}: {e}: {line:?}"))
    }

    fn hash(&mut self, name: &str) -> Value {
        self.ask(&json!({"op": "hash", "type": name}))["hash"].clone()
    }
}

impl Drop for Judge {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn bless(name: &str, content: &Value) {
    if std::env::var_os("SINEW_BLESS").is_some() {
        std::fs::write(golden(name), format!("{content:#}\n")).unwrap();
    }
}

#[test]
fn rosbags_agrees_on_hashes_and_bytes() {
    let Some(mut judge) = Judge::start() else { return };
    for (name, hash) in all_services() {
        let theirs = judge.hash(name);
        bless(name, &json!({"hash": theirs}));
        assert_eq!(json!(hash), theirs, "{name}");
    }
    for Message { name, hash, random, again, .. } in all_messages() {
        if let Some(hash) = &hash {
            assert_eq!(json!(hash), judge.hash(name), "{name}");
        }
        for seed in 0..instances(name) {
            let (bytes, value) = random(seed);
            let theirs = judge.ask(&json!({"op": "check", "type": name, "cdr": hex(&bytes)}));
            assert_eq!(
                hex(&bytes),
                theirs["cdr"].as_str().unwrap(),
                "{name}, seed {seed}: {value}"
            );
            assert!(
                same(&value, &theirs["value"]),
                "{name}, seed {seed}: {value} {}",
                theirs["value"]
            );

            let theirs = judge.ask(&json!({"op": "random", "type": name, "seed": seed}));
            let text = theirs["cdr"].as_str().unwrap();
            let (bytes, value) = again(&unhex(text));
            // The filler of an empty type may have any value; ours is zero.
            let filler = value.as_object().is_some_and(serde_json::Map::is_empty);
            assert!(filler || hex(&bytes) == text, "{name}, seed {seed}: {text} {}", hex(&bytes));
            assert!(
                same(&value, &theirs["value"]),
                "{name}, seed {seed}: {value} {}",
                theirs["value"]
            );
            if seed == 0 {
                bless(name, &json!({"hash": hash, "cdr": hex(&bytes), "value": value}));
            }
        }
    }
}
