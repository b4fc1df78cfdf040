//! What is refused of other projects' files, and that each refusal names the field and what is allowed.

use std::io::Write;
use std::path::{Path, PathBuf};

use crate::common::Copies;
use sinew_policy::import::{
    ImportError, Imported, LerobotOptions, import_deploy, import_kinfer, import_lerobot,
    import_motion, import_rl_sar,
};
use sinew_policy::{InputSpec, Policy, Source};
use sinew_types::{GroupKind, Layout};

fn joints() -> Vec<String> {
    ["hip", "knee"].map(str::to_owned).to_vec()
}

fn layout() -> Layout {
    Layout::new(joints(), vec![("leg".to_owned(), GroupKind::Joints, joints())]).unwrap()
}

#[track_caller]
fn assert_refused(made: Result<Imported, ImportError>, what: &str, mentions: &[&str]) {
    let error = made.err().unwrap_or_else(|| panic!("{what}: accepted"));
    let text = format!("{:#}", anyhow_like(&error));
    for mention in mentions {
        assert!(text.contains(mention), "{what}: `{text}` does not mention `{mention}`");
    }
}

/// The error and its causes in one line.
fn anyhow_like(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    text
}

// --- unitree_rl_lab ---

/// Two motors in swapped order: angular velocity, joints, last action.
const DEPLOY: &str = r"
joint_ids_map: [1, 0]
step_dt: 0.02
stiffness: [10.0, 20.0]
damping: [1.0, 2.0]
default_joint_pos: [0.1, 0.2]
commands:
  base_velocity:
    ranges: {lin_vel_x: [-0.5, 1.0], lin_vel_y: [-0.3, 0.3], ang_vel_z: [-0.2, 0.2], heading: null}
actions:
  JointPositionAction:
    clip: null
    joint_names: [.*]
    scale: [0.25, 0.5]
    offset: [0.1, 0.2]
    joint_ids: !!python/object/apply:builtins.slice [null, null, null]
observations:
  base_ang_vel: {params: {}, clip: null, scale: [0.2, 0.2, 0.2], history_length: 2}
  velocity_commands:
    params: {command_name: base_velocity}
    clip: null
    scale: null
    history_length: 2
  joint_pos_rel: {params: {}, clip: null, scale: [1.0, 1.0], history_length: 2}
  last_action: {params: {}, clip: null, scale: [1.0, 1.0], history_length: 2}
";

/// Linear, from a history of two frames of ten values to two actions.
fn deploy(text: &str) -> Result<Imported, ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let net = crate::common::Net {
        input: "obs",
        output: "actions",
        inputs: 20,
        weights: (0..40).map(|i| i as f32 * 0.01).collect(),
        ..crate::common::Net::default()
    };
    std::fs::write(folder.path().join("policy.onnx"), net.onnx()).unwrap();
    let path = folder.path().join("deploy.yaml");
    std::fs::write(&path, text).unwrap();
    import_deploy(&path, &joints(), "test")
}

#[test]
fn deploy_yaml_is_read_in_the_order_of_its_keys_and_permuted_by_its_map() {
    let imported = deploy(DEPLOY).unwrap();
    let manifest = &imported.manifest;
    assert_eq!(manifest.rate_hz, 50.0);
    assert_eq!(manifest.action.joints(), ["knee", "hip"]);
    let InputSpec::Observation { terms, .. } = &manifest.inputs[0] else { panic!("terms") };
    let sources: Vec<_> = terms.iter().map(|term| term.source).collect();
    let expected =
        [Source::ImuAngularVelocity, Source::Command, Source::JointPosition, Source::LastAction];
    assert_eq!(sources, expected);
    let folder = tempfile::tempdir().unwrap();
    let path = imported.write(folder.path()).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("# confirm: joint order of the motors: hip, knee"), "{text}");
    let mut policy = Policy::load(&path, &layout()).unwrap();
    // Gains are in the order of the motors.
    let mut state = sinew_types::RobotState::invalid(&layout());
    state.joints.iter_mut().for_each(|joint| joint.valid = true);
    policy.reset(&state).unwrap();
    let mut command = sinew_types::ActuatorCommand::unused(&layout());
    policy.write(&mut command);
    assert_eq!((command.joints[0].kp, command.joints[1].kd), (10.0, 2.0));
    // What is there is not overwritten.
    let error = imported.write(folder.path()).unwrap_err();
    assert!(matches!(error, ImportError::Write { .. }), "{error}");
    // Nor is the model of another policy.
    let mut other = imported.clone();
    other.manifest.id = "other".into();
    other.files[0].1.push(0);
    let error = other.write(folder.path()).unwrap_err().to_string();
    assert!(error.contains("policy.onnx"), "{error}");
}

