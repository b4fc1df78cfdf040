//! What becomes of a goal that another system carries out.

use std::time::Duration;

use sinew_types::{ErrorCode, Outcome, Source, Time};

use super::authority::source_name;
use super::{Calls, GRANT_WITHIN, Phase, Run};
use crate::body::Body;
use crate::io::{Failure, Inputs};

/// Another system that was told to end a goal says that it has within this; then the robot may rest without its word.
const CONFIRM_WITHIN: Duration = Duration::from_secs(2);

impl Run {
    /// Waits until nobody holds groups that another system is to take: not even an EXTERNAL source, whose goal the
    /// other system would give up for this one.
    pub(super) fn wait_until_free(
        &mut self,
        since: Time,
        now: Time,
        inputs: &Inputs<'_>,
        body: &mut Body,
        calls: &mut Calls,
    ) -> Option<Outcome> {
        let safety = &inputs.safety;
        let groups = self.group_names.join(", ");
        let failure = match safety.holder(&self.groups) {
            Some(source) => {
                let message = format!("{groups} in use by {}", source_name(source));
                Failure::new(ErrorCode::Busy, message)
            }
            None if safety.needs_resume(&self.groups) => {
                let message = format!("a person had {groups}, and no operator has resumed since");
                Failure::new(ErrorCode::LeaseRevoked, message)
            }
            None => {
                self.phase = Phase::Active;
                return self.run(now, inputs, body, calls);
            }
        };
        if now.since(since) > GRANT_WITHIN {
            return self.stop(failure, now, inputs, body, calls);
        }
        None
    }

    /// Whether the other system may still move the robot, if one carries the goal out; `waited`: since it was told to end.
    pub(super) fn delegate_holds(&self, inputs: &Inputs<'_>, waited: Duration) -> Option<bool> {
        let delegate = self.delegate.as_ref()?;
        let commands = inputs.safety.holder(&self.groups) == Some(Source::External);
        Some(commands || (!delegate.is_confirmed() && waited <= CONFIRM_WITHIN))
    }

    /// The robot still moves although the other system was told to end: if it is that system that moves it, by all
    /// that is known, the robot is stopped. Whether it was, just now.
    pub(super) fn stop_delegate(
        &mut self,
        inputs: &Inputs<'_>,
        now: Time,
        end: &mut Outcome,
    ) -> bool {
        let commands = inputs.safety.holder(&self.groups) == Some(Source::External);
        let Some(delegate) = self.delegate.as_mut().filter(|d| commands && !d.is_confirmed())
        else {
            return false;
        };
        let backend = delegate.backend();
        delegate.stop();
        end.message.push_str(&format!(
            "; {backend} moved the robot on after it was told to end, so the emergency stop was triggered"
        ));
        self.phase = Phase::Stopping { since: now, end: end.clone() };
        true
    }
}
