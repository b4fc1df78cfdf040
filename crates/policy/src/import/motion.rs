use std::path::Path;

use super::error::In;
use super::{ImportError, Imported, assumed_age_s, assumed_budget, check_rate, identifier, read};
use crate::manifest::{
    ActionSpec, Fill, Gains, Golden, History, InputSpec, Layering, ModelFile, Normalisation,
    OnFault, Order, PerElement, PolicyManifest, Provider, Source, TermSpec,
};
use crate::network::Graph;

/// Reads a model of Isaac Lab, mjlab or BeyondMimic (whole_body_tracking) whose `metadata_props` say what its
/// numbers mean; motion tracking policies, with a `time_step` input and reference outputs, among them.
///
/// The files say neither the rate nor at which step of its motion a policy begins.
///
/// # Errors
/// [`ImportError`] names the property, what it holds and what is allowed.
pub fn import_motion(
    path: &Path,
    rate_hz: f64,
    start_step: u32,
    name: &str,
) -> Result<Imported, ImportError> {
    let file = In(path.to_owned());
    check_rate(&file, rate_hz)?;
    let bytes = read(path)?;
    let id = identifier(name);
    let graph = Graph::of(&id, &bytes)?;
    let properties = Properties { file: &file, graph: &graph };
    let joints = properties.names("joint_names")?;
    let width = joints.len();
    let default = properties.numbers("default_joint_pos", width)?;
    let scale = properties.numbers("action_scale", width)?;
    let (kp, kd) = (
        properties.numbers("joint_stiffness", width)?,
        properties.numbers("joint_damping", width)?,
    );
    let is_tracking = graph.input_width("time_step").is_some();

    let names = properties.names("observation_names")?;
    let mut terms = Vec::new();
    for (index, name) in names.iter().enumerate() {
        let at = format!("metadata_props.observation_names[{index}]");
        let of_joints = |source| TermSpec { joints: joints.clone(), ..TermSpec::of(source) };
        let given = |name: &str, size, unit: &str| TermSpec {
            name: Some(name.to_owned()),
            size: Some(size),
            unit: Some(unit.to_owned()),
            ..TermSpec::of(Source::Command)
        };
        match name.as_str() {
            "command" if is_tracking => {
                terms.extend(["joint_pos", "joint_vel"].map(|output| TermSpec {
                    name: Some(output.to_owned()),
                    size: Some(width),
                    ..TermSpec::of(Source::Reference)
                }))
            }
            "command" => {
                terms.push(given(name, 3, "m/s forward, m/s to the left, rad/s to the left"));
            }
            "motion_anchor_pos_b" => {
                terms.push(given(name, 3, "m, the reference's anchor body in the robot's"));
            }
            "motion_anchor_ori_b" => terms.push(given(
                name,
                6,
                "first two columns, row by row, of the reference's anchor rotation in the robot's",
            )),
            "base_lin_vel" => terms.push(TermSpec::of(Source::BaseLinearVelocity)),
            "base_ang_vel" => terms.push(TermSpec::of(Source::ImuAngularVelocity)),
            "projected_gravity" => terms.push(TermSpec::of(Source::ProjectedGravity)),
            "joint_pos" => terms.push(TermSpec {
                offset: Some(PerElement::Each(default.clone())),
                ..of_joints(Source::JointPosition)
            }),
            "joint_vel" => terms.push(of_joints(Source::JointVelocity)),
            "actions" => {
                terms.push(TermSpec { size: Some(width), ..TermSpec::of(Source::LastAction) });
            }
            other => {
                let allowed = "command, motion_anchor_pos_b, motion_anchor_ori_b, base_lin_vel, \
                               base_ang_vel, projected_gravity, joint_pos, joint_vel, actions";
                return Err(file.field(at, other, allowed));
            }
        }
    }
    for term in &mut terms {
        term.max_age_s = term.source.ages().then(|| assumed_age_s(rate_hz));
    }
    let history = history(&properties, names.len())?;
    let frame: usize = terms.iter().map(TermSpec::width).sum();
    let given = graph.input_width("obs").unwrap_or(0);
    if frame * history.length() != given {
        return Err(file.field(
            "metadata_props.observation_names",
            format!("{} values", frame * history.length()),
            format!("the {given} values of input `obs`"),
        ));
    }

    let mut inputs = vec![InputSpec::Observation {
        name: "obs".into(),
        terms,
        clip: None,
        normalisation: Normalisation::None,
        history,
    }];
    let mut confirm = vec![
        format!("rate_hz: {rate_hz}: the file does not say it"),
        format!("max_age_s: {} s, 2.5 ticks", assumed_age_s(rate_hz)),
        "on_fault: end".to_owned(),
        "numbers of metadata_props have three decimals: joint_stiffness, joint_damping, action_scale and \
         default_joint_pos are as exact as that"
            .to_owned(),
    ];
    if is_tracking {
        inputs.push(InputSpec::Counter {
            name: "time_step".into(),
            start: f64::from(start_step),
            step: 1.0,
        });
        confirm.push(format!("inputs.time_step.start: {start_step}: the file does not say it"));
        confirm.push(format!(
            "motion_anchor_*: to be given by the caller, for body `{}`",
            graph.metadata.get("anchor_body_name").map_or("?", String::as_str)
        ));
    }
    // What vanishes in three decimals does so without a trace.
    for (property, values) in [("joint_stiffness", &kp), ("joint_damping", &kd)] {
        let small: Vec<_> = (0..width).filter(|i| values[*i] < 0.01).map(|i| &*joints[i]).collect();
        if !small.is_empty() {
            confirm.push(format!("{property} is under 0.01 at: {}", small.join(", ")));
        }
    }
    let model_name = "policy.onnx".to_owned();
    let manifest = PolicyManifest {
        id,
        version: "1.0.0".into(),
        description: "Imported from the metadata of an Isaac Lab, mjlab or BeyondMimic model."
            .into(),
        model: ModelFile {
            file: model_name.clone().into(),
            sha256: String::new(),
            output: "actions".into(),
            provider: Provider::Cpu,
        },
        rate_hz,
        inputs,
        action: ActionSpec::Position {
            joints,
            clip: None,
            scale: PerElement::Each(scale),
            offset: PerElement::Each(default),
            slew: None,
            low_pass_hz: None,
            gains: Some(Gains { kp: PerElement::Each(kp), kd: PerElement::Each(kd) }),
        },
        gripper: None,
        chunk: None,
        on_fault: OnFault::End,
        budget: assumed_budget(rate_hz),
        golden: Golden { tolerance: 1e-4, cases: vec![], rollout: None },
    };
    Imported::finish(manifest, vec![(model_name, bytes)], confirm)
}

