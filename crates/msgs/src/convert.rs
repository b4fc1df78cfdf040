//! Between ROS 2's times and Rust's.

use std::time::Duration;

use crate::builtin_interfaces as ros;

/// A span as a message; one that does not fit (68 years) is the longest there is.
#[must_use]
pub fn duration_msg(duration: Duration) -> ros::Duration {
    match i32::try_from(duration.as_secs()) {
        Ok(sec) => ros::Duration { sec, nanosec: duration.subsec_nanos() },
        Err(_) => ros::Duration { sec: i32::MAX, nanosec: 999_999_999 },
    }
}

/// A message as a span; a negative one, which some messages use for "unset", is zero.
#[must_use]
pub fn duration(message: &ros::Duration) -> Duration {
    u64::try_from(message.sec)
        .map_or(Duration::ZERO, |sec| Duration::new(sec, 0) + nanoseconds(message.nanosec))
}

/// A time since the clock's epoch as a message; as [`duration_msg`].
#[must_use]
pub fn time_msg(since_epoch: Duration) -> ros::Time {
    let ros::Duration { sec, nanosec } = duration_msg(since_epoch);
    ros::Time { sec, nanosec }
}

/// A message as a time since the clock's epoch; as [`duration`].
#[must_use]
pub fn since_epoch(message: &ros::Time) -> Duration {
    duration(&ros::Duration { sec: message.sec, nanosec: message.nanosec })
}

fn nanoseconds(nanosec: u32) -> Duration {
    Duration::from_nanos(u64::from(nanosec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_survive_the_way_there_and_back() {
        for span in [Duration::ZERO, Duration::from_nanos(1), Duration::new(7, 999_999_999)] {
            assert_eq!(duration(&duration_msg(span)), span);
            assert_eq!(since_epoch(&time_msg(span)), span);
        }
    }

    #[test]
    fn what_does_not_fit_is_clamped() {
        assert_eq!(duration_msg(Duration::MAX).sec, i32::MAX);
        assert_eq!(duration(&ros::Duration { sec: -1, nanosec: 5 }), Duration::ZERO);
        let odd = ros::Duration { sec: 1, nanosec: u32::MAX };
        assert_eq!(duration(&odd), Duration::from_nanos(1_000_000_000 + u64::from(u32::MAX)));
    }
}
