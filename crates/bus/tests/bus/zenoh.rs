//! What only exists between processes: foreign bytes, lost peers, limits in wall time, routers.

use std::time::Duration;

use crate::support::{Pair, free_endpoint, until, until_true, zenoh as open};
use hiroz::MessageTypeInfo;
use hiroz::entity::TypeHash;
use sinew_bus::names::{self, Topic};
use sinew_bus::{ActionEvent, CallError, GoalEvent, GoalStatus, Qos, ZenohRouter};
use sinew_msgs::sensor_msgs::JointState;
use sinew_msgs::sinew_msgs::{ExecuteSkillGoal, ExecuteSkillResult};
use sinew_msgs::std_msgs::Bool;
use sinew_msgs::std_srvs::{TriggerRequest, TriggerResponse};
use zenoh::Wait;

fn stranger(endpoint: &str) -> zenoh::Session {
    let mut config = zenoh::Config::default();
    config.insert_json5("mode", "\"client\"").unwrap();
    config.insert_json5("scouting/multicast/enabled", "false").unwrap();
    config.insert_json5("connect/endpoints", &format!("[\"{endpoint}\"]")).unwrap();
    zenoh::open(config).wait().unwrap()
}

#[test]
fn foreign_bytes_are_counted_and_dropped() {
    let endpoint = free_endpoint();
    let bus = open(&[&endpoint], &[], Duration::from_secs(10));
    let node = bus.node("robot", "/mobi").unwrap();
    let subscription = node.subscription(&names::JOINT_STATES).unwrap();
    let server = node.service_server(&names::ARM).unwrap();
    let action = node.action_server(&names::EXECUTE_SKILL).unwrap();
    let session = stranger(&endpoint);

    // Nothing; a wrong header; too short; a sequence that claims 4 G elements.
    let cases: [&[u8]; 4] = [
        &[],
        &[7; 40],
        &[0, 1, 0, 0, 1],
        &[0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 255, 255, 255, 255],
    ];
    for case in cases {
        session.put("0/mobi/joint_states/**", case).attachment([1, 2, 3]).wait().unwrap();
    }
    until_true("counted messages", || {
        assert!(subscription.take().is_none());
        subscription.undecodable() == 4
    });
    let publisher = node.publisher(&names::JOINT_STATES).unwrap();
    publisher.publish(&JointState { position: vec![1.0], ..JointState::default() }).unwrap();
    assert_eq!(until("message", || subscription.take()).message.position, [1.0]);

    // A request without payload or attachment; then action requests of nonsense.
    let _replies = session.get("0/mobi/safety/arm/**").wait().unwrap();
    until_true("counted request", || {
        assert!(server.take_request().is_none());
        server.undecodable() == 1
    });
    for part in ["send_goal", "cancel_goal", "get_result"] {
        let key = format!("0/mobi/execute_skill/_action/{part}/**");
        let _replies = session.get(key).payload([9; 5]).wait().unwrap();
    }
    until_true("counted requests of the action", || {
        assert!(action.take_event().is_none());
        action.undecodable() == 3
    });
}

/// `std_msgs/Bool` as somebody defined it otherwise.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
struct OtherBool {
    data: u8,
}

impl MessageTypeInfo for OtherBool {
    fn type_name() -> &'static str {
        Bool::type_name()
    }

    fn type_hash() -> TypeHash {
        TypeHash::new(1, [7; 32])
    }
}

#[test]
fn an_endpoint_of_another_type_is_named_with_both_hashes() {
    let pair = Pair::zenoh();
    let ours = pair.server.node("hardware", "/mobi").unwrap();
    let theirs = pair.client.node("old", "/mobi").unwrap();
    let _publisher = ours.publisher(&Topic::<Bool>::new("stopped", Qos::reliable(1))).unwrap();
    let _fits = theirs.subscription(&Topic::<Bool>::new("stopped", Qos::reliable(1))).unwrap();
    let _server = ours.service_server(&names::ARM).unwrap();
    let _client = theirs.service_client(&names::ARM).unwrap();
    let other = Topic::<OtherBool>::new("stopped", Qos::reliable(1));
    let _subscription = theirs.subscription(&other).unwrap();
    until_true("the other endpoint", || !ours.type_mismatches().is_empty());
    let found = ours.type_mismatches();
    assert_eq!(found.len(), 1, "{found:?}");
    let said = found[0].to_string();
    let (our_hash, their_hash) = (Bool::type_hash(), OtherBool::type_hash());
    for part in ["/mobi/stopped", "/mobi/old", &our_hash.to_string(), &their_hash.to_string()] {
        assert!(said.contains(part), "{said}");
    }
    until_true("the same from the other side", || theirs.type_mismatches().len() == 1);
}

#[test]
fn the_call_time_out_does_not_end_a_running_goal() {
    let pair = Pair::zenoh_with_call_timeout(Duration::from_millis(50));
    let server_node = pair.server.node("skills", "/mobi").unwrap();
    let client_node = pair.client.node("connector", "/mobi").unwrap();
    let server = server_node.service_server(&names::ARM).unwrap();
    let client = client_node.service_client(&names::ARM).unwrap();
    let action_server = server_node.action_server(&names::EXECUTE_SKILL).unwrap();
    let action_client = client_node.action_client(&names::EXECUTE_SKILL).unwrap();
    until_true("discovery", || client.server_available() && action_client.server_available());

    let mut goal = action_client.send_goal(ExecuteSkillGoal::default());
    let handle = match until("goal", || action_server.take_event()) {
        ActionEvent::Goal(request) => request.accept(),
        event => panic!("unexpected {event:?}"),
    };
    assert!(matches!(until("acceptance", || goal.poll()), GoalEvent::Accepted));

    // The call below starts after the goal, so when it times out the goal has waited longer.
    let mut call = client.call(&TriggerRequest {});
    let held = until("request", || server.take_request());
    assert!(matches!(until("time-out", || call.poll()), Err(CallError::Timeout { .. })));
    assert!(call.poll().is_none());
    held.respond(TriggerResponse::default()).unwrap();
    assert!(action_server.take_event().is_none() && goal.poll().is_none());
    handle.succeed(ExecuteSkillResult::default());
    let end = until("result", || {
        assert!(action_server.take_event().is_none());
        goal.poll()
    });
    assert!(matches!(end, GoalEvent::Result { status: GoalStatus::Succeeded, .. }), "{end:?}");
}

