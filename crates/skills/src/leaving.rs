use sinew_types::{Source, Time};

use crate::authority::SafetyView;
use crate::delegate::Delegate;
use crate::run::{Calls, DELEGATE_REST_WITHIN, Run};

/// The goal of another system whose skill has ended, while it has not said that it does not act on it any more. It is told
/// to end until it has.
pub(crate) struct Leaving {
    delegate: Delegate,
    groups: Vec<usize>,
    /// Since when an EXTERNAL source has the groups.
    commanded_since: Option<Time>,
    is_stopped: bool,
}

impl Leaving {
    /// Of a run that has ended; none if nothing is left of it elsewhere.
    pub(crate) fn of(run: Run) -> Option<Self> {
        let delegate = run.delegate.filter(|delegate| !delegate.is_over())?;
        Some(Self { delegate, groups: run.groups, commanded_since: None, is_stopped: false })
    }

    pub(crate) fn delegate(&mut self) -> &mut Delegate {
        &mut self.delegate
    }

    /// Whether nothing more is to be awaited of it.
    pub(crate) fn is_over(&self) -> bool {
        self.delegate.is_over()
    }

    /// One tick; `runs` are the goals that go on, one of which may be why an EXTERNAL source has the groups.
    pub(crate) fn step(
        &mut self,
        now: Time,
        safety: &SafetyView<'_>,
        runs: &[Run],
        calls: &mut Calls,
    ) {
        self.delegate.cancel(now);
        let commands = safety.holder(&self.groups) == Some(Source::External)
            && !runs.iter().any(|run| run.uses(&self.groups));
        self.commanded_since = if commands { self.commanded_since.or(Some(now)) } else { None };
        let is_long =
            self.commanded_since.is_some_and(|since| now.since(since) > DELEGATE_REST_WITHIN);
        if is_long && !self.is_stopped {
            self.is_stopped = true;
            self.delegate.stop();
        }
        calls.delegates.extend(self.delegate.take_calls(&mut calls.next_request));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use nalgebra::Isometry2;
    use sinew_types::{GoalId, LeaseId, StopEpoch};

    use super::*;
    use crate::authority::GroupAuthority;
    use crate::delegate::{Backend, DelegateCall, Task};

    #[test]
    fn who_moves_the_robot_on_is_stopped_once() {
        let mut delegate = Delegate::new(Backend::Nav2, GoalId([1; 16]));
        delegate.send(Task::Navigate { map_from_base: Isometry2::identity() });
        let mut calls = Calls { leases: Vec::new(), delegates: Vec::new(), next_request: 0 };
        calls.delegates.extend(delegate.take_calls(&mut calls.next_request));
        let mut leaving =
            Leaving { delegate, groups: vec![0], commanded_since: None, is_stopped: false };
        let groups = [GroupAuthority {
            owner: Some((LeaseId(7), Source::External)),
            needs_resume: false,
            is_fallback: false,
            clamped_cycles: 0,
        }];
        let safety = SafetyView {
            ready: true,
            mode: "ready",
            stop_epoch: StopEpoch(1),
            resumes: 0,
            live_leases: &[],
            groups: &groups,
        };
        let stops = |calls: &Calls| {
            let stops = |call: &&DelegateCall| matches!(call, DelegateCall::Stop { .. });
            calls.delegates.iter().filter(stops).count()
        };
        let mut now = Time::ZERO;
        for tick in 1..=1000 {
            now += Duration::from_millis(20);
            leaving.step(now, &safety, &[], &mut calls);
            assert_eq!(stops(&calls), usize::from(tick > 251), "{tick}");
        }
        assert!(!leaving.is_over(), "it has not said that it ended");
    }
}
