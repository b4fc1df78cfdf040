use std::time::Duration;

use rustix::thread::ClockId;
use rustix::time::Timespec;
use sinew_types::Time;

/// The machine's monotonic clock: that of a loop on real hardware.
pub fn monotonic_now() -> Time {
    clock(ClockId::Monotonic)
}

/// The processor time that this thread has used so far. Real-time safe.
pub fn thread_cpu_time() -> Duration {
    clock(ClockId::ThreadCPUTime).since(Time::ZERO)
}

fn clock(id: ClockId) -> Time {
    let now = rustix::time::clock_gettime(id);
    Time::from_nanos(now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs())
}

/// Absolute deadlines of a periodic loop, on [`monotonic_now`]'s clock.
///
/// Deadlines that were missed are skipped and counted, never made up for.
#[derive(Clone, Copy, Debug)]
pub struct Deadlines {
    period: Duration,
    next: Time,
}

impl Deadlines {
    /// Deadlines every `period`, the first one now.
    pub fn from_now(period: Duration) -> Self {
        Self { period: period.max(Duration::from_nanos(1)), next: monotonic_now() }
    }

    /// The one that is slept for.
    pub fn next(&self) -> Time {
        self.next
    }

    /// Goes on to the first deadline after `ended`, and gives how many had passed by then.
    pub fn advance(&mut self, ended: Time) -> u32 {
        self.next += self.period;
        if ended < self.next {
            return 0;
        }
        let behind = ended.since(self.next).as_nanos() / self.period.as_nanos() + 1;
        let behind = u32::try_from(behind).unwrap_or(u32::MAX);
        self.next += self.period * behind;
        behind
    }

    /// Sleeps until the next deadline. Real-time safe.
    pub fn sleep(&self) {
        let ns = self.next.as_nanos();
        let request = Timespec {
            tv_sec: i64::try_from(ns / 1_000_000_000).unwrap_or(i64::MAX),
            tv_nsec: i64::try_from(ns % 1_000_000_000).unwrap_or(0),
        };
        // A signal may end the sleep early; the deadline stays.
        while let Err(rustix::io::Errno::INTR) =
            rustix::thread::clock_nanosleep_absolute(ClockId::Monotonic, &request)
        {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn missed_deadlines_are_skipped_and_counted() {
        let mut deadlines = Deadlines { period: Duration::from_millis(2), next: ms(10) };
        assert_eq!((deadlines.advance(ms(11)), deadlines.next()), (0, ms(12)));
        assert_eq!((deadlines.advance(ms(14)), deadlines.next()), (1, ms(16)));
        assert_eq!((deadlines.advance(ms(23)), deadlines.next()), (3, ms(24)));
    }
}
