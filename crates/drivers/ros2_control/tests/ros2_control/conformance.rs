//! The driver passes the suite that every driver passes: in real time, its own thread and the robot's at the two ends of a bus.

use std::time::Duration;

use assert_no_alloc::assert_no_alloc;
use sinew_bus::Bus;
use sinew_driver_ros2_control::Ros2ControlDriver;
use sinew_hardware::conformance::{Fault, Fixture, assert_conforms};
use sinew_hardware::{HardwareInterface, monotonic_now};
use sinew_robot::RobotModel;
use sinew_types::Time;

use crate::peer::Peer;
use crate::plant::Faults;
use crate::rig::sessions;
use crate::robots::{Robot, mobi, modes};

/// A driver and the robot that it is for. It stays the same one when the driver is made anew.
struct Controlled {
    model: RobotModel,
    bus: Bus,
    peer: Peer,
}

impl Controlled {
    fn new(robot: Robot) -> Self {
        let bus = Bus::in_process();
        Self::between(bus.clone(), bus, robot)
    }

    /// The driver on one bus, the robot on another that is connected with it.
    fn between(bus: Bus, robots: Bus, robot: Robot) -> Self {
        Self { model: robot.model, bus, peer: Peer::spawn(robots, robot.plant) }
    }
}

impl Fixture for Controlled {
    fn robot(&self) -> &RobotModel {
        &self.model
    }

    fn driver(&mut self) -> Box<dyn HardwareInterface> {
        self.peer.plant().boot();
        let node = self.bus.node("driver", "/").unwrap();
        Box::new(Ros2ControlDriver::new(&self.model, node).unwrap())
    }

    fn advance(&mut self, period: Duration) -> Time {
        std::thread::sleep(period);
        monotonic_now()
    }

    fn inject(&mut self, fault: Fault) -> bool {
        let faults = &mut self.peer.plant().faults;
        match fault {
            Fault::FailingReads => faults.measures_nothing = true,
            Fault::Silent => faults.is_silent = true,
            Fault::Disconnected => faults.is_away = true,
            Fault::HangingReads => faults.is_hung = true,
            Fault::RefusesActivation => faults.refuses_switch = true,
        }
        true
    }

    fn heal(&mut self) {
        self.peer.plant().faults = Faults::default();
    }

    fn push(&mut self, distance: f64) -> bool {
        self.peer.plant().push(distance);
        true
    }

    fn set_points(&mut self) -> Option<u64> {
        Some(self.peer.plant().set_points)
    }

    fn allocations(&mut self, work: &mut dyn FnMut()) -> Option<u64> {
        assert_no_alloc(work);
        Some(0)
    }

    fn latency(&self) -> Duration {
        // One period of the robot's joint states, and what a busy machine adds.
        Duration::from_millis(50)
    }

    fn follows_motion(&self) -> bool {
        false
    }
}

/// What a machine that is busy with other things could fail.
const REAL_TIME: &str = "a_measured_velocity_is_that_of_the_motion";
const IMPEDANCE: &str = "impedance_has_stiffness_and_damping";

const OF_A_MANIPULATOR: [&str; 4] =
    [REAL_TIME, IMPEDANCE, "velocities_are_per_second", "effort_moves_a_joint_its_way"];

#[test]
fn a_mobile_manipulator_conforms() {
    assert_conforms(&mut Controlled::new(mobi()), &OF_A_MANIPULATOR);
}

#[test]
fn a_mobile_manipulator_conforms_between_two_sessions() {
    let (drivers, robots) = sessions();
    assert_conforms(&mut Controlled::between(drivers, robots, mobi()), &OF_A_MANIPULATOR);
}

#[test]
fn joints_of_each_interface_conform() {
    let not_tried = [
        REAL_TIME,
        IMPEDANCE,
        "a_gripper_is_commanded_by_its_width_in_metres",
        "a_twist_is_forward_and_counter_clockwise",
        "an_imu_at_rest_measures_gravity_upwards",
    ];
    assert_conforms(&mut Controlled::new(modes()), &not_tried);
}
