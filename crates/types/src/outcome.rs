use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Why something ended other than well; the number goes over the wire as `error_code`.
///
/// 1xx validation, 2xx safety or override, 3xx policy, 4xx hardware, 5xx time-out, 6xx post-condition, 7xx another
/// system that carries a skill out, such as Nav2 or MoveIt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u16)]
#[non_exhaustive]
pub enum ErrorCode {
    /// It ended well.
    None = 0,
    /// No skill of that name or version.
    UnknownSkill = 100,
    /// Arguments do not fit the skill's schema.
    InvalidArguments = 101,
    /// An argument names an object or place that the world does not hold.
    UnknownObject = 102,
    /// A pre-condition does not hold.
    PreconditionFailed = 103,
    /// The goal is older than its `valid_for`, or a stop happened since it was issued.
    StaleGoal = 104,
    /// The groups are in use and the goal does not pre-empt.
    Busy = 105,
    /// The target is out of reach.
    Unreachable = 106,
    /// The instruction is not understood, or fits several objects.
    InstructionRefused = 107,
    /// The planner gave no valid plan.
    PlanInvalid = 108,
    /// The planner did not answer usably.
    PlannerUnavailable = 109,
    /// Cancelled by who asked for it.
    Canceled = 200,
    /// Another goal took over.
    Preempted = 201,
    /// A person or another source of higher priority took the groups.
    LeaseRevoked = 202,
    /// A stop of the safety supervisor.
    SafetyStop = 203,
    /// The supervisor is not READY.
    NotReady = 204,
    /// The policy gave a value that is not finite.
    PolicyNotFinite = 300,
    /// The policy could not be run.
    PolicyFailed = 301,
    /// An input of the policy is missing or too old.
    ObservationStale = 302,
    /// The hardware reports a fault.
    HardwareFault = 400,
    /// The process that was asked is gone.
    PeerLost = 401,
    /// The time limit passed.
    TimeLimit = 500,
    /// It ran to its end, but the measured state is not what it promises.
    PostconditionFailed = 600,
    /// The system that is to carry it out is not there. Nothing was moved.
    BackendUnavailable = 700,
    /// The system that is to carry it out turned the goal down. Nothing was moved.
    BackendRefused = 701,
    /// The system that carries it out found no way to the goal.
    BackendNoWay = 702,
    /// The system that carries it out gave up.
    BackendFailed = 703,
    /// Somebody else ended the goal at the system that carries it out.
    BackendInterrupted = 704,
}

impl ErrorCode {
    /// The number on the wire.
    pub const fn as_u16(self) -> u16 {
        self as u16
    }

    /// The code of a number, if there is one.
    pub fn from_u16(code: u16) -> Option<Self> {
        use ErrorCode as E;
        [
            E::None,
            E::UnknownSkill,
            E::InvalidArguments,
            E::UnknownObject,
            E::PreconditionFailed,
            E::StaleGoal,
            E::Busy,
            E::Unreachable,
            E::InstructionRefused,
            E::PlanInvalid,
            E::PlannerUnavailable,
            E::Canceled,
            E::Preempted,
            E::LeaseRevoked,
            E::SafetyStop,
            E::NotReady,
            E::PolicyNotFinite,
            E::PolicyFailed,
            E::ObservationStale,
            E::HardwareFault,
            E::PeerLost,
            E::TimeLimit,
            E::PostconditionFailed,
            E::BackendUnavailable,
            E::BackendRefused,
            E::BackendNoWay,
            E::BackendFailed,
            E::BackendInterrupted,
        ]
        .into_iter()
        .find(|known| known.as_u16() == code)
    }

    /// Whether the request was wrong, so that nothing was moved (1xx).
    pub const fn is_refusal(self) -> bool {
        let code = self as u16;
        code >= 100 && code < 200
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.as_u16(), self)
    }
}

/// The end state of an action goal, by ROS 2's names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Termination {
    /// It ended well.
    Succeeded,
    /// It was cancelled and is at rest.
    Canceled,
    /// It failed.
    Aborted,
}

/// One measured fact that supports an outcome.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evidence {
    /// What was measured, with its unit: `distance_m`.
    pub key: String,
    /// The value.
    pub value: String,
}

impl Evidence {
    /// One measured fact.
    pub fn new(key: impl Into<String>, value: impl fmt::Display) -> Self {
        Self { key: key.into(), value: value.to_string() }
    }
}

/// How a skill ended: typed, with what was measured.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// The goal's end state.
    pub termination: Termination,
    /// [`ErrorCode::None`] exactly when it succeeded.
    pub error: ErrorCode,
    /// For people: what was wrong and what is allowed; empty on success.
    pub message: String,
    /// Whether the post-conditions held on measured state.
    pub postcondition_met: bool,
    /// Measured, not commanded.
    pub evidence: Vec<Evidence>,
    /// On the system's clock.
    pub elapsed: Duration,
    /// How often a person took over meanwhile.
    pub interventions: u32,
}

impl Outcome {
    /// It ended well, and measurement shows it.
    pub fn succeeded(evidence: Vec<Evidence>, elapsed: Duration) -> Self {
        Self {
            termination: Termination::Succeeded,
            error: ErrorCode::None,
            message: String::new(),
            postcondition_met: true,
            evidence,
            elapsed,
            interventions: 0,
        }
    }

    /// It failed, with the reason.
    pub fn aborted(error: ErrorCode, message: impl Into<String>, elapsed: Duration) -> Self {
        Self {
            termination: Termination::Aborted,
            error,
            message: message.into(),
            postcondition_met: false,
            evidence: Vec::new(),
            elapsed,
            interventions: 0,
        }
    }

    /// It was cancelled and came to rest.
    pub fn canceled(elapsed: Duration) -> Self {
        Self {
            termination: Termination::Canceled,
            error: ErrorCode::Canceled,
            message: "cancelled by who asked for it".into(),
            ..Self::aborted(ErrorCode::Canceled, "", elapsed)
        }
    }

    /// Whether it ended well.
    pub fn is_success(&self) -> bool {
        self.termination == Termination::Succeeded
    }
}
