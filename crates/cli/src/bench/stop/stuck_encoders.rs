use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nalgebra::{Isometry3, Vector3};
use sinew_driver_mock::MockDriver;
use sinew_hardware::{Configured, DriverError, HardwareInterface};
use sinew_types::{ActuatorCommand, RobotState, Time};

/// A driver whose wheel encoders may say the same for ever, in fresh states: the base seems to stand.
pub(super) struct StuckEncoders {
    driver: MockDriver,
    are_stuck: Arc<AtomicBool>,
    /// What they said last.
    map_from_base: Option<Isometry3<f64>>,
}

impl StuckEncoders {
    /// They are stuck while the flag is set.
    pub(super) fn new(driver: MockDriver, are_stuck: Arc<AtomicBool>) -> Self {
        Self { driver, are_stuck, map_from_base: None }
    }
}

impl HardwareInterface for StuckEncoders {
    fn name(&self) -> &'static str {
        self.driver.name()
    }

    fn configure(&mut self) -> Result<Configured, DriverError> {
        self.driver.configure()
    }

    fn activate(&mut self, now: Time) -> Result<(), DriverError> {
        self.driver.activate(now)
    }

    fn deactivate(&mut self) {
        self.driver.deactivate();
    }

    fn read(
        &mut self,
        now: Time,
        period: Duration,
        state: &mut RobotState,
    ) -> Result<(), DriverError> {
        self.driver.read(now, period, state)?;
        let Some(base) = &mut state.base else { return Ok(()) };
        match self.map_from_base.filter(|_| self.are_stuck.load(Ordering::SeqCst)) {
            Some(stuck) => {
                base.map_from_base = stuck;
                (base.linear_velocity, base.angular_velocity) =
                    (Vector3::zeros(), Vector3::zeros());
            }
            None => self.map_from_base = Some(base.map_from_base),
        }
        Ok(())
    }

    fn write(
        &mut self,
        now: Time,
        period: Duration,
        command: &ActuatorCommand,
    ) -> Result<(), DriverError> {
        self.driver.write(now, period, command)
    }
}
