//! A robot that falls silent, dies, or is taken by somebody else.

use std::time::Duration;

use assert_no_alloc::assert_no_alloc;
use sinew_driver_ros2_control::Ros2ControlDriver;
use sinew_hardware::{
    Accepted, Cause, ControlLoop, DriverError, GateConfig, GroupSet, HardwareInterface,
    LeaseRequest, Mode, Notice, Unconfigured, monotonic_now,
};
use sinew_types::{ActuatorCommand, BootId, JointCommand, Source};

use crate::peer::Peer;
use crate::rig::{PERIOD, Rig, sessions};
use crate::robots::{Robot, mobi, modes};

#[test]
fn a_joint_that_is_no_longer_published_is_not_valid_while_others_are() {
    let mut rig = Rig::new(mobi());
    rig.configure();
    let command = ActuatorCommand::unused(&rig.layout);
    rig.run(Duration::from_millis(50), &command);
    let (pan, tilt) = (rig.joint("head_pan_joint"), rig.joint("head_tilt_joint"));
    let last = {
        let mut plant = rig.peer.plant();
        plant.hide("head_tilt_joint");
        monotonic_now()
    };
    rig.until("it to be not valid", &command, |rig| !rig.state.joints[tilt].valid);
    assert!(rig.read().is_ok() && rig.state.joints[pan].valid);
    assert!(rig.state.joints[tilt].stamp <= last, "an old value is not stamped anew");
}

#[test]
fn a_robot_that_somebody_else_takes_is_lost_and_left_alone() {
    let mut rig = Rig::new(mobi());
    rig.configure();
    rig.activate();
    let command = rig.hold();
    rig.run(Duration::from_millis(50), &command);
    rig.peer.plant().controller("head_controller").state = "inactive";
    rig.until("the driver to notice", &command, |rig| {
        let command = rig.hold();
        let written = rig.driver.write(monotonic_now(), PERIOD, &command);
        matches!(written, Err(DriverError::Disconnected { .. }))
    });
    rig.until("the others to be stopped", &command, |rig| rig.active().len() == 1);
    rig.driver.deactivate();
    assert_eq!(rig.active(), ["joint_state_broadcaster"]);
    rig.activate();
    rig.driver.deactivate();
    assert_eq!(rig.active(), ["joint_state_broadcaster", "operator_controller"]);
}

#[test]
fn a_controller_manager_that_hangs_is_found_though_joints_are_published() {
    let mut rig = Rig::new(modes());
    rig.configure();
    rig.activate();
    let command = rig.hold();
    rig.run(Duration::from_millis(50), &command);
    rig.peer.plant().faults.only_services_hang = true;
    rig.until("the driver to notice", &command, |rig| {
        let command = rig.hold();
        let written = rig.driver.write(monotonic_now(), PERIOD, &command);
        matches!(written, Err(DriverError::Disconnected { .. }))
    });
}

