use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use rtrb::{Consumer, Producer, RingBuffer};
use sinew_types::{ActuatorCommand, Layout, RobotState, Time};

use crate::config::GateConfig;
use crate::deadlines::monotonic_now;
use crate::error::HardwareError;
use crate::event::{Accepted, Event, Notice, RequestId};
use crate::fallback::FallbackController;
use crate::gate::{Gate, PowerRequest};
use crate::handle::ControlHandle;
use crate::interface::DriverError;
use crate::lease::LEASE_SLOTS;
use crate::lifecycle::{Active, Inactive};
use crate::link::{
    ControlSnapshot, ERRORS, EStopButton, LoopMonitor, NOTICES, REQUESTS, RefusedByHandle, Request,
    TRANSITIONS,
};
use crate::refusal::{CommandRefusal, Refused};
use crate::safety::{Mode, SafetyState};
use crate::transition::{GroupTransition, Said};

/// The driver, in the one of its states that it is in.
enum Driver {
    Inactive(Inactive),
    Active(Active),
    /// Only within a change of state.
    Changing,
}

/// What one tick did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TickReport {
    /// Ticks of this loop before this one.
    pub tick: u64,
    /// The mode after it.
    pub mode: Mode,
    /// Whether the driver was read without error.
    pub read_ok: bool,
    /// Whether set-points were written to the driver.
    pub wrote: bool,
    /// Requests handled.
    pub requests: u32,
    /// Commands that were new.
    pub commands: u32,
}

/// Read, decide, write: one robot's control loop, and the only thing that writes to its driver.
///
/// It is ticked inline by a deterministic executor, or by a [`crate::RealTimeRunner`] on a thread of its
/// own. A tick does not allocate, lock or log, except while it activates or deactivates the driver.
pub struct ControlLoop {
    driver: Driver,
    gate: Gate,
    state: RobotState,
    output: ActuatorCommand,
    period: Duration,
    tick: u64,
    is_simulated: bool,
    read_failed: bool,
    requests: Consumer<(RequestId, Request)>,
    commands: Vec<triple_buffer::Output<ActuatorCommand>>,
    notices: Producer<Notice>,
    /// Notices of this tick: they go out after the snapshot that they speak of.
    pending: Vec<Notice>,
    errors: Producer<DriverError>,
    transitions: Producer<GroupTransition>,
    said: Said,
    lateness: Duration,
    snapshot: triple_buffer::Input<ControlSnapshot>,
    e_stop: EStopButton,
    presses_seen: u64,
    pressed_seen: bool,
    refused: Arc<RefusedByHandle>,
    monitor: Arc<LoopMonitor>,
}

impl ControlLoop {
    /// A loop around a configured driver, and the handle that speaks to it.
    ///
    /// # Errors
    /// [`HardwareError::LayoutMismatch`] if driver and gate order joints differently;
    /// those of [`Gate::new`].
    pub fn new(
        driver: Inactive,
        config: GateConfig,
    ) -> Result<(Self, ControlHandle), HardwareError> {
        Self::with_fallback(driver, config, None)
    }

    /// The same for a robot that must not merely be held.
    ///
    /// # Errors
    /// As [`ControlLoop::new`] and [`Gate::with_fallback`].
    pub fn with_fallback(
        driver: Inactive,
        config: GateConfig,
        fallback: Option<Box<dyn FallbackController>>,
    ) -> Result<(Self, ControlHandle), HardwareError> {
        if driver.layout() != &config.layout {
            return Err(HardwareError::LayoutMismatch {
                driver: driver.layout().hash(),
                gate: config.layout.hash(),
            });
        }
        let layout = config.layout.clone();
        let period = config.period;
        let gate = Gate::with_fallback(config, fallback)?;
        let state = RobotState::invalid(&layout);
        let output = ActuatorCommand::unused(&layout);

        let (requests_in, requests) = RingBuffer::new(REQUESTS);
        let (notices, notices_out) = RingBuffer::new(NOTICES);
        let (errors, errors_out) = RingBuffer::new(ERRORS);
        let (transitions, transitions_out) = RingBuffer::new(TRANSITIONS);
        let (commands_in, commands) =
            (0..LEASE_SLOTS).map(|_| triple_buffer::triple_buffer(&output)).unzip();
        let first = ControlSnapshot {
            state: state.clone(),
            output: output.clone(),
            safety: gate.safety().clone(),
        };
        let (snapshot, snapshot_out) = triple_buffer::triple_buffer(&first);
        let e_stop = EStopButton::default();
        let refused = Arc::new(RefusedByHandle::default());
        let handle = ControlHandle {
            requests: requests_in,
            notices: notices_out,
            errors: errors_out,
            transitions: transitions_out,
            commands: commands_in,
            snapshot: snapshot_out,
            e_stop: e_stop.clone(),
            refused: Arc::clone(&refused),
            last_request: 0,
        };
        let this = Self {
            is_simulated: driver.is_simulated(),
            driver: Driver::Inactive(driver),
            said: Said::of(gate.safety()),
            gate,
            state,
            output,
            period,
            tick: 0,
            read_failed: false,
            requests,
            commands,
            notices,
            pending: Vec::with_capacity(NOTICES),
            errors,
            transitions,
            lateness: Duration::ZERO,
            snapshot,
            e_stop,
            presses_seen: 0,
            pressed_seen: false,
            refused,
            monitor: Arc::new(LoopMonitor::default()),
        };
        Ok((this, handle))
    }

