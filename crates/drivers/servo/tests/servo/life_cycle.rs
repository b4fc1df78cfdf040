//! From a port to moving servos and back.

use std::time::Duration;

use sinew_driver_servo::emulator::{EmulatedServoConfig, EmulatorConfig, VirtualBus, Written};
use sinew_driver_servo::{FAULT_TORQUE_LOST, FAULT_WATCHDOG, ServoDriver};
use sinew_hardware::{DriverError, HardwareInterface};
use sinew_robot::{RobotModel, ServoModel, ServoProtocol};
use sinew_types::{ActuatorCommand, JointCommand};

use crate::rig::{PERIOD, Rig};
use crate::robots::{edited, robot, root, servos};

/// What `configure` says of a bus that is not as the robot file has it.
fn refusal(robot: &RobotModel, change: impl FnOnce(&mut EmulatorConfig)) -> String {
    let mut config = EmulatorConfig::of(servos(robot));
    change(&mut config);
    let bus = VirtualBus::new(&config);
    let mut driver = ServoDriver::with_port(robot, bus.opener()).unwrap().stepped();
    driver.configure().err().unwrap().to_string()
}

#[test]
fn a_servo_that_is_missing_or_another_model_is_named() {
    for protocol in ServoProtocol::ALL {
        let robot = robot(protocol);
        let text = refusal(&robot, |config| config.servos.retain(|servo| servo.id != 3));
        assert!(text.contains("`elbow_flex`, servo 3") && text.contains("silent"), "{text}");
        let text = refusal(&robot, |config| {
            for servo in config.servos.iter_mut().filter(|servo| servo.id == 2) {
                servo.model = match protocol {
                    ServoProtocol::Dynamixel => ServoModel::Xm540W270,
                    _ => ServoModel::Sts3250,
                };
            }
        });
        assert!(text.contains("`shoulder_lift`, servo 2: the model number is"), "{text}");
    }
}

#[test]
fn a_calibration_with_another_homing_offset_is_refused() {
    for protocol in [ServoProtocol::Dynamixel, ServoProtocol::FeetechSts] {
        let text = refusal(&robot(protocol), |config| config.servos[0].homing_offset_ticks = 100);
        assert!(text.contains("the homing offset is 100; allowed: 0"), "{text}");
        assert!(text.contains("sinew servo calibrate"), "{text}");
    }
}

#[test]
fn what_leaves_the_factory_is_set_as_the_driver_needs_it() {
    for protocol in ServoProtocol::ALL {
        let rig = Rig::new(protocol);
        let records = rig.servo().writes();
        let delay = sinew_driver_servo::table::Table::of(protocol).return_delay.address;
        let set = records.iter().filter(|r| r.written == Written::Other { address: delay });
        assert_eq!(set.count(), rig.servo().ids().len(), "{protocol:?}");
    }
}

#[test]
fn goals_are_seeded_from_measured_positions_before_torque_goes_on() {
    for protocol in ServoProtocol::ALL {
        let mut rig = Rig::new(protocol);
        for (offset, id) in rig.servo().ids().into_iter().enumerate() {
            let ticks = rig.servo().servo(id).ticks;
            rig.servo().place(id, ticks + 40 + 5 * offset as i32);
        }
        rig.read().unwrap();
        let before = rig.servo().write_count();
        rig.activate().unwrap();
        let records = rig.servo().writes().split_off(before);
        for id in rig.servo().ids() {
            let own: Vec<_> = records.iter().filter(|record| record.id == id).collect();
            let on = own.iter().position(|r| r.written == Written::Torque(true)).unwrap();
            let seed = own.iter().position(|r| r.is_set_point()).unwrap();
            assert!(seed < on, "{protocol:?}, servo {id}: {own:?}");
            let servo = rig.servo().servo(id);
            assert_eq!(own[seed].written, Written::Goal(servo.ticks));
            assert!(servo.has_torque);
        }
        // Nothing moves of itself.
        let places: Vec<_> =
            rig.servo().ids().iter().map(|id| rig.servo().servo(*id).ticks).collect();
        for _ in 0..50 {
            rig.read().unwrap();
        }
        let after: Vec<_> =
            rig.servo().ids().iter().map(|id| rig.servo().servo(*id).ticks).collect();
        assert_eq!(places, after);
    }
}

