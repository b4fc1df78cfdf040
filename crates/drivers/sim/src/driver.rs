//! The driver: a simulated robot behind the hardware interface.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sinew_hardware::{Configured, DriverError, EmergencyStop, HardwareInterface, layout_of};
use sinew_types::{ActuatorCommand, Layout, RobotState, Time};
use triple_buffer::Input;

use crate::SimError;
use crate::handle::{Shared, SimWorld};
use crate::physics::Physics;
use crate::snapshot::Snapshot;
use crate::world::{Scene, World};

/// The driver's name.
const NAME: &str = "sim";

/// The version of the MuJoCo library that this program runs with.
#[allow(unsafe_code)]
pub fn mujoco_version() -> String {
    // SAFETY: the function takes nothing, and its result is a constant string of the library.
    let version = unsafe { std::ffi::CStr::from_ptr(mujoco_rs::mujoco_c::mj_versionString()) };
    version.to_string_lossy().into_owned()
}

/// A robot in a simulated world.
///
/// Time passes in `read` only: it advances the physics to `now` with the set-points that were written last. The first `read`
/// sets the zero of the simulation, so any clock will do. While the driver is inactive its joints are braked and the world
/// around it goes on.
///
/// `read` and `write` neither allocate nor lock, but for the one `read` after a [`SimWorld::reset`].
pub struct SimDriver {
    physics: Physics,
    layout: Layout,
    shared: Arc<Shared>,
    view: Input<Snapshot>,
    generation: u64,
    /// The time of the first read, and how many steps were made since.
    epoch: Option<Time>,
    steps: u64,
    is_active: bool,
    /// Whether the stop was seen and the brakes are on.
    is_stopped: bool,
}

impl SimDriver {
    /// Makes a simulation of a scene, and the handle through which the world around the robot is seen and reset.
    ///
    /// # Errors
    /// When the physics engine refuses the robot's or the world's model, or the scene belongs to another world.
    pub fn new(world: World, scene: &Scene) -> Result<(Self, SimWorld), SimError> {
        let layout = layout_of(world.robot()).map_err(|source| SimError::Layout {
            robot: world.robot().name().to_owned(),
            source: Box::new(source),
        })?;
        let physics = make(&world, scene)?;
        let mut first = Snapshot::new(0, scene.objects.len(), physics.position_len());
        physics.view(Time::ZERO, &mut first);
        let (view, seen) = triple_buffer::triple_buffer(&first);
        let shared = Arc::new(Shared::new(world, scene.clone(), &physics, seen));
        let driver = Self {
            physics,
            layout,
            shared: Arc::clone(&shared),
            view,
            generation: 0,
            epoch: None,
            steps: 0,
            is_active: false,
            is_stopped: false,
        };
        Ok((driver, SimWorld::new(shared)))
    }

    /// Takes over a scene that was prepared by [`SimWorld::reset`], if there is one.
    fn take_reset(&mut self) {
        let Some(generation) = self.shared.exchange(&mut self.physics) else { return };
        self.generation = generation;
        self.epoch = None;
        self.steps = 0;
        self.is_stopped = false;
        if self.is_active {
            self.physics.hold();
        } else {
            self.physics.power_off();
        }
    }
}

pub(crate) fn make(world: &World, scene: &Scene) -> Result<Physics, SimError> {
    let config = world.config();
    if scene.objects.len() != config.objects.len() || scene.fixtures.len() != config.fixtures.len()
    {
        return Err(SimError::ForeignScene {
            world: config.name.clone(),
            objects: scene.objects.len(),
            fixtures: scene.fixtures.len(),
            expected_objects: config.objects.len(),
            expected_fixtures: config.fixtures.len(),
        });
    }
    Physics::new(world, scene)
}

impl HardwareInterface for SimDriver {
    fn name(&self) -> &'static str {
        NAME
    }

    fn configure(&mut self) -> Result<Configured, DriverError> {
        self.physics.power_off();
        Ok(Configured {
            layout: self.layout.clone(),
            emergency_stop: Box::new(SimStop(Arc::clone(&self.shared.stop))),
        })
    }

    fn activate(&mut self, _now: Time) -> Result<(), DriverError> {
        self.shared.stop.store(false, Ordering::Release);
        self.is_stopped = false;
        self.is_active = true;
        self.physics.hold();
        Ok(())
    }

    fn deactivate(&mut self) {
        self.is_active = false;
        self.physics.power_off();
    }

    fn read(
        &mut self,
        now: Time,
        _period: Duration,
        state: &mut RobotState,
    ) -> Result<(), DriverError> {
        self.take_reset();
        if self.shared.stop.load(Ordering::Acquire) && !self.is_stopped {
            self.is_stopped = true;
            self.physics.power_off();
        }
        let epoch = *self.epoch.get_or_insert(now);
        let due = now.as_nanos().saturating_sub(epoch.as_nanos()) / self.physics.time_step_ns;
        while self.steps < due {
            self.physics.step();
            self.steps += 1;
        }
        state.layout_hash = self.layout.hash();
        self.physics.read(now, state);
        let view = self.view.input_buffer_mut();
        view.generation = self.generation;
        self.physics.view(now, view);
        self.view.publish();
        Ok(())
    }

    fn write(
        &mut self,
        _now: Time,
        period: Duration,
        command: &ActuatorCommand,
    ) -> Result<(), DriverError> {
        if self.is_active && !self.is_stopped {
            self.physics.command(command, period.as_secs_f64());
        }
        Ok(())
    }

    fn is_simulated(&self) -> bool {
        true
    }
}

/// Brakes the joints at the driver's next step, until it is activated again.
struct SimStop(Arc<AtomicBool>);

impl EmergencyStop for SimStop {
    fn stop(&mut self) {
        self.0.store(true, Ordering::Release);
    }
}
