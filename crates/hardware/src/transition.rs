use std::time::Duration;

use sinew_types::Time;

use crate::safety::{GroupSafety, OutputKind, SafetyState};

/// A group's output changed its kind, or the group came to rest or began to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupTransition {
    /// Index of the group in the layout.
    pub group: usize,
    /// What it is given from this tick on.
    pub output: OutputKind,
    /// Whether set-point and measured state are at rest.
    pub still: bool,
    /// The tick, as in [`crate::TickReport::tick`].
    pub tick: u64,
    /// The tick's time on the loop's clock.
    pub at: Time,
    /// Whether the driver took the tick's set-points.
    pub wrote: bool,
    /// When the tick was done with the driver, on [`crate::monotonic_now`]'s clock.
    pub done_at: Time,
    /// From the tick's deadline to its start: [`crate::ControlLoop::woke_late`].
    pub lateness: Duration,
}

/// What was last said of each group.
pub(crate) struct Said(Vec<(OutputKind, bool)>);

impl Said {
    /// Of groups that are as in `safety`.
    pub(crate) fn of(safety: &SafetyState) -> Self {
        Self(safety.groups.iter().map(summary).collect())
    }

    /// Whether a group has changed since. Real-time safe.
    pub(crate) fn is_outdated(&self, safety: &SafetyState) -> bool {
        self.0.iter().zip(&safety.groups).any(|(said, group)| *said != summary(group))
    }

    /// The groups that have changed since, by index. Real-time safe.
    pub(crate) fn update<'a>(
        &'a mut self,
        safety: &'a SafetyState,
    ) -> impl Iterator<Item = (usize, OutputKind, bool)> + 'a {
        let pairs = self.0.iter_mut().zip(&safety.groups).enumerate();
        pairs.filter_map(|(index, (said, group))| {
            let (output, still) = summary(group);
            (std::mem::replace(said, (output, still)) != (output, still))
                .then_some((index, output, still))
        })
    }
}

fn summary(group: &GroupSafety) -> (OutputKind, bool) {
    (group.output, group.still)
}
