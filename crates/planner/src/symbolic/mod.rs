//! Instructions in a small grammar, resolved against the world, planned by exact search.

mod goals;
mod grammar;
mod lm_cut;
mod resolve;
mod search;
mod strips;

use sinew_model::{Facts, Predicate, ProposedPlan, ProposedStep, SkillRegistry, validate};

use crate::planner::{PlanRequest, PlanResult, Planned, Planner, Planning};
use crate::refusal::PlanRefusal;
use goals::Stage;
pub use grammar::GRAMMAR_HINT;

/// How far the search goes before it gives up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SearchLimits {
    /// States that are expanded per stage of an instruction.
    pub max_expansions: usize,
}

impl Default for SearchLimits {
    fn default() -> Self {
        Self { max_expansions: 50_000 }
    }
}

/// Plans by A* with an admissible heuristic: of all plans for a stage, one with the least sum of
/// typical durations. Deterministic.
#[derive(Clone, Copy, Debug, Default)]
pub struct SymbolicPlanner {
    limits: SearchLimits,
}

impl SymbolicPlanner {
    /// Its name.
    pub const NAME: &'static str = "symbolic";

    /// With these limits.
    pub fn new(limits: SearchLimits) -> Self {
        Self { limits }
    }

    /// The plan with the least sum of typical durations that makes `goal` hold.
    ///
    /// # Errors
    /// As [`Planner::start`]; none about words.
    pub fn plan_for(&self, goal: &[Predicate], request: &PlanRequest) -> PlanResult {
        self.plan_stages(&[Stage::Reach(goal.to_vec())], goal.to_vec(), request)
    }

    fn plan(&self, request: &PlanRequest) -> PlanResult {
        let clauses = grammar::parse(&request.instruction)?;
        let instruction = goals::stages(&clauses, &request.world)?;
        self.plan_stages(&instruction.stages, instruction.goal, request)
    }

    fn plan_stages(
        &self,
        stages: &[Stage],
        goal: Vec<Predicate>,
        request: &PlanRequest,
    ) -> PlanResult {
        let mut facts = Facts::of(&request.world);
        let mut steps = Vec::new();
        for stage in stages {
            match stage {
                Stage::Reach(goal) => {
                    let found = search::plan(&facts, goal, request, self.limits)?;
                    facts = found.facts;
                    steps.extend(found.steps);
                }
                Stage::Do(step) => {
                    facts = apply(&facts, step, &request.registry, request)?;
                    steps.push(step.clone());
                }
            }
        }
        let rationale = format!("least typical duration for: {}", request.instruction.trim());
        let proposed = ProposedPlan { steps, goal, rationale };
        let plan = validate(proposed, &request.registry, &request.world).map_err(|error| {
            PlanRefusal::InvalidPlan {
                code: Some(error.code),
                step: error.step,
                message: error.to_string(),
                rounds: 1,
            }
        })?;
        Ok(Planned { plan, planner: Self::NAME.into(), rounds: 1 })
    }
}

fn apply(
    facts: &Facts,
    step: &ProposedStep,
    registry: &SkillRegistry,
    request: &PlanRequest,
) -> Result<Facts, PlanRefusal> {
    let refuse =
        |why: String| PlanRefusal::NoPlan { goal: request.instruction.trim().to_owned(), why };
    let ground = registry
        .ground(&step.skill, &step.args, &request.world)
        .map_err(|error| refuse(error.to_string()))?;
    facts.after(&ground).map_err(|unmet| refuse(format!("{}: {unmet}", step.skill)))
}

impl Planner for SymbolicPlanner {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn start(&self, request: PlanRequest) -> Planning {
        Planning::ready(self.plan(&request))
    }
}
