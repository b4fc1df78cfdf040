use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::Signal;
use sinew_bus::{Bus, BusNode, ServiceClient, Subscription, Waiter, names};
use sinew_driver_servo::emulator::ServoView;
use sinew_hardware::{Mode, monotonic_now};
use sinew_msgs::sinew_msgs::{GroupOwner, GroupTransition, RobotTick, SafetyState};
use sinew_msgs::std_srvs::TriggerRequest;
use sinew_msgs::std_srvs::srv::Trigger;
use sinew_nodes::convert::duration_from_msg;
use sinew_types::Time;

use super::cause::{End, StopCause, mode_words};
use super::report::Trial;
use super::source::{Order, SourceKind};
use super::source_process::{SourceProcess, Victim};
use super::subject::Subject;
use super::{AT_SPEED, TURN_RAD_S, WATCH, WITHIN};
use crate::carrier::CarrierArgs;
use crate::interrupt;
use crate::process::router::Router;

const NAMESPACE: &str = "/bench";
/// The servo that is looked at: the first joint of the arm.
const SERVO: u8 = 1;
/// A servo that moves as it is commanded is faster than this, ticks/s.
const SERVO_AT_SPEED: f64 = 300.0;
/// A servo that stands is slower than this, ticks/s.
const SERVO_STILL: f64 = 1.0;
/// How often a robot is brought to speed before a trial is given up.
const ATTEMPTS: u32 = 5;
/// Messages of a process that is gone are on their way for this long at most.
const IN_FLIGHT: Duration = Duration::from_millis(100);

/// Hardware and sources as processes, at a zenoh router in this one.
pub(super) struct ProcessRig {
    // In the order in which they end: who commands before who obeys.
    skills: Option<SourceProcess>,
    teleop: Option<SourceProcess>,
    hardware: Option<Victim>,
    transitions: Subscription<GroupTransition>,
    safety: Subscription<SafetyState>,
    newest: Option<SafetyState>,
    ticks: Subscription<RobotTick>,
    e_stop: ServiceClient<Trigger>,
    node: BusNode,
    waiter: Waiter,
    carrier: CarrierArgs,
    subject: Subject,
    _router: Router,
}

impl ProcessRig {
    pub(super) fn new(subject: Subject) -> Result<Self> {
        let (router, endpoint) = Router::at_free_port()?;
        let carrier = CarrierArgs::zenoh(endpoint);
        let bus: Bus = carrier.client()?;
        let node = bus.node("bench", NAMESPACE)?;
        Ok(Self {
            skills: None,
            teleop: None,
            hardware: None,
            transitions: node.subscription(&names::TRANSITIONS)?,
            safety: node.subscription(&names::SAFETY_STATE)?,
            newest: None,
            ticks: node.subscription(&names::ROBOT_TICK)?,
            e_stop: node.service_client(&names::E_STOP_TRIGGER)?,
            node,
            waiter: bus.waiter(),
            carrier,
            subject,
            _router: router,
        })
    }

    /// Brings the robot to speed, stops it by the cause, and watches that it stays stopped.
    pub(super) fn trial(&mut self, cause: StopCause, phase: Duration) -> Result<Trial> {
        let kind = if cause.is_teleop() { SourceKind::Teleop } else { SourceKind::Skills };
        self.bring_to_speed(kind, phase)?;
        match cause.end() {
            End::Silence => self.silence(cause),
            End::Watchdog => self.watchdog(cause),
            End::GoesOn => self.goes_on(phase),
            End::Stopped(mode, latched) => {
                let at = self.bring_about(cause, kind)?;
                let mut trial = self.time_stop(at)?;
                if cause == StopCause::SkillsSuspended {
                    self.source(kind)?.victim.signal(Signal::CONT)?;
                }
                trial.fault = self.watch(mode, latched.map(|cause| cause.as_str()))?;
                self.let_go(cause, kind);
                Ok(trial)
            }
        }
    }

