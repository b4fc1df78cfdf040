//! The world around the robot, seen from outside the control loop.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use mujoco_rs::prelude::MjModel;
use nalgebra::{Isometry3, Vector3};
use sinew_types::Time;
use triple_buffer::Output;

use crate::SimError;
use crate::driver::make;
use crate::perception::PerceptionSource;
use crate::physics::Physics;
use crate::renderer::Renderer;
use crate::snapshot::Snapshot;
use crate::world::{Interior, Scene, Surface, World};

/// What does not change about an object or a fixture.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectInfo {
    /// Unique in the world.
    pub id: String,
    /// What it is called, such as `cube`.
    pub class: String,
    /// `color`: the name of its colour.
    pub attributes: BTreeMap<String, String>,
    /// Edges of the bounding box in the object's frame, whose origin is the box's centre, m.
    pub size_m: [f64; 3],
    /// Whether it stays where it is.
    pub is_fixture: bool,
    /// Level surfaces that things can be put on, in the object's frame; a table's top comes first.
    pub surfaces: Vec<Surface>,
    /// The space that things can be put into, in the object's frame.
    pub interior: Option<Interior>,
}

/// An object or a fixture as it really is.
#[derive(Clone, Debug, PartialEq)]
pub struct ObjectTruth {
    /// What does not change.
    pub info: Arc<ObjectInfo>,
    /// Pose of the centre of its bounding box.
    pub map_from_object: Isometry3<f64>,
    /// m/s, in `map`.
    pub linear_velocity: Vector3<f64>,
    /// rad/s, in the object's frame.
    pub angular_velocity: Vector3<f64>,
}

/// The world as it really is at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct WorldTruth {
    /// When.
    pub stamp: Time,
    /// How often the world had been reset.
    pub generation: u64,
    /// The robot's base frame; none if it is fixed.
    pub map_from_base: Option<Isometry3<f64>>,
    /// Fixtures, then objects, each in the order of the world file.
    pub objects: Vec<ObjectTruth>,
}

impl WorldTruth {
    /// An object or fixture by id.
    pub fn object(&self, id: &str) -> Option<&ObjectTruth> {
        self.objects.iter().find(|object| object.info.id == id)
    }
}

/// What belongs to one scene.
pub(crate) struct Stage {
    pub(crate) generation: u64,
    pub(crate) scene: Scene,
    /// For drawing.
    pub(crate) model: Arc<MjModel>,
}

/// What driver and handles share. The driver touches the lock of `reset` only, and never waits for it.
pub(crate) struct Shared {
    world: World,
    infos: Vec<Arc<ObjectInfo>>,
    pub(crate) stop: Arc<AtomicBool>,
    has_reset: AtomicBool,
    /// A scene that waits for the driver; afterwards the simulation that it replaced, so that the driver frees nothing.
    reset: Mutex<Option<(Physics, u64)>>,
    seen: Mutex<Output<Snapshot>>,
    /// Scenes by generation, oldest first: the one that the driver shows, and those that wait for it.
    stages: Mutex<Vec<Arc<Stage>>>,
}

impl Shared {
    pub(crate) fn new(
        world: World,
        scene: Scene,
        physics: &Physics,
        seen: Output<Snapshot>,
    ) -> Self {
        let infos = infos(&world);
        let model = Arc::new(physics.clone_model());
        Self {
            world,
            infos,
            stop: Arc::new(AtomicBool::new(false)),
            has_reset: AtomicBool::new(false),
            reset: Mutex::new(None),
            seen: Mutex::new(seen),
            stages: Mutex::new(vec![Arc::new(Stage { generation: 0, scene, model })]),
        }
    }

    /// Swaps a scene that waits into the driver, and gives its generation. Does not wait: a scene that is being prepared
    /// right now is taken at the next call.
    pub(crate) fn exchange(&self, physics: &mut Physics) -> Option<u64> {
        if !self.has_reset.load(Ordering::Acquire) {
            return None;
        }
        let mut slot = self.reset.try_lock().ok()?;
        let (waiting, generation) = slot.as_mut()?;
        std::mem::swap(waiting, physics);
        self.has_reset.store(false, Ordering::Release);
        Some(*generation)
    }

    pub(crate) fn world(&self) -> &World {
        &self.world
    }

