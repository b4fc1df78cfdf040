use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nalgebra::Isometry3;
use sinew_model::tolerance;
use sinew_policy::Embodiment;
use sinew_robot::{
    Chain, Group, IkOptions, IkSolver, JointLimits, LimitProfile, RobotModel, TrajectoryLimits,
};
use sinew_types::{
    ActuatorCommand, BaseTwist, ErrorCode, GroupKind, JointCommand, Layout, RobotState, Time,
};

use crate::error::SkillError;
use crate::grasp_policy::GraspPolicies;
use crate::io::Failure;
use crate::policies::{PolicyRunner, Runner};
use crate::server::{Manipulation, Navigation};

/// A state older than this is not acted on.
const MAX_STATE_AGE: Duration = Duration::from_millis(100);
/// A gripper whose pads are slower than this is at rest, m/s: pressed on something, they tremble.
const STILL_GRIPPER_M_S: f64 = 0.03;

/// A group of joints that follows positions.
pub(crate) struct JointGroup {
    /// Indices into the layout's joints.
    pub(crate) joints: Vec<usize>,
    pub(crate) chain: Chain,
    pub(crate) limits: Vec<JointLimits>,
    pub(crate) profile: TrajectoryLimits,
}

/// What the built-in skills know of the robot, and the policies that move it.
pub(crate) struct Body {
    pub(crate) layout: Layout,
    pub(crate) tick: Duration,
    pub(crate) arm: JointGroup,
    pub(crate) home: Vec<f64>,
    pub(crate) ready: Vec<f64>,
    pub(crate) ik: IkSolver,
    /// Pan and tilt; the chain ends in the camera's optical frame.
    pub(crate) head: JointGroup,
    /// Index into the grippers of state and command.
    pub(crate) gripper: usize,
    pub(crate) max_width_m: f64,
    pub(crate) max_force_n: f64,
    pub(crate) reach_policy: Box<dyn Runner>,
    /// Where driving is not left to another system.
    pub(crate) drive_policy: Option<Box<dyn Runner>>,
    /// Where picking and placing is left to policies.
    pub(crate) grasp_policies: Option<GraspPolicies>,
    /// Lower and upper position limit per joint of the layout.
    joint_range: Vec<[f64; 2]>,
}

fn joint_group(
    robot: &RobotModel,
    layout: &Layout,
    name: &str,
    chain: Chain,
) -> Result<JointGroup, SkillError> {
    let unsuitable = |missing: String| SkillError::Unsuitable { missing };
    let LimitProfile::Trajectory(profile) = robot.group(name)?.limits else {
        return Err(unsuitable(format!("a trajectory limit profile of group `{name}`")));
    };
    let joints = chain
        .joints()
        .map(|joint| {
            let joint = &robot.joints()[joint].name;
            layout.joint_index(joint).ok_or_else(|| unsuitable(format!("joint `{joint}`")))
        })
        .collect::<Result<_, _>>()?;
    Ok(JointGroup { joints, limits: chain.limits().collect(), chain, profile })
}

impl Body {
    pub(crate) fn new(
        robot: &Arc<RobotModel>,
        layout: Layout,
        policies: &Path,
        manipulation: Manipulation,
        navigation: Navigation,
        tick: Duration,
    ) -> Result<Self, SkillError> {
        let embodiment = Embodiment::new(&layout, Arc::clone(robot));
        let reach = PolicyRunner::load(policies, "reach", &embodiment)?;
        let drive: Option<Box<dyn Runner>> = match navigation {
            Navigation::Own => {
                Some(Box::new(PolicyRunner::load(policies, "drive_to", &embodiment)?))
            }
            Navigation::Nav2 => None,
        };
        let mut made = Self::with_policies(robot, layout, Box::new(reach), drive, tick)?;
        if manipulation == Manipulation::Learned {
            made.grasp_policies = Some(GraspPolicies {
                pick: Box::new(PolicyRunner::load(policies, "pick", &embodiment)?),
                place: Box::new(PolicyRunner::load(policies, "place", &embodiment)?),
            });
        }
        Ok(made)
    }

    pub(crate) fn with_policies(
        robot: &Arc<RobotModel>,
        layout: Layout,
        reach_policy: Box<dyn Runner>,
        drive_policy: Option<Box<dyn Runner>>,
        tick: Duration,
    ) -> Result<Self, SkillError> {
        let unsuitable = |missing: &str| SkillError::Unsuitable { missing: missing.into() };
        let arm = joint_group(robot, &layout, "arm", robot.chain("arm")?)?;
        let cameras = &robot.sensors().cameras;
        let camera = cameras
            .iter()
            .find(|camera| camera.name == "head")
            .ok_or_else(|| unsuitable("a camera `head`"))?;
        let root = &robot.links()[0].name;
        let eye = Chain::new(robot, root, &camera.optical_frame)?;
        let head = joint_group(robot, &layout, "head", eye)?;
        let gripper = robot.group("gripper")?;
        let config = gripper.gripper.ok_or_else(|| unsuitable("a gripper in group `gripper`"))?;
        let index = layout
            .group_index("gripper")
            .ok_or_else(|| unsuitable("a group `gripper` in the layout"))?;
        let group: &Group = robot.group("arm")?;
        let home = group.configuration("home")?.to_vec();
        let ready = group.configuration("ready")?.to_vec();
        let options =
            IkOptions { preferred: Some(ready.clone()), max_attempts: 2, ..IkOptions::default() };
        let joint_range = layout
            .joints()
            .iter()
            .map(|name| {
                robot.joint_index(name).map(|index| {
                    let limits = robot.joints()[index].limits;
                    [limits.lower, limits.upper]
                })
            })
            .collect::<Result<_, _>>()?;
        Ok(Self {
            ik: IkSolver::new(arm.chain.clone(), options),
            gripper: layout.groups()[index].gripper,
            max_width_m: config.max_width_m,
            max_force_n: config.max_force_n,
            layout,
            tick,
            arm,
            home,
            ready,
            head,
            reach_policy,
            drive_policy,
            grasp_policies: None,
            joint_range,
        })
    }

