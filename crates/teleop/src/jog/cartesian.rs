use nalgebra::{UnitQuaternion, Vector3};
use sinew_robot::{DifferentialIk, Kinematics};
use sinew_types::{ActuatorCommand, RobotState};

use super::{Context, Jog};
use crate::joint_targets::JointTargets;
use crate::set_points::SetPoints;
use crate::signal::Signal;

/// Moves a chain's tool along and about the axes of a frame.
pub(crate) struct CartesianJog {
    targets: JointTargets,
    ik: DifferentialIk,
    kinematics: Kinematics,
    /// Links, by index: the chain's base, and the frame of the motion.
    base: usize,
    frame: usize,
    /// Linear along x, y, z, then angular about them.
    signals: [Option<Signal>; 6],
    positions: Vec<f64>,
}

impl CartesianJog {
    pub(crate) fn new(
        targets: JointTargets,
        ik: DifferentialIk,
        kinematics: Kinematics,
        [base, frame]: [usize; 2],
        signals: [Option<Signal>; 6],
    ) -> Self {
        Self { targets, ik, kinematics, base, frame, signals, positions: Vec::new() }
    }

    /// Rotation from the frame of the motion to the chain's base frame.
    fn base_from_frame(&mut self, robot: &RobotState) -> UnitQuaternion<f64> {
        self.positions.clear();
        self.positions.extend(robot.joints.iter().map(|joint| joint.position));
        // The layout that states follow has the model's joints: checked when the mode was made.
        if self.kinematics.update(&self.positions).is_err() {
            return UnitQuaternion::identity();
        }
        let poses = self.kinematics.base_from_link();
        poses[self.base].rotation.inverse() * poses[self.frame].rotation
    }
}

impl Jog for CartesianJog {
    fn start(&mut self, robot: &RobotState, last: &SetPoints) {
        self.targets.start(robot, last);
    }

    fn step(&mut self, cx: &Context<'_>, out: &mut ActuatorCommand) {
        let mut asked = [0.0; 6];
        for (asked, signal) in asked.iter_mut().zip(&self.signals) {
            *asked = signal.as_ref().map_or(0.0, |signal| signal.value(cx.reader, cx.pad));
        }
        let base_from_frame = self.base_from_frame(cx.robot);
        let [x, y, z, roll, pitch, yaw] = asked;
        let linear = base_from_frame * Vector3::new(x, y, z);
        let angular = base_from_frame * Vector3::new(roll, pitch, yaw);
        // There are as many targets as joints in the chain: checked when the mode was made.
        if let Ok(wanted) = self.ik.velocities(self.targets.positions(), linear, angular) {
            self.targets.advance(wanted, cx.dt, cx.robot);
        }
        self.targets.write(out);
    }
}
