use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use sinew_hardware::{
    Accepted, ControlHandle, Deadlines, GroupSet, LeaseRequest, LoopStats, Mode, Notice,
    RealTimeConfig, RequestId, monotonic_now, thread_cpu_time,
};
use sinew_policy::{InputSpec, Policy, PolicyHost, Rollout, Source as TermSource};
use sinew_types::{ActuatorCommand, BootId, GroupKind, JointCommand, Layout, LeaseId, Source};

use super::RunPlan;
use super::double::Double;
use super::report::RunReport;
use crate::bench::stats::{Misses, Sample, Tail, Unexplained, bars};
use crate::bench::thread_counts::ThreadCounts;
use crate::interrupt;

/// Whatever is waited for comes within this time.
const WITHIN: Duration = Duration::from_secs(10);
const BOOT_ID: BootId = BootId(1);
/// How often the work of a tick is done once more at most: a machine that stalls may do so for some milliseconds, while
/// work that is slow by itself is slow each time.
const MOST_REPEATS: u32 = 20;

/// A policy under its lease, from arming the robot to the last tick.
pub(super) struct Session<'a> {
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

impl<'a> Session<'a> {
    pub(super) fn new(
        plan: &'a RunPlan,
        layout: Layout,
        handle: ControlHandle,
        host: PolicyHost,
        double: Option<Double>,
    ) -> Self {
        Self {
            record: plan.record.is_some().then(|| Rollout::exact(&layout)),
            layout,
            handle,
            lease: LeaseId::default(),
            host,
            double,
            degraded: (0, 0),
            plan,
            seq: 0,
        }
    }

    /// Lets go of the robot, which comes to rest.
    pub(super) fn release(&mut self) {
        // Where this cannot be asked for any more, the end of the loop stops the robot.
        let _ = self.handle.release(self.lease);
    }

    /// All ticks, if the plan wants them.
    pub(super) fn record(&self) -> Option<&Rollout> {
        self.record.as_ref()
    }

    /// Arms the robot and runs the policy to the end of its time, or to Ctrl-C.
    pub(super) fn drive(&mut self) -> Result<RunReport> {
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
