//! The mock as the suite needs it: in virtual time, with every fault.

use std::time::Duration;

use assert_no_alloc::assert_no_alloc;
use sinew_driver_mock::{MockControl, MockDriver};
use sinew_hardware::HardwareInterface;
use sinew_hardware::conformance::{Fault, Fixture};
use sinew_robot::RobotModel;
use sinew_types::Time;

/// Has something done to each new driver.
pub(crate) type Wrap = fn(MockDriver) -> Box<dyn HardwareInterface>;

pub(crate) struct Mock {
    robot: RobotModel,
    control: MockControl,
    now: Time,
    wrap: Wrap,
}

impl Mock {
    pub(crate) fn of(robot: &str) -> Self {
        Self::wrapped(robot, |driver| Box::new(driver))
    }

    pub(crate) fn wrapped(robot: &str, wrap: Wrap) -> Self {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../urdf");
        let robot = RobotModel::load(format!("{folder}/{robot}.robot.yaml")).unwrap();
        Self { robot, control: MockControl::default(), now: Time::ZERO, wrap }
    }
}

impl Fixture for Mock {
    fn robot(&self) -> &RobotModel {
        &self.robot
    }

    fn driver(&mut self) -> Box<dyn HardwareInterface> {
        let driver = MockDriver::of_robot(&self.robot).unwrap();
        self.control = driver.control();
        (self.wrap)(driver)
    }

    fn advance(&mut self, period: Duration) -> Time {
        self.now += period;
        self.now
    }

    fn inject(&mut self, fault: Fault) -> bool {
        match fault {
            Fault::FailingReads => self.control.fail_reads(true),
            Fault::Silent => self.control.freeze_state(true),
            Fault::Disconnected => {
                self.control.fail_reads(true);
                self.control.fail_writes(true);
            }
            Fault::HangingReads => self.control.hang_reads(true),
            Fault::RefusesActivation => self.control.fail_activation(true),
        }
        true
    }

    fn heal(&mut self) {
        self.control.fail_reads(false);
        self.control.fail_writes(false);
        self.control.freeze_state(false);
        self.control.hang_reads(false);
        self.control.fail_activation(false);
    }

    fn push(&mut self, distance: f64) -> bool {
        self.control.push(distance);
        true
    }

    fn set_points(&mut self) -> Option<u64> {
        Some(self.control.writes())
    }

    fn allocations(&mut self, work: &mut dyn FnMut()) -> Option<u64> {
        assert_no_alloc(work);
        Some(0)
    }
}
