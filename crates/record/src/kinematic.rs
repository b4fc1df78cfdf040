use std::time::Duration;

use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, BaseState, BaseTwist, GroupKind, Layout, RobotState};

use crate::{Plant, RecordError};

/// A robot without mass: joints and base follow their commands with a lag.
///
/// For the tests of experts and tasks; data is recorded in the simulator.
#[derive(Clone, Debug)]
pub struct KinematicPlant {
    layout: Layout,
    state: RobotState,
    first: RobotState,
    targets: Vec<f64>,
    twist: BaseTwist,
}

/// Time constant of the servos.
const LAG_S: f64 = 0.05;
const STEP: Duration = Duration::from_millis(2);

impl KinematicPlant {
    /// A robot at rest at the origin of the map, its groups in `home` where they have it.
    ///
    /// # Errors
    /// [`RecordError::Plant`].
    pub fn new(robot: &RobotModel) -> Result<Self, RecordError> {
        let layout = sinew_hardware::layout_of(robot)
            .map_err(|e| RecordError::Plant { doing: "order its joints", reason: e.to_string() })?;
        let mut state = RobotState::invalid(&layout);
        for joint in &mut state.joints {
            joint.valid = true;
        }
        for group in robot.groups() {
            let home = group.configurations.get("home").into_iter().flatten();
            for (joint, position) in group.joints.iter().zip(home) {
                state.joints[*joint].position = *position;
            }
        }
        if layout.groups().iter().any(|g| g.kind == GroupKind::Base) {
            state.base = Some(BaseState {
                map_from_base: Isometry3::identity(),
                linear_velocity: Vector3::zeros(),
                angular_velocity: Vector3::zeros(),
                stamp: state.stamp,
                valid: true,
            });
        }
        let targets = state.joints.iter().map(|j| j.position).collect();
        let first = state.clone();
        Ok(Self { layout, state, first, targets, twist: BaseTwist::default() })
    }

    fn tick(&mut self) {
        let dt = STEP.as_secs_f64();
        let share = dt / LAG_S;
        self.state.tick += 1;
        self.state.stamp += STEP;
        for (joint, target) in self.state.joints.iter_mut().zip(&self.targets) {
            joint.velocity = (target - joint.position) / LAG_S;
            joint.position += joint.velocity * dt;
            joint.stamp = self.state.stamp;
        }
        if let Some(base) = &mut self.state.base {
            base.linear_velocity.x += (self.twist.linear_x - base.linear_velocity.x) * share;
            base.angular_velocity.z += (self.twist.angular_z - base.angular_velocity.z) * share;
            let motion = Isometry3::from_parts(
                Translation3::from(base.linear_velocity * dt),
                UnitQuaternion::from_scaled_axis(base.angular_velocity * dt),
            );
            base.map_from_base *= motion;
            base.stamp = self.state.stamp;
        }
    }
}

impl Plant for KinematicPlant {
    fn layout(&self) -> &Layout {
        &self.layout
    }

    fn state(&self) -> &RobotState {
        &self.state
    }

    fn advance(&mut self, command: &ActuatorCommand, time: Duration) -> Result<(), RecordError> {
        for (target, joint) in self.targets.iter_mut().zip(&command.joints) {
            if !joint.position.is_nan() {
                *target = joint.position;
            }
        }
        self.twist = command.base.unwrap_or_default();
        for _ in 0..time.as_nanos() / STEP.as_nanos() {
            self.tick();
        }
        Ok(())
    }

    fn restart(&mut self) -> Result<(), RecordError> {
        self.state.copy_from(&self.first);
        self.targets = self.state.joints.iter().map(|j| j.position).collect();
        self.twist = BaseTwist::default();
        Ok(())
    }
}
