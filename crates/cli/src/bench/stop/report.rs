use std::fmt;
use std::time::Duration;

use serde::Serialize;

use super::cause::StopCause;
use crate::bench::stats::{Tail, short};

/// What one trial measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Trial {
    /// From the cause until the driver had the first set-point that was no longer the commander's.
    pub(super) to_ramp: Option<Duration>,
    /// From the cause until the robot stood still, or nothing was written.
    pub(super) to_standstill: Option<Duration>,
    /// How late the tick of the first ramp command began.
    pub(super) lateness: Option<Duration>,
    /// What was not as it must be.
    pub(super) fault: Option<String>,
}

impl Trial {
    pub(super) fn failed(fault: String) -> Self {
        Self { fault: Some(fault), ..Self::default() }
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(fault) = &self.fault {
            return write!(f, "FAILED: {fault}");
        }
        let time = |time: Option<Duration>| time.map_or("-".into(), |t| short(t.as_secs_f64()));
        let (ramp, still) = (time(self.to_ramp), time(self.to_standstill));
        write!(f, "ramp after {ramp}, standstill after {still}")
    }
}

/// All trials of one cause.
#[derive(Debug, Serialize)]
pub(super) struct CauseReport {
    cause: StopCause,
    trials: usize,
    as_expected: usize,
    ends_in: String,
    to_ramp: Option<Tail>,
    to_standstill: Option<Tail>,
    lateness: Option<Tail>,
    faults: Vec<String>,
}

impl CauseReport {
    pub(super) fn new(cause: StopCause, trials: Vec<Trial>) -> Self {
        let good = || trials.iter().filter(|trial| trial.fault.is_none());
        let tail = |of: fn(&Trial) -> Option<Duration>| Tail::of(good().filter_map(of));
        Self {
            cause,
            trials: trials.len(),
            as_expected: good().count(),
            ends_in: cause.end().words(),
            to_ramp: tail(|trial| trial.to_ramp),
            to_standstill: tail(|trial| trial.to_standstill),
            lateness: tail(|trial| trial.lateness),
            faults: trials.into_iter().filter_map(|trial| trial.fault).collect(),
        }
    }
}

/// What `sinew bench stop --json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct StopReport {
    trials: u32,
    causes: Vec<CauseReport>,
    as_expected: bool,
}

impl StopReport {
    pub(super) fn new(trials: u32, causes: Vec<CauseReport>) -> Self {
        let as_expected = causes.iter().all(|cause| cause.as_expected == cause.trials);
        Self { trials, causes, as_expected }
    }

    /// Whether each trial ended as it must, and nothing resumed by itself.
    pub(crate) fn is_as_expected(&self) -> bool {
        self.as_expected
    }

    /// A table in Markdown: p50 / p99 / max, ms.
    pub(crate) fn page(&self) -> String {
        let ms = |tail: Option<Tail>| match tail {
            Some(Tail { p50_s, p99_s, max_s }) => {
                let [p50, p99, max] = [p50_s, p99_s, max_s].map(|s| s * 1e3);
                format!("{p50:.1} / {p99:.1} / {max:.1}")
            }
            None => "-".into(),
        };
        let rows: String = self
            .causes
            .iter()
            .map(|cause| {
                format!(
                    "| {} | {} | {} | {} | {} | {}/{} |\n",
                    cause.cause.words(),
                    cause.ends_in,
                    ms(cause.to_ramp),
                    ms(cause.to_standstill),
                    ms(cause.lateness),
                    cause.as_expected,
                    cause.trials,
                )
            })
            .collect();
        let faults: String = self
            .causes
            .iter()
            .flat_map(|cause| cause.faults.iter().map(|fault| (cause.cause.name(), fault)))
            .map(|(cause, fault)| format!("\nfailed: {cause}: {fault}"))
            .collect();
        format!(
            "| cause | ends in | to first ramp command, ms | to standstill, ms | lateness of that \
             tick, ms | as expected |\n|---|---|---|---|---|---|\n{rows}\np50 / p99 / max of {} \
             trials per cause{faults}",
            self.trials
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trial_that_did_not_end_as_expected_counts_and_is_not_measured() {
        let ms = Duration::from_millis;
        let good = |ramp| Trial {
            to_ramp: Some(ms(ramp)),
            to_standstill: Some(ms(200)),
            ..Trial::default()
        };
        let trials = vec![
            good(60),
            good(70),
            Trial { to_ramp: Some(ms(900)), ..Trial::failed("resumed".into()) },
        ];
        let cause = CauseReport::new(StopCause::SkillsKilled, trials);
        assert_eq!((cause.trials, cause.as_expected), (3, 2));
        assert_eq!(cause.to_ramp.map(|tail| tail.max_s), Some(0.07));
        let report = StopReport::new(3, vec![cause]);
        assert!(!report.is_as_expected());
        let page = report.page();
        assert!(
            page.contains("| 60.0 / 70.0 / 70.0 | 200.0 / 200.0 / 200.0 | - | 2/3 |"),
            "{page}"
        );
        assert!(page.ends_with("failed: skills_killed: resumed"), "{page}");
    }
}
