use std::path::PathBuf;

use sinew_robot::RobotError;

/// Why a mapping cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TeleopError {
    /// The file could not be read.
    #[error("{}: cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// It does not parse, lacks a field (`dead_man` is one), or has one that is not known.
    #[error("{}: {message}", file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// What the parser said, with line and column.
        message: String,
    },
    /// A field has a value that is not allowed.
    #[error("{}: {field}: {value}; allowed: {allowed}", file.display())]
    Field {
        /// The file.
        file: PathBuf,
        /// Path of the field, such as `modes.arm.cartesian.group`.
        field: String,
        /// The value found, and what is wrong with it.
        value: String,
        /// What would be accepted.
        allowed: String,
    },
    /// The robot has not what a mode needs.
    #[error("{}: {field}", file.display())]
    Robot {
        /// The file.
        file: PathBuf,
        /// Path of the field.
        field: String,
        /// What the robot lacks.
        source: Box<RobotError>,
    },
}
