//! Whether a policy fits the skill that runs it.

use std::collections::{BTreeMap, BTreeSet};

use sinew_model::{PolicyInput, SkillManifest};
use sinew_policy::{ActionSpec, CommandInputs, PolicyManifest};
use sinew_robot::{CommandInterface, RobotModel};
use sinew_types::{GroupKind, Layout};

use crate::error::SkillError;

/// All that a policy commands is of a group that its skill claims.
pub(super) fn check_groups(
    skill: &SkillManifest,
    policy: &PolicyManifest,
    layout: &Layout,
) -> Result<(), SkillError> {
    let mut needed = BTreeSet::new();
    let of_joint = |name: &String| {
        let index = layout.joint_index(name);
        let group = layout
            .groups()
            .iter()
            .find(|group| index.is_some_and(|index| group.joints.contains(&index)));
        group.map(|group| group.name.clone())
    };
    needed.extend(policy.action.joints().iter().filter_map(of_joint));
    match &policy.action {
        ActionSpec::Twist { .. } => {
            let bases = layout.groups().iter().filter(|group| group.kind == GroupKind::Base);
            needed.extend(bases.map(|group| group.name.clone()));
        }
        ActionSpec::ToolTwist { group, .. } | ActionSpec::ToolPose { group, .. } => {
            needed.insert(group.clone());
        }
        _ => {}
    }
    needed.extend(policy.gripper.as_ref().map(|gripper| gripper.group.clone()));
    needed.retain(|group| !skill.groups.contains(group));
    if needed.is_empty() {
        return Ok(());
    }
    Err(SkillError::Unclaimed {
        skill: skill.id.clone(),
        by: format!("policy `{}`", policy.id),
        groups: needed.into_iter().collect::<Vec<_>>().join(", "),
        claimed: skill.groups.join(", "),
    })
}

/// Each claimed group is one that the policy can command, or that can be held where it is meanwhile.
pub(super) fn check_interfaces(
    skill: &SkillManifest,
    policy: &PolicyManifest,
    model: &RobotModel,
) -> Result<(), SkillError> {
    for name in &skill.groups {
        let group = model.group(name)?;
        let wrong = |reason: &str| {
            Err(SkillError::Interface {
                skill: skill.id.clone(),
                policy: policy.id.clone(),
                group: name.clone(),
                reason: reason.into(),
            })
        };
        let commanded =
            |joint: &usize| policy.action.joints().contains(&model.joints()[*joint].name);
        let touches = group.joints.iter().any(commanded);
        let covers = group.joints.iter().all(commanded);
        let fits = match (group.command, &policy.action) {
            // What is not commanded is held where it was.
            (
                CommandInterface::Position,
                ActionSpec::Velocity { .. } | ActionSpec::Effort { .. },
            ) => !touches,
            (CommandInterface::Position | CommandInterface::Twist, _)
            | (CommandInterface::Velocity, ActionSpec::Velocity { .. })
            | (CommandInterface::Effort, ActionSpec::Effort { .. })
            | (CommandInterface::Impedance, ActionSpec::Position { gains: Some(_), .. }) => true,
            _ => false,
        };
        if !fits {
            return wrong(match group.command {
                CommandInterface::Velocity => "it is commanded by velocities: mode `velocity`",
                CommandInterface::Effort => "it is commanded by efforts: mode `effort`",
                CommandInterface::Impedance => {
                    "it is commanded by impedance: mode `position` with `gains`"
                }
                _ => "it is commanded by positions: no mode `velocity` or `effort`",
            });
        }
        let is_held = matches!(group.command, CommandInterface::Position | CommandInterface::Twist);
        if !is_held && !covers {
            return wrong("it is not held by positions: all of its joints must be commanded");
        }
    }
    Ok(())
}

/// Every input is given, in its width, and nothing else.
pub(super) fn check_inputs(
    skill: &SkillManifest,
    policy: &PolicyManifest,
    inputs: &CommandInputs,
    given: &BTreeMap<String, Vec<PolicyInput>>,
) -> Result<(), SkillError> {
    let wrong = |what: String| SkillError::PolicyInputs {
        skill: skill.id.clone(),
        policy: policy.id.clone(),
        what,
        allowed: match inputs.describe() {
            none if none.is_empty() => "no inputs".into(),
            all => all,
        },
    };
    for (name, values) in given {
        let width: usize = values.iter().map(PolicyInput::width).sum();
        if !inputs.takes_of(name, width) {
            return Err(wrong(format!("{name}[{width}] is given")));
        }
    }
    match inputs.names().find(|name| !given.contains_key(*name)) {
        Some(missing) => Err(wrong(format!("{missing} is not given"))),
        None => Ok(()),
    }
}

/// Every camera that the policy looks through is one of the robot's.
pub(super) fn check_cameras(
    skill: &SkillManifest,
    policy: &PolicyManifest,
    inputs: &CommandInputs,
    model: &RobotModel,
) -> Result<(), SkillError> {
    let known: Vec<_> = model.sensors().cameras.iter().map(|camera| camera.name.as_str()).collect();
    match inputs.cameras().find(|camera| !known.contains(camera)) {
        None => Ok(()),
        Some(camera) => Err(SkillError::PolicyCamera {
            skill: skill.id.clone(),
            policy: policy.id.clone(),
            camera: camera.into(),
            known: known.join(", "),
        }),
    }
}
