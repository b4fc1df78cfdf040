use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use sinew_model::{
    Plan, PlanStep, Predicate, ProposedPlan, SkillRegistry, Slot, WorldState, validate,
};
use sinew_types::{ErrorCode, Evidence, Outcome, Time};

use crate::report::{StepReport, TaskReport};
use crate::task::{Event, PlanAnswer, Progress, Request, SkillCall, Task};

/// How patient the executive is.
#[derive(Clone, Debug, PartialEq)]
pub struct ExecutiveConfig {
    /// How long a condition may take to be measured as true, pre-conditions and post-conditions
    /// alike: perception has a rate, and objects come to rest.
    pub settle: Duration,
    /// How long a retry waits for a fresh sight of the objects it is about.
    pub fresh_within: Duration,
    /// How long the planner may take.
    pub planner_timeout: Duration,
    /// Attempts at one step beyond the first.
    pub retries: u32,
    /// How often the planner may be asked again in one task.
    pub replans: u32,
    /// A task may take no longer.
    pub max_duration: Duration,
}

impl Default for ExecutiveConfig {
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(2),
            fresh_within: Duration::from_secs(3),
            planner_timeout: Duration::from_secs(150),
            retries: 1,
            replans: 1,
            max_duration: Duration::from_secs(900),
        }
    }
}

/// What the executive does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The planner was asked.
    Planning,
    /// A step's pre-conditions are judged.
    Checking,
    /// A skill runs.
    Running,
    /// Post-conditions, or the goal, are judged.
    Judging,
}

impl Phase {
    /// As on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Planning => "planning",
            Self::Checking => "checking",
            Self::Running => "running",
            Self::Judging => "judging",
        }
    }
}

/// Runs one task at a time; see the crate's documentation.
pub struct Executive {
    config: ExecutiveConfig,
    registry: Arc<SkillRegistry>,
    running: Option<Running>,
    calls: u64,
}

struct Running {
    task: Task,
    started: Time,
    plan: Option<Plan>,
    replans: u32,
    reports: Vec<StepReport>,
    /// Why the task ends as soon as the skill that still runs has ended.
    ending: Option<(ErrorCode, String)>,
    state: State,
}

#[derive(Clone, Debug)]
enum State {
    Planning { since: Time },
    Checking { step: usize, attempt: u32, since: Time, seen_after: Option<Time> },
    Running { step: usize, attempt: u32, since: Time, call: u64 },
    Judging { step: usize, attempt: u32, since: Time, began: Time, outcome: Outcome },
    JudgingGoal { since: Time },
}

impl Executive {
    /// An executive without a task.
    pub fn new(config: ExecutiveConfig, registry: Arc<SkillRegistry>) -> Self {
        Self { config, registry, running: None, calls: 0 }
    }

    /// Whether a task runs.
    pub fn is_busy(&self) -> bool {
        self.running.is_some()
    }

    /// Whether an answer of the planner is awaited.
    pub fn awaits_planner(&self) -> bool {
        matches!(&self.running, Some(Running { state: State::Planning { .. }, .. }))
    }

    /// Starts a task.
    ///
    /// # Errors
    /// [`ErrorCode::Busy`] while another runs.
    pub fn start(&mut self, task: Task, now: Time) -> Result<Vec<Request>, ErrorCode> {
        if self.is_busy() {
            return Err(ErrorCode::Busy);
        }
        let request = Request::Plan {
            instruction: task.instruction.clone(),
            planner: task.planner.clone(),
            failed_reason: String::new(),
        };
        self.running = Some(Running {
            task,
            started: now,
            plan: None,
            replans: 0,
            reports: Vec::new(),
            ending: None,
            state: State::Planning { since: now },
        });
        Ok(vec![self.report(0.0, "asking the planner"), request])
    }

    /// Ends the task as cancelled: the skill that runs is cancelled and waited for.
    pub fn cancel(&mut self, now: Time) -> Vec<Request> {
        let (error, message) = (ErrorCode::Canceled, "cancelled by who asked for it");
        self.end_early(error, message.into(), now)
    }

    /// Takes what happened and does what is due.
    pub fn step(&mut self, now: Time, world: &WorldState, events: Vec<Event>) -> Vec<Request> {
        let mut requests = Vec::new();
        for event in events {
            requests.extend(self.handle(event, world, now));
        }
        requests.extend(self.advance(world, now));
        requests
    }