    /// Does what stops the robot; gives when, on the monotonic clock.
    fn bring_about(&mut self, cause: StopCause, kind: SourceKind) -> Result<Time> {
        let now = monotonic_now();
        match cause {
            StopCause::EStopService => {
                // The call's own answer is not waited for: the robot's is.
                let _ = self.e_stop.call(&TriggerRequest::default());
            }
            StopCause::SkillsKilled => self.source(kind)?.victim.signal(Signal::KILL)?,
            StopCause::SkillsSuspended => self.source(kind)?.victim.signal(Signal::STOP)?,
            StopCause::SessionClosed => return self.source(kind)?.order(Order::Close),
            StopCause::DeadManReleased => return self.source(kind)?.order(Order::Release),
            StopCause::JoystickSilent => return self.source(kind)?.order(Order::Silence),
            StopCause::NanCommand => return self.source(kind)?.order(Order::Nan),
            other => bail!("`{}` is not brought about by a source", other.name()),
        }
        Ok(now)
    }

    /// Sources that cannot command again are started anew in the next trial.
    fn let_go(&mut self, cause: StopCause, kind: SourceKind) {
        if matches!(cause, StopCause::SkillsKilled | StopCause::SessionClosed) {
            match kind {
                SourceKind::Skills => self.skills = None,
                SourceKind::Teleop => self.teleop = None,
            }
        }
    }

    fn time_stop(&mut self, at: Time) -> Result<Trial> {
        let mut trial = Trial::default();
        self.until("the stop", |this| {
            while let Some(transition) = this.next_transition() {
                let after = monotonic(&transition).since(at);
                if transition.output_kind == GroupOwner::OUTPUT_TRACK || after.is_zero() {
                    continue;
                }
                if trial.to_ramp.is_none() {
                    trial.to_ramp = Some(after);
                    trial.lateness = Some(duration_from_msg(&transition.lateness));
                }
                if transition.still {
                    trial.to_standstill = Some(after);
                    return Some(());
                }
            }
            None
        })?;
        Ok(trial)
    }

    /// What is wrong once the robot stands: another mode or cause than expected, or motion.
    fn watch(&mut self, mode: Mode, cause: Option<&str>) -> Result<Option<String>> {
        let since = Instant::now();
        let mut fault = None;
        while since.elapsed() < WATCH {
            while let Some(transition) = self.next_transition() {
                if transition.output_kind == GroupOwner::OUTPUT_TRACK || !transition.still {
                    fault = Some("the robot moved again by itself".to_owned());
                }
            }
            self.take_safety();
            self.waiter.wait(Duration::from_millis(5));
        }
        let Some(safety) = &self.newest else { bail!("no safety state was heard") };
        let is_owned = safety.owners.iter().any(|owner| owner.source != 0);
        let is_latched = match cause {
            Some(cause) => safety.causes.iter().any(|latched| latched == cause),
            None => safety.causes.is_empty(),
        };
        if safety.mode != mode_to_msg(mode) || !is_latched || is_owned {
            fault = Some(format!(
                "ended in mode {} for [{}]{}; expected {} for [{}]",
                safety.mode,
                safety.causes.join(", "),
                if is_owned { ", owned" } else { "" },
                mode_words(mode),
                cause.unwrap_or_default()
            ));
        }
        Ok(fault)
    }

    /// Clocks of the source jump, and the robot goes on. A jump that mattered would stop it each time, a
    /// busy machine does now and then.
    fn goes_on(&mut self, phase: Duration) -> Result<Trial> {
        let mut is_stopped = true;
        for _ in 0..ATTEMPTS {
            self.source(SourceKind::Skills)?.order(Order::Jump)?;
            std::thread::sleep(WATCH * 2);
            is_stopped = self.is_let_go();
            if !is_stopped {
                break;
            }
            self.bring_to_speed(SourceKind::Skills, phase)?;
        }
        // Its clock jumps for good. A source that is replaced while it commands would be one more cause.
        self.source(SourceKind::Skills)?.order(Order::Silence)?;
        let mut is_let_go = is_stopped;
        self.until("rest", |this| {
            is_let_go |= this.is_let_go();
            is_let_go.then_some(())
        })?;
        self.skills = None;
        let fault = is_stopped.then(|| "the robot was stopped".to_owned());
        Ok(Trial { fault, ..Trial::default() })
    }

