use std::fmt;

use sinew_msgs::sinew_msgs::RobotTick;

/// Where two runs first move differently.
#[derive(Clone, Debug, PartialEq)]
pub enum Difference {
    /// A value of one tick.
    Value {
        /// The tick.
        tick: u64,
        /// Simulated time, s.
        time_s: f64,
        /// The joint, or `tick`, `base x` and the like.
        what: String,
        /// In the first run.
        expected: f64,
        /// In the second.
        actual: f64,
    },
    /// One run has more ticks than the other.
    Length {
        /// Ticks of the first run.
        expected: usize,
        /// Ticks of the second.
        actual: usize,
    },
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Value { tick, time_s, what, expected, actual } => write!(
                f,
                "tick {tick} ({time_s:.3} s): {what}: expected {expected:?}, got {actual:?}"
            ),
            Self::Length { expected, actual } => {
                write!(f, "expected {expected} ticks, got {actual}")
            }
        }
    }
}

/// The first difference in tick numbers, joint positions or base pose, bit for bit; none if the
/// motion is the same.
pub fn first_difference<'a>(
    expected: impl ExactSizeIterator<Item = &'a RobotTick>,
    actual: impl ExactSizeIterator<Item = &'a RobotTick>,
) -> Option<Difference> {
    let lengths = (expected.len(), actual.len());
    for (expected, actual) in expected.zip(actual) {
        for ((what, expected_value), (_, actual_value)) in values(expected).zip(values(actual)) {
            if expected_value.to_bits() != actual_value.to_bits() {
                let stamp = &expected.stamp;
                return Some(Difference::Value {
                    tick: expected.tick,
                    time_s: f64::from(stamp.sec) + f64::from(stamp.nanosec) * 1e-9,
                    what: what.to_owned(),
                    expected: expected_value,
                    actual: actual_value,
                });
            }
        }
    }
    let (expected, actual) = lengths;
    (expected != actual).then_some(Difference::Length { expected, actual })
}

fn values(tick: &RobotTick) -> impl Iterator<Item = (&str, f64)> {
    let joints = tick.joint_state.name.iter().map(String::as_str);
    let joints = joints.zip(tick.joint_state.position.iter().copied());
    let (p, q) = (&tick.base_pose.position, &tick.base_pose.orientation);
    let base = [
        ("base x", p.x),
        ("base y", p.y),
        ("base z", p.z),
        ("base qx", q.x),
        ("base qy", q.y),
        ("base qz", q.z),
        ("base qw", q.w),
    ];
    // Tick numbers stay far below 2^52, where f64 is exact.
    #[expect(clippy::cast_precision_loss, reason = "see above")]
    std::iter::once(("tick", tick.tick as f64)).chain(joints).chain(base)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(positions: &[f64]) -> Vec<RobotTick> {
        positions
            .iter()
            .enumerate()
            .map(|(index, position)| {
                let mut tick = RobotTick { tick: index as u64, ..RobotTick::default() };
                tick.joint_state.name = vec!["elbow".into()];
                tick.joint_state.position = vec![*position];
                tick
            })
            .collect()
    }

    #[test]
    fn the_last_bit_of_a_joint_counts() {
        let expected = run(&[0.0, 0.5, 1.0]);
        let actual = run(&[0.0, f64::from_bits(0.5_f64.to_bits() + 1), 1.0]);
        assert_eq!(first_difference(expected.iter(), expected.iter()), None);
        let found = first_difference(expected.iter(), actual.iter()).map(|d| d.to_string());
        assert!(found.is_some_and(|text| text.starts_with("tick 1 (0.000 s): elbow:")));
    }

    #[test]
    fn a_shorter_run_differs() {
        let (expected, actual) = (run(&[0.0, 0.5]), run(&[0.0]));
        let found = first_difference(expected.iter(), actual.iter());
        assert_eq!(found, Some(Difference::Length { expected: 2, actual: 1 }));
    }
}
