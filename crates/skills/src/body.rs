use std::collections::BTreeMap;
use std::time::Duration;

use sinew_model::tolerance;
use sinew_robot::{CommandInterface, RobotModel, StopAction};
use sinew_types::{
    ActuatorCommand, BaseTwist, ErrorCode, GroupKind, GroupLayout, JointCommand, Layout,
    RobotState, Time,
};

use crate::error::SkillError;
use crate::io::Failure;
use crate::learned::{LearnedPolicies, Pictures};
use crate::limbs::Limbs;

/// A state older than this is not acted on.
const MAX_STATE_AGE: Duration = Duration::from_millis(100);
/// A gripper whose pads are slower than this is at rest, m/s: pressed on something, they tremble.
const STILL_GRIPPER_M_S: f64 = 0.03;
/// A robot that balances sways: it stands if its base is slower than this, m/s and rad/s.
const STANDING_BASE: f64 = 0.15;

/// What the skills know of the robot, and the policies that move it.
pub(crate) struct Body {
    pub(crate) layout: Layout,
    pub(crate) tick: Duration,
    /// Of the built-in skills; none if no skill that is served needs them.
    limbs: Option<Limbs>,
    /// Of skills that are policies, by the skill's id.
    pub(crate) learned: BTreeMap<String, LearnedPolicies>,
    /// What their cameras see.
    pub(crate) pictures: Pictures,
    /// Per group of the layout.
    finishes: Vec<Finish>,
    /// Lower and upper position limit per joint of the layout.
    joint_range: Vec<[f64; 2]>,
}

/// What becomes of a group's command once a skill's motion is over, until the result is judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Finish {
    /// It stays: a position.
    Stay,
    /// A velocity: it becomes 0.
    Rest,
    /// The lease is given back, and the gate brings the group to rest.
    LetGo,
    /// The same, and the fallback controller keeps the robot up.
    Balance,
}

impl Body {
    pub(crate) fn new(
        robot: &RobotModel,
        layout: Layout,
        limbs: Option<Limbs>,
        learned: BTreeMap<String, LearnedPolicies>,
        tick: Duration,
    ) -> Result<Self, SkillError> {
        let finish = |group: &GroupLayout| -> Result<Finish, SkillError> {
            let group = robot.group(&group.name)?;
            Ok(match group.command {
                _ if group.stop.action == StopAction::Fallback => Finish::Balance,
                CommandInterface::Position => Finish::Stay,
                CommandInterface::Twist => Finish::Rest,
                CommandInterface::Velocity
                | CommandInterface::Effort
                | CommandInterface::Impedance => Finish::LetGo,
            })
        };
        let range = |name: &String| -> Result<[f64; 2], SkillError> {
            let limits = robot.joints()[robot.joint_index(name)?].limits;
            Ok([limits.lower, limits.upper])
        };
        Ok(Self {
            finishes: layout.groups().iter().map(finish).collect::<Result<_, _>>()?,
            joint_range: layout.joints().iter().map(range).collect::<Result<_, _>>()?,
            layout,
            tick,
            limbs,
            learned,
            pictures: Pictures::new(),
        })
    }

    /// What the built-in skills move.
    pub(crate) fn limbs(&self) -> &Limbs {
        self.limbs.as_ref().expect("a server with built-in skills has their limbs")
    }

    /// The same.
    pub(crate) fn limbs_mut(&mut self) -> &mut Limbs {
        self.limbs.as_mut().expect("a server with built-in skills has their limbs")
    }

    /// Whether these groups cannot be kept where they are by what they were commanded last.
    pub(crate) fn lets_go(&self, groups: &[usize]) -> bool {
        let lets_go =
            |group: &usize| matches!(self.finishes[*group], Finish::LetGo | Finish::Balance);
        groups.iter().any(lets_go)
    }

    /// Makes a command one that brings these groups to rest.
    pub(crate) fn come_to_rest(&self, groups: &[usize], out: &mut ActuatorCommand) {
        if groups.iter().any(|group| self.finishes[*group] == Finish::Rest) {
            out.base = Some(BaseTwist::default());
        }
    }

    /// Where the base is, and how fast.
    pub(crate) fn base(&self, state: &RobotState) -> Result<sinew_types::BaseState, Failure> {
        state.base.filter(|base| base.valid).ok_or_else(|| {
            Failure::new(ErrorCode::ObservationStale, "the base's pose is not measured")
        })
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
        groups.iter().all(|index| {
            let group = &self.layout.groups()[*index];
            match group.kind {
                GroupKind::Joints if self.finishes[*index] == Finish::Balance => {
                    state.base.is_some_and(|base| {
                        base.linear_velocity.norm() <= STANDING_BASE
                            && base.angular_velocity.norm() <= STANDING_BASE
                    })
                }
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
