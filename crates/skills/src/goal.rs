use std::time::Duration;

use serde_json::Value;
use sinew_model::ModelError;
use sinew_types::{ErrorCode, GoalId, StopEpoch, Time};

/// What to do if another goal has the groups.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnBusy {
    /// This goal is rejected.
    #[default]
    Reject,
    /// The other goal is brought to rest and ends as pre-empted; then this one starts.
    Preempt,
}

/// A call of a skill.
#[derive(Clone, Debug, PartialEq)]
pub struct SkillGoal {
    /// Names the goal.
    pub id: GoalId,
    /// The skill's id.
    pub skill: String,
    /// Semantic version requirement, such as `^1.0`; empty for any.
    pub version: String,
    /// By the skill's schema.
    pub args: Value,
    /// When it was asked for; zero if that is not known.
    pub issued_at: Time,
    /// It is rejected if it is older; zero for 2 s.
    pub valid_for: Duration,
    /// Time limit; zero for the manifest's, which also caps it.
    pub max_duration: Duration,
    /// Share of full speed, in (0, 1].
    pub speed_scale: f64,
    /// What to do if another goal has the groups.
    pub on_busy: OnBusy,
    /// It is rejected if a stop happened since; zero for any.
    pub expected_stop_epoch: StopEpoch,
    /// The caller's own name for the call.
    pub correlation_id: String,
    /// Only check it: nothing moves.
    pub dry_run: bool,
}

impl SkillGoal {
    /// A goal at full speed, with the skill's own time limit, that waits for nobody.
    pub fn new(id: GoalId, skill: impl Into<String>, args: Value, issued_at: Time) -> Self {
        Self {
            id,
            skill: skill.into(),
            version: String::new(),
            args,
            issued_at,
            valid_for: Duration::ZERO,
            max_duration: Duration::ZERO,
            speed_scale: 1.0,
            on_busy: OnBusy::Reject,
            expected_stop_epoch: StopEpoch(0),
            correlation_id: String::new(),
            dry_run: false,
        }
    }
}

/// Why a goal was not taken; nothing has moved.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejection {
    /// The kind of reason.
    pub error: ErrorCode,
    /// For people: the value, and what is allowed.
    pub message: String,
}

impl Rejection {
    pub(crate) fn new(error: ErrorCode, message: impl Into<String>) -> Self {
        Self { error, message: message.into() }
    }
}

impl From<ModelError> for Rejection {
    fn from(error: ModelError) -> Self {
        Self::new(error.code(), error.to_string())
    }
}
