mod authority;

use std::time::Duration;

use sinew_types::{
    ActuatorCommand, BootId, GroupKind, LeaseId, RobotState, Source, StopEpoch, Time,
};

use crate::config::GateConfig;
use crate::error::HardwareError;
use crate::event::{Accepted, Event};
use crate::fallback::FallbackController;
use crate::group::{Directive, Group};
use crate::lease::{LEASE_SLOTS, Lease};
use crate::monitor::Monitor;
use crate::refusal::{CommandRefusal, Refused};
use crate::safety::{Cause, GroupSafety, Mode, OutputKind, SafetyState, VoidReason, VoidedLease};

/// The most groups that a [`GroupSet`] can name.
const MAX_GROUPS: usize = 64;
/// Leases that end within one tick: every live one, and as many that were granted and lost since.
const MAX_VOIDED: usize = 2 * LEASE_SLOTS;

/// Where the drivers are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Power {
    Off,
    /// Granted; the loop is to activate the driver.
    Arming,
    On,
    /// Coming to rest by the stop profiles, since when.
    Disarming(Time),
}

/// What the control loop is to do with the driver.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PowerRequest {
    /// Leave it as it is.
    Keep,
    /// Activate it, then tell [`Event::Activated`] or [`Event::ActivationFailed`].
    Activate,
    /// Deactivate it.
    Deactivate,
}

/// Arbiter and safety supervisor in one: decides who commands, and what reaches the actuators.
///
/// A pure state machine: no IO, no clock of its own. [`Gate::handle`] takes events,
/// [`Gate::cycle`] is called once per control tick and writes the output. Neither allocates, locks or
/// logs after [`Gate::new`]. All times are on one clock that does not go back.
pub struct Gate {
    config: GateConfig,
    groups: Vec<Group>,
    /// Index of the group by joint that is commanded by joint; none for wheels, fingers, free joints.
    group_of_joint: Vec<Option<usize>>,
    leases: [Option<Lease>; LEASE_SLOTS],
    last_lease: u64,
    power: Power,
    driver_ok: bool,
    /// When each joint was measured last.
    measured_at: Vec<Option<Time>>,
    /// Since when nothing has been in the way of clearing [`Cause::Communication`].
    healthy_since: Option<Time>,
    /// When the present stop began, for `still_within`.
    stopped_at: Option<Time>,
    button_pressed: bool,
    remote_pressed: bool,
    /// When the remote emergency stop was heard last.
    remote_e_stop_at: Option<Time>,
    fallback: Option<Box<dyn FallbackController>>,
    /// What the fallback controller says in this cycle, and whether it was asked in the last one.
    fallback_out: ActuatorCommand,
    falls_back: bool,
    monitor: Monitor,
    safety: SafetyState,
    voided: Vec<VoidedLease>,
}

impl Gate {
    /// A gate in [`Mode::Disarmed`], for a robot none of whose groups falls back.
    ///
    /// # Errors
    /// As [`Gate::with_fallback`].
    pub fn new(config: GateConfig) -> Result<Self, HardwareError> {
        Self::with_fallback(config, None)
    }

    /// A gate in [`Mode::Disarmed`].
    ///
    /// # Errors
    /// [`HardwareError::TooManyGroups`]; [`HardwareError::Group`] where limits do not fit the layout;
    /// [`HardwareError::NoFallback`] where a group's stop profile needs a controller that is not given.
    pub fn with_fallback(
        config: GateConfig,
        fallback: Option<Box<dyn FallbackController>>,
    ) -> Result<Self, HardwareError> {
        config.check()?;
        if fallback.is_none()
            && let Some(index) = config.groups.iter().position(crate::config::GateGroup::falls)
        {
            let group = config.layout.groups()[index].name.clone();
            return Err(HardwareError::NoFallback { group });
        }
        let layout = &config.layout;
        if layout.groups().len() > MAX_GROUPS {
            return Err(HardwareError::TooManyGroups {
                actual: layout.groups().len(),
                max: MAX_GROUPS,
            });
        }
        let joints = layout.joints().len();
        let mut group_of_joint = vec![None; joints];
        for (index, group) in layout.groups().iter().enumerate() {
            if group.kind == GroupKind::Joints {
                for joint in &group.joints {
                    group_of_joint[*joint] = Some(index);
                }
            }
        }
        let groups: Vec<Group> = layout
            .groups()
            .iter()
            .zip(&config.groups)
            .map(|(layout, group)| Group::new(layout.clone(), group.clone(), config.period))
            .collect();
        let safety = SafetyState {
            groups: vec![GroupSafety::default(); groups.len()],
            ..SafetyState::default()
        };
        Ok(Self {
            groups,
            group_of_joint,
            leases: [None; LEASE_SLOTS],
            last_lease: 0,
            power: Power::Off,
            driver_ok: true,
            measured_at: vec![None; joints],
            healthy_since: None,
            stopped_at: None,
            button_pressed: false,
            remote_pressed: false,
            remote_e_stop_at: None,
            fallback,
            fallback_out: ActuatorCommand::unused(&config.layout),
            falls_back: false,
            monitor: Monitor::new(&config),
            safety,
            voided: Vec::with_capacity(MAX_VOIDED),
            config,
        })
    }