    fn handle(&mut self, event: Event, world: &WorldState, now: Time) -> Vec<Request> {
        let Some(running) = &mut self.running else { return Vec::new() };
        match (running.state.clone(), event) {
            (State::Planning { .. }, Event::Planned(answer)) => self.planned(answer, world, now),
            (
                State::Running { step, call, .. },
                Event::SkillProgress { call: of, progress, phase },
            ) if of == call => {
                let text = match running.plan.as_ref().and_then(|plan| plan.steps().get(step)) {
                    Some(step) => format!("{step}: {phase}"),
                    None => phase,
                };
                vec![self.report(progress, &text)]
            }
            (
                State::Running { step, attempt, since, call },
                Event::SkillEnded { call: of, outcome },
            ) if of == call => {
                running.state = State::Judging { step, attempt, since: now, began: since, outcome };
                Vec::new()
            }
            (
                State::Running { step, attempt, since, call },
                Event::SkillRejected { call: of, error, message },
            ) if of == call => {
                let outcome = Outcome::aborted(error, message, now.since(since));
                running.state = State::Judging { step, attempt, since: now, began: since, outcome };
                Vec::new()
            }
            // An answer to something that is no longer asked.
            _ => Vec::new(),
        }
    }

    fn planned(&mut self, answer: PlanAnswer, world: &WorldState, now: Time) -> Vec<Request> {
        let proposed = match answer {
            PlanAnswer::Refused { error, message } => {
                return self.finish(error, message, false, Vec::new(), now);
            }
            PlanAnswer::Proposed(proposed) => proposed,
        };
        let plan = match self.check(proposed, world) {
            Ok(plan) => plan,
            Err(message) => {
                return self.finish(ErrorCode::PlanInvalid, message, false, Vec::new(), now);
            }
        };
        let Some(running) = &mut self.running else { return Vec::new() };
        let text = format!("plan:\n{plan}");
        running.plan = Some(plan);
        if running.task.dry_run {
            let message = String::new();
            return self.finish(ErrorCode::None, message, false, Vec::new(), now);
        }
        running.state = State::Checking { step: 0, attempt: 1, since: now, seen_after: None };
        vec![self.report(0.0, &text)]
    }

    /// The planner is another process, maybe a language model: its plan is checked here again.
    fn check(&self, proposed: ProposedPlan, world: &WorldState) -> Result<Plan, String> {
        validate(proposed, &self.registry, world).map_err(|error| error.to_string())
    }

    fn advance(&mut self, world: &WorldState, now: Time) -> Vec<Request> {
        let Some(running) = &mut self.running else { return Vec::new() };
        let limit = match running.task.max_duration {
            Duration::ZERO => self.config.max_duration,
            asked => asked.min(self.config.max_duration),
        };
        if running.ending.is_none() && now.since(running.started) > limit {
            let message = format!("the task took longer than its limit of {limit:?}");
            return self.end_early(ErrorCode::TimeLimit, message, now);
        }
        match running.state.clone() {
            State::Planning { since } if now.since(since) > self.config.planner_timeout => {
                let message =
                    format!("the planner did not answer within {:?}", self.config.planner_timeout);
                self.finish(ErrorCode::PlannerUnavailable, message, false, Vec::new(), now)
            }
            State::Checking { step, attempt, since, seen_after } => {
                self.check_step(step, attempt, since, seen_after, world, now)
            }
            State::Judging { step, attempt, since, began, outcome } => {
                self.judge_step(step, attempt, since, began, outcome, world, now)
            }
            State::JudgingGoal { since } => self.judge_goal(since, world, now),
            State::Planning { .. } | State::Running { .. } => Vec::new(),
        }
    }