#[test]
fn a_wrong_deploy_yaml_is_refused() {
    let cases: &[(&str, &str, &[&str])] = &[
        ("[1, 0]", "[1, 1]", &["joint_ids_map", "[1, 1]", "each of the robot's 2 motors once"]),
        ("[1, 0]", "[1, 2]", &["joint_ids_map", "each of the robot's 2 motors once"]),
        ("step_dt: 0.02", "step_dt: 0.0", &["step_dt", "0.001 to 1 s"]),
        ("[10.0, 20.0]", "[10.0]", &["stiffness", "1 values", "2 values"]),
        ("damping: [1.0, 2.0]", "damping: [1.0, 2.0, 3.0]", &["damping", "3 values"]),
        ("default_joint_pos: [0.1, 0.2]", "default_joint_pos: [0.1]", &["default_joint_pos"]),
        ("scale: [0.25, 0.5]", "scale: [0.25]", &["actions.JointPositionAction.scale"]),
        ("offset: [0.1, 0.2]", "offset: []", &["actions.JointPositionAction.offset"]),
        ("JointPositionAction", "JointTorqueAction", &["actions", "JointTorqueAction"]),
        ("  base_ang_vel:", "  gait_phase:", &["observations", "gait_phase", "base_ang_vel"]),
        (
            "scale: [0.2, 0.2, 0.2]",
            "scale: [0.2]",
            &["observations.base_ang_vel.scale", "1 values", "3 values"],
        ),
        (
            "last_action: {params: {}, clip: null, scale: [1.0, 1.0], history_length: 2",
            "last_action: {params: {}, clip: null, scale: [1.0, 1.0], history_length: 3",
            &["observations.last_action.history_length", "3", "2"],
        ),
        (
            "command_name: base_velocity",
            "command_name: heading",
            &["observations.velocity_commands.params.command_name", "heading", "base_velocity"],
        ),
        (
            "!!python/object/apply:builtins.slice [null, null, null]",
            "!!python/object/apply:os.system [ls]",
            &["tag", "python/object/apply:os.system", "builtins.slice"],
        ),
        ("joint_ids_map: [1, 0]\n", "", &["joint_ids_map", "missing"]),
        // One term less than the network takes.
        (
            "  joint_pos_rel: {params: {}, clip: null, scale: [1.0, 1.0], history_length: 2}\n",
            "",
            &["input `obs` shape", "[1, 20]", "16"],
        ),
    ];
    for (from, to, mentions) in cases {
        assert!(DEPLOY.contains(from), "{from}");
        assert_refused(deploy(&DEPLOY.replacen(from, to, 1)), to, mentions);
    }
}

// --- kinfer ---

fn step_fn(joint_angles: u64, carry: u64) -> Vec<u8> {
    Copies {
        inputs: &[("joint_angles", &[joint_angles]), ("carry", &[carry])],
        initializers: &[],
        outputs: &[("a", &[joint_angles], "joint_angles"), ("b", &[carry], "carry")],
        metadata: &[],
    }
    .onnx()
}

fn init_fn() -> Vec<u8> {
    Copies {
        inputs: &[],
        initializers: &[("start", &[3], &[0.5, -0.5, 0.25])],
        outputs: &[("0", &[3], "start")],
        metadata: &[],
    }
    .onnx()
}

