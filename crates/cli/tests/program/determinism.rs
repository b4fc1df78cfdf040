//! Same seed, same build: the same motion, bit for bit; and a replay reproduces it.

use std::path::Path;

use crate::support::{json, sinew, text};
use serde_json::Value;
use sinew_log::{Log, RunFolder, first_difference};
use sinew_msgs::sinew_msgs::RobotTick;

const INSTRUCTION: &str = "pick up the green cube";

fn run(folder: &Path, seed: &str) -> (RunFolder, Value) {
    let output = sinew(folder, &["run", "--json", "--seed", seed, INSTRUCTION]);
    assert_eq!(output.status.code(), Some(0), "{}", text(&output));
    let summary = json(&output);
    let run = RunFolder::existing(&folder.join(summary["folder"].as_str().unwrap()));
    (run, summary)
}

fn ticks(run: &RunFolder) -> Vec<RobotTick> {
    let log = Log::open(&run.log()).unwrap();
    let logged = log.messages::<RobotTick>("/mobi/robot_tick").unwrap();
    logged.into_iter().map(|logged| logged.message).collect()
}

#[test]
fn a_seed_repeats_and_a_replay_reproduces_it() {
    let folder = tempfile::tempdir().unwrap();
    let (first, summary) = run(folder.path(), "3");
    let (second, _) = run(folder.path(), "3");
    let (other, _) = run(folder.path(), "4");
    let expected = ticks(&first);
    assert!(expected.len() > 100, "{} ticks", expected.len());
    assert_eq!(first_difference(expected.iter(), ticks(&second).iter()), None);
    assert!(first_difference(expected.iter(), ticks(&other).iter()).is_some());

    // What the run leaves behind: each is there, and the log holds what Foxglove wants.
    assert!(summary["steps"].as_array().is_some_and(|steps| !steps.is_empty()));
    assert_eq!(first.read_summary().unwrap().instruction, INSTRUCTION);
    assert_eq!(summary["interventions"], serde_json::json!([]));
    let topics = Log::open(&first.log()).unwrap().topics().unwrap();
    for (topic, schema) in [
        ("/mobi/joint_states", "sensor_msgs/msg/JointState"),
        ("/mobi/tf", "tf2_msgs/msg/TFMessage"),
        ("/mobi/robot_tick", "sinew_msgs/msg/RobotTick"),
        ("/mobi/command", "sinew_msgs/msg/ActuatorCommand"),
        ("/mobi/make_plan/response", "sinew_msgs/srv/MakePlan_Response"),
        ("/mobi/execute_task/result", "sinew_msgs/action/ExecuteTask_Result"),
        ("/mobi/skill_results", "sinew_msgs/msg/SkillResult"),
        ("/mobi/safety/state", "sinew_msgs/msg/SafetyState"),
        ("/mobi/provenance", "sinew_msgs/msg/Provenance"),
    ] {
        assert!(topics.contains(&(topic.into(), schema.into())), "no {topic} in {topics:?}");
    }

    let replay = sinew(folder.path(), &["replay", "--json", first.path().to_str().unwrap()]);
    assert_eq!(replay.status.code(), Some(0), "{}", text(&replay));
    assert_eq!(json(&replay)["identical"], true);

    // A file that has changed since is named, and nothing is compared.
    let mut changed: Value =
        serde_json::from_str(&std::fs::read_to_string(first.summary()).unwrap()).unwrap();
    let files = changed["files"].as_object_mut().unwrap();
    let world = files.keys().find(|path| path.ends_with("tabletop.yaml")).unwrap().clone();
    files.insert(world.clone(), "0".repeat(64).into());
    std::fs::write(first.summary(), changed.to_string()).unwrap();
    let refused = sinew(folder.path(), &["replay", first.path().to_str().unwrap()]);
    assert_eq!(refused.status.code(), Some(2), "{}", text(&refused));
    assert!(text(&refused).contains(&format!("{world} has changed")), "{}", text(&refused));
}
