use std::path::Path;

use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::In;
use super::{ImportError, Imported, assumed_age_s, assumed_budget, identifier, read, read_text};
use crate::manifest::{
    ActionSpec, Clip, Fill, Gains, Golden, History, InputSpec, Layering, ModelFile, Normalisation,
    OnFault, Order, PerElement, PolicyManifest, Provider, Source, TermSpec,
};
use crate::network::Graph;

/// What is read of `base.yaml` and `config.yaml`; the latter counts where both say something.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
struct Fields {
    dt: Option<f64>,
    decimation: Option<f64>,
    num_of_dofs: Option<usize>,
    wheel_indices: Option<Vec<usize>>,
    default_dof_pos: Option<Vec<f64>>,
    joint_names: Option<Vec<String>>,
    joint_mapping: Option<Vec<usize>>,
    model_name: Option<String>,
    num_observations: Option<usize>,
    observations: Option<Vec<String>>,
    observations_history: Option<Vec<usize>>,
    observations_history_priority: Option<String>,
    clip_obs: Option<f64>,
    clip_actions_lower: Option<Vec<f64>>,
    clip_actions_upper: Option<Vec<f64>>,
    rl_kp: Option<Vec<f64>>,
    rl_kd: Option<Vec<f64>>,
    action_scale: Option<Vec<f64>>,
    lin_vel_scale: Option<f64>,
    ang_vel_scale: Option<f64>,
    dof_pos_scale: Option<f64>,
    dof_vel_scale: Option<f64>,
    commands_scale: Option<Vec<f64>>,
}

/// Reads `config.yaml` of rl_sar, `base.yaml` of the robot one folder up, and the ONNX model beside it.
///
/// # Errors
/// [`ImportError`] names the field, what it holds and what is allowed.
pub fn import_rl_sar(path: &Path, name: &str) -> Result<Imported, ImportError> {
    let folder = path.parent().unwrap_or_else(|| Path::new("."));
    let config = one_entry::<Fields>(path)?;
    let base_path = folder.join("../base.yaml");
    let base = one_entry::<Fields>(&base_path)?;
    let (file, base_file) = (In(path.to_owned()), In(base_path));

    let joint_names = need(&base_file, "joint_names", &base.joint_names, &None)?;
    let mapping = need(&file, "joint_mapping", &config.joint_mapping, &base.joint_mapping)?;
    let width = mapping.len();
    let mut sorted = mapping.clone();
    sorted.sort_unstable();
    if sorted != (0..joint_names.len()).collect::<Vec<_>>() {
        let allowed = format!("each of the {} joints of base.yaml once", joint_names.len());
        return Err(file.field("joint_mapping", format!("{mapping:?}"), allowed));
    }
    let joints: Vec<_> = mapping.iter().map(|hardware| joint_names[*hardware].clone()).collect();
    let dofs = need(&file, "num_of_dofs", &config.num_of_dofs, &base.num_of_dofs)?;
    if dofs != width {
        return Err(file.field("num_of_dofs", dofs, format!("{width}, as joint_mapping has")));
    }
    let wheels = config.wheel_indices.clone().or(base.wheel_indices.clone()).unwrap_or_default();
    if !wheels.is_empty() {
        let allowed = "[]: wheels beside legs are commanded by velocity, which one action cannot";
        return Err(file.field("wheel_indices", format!("{wheels:?}"), allowed));
    }
    let dt = need(&file, "dt", &config.dt, &base.dt)?;
    let decimation = need(&file, "decimation", &config.decimation, &base.decimation)?;
    let period = dt * decimation;
    if period.is_nan() || !(0.001..=1.0).contains(&period) {
        return Err(file.field("dt * decimation", period, "0.001 to 1 s"));
    }
    let rate_hz = (1.0 / period * 1e6).round() / 1e6;

    let default = need(&file, "default_dof_pos", &config.default_dof_pos, &base.default_dof_pos)?;
    let list = |field: &str, values: &Option<Vec<f64>>| {
        let values = need(&file, field, values, &None)?;
        file.wide(field, &values, width)?;
        Ok::<_, ImportError>(values)
    };
    file.wide("default_dof_pos", &default, width)?;
    let terms = terms(&file, &config, &joints, &default, rate_hz)?;
    let frame: usize = terms.iter().map(TermSpec::width).sum();
    let said = need(&file, "num_observations", &config.num_observations, &None)?;
    if said != frame {
        return Err(file.field("num_observations", said, format!("{frame}, as the terms have")));
    }
    let clip = need(&file, "clip_obs", &config.clip_obs, &None)?;
    let lower = list("clip_actions_lower", &config.clip_actions_lower)?;
    let upper = list("clip_actions_upper", &config.clip_actions_upper)?;
    let history = history(&file, &config)?;

    let model_name = need(&file, "model_name", &config.model_name, &None)?;
    if !model_name.ends_with(".onnx") || model_name.contains(['/', '\\']) {
        return Err(file.field("model_name", model_name, "an .onnx file beside config.yaml"));
    }
    let model = read(&folder.join(&model_name))?;
    let id = identifier(name);
    let graph = Graph::of(&id, &model)?;
    let (Some((input, _)), Some((output, _))) = (graph.inputs.first(), graph.outputs.first())
    else {
        return Err(file.field("model_name", model_name, "a model with an input and an output"));
    };
    let manifest = PolicyManifest {
        id,
        version: "1.0.0".into(),
        description: "Imported from base.yaml and config.yaml of rl_sar.".into(),
        model: ModelFile {
            file: model_name.clone().into(),
            sha256: String::new(),
            output: output.clone(),
            provider: Provider::Cpu,
        },
        rate_hz,
        inputs: vec![InputSpec::Observation {
            name: input.clone(),
            terms,
            clip: Some([-clip, clip]),
            normalisation: Normalisation::None,
            history,
        }],
        action: ActionSpec::Position {
            joints,
            clip: Some(Clip::Each(lower.into_iter().zip(upper).map(|(l, u)| [l, u]).collect())),
            scale: PerElement::Each(list("action_scale", &config.action_scale)?),
            offset: PerElement::Each(default),
            slew: None,
            low_pass_hz: None,
            gains: Some(Gains {
                kp: PerElement::Each(list("rl_kp", &config.rl_kp)?),
                kd: PerElement::Each(list("rl_kd", &config.rl_kd)?),
            }),
        },
        gripper: None,
        chunk: None,
        on_fault: OnFault::End,
        budget: assumed_budget(rate_hz),
        golden: Golden { tolerance: 1e-4, cases: vec![], rollout: None },
    };
    let confirm = vec![
        format!("max_age_s: {} s, 2.5 ticks", assumed_age_s(rate_hz)),
        "on_fault: end".to_owned(),
        "torque_limits are not read: the drives' and the gate's own limits hold".to_owned(),
        "the IMU's axes are parallel to those of the body that was trained (x forward, z up)"
            .into(),
    ];
    Imported::finish(manifest, vec![(model_name, model)], confirm)
}

