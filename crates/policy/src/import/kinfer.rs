use std::io::Read;
use std::path::{Component, Path};

use flate2::read::GzDecoder;
use serde::Deserialize;

use super::error::In;
use super::{ImportError, Imported, assumed_age_s, assumed_budget, check_rate, identifier, read};
use crate::manifest::{
    ActionSpec, Golden, History, InputSpec, ModelFile, Normalisation, OnFault, PerElement,
    PolicyManifest, Provider, Source, Start, TermSpec,
};
use crate::network::Graph;

/// No member of an archive is larger, bytes.
const LARGEST: u64 = 1 << 30;
/// kinfer's unit of gravity, m/s².
const GRAVITY: f64 = 9.81;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Metadata {
    joint_names: Vec<String>,
    #[serde(default)]
    command_names: Vec<String>,
    carry_size: Vec<usize>,
}

/// Reads a `.kinfer` archive: `init_fn.onnx`, `step_fn.onnx` and `metadata.json` in a tar.gz.
///
/// The archive says neither the rate nor gains.
///
/// # Errors
/// [`ImportError`] names the member or field, what it holds and what is allowed.
pub fn import_kinfer(path: &Path, rate_hz: f64, name: &str) -> Result<Imported, ImportError> {
    let file = In(path.to_owned());
    check_rate(&file, rate_hz)?;
    let [start, step, metadata] = members(&file, &read(path)?)?;
    let metadata: Metadata =
        serde_json::from_slice(&metadata).map_err(|e| file.parse(format!("metadata.json: {e}")))?;
    let id = identifier(name);
    let graph = Graph::of(&id, &step)?;
    let joints = metadata.joint_names;
    let carry: usize = metadata.carry_size.iter().product();
    let [(action, _), (next, _)] = graph.outputs.as_slice() else {
        let found: Vec<_> = graph.outputs.iter().map(|(name, _)| name.clone()).collect();
        let allowed = "two: actions and the next carry";
        return Err(file.field("step_fn.onnx outputs", found.join(", "), allowed));
    };
    for (at, found, expected) in [
        ("step_fn.onnx output 0", graph.output_width(action), joints.len()),
        ("step_fn.onnx output 1", graph.output_width(next), carry),
        ("step_fn.onnx input `carry`", graph.input_width("carry"), carry),
    ] {
        if found != Some(expected) {
            let value = found.map_or("absent".to_owned(), |found| format!("{found} values"));
            return Err(file.field(at, value, format!("{expected} values, as metadata.json says")));
        }
    }
    let mut inputs = Vec::new();
    for (input, _) in &graph.inputs {
        if input == "carry" {
            inputs.push(InputSpec::State {
                name: input.clone(),
                from: next.clone(),
                start: Start::Model { file: "init_fn.onnx".into(), sha256: String::new() },
            });
            continue;
        }
        let term = term_of(&file, input, &joints, &metadata.command_names, rate_hz)?;
        let found = graph.input_width(input).unwrap_or(0);
        if found != term.width() {
            let at = format!("step_fn.onnx input `{input}`");
            let allowed = format!("{} values, as metadata.json says", term.width());
            return Err(file.field(at, format!("{found} values"), allowed));
        }
        inputs.push(InputSpec::Observation {
            name: input.clone(),
            terms: vec![term],
            clip: None,
            normalisation: Normalisation::None,
            history: History::None,
        });
    }
    let confirm = vec![
        format!("rate_hz: {rate_hz}: the archive does not say it"),
        format!("max_age_s: {} s, 2.5 ticks", assumed_age_s(rate_hz)),
        "on_fault: end".to_owned(),
        "action: joint positions in rad, with the drives' own gains: the archive has none"
            .to_owned(),
        "commands have the units that the archive's author meant".to_owned(),
    ];
    let manifest = PolicyManifest {
        id,
        version: "1.0.0".into(),
        description: "Imported from a kinfer archive.".into(),
        model: ModelFile {
            file: "step_fn.onnx".into(),
            sha256: String::new(),
            output: action.clone(),
            provider: Provider::Cpu,
        },
        rate_hz,
        inputs,
        action: ActionSpec::Position {
            joints,
            clip: None,
            scale: PerElement::All(1.0),
            offset: PerElement::All(0.0),
            slew: None,
            low_pass_hz: None,
            gains: None,
        },
        gripper: None,
        chunk: None,
        on_fault: OnFault::End,
        budget: assumed_budget(rate_hz),
        golden: Golden { tolerance: 1e-4, cases: vec![], rollout: None },
    };
    let files = vec![("step_fn.onnx".into(), step), ("init_fn.onnx".into(), start)];
    Imported::finish(manifest, files, confirm)
}

