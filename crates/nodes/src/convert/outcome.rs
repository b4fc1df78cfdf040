use sinew_bus::GoalStatus;
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

/// What the end of a goal of action ExecuteSkill says. It ended well only if both the status and the code say so: a server that
/// is gone leaves a result behind in which nothing was filled in. That, and a code that is not known, count as a lost peer.
pub fn skill_outcome_from_msg(status: GoalStatus, result: &ExecuteSkillResult) -> Outcome {
    let (error, message) = reason(status, result.error_code, &result.error_msg);
    Outcome {
        termination: termination_from_error(error),
        error,
        message,
        postcondition_met: result.postcondition_met,
        evidence: evidence_from_msg(&result.evidence),
        elapsed: duration_from_msg(&result.elapsed),
        interventions: result.interventions,
    }
}

/// Why a goal ended, and what was said of it.
pub(super) fn reason(status: GoalStatus, code: u16, message: &str) -> (ErrorCode, String) {
    match ErrorCode::from_u16(code) {
        Some(ErrorCode::None) if status != GoalStatus::Succeeded => {
            (ErrorCode::PeerLost, format!("the goal ended as {status:?}, without a reason"))
        }
        known => (known.unwrap_or(ErrorCode::PeerLost), message.to_owned()),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_goal_that_did_not_succeed_has_no_success_in_an_empty_result() {
        let empty = ExecuteSkillResult::default();
        for status in [GoalStatus::Aborted, GoalStatus::Canceled] {
            let outcome = skill_outcome_from_msg(status, &empty);
            assert!(!outcome.is_success(), "{outcome:?}");
            assert_eq!(outcome.error, ErrorCode::PeerLost);
            assert!(outcome.message.contains("without a reason"), "{outcome:?}");
        }
        assert!(skill_outcome_from_msg(GoalStatus::Succeeded, &empty).is_success());
    }

    #[test]
    fn a_reason_is_kept_and_a_code_of_nobody_is_a_lost_peer() {
        let said = |status, code| reason(status, code, "so");
        assert_eq!(said(GoalStatus::Aborted, 203), (ErrorCode::SafetyStop, "so".into()));
        assert_eq!(said(GoalStatus::Canceled, 200), (ErrorCode::Canceled, "so".into()));
        assert_eq!(said(GoalStatus::Succeeded, 9999), (ErrorCode::PeerLost, "so".into()));
    }
}
