use nalgebra::{Isometry3, Vector3};
use sinew_model::{GripperFacts, ReachEnvelope, RobotFacts};
use sinew_robot::{BaseConfig, Kinematics, RobotError, RobotModel, StopAction};
use sinew_types::{BaseState, GroupKind, Layout, RobotState};

/// An arm stands at a named configuration if each joint is within this of it, rad.
const AT_CONFIGURATION_RAD: f64 = 0.03;

/// Computes from a measured state what predicates are judged on.
pub struct RobotFactsSource {
    kinematics: Kinematics,
    layout: Layout,
    /// Of the group `arm`, if there is one.
    tool_link: Option<usize>,
    /// Whether the base is bolted down: then it is the map's origin.
    is_fixed: bool,
    camera_link: Option<usize>,
    /// Joints of the arm, and its named configurations.
    arm_joints: Vec<usize>,
    configurations: Vec<(String, Vec<f64>)>,
    /// Joints that must stand still for the robot to be still: wheels and fingers are judged otherwise, and what
    /// balances never stands still.
    moving_joints: Vec<usize>,
    /// Largest opening per gripper, m.
    gripper_widths: Vec<f64>,
    reach: ReachEnvelope,
}

impl RobotFactsSource {
    /// For a robot whose group `arm`, if it has one, has a chain; a sensor camera `head` is looked with.
    ///
    /// # Errors
    /// When the arm or the camera names a link that is not there.
    pub fn new(model: &RobotModel, layout: &Layout) -> Result<Self, RobotError> {
        let arm = model.groups().iter().find(|group| group.name == "arm");
        let tool_link = arm.and_then(|arm| arm.chain.as_ref());
        let tool_link = tool_link.map(|chain| model.link_index(&chain.tool_frame)).transpose()?;
        let configurations = arm.map(|arm| arm.configurations.clone().into_iter().collect());
        let camera = model.sensors().cameras.iter().find(|camera| camera.name == "head");
        let camera_link =
            camera.map(|camera| model.link_index(&camera.optical_frame)).transpose()?;
        let balances = |name: &str| {
            let group = model.group(name);
            group.is_ok_and(|group| group.stop.action == StopAction::Fallback)
        };
        let moving_joints = layout
            .groups()
            .iter()
            .filter(|group| group.kind == GroupKind::Joints && !balances(&group.name))
            .flat_map(|group| group.joints.iter().copied())
            .collect();
        let gripper_widths =
            model.groups().iter().filter_map(|group| Some(group.gripper.as_ref()?.max_width_m));
        Ok(Self {
            gripper_widths: gripper_widths.collect(),
            kinematics: Kinematics::new(model),
            layout: layout.clone(),
            tool_link,
            is_fixed: *model.base() == BaseConfig::Fixed,
            camera_link,
            arm_joints: arm.map(|arm| arm.joints.clone()).unwrap_or_default(),
            configurations: configurations.unwrap_or_default(),
            moving_joints,
            reach: ReachEnvelope::default(),
        })
    }

    /// The facts of a state of the layout that this was made for; none while joints or base are not
    /// measured.
    pub fn facts(&mut self, state: &RobotState) -> Option<RobotFacts> {
        let base = match state.base.filter(|base| base.valid) {
            Some(base) => base,
            None if self.is_fixed => BaseState {
                map_from_base: Isometry3::identity(),
                linear_velocity: Vector3::zeros(),
                angular_velocity: Vector3::zeros(),
                stamp: state.stamp,
                valid: true,
            },
            None => return None,
        };
        if !state.joints.iter().all(|joint| joint.valid) {
            return None;
        }
        let positions: Vec<f64> = state.joints.iter().map(|joint| joint.position).collect();
        self.kinematics.update(&positions).ok()?;
        let map_from = |link: usize| -> Isometry3<f64> {
            base.map_from_base * self.kinematics.base_from_link()[link]
        };
        let at = |goal: &[f64]| {
            self.arm_joints
                .iter()
                .zip(goal)
                .all(|(joint, goal)| (positions[*joint] - goal).abs() <= AT_CONFIGURATION_RAD)
        };
        let velocities = self.moving_joints.iter().map(|joint| state.joints[*joint].velocity.abs());
        let grippers = self.layout.groups().iter().filter(|g| g.kind == GroupKind::Gripper);
        Some(RobotFacts {
            stamp: state.stamp,
            map_from_base: base.map_from_base,
            base_linear_m_s: base.linear_velocity.xy().norm(),
            base_angular_rad_s: base.angular_velocity.z.abs(),
            max_joint_velocity_rad_s: velocities.fold(0.0, f64::max),
            map_from_tool: self.tool_link.map(map_from),
            grippers: grippers
                .map(|group| {
                    let gripper = state.grippers[group.gripper];
                    let facts = GripperFacts {
                        width_m: gripper.width_m,
                        force_n: gripper.force_n,
                        max_width_m: self.gripper_widths[group.gripper],
                    };
                    (group.name.clone(), facts)
                })
                .collect(),
            arm_configuration: self
                .configurations
                .iter()
                .find(|(_, goal)| at(goal))
                .map(|(name, _)| name.clone()),
            map_from_camera: self.camera_link.map(map_from),
            reach: self.reach,
        })
    }
}
