//! A policy alone on a robot: the control loop on its own thread, the policy at its rate on this one.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use serde::Serialize;
use sinew_driver_mock::MockDriver;
use sinew_driver_servo::ServoDriver;
use sinew_driver_sim::{SimDriver, World};
use sinew_hardware::{
    Accepted, ControlHandle, ControlLoop, Deadlines, GateConfig, GroupSet, HardwareInterface,
    LeaseRequest, LoopStats, Mode, Notice, RealTimeConfig, RealTimeRunner, RequestId, Unconfigured,
    monotonic_now, thread_cpu_time,
};
use sinew_policy::{
    CommandInputs, Embodiment, InputSpec, Policy, PolicyError, PolicyHost, PolicyManifest, Rollout,
    RunOn, Source as TermSource,
};
use sinew_robot::RobotModel;
use sinew_types::{
    ActuatorCommand, BootId, GroupKind, JointCommand, Layout, LeaseId, RobotState, Source, Time,
};

use super::policy_watch::{PolicyFiles, PolicyWatch};
use super::stats::{Misses, Sample, Tail, Unexplained, bars, short};
use super::thread_counts::ThreadCounts;
use crate::exit::refused;
use crate::interrupt;
use crate::output::table;

/// Whatever is waited for comes within this time.
const WITHIN: Duration = Duration::from_secs(10);
/// How long joint targets take to change from those of a policy to those of the one that takes over.
const BLEND: Duration = Duration::from_millis(200);
const BOOT_ID: BootId = BootId(1);
/// How often the work of a tick is done once more at most: a machine that stalls may do so for some milliseconds, while
/// work that is slow by itself is slow each time.
const MOST_REPEATS: u32 = 20;

/// What drives the joints.
#[derive(Clone, Debug)]
pub(crate) enum Plant {
    /// Joints are where they are commanded to be.
    Mock(PathBuf),
    /// A simulated world, in real time.
    Sim(PathBuf),
    /// Servos on a bus.
    Servo(PathBuf),
}

/// What is run.
pub(crate) struct RunPlan {
    pub(crate) manifest: PathBuf,
    pub(crate) plant: Plant,
    pub(crate) seconds: u32,
    /// Another rate than the policy's own, Hz.
    pub(crate) rate_hz: Option<f64>,
    /// Values of commands, by name; zeros for the others.
    pub(crate) values: Vec<(String, Vec<f64>)>,
    /// Where the ticks are taken down.
    pub(crate) record: Option<PathBuf>,
    /// Whether the policy is loaded anew when its files change.
    pub(crate) watch: bool,
    /// Whether the work of ticks that were missed is done once more, to tell whose the processor time was.
    pub(crate) judges: bool,
}

/// What `sinew policy run --json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct RunReport {
    policy: String,
    rate_hz: f64,
    seconds: u32,
    ticks: usize,
    lateness: Tail,
    work: Tail,
    cpu: Tail,
    misses: Misses,
    /// Of the explained ones, those whose work was done once more to tell.
    done_again: usize,
    /// The first of those that are not explained.
    unexplained: Vec<Unexplained>,
    /// Ticks that repeated a command, and ticks that used old values, as the manifest allows.
    repeated: u64,
    kept: u64,
    /// Of the control loop beside it.
    loop_cycles: u64,
    loop_missed: u64,
    /// How often a policy that was loaded anew took over.
    swaps: u64,
    #[serde(skip)]
    histogram: String,
}

impl RunReport {
    /// Whether every missed tick is the machine's, not the policy's.
    pub(crate) fn is_explained(&self) -> bool {
        self.misses.explained == self.misses.total
    }
}

