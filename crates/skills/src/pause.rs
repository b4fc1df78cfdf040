use std::time::Duration;

use sinew_types::{Source, Time};

use crate::authority::SafetyView;

/// A goal is paused no longer than this.
pub(crate) const PAUSE_LIMIT: Duration = Duration::from_secs(5);
/// After it was resumed, the robot comes to rest and the lease is granted within this.
const GOES_ON_WITHIN: Duration = Duration::from_secs(3);

/// Somebody else has, or had, the groups of a goal.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pause {
    since: Time,
    /// Who took them.
    by: Source,
    /// How often operators had resumed when the groups were last seen taken.
    resumes: u64,
    resumed: Option<Time>,
}

/// What a paused goal is to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Stay paused.
    Wait,
    /// Ask for the lease again.
    GoOn,
    /// Give up: it was not resumed in time.
    NotResumed,
    /// Give up: it was resumed, but the robot did not come to rest or the lease was not to be had.
    NotContinued,
}

impl Pause {
    pub(crate) fn new(now: Time, by: Source, safety: &SafetyView<'_>) -> Self {
        Self { since: now, by, resumes: safety.resumes, resumed: None }
    }

    pub(crate) fn by(&self) -> Source {
        self.by
    }

    /// Judges one tick. Authority never comes back by itself: the groups must be free, and an operator
    /// must have resumed after they were last seen taken.
    pub(crate) fn judge(
        &mut self,
        now: Time,
        safety: &SafetyView<'_>,
        groups: &[usize],
        rests: bool,
    ) -> Verdict {
        let holder = safety.holder(groups);
        if holder.is_some() || safety.needs_resume(groups) {
            self.resumes = safety.resumes;
            self.by = holder.unwrap_or(self.by);
            if self.resumed.take().is_some() {
                // Resumed and taken again before it went on.
                self.since = now;
            }
        } else if self.resumed.is_none() && safety.resumes > self.resumes {
            self.resumed = Some(now);
        }
        match self.resumed {
            Some(resumed) if now.since(resumed) > GOES_ON_WITHIN => Verdict::NotContinued,
            Some(_) if rests => Verdict::GoOn,
            None if now.since(self.since) > PAUSE_LIMIT => Verdict::NotResumed,
            _ => Verdict::Wait,
        }
    }
}

#[cfg(test)]
mod tests {
    use sinew_types::{LeaseId, StopEpoch};

    use super::*;
    use crate::GroupAuthority;

    const TICK: Duration = Duration::from_millis(20);

    /// One group, and a pause of it.
    struct Bench {
        pause: Option<Pause>,
        now: Time,
        group: GroupAuthority,
        resumes: u64,
    }

    impl Bench {
        fn taken_by(source: Source) -> Self {
            let group = GroupAuthority { owner: Some((LeaseId(7), source)), ..Default::default() };
            let mut bench = Self { pause: None, now: Time::ZERO, group, resumes: 4 };
            bench.pause = Some(bench.view(|view| Pause::new(Time::ZERO, source, view)));
            bench
        }

        fn view<T>(&self, look: impl FnOnce(&SafetyView<'_>) -> T) -> T {
            look(&SafetyView {
                ready: true,
                mode: "ready",
                stop_epoch: StopEpoch(0),
                resumes: self.resumes,
                live_leases: &[],
                groups: &[self.group],
            })
        }

        fn tick(&mut self, rests: bool) -> Verdict {
            self.now += TICK;
            let mut pause = self.pause.expect("made with it");
            let verdict = self.view(|view| pause.judge(self.now, view, &[0], rests));
            self.pause = Some(pause);
            verdict
        }

        fn ticks_until(&mut self, wanted: Verdict) -> u32 {
            for tick in 1..1000 {
                match self.tick(true) {
                    Verdict::Wait => {}
                    verdict => {
                        assert_eq!(verdict, wanted);
                        return tick;
                    }
                }
            }
            panic!("no verdict within 20 s")
        }
    }

    #[test]
    fn free_groups_alone_do_not_end_a_pause() {
        for source in [Source::Teleop, Source::External] {
            let mut bench = Bench::taken_by(source);
            bench.tick(true);
            bench.group = GroupAuthority::default();
            assert_eq!(bench.ticks_until(Verdict::NotResumed), 250, "5 s and a tick in all");
        }
    }

    #[test]
    fn a_resume_counts_only_once_the_groups_are_free_again() {
        let mut bench = Bench::taken_by(Source::Teleop);
        bench.resumes += 1;
        assert_eq!(bench.tick(true), Verdict::Wait, "the operator still holds the dead-man");
        bench.group = GroupAuthority { needs_resume: true, ..Default::default() };
        assert_eq!(bench.tick(true), Verdict::Wait);
        bench.group.needs_resume = false;
        assert_eq!(bench.tick(true), Verdict::Wait, "that resume came before the release");
        bench.resumes += 1;
        assert_eq!(bench.tick(false), Verdict::Wait, "the robot still moves");
        assert_eq!(bench.tick(true), Verdict::GoOn);
    }

    #[test]
    fn a_release_and_a_resume_within_one_tick_are_both_seen() {
        let mut bench = Bench::taken_by(Source::Teleop);
        bench.group = GroupAuthority::default();
        bench.resumes += 1;
        assert_eq!(bench.tick(true), Verdict::GoOn);
    }

    #[test]
    fn taken_again_after_the_resume_it_is_a_new_pause() {
        let mut bench = Bench::taken_by(Source::Teleop);
        for _ in 0..200 {
            assert_eq!(bench.tick(true), Verdict::Wait);
        }
        let taken = bench.group;
        bench.group = GroupAuthority::default();
        bench.resumes += 1;
        assert_eq!(bench.tick(false), Verdict::Wait);
        bench.group = taken;
        assert_eq!(bench.tick(true), Verdict::Wait);
        assert_eq!(bench.ticks_until(Verdict::NotResumed), 251);
    }

    #[test]
    fn a_robot_that_does_not_come_to_rest_is_not_waited_for_without_end() {
        let mut bench = Bench::taken_by(Source::Teleop);
        bench.group = GroupAuthority::default();
        bench.resumes += 1;
        for _ in 0..=150 {
            assert_eq!(bench.tick(false), Verdict::Wait);
        }
        assert_eq!(bench.tick(false), Verdict::NotContinued);
    }
}
