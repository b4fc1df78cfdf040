mod action;
mod check;
mod golden;
mod input;
mod term;

use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sinew_types::{GroupKind, GroupLayout, Layout};

use crate::PolicyError;

pub use action::{
    ActionSpec, BaseAxis, ChunkSpec, Gains, GripperAction, OnFault, Splice, ToolFrame,
};
pub use golden::{Golden, GoldenCase, Rollout, RolloutImage, RolloutImu, RolloutTick};
pub use input::{Fill, History, InputSpec, Layering, Normalisation, Order, Resize, Start};
pub use term::{Clip, PerElement, Source, TermSpec};

/// What the numbers of an ONNX model mean: one YAML file beside the model.
///
/// Nothing that changes the meaning of a number has a default: rate, history, normalisation, mode of the
/// action and what follows a fault are always given.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyManifest {
    /// Name of the policy: lower case letters, digits and `_`.
    pub id: String,
    /// Semantic version, three numbers.
    pub version: String,
    /// What it does, for people.
    pub description: String,
    /// The network.
    pub model: ModelFile,
    /// Ticks per second at which it was trained and is to be run.
    pub rate_hz: f64,
    /// What goes into each input of the graph; every input is listed.
    pub inputs: Vec<InputSpec>,
    /// How the output becomes a command.
    pub action: ActionSpec,
    /// A gripper that is commanded too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gripper: Option<GripperAction>,
    /// For a network that gives several actions at once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chunk: Option<ChunkSpec>,
    /// What follows when a tick fails.
    pub on_fault: OnFault,
    /// Time that a tick may take.
    pub budget: Budget,
    /// Inputs and outputs recorded at export; checked at each load.
    pub golden: Golden,
}

/// The ONNX file and the output that is the action.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ModelFile {
    /// Relative to the manifest.
    pub file: PathBuf,
    /// 64 hexadecimal digits.
    pub sha256: String,
    /// Name of the graph's output that is the action: of shape `[n]` or `[1, n]`, or with a chunk
    /// `[length, n]` or `[1, length, n]`.
    pub output: String,
    /// What the network is run on.
    #[serde(default)]
    pub provider: Provider,
}

/// What a network is run on. One that is not there is an error: nothing falls back by itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Provider {
    /// One thread of the processor.
    #[default]
    Cpu,
    /// NVIDIA CUDA.
    Cuda,
    /// NVIDIA TensorRT, with its engine cached beside the model.
    Tensorrt,
}

/// Time that a tick may take.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Budget {
    /// Processor time of one run of the network, 99th percentile of the warm-up runs, s. A policy that
    /// takes longer on this machine is refused.
    pub run_p99_s: f64,
    /// Runs at load before the first real one, at least 1.
    pub warm_up_runs: u32,
}

impl PolicyManifest {
    /// Reads a manifest and checks whatever can be checked without the model and the robot.
    ///
    /// # Errors
    /// [`PolicyError::Read`], [`PolicyError::Parse`], or [`PolicyError::Field`] with the field, its
    /// value and what is allowed.
    pub fn load(path: &Path) -> Result<Self, PolicyError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| PolicyError::Read { path: path.into(), source })?;
        let manifest: Self = serde_saphyr::from_str(&text).map_err(|error| PolicyError::Parse {
            path: path.into(),
            message: error.to_string(),
        })?;
        manifest.check()?;
        Ok(manifest)
    }

    /// Number of elements of one action, that of a gripper among them.
    pub fn action_width(&self) -> usize {
        self.action.width() + usize::from(self.gripper.is_some())
    }

    /// The same policy at another rate, for measurements of time: not what it was trained for. Joint deltas are scaled,
    /// so that joints are as fast as before; whatever else is given per tick stays.
    pub fn at_rate(mut self, rate_hz: f64) -> Self {
        let share = self.rate_hz / rate_hz;
        if let ActionSpec::Delta { scale, slew, .. } = &mut self.action {
            scale.multiply(share);
            *slew *= share;
        }
        self.rate_hz = rate_hz;
        self
    }

    /// Indices of the groups that it commands, in the order of the layout: those that a lease must have.
    pub fn groups(&self, layout: &Layout) -> Vec<usize> {
        let joints = self.action.joints();
        let tool = match &self.action {
            ActionSpec::ToolTwist { group, .. } | ActionSpec::ToolPose { group, .. } => Some(group),
            _ => None,
        };
        let moves_base = matches!(self.action, ActionSpec::Twist { .. });
        let commands = |group: &GroupLayout| {
            group.joints.iter().any(|joint| joints.contains(&layout.joints()[*joint]))
                || (moves_base && group.kind == GroupKind::Base)
                || tool == Some(&group.name)
                || self.gripper.as_ref().is_some_and(|gripper| gripper.group == group.name)
        };
        let groups = layout.groups().iter().enumerate();
        groups.filter(|(_, group)| commands(group)).map(|(index, _)| index).collect()
    }

    /// The files that it names, relative to its own folder: models and golden rollout.
    pub fn files(&self) -> impl Iterator<Item = &Path> {
        let starts = self.inputs.iter().filter_map(|input| match input {
            InputSpec::State { start: Start::Model { file, .. }, .. } => Some(file.as_path()),
            _ => None,
        });
        let golden = self.golden.rollout.as_deref();
        std::iter::once(self.model.file.as_path()).chain(starts).chain(golden)
    }

    /// Actions that the network gives at once.
    pub fn chunk_length(&self) -> usize {
        self.chunk.as_ref().map_or(1, |chunk| chunk.length)
    }

    /// Whether the network is run once at a reset, on zeros, for the references of the first tick.
    pub fn runs_at_reset(&self) -> bool {
        self.terms().any(|(_, term)| term.source == Source::Reference)
    }

    /// All terms of all inputs, each with its path in the manifest.
    pub(crate) fn terms(&self) -> impl Iterator<Item = (String, &TermSpec)> {
        self.inputs.iter().enumerate().flat_map(|(i, input)| {
            let terms = match input {
                InputSpec::Observation { terms, .. } => terms.as_slice(),
                _ => &[],
            };
            let path = move |t| format!("inputs[{i}].terms[{t}]");
            terms.iter().enumerate().map(move |(t, term)| (path(t), term))
        })
    }

    pub(crate) fn field_error(
        &self,
        field: impl Into<String>,
        value: impl std::fmt::Display,
        allowed: impl Into<String>,
    ) -> PolicyError {
        PolicyError::Field {
            policy: self.id.clone(),
            field: field.into(),
            value: value.to_string(),
            allowed: allowed.into(),
        }
    }
}
