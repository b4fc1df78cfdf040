//! What can be wrong with a robot's files, or with a question put to its model.

use std::path::PathBuf;

/// Why a robot could not be loaded, or a request to its model not answered.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RobotError {
    /// A file could not be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The URDF or MJCF is not well-formed XML.
    #[error("{}:{line}:{column}: not well-formed XML: {problem}", path.display())]
    Xml {
        /// The file.
        path: PathBuf,
        /// Line, from 1.
        line: u32,
        /// Column, from 1.
        column: u32,
        /// What the parser said.
        problem: String,
    },
    /// The robot YAML does not parse, or has a key or a value of the wrong kind.
    #[error("{}: {problem}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        problem: String,
    },
    /// An element of the URDF or MJCF is not usable.
    #[error("{}:{line}: {element}: {problem}; allowed: {allowed}", path.display())]
    Element {
        /// The file.
        path: PathBuf,
        /// Line of the element, from 1.
        line: u32,
        /// Kind and name of the element, such as ``joint `elbow` ``.
        element: String,
        /// What is wrong, with the value found.
        problem: String,
        /// What would be accepted.
        allowed: String,
    },
    /// The URDF is well-formed XML, but not a URDF.
    #[error("{}: not a URDF: {problem}", path.display())]
    Urdf {
        /// The file.
        path: PathBuf,
        /// What the parser said.
        problem: String,
    },
    /// A value in the robot YAML is not usable.
    #[error("{}: {field}: {value}; allowed: {allowed}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Path of the field, such as `groups.arm.joints`.
        field: String,
        /// The value found, and what is wrong with it.
        value: String,
        /// What would be accepted.
        allowed: String,
    },
    /// The model has nothing of that kind with that name.
    #[error("the robot has no {kind} `{name}`; known: {known}")]
    Unknown {
        /// `joint`, `link`, `group` or `configuration`.
        kind: &'static str,
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// Two frames are not joined by a chain that this crate can solve.
    #[error("no chain from `{base_frame}` to `{tool_frame}`: {problem}")]
    NoChain {
        /// First frame of the chain.
        base_frame: String,
        /// Last frame of the chain.
        tool_frame: String,
        /// Why not.
        problem: String,
    },
    /// A slice has the wrong length.
    #[error("{what}: {actual} values, expected {expected}")]
    Length {
        /// Which slice.
        what: &'static str,
        /// How many values it should have.
        expected: usize,
        /// How many it has.
        actual: usize,
    },
}

/// Joins names for an error message.
pub(crate) fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let names: Vec<&str> = names.into_iter().collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}
