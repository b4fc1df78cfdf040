//! The driver passes the suite that every driver passes: as it runs, on a port in real time, and stepped in virtual time with every
//! kind of servo.

use std::time::Duration;

use assert_no_alloc::assert_no_alloc;
use sinew_driver_servo::emulator::{
    Emulator, EmulatorConfig, EmulatorHandle, Fault as Damage, VirtualBus,
};
use sinew_driver_servo::{REPLY_ALLOWANCE, ServoDriver};
use sinew_hardware::conformance::{Fault, Fixture, assert_conforms};
use sinew_hardware::{HardwareInterface, monotonic_now};
use sinew_robot::{RobotModel, ServoJointConfig, ServoProtocol};
use sinew_types::Time;

use crate::fair_port::FairOpener;
use crate::robots::{edited, robot, servos};

/// A driver and the servos that it is for. They stay the same ones when the driver is made anew.
struct Servos {
    robot: RobotModel,
    config: EmulatorConfig,
    wire: Wire,
}

enum Wire {
    /// A pseudo-terminal, and the driver's thread at the other end.
    Port(Emulator),
    /// The driver's `read` serves the bus.
    Stepped(VirtualBus),
}

impl Servos {
    fn on_a_port(robot: RobotModel) -> Self {
        let config = EmulatorConfig::of(servos(&robot));
        let wire = Wire::Port(Emulator::spawn(&config).unwrap());
        Self { robot, config, wire }
    }

    fn stepped(robot: RobotModel) -> Self {
        let config = EmulatorConfig::of(servos(&robot));
        let wire = Wire::Stepped(VirtualBus::new(&config));
        Self { robot, config, wire }
    }

    fn handle(&self) -> &EmulatorHandle {
        match &self.wire {
            Wire::Port(emulator) => emulator.handle(),
            Wire::Stepped(bus) => bus.handle(),
        }
    }

    fn silence(&self, is_silent: bool) {
        for servo in &self.config.servos {
            self.handle().silence(servo.id, is_silent);
        }
    }

    /// Ticks per rad of a joint, or per metre of a gripper's width.
    fn ticks_per_unit(&self, joint: &str, servo: &ServoJointConfig) -> f64 {
        let sign = if servo.invert { -1.0 } else { 1.0 };
        let index = self.robot.joint_index(joint).unwrap();
        let [low, high] = servo.range_ticks.map(f64::from);
        let mut groups = self.robot.groups().iter();
        let gripper = groups.find(|g| g.joints.contains(&index)).and_then(|group| group.gripper);
        sign * match gripper {
            Some(gripper) => (high - low) / gripper.max_width_m,
            None => 1.0 / servo.model.rad_per_tick(),
        }
    }
}

impl Fixture for Servos {
    fn robot(&self) -> &RobotModel {
        &self.robot
    }

    fn driver(&mut self) -> Box<dyn HardwareInterface> {
        for servo in &self.config.servos {
            self.handle().restart(servo.id);
            self.handle().place(servo.id, servo.start_ticks);
        }
        match &self.wire {
            Wire::Port(emulator) => {
                let opener = FairOpener::new(emulator, self.config.baud_rate);
                Box::new(ServoDriver::with_port(&self.robot, Box::new(opener)).unwrap())
            }
            Wire::Stepped(bus) => {
                Box::new(ServoDriver::with_port(&self.robot, bus.opener()).unwrap().stepped())
            }
        }
    }

    fn advance(&mut self, period: Duration) -> Time {
        match &self.wire {
            Wire::Port(_) => {
                std::thread::sleep(period);
                monotonic_now()
            }
            Wire::Stepped(bus) => {
                bus.advance(period);
                Time::from_nanos(bus.handle().now().as_nanos() as u64)
            }
        }
    }

    fn inject(&mut self, fault: Fault) -> bool {
        match (fault, &self.wire) {
            (Fault::FailingReads, _) => self.handle().damage_each(Some(Damage::BadChecksum)),
            (Fault::Silent, _) => self.silence(true),
            (Fault::Disconnected, _) => self.handle().unplug(),
            // The driver's thread then waits for answers that do not come.
            (Fault::HangingReads, Wire::Port(_)) => self.silence(true),
            // Its reads take no time that anything else could happen in.
            (Fault::HangingReads, Wire::Stepped(_)) => return false,
            (Fault::RefusesActivation, _) => self.handle().overheat(self.config.servos[0].id),
        }
        true
    }

