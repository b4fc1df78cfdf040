//! Policies of other projects, imported and run through the whole loop against what those projects' own code
//! made of the same inputs.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use nalgebra::{UnitQuaternion, Vector3};
use serde_json::Value;
use sinew_policy::import::{
    Imported, LerobotOptions, import_deploy, import_kinfer, import_lerobot, import_motion,
    import_rl_sar,
};
use sinew_policy::{Policy, Rollout, RolloutImu, RolloutTick};
use sinew_types::{GroupKind, Layout, RobotState, Time};

/// Data that is not part of this repository; none where it is not at hand.
fn data(part: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data").join(part);
    if path.exists() {
        return Some(path);
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing", path.display());
    eprintln!("skipped: {} is not here", path.display());
    None
}

fn golden(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    match value {
        Value::Array(values) => values.iter().flat_map(numbers).collect(),
        value => vec![value.as_f64().unwrap()],
    }
}

fn floats(value: &Value) -> Vec<f32> {
    numbers(value).into_iter().map(|value| value as f32).collect()
}

fn names(value: &Value) -> Vec<String> {
    value.as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect()
}

fn three(value: &Value) -> [f64; 3] {
    numbers(value).try_into().unwrap()
}

fn layout(joints: &[String]) -> Layout {
    // In another order than any policy has, so that a permutation that is left out shows.
    let reversed: Vec<_> = joints.iter().rev().cloned().collect();
    let groups = vec![("body".to_owned(), GroupKind::Joints, reversed.clone())];
    Layout::new(reversed, groups).unwrap()
}

/// Writes what was imported, and loads it as anything else.
fn load(imported: &Imported, layout: &Layout) -> Policy {
    let folder = tempfile::tempdir().unwrap();
    let path = imported.write(folder.path()).unwrap();
    Policy::load(path, layout).unwrap()
}

#[test]
fn a_velocity_policy_of_unitree_rl_lab() {
    let Some(folder) = data("g1") else { return };
    let golden = golden(&folder.join("golden.json"));
    let motors = names(&golden["motor_joint_names"]);
    let imported = import_deploy(&folder.join("deploy.yaml"), &motors, "g1 velocity").unwrap();
    assert!(imported.confirm.iter().any(|line| line.contains("joint order of the motors")));
    let policy_order = names(&golden["policy_joint_names"]);
    let layout = layout(&motors);
    let mut policy = load(&imported, &layout);
    assert_eq!(policy.manifest().action.joints(), policy_order);
    let tolerance = |name: &str| golden["tolerance"][name].as_f64().unwrap();

    let tick = |tick: &Value| {
        // Targets are told in the order of the motors, the policy gives them in its own.
        let target = numbers(&tick["joint_target"]);
        let place = |name: &String| motors.iter().position(|motor| motor == name).unwrap();
        RolloutTick {
            grippers: Vec::new(),
            joint_position: numbers(&tick["joint_pos"]),
            joint_velocity: numbers(&tick["joint_vel"]),
            imu: Some(RolloutImu {
                orientation: numbers(&tick["base_quat_wxyz"]).try_into().unwrap(),
                angular_velocity: three(&tick["base_ang_vel"]),
                linear_acceleration: [0.0; 3],
            }),
            commands: BTreeMap::from([("velocity_commands".into(), numbers(&tick["command"]))]),
            inputs: BTreeMap::from([("obs".into(), floats(&tick["observation"]))]),
            action: floats(&tick["action"]),
            target: policy_order.iter().map(|name| target[place(name)]).collect(),
            ..RolloutTick::default()
        }
    };
    let rollout = Rollout {
        joints: motors.clone(),
        observation_tolerance: tolerance("observation"),
        action_tolerance: tolerance("action"),
        target_tolerance: tolerance("joint_target"),
        ticks: golden["ticks"].as_array().unwrap().iter().map(tick).collect(),
    };
    assert_eq!(rollout.ticks.len(), 50);
    policy.check_rollout(&rollout, &layout).unwrap();

    // The comparison sees a difference: with newest frames first nothing fits.
    let mut wrong = imported.clone();
    let sinew_policy::InputSpec::Observation {
        history: sinew_policy::History::Frames { order, .. },
        ..
    } = &mut wrong.manifest.inputs[0]
    else {
        panic!("a history")
    };
    *order = sinew_policy::Order::NewestFirst;
    let error = load(&wrong, &layout).check_rollout(&rollout, &layout).unwrap_err().to_string();
    assert!(error.contains("rollout tick 1, input `obs`"), "{error}");
    // And joints in the order of the motors.
    let mut wrong = imported.clone();
    let sinew_policy::InputSpec::Observation { terms, .. } = &mut wrong.manifest.inputs[0] else {
        panic!("an observation")
    };
    terms.iter_mut().filter(|term| !term.joints.is_empty()).for_each(|term| {
        term.joints.clone_from(&motors);
    });
    let error = load(&wrong, &layout).check_rollout(&rollout, &layout).unwrap_err().to_string();
    assert!(error.contains("rollout tick 0, input `obs`"), "{error}");
}

#[test]
fn a_recurrent_policy_of_kinfer() {
    let Some(folder) = data("policies/kinfer") else { return };
    let golden = golden(&folder.join("golden.json"));
    let imported = import_kinfer(&folder.join("rnn5.kinfer"), 50.0, "rnn5").unwrap();
    let joints = names(&golden["metadata"]["joint_names"]);
    let layout = layout(&joints);
    let mut policy = load(&imported, &layout);
    let tick = |step: &Value| {
        let inputs = &step["inputs"];
        // Its gravity is a vector of 9.81 m/s²; ours is measured as an orientation.
        let gravity = Vector3::from(three(&inputs["projected_gravity"]));
        let level = -Vector3::z() * gravity.norm();
        let orientation = UnitQuaternion::rotation_between(&gravity, &level).unwrap();
        RolloutTick {
            grippers: Vec::new(),
            joint_position: numbers(&inputs["joint_angles"]),
            joint_velocity: numbers(&inputs["joint_angular_velocities"]),
            imu: Some(RolloutImu {
                orientation: [orientation.w, orientation.i, orientation.j, orientation.k],
                angular_velocity: three(&inputs["gyroscope"]),
                linear_acceleration: [0.0; 3],
            }),
            commands: BTreeMap::from([("command".into(), numbers(&inputs["command"]))]),
            inputs: inputs
                .as_object()
                .unwrap()
                .iter()
                .map(|(name, value)| (name.clone(), floats(value)))
                .collect(),
            action: floats(&step["output"]),
            target: numbers(&step["output"]),
            ..RolloutTick::default()
        }
    };
    let rollout = Rollout {
        joints,
        observation_tolerance: 2e-5,
        action_tolerance: 2e-5,
        target_tolerance: 2e-5,
        ticks: golden["steps"].as_array().unwrap().iter().map(tick).collect(),
    };
    assert_eq!(rollout.ticks.len(), 20);
    policy.check_rollout(&rollout, &layout).unwrap();
    // Twice: a reset forgets what was carried.
    policy.check_rollout(&rollout, &layout).unwrap();
}

#[test]
fn motion_tracking_policies_of_whole_body_tracking_and_mjlab() {
    for dialect in ["whole_body_tracking", "mjlab"] {
        let Some(folder) = data(&format!("policies/motion_tracking/{dialect}")) else { return };
        let golden = golden(&folder.join("golden.json"));
        let start = u32::try_from(golden["start_step"].as_u64().unwrap()).unwrap();
        let imported = import_motion(&folder.join("policy.onnx"), 50.0, start, dialect).unwrap();
        let listed = golden["metadata_props"]["joint_names"].as_str().unwrap();
        let joints: Vec<_> = listed.split(',').map(str::to_owned).collect();
        let layout = layout(&joints);
        let mut policy = load(&imported, &layout);
        let tick = |step: &Value| {
            let terms = &step["terms"];
            let given = |name: &str| {
                let value = terms.get(name)?;
                Some((name.to_owned(), numbers(value)))
            };
            RolloutTick {
                grippers: Vec::new(),
                joint_position: numbers(&terms["joint_pos_abs"]),
                joint_velocity: numbers(&terms["joint_vel"]),
                imu: Some(RolloutImu {
                    orientation: [1.0, 0.0, 0.0, 0.0],
                    angular_velocity: three(&terms["base_ang_vel"]),
                    linear_acceleration: [0.0; 3],
                }),
                base_linear_velocity: terms.get("base_lin_vel").map(three),
                commands: ["motion_anchor_pos_b", "motion_anchor_ori_b"]
                    .into_iter()
                    .filter_map(given)
                    .collect(),
                inputs: BTreeMap::from([("obs".into(), floats(&step["obs"]))]),
                action: floats(&step["outputs"]["actions"]),
                target: numbers(&step["joint_target"]),
                ..RolloutTick::default()
            }
        };
        let rollout = Rollout {
            joints,
            observation_tolerance: 2e-5,
            action_tolerance: 2e-5,
            target_tolerance: 2e-5,
            ticks: golden["steps"].as_array().unwrap().iter().map(tick).collect(),
        };
        assert_eq!(rollout.ticks.len(), 10);
        policy.check_rollout(&rollout, &layout).unwrap_or_else(|e| panic!("{dialect}: {e}"));
    }
}

#[test]
fn a_policy_of_rl_sar() {
    let Some(folder) = data("policies/rl_sar") else { return };
    let golden = golden(&folder.join("golden.json"));
    let imported = import_rl_sar(&folder.join("demo_quad/walk/config.yaml"), "walk").unwrap();
    // The joints of the hardware, as base.yaml has them.
    let legs = ["FR", "FL", "RR", "RL"];
    let parts = ["hip", "thigh", "calf"];
    let joints: Vec<_> = legs
        .iter()
        .flat_map(|leg| parts.iter().map(move |part| format!("{leg}_{part}_joint")))
        .collect();
    let layout = layout(&joints);
    let mut policy = load(&imported, &layout);
    let tick = |step: &Value| {
        let state = &step["state"];
        RolloutTick {
            grippers: Vec::new(),
            joint_position: numbers(&state["q_hw"]),
            joint_velocity: numbers(&state["dq_hw"]),
            imu: Some(RolloutImu {
                orientation: numbers(&state["quaternion_wxyz"]).try_into().unwrap(),
                angular_velocity: three(&state["gyroscope"]),
                linear_acceleration: [0.0; 3],
            }),
            commands: BTreeMap::from([("commands".into(), numbers(&state["command"]))]),
            inputs: BTreeMap::from([("obs".into(), floats(&step["model_input"]))]),
            action: floats(&step["actions_raw"]),
            target: numbers(&step["output_dof_pos"]),
            ..RolloutTick::default()
        }
    };
    let rollout = Rollout {
        joints: joints.clone(),
        observation_tolerance: 2e-5,
        action_tolerance: 2e-5,
        target_tolerance: 2e-5,
        ticks: golden["steps"].as_array().unwrap().iter().map(tick).collect(),
    };
    assert_eq!(rollout.ticks.len(), 12);
    policy.check_rollout(&rollout, &layout).unwrap();

    // The motors get targets and gains in the order of the hardware.
    let last = golden["steps"].as_array().unwrap().last().unwrap();
    let mut command = sinew_types::ActuatorCommand::unused(&layout);
    policy.write(&mut command);
    for (index, joint) in joints.iter().enumerate() {
        let given = command.joints[layout.joint_index(joint).unwrap()];
        for (name, value) in [("q", given.position), ("kp", given.kp), ("kd", given.kd)] {
            let expected = numbers(&last["motor_command_hw"][name])[index];
            assert!((value - expected).abs() < 2e-5, "{joint} {name}: {value} {expected}");
        }
    }
}

#[test]
fn act_policies_of_lerobot() {
    let joints: Vec<_> = (0..6).map(|index| format!("joint_{index}")).collect();
    let layout = layout(&joints);
    for part in ["act_state_env", "act_camera"] {
        let Some(folder) = data(&format!("policies/lerobot_act/{part}")) else { return };
        let golden = golden(&folder.join("golden.json"));
        let images = std::fs::read(folder.join("images_u8.bin")).unwrap_or_default();
        let mut cases = vec![
            ("plain", "config.json", None),
            ("temporal_ensemble", "config_temporal_ensemble.json", None),
        ];
        if golden.get("plain_short_queue").is_some() {
            cases.push(("plain_short_queue", "config.json", Some(8)));
        }
        for (case, config, execute) in cases {
            let options =
                LerobotOptions { joints: joints.clone(), rate_hz: 30.0, config: config.into() };
            let mut imported = import_lerobot(&folder, &options, part).unwrap();
            if let Some(execute) = execute {
                imported.manifest.chunk.as_mut().unwrap().execute = execute;
            }
            let mut policy = load(&imported, &layout);
            let mut inputs = policy.command_inputs();
            let mut state = RobotState::invalid(&layout);
            let expected = golden[case]["actions"].as_array().unwrap();
            let observations = golden["observations"].as_array().unwrap();
            assert_eq!(expected.len(), 30);
            for (tick, (observation, expected)) in observations.iter().zip(expected).enumerate() {
                let now = Time::from_nanos(1_000_000_000 + 33_333_333 * tick as u64);
                state.stamp = now;
                let positions = numbers(&observation["observation.state"]);
                for (joint, position) in joints.iter().zip(positions) {
                    let measured = &mut state.joints[layout.joint_index(joint).unwrap()];
                    (measured.position, measured.stamp, measured.valid) = (position, now, true);
                }
                if let Some(environment) = observation.get("observation.environment_state") {
                    inputs.set("environment_state", &numbers(environment), now).unwrap();
                }
                if let Some(picture) = images.chunks_exact(64 * 64 * 3).nth(tick) {
                    inputs.set_image("top", 64, 64, picture, now).unwrap();
                }
                if tick == 0 {
                    policy.reset(&state).unwrap();
                }
                let given = policy.step(&state, &inputs).unwrap();
                for (given, expected) in given.iter().zip(numbers(expected)) {
                    assert!(
                        (given - expected).abs() < 2e-5,
                        "{part} {case} {tick}: {given} {expected}"
                    );
                }
            }
        }
    }
}