#[test]
fn joints_go_where_they_are_told_in_radians_and_metres() {
    for protocol in ServoProtocol::ALL {
        let mut rig = Rig::new(protocol);
        rig.read().unwrap();
        rig.activate().unwrap();
        let mut command = rig.hold();
        let (pan, lift) = (rig.joint("shoulder_pan"), rig.joint("shoulder_lift"));
        command.joints[pan] = JointCommand::position(0.5);
        command.joints[lift] = JointCommand::position(-0.4);
        for gripper in &mut command.grippers {
            (gripper.width_m, gripper.max_force_n) = (0.03, 3.0);
        }
        rig.run(200, &command).unwrap();
        let joint = |index: usize| rig.state.joints[index];
        let tick = servos(&rig.robot).joints["shoulder_pan"].model.rad_per_tick();
        assert!((joint(pan).position - 0.5).abs() < 2.0 * tick, "{:?}", joint(pan));
        assert!((joint(lift).position + 0.4).abs() < 2.0 * tick, "{:?}", joint(lift));
        assert!(joint(pan).valid && joint(pan).velocity.abs() < 0.05);
        if let Some(gripper) = rig.state.grippers.first() {
            assert!((gripper.width_m - 0.03).abs() < 1e-4, "{gripper:?}");
            assert!((joint(rig.joint("gripper")).position - 0.03).abs() < 1e-4);
        }
        // An inverted joint turns the other way.
        let ticks = rig.servo().servo(rig.id("shoulder_pan")).ticks;
        let config = servos(&rig.robot).joints["shoulder_pan"];
        assert_eq!(ticks < config.zero_ticks, config.invert);
        assert_eq!(rig.counters().clamped_goals, 0);
        command.joints[pan] = JointCommand::position(9.0);
        rig.run(2, &command).unwrap();
        assert_eq!(rig.counters().clamped_goals, 2);
        let health = rig.state.health[pan];
        assert_eq!(health.temperature_c, Some(32.0));
        assert!(health.voltage_v.unwrap() > 7.0 && health.load.is_some() && health.fault == 0);
    }
}

#[test]
fn stamps_are_those_of_the_request_on_the_loops_clock() {
    let mut rig = Rig::new(ServoProtocol::FeetechSts);
    rig.read().unwrap();
    let now = rig.now();
    let age = now.since(rig.state.joints[rig.joint("elbow_flex")].stamp);
    assert!(age > Duration::ZERO && age < PERIOD, "{age:?}");
}

#[test]
fn an_inactive_driver_is_read_and_never_written_to() {
    for protocol in ServoProtocol::ALL {
        let mut rig = Rig::new(protocol);
        let before = rig.servo().write_count();
        for _ in 0..50 {
            rig.read().unwrap();
            assert!(rig.write(&rig.hold()).is_err());
        }
        assert!(rig.state.joints[rig.joint("wrist_flex")].valid);
        assert_eq!(rig.servo().write_count(), before);
        rig.activate().unwrap();
        let command = rig.hold();
        rig.run(10, &command).unwrap();
        rig.driver.deactivate();
        let before = rig.servo().write_count();
        for id in rig.servo().ids() {
            assert!(!rig.servo().servo(id).has_torque);
        }
        rig.run(50, &command).unwrap();
        assert_eq!(rig.servo().write_count(), before);
    }
}

#[test]
fn after_an_emergency_stop_nothing_is_written_until_the_next_activation() {
    for protocol in ServoProtocol::ALL {
        let mut rig = Rig::new(protocol);
        rig.read().unwrap();
        rig.activate().unwrap();
        let command = rig.hold();
        rig.run(10, &command).unwrap();
        let before = rig.servo().write_count();
        rig.stop.stop();
        rig.run(50, &command).unwrap();
        for record in rig.servo().writes().split_off(before) {
            assert_eq!(record.written, Written::Torque(false));
        }
        for id in rig.servo().ids() {
            assert!(!rig.servo().servo(id).has_torque);
        }
        rig.driver.deactivate();
        rig.activate().unwrap();
        rig.run(2, &command).unwrap();
        assert!(rig.servo().servo(1).has_torque);
    }
}

