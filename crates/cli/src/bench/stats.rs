//! The numbers of a benchmark.

use std::fmt;
use std::time::Duration;

use serde::Serialize;
use sinew_hardware::LatencyHistogram;

use super::thread_counts::ThreadCounts;
use crate::eval::stats::quantile;

/// How many misses are told one by one at most.
const MOST_TOLD: usize = 20;

/// Median, 99th percentile and largest of some durations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Tail {
    pub(crate) p50_s: f64,
    pub(crate) p99_s: f64,
    pub(crate) max_s: f64,
}

impl Tail {
    /// None of no durations.
    pub(crate) fn of(durations: impl IntoIterator<Item = Duration>) -> Option<Self> {
        let mut values: Vec<f64> = durations.into_iter().map(|d| d.as_secs_f64()).collect();
        values.sort_by(f64::total_cmp);
        let max_s = *values.last()?;
        Some(Self { p50_s: quantile(&values, 50), p99_s: quantile(&values, 99), max_s })
    }
}

/// The middle value; of an even number, the mean of both in the middle. None of no values.
pub(crate) fn median(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.into_iter().collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        count if count % 2 == 1 => Some(values[middle]),
        _ => Some((values[middle - 1] + values[middle]) / 2.0),
    }
}

/// One cycle of a loop, as it was measured.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Sample {
    /// From its deadline to its start.
    pub(crate) lateness: Duration,
    /// From its start to its end.
    pub(crate) work: Duration,
    /// The thread's processor time in between.
    pub(crate) cpu: Duration,
    /// Processor time of the same work done once more, where that was measured.
    pub(crate) again: Option<Duration>,
    /// What the kernel counted of the thread in between.
    pub(crate) met: ThreadCounts,
    /// Whether the next deadline had passed when it ended.
    pub(crate) missed: bool,
    /// Whether every group followed a command.
    pub(crate) followed: bool,
}

impl Sample {
    /// Whether a miss is the machine's, not the loop's: the processor time of its work is within the budget,
    /// and the late wake, with the time for which the processor was taken from it, fills the rest of the
    /// period. It is taken by another thread, or by the hypervisor, which no count of switches shows and which
    /// the kernel may book on the thread: then what the same work takes once more is its processor time. A
    /// thread that gave the processor up by itself was robbed of nothing.
    pub(crate) fn is_explained(&self, period: Duration, budget: Duration) -> bool {
        let own = self.again.map_or(self.cpu, |again| again.min(self.cpu));
        let taken = match self.met.waits {
            0 => self.work.saturating_sub(own),
            _ => Duration::ZERO,
        };
        self.missed && own <= budget && self.lateness + taken + own >= period
    }
}

/// Deadlines that passed while a cycle ran.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Misses {
    /// Cycles that ended after the next deadline.
    pub(crate) total: usize,
    /// Those that [`Sample::is_explained`].
    pub(crate) explained: usize,
}

impl Misses {
    pub(crate) fn among<'a>(
        samples: impl IntoIterator<Item = &'a Sample>,
        period: Duration,
        budget: Duration,
    ) -> Self {
        let mut misses = Self::default();
        for sample in samples.into_iter().filter(|sample| sample.missed) {
            misses.total += 1;
            misses.explained += usize::from(sample.is_explained(period, budget));
        }
        misses
    }
}

/// A miss that is not explained, with all that is known of it.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Unexplained {
    /// Its number, from 0.
    cycle: usize,
    lateness_s: f64,
    work_s: f64,
    cpu_s: f64,
    /// Processor time of the same work done once more; absent where that was not measured.
    again_s: Option<f64>,
    #[serde(flatten)]
    met: ThreadCounts,
}

impl Unexplained {
    /// The first of them.
    pub(crate) fn among(samples: &[Sample], period: Duration, budget: Duration) -> Vec<Self> {
        let cycles = samples.iter().enumerate();
        let misses =
            cycles.filter(|(_, sample)| sample.missed && !sample.is_explained(period, budget));
        misses
            .take(MOST_TOLD)
            .map(|(cycle, sample)| Self {
                cycle,
                lateness_s: sample.lateness.as_secs_f64(),
                work_s: sample.work.as_secs_f64(),
                cpu_s: sample.cpu.as_secs_f64(),
                again_s: sample.again.map(|again| again.as_secs_f64()),
                met: sample.met,
            })
            .collect()
    }
}

