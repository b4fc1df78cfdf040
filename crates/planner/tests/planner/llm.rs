//! Whatever a chat endpoint answers, planning ends in a validated plan or a typed refusal, in time.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::common::{registry, tabletop};
use serde_json::{Value, json};
use sinew_model::{PlanErrorCode, Predicate};
use sinew_planner::{LlmConfig, LlmPlanner, PlanRefusal, PlanRequest, Planned, Planner};
use sinew_types::ErrorCode;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer, Request, Respond, ResponseTemplate};

/// Answers in order; the last one again and again.
struct Script {
    answers: Vec<ResponseTemplate>,
    next: AtomicUsize,
}

impl Respond for Script {
    fn respond(&self, _: &Request) -> ResponseTemplate {
        let index = self.next.fetch_add(1, Ordering::SeqCst);
        self.answers[index.min(self.answers.len() - 1)].clone()
    }
}

struct Run {
    result: Result<Planned, PlanRefusal>,
    requests: Vec<Value>,
}

fn config(server: &MockServer) -> LlmConfig {
    LlmConfig {
        base_url: format!("{}/v1", server.uri()),
        attempt_timeout_s: 20.0,
        total_timeout_s: 40.0,
        max_retries: 2,
        ..LlmConfig::default()
    }
}

async fn run_with(answers: Vec<ResponseTemplate>, adjust: impl FnOnce(&mut LlmConfig)) -> Run {
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .and(path("/v1/chat/completions"))
        .respond_with(Script { answers, next: AtomicUsize::new(0) })
        .mount(&server)
        .await;
    let mut config = config(&server);
    adjust(&mut config);
    let planner = LlmPlanner::new(config).unwrap();
    let request = PlanRequest::new("put the red cube in the bin", tabletop(), registry());
    let planning = planner.start(request);
    let result = tokio::task::spawn_blocking(|| planning.wait()).await.unwrap();
    let requests = server.received_requests().await.unwrap();
    Run { result, requests: requests.iter().map(|r| r.body_json().unwrap()).collect() }
}

async fn run(answers: Vec<ResponseTemplate>) -> Run {
    run_with(answers, |_| {}).await
}

fn says(content: impl ToString) -> ResponseTemplate {
    ResponseTemplate::new(200).set_body_json(json!({
        "id": "1", "object": "chat.completion", "model": "scripted",
        "choices": [{ "index": 0, "finish_reason": "stop",
            "message": { "role": "assistant", "content": content.to_string() } }],
    }))
}

fn good_plan() -> Value {
    json!({
        "refusal": "",
        "goal": ["in(red_cube, bin)"],
        "steps": [
            {"skill": "drive_to", "args": {"target": "red_cube"}},
            {"skill": "reach", "args": {"target": "red_cube", "hover_m": 0.12}},
            {"skill": "pick", "args": {"object": "red_cube"}},
            {"skill": "drive_to", "args": {"target": "bin"}},
            {"skill": "place", "args": {"object": "red_cube", "destination": "bin", "relation": "in"}},
        ],
        "rationale": "fetch it, then drop it",
    })
}

fn with_step(index: usize, skill: &str, args: Value) -> Value {
    let mut plan = good_plan();
    plan["steps"][index] = json!({"skill": skill, "args": args});
    plan
}

