use sinew_robot::{
    BaseConfig as RobotBase, DifferentialIk, Kinematics, LimitProfile, RobotError, RobotModel,
};
use sinew_types::{GroupKind, Layout};

use crate::config::{
    BaseConfig, CartesianConfig, GripperConfig, JointsConfig, LeaderConfig, ModeConfig,
    SignalConfig,
};
use crate::jog::leader::{FollowedGripper, FollowedJoint};
use crate::jog::{BaseJog, CartesianJog, GripperJog, Jog, JointJog, LeaderJog};
use crate::joint_targets::{JointTargets, Unsuitable};
use crate::signal::Signal;
use crate::{Mapping, TeleopError};

/// A mode on one robot.
pub(crate) struct Mode {
    pub(crate) name: String,
    /// Index of the button that selects it.
    pub(crate) select: Option<usize>,
    /// Names of the groups, and their indices in the layout.
    pub(crate) groups: Vec<String>,
    pub(crate) group_indices: Vec<usize>,
    pub(crate) parts: Vec<Box<dyn Jog>>,
}

/// The modes of a mapping that this robot has the groups for, in the mapping's order.
pub(crate) fn modes(
    mapping: &Mapping,
    robot: &RobotModel,
    layout: &Layout,
) -> Result<Vec<Mode>, TeleopError> {
    let has = |group: &String| robot.group(group).is_ok();
    let modes = mapping
        .config()
        .modes
        .iter()
        .filter(|mode| !mode.optional || mode.groups().into_iter().all(has))
        .map(|mode| Builder { mapping, robot, layout, mode }.build())
        .collect::<Result<Vec<_>, _>>()?;
    if modes.is_empty() {
        let groups = robot.groups().iter().map(|group| group.name.as_str());
        let known = groups.collect::<Vec<_>>().join(", ");
        let value = "none is left: the robot lacks the groups of each";
        return Err(mapping.refused("modes", value, format!("groups of the robot: {known}")));
    }
    Ok(modes)
}

struct Builder<'a> {
    mapping: &'a Mapping,
    robot: &'a RobotModel,
    layout: &'a Layout,
    mode: &'a ModeConfig,
}

