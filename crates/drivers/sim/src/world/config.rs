//! The world YAML, as it is written.
//!
//! Values are SI: metres, radians, kilograms, seconds. Unknown keys are errors.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::shape::{FixtureShape, ObjectShape};

/// A whole world file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldConfig {
    /// Name of the world: lower-case letters, digits and underscores, a letter first.
    pub name: String,
    /// The robot and where it starts.
    pub robot: RobotPlacement,
    /// What does not move. One that stands `on` another is listed after it.
    #[serde(default)]
    pub fixtures: Vec<FixtureConfig>,
    /// What moves.
    #[serde(default)]
    pub objects: Vec<ObjectConfig>,
    /// Cameras that are not on the robot.
    #[serde(default)]
    pub cameras: Vec<WorldCameraConfig>,
    /// Settings of the physics engine.
    #[serde(default)]
    pub physics: PhysicsConfig,
    /// How objects are seen.
    #[serde(default)]
    pub perception: PerceptionConfig,
    /// What differs from seed to seed.
    #[serde(default)]
    pub randomisation: RandomisationConfig,
}

/// The robot and where it starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobotPlacement {
    /// The robot YAML, relative to the world file.
    pub file: PathBuf,
    /// Where its base frame stands on the floor.
    #[serde(default)]
    pub start: PlanarPose,
    /// The configuration in which each group starts; joints of other groups start at zero, or at their nearest limit.
    #[serde(default)]
    pub configurations: BTreeMap<String, String>,
}

/// A pose on a level surface.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanarPose {
    /// m.
    pub x_m: f64,
    /// m.
    pub y_m: f64,
    /// About z, rad.
    #[serde(default)]
    pub yaw_rad: f64,
}

/// A pose in `map`, or on the surface that `on` names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UprightPose {
    /// m, in `map`, or from the centre of the surface.
    pub x_m: f64,
    /// m, in `map`, or from the centre of the surface.
    pub y_m: f64,
    /// Height of the lowest point over the floor or the surface, m.
    #[serde(default)]
    pub z_m: f64,
    /// About z, rad.
    #[serde(default)]
    pub yaw_rad: f64,
}

/// Something that does not move.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FixtureConfig {
    /// Unique in the world.
    pub id: String,
    /// What it is called, such as `table`.
    pub class: String,
    /// Shape and size.
    pub shape: FixtureShape,
    /// Name of the colour; one of the palette, unless `rgba` is given.
    pub color: String,
    /// Red, green, blue, opacity: 0 to 1 each.
    #[serde(default)]
    pub rgba: Option<[f32; 4]>,
    /// The fixture that it stands on; the floor if none.
    #[serde(default)]
    pub on: Option<String>,
    /// Where it stands.
    pub pose: UprightPose,
}

/// Something that moves.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectConfig {
    /// Unique in the world.
    pub id: String,
    /// What it is called, such as `cube`.
    pub class: String,
    /// Shape and size.
    pub shape: ObjectShape,
    /// 0.001 to 100 kg.
    pub mass_kg: f64,
    /// Coefficient of sliding friction of its surface, 0.05 to 3.
    #[serde(default = "default_friction")]
    pub friction: f64,
    /// Name of the colour; one of the palette, unless `rgba` is given.
    pub color: String,
    /// Red, green, blue, opacity: 0 to 1 each.
    #[serde(default)]
    pub rgba: Option<[f32; 4]>,
    /// The fixture that it stands on; the floor if none.
    #[serde(default)]
    pub on: Option<String>,
    /// Where it stands.
    pub pose: UprightPose,
}

fn default_friction() -> f64 {
    0.9
}

/// A camera that is not on the robot.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorldCameraConfig {
    /// Unique among all cameras, those of the robot included.
    pub name: String,
    /// Where it is, in `map`.
    pub position_m: [f64; 3],
    /// The point in the middle of its picture, in `map`.
    pub look_at_m: [f64; 3],
    /// Vertical opening angle, 0.05 to 3.0.
    pub fov_y_rad: f64,
}