    fn check_step(
        &mut self,
        index: usize,
        attempt: u32,
        since: Time,
        seen_after: Option<Time>,
        world: &WorldState,
        now: Time,
    ) -> Vec<Request> {
        let Some((plan, running)) = self.parts() else { return Vec::new() };
        let Some(step) = plan.steps().get(index) else {
            running.state = State::JudgingGoal { since: now };
            return self.judge_goal(now, world, now);
        };
        if let Some(moment) = seen_after
            && let Some(unseen) = unseen_since(step, world, moment)
        {
            let patience = self.config.fresh_within;
            if now.since(since) <= patience {
                return Vec::new();
            }
            let message = format!("`{unseen}` was not seen again within {patience:?}");
            let outcome = Outcome::aborted(ErrorCode::ObservationStale, message, Duration::ZERO);
            return self.step_failed(index, attempt - 1, outcome, false, now);
        }
        let failed = step.preconditions.iter().find(|p| !world.judge(p).holds);
        if let Some(predicate) = failed {
            if now.since(since) <= self.config.settle {
                return Vec::new();
            }
            let judgement = world.judge(predicate);
            let message = format!("pre-condition {predicate} of step {} does not hold", index + 1);
            let mut outcome =
                Outcome::aborted(ErrorCode::PreconditionFailed, message, Duration::ZERO);
            outcome.evidence = judgement.evidence;
            return self.step_failed(index, attempt - 1, outcome, false, now);
        }
        self.calls += 1;
        let call =
            SkillCall { call: self.calls, skill: step.skill.clone(), args: step.args.clone() };
        let text = step.to_string();
        if let Some(running) = &mut self.running {
            running.state = State::Running { step: index, attempt, since: now, call: call.call };
        }
        vec![self.report(0.0, &text), Request::StartSkill(call)]
    }

    #[expect(clippy::too_many_arguments, reason = "the fields of one state, used once")]
    fn judge_step(
        &mut self,
        index: usize,
        attempt: u32,
        since: Time,
        began: Time,
        mut outcome: Outcome,
        world: &WorldState,
        now: Time,
    ) -> Vec<Request> {
        let settle = self.config.settle;
        let Some((plan, running)) = self.parts() else { return Vec::new() };
        let Some(step) = plan.steps().get(index) else { return Vec::new() };
        if let Some((error, message)) = running.ending.clone() {
            let report = step_report(step, outcome, attempt);
            running.reports.push(report);
            return self.finish(error, message, false, Vec::new(), now);
        }
        // The skill's own word is not enough, and its failure is not hidden by a lucky world.
        if !outcome.is_success() {
            outcome.elapsed = now.since(began);
            return self.step_failed(index, attempt, outcome, true, now);
        }
        let judgement = world.judge_all(&step.postconditions);
        let seen = unseen_since(step, world, since).is_none();
        if judgement.holds && seen {
            outcome.evidence.extend(judgement.evidence);
            outcome.postcondition_met = true;
            outcome.elapsed = now.since(began);
            let report = step_report(step, outcome, attempt);
            running.reports.push(report);
            running.state =
                State::Checking { step: index + 1, attempt: 1, since: now, seen_after: None };
            return self.check_step(index + 1, 1, now, None, world, now);
        }
        if now.since(since) <= settle {
            return Vec::new();
        }
        let unmet: Vec<_> = step
            .postconditions
            .iter()
            .filter(|p| !world.judge(p).holds)
            .map(Predicate::to_string)
            .collect();
        let message = if unmet.is_empty() {
            "the result was not seen".to_owned()
        } else {
            format!("measured state does not show {}", unmet.join(" and "))
        };
        let mut failed =
            Outcome::aborted(ErrorCode::PostconditionFailed, message, now.since(began));
        failed.evidence = outcome.evidence;
        failed.evidence.extend(judgement.evidence);
        self.step_failed(index, attempt, failed, true, now)
    }

    /// A step failed: again on a fresh observation, else a new plan, else the end.
    fn step_failed(
        &mut self,
        index: usize,
        attempt: u32,
        outcome: Outcome,
        may_retry: bool,
        now: Time,
    ) -> Vec<Request> {
        let (retries, replans) = (self.config.retries, self.config.replans);
        let Some((plan, running)) = self.parts() else { return Vec::new() };
        let Some(step) = plan.steps().get(index) else { return Vec::new() };
        let can_continue = !ends_task(outcome.error);
        if can_continue && may_retry && attempt <= retries {
            let text = format!("{step} failed ({}); once more", outcome.message);
            running.state = State::Checking {
                step: index,
                attempt: attempt + 1,
                since: now,
                seen_after: Some(now),
            };
            return vec![self.report(0.0, &text)];
        }
        let (error, message) = (outcome.error, format!("{step}: {}", outcome.message));
        let report = step_report(step, outcome, attempt);
        running.reports.push(report);
        if can_continue && running.replans < replans {
            running.replans += 1;
            running.state = State::Planning { since: now };
            let request = Request::Plan {
                instruction: running.task.instruction.clone(),
                planner: running.task.planner.clone(),
                failed_reason: format!("{error}: {message}"),
            };
            let text = format!("{message}; asking for a new plan");
            return vec![self.report(0.0, &text), request];
        }
        self.finish(error, message, false, Vec::new(), now)
    }

