//! How often a group's commands are clamped.

use std::time::Duration;

use super::config::ClampRateLimits;

/// Share of the last cycles in which the commands of a group were clamped.
#[derive(Debug)]
pub(crate) struct ClampRate {
    /// A ring: whether each of the last cycles was clamped.
    window: Vec<bool>,
    next: usize,
    clamped: u32,
    /// Clamps so far, as of the last cycle.
    total: u64,
    warn_above: f32,
}

impl ClampRate {
    pub(crate) fn new(limits: ClampRateLimits, period: Duration) -> Self {
        let cycles = (limits.window.as_nanos() / period.as_nanos().max(1)).clamp(1, 1_000_000);
        #[allow(clippy::cast_possible_truncation)]
        Self {
            window: vec![false; cycles as usize],
            next: 0,
            clamped: 0,
            total: 0,
            warn_above: limits.warn_above as f32,
        }
    }

    /// Takes the number of clamps so far.
    pub(crate) fn note(&mut self, total: u64) {
        let is_clamped = total > self.total;
        self.total = total;
        let oldest = std::mem::replace(&mut self.window[self.next], is_clamped);
        self.clamped = self.clamped + u32::from(is_clamped) - u32::from(oldest);
        self.next = (self.next + 1) % self.window.len();
    }

    /// 0 to 1, of a whole window: cycles before the first count as not clamped.
    #[allow(clippy::cast_precision_loss)]
    pub(crate) fn rate(&self) -> f32 {
        self.clamped as f32 / self.window.len() as f32
    }

    /// Whether it is above the level of warning.
    pub(crate) fn is_persistent(&self) -> bool {
        self.rate() > self.warn_above
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_is_that_of_the_last_window_alone() {
        let limits = ClampRateLimits { window: Duration::from_millis(20), warn_above: 0.5 };
        let mut rate = ClampRate::new(limits, Duration::from_millis(2));
        let mut total = 0;
        for cycle in 1..=10_u64 {
            total += 3;
            rate.note(total);
            assert_eq!(rate.is_persistent(), cycle > 5, "{cycle}");
        }
        assert_eq!(rate.rate(), 1.0);
        for _ in 0..4 {
            rate.note(total);
        }
        assert_eq!(rate.rate(), 0.6);
        rate.note(total);
        assert!(!rate.is_persistent());
        for _ in 0..20 {
            rate.note(total);
        }
        assert_eq!(rate.rate(), 0.0);
    }
}