fn terms(
    file: &In,
    config: &Fields,
    joints: &[String],
    default: &[f64],
    rate_hz: f64,
) -> Result<Vec<TermSpec>, ImportError> {
    let scale = |field: &str, value: &Option<f64>| {
        Ok::<_, ImportError>(Some(PerElement::All(need(file, field, value, &None)?)))
    };
    let of_joints = |source| TermSpec { joints: joints.to_vec(), ..TermSpec::of(source) };
    let mut terms = Vec::new();
    for (index, name) in need(file, "observations", &config.observations, &None)?.iter().enumerate()
    {
        let mut term = match name.as_str() {
            "lin_vel" => TermSpec {
                scale: scale("lin_vel_scale", &config.lin_vel_scale)?,
                ..TermSpec::of(Source::BaseLinearVelocity)
            },
            "ang_vel" => TermSpec {
                scale: scale("ang_vel_scale", &config.ang_vel_scale)?,
                ..TermSpec::of(Source::ImuAngularVelocity)
            },
            "gravity_vec" => TermSpec::of(Source::ProjectedGravity),
            "commands" => {
                let factors = need(file, "commands_scale", &config.commands_scale, &None)?;
                file.wide("commands_scale", &factors, 3)?;
                TermSpec {
                    name: Some("commands".into()),
                    size: Some(3),
                    unit: Some("m/s forward, m/s to the left, rad/s to the left".into()),
                    scale: Some(PerElement::Each(factors)),
                    ..TermSpec::of(Source::Command)
                }
            }
            "dof_pos" => TermSpec {
                offset: Some(PerElement::Each(default.to_vec())),
                scale: scale("dof_pos_scale", &config.dof_pos_scale)?,
                ..of_joints(Source::JointPosition)
            },
            "dof_vel" => TermSpec {
                scale: scale("dof_vel_scale", &config.dof_vel_scale)?,
                ..of_joints(Source::JointVelocity)
            },
            "actions" => {
                TermSpec { size: Some(joints.len()), ..TermSpec::of(Source::LastClippedAction) }
            }
            other => {
                let allowed = "lin_vel, ang_vel, gravity_vec, commands, dof_pos, dof_vel, actions";
                return Err(file.field(format!("observations[{index}]"), other, allowed));
            }
        };
        term.max_age_s = term.source.ages().then(|| assumed_age_s(rate_hz));
        terms.push(term);
    }
    Ok(terms)
}

/// `observations_history` lists ages in frames: 0 is the newest.
fn history(file: &In, config: &Fields) -> Result<History, ImportError> {
    let Some(ages) = config.observations_history.as_ref().filter(|ages| !ages.is_empty()) else {
        return Ok(History::None);
    };
    if ages.as_slice() == [0] {
        return Ok(History::None);
    }
    let length = ages.len();
    let order = if ages.iter().copied().eq(0..length) {
        Order::NewestFirst
    } else if ages.iter().copied().eq((0..length).rev()) {
        Order::OldestFirst
    } else {
        let allowed = "0, 1, 2 and so on, rising or falling, without a gap";
        return Err(file.field("observations_history", format!("{ages:?}"), allowed));
    };
    let priority =
        need(file, "observations_history_priority", &config.observations_history_priority, &None)?;
    let layout = match priority.as_str() {
        "time" => Layering::ByFrame,
        "term" => Layering::ByTerm,
        other => return Err(file.field("observations_history_priority", other, "time or term")),
    };
    Ok(History::Frames { length, order, layout, fill: Fill::Zero })
}

/// A file with one key, under which the fields stand.
fn one_entry<T: DeserializeOwned>(path: &Path) -> Result<T, ImportError> {
    let file = In(path.to_owned());
    let entries: indexmap::IndexMap<String, T> =
        serde_saphyr::from_str(&read_text(path)?).map_err(|e| file.parse(e.to_string()))?;
    let count = entries.len();
    match entries.into_iter().next() {
        Some((_, fields)) if count == 1 => Ok(fields),
        _ => Err(file.field("keys at the top", count, "one: the robot, or the robot/config")),
    }
}

fn need<T: Clone>(
    file: &In,
    field: &str,
    value: &Option<T>,
    fallback: &Option<T>,
) -> Result<T, ImportError> {
    value
        .clone()
        .or_else(|| fallback.clone())
        .ok_or_else(|| file.field(field, "absent", "given in config.yaml or base.yaml"))
}
