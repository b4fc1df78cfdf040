//! A policy whose network is slower than a tick: it runs on a thread of its own, ahead of the actions that it
//! gives.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use rtrb::{Consumer, Producer, RingBuffer};
use sinew_types::{ActuatorCommand, RobotState, Time};

use crate::act::ChunkQueue;
use crate::manifest::OnFault;
use crate::network::Network;
use crate::{
    ActionDecoder, CommandInputs, Embodiment, ObservationProgram, Observed, Policy, PolicyError,
    PolicyManifest,
};

/// Called on the network's thread before each run: to pin the thread, or to delay a test.
pub type BeforeRun = Box<dyn FnMut() + Send>;

/// Runs a policy of chunks in the background.
///
/// Each tick gives the action that the newest chunks have for it. A chunk is dated by the tick of its
/// observation, so that one that comes late is spliced by the actions that were really consumed meanwhile. Where
/// no action is left the last one is held, for as many ticks as the manifest allows. A reset drops whatever is
/// still being computed.
pub struct BackgroundPolicy {
    manifest: PolicyManifest,
    program: ObservationProgram,
    decoder: ActionDecoder,
    chunks: ChunkQueue,
    last_action: Vec<f32>,
    started: Option<Time>,
    has_begun: bool,
    /// Ticks until it had begun.
    waited: usize,
    held_in_a_row: usize,
    /// Resets so far: answers to questions of before are dropped.
    epoch: u64,
    /// The job while the network does not have it.
    job: Option<Box<Job>>,
    jobs: Producer<Box<Job>>,
    answers: Consumer<Box<Job>>,
    over: Arc<AtomicBool>,
    worker: Option<JoinHandle<()>>,
}

/// One run of the network.
struct Job {
    epoch: u64,
    tick: u64,
    /// In the order of the manifest's inputs; empty for those that the network itself remembers.
    inputs: Vec<Vec<f32>>,
    action: Vec<f32>,
    error: Option<PolicyError>,
}

impl BackgroundPolicy {
    /// Loads and checks a policy as [`crate::Policy::load`] does, and starts the network's thread.
    ///
    /// # Errors
    /// Those of [`crate::Policy::load`]; [`PolicyError::Field`] for a policy without chunks, one that repeats
    /// commands on a fault, or one that reads what its network gave in the run before.
    pub fn load(
        manifest: impl AsRef<Path>,
        robot: impl Into<Embodiment>,
        before_run: Option<BeforeRun>,
    ) -> Result<Self, PolicyError> {
        Self::load_file(manifest.as_ref(), &robot.into(), before_run)
    }

    /// Not generic, so that it is compiled once and not in each crate that calls it.
    fn load_file(
        path: &Path,
        robot: &Embodiment,
        before_run: Option<BeforeRun>,
    ) -> Result<Self, PolicyError> {
        // All checks, golden data among them; its network has run, so that the first run here is not its first one.
        let (manifest, program, decoder, network) = Policy::load(path, robot)?.into_parts();
        let Some(spec) = manifest.chunk else {
            let allowed = "given, for a network that runs in the background";
            return Err(manifest.field_error("chunk", "absent", allowed));
        };
        if manifest.on_fault != OnFault::End {
            let allowed = "end, for a network that runs in the background";
            return Err(manifest.field_error("on_fault", "repeat", allowed));
        }
        if let Some((name, _)) = program.references().first() {
            let allowed = "other sources, for a network that runs in the background";
            return Err(manifest.field_error("source: reference", name, allowed));
        }
        let width = manifest.action_width();
        let mut inputs: Vec<_> = manifest.inputs.iter().map(|_| Vec::new()).collect();
        for (input, values) in program.values() {
            inputs[input] = values.to_vec();
        }
        let job =
            Job { epoch: 0, tick: 0, inputs, action: vec![0.0; spec.length * width], error: None };
        let (jobs, jobs_out) = RingBuffer::new(1);
        let (answers_in, answers) = RingBuffer::new(1);
        let over = Arc::new(AtomicBool::new(false));
        let worker = {
            let over = Arc::clone(&over);
            std::thread::Builder::new()
                .name("policy-network".into())
                .spawn(move || serve(network, &over, jobs_out, answers_in, before_run))
                .map_err(|source| PolicyError::Thread { policy: manifest.id.clone(), source })?
        };
        Ok(Self {
            decoder,
            program,
            chunks: ChunkQueue::new(spec, width),
            manifest,
            last_action: vec![0.0; width],
            started: None,
            has_begun: false,
            waited: 0,
            held_in_a_row: 0,
            epoch: 0,
            job: Some(Box::new(job)),
            jobs,
            answers,
            over,
            worker: Some(worker),
        })
    }

    /// What was loaded.
    pub fn manifest(&self) -> &PolicyManifest {
        &self.manifest
    }

    /// Empty command inputs, to be set by the caller before each step.
    pub fn command_inputs(&self) -> CommandInputs {
        self.program.command_inputs()
    }