#[tokio::test(flavor = "multi_thread")]
async fn a_good_plan_is_taken() {
    let run = run(vec![says(good_plan())]).await;
    let planned = run.result.unwrap();
    assert_eq!((planned.plan.steps().len(), planned.rounds), (5, 1));
    assert_eq!(planned.plan.goal(), [Predicate::is_in("red_cube", "bin")]);
    assert_eq!(run.requests.len(), 1);
    assert_eq!(run.requests[0]["temperature"], 0.0);
    assert_eq!(run.requests[0]["seed"], 0);
    let told = run.requests[0]["messages"][1]["content"].as_str().unwrap();
    assert!(told.contains("put the red cube in the bin") && told.contains("on(red_cube, table)"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_schema_that_is_asked_for_allows_what_works_and_nothing_else() {
    let run = run(vec![says(good_plan())]).await;
    let format = &run.requests[0]["response_format"];
    assert_eq!(format["type"], "json_schema");
    assert_eq!(format["json_schema"]["strict"], true);
    let schema = &format["json_schema"]["schema"];
    let validator = jsonschema::validator_for(schema).unwrap();
    assert!(validator.is_valid(&good_plan()), "{schema:#}");
    let mut wrong = vec![
        with_step(1, "teleport", json!({})),
        with_step(1, "reach", json!({"target": "red_cube", "hover_m": 9.0})),
        with_step(0, "drive_to", json!({"target": "dragon"})),
        with_step(
            4,
            "place",
            json!({"object": "red_cube", "destination": "bin", "relation": "under"}),
        ),
    ];
    let mut goal = good_plan();
    goal["goal"] = json!(["in(red_cube, dragon)"]);
    wrong.push(goal);
    for plan in wrong {
        assert!(!validator.is_valid(&plan), "{plan}");
    }
    // What OpenAI's strict mode does not take.
    let text = schema.to_string();
    for word in ["oneOf", "\"default\"", "\"format\""] {
        assert!(!text.contains(word), "{word} in {text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_plan_is_refused_after_one_repair_round() {
    use PlanErrorCode as C;
    let cases = [
        (with_step(1, "teleport", json!({})), C::UnknownSkill, 1, ErrorCode::UnknownSkill),
        (
            with_step(1, "reach", json!({"target": "red_cube", "hover_m": 9.0})),
            C::InvalidArguments,
            1,
            ErrorCode::InvalidArguments,
        ),
        (
            with_step(0, "drive_to", json!({"target": "dragon"})),
            C::UnknownObject,
            0,
            ErrorCode::UnknownObject,
        ),
        // The tool has left when step 3 would close the gripper.
        (with_step(1, "home", json!({})), C::PreconditionFailed, 2, ErrorCode::PreconditionFailed),
    ];
    for (plan, wanted, at, on_the_wire) in cases {
        let run = run(vec![says(&plan)]).await;
        let refusal = run.result.unwrap_err();
        assert_eq!(refusal.code(), on_the_wire);
        match refusal {
            PlanRefusal::InvalidPlan { code, step, rounds, .. } => {
                assert_eq!((code, step, rounds), (Some(wanted), Some(at), 2));
            }
            other => panic!("{other:?}"),
        }
        assert_eq!(run.requests.len(), 2);
        let reason = run.requests[1]["messages"][3]["content"].as_str().unwrap();
        let reason: Value = serde_json::from_str(reason).unwrap();
        assert_eq!(reason["rejected"]["code"], json!(wanted));
        assert_eq!(reason["rejected"]["step_index"], at);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repair_round_may_succeed() {
    let wrong = with_step(1, "home", json!({}));
    let run = run(vec![says(wrong), says(good_plan())]).await;
    let planned = run.result.unwrap();
    assert_eq!((planned.plan.steps().len(), planned.rounds), (5, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn prose_and_truncated_json_are_refused() {
    let whole = good_plan().to_string();
    for answer in ["Sure! I will fetch the cube.", &whole[..whole.len() / 2], "", "[1, 2]"] {
        let run = run(vec![says(answer)]).await;
        match run.result.unwrap_err() {
            PlanRefusal::InvalidPlan { code: None, message, rounds: 2, .. } => {
                assert!(message.contains("no plan in JSON"), "{message}");
            }
            other => panic!("{answer}: {other:?}"),
        }
    }
    let fenced = format!("```json\n{}\n```", good_plan());
    assert!(run(vec![says(fenced)]).await.result.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_model_may_decline() {
    let no = json!({"refusal": "there is no dragon", "goal": [], "steps": [], "rationale": ""});
    match run(vec![says(no)]).await.result.unwrap_err() {
        PlanRefusal::Declined { reason, .. } => assert_eq!(reason, "there is no dragon"),
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn busy_and_broken_servers_are_asked_again() {
    let busy = || ResponseTemplate::new(429).insert_header("retry-after", "0.01");
    let broken = || ResponseTemplate::new(500).insert_header("retry-after", "0");
    let recovered = run(vec![busy(), broken(), says(good_plan())]).await;
    assert!(recovered.result.is_ok());
    assert_eq!(recovered.requests.len(), 3);
    for (answer, status) in [(busy(), "HTTP 429"), (broken(), "HTTP 500")] {
        let run = run(vec![answer]).await;
        assert_eq!(run.requests.len(), 3, "as often as configured, then no more");
        let refusal = run.result.unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::PlannerUnavailable);
        assert!(refusal.to_string().contains(status), "{refusal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wish_to_wait_beyond_the_deadline_is_a_refusal_at_once() {
    let start = Instant::now();
    let busy = ResponseTemplate::new(429).insert_header("retry-after", "3600");
    let run = run(vec![busy]).await;
    let refusal = run.result.unwrap_err().to_string();
    assert!(refusal.contains("3600.0 s would be too late"), "{refusal}");
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[tokio::test(flavor = "multi_thread")]
async fn other_faults_of_the_server_are_not_repeated() {
    for (answer, wanted) in [
        (ResponseTemplate::new(401).set_body_string("wrong key"), "HTTP 401: wrong key"),
        (ResponseTemplate::new(200).set_body_string("<html>"), "no chat completion"),
        (ResponseTemplate::new(200).set_body_json(json!({"choices": []})), "without content"),
    ] {
        let run = run(vec![answer]).await;
        let refusal = run.result.unwrap_err();
        assert_eq!(refusal.code(), ErrorCode::PlannerUnavailable);
        assert!(refusal.to_string().contains(wanted), "{refusal}");
        assert_eq!(run.requests.len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn silence_ends_at_the_deadline() {
    let start = Instant::now();
    let silent = says(good_plan()).set_delay(Duration::from_secs(60));
    let run = run_with(vec![silent], |config| {
        config.attempt_timeout_s = 0.3;
        config.total_timeout_s = 1.2;
        config.max_retries = 100;
    })
    .await;
    let refusal = run.result.unwrap_err();
    assert_eq!(refusal.code(), ErrorCode::PlannerUnavailable);
    assert!(refusal.to_string().contains("no answer within"), "{refusal}");
    // Far from 60 s even on a machine that is slow.
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
}

#[test]
fn nobody_there_is_a_refusal_and_polling_never_blocks() {
    let config = LlmConfig {
        base_url: "http://127.0.0.1:9/v1".into(),
        total_timeout_s: 5.0,
        max_retries: 0,
        ..LlmConfig::default()
    };
    let planner = LlmPlanner::new(config).unwrap();
    let mut planning = planner.start(PlanRequest::new("go home", tabletop(), registry()));
    let result = loop {
        match planning.poll() {
            Some(result) => break result,
            None => std::thread::yield_now(),
        }
    };
    assert_eq!(result.unwrap_err().code(), ErrorCode::PlannerUnavailable);
    assert!(planning.poll().is_none(), "given once");
    let empty = planner.start(PlanRequest::new("  ", tabletop(), registry())).wait();
    assert_eq!(empty, Err(PlanRefusal::EmptyInstruction));
}

#[test]
fn a_wrong_configuration_names_field_and_what_is_allowed() {
    let wrong = |adjust: fn(&mut LlmConfig)| {
        let mut config = LlmConfig::default();
        adjust(&mut config);
        LlmPlanner::new(config).err().unwrap().to_string()
    };
    assert!(wrong(|c| c.base_url = "localhost".into()).contains("base_url: `localhost`"));
    assert!(wrong(|c| c.total_timeout_s = 0.0).contains("total_timeout_s: `0`"));
    assert!(wrong(|c| c.temperature = 3.0).contains("allowed: 0 to 2"));
    let error = wrong(|c| c.api_key_env = Some("SINEW_TEST_NO_SUCH_KEY".into()));
    assert!(error.contains("SINEW_TEST_NO_SUCH_KEY"), "{error}");
}
