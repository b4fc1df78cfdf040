//! A simulated robot with a control loop about it.

use std::path::PathBuf;
use std::time::Duration;

use assert_no_alloc::assert_no_alloc;
use sinew_driver_sim::{Scene, SimDriver, SimWorld, World};
use sinew_hardware::{EmergencyStop, HardwareInterface};
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, JointCommand, RobotState, Time};

pub(crate) const PERIOD: Duration = Duration::from_millis(2);
pub(crate) const PERIOD_S: f64 = 0.002;

pub(crate) fn repository(path: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../..").join(path)
}

pub(crate) fn tabletop() -> World {
    World::load(repository("worlds/tabletop.yaml")).unwrap()
}

pub(crate) struct Rig {
    pub(crate) robot: RobotModel,
    pub(crate) driver: SimDriver,
    pub(crate) seen: SimWorld,
    pub(crate) stop: Box<dyn EmergencyStop>,
    pub(crate) state: RobotState,
    pub(crate) command: ActuatorCommand,
    pub(crate) now: Time,
}

impl Rig {
    /// An active driver that holds its start.
    pub(crate) fn new(world: World, scene: &Scene) -> Self {
        let mut rig = Self::inactive(world, scene);
        rig.driver.activate(rig.now).unwrap();
        rig
    }

    pub(crate) fn inactive(world: World, scene: &Scene) -> Self {
        let robot = world.robot().clone();
        let (mut driver, seen) = SimDriver::new(world, scene).unwrap();
        let configured = driver.configure().unwrap();
        let mut state = RobotState::invalid(&configured.layout);
        // Any clock will do: it need not start at zero.
        let now = Time::from_nanos(5_000_000_000);
        driver.read(now, PERIOD, &mut state).unwrap();
        let command = ActuatorCommand::unused(&configured.layout);
        Self { robot, driver, seen, stop: configured.emergency_stop, state, command, now }
    }

    /// One control tick: read, let `decide` change the command, write.
    pub(crate) fn tick(&mut self, decide: impl FnOnce(&RobotState, &mut ActuatorCommand)) {
        self.now += PERIOD;
        let Self { driver, state, command, now, .. } = self;
        assert_no_alloc(|| driver.read(*now, PERIOD, state)).unwrap();
        decide(state, command);
        assert_no_alloc(|| driver.write(*now, PERIOD, command)).unwrap();
    }

    pub(crate) fn wait(&mut self, seconds: f64) {
        for _ in 0..(seconds / PERIOD_S).round() as u32 {
            self.tick(|_, _| {});
        }
    }

    pub(crate) fn positions(&self, group: &str) -> Vec<f64> {
        let group = self.robot.group(group).unwrap();
        group.joints.iter().map(|joint| self.state.joints[*joint].position).collect()
    }

    /// Moves a group smoothly to these positions.
    pub(crate) fn move_to(&mut self, group: &str, goal: &[f64], seconds: f64) {
        let joints = self.robot.group(group).unwrap().joints.clone();
        let start: Vec<f64> = joints
            .iter()
            .map(|joint| {
                let last = self.command.joints[*joint].position;
                if last.is_nan() { self.state.joints[*joint].position } else { last }
            })
            .collect();
        let ticks = (seconds / PERIOD_S).round() as u32;
        for tick in 1..=ticks {
            let s = f64::from(tick) / f64::from(ticks);
            let s = s * s * (3.0 - 2.0 * s);
            self.tick(|_, command| {
                for ((joint, from), to) in joints.iter().zip(&start).zip(goal) {
                    command.joints[*joint] = JointCommand::position(from + s * (to - from));
                }
            });
        }
    }

    /// x, y and yaw of the base in `map`.
    pub(crate) fn base(&self) -> [f64; 3] {
        let pose = self.state.base.unwrap().map_from_base;
        [pose.translation.x, pose.translation.y, pose.rotation.euler_angles().2]
    }

    pub(crate) fn object_z(&self, id: &str) -> f64 {
        self.seen.truth().object(id).unwrap().map_from_object.translation.z
    }
}
