use std::time::Duration;

use sinew_msgs::builtin_interfaces;
use sinew_types::Time;

const NANOS: u64 = 1_000_000_000;

/// As ROS 2's time; beyond the year 2106 its range ends, and so does the result.
pub fn time_to_msg(time: Time) -> builtin_interfaces::Time {
    let (sec, nanosec) = (time.as_nanos() / NANOS, time.as_nanos() % NANOS);
    builtin_interfaces::Time {
        sec: i32::try_from(sec).unwrap_or(i32::MAX),
        nanosec: u32::try_from(nanosec).unwrap_or(0),
    }
}

/// From ROS 2's time; before zero is zero.
pub fn time_from_msg(time: &builtin_interfaces::Time) -> Time {
    Time::from_nanos(u64::try_from(time.sec).unwrap_or(0) * NANOS + u64::from(time.nanosec))
}

/// As ROS 2's duration; beyond 68 years its range ends, and so does the result.
pub fn duration_to_msg(duration: Duration) -> builtin_interfaces::Duration {
    builtin_interfaces::Duration {
        sec: i32::try_from(duration.as_secs()).unwrap_or(i32::MAX),
        nanosec: duration.subsec_nanos(),
    }
}

/// From ROS 2's duration; a negative one is zero.
pub fn duration_from_msg(duration: &builtin_interfaces::Duration) -> Duration {
    match u64::try_from(duration.sec) {
        Ok(sec) => Duration::new(sec, 0) + Duration::from_nanos(u64::from(duration.nanosec)),
        Err(_) => Duration::ZERO,
    }
}