/// The gate's own view, over a bus between two sessions: the state's age stops the robot before the driver gives up.
#[test]
fn a_robot_that_dies_in_mid_motion_is_a_fault_at_once_and_works_again_when_it_is_back() {
    let Robot { model, plant } = modes();
    let (drivers, robots) = sessions();
    let peer = Peer::spawn(robots.clone(), plant);
    let driver = Ros2ControlDriver::new(&model, drivers.node("driver", "/").unwrap()).unwrap();
    let (driver, _stop) = Unconfigured::new(Box::new(driver)).configure().unwrap();
    let layout = driver.layout().clone();
    let (mut control, mut handle) =
        ControlLoop::new(driver, GateConfig::from_robot(&model).unwrap()).unwrap();
    let mut tick = || {
        std::thread::sleep(PERIOD);
        control.tick(monotonic_now())
    };
    while !tick().read_ok {}
    handle.arm().unwrap();
    while tick().mode != Mode::Ready {}
    let request = LeaseRequest {
        source: Source::External,
        groups: GroupSet::named(&layout, ["trajectory"]).unwrap(),
        boot_id: BootId(7),
        command_period: Duration::from_millis(50),
    };
    handle.acquire(request).unwrap();
    tick();
    let mut command = ActuatorCommand::unused(&layout);
    while let Some(notice) = handle.poll() {
        if let Notice::Reply { result: Ok(Accepted::Granted { lease, .. }), .. } = notice {
            command.lease = lease;
        }
    }
    let joint = model.joint_index("impedance_joint").unwrap();
    (command.boot_id, command.valid_for) = (BootId(7), Duration::from_millis(500));
    command.joints[joint] = JointCommand::position(1.4);
    while peer.plant().joint("impedance_joint").position < 0.2 {
        command.seq += 1;
        handle.command(&command).unwrap();
        handle.heartbeat(BootId(7)).unwrap();
        tick();
    }
    let plant = peer.plant().clone();
    drop(peer);
    let died = monotonic_now();
    while tick().mode != Mode::Fault {
        command.seq += 1;
        let _ = handle.command(&command);
        let _ = handle.heartbeat(BootId(7));
        assert!(monotonic_now().since(died) < Duration::from_secs(10));
    }
    assert!(handle.safety().causes.contains(Cause::StateStale), "{:?}", handle.safety().causes);
    let state = handle.state();
    assert!(state.joints.iter().all(|joint| joint.stamp <= died), "nothing is stamped anew");
    while handle.state().joints.iter().any(|joint| joint.valid) {
        tick();
    }

    // Started again: its controllers are inactive, its joints where they were.
    let at = plant.joint("impedance_joint").position;
    let mut again = plant;
    for controller in &mut again.controllers {
        controller.state = "inactive";
    }
    let peer = Peer::spawn(robots, again);
    while !tick().read_ok {}
    handle.reset().unwrap();
    while tick().mode != Mode::Disarmed {
        let _ = handle.reset();
    }
    handle.arm().unwrap();
    while tick().mode != Mode::Ready {
        let _ = handle.arm();
    }
    let start = monotonic_now();
    while monotonic_now().since(start) < Duration::from_millis(300) {
        tick();
    }
    let plant = peer.plant();
    assert_eq!(plant.active().len(), 4, "{:?}", plant.active());
    let moved = plant.joint("impedance_joint").position - at;
    assert!(moved.abs() < 0.01, "moved by {moved}");
}

#[test]
fn neither_reading_nor_writing_allocates_while_a_robot_falls_silent() {
    let mut rig = Rig::new(modes());
    rig.configure();
    rig.activate();
    let command = rig.hold();
    rig.run(Duration::from_millis(50), &command);
    rig.peer.plant().faults.is_silent = true;
    let (driver, state) = (&mut rig.driver, &mut rig.state);
    let (mut reads, mut writes) = (0, 0);
    assert_no_alloc(|| {
        while reads < 20 || writes < 20 {
            std::thread::sleep(PERIOD);
            let read = driver.read(monotonic_now(), PERIOD, state);
            let written = driver.write(monotonic_now(), PERIOD, &command);
            reads += u32::from(matches!(read, Err(DriverError::Timeout { .. })));
            writes += u32::from(matches!(written, Err(DriverError::Disconnected { .. })));
        }
    });
    assert!(rig.state.joints.iter().all(|joint| !joint.valid));
}

/// A topic of positions alone.
#[test]
fn velocities_that_are_not_published_are_those_of_the_positions() {
    let mut robot = modes();
    robot.plant.measures_velocity = false;
    let mut rig = Rig::new(robot);
    rig.configure();
    rig.activate();
    let mut command = rig.hold();
    let joint = rig.joint("velocity_joint");
    command.joints[joint] = JointCommand { velocity: 0.4, ..JointCommand::UNUSED };
    rig.until("it to turn", &command, |rig| (rig.state.joints[joint].velocity - 0.4).abs() < 0.05);
    command.joints[joint].velocity = 0.0;
    rig.until("it to stand", &command, |rig| rig.state.joints[joint].velocity == 0.0);
}