impl fmt::Display for Unexplained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let again = self.again_s.map_or_else(
            || "not done again".to_owned(),
            |s| format!("{} when done again", short(s)),
        );
        write!(
            f,
            "tick {}: late by {}, work {}, processor time {}, {again}; the thread waited {} times and met {} page faults",
            self.cycle,
            short(self.lateness_s),
            short(self.work_s),
            short(self.cpu_s),
            self.met.waits,
            self.met.page_faults
        )
    }
}

/// A histogram as lines with bars, from the first bucket that counts to the last.
pub(crate) fn bars(durations: impl IntoIterator<Item = Duration>) -> String {
    const WIDTH: u64 = 50;
    let histogram = LatencyHistogram::default();
    durations.into_iter().for_each(|duration| histogram.record(duration));
    let counts = histogram.counts();
    let most = counts.iter().copied().max().unwrap_or(0).max(1);
    let counted = |count: &u64| *count > 0;
    let Some(first) = counts.iter().position(counted) else { return String::new() };
    let last = counts.iter().rposition(counted).unwrap_or(first);
    (first..=last)
        .map(|bucket| {
            let count = counts[bucket];
            let bar = "#".repeat(usize::try_from((count * WIDTH).div_ceil(most)).unwrap_or(0));
            let below = Duration::from_nanos(2 << bucket);
            format!("  below {:>9} {count:>8} {bar}\n", short(below.as_secs_f64()))
        })
        .collect()
}

/// A time in the unit that suits it.
pub(crate) fn short(seconds: f64) -> String {
    match seconds {
        s if s < 1e-6 => format!("{:.0} ns", s * 1e9),
        s if s < 1e-3 => format!("{:.1} us", s * 1e6),
        s if s < 1.0 => format!("{:.2} ms", s * 1e3),
        s => format!("{s:.3} s"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PERIOD: Duration = Duration::from_millis(1);
    const BUDGET: Duration = Duration::from_micros(100);

    fn us(us: u64) -> Duration {
        Duration::from_micros(us)
    }

    #[test]
    fn percentiles_are_durations_that_occurred() {
        let tail = Tail::of((1..=200).map(Duration::from_millis)).expect("there are some");
        assert_eq!(tail, Tail { p50_s: 0.1, p99_s: 0.198, max_s: 0.2 });
        assert_eq!(Tail::of([]), None);
    }

    #[test]
    fn the_median_of_an_even_number_is_the_mean_of_the_middle() {
        assert_eq!(median([3.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median([4.0, 1.0, 2.0, 3.0]), Some(2.5));
        assert_eq!(median([]), None);
    }

    #[test]
    fn a_miss_is_explained_by_a_late_wake_or_by_another_thread_but_not_by_own_work() {
        let miss = Sample { missed: true, cpu: us(40), ..Sample::default() };
        let late = Sample { lateness: us(970), work: us(45), ..miss };
        assert!(late.is_explained(PERIOD, BUDGET));
        let displaced = Sample { lateness: us(10), work: us(1200), ..miss };
        assert!(displaced.is_explained(PERIOD, BUDGET));
        let waits = ThreadCounts { waits: 1, ..ThreadCounts::default() };
        let blocked = Sample { met: waits, ..displaced };
        assert!(!blocked.is_explained(PERIOD, BUDGET), "it waited for something of its own");
        let busy = Sample { lateness: us(970), cpu: us(300), work: us(300), ..miss };
        assert!(!busy.is_explained(PERIOD, BUDGET), "it worked for longer than it may");
        let stalled = Sample { cpu: us(1200), work: us(1200), again: Some(us(40)), ..miss };
        assert!(stalled.is_explained(PERIOD, BUDGET));
        let slow = Sample { again: Some(us(1100)), ..stalled };
        assert!(!slow.is_explained(PERIOD, BUDGET), "the same work takes as long again");
        let punctual = Sample { missed: false, ..late };
        assert!(!punctual.is_explained(PERIOD, BUDGET), "it missed nothing");
        let counted = Misses::among(&[late, blocked, stalled, slow, punctual], PERIOD, BUDGET);
        assert_eq!(counted, Misses { total: 4, explained: 2 });
        let told = Unexplained::among(&[late, blocked, stalled, slow], PERIOD, BUDGET);
        assert_eq!(told.iter().map(|miss| miss.cycle).collect::<Vec<_>>(), [1, 3]);
        assert_eq!((told[0].met, told[1].again_s), (waits, Some(1100e-6)));
    }

    #[test]
    fn bars_go_from_the_first_bucket_that_counts_to_the_last() {
        let text = bars([us(1), us(1), us(5)]);
        assert_eq!(text.lines().count(), 4, "{text}");
        assert!(text.lines().next().is_some_and(|line| line.contains("1.0 us        2 ####")));
        assert_eq!(bars([]), "");
    }
}
