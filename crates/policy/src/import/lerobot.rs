use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ::safetensors::{Dtype, SafeTensors};
use indexmap::IndexMap;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::error::In;
use super::{ImportError, Imported, assumed_age_s, assumed_budget, check_rate, identifier, read};
use crate::manifest::{
    ActionSpec, ChunkSpec, Golden, History, InputSpec, ModelFile, Normalisation, OnFault,
    PerElement, PolicyManifest, Provider, Resize, Source, Splice, TermSpec,
};
use crate::network::Graph;

/// Ticks for which an action may be held when the network is late, where the files say nothing about it.
const HOLD_TICKS: usize = 5;

/// What a LeRobot checkpoint does not say.
#[derive(Clone, Debug, PartialEq)]
pub struct LerobotOptions {
    /// The robot's joints in the order of `observation.state` and `action`.
    pub joints: Vec<String>,
    /// Frames per second of the dataset.
    pub rate_hz: f64,
    /// The configuration, relative to the checkpoint: `config.json` in LeRobot.
    pub config: PathBuf,
}

#[derive(Deserialize)]
struct Config {
    r#type: String,
    n_obs_steps: usize,
    input_features: IndexMap<String, Feature>,
    output_features: IndexMap<String, Feature>,
    chunk_size: usize,
    n_action_steps: usize,
    temporal_ensemble_coeff: Option<f64>,
}

#[derive(Clone, Deserialize)]
struct Feature {
    r#type: String,
    shape: Vec<usize>,
}

#[derive(Deserialize)]
struct Processor {
    steps: Vec<Step>,
}

#[derive(Deserialize)]
struct Step {
    registry_name: String,
    #[serde(default)]
    config: serde_json::Value,
    state_file: Option<String>,
}

#[derive(Deserialize)]
struct NormalizerConfig {
    eps: f64,
    norm_map: BTreeMap<String, String>,
}

/// The statistics that a mode uses: mean and standard deviation, or lower and upper end of a range.
struct Statistics {
    is_mean_std: bool,
    first: Vec<f64>,
    second: Vec<f64>,
}

/// How features are normalised: modes by type, statistics by feature and name.
struct Normalizer {
    file: In,
    eps: f64,
    modes: BTreeMap<String, String>,
    statistics: BTreeMap<String, Vec<f64>>,
}