    /// What it was made with.
    pub fn config(&self) -> &GateConfig {
        &self.config
    }

    /// All that it decided up to the last event or cycle.
    pub fn safety(&self) -> &SafetyState {
        &self.safety
    }

    /// The present mode.
    pub fn mode(&self) -> Mode {
        self.safety.mode
    }

    /// Leases that ended since the last [`Gate::clear_voided`], in order.
    pub fn voided(&self) -> &[VoidedLease] {
        &self.voided
    }

    /// Forgets [`Gate::voided`]. More than 32 between two calls are not listed.
    pub fn clear_voided(&mut self) {
        self.voided.clear();
    }

    /// What is to be done with the driver.
    pub fn power_request(&self, is_active: bool) -> PowerRequest {
        match self.power {
            Power::Arming => PowerRequest::Activate,
            Power::Off if is_active => PowerRequest::Deactivate,
            _ => PowerRequest::Keep,
        }
    }

    /// Takes an event and answers it. Real-time safe.
    ///
    /// # Errors
    /// [`Refused`] says why; only [`CommandRefusal::NotFinite`] and [`CommandRefusal::DeadMan`] change
    /// anything besides counters.
    pub fn handle(&mut self, now: Time, event: Event<'_>) -> Result<Accepted, Refused> {
        let answer = match event {
            Event::AcquireLease(request) => self.acquire(now, request),
            Event::ReleaseLease(lease) => {
                let slot = self.slot_of(lease).ok_or(Refused::UnknownLease { lease })?;
                self.void(slot, now, VoidReason::Released);
                Ok(Accepted::Done)
            }
            Event::Command(command) => self.command(now, command).map_err(|reason| {
                self.safety.refused.add(reason, 1);
                Refused::Command(reason)
            }),
            Event::Heartbeat(boot_id) => {
                for lease in self.leases.iter_mut().flatten() {
                    if lease.request.boot_id == boot_id {
                        lease.heartbeat_at = now;
                    }
                }
                Ok(Accepted::Done)
            }
            Event::PeerLost(boot_id) => {
                if self.leases.iter().flatten().any(|lease| lease.request.boot_id == boot_id) {
                    self.stop(now, Cause::Communication);
                }
                Ok(Accepted::Done)
            }
            Event::EStop { pressed } => {
                self.button_pressed = pressed;
                if pressed {
                    self.stop(now, Cause::EmergencyStop);
                }
                Ok(Accepted::Done)
            }
            Event::EStopHeartbeat { pressed } => {
                self.remote_e_stop_at = Some(now);
                self.remote_pressed = pressed;
                if pressed {
                    self.stop(now, Cause::EmergencyStop);
                }
                Ok(Accepted::Done)
            }
            Event::Violation(cause) => {
                self.stop(now, cause);
                Ok(Accepted::Done)
            }
            Event::Reset => self.reset(now),
            Event::Arm => self.arm(now),
            Event::Activated => {
                if self.power == Power::Arming {
                    self.power = Power::On;
                }
                Ok(Accepted::Done)
            }
            Event::ActivationFailed => {
                self.power = Power::Off;
                self.stop(now, Cause::DriverError);
                Err(Refused::ActivationFailed)
            }
            Event::Disarm => self.disarm(now),
            Event::Resume => {
                if self.power != Power::On {
                    return Err(Refused::NotArmed);
                }
                for group in &mut self.safety.groups {
                    group.needs_resume = false;
                }
                self.safety.resumes += 1;
                Ok(Accepted::Done)
            }
            Event::DriverRead { ok } => {
                self.driver_ok = ok;
                if !ok {
                    self.stop(now, Cause::DriverError);
                }
                Ok(Accepted::Done)
            }
            Event::DriverWriteFailed => {
                self.stop(now, Cause::DriverError);
                Ok(Accepted::Done)
            }
            Event::LoopStalled => {
                self.stop(now, Cause::LoopStalled);
                Ok(Accepted::Done)
            }
        };
        self.publish();
        answer
    }

