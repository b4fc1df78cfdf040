use std::fmt;

use sinew_model::{Predicate, WorldState};
use sinew_types::{ActuatorCommand, ErrorCode, GoalId, LeaseId, Outcome, RobotState, Source};

use crate::authority::SafetyView;
use crate::delegate::DelegateCall;

/// What the server sees in one tick.
#[derive(Clone, Copy, Debug)]
pub struct Inputs<'a> {
    /// The robot as it was measured last.
    pub state: &'a RobotState,
    /// Objects and facts about the robot, as of the same moment.
    pub world: &'a WorldState,
    /// What the gate says.
    pub safety: SafetyView<'a>,
}

impl Inputs<'_> {
    /// Which of these do not hold, with what was measured instead.
    pub(crate) fn unmet(&self, predicates: &[Predicate], intro: &str) -> String {
        let unmet: Vec<String> = predicates
            .iter()
            .filter_map(|predicate| {
                let judgement = self.world.judge(predicate);
                let measured: Vec<String> =
                    judgement.evidence.iter().map(|e| format!("{} = {}", e.key, e.value)).collect();
                (!judgement.holds).then(|| match measured[..] {
                    [] => predicate.to_string(),
                    _ => format!("{predicate} ({})", measured.join(", ")),
                })
            })
            .collect();
        if unmet.is_empty() {
            return "the robot is not at rest".into();
        }
        format!("{intro} {}", unmet.join(" and "))
    }
}

/// What the owner of the server is to ask of the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseCall {
    /// Ask for a lease; the answer goes to [`crate::SkillServer::lease_granted`] or
    /// [`crate::SkillServer::lease_refused`].
    Acquire {
        /// Names the request in the answer.
        request: u64,
        /// The goal that is going to command.
        goal: GoalId,
        /// All of these, or none.
        groups: Vec<String>,
    },
    /// Give a lease back.
    Release(LeaseId),
}

/// Who moves the robot in a tick.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ControlSource {
    /// A learned policy.
    Policy,
    /// A motion primitive: a jerk-limited trajectory, or the gripper.
    Primitive,
    /// A person, who has taken the goal's groups.
    Teleop,
    /// Another system, which has taken the goal's groups, or carries the goal out.
    External,
    /// The fallback controller: nobody else has the goal's groups.
    Fallback,
    /// Nobody: the set-point stands still.
    #[default]
    Hold,
}

impl ControlSource {
    /// Who moves the groups of a paused goal.
    pub(crate) fn while_paused(safety: &SafetyView<'_>, groups: &[usize]) -> Self {
        match safety.holder(groups) {
            Some(Source::Teleop) => Self::Teleop,
            Some(Source::External) => Self::External,
            _ if safety.is_fallback(groups) => Self::Fallback,
            _ => Self::Hold,
        }
    }
}

impl fmt::Display for ControlSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Policy => "policy",
            Self::Primitive => "primitive",
            Self::Teleop => "teleop",
            Self::External => "external",
            Self::Fallback => "fallback",
            Self::Hold => "hold",
        })
    }
}

/// How a goal goes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Feedback {
    /// What it does now.
    pub phase: &'static str,
    /// From 0 to 1, as far as it can be told.
    pub progress: f32,
    /// Who moves the robot.
    pub control_source: ControlSource,
    /// Goals that wait until this one has come to rest.
    pub queue_depth: u32,
    /// Wall time of the policy's last run, ms; 0 if none ran in this tick.
    pub inference_ms: f32,
    /// Ticks in which no new state of the robot came, so that no command went out.
    pub missed_deadlines: u32,
    /// Set-points that were beyond the joints' ranges and were cut here, and control cycles in which a
    /// limit of the gate changed what the goal commanded.
    pub clamped_commands: u32,
    /// The lease that it commands under.
    pub lease: Option<LeaseId>,
}

/// What one tick gives.
#[derive(Debug, Default)]
pub struct StepOutput<'a> {
    /// One per goal that holds a lease; lease and set-points are filled in, the owner adds sequence number,
    /// boot id, tick and validity.
    pub commands: Vec<&'a ActuatorCommand>,
    /// In the order in which they are to be made.
    pub lease_calls: Vec<LeaseCall>,
    /// What other systems are to be asked, in this order.
    pub delegate_calls: Vec<DelegateCall>,
    /// One per goal that goes on.
    pub feedback: Vec<(GoalId, Feedback)>,
    /// Goals that ended.
    pub ended: Vec<(GoalId, Outcome)>,
}

/// Why a skill cannot go on.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) error: ErrorCode,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Self { error, message: message.into() }
    }
}
