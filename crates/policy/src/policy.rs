use std::path::Path;
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};
use sinew_types::{ActuatorCommand, RobotState, Time};

use crate::act::ChunkQueue;
use crate::manifest::{OnFault, Provider};
use crate::network::{Network, NodePlacement, RunOn};
use crate::observe::Observed;
use crate::{
    ActionDecoder, CommandInputs, Embodiment, Latency, ObservationProgram, PolicyError,
    PolicyManifest,
};

/// A policy that was checked against its model and a robot, ready to run.
///
/// It runs on the thread that calls it; one tick takes some tens of microseconds for a small network.
pub struct Policy {
    manifest: PolicyManifest,
    program: ObservationProgram,
    network: Network,
    run_on: RunOn,
    decoder: ActionDecoder,
    chunks: Option<ChunkQueue>,
    /// The action of the last good tick.
    last_action: Vec<f32>,
    references: Vec<Vec<f32>>,
    /// Time of the first tick since the reset.
    started: Option<Time>,
    /// Time of the last good tick.
    last_good: Option<Time>,
    repeated: u64,
    latency: Latency,
    clock: fn() -> Duration,
    stages: StageTimes,
}

/// Time that the stages of one tick took, on the clock of [`Policy::time_by`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StageTimes {
    /// Building the observation.
    pub observe: Duration,
    /// Inside ONNX Runtime, and to and from its tensors.
    pub run: Duration,
    /// From the network's output to the command.
    pub decode: Duration,
}

impl Policy {
    /// Loads a manifest and its model, and checks: the file's hash; names, types and shapes of inputs
    /// and outputs; names of joints and grippers against the robot, and commands against its limits where they
    /// are known; that warm-up runs give finite numbers within the
    /// budget; the golden cases and the golden rollout. Not real-time safe; takes some tens of
    /// milliseconds and more.
    ///
    /// # Errors
    /// Any [`PolicyError`] of loading; each names the field or file, the value and what is allowed.
    pub fn load(
        manifest: impl AsRef<Path>,
        robot: impl Into<Embodiment>,
    ) -> Result<Self, PolicyError> {
        Self::load_file(manifest.as_ref(), &robot.into())
    }

    /// Not generic, so that it is compiled once and not in each crate that calls it.
    fn load_file(path: &Path, robot: &Embodiment) -> Result<Self, PolicyError> {
        let manifest = PolicyManifest::load(path)?;
        let run_on = RunOn::one_thread(manifest.model.provider);
        let folder = path.parent().unwrap_or_else(|| Path::new("."));
        Self::load_checked(manifest, folder, robot, run_on)
    }

    /// The same for a manifest in memory whose files lie in `folder`, on something else than the manifest says.
    ///
    /// # Errors
    /// As [`Policy::load`].
    pub fn load_on(
        manifest: PolicyManifest,
        folder: &Path,
        robot: impl Into<Embodiment>,
        run_on: RunOn,
    ) -> Result<Self, PolicyError> {
        Self::load_checked(manifest, folder, &robot.into(), run_on)
    }

    fn load_checked(
        manifest: PolicyManifest,
        folder: &Path,
        robot: &Embodiment,
        run_on: RunOn,
    ) -> Result<Self, PolicyError> {
        manifest.check()?;
        let mut policy = Self::unchecked(manifest, folder, robot, run_on)?;
        policy.warm_up()?;
        policy.check_golden(folder, robot)?;
        policy.latency = Latency::default();
        Ok(policy)
    }

