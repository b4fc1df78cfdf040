//! Launch files beside `ros2 launch`, whose parser is not here: its rules stand in docs/schema/launch.schema.json.

use std::path::PathBuf;

use jsonschema::Validator;
use serde_json::Value;
use sinew_nodes::arguments::NodeArguments;

use crate::launch_files::{launched, root};

/// What YAML 1.1, which `ros2 launch` reads, takes for truth values unless they are quoted.
const YAML_1_1: [&str; 6] = ["yes", "no", "on", "off", "y", "n"];

fn schema() -> Validator {
    let text = std::fs::read_to_string(root().join("docs/schema/launch.schema.json")).unwrap();
    jsonschema::draft202012::new(&serde_json::from_str(&text).unwrap()).unwrap()
}

fn parsed(text: &str) -> Value {
    serde_saphyr::from_str(text).unwrap()
}

fn errors(schema: &Validator, file: &Value) -> Vec<String> {
    schema.iter_errors(file).map(|error| format!("{}: {error}", error.instance_path())).collect()
}

fn shipped() -> Vec<PathBuf> {
    let entries = std::fs::read_dir(root().join("launch")).unwrap();
    let files = entries.map(|entry| entry.unwrap().path());
    files.filter(|path| path.to_string_lossy().ends_with(".launch.yaml")).collect()
}

fn words(value: &Value) -> Vec<&str> {
    match value {
        Value::String(text) => vec![text],
        Value::Array(items) => items.iter().flat_map(words).collect(),
        Value::Object(fields) => fields.values().flat_map(words).collect(),
        _ => Vec::new(),
    }
}

#[test]
fn ros2_launch_accepts_the_shipped_launch_files() {
    let schema = schema();
    assert!(shipped().len() >= 3, "{:?}", shipped());
    for path in shipped() {
        let file = parsed(&std::fs::read_to_string(&path).unwrap());
        assert_eq!(errors(&schema, &file), [""; 0], "{}", path.display());
        let read_otherwise = |word: &&str| YAML_1_1.contains(&word.to_lowercase().as_str());
        let found = words(&file).into_iter().find(read_otherwise);
        assert_eq!(found, None, "{}: YAML 1.1 reads a truth value", path.display());
    }
}

#[test]
fn ros2_launch_accepts_more_than_we_do() {
    let file = r#"
launch:
- set_env: {name: RCUTILS_COLORIZED_OUTPUT, value: "1"}
- set_remap: {from: tf, to: /tf}
- set_parameter: {name: use_sim_time, value: "true"}
- group:
    scoped: true
    if: "$(var here)"
    children:
      - push-ros-namespace: {namespace: left}
      - node:
          pkg: demo_nodes_cpp
          exec: talker
          on_exit: shutdown
          param:
            - {name: gains, param: [{name: p, value: 1.5}, {name: names, value: [a, b]}]}
            - {from: /etc/talker.yaml, allow_substs: true}
"#;
    assert_eq!(errors(&schema(), &parsed(file)), [""; 0]);
    let told = launched(file, &[]).unwrap_err().to_string();
    assert!(told.contains("set_env"), "what we do not do is refused, not ignored: {told}");
}

/// What our parser accepts, or refuses elsewhere, and where in it `ros2 launch` refuses what.
const REFUSED: [(&str, &str); 16] = [
    ("- arg: {name: rate, default: 50}", "/launch/0/arg/default"),
    ("- arg: {name: fast, default: true}", "/launch/0/arg/default"),
    ("- let: {name: rate, value: 50}", "/launch/0/let/value"),
    ("- let: {name: x, value: a, if: true}", "/launch/0/let/if"),
    ("- let: {name: x, value: a, if: \"true\", unless: \"true\"}", "/launch/0/let"),
    ("- include: {file: more.launch.yaml}", "/launch/0/include/file"),
    ("- include: {file: /more.launch.yaml, arg: []}", "/launch/0/include/arg"),
    ("- executable: {cmd: env, env: [{name: N, value: 1}]}", "/launch/0/executable/env/0/value"),
    ("- executable: {cmd: ls, output: file}", "/launch/0/executable/output"),
    ("- node: {pkg: sinew, name: n}", "/launch/0/node"),
    ("- node: {pkg: sinew, exec: sinew, name: n, param: []}", "/launch/0/node/param"),
    (
        "- node: {pkg: sinew, exec: sinew, name: n, remap: [{from: a, to: 1}]}",
        "/launch/0/node/remap/0/to",
    ),
    (
        "- node: {pkg: sinew, exec: sinew, name: n, param: [{name: p, value: [1, a]}]}",
        "/launch/0/node/param/0",
    ),
    (
        "- node: {pkg: sinew, exec: sinew, name: n, param: [{name: p, value: {a: 1}}]}",
        "/launch/0/node/param/0",
    ),
    (
        "- node: {pkg: sinew, exec: sinew, name: n, param: [{name: p, from: /p.yaml}]}",
        "/launch/0/node/param/0",
    ),
    ("- {let: {name: x, value: a}, group: []}", "/launch/0"),
];

#[test]
fn what_ros2_launch_refuses_is_told_by_its_place() {
    let schema = schema();
    for (action, place) in REFUSED {
        let file = parsed(&format!("launch:\n{action}\n"));
        let told = errors(&schema, &file);
        let is_told = told.iter().any(|error| error.starts_with(&format!("{place}: ")));
        assert!(is_told, "{action}: wants {place}, tells {told:#?}");
    }
}

/// As launch_ros writes them: one file per parameter, under the node's full name.
#[test]
fn a_node_reads_the_parameters_that_ros2_launch_hands_over() {
    let folder = tempfile::tempdir().unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let seed = file("launch_params_a", "/left/hardware:\n  ros__parameters:\n    seed: 7\n");
    let other = file("launch_params_b", "/right/hardware:\n  ros__parameters:\n    seed: 8\n");
    let all = file("own.yaml", "/**:\n  ros__parameters:\n    seed: 6\n    pace: fastest\n");
    let words = [
        "--ros-args",
        "-r",
        "__node:=hardware",
        "-r",
        "__ns:=/left",
        "--params-file",
        &all,
        "--params-file",
        &seed,
        "--params-file",
        &other,
        "-r",
        "odom:=wheel_odom",
    ];
    let words: Vec<_> = words.map(str::to_owned).into();
    let read = NodeArguments::parse("x", &words).unwrap();
    assert_eq!((read.namespace.as_str(), read.name.as_str()), ("/left", "hardware"));
    let parameters = Value::Object(read.parameters);
    assert_eq!(parameters, serde_json::json!({"seed": 7, "pace": "fastest"}));
}