fn term_of(
    file: &In,
    input: &str,
    joints: &[String],
    commands: &[String],
    rate_hz: f64,
) -> Result<TermSpec, ImportError> {
    let of_joints = |source| TermSpec { joints: joints.to_vec(), ..TermSpec::of(source) };
    let mut term = match input {
        "joint_angles" => of_joints(Source::JointPosition),
        "joint_angular_velocities" => of_joints(Source::JointVelocity),
        "projected_gravity" => TermSpec {
            scale: Some(PerElement::All(GRAVITY)),
            ..TermSpec::of(Source::ProjectedGravity)
        },
        "accelerometer" => TermSpec::of(Source::ImuLinearAcceleration),
        "gyroscope" => TermSpec::of(Source::ImuAngularVelocity),
        "command" => TermSpec {
            name: Some("command".into()),
            size: Some(commands.len()),
            unit: Some(commands.join(", ")),
            ..TermSpec::of(Source::Command)
        },
        "time" => TermSpec::of(Source::Time),
        other => {
            let allowed = "joint_angles, joint_angular_velocities, projected_gravity, \
                           accelerometer, gyroscope, command, time, carry";
            return Err(file.field("step_fn.onnx inputs", other, allowed));
        }
    };
    term.max_age_s = term.source.ages().then(|| assumed_age_s(rate_hz));
    Ok(term)
}

/// The three members, and no other.
fn members(file: &In, bytes: &[u8]) -> Result<[Vec<u8>; 3], ImportError> {
    const NAMES: [&str; 3] = ["init_fn.onnx", "step_fn.onnx", "metadata.json"];
    let mut found: [Option<Vec<u8>>; 3] = Default::default();
    let mut archive = tar::Archive::new(GzDecoder::new(bytes));
    let bad = |error: std::io::Error| file.parse(format!("not a tar.gz archive: {error}"));
    for entry in archive.entries().map_err(bad)? {
        let mut entry = entry.map_err(bad)?;
        let path = entry.path().map_err(bad)?.into_owned();
        let mut parts = path.components();
        let name = match (parts.next(), parts.next()) {
            (Some(Component::Normal(name)), None) => name.to_string_lossy().into_owned(),
            _ => {
                let value = path.display();
                return Err(file.field("member", value, "a plain name, no path"));
            }
        };
        let place = NAMES.iter().position(|known| *known == name);
        let Some(place) = place.filter(|_| entry.header().entry_type().is_file()) else {
            return Err(file.field("member", name, NAMES.join(", ")));
        };
        if found[place].is_some() {
            return Err(file.field("member", format!("{name} again"), "each member once"));
        }
        let size = entry.size();
        if size > LARGEST {
            let allowed = format!("up to {LARGEST} bytes");
            return Err(file.field(format!("size of {name}"), size, allowed));
        }
        let mut content = Vec::new();
        entry.read_to_end(&mut content).map_err(bad)?;
        found[place] = Some(content);
    }
    let missing = NAMES.iter().zip(&found).find(|(_, found)| found.is_none());
    if let Some((name, _)) = missing {
        return Err(file.field("member", "absent", *name));
    }
    Ok(found.map(Option::unwrap_or_default))
}