/// Runs it to the end of its time, or to Ctrl-C; the robot is at rest afterwards.
pub(crate) fn run(plan: &RunPlan) -> Result<RunReport> {
    let (model, driver) = plant(&plan.plant)?;
    let gate = GateConfig::from_robot(&model)?;
    let fallback = sinew_nodes::fallback_of(&model).map_err(|error| anyhow!("{error}"))?;
    let (inactive, stop) = Unconfigured::new(driver).configure()?;
    let layout = inactive.layout().clone();
    let robot = Embodiment::new(&layout, Arc::new(model));
    // Before it is loaded: what changes meanwhile is a change.
    let files = PolicyFiles::of(&plan.manifest);
    let policy = load(plan, &robot)?;
    let double = match plan.judges {
        true => Some(Double::new(load(plan, &robot)?, &layout)),
        false => None,
    };
    let values = plan.values.clone();
    let accepts = Box::new(move |policy: &Policy| accept(policy, &values));
    let (host, loader) = PolicyHost::with_policy(policy, robot, BLEND, accepts);
    let _watch = plan.watch.then(|| PolicyWatch::start(files, loader));
    let (control, handle) = ControlLoop::with_fallback(inactive, gate, fallback)?;
    let runner = RealTimeRunner::spawn(control, stop, RealTimeConfig::default())?;
    let mut session = Session {
        record: plan.record.is_some().then(|| Rollout::exact(&layout)),
        layout,
        handle,
        lease: LeaseId::default(),
        host,
        double,
        degraded: (0, 0),
        plan,
        seq: 0,
    };
    let made = session.drive();
    // At rest, and switched off, whatever became of it.
    let _ = session.handle.release(session.lease);
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let loop_counts = (count(&runner.stats().ticks), count(&runner.stats().missed));
    let stopped = runner.stop();
    let mut report = made?;
    if stopped.is_none() {
        bail!("the control thread had panicked; the actuators were stopped");
    }
    (report.loop_cycles, report.loop_missed) = loop_counts;
    if let (Some(path), Some(record)) = (&plan.record, &session.record) {
        std::fs::write(path, serde_json::to_string(record)?)
            .with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    Ok(report)
}

fn plant(plant: &Plant) -> Result<(RobotModel, Box<dyn HardwareInterface>)> {
    Ok(match plant {
        Plant::Mock(robot) => {
            let model = RobotModel::load(robot).map_err(refused)?;
            let driver = MockDriver::of_robot(&model)?;
            (model, Box::new(driver))
        }
        Plant::Sim(world) => {
            let world = World::load(world).map_err(refused)?;
            let model = world.robot().clone();
            let scene = world.scene()?;
            let (driver, _) = SimDriver::new(world, &scene)?;
            (model, Box::new(driver))
        }
        Plant::Servo(robot) => {
            let model = RobotModel::load(robot).map_err(refused)?;
            let driver = ServoDriver::from_robot(&model)?;
            (model, Box::new(driver))
        }
    })
}

fn load(plan: &RunPlan, robot: &Embodiment) -> Result<Policy> {
    let mut manifest = PolicyManifest::load(&plan.manifest).map_err(refused)?;
    if let Some(rate_hz) = plan.rate_hz {
        manifest = manifest.at_rate(rate_hz);
    }
    let folder = plan.manifest.parent().unwrap_or(std::path::Path::new("."));
    let run_on = RunOn::one_thread(manifest.model.provider);
    let policy = Policy::load_on(manifest, folder, robot, run_on).map_err(refused)?;
    accept(&policy, &plan.values).map_err(refused)?;
    Ok(policy)
}

/// Whether a policy can be run with these values of its commands, and nothing else.
fn accept(policy: &Policy, values: &[(String, Vec<f64>)]) -> Result<(), PolicyError> {
    let mut inputs = policy.command_inputs();
    if let Some(camera) = inputs.cameras().next() {
        return Err(PolicyError::Field {
            policy: policy.manifest().id.clone(),
            field: "inputs".into(),
            value: format!("a picture of camera `{camera}`"),
            allowed: "what needs no camera: nothing gives pictures here".into(),
        });
    }
    values.iter().try_for_each(|(name, values)| inputs.set(name, values, Time::ZERO))
}

/// The policy a second time, which does a tick's work without a trace in what the first one remembers.
struct Double {
    policy: Policy,
    command: ActuatorCommand,
}

impl Double {
    fn new(policy: Policy, layout: &Layout) -> Self {
        Self { policy, command: ActuatorCommand::unused(layout) }
    }

    /// A whole tick on this state, the network's run included, which a tick of a chunk may do without. None if
    /// it fails.
    fn step(&mut self, state: &RobotState, inputs: &CommandInputs) -> Option<()> {
        self.policy.reset(state).ok()?;
        self.policy.step(state, inputs).ok()?;
        self.policy.write(&mut self.command);
        Some(())
    }
}

struct Session<'a> {
    layout: Layout,
    handle: ControlHandle,
    lease: LeaseId,
    host: PolicyHost,
    double: Option<Double>,
    /// Of the policies that are over.
    degraded: (u64, u64),
    plan: &'a RunPlan,
    seq: u64,
    record: Option<Rollout>,
}

