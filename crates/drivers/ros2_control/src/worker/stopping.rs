//! Stops that come from outside, and what is a stop by itself: a robot that is lost, or somebody else's.

use std::time::Duration;

use sinew_bus::Call;
use sinew_hardware::monotonic_now;
use sinew_msgs::controller_manager_msgs::{ListControllersResponse, SwitchControllerResponse};
use sinew_types::Time;

use super::{HALT, RETRY_EVERY, SILENCE, Worker};
use crate::cells::Power;
use crate::error::{list, with_causes};
use crate::manager::{self, SWITCH_TIMEOUT, Strictness};

/// The same for the question whether our controllers are still active: it answers none while it switches others.
const WATCH_TIMEOUT: Duration = SWITCH_TIMEOUT;
/// Time between two questions whether our controllers are still active.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// Attempts to tell a stop that are put off while a controller does not listen: for a second.
const PUT_OFF: u32 = 5;

/// What is asked while set-points are sent.
pub(super) struct Watch {
    pub(super) call: Option<Call<ListControllersResponse>>,
    /// When the call was made, or the next one is due.
    pub(super) at: Time,
}

/// A stop that the controller manager does not know of yet.
pub(super) struct Untold {
    call: Option<Call<SwitchControllerResponse>>,
    /// When the call was made, or what comes next is due.
    at: Time,
    /// Whether controllers were told to halt for the attempt that comes next.
    has_halted: bool,
    /// Attempts that were put off because a controller did not listen yet.
    put_off: u32,
    was_reported: bool,
}

impl Untold {
    /// To be told from `at` on.
    pub(super) fn from(at: Time) -> Self {
        Self { call: None, at, has_halted: false, put_off: 0, was_reported: false }
    }
}

impl Worker {
    /// Brings all controllers to rest, as far as they hear it.
    pub(super) fn halt(&mut self) {
        let now = monotonic_now();
        let Some(ports) = &mut self.ports else { return };
        for (channel, controller) in ports.channels.iter_mut().zip(&self.plan.controllers) {
            if let Err(error) = channel.halt(controller, &self.sensors.measured, now) {
                tracing::error!("`{}` cannot be halted: {}", controller.name, with_causes(&error));
            }
        }
    }

    pub(super) fn serve_stop(&mut self) {
        let stops = self.stops.count();
        if stops == self.stops_seen {
            return;
        }
        self.stops_seen = stops;
        match self.power() {
            Power::On(_) => self.give_up(Power::Stopped),
            // Inactive; or halted already, and being told so.
            Power::Off | Power::Stopped | Power::Lost => {}
        }
    }

    /// Halts, and has the controllers deactivated as soon as the controller manager can be told.
    pub(super) fn give_up(&mut self, power: Power) {
        self.set_power(power);
        self.halt();
        self.watch.call = None;
        // Once more a little later, for a message that was lost.
        self.untold = Some(Untold::from(monotonic_now() + HALT / 2));
    }

    /// Tells the controller manager of a stop, until it has heard: at first that the controllers are to halt, for some
    /// leave with the hardware what they were told last.
    pub(super) fn tell_stop(&mut self) {
        let (Some(mut untold), Some(ports)) = (self.untold.take(), &self.ports) else { return };
        let now = monotonic_now();
        let failure = match &mut untold.call {
            None if now < untold.at => None,
            None if !untold.has_halted => {
                self.halt();
                (untold.at, untold.has_halted) = (now + HALT, true);
                None
            }
            None if !ports.manager.switch.server_available() => Some("it is away".to_owned()),
            // A robot that has come back is found piece by piece.
            None if untold.put_off < PUT_OFF && self.unheard().is_some() => {
                untold.put_off += 1;
                (untold.at, untold.has_halted) = (now + RETRY_EVERY, false);
                None
            }
            None => {
                let names = manager::names(&self.plan);
                let asked = ports.manager.ask_switch(&[], &names, Strictness::AsCanBe);
                untold.call = Some(asked);
                untold.at = now;
                None
            }
            Some(call) => match call.poll() {
                Some(Ok(answer)) if answer.ok => {
                    if untold.was_reported {
                        tracing::info!("the controller manager has deactivated our controllers");
                    }
                    return;
                }
                Some(Ok(answer)) => Some(answer.message),
                Some(Err(error)) => Some(error.to_string()),
                None if now.since(untold.at) > SWITCH_TIMEOUT => Some("no answer".to_owned()),
                None => None,
            },
        };
        if let Some(failure) = failure {
            if !untold.was_reported {
                let names = list(manager::names(&self.plan));
                tracing::error!("the controller manager cannot deactivate {names} yet: {failure}");
            }
            untold = Untold { was_reported: true, ..Untold::from(now + RETRY_EVERY) };
        }
        self.untold = Some(untold);
    }

    /// Finds out that the robot is gone, or that somebody else has switched our controllers.
    pub(super) fn watch_over(&mut self) {
        let now = monotonic_now();
        if self.sensors.measured.heard_at.is_none_or(|at| now.since(at) > SILENCE) {
            tracing::error!("the robot is lost: no joint was heard of for {SILENCE:?}");
            return self.give_up(Power::Lost);
        }
        let Some(ports) = &self.ports else { return };
        match &mut self.watch.call {
            None if now < self.watch.at => {}
            None => self.watch = Watch { call: Some(ports.manager.ask_list()), at: now },
            Some(call) => match call.poll() {
                Some(Ok(answer)) => {
                    self.watch = Watch { call: None, at: now + WATCH_EVERY };
                    let missing = manager::not_active(&self.plan, &answer.controller);
                    if !missing.is_empty() {
                        tracing::error!("somebody has deactivated {}", list(missing));
                        self.give_up(Power::Lost);
                    }
                }
                Some(Err(error)) => {
                    tracing::error!("the controller manager is lost: {error}");
                    self.give_up(Power::Lost);
                }
                None if now.since(self.watch.at) > WATCH_TIMEOUT => {
                    tracing::error!(
                        "the controller manager is lost: no answer in {WATCH_TIMEOUT:?}"
                    );
                    self.give_up(Power::Lost);
                }
                None => {}
            },
        }
    }
}
