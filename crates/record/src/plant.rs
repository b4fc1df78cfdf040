use std::time::Duration;

use sinew_types::{ActuatorCommand, Layout, RobotState};

use crate::RecordError;

/// A robot that follows commands in virtual time.
pub trait Plant {
    /// Order of joints and groups.
    fn layout(&self) -> &Layout;

    /// As measured last.
    fn state(&self) -> &RobotState;

    /// Follows a command for a time; then measures.
    ///
    /// # Errors
    /// [`RecordError::Plant`] when the robot fails, or stops by itself.
    fn advance(&mut self, command: &ActuatorCommand, time: Duration) -> Result<(), RecordError>;

    /// Starts anew, with the robot at rest where it started first.
    ///
    /// # Errors
    /// [`RecordError::Plant`] when that fails.
    fn restart(&mut self) -> Result<(), RecordError>;
}