impl Builder<'_> {
    fn build(&self) -> Result<Mode, TeleopError> {
        let ModeConfig { name, select, base, cartesian, joints, gripper, leader, .. } = self.mode;
        let groups: Vec<String> = self.mode.groups().into_iter().cloned().collect();
        let mut parts: Vec<Box<dyn Jog>> = Vec::new();
        if let Some(base) = base {
            parts.push(Box::new(self.base(base)?));
        }
        if let Some(cartesian) = cartesian {
            parts.push(Box::new(self.cartesian(cartesian)?));
        }
        if let Some(joints) = joints {
            parts.push(Box::new(self.joints(joints)?));
        }
        if let Some(leader) = leader {
            parts.push(Box::new(self.leader(leader)?));
        }
        if let Some(gripper) = gripper {
            let alone = parts.is_empty();
            parts.push(Box::new(self.gripper(gripper, alone)?));
        }
        let index = |group: &String| self.layout.group_index(group);
        let select = select
            .as_ref()
            .map(|name| self.mapping.button(&format!("modes.{}.select", self.mode.name), name));
        Ok(Mode {
            name: name.clone(),
            select: select.transpose()?,
            group_indices: groups.iter().filter_map(index).collect(),
            groups,
            parts,
        })
    }

    fn field(&self, rest: &str) -> String {
        format!("modes.{}.{rest}", self.mode.name)
    }

    fn robot_error(&self, rest: &str) -> impl FnOnce(RobotError) -> TeleopError {
        let (file, field) = (self.mapping.file().to_path_buf(), self.field(rest));
        move |source| TeleopError::Robot { file, field, source: Box::new(source) }
    }

    fn signal(
        &self,
        rest: &str,
        signal: &Option<SignalConfig>,
    ) -> Result<Option<Signal>, TeleopError> {
        let field = self.field(rest);
        signal.as_ref().map(|signal| Signal::new(self.mapping, &field, signal)).transpose()
    }

    fn base(&self, base: &BaseConfig) -> Result<BaseJog, TeleopError> {
        let group = self.robot.group(&base.group).map_err(self.robot_error("base.group"))?;
        let LimitProfile::Twist(limits) = group.limits else {
            let value = format!("`{}` is commanded by {:?}", base.group, group.command);
            let allowed = "a group that is commanded by twist";
            return Err(self.mapping.refused(self.field("base.group"), value, allowed));
        };
        let goes_sideways = !matches!(self.robot.base(), RobotBase::PlanarDiffDrive(_));
        if base.linear_y.is_some() && !goes_sideways {
            let field = self.field("base.linear_y");
            let value = "a differential drive cannot go sideways";
            return Err(self.mapping.refused(field, value, "linear_x, angular_z"));
        }
        let signals = [
            self.signal("base.linear_x", &base.linear_x)?,
            self.signal("base.linear_y", &base.linear_y)?,
            self.signal("base.angular_z", &base.angular_z)?,
        ];
        Ok(BaseJog::new(signals, limits))
    }

    fn targets(&self, part: &str, group: &str) -> Result<JointTargets, TeleopError> {
        let field = format!("{part}.group");
        JointTargets::new(self.robot, group).map_err(|unsuitable| match unsuitable {
            Unsuitable::Robot(error) => self.robot_error(&field)(error),
            Unsuitable::Interface(command) => self.mapping.refused(
                self.field(&field),
                format!("`{group}` is commanded by {command:?}"),
                "a group of joints with a trajectory limit profile, by position or velocity",
            ),
        })
    }

    fn cartesian(&self, cartesian: &CartesianConfig) -> Result<CartesianJog, TeleopError> {
        let targets = self.targets("cartesian", &cartesian.group)?;
        let in_group = self.robot_error("cartesian.group");
        let chain = self.robot.chain(&cartesian.group).map_err(in_group)?;
        let frame = cartesian.frame.as_deref().unwrap_or(chain.base_frame()).to_owned();
        let base = self.robot.link_index(chain.base_frame());
        let base = base.map_err(self.robot_error("cartesian.group"))?;
        let frame = self.robot.link_index(&frame).map_err(self.robot_error("cartesian.frame"))?;
        let mut signals = [const { None }; 6];
        for (made, (name, signal)) in signals.iter_mut().zip(cartesian.signals()) {
            *made = self.signal(&format!("cartesian.{name}"), signal)?;
        }
        let kinematics = Kinematics::new(self.robot);
        // Its limits are those of the group, as the targets have them.
        let ik = DifferentialIk::new(chain, targets.velocity_scale());
        Ok(CartesianJog::new(targets, ik, kinematics, [base, frame], signals))
    }

    /// The names of a group's joints, in its order.
    fn joint_names(&self, targets: &JointTargets) -> Vec<&str> {
        targets.joints().iter().map(|joint| self.robot.joints()[*joint].name.as_str()).collect()
    }

    fn joints(&self, joints: &JointsConfig) -> Result<JointJog, TeleopError> {
        let targets = self.targets("joints", &joints.group)?;
        let names = self.joint_names(&targets);
        if !joints.in_order.is_empty() {
            // A list that is longer than this arm serves longer ones too.
            let signals = (0..names.len()).map(|i| {
                self.signal(&format!("joints.in_order.{i}"), &joints.in_order.get(i).cloned())
            });
            let signals = signals.collect::<Result<_, _>>()?;
            return Ok(JointJog::new(targets, signals));
        }
        if let Some(unknown) = joints.velocities.keys().find(|name| !names.contains(&name.as_str()))
        {
            let field = self.field("joints.velocities");
            return Err(self.mapping.refused(field, format!("`{unknown}`"), names.join(", ")));
        }
        let signals = names.iter().map(|name| {
            let signal = joints.velocities.get(*name).cloned();
            self.signal(&format!("joints.velocities.{name}"), &signal)
        });
        let signals = signals.collect::<Result<_, _>>()?;
        Ok(JointJog::new(targets, signals))
    }

    /// Index among the grippers, and largest width.
    fn gripper_of(&self, field: &str, name: &str) -> Result<(usize, f64), TeleopError> {
        let group = self.robot.group(name).map_err(self.robot_error(field))?;
        let layout = self.layout.groups().iter().find(|group| group.name == name);
        match (group.gripper, layout) {
            (Some(gripper), Some(layout)) if layout.kind == GroupKind::Gripper => {
                Ok((layout.gripper, gripper.max_width_m))
            }
            _ => {
                let value = format!("`{name}` has no gripper");
                Err(self.mapping.refused(self.field(field), value, "a group with a gripper"))
            }
        }
    }

    fn gripper(&self, gripper: &GripperConfig, alone: bool) -> Result<GripperJog, TeleopError> {
        let (index, max_width_m) = self.gripper_of("gripper.group", &gripper.group)?;
        let signal = Signal::new(self.mapping, &self.field("gripper.width"), &gripper.width)?;
        Ok(GripperJog::new(signal, index, max_width_m, gripper.max_force_n, alone))
    }

    fn leader(&self, leader: &LeaderConfig) -> Result<LeaderJog, TeleopError> {
        let targets = self.targets("leader", &leader.group)?;
        let names = self.joint_names(&targets);
        let named: Vec<&str> = leader.joints.keys().map(String::as_str).collect();
        let (mut given, mut wanted) = (named.clone(), names.clone());
        given.sort_unstable();
        wanted.sort_unstable();
        if given != wanted {
            let field = self.field("leader.joints");
            let allowed = format!("each of {}", names.join(", "));
            return Err(self.mapping.refused(field, named.join(", "), allowed));
        }
        let joints = names.iter().map(|name| {
            let joint = &leader.joints[*name];
            let (scale, offset) = (joint.scale, joint.offset);
            FollowedJoint { leader: joint.leader.clone(), scale, offset }
        });
        let joints = joints.collect();
        let gripper = leader.gripper.as_ref().map(|gripper| {
            let (index, max_width_m) = self.gripper_of("leader.gripper.group", &gripper.group)?;
            Ok(FollowedGripper {
                gripper: index,
                leader: gripper.leader.clone(),
                closed: gripper.closed,
                open: gripper.open,
                max_width_m,
            })
        });
        let LeaderConfig { approach_velocity, together_within, .. } = *leader;
        let gripper = gripper.transpose()?;
        Ok(LeaderJog::new(targets, joints, gripper, approach_velocity, together_within))
    }
}
