use std::path::Path;

use indexmap::IndexMap;
use serde::Deserialize;

use super::error::In;
use super::{ImportError, Imported, assumed_age_s, assumed_budget, identifier, read, read_text};
use crate::manifest::{
    ActionSpec, Clip, Fill, Gains, Golden, History, InputSpec, Layering, ModelFile, Normalisation,
    OnFault, Order, PerElement, PolicyManifest, Provider, Source, TermSpec,
};

/// `deploy.yaml` of unitree_rl_lab. Fields that say nothing about deployment are not read.
#[derive(Deserialize)]
struct Deploy {
    joint_ids_map: Vec<usize>,
    step_dt: f64,
    stiffness: Vec<f64>,
    damping: Vec<f64>,
    default_joint_pos: Vec<f64>,
    #[serde(default)]
    commands: IndexMap<String, Command>,
    actions: IndexMap<String, Action>,
    observations: IndexMap<String, Observation>,
}

#[derive(Deserialize)]
struct Command {
    ranges: Ranges,
}

#[derive(Deserialize)]
struct Ranges {
    lin_vel_x: [f64; 2],
    lin_vel_y: [f64; 2],
    ang_vel_z: [f64; 2],
}

#[derive(Deserialize)]
struct Action {
    clip: Option<Vec<[f64; 2]>>,
    scale: Vec<f64>,
    offset: Vec<f64>,
}

#[derive(Deserialize)]
struct Observation {
    #[serde(default)]
    params: IndexMap<String, serde_json::Value>,
    clip: Option<[f64; 2]>,
    scale: Option<Vec<f64>>,
    history_length: usize,
}

/// Reads a `deploy.yaml` of unitree_rl_lab and the model beside it (`policy.onnx`, or
/// `../exported/policy.onnx`).
///
/// `motor_joints` are the robot's joints in the order of its motors, which the file does not name.
///
/// # Errors
/// [`ImportError`] names the field, what it holds and what is allowed.
pub fn import_deploy(
    path: &Path,
    motor_joints: &[String],
    name: &str,
) -> Result<Imported, ImportError> {
    let file = In(path.to_owned());
    let text = read_text(path)?;
    let deploy: Deploy = serde_saphyr::from_str(&without_python(&file, &text)?)
        .map_err(|e| file.parse(e.to_string()))?;
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let model = [folder.join("policy.onnx"), folder.join("../exported/policy.onnx")]
        .into_iter()
        .find(|candidate| candidate.is_file())
        .unwrap_or_else(|| folder.join("policy.onnx"));
    let model = read(&model)?;
    if !(deploy.step_dt >= 0.001 && deploy.step_dt <= 1.0) {
        return Err(file.field("step_dt", deploy.step_dt, "0.001 to 1 s"));
    }
    // What one would have written: 50, not 50.00000000000001.
    let rate_hz = (1.0 / deploy.step_dt * 1e6).round() / 1e6;

    let map = &deploy.joint_ids_map;
    let width = map.len();
    let mut sorted = map.clone();
    sorted.sort_unstable();
    if sorted != (0..motor_joints.len()).collect::<Vec<_>>() {
        let allowed = format!("each of the robot's {} motors once", motor_joints.len());
        return Err(file.field("joint_ids_map", format!("{map:?}"), allowed));
    }
    let joints: Vec<_> = map.iter().map(|motor| motor_joints[*motor].clone()).collect();
    file.wide("stiffness", &deploy.stiffness, width)?;
    file.wide("damping", &deploy.damping, width)?;
    file.wide("default_joint_pos", &deploy.default_joint_pos, width)?;
    let of_motors = |values: &[f64]| map.iter().map(|motor| values[*motor]).collect::<Vec<_>>();

    let (history, terms) = observation(&file, &deploy, &joints, rate_hz)?;
    let action = match (deploy.actions.get("JointPositionAction"), deploy.actions.len()) {
        (Some(action), 1) => action,
        _ => {
            let found: Vec<_> = deploy.actions.keys().cloned().collect();
            return Err(file.field("actions", found.join(", "), "JointPositionAction alone"));
        }
    };
    file.wide("actions.JointPositionAction.scale", &action.scale, width)?;
    file.wide("actions.JointPositionAction.offset", &action.offset, width)?;
    let confirm = vec![
        format!("joint order of the motors: {}", motor_joints.join(", ")),
        format!("max_age_s: {} s, 2.5 ticks", assumed_age_s(rate_hz)),
        "on_fault: end".to_owned(),
        "the IMU's axes are parallel to those of the body that was trained (x forward, z up)"
            .into(),
    ];
    let manifest = PolicyManifest {
        id: identifier(name),
        version: "1.0.0".into(),
        description: "Imported from deploy.yaml of unitree_rl_lab.".into(),
        model: ModelFile {
            file: "policy.onnx".into(),
            sha256: String::new(),
            output: "actions".into(),
            provider: Provider::Cpu,
        },
        rate_hz,
        inputs: vec![InputSpec::Observation {
            name: "obs".into(),
            terms,
            clip: None,
            normalisation: Normalisation::None,
            history,
        }],
        action: ActionSpec::Position {
            joints,
            clip: action.clip.clone().map(Clip::Each),
            scale: PerElement::Each(action.scale.clone()),
            offset: PerElement::Each(action.offset.clone()),
            slew: None,
            low_pass_hz: None,
            gains: Some(Gains {
                kp: PerElement::Each(of_motors(&deploy.stiffness)),
                kd: PerElement::Each(of_motors(&deploy.damping)),
            }),
        },
        gripper: None,
        chunk: None,
        on_fault: OnFault::End,
        budget: assumed_budget(rate_hz),
        golden: Golden { tolerance: 1e-4, cases: vec![], rollout: None },
    };
    Imported::finish(manifest, vec![("policy.onnx".into(), model)], confirm)
}

