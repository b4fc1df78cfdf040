use sinew_msgs::diagnostic_msgs::KeyValue;
use sinew_msgs::sinew_msgs::ExecuteSkillResult;
use sinew_types::{ErrorCode, Evidence, Outcome, Termination};

use super::{duration_from_msg, duration_to_msg};

/// Measured facts as key and value.
pub fn evidence_to_msg(evidence: &[Evidence]) -> Vec<KeyValue> {
    evidence.iter().map(|e| KeyValue { key: e.key.clone(), value: e.value.clone() }).collect()
}

/// Measured facts from key and value.
pub fn evidence_from_msg(evidence: &[KeyValue]) -> Vec<Evidence> {
    evidence.iter().map(|e| Evidence::new(e.key.clone(), &e.value)).collect()
}

/// The result of action ExecuteSkill.
pub fn skill_result_to_msg(outcome: &Outcome) -> ExecuteSkillResult {
    ExecuteSkillResult {
        error_code: outcome.error.as_u16(),
        error_msg: outcome.message.clone(),
        termination_reason: termination_name(outcome.termination).into(),
        postcondition_met: outcome.postcondition_met,
        evidence: evidence_to_msg(&outcome.evidence),
        elapsed: duration_to_msg(outcome.elapsed),
        interventions: outcome.interventions,
    }
}

/// What a result of action ExecuteSkill says; a code that is not known counts as a lost peer.
pub fn skill_outcome_from_msg(result: &ExecuteSkillResult) -> Outcome {
    let error = ErrorCode::from_u16(result.error_code).unwrap_or(ErrorCode::PeerLost);
    Outcome {
        termination: termination_from_error(error),
        error,
        message: result.error_msg.clone(),
        postcondition_met: result.postcondition_met,
        evidence: evidence_from_msg(&result.evidence),
        elapsed: duration_from_msg(&result.elapsed),
        interventions: result.interventions,
    }
}

pub(super) fn termination_from_error(error: ErrorCode) -> Termination {
    match error {
        ErrorCode::None => Termination::Succeeded,
        ErrorCode::Canceled => Termination::Canceled,
        _ => Termination::Aborted,
    }
}

pub(super) fn termination_name(termination: Termination) -> &'static str {
    match termination {
        Termination::Succeeded => "succeeded",
        Termination::Canceled => "canceled",
        Termination::Aborted => "aborted",
    }
}
