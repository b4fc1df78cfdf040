use sinew_bus::GoalStatus;
use sinew_connector::{StepReport, TaskReport};
use sinew_msgs::sinew_msgs::ExecuteTaskResult;
use sinew_msgs::sinew_msgs::StepOutcome;
use sinew_types::{ErrorCode, Outcome};

use super::outcome::{reason, termination_from_error, termination_name};
use super::{duration_from_msg, duration_to_msg, evidence_from_msg, evidence_to_msg};

/// A task that ended before it began.
pub fn task_result_to_msg(error: ErrorCode, message: &str) -> ExecuteTaskResult {
    ExecuteTaskResult {
        error_code: error.as_u16(),
        error_msg: message.into(),
        ..Default::default()
    }
}

/// What the end of a goal of action ExecuteTask says: an end that is no success has a reason, as with
/// [`super::skill_outcome_from_msg`].
pub fn task_result_from_msg(status: GoalStatus, result: ExecuteTaskResult) -> ExecuteTaskResult {
    let (error, error_msg) = reason(status, result.error_code, &result.error_msg);
    ExecuteTaskResult { error_code: error.as_u16(), error_msg, ..result }
}

/// The result of action ExecuteTask.
pub fn report_to_msg(report: &TaskReport) -> ExecuteTaskResult {
    let plan = report.plan.as_ref().map(|plan| plan.to_proposed());
    ExecuteTaskResult {
        error_code: report.error.as_u16(),
        error_msg: report.message.clone(),
        plan_json: plan.and_then(|p| serde_json::to_string(&p).ok()).unwrap_or_default(),
        steps: report.steps.iter().map(step_to_msg).collect(),
        goal_met: report.goal_met,
        evidence: evidence_to_msg(&report.evidence),
        elapsed: duration_to_msg(report.elapsed),
    }
}

/// How one step went.
pub fn step_to_msg(step: &StepReport) -> StepOutcome {
    StepOutcome {
        skill_id: step.skill.clone(),
        args_json: step.args.to_string(),
        error_code: step.outcome.error.as_u16(),
        error_msg: step.outcome.message.clone(),
        termination_reason: termination_name(step.outcome.termination).into(),
        postcondition_met: step.outcome.postcondition_met,
        evidence: evidence_to_msg(&step.outcome.evidence),
        elapsed: duration_to_msg(step.outcome.elapsed),
        attempts: step.attempts,
    }
}

/// The outcome in a step's result.
pub fn step_outcome_from_msg(step: &StepOutcome) -> Outcome {
    let error = ErrorCode::from_u16(step.error_code).unwrap_or(ErrorCode::PeerLost);
    Outcome {
        termination: termination_from_error(error),
        error,
        message: step.error_msg.clone(),
        postcondition_met: step.postcondition_met,
        evidence: evidence_from_msg(&step.evidence),
        elapsed: duration_from_msg(&step.elapsed),
        interventions: 0,
    }
}
