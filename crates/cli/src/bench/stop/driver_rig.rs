use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use sinew_driver_mock::{MockControl, MockDriver};
use sinew_hardware::{
    Accepted, Cause, ControlHandle, ControlLoop, EmergencyStop, GateConfig, GroupSet,
    GroupTransition, LeaseRequest, Mode, Notice, OutputKind, RealTimeConfig, RealTimeRunner,
    Unconfigured, VoidReason, layout_of, monotonic_now,
};
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, BaseTwist, BootId, Layout, Source, Time};

use super::cause::{End, StopCause, mode_words};
use super::report::Trial;
use super::stuck_encoders::StuckEncoders;
use super::{AT_SPEED, COMMAND_PERIOD, TURN_RAD_S, WATCH, WITHIN};
use crate::interrupt;
use crate::share::share;

/// How long the slow bus blocks: longer than the watchdog bears.
const BLOCKED: Duration = Duration::from_millis(500);
/// Faster than the base may differ from its command: `monitor.tracking` in the robot's file.
const FAST_TURN_RAD_S: f64 = 1.0;
/// How often a robot is brought to speed before a trial is given up.
const ATTEMPTS: u32 = 5;
const BOOT_ID: BootId = BootId(1);

/// The mock driver under the real-time thread, commanded from here.
pub(super) struct DriverRig {
    runner: RealTimeRunner,
    handle: ControlHandle,
    mock: MockControl,
    are_stuck: Arc<AtomicBool>,
    layout: Layout,
    base: usize,
    command: ActuatorCommand,
    command_due: Instant,
    /// When the watchdog stopped the actuators last, ns on the monotonic clock.
    stopped_ns: Arc<AtomicU64>,
}

/// Notes when the driver's own stop is called.
struct TimedStop {
    inner: Box<dyn EmergencyStop>,
    at_ns: Arc<AtomicU64>,
}

impl EmergencyStop for TimedStop {
    fn stop(&mut self) {
        self.inner.stop();
        self.at_ns.store(monotonic_now().as_nanos(), Ordering::SeqCst);
    }
}

impl DriverRig {
    pub(super) fn new() -> Result<Self> {
        let model = RobotModel::load(share().join("urdf/mobi.robot.yaml"))?;
        let layout = layout_of(&model)?;
        let driver = MockDriver::new(layout.clone(), 2.0);
        let (mock, are_stuck) = (driver.control(), Arc::new(AtomicBool::new(false)));
        let driver = StuckEncoders::new(driver, Arc::clone(&are_stuck));
        let (inactive, inner) = Unconfigured::new(Box::new(driver)).configure()?;
        let (control, handle) = ControlLoop::new(inactive, GateConfig::from_robot(&model)?)?;
        let stopped_ns = Arc::new(AtomicU64::new(0));
        let stop = TimedStop { inner, at_ns: Arc::clone(&stopped_ns) };
        let runner = RealTimeRunner::spawn(control, Box::new(stop), RealTimeConfig::default())?;
        let Some(base) = layout.groups().iter().position(|group| group.name == "base") else {
            bail!("the robot has no group `base`");
        };
        let mut command = ActuatorCommand::unused(&layout);
        command.boot_id = BOOT_ID;
        command.valid_for = Duration::from_millis(500);
        let command_due = Instant::now();
        Ok(Self { runner, handle, mock, are_stuck, layout, base, command, command_due, stopped_ns })
    }

    /// Brings the robot to speed, has the driver fail, and watches that the robot stays stopped.
    pub(super) fn trial(&mut self, cause: StopCause, phase: Duration) -> Result<Trial> {
        let End::Stopped(mode, Some(latched)) = cause.end() else {
            bail!("`{}` is not brought about in a driver", cause.name());
        };
        for _ in 0..ATTEMPTS {
            let trial = self.attempt(cause, phase, mode, latched)?;
            let voided = self.handle.safety().groups[self.base].last_void;
            let is_by_cause = voided.is_some_and(|v| v.reason == VoidReason::Stopped(latched));
            // Else commands came too late for the lease first, as they may on a busy machine.
            if is_by_cause || trial.fault.is_some() {
                return Ok(trial);
            }
        }
        bail!("in {ATTEMPTS} attempts commands came too late to keep the robot in motion")
    }

    fn attempt(
        &mut self,
        cause: StopCause,
        phase: Duration,
        mode: Mode,
        latched: Cause,
    ) -> Result<Trial> {
        self.make_ready()?;
        let turn_rad_s = match cause {
            StopCause::StuckEncoder => FAST_TURN_RAD_S,
            _ => TURN_RAD_S,
        };
        self.bring_to_speed(turn_rad_s, phase)?;
        self.stopped_ns.store(0, Ordering::SeqCst);

        let at = monotonic_now();
        match cause {
            StopCause::StuckEncoder => self.are_stuck.store(true, Ordering::SeqCst),
            StopCause::StaleState => self.mock.freeze_state(true),
            StopCause::DriverError => self.mock.fail_reads(true),
            _ => self.mock.delay_next_read(BLOCKED),
        }
        let mut trial = match cause {
            StopCause::SlowBus => self.time_watchdog(at)?,
            _ => self.time_ramp(at)?,
        };
        trial.fault = self.watch(mode, latched)?;
        self.are_stuck.store(false, Ordering::SeqCst);
        self.mock.freeze_state(false);
        self.mock.fail_reads(false);
        Ok(trial)
    }

