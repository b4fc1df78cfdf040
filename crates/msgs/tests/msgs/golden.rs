//! Type hashes and bytes of every message, service and action on our wire: against files that are
//! committed, which need nothing, and against rosbags, an implementation in Python that shares no
//! code with this one (`SINEW_TEST_PYTHON` names a Python that has it; `cargo xtask test` sets it).
//!
//! `SINEW_BLESS=1` rewrites the committed files with what rosbags says.

#![allow(clippy::unwrap_used, missing_docs)]

mod support;

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use hiroz::action::ZAction;
use hiroz::{MessageTypeInfo, ServiceTypeInfo};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use serde::{Serialize, de::DeserializeOwned};
use serde_json::{Value, json};
use sinew_msgs::{
    action_msgs, builtin_interfaces, cdr, diagnostic_msgs, geometry_msgs, nav_msgs, rosgraph_msgs,
    sensor_msgs, sinew_msgs as sinew, std_msgs, std_srvs, tf2_msgs, trajectory_msgs,
    unique_identifier_msgs,
};

/// Random instances per type and direction.
const INSTANCES: u64 = 100;

/// A type that has bytes.
struct Message {
    name: &'static str,
    /// Of messages; parts of services and actions have none of their own on the wire.
    hash: Option<String>,
    random: fn(u64) -> (Vec<u8>, Value),
    again: fn(&[u8]) -> (Vec<u8>, Value),
}

fn message<M: Serialize + DeserializeOwned + MessageTypeInfo>(name: &'static str) -> Message {
    fn random<M: Serialize + DeserializeOwned>(seed: u64) -> (Vec<u8>, Value) {
        let message: M = support::random(&mut ChaCha8Rng::seed_from_u64(seed));
        (cdr::encode(&message).unwrap(), serde_json::to_value(&message).unwrap())
    }
    fn again<M: Serialize + DeserializeOwned>(bytes: &[u8]) -> (Vec<u8>, Value) {
        let message: M = cdr::decode(bytes).unwrap();
        (cdr::encode(&message).unwrap(), serde_json::to_value(&message).unwrap())
    }
    let hash = name.contains("/msg/").then(|| M::type_hash().to_rihs_string());
    Message { name, hash, random: random::<M>, again: again::<M> }
}

macro_rules! messages {
    ($($name:literal $type:ty),* $(,)?) => { vec![$(message::<$type>($name)),*] };
}

