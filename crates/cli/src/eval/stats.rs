//! The numbers of an evaluation.

use serde::Serialize;

/// Successes among trials, with the Wilson interval that holds the true rate with 95 %.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Rate {
    pub(crate) succeeded: usize,
    pub(crate) trials: usize,
    pub(crate) rate: f64,
    pub(crate) low: f64,
    pub(crate) high: f64,
}

impl Rate {
    #[expect(clippy::cast_precision_loss, reason = "counts of episodes are small")]
    pub(crate) fn of(succeeded: usize, trials: usize) -> Self {
        /// Of the normal distribution, for 95 %.
        const Z: f64 = 1.959_963_984_540_054;
        let (k, n) = (succeeded as f64, trials as f64);
        if trials == 0 {
            return Self { succeeded, trials, rate: 0.0, low: 0.0, high: 1.0 };
        }
        let rate = k / n;
        let denominator = 1.0 + Z * Z / n;
        let centre = (rate + Z * Z / (2.0 * n)) / denominator;
        let half = Z * (rate * (1.0 - rate) / n + Z * Z / (4.0 * n * n)).sqrt() / denominator;
        Self {
            succeeded,
            trials,
            rate,
            low: (centre - half).max(0.0),
            high: (centre + half).min(1.0),
        }
    }

    /// Of those that hold.
    pub(crate) fn among(trials: impl IntoIterator<Item = bool>) -> Self {
        let (mut succeeded, mut count) = (0, 0);
        for trial in trials {
            count += 1;
            succeeded += usize::from(trial);
        }
        Self::of(succeeded, count)
    }
}

/// Median and 90th percentile.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) p90: f64,
}

impl Spread {
    pub(crate) fn of(values: impl IntoIterator<Item = f64>) -> Self {
        let mut values: Vec<f64> = values.into_iter().collect();
        values.sort_by(f64::total_cmp);
        Self { median: quantile(&values, 50), p90: quantile(&values, 90) }
    }
}

/// The smallest of the rising values that at least this share of them does not exceed; zero of none.
pub(crate) fn quantile(rising: &[f64], percent: usize) -> f64 {
    let rank = (rising.len() * percent).div_ceil(100).max(1);
    rising.get(rank - 1).copied().unwrap_or(0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wilson_intervals_are_those_of_the_textbook() {
        let rate = Rate::of(45, 50);
        assert!(
            (rate.low - 0.786_4).abs() < 1e-3 && (rate.high - 0.956_5).abs() < 1e-3,
            "{rate:?}"
        );
        assert_eq!(Rate::of(0, 0).high, 1.0);
        assert!(Rate::of(10, 10).low > 0.7 && Rate::of(10, 10).high > 0.999);
    }

    #[test]
    fn quantiles_are_values_that_occurred() {
        let spread = Spread::of((1..=10).map(f64::from));
        assert_eq!((spread.median, spread.p90), (5.0, 9.0));
        assert_eq!(Spread::of([]), Spread::default());
    }
}
