use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sinew_policy::{
    ActionDecoder, CommandInputs, Embodiment, InputSpec, ObservationProgram, Observed, Policy,
    PolicyError, PolicyManifest,
};
use sinew_types::{ActuatorCommand, RobotState};

use crate::episode::{Pilot, Task};
use crate::{Dataset, RecordError};

/// How demonstrations are recorded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecorderOptions {
    /// Seed of disturbances and of who drives.
    pub seed: u64,
    /// Share of episodes that the policy drives, 0 to 1, while the expert labels them.
    pub policy_share: f64,
    /// Share of episodes with disturbed commands, 0 to 1.
    pub disturbed_share: f64,
    /// Size of a disturbance, as a share of the largest action.
    pub disturbance: f64,
}

impl Default for RecorderOptions {
    fn default() -> Self {
        Self { seed: 1, policy_share: 0.0, disturbed_share: 0.5, disturbance: 0.35 }
    }
}

/// Drives as expert or policy and writes down what the policy sees and what the expert answers.
pub struct Recorder {
    options: RecorderOptions,
    program: ObservationProgram,
    decoder: ActionDecoder,
    inputs: CommandInputs,
    policy: Option<Policy>,
    rng: ChaCha8Rng,
    dataset: Dataset,
    observation: Vec<f32>,
    label: Vec<f32>,
    last_action: Vec<f32>,
    wanted: Vec<f64>,
    by_policy: bool,
    disturbed: bool,
    disturbance: Vec<f64>,
    disturbed_ticks: u32,
}

impl Recorder {
    /// A recorder of a manifest's observation and action; the policy, if one is given, drives its
    /// share of the episodes.
    ///
    /// # Errors
    /// [`RecordError::Policy`] when the manifest does not fit the robot, or has more than one input.
    pub fn new(
        manifest: &PolicyManifest,
        robot: &Embodiment,
        policy: Option<Policy>,
        options: RecorderOptions,
    ) -> Result<Self, RecordError> {
        let program = ObservationProgram::compile(manifest, robot)?;
        let width = manifest.action_width();
        let [InputSpec::Observation { .. }] = manifest.inputs.as_slice() else {
            return Err(RecordError::Inputs { policy: manifest.id.clone() });
        };
        let observed = manifest.inputs[0].width().unwrap_or(0);
        Ok(Self {
            options,
            decoder: ActionDecoder::compile(manifest, robot)?,
            inputs: program.command_inputs(),
            policy,
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            dataset: Dataset::new(observed + width),
            observation: vec![0.0; observed],
            program,
            label: vec![0.0; width],
            last_action: vec![0.0; width],
            wanted: vec![0.0; width],
            by_policy: false,
            disturbed: false,
            disturbance: vec![0.0; width],
            disturbed_ticks: 0,
        })
    }

    /// What was recorded.
    pub fn into_dataset(self) -> Dataset {
        self.dataset
    }

    /// A push that lasts some ticks, now and then.
    fn disturb(&mut self, action: &mut [f32]) {
        if !self.disturbed {
            return;
        }
        if self.disturbed_ticks == 0 && self.rng.random_bool(0.04) {
            self.disturbed_ticks = self.rng.random_range(4..16);
            let size = self.options.disturbance;
            self.disturbance.fill_with(|| self.rng.random_range(-size..size));
        }
        if self.disturbed_ticks > 0 {
            self.disturbed_ticks -= 1;
            for (action, push) in action.iter_mut().zip(&self.disturbance) {
                *action += *push as f32;
            }
        }
    }
}

impl Pilot for Recorder {
    fn reset(&mut self, state: &RobotState) -> Result<(), PolicyError> {
        self.by_policy = self.policy.is_some() && self.rng.random_bool(self.options.policy_share);
        self.disturbed = self.rng.random_bool(self.options.disturbed_share);
        self.disturbed_ticks = 0;
        self.last_action.fill(0.0);
        self.program.reset();
        if let Some(policy) = &mut self.policy {
            policy.reset(state)?;
        }
        self.decoder.reset(state)
    }

    fn tick(
        &mut self,
        task: &mut dyn Task,
        state: &RobotState,
        command: &mut ActuatorCommand,
    ) -> Result<(), RecordError> {
        task.inputs(state, &mut self.inputs)?;
        task.expert(state, &mut self.wanted)?;
        self.decoder.encode(&self.wanted, &mut self.label);
        self.program.observe(&Observed {
            state,
            commands: &self.inputs,
            last_action: &self.last_action,
            last_clipped: self.decoder.clipped(),
            references: &[],
            time_s: 0.0,
            runs: true,
        })?;
        for (_, values) in self.program.values() {
            self.observation.copy_from_slice(values);
        }
        self.dataset.push(&self.observation, &self.label);
        let mut action = self.label.clone();
        if let Some(policy) = self.policy.as_mut().filter(|_| self.by_policy) {
            policy.step(state, &self.inputs)?;
            action.copy_from_slice(policy.raw_action());
        }
        self.disturb(&mut action);
        self.decoder.decode(&action, state)?;
        self.last_action.copy_from_slice(&action);
        self.decoder.write(command);
        Ok(())
    }
}

/// A policy drives, nothing is recorded.
pub struct PolicyPilot {
    policy: Policy,
    inputs: CommandInputs,
}

impl PolicyPilot {
    /// Takes a loaded policy.
    pub fn new(policy: Policy) -> Self {
        Self { inputs: policy.command_inputs(), policy }
    }

    /// Time between two ticks.
    pub fn period(&self) -> Duration {
        self.policy.period()
    }

    /// The policy.
    pub fn policy(&self) -> &Policy {
        &self.policy
    }
}

impl Pilot for PolicyPilot {
    fn reset(&mut self, state: &RobotState) -> Result<(), PolicyError> {
        self.inputs.clear();
        self.policy.reset(state)
    }

    fn tick(
        &mut self,
        task: &mut dyn Task,
        state: &RobotState,
        command: &mut ActuatorCommand,
    ) -> Result<(), RecordError> {
        task.inputs(state, &mut self.inputs)?;
        self.policy.step(state, &self.inputs)?;
        self.policy.write(command);
        Ok(())
    }
}
