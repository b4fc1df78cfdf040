//! Claiming controllers, and handing them back.

use std::time::Duration;

use sinew_bus::{Call, CallError};
use sinew_hardware::monotonic_now;
use sinew_msgs::controller_manager_msgs::ControllerState;

use super::stopping::{Untold, Watch};
use super::{ANSWER_TIMEOUT, HALT, RETRY_EVERY, SILENCE, Worker};
use crate::cells::Power;
use crate::error::{Ros2ControlError, list, with_causes};
use crate::manager::{self, Claim, SWITCH_TIMEOUT, Strictness};

impl Worker {
    pub(super) fn configure(&mut self) -> Result<(), Ros2ControlError> {
        self.deactivate();
        if self.ports.is_none() {
            self.ports = Some(self.open()?);
        }
        let (since, wait) = (monotonic_now(), self.plan.wait);
        self.wait(wait, |this| this.missing(since, wait).is_none().then_some(()));
        if let Some(missing) = self.missing(since, wait) {
            return Err(missing);
        }
        let listed = loop {
            match self.ask_list() {
                Ok(listed) => break listed,
                // Discovery is not done at once in both directions.
                Err(error) if monotonic_now().since(since) >= wait => return Err(error),
                Err(_) => self.pause(RETRY_EVERY),
            }
        };
        manager::check(&self.plan, &listed)
    }

    pub(super) fn activate(&mut self, epoch: u64, stops: u64) -> Result<(), Ros2ControlError> {
        self.stops_seen = stops;
        self.set_power(Power::Off);
        // A stop that was not told yet stays to be told, unless what it would say is decided anew now.
        let listed = self.ask_list()?;
        manager::check(&self.plan, &listed)?;
        if let Some(missing) = self.missing(monotonic_now() - SILENCE, SILENCE) {
            return Err(missing);
        }
        self.untold = None;
        let claim = manager::to_claim(&self.plan, &listed);
        let left = std::mem::take(&mut self.claim.deactivated);
        self.claim = claim.clone();
        let all = Strictness::AllOrNothing;
        let claimed = self.switch(&claim.activated, &claim.deactivated, all).and_then(|()| {
            // The topic of a controller may be found later than its manager's services.
            self.wait(ANSWER_TIMEOUT, |this| this.unheard().is_none().then_some(()));
            match self.unheard() {
                Some(unheard) => Err(unheard),
                None if self.stops.count() != stops => Err(Ros2ControlError::Stopped),
                None => self.seed(),
            }
        });
        if claim.deactivated.is_empty() {
            // What a stop has left deactivated, and nothing else has replaced since, is still to be handed back.
            self.claim.deactivated.clone_from(&left);
        }
        if let Err(error) = claimed {
            self.hand_back(stops);
            let missing = left.into_iter().filter(|name| !self.claim.deactivated.contains(name));
            let missing: Vec<String> = missing.collect();
            self.claim.deactivated.extend(missing);
            if matches!(error, Ros2ControlError::NoAnswer { .. } | Ros2ControlError::Call(_)) {
                // It may still switch: that is undone after it.
                self.untold = Some(Untold::from(monotonic_now()));
            }
            return Err(error);
        }
        self.watch = Watch { call: None, at: monotonic_now() };
        // Set-points of before are not this activation's.
        self.is_new.fill(false);
        self.goals.update();
        self.set_power(Power::On(epoch));
        self.publish();
        Ok(())
    }

    fn seed(&mut self) -> Result<(), Ros2ControlError> {
        let Some(ports) = &mut self.ports else { return Err(self.not_there()) };
        for (channel, controller) in ports.channels.iter_mut().zip(&self.plan.controllers) {
            channel.seed(controller, &self.sensors.measured)?;
        }
        Ok(())
    }

    pub(super) fn deactivate(&mut self) {
        match self.power() {
            Power::On(_) => {
                let stops = self.stops_seen;
                self.set_power(Power::Off);
                self.halt();
                self.pause(HALT);
                self.hand_back(stops);
            }
            // What stopped it has deactivated our controllers, or will. After that nothing is activated that a person
            // has not asked for; what was active before is handed back at the end of the next activation.
            Power::Stopped | Power::Lost => self.set_power(Power::Off),
            Power::Off => {}
        }
        self.publish();
    }

    /// Makes undone what the activation changed, as far as it is still so. After a stop that came since the `stops`-th
    /// nothing is activated.
    fn hand_back(&mut self, stops: u64) {
        let claim = std::mem::take(&mut self.claim);
        if claim == Claim::default() {
            return;
        }
        let result = self.ask_list().and_then(|listed| {
            let mut back = manager::to_hand_back(&claim, &listed);
            if self.stops.count() != stops {
                self.claim.deactivated = std::mem::take(&mut back.deactivated);
            }
            let (activate, deactivate) = (back.deactivated, back.activated);
            match self.switch(&activate, &deactivate, Strictness::AllOrNothing) {
                Err(refused @ Ros2ControlError::Refused { .. }) => {
                    tracing::error!("{}; as much of it as can be is done", with_causes(&refused));
                    self.switch(&activate, &deactivate, Strictness::AsCanBe)
                }
                other => other,
            }
        });
        let Err(error) = result else { return };
        let names = list(&claim.activated);
        tracing::error!("{names} cannot be handed back: {}", with_causes(&error));
        self.claim.deactivated = claim.deactivated;
        self.untold = Some(Untold::from(monotonic_now()));
    }

    fn answer<T>(
        &mut self,
        service: &str,
        limit: Duration,
        mut call: Call<T>,
    ) -> Result<T, Ros2ControlError> {
        let answer = self.wait(limit, |_| call.poll());
        let waited = limit;
        answer
            .ok_or_else(|| Ros2ControlError::NoAnswer { service: service.to_owned(), waited })?
            .map_err(Ros2ControlError::Call)
    }

    /// What the controller manager says of its controllers.
    fn ask_list(&mut self) -> Result<Vec<ControllerState>, Ros2ControlError> {
        let (name, call) = match &self.ports {
            Some(ports) => (ports.manager.list.name().to_owned(), ports.manager.ask_list()),
            None => return Err(self.not_there()),
        };
        Ok(self.answer(&name, ANSWER_TIMEOUT, call)?.controller)
    }

    fn switch(
        &mut self,
        activate: &[String],
        deactivate: &[String],
        strictness: Strictness,
    ) -> Result<(), Ros2ControlError> {
        if activate.is_empty() && deactivate.is_empty() {
            return Ok(());
        }
        let (name, call) = match &self.ports {
            Some(ports) => (
                ports.manager.switch.name().to_owned(),
                ports.manager.ask_switch(activate, deactivate, strictness),
            ),
            None => return Err(self.not_there()),
        };
        // It answers when it has switched, or has given up.
        let answer = self.answer(&name, SWITCH_TIMEOUT + ANSWER_TIMEOUT, call)?;
        if answer.ok {
            return Ok(());
        }
        let message = match answer.message.is_empty() {
            true => "it does not say why; its log does".to_owned(),
            false => answer.message,
        };
        let (activate, deactivate) = (list(activate), list(deactivate));
        Err(Ros2ControlError::Refused { activate, deactivate, message })
    }

    pub(super) fn not_there(&self) -> Ros2ControlError {
        let service = self.plan.config.controller_manager.clone();
        Ros2ControlError::Call(CallError::NoServer { service })
    }
}