/// Reads an ACT checkpoint of LeRobot: configuration, processors with their statistics, and an ONNX model of its
/// network, exported with inputs that are named as the features are, which takes and gives normalised values.
///
/// # Errors
/// [`ImportError`] names the file and field, what it holds and what is allowed.
pub fn import_lerobot(
    folder: &Path,
    options: &LerobotOptions,
    name: &str,
) -> Result<Imported, ImportError> {
    let path = folder.join(&options.config);
    let file = In(path.clone());
    check_rate(&file, options.rate_hz)?;
    let config: Config = json(&path)?;
    if config.r#type != "act" {
        return Err(file.field("type", config.r#type, "act"));
    }
    if config.n_obs_steps != 1 {
        return Err(file.field("n_obs_steps", config.n_obs_steps, "1"));
    }
    let before = Normalizer::load(
        folder,
        "policy_preprocessor.json",
        "normalizer_processor",
        &["rename_observations_processor", "to_batch_processor", "device_processor"],
    )?;
    let after = Normalizer::load(
        folder,
        "policy_postprocessor.json",
        "unnormalizer_processor",
        &["device_processor"],
    )?;
    let model_path = model_in(folder, &file)?;
    let bytes = read(&model_path)?;
    let id = identifier(name);
    let graph = Graph::of(&id, &bytes)?;

    let mut confirm = vec![
        format!(
            "joints: {}, in the order of observation.state and action",
            options.joints.join(", ")
        ),
        "unit of observation.state and action: rad; LeRobot's own arms record degrees or per cent"
            .into(),
        format!("rate_hz: {}: the checkpoint does not say it", options.rate_hz),
        format!("max_age_s: {} s, 2.5 ticks", assumed_age_s(options.rate_hz)),
        "on_fault: end".to_owned(),
        format!("chunk.hold_ticks: {HOLD_TICKS}, where the network runs in the background"),
    ];
    let mut inputs = Vec::new();
    for (key, feature) in &config.input_features {
        inputs.push(input_of(&file, key, feature, &before, options, &mut confirm)?);
    }
    let action = config.output_features.get("action").filter(|_| config.output_features.len() == 1);
    let Some(action) = action else {
        let found: Vec<_> = config.output_features.keys().cloned().collect();
        return Err(file.field("output_features", found.join(", "), "action alone"));
    };
    let width: usize = action.shape.iter().product();
    if width != options.joints.len() {
        let allowed = format!("{}, one per joint", options.joints.len());
        return Err(file.field("output_features.action.shape", width, allowed));
    }
    let (scale, offset) = after.undo("action", action)?;
    let splice = match config.temporal_ensemble_coeff {
        Some(coefficient) => Splice::TemporalEnsemble { coefficient },
        None => Splice::Latest,
    };
    let [(output, _)] = graph.outputs.as_slice() else {
        return Err(file.field("model outputs", graph.outputs.len(), "one"));
    };
    let model_name = model_path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let manifest = PolicyManifest {
        id,
        version: "1.0.0".into(),
        description: "Imported from an ACT checkpoint of LeRobot.".into(),
        model: ModelFile {
            file: model_name.clone().into(),
            sha256: String::new(),
            output: output.clone(),
            provider: Provider::Cpu,
        },
        rate_hz: options.rate_hz,
        inputs,
        action: ActionSpec::Position {
            joints: options.joints.clone(),
            clip: None,
            scale: PerElement::Each(scale),
            offset: PerElement::Each(offset),
            slew: None,
            low_pass_hz: None,
            gains: None,
        },
        gripper: None,
        chunk: Some(ChunkSpec {
            length: config.chunk_size,
            execute: config.n_action_steps,
            splice,
            hold_ticks: HOLD_TICKS,
        }),
        on_fault: OnFault::End,
        budget: assumed_budget(options.rate_hz),
        golden: Golden { tolerance: 1e-4, cases: vec![], rollout: None },
    };
    Imported::finish(manifest, vec![(model_name, bytes)], confirm)
}

fn input_of(
    file: &In,
    key: &str,
    feature: &Feature,
    normalizer: &Normalizer,
    options: &LerobotOptions,
    confirm: &mut Vec<String>,
) -> Result<InputSpec, ImportError> {
    let at = format!("input_features.{key}");
    let width: usize = feature.shape.iter().product();
    let max_age_s = Some(assumed_age_s(options.rate_hz));
    let term = match feature.r#type.as_str() {
        "STATE" => {
            if width != options.joints.len() {
                let allowed = format!("{}, one per joint", options.joints.len());
                return Err(file.field(format!("{at}.shape"), width, allowed));
            }
            TermSpec {
                joints: options.joints.clone(),
                max_age_s,
                ..TermSpec::of(Source::JointPosition)
            }
        }
        "ENV" => {
            confirm.push(format!("`{key}`: {width} values, to be given by the caller"));
            TermSpec {
                name: Some("environment_state".into()),
                size: Some(width),
                unit: Some("as in the dataset".into()),
                max_age_s,
                ..TermSpec::of(Source::Command)
            }
        }
        "VISUAL" => {
            let [3, height, width] = feature.shape[..] else {
                let value = format!("{:?}", feature.shape);
                return Err(file.field(format!("{at}.shape"), value, "[3, height, width]"));
            };
            let camera = key.rsplit('.').next().unwrap_or(key).to_owned();
            confirm.push(format!("`{key}`: camera `{camera}`, RGB, {width} x {height} pixels"));
            return Ok(InputSpec::Image {
                name: key.to_owned(),
                camera,
                width,
                height,
                resize: Resize::None,
                normalisation: normalizer.apply(key, feature, 3)?,
                max_age_s: assumed_age_s(options.rate_hz),
            });
        }
        other => return Err(file.field(format!("{at}.type"), other, "STATE, ENV, VISUAL")),
    };
    Ok(InputSpec::Observation {
        name: key.to_owned(),
        terms: vec![term],
        clip: None,
        normalisation: normalizer.apply(key, feature, width)?,
        history: History::None,
    })
}

impl Normalizer {
    /// Finds the one step that normalises; any step that is neither that nor known to change no value is
    /// refused.
    fn load(
        folder: &Path,
        name: &str,
        wanted: &str,
        harmless: &[&str],
    ) -> Result<Self, ImportError> {
        let path = folder.join(name);
        let file = In(path.clone());
        let processor: Processor = json(&path)?;
        let mut found = None;
        for (index, step) in processor.steps.iter().enumerate() {
            let registry = step.registry_name.as_str();
            if registry == wanted && found.is_none() {
                found = Some((index, step));
            } else if !harmless.contains(&registry) {
                let allowed = format!("{wanted} once, {}", harmless.join(", "));
                let at = format!("steps[{index}].registry_name");
                return Err(file.field(at, registry, allowed));
            }
            let renames = step.config.get("rename_map").and_then(|map| map.as_object());
            if let Some(map) = renames.filter(|map| !map.is_empty()) {
                let at = format!("steps[{index}].config.rename_map");
                return Err(file.field(at, format!("{} entries", map.len()), "{}"));
            }
        }
        let Some((index, step)) = found else {
            return Err(file.field("steps", "without a normaliser", wanted));
        };
        let config: NormalizerConfig = serde_json::from_value(step.config.clone())
            .map_err(|e| file.parse(format!("steps[{index}].config: {e}")))?;
        let Some(state) = &step.state_file else {
            return Err(file.field(format!("steps[{index}].state_file"), "absent", "a file"));
        };
        if state.contains(['/', '\\']) {
            let at = format!("steps[{index}].state_file");
            return Err(file.field(at, state, "a file in the same folder"));
        }
        let statistics = statistics(&folder.join(state))?;
        Ok(Self { file, eps: config.eps, modes: config.norm_map, statistics })
    }