    fn judge_goal(&mut self, since: Time, world: &WorldState, now: Time) -> Vec<Request> {
        let Some((plan, _)) = self.parts() else { return Vec::new() };
        let goal = plan.goal().iter().chain([&Predicate::RobotStill]);
        let judgement = world.judge_all(goal);
        if judgement.holds {
            let message = String::new();
            return self.finish(ErrorCode::None, message, true, judgement.evidence, now);
        }
        if now.since(since) <= self.config.settle {
            return Vec::new();
        }
        let goal: Vec<_> = plan.goal().iter().map(Predicate::to_string).collect();
        let message = format!("measured state does not show the goal {}", goal.join(" and "));
        self.finish(ErrorCode::PostconditionFailed, message, false, judgement.evidence, now)
    }

    /// Ends the task now, or as soon as its skill has come to rest.
    fn end_early(&mut self, error: ErrorCode, message: String, now: Time) -> Vec<Request> {
        let Some(running) = &mut self.running else { return Vec::new() };
        if let State::Running { call, .. } = running.state {
            if running.ending.is_none() {
                running.ending = Some((error, message));
                return vec![Request::CancelSkill { call }];
            }
            return Vec::new();
        }
        self.finish(error, message, false, Vec::new(), now)
    }

    fn finish(
        &mut self,
        error: ErrorCode,
        message: String,
        goal_met: bool,
        evidence: Vec<Evidence>,
        now: Time,
    ) -> Vec<Request> {
        let Some(running) = self.running.take() else { return Vec::new() };
        let report = TaskReport {
            error,
            message,
            plan: running.plan,
            steps: running.reports,
            goal_met,
            evidence,
            elapsed: now.since(running.started),
        };
        vec![Request::Finished(Box::new(report))]
    }

    /// The plan, cloned out so that the rest can be changed while it is read.
    fn parts(&mut self) -> Option<(Plan, &mut Running)> {
        let running = self.running.as_mut()?;
        Some((running.plan.clone()?, running))
    }

    fn report(&self, progress: f32, text: &str) -> Request {
        let running = self.running.as_ref();
        let plan = running.and_then(|running| running.plan.as_ref());
        let steps = plan.map_or(0, |plan| plan.steps().len());
        let (phase, step) = match running.map(|running| &running.state) {
            Some(State::Checking { step, .. }) => (Phase::Checking, *step),
            Some(State::Running { step, .. }) => (Phase::Running, *step),
            Some(State::Judging { step, .. }) => (Phase::Judging, *step),
            Some(State::JudgingGoal { .. }) => (Phase::Judging, steps),
            Some(State::Planning { .. }) | None => (Phase::Planning, 0),
        };
        let skill = plan.and_then(|plan| plan.steps().get(step)).map(|step| step.skill.clone());
        Request::Report(Progress {
            phase,
            step,
            steps,
            skill: skill.unwrap_or_default(),
            progress,
            text: text.into(),
        })
    }
}

fn step_report(step: &PlanStep, outcome: Outcome, attempts: u32) -> StepReport {
    StepReport { skill: step.skill.clone(), args: step.args.clone(), outcome, attempts }
}

/// After these the robot does not move again by itself: somebody decided, or must.
fn ends_task(error: ErrorCode) -> bool {
    matches!(
        error,
        ErrorCode::Canceled
            | ErrorCode::Preempted
            | ErrorCode::LeaseRevoked
            | ErrorCode::SafetyStop
            | ErrorCode::NotReady
            | ErrorCode::HardwareFault
            | ErrorCode::PeerLost
            | ErrorCode::UnknownSkill
            | ErrorCode::InvalidArguments
            | ErrorCode::BackendUnavailable
            | ErrorCode::BackendInterrupted
    )
}

/// A loose object the step is about that was not seen since `moment`.
fn unseen_since<'w>(step: &PlanStep, world: &'w WorldState, moment: Time) -> Option<&'w str> {
    let predicates = step.preconditions.iter().chain(&step.postconditions);
    let ids = predicates.flat_map(|predicate| {
        let (_, relation, slots) = predicate.parts();
        slots.into_iter().filter(move |_| relation.takes_objects())
    });
    ids.filter_map(|slot| match slot {
        Slot::Id(id) => world.objects.get(id),
        Slot::Any => None,
    })
    .find(|object| !object.fixed && object.stamp <= moment)
    .map(|object| object.id.as_str())
}
