//! After activation the control thread does not allocate, with the bus on its own thread.

use std::time::{Duration, Instant};

use assert_no_alloc::assert_no_alloc;
use sinew_driver_servo::ServoDriver;
use sinew_driver_servo::emulator::{Emulator, EmulatorConfig, Fault};
use sinew_hardware::{ControlLoop, GateConfig, Unconfigured, monotonic_now};
use sinew_robot::ServoProtocol;

use crate::robots::{patient, robot, servos};

#[test]
fn a_tick_of_an_active_loop_with_servos_does_not_allocate() {
    for protocol in [ServoProtocol::Dynamixel, ServoProtocol::FeetechSts] {
        let robot = robot(protocol);
        let emulator = Emulator::spawn(&EmulatorConfig::of(servos(&robot))).unwrap();
        let path = emulator.path().display().to_string();
        let driver = ServoDriver::with_port(&robot, patient(&robot, &path)).unwrap();
        let counters = driver.counters();
        let (driver, _stop) = Unconfigured::new(Box::new(driver)).configure().unwrap();
        let config = GateConfig::from_robot(&robot).unwrap();
        let (mut control, mut handle) = ControlLoop::new(driver, config).unwrap();
        let start = Instant::now();
        while !control.is_active() {
            assert!(start.elapsed() < Duration::from_secs(30));
            control.tick(monotonic_now());
            let _ = handle.arm();
            while handle.poll().is_some() {}
        }
        let fault = emulator.handle().clone();
        let before = counters.values();
        fault.inject(2, Fault::BadChecksum);
        fault.inject(3, Fault::LostBytes { first: 3, count: 2 });
        assert_no_alloc(|| {
            let start = Instant::now();
            let mut requests = before.requests;
            // Until the IO thread has cycled often, with faults, too.
            while requests < before.requests + 300 {
                assert!(start.elapsed() < Duration::from_secs(60));
                control.tick(monotonic_now());
                requests = counters.values().requests;
                std::thread::yield_now();
            }
        });
        assert_eq!(counters.values().bad_checksum, before.bad_checksum + 1);
    }
}
