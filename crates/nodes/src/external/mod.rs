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

use crate::ros_clock::RosClock;
use cmd_vel::CmdVel;
use follow_trajectory::FollowTrajectory;
use gripper::Gripper;
use joints::Joints;
use lease::ExternalLease;
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

/// What passes another system's wishes on to the gate.
trait Adapter: Send {
    /// Takes what arrived, and sends what is due.
    fn step(&mut self, now: Time, handle: &mut ControlHandle);

    /// What it commands its group under.
    fn lease(&mut self) -> &mut ExternalLease;

    /// The control loop has answered a request; whether it was one of this adapter.
    fn answered(
        &mut self,
        request: RequestId,
        result: Result<Accepted, Refused>,
        layout: &Layout,
    ) -> bool {
        self.lease().answered(request, result, layout)
    }

    /// Ends its goals, since the node ends.
    fn shutdown(&mut self, _handle: &mut ControlHandle) {}

    /// How its goals fared, if it has any.
    fn tally(&self) -> Option<&Tally> {
        None
    }
}

/// All adapters of one robot.
pub(crate) struct External {
    adapters: Vec<Box<dyn Adapter>>,
}

impl External {
    /// Those that are wanted, for the groups that they are of use to.
    pub(crate) fn new(
        node: &BusNode,
        robot: &RobotModel,
        gate: &GateConfig,
        wanted: Wanted,
        clock: RosClock,
    ) -> Result<Self, BusError> {
        let layout = &gate.layout;
        let mut adapters: Vec<Box<dyn Adapter>> = Vec::new();
        if wanted.cmd_vel
            && let Some(cmd_vel) = CmdVel::new(node, layout)?
        {
            adapters.push(Box::new(cmd_vel));
        }
        for (index, group) in gate.groups.iter().enumerate() {
            if wanted.follow_joint_trajectory
                && let Some(joints) = Joints::of(robot, layout, index, group)
            {
                let (still, tick) = (gate.still_joint_velocity, gate.period);
                let made = FollowTrajectory::new(node, layout, index, joints, still, tick, clock)?;
                adapters.push(Box::new(made));
            }
            if wanted.gripper_command
                && let GroupLimits::Gripper { width, .. } = &group.limits
            {
                adapters.push(Box::new(Gripper::new(node, layout, index, width.upper, clock)?));
            }
        }
        Ok(Self { adapters })
    }

    /// The control loop has answered a request, be it of an adapter or not.
    pub(crate) fn answered(
        &mut self,
        request: RequestId,
        result: Result<Accepted, Refused>,
        layout: &Layout,
    ) {
        for adapter in &mut self.adapters {
            if adapter.answered(request, result, layout) {
                return;
            }
        }
    }

    /// Takes what arrived, and sends what is due.
    pub(crate) fn step(&mut self, now: Time, handle: &mut ControlHandle) {
        for adapter in &mut self.adapters {
            adapter.step(now, handle);
        }
    }

    /// Ends all goals, since the node ends.
    pub(crate) fn shutdown(&mut self, handle: &mut ControlHandle) {
        for adapter in &mut self.adapters {
            adapter.shutdown(handle);
        }
    }

    /// How the goals of each action fared.
    pub(crate) fn tallies(&self) -> impl Iterator<Item = &Tally> {
        self.adapters.iter().filter_map(|adapter| adapter.tally())
    }
}
