//! The loop on its own thread. Waits are for events, with generous bounds; nothing judges wall time.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use sinew_driver_mock::MockDriver;
use sinew_hardware::{
    Cause, ControlHandle, ControlLoop, GateConfig, Mode, RealTimeConfig, RealTimeRunner,
    Unconfigured,
};

use crate::rig::mobi;

fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let started = Instant::now();
    while !holds() {
        assert!(started.elapsed() < Duration::from_secs(20), "waited in vain until {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn spawn(
    stall_timeout: Duration,
) -> (RealTimeRunner, ControlHandle, sinew_driver_mock::MockControl) {
    let mut config = GateConfig::from_robot(&mobi()).unwrap();
    // A busy machine must not be taken for a silent driver here.
    config.timeouts.stale_read_periods = 100_000;
    let driver = MockDriver::new(config.layout.clone(), 3.0);
    let mock = driver.control();
    let (driver, stop) = Unconfigured::new(Box::new(driver)).configure().unwrap();
    let (control, handle) = ControlLoop::new(driver, config).unwrap();
    let config = RealTimeConfig {
        fifo_priority: None,
        lock_memory: false,
        stall_timeout,
        ..Default::default()
    };
    (RealTimeRunner::spawn(control, stop, config).unwrap(), handle, mock)
}

#[test]
fn it_ticks_arms_and_stops_cleanly() {
    let (runner, mut handle, mock) = spawn(Duration::from_secs(10));
    until("the state is read", || handle.state().joints.iter().all(|joint| joint.valid));
    handle.arm().unwrap();
    until("it is ready", || handle.safety().mode == Mode::Ready);
    until("it has ticked", || runner.stats().ticks.load(Ordering::Relaxed) > 50);
    assert!(runner.is_running());
    assert!(runner.stats().lateness.total() > 50 && runner.stats().work.total() >= 50);
    let control = runner.stop().expect("no panic");
    assert!(!control.is_active() && !mock.is_active());
    assert_eq!(control.safety().mode, Mode::Disarmed);
    assert!(mock.writes() > 0);
}

#[test]
fn a_hanging_read_has_the_watchdog_stop_the_actuators_and_leaves_a_fault() {
    let (runner, mut handle, mock) = spawn(Duration::from_millis(200));
    until("the state is read", || handle.state().joints.iter().all(|joint| joint.valid));
    handle.arm().unwrap();
    until("it is ready", || handle.safety().mode == Mode::Ready);
    mock.delay_next_read(Duration::from_millis(900));
    until("the watchdog has acted", || mock.emergency_stops() > 0);
    until("the fault is latched", || handle.safety().causes.contains(Cause::LoopStalled));
    until("the driver is off", || !mock.is_active());
    assert!(runner.stats().stalls.load(Ordering::Relaxed) > 0);
    assert!(runner.stats().missed.load(Ordering::Relaxed) > 0);
    drop(runner);
}
