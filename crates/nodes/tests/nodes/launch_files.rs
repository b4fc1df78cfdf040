//! Launch files: what they mean, and what is said of wrong ones.

use std::path::{Path, PathBuf};

use serde_json::json;
use sinew_nodes::arguments::NodeArguments;
use sinew_nodes::launch::{LaunchDescription, LaunchError, expand};

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

pub(crate) fn launched(
    text: &str,
    arguments: &[(&str, &str)],
) -> Result<LaunchDescription, LaunchError> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.launch.yaml");
    std::fs::write(&file, text).unwrap();
    let arguments: Vec<_> =
        arguments.iter().map(|(name, value)| ((*name).into(), (*value).into())).collect();
    expand(&file, &arguments, Path::new("/share/sinew"))
}

#[test]
fn arguments_namespaces_and_conditions_reach_the_node() {
    let text = r#"
launch:
- arg: {name: robot, default: mobi}
- arg: {name: rate, default: 50}
- let: {name: where, value: "$(find-pkg-share sinew)/worlds"}
- group:
    - push_ros_namespace: {namespace: "$(var robot)"}
    - node:
        pkg: sinew
        exec: sinew
        name: hardware
        args: node hardware
        param:
          - {name: world, value: "$(var where)/tabletop.yaml"}
          - {name: rate, value: "$(var rate)"}
        remap: [{from: odom, to: wheel_odom}]
    - node: {pkg: sinew, exec: sinew, name: unwanted, args: node planner, if: "false"}
- node: {pkg: sinew, exec: sinew, name: planner, args: node planner, unless: "$(env SINEW_NOT_SET 0)"}
"#;
    let made = launched(text, &[("robot", "left")]).unwrap();
    assert_eq!(made.nodes.len(), 2);
    let hardware = &made.nodes[0];
    assert_eq!((hardware.name.as_str(), hardware.namespace.as_str()), ("hardware", "/left"));
    assert_eq!(hardware.parameters["world"], json!("/share/sinew/worlds/tabletop.yaml"));
    assert_eq!(hardware.parameters["rate"], json!(50));
    assert_eq!(hardware.remaps, [("odom".to_owned(), "wheel_odom".to_owned())]);
    assert_eq!(made.nodes[1].namespace, "/", "a group's namespace ends with it");
}

#[test]
fn node_arguments_survive_the_command_line() {
    let text = "launch:\n- node: {pkg: sinew, exec: sinew, name: n, namespace: a, args: node hardware, \
                param: [{name: list, value: [1, 2]}, {name: text, value: 'a b'}, {name: yes, value: true}]}";
    let made = NodeArguments::from(&launched(text, &[]).unwrap().nodes[0]);
    let parsed = NodeArguments::parse("other", &made.to_words()).unwrap();
    assert_eq!(made, parsed);
}

/// As in ROS 2, where only a group is a scope.
#[test]
fn variables_and_namespaces_pass_into_an_included_file_and_out_of_it() {
    let folder = tempfile::tempdir().unwrap();
    let inner = folder.path().join("inner.launch.yaml");
    let text = "launch:
- arg: {name: a, default: inner}
- arg: {name: b, default: inner}
- push_ros_namespace: {namespace: pushed}
- node: {pkg: sinew, exec: sinew, name: inner, args: \"$(var a) $(var b)\"}
";
    std::fs::write(&inner, text).unwrap();
    let include =
        format!("include: {{file: {}, arg: [{{name: b, value: given}}]}}", inner.display());
    let outer = "node: {pkg: sinew, exec: sinew, name: outer, args: \"$(var b)\"}";
    let given = "- arg: {name: a, default: outer}\n- let: {name: b, value: outer}";
    let told = |text: &str| -> Vec<_> {
        let nodes = launched(text, &[]).unwrap().nodes;
        nodes.into_iter().map(|node| (node.name, node.namespace, node.args.join(" "))).collect()
    };
    let of = |name: &str, namespace: &str, args: &str| (name.into(), namespace.into(), args.into());
    let bare = told(&format!("launch:\n{given}\n- {include}\n- {outer}\n"));
    assert_eq!(bare, [of("inner", "/pushed", "outer given"), of("outer", "/pushed", "given")]);
    let grouped = told(&format!("launch:\n{given}\n- group:\n    - {include}\n- {outer}\n"));
    assert_eq!(grouped, [of("inner", "/pushed", "outer given"), of("outer", "/", "outer")]);
}

#[test]
fn an_argument_nobody_declared_is_refused_with_those_that_are() {
    let error =
        launched("launch:\n- arg: {name: world, default: x}", &[("wrld", "y")]).unwrap_err();
    let text = error.to_string();
    assert!(text.contains("`wrld`") && text.contains("declared: world"), "{text}");
}

#[test]
fn each_invalid_launch_file_is_refused_naming_field_and_what_is_allowed() {
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("tests/cases")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !(name.starts_with("invalid-launch-") && name.ends_with(".yaml")) {
            continue;
        }
        seen += 1;
        let error = expand(&path, &[], &root()).expect_err(&name).to_string();
        assert!(error.contains(&name), "{name}: the error does not name the file: {error}");
        for part in std::fs::read_to_string(path.with_extension("yaml.expect")).unwrap().lines() {
            assert!(error.contains(part), "{name}: expected `{part}` in: {error}");
        }
    }
    assert!(seen >= 6, "only {seen} cases");
}

#[test]
fn a_parameter_file_speaks_to_all_nodes_to_a_name_and_to_one_node() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("x.params.yaml");
    // The last is as `ros2 param dump` writes it.
    let text = "
/**: {ros__parameters: {a: 1, b: 1, c: 1}}
planner: {ros__parameters: {b: 2, c: 2}}
/mobi/planner: {ros__parameters: {c: 3}}
/other/planner: {ros__parameters: {a: 4}}
";
    std::fs::write(&file, text).unwrap();
    let words = ["-r", "__ns:=/mobi", "--params-file", &file.display().to_string()];
    let words = words.map(str::to_owned);
    let parsed = NodeArguments::parse("planner", &words).unwrap();
    assert_eq!(json!(parsed.parameters), json!({"a": 1, "b": 2, "c": 3}));

    let launch = format!(
        "launch:
- group:
    - push_ros_namespace: {{namespace: mobi}}
    - node: {{pkg: sinew, exec: sinew, name: planner, args: node planner, param: [{{from: {}}}]}}
",
        file.display()
    );
    let made = launched(&launch, &[]).unwrap();
    assert_eq!(json!(made.nodes[0].parameters), json!({"a": 1, "b": 2, "c": 3}));
}