    /// Order of joints and groups.
    pub fn layout(&self) -> &Layout {
        &self.gate.config().layout
    }

    /// The nominal time between two ticks.
    pub fn period(&self) -> Duration {
        self.period
    }

    /// See [`crate::HardwareInterface::is_simulated`].
    pub fn is_simulated(&self) -> bool {
        self.is_simulated
    }

    /// What was measured in the last tick.
    pub fn state(&self) -> &RobotState {
        &self.state
    }

    /// What the actuators were given in the last tick.
    pub fn output(&self) -> &ActuatorCommand {
        &self.output
    }

    /// What the gate decided up to the last tick.
    pub fn safety(&self) -> &SafetyState {
        self.gate.safety()
    }

    /// Tells how long after its deadline the next tick begins; transitions of that tick carry it.
    /// Real-time safe.
    pub fn woke_late(&mut self, lateness: Duration) {
        self.lateness = lateness;
    }

    /// One tick: e-stop, requests, driver on or off, read, commands, gate, write.
    ///
    /// `now` is on the loop's clock and does not go back. Real-time safe unless the driver changes state.
    pub fn tick(&mut self, now: Time) -> TickReport {
        self.take_stops(now);
        let requests = self.take_requests(now);
        // What a stop, or the end of a controlled one, asks for.
        self.change_power(now);
        let read_ok = self.read(now);
        let commands = self.take_commands(now);
        self.gate.cycle(now, &self.state, &mut self.output);
        self.note_voided();
        let wrote = self.write(now);
        self.note_transitions(now, wrote);
        self.publish();
        let tick = self.tick;
        self.tick += 1;
        TickReport { tick, mode: self.gate.mode(), read_ok, wrote, requests, commands }
    }

    /// Asks for the controlled stop that ends in inactive drivers; [`ControlLoop::is_active`] tells when
    /// further ticks have brought it about.
    pub fn begin_shutdown(&mut self, now: Time) {
        // Refused only when it is disarmed already.
        let _ = self.gate.handle(now, Event::Disarm);
    }

    /// Whether the driver is active.
    pub fn is_active(&self) -> bool {
        matches!(self.driver, Driver::Active(_))
    }

    /// Switches the driver off whatever it does. Not real-time safe.
    pub fn deactivate(&mut self) {
        self.monitor.in_transition.store(true, Ordering::SeqCst);
        self.driver = match std::mem::replace(&mut self.driver, Driver::Changing) {
            Driver::Active(active) => Driver::Inactive(active.deactivate()),
            other => other,
        };
        self.monitor.in_transition.store(false, Ordering::SeqCst);
    }

    pub(crate) fn monitor(&self) -> Arc<LoopMonitor> {
        Arc::clone(&self.monitor)
    }

    fn take_stops(&mut self, now: Time) {
        if self.monitor.stalled.swap(false, Ordering::SeqCst) {
            let _ = self.gate.handle(now, Event::LoopStalled);
        }
        let presses = self.e_stop.presses();
        let pressed = self.e_stop.is_pressed();
        if presses != self.presses_seen {
            (self.presses_seen, self.pressed_seen) = (presses, true);
            let _ = self.gate.handle(now, Event::EStop { pressed: true });
        }
        if pressed != self.pressed_seen {
            self.pressed_seen = pressed;
            let _ = self.gate.handle(now, Event::EStop { pressed });
        }
        self.note_voided();
    }

    fn take_requests(&mut self, now: Time) -> u32 {
        let mut count = 0;
        // A sender that is faster than this loop must not keep it here.
        let waiting = self.requests.slots();
        for _ in 0..waiting {
            let Ok((id, request)) = self.requests.pop() else { break };
            count += 1;
            let event = match request {
                Request::Acquire(request) => Event::AcquireLease(request),
                Request::Release(lease) => Event::ReleaseLease(lease),
                Request::Heartbeat(boot_id) => Event::Heartbeat(boot_id),
                Request::PeerLost(boot_id) => Event::PeerLost(boot_id),
                Request::EStopHeartbeat { pressed } => Event::EStopHeartbeat { pressed },
                Request::Reset => Event::Reset,
                Request::Arm => Event::Arm,
                Request::Disarm => Event::Disarm,
                Request::Resume => Event::Resume,
            };
            let result = self.gate.handle(now, event);
            // At once, so that what was asked for after it finds the driver as it was asked for.
            let result = self.change_power(now).unwrap_or(result);
            self.note_voided();
            let is_answered = !matches!(
                request,
                Request::Heartbeat(_) | Request::PeerLost(_) | Request::EStopHeartbeat { .. }
            );
            if is_answered {
                self.note(Notice::Reply { request: id, result });
            }
        }
        count
    }