    /// Commands that were refused before they came here count too.
    pub(crate) fn count_refused(&mut self, reason: CommandRefusal, count: u64) {
        self.safety.refused.add(reason, count);
    }

    fn arm(&mut self, now: Time) -> Result<Accepted, Refused> {
        if self.power != Power::Off {
            return Err(Refused::AlreadyArmed);
        }
        if self.button_pressed || self.remote_pressed {
            return Err(Refused::EStopPressed);
        }
        if self.remote_e_stop_is_silent(now) {
            return Err(Refused::EStopSilent);
        }
        if !self.safety.causes.is_empty() {
            return Err(Refused::CauseLatched);
        }
        self.require_fresh(now)?;
        self.power = Power::Arming;
        Ok(Accepted::Done)
    }

    fn disarm(&mut self, now: Time) -> Result<Accepted, Refused> {
        match self.power {
            Power::Off => Err(Refused::NotArmed),
            Power::Arming => {
                self.power = Power::Off;
                Ok(Accepted::Done)
            }
            Power::Disarming(_) => Ok(Accepted::Done),
            Power::On => {
                self.power = Power::Disarming(now);
                self.safety.stop_epoch.0 += 1;
                self.void_all(now, VoidReason::Disarmed);
                Ok(Accepted::Done)
            }
        }
    }

    fn reset(&mut self, now: Time) -> Result<Accepted, Refused> {
        if self.button_pressed || self.remote_pressed {
            return Err(Refused::EStopPressed);
        }
        if self.remote_e_stop_is_silent(now) {
            return Err(Refused::EStopSilent);
        }
        let causes = self.safety.causes;
        if causes.contains(Cause::OverTemperature)
            && let Some(group) = self.monitor.hot_group()
        {
            return Err(Refused::Hot { group });
        }
        if causes.mode() >= Some(Mode::Fault) {
            if causes.contains(Cause::DriverError) || causes.contains(Cause::StateStale) {
                self.require_fresh(now)?;
            }
            if self.power != Power::Off
                && let Some(group) = self.groups.iter().position(|group| !group.is_at_rest())
            {
                return Err(Refused::Moving { group });
            }
            self.power = Power::Off;
        }
        for cause in causes.iter().filter(|cause| *cause != Cause::Communication) {
            self.safety.causes.remove(cause);
        }
        if causes.contains(Cause::TrackingError) {
            // What kept the joint back may be gone: held where it is, it does not jump then.
            for (index, group) in self.groups.iter_mut().enumerate() {
                if self.monitor.is_off_track(index) {
                    group.forget_set_point();
                }
            }
        }
        self.monitor.reset(causes);
        self.safety.violation = None;
        Ok(Accepted::Done)
    }

    fn remote_e_stop_is_silent(&self, now: Time) -> bool {
        self.config
            .timeouts
            .remote_e_stop
            .is_some_and(|limit| self.remote_e_stop_at.is_none_or(|heard| now.since(heard) > limit))
    }

    fn require_fresh(&self, now: Time) -> Result<(), Refused> {
        match self.stale_group(now) {
            Some(group) => Err(Refused::StateNotFresh { group }),
            None if !self.driver_ok => Err(Refused::StateNotFresh { group: 0 }),
            None => Ok(()),
        }
    }

    fn stale_group(&self, now: Time) -> Option<usize> {
        self.groups.iter().position(|group| {
            let limit = group.config().read_period * self.config.timeouts.stale_read_periods;
            group.layout().joints.iter().any(|joint| {
                self.measured_at[*joint].is_none_or(|measured| now.since(measured) > limit)
            })
        })
    }

    fn stop(&mut self, now: Time, cause: Cause) {
        if self.safety.causes.insert(cause) {
            self.safety.stop_epoch.0 += 1;
            self.stopped_at.get_or_insert(now);
        }
        if cause == Cause::Communication {
            self.healthy_since = None;
        }
        // The watchdog has taken the power already; and what is stopped is not switched on.
        if cause == Cause::LoopStalled || self.power == Power::Arming {
            self.power = Power::Off;
        }
        self.void_all(now, VoidReason::Stopped(cause));
    }