    /// Measured positions of a group's joints.
    pub(crate) fn positions(group: &JointGroup, state: &RobotState) -> Vec<f64> {
        group.joints.iter().map(|joint| state.joints[*joint].position).collect()
    }

    /// The fastest of the arm's joints, rad/s.
    pub(crate) fn arm_speed(&self, state: &RobotState) -> f64 {
        let speeds = self.arm.joints.iter().map(|joint| state.joints[*joint].velocity.abs());
        speeds.fold(0.0, f64::max)
    }

    /// Where the base is, and how fast.
    pub(crate) fn base(&self, state: &RobotState) -> Result<sinew_types::BaseState, Failure> {
        state.base.filter(|base| base.valid).ok_or_else(|| {
            Failure::new(ErrorCode::ObservationStale, "the base's pose is not measured")
        })
    }

    /// Arm positions that put the tool at a pose in the base frame without folding the elbow or the
    /// forearm over, from a start that faces it.
    pub(crate) fn solve(&mut self, base_from_tool: &Isometry3<f64>) -> Option<Vec<f64>> {
        /// The reach policy keeps to this branch, rad.
        const MAX_FOREARM_ROLL_RAD: f64 = 0.9;
        let mut start = self.ready.clone();
        start[0] = base_from_tool.translation.y.atan2(base_from_tool.translation.x);
        let solution = self.ik.solve(base_from_tool, &start).ok()?.positions;
        let same_branch = solution.get(3).is_none_or(|roll| roll.abs() < MAX_FOREARM_ROLL_RAD)
            && solution.get(2).is_none_or(|elbow| *elbow > 0.0);
        same_branch.then_some(solution)
    }

    /// Why a state cannot be acted on, if so.
    pub(crate) fn check_state(
        &self,
        state: &RobotState,
        groups: &[usize],
        now: Time,
    ) -> Result<(), Failure> {
        let stale = |what: String| Err(Failure::new(ErrorCode::ObservationStale, what));
        if state.layout_hash != self.layout.hash() {
            return stale("the robot's state is of another layout".into());
        }
        let age = now.since(state.stamp);
        if age > MAX_STATE_AGE {
            return stale(format!(
                "the robot's state is {} ms old; allowed: {} ms",
                age.as_millis(),
                MAX_STATE_AGE.as_millis()
            ));
        }
        for group in groups {
            let group = &self.layout.groups()[*group];
            let invalid = match group.kind {
                GroupKind::Joints => group.joints.iter().any(|joint| {
                    let joint = &state.joints[*joint];
                    !joint.valid || !joint.position.is_finite()
                }),
                GroupKind::Base => !state.base.is_some_and(|base| base.valid),
                GroupKind::Gripper => !state.grippers[group.gripper].valid,
            };
            if invalid {
                return stale(format!("group `{}` is not measured", group.name));
            }
        }
        Ok(())
    }

    /// Whether all these groups are measured at rest.
    pub(crate) fn is_at_rest(&self, state: &RobotState, groups: &[usize]) -> bool {
        groups.iter().all(|group| {
            let group = &self.layout.groups()[*group];
            match group.kind {
                GroupKind::Joints => group.joints.iter().all(|joint| {
                    state.joints[*joint].velocity.abs() <= tolerance::STILL_JOINT_RAD_S
                }),
                GroupKind::Base => state.base.is_some_and(|base| {
                    base.linear_velocity.norm() <= tolerance::STILL_BASE
                        && base.angular_velocity.norm() <= tolerance::STILL_BASE
                }),
                GroupKind::Gripper => {
                    state.grippers[group.gripper].velocity_m_s.abs() <= STILL_GRIPPER_M_S
                }
            }
        })
    }

    /// A command that holds these groups where they are; grippers keep what they were told last.
    pub(crate) fn hold(&self, state: &RobotState, groups: &[usize], out: &mut ActuatorCommand) {
        *out = ActuatorCommand::unused(&self.layout);
        for group in groups {
            let group = &self.layout.groups()[*group];
            match group.kind {
                GroupKind::Joints => {
                    for joint in &group.joints {
                        out.joints[*joint] = JointCommand::position(state.joints[*joint].position);
                    }
                }
                GroupKind::Base => out.base = Some(BaseTwist::default()),
                GroupKind::Gripper => {}
            }
        }
    }

    /// Cuts joint set-points to the joints' ranges; how many were cut.
    pub(crate) fn clamp(&self, command: &mut ActuatorCommand) -> u32 {
        let mut cut = 0;
        for (joint, [lower, upper]) in command.joints.iter_mut().zip(&self.joint_range) {
            let within = joint.position.clamp(*lower, *upper);
            if within != joint.position && !joint.position.is_nan() {
                joint.position = within;
                cut += 1;
            }
        }
        cut
    }
}