/// Settings of the physics engine. Contacts have an elliptic friction cone and the integrator is `implicitfast`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PhysicsConfig {
    /// 0.0002 to 0.004 s, a whole number of microseconds.
    pub timestep_s: f64,
    /// Along -z, 0 to 30 m/s².
    pub gravity_m_s2: f64,
    /// Ratio of frictional to normal contact impedance, 1 to 100: larger means less creep in a grasp.
    pub impratio: f64,
    /// Iterations of the solver that removes the rest of the creep, 0 to 20.
    pub noslip_iterations: u32,
    /// Largest number of iterations of the main solver, 1 to 200.
    pub solver_iterations: u32,
}

impl Default for PhysicsConfig {
    fn default() -> Self {
        Self {
            timestep_s: 0.001,
            gravity_m_s2: 9.81,
            impratio: 10.0,
            noslip_iterations: 3,
            solver_iterations: 30,
        }
    }
}

/// How objects are seen. Fixtures are known from the map: exactly, always.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct PerceptionConfig {
    /// 0.1 to 1000 Hz.
    pub rate_hz: f64,
    /// Standard deviation along each axis, 0 to 0.5 m.
    pub position_noise_m: f64,
    /// Standard deviation about z, 0 to 1 rad.
    pub yaw_noise_rad: f64,
    /// Probability that an object is missing in an observation, 0 to 1.
    pub drop_out: f64,
    /// Objects nearer to the robot's base than this are not seen, m.
    pub min_range_m: f64,
    /// Objects farther from the robot's base than this are not seen, m.
    pub max_range_m: f64,
}

impl Default for PerceptionConfig {
    fn default() -> Self {
        Self {
            rate_hz: 10.0,
            position_noise_m: 0.0,
            yaw_noise_rad: 0.0,
            drop_out: 0.0,
            min_range_m: 0.0,
            max_range_m: 100.0,
        }
    }
}

/// What differs from seed to seed. Everything is drawn uniformly.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct RandomisationConfig {
    /// The seed of [`crate::World::scene`].
    pub seed: u64,
    /// Where the robot starts.
    pub robot_start: Option<RobotStartRange>,
    /// Offsets of fixtures, by id; what stands on them moves along.
    pub fixtures: BTreeMap<String, FixtureRange>,
    /// Where objects are put.
    pub areas: Vec<AreaConfig>,
    /// Range of the factor on each object's mass.
    pub mass_scale: Option<[f64; 2]>,
    /// Range of the factor on each object's friction.
    pub friction_scale: Option<[f64; 2]>,
}

/// Where the robot starts, about the start pose.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RobotStartRange {
    /// Within a circle of this radius, m.
    pub radius_m: f64,
    /// Turned by up to this much to either side, rad.
    pub yaw_rad: f64,
}

/// Offsets of a fixture from its pose, along the axes of what it stands on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct FixtureRange {
    /// Lowest and highest, m.
    pub x_m: [f64; 2],
    /// Lowest and highest, m.
    pub y_m: [f64; 2],
    /// Lowest and highest, rad.
    pub yaw_rad: [f64; 2],
}

/// A rectangle on a fixture on which objects are put at random.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AreaConfig {
    /// Ids of the objects; each in one area at most.
    pub objects: Vec<String>,
    /// The fixture; the objects' own `on` must be the same.
    pub on: String,
    /// Lowest and highest x of an object's centre from the centre of the surface, m.
    pub x_m: [f64; 2],
    /// Lowest and highest y of an object's centre from the centre of the surface, m.
    pub y_m: [f64; 2],
    /// Lowest and highest yaw, rad.
    pub yaw_rad: [f64; 2],
    /// Least distance between the centres of two objects, m.
    pub min_separation_m: f64,
}