const METADATA: &str =
    r#"{"joint_names": ["hip", "knee"], "command_names": [], "carry_size": [3]}"#;

fn archive(members: &[(&str, &[u8])]) -> Vec<u8> {
    let packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    let mut archive = tar::Builder::new(packed);
    for (name, content) in members {
        let mut header = tar::Header::new_gnu();
        header.set_size(content.len() as u64);
        header.set_mode(0o644);
        // By hand: the library would not write a path that leaves the archive.
        let field = &mut header.as_old_mut().name;
        field[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        archive.append(&header, *content).unwrap();
    }
    archive.into_inner().unwrap().finish().unwrap()
}

fn kinfer(members: &[(&str, &[u8])]) -> Result<Imported, ImportError> {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&archive(members)).unwrap();
    import_kinfer(file.path(), 50.0, "test")
}

#[test]
fn a_kinfer_archive_starts_from_what_its_init_function_gives() {
    let (step, init) = (step_fn(2, 3), init_fn());
    let imported = kinfer(&[
        ("init_fn.onnx", &init),
        ("step_fn.onnx", &step),
        ("metadata.json", METADATA.as_bytes()),
    ])
    .unwrap();
    let folder = tempfile::tempdir().unwrap();
    Policy::load(imported.write(folder.path()).unwrap(), &layout()).unwrap();
}

#[test]
fn a_wrong_kinfer_archive_is_refused() {
    let (step, init, metadata) = (step_fn(2, 3), init_fn(), METADATA.as_bytes());
    let good: [(&str, &[u8]); 3] =
        [("init_fn.onnx", &init), ("step_fn.onnx", &step), ("metadata.json", metadata)];
    let with = |extra: (&'static str, &'static [u8])| [&good[..], &[extra]].concat();
    assert_refused(
        kinfer(&with(("extra.txt", b"x"))),
        "extra",
        &["member", "extra.txt", "init_fn.onnx, step_fn.onnx, metadata.json"],
    );
    assert_refused(kinfer(&with(("../evil", b"x"))), "path", &["member", "../evil", "no path"]);
    assert_refused(kinfer(&with(("metadata.json", b"{}"))), "twice", &["metadata.json again"]);
    assert_refused(kinfer(&good[..2]), "missing", &["member", "absent", "metadata.json"]);
    let changed = |index: usize, content: &[u8]| {
        let mut members = good.to_vec();
        members[index].1 = content;
        kinfer(&members)
    };
    let unknown = br#"{"joint_names": ["hip", "knee"], "carry_size": [3], "gains": 1}"#;
    assert_refused(changed(2, unknown), "field", &["metadata.json", "gains"]);
    let narrow = br#"{"joint_names": ["hip"], "carry_size": [3]}"#;
    assert_refused(changed(2, narrow), "joints", &["output 0", "2 values", "1 values"]);
    let carry = br#"{"joint_names": ["hip", "knee"], "carry_size": [4]}"#;
    assert_refused(changed(2, carry), "carry", &["output 1", "3 values", "4 values"]);
    assert_refused(changed(1, &step_fn(2, 4)), "step", &["output 1", "4 values", "3 values"]);
    let unpaired = Copies {
        inputs: &[("joint_angles", &[2])],
        initializers: &[],
        outputs: &[("a", &[2], "joint_angles")],
        metadata: &[],
    };
    assert_refused(changed(1, &unpaired.onnx()), "no state", &["outputs", "two"]);
    let stranger = Copies {
        inputs: &[("joint_angles", &[2]), ("lidar", &[9]), ("carry", &[3])],
        initializers: &[],
        outputs: &[("a", &[2], "joint_angles"), ("b", &[3], "carry")],
        metadata: &[],
    };
    assert_refused(changed(1, &stranger.onnx()), "input", &["inputs", "lidar", "gyroscope"]);
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&archive(&good)).unwrap();
    for rate_hz in [f64::NAN, 0.0, -5.0, f64::INFINITY] {
        let made = import_kinfer(file.path(), rate_hz, "test");
        assert_refused(made, "rate", &["the rate that was given", "up to 1000 Hz"]);
    }
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(b"no archive").unwrap();
    assert_refused(import_kinfer(file.path(), 50.0, "test"), "tar", &["not a tar.gz archive"]);
}

