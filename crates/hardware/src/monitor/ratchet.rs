//! When a distance is a violation.

/// How much of what was gained may be lost again while a distance is below its limit, m: a measured
/// distance is never quite still.
pub(crate) const SLACK_M: f64 = 0.001;

/// A distance that must not fall below its limit; and which, where it starts below, must not shrink.
///
/// Without the second half a robot that stands too close could never be moved away: from
/// a start below the limit every distance is allowed that is not smaller, by more than [`SLACK_M`], than the largest
/// since the start. Once it has reached the limit, the limit holds exactly.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Ratchet {
    /// The largest distance since the start, up to the limit; none before the first.
    best: Option<f64>,
}

impl Ratchet {
    /// Forgets the start: the next distance is a new one.
    pub(crate) fn restart(&mut self) {
        self.best = None;
    }

    /// Whether this distance is a violation.
    pub(crate) fn violates(&mut self, distance: f64, limit: f64) -> bool {
        let best = self.best.unwrap_or(distance).min(limit);
        let lowest = if best < limit { best - SLACK_M } else { limit };
        self.best = Some(best.max(distance).min(limit));
        distance < lowest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn violations(distances: &[f64]) -> Vec<bool> {
        let mut ratchet = Ratchet::default();
        distances.iter().map(|distance| ratchet.violates(*distance, 0.01)).collect()
    }

    #[test]
    fn from_above_the_limit_holds_exactly() {
        assert_eq!(violations(&[0.5, 0.01, 0.009_999]), [false, false, true]);
    }

    #[test]
    fn from_below_only_what_grows_is_allowed_and_what_was_gained_is_kept() {
        let distances = [0.002, 0.0015, 0.004, 0.0025, 0.02, 0.0099];
        assert_eq!(violations(&distances), [false, false, false, true, false, true]);
    }

    #[test]
    fn a_restart_takes_the_present_distance_as_it_is() {
        let mut ratchet = Ratchet::default();
        ratchet.violates(0.5, 0.01);
        assert!(ratchet.violates(0.003, 0.01));
        ratchet.restart();
        assert!(!ratchet.violates(0.003, 0.01));
        assert!(ratchet.violates(0.001, 0.01));
    }
}
