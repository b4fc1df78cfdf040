//! What the two actions of a gripper ask for, and how they are told what was measured.

use sinew_bus::{BusError, GoalHandle, GoalId, GoalStatus};
use sinew_msgs::control_msgs::action::{GripperCommand, ParallelGripperCommand};
use sinew_msgs::control_msgs::{
    GripperCommandFeedback, GripperCommandGoal, GripperCommandResult,
    ParallelGripperCommandFeedback, ParallelGripperCommandGoal, ParallelGripperCommandResult,
};
use sinew_msgs::sensor_msgs::JointState;
use sinew_types::GripperCommand as WidthCommand;

use super::unfit::Unfit;

/// A width beyond what the gripper does by no more than this, m, is what a planner made of a measured one. The
/// gate keeps to the limit.
const SLACK_M: f64 = 1e-3;

/// What a gripper is, and does.
pub(super) struct Jaws {
    /// Names of the fingers' joints.
    pub(super) names: Vec<String>,
    /// m.
    pub(super) max_width_m: f64,
}

impl Jaws {
    /// What a gap in m asks for.
    pub(super) fn of_gap(&self, goal: &GripperCommandGoal) -> Result<WidthCommand, Unfit> {
        Ok(WidthCommand {
            width_m: self.width("command.position", goal.command.position)?,
            max_force_n: force("command.max_effort", goal.command.max_effort)?,
        })
    }

    /// What positions of the fingers' joints ask for. Fingers that are not named move as those that are.
    pub(super) fn of_fingers(
        &self,
        goal: &ParallelGripperCommandGoal,
    ) -> Result<WidthCommand, Unfit> {
        let JointState { name, position, velocity, effort, .. } = &goal.command;
        for (i, joint) in name.iter().enumerate() {
            if !self.names.contains(joint) || name[..i].contains(joint) {
                let allowed = format!("each once: {}", self.names.join(", "));
                return Err(Unfit::joints("command.name", format!("`{joint}`"), allowed));
            }
        }
        // The standard controller, which has one joint, takes its position without a name.
        let fingers = name.len().max(1);
        if position.len() != fingers {
            let allowed = format!("{fingers}, one per joint");
            let actual = format!("{} values", position.len());
            return Err(Unfit::new("command.position", actual, allowed));
        }
        if let Some(limit) = velocity.iter().find(|limit| **limit != 0.0) {
            let allowed = "none, or 0: the robot file's limit holds";
            return Err(Unfit::new("command.velocity", limit, allowed));
        }
        if !effort.is_empty() && effort.len() != fingers {
            let actual = format!("{} values", effort.len());
            return Err(Unfit::new("command.effort", actual, format!("none, or {fingers}")));
        }
        let mean = position.iter().sum::<f64>() / fingers as f64;
        let forces = effort.iter().map(|effort| force("command.effort", *effort));
        Ok(WidthCommand {
            width_m: self.width("command.position", mean * self.names.len() as f64)?,
            // `min` drops NaN, which is no limit.
            max_force_n: forces
                .collect::<Result<Vec<_>, _>>()?
                .into_iter()
                .fold(f64::NAN, f64::min),
        })
    }

    fn width(&self, field: &str, width_m: f64) -> Result<f64, Unfit> {
        if width_m >= -SLACK_M && width_m <= self.max_width_m + SLACK_M {
            return Ok(width_m.clamp(0.0, self.max_width_m));
        }
        let allowed = format!("a gap of 0 to {} m", self.max_width_m);
        Err(Unfit::new(field, format!("a gap of {width_m} m"), allowed))
    }
}

/// Zero, which most clients send unless they are told otherwise, is no force to hold anything with: the
/// gripper's own limit holds.
fn force(field: &str, force_n: f64) -> Result<f64, Unfit> {
    match force_n {
        0.0 => Ok(f64::NAN),
        above if above > 0.0 && above.is_finite() => Ok(above),
        _ => Err(Unfit::new(field, force_n, "0 for the gripper's own limit, or more, N")),
    }
}

/// What is measured of a gripper, and what that means for a goal.
#[derive(Clone)]
pub(super) struct Seen {
    /// m.
    pub(super) width_m: f64,
    /// N.
    pub(super) force_n: f64,
    /// Of the fingers' joints.
    pub(super) fingers: JointState,
    /// Whether it pushes, and does not move.
    pub(super) stalled: bool,
    /// Whether it is where it was to go.
    pub(super) reached: bool,
}

/// A goal of either action.
pub(super) enum GripperGoal {
    /// A gap.
    Gap(GoalHandle<GripperCommand>),
    /// Positions of the fingers' joints.
    Fingers(GoalHandle<ParallelGripperCommand>),
}

impl GripperGoal {
    pub(super) fn id(&self) -> GoalId {
        match self {
            Self::Gap(handle) => handle.id(),
            Self::Fingers(handle) => handle.id(),
        }
    }

    pub(super) fn tell(&self, seen: Seen) -> Result<(), BusError> {
        match self {
            Self::Gap(handle) => handle.publish_feedback(GripperCommandFeedback {
                position: seen.width_m,
                effort: seen.force_n,
                stalled: seen.stalled,
                reached_goal: seen.reached,
            }),
            Self::Fingers(handle) => {
                handle.publish_feedback(ParallelGripperCommandFeedback { state: seen.fingers })
            }
        }
    }

    pub(super) fn end(self, how: GoalStatus, seen: Seen) {
        match self {
            Self::Gap(handle) => {
                let result = GripperCommandResult {
                    position: seen.width_m,
                    effort: seen.force_n,
                    stalled: seen.stalled,
                    reached_goal: seen.reached,
                };
                match how {
                    GoalStatus::Succeeded => handle.succeed(result),
                    GoalStatus::Aborted => handle.abort(result),
                    GoalStatus::Canceled => handle.canceled(result),
                }
            }
            Self::Fingers(handle) => {
                let result = ParallelGripperCommandResult {
                    state: seen.fingers,
                    stalled: seen.stalled,
                    reached_goal: seen.reached,
                };
                match how {
                    GoalStatus::Succeeded => handle.succeed(result),
                    GoalStatus::Aborted => handle.abort(result),
                    GoalStatus::Canceled => handle.canceled(result),
                }
            }
        }
    }
}