    /// A measured standstill cannot be had from a driver that does not measure: the set-point's counts.
    fn time_ramp(&mut self, at: Time) -> Result<Trial> {
        let mut trial = Trial::default();
        self.until("the stop", |this| {
            while let Some(transition) = this.base_transition() {
                let after = transition.done_at.since(at);
                if transition.output == OutputKind::Track {
                    continue;
                }
                if trial.to_ramp.is_none() {
                    trial.to_ramp = Some(after);
                    trial.lateness = Some(transition.lateness);
                }
                if transition.output != OutputKind::Ramp {
                    trial.to_standstill = Some(after);
                    return Some(());
                }
            }
            None
        })?;
        Ok(trial)
    }

    /// While the loop is blocked, the watchdog stops the actuators by the driver's own stop.
    fn time_watchdog(&mut self, at: Time) -> Result<Trial> {
        let stopped = self.until("the watchdog", |this| {
            let ns = this.stopped_ns.load(Ordering::SeqCst);
            (ns != 0).then(|| Time::from_nanos(ns).since(at))
        })?;
        self.until("the loop", |this| (this.handle.safety().mode == Mode::Fault).then_some(()))?;
        Ok(Trial { to_ramp: Some(stopped), to_standstill: Some(stopped), ..Trial::default() })
    }

    fn watch(&mut self, mode: Mode, cause: Cause) -> Result<Option<String>> {
        let since = Instant::now();
        let mut fault = None;
        while since.elapsed() < WATCH {
            self.step();
            while let Some(transition) = self.base_transition() {
                if transition.output == OutputKind::Track {
                    fault = Some("the robot was commanded again by itself".to_owned());
                }
            }
        }
        let safety = self.handle.safety();
        if safety.mode != mode || !safety.causes.contains(cause) {
            let causes: Vec<_> = safety.causes.iter().map(|cause| cause.as_str()).collect();
            fault = Some(format!(
                "ended in {} for [{}]; expected {} for [{cause}]",
                mode_words(safety.mode),
                causes.join(", "),
                mode_words(mode)
            ));
        }
        Ok(fault)
    }

    fn make_ready(&mut self) -> Result<()> {
        self.until("a measured state", |this| {
            this.handle.state().joints.iter().all(|joint| joint.valid).then_some(())
        })?;
        let mut asked_at: Option<Instant> = None;
        self.until("a robot that is ready", |this| {
            let (mode, powered) = (this.handle.safety().mode, this.handle.safety().powered);
            // Refused while it still moves: asked again.
            if asked_at.is_none_or(|at| at.elapsed() > Duration::from_millis(20)) {
                asked_at = Some(Instant::now());
                // The queue takes more than this loop asks.
                let _ = match mode {
                    Mode::Disarmed if !powered => this.handle.arm().map(|_| ()),
                    Mode::Ready | Mode::Disarmed => Ok(()),
                    _ => this.handle.reset().map(|_| ()),
                };
            }
            (mode == Mode::Ready).then_some(())
        })
    }

    /// Commands the robot until it is at speed, and `phase` longer. On a busy machine commands may come too
    /// late for the lease.
    fn bring_to_speed(&mut self, turn_rad_s: f64, phase: Duration) -> Result<()> {
        self.command.base = Some(BaseTwist { angular_z: turn_rad_s, ..BaseTwist::default() });
        for _ in 0..ATTEMPTS {
            self.acquire()?;
            self.until("motion", |this| {
                let base = this.handle.state().base?;
                let is_lost = this.handle.safety().groups[this.base].owner.is_none();
                (is_lost || base.angular_velocity.z > 0.9 * turn_rad_s).then_some(())
            })?;
            let since = Instant::now();
            while since.elapsed() < AT_SPEED + phase {
                self.step();
            }
            while self.handle.transition().is_some() {}
            if self.handle.safety().groups[self.base].output == OutputKind::Track {
                return Ok(());
            }
        }
        bail!("in {ATTEMPTS} attempts commands came too late to keep the robot in motion")
    }

    fn acquire(&mut self) -> Result<()> {
        let request = self.handle.acquire(LeaseRequest {
            source: Source::Skill,
            groups: GroupSet::named(&self.layout, ["base"])
                .map_err(|name| anyhow::anyhow!("the robot has no group `{name}`"))?,
            boot_id: BOOT_ID,
            command_period: COMMAND_PERIOD,
        })?;
        let lease = self.until("a lease", |this| {
            while let Some(notice) = this.handle.poll() {
                match notice {
                    Notice::Reply { request: of, result } if of == request => {
                        return Some(result);
                    }
                    _ => {}
                }
            }
            None
        })?;
        match lease {
            Ok(Accepted::Granted { lease, .. }) => {
                self.command.lease = lease;
                Ok(())
            }
            other => bail!("no lease: {other:?}"),
        }
    }

    fn base_transition(&mut self) -> Option<GroupTransition> {
        loop {
            let transition = self.handle.transition()?;
            if transition.group == self.base {
                return Some(transition);
            }
        }
    }

    /// Commands and beats, whatever the robot does, and lets a moment pass.
    fn step(&mut self) {
        if Instant::now() >= self.command_due {
            self.command_due += COMMAND_PERIOD;
            self.command.seq += 1;
            // Refused once the lease has ended, as it must be; and a blocked loop takes no heartbeats.
            let _ = self.handle.command(&self.command);
            let _ = self.handle.heartbeat(BOOT_ID);
        }
        std::thread::sleep(Duration::from_micros(500));
    }

    fn until<T>(&mut self, what: &str, mut poll: impl FnMut(&mut Self) -> Option<T>) -> Result<T> {
        let since = Instant::now();
        loop {
            if let Some(found) = poll(self) {
                return Ok(found);
            }
            if since.elapsed() > WITHIN {
                bail!("waited for {what} for {WITHIN:?}");
            }
            if interrupt::is_set() {
                bail!("interrupted");
            }
            if !self.runner.is_running() {
                bail!("the control thread has ended");
            }
            self.step();
        }
    }
}