    /// All but what runs the network.
    fn unchecked(
        manifest: PolicyManifest,
        folder: &Path,
        robot: &Embodiment,
        run_on: RunOn,
    ) -> Result<Self, PolicyError> {
        let program = ObservationProgram::compile(&manifest, robot)?;
        let decoder = ActionDecoder::compile(&manifest, robot)?;
        let network = Network::load(&manifest, folder, program.references(), run_on)?;
        let width = manifest.action_width();
        Ok(Self {
            references: program.references().iter().map(|(_, n)| vec![0.0; *n]).collect(),
            chunks: manifest.chunk.map(|spec| ChunkQueue::new(spec, width)),
            manifest,
            program,
            network,
            run_on,
            decoder,
            last_action: vec![0.0; width],
            started: None,
            last_good: None,
            repeated: 0,
            latency: Latency::default(),
            clock: monotonic,
            stages: StageTimes::default(),
        })
    }

    /// What it is made of, as after a reset, for something that runs it otherwise.
    pub(crate) fn into_parts(
        mut self,
    ) -> (PolicyManifest, ObservationProgram, ActionDecoder, Network) {
        self.forget();
        (self.manifest, self.program, self.decoder, self.network)
    }

    /// What was loaded.
    pub fn manifest(&self) -> &PolicyManifest {
        &self.manifest
    }

    /// What runs each node of the network: a provider that cannot run an operator leaves it to the CPU, which
    /// costs a copy to and fro.
    pub fn placements(&self) -> &[NodePlacement] {
        self.network.placements()
    }

    /// The nodes that fell back to the CPU though another provider was asked for.
    pub fn fallen_back(&self) -> Vec<&NodePlacement> {
        match self.run_on.provider {
            Provider::Cpu => Vec::new(),
            Provider::Cuda | Provider::Tensorrt => {
                self.placements().iter().filter(|node| node.is_on_cpu()).collect()
            }
        }
    }

