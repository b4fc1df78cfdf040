use std::time::Duration;

use sinew_types::{ActuatorCommand, Layout, RobotState, Time};

use crate::interface::{DriverError, EmergencyStop, HardwareInterface};

/// A driver whose devices are not opened yet.
pub struct Unconfigured(Box<dyn HardwareInterface>);

/// A driver that can be read but not written to.
pub struct Inactive {
    driver: Box<dyn HardwareInterface>,
    layout: Layout,
}

/// A driver whose actuators are on.
pub struct Active(Inactive);

impl Unconfigured {
    /// Takes a driver that nothing was done with.
    pub fn new(driver: Box<dyn HardwareInterface>) -> Self {
        Self(driver)
    }

    /// Opens the devices.
    ///
    /// # Errors
    /// What the driver says; see [`DriverError::Configure`].
    pub fn configure(mut self) -> Result<(Inactive, Box<dyn EmergencyStop>), DriverError> {
        let configured = self.0.configure()?;
        let inactive = Inactive { driver: self.0, layout: configured.layout };
        Ok((inactive, configured.emergency_stop))
    }
}

impl Inactive {
    /// Order of joints and groups.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// See [`HardwareInterface::is_simulated`].
    pub fn is_simulated(&self) -> bool {
        self.driver.is_simulated()
    }

    /// Reads the sensors. Real-time safe.
    ///
    /// # Errors
    /// When the device as a whole cannot be read.
    pub fn read(
        &mut self,
        now: Time,
        period: Duration,
        state: &mut RobotState,
    ) -> Result<(), DriverError> {
        self.driver.read(now, period, state)
    }

    /// Switches the actuators on; a driver that refuses comes back inactive.
    ///
    /// # Errors
    /// What the driver says, with the inactive driver.
    #[expect(clippy::result_large_err, reason = "the driver must come back; once per activation")]
    pub fn activate(mut self, now: Time) -> Result<Active, (Self, DriverError)> {
        match self.driver.activate(now) {
            Ok(()) => Ok(Active(self)),
            Err(error) => Err((self, error)),
        }
    }
}

impl Active {
    /// Order of joints and groups.
    pub fn layout(&self) -> &Layout {
        &self.0.layout
    }

    /// Reads the sensors. Real-time safe.
    ///
    /// # Errors
    /// When the device as a whole cannot be read.
    pub fn read(
        &mut self,
        now: Time,
        period: Duration,
        state: &mut RobotState,
    ) -> Result<(), DriverError> {
        self.0.driver.read(now, period, state)
    }

    /// Sends set-points that the gate has passed. Real-time safe.
    ///
    /// # Errors
    /// When the device cannot be written to.
    pub(crate) fn write(
        &mut self,
        now: Time,
        period: Duration,
        command: &ActuatorCommand,
    ) -> Result<(), DriverError> {
        self.0.driver.write(now, period, command)
    }

    /// Switches the actuators off, or to brakes.
    pub fn deactivate(mut self) -> Inactive {
        self.0.driver.deactivate();
        self.0
    }
}
