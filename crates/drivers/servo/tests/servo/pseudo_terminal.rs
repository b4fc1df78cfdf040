//! The driver on a real port, with its own thread, and a peer that is not ours.

use std::process::{Child, Command};
use std::time::{Duration, Instant};

use rustypot::DynamixelProtocolHandler;
use rustypot::servo::dynamixel::xl330;
use rustypot::servo::feetech::sts3215;
use sinew_driver_servo::ServoDriver;
use sinew_driver_servo::emulator::{Emulator, EmulatorConfig, Written};
use sinew_hardware::{DriverError, HardwareInterface, monotonic_now};
use sinew_robot::{RobotModel, ServoProtocol};
use sinew_types::{ActuatorCommand, JointCommand, RobotState};

use crate::rig::PERIOD;
use crate::robots::{patient, robot, servos};

const PORT: &str = "SINEW_TEST_SERVO_PORT";
const BOTH: [ServoProtocol; 2] = [ServoProtocol::Dynamixel, ServoProtocol::FeetechSts];

fn driver(robot: &RobotModel, path: &str) -> ServoDriver {
    ServoDriver::with_port(robot, patient(robot, path)).unwrap()
}

fn spawn(robot: &RobotModel) -> (Emulator, String) {
    let emulator = Emulator::spawn(&EmulatorConfig::of(servos(robot))).unwrap();
    let path = emulator.path().display().to_string();
    (emulator, path)
}

/// Waits for what happens on other threads.
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < Duration::from_secs(30), "{what}");
        std::thread::yield_now();
    }
}

/// Reads and writes until the condition holds.
fn drive(
    driver: &mut ServoDriver,
    state: &mut RobotState,
    command: Option<&ActuatorCommand>,
    what: &str,
    mut is_so: impl FnMut(&RobotState, &Result<(), DriverError>) -> bool,
) {
    wait_until(what, || {
        let read = driver.read(monotonic_now(), PERIOD, state);
        // On a machine that is busy with other things the watchdog may trip; then as an operator does.
        if matches!(read, Err(DriverError::DeviceFault { .. })) {
            driver.deactivate();
            let _ = driver.activate(monotonic_now());
        }
        if let Some(command) = command {
            let _ = driver.write(monotonic_now(), PERIOD, command);
        }
        is_so(state, &read)
    });
}

fn hold(driver: &mut ServoDriver, state: &mut RobotState) -> ActuatorCommand {
    drive(driver, state, None, "valid joints", |state, _| state.joints.iter().all(|j| j.valid));
    let layout = sinew_hardware::layout_of(&robot(ServoProtocol::FeetechSts)).unwrap();
    let mut command = ActuatorCommand::unused(&layout);
    for (joint, measured) in command.joints.iter_mut().zip(&state.joints) {
        *joint = JointCommand::position(measured.position);
    }
    command.grippers[0].width_m = 0.02;
    command
}

#[test]
fn a_driver_moves_stops_loses_and_finds_its_servos() {
    for protocol in BOTH {
        let robot = robot(protocol);
        let (emulator, path) = spawn(&robot);
        let mut driver = driver(&robot, &path);
        let configured = driver.configure().unwrap();
        let (layout, mut stop) = (configured.layout, configured.emergency_stop);
        let mut state = RobotState::invalid(&layout);
        let mut command = hold(&mut driver, &mut state);
        driver.activate(monotonic_now()).unwrap();
        let lift = layout.joint_index("shoulder_lift").unwrap();
        command.joints[lift] = JointCommand::position(0.3);
        drive(&mut driver, &mut state, Some(&command), "motion", |state, _| {
            (state.joints[lift].position - 0.3).abs() < 0.01
        });
        stop.stop();
        wait_until("torque off", || !emulator.handle().servo(2).has_torque);
        driver.deactivate();
        driver.activate(monotonic_now()).unwrap();
        assert!(emulator.handle().servo(2).has_torque);

        emulator.handle().unplug();
        drive(&mut driver, &mut state, Some(&command), "loss", |_, read| {
            matches!(read, Err(DriverError::Disconnected { .. }))
        });
        emulator.handle().replug();
        driver.deactivate();
        drive(&mut driver, &mut state, None, "return", |state, read| {
            read.is_ok() && state.joints[lift].valid
        });
        assert!(!emulator.handle().servo(2).has_torque);
        driver.activate(monotonic_now()).unwrap();
        drop(driver);
        assert!(emulator.handle().ids().iter().all(|id| !emulator.handle().servo(*id).has_torque));
    }
}

