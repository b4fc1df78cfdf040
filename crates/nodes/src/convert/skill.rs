use sinew_model::SkillManifest;
use sinew_msgs::sinew_msgs::ExecuteSkillGoal;
use sinew_msgs::sinew_msgs::{GroupOwner, SafetyState, SkillManifest as ManifestMsg, SkillResult};
use sinew_skills::{GroupAuthority, Rejection};
use sinew_types::{GoalId, Layout, LeaseId, Outcome, Time};

use super::outcome::termination_name;
use super::{duration_to_msg, evidence_to_msg, source_from_msg, time_to_msg};

/// A skill as planners and people read it.
pub fn manifest_to_msg(manifest: &SkillManifest) -> ManifestMsg {
    ManifestMsg {
        id: manifest.id.clone(),
        version: manifest.version.to_string(),
        description: manifest.description.clone(),
        args_schema_json: manifest.args.to_string(),
        manifest_json: serde_json::to_string(manifest).unwrap_or_default(),
        groups: manifest.groups.clone(),
    }
}

/// Why a goal was turned down: the action's own rejection has no room for it.
pub fn rejection_to_msg(
    id: GoalId,
    goal: &ExecuteSkillGoal,
    rejection: &Rejection,
    now: Time,
) -> SkillResult {
    SkillResult {
        stamp: time_to_msg(now),
        goal_id: id.0,
        correlation_id: goal.correlation_id.clone(),
        skill_id: goal.skill_id.clone(),
        accepted: false,
        error_code: rejection.error.as_u16(),
        error_msg: rejection.message.clone(),
        termination_reason: "rejected".into(),
        ..Default::default()
    }
}

/// How a goal ended, for those who lost its result.
pub fn skill_outcome_to_result_msg(
    id: GoalId,
    skill: &str,
    correlation_id: &str,
    outcome: &Outcome,
    now: Time,
) -> SkillResult {
    SkillResult {
        stamp: time_to_msg(now),
        goal_id: id.0,
        correlation_id: correlation_id.into(),
        skill_id: skill.into(),
        accepted: true,
        error_code: outcome.error.as_u16(),
        error_msg: outcome.message.clone(),
        termination_reason: termination_name(outcome.termination).into(),
        postcondition_met: outcome.postcondition_met,
        evidence: evidence_to_msg(&outcome.evidence),
        elapsed: duration_to_msg(outcome.elapsed),
        interventions: outcome.interventions,
    }
}

/// Who has authority over each group of the layout; a group that the message does not name is nobody's.
pub fn authority_from_msg(message: &SafetyState, layout: &Layout) -> Vec<GroupAuthority> {
    let of = |owner: &GroupOwner| GroupAuthority {
        owner: source_from_msg(owner.source).map(|source| (LeaseId(owner.lease_id), source)),
        needs_resume: owner.needs_resume,
        is_fallback: owner.output_kind == GroupOwner::OUTPUT_FALLBACK,
        clamped_cycles: owner.clamped_cycles,
    };
    let groups = layout.groups().iter();
    let owners = groups.map(|group| message.owners.iter().find(|owner| owner.group == group.name));
    owners.map(|owner| owner.map_or_else(GroupAuthority::default, of)).collect()
}
