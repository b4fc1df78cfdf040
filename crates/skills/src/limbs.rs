use std::path::Path;
use std::sync::Arc;

use nalgebra::Isometry3;
use sinew_policy::Embodiment;
use sinew_robot::{
    Chain, CommandInterface, Group, IkOptions, IkSolver, JointLimits, LimitProfile, RobotModel,
    TrajectoryLimits,
};
use sinew_types::{Layout, RobotState};

use crate::error::SkillError;
use crate::grasp_policy::GraspPolicies;
use crate::policies::{PolicyRunner, Runner};
use crate::server::{Manipulation, Navigation};

/// A group of joints that follows positions.
pub(crate) struct JointGroup {
    /// Indices into the layout's joints.
    pub(crate) joints: Vec<usize>,
    pub(crate) chain: Chain,
    pub(crate) limits: Vec<JointLimits>,
    pub(crate) profile: TrajectoryLimits,
}

impl JointGroup {
    fn of(
        robot: &RobotModel,
        layout: &Layout,
        name: &str,
        chain: Chain,
    ) -> Result<Self, SkillError> {
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
        Ok(Self { joints, limits: chain.limits().collect(), chain, profile })
    }

    /// Measured positions of the joints.
    pub(crate) fn positions(&self, state: &RobotState) -> Vec<f64> {
        self.joints.iter().map(|joint| state.joints[*joint].position).collect()
    }
}

/// What the built-in skills move, and the policies that they move it with.
pub(crate) struct Limbs {
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
}

/// What a robot lacks of what the built-in skills move: groups `base`, `arm` (with a chain and the configurations `home`
/// and `ready`) and `gripper`, and a camera `head` on joints of a group `head`. None if it has all of it.
pub fn lacks(robot: &RobotModel, layout: &Layout) -> Option<SkillError> {
    Parts::of(robot, layout).err()
}

/// Limbs without policies.
struct Parts {
    arm: JointGroup,
    home: Vec<f64>,
    ready: Vec<f64>,
    head: JointGroup,
    gripper: usize,
    max_width_m: f64,
    max_force_n: f64,
}

impl Parts {
    fn of(robot: &RobotModel, layout: &Layout) -> Result<Self, SkillError> {
        let unsuitable = |missing: &str| SkillError::Unsuitable { missing: missing.into() };
        if robot.group("base")?.command != CommandInterface::Twist {
            return Err(unsuitable("a group `base` that is commanded by twist"));
        }
        let arm = JointGroup::of(robot, layout, "arm", robot.chain("arm")?)?;
        let cameras = &robot.sensors().cameras;
        let camera = cameras
            .iter()
            .find(|camera| camera.name == "head")
            .ok_or_else(|| unsuitable("a camera `head`"))?;
        let root = &robot.links()[0].name;
        let eye = Chain::new(robot, root, &camera.optical_frame)?;
        let head = JointGroup::of(robot, layout, "head", eye)?;
        let gripper = robot.group("gripper")?;
        let config = gripper.gripper.ok_or_else(|| unsuitable("a gripper in group `gripper`"))?;
        let index = layout
            .group_index("gripper")
            .ok_or_else(|| unsuitable("a group `gripper` in the layout"))?;
        let group: &Group = robot.group("arm")?;
        Ok(Self {
            home: group.configuration("home")?.to_vec(),
            ready: group.configuration("ready")?.to_vec(),
            arm,
            head,
            gripper: layout.groups()[index].gripper,
            max_width_m: config.max_width_m,
            max_force_n: config.max_force_n,
        })
    }
}

impl Limbs {
    /// Loads the policies from their folders.
    pub(crate) fn load(
        robot: &Arc<RobotModel>,
        layout: &Layout,
        policies: &Path,
        manipulation: Manipulation,
        navigation: Navigation,
    ) -> Result<Self, SkillError> {
        let embodiment = Embodiment::new(layout, Arc::clone(robot));
        let load = |name: &str| -> Result<Box<dyn Runner>, SkillError> {
            Ok(Box::new(PolicyRunner::load(policies, name, &embodiment)?))
        };
        let reach = load("reach")?;
        let drive = match navigation {
            Navigation::Own => Some(load("drive_to")?),
            Navigation::Nav2 => None,
        };
        let mut limbs = Self::new(robot, layout, reach, drive)?;
        if manipulation == Manipulation::Learned {
            limbs.grasp_policies =
                Some(GraspPolicies { pick: load("pick")?, place: load("place")? });
        }
        Ok(limbs)
    }

    pub(crate) fn new(
        robot: &RobotModel,
        layout: &Layout,
        reach_policy: Box<dyn Runner>,
        drive_policy: Option<Box<dyn Runner>>,
    ) -> Result<Self, SkillError> {
        let Parts { arm, home, ready, head, gripper, max_width_m, max_force_n } =
            Parts::of(robot, layout)?;
        let options =
            IkOptions { preferred: Some(ready.clone()), max_attempts: 2, ..IkOptions::default() };
        Ok(Self {
            ik: IkSolver::new(arm.chain.clone(), options),
            arm,
            home,
            ready,
            head,
            gripper,
            max_width_m,
            max_force_n,
            reach_policy,
            drive_policy,
            grasp_policies: None,
        })
    }

    /// The fastest of the arm's joints, rad/s.
    pub(crate) fn arm_speed(&self, state: &RobotState) -> f64 {
        let speeds = self.arm.joints.iter().map(|joint| state.joints[*joint].velocity.abs());
        speeds.fold(0.0, f64::max)
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
}
