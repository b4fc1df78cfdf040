//! The standard ROS 2 interfaces by which other systems move the robot: each an adapter in the hardware node
//! that passes the gate as any other source does, under EXTERNAL leases of its own.

mod cmd_vel;
mod follow_trajectory;
mod gripper;
mod gripper_goal;
mod joints;
mod lease;
mod tally;
mod trajectory;
mod trajectory_goal;
mod unfit;

use std::time::Duration;

use sinew_bus::{BusError, BusNode};
use sinew_hardware::{Accepted, ControlHandle, GateConfig, GroupLimits, Refused, RequestId};
use sinew_robot::RobotModel;
use sinew_types::{Layout, Time};

use cmd_vel::CmdVel;
use follow_trajectory::FollowTrajectory;
use gripper::Gripper;
use joints::Joints;
pub(crate) use tally::Tally;

/// How often a running goal's client is told how far it is.
const FEEDBACK_PERIOD: Duration = Duration::from_millis(50);
/// A goal that was cancelled ends after this long, at rest or not.
const REST_LIMIT: Duration = Duration::from_secs(5);

/// Which of the interfaces are wanted.
#[derive(Clone, Copy)]
pub(crate) struct Wanted {
    pub(crate) cmd_vel: bool,
    pub(crate) follow_joint_trajectory: bool,
    pub(crate) gripper_command: bool,
}

/// All adapters of one robot.
pub(crate) struct External {
    cmd_vel: Option<CmdVel>,
    trajectories: Vec<FollowTrajectory>,
    grippers: Vec<Gripper>,
}

impl External {
    /// Those that are wanted, for the groups that they are of use to.
    pub(crate) fn new(
        node: &BusNode,
        robot: &RobotModel,
        gate: &GateConfig,
        wanted: Wanted,
    ) -> Result<Self, BusError> {
        let layout = &gate.layout;
        let (mut trajectories, mut grippers) = (Vec::new(), Vec::new());
        for (index, group) in gate.groups.iter().enumerate() {
            if wanted.follow_joint_trajectory
                && let Some(joints) = Joints::of(robot, layout, index, group)
            {
                let (still, tick) = (gate.still_joint_velocity, gate.period);
                let made = FollowTrajectory::new(node, layout, index, joints, still, tick)?;
                trajectories.push(made);
            }
            if wanted.gripper_command
                && let GroupLimits::Gripper { width, .. } = &group.limits
            {
                grippers.push(Gripper::new(node, layout, index, width.upper)?);
            }
        }
        let cmd_vel = if wanted.cmd_vel { CmdVel::new(node, layout)? } else { None };
        Ok(Self { cmd_vel, trajectories, grippers })
    }

    /// The control loop has answered a request, be it of an adapter or not.
    pub(crate) fn answered(
        &mut self,
        request: RequestId,
        result: Result<Accepted, Refused>,
        layout: &Layout,
    ) {
        let _ = self.cmd_vel.iter_mut().any(|adapter| adapter.answered(request, result, layout))
            || self
                .trajectories
                .iter_mut()
                .any(|adapter| adapter.answered(request, result, layout))
            || self.grippers.iter_mut().any(|adapter| adapter.answered(request, result, layout));
    }

    /// Takes what arrived, and sends what is due.
    pub(crate) fn step(&mut self, now: Time, handle: &mut ControlHandle) {
        if let Some(adapter) = &mut self.cmd_vel {
            adapter.step(now, handle);
        }
        for adapter in &mut self.trajectories {
            adapter.step(now, handle);
        }
        for adapter in &mut self.grippers {
            adapter.step(now, handle);
        }
    }

    /// How the goals of each action fared.
    pub(crate) fn tallies(&self) -> impl Iterator<Item = &Tally> {
        let trajectories = self.trajectories.iter().map(FollowTrajectory::tally);
        trajectories.chain(self.grippers.iter().map(Gripper::tally))
    }
}
