use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    Facts, ModelError, PlanError, PlanErrorCode, Predicate, SkillRegistry, Slot, Unmet, WorldState,
};

/// One call of a skill, as proposed; untrusted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposedStep {
    /// The skill's id.
    pub skill: String,
    /// Its arguments: a JSON object.
    pub args: Value,
}

/// A plan as proposed, by a language model or a search; untrusted.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProposedPlan {
    /// In order.
    pub steps: Vec<ProposedStep>,
    /// What holds at the end.
    pub goal: Vec<Predicate>,
    /// Why this plan, for people.
    #[serde(default)]
    pub rationale: String,
}

impl ProposedPlan {
    /// More steps than this are refused.
    pub const MAX_STEPS: usize = 64;
}

/// One step of a validated plan.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PlanStep {
    /// The skill's id.
    pub skill: String,
    /// Its arguments, complete with defaults.
    pub args: Value,
    /// Must hold before.
    pub preconditions: Vec<Predicate>,
    /// Must hold all the while.
    pub hold_conditions: Vec<Predicate>,
    /// Must hold, measured, after.
    pub postconditions: Vec<Predicate>,
    /// Typical duration, s.
    pub cost_s: f64,
}

impl fmt::Display for PlanStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}(", self.skill)?;
        for (i, (name, value)) in self.args.as_object().into_iter().flatten().enumerate() {
            let comma = if i == 0 { "" } else { ", " };
            match value {
                Value::String(text) => write!(f, "{comma}{name}: {text}")?,
                other => write!(f, "{comma}{name}: {other}")?,
            }
        }
        f.write_str(")")
    }
}

/// A plan that passed [`validate`]: the only kind that can be executed.
///
/// It cannot be made otherwise, so it is not deserialised either: a plan that comes over a wire is a
/// [`ProposedPlan`] again. It says what should be done, never that it is done: measured
/// post-conditions do.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Plan {
    steps: Vec<PlanStep>,
    goal: Vec<Predicate>,
    rationale: String,
}

impl Plan {
    /// In order; empty if the goal holds already.
    pub fn steps(&self) -> &[PlanStep] {
        &self.steps
    }

    /// What must hold, measured, at the end.
    pub fn goal(&self) -> &[Predicate] {
        &self.goal
    }

    /// Why this plan, for people.
    pub fn rationale(&self) -> &str {
        &self.rationale
    }

    /// The sum of the steps' typical durations.
    pub fn typical_duration(&self) -> Duration {
        Duration::from_secs_f64(self.steps.iter().map(|step| step.cost_s).sum())
    }

    /// The proposal that gives this plan again.
    pub fn to_proposed(&self) -> ProposedPlan {
        let step =
            |step: &PlanStep| ProposedStep { skill: step.skill.clone(), args: step.args.clone() };
        ProposedPlan {
            steps: self.steps.iter().map(step).collect(),
            goal: self.goal.clone(),
            rationale: self.rationale.clone(),
        }
    }
}

/// Numbered steps, then the goal: one line each.
impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, step) in self.steps.iter().enumerate() {
            writeln!(f, "{:2}. {step}", i + 1)?;
        }
        if self.steps.is_empty() {
            writeln!(f, " 0. nothing to do")?;
        }
        let goal: Vec<_> = self.goal.iter().map(Predicate::to_string).collect();
        write!(f, "goal: {}", goal.join(" and "))
    }
}

/// Checks a proposed plan against the skills and the measured world, moving nothing: each skill is
/// known, its arguments fit its schema, the objects exist, its pre-conditions hold in the state that
/// the steps before leave, its effects can be, and at the end the goal holds.
///
/// # Errors
/// The first fault, with the step.
pub fn validate(
    proposed: ProposedPlan,
    registry: &SkillRegistry,
    world: &WorldState,
) -> Result<Plan, PlanError> {
    let whole = |code, message: String| PlanError { step: None, code, message };
    if proposed.steps.len() > ProposedPlan::MAX_STEPS {
        let message =
            format!("{} steps; allowed: {}", proposed.steps.len(), ProposedPlan::MAX_STEPS);
        return Err(whole(PlanErrorCode::TooLong, message));
    }
    if proposed.goal.is_empty() {
        let message = "the goal is empty; allowed: one predicate or more".into();
        return Err(whole(PlanErrorCode::GoalNotReached, message));
    }
    for predicate in &proposed.goal {
        let (_, relation, slots) = predicate.parts();
        for slot in slots.into_iter().filter(|_| relation.takes_objects()) {
            if let Slot::Id(id) = slot
                && !world.objects.contains_key(id)
            {
                let known = world.known_ids();
                let message = format!("the goal {predicate}: no object `{id}`; known: {known}");
                return Err(whole(PlanErrorCode::UnknownObject, message));
            }
        }
    }
    let mut facts = Facts::of(world);
    let mut steps = Vec::with_capacity(proposed.steps.len());
    for (index, step) in proposed.steps.into_iter().enumerate() {
        let ground = registry
            .ground(&step.skill, &step.args, world)
            .map_err(|error| from_model_error(index, &error))?;
        facts = facts.after(&ground).map_err(|unmet| {
            let code = match unmet {
                Unmet::Precondition { .. } => PlanErrorCode::PreconditionFailed,
                Unmet::Impossible { .. } => PlanErrorCode::Impossible,
            };
            PlanError { step: Some(index), code, message: format!("{}: {unmet}", step.skill) }
        })?;
        steps.push(PlanStep {
            skill: ground.skill,
            args: ground.args,
            preconditions: ground.preconditions,
            hold_conditions: ground.hold_conditions,
            postconditions: ground.postconditions,
            cost_s: ground.cost_s,
        });
    }
    if let Some(missing) = proposed.goal.iter().find(|predicate| !facts.holds(predicate)) {
        let message = format!("after the last step the goal {missing} does not hold");
        return Err(whole(PlanErrorCode::GoalNotReached, message));
    }
    Ok(Plan { steps, goal: proposed.goal, rationale: proposed.rationale })
}

fn from_model_error(step: usize, error: &ModelError) -> PlanError {
    let code = match error {
        ModelError::UnknownSkill { .. } => PlanErrorCode::UnknownSkill,
        ModelError::UnknownObject { .. } => PlanErrorCode::UnknownObject,
        _ => PlanErrorCode::InvalidArguments,
    };
    PlanError { step: Some(step), code, message: error.to_string() }
}