impl Session<'_> {
    fn drive(&mut self) -> Result<RunReport> {
        let mut commands = self.commands()?;
        self.until("a state of all joints", |this| {
            this.handle.state().joints.iter().all(|joint| joint.valid).then_some(())
        })?;
        let armed = self.handle.arm()?;
        self.answer(armed, "the robot is not armed")?;
        self.until("an armed robot", |this| {
            (this.handle.safety().mode == Mode::Ready).then_some(())
        })?;
        self.lease = self.acquire()?;
        let mut command = self.first_command()?;
        let period = self.policy()?.period();
        let budget = self.budget()?;
        let capacity = (f64::from(self.plan.seconds) / period.as_secs_f64()) as usize + 2;
        let mut samples = Vec::with_capacity(capacity);

        // Behind the control loop, before everything else.
        let priority = RealTimeConfig::default().fifo_priority.map(|own| own.saturating_sub(1));
        LoopStats::default().prepare_thread(priority.filter(|own| *own > 0), false);
        let mut deadlines = Deadlines::from_now(period);
        let end = monotonic_now() + Duration::from_secs(self.plan.seconds.into());
        while monotonic_now() < end && !interrupt::is_set() {
            let (deadline, before) = (deadlines.next(), ThreadCounts::now());
            let (started, cpu_before) = (monotonic_now(), thread_cpu_time());
            self.tick(&mut commands, &mut command)?;
            let (cpu, ended) = (thread_cpu_time().saturating_sub(cpu_before), monotonic_now());
            let met = ThreadCounts::now().since(before);
            let missed = deadlines.advance(ended) > 0;
            // Memory that was not there costs time that is the policy's own, and is there the next time.
            let is_doubtful = missed && met == ThreadCounts::default();
            let mut again = None;
            if is_doubtful && cpu > budget {
                again = self.again(&mut command, budget);
                let now = monotonic_now();
                if now >= deadlines.next() {
                    // Those that passed meanwhile are no ticks of the policy's.
                    deadlines.advance(now);
                }
            }
            samples.push(Sample {
                lateness: started.since(deadline),
                work: ended.since(started),
                cpu,
                again,
                met,
                missed,
                followed: true,
            });
            deadlines.sleep();
        }
        self.report(&samples)
    }

    fn tick(
        &mut self,
        commands: &mut Vec<(String, Vec<f64>)>,
        command: &mut ActuatorCommand,
    ) -> Result<()> {
        while let Some(notice) = self.handle.poll() {
            if let Notice::LeaseVoided(voided) = notice {
                bail!("the gate took the robot away: {}", voided.reason);
            }
        }
        let (swaps, degraded) = (self.host.swaps(), self.policy()?.degraded());
        self.host.take_orders(command);
        if self.host.swaps() != swaps {
            *commands = self.commands()?;
            // It is another's.
            self.double = None;
            self.degraded.0 += degraded.0;
            self.degraded.1 += degraded.1;
        }
        let Self { handle, host, .. } = self;
        let state = &handle.snapshot().state;
        if let Some(inputs) = host.inputs() {
            for (name, values) in commands {
                inputs.set(name, values, state.stamp)?;
            }
        }
        // On the state of its first tick, from which a replay begins too.
        host.step(state, command)?;
        command.tick = state.tick;
        if let (Some(record), Some((policy, inputs))) = (&mut self.record, host.running()) {
            record.record(policy, state, inputs);
        }
        self.send(command);
        Ok(())
    }

    fn send(&mut self, command: &mut ActuatorCommand) {
        self.seq += 1;
        (command.lease, command.seq, command.boot_id) = (self.lease, self.seq, BOOT_ID);
        // A refusal is counted by the gate, and ends the lease if it lasts.
        let _ = self.handle.command(command);
        let _ = self.handle.heartbeat(BOOT_ID);
    }

    /// Processor time of the last tick's work once more: the least of a few times, since what disturbed it may last.
    fn again(&mut self, command: &mut ActuatorCommand, budget: Duration) -> Option<Duration> {
        let mut least: Option<Duration> = None;
        for _ in 0..MOST_REPEATS {
            let before = thread_cpu_time();
            let Self { handle, host, double, .. } = self;
            let (_, inputs) = host.running()?;
            double.as_mut()?.step(&handle.snapshot().state, inputs)?;
            self.send(command);
            let took = thread_cpu_time().saturating_sub(before);
            least = Some(least.map_or(took, |least| least.min(took)));
            if took <= budget {
                break;
            }
        }
        least
    }

    /// Processor time of a tick within which a miss is not the policy's.
    fn budget(&self) -> Result<Duration> {
        let policy = self.policy()?;
        let run_p99 = Duration::from_secs_f64(policy.manifest().budget.run_p99_s);
        Ok(run_p99.min(policy.period() / 2))
    }

    /// The policy that runs. It is never stopped.
    fn policy(&self) -> Result<&Policy> {
        self.host.policy().context("no policy runs")
    }

    /// The values of every command that the policy takes.
    fn commands(&self) -> Result<Vec<(String, Vec<f64>)>> {
        let mut all: Vec<(String, Vec<f64>)> = Vec::new();
        for input in &self.policy()?.manifest().inputs {
            let InputSpec::Observation { terms, .. } = input else { continue };
            for term in terms.iter().filter(|term| term.source == TermSource::Command) {
                let name = term.name.clone().unwrap_or_default();
                if all.iter().all(|(known, _)| *known != name) {
                    let given = self.plan.values.iter().find(|(given, _)| *given == name);
                    let values =
                        given.map_or_else(|| vec![0.0; term.width()], |(_, values)| values.clone());
                    all.push((name, values));
                }
            }
        }
        Ok(all)
    }

    fn acquire(&mut self) -> Result<LeaseId> {
        let policy = self.policy()?;
        let groups = policy.manifest().groups(&self.layout);
        let names = groups.iter().map(|group| self.layout.groups()[*group].name.as_str());
        let groups =
            GroupSet::named(&self.layout, names).map_err(|group| anyhow!("no group `{group}`"))?;
        let request = LeaseRequest {
            source: Source::Skill,
            groups,
            boot_id: BOOT_ID,
            command_period: policy.period(),
        };
        let asked = self.handle.acquire(request)?;
        match self.answer(asked, "the robot cannot be commanded")? {
            Accepted::Granted { lease, .. } => Ok(lease),
            _ => bail!("the robot cannot be commanded: no lease was granted"),
        }
    }

    /// The gate's answer to a request; a refusal is an error.
    fn answer(&mut self, asked: RequestId, otherwise: &str) -> Result<Accepted> {
        let result = self.until("an answer of the gate", |this| {
            while let Some(notice) = this.handle.poll() {
                if let Notice::Reply { request, result } = notice
                    && request == asked
                {
                    return Some(result);
                }
            }
            None
        })?;
        result.map_err(|refusal| anyhow!("{otherwise}: {refusal}"))
    }

    /// Joints of the leased groups that the policy does not command stay where they are.
    fn first_command(&mut self) -> Result<ActuatorCommand> {
        let mut command = ActuatorCommand::unused(&self.layout);
        let policy = self.policy()?;
        command.valid_for = (policy.period() * 3).max(Duration::from_millis(100));
        let groups = policy.manifest().groups(&self.layout);
        let state = self.handle.state();
        for group in groups.iter().map(|group| &self.layout.groups()[*group]) {
            let follows_positions = group.kind == GroupKind::Joints;
            for joint in group.joints.iter().filter(|_| follows_positions) {
                command.joints[*joint] = JointCommand::position(state.joints[*joint].position);
            }
        }
        Ok(command)
    }

    fn until<T>(&mut self, what: &str, mut poll: impl FnMut(&mut Self) -> Option<T>) -> Result<T> {
        let since = Instant::now();
        loop {
            if let Some(found) = poll(self) {
                return Ok(found);
            }
            if since.elapsed() > WITHIN || interrupt::is_set() {
                bail!("waited for {what} for {:?}", since.elapsed());
            }
            let _ = self.handle.heartbeat(BOOT_ID);
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    fn report(&self, samples: &[Sample]) -> Result<RunReport> {
        let policy = self.policy()?;
        let manifest = policy.manifest();
        let tail = |of: fn(&Sample) -> Duration| Tail::of(samples.iter().map(of));
        let (Some(lateness), Some(work), Some(cpu)) =
            (tail(|s| s.lateness), tail(|s| s.work), tail(|s| s.cpu))
        else {
            bail!("interrupted before the first tick");
        };
        let (repeated, kept) = policy.degraded();
        let (repeated, kept) = (repeated + self.degraded.0, kept + self.degraded.1);
        let (period, budget) = (policy.period(), self.budget()?);
        let explained = samples.iter().filter(|sample| sample.is_explained(period, budget));
        Ok(RunReport {
            policy: manifest.id.clone(),
            rate_hz: manifest.rate_hz,
            seconds: self.plan.seconds,
            ticks: samples.len(),
            lateness,
            work,
            cpu,
            misses: Misses::among(samples, period, budget),
            unexplained: Unexplained::among(samples, period, budget),
            done_again: explained.filter(|sample| sample.again.is_some()).count(),
            repeated,
            kept,
            loop_cycles: 0,
            loop_missed: 0,
            swaps: self.host.swaps(),
            histogram: bars(samples.iter().map(|sample| sample.lateness)),
        })
    }
}

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} at {} Hz for {} s: {} ticks",
            self.policy, self.rate_hz, self.seconds, self.ticks
        )?;
        let mut rows = vec![["", "p50", "p99", "max"].map(String::from).to_vec()];
        for (name, tail) in
            [("lateness", self.lateness), ("work", self.work), ("processor time", self.cpu)]
        {
            let mut cells = vec![name.to_owned()];
            cells.extend([tail.p50_s, tail.p99_s, tail.max_s].map(short));
            rows.push(cells);
        }
        write!(f, "{}\nlateness of a tick\n{}", table(&rows), self.histogram)?;
        writeln!(
            f,
            "missed ticks: {}, {} explained, {} of them by their work done again; control loop: {} of {} cycles missed; degraded: {} repeated, {} \
             with old values; policies loaded anew: {}",
            self.misses.total,
            self.misses.explained,
            self.done_again,
            self.loop_missed,
            self.loop_cycles,
            self.repeated,
            self.kept,
            self.swaps
        )?;
        self.unexplained.iter().try_for_each(|miss| writeln!(f, "not explained: {miss}"))
    }
}
