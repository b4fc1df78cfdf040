//! The simulator passes the suite that every driver passes, in simulated time.

use std::path::Path;
use std::time::Duration;

use assert_no_alloc::assert_no_alloc;
use sinew_driver_sim::{SimDriver, World};
use sinew_hardware::HardwareInterface;
use sinew_hardware::conformance::{Fixture, assert_conforms};
use sinew_robot::RobotModel;
use sinew_types::Time;

use crate::rig::repository;

struct Simulated {
    world: World,
    now: Time,
}

impl Simulated {
    /// A robot alone in the world, its groups in these configurations.
    fn alone(folder: &Path, robot: &str, configurations: &str) -> Self {
        let robot = repository(&format!("urdf/{robot}.robot.yaml")).canonicalize().unwrap();
        let text = format!(
            "name: empty\nrobot: {{file: {}, configurations: {configurations}}}\n",
            robot.display()
        );
        let file = folder.join("empty.yaml");
        std::fs::write(&file, text).unwrap();
        Self { world: World::load(file).unwrap(), now: Time::ZERO }
    }
}

impl Fixture for Simulated {
    fn robot(&self) -> &RobotModel {
        self.world.robot()
    }

    fn driver(&mut self) -> Box<dyn HardwareInterface> {
        let scene = self.world.scene().unwrap();
        Box::new(SimDriver::new(self.world.clone(), &scene).unwrap().0)
    }

    fn advance(&mut self, period: Duration) -> Time {
        self.now += period;
        self.now
    }

    fn allocations(&mut self, work: &mut dyn FnMut()) -> Option<u64> {
        assert_no_alloc(work);
        Some(0)
    }
}

/// There is no bus that could fail.
const NO_BUS: [&str; 7] = [
    "a_refused_activation_leaves_it_inactive",
    "failing_reads_are_never_shown_as_valid",
    "a_silent_device_is_never_shown_as_valid",
    "a_disconnected_device_is_never_shown_as_valid",
    "a_reconnected_device_works_again",
    "a_stop_does_not_wait_for_a_read",
    "a_stop_of_a_disconnected_device_returns",
];

#[test]
fn a_mobile_manipulator_conforms() {
    let folder = tempfile::tempdir().unwrap();
    let mut simulated =
        Simulated::alone(folder.path(), "mobi", "{arm: ready, gripper: open, head: ahead}");
    let not_tried = [
        "velocities_are_per_second",
        "effort_moves_a_joint_its_way",
        "impedance_has_stiffness_and_damping",
    ];
    assert_conforms(&mut simulated, &[&NO_BUS[..], &not_tried].concat());
}

#[test]
fn joints_of_every_command_interface_conform() {
    let folder = tempfile::tempdir().unwrap();
    let mut simulated = Simulated::alone(folder.path(), "modes", "{}");
    let not_tried = [
        "a_gripper_is_commanded_by_its_width_in_metres",
        "a_twist_is_forward_and_counter_clockwise",
        "an_imu_at_rest_measures_gravity_upwards",
    ];
    assert_conforms(&mut simulated, &[&NO_BUS[..], &not_tried].concat());
}
