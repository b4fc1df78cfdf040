use sinew_types::LayoutError;

use crate::interface::DriverError;

/// Why the hardware layer could not be built or run.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HardwareError {
    /// The driver refused.
    #[error(transparent)]
    Driver(#[from] DriverError),
    /// Joints and groups do not make a layout.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The driver orders joints or groups in another way than the robot file.
    #[error("the driver's layout {driver:#x} is not the layout {gate:#x} of the robot file")]
    LayoutMismatch {
        /// [`sinew_types::Layout::hash`] of the driver.
        driver: u64,
        /// [`sinew_types::Layout::hash`] of the gate.
        gate: u64,
    },
    /// More groups than a lease can name.
    #[error("the robot has {actual} groups; at most {max} are allowed")]
    TooManyGroups {
        /// How many there are.
        actual: usize,
        /// How many there may be.
        max: usize,
    },
    /// A group of the robot file asks for what the gate cannot do.
    #[error("group `{group}`: {field}: {actual}; allowed: {allowed}")]
    Group {
        /// The group.
        group: String,
        /// The field of the robot file.
        field: &'static str,
        /// What it says.
        actual: String,
        /// What it may say.
        allowed: String,
    },
    /// A group's stop profile is the fallback controller, and there is none.
    #[error("group `{group}`: stop: fallback, but no fallback controller was given")]
    NoFallback {
        /// The group.
        group: String,
    },
    /// What is to be watched does not fit the robot.
    #[error("{field}: {actual}; allowed: {allowed}")]
    Monitor {
        /// The field of the robot file.
        field: &'static str,
        /// What it says.
        actual: String,
        /// What it may say.
        allowed: String,
    },
    /// The control thread could not be started.
    #[error("the control thread could not be started")]
    Spawn {
        /// What the operating system said.
        source: std::io::Error,
    },
}
