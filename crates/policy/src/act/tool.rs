use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};
use sinew_robot::DifferentialIk;
use sinew_types::{ActuatorCommand, RobotState};

use crate::manifest::ToolFrame;

/// Joint targets that follow a tool. There are as many as the chain has joints, so its kinematics never fail.
#[derive(Clone, Debug)]
pub(crate) struct ToolMotion {
    ik: DifferentialIk,
    /// Indices into the layout, from base to tool.
    joints: Vec<usize>,
    /// rad or m.
    targets: Vec<f64>,
    /// The targets stay within this distance of the measured positions, rad or m.
    max_lead: f64,
    period_s: f64,
}

/// How fast a small distance to a pose shrinks, 1/s.
const APPROACH_1_S: f64 = 8.0;

impl ToolMotion {
    pub(crate) fn new(
        ik: DifferentialIk,
        joints: Vec<usize>,
        max_lead: f64,
        period_s: f64,
    ) -> Self {
        Self { targets: vec![0.0; joints.len()], ik, joints, max_lead, period_s }
    }

    pub(crate) fn joints(&self) -> &[usize] {
        &self.joints
    }

    pub(crate) fn targets(&self) -> &[f64] {
        &self.targets
    }

    pub(crate) fn joints_and_targets(&mut self) -> (&[usize], &mut [f64]) {
        (&self.joints, &mut self.targets)
    }

    /// Where the targets put the tool.
    pub(crate) fn pose(&self) -> Isometry3<f64> {
        self.ik.chain().base_from_tool(&self.targets).unwrap_or_else(|_| Isometry3::identity())
    }

    /// Moves on by one tick of a velocity: linear x, y, z, m/s, then angular, rad/s. Real-time safe.
    pub(crate) fn advance(&mut self, frame: ToolFrame, twist: &[f64], state: &RobotState) {
        let linear = Vector3::new(twist[0], twist[1], twist[2]);
        let angular = Vector3::new(twist[3], twist[4], twist[5]);
        let velocities = match frame {
            ToolFrame::Tool => self.ik.velocities_in_tool(&self.targets, linear, angular),
            ToolFrame::Base => self.ik.velocities(&self.targets, linear, angular),
        };
        for (i, velocity) in velocities.unwrap_or_default().iter().enumerate() {
            let measured = state.joints[self.joints[i]].position;
            self.targets[i] = (self.targets[i] + velocity * self.period_s)
                .clamp(measured - self.max_lead, measured + self.max_lead);
        }
    }

    /// Moves on by one tick towards a pose in the chain's base frame, position and rotation vector, no faster
    /// than these speeds, m/s and rad/s. Real-time safe.
    pub(crate) fn approach(
        &mut self,
        pose: &[f64],
        [fastest_m_s, fastest_rad_s]: [f64; 2],
        state: &RobotState,
    ) {
        let base_from_tool = self.pose();
        let goal = pose_of(pose);
        let way = goal.translation.vector - base_from_tool.translation.vector;
        let turn = (goal.rotation * base_from_tool.rotation.inverse()).scaled_axis();
        let capped = |way: Vector3<f64>, fastest: f64| {
            let velocity = way * APPROACH_1_S.min(1.0 / self.period_s);
            velocity * (fastest / velocity.norm().max(fastest))
        };
        let (linear, angular) = (capped(way, fastest_m_s), capped(turn, fastest_rad_s));
        let twist = [linear.x, linear.y, linear.z, angular.x, angular.y, angular.z];
        self.advance(ToolFrame::Base, &twist, state);
    }

    /// Takes what something else commanded for its own targets; the velocity that would have led there.
    pub(crate) fn follow(&mut self, frame: ToolFrame, command: &ActuatorCommand) -> [f64; 6] {
        let before = self.pose();
        for (target, joint) in self.targets.iter_mut().zip(&self.joints) {
            let given = command.joints[*joint].position;
            if given.is_finite() {
                *target = given;
            }
        }
        let after = self.pose();
        let way = (after.translation.vector - before.translation.vector) / self.period_s;
        let turn = (after.rotation * before.rotation.inverse()).scaled_axis() / self.period_s;
        let [way, turn] = [way, turn].map(|vector| match frame {
            ToolFrame::Base => vector,
            ToolFrame::Tool => before.rotation.inverse() * vector,
        });
        [way.x, way.y, way.z, turn.x, turn.y, turn.z]
    }
}

/// A pose as position and rotation vector.
pub(crate) fn elements_of(pose: &Isometry3<f64>) -> [f64; 6] {
    let (position, turn) = (pose.translation.vector, pose.rotation.scaled_axis());
    [position.x, position.y, position.z, turn.x, turn.y, turn.z]
}

fn pose_of(elements: &[f64]) -> Isometry3<f64> {
    let turn = Vector3::new(elements[3], elements[4], elements[5]);
    Isometry3::from_parts(
        Translation3::new(elements[0], elements[1], elements[2]),
        UnitQuaternion::from_scaled_axis(turn),
    )
}