    /// The mode of a feature and the statistics that it uses; none where values stay as they are.
    fn mode(
        &self,
        key: &str,
        feature: &Feature,
        width: usize,
    ) -> Result<Option<Statistics>, ImportError> {
        let mode = self.modes.get(&feature.r#type).map_or("IDENTITY", String::as_str);
        let names = match mode {
            "IDENTITY" => return Ok(None),
            "MEAN_STD" => ["mean", "std"],
            "MIN_MAX" => ["min", "max"],
            "QUANTILES" => ["q01", "q99"],
            "QUANTILE10" => ["q10", "q90"],
            other => {
                let at = format!("norm_map.{}", feature.r#type);
                let allowed = "IDENTITY, MEAN_STD, MIN_MAX, QUANTILES, QUANTILE10";
                return Err(self.file.field(at, other, allowed));
            }
        };
        let all = format!("{key}.");
        if !self.statistics.keys().any(|known| known.starts_with(&all)) {
            // LeRobot leaves a feature without statistics as it is.
            return Ok(None);
        }
        let values = names.map(|name| {
            let at = format!("{key}.{name}");
            let Some(values) = self.statistics.get(&at) else {
                return Err(self.file.field(at, "absent from the statistics", "given"));
            };
            self.file.wide(&at, values, width)?;
            Ok(values.clone())
        });
        let [first, second] = values;
        Ok(Some(Statistics { is_mean_std: mode == "MEAN_STD", first: first?, second: second? }))
    }

    /// From raw to what the network takes.
    fn apply(
        &self,
        key: &str,
        feature: &Feature,
        width: usize,
    ) -> Result<Normalisation, ImportError> {
        Ok(match self.mode(key, feature, width)? {
            None => Normalisation::None,
            Some(Statistics { is_mean_std: true, first: mean, second: std }) => {
                Normalisation::MeanStd { mean, std, eps: self.eps }
            }
            Some(Statistics { first: low, second: high, .. }) => {
                Normalisation::Range { low, high, eps: self.eps }
            }
        })
    }

    /// From what the network gives to raw: factor and summand.
    fn undo(&self, key: &str, feature: &Feature) -> Result<(Vec<f64>, Vec<f64>), ImportError> {
        let width: usize = feature.shape.iter().product();
        Ok(match self.mode(key, feature, width)? {
            None => (vec![1.0; width], vec![0.0; width]),
            Some(Statistics { is_mean_std: true, first: mean, second: std }) => (std, mean),
            Some(Statistics { first: low, second: high, .. }) => {
                let halves: Vec<_> = low
                    .iter()
                    .zip(&high)
                    .map(|(low, high)| if high == low { self.eps } else { high - low } / 2.0)
                    .collect();
                let middles = low.iter().zip(&halves).map(|(low, half)| low + half).collect();
                (halves, middles)
            }
        })
    }
}

/// The tensors of a file as numbers.
fn statistics(path: &Path) -> Result<BTreeMap<String, Vec<f64>>, ImportError> {
    let file = In(path.to_owned());
    let bytes = read(path)?;
    let tensors = SafeTensors::deserialize(&bytes).map_err(|e| file.parse(e.to_string()))?;
    let mut all = BTreeMap::new();
    for (name, tensor) in tensors.tensors() {
        let values: Vec<f64> = match tensor.dtype() {
            Dtype::F32 => tensor
                .data()
                .as_chunks::<4>()
                .0
                .iter()
                .map(|bytes| f64::from(f32::from_le_bytes(*bytes)))
                .collect(),
            Dtype::F64 => {
                tensor.data().as_chunks::<8>().0.iter().map(|b| f64::from_le_bytes(*b)).collect()
            }
            // Counts of samples, which are not used.
            _ => continue,
        };
        all.insert(name, values);
    }
    Ok(all)
}

/// The one ONNX model of a folder.
fn model_in(folder: &Path, file: &In) -> Result<PathBuf, ImportError> {
    let entries = std::fs::read_dir(folder)
        .map_err(|source| ImportError::Read { path: folder.to_owned(), source })?;
    let mut models: Vec<_> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "onnx"))
        .collect();
    models.sort();
    match <[PathBuf; 1]>::try_from(models) {
        Ok([model]) => Ok(model),
        Err(models) => Err(file.field(
            "models in the folder",
            models.len(),
            "one .onnx file: the checkpoint's network, normalised values in and out",
        )),
    }
}

fn json<T: DeserializeOwned>(path: &Path) -> Result<T, ImportError> {
    serde_json::from_slice(&read(path)?)
        .map_err(|error| In(path.to_owned()).parse(error.to_string()))
}
