use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError};

use serde::Serialize;
use sinew_model::{Plan, SkillRegistry, WorldState};
use sinew_types::Outcome;

use crate::PlanRefusal;

/// A step that was run before, for a planner that is asked again.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct StepRecord {
    /// The call, as [`sinew_model::PlanStep`] prints it.
    pub step: String,
    /// How it ended.
    pub outcome: Outcome,
}

/// What a planner is asked.
#[derive(Clone, Debug)]
pub struct PlanRequest {
    /// In words.
    pub instruction: String,
    /// As measured now.
    pub world: WorldState,
    /// What can be done.
    pub registry: Arc<SkillRegistry>,
    /// What was done for this instruction, in order; a last one that failed is why it is asked again.
    pub history: Vec<StepRecord>,
}

impl PlanRequest {
    /// A first request, without history.
    pub fn new(
        instruction: impl Into<String>,
        world: WorldState,
        registry: Arc<SkillRegistry>,
    ) -> Self {
        Self { instruction: instruction.into(), world, registry, history: Vec::new() }
    }
}

/// A plan, and how it came about.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Planned {
    /// Passed [`sinew_model::validate`].
    pub plan: Plan,
    /// The planner's name.
    pub planner: String,
    /// How many proposals it took; 2 after a repair.
    pub rounds: u32,
}

/// How planning ended.
pub(crate) type PlanResult = Result<Planned, PlanRefusal>;

/// A plan in the making. Dropping it forgets the request.
#[derive(Debug)]
pub struct Planning(State);

#[derive(Debug)]
enum State {
    Ready(Box<PlanResult>),
    Pending { receiver: Receiver<PlanResult>, planner: String },
    Taken,
}

impl Planning {
    /// One that has ended.
    pub fn ready(result: Result<Planned, PlanRefusal>) -> Self {
        Self(State::Ready(Box::new(result)))
    }

    /// One that ends when a value is sent, or as unavailable when the sender is dropped.
    pub fn pending(
        planner: impl Into<String>,
        receiver: Receiver<Result<Planned, PlanRefusal>>,
    ) -> Self {
        Self(State::Pending { receiver, planner: planner.into() })
    }

    /// The result, once; none while it is not there, and after it was given. Never blocks.
    pub fn poll(&mut self) -> Option<Result<Planned, PlanRefusal>> {
        match std::mem::replace(&mut self.0, State::Taken) {
            State::Ready(result) => Some(*result),
            State::Pending { receiver, planner } => match receiver.try_recv() {
                Ok(result) => Some(result),
                Err(TryRecvError::Empty) => {
                    self.0 = State::Pending { receiver, planner };
                    None
                }
                Err(TryRecvError::Disconnected) => Some(Err(stopped(planner))),
            },
            State::Taken => None,
        }
    }

    /// Blocks until the result is there: for programs that do nothing else meanwhile.
    ///
    /// # Errors
    /// The refusal.
    pub fn wait(self) -> Result<Planned, PlanRefusal> {
        match self.0 {
            State::Ready(result) => *result,
            State::Pending { receiver, planner } => {
                receiver.recv().unwrap_or_else(|_| Err(stopped(planner)))
            }
            State::Taken => Err(stopped("the result was taken before".into())),
        }
    }
}

fn stopped(planner: String) -> PlanRefusal {
    PlanRefusal::PlannerUnavailable { planner, reason: "it stopped without an answer".into() }
}

/// From an instruction to a plan.
pub trait Planner: Send {
    /// `symbolic`, `llm`.
    fn name(&self) -> &str;

    /// Begins to plan; returns at once or after a bounded computation, never waiting for anyone.
    fn start(&self, request: PlanRequest) -> Planning;
}
