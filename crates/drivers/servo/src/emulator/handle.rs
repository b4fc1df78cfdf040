//! Steers and observes an emulated bus.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::line::{Fault, InjectedFaults, Line, WriteRecord};
use super::pty::PtyRequest;
use super::servo::EmulatedServo;
use crate::cells::Clock;

/// Steers and observes an emulated bus. Clones act on the same bus.
#[derive(Clone)]
pub struct EmulatorHandle {
    pub(super) line: Arc<Mutex<Line>>,
    pub(super) clock: Clock,
    /// Of a bus on a pseudo-terminal: its thread.
    pub(super) pty: Option<Sender<PtyRequest>>,
}

/// What one servo is doing.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ServoView {
    /// What its encoder says, ticks.
    pub ticks: i32,
    /// Where its shaft is, ticks; another than `ticks` while the encoder is stuck.
    pub true_ticks: f64,
    /// Ticks/s.
    pub velocity_ticks_s: f64,
    /// Its goal in position mode, ticks.
    pub goal_ticks: i32,
    /// Whether it has torque.
    pub has_torque: bool,
    /// Whether its watchdog has stopped it.
    pub watchdog_has_tripped: bool,
}

impl EmulatorHandle {
    pub(super) fn lock(&self) -> MutexGuard<'_, Line> {
        let mut line = self.line.lock().unwrap_or_else(PoisonError::into_inner);
        line.advance((self.clock)());
        line
    }

    fn with<T>(&self, id: u8, act: impl FnOnce(&mut EmulatedServo) -> T) -> T {
        let mut line = self.lock();
        let servo = line.servo(id).unwrap_or_else(|| panic!("no servo {id} on the emulated bus"));
        act(servo)
    }

    /// Time since the start.
    pub fn now(&self) -> Duration {
        (self.clock)()
    }

    /// Damages the next answer of this servo; those asked for before come first. Each takes another request.
    pub fn inject(&self, id: u8, fault: Fault) {
        self.lock().faults.push_back((Some(id), fault));
    }

    /// Damages the next answer of any servo: the first of a sync read.
    pub fn inject_next(&self, fault: Fault) {
        self.lock().faults.push_back((None, fault));
    }

    /// Damages every answer from now on, or none.
    pub fn damage_each(&self, fault: Option<Fault>) {
        self.lock().every = fault;
    }

    /// Faults that have not taken effect yet are taken back.
    pub fn clear_faults(&self) {
        self.lock().faults.clear();
    }

    /// Faults that have not taken effect yet.
    pub fn pending_faults(&self) -> usize {
        self.lock().faults.len()
    }

    /// Faults that took effect.
    pub fn injected(&self) -> InjectedFaults {
        self.lock().injected
    }

    /// Every write that was obeyed, in order.
    pub fn writes(&self) -> Vec<WriteRecord> {
        self.lock().writes.clone()
    }

    /// How many there were.
    pub fn write_count(&self) -> usize {
        self.lock().writes.len()
    }

    /// How many instructions were heard; what is to be answered at once has been answered then.
    pub fn instruction_count(&self) -> u64 {
        self.lock().instructions
    }

    /// What a servo is doing.
    ///
    /// # Panics
    /// If there is no such servo, as with all methods that take an address.
    pub fn servo(&self, id: u8) -> ServoView {
        self.with(id, |servo| ServoView {
            ticks: servo.ticks(),
            true_ticks: servo.true_ticks(),
            velocity_ticks_s: servo.velocity(),
            goal_ticks: servo.get(servo.table.goal_position),
            has_torque: servo.has_torque(),
            watchdog_has_tripped: servo.watchdog_has_tripped(),
        })
    }

    /// Addresses of all servos.
    pub fn ids(&self) -> Vec<u8> {
        self.lock().servos.iter().map(EmulatedServo::id).collect()
    }

    /// Turns a servo's shaft by hand to where it reports these ticks.
    pub fn place(&self, id: u8, ticks: i32) {
        self.with(id, |servo| servo.place(ticks));
    }

    /// Heats a servo beyond its limit, so that it switches itself off.
    pub fn overheat(&self, id: u8) {
        self.with(id, EmulatedServo::overheat);
    }

    /// Lets it cool down.
    pub fn cool(&self, id: u8) {
        self.with(id, EmulatedServo::cool);
    }

    /// Has its encoder say the same from now on, or again what is.
    pub fn stick_encoder(&self, id: u8, is_stuck: bool) {
        self.with(id, |servo| servo.stick(is_stuck));
    }

    /// Has it obey and answer nothing, or again everything.
    pub fn silence(&self, id: u8, is_silent: bool) {
        self.with(id, |servo| servo.is_silent = is_silent);
    }

    /// Takes a servo's power away for a moment.
    pub fn restart(&self, id: u8) {
        self.with(id, EmulatedServo::restart);
    }

    /// Pulls the adapter out: the port is gone, the servos keep their power.
    pub fn unplug(&self) {
        self.ask_pty(PtyRequest::Unplug);
        self.lock().unplug();
    }

    /// Plugs it in again.
    pub fn replug(&self) {
        self.lock().plug();
        self.ask_pty(PtyRequest::Plug);
    }

    /// Plugs it in again if it is not.
    pub fn replug_if_unplugged(&self) {
        if !self.lock().is_plugged {
            self.replug();
        }
    }

    fn ask_pty(&self, request: fn(Sender<()>) -> PtyRequest) {
        if let Some(pty) = &self.pty {
            let (done, wait) = channel();
            if pty.send(request(done)).is_ok() {
                // Ends at once if the thread is gone.
                let _ = wait.recv();
            }
        }
    }
}