// --- metadata_props ---

const PROPERTIES: [(&str, &str); 6] = [
    ("joint_names", "hip,knee"),
    ("joint_stiffness", "40.179,0.004"),
    ("joint_damping", "2.558,1.000"),
    ("default_joint_pos", "0.100,-0.200"),
    ("observation_names", "joint_pos,joint_vel,actions"),
    ("action_scale", "0.500"),
];

fn metadata(change: (&str, &str)) -> Result<Imported, ImportError> {
    let mut properties = PROPERTIES.to_vec();
    properties.retain(|(name, _)| *name != change.0);
    if !change.1.is_empty() {
        properties.push(change);
    }
    let model = Copies {
        inputs: &[("obs", &[1, 6])],
        initializers: &[("fixed", &[2], &[0.1, 0.2])],
        outputs: &[("actions", &[2], "fixed")],
        metadata: &properties,
    };
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(&model.onnx()).unwrap();
    import_motion(file.path(), 50.0, 0, "test")
}

#[test]
fn wrong_metadata_is_refused_and_what_three_decimals_lose_is_told() {
    let cases: &[((&str, &str), &[&str])] = &[
        (("joint_names", ""), &["metadata_props.joint_names", "absent"]),
        (("joint_names", "hip,,knee"), &["joint_names", "names, separated by commas"]),
        (("joint_names", "hip,knee,foot"), &["default_joint_pos", "2 values", "3 values"]),
        (("joint_damping", "1.0,x"), &["joint_damping", "1.0,x", "finite numbers"]),
        (("joint_damping", "1.0,nan"), &["joint_damping", "finite numbers"]),
        (("joint_stiffness", "1.0,2.0,3.0"), &["joint_stiffness", "3 values"]),
        (("observation_names", "joint_pos,height_scan"), &["height_scan", "joint_vel"]),
        (("observation_names", "joint_pos,joint_vel"), &["4 values", "the 6 values"]),
        (
            ("observation_history_lengths", "1.000,2.000,1.000"),
            &["observation_history_lengths", "one whole number"],
        ),
        (("observation_history_lengths", "1.500"), &["observation_history_lengths", "whole"]),
    ];
    for (change, mentions) in cases {
        assert_refused(metadata(*change), change.1, mentions);
    }
    let imported = metadata(("action_scale", "0.250")).unwrap();
    let confirm = imported.confirm.join("\n");
    assert!(confirm.contains("three decimals"), "{confirm}");
    assert!(confirm.contains("joint_stiffness is under 0.01 at: knee"), "{confirm}");
}

// --- rl_sar ---

const BASE: &str = r#"
dog:
  dt: 0.005
  decimation: 4
  num_of_dofs: 2
  wheel_indices: []
  default_dof_pos: [0.1, 0.2]
  joint_names: ["hip", "knee"]
  joint_mapping: [0, 1]
"#;
const CONFIG: &str = r#"
dog/walk:
  model_name: "policy.onnx"
  num_observations: 6
  observations: ["dof_pos", "dof_vel", "actions"]
  observations_history: [0, 1]
  observations_history_priority: "time"
  clip_obs: 5.0
  clip_actions_lower: [-1.0, -1.0]
  clip_actions_upper: [1.0, 1.0]
  rl_kp: [20.0, 30.0]
  rl_kd: [0.5, 0.6]
  action_scale: [0.25, 0.5]
  dof_pos_scale: 1.0
  dof_vel_scale: 0.05
"#;