#[test]
fn joints_that_are_not_commanded_have_no_torque_and_are_seeded_again() {
    for protocol in ServoProtocol::ALL {
        let mut rig = Rig::new(protocol);
        rig.read().unwrap();
        rig.activate().unwrap();
        let hold = rig.hold();
        rig.run(5, &hold).unwrap();
        let none = ActuatorCommand::unused(&rig.layout);
        rig.run(5, &none).unwrap();
        let id = rig.id("elbow_flex");
        assert!(!rig.servo().servo(id).has_torque);
        let sagged = rig.servo().servo(id).ticks + 60;
        rig.servo().place(id, sagged);
        rig.read().unwrap();
        let before = rig.servo().write_count();
        let hold = rig.hold();
        rig.run(2, &hold).unwrap();
        let records = rig.servo().writes().split_off(before);
        let first = records.iter().find(|record| record.id == id).unwrap();
        assert_eq!(first.written, Written::Goal(sagged));
        assert!(rig.servo().servo(id).has_torque);
    }
}

#[test]
fn the_watchdog_stops_a_dynamixel_whose_driver_is_gone_and_activation_clears_it() {
    let robot = robot(ServoProtocol::Dynamixel);
    let mut slow = EmulatorConfig::of(servos(&robot));
    for servo in &mut slow.servos {
        servo.max_velocity_ticks_s = 1000.0;
    }
    let mut rig = Rig::with(robot, &slow);
    rig.read().unwrap();
    rig.activate().unwrap();
    let mut command = rig.hold();
    let pan = rig.joint("shoulder_pan");
    command.joints[pan] = JointCommand::position(1.9);
    rig.run(20, &command).unwrap();
    let id = rig.id("shoulder_pan");
    assert!(rig.servo().servo(id).velocity_ticks_s > 100.0);
    // The process hangs.
    rig.bus.advance(Duration::from_millis(250));
    let servo = rig.servo().servo(id);
    assert!(servo.watchdog_has_tripped && servo.velocity_ticks_s == 0.0, "{servo:?}");
    let place = servo.ticks;
    rig.bus.advance(Duration::from_secs(2));
    assert_eq!(rig.servo().servo(id).ticks, place);
    // It goes on: that is found out, and nothing moves until it is activated again.
    let error = rig.run(30, &command).unwrap_err();
    assert!(
        matches!(error, DriverError::DeviceFault { code, .. } if code & FAULT_WATCHDOG != 0),
        "{error}"
    );
    assert_eq!(rig.servo().servo(id).ticks, place);
    rig.driver.deactivate();
    rig.activate().unwrap();
    rig.run(200, &command).unwrap();
    assert!(!rig.servo().servo(id).watchdog_has_tripped);
    assert!((rig.state.joints[pan].position - 1.9).abs() < 0.01);
}

/// A driver that dies leaves a Feetech servo holding its last goal: positions stand, which the documentation says.
#[test]
fn a_feetech_servo_holds_its_last_goal_when_its_driver_is_gone() {
    let mut rig = Rig::new(ServoProtocol::FeetechSts);
    rig.read().unwrap();
    rig.activate().unwrap();
    let command = rig.hold();
    rig.run(5, &command).unwrap();
    let place = rig.servo().servo(2).ticks;
    let handle = rig.servo().clone();
    let bus = rig.bus.clone();
    drop(rig);
    bus.advance(Duration::from_secs(5));
    assert_eq!(handle.servo(2).ticks, place);
    assert!(handle.servo(2).has_torque);
}

#[test]
fn wheels_turn_at_the_commanded_velocity_and_stop_with_the_watchdog() {
    let robot =
        edited("koch_follower", |text| text.replacen("command: position", "command: velocity", 1));
    let mut rig = Rig::of(robot);
    rig.read().unwrap();
    rig.activate().unwrap();
    let mut command = rig.hold();
    let (pan, roll) = (rig.joint("shoulder_pan"), rig.joint("wrist_roll"));
    for joint in 0..5 {
        command.joints[joint] = JointCommand { velocity: 0.0, ..JointCommand::UNUSED };
    }
    command.joints[pan].velocity = 1.0;
    command.joints[roll].velocity = -0.5;
    rig.run(50, &command).unwrap();
    assert!((rig.state.joints[pan].velocity - 1.0).abs() < 0.05, "{:?}", rig.state.joints[pan]);
    assert!((rig.state.joints[roll].velocity + 0.5).abs() < 0.05);
    rig.bus.advance(Duration::from_millis(300));
    assert_eq!(rig.servo().servo(rig.id("shoulder_pan")).velocity_ticks_s, 0.0);
}