    /// Activates or deactivates the driver if the gate wants that; the gate's answer to an activation.
    fn change_power(&mut self, now: Time) -> Option<Result<Accepted, Refused>> {
        match self.gate.power_request(self.is_active()) {
            PowerRequest::Keep => None,
            PowerRequest::Deactivate => {
                self.deactivate();
                None
            }
            PowerRequest::Activate => {
                let event =
                    if self.activate(now) { Event::Activated } else { Event::ActivationFailed };
                Some(self.gate.handle(now, event))
            }
        }
    }

    fn activate(&mut self, now: Time) -> bool {
        self.monitor.in_transition.store(true, Ordering::SeqCst);
        let (driver, is_active) = match std::mem::replace(&mut self.driver, Driver::Changing) {
            Driver::Inactive(inactive) => match inactive.activate(now) {
                Ok(active) => (Driver::Active(active), true),
                Err((inactive, error)) => {
                    let _ = self.errors.push(error);
                    (Driver::Inactive(inactive), false)
                }
            },
            other => (other, true),
        };
        self.driver = driver;
        self.monitor.in_transition.store(false, Ordering::SeqCst);
        is_active
    }

    fn read(&mut self, now: Time) -> bool {
        let read = match &mut self.driver {
            Driver::Inactive(driver) => driver.read(now, self.period, &mut self.state),
            Driver::Active(driver) => driver.read(now, self.period, &mut self.state),
            Driver::Changing => Ok(()),
        };
        self.state.tick = self.tick;
        self.state.stamp = now;
        let ok = read.is_ok();
        if !ok {
            self.state.invalidate();
        }
        let _ = self.gate.handle(now, Event::DriverRead { ok });
        self.note_voided();
        if let Err(error) = read
            && !self.read_failed
        {
            let _ = self.errors.push(error);
        }
        self.read_failed = !ok;
        ok
    }

    fn take_commands(&mut self, now: Time) -> u32 {
        let unknown = self.refused.unknown_lease.swap(0, Ordering::Relaxed);
        self.gate.count_refused(CommandRefusal::UnknownLease, unknown);
        let layout = self.refused.layout.swap(0, Ordering::Relaxed);
        self.gate.count_refused(CommandRefusal::Layout, layout);
        let mut count = 0;
        for cell in &mut self.commands {
            if cell.update() {
                count += 1;
                // Refusals are counted by the gate.
                let _ = self.gate.handle(now, Event::Command(cell.peek_output_buffer()));
            }
        }
        self.note_voided();
        count
    }

    fn write(&mut self, now: Time) -> bool {
        let Driver::Active(driver) = &mut self.driver else { return false };
        match driver.write(now, self.period, &self.output) {
            Ok(()) => true,
            Err(error) => {
                let _ = self.errors.push(error);
                let _ = self.gate.handle(now, Event::DriverWriteFailed);
                self.note_voided();
                false
            }
        }
    }

    fn note_transitions(&mut self, now: Time, wrote: bool) {
        let safety = self.gate.safety();
        if !self.said.is_outdated(safety) {
            return;
        }
        let (tick, lateness, done_at) = (self.tick, self.lateness, monotonic_now());
        for (group, output, still) in self.said.update(safety) {
            // Full only if nobody asks for them.
            let _ = self.transitions.push(GroupTransition {
                group,
                output,
                still,
                tick,
                at: now,
                wrote,
                done_at,
                lateness,
            });
        }
    }

    fn note_voided(&mut self) {
        for index in 0..self.gate.voided().len() {
            self.note(Notice::LeaseVoided(self.gate.voided()[index]));
        }
        self.gate.clear_voided();
    }

    fn note(&mut self, notice: Notice) {
        // More than the ring holds would be lost in it anyway; the buffer must not grow.
        if self.pending.len() < self.pending.capacity() {
            self.pending.push(notice);
        }
    }

    fn publish(&mut self) {
        let snapshot = self.snapshot.input_buffer_mut();
        snapshot.state.copy_from(&self.state);
        snapshot.output.copy_from(&self.output);
        snapshot.safety.copy_from(self.gate.safety());
        self.snapshot.publish();
        for notice in self.pending.drain(..) {
            // Full only if nobody polls; the snapshot tells the same.
            let _ = self.notices.push(notice);
        }
    }
}
