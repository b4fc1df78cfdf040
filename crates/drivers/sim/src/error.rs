//! What can be wrong with a world file, or with a simulation made from it.

use std::path::PathBuf;

use sinew_robot::RobotError;

/// Why a world could not be loaded, a simulation not made, or a picture not taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SimError {
    /// A file could not be read.
    #[error("{}: cannot be read", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The world YAML does not parse, or has a key or a value of the wrong kind.
    #[error("{}: {problem}", path.display())]
    Yaml {
        /// The file.
        path: PathBuf,
        /// What the parser said, with line and column.
        problem: String,
    },
    /// A value in the world YAML is not usable.
    #[error("{}: {field}: {value}; allowed: {allowed}", path.display())]
    Field {
        /// The file.
        path: PathBuf,
        /// Path of the field, such as `objects.red_cube.mass_kg`.
        field: String,
        /// The value found.
        value: String,
        /// What would be accepted.
        allowed: String,
    },
    /// The robot of the world could not be loaded.
    #[error("{}: robot.file", path.display())]
    Robot {
        /// The world file.
        path: PathBuf,
        /// What is wrong with the robot.
        source: Box<RobotError>,
    },
    /// The robot's joints and groups do not make a layout.
    #[error("robot `{robot}` has no valid layout")]
    Layout {
        /// Name of the robot.
        robot: String,
        /// Which joint or group is wrong.
        source: Box<sinew_hardware::HardwareError>,
    },
    /// Objects do not fit into their area.
    #[error(
        "randomisation area {area}: no place for `{object}` after {attempts} attempts; \
         allow a larger range or a smaller min_separation_m"
    )]
    NoPlace {
        /// Index of the area in the file, from 0.
        area: usize,
        /// The object.
        object: String,
        /// How often it was tried.
        attempts: u32,
    },
    /// The physics engine refused the model.
    #[error("{}: the physics engine refuses the model: {problem}", path.display())]
    Model {
        /// The robot's body file or the world file.
        path: PathBuf,
        /// What the engine said.
        problem: String,
    },
    /// A scene was made for another world.
    #[error(
        "the scene has {objects} objects and {fixtures} fixtures, \
         the world `{world}` has {expected_objects} and {expected_fixtures}"
    )]
    ForeignScene {
        /// Name of the world.
        world: String,
        /// Objects in the scene.
        objects: usize,
        /// Fixtures in the scene.
        fixtures: usize,
        /// Objects in the world.
        expected_objects: usize,
        /// Fixtures in the world.
        expected_fixtures: usize,
    },
    /// There is no such camera.
    #[error("no camera `{name}`; known: {known}")]
    UnknownCamera {
        /// The name asked for.
        name: String,
        /// The names there are.
        known: String,
    },
    /// A picture of this size cannot be taken.
    #[error("a picture of {width} x {height} pixels; allowed: 16 to {max} each")]
    PictureSize {
        /// The width asked for.
        width: u32,
        /// The height asked for.
        height: u32,
        /// The largest edge.
        max: u32,
    },
    /// There is no off-screen OpenGL.
    #[error(
        "no off-screen OpenGL ({problem}); pictures need the Debian packages \
         libegl1 libegl-mesa0 libgl1-mesa-dri: apt install libegl1 libegl-mesa0 libgl1-mesa-dri"
    )]
    NoOpenGl {
        /// What EGL said.
        problem: String,
    },
    /// A picture could not be drawn or encoded.
    #[error("camera `{camera}`: {problem}")]
    Picture {
        /// The camera.
        camera: String,
        /// What went wrong.
        problem: String,
    },
}
