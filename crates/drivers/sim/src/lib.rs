//! A simulated robot in a simulated world, behind the hardware interface.
//!
//! A [`World`] is a YAML file: a robot, fixtures (table, bin, shelf), objects, cameras, and what differs from seed to seed.
//! [`World::sample`] draws a [`Scene`] from it, and [`SimDriver::new`] makes a simulation of the scene: MuJoCo, in this
//! process. The driver is an ordinary [`sinew_hardware::HardwareInterface`]; time passes in its `read`, in lock-step with the
//! control loop, so that the same scene and the same commands give the same motion, bit for bit.
//!
//! The [`SimWorld`] that comes with it is the view from outside: where everything really is ([`SimWorld::truth`]), what a
//! robot would see of it ([`SimWorld::perception`]), pictures ([`SimWorld::renderer`]), and starting over ([`SimWorld::reset`]).
//!
//! Frame `map` is the world's, with z up and the floor at zero; the robot's localisation is exact. Frames of objects and
//! fixtures are at the centres of their bounding boxes.
//!
//! ```
//! use std::time::Duration;
//!
//! use sinew_driver_sim::{SimDriver, World};
//! use sinew_hardware::Unconfigured;
//! use sinew_types::{RobotState, Time};
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let world = World::load(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../worlds/minimal.yaml"))?;
//! let scene = world.scene()?;
//! let (driver, seen) = SimDriver::new(world, &scene)?;
//! let (mut robot, _stop) = Unconfigured::new(Box::new(driver)).configure()?;
//!
//! let mut state = RobotState::invalid(robot.layout());
//! let period = Duration::from_millis(2);
//! for tick in 0..50 {
//!     robot.read(Time::from_nanos(tick * 2_000_000), period, &mut state)?;
//! }
//! let truth = seen.truth();
//! let object = truth.object("yellow_box").ok_or("no such object")?;
//! assert!((object.map_from_object.translation.z - 0.42).abs() < 1e-3);
//! # Ok(())
//! # }
//! ```

mod body_xml;
mod compile;
mod drive;
mod driver;
mod error;
mod handle;
mod perception;
mod physics;
mod renderer;
mod snapshot;
mod world;

pub use driver::{SimDriver, mujoco_version};
pub use error::SimError;
pub use handle::{ObjectInfo, ObjectTruth, SimWorld, WorldTruth};
pub use perception::{Observation, PerceptionSource, SeenObject};
pub use renderer::Renderer;
pub use world::{
    FixtureShape, Interior, ObjectShape, PerceptionConfig, PhysicsConfig, Scene, SceneFixture,
    SceneObject, Surface, World, WorldConfig, config,
};