    fn void_all(&mut self, now: Time, reason: VoidReason) {
        for slot in 0..LEASE_SLOTS {
            self.void(slot, now, reason);
        }
    }

    fn void(&mut self, slot: usize, now: Time, reason: VoidReason) {
        let Some(lease) = self.leases[slot].take() else { return };
        let source = lease.request.source;
        let voided = VoidedLease { lease: lease.id, source, reason, at: now };
        for index in lease.request.groups.iter() {
            let group = &mut self.safety.groups[index];
            group.owner = None;
            group.last_void = Some(voided);
            group.needs_resume |= source == Source::Teleop;
            self.groups[index].release();
        }
        if self.voided.len() < MAX_VOIDED {
            self.voided.push(voided);
        }
    }

    fn slot_of(&self, lease: LeaseId) -> Option<usize> {
        let slot = slot_for(lease.0);
        self.leases[slot].is_some_and(|live| live.id == lease).then_some(slot)
    }

    /// One control tick: judges ages and the measured state, then writes what the actuators get.
    ///
    /// `state` is what was read in this tick; `out` is of the same layout. Real-time safe.
    pub fn cycle(&mut self, now: Time, state: &RobotState, out: &mut ActuatorCommand) {
        self.safety.cycle += 1;
        self.safety.stamp = now;
        self.note_measured(state);
        self.finish_disarming(now);
        let is_powered = matches!(self.power, Power::On | Power::Disarming(_));
        if is_powered {
            if self.remote_e_stop_is_silent(now) {
                self.stop(now, Cause::EmergencyStop);
            }
            if self.stale_group(now).is_some() {
                self.stop(now, Cause::StateStale);
            } else if self.groups.iter().any(|group| group.is_over_speed(state)) {
                self.stop(now, Cause::OverSpeed);
            }
        }
        for cause in self.monitor.judge(now, state, is_powered, &mut self.safety).iter() {
            self.stop(now, cause);
        }
        self.expire_leases(now);
        self.write_groups(now, state, out);
        self.monitor.note_output(out);
        self.judge_stillness(now, state);
        self.clear_communication(now);
        self.publish();

        out.lease = LeaseId::default();
        out.boot_id = BootId::default();
        out.seq = self.safety.cycle;
        out.tick = state.tick;
        out.valid_for = self.config.period * 2;
        out.dead_man = false;
        out.layout_hash = self.config.layout.hash();
    }

    fn note_measured(&mut self, state: &RobotState) {
        for (measured, joint) in self.measured_at.iter_mut().zip(&state.joints) {
            let is_finite = joint.position.is_finite() && joint.velocity.is_finite();
            if joint.valid && is_finite {
                *measured = Some(joint.stamp);
            }
        }
    }

    fn expire_leases(&mut self, now: Time) {
        for slot in 0..LEASE_SLOTS {
            let Some(lease) = self.leases[slot] else { continue };
            if now.since(lease.heartbeat_at) > self.config.timeouts.heartbeat {
                self.stop(now, Cause::Communication);
            } else if lease.command.is_some_and(|(at, limit)| now.since(at) > limit) {
                self.void(slot, now, VoidReason::CommandStale);
            }
        }
    }

    /// What each group is to be given, by power, latched causes and authority.
    fn directive(&self, index: usize) -> Directive {
        let group = &self.groups[index];
        match (self.power, self.safety.causes.mode()) {
            (Power::Off | Power::Arming, _) => Directive::Off,
            (_, Some(mode)) => {
                let causes = self.safety.causes;
                Directive::Stop {
                    mode,
                    // Feedback is not trusted while any fault is latched, whatever else is.
                    trusted: !causes.is_faulty(),
                    // A way to another posture could lead further into what is too close.
                    blocked: causes.contains(Cause::Workspace)
                        || causes.contains(Cause::SelfCollision),
                    yields: causes.contains(Cause::TrackingError),
                }
            }
            (Power::Disarming(_), None) => Directive::STOP_IN_ORDER,
            (Power::On, None) if self.safety.groups[index].owner.is_some() => {
                // A lease without a command yet does not take a balancing robot from what keeps it up.
                if group.config().falls() && !group.commanded {
                    Directive::Fallback
                } else {
                    Directive::Track
                }
            }
            (Power::On, None) if group.config().falls() => Directive::Fallback,
            (Power::On, None) => Directive::Rest,
        }
    }

