use std::path::PathBuf;

use sinew_hardware::{DriverError, HardwareError};

use crate::driver::NAME;

/// Why servos could not be found, set up, or spoken to.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServoError {
    /// The robot file has no `servo` section.
    #[error("{}: servo: missing; allowed: the bus and its servos", path.display())]
    NoServos {
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
    /// The port could not be opened or set.
    #[error("{port}: cannot be opened")]
    Open {
        /// The port.
        port: String,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The port failed while it was used: unplugged, most likely.
    #[error("the port was lost")]
    Port(#[source] std::io::Error),
    /// A servo did not answer as the protocol wants it.
    #[error("servo {id}: {fault}")]
    Servo {
        /// Its address.
        id: u8,
        /// What was wrong with its answer.
        fault: ReplyFault,
    },
    /// A servo answered that it does not do what it was told.
    #[error("servo {id} refused {what}: its error code is {code:#04x}")]
    Refused {
        /// Its address.
        id: u8,
        /// What it was told.
        what: &'static str,
        /// The error field of its answer.
        code: u8,
    },
    /// A servo is not what the robot file says, or is not set as the robot file needs it.
    #[error("joint `{joint}`, servo {id}: {what} is {actual}; allowed: {allowed}")]
    Setting {
        /// The joint.
        joint: String,
        /// Address of its servo.
        id: u8,
        /// Which property.
        what: &'static str,
        /// Its value.
        actual: String,
        /// What it may be, or how to mend it.
        allowed: String,
    },
    /// A servo reports a condition in which it is not switched on.
    #[error("joint `{joint}`, servo {id}: it reports the error {code:#04x}; allowed: none")]
    Condition {
        /// The joint.
        joint: String,
        /// Address of its servo.
        id: u8,
        /// The servo's own error bits.
        code: u32,
    },
    /// A stop came while the servos were being switched on.
    #[error("stopped while the servos were being switched on")]
    Stopped,
    /// A calibration file is not usable.
    #[error("{field}: {actual}; allowed: {allowed}")]
    Calibration {
        /// Where in the file.
        field: String,
        /// What it says.
        actual: String,
        /// What it may say.
        allowed: String,
    },
}

/// What can be wrong with one answer of a servo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ReplyFault {
    /// Nothing came within the deadline.
    #[error("no answer within the deadline")]
    NoReply,
    /// Bytes are missing.
    #[error("bytes of its answer were lost")]
    Truncated,
    /// The checksum does not fit the bytes.
    #[error("the checksum of its answer is wrong")]
    BadChecksum,
    /// Somebody else answered.
    #[error("another servo answered in its place")]
    WrongId,
}

impl ServoError {
    /// As the hardware layer reports what happens before or at activation.
    pub(crate) fn into_driver_error(self) -> DriverError {
        match self {
            Self::Port(_) => DriverError::Disconnected { driver: NAME },
            Self::Condition { code, .. } => DriverError::DeviceFault { driver: NAME, code },
            other => DriverError::Configure { driver: NAME, reason: with_causes(&other) },
        }
    }
}

fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(source) = cause {
        text = format!("{text}: {source}");
        cause = source.source();
    }
    text
}