    /// The hardware process is gone or stands still: what it wrote last is the end.
    fn silence(&mut self, cause: StopCause) -> Result<Trial> {
        let Some(mut hardware) = self.hardware.take() else { bail!("no hardware process") };
        let at = monotonic_now();
        if cause == StopCause::HardwareKilled {
            hardware.signal(Signal::KILL)?;
            hardware.wait_ended()?;
        } else {
            hardware.signal(Signal::STOP)?;
            hardware.wait_stopped()?;
        }
        let trial = Trial { to_standstill: Some(monotonic_now().since(at)), ..Trial::default() };
        std::thread::sleep(IN_FLIGHT);
        while self.ticks.take().is_some() || self.transitions.take().is_some() {}
        std::thread::sleep(WATCH);
        if self.ticks.take().is_some() || self.transitions.take().is_some() {
            return Ok(Trial::failed("the hardware process still speaks".into()));
        }
        Ok(trial)
    }

    /// The hardware process of servos is gone or stands still: they stop when they have heard nothing for
    /// long, and stay stopped when it goes on.
    fn watchdog(&mut self, cause: StopCause) -> Result<Trial> {
        let Some(hardware) = self.hardware.take() else { bail!("no hardware process") };
        let Some(bus) = self.subject.bus() else { bail!("no servo bus") };
        let at = bus.now();
        let is_killed = cause == StopCause::ServoHardwareKilled;
        hardware.signal(if is_killed { Signal::KILL } else { Signal::STOP })?;
        let until = |holds: fn(ServoView) -> bool| {
            while !holds(bus.servo(SERVO)) {
                if bus.now() - at > WITHIN {
                    bail!("the servo did not stop within {WITHIN:?}");
                }
                std::thread::sleep(Duration::from_micros(500));
            }
            Ok(bus.now() - at)
        };
        let to_ramp = Some(until(|servo| servo.watchdog_has_tripped)?);
        let to_standstill = Some(until(|servo| servo.velocity_ticks_s.abs() < SERVO_STILL)?);
        let place = bus.servo(SERVO).true_ticks;
        if !is_killed {
            hardware.signal(Signal::CONT)?;
        }
        std::thread::sleep(WATCH * 2);
        let moved = (bus.servo(SERVO).true_ticks - place).abs();
        let fault = (moved > 1.0).then(|| format!("the servo moved on by {moved:.0} ticks"));
        Ok(Trial { to_ramp, to_standstill, lateness: None, fault })
    }

    /// Until the robot is armed, without a cause, and free for a skill.
    fn make_ready(&mut self) -> Result<()> {
        for _ in 0..ATTEMPTS {
            self.start_hardware()?;
            self.until("the robot", |this| {
                this.take_safety();
                let has_ended = !this.hardware.as_mut().is_some_and(Victim::is_alive);
                (this.newest.is_some() || has_ended).then_some(())
            })?;
            // On a busy machine an emulated servo may answer too late for the driver, which gives up.
            if self.newest.is_some() {
                break;
            }
        }
        let needs_reset = |mode| mode > SafetyState::MODE_READY;
        if self.newest.as_ref().is_some_and(|safety| needs_reset(safety.mode)) {
            self.ask("reset", &names::E_STOP_RESET)?;
            self.until("the reset", |this| {
                this.take_safety();
                this.newest.as_ref().is_some_and(|s| !needs_reset(s.mode)).then_some(())
            })?;
        }
        if self.newest.as_ref().is_some_and(|s| s.mode == SafetyState::MODE_DISARMED) {
            // At its start it arms itself, which may come first.
            let _ = self.ask("arm", &names::ARM);
        }
        self.until("a robot that is ready", |this| {
            this.take_safety();
            this.newest.as_ref().is_some_and(|s| s.mode == SafetyState::MODE_READY).then_some(())
        })?;
        self.until("the e-stop service", |this| this.e_stop.server_available().then_some(()))?;
        self.ask("resume", &names::RESUME)
    }

