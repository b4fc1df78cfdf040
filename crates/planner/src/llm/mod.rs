//! A language model as planner. What it says is untrusted.

mod client;
mod config;
mod prompt;
mod schema;

use std::sync::Arc;
use std::sync::mpsc;
use std::time::Instant;

use serde::Deserialize;
use serde_json::{Value, json};
use sinew_model::{Plan, PlanErrorCode, Predicate, ProposedPlan, ProposedStep, validate};

use crate::planner::{PlanRequest, PlanResult, Planned, Planner, Planning};
use crate::refusal::PlanRefusal;
use client::{Client, excerpt};
pub use config::{LlmConfig, LlmConfigError};

/// Asks any OpenAI-compatible chat endpoint, with structured output made from skills and world.
///
/// Each request runs on a thread of its own, which ends within `total_timeout_s` even if nobody waits
/// for it any more. An answer is parsed, checked by schema, registry and simulation; a fault goes back
/// to the model once; then it is a refusal.
pub struct LlmPlanner {
    client: Arc<Client>,
    config: LlmConfig,
}

impl LlmPlanner {
    /// Its name.
    pub const NAME: &'static str = "llm";
    /// Proposals that are asked for: one, and one repair.
    pub const MAX_ROUNDS: u32 = 2;

    /// Checks the configuration; connects to nothing yet.
    ///
    /// # Errors
    /// A field with a value that is not allowed, or no key where one is named.
    pub fn new(config: LlmConfig) -> Result<Self, LlmConfigError> {
        let key = config.check()?;
        Ok(Self { client: Arc::new(Client::new(config.clone(), key)), config })
    }
}

impl Planner for LlmPlanner {
    fn name(&self) -> &str {
        Self::NAME
    }

    fn start(&self, request: PlanRequest) -> Planning {
        if request.instruction.trim().is_empty() {
            return Planning::ready(Err(PlanRefusal::EmptyInstruction));
        }
        let (sender, receiver) = mpsc::channel();
        let client = Arc::clone(&self.client);
        let deadline = Instant::now() + self.config.total_timeout();
        let thread = std::thread::Builder::new().name("llm-planner".into());
        let spawned = thread.spawn(move || {
            // Nobody waits any more if this fails: the request was dropped.
            let _ = sender.send(plan(&client, &request, deadline));
        });
        match spawned {
            Ok(_) => Planning::pending(Self::NAME, receiver),
            Err(error) => Planning::ready(Err(unavailable(format!("no thread: {error}")))),
        }
    }
}

fn unavailable(reason: String) -> PlanRefusal {
    PlanRefusal::PlannerUnavailable { planner: LlmPlanner::NAME.into(), reason }
}

/// What the model answers.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Answer {
    #[serde(default)]
    refusal: String,
    #[serde(default)]
    goal: Vec<Predicate>,
    #[serde(default)]
    steps: Vec<ProposedStep>,
    #[serde(default)]
    rationale: String,
}

/// What is wrong with an answer.
struct Fault {
    code: Option<PlanErrorCode>,
    step: Option<usize>,
    message: String,
}

impl Fault {
    fn to_json(&self) -> Value {
        let code = self.code.map_or(json!("not_a_plan"), |code| json!(code));
        json!({ "code": code, "step_index": self.step, "message": self.message })
    }
}

fn plan(client: &Client, request: &PlanRequest, deadline: Instant) -> PlanResult {
    let schema = schema::answer_schema(&request.registry, &request.world);
    let mut messages = prompt::messages(request);
    let mut rounds = 0;
    loop {
        rounds += 1;
        let answer = client.chat(&messages, &schema, deadline).map_err(unavailable)?;
        let fault = match check(&answer, request)? {
            Ok(plan) => return Ok(Planned { plan, planner: LlmPlanner::NAME.into(), rounds }),
            Err(fault) => fault,
        };
        tracing::debug!(rounds, message = fault.message, "the proposed plan was rejected");
        if rounds == LlmPlanner::MAX_ROUNDS {
            let Fault { code, step, message } = fault;
            return Err(PlanRefusal::InvalidPlan { code, step, message, rounds });
        }
        messages.extend(prompt::repair(&answer, &fault.to_json()));
    }
}

/// Parse, schema, registry, simulation. A refusal by the model itself is final.
fn check(answer: &str, request: &PlanRequest) -> Result<Result<Plan, Fault>, PlanRefusal> {
    let parsed: Answer = match serde_json::from_str(unfenced(answer)) {
        Ok(parsed) => parsed,
        Err(error) => {
            let message = format!("no plan in JSON ({error}): {}", excerpt(answer));
            return Ok(Err(Fault { code: None, step: None, message }));
        }
    };
    let Answer { refusal, goal, steps, rationale } = parsed;
    if !refusal.trim().is_empty() && steps.is_empty() {
        let reason = excerpt(&refusal);
        return Err(PlanRefusal::Declined { planner: LlmPlanner::NAME.into(), reason });
    }
    let proposed = ProposedPlan { steps, goal, rationale };
    Ok(validate(proposed, &request.registry, &request.world).map_err(|error| Fault {
        code: Some(error.code),
        step: error.step,
        message: error.to_string(),
    }))
}

/// The inside of a Markdown code fence, which some models put around JSON.
fn unfenced(answer: &str) -> &str {
    let answer = answer.trim();
    let inner = answer.strip_prefix("```").and_then(|rest| rest.strip_suffix("```"));
    inner.and_then(|inner| inner.split_once('\n')).map_or(answer, |(_, json)| json)
}