/// A process that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Run by `the_watchdog_stops_motion_when_the_process_is_killed` in a process of its own.
#[test]
#[ignore = "a part of another test"]
fn child_that_moves_until_it_is_killed() {
    let path = std::env::var(PORT).unwrap();
    let robot = robot(ServoProtocol::Dynamixel);
    let mut driver = driver(&robot, &path);
    let layout = driver.configure().unwrap().layout;
    let mut state = RobotState::invalid(&layout);
    let mut command = hold(&mut driver, &mut state);
    driver.activate(monotonic_now()).unwrap();
    let pan = layout.joint_index("shoulder_pan").unwrap();
    let start = Instant::now();
    // If the other test fails, nobody kills this process.
    while start.elapsed() < Duration::from_secs(60) {
        let swing = (start.elapsed().as_secs_f64() * 3.0).sin();
        command.joints[pan] = JointCommand::position(swing);
        drive(&mut driver, &mut state, Some(&command), "a swing", |_, _| true);
    }
}

#[test]
fn the_watchdog_stops_motion_when_the_process_is_killed() {
    let robot = robot(ServoProtocol::Dynamixel);
    let (emulator, path) = spawn(&robot);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "pseudo_terminal::child_that_moves_until_it_is_killed", "--ignored"])
        .env(PORT, path)
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let mut child = Killed(child);
    wait_until("motion", || emulator.handle().servo(1).velocity_ticks_s.abs() > 50.0);
    child.0.kill().unwrap();
    child.0.wait().unwrap();
    wait_until("the watchdog", || emulator.handle().servo(1).watchdog_has_tripped);
    let (place, writes) = (emulator.handle().servo(1).ticks, emulator.handle().write_count());
    assert!(emulator.handle().writes().iter().any(|r| matches!(r.written, Written::Watchdog(10))));
    let start = emulator.handle().now();
    wait_until("a while", || emulator.handle().now() - start > Duration::from_millis(200));
    assert_eq!(emulator.handle().servo(1).ticks, place);
    assert_eq!(emulator.handle().write_count(), writes);
}

/// The emulator speaks what others speak: a library that we did not write reads and moves it.
#[test]
fn rustypot_reads_and_moves_the_emulated_servos() {
    for protocol in BOTH {
        let robot = robot(protocol);
        let (emulator, path) = spawn(&robot);
        let mut port = serialport::new(&path, 1_000_000)
            .timeout(Duration::from_secs(5))
            .open_native()
            .unwrap();
        let ids = [3, 4, 5];
        let goals = [0.2, -0.2, 0.4];
        match protocol {
            ServoProtocol::Dynamixel => {
                let bus = DynamixelProtocolHandler::v2();
                assert!(bus.ping(&mut port, 3).unwrap());
                xl330::sync_write_torque_enable(&bus, &mut port, &ids, &[true; 3]).unwrap();
                xl330::sync_write_goal_position(&bus, &mut port, &ids, &goals).unwrap();
                wait_until("motion", || {
                    let seen = xl330::sync_read_present_position(&bus, &mut port, &ids).unwrap();
                    seen.iter().zip(goals).all(|(seen, goal)| (seen - goal).abs() < 0.01)
                });
            }
            _ => {
                let bus = DynamixelProtocolHandler::v1();
                assert!(bus.ping(&mut port, 3).unwrap());
                sts3215::sync_write_torque_enable(&bus, &mut port, &ids, &[true; 3]).unwrap();
                sts3215::sync_write_goal_position(&bus, &mut port, &ids, &goals).unwrap();
                wait_until("motion", || {
                    let seen = sts3215::sync_read_present_position(&bus, &mut port, &ids).unwrap();
                    seen.iter().zip(goals).all(|(seen, goal)| (seen - goal).abs() < 0.01)
                });
            }
        }
        assert!(emulator.handle().servo(4).ticks < 2048);
    }
}