fn rl_sar(base: &str, config: &str) -> Result<Imported, ImportError> {
    let folder = tempfile::tempdir().unwrap();
    let walk = folder.path().join("walk");
    std::fs::create_dir(&walk).unwrap();
    let net = crate::common::Net {
        input: "obs",
        output: "actions",
        inputs: 12,
        weights: vec![0.1; 24],
        ..crate::common::Net::default()
    };
    std::fs::write(walk.join("policy.onnx"), net.onnx()).unwrap();
    std::fs::write(folder.path().join("base.yaml"), base).unwrap();
    std::fs::write(walk.join("config.yaml"), config).unwrap();
    import_rl_sar(&walk.join("config.yaml"), "test")
}

#[test]
fn a_wrong_rl_sar_configuration_is_refused() {
    rl_sar(BASE, CONFIG).unwrap();
    let base: &[(&str, &str, &[&str])] = &[
        ("wheel_indices: []", "wheel_indices: [1]", &["wheel_indices", "[1]", "velocity"]),
        ("joint_mapping: [0, 1]", "joint_mapping: [0, 2]", &["joint_mapping", "2 joints"]),
        ("num_of_dofs: 2", "num_of_dofs: 3", &["num_of_dofs", "3", "2"]),
        ("dt: 0.005", "dt: 0.0", &["dt * decimation", "0.001 to 1 s"]),
        ("  dt: 0.005\n", "", &["dt", "absent"]),
        ("default_dof_pos: [0.1, 0.2]", "default_dof_pos: [0.1]", &["default_dof_pos"]),
    ];
    for (from, to, mentions) in base {
        assert_refused(rl_sar(&BASE.replacen(from, to, 1), CONFIG), to, mentions);
    }
    let config: &[(&str, &str, &[&str])] = &[
        ("num_observations: 6", "num_observations: 7", &["num_observations", "7", "6"]),
        ("\"actions\"]", "\"phase\"]", &["observations[2]", "phase", "dof_vel"]),
        ("[0, 1]", "[0, 2]", &["observations_history", "[0, 2]", "without a gap"]),
        ("\"time\"", "\"frame\"", &["observations_history_priority", "frame", "time or term"]),
        ("[-1.0, -1.0]", "[-1.0]", &["clip_actions_lower", "1 values", "2 values"]),
        ("action_scale: [0.25, 0.5]", "action_scale: [0.25]", &["action_scale"]),
        ("  rl_kp: [20.0, 30.0]\n", "", &["rl_kp", "absent"]),
        ("\"policy.onnx\"", "\"policy.pt\"", &["model_name", "policy.pt", ".onnx"]),
        ("\"policy.onnx\"", "\"../policy.onnx\"", &["model_name", "../policy.onnx"]),
        ("  dof_vel_scale: 0.05\n", "", &["dof_vel_scale", "absent"]),
        ("clip_obs: 5.0", "clip_obs: -5.0", &["inputs[0].clip", "rising"]),
    ];
    for (from, to, mentions) in config {
        assert!(CONFIG.contains(from), "{from}");
        assert_refused(rl_sar(BASE, &CONFIG.replacen(from, to, 1)), to, mentions);
    }
}

// --- LeRobot ---

/// A checkpoint of two joints with a chunk of three.
fn checkpoint(folder: &Path) -> PathBuf {
    let config = r#"{"type": "act", "n_obs_steps": 1, "chunk_size": 3, "n_action_steps": 3,
        "temporal_ensemble_coeff": null,
        "input_features": {"observation.state": {"type": "STATE", "shape": [2]}},
        "output_features": {"action": {"type": "ACTION", "shape": [2]}}}"#;
    std::fs::write(folder.join("config.json"), config).unwrap();
    for (name, step) in [
        ("policy_preprocessor.json", "normalizer_processor"),
        ("policy_postprocessor.json", "unnormalizer_processor"),
    ] {
        let text = format!(
            r#"{{"steps": [{{"registry_name": "device_processor", "config": {{}}}},
                {{"registry_name": "{step}", "state_file": "stats.safetensors",
                 "config": {{"eps": 1e-8, "norm_map": {{"STATE": "MEAN_STD", "ACTION": "MIN_MAX"}}}}}}]}}"#
        );
        std::fs::write(folder.join(name), text).unwrap();
    }
    let numbers: Vec<u8> = [0.5_f32, 1.5].iter().flat_map(|v| v.to_le_bytes()).collect();
    let tensor = || {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2], &numbers).unwrap()
    };
    let names = ["observation.state.mean", "observation.state.std", "action.min", "action.max"];
    let tensors = names.map(|name| (name, tensor()));
    std::fs::write(
        folder.join("stats.safetensors"),
        safetensors::serialize(tensors, None).unwrap(),
    )
    .unwrap();
    let model = Copies {
        inputs: &[("observation.state", &[1, 2])],
        initializers: &[("fixed", &[1, 3, 2], &[0.1, 0.2, 0.3, 0.4, 0.5, 0.6])],
        outputs: &[("chunk", &[1, 3, 2], "fixed")],
        metadata: &[],
    };
    std::fs::write(folder.join("act.onnx"), model.onnx()).unwrap();
    folder.to_owned()
}