    /// Starts an episode. Real-time safe unless it fails.
    ///
    /// # Errors
    /// [`PolicyError::ObservationStale`] if a joint that the policy moves is not measured.
    pub fn reset(&mut self, state: &RobotState) -> Result<(), PolicyError> {
        self.last_action.fill(0.0);
        self.program.reset();
        self.chunks.reset();
        (self.started, self.has_begun) = (None, false);
        (self.waited, self.held_in_a_row) = (0, 0);
        self.epoch += 1;
        self.decoder.reset(state)
    }

    /// One tick, to be called at the manifest's rate; nothing before the first chunk has come, for which as many ticks are
    /// waited as it has actions. Real-time safe
    /// unless it fails: the network runs elsewhere.
    ///
    /// # Errors
    /// [`PolicyError::ObservationStale`], [`PolicyError::NotFinite`], [`PolicyError::WrongLayout`]; those of a
    /// run in the background; [`PolicyError::Late`] when there was no action for too many ticks.
    pub fn step(
        &mut self,
        state: &RobotState,
        commands: &CommandInputs,
    ) -> Result<Option<&[f64]>, PolicyError> {
        self.take_answer()?;
        let asks = self.job.is_some() && self.chunks.wants_chunk();
        let started = *self.started.get_or_insert(state.stamp);
        self.program.observe(&Observed {
            state,
            commands,
            last_action: &self.last_action,
            last_clipped: self.decoder.clipped(),
            references: &[],
            time_s: state.stamp.since(started).as_secs_f64(),
            runs: asks,
        })?;
        if let Some(mut job) = self.job.take_if(|_| asks) {
            for (input, values) in self.program.values() {
                job.inputs[input].copy_from_slice(values);
            }
            (job.epoch, job.tick) = (self.epoch, self.chunks.tick());
            // There is one job and one place.
            let _ = self.jobs.push(job);
            if let Some(worker) = &self.worker {
                worker.thread().unpark();
            }
        }
        if !self.has_begun {
            // A first chunk that takes longer than it lasts would be followed by a gap as long.
            let most = self.manifest.chunk_length();
            self.waited += 1;
            return match self.waited > most {
                true => Err(PolicyError::Late { policy: self.manifest.id.clone(), ticks: most }),
                false => Ok(None),
            };
        }
        let held = self.chunks.held();
        self.last_action.copy_from_slice(self.chunks.advance());
        let is_held = self.chunks.held() > held;
        self.held_in_a_row = if is_held { self.held_in_a_row + 1 } else { 0 };
        let most = self.manifest.chunk.map_or(0, |chunk| chunk.hold_ticks);
        if self.held_in_a_row > most {
            return Err(PolicyError::Late { policy: self.manifest.id.clone(), ticks: most });
        }
        self.decoder.decode(&self.last_action, state)?;
        Ok(Some(self.decoder.output()))
    }

    /// Puts the result of the last step into a command; what the policy does not command stays.
    pub fn write(&self, command: &mut ActuatorCommand) {
        self.decoder.write(command);
    }

    /// Whether the network is at work.
    pub fn is_running(&self) -> bool {
        self.job.is_none() && self.answers.is_empty()
    }

    /// Blocks until the network is not at work: for a simulation whose time stands still meanwhile.
    pub fn wait(&self) {
        while self.is_running() && self.worker.as_ref().is_some_and(|worker| !worker.is_finished())
        {
            std::thread::sleep(Duration::from_micros(50));
        }
    }

    /// Ticks since the reset for which no action was left.
    pub fn held(&self) -> u64 {
        self.chunks.held()
    }

    fn take_answer(&mut self) -> Result<(), PolicyError> {
        let Ok(mut job) = self.answers.pop() else { return Ok(()) };
        let error = job.error.take();
        let is_asked_for = job.epoch == self.epoch;
        if is_asked_for && error.is_none() {
            // Before the first one nothing was consumed, however long it took.
            let from = if self.has_begun { job.tick } else { self.chunks.tick() };
            self.chunks.take(&job.action, from);
            self.has_begun = true;
        }
        self.job = Some(job);
        match error.filter(|_| is_asked_for) {
            Some(error) => Err(error),
            None => Ok(()),
        }
    }
}

impl Drop for BackgroundPolicy {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Release);
        if let Some(worker) = self.worker.take() {
            worker.thread().unpark();
            let _ = worker.join();
        }
    }
}

fn serve(
    mut network: Network,
    over: &AtomicBool,
    mut jobs: Consumer<Box<Job>>,
    mut answers: Producer<Box<Job>>,
    mut before_run: Option<BeforeRun>,
) {
    let mut epoch = 0;
    while !over.load(Ordering::Acquire) {
        let Ok(mut job) = jobs.pop() else {
            std::thread::park();
            continue;
        };
        if job.epoch != epoch {
            epoch = job.epoch;
            network.reset();
        }
        if let Some(before_run) = &mut before_run {
            before_run();
        }
        for (input, values) in job.inputs.iter().enumerate() {
            if !values.is_empty() {
                network.write(input, values);
            }
        }
        job.error = network.run().err();
        if job.error.is_none() {
            job.action.copy_from_slice(network.action());
        }
        let _ = answers.push(job);
    }
}
