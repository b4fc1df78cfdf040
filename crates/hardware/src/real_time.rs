use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use sinew_types::Time;

use crate::control_loop::ControlLoop;
use crate::deadlines::monotonic_now;
use crate::error::HardwareError;
use crate::interface::EmergencyStop;
use crate::link::LoopMonitor;
use crate::paced_loop::{LoopStats, PacedLoop};

/// How a loop is run in real time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RealTimeConfig {
    /// SCHED_FIFO priority, 1 to 99, tried for; none leaves the thread as it is, and so does a simulated
    /// driver.
    pub fifo_priority: Option<u8>,
    /// Whether the process' memory is to be kept from being paged out, once used; not with a simulated
    /// driver.
    pub lock_memory: bool,
    /// A tick that takes longer has the watchdog stop the actuators.
    pub stall_timeout: Duration,
    /// The same while the driver is being activated or deactivated.
    pub transition_timeout: Duration,
}

impl Default for RealTimeConfig {
    fn default() -> Self {
        Self {
            fifo_priority: Some(80),
            lock_memory: true,
            stall_timeout: Duration::from_millis(200),
            transition_timeout: Duration::from_secs(30),
        }
    }
}

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    done: AtomicBool,
    /// When the last tick ended, ns; zero before the first.
    alive_ns: AtomicU64,
    stats: Arc<LoopStats>,
}

/// A [`ControlLoop`] on a thread of its own, with absolute deadlines, and a watchdog thread beside it.
///
/// Deadlines that were missed are skipped and counted, never made up for. With a driver on real hardware
/// `now` is the machine's monotonic clock ([`monotonic_now`]); with a simulated one it is simulated time,
/// which advances by one period each tick. Dropping it stops the robot as [`RealTimeRunner::stop`] does.
pub struct RealTimeRunner {
    shared: Arc<Shared>,
    control: Option<JoinHandle<ControlLoop>>,
    watchdog: Option<JoinHandle<()>>,
}

impl RealTimeRunner {
    /// Starts both threads.
    ///
    /// Priority and memory lock are tried for; [`LoopStats`] tells whether they were given.
    ///
    /// # Errors
    /// [`HardwareError::Spawn`].
    pub fn spawn(
        control: ControlLoop,
        emergency_stop: Box<dyn EmergencyStop>,
        config: RealTimeConfig,
    ) -> Result<Self, HardwareError> {
        let shared = Arc::new(Shared::default());
        let monitor = control.monitor();
        let spawned = |source: io::Error| HardwareError::Spawn { source };
        let watchdog = {
            let (shared, config) = (Arc::clone(&shared), config.clone());
            std::thread::Builder::new()
                .name("sinew-watchdog".into())
                .spawn(move || watch(&shared, &monitor, emergency_stop, &config))
                .map_err(spawned)?
        };
        let mut this = Self { shared, control: None, watchdog: Some(watchdog) };
        let shared = Arc::clone(&this.shared);
        let thread = std::thread::Builder::new()
            .name("sinew-control".into())
            .spawn(move || {
                let control = run(control, &shared, &config);
                shared.done.store(true, Ordering::SeqCst);
                control
            })
            .map_err(spawned)?;
        this.control = Some(thread);
        Ok(this)
    }

    /// What was measured so far.
    pub fn stats(&self) -> &LoopStats {
        &self.shared.stats
    }

    /// Whether the control thread runs.
    pub fn is_running(&self) -> bool {
        !self.shared.done.load(Ordering::SeqCst)
    }

    /// Brings the robot to rest, switches the driver off, ends both threads and gives the loop back;
    /// none if the control thread had panicked, in which case the watchdog has stopped the actuators.
    pub fn stop(mut self) -> Option<ControlLoop> {
        self.join()
    }

    fn join(&mut self) -> Option<ControlLoop> {
        self.shared.stop.store(true, Ordering::SeqCst);
        let control = self.control.take().and_then(|thread| thread.join().ok());
        // Without a control thread (it panicked, or never started) nothing else ends the watchdog.
        self.shared.done.store(true, Ordering::SeqCst);
        if let Some(watchdog) = self.watchdog.take() {
            // It can only have panicked in the driver's stop; there is nothing left to be done.
            let _ = watchdog.join();
        }
        control
    }
}

impl Drop for RealTimeRunner {
    fn drop(&mut self) {
        self.join();
    }
}

fn run(control: ControlLoop, shared: &Shared, config: &RealTimeConfig) -> ControlLoop {
    // Physics may fill every period: under SCHED_FIFO it would starve the rest of the machine.
    let is_real = !control.is_simulated();
    let priority = config.fifo_priority.filter(|_| is_real);
    shared.stats.prepare_thread(priority, config.lock_memory && is_real);
    // Long enough for any stop profile (at most 30 s), then it is switched off anyway.
    let longest_ticks = Duration::from_secs(31).as_nanos() / control.period().as_nanos().max(1);
    let mut paced = PacedLoop::new(control, Arc::clone(&shared.stats));
    let mut shutdown: Option<u64> = None;
    loop {
        if shared.stop.load(Ordering::SeqCst) && shutdown.is_none() {
            let now = paced.now();
            paced.control().begin_shutdown(now);
            shutdown = Some(0);
        }
        let cycle = paced.cycle();
        shared.alive_ns.store(cycle.ended.as_nanos(), Ordering::SeqCst);
        if let Some(ticks) = &mut shutdown {
            *ticks += 1;
            if !paced.control().is_active() || u128::from(*ticks) > longest_ticks {
                paced.control().deactivate();
                return paced.into_control();
            }
        }
        paced.sleep();
    }
}

fn watch(
    shared: &Shared,
    monitor: &LoopMonitor,
    mut emergency_stop: Box<dyn EmergencyStop>,
    config: &RealTimeConfig,
) {
    let pause = (config.stall_timeout / 10).max(Duration::from_millis(1));
    // The tick after which the actuators were stopped last: once per stall is enough.
    let mut stopped_after = None;
    while !shared.done.load(Ordering::SeqCst) {
        std::thread::sleep(pause);
        let alive = shared.alive_ns.load(Ordering::SeqCst);
        let limit = if monitor.in_transition.load(Ordering::SeqCst) {
            config.transition_timeout
        } else {
            config.stall_timeout
        };
        let is_stalled = alive != 0 && monotonic_now().since(Time::from_nanos(alive)) > limit;
        if is_stalled && stopped_after != Some(alive) && !shared.done.load(Ordering::SeqCst) {
            stopped_after = Some(alive);
            emergency_stop.stop();
            monitor.stalled.store(true, Ordering::SeqCst);
            shared.stats.stalls.fetch_add(1, Ordering::Relaxed);
        }
    }
}
