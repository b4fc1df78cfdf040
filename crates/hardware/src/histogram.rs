use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Counts durations by powers of two of a nanosecond: bucket `k` holds those from `2^k` up to
/// `2^(k+1)` ns. Written by one thread and read by others without locks.
#[derive(Debug)]
pub struct LatencyHistogram {
    buckets: [AtomicU64; Self::BUCKETS],
    max_ns: AtomicU64,
}

impl Default for LatencyHistogram {
    fn default() -> Self {
        Self { buckets: std::array::from_fn(|_| AtomicU64::new(0)), max_ns: AtomicU64::new(0) }
    }
}

impl LatencyHistogram {
    /// How many buckets there are; the last one, from 2.1 s, holds everything above as well.
    pub const BUCKETS: usize = 32;

    /// Counts one duration. Real-time safe.
    pub fn record(&self, duration: Duration) {
        let ns = u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX);
        let bucket = (ns.max(1).ilog2() as usize).min(Self::BUCKETS - 1);
        self.buckets[bucket].fetch_add(1, Ordering::Relaxed);
        self.max_ns.fetch_max(ns, Ordering::Relaxed);
    }

    /// Counts per bucket.
    pub fn counts(&self) -> [u64; Self::BUCKETS] {
        std::array::from_fn(|bucket| self.buckets[bucket].load(Ordering::Relaxed))
    }

    /// How many durations were counted.
    pub fn total(&self) -> u64 {
        self.counts().iter().sum()
    }

    /// The longest of them.
    pub fn max(&self) -> Duration {
        Duration::from_nanos(self.max_ns.load(Ordering::Relaxed))
    }

    /// The upper end of the bucket in which this share (0 to 1) of all durations is reached; zero if there
    /// are none.
    pub fn quantile(&self, share: f64) -> Duration {
        let counts = self.counts();
        let total: u64 = counts.iter().sum();
        let wanted = (share.clamp(0.0, 1.0) * total as f64).ceil() as u64;
        let mut seen = 0;
        for (bucket, count) in counts.iter().enumerate() {
            seen += count;
            if *count > 0 && seen >= wanted.max(1) {
                return Duration::from_nanos(1 << (bucket + 1)).min(self.max());
            }
        }
        Duration::ZERO
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_the_upper_end_of_its_bucket() {
        let histogram = LatencyHistogram::default();
        assert_eq!(histogram.quantile(0.5), Duration::ZERO);
        for _ in 0..99 {
            histogram.record(Duration::from_nanos(1000));
        }
        histogram.record(Duration::from_micros(70));
        assert_eq!(histogram.quantile(0.5), Duration::from_nanos(1024));
        assert_eq!(histogram.quantile(1.0), Duration::from_micros(70));
        assert_eq!((histogram.total(), histogram.max()), (100, Duration::from_micros(70)));
    }
}