fn all_messages() -> Vec<Message> {
    messages![
        "sinew_msgs/msg/ActuatorCommand" sinew::ActuatorCommand,
        "sinew_msgs/msg/GripperCommand" sinew::GripperCommand,
        "sinew_msgs/msg/GroupOwner" sinew::GroupOwner,
        "sinew_msgs/msg/GroupProvenance" sinew::GroupProvenance,
        "sinew_msgs/msg/GroupTransition" sinew::GroupTransition,
        "sinew_msgs/msg/Heartbeat" sinew::Heartbeat,
        "sinew_msgs/msg/Provenance" sinew::Provenance,
        "sinew_msgs/msg/RobotTick" sinew::RobotTick,
        "sinew_msgs/msg/SafetyState" sinew::SafetyState,
        "sinew_msgs/msg/SkillManifest" sinew::SkillManifest,
        "sinew_msgs/msg/SkillManifestArray" sinew::SkillManifestArray,
        "sinew_msgs/msg/SkillResult" sinew::SkillResult,
        "sinew_msgs/msg/SkillStatus" sinew::SkillStatus,
        "sinew_msgs/msg/StepOutcome" sinew::StepOutcome,
        "sinew_msgs/msg/SupportSurface" sinew::SupportSurface,
        "sinew_msgs/msg/WorldObject" sinew::WorldObject,
        "sinew_msgs/msg/WorldObjects" sinew::WorldObjects,
        "sinew_msgs/srv/AcquireLease_Request" sinew::AcquireLeaseRequest,
        "sinew_msgs/srv/AcquireLease_Response" sinew::AcquireLeaseResponse,
        "sinew_msgs/srv/MakePlan_Request" sinew::MakePlanRequest,
        "sinew_msgs/srv/MakePlan_Response" sinew::MakePlanResponse,
        "sinew_msgs/srv/ReleaseLease_Request" sinew::ReleaseLeaseRequest,
        "sinew_msgs/srv/ReleaseLease_Response" sinew::ReleaseLeaseResponse,
        "sinew_msgs/srv/TakePicture_Request" sinew::TakePictureRequest,
        "sinew_msgs/srv/TakePicture_Response" sinew::TakePictureResponse,
        "sinew_msgs/action/ExecuteSkill_Goal" sinew::ExecuteSkillGoal,
        "sinew_msgs/action/ExecuteSkill_Result" sinew::ExecuteSkillResult,
        "sinew_msgs/action/ExecuteSkill_Feedback" sinew::ExecuteSkillFeedback,
        "sinew_msgs/action/ExecuteTask_Goal" sinew::ExecuteTaskGoal,
        "sinew_msgs/action/ExecuteTask_Result" sinew::ExecuteTaskResult,
        "sinew_msgs/action/ExecuteTask_Feedback" sinew::ExecuteTaskFeedback,
        "action_msgs/msg/GoalStatusArray" action_msgs::GoalStatusArray,
        "action_msgs/srv/CancelGoal_Request" action_msgs::CancelGoalRequest,
        "action_msgs/srv/CancelGoal_Response" action_msgs::CancelGoalResponse,
        "builtin_interfaces/msg/Duration" builtin_interfaces::Duration,
        "builtin_interfaces/msg/Time" builtin_interfaces::Time,
        "diagnostic_msgs/msg/DiagnosticArray" diagnostic_msgs::DiagnosticArray,
        "diagnostic_msgs/msg/DiagnosticStatus" diagnostic_msgs::DiagnosticStatus,
        "diagnostic_msgs/msg/KeyValue" diagnostic_msgs::KeyValue,
        "geometry_msgs/msg/PoseWithCovariance" geometry_msgs::PoseWithCovariance,
        "geometry_msgs/msg/Twist" geometry_msgs::Twist,
        "geometry_msgs/msg/TwistStamped" geometry_msgs::TwistStamped,
        "nav_msgs/msg/Odometry" nav_msgs::Odometry,
        "rosgraph_msgs/msg/Clock" rosgraph_msgs::Clock,
        "sensor_msgs/msg/CameraInfo" sensor_msgs::CameraInfo,
        "sensor_msgs/msg/CompressedImage" sensor_msgs::CompressedImage,
        "sensor_msgs/msg/Image" sensor_msgs::Image,
        "sensor_msgs/msg/Imu" sensor_msgs::Imu,
        "sensor_msgs/msg/JointState" sensor_msgs::JointState,
        "sensor_msgs/msg/Joy" sensor_msgs::Joy,
        "std_msgs/msg/Bool" std_msgs::Bool,
        "std_msgs/msg/String" std_msgs::String,
        "std_srvs/srv/Trigger_Request" std_srvs::TriggerRequest,
        "std_srvs/srv/Trigger_Response" std_srvs::TriggerResponse,
        "tf2_msgs/msg/TFMessage" tf2_msgs::TFMessage,
        "trajectory_msgs/msg/JointTrajectory" trajectory_msgs::JointTrajectory,
        "unique_identifier_msgs/msg/UUID" unique_identifier_msgs::UUID,
    ]
}