    /// Asks the fallback controller for this cycle's set-points if any group needs them.
    fn fall_back(&mut self, now: Time, state: &RobotState, last: &ActuatorCommand) {
        let is_needed = (0..self.groups.len()).any(|index| match self.directive(index) {
            Directive::Fallback => true,
            Directive::Stop { mode, trusted: true, .. } => self.groups[index].falls_back_in(mode),
            _ => false,
        });
        let is_commanded = (0..self.groups.len()).any(|index| {
            self.groups[index].config().falls() && self.directive(index) == Directive::Track
        });
        let Some(fallback) = &mut self.fallback else { return };
        // Of the cycle before: this cycle's comes after the controller that it is for.
        let reference = last.base.unwrap_or_default();
        let period = self.config.period;
        if !is_needed {
            self.falls_back = false;
            if is_commanded {
                fallback.watch(now, period, state, reference, last);
            }
            return;
        }
        if !self.falls_back {
            fallback.start(now, state, last);
        }
        self.falls_back = true;
        let stepped = fallback.step(now, period, state, reference, &mut self.fallback_out);
        let is_whole = || {
            self.groups
                .iter()
                .filter(|group| group.config().falls())
                .all(|group| group.check(&self.fallback_out) == Ok(true))
        };
        if stepped.is_err() || !is_whole() {
            self.falls_back = false;
            self.stop(now, Cause::FallbackFailed);
        }
    }

    fn write_groups(&mut self, now: Time, state: &RobotState, out: &mut ActuatorCommand) {
        self.fall_back(now, state, out);
        for index in 0..self.groups.len() {
            let directive = self.directive(index);
            let still = self.config.still_joint_velocity;
            self.groups[index].cycle(now, directive, state, still, &self.fallback_out, out);
        }
    }

    fn judge_stillness(&mut self, now: Time, state: &RobotState) {
        for (group, safety) in self.groups.iter().zip(&mut self.safety.groups) {
            safety.still =
                group.is_at_rest() && group.is_still(state, self.config.still_joint_velocity);
        }
        if self.safety.causes.is_empty() {
            self.stopped_at = None;
            return;
        }
        let Some(since) = self.stopped_at else { return };
        let late = |(group, safety): (&Group, &GroupSafety)| {
            !safety.still
                && group.output != OutputKind::Fallback
                && now.since(since) > group.config().still_within
        };
        let is_powered = matches!(self.power, Power::On | Power::Disarming(_));
        if is_powered && self.groups.iter().zip(&self.safety.groups).any(late) {
            // Judged once per stop: a push long after it is not a failure to stop.
            self.stop(now, Cause::NotStill);
            self.stopped_at = None;
        } else if self.safety.is_still() {
            self.stopped_at = None;
        }
    }

    fn clear_communication(&mut self, now: Time) {
        if !self.safety.causes.contains(Cause::Communication) {
            self.healthy_since = None;
            return;
        }
        let is_healthy =
            self.driver_ok && self.stale_group(now).is_none() && self.safety.is_still();
        if !is_healthy {
            self.healthy_since = None;
            return;
        }
        let since = *self.healthy_since.get_or_insert(now);
        if now.since(since) >= self.config.timeouts.communication_clears {
            self.safety.causes.remove(Cause::Communication);
        }
    }

    fn finish_disarming(&mut self, now: Time) {
        let Power::Disarming(since) = self.power else { return };
        let longest = self.groups.iter().map(|group| group.config().still_within).max();
        let is_late = now.since(since) > longest.unwrap_or(Duration::ZERO);
        if self.safety.is_still() || is_late {
            self.power = Power::Off;
        }
    }

    fn publish(&mut self) {
        let at_rest = if self.power == Power::On || matches!(self.power, Power::Disarming(_)) {
            Mode::Ready
        } else {
            Mode::Disarmed
        };
        self.safety.mode = self.safety.causes.mode().unwrap_or(at_rest);
        self.safety.powered = at_rest == Mode::Ready;
        self.safety.e_stop_pressed = self.button_pressed || self.remote_pressed;
        for (safety, lease) in self.safety.leases.iter_mut().zip(&self.leases) {
            *safety = lease.map(|lease| lease.id);
        }
        for (safety, group) in self.safety.groups.iter_mut().zip(&self.groups) {
            safety.output = group.output;
            safety.clamps = group.clamps;
        }
    }

    /// How many stops there were.
    pub fn stop_epoch(&self) -> StopEpoch {
        self.safety.stop_epoch
    }
}

/// The slot of a lease: leases that live at once have different ones.
pub(crate) fn slot_for(lease: u64) -> usize {
    (lease % LEASE_SLOTS as u64) as usize
}