#[test]
fn an_overheated_servo_is_a_device_fault_and_is_not_switched_on() {
    for protocol in ServoProtocol::ALL {
        let mut rig = Rig::new(protocol);
        rig.read().unwrap();
        rig.activate().unwrap();
        let command = rig.hold();
        rig.run(5, &command).unwrap();
        let id = rig.id("elbow_flex");
        rig.servo().overheat(id);
        let error = rig.run(15, &command).unwrap_err();
        assert!(matches!(error, DriverError::DeviceFault { code, .. } if code & 4 != 0), "{error}");
        let health = rig.state.health[rig.joint("elbow_flex")];
        assert_eq!(health.fault & 4, 4);
        assert!(health.temperature_c.unwrap() > 80.0);
        // The others are held as they are commanded.
        assert!(rig.servo().servo(rig.id("wrist_flex")).has_torque);
        rig.driver.deactivate();
        let error = rig.activate().unwrap_err();
        assert!(matches!(error, DriverError::DeviceFault { .. }), "{error}");
        rig.run(3, &command).unwrap();
        assert!(rig.servo().ids().iter().all(|id| !rig.servo().servo(*id).has_torque));
        rig.servo().cool(id);
        rig.activate().unwrap();
    }
}

#[test]
fn a_servo_that_restarts_is_found_without_torque() {
    for protocol in ServoProtocol::ALL {
        let mut rig = Rig::new(protocol);
        rig.read().unwrap();
        rig.activate().unwrap();
        let command = rig.hold();
        rig.run(5, &command).unwrap();
        rig.servo().restart(4);
        let error = rig.run(15, &command).unwrap_err();
        assert!(
            matches!(error, DriverError::DeviceFault { code: FAULT_TORQUE_LOST, .. }),
            "{protocol:?}: {error}"
        );
    }
}

#[test]
fn a_silent_servo_is_invalid_and_the_others_are_read() {
    for protocol in ServoProtocol::ALL {
        let mut rig = Rig::new(protocol);
        rig.read().unwrap();
        rig.activate().unwrap();
        let command = rig.hold();
        rig.run(5, &command).unwrap();
        rig.servo().silence(rig.id("shoulder_lift"), true);
        rig.run(20, &command).unwrap();
        assert!(!rig.state.joints[rig.joint("shoulder_lift")].valid);
        let now = rig.now();
        for joint in ["shoulder_pan", "elbow_flex", "wrist_roll"] {
            let joint = rig.state.joints[rig.joint(joint)];
            assert!(joint.valid && now.since(joint.stamp) < Duration::from_millis(50), "{joint:?}");
        }
        rig.servo().silence(rig.id("shoulder_lift"), false);
        let back = rig.run(60, &command);
        assert!(rig.state.joints[rig.joint("shoulder_lift")].valid);
        // It has heard nothing meanwhile, so where there is a watchdog it has stopped.
        match protocol {
            ServoProtocol::Dynamixel => assert!(
                matches!(back, Err(DriverError::DeviceFault { code: FAULT_WATCHDOG, .. })),
                "{back:?}"
            ),
            _ => back.unwrap(),
        }
    }
}

#[test]
fn a_servo_that_did_not_hear_a_stop_loses_its_torque_when_it_hears_again() {
    for protocol in ServoProtocol::ALL {
        let mut rig = Rig::new(protocol);
        rig.read().unwrap();
        rig.activate().unwrap();
        let command = rig.hold();
        rig.run(5, &command).unwrap();
        let id = rig.id("shoulder_lift");
        rig.servo().silence(id, true);
        rig.stop.stop();
        rig.run(5, &command).unwrap();
        assert!(rig.servo().servo(id).has_torque);
        assert!(!rig.servo().servo(rig.id("elbow_flex")).has_torque);
        rig.servo().silence(id, false);
        rig.run(5, &command).unwrap();
        assert!(!rig.servo().servo(id).has_torque, "{protocol:?}");
    }
}

#[test]
fn a_driver_that_could_not_be_configured_can_be_once_its_servos_are_there() {
    for protocol in ServoProtocol::ALL {
        let robot = robot(protocol);
        let bus = VirtualBus::new(&EmulatorConfig::of(servos(&robot)));
        let mut driver = ServoDriver::with_port(&robot, bus.opener()).unwrap();
        bus.handle().unplug();
        let error = driver.configure().err().unwrap().to_string();
        assert!(error.contains("cannot be opened"), "{error}");
        bus.handle().replug();
        driver.configure().unwrap();
        driver.activate(sinew_types::Time::ZERO).unwrap();
        // Once more: it is inactive then, as after the first time.
        driver.configure().unwrap();
        assert!(bus.handle().ids().iter().all(|id| !bus.handle().servo(*id).has_torque));
        driver.activate(sinew_types::Time::ZERO).unwrap();
        assert!(bus.handle().ids().iter().all(|id| bus.handle().servo(*id).has_torque));
    }
}

