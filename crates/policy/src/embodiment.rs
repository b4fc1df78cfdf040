//! The robot that a policy is loaded for.

use std::sync::Arc;

use sinew_robot::{DifferentialIk, JointLimits, LimitProfile, RobotModel};
use sinew_types::{GroupKind, Layout};

use crate::PolicyError;
use crate::manifest::{ActionSpec, BaseAxis, Clip, PolicyManifest};

/// What a policy moves: the robot's order of joints and groups and, where it is known, its model.
///
/// Without the model a policy's commands are not compared with the robot's limits at load, and a policy that
/// moves a tool is refused.
#[derive(Clone, Debug)]
pub struct Embodiment {
    layout: Layout,
    model: Option<Arc<RobotModel>>,
}

impl From<&Layout> for Embodiment {
    fn from(layout: &Layout) -> Self {
        Self { layout: layout.clone(), model: None }
    }
}

impl From<&Self> for Embodiment {
    fn from(other: &Self) -> Self {
        other.clone()
    }
}

impl Embodiment {
    /// A robot of which all is known. The layout is the model's.
    pub fn new(layout: &Layout, model: Arc<RobotModel>) -> Self {
        Self { layout: layout.clone(), model: Some(model) }
    }

    /// The order that states and commands follow.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// Limits of a joint, if they are known.
    fn limits(&self, joint: &str) -> Option<JointLimits> {
        let model = self.model.as_ref()?;
        model.joint_index(joint).ok().map(|index| model.joints()[index].limits)
    }

    /// What moves the tool of a group, and its joints in the layout.
    pub(crate) fn tool(
        &self,
        manifest: &PolicyManifest,
        group: &str,
    ) -> Result<(DifferentialIk, Vec<usize>), PolicyError> {
        let refused =
            |allowed: String| manifest.field_error("action.group", format!("`{group}`"), allowed);
        let Some(model) = &self.model else {
            return Err(refused("nothing: the robot's kinematics are not known here".into()));
        };
        let chained = || {
            let with = model.groups().iter().filter(|group| group.chain.is_some());
            with.map(|group| group.name.as_str()).collect::<Vec<_>>().join(", ")
        };
        let chain = model
            .chain(group)
            .map_err(|_| refused(format!("a group of the robot with a chain: {}", chained())))?;
        let scale = match model.group(group).map(|group| group.limits) {
            Ok(LimitProfile::Trajectory(limits)) => limits.velocity_scale,
            _ => 1.0,
        };
        let joints = chain
            .joints()
            .map(|joint| {
                let name = &model.joints()[joint].name;
                self.layout
                    .joint_index(name)
                    .ok_or_else(|| refused(format!("a group whose joints are measured: `{name}`")))
            })
            .collect::<Result<_, _>>()?;
        Ok((DifferentialIk::new(chain, scale), joints))
    }

    /// Index of a gripper in states and commands, by the name of its group.
    pub(crate) fn gripper(
        &self,
        manifest: &PolicyManifest,
        field: &str,
        group: &str,
    ) -> Result<usize, PolicyError> {
        let of_grippers = || self.layout.groups().iter().filter(|g| g.kind == GroupKind::Gripper);
        of_grippers().find(|g| g.name == group).map(|g| g.gripper).ok_or_else(|| {
            let known: Vec<_> = of_grippers().map(|g| g.name.as_str()).collect();
            let allowed = format!("a gripper of the robot: {}", known.join(", "));
            manifest.field_error(field, format!("`{group}`"), allowed)
        })
    }

    /// Whether what the policy may command is within the robot's limits, as far as both are known: targets at an
    /// output of 0, and the largest rates, efforts and widths that the clip lets through.
    pub(crate) fn check_limits(&self, manifest: &PolicyManifest) -> Result<(), PolicyError> {
        let Some(model) = &self.model else { return Ok(()) };
        let action = &manifest.action;
        for (i, joint) in action.joints().iter().enumerate() {
            let Some(limits) = self.limits(joint) else { continue };
            let of = format!("`{joint}`");
            match action {
                ActionSpec::Position { offset, .. } => {
                    let at_zero = offset.get(i);
                    if !limits.contains(at_zero) {
                        let allowed =
                            format!("{} to {}, the range of `{joint}`", limits.lower, limits.upper);
                        return Err(manifest.field_error(
                            format!("action.offset[{i}]"),
                            at_zero,
                            allowed,
                        ));
                    }
                }
                ActionSpec::Delta { .. } => {
                    let per_tick = limits.max_velocity / manifest.rate_hz;
                    self.check_reach(manifest, i, per_tick, &of, "change per tick")?;
                }
                ActionSpec::Velocity { .. } => {
                    self.check_reach(manifest, i, limits.max_velocity, &of, "velocity")?;
                }
                ActionSpec::Effort { .. } => {
                    self.check_reach(manifest, i, limits.max_effort, &of, "effort")?;
                }
                ActionSpec::Twist { .. }
                | ActionSpec::ToolTwist { .. }
                | ActionSpec::ToolPose { .. } => {}
            }
        }
        if let ActionSpec::Twist { axes, .. } = action {
            let profiles = model.groups().iter().map(|group| group.limits);
            let mut twists = profiles.filter_map(|limits| match limits {
                LimitProfile::Twist(limits) => Some(limits),
                _ => None,
            });
            let Some(limits) = twists.next() else { return Ok(()) };
            for (i, axis) in axes.iter().enumerate() {
                let most = match axis {
                    BaseAxis::LinearX | BaseAxis::LinearY => limits.max_linear_m_s,
                    BaseAxis::AngularZ => limits.max_angular_rad_s,
                };
                self.check_reach(manifest, i, most, "the base", "velocity")?;
            }
        }
        if let Some(gripper) = &manifest.gripper {
            let config = model.group(&gripper.group).ok().and_then(|group| group.gripper);
            if let Some(config) = config.filter(|config| gripper.max_force_n > config.max_force_n) {
                let allowed = format!("up to {}, the gripper's own", config.max_force_n);
                let given = gripper.max_force_n;
                return Err(manifest.field_error("gripper.max_force_n", given, allowed));
            }
        }
        Ok(())
    }

    /// Whether the largest value of an element, as far as the clip bounds it, is within a limit.
    fn check_reach(
        &self,
        manifest: &PolicyManifest,
        element: usize,
        most: f64,
        of: &str,
        what: &str,
    ) -> Result<(), PolicyError> {
        let action = &manifest.action;
        let Some([low, high]) = action.clip().map(|clip: &Clip| clip.get(element)) else {
            return Ok(());
        };
        let scale = action.scale().get(element);
        let largest = (low.abs().max(high.abs()) * scale).abs();
        // Limits in files are rounded.
        if largest <= most * (1.0 + 1e-6) {
            return Ok(());
        }
        let allowed =
            format!("with its clip up to {most}, the largest {what} of {of}, and not {largest}");
        Err(manifest.field_error(format!("action.scale[{element}]"), scale, allowed))
    }
}
