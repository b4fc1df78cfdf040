use std::fmt;
use std::time::Duration;

use crate::EpisodeResult;

/// Middle, high and largest of some values.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Spread {
    /// Half of the values are at most this.
    pub p50: f64,
    /// 95 % of the values are at most this.
    pub p95: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// The spread of some values; zeros if there are none.
    pub fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut sorted: Vec<f64> = values.into_iter().collect();
        sorted.sort_by(f64::total_cmp);
        let at = |share: f64| {
            let index = (share * sorted.len() as f64).ceil() as usize;
            sorted.get(index.saturating_sub(1)).copied().unwrap_or_default()
        };
        Self { p50: at(0.5), p95: at(0.95), max: at(1.0) }
    }
}

/// How well many episodes went.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Quality {
    /// How many were run.
    pub episodes: usize,
    /// How many settled within the task's tolerance.
    pub succeeded: usize,
    /// Time until then, s.
    pub settling_s: Spread,
    /// Distance to the goal at the end, m, of all episodes.
    pub distance_m: Spread,
    /// Angle to the goal at the end, rad, of all episodes.
    pub angle_rad: Spread,
    /// Farthest from the straight line, m.
    pub aside_m: Spread,
}

impl Quality {
    /// The quality of some episodes.
    pub fn of(results: &[EpisodeResult]) -> Self {
        let settled = || results.iter().filter_map(|r| r.settled);
        Self {
            episodes: results.len(),
            succeeded: settled().count(),
            settling_s: Spread::of(settled().map(|s: Duration| s.as_secs_f64())),
            distance_m: Spread::of(results.iter().map(|r| r.last.distance_m)),
            angle_rad: Spread::of(results.iter().map(|r| r.last.angle_rad)),
            aside_m: Spread::of(results.iter().map(|r| r.aside_m)),
        }
    }

    /// Share of episodes that settled, 0 to 1.
    pub fn success_rate(&self) -> f64 {
        self.succeeded as f64 / self.episodes.max(1) as f64
    }
}

impl fmt::Display for Quality {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let share = 100.0 * self.success_rate();
        writeln!(f, "success        {}/{} ({share:.1} %)", self.succeeded, self.episodes)?;
        writeln!(f, "               {:>9} {:>9} {:>9}", "p50", "p95", "max")?;
        let mut row = |name: &str, s: &Spread, factor: f64, unit: &str| {
            let [a, b, c] = [s.p50, s.p95, s.max].map(|v| v * factor);
            writeln!(f, "{name:<14} {a:>9.3} {b:>9.3} {c:>9.3} {unit}")
        };
        row("settling", &self.settling_s, 1.0, "s")?;
        row("distance", &self.distance_m, 1000.0, "mm")?;
        row("angle", &self.angle_rad, 1000.0, "mrad")?;
        row("aside", &self.aside_m, 1000.0, "mm")
    }
}