#[test]
fn a_wrong_lerobot_checkpoint_is_refused() {
    let cases: &[(&str, &str, &str, &[&str])] = &[
        ("config.json", "\"act\"", "\"pi0\"", &["type", "pi0", "act"]),
        ("config.json", "\"n_obs_steps\": 1", "\"n_obs_steps\": 2", &["n_obs_steps", "2", "1"]),
        (
            "config.json",
            "\"STATE\", \"shape\": [2]",
            "\"STATE\", \"shape\": [3]",
            &["input_features.observation.state.shape", "3", "2, one per joint"],
        ),
        ("config.json", "\"STATE\"", "\"LANGUAGE\"", &["LANGUAGE", "STATE, ENV, VISUAL"]),
        ("config.json", "\"action\": {", "\"torque\": {", &["output_features", "torque"]),
        ("config.json", "\"n_action_steps\": 3", "\"n_action_steps\": 4", &["chunk.execute", "4"]),
        (
            "policy_preprocessor.json",
            "device_processor",
            "tokenizer_processor",
            &["steps[0].registry_name", "tokenizer_processor", "normalizer_processor"],
        ),
        (
            "policy_preprocessor.json",
            "\"config\": {}",
            "\"config\": {\"rename_map\": {\"a\": \"b\"}}",
            &["steps[0].config.rename_map", "1 entries"],
        ),
        ("policy_preprocessor.json", "MEAN_STD", "LOG", &["norm_map.STATE", "LOG", "QUANTILES"]),
        (
            "policy_preprocessor.json",
            "MEAN_STD",
            "QUANTILES",
            &["observation.state.q01", "absent from the statistics"],
        ),
        (
            "policy_preprocessor.json",
            "stats.safetensors",
            "../stats.safetensors",
            &["state_file", "../stats.safetensors", "same folder"],
        ),
        ("policy_postprocessor.json", "unnormalizer_processor", "delta", &["delta"]),
        ("policy_postprocessor.json", "\"eps\": 1e-8, ", "", &["steps[1].config", "eps"]),
        ("config.json", "\"chunk_size\": 3", "\"chunk_size\": 4", &["output `chunk` shape", "4"]),
    ];
    let options = LerobotOptions { joints: joints(), rate_hz: 30.0, config: "config.json".into() };
    for (file, from, to, mentions) in cases {
        let folder = tempfile::tempdir().unwrap();
        let checkpoint = checkpoint(folder.path());
        let path = checkpoint.join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{from}");
        std::fs::write(&path, text.replacen(from, to, 1)).unwrap();
        assert_refused(import_lerobot(&checkpoint, &options, "test"), to, mentions);
    }
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = checkpoint(folder.path());
    import_lerobot(&checkpoint, &options, "test").unwrap();
    std::fs::write(checkpoint.join("other.onnx"), b"").unwrap();
    let made = import_lerobot(&checkpoint, &options, "test");
    assert_refused(made, "two models", &["models in the folder", "2", "one .onnx file"]);
}