fn history(properties: &Properties<'_>, terms: usize) -> Result<History, ImportError> {
    let property = "observation_history_lengths";
    if !properties.graph.metadata.contains_key(property) {
        return Ok(History::None);
    }
    let lengths = properties.numbers(property, terms)?;
    let first = lengths[0];
    if lengths.iter().any(|length| *length != first) || first < 1.0 || first.fract() != 0.0 {
        let value = format!("{lengths:?}");
        let allowed = "one whole number for all terms, 1 or more";
        return Err(properties.file.field(format!("metadata_props.{property}"), value, allowed));
    }
    Ok(match first as usize {
        1 => History::None,
        length => History::Frames {
            length,
            order: Order::OldestFirst,
            layout: Layering::ByTerm,
            fill: Fill::First,
        },
    })
}

/// `metadata_props`: strings, of which lists are separated by commas.
struct Properties<'a> {
    file: &'a In,
    graph: &'a Graph,
}

impl Properties<'_> {
    fn text(&self, property: &str) -> Result<&str, ImportError> {
        self.graph.metadata.get(property).map(String::as_str).ok_or_else(|| {
            let known: Vec<_> = self.graph.metadata.keys().cloned().collect();
            let allowed = format!("given; the model has: {}", known.join(", "));
            self.file.field(format!("metadata_props.{property}"), "absent", allowed)
        })
    }

    fn names(&self, property: &str) -> Result<Vec<String>, ImportError> {
        let names: Vec<_> =
            self.text(property)?.split(',').map(|name| name.trim().to_owned()).collect();
        if names.iter().any(String::is_empty) {
            let at = format!("metadata_props.{property}");
            return Err(self.file.field(at, format!("{names:?}"), "names, separated by commas"));
        }
        Ok(names)
    }

    /// So many numbers; one alone stands for all.
    fn numbers(&self, property: &str, width: usize) -> Result<Vec<f64>, ImportError> {
        let at = format!("metadata_props.{property}");
        let text = self.text(property)?;
        let values: Result<Vec<f64>, _> = text.split(',').map(|v| v.trim().parse()).collect();
        let values = values.ok().filter(|values| values.iter().all(|value| value.is_finite()));
        let Some(values) = values else {
            return Err(self.file.field(at, format!("`{text}`"), "finite numbers"));
        };
        if let [value] = values[..] {
            return Ok(vec![value; width]);
        }
        self.file.wide(&at, &values, width)?;
        Ok(values)
    }
}
