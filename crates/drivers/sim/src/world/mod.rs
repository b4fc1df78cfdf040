//! Worlds: what stands around the robot, and how it differs from seed to seed.

mod check;
pub mod config;
mod palette;
mod scene;
mod shape;

use std::path::{Path, PathBuf};

use sinew_robot::RobotModel;

pub use config::{PerceptionConfig, PhysicsConfig, WorldConfig};
pub(crate) use palette::rgba;
pub use scene::{Scene, SceneFixture, SceneObject};
pub(crate) use shape::Part;
pub use shape::{FixtureShape, Interior, ObjectShape, Surface};

use crate::SimError;

/// A checked world file and the robot in it.
///
/// [`World::scene`] and [`World::sample`] give concrete placements of its content.
#[derive(Clone, Debug)]
pub struct World {
    config: WorldConfig,
    path: PathBuf,
    robot: RobotModel,
}

impl World {
    /// Loads a world YAML and the robot that it names.
    ///
    /// # Errors
    /// Each names the file, the field, the value and what is allowed.
    pub fn load(path: impl AsRef<Path>) -> Result<Self, SimError> {
        Self::load_file(path.as_ref())
    }

    /// Not generic, so that all it takes to read YAML is compiled once and not in each crate that calls it.
    fn load_file(path: &Path) -> Result<Self, SimError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| SimError::Read { path: path.to_owned(), source })?;
        let config: WorldConfig = serde_saphyr::from_str(&text).map_err(|error| {
            SimError::Yaml { path: path.to_owned(), problem: error.to_string() }
        })?;
        let robot_path = path.parent().unwrap_or(Path::new("")).join(&config.robot.file);
        let robot = RobotModel::load(&robot_path).map_err(|source| SimError::Robot {
            path: path.to_owned(),
            source: Box::new(source),
        })?;
        check::world(path, &config, &robot)?;
        Ok(Self { config, path: path.to_owned(), robot })
    }

    /// Name of the world.
    pub fn name(&self) -> &str {
        &self.config.name
    }

    /// The world YAML as it was read.
    pub fn config(&self) -> &WorldConfig {
        &self.config
    }

    /// Path of the world YAML.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The robot.
    pub fn robot(&self) -> &RobotModel {
        &self.robot
    }
}