    fn heal(&mut self) {
        self.handle().damage_each(None);
        self.silence(false);
        self.handle().replug_if_unplugged();
        for servo in &self.config.servos {
            self.handle().cool(servo.id);
        }
    }

    fn push(&mut self, distance: f64) -> bool {
        for (joint, servo) in &servos(&self.robot).joints {
            let way = distance * self.ticks_per_unit(joint, servo);
            let [low, high] = servo.range_ticks;
            let ticks = self.handle().servo(servo.id).ticks + way.round() as i32;
            self.handle().place(servo.id, ticks.clamp(low, high));
        }
        true
    }

    fn set_points(&mut self) -> Option<u64> {
        let writes = self.handle().writes();
        Some(writes.iter().filter(|record| record.is_set_point()).count() as u64)
    }

    fn allocations(&mut self, work: &mut dyn FnMut()) -> Option<u64> {
        match &self.wire {
            Wire::Port(_) => {
                assert_no_alloc(work);
                Some(0)
            }
            // The emulator's work is done by the same thread.
            Wire::Stepped(_) => {
                work();
                None
            }
        }
    }

    fn latency(&self) -> Duration {
        match &self.wire {
            Wire::Port(_) => {
                let slowest = self.robot.groups().iter().map(|group| group.rw_rate_hz).min();
                REPLY_ALLOWANCE + Duration::from_secs(1) / slowest.unwrap()
            }
            Wire::Stepped(_) => Duration::ZERO,
        }
    }

    fn follows_motion(&self) -> bool {
        matches!(self.wire, Wire::Stepped(_))
    }
}

/// No servo of these has it.
const NO_SUCH_THING: [&str; 4] = [
    "effort_moves_a_joint_its_way",
    "impedance_has_stiffness_and_damping",
    "a_twist_is_forward_and_counter_clockwise",
    "an_imu_at_rest_measures_gravity_upwards",
];
/// What `read` does not do when it serves the bus itself.
const STEPPED: [&str; 2] =
    ["reading_and_writing_do_not_allocate", "a_stop_does_not_wait_for_a_read"];
/// What a machine that is busy with other things could fail.
const REAL_TIME: [&str; 1] = ["a_measured_velocity_is_that_of_the_motion"];
const NO_WHEELS: [&str; 1] = ["velocities_are_per_second"];
const ONLY_WHEELS: [&str; 1] = ["positions_are_radians_or_metres"];
const NO_GRIPPER: [&str; 1] = ["a_gripper_is_commanded_by_its_width_in_metres"];

/// Not with Dynamixels: on a machine that is busy with other things their watchdog trips, as it should.
#[test]
fn feetech_sts_servos_conform_on_a_port_in_real_time() {
    let mut servos = Servos::on_a_port(robot(ServoProtocol::FeetechSts));
    assert_conforms(&mut servos, &[&NO_SUCH_THING[..], &NO_WHEELS, &REAL_TIME].concat());
}

#[test]
fn servos_of_every_protocol_conform_in_virtual_time() {
    for protocol in ServoProtocol::ALL {
        let no_gripper: &[&str] =
            if protocol == ServoProtocol::FeetechScs { &NO_GRIPPER } else { &[] };
        let not_tried = [&NO_SUCH_THING[..], &NO_WHEELS, &STEPPED, no_gripper].concat();
        assert_conforms(&mut Servos::stepped(robot(protocol)), &not_tried);
    }
}

#[test]
fn wheels_conform_in_virtual_time() {
    let robot =
        edited("koch_follower", |text| text.replacen("command: position", "command: velocity", 1));
    let not_tried = [&NO_SUCH_THING[..], &ONLY_WHEELS, &STEPPED].concat();
    assert_conforms(&mut Servos::stepped(robot), &not_tried);
}
