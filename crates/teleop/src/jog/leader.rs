use std::collections::BTreeMap;

use sinew_types::{ActuatorCommand, GripperCommand, RobotState, Time};

use super::{Context, Jog};
use crate::joint_targets::JointTargets;
use crate::set_points::SetPoints;

/// The leader arm, as it was heard of last.
#[derive(Default)]
pub(crate) struct LeaderState {
    pub(crate) heard: Option<Time>,
    /// rad or m, by joint of the leader.
    pub(crate) positions: BTreeMap<String, f64>,
}

/// A joint of the follower: `scale * leader + offset`.
pub(crate) struct FollowedJoint {
    pub(crate) leader: String,
    pub(crate) scale: f64,
    pub(crate) offset: f64,
}

/// A gripper of the follower.
pub(crate) struct FollowedGripper {
    /// Index into the grippers of state and command.
    pub(crate) gripper: usize,
    pub(crate) leader: String,
    pub(crate) closed: f64,
    pub(crate) open: f64,
    pub(crate) max_width_m: f64,
}

/// Brings the follower to the leader slowly, then has it follow.
pub(crate) struct LeaderJog {
    targets: JointTargets,
    /// One per joint of the group.
    joints: Vec<FollowedJoint>,
    gripper: Option<FollowedGripper>,
    approach_velocity: f64,
    together_within: f64,
    together: bool,
    gripper_target: GripperCommand,
    wanted: Vec<f64>,
}

impl LeaderJog {
    pub(crate) fn new(
        targets: JointTargets,
        joints: Vec<FollowedJoint>,
        gripper: Option<FollowedGripper>,
        approach_velocity: f64,
        together_within: f64,
    ) -> Self {
        Self {
            wanted: vec![0.0; joints.len()],
            targets,
            joints,
            gripper,
            approach_velocity,
            together_within,
            together: false,
            gripper_target: GripperCommand::UNUSED,
        }
    }
}

impl Jog for LeaderJog {
    fn start(&mut self, robot: &RobotState, last: &SetPoints) {
        self.targets.start(robot, last);
        self.together = false;
        if let Some(gripper) = &self.gripper {
            self.gripper_target = last.gripper(gripper.gripper, robot);
        }
    }

    fn step(&mut self, cx: &Context<'_>, out: &mut ActuatorCommand) {
        let mut farthest = 0.0_f64;
        for (i, joint) in self.joints.iter().enumerate() {
            let at = self.targets.positions()[i];
            let limits = self.targets.limits()[i];
            let goal = cx.leader.positions.get(&joint.leader).map_or(at, |position| {
                (joint.scale * position + joint.offset).max(limits.lower).min(limits.upper)
            });
            let gap = goal - at;
            farthest = farthest.max(gap.abs());
            let most =
                if self.together { self.targets.max_velocity()[i] } else { self.approach_velocity };
            let closing = self.targets.braking_speed(gap).min(gap.abs() / cx.dt).min(most);
            self.wanted[i] = closing.copysign(gap);
        }
        self.together |= farthest <= self.together_within;
        self.targets.advance(&self.wanted, cx.dt, cx.robot);
        self.targets.write(out);
        if let Some(gripper) = &self.gripper {
            // Only an arm that follows closes its hand: on the way it keeps what it holds.
            if self.together
                && let Some(position) = cx.leader.positions.get(&gripper.leader)
            {
                let opening = (position - gripper.closed) / (gripper.open - gripper.closed);
                self.gripper_target.width_m = opening.clamp(0.0, 1.0) * gripper.max_width_m;
            }
            out.grippers[gripper.gripper] = self.gripper_target;
        }
    }

    fn phase(&self) -> &'static str {
        if self.together { "following the leader" } else { "coming to the leader" }
    }

    fn needs_leader(&self) -> bool {
        true
    }
}
