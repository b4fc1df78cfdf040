use std::time::Duration;

use serde_json::Value;
use sinew_model::ProposedPlan;
use sinew_types::{ErrorCode, Outcome};

use crate::executive::Phase;
use crate::report::TaskReport;

/// What a user asks for.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Task {
    /// In words.
    pub instruction: String,
    /// The planner to ask; empty for the configured one.
    pub planner: String,
    /// Plan and check, but move nothing.
    pub dry_run: bool,
    /// The caller's name for it.
    pub correlation_id: String,
    /// Ends the task with [`ErrorCode::TimeLimit`]; zero for the configured limit.
    pub max_duration: Duration,
}

/// What a planner said.
#[derive(Clone, Debug, PartialEq)]
pub enum PlanAnswer {
    /// A plan, not yet validated.
    Proposed(ProposedPlan),
    /// None, and why.
    Refused {
        /// The kind of refusal.
        error: ErrorCode,
        /// For people: what is known or missing.
        message: String,
    },
}

/// What the executive is told.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// The planner's answer to the last [`Request::Plan`].
    Planned(PlanAnswer),
    /// The skill server refused the call; nothing moved.
    SkillRejected {
        /// The call's number.
        call: u64,
        /// The kind of refusal.
        error: ErrorCode,
        /// For people.
        message: String,
    },
    /// How far the skill is.
    SkillProgress {
        /// The call's number.
        call: u64,
        /// 0 to 1.
        progress: f32,
        /// The skill's own name of what it does now.
        phase: String,
    },
    /// The skill ended.
    SkillEnded {
        /// The call's number.
        call: u64,
        /// How.
        outcome: Outcome,
    },
}

/// One skill to be run.
#[derive(Clone, Debug, PartialEq)]
pub struct SkillCall {
    /// Counts up; events name it.
    pub call: u64,
    /// The skill.
    pub skill: String,
    /// Its arguments, a JSON object that fits its schema.
    pub args: Value,
}

/// Where a task stands, for whoever watches.
#[derive(Clone, Debug, PartialEq)]
pub struct Progress {
    /// What the executive does.
    pub phase: Phase,
    /// Of the present plan, from 0.
    pub step: usize,
    /// Steps of the present plan.
    pub steps: usize,
    /// The running step's skill; empty for none.
    pub skill: String,
    /// Of the running step, 0 to 1.
    pub progress: f32,
    /// For people.
    pub text: String,
}

/// What the executive wants done.
#[derive(Clone, Debug, PartialEq)]
pub enum Request {
    /// Ask the planner.
    Plan {
        /// In words.
        instruction: String,
        /// The planner; empty for the configured one.
        planner: String,
        /// Why the last plan failed; empty at first.
        failed_reason: String,
    },
    /// Start a skill.
    StartSkill(SkillCall),
    /// Cancel a skill; its end still comes as an event.
    CancelSkill {
        /// The call's number.
        call: u64,
    },
    /// Tell who watches.
    Report(Progress),
    /// The task ended.
    Finished(Box<TaskReport>),
}