/// The terms in the order of the file's keys, and their common history.
fn observation(
    file: &In,
    deploy: &Deploy,
    joints: &[String],
    rate_hz: f64,
) -> Result<(History, Vec<TermSpec>), ImportError> {
    let mut terms = Vec::new();
    let mut length = None;
    for (name, observation) in &deploy.observations {
        let at = format!("observations.{name}");
        let mut term = term_of(file, deploy, &at, name, observation, joints)?;
        term.max_age_s = term.source.ages().then(|| assumed_age_s(rate_hz));
        if let Some(clip) = observation.clip {
            // There clip comes before scale, and so it does here.
            term.clip = Some(Clip::All(clip));
        }
        if let Some(scale) = &observation.scale {
            file.wide(&format!("{at}.scale"), scale, term.width())?;
            term.scale = Some(PerElement::Each(scale.clone()));
        }
        let first = *length.get_or_insert(observation.history_length);
        if first != observation.history_length || first == 0 {
            let allowed = format!("{first}, as of the first term: one history for all terms");
            return Err(file.field(
                format!("{at}.history_length"),
                observation.history_length,
                allowed,
            ));
        }
        terms.push(term);
    }
    let history = match length {
        None | Some(1) => History::None,
        Some(length) => History::Frames {
            length,
            order: Order::OldestFirst,
            layout: Layering::ByTerm,
            fill: Fill::First,
        },
    };
    Ok((history, terms))
}

fn term_of(
    file: &In,
    deploy: &Deploy,
    at: &str,
    name: &str,
    observation: &Observation,
    joints: &[String],
) -> Result<TermSpec, ImportError> {
    let of_joints = |source| TermSpec { joints: joints.to_vec(), ..TermSpec::of(source) };
    Ok(match name {
        "base_ang_vel" => TermSpec::of(Source::ImuAngularVelocity),
        "projected_gravity" => TermSpec::of(Source::ProjectedGravity),
        "base_lin_vel" => TermSpec::of(Source::BaseLinearVelocity),
        "joint_pos" => of_joints(Source::JointPosition),
        "joint_pos_rel" => TermSpec {
            offset: Some(PerElement::Each(deploy.default_joint_pos.clone())),
            ..of_joints(Source::JointPosition)
        },
        "joint_vel" | "joint_vel_rel" => of_joints(Source::JointVelocity),
        "last_action" => TermSpec { size: Some(joints.len()), ..TermSpec::of(Source::LastAction) },
        "velocity_commands" => {
            let command = observation.params.get("command_name").and_then(|v| v.as_str());
            let ranges = deploy.commands.get(command.unwrap_or_default());
            let Some(Command { ranges }) = ranges else {
                let known: Vec<_> = deploy.commands.keys().cloned().collect();
                let allowed = format!("one of commands: {}", known.join(", "));
                let value = command.unwrap_or("absent");
                return Err(file.field(format!("{at}.params.command_name"), value, allowed));
            };
            // Out of range a command is not refused there, but clamped.
            let clip = vec![ranges.lin_vel_x, ranges.lin_vel_y, ranges.ang_vel_z];
            TermSpec {
                name: Some(name.into()),
                size: Some(3),
                unit: Some("m/s forward, m/s to the left, rad/s to the left".into()),
                clip: Some(Clip::Each(clip)),
                ..TermSpec::of(Source::Command)
            }
        }
        other => {
            let allowed = "base_ang_vel, projected_gravity, base_lin_vel, velocity_commands, \
                           joint_pos, joint_pos_rel, joint_vel, joint_vel_rel, last_action";
            return Err(file.field("observations", other, allowed));
        }
    })
}

/// The text without the one Python object that unitree_rl_lab writes: a slice, which selects all joints. No
/// other is read.
fn without_python(file: &In, text: &str) -> Result<String, ImportError> {
    const SLICE: &str = "!!python/object/apply:builtins.slice";
    let rest = text
        .replace(&format!("{SLICE} [null, null, null]"), "null")
        .replace(&format!("{SLICE}\n    - null\n    - null\n    - null"), "null");
    match rest.split_whitespace().find(|word| word.contains("!python") || word.contains("python/"))
    {
        Some(tag) => Err(file.field("tag", tag, format!("{SLICE} [null, null, null]"))),
        None => Ok(rest),
    }
}
