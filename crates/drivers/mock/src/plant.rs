use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};
use sinew_types::{
    ActuatorCommand, BaseState, GroupKind, JointCommand, JointState, Layout, RobotState, Time,
};

/// Joints move against this, N·m·s/rad or N·s/m: it makes a velocity of an effort.
const FRICTION: f64 = 1.0;

/// What stands for the device: joints without inertia, fingers, a base that goes where it is told.
pub(crate) struct Plant {
    layout: Layout,
    max_velocity: f64,
    state: RobotState,
}

impl Plant {
    /// All at zero; joints and fingers move with at most `max_velocity`, rad/s or m/s.
    pub(crate) fn new(layout: Layout, max_velocity: f64) -> Self {
        let mut state = RobotState::invalid(&layout);
        let base = layout.groups().iter().any(|group| group.kind == GroupKind::Base);
        state.base = base.then(|| BaseState {
            map_from_base: Isometry3::identity(),
            linear_velocity: Vector3::zeros(),
            angular_velocity: Vector3::zeros(),
            stamp: Time::ZERO,
            valid: true,
        });
        state.joints.iter_mut().for_each(|joint| joint.valid = true);
        state.grippers.iter_mut().for_each(|gripper| gripper.valid = true);
        Self { layout, max_velocity, state }
    }

    pub(crate) fn place(&mut self, positions: &[f64]) {
        for (joint, position) in self.state.joints.iter_mut().zip(positions) {
            joint.position = *position;
        }
        self.measure_widths();
    }

    /// Moves every joint so far by hand.
    pub(crate) fn push(&mut self, distance: f64) {
        self.state.joints.iter_mut().for_each(|joint| joint.position += distance);
        self.measure_widths();
    }

    fn measure_widths(&mut self) {
        for group in self.layout.groups().iter().filter(|group| group.kind == GroupKind::Gripper) {
            let fingers = group.joints.iter().map(|joint| self.state.joints[*joint].position);
            self.state.grippers[group.gripper].width_m = fingers.sum();
        }
    }

    /// Brakes everything.
    pub(crate) fn halt(&mut self) {
        self.state.joints.iter_mut().for_each(|joint| joint.velocity = 0.0);
        self.state.grippers.iter_mut().for_each(|gripper| gripper.velocity_m_s = 0.0);
        if let Some(base) = &mut self.state.base {
            (base.linear_velocity, base.angular_velocity) = (Vector3::zeros(), Vector3::zeros());
        }
    }

    pub(crate) fn measure(&mut self, now: Time) -> &RobotState {
        self.state.joints.iter_mut().for_each(|joint| joint.stamp = now);
        self.state.grippers.iter_mut().for_each(|gripper| gripper.stamp = now);
        self.state.base.iter_mut().for_each(|base| base.stamp = now);
        &self.state
    }

    pub(crate) fn follow(&mut self, command: &ActuatorCommand, seconds: f64) {
        let limit = self.max_velocity;
        for (joint, command) in self.state.joints.iter_mut().zip(&command.joints) {
            move_joint(joint, command, limit, seconds);
        }
        for group in self.layout.groups().iter().filter(|group| group.kind == GroupKind::Gripper) {
            let gripper = &mut self.state.grippers[group.gripper];
            let goal = command.grippers[group.gripper].width_m;
            let way = if goal.is_nan() { 0.0 } else { goal - gripper.width_m };
            gripper.velocity_m_s = (way / seconds).clamp(-limit, limit);
            gripper.width_m += gripper.velocity_m_s * seconds;
            let fingers = group.joints.len() as f64;
            for joint in &group.joints {
                let finger = &mut self.state.joints[*joint];
                finger.position = gripper.width_m / fingers;
                finger.velocity = gripper.velocity_m_s / fingers;
            }
        }
        if let Some(base) = &mut self.state.base {
            let twist = command.base.unwrap_or_default();
            base.linear_velocity = Vector3::new(twist.linear_x, twist.linear_y, 0.0);
            base.angular_velocity = Vector3::new(0.0, 0.0, twist.angular_z);
            let step = Translation3::from(base.linear_velocity * seconds);
            let turn = UnitQuaternion::from_scaled_axis(base.angular_velocity * seconds);
            base.map_from_base *= Isometry3::from_parts(step, turn);
        }
    }
}

/// One step of a joint; the interfaces that are used decide about the mode.
fn move_joint(joint: &mut JointState, command: &JointCommand, limit: f64, seconds: f64) {
    let or = |value: f64, other: f64| if value.is_nan() { other } else { value };
    let error = or(command.position, joint.position) - joint.position;
    let effort = or(command.effort, 0.0);
    let velocity = if !command.kp.is_nan() || !command.kd.is_nan() {
        let (kp, kd) = (or(command.kp, 0.0), or(command.kd, 0.0));
        // Implicit in the velocity, so that no gain is too high for the period.
        (kp * error + kd * or(command.velocity, 0.0) + effort) / (kp * seconds + kd + FRICTION)
    } else if !command.position.is_nan() {
        error / seconds
    } else {
        or(command.velocity, effort / FRICTION)
    };
    joint.velocity = velocity.clamp(-limit, limit);
    joint.position += joint.velocity * seconds;
    joint.effort = effort;
}
