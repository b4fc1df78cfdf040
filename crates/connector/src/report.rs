use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use sinew_model::Plan;
use sinew_types::{ErrorCode, Evidence, Outcome};

/// How one step of a plan went.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepReport {
    /// The skill.
    pub skill: String,
    /// Its arguments.
    pub args: Value,
    /// How the last attempt ended, with the executive's own judgement as evidence.
    pub outcome: Outcome,
    /// 0 when a pre-condition failed and nothing ran.
    pub attempts: u32,
}

/// How a task ended.
#[derive(Clone, Debug, PartialEq)]
pub struct TaskReport {
    /// [`ErrorCode::None`] exactly when the goal was measured.
    pub error: ErrorCode,
    /// For people; empty on success.
    pub message: String,
    /// The last plan that passed validation.
    pub plan: Option<Plan>,
    /// In the order in which they ran, over all plans.
    pub steps: Vec<StepReport>,
    /// Judged on measured state.
    pub goal_met: bool,
    /// What was measured of the goal.
    pub evidence: Vec<Evidence>,
    /// From start to end.
    pub elapsed: Duration,
}