    /// The latest state and the scene that it belongs to.
    pub(crate) fn look(&self) -> (Snapshot, Arc<Stage>) {
        let snapshot = lock(&self.seen).read().clone();
        let mut stages = lock(&self.stages);
        let current = stages.iter().position(|stage| stage.generation == snapshot.generation);
        // The driver never shows a scene older than one that it showed before.
        stages.drain(..current.unwrap_or(0));
        let stage = Arc::clone(&stages[0]);
        (snapshot, stage)
    }
}

/// The world around a simulated robot: what is really where, and how to start over.
///
/// Clones are handles to the same world. Nothing here delays the control loop.
#[derive(Clone)]
pub struct SimWorld {
    shared: Arc<Shared>,
}

impl SimWorld {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared }
    }

    /// The world file.
    pub fn world(&self) -> &World {
        &self.shared.world
    }

    /// The scene that the driver shows now.
    pub fn scene(&self) -> Scene {
        self.shared.look().1.scene.clone()
    }

    /// What does not change about fixtures and objects, in the order of [`WorldTruth::objects`].
    pub fn objects(&self) -> &[Arc<ObjectInfo>] {
        &self.shared.infos
    }

    /// The world as it really is, as of the driver's last read.
    pub fn truth(&self) -> WorldTruth {
        let (snapshot, stage) = self.shared.look();
        let still = Vector3::zeros();
        let fixtures = stage.scene.fixtures.iter().map(|f| (f.map_from_fixture, still, still));
        let objects = snapshot
            .objects
            .iter()
            .map(|o| (o.map_from_object, o.linear_velocity, o.angular_velocity));
        WorldTruth {
            stamp: snapshot.stamp,
            generation: snapshot.generation,
            map_from_base: snapshot.map_from_base,
            objects: self
                .shared
                .infos
                .iter()
                .zip(fixtures.chain(objects))
                .map(|(info, (map_from_object, linear_velocity, angular_velocity))| ObjectTruth {
                    info: Arc::clone(info),
                    map_from_object,
                    linear_velocity,
                    angular_velocity,
                })
                .collect(),
        }
    }

    /// Starts over with another scene of the same world, at the driver's next read; gives the generation that
    /// [`WorldTruth::generation`] shows from then on.
    ///
    /// The robot jumps to its start: reset while the driver is inactive, or while nothing is commanded. An active driver
    /// holds the start configuration until the next set-point.
    ///
    /// # Errors
    /// When the scene belongs to another world, or the physics engine refuses it.
    pub fn reset(&self, scene: &Scene) -> Result<u64, SimError> {
        let physics = make(&self.shared.world, scene)?;
        let model = Arc::new(physics.clone_model());
        let mut slot = lock(&self.shared.reset);
        let mut stages = lock(&self.shared.stages);
        let generation = stages.last().map_or(0, |stage| stage.generation) + 1;
        stages.push(Arc::new(Stage { generation, scene: scene.clone(), model }));
        *slot = Some((physics, generation));
        self.shared.has_reset.store(true, Ordering::Release);
        Ok(generation)
    }

    /// Observations as a robot's perception would give them, with the noise that the world file asks for.
    pub fn perception(&self, seed: u64) -> PerceptionSource {
        PerceptionSource::new(self.clone(), seed)
    }

    /// A painter of pictures, on a thread of its own.
    pub fn renderer(&self) -> Renderer {
        Renderer::new(Arc::clone(&self.shared))
    }
}

fn infos(world: &World) -> Vec<Arc<ObjectInfo>> {
    let attributes = |color: &String| BTreeMap::from([("color".to_owned(), color.clone())]);
    let fixtures = world.config().fixtures.iter().map(|fixture| ObjectInfo {
        id: fixture.id.clone(),
        class: fixture.class.clone(),
        attributes: attributes(&fixture.color),
        size_m: fixture.shape.size_m(),
        is_fixture: true,
        surfaces: fixture.shape.surfaces(),
        interior: fixture.shape.interior(),
    });
    let objects = world.config().objects.iter().map(|object| ObjectInfo {
        id: object.id.clone(),
        class: object.class.clone(),
        attributes: attributes(&object.color),
        size_m: object.shape.size_m(),
        is_fixture: false,
        surfaces: object.shape.surface().into_iter().collect(),
        interior: None,
    });
    fixtures.chain(objects).map(Arc::new).collect()
}

/// A panic elsewhere leaves these values whole: they are replaced, never edited in parts.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
