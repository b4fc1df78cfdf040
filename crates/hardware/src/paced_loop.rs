use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use rustix::mm::MlockAllFlags;
use sinew_types::Time;
use thread_priority::{
    RealtimeThreadSchedulePolicy, ThreadPriority, ThreadPriorityValue, ThreadSchedulePolicy,
};

use crate::control_loop::{ControlLoop, TickReport};
use crate::deadlines::{Deadlines, monotonic_now, thread_cpu_time};
use crate::histogram::LatencyHistogram;

/// What the control thread has measured; read from any thread.
#[derive(Debug, Default)]
pub struct LoopStats {
    /// Ticks run.
    pub ticks: AtomicU64,
    /// Deadlines that had passed already, and were skipped.
    pub missed: AtomicU64,
    /// Times that the watchdog stopped the actuators.
    pub stalls: AtomicU64,
    /// Whether the thread runs under SCHED_FIFO.
    pub is_fifo: AtomicBool,
    /// Whether memory is locked.
    pub is_memory_locked: AtomicBool,
    /// From a tick's deadline to its start.
    pub lateness: LatencyHistogram,
    /// From a tick's start to its end.
    pub work: LatencyHistogram,
    /// The thread's processor time from a tick's start to its end.
    pub cpu: LatencyHistogram,
}

impl LoopStats {
    /// Makes the calling thread as punctual as this user may: the shortest timer slack, memory that is
    /// kept from being paged out once used, SCHED_FIFO at this priority (1 to 99).
    ///
    /// Each is tried for; [`LoopStats::is_fifo`] and [`LoopStats::is_memory_locked`] tell whether it was
    /// given. Not real-time safe.
    pub fn prepare_thread(&self, fifo_priority: Option<u8>, lock_memory: bool) {
        let _ = rustix::thread::set_current_timer_slack(NonZeroU64::new(1));
        if lock_memory {
            // On fault: what is used stays, without making every stack and arena resident at once.
            let flags = MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT;
            let locked = rustix::mm::mlockall(flags).is_ok();
            self.is_memory_locked.store(locked, Ordering::SeqCst);
        }
        if let Some(priority) = fifo_priority
            && let Ok(value) = ThreadPriorityValue::try_from(priority)
        {
            let fifo = thread_priority::set_thread_priority_and_policy(
                thread_priority::thread_native_id(),
                ThreadPriority::Crossplatform(value),
                ThreadSchedulePolicy::Realtime(RealtimeThreadSchedulePolicy::Fifo),
            );
            self.is_fifo.store(fifo.is_ok(), Ordering::SeqCst);
        }
    }
}

/// One cycle of a [`PacedLoop`], as it was measured; times on [`monotonic_now`]'s clock.
#[derive(Clone, Copy, Debug)]
pub struct Cycle {
    /// When it was due.
    pub deadline: Time,
    /// When it began.
    pub started: Time,
    /// When it ended.
    pub ended: Time,
    /// The thread's processor time from its start to its end.
    pub cpu: Duration,
    /// Later deadlines that had passed when it ended.
    pub missed: u32,
    /// What the control loop did.
    pub report: TickReport,
}

/// A [`ControlLoop`] on absolute deadlines, on the thread that calls it: the body of
/// [`crate::RealTimeRunner`]'s thread.
///
/// With a driver on real hardware the loop's clock is [`monotonic_now`]; with a simulated one it is
/// simulated time, which advances by one period each cycle.
pub struct PacedLoop {
    control: ControlLoop,
    deadlines: Deadlines,
    simulated: Time,
    stats: Arc<LoopStats>,
}

impl PacedLoop {
    /// The first deadline is now. What is measured is counted in `stats`.
    pub fn new(control: ControlLoop, stats: Arc<LoopStats>) -> Self {
        let deadlines = Deadlines::from_now(control.period());
        Self { control, deadlines, simulated: Time::ZERO, stats }
    }

    /// Forgets how late it is: the next deadline is now.
    pub fn restart(&mut self) {
        self.deadlines = Deadlines::from_now(self.control.period());
    }

    /// The loop's clock.
    pub fn now(&self) -> Time {
        if self.control.is_simulated() { self.simulated } else { monotonic_now() }
    }

    /// One tick, measured. Real-time safe as far as [`ControlLoop::tick`] is.
    pub fn cycle(&mut self) -> Cycle {
        let deadline = self.deadlines.next();
        let (started, cpu_before) = (monotonic_now(), thread_cpu_time());
        let lateness = started.since(deadline);
        self.stats.lateness.record(lateness);
        self.control.woke_late(lateness);
        let now = if self.control.is_simulated() { self.simulated } else { started };
        let report = self.control.tick(now);
        self.simulated += self.control.period();
        let (cpu, ended) = (thread_cpu_time().saturating_sub(cpu_before), monotonic_now());
        self.stats.work.record(ended.since(started));
        self.stats.cpu.record(cpu);
        self.stats.ticks.fetch_add(1, Ordering::Relaxed);
        let missed = self.deadlines.advance(ended);
        self.stats.missed.fetch_add(u64::from(missed), Ordering::Relaxed);
        Cycle { deadline, started, ended, cpu, missed, report }
    }

    /// Sleeps until the next deadline. Real-time safe.
    pub fn sleep(&self) {
        self.deadlines.sleep();
    }

    /// The loop.
    pub fn control(&mut self) -> &mut ControlLoop {
        &mut self.control
    }

    /// Gives the loop back.
    pub fn into_control(self) -> ControlLoop {
        self.control
    }
}
