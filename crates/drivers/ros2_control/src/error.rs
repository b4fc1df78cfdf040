use std::path::PathBuf;
use std::time::Duration;

use sinew_bus::{BusError, CallError};
use sinew_hardware::{DriverError, HardwareError};

use crate::driver::NAME;

/// Why a robot with ros2_control could not be found, claimed, or spoken to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Ros2ControlError {
    /// The robot file has no `ros2_control` section.
    #[error("{}: ros2_control: missing; allowed: the controller manager and its controllers", path.display())]
    NoSection {
        /// The robot file.
        path: PathBuf,
    },
    /// Joints and groups do not make a layout.
    #[error("{}: joints and groups do not make a layout", path.display())]
    Layout {
        /// The robot file.
        path: PathBuf,
        /// Why not.
        source: Box<HardwareError>,
    },
    /// A topic or service could not be opened.
    #[error("a topic or service of the robot cannot be opened")]
    Bus(#[from] BusError),
    /// The IO thread could not be started.
    #[error("its IO thread cannot be started")]
    Spawn(#[source] std::io::Error),
    /// What the robot measures did not come.
    #[error("topic `{topic}`: nothing of {missing} within {waited:?}; seen: {seen}")]
    Silent {
        /// The full name.
        topic: String,
        /// What did not come.
        missing: String,
        /// What came instead.
        seen: String,
        /// How long was waited.
        waited: Duration,
    },
    /// The controller manager does not answer.
    #[error("service `{service}` has no server within {waited:?}; nodes that are there: {nodes}")]
    NoManager {
        /// The full name.
        service: String,
        /// Nodes on the bus.
        nodes: String,
        /// How long was waited.
        waited: Duration,
    },
    /// A service call failed.
    #[error("the controller manager does not answer")]
    Call(#[from] CallError),
    /// A service call was not answered in time.
    #[error("service `{service}`: no answer within {waited:?}")]
    NoAnswer {
        /// The full name.
        service: String,
        /// How long was waited.
        waited: Duration,
    },
    /// A controller is not what the robot file says.
    #[error("group `{group}`, controller `{controller}`: {what} is {actual}; allowed: {allowed}")]
    Controller {
        /// The group.
        group: String,
        /// Its controller.
        controller: String,
        /// Which property.
        what: &'static str,
        /// Its value.
        actual: String,
        /// What it may be.
        allowed: String,
    },
    /// The controller manager refused to switch controllers.
    #[error(
        "the controller manager refused to activate {activate} and deactivate {deactivate}: {message}"
    )]
    Refused {
        /// Controllers to be activated.
        activate: String,
        /// Controllers to be deactivated.
        deactivate: String,
        /// What it said.
        message: String,
    },
    /// A stop came while controllers were being switched.
    #[error("stopped while the controllers were being switched")]
    Stopped,
}

impl Ros2ControlError {
    /// As the hardware layer reports what happens before or at activation.
    pub(crate) fn into_driver_error(self) -> DriverError {
        DriverError::Configure { driver: NAME, reason: with_causes(&self) }
    }
}

pub(crate) fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}

/// Names for people.
pub(crate) fn list<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names.into_iter().map(|name| format!("`{}`", name.as_ref())).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
