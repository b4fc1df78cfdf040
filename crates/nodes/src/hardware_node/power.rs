use sinew_hardware::{RequestId, SafetyState};

use crate::node::LifecycleState;

/// The life cycle of the hardware node: it is active while the robot is powered, which is from arming to the end of disarming,
/// whoever asked for it.
#[derive(Default)]
pub(super) struct Power {
    is_on: bool,
    changing: Option<Changing>,
}

enum Changing {
    /// Answered: the loop's cycle in which it had been.
    Arming {
        request: RequestId,
        answered_in: Option<u64>,
    },
    Disarming,
}

impl Power {
    pub(super) fn arming(&mut self, request: RequestId) {
        // One that is on is refused, and does not end a stop.
        if !self.is_on && self.changing.is_none() {
            self.changing = Some(Changing::Arming { request, answered_in: None });
        }
    }

    pub(super) fn disarming(&mut self) {
        // One that is off stays off.
        if self.is_on || self.changing.is_some() {
            self.changing = Some(Changing::Disarming);
        }
    }

    /// The loop has answered a request. `cycle` is the newest that is known of it.
    pub(super) fn answered(&mut self, id: RequestId, is_accepted: bool, cycle: u64) {
        match &mut self.changing {
            Some(Changing::Arming { request, answered_in }) if *request == id => {
                *answered_in = Some(cycle);
                if !is_accepted {
                    self.changing = None;
                }
            }
            _ => {}
        }
    }

    /// What the loop says of itself.
    pub(super) fn observe(&mut self, safety: &SafetyState) {
        self.is_on = safety.powered;
        let is_done = match self.changing {
            None => return,
            Some(Changing::Disarming) => !self.is_on,
            // One that was on and is off again between two looks is not waited for.
            Some(Changing::Arming { answered_in, .. }) => {
                self.is_on || answered_in.is_some_and(|cycle| safety.cycle > cycle + 1)
            }
        };
        if is_done {
            self.changing = None;
        }
    }

    pub(super) fn lifecycle(&self) -> LifecycleState {
        match self.changing {
            Some(Changing::Arming { .. }) => LifecycleState::Activating,
            Some(Changing::Disarming) => LifecycleState::Deactivating,
            None if self.is_on => LifecycleState::Active,
            None => LifecycleState::Inactive,
        }
    }
}
