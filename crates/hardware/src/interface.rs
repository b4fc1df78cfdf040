use std::time::Duration;

use sinew_types::{ActuatorCommand, Layout, RobotState, Time};

/// What a driver reports when it is configured.
pub struct Configured {
    /// Order of joints and groups in its states and commands.
    pub layout: Layout,
    /// Stops the actuators by a path that does not go through the control loop.
    pub emergency_stop: Box<dyn EmergencyStop>,
}

/// Why a driver could not do what it was asked.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DriverError {
    /// The device is not there, or refused the configuration.
    #[error("driver `{driver}` cannot be configured: {reason}")]
    Configure {
        /// The driver's name.
        driver: &'static str,
        /// What was wrong and what is allowed.
        reason: String,
    },
    /// Nothing came back in time.
    #[error("driver `{driver}` read nothing from {what} within {timeout:?}")]
    Timeout {
        /// The driver's name.
        driver: &'static str,
        /// The joint, sensor or bus.
        what: &'static str,
        /// The limit that passed.
        timeout: Duration,
    },
    /// The connection is gone.
    #[error("driver `{driver}` lost its device")]
    Disconnected {
        /// The driver's name.
        driver: &'static str,
    },
    /// The device reports a fault of its own.
    #[error("driver `{driver}`: device fault {code}")]
    DeviceFault {
        /// The driver's name.
        driver: &'static str,
        /// The device's own code.
        code: u32,
    },
}

/// Stops the actuators while the control loop may hang: held by the watchdog thread.
pub trait EmergencyStop: Send {
    /// Brings the actuators to the driver's safe state (brakes, damping or torque off).
    ///
    /// May be called at any time and more than once, also while a read or a write is blocked.
    fn stop(&mut self);
}

/// A robot's actuators and sensors; the life cycle is that of ros2_control's `SystemInterface`.
///
/// Implemented by drivers, called only by the type states [`crate::Unconfigured`],
/// [`crate::Inactive`] and [`crate::Active`], so that nothing can write to an inactive driver.
pub trait HardwareInterface: Send {
    /// The driver's name, for errors.
    fn name(&self) -> &'static str;

    /// Opens devices and checks them; anew if it is called again, after which the driver is inactive as after the first
    /// time. Not real-time safe; may take seconds.
    ///
    /// # Errors
    /// [`DriverError::Configure`] names what is missing or wrong.
    fn configure(&mut self) -> Result<Configured, DriverError>;

    /// Switches the actuators on, holding where they are. Not real-time safe.
    ///
    /// # Errors
    /// When the device refuses; it is then still inactive.
    fn activate(&mut self, now: Time) -> Result<(), DriverError>;

    /// Switches the actuators off, or to brakes. Not real-time safe.
    fn deactivate(&mut self);

    /// Fills `state` with what is measured. Real-time safe: no allocation, no lock, bounded time.
    ///
    /// A sensor that fails keeps its old value, with `valid` false.
    ///
    /// # Errors
    /// When the device as a whole cannot be read; the control loop then takes nothing in `state` for valid.
    fn read(
        &mut self,
        now: Time,
        period: Duration,
        state: &mut RobotState,
    ) -> Result<(), DriverError>;

    /// Sends set-points that the gate has passed. Real-time safe: no allocation, no lock.
    ///
    /// # Errors
    /// When the device cannot be written to.
    fn write(
        &mut self,
        now: Time,
        period: Duration,
        command: &ActuatorCommand,
    ) -> Result<(), DriverError>;

    /// Whether time passes only as the driver is written to (a simulator in lock-step), and not by
    /// itself.
    fn is_simulated(&self) -> bool {
        false
    }
}
