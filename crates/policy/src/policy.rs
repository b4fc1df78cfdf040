use std::path::Path;
use std::time::{Duration, Instant};

use sinew_types::{ActuatorCommand, Layout, RobotState};

use crate::model::Model;
use crate::{
    ActionDecoder, CommandInputs, Latency, ObservationProgram, PolicyError, PolicyManifest,
};

/// A policy that was checked against its model and a robot, ready to run.
///
/// It runs on the thread that calls it; one tick takes some tens of microseconds for a small network.
pub struct Policy {
    manifest: PolicyManifest,
    program: ObservationProgram,
    model: Model,
    decoder: ActionDecoder,
    /// The network's output of this tick, not yet known to be good.
    raw: Vec<f32>,
    /// The output of the last good tick.
    last_action: Vec<f32>,
    latency: Latency,
}

impl Policy {
    /// Loads a manifest and its model, and checks: the file's hash; names, types and widths of input
    /// and output; joint names against the layout; that warm-up runs give finite numbers; the golden
    /// cases. Not real-time safe; takes some tens of milliseconds.
    ///
    /// # Errors
    /// Any [`PolicyError`] of loading; each names the field or file, the value and what is allowed.
    pub fn load(manifest: impl AsRef<Path>, layout: &Layout) -> Result<Self, PolicyError> {
        let path = manifest.as_ref();
        let manifest = PolicyManifest::load(path)?;
        let program = ObservationProgram::compile(&manifest, layout)?;
        let decoder = ActionDecoder::compile(&manifest, layout)?;
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        let model = Model::load(&manifest, folder)?;
        let width = manifest.action_width();
        let mut policy = Self {
            manifest,
            program,
            model,
            decoder,
            raw: vec![0.0; width],
            last_action: vec![0.0; width],
            latency: Latency::default(),
        };
        policy.warm_up()?;
        policy.check_golden()?;
        Ok(policy)
    }

    /// What was loaded.
    pub fn manifest(&self) -> &PolicyManifest {
        &self.manifest
    }

    /// Time between two steps.
    pub fn period(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.manifest.rate_hz)
    }

    /// Empty command inputs, to be set by the caller before each step.
    pub fn command_inputs(&self) -> CommandInputs {
        self.program.command_inputs()
    }

    /// Starts an episode: joint targets are where the joints are, the last action is 0.
    ///
    /// # Errors
    /// [`PolicyError::ObservationStale`] if a joint that the policy moves is not measured.
    pub fn reset(&mut self, state: &RobotState) -> Result<(), PolicyError> {
        self.last_action.fill(0.0);
        self.decoder.reset(state)
    }

    /// One tick, to be called at the manifest's rate. Real-time safe unless it fails.
    ///
    /// Returns joint targets in the order of `action.joints` (rad or m), or velocities in the order
    /// of `action.axes` (m/s or rad/s).
    ///
    /// # Errors
    /// [`PolicyError::ObservationStale`], [`PolicyError::NotFinite`], [`PolicyError::WrongLayout`] or
    /// [`PolicyError::Onnx`]; the state of the policy is then as before the call.
    pub fn step(
        &mut self,
        state: &RobotState,
        commands: &CommandInputs,
    ) -> Result<&[f64], PolicyError> {
        let started = Instant::now();
        self.program.write(state, commands, &self.last_action, self.model.input_mut())?;
        let observed = Instant::now();
        self.model.run(&mut self.raw)?;
        let ran = Instant::now();
        self.decoder.decode(&self.raw, state)?;
        self.last_action.copy_from_slice(&self.raw);
        self.latency.observe.record(observed - started);
        self.latency.run.record(ran - observed);
        self.latency.decode.record(ran.elapsed());
        Ok(self.decoder.output())
    }

    /// Puts the result of the last step into a command; what the policy does not command stays.
    pub fn write(&self, command: &mut ActuatorCommand) {
        self.decoder.write(command);
    }

    /// What went into the network in the last step.
    pub fn observation(&self) -> &[f32] {
        self.model.input()
    }

    /// The network's output of the last good step; 0 after a reset.
    pub fn raw_action(&self) -> &[f32] {
        &self.last_action
    }

    /// Time spent in each stage since it was loaded.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Runs on zeros: the first runs allocate inside ONNX Runtime, and NaN weights show at once.
    fn warm_up(&mut self) -> Result<(), PolicyError> {
        for _ in 0..self.manifest.warm_up_runs {
            self.model.input_mut().fill(0.0);
            self.run_finite()?;
        }
        Ok(())
    }

    fn check_golden(&mut self) -> Result<(), PolicyError> {
        for case in 0..self.manifest.golden.cases.len() {
            self.model.input_mut().copy_from_slice(&self.manifest.golden.cases[case].observation);
            self.run_finite()?;
            let expected = &self.manifest.golden.cases[case].action;
            let tolerance = self.manifest.golden.tolerance as f32;
            for (index, (expected, actual)) in expected.iter().zip(&self.raw).enumerate() {
                if (expected - actual).abs() > tolerance {
                    return Err(PolicyError::Golden {
                        policy: self.manifest.id.clone(),
                        case,
                        index,
                        expected: *expected,
                        actual: *actual,
                        tolerance,
                    });
                }
            }
        }
        Ok(())
    }

    fn run_finite(&mut self) -> Result<(), PolicyError> {
        self.model.run(&mut self.raw)?;
        match self.raw.iter().enumerate().find(|(_, v)| !v.is_finite()) {
            None => Ok(()),
            Some((i, value)) => Err(PolicyError::NotFinite {
                policy: self.manifest.id.clone(),
                what: format!("action[{i}] at load"),
                value: f64::from(*value),
            }),
        }
    }
}