    /// Time between two steps.
    pub fn period(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.manifest.rate_hz)
    }

    /// Empty command inputs, to be set by the caller before each step.
    pub fn command_inputs(&self) -> CommandInputs {
        self.program.command_inputs()
    }

    /// Starts an episode: joint targets are where the joints are, the last action is 0, nothing is
    /// remembered.
    ///
    /// # Errors
    /// [`PolicyError::ObservationStale`] if a joint that the policy moves is not measured; those of a run
    /// of the network where references are needed before the first tick.
    pub fn reset(&mut self, state: &RobotState) -> Result<(), PolicyError> {
        self.forget();
        self.decoder.reset(state)?;
        self.run_at_reset()
    }

    fn forget(&mut self) {
        self.last_action.fill(0.0);
        self.program.reset();
        self.network.reset();
        self.chunks.iter_mut().for_each(ChunkQueue::reset);
        (self.started, self.last_good) = (None, None);
    }

    /// References come from the run before, so there is one on zeros before the first tick.
    fn run_at_reset(&mut self) -> Result<(), PolicyError> {
        if self.references.is_empty() {
            return Ok(());
        }
        for (input, values) in self.program.values() {
            // A history is empty after a reset, so these are zeros.
            self.network.write(input, values);
        }
        self.network.run()?;
        self.network.references(&mut self.references);
        Ok(())
    }

    /// Whether the next step will run the network, and look at pictures: always, unless actions of a chunk are left.
    pub fn runs_next(&self) -> bool {
        self.chunks.as_ref().is_none_or(ChunkQueue::wants_chunk)
    }

    /// One tick, to be called at the manifest's rate. Real-time safe unless it fails.
    ///
    /// Returns the command in the order of the action: joint targets (rad, m, rad/s, m/s, N·m or N), velocities
    /// of the base (m/s or rad/s), or velocity (m/s, rad/s) or pose (m, rad) of a tool; then the width of a
    /// gripper (m).
    ///
    /// # Errors
    /// [`PolicyError::ObservationStale`], [`PolicyError::NotFinite`], [`PolicyError::WrongLayout`] or
    /// [`PolicyError::Onnx`]; the policy's memory and command are then as before the call.
    pub fn step(
        &mut self,
        state: &RobotState,
        commands: &CommandInputs,
    ) -> Result<&[f64], PolicyError> {
        match self.try_step(state, commands) {
            Ok(()) => {
                self.last_good = Some(state.stamp);
                Ok(self.decoder.output())
            }
            Err(error) if self.may_repeat(&error, state.stamp) => {
                self.repeated += 1;
                Ok(self.decoder.output())
            }
            Err(error) => Err(error),
        }
    }

    /// One tick in which something else commands the joints: the policy remembers it as if it had given that
    /// command itself, and can go on from there without a reset. The network is not run. Real-time safe
    /// unless it fails.
    ///
    /// # Errors
    /// [`PolicyError::ObservationStale`], [`PolicyError::NotFinite`] or [`PolicyError::WrongLayout`]: the tick is
    /// then missing in its memory.
    pub fn watch(
        &mut self,
        state: &RobotState,
        commands: &CommandInputs,
        command: &ActuatorCommand,
    ) -> Result<(), PolicyError> {
        let started = *self.started.get_or_insert(state.stamp);
        self.program.observe(&Observed {
            state,
            commands,
            last_action: &self.last_action,
            last_clipped: self.decoder.clipped(),
            references: &self.references,
            time_s: state.stamp.since(started).as_secs_f64(),
            runs: false,
        })?;
        self.decoder.follow(command, &mut self.last_action);
        Ok(())
    }

    fn may_repeat(&self, error: &PolicyError, now: Time) -> bool {
        let OnFault::Repeat { for_s } = self.manifest.on_fault else { return false };
        let within = |at| now.since(at) <= Duration::from_secs_f64(for_s);
        matches!(error, PolicyError::ObservationStale { .. }) && self.last_good.is_some_and(within)
    }

    fn try_step(
        &mut self,
        state: &RobotState,
        commands: &CommandInputs,
    ) -> Result<(), PolicyError> {
        let begun = (self.clock)();
        let started = *self.started.get_or_insert(state.stamp);
        let runs = self.runs_next();
        self.program.observe(&Observed {
            state,
            commands,
            last_action: &self.last_action,
            last_clipped: self.decoder.clipped(),
            references: &self.references,
            time_s: state.stamp.since(started).as_secs_f64(),
            runs,
        })?;
        if runs {
            for (input, values) in self.program.values() {
                self.network.write(input, values);
            }
        }
        let observed = (self.clock)();
        if runs {
            self.network.run()?;
            self.network.references(&mut self.references);
        }
        let ran = (self.clock)();
        match &mut self.chunks {
            None => {
                self.decoder.decode(self.network.action(), state)?;
                self.last_action.copy_from_slice(self.network.action());
            }
            Some(chunks) => {
                if runs {
                    chunks.take(self.network.action(), chunks.tick());
                }
                let action = chunks.advance();
                self.last_action.copy_from_slice(action);
                self.decoder.decode(&self.last_action, state)?;
            }
        }
        self.stages = StageTimes {
            observe: observed.saturating_sub(begun),
            run: ran.saturating_sub(observed),
            decode: (self.clock)().saturating_sub(ran),
        };
        self.latency.observe.record(self.stages.observe);
        if runs {
            self.latency.run.record(self.stages.run);
        }
        self.latency.decode.record(self.stages.decode);
        Ok(())
    }

    /// Puts the result of the last step into a command; what the policy does not command stays.
    pub fn write(&self, command: &mut ActuatorCommand) {
        self.decoder.write(command);
    }

    /// What went into each input of the graph in the last step: its name, and its values row by row.
    pub fn observations(&self) -> impl Iterator<Item = (&str, &[f32])> {
        let name = |input: usize| self.manifest.inputs[input].name();
        self.program.values().map(move |(input, values)| (name(input), values))
    }

    /// The network's action of the last good step; 0 after a reset.
    pub fn raw_action(&self) -> &[f32] {
        &self.last_action
    }

    /// The command of the last good step, in the order of the action.
    pub fn output(&self) -> &[f64] {
        self.decoder.output()
    }

    /// Ticks that repeated the last command, as `on_fault` allows, and ticks in which a term's last good
    /// values stood in.
    pub fn degraded(&self) -> (u64, u64) {
        (self.repeated, self.program.kept())
    }

    /// What the stages of the last good step took.
    pub fn stages(&self) -> StageTimes {
        self.stages
    }

    /// Times stages by another clock than the monotonic one, such as [`processor_time`].
    pub fn time_by(&mut self, clock: fn() -> Duration) {
        self.clock = clock;
    }

    /// Time spent in each stage since it was loaded.
    pub fn latency(&self) -> &Latency {
        &self.latency
    }

    /// Runs on zeros: the first runs allocate inside ONNX Runtime, and NaN weights show at once.
    fn warm_up(&mut self) -> Result<(), PolicyError> {
        let budget = self.manifest.budget;
        let mut times = Vec::with_capacity(budget.warm_up_runs as usize);
        self.forget();
        for run in 0..=budget.warm_up_runs {
            let begun = processor_time();
            self.network.run()?;
            // The first one allocates.
            if run > 0 {
                times.push(processor_time().saturating_sub(begun));
            }
        }
        times.sort_unstable();
        let p99 = times[(times.len() * 99).div_ceil(100) - 1];
        if p99.as_secs_f64() > budget.run_p99_s {
            let allowed = format!("what this machine needs, {p99:?}, or more");
            return Err(self.manifest.field_error("budget.run_p99_s", budget.run_p99_s, allowed));
        }
        Ok(())
    }

    fn check_golden(&mut self, folder: &Path, robot: &Embodiment) -> Result<(), PolicyError> {
        for case in 0..self.manifest.golden.cases.len() {
            self.network.reset();
            for (index, input) in self.manifest.inputs.iter().enumerate() {
                let values = &self.manifest.golden.cases[case].inputs[input.name()];
                if values.len() != self.network.width(index) {
                    return Err(self.manifest.field_error(
                        format!("golden.cases[{case}].inputs.{}", input.name()),
                        format!("{} values", values.len()),
                        format!("{} values", self.network.width(index)),
                    ));
                }
                self.network.write(index, values);
            }
            self.network.run()?;
            let expected = &self.manifest.golden.cases[case].action;
            let tolerance = self.manifest.golden.tolerance;
            let actual = self.network.action();
            if let Some((index, expected, actual)) = difference(expected, actual, tolerance) {
                return Err(PolicyError::Golden {
                    policy: self.manifest.id.clone(),
                    what: format!("case {case}, action"),
                    index,
                    expected,
                    actual,
                    tolerance,
                });
            }
        }
        if let Some(file) = self.manifest.golden.rollout.clone() {
            self.check_rollout_file(&folder.join(file), robot.layout())?;
        }
        self.forget();
        Ok(())
    }
}

/// Whether a number differs by more than the tolerance; NaN does.
pub(crate) fn is_off(expected: f64, actual: f64, tolerance: f64) -> bool {
    let difference = (expected - actual).abs();
    difference.is_nan() || difference > tolerance
}

/// The first element that differs by more than the tolerance.
pub(crate) fn difference(
    expected: &[f32],
    actual: &[f32],
    tolerance: f64,
) -> Option<(usize, f64, f64)> {
    let pairs = expected.iter().zip(actual).map(|(e, a)| (f64::from(*e), f64::from(*a)));
    pairs.enumerate().find_map(|(index, (expected, actual))| {
        is_off(expected, actual, tolerance).then_some((index, expected, actual))
    })
}

/// Processor time of this thread: other programs do not add to it.
pub fn processor_time() -> Duration {
    elapsed(ClockId::ThreadCPUTime)
}

fn monotonic() -> Duration {
    elapsed(ClockId::Monotonic)
}

fn elapsed(clock: ClockId) -> Duration {
    let now = clock_gettime(clock);
    Duration::new(now.tv_sec.unsigned_abs(), u32::try_from(now.tv_nsec).unwrap_or(0))
}