#[test]
fn an_unplugged_bus_is_disconnected_and_comes_back_without_torque() {
    for protocol in ServoProtocol::ALL {
        let mut rig = Rig::new(protocol);
        rig.read().unwrap();
        rig.activate().unwrap();
        let command = rig.hold();
        rig.run(5, &command).unwrap();
        rig.servo().unplug();
        let error = rig.run(30, &command).unwrap_err();
        assert!(matches!(error, DriverError::Disconnected { .. }), "{error}");
        assert!(!rig.state.joints[0].valid);
        rig.servo().replug();
        let before = rig.servo().write_count();
        // Whoever goes on without activation gets no torque, and is told.
        let error = rig.run(60, &command).unwrap_err();
        assert!(matches!(error, DriverError::Disconnected { .. }), "{error}");
        assert!(rig.write(&command).is_err());
        let records = rig.servo().writes().split_off(before);
        assert!(!records.iter().any(|r| r.is_set_point() || r.written == Written::Torque(true)));
        assert!(rig.servo().ids().iter().all(|id| !rig.servo().servo(*id).has_torque));
        assert!(rig.state.joints[rig.joint("shoulder_pan")].valid);
        rig.driver.deactivate();
        rig.run(2, &command).unwrap();
        rig.activate().unwrap();
        rig.run(2, &command).unwrap();
        assert_eq!(rig.counters().disconnects, 1);
    }
}

#[test]
fn a_bus_without_power_is_disconnected() {
    let mut rig = Rig::new(ServoProtocol::FeetechSts);
    rig.read().unwrap();
    rig.activate().unwrap();
    let command = rig.hold();
    for id in rig.servo().ids() {
        rig.servo().silence(id, true);
    }
    let error = rig.run(40, &command).unwrap_err();
    assert!(matches!(error, DriverError::Disconnected { .. }), "{error}");
    for id in rig.servo().ids() {
        rig.servo().silence(id, false);
    }
    rig.driver.deactivate();
    rig.run(100, &command).unwrap();
    rig.activate().unwrap();
}

#[test]
fn a_stuck_encoder_leaves_the_driver_as_it_is() {
    let mut rig = Rig::new(ServoProtocol::FeetechSts);
    rig.read().unwrap();
    rig.activate().unwrap();
    let mut command = rig.hold();
    let lift = rig.joint("shoulder_lift");
    rig.servo().stick_encoder(rig.id("shoulder_lift"), true);
    let place = rig.state.joints[lift].position;
    command.joints[lift] = JointCommand::position(place + 0.5);
    rig.run(100, &command).unwrap();
    let joint = rig.state.joints[lift];
    // Valid and where it was: that it does not follow is for the tracking monitor to see.
    assert!(joint.valid && joint.position == place);
    assert_ne!(rig.servo().servo(rig.id("shoulder_lift")).true_ticks, 2048.0);
}

#[test]
fn a_robot_file_without_servos_is_refused() {
    let robot = RobotModel::load(root().join("urdf/mobi.robot.yaml")).unwrap();
    let error = ServoDriver::from_robot(&robot).err().unwrap().to_string();
    assert!(error.contains("mobi.robot.yaml: servo: missing"), "{error}");
}

#[test]
fn a_servo_outside_its_own_limits_is_not_switched_on() {
    let robot = robot(ServoProtocol::Dynamixel);
    let mut config = EmulatorConfig::of(servos(&robot));
    config.servos = config
        .servos
        .into_iter()
        .map(|servo| EmulatedServoConfig { start_ticks: 4200, ..servo })
        .collect();
    let bus = VirtualBus::new(&config);
    let mut driver = ServoDriver::with_port(&robot, bus.opener()).unwrap().stepped();
    driver.configure().unwrap();
    let error = driver.activate(sinew_types::Time::ZERO).unwrap_err().to_string();
    assert!(error.contains("its measured position as its goal"), "{error}");
    assert!(bus.handle().ids().iter().all(|id| !bus.handle().servo(*id).has_torque));
}