    fn start_hardware(&mut self) -> Result<()> {
        if self.hardware.as_mut().is_some_and(Victim::is_alive) {
            return Ok(());
        }
        let program = std::env::current_exe().context("cannot find the program's own file")?;
        let mut command = Command::new(program);
        command
            .args(["node", "hardware"])
            .args(self.carrier.words())
            .arg("--ros-args")
            .args(["-r", &format!("__ns:={NAMESPACE}")])
            .args(self.subject.parameters.iter().flat_map(|parameter| ["-p", parameter]))
            .stdin(Stdio::null())
            .stdout(Stdio::null());
        while self.safety.take().is_some() {}
        self.newest = None;
        self.hardware = Some(Victim::spawn(command)?);
        Ok(())
    }

    fn source(&mut self, kind: SourceKind) -> Result<&mut SourceProcess> {
        let slot = match kind {
            SourceKind::Skills => &mut self.skills,
            SourceKind::Teleop => &mut self.teleop,
        };
        if slot.is_none() {
            let started = SourceProcess::start(kind, &self.carrier, NAMESPACE, &self.subject)?;
            *slot = Some(started);
        }
        slot.as_mut().context("no source")
    }

    /// Has a source command the robot until it is at speed, and `phase` longer.
    fn bring_to_speed(&mut self, kind: SourceKind, phase: Duration) -> Result<()> {
        for _ in 0..ATTEMPTS {
            self.make_ready()?;
            while self.transitions.take().is_some() {}
            self.source(kind)?.order(Order::Go)?;
            let (mut is_tracked, mut is_lost) = (false, false);
            self.until("motion", |this| {
                while let Some(transition) = this.next_transition() {
                    let is_on = transition.output_kind == GroupOwner::OUTPUT_TRACK;
                    // Before the group is tracked, what is heard is the end of the lease of before.
                    is_lost |= is_tracked && !is_on;
                    is_tracked |= is_on;
                }
                (is_lost || (is_tracked && this.is_fast())).then_some(())
            })?;
            std::thread::sleep(AT_SPEED + phase);
            if !is_lost && !self.is_let_go() {
                return Ok(());
            }
        }
        bail!("in {ATTEMPTS} attempts commands came too late to keep the robot in motion")
    }

    fn is_fast(&self) -> bool {
        match self.subject.bus() {
            Some(bus) => bus.servo(SERVO).velocity_ticks_s.abs() > SERVO_AT_SPEED,
            None => self
                .ticks
                .take_newest()
                .is_some_and(|tick| tick.message.base_twist.angular.z > 0.9 * TURN_RAD_S),
        }
    }

    /// Whether the commander lost the group since the last look: commands came too late, as they may on
    /// a busy machine.
    fn is_let_go(&mut self) -> bool {
        let mut is_tracked = true;
        while let Some(transition) = self.next_transition() {
            is_tracked = transition.output_kind == GroupOwner::OUTPUT_TRACK;
        }
        !is_tracked
    }

    /// Calls a service of the operator.
    fn ask(&mut self, what: &str, name: &names::ServiceName<Trigger>) -> Result<()> {
        let client = self.node.service_client(name)?;
        self.until("the hardware's services", |_| client.server_available().then_some(()))?;
        let mut call = client.call(&TriggerRequest::default());
        let answer = self.until("an answer of the hardware", |_| call.poll())??;
        if !answer.success {
            bail!("{what}: {}", answer.message);
        }
        Ok(())
    }

    fn next_transition(&mut self) -> Option<GroupTransition> {
        loop {
            let transition = self.transitions.take()?.message;
            if transition.group == self.subject.group {
                return Some(transition);
            }
        }
    }

    fn take_safety(&mut self) {
        if let Some(received) = self.safety.take_newest() {
            self.newest = Some(received.message);
        }
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
            self.waiter.wait(Duration::from_millis(5));
        }
    }
}

fn monotonic(transition: &GroupTransition) -> Time {
    Time::ZERO + duration_from_msg(&transition.monotonic)
}

fn mode_to_msg(mode: Mode) -> u8 {
    match mode {
        Mode::Disarmed => SafetyState::MODE_DISARMED,
        Mode::Ready => SafetyState::MODE_READY,
        Mode::ProtectiveStop => SafetyState::MODE_PROTECTIVE_STOP,
        Mode::Fault => SafetyState::MODE_FAULT,
        Mode::EStop => SafetyState::MODE_ESTOP,
    }
}
