//! The executive in virtual time, on a world that the test writes.
#![allow(clippy::unwrap_used)]

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use sinew_connector::{
    Event, Executive, ExecutiveConfig, PlanAnswer, Request, SkillCall, Task, TaskReport,
};
use sinew_model::{ProposedPlan, ProposedStep, RobotFacts, SkillRegistry, WorldState};
use sinew_types::{ErrorCode, Outcome, Time};

const TICK: Duration = Duration::from_millis(20);

/// Steps an executive, and keeps what it asks for.
struct Bench {
    executive: Executive,
    world: WorldState,
    now: Time,
    calls: Vec<SkillCall>,
    plans: Vec<String>,
    cancelled: Vec<u64>,
    report: Option<TaskReport>,
}

impl Bench {
    fn new() -> Self {
        let manifests = Path::new(env!("CARGO_MANIFEST_DIR")).join("../skills/manifests");
        let registry = Arc::new(SkillRegistry::load_dir(&manifests).unwrap());
        Self {
            executive: Executive::new(ExecutiveConfig::default(), registry),
            world: WorldState { robot: robot(None), ..WorldState::default() },
            now: Time::ZERO,
            calls: Vec::new(),
            plans: Vec::new(),
            cancelled: Vec::new(),
            report: None,
        }
    }

    fn start(&mut self, task: Task) {
        let requests = self.executive.start(task, self.now).unwrap();
        self.keep(requests);
    }

    fn step(&mut self, events: Vec<Event>) {
        self.now += TICK;
        self.world.stamp = self.now;
        let requests = self.executive.step(self.now, &self.world, events);
        self.keep(requests);
    }

    /// Lets time pass.
    fn wait(&mut self, time: Duration) {
        let until = self.now + time;
        while self.now < until && self.report.is_none() {
            self.step(Vec::new());
        }
    }

    fn keep(&mut self, requests: Vec<Request>) {
        for request in requests {
            match request {
                Request::Plan { failed_reason, .. } => self.plans.push(failed_reason),
                Request::StartSkill(call) => self.calls.push(call),
                Request::CancelSkill { call } => self.cancelled.push(call),
                Request::Finished(report) => self.report = Some(*report),
                Request::Report(_) => {}
            }
        }
    }

    fn planned(&mut self) {
        self.step(vec![Event::Planned(PlanAnswer::Proposed(go_home()))]);
    }

    fn ended(&mut self, outcome: Outcome) {
        let call = self.calls.last().unwrap().call;
        self.step(vec![Event::SkillEnded { call, outcome }]);
    }
}

fn robot(arm_configuration: Option<&str>) -> RobotFacts {
    RobotFacts { arm_configuration: arm_configuration.map(Into::into), ..RobotFacts::default() }
}

fn go_home() -> ProposedPlan {
    ProposedPlan {
        steps: vec![ProposedStep { skill: "home".into(), args: json!({}) }],
        goal: vec!["arm_at(home)".parse().unwrap()],
        rationale: String::new(),
    }
}

fn task() -> Task {
    Task { instruction: "go home".into(), ..Task::default() }
}

fn success() -> Outcome {
    Outcome::succeeded(Vec::new(), Duration::from_secs(1))
}

fn failure() -> Outcome {
    Outcome::aborted(ErrorCode::TimeLimit, "too slow", Duration::from_secs(1))
}

#[test]
fn a_task_succeeds_when_its_goal_is_measured() {
    let mut bench = Bench::new();
    bench.start(task());
    bench.planned();
    bench.step(Vec::new());
    assert_eq!(bench.calls.len(), 1);
    bench.world.robot = robot(Some("home"));
    bench.ended(success());
    bench.wait(Duration::from_secs(1));
    let report = bench.report.unwrap();
    assert_eq!((report.error, report.goal_met), (ErrorCode::None, true), "{}", report.message);
    assert!(report.evidence.iter().any(|e| e.key == "arm_at(home)" && e.value == "true"));
}

