use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sinew_hardware::monotonic_now;
use sinew_msgs::builtin_interfaces;
use sinew_types::Time;

use crate::convert::{time_from_msg, time_to_msg};

/// The time that standard messages of a robot are stamped with, so that other systems can tell how old they are.
///
/// Sinew itself goes by the robot's time: simulated, or the machine's monotonic clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum RosClock {
    /// That of `/clock`, which `use_sim_time` follows: the robot's own.
    Simulated,
    /// The machine's wall clock, as everybody else's.
    Wall,
}

impl RosClock {
    /// The robot's time as a stamp.
    pub(crate) fn stamp(self, time: Time) -> builtin_interfaces::Time {
        time_to_msg(time + self.ahead())
    }

    /// A stamp as the robot's time; one before its zero is zero.
    pub(crate) fn robot_time(self, stamp: &builtin_interfaces::Time) -> Time {
        Time::ZERO + time_from_msg(stamp).since(Time::ZERO + self.ahead())
    }

    /// Of the robot's time. Asked for anew each time, since a wall clock is set now and then.
    fn ahead(self) -> Duration {
        match self {
            Self::Simulated => Duration::ZERO,
            Self::Wall => {
                let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
                wall.saturating_sub(monotonic_now().since(Time::ZERO))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stamp_is_wall_time_and_comes_back() {
        let now = monotonic_now();
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let stamp = RosClock::Wall.stamp(now);
        let stamped = time_from_msg(&stamp).since(Time::ZERO);
        assert!(stamped.abs_diff(wall) < Duration::from_secs(1), "{stamped:?} {wall:?}");
        let again = RosClock::Wall.robot_time(&stamp);
        let off = again.since(now).max(now.since(again));
        assert!(off < Duration::from_millis(100), "{off:?}");
        assert_eq!(RosClock::Wall.robot_time(&builtin_interfaces::Time::default()), Time::ZERO);
    }

    #[test]
    fn simulated_time_is_the_robots_own() {
        let time = Time::ZERO + Duration::from_millis(1500);
        let stamp = RosClock::Simulated.stamp(time);
        assert_eq!((stamp.sec, stamp.nanosec), (1, 500_000_000));
        assert_eq!(RosClock::Simulated.robot_time(&stamp), time);
    }
}
