use std::time::Duration;

/// Counts durations in powers of two of a nanosecond: bucket `i` holds `[2^i, 2^(i+1))` ns.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Histogram {
    buckets: [u64; Self::BUCKETS],
    count: u64,
    max: Duration,
}

impl Default for Histogram {
    fn default() -> Self {
        Self { buckets: [0; Self::BUCKETS], count: 0, max: Duration::ZERO }
    }
}

impl Histogram {
    /// The last one also takes whatever is longer than 2^40 ns (18 min).
    pub const BUCKETS: usize = 40;

    /// Counts one duration. Real-time safe.
    pub fn record(&mut self, duration: Duration) {
        let nanoseconds = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX).max(1);
        let bucket = (nanoseconds.ilog2() as usize).min(Self::BUCKETS - 1);
        self.buckets[bucket] += 1;
        self.count += 1;
        self.max = self.max.max(duration);
    }

    /// How many were counted.
    pub fn count(&self) -> u64 {
        self.count
    }

    /// The longest.
    pub fn max(&self) -> Duration {
        self.max
    }

    /// Upper bound of the bucket that holds the quantile, 0 to 1; zero if nothing was counted.
    pub fn quantile(&self, quantile: f64) -> Duration {
        let wanted = (quantile.clamp(0.0, 1.0) * self.count as f64).ceil().max(1.0) as u64;
        let mut seen = 0;
        for (i, bucket) in self.buckets.iter().enumerate() {
            seen += bucket;
            if seen >= wanted {
                return Duration::from_nanos(1 << (i + 1)).min(self.max);
            }
        }
        Duration::ZERO
    }

    /// Counts per bucket.
    pub fn buckets(&self) -> &[u64] {
        &self.buckets
    }
}

/// Time spent in each stage of [`crate::Policy::step`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Latency {
    /// Building the observation.
    pub observe: Histogram,
    /// Inside ONNX Runtime.
    pub run: Histogram,
    /// From the network's output to the command.
    pub decode: Histogram,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_bounded_by_its_bucket_and_by_the_longest() {
        let mut histogram = Histogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        for nanoseconds in [100, 100, 100, 5000] {
            histogram.record(Duration::from_nanos(nanoseconds));
        }
        assert_eq!(histogram.quantile(0.5), Duration::from_nanos(128));
        assert_eq!(histogram.quantile(0.99), Duration::from_nanos(5000));
        assert_eq!(histogram.count(), 4);
    }
}