/// Types that have only a hash: services, and the parts of actions.
fn all_services() -> Vec<(&'static str, String)> {
    fn service<S: ServiceTypeInfo>(name: &'static str) -> (&'static str, String) {
        (name, S::service_type_info().hash.to_rihs_string())
    }
    fn action<A: ZAction>(names: [&'static str; 3]) -> [(&'static str, String); 3] {
        let infos = [A::send_goal_type_info(), A::get_result_type_info(), A::feedback_type_info()];
        std::array::from_fn(|i| (names[i], infos[i].hash.to_rihs_string()))
    }
    let mut all = vec![
        service::<sinew::srv::AcquireLease>("sinew_msgs/srv/AcquireLease"),
        service::<sinew::srv::MakePlan>("sinew_msgs/srv/MakePlan"),
        service::<sinew::srv::ReleaseLease>("sinew_msgs/srv/ReleaseLease"),
        service::<sinew::srv::TakePicture>("sinew_msgs/srv/TakePicture"),
        service::<std_srvs::srv::Trigger>("std_srvs/srv/Trigger"),
        ("action_msgs/srv/CancelGoal", sinew_msgs::cancel_goal_type_info().hash.to_rihs_string()),
    ];
    all.extend(action::<sinew::action::ExecuteSkill>([
        "sinew_msgs/action/ExecuteSkill_SendGoal",
        "sinew_msgs/action/ExecuteSkill_GetResult",
        "sinew_msgs/action/ExecuteSkill_FeedbackMessage",
    ]));
    all.extend(action::<sinew::action::ExecuteTask>([
        "sinew_msgs/action/ExecuteTask_SendGoal",
        "sinew_msgs/action/ExecuteTask_GetResult",
        "sinew_msgs/action/ExecuteTask_FeedbackMessage",
    ]));
    all
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

#[test]
fn every_interface_file_has_a_golden_file() {
    let package = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("sinew_msgs");
    let known: Vec<&str> = all_messages()
        .iter()
        .map(|m| m.name)
        .chain(all_services().iter().map(|(name, _)| *name))
        .collect();
    let build = std::fs::read_to_string(package.join("CMakeLists.txt")).unwrap();
    for kind in ["msg", "srv", "action"] {
        for entry in std::fs::read_dir(package.join(kind)).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("sinew_msgs/{kind}/{}", path.file_stem().unwrap().to_str().unwrap());
            assert!(known.iter().any(|k| k.starts_with(&name)), "{name} is in no golden test");
            let file = format!("\"{kind}/{}\"", path.file_name().unwrap().to_str().unwrap());
            assert!(build.contains(&file), "CMakeLists.txt lacks {file}");
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
            .arg(root.join("sinew_msgs"))
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
    for Message { name, hash, random, again } in all_messages() {
        if let Some(hash) = &hash {
            assert_eq!(json!(hash), judge.hash(name), "{name}");
        }
        for seed in 0..INSTANCES {
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

#[test]
fn lengths_that_the_bytes_cannot_hold_cost_nothing() {
    // WorldObjects: empty header, then 100 million objects of half a kilobyte, none of them there.
    let mut bytes = cdr::encode(&sinew::WorldObjects::default()).unwrap();
    let count = bytes.len() - 4;
    bytes[count..].copy_from_slice(&100_000_000_u32.to_le_bytes());
    assert!(matches!(cdr::decode::<sinew::WorldObjects>(&bytes), Err(cdr::CdrError::Body { .. })));
    bytes[count..].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(matches!(cdr::decode::<sinew::WorldObjects>(&bytes), Err(cdr::CdrError::Body { .. })));
    let long = vec![0; cdr::MAX_PAYLOAD_BYTES + 1];
    assert!(matches!(cdr::decode::<std_msgs::Bool>(&long), Err(cdr::CdrError::TooLong { .. })));
    assert!(matches!(
        cdr::decode::<std_msgs::Bool>(&[0, 0, 0, 0, 1]),
        Err(cdr::CdrError::Header { .. })
    ));
    assert!(matches!(cdr::decode::<std_msgs::Bool>(&[]), Err(cdr::CdrError::Header { .. })));
}
