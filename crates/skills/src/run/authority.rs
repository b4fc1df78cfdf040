//! What becomes of a goal when its lease is lost or taken.

use sinew_types::{ErrorCode, LeaseId, Outcome, Source, Time};

use super::{Calls, LOST_TICKS, Phase, Run};
use crate::authority::SafetyView;
use crate::body::Body;
use crate::delegate::Delegate;
use crate::io::{ControlSource, Failure, Inputs};
use crate::pause::{PAUSE_LIMIT, Pause, Verdict};

impl Run {
    /// Counts what the gate changed of its commands: all that its groups were clamped from the first news of
    /// its ownership to the first news that it has ended.
    pub(super) fn count_clamped(&mut self, safety: &SafetyView<'_>) {
        let cycles = safety.clamped_cycles(&self.groups);
        if let Some(last) = self.clamped_cycles.take() {
            let clamped = u32::try_from(cycles.saturating_sub(last)).unwrap_or(u32::MAX);
            self.report.clamped = self.report.clamped.saturating_add(clamped);
        }
        let owns = |lease: &LeaseId| safety.owns(&self.groups, *lease);
        self.clamped_cycles = self.lease.filter(owns).map(|_| cycles);
    }

    /// Whether a lease that it holds is lost.
    pub(super) fn count_missing(&mut self, safety: &SafetyView<'_>) -> bool {
        let Some(lease) = self.lease else { return false };
        let is_live = safety.live_leases.contains(&lease);
        self.seen_live |= is_live;
        self.missing_ticks = if is_live { 0 } else { self.missing_ticks + 1 };
        let patience = if self.seen_live { LOST_TICKS } else { 10 * LOST_TICKS };
        self.missing_ticks >= patience
    }

    /// Who took its groups, if that is why it has lost its lease.
    pub(super) fn taken_by(&self, safety: &SafetyView<'_>, lost: bool) -> Option<Source> {
        if self.is_stopped(safety) {
            return None;
        }
        if self.delegate.is_some() {
            let moves =
                matches!(self.phase, Phase::Active | Phase::Resuming | Phase::Judging { .. });
            let by_teleop = safety.holder(&self.groups) == Some(Source::Teleop);
            return (moves && (by_teleop || safety.needs_resume(&self.groups)))
                .then_some(Source::Teleop);
        }
        if self.lease.is_none() && matches!(self.phase, Phase::Judging { .. }) {
            // It let go of its groups, to be judged once they have come to rest.
            let above = safety.holder(&self.groups).filter(|source| *source > Source::Skill);
            let by_person = safety.needs_resume(&self.groups).then_some(Source::Teleop);
            return above.or(by_person);
        }
        let taken = safety.taken_from(&self.groups, self.lease?);
        // Taken and let go of between two news.
        taken.or_else(|| (lost && safety.needs_resume(&self.groups)).then_some(Source::Teleop))
    }

    fn is_stopped(&self, safety: &SafetyView<'_>) -> bool {
        !safety.ready || safety.stop_epoch != self.stop_epoch
    }

    /// Whether it may still command, as far as the gate goes.
    pub(super) fn check_lease(&self, safety: &SafetyView<'_>, lost: bool) -> Result<(), Failure> {
        if self.is_stopped(safety) {
            let message = format!("the robot was stopped; its mode is {}", safety.mode);
            return Err(Failure::new(ErrorCode::SafetyStop, message));
        }
        if lost {
            let why = "commands came too late, or another source had its groups for a moment";
            return Err(self.revoked(why));
        }
        Ok(())
    }

    fn revoked(&self, why: &str) -> Failure {
        let groups = self.group_names.join(", ");
        let message = format!("the lease on {groups} was revoked: {why}");
        Failure::new(ErrorCode::LeaseRevoked, message)
    }

    /// Somebody took its groups: it pauses if it can.
    pub(super) fn pause(
        &mut self,
        by: Source,
        now: Time,
        inputs: &Inputs<'_>,
    ) -> Result<(), Failure> {
        self.interventions += u32::from(by == Source::Teleop);
        let name = source_name(by);
        if self.remake.is_none() {
            return Err(self.revoked(&format!("{name} took over, and the skill is not pausable")));
        }
        self.lease = None;
        if let Some(delegate) = &mut self.delegate {
            delegate.cancel(now);
        }
        self.rest_ticks = 0;
        self.phase = Phase::Paused(Pause::new(now, by, &inputs.safety));
        Ok(())
    }

    pub(super) fn stay_paused(
        &mut self,
        mut pause: Pause,
        now: Time,
        inputs: &Inputs<'_>,
        body: &mut Body,
        calls: &mut Calls,
    ) -> Option<Outcome> {
        let safety = &inputs.safety;
        self.report.paused(ControlSource::while_paused(safety, &self.groups), body.tick);
        if let Some(delegate) = &mut self.delegate {
            delegate.cancel(now);
        }
        let rests = self.count_rest(inputs, body);
        let verdict = pause.judge(now, safety, &self.groups, rests);
        self.phase = Phase::Paused(pause);
        let name = source_name(pause.by());
        match verdict {
            Verdict::Wait => None,
            Verdict::GoOn if self.delegate.is_some() => {
                // It begins anew once the other system is known to have done with what it was told before.
                if self.delegate.as_ref().is_some_and(Delegate::is_confirmed) {
                    self.phase = Phase::Resuming;
                }
                None
            }
            Verdict::GoOn => {
                self.acquire(now, Some(pause), calls);
                None
            }
            Verdict::NotResumed => {
                let limit = PAUSE_LIMIT.as_secs();
                let why =
                    format!("{name} took over, and nobody resumed the skill within {limit} s");
                self.stop(self.revoked(&why), now, inputs, body, calls)
            }
            Verdict::NotContinued => {
                let why = format!(
                    "{name} took over; after the resume the robot did not come to rest, or the lease was refused"
                );
                self.stop(self.revoked(&why), now, inputs, body, calls)
            }
        }
    }

    /// After a pause: as if the goal had just been given, by what is measured now.
    pub(super) fn go_on(
        &mut self,
        now: Time,
        inputs: &Inputs<'_>,
        body: &mut Body,
        calls: &mut Calls,
    ) -> Option<Outcome> {
        if !inputs.world.judge_all(&self.ground.preconditions).holds {
            let message =
                inputs.unmet(&self.ground.preconditions, "to go on after the pause, needs");
            let failure = Failure::new(ErrorCode::PreconditionFailed, message);
            return self.stop(failure, now, inputs, body, calls);
        }
        // Nothing of what it had planned, seen or queued is left.
        if let Some(delegate) = &mut self.delegate {
            delegate.reset();
        }
        let made = self.remake.as_ref().map(|maker| maker.make(&self.ground, body, inputs));
        match made {
            Some(Ok(skill)) => self.skill = skill,
            Some(Err(rejection)) => {
                let message = format!("after the pause: {}", rejection.message);
                let failure = Failure::new(rejection.error, message);
                return self.stop(failure, now, inputs, body, calls);
            }
            None => {}
        }
        self.phase = Phase::Active;
        self.run(now, inputs, body, calls)
    }
}

pub(super) fn source_name(source: Source) -> &'static str {
    match source {
        Source::Fallback => "the fallback controller",
        Source::Skill => "another skill",
        Source::External => "an external system",
        Source::Teleop => "teleop",
    }
}