#[test]
fn a_skill_that_claims_success_is_not_believed() {
    let mut bench = Bench::new();
    bench.start(task());
    for _ in 0..4 {
        bench.planned();
        bench.wait(Duration::from_secs(4));
        if bench.report.is_some() {
            break;
        }
        bench.ended(success());
        bench.wait(Duration::from_secs(4));
        if bench.report.is_none() && !bench.executive.awaits_planner() {
            bench.ended(success());
            bench.wait(Duration::from_secs(4));
        }
    }
    let report = bench.report.unwrap();
    assert_eq!(report.error, ErrorCode::PostconditionFailed);
    assert!(!report.goal_met && report.message.contains("arm_at(home)"), "{}", report.message);
}

#[test]
fn a_step_is_tried_twice_then_the_planner_is_asked_again_with_the_reason_then_the_task_fails() {
    let mut bench = Bench::new();
    bench.start(task());
    for _ in 0..2 {
        bench.planned();
        for _ in 0..2 {
            bench.wait(Duration::from_millis(100));
            bench.ended(failure());
        }
    }
    let report = bench.report.unwrap();
    assert_eq!((bench.calls.len(), report.steps.len()), (4, 2));
    assert_eq!(report.error, ErrorCode::TimeLimit);
    assert_eq!(bench.plans[0], "");
    assert!(bench.plans[1].contains("too slow"), "{}", bench.plans[1]);
    assert!(report.steps.iter().all(|step| step.attempts == 2));
}

#[test]
fn nothing_is_tried_again_after_a_stop_or_a_takeover() {
    for error in [ErrorCode::SafetyStop, ErrorCode::LeaseRevoked, ErrorCode::PeerLost] {
        let mut bench = Bench::new();
        bench.start(task());
        bench.planned();
        bench.step(Vec::new());
        bench.ended(Outcome::aborted(error, "stopped", Duration::ZERO));
        bench.wait(Duration::from_secs(5));
        assert_eq!(bench.report.unwrap().error, error);
        assert_eq!((bench.calls.len(), bench.plans.len()), (1, 1));
    }
}

#[test]
fn a_cancelled_task_ends_only_after_its_skill_is_at_rest() {
    let mut bench = Bench::new();
    bench.start(task());
    bench.planned();
    bench.step(Vec::new());
    let requests = bench.executive.cancel(bench.now);
    bench.keep(requests);
    assert_eq!(bench.cancelled, [1]);
    bench.wait(Duration::from_secs(1));
    assert!(bench.report.is_none(), "the skill has not ended");
    bench.ended(Outcome::canceled(Duration::from_secs(1)));
    bench.step(Vec::new());
    assert_eq!(bench.report.unwrap().error, ErrorCode::Canceled);
}

#[test]
fn an_invalid_plan_moves_nothing() {
    let mut bench = Bench::new();
    bench.start(task());
    let mut plan = go_home();
    plan.steps[0].skill = "fly".into();
    bench.step(vec![Event::Planned(PlanAnswer::Proposed(plan))]);
    let report = bench.report.unwrap();
    assert_eq!(report.error, ErrorCode::PlanInvalid);
    assert!(report.message.contains("`fly`") && bench.calls.is_empty(), "{}", report.message);
}

#[test]
fn a_silent_planner_ends_the_task() {
    let mut bench = Bench::new();
    bench.start(task());
    bench.wait(ExecutiveConfig::default().planner_timeout + Duration::from_secs(1));
    assert_eq!(bench.report.unwrap().error, ErrorCode::PlannerUnavailable);
}

#[test]
fn a_dry_run_ends_with_its_plan() {
    let mut bench = Bench::new();
    bench.start(Task { dry_run: true, ..task() });
    bench.planned();
    let report = bench.report.unwrap();
    assert_eq!((report.error, bench.calls.len()), (ErrorCode::None, 0));
    assert_eq!(report.plan.unwrap().steps().len(), 1);
}

#[test]
fn one_task_at_a_time() {
    let mut bench = Bench::new();
    bench.start(task());
    assert_eq!(bench.executive.start(task(), bench.now).unwrap_err(), ErrorCode::Busy);
}