#[test]
fn a_client_that_dies_does_not_hurt_the_server() {
    let endpoint = free_endpoint();
    let limit = Duration::from_secs(10);
    let server_bus = open(&[&endpoint], &[], limit);
    let server_node = server_bus.node("skills", "/mobi").unwrap();
    let server = server_node.action_server(&names::EXECUTE_SKILL).unwrap();
    let handle = {
        let bus = open(&[], &[&endpoint], limit);
        let client =
            bus.node("doomed", "/mobi").unwrap().action_client(&names::EXECUTE_SKILL).unwrap();
        until_true("discovery", || client.server_available());
        let mut goal = client.send_goal(ExecuteSkillGoal::default());
        let handle = match until("goal", || server.take_event()) {
            ActionEvent::Goal(request) => request.accept(),
            event => panic!("unexpected {event:?}"),
        };
        assert!(matches!(until("acceptance", || goal.poll()), GoalEvent::Accepted));
        goal.cancel();
        handle
    };
    until_true("leave", || !server_bus.is_alive("doomed", "/mobi"));
    // Its cancel request may have arrived; nobody waits for the answer, nor for the result.
    while let Some(event) = server.take_event() {
        if let ActionEvent::Cancel(cancel) = event {
            cancel.accept();
        }
    }
    handle.publish_feedback(Default::default()).unwrap();
    handle.succeed(ExecuteSkillResult::default());

    let bus = open(&[], &[&endpoint], limit);
    let client = bus.node("next", "/mobi").unwrap().action_client(&names::EXECUTE_SKILL).unwrap();
    until_true("discovery", || client.server_available());
    let mut goal = client.send_goal(ExecuteSkillGoal::default());
    match until("goal", || server.take_event()) {
        ActionEvent::Goal(request) => request.reject(),
        event => panic!("unexpected {event:?}"),
    }
    assert!(matches!(until("rejection", || goal.poll()), GoalEvent::Rejected));
}

/// Not a test: the server process that the next test kills.
#[test]
#[ignore = "a child process of a_goal_is_lost_when_its_server_is_killed"]
fn child_that_accepts_goals_and_never_ends_them() {
    let endpoint = std::env::var("SINEW_TEST_ENDPOINT").unwrap();
    let bus = open(&[], &[&endpoint], Duration::from_secs(10));
    let server = bus.node("skills", "/mobi").unwrap().action_server(&names::EXECUTE_SKILL).unwrap();
    let mut running = Vec::new();
    loop {
        if let ActionEvent::Goal(request) = until("goal", || server.take_event()) {
            running.push(request.accept());
        }
    }
}

#[test]
fn a_goal_is_lost_when_its_server_is_killed() {
    let endpoint = free_endpoint();
    let bus = open(&[&endpoint], &[], Duration::from_secs(10));
    let node = bus.node("connector", "/mobi").unwrap();
    let client = node.action_client(&names::EXECUTE_SKILL).unwrap();
    let start = || {
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "zenoh::child_that_accepts_goals_and_never_ends_them", "--ignored"])
            .env("SINEW_TEST_ENDPOINT", &endpoint)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap()
    };
    // Twice: a server that was started again can be used again.
    for _ in 0..2 {
        let mut child = start();
        until_true("discovery", || client.server_available());
        let mut goal = client.send_goal(ExecuteSkillGoal::default());
        assert!(matches!(until("acceptance", || goal.poll()), GoalEvent::Accepted));
        child.kill().unwrap();
        child.wait().unwrap();
        let end = until("loss", || goal.poll());
        assert!(matches!(end, GoalEvent::Lost { error: CallError::NoServer { .. } }), "{end:?}");
        until_true("withdrawal", || !client.server_available());
    }
}

#[test]
fn peers_find_each_other_through_a_router() {
    let router = ZenohRouter::open(&free_endpoint()).unwrap();
    let limit = Duration::from_secs(10);
    let first = open(&["tcp/127.0.0.1:0"], &[router.endpoint()], limit);
    let second = open(&["tcp/127.0.0.1:0"], &[router.endpoint()], limit);
    let server = first.node("a", "/mobi").unwrap().service_server(&names::ARM).unwrap();
    let client = second.node("b", "/mobi").unwrap().service_client(&names::ARM).unwrap();
    until_true("discovery", || client.server_available());
    let mut call = client.call(&TriggerRequest {});
    let response = TriggerResponse { success: true, message: String::new() };
    until("request", || server.take_request()).respond(response).unwrap();
    assert!(until("response", || call.poll()).unwrap().success);
}

#[test]
fn an_endpoint_that_cannot_be_used_is_named() {
    let error = ZenohRouter::open("nonsense").unwrap_err();
    assert!(error.to_string().contains("nonsense"), "{error}");
}
