//! What every carrier must do, run on each.

use std::time::Duration;

use crate::support::{Pair, until, until_true};
use sinew_bus::names::{self, ActionName, ServiceName, Topic};
use sinew_bus::{
    ActionClient, ActionEvent, ActionServer, BusNode, CallError, GoalCall, GoalEvent, GoalHandle,
    GoalRequest, GoalStatus, Qos,
};
use sinew_msgs::sinew_msgs::{ExecuteSkillFeedback, ExecuteSkillGoal, ExecuteSkillResult, action};
use sinew_msgs::std_msgs;
use sinew_msgs::std_srvs::{TriggerRequest, TriggerResponse};

type ExecuteSkill = action::ExecuteSkill;

fn text(data: &str) -> std_msgs::String {
    std_msgs::String { data: data.to_owned() }
}

fn nodes(pair: &Pair) -> (BusNode, BusNode) {
    (pair.server.node("server", "/mobi").unwrap(), pair.client.node("client", "/mobi").unwrap())
}

/// Runs each function on each carrier.
macro_rules! on_each_carrier {
    ($($name:ident),* $(,)?) => {
        mod in_process { $(#[test] fn $name() { super::$name(&super::Pair::in_process()); })* }
        mod zenoh { $(#[test] fn $name() { super::$name(&super::Pair::zenoh()); })* }
        #[cfg(feature = "ros2")]
        mod ros2 { $(#[test] fn $name() { super::$name(&super::Pair::ros2()); })* }
    };
}

/// Between processes; in-process no time-out is there to be passed.
mod zenoh_long {
    #[test]
    #[ignore = "90 s: tests/ros2/run.sh runs it beside a build"]
    fn a_goal_outlasts_every_time_out_of_the_carrier() {
        super::a_goal_outlasts_every_time_out_of_the_carrier(&super::Pair::zenoh());
    }
}
#[cfg(feature = "ros2")]
mod ros2_long {
    #[test]
    #[ignore = "90 s: tests/ros2/run.sh runs it beside a build"]
    fn a_goal_outlasts_every_time_out_of_the_carrier() {
        super::a_goal_outlasts_every_time_out_of_the_carrier(&super::Pair::ros2());
    }
}

on_each_carrier!(
    messages_arrive_in_order_and_say_who_sent_them,
    a_full_queue_drops_the_oldest_and_counts,
    a_late_joiner_gets_what_is_latched_and_nothing_else,
    names_are_relative_to_the_namespace_and_remapped,
    a_request_may_be_answered_later,
    a_dropped_request_fails_its_call,
    a_call_without_a_server_fails_at_once,
    nodes_are_seen_while_they_live,
    a_goal_runs_to_its_result,
    a_goal_can_be_rejected,
    a_running_goal_can_be_cancelled,
    a_cancel_can_be_refused_and_asked_for_again,
    a_cancel_before_acceptance_waits_for_it,
    two_clients_get_their_own_feedback_and_results,
    a_dropped_handle_aborts_its_goal,
    a_goal_whose_server_goes_ends,
    a_goal_without_a_server_is_lost,
    a_result_is_kept_for_a_client_that_asks_late,
    the_waiter_wakes_when_something_arrives,
);

fn messages_arrive_in_order_and_say_who_sent_them(pair: &Pair) {
    let (server, client) = nodes(pair);
    let topic = Topic::<std_msgs::String>::new("chatter", Qos::reliable(10));
    let subscription = client.subscription(&topic).unwrap();
    let publisher = server.publisher(&topic).unwrap();
    until_true("discovery", || publisher.subscriptions() == 1 && subscription.publishers() == 1);
    for i in 0..5 {
        publisher.publish(&text(&i.to_string())).unwrap();
    }
    for i in 0..5 {
        let received = until("message", || subscription.take());
        assert_eq!(received.message.data, i.to_string());
        assert_eq!(received.publisher, publisher.id());
    }
    assert!(subscription.take().is_none());
    assert_eq!(subscription.name(), "/mobi/chatter");
}

fn a_full_queue_drops_the_oldest_and_counts(pair: &Pair) {
    let (server, client) = nodes(pair);
    let topic = Topic::<std_msgs::String>::new("chatter", Qos::reliable(2));
    let subscription = client.subscription(&topic).unwrap();
    let publisher = server.publisher(&topic).unwrap();
    until_true("discovery", || publisher.subscriptions() == 1);
    for i in 0..5 {
        publisher.publish(&text(&i.to_string())).unwrap();
    }
    until_true("drops", || subscription.dropped() == 3);
    assert_eq!(subscription.take().unwrap().message.data, "3");
    assert_eq!(subscription.take_newest().unwrap().message.data, "4");
}

fn a_late_joiner_gets_what_is_latched_and_nothing_else(pair: &Pair) {
    let (server, client) = nodes(pair);
    let latched = Topic::<std_msgs::String>::new("latched", Qos::latched(2));
    let volatile = Topic::<std_msgs::String>::new("volatile", Qos::reliable(2));
    let latched_publisher = server.publisher(&latched).unwrap();
    let volatile_publisher = server.publisher(&volatile).unwrap();
    for i in 0..4 {
        latched_publisher.publish(&text(&i.to_string())).unwrap();
        volatile_publisher.publish(&text(&i.to_string())).unwrap();
    }
    let late = client.subscription(&latched).unwrap();
    for expected in ["2", "3"] {
        assert_eq!(until("latched", || late.take()).message.data, expected);
    }
    // Only now: by the order of the link, what was sent before has surely passed.
    let volatile_late = client.subscription(&volatile).unwrap();
    latched_publisher.publish(&text("4")).unwrap();
    assert_eq!(until("live", || late.take()).message.data, "4");
    assert!(volatile_late.take().is_none());
}

fn names_are_relative_to_the_namespace_and_remapped(pair: &Pair) {
    let remaps = [("chatter".to_owned(), "/other/talk".to_owned())];
    let server = pair.server.node_with_remaps("server", "/mobi", &remaps).unwrap();
    let client = pair.client.node("client", "/other").unwrap();
    let stranger = pair.client.node("stranger", "/mobi").unwrap();
    let publisher =
        server.publisher(&Topic::<std_msgs::String>::new("chatter", Qos::DEFAULT)).unwrap();
    let subscription =
        client.subscription(&Topic::<std_msgs::String>::new("talk", Qos::DEFAULT)).unwrap();
    let deaf =
        stranger.subscription(&Topic::<std_msgs::String>::new("chatter", Qos::DEFAULT)).unwrap();
    until_true("discovery", || publisher.subscriptions() == 1);
    publisher.publish(&text("hi")).unwrap();
    assert_eq!(until("message", || subscription.take()).message.data, "hi");
    assert!(deaf.take().is_none());
}

fn a_request_may_be_answered_later(pair: &Pair) {
    let (server_node, client_node) = nodes(pair);
    let server = server_node.service_server(&names::ARM).unwrap();
    let client = client_node.service_client(&names::ARM).unwrap();
    until_true("discovery", || client.server_available());
    let mut first = client.call(&TriggerRequest {});
    let held = until("first request", || server.take_request());
    let mut second = client.call(&TriggerRequest {});
    let quick = until("second request", || server.take_request());
    quick.respond(TriggerResponse { success: true, message: "second".to_owned() }).unwrap();
    assert_eq!(until("second response", || second.poll()).unwrap().message, "second");
    assert!(first.poll().is_none());
    held.respond(TriggerResponse { success: false, message: "first".to_owned() }).unwrap();
    assert_eq!(until("first response", || first.poll()).unwrap().message, "first");
    assert!(first.poll().is_none());
}

fn a_dropped_request_fails_its_call(pair: &Pair) {
    let (server_node, client_node) = nodes(pair);
    let server = server_node.service_server(&names::ARM).unwrap();
    let client = client_node.service_client(&names::ARM).unwrap();
    until_true("discovery", || client.server_available());
    let mut call = client.call(&TriggerRequest {});
    drop(until("request", || server.take_request()));
    let error = until("failure", || call.poll()).unwrap_err();
    let service = "/mobi/safety/arm".to_owned();
    let expected = match pair.tells_of_dropped_requests {
        true => CallError::NoServer { service },
        false => CallError::Timeout { service, after: Duration::from_secs(3) },
    };
    assert_eq!(error, expected);
}

fn a_call_without_a_server_fails_at_once(pair: &Pair) {
    let (server_node, client_node) = nodes(pair);
    let client = client_node.service_client(&names::ARM).unwrap();
    assert!(!client.server_available());
    let mut call = client.call(&TriggerRequest {});
    assert!(matches!(until("failure", || call.poll()), Err(CallError::NoServer { .. })));

    let server = server_node.service_server(&names::ARM).unwrap();
    until_true("discovery", || client.server_available());
    drop(server);
    until_true("withdrawal", || !client.server_available());
}

fn nodes_are_seen_while_they_live(pair: &Pair) {
    let (server, client) = nodes(pair);
    until_true("server", || pair.client.is_alive("server", "/mobi"));
    until_true("client", || pair.server.is_alive("client", "mobi"));
    assert!(client.peers().iter().any(|peer| peer.name == "server" && peer.namespace == "/mobi"));
    drop(server);
    until_true("leave", || !pair.client.is_alive("server", "/mobi"));
}

/// An action server and client that see each other.
fn action(pair: &Pair) -> (ActionServer<ExecuteSkill>, ActionClient<ExecuteSkill>) {
    let (server_node, client_node) = nodes(pair);
    let server = server_node.action_server(&names::EXECUTE_SKILL).unwrap();
    let client = client_node.action_client(&names::EXECUTE_SKILL).unwrap();
    until_true("discovery", || client.server_available());
    (server, client)
}

fn goal(skill_id: &str) -> ExecuteSkillGoal {
    ExecuteSkillGoal::new(skill_id, "{}")
}

fn result(reason: &str) -> ExecuteSkillResult {
    ExecuteSkillResult { termination_reason: reason.to_owned(), ..ExecuteSkillResult::default() }
}

fn feedback(phase: &str) -> ExecuteSkillFeedback {
    ExecuteSkillFeedback { phase: phase.to_owned(), ..ExecuteSkillFeedback::default() }
}

fn next_goal(server: &ActionServer<ExecuteSkill>) -> GoalRequest<ExecuteSkill> {
    match until("goal", || server.take_event()) {
        ActionEvent::Goal(request) => request,
        ActionEvent::Cancel(cancel) => panic!("unexpected {cancel:?}"),
    }
}

/// The next event of a goal, while its server is polled, as its node would.
fn next_event(
    server: &ActionServer<ExecuteSkill>,
    call: &mut GoalCall<ExecuteSkill>,
) -> GoalEvent<ExecuteSkill> {
    until("goal event", || {
        assert!(server.take_event().is_none(), "unexpected request");
        call.poll()
    })
}

fn started(
    server: &ActionServer<ExecuteSkill>,
    client: &ActionClient<ExecuteSkill>,
    skill_id: &str,
) -> (GoalHandle<ExecuteSkill>, GoalCall<ExecuteSkill>) {
    let mut call = client.send_goal(goal(skill_id));
    let request = next_goal(server);
    assert_eq!(request.goal().skill_id, skill_id);
    assert_eq!(request.id(), call.id());
    let handle = request.accept();
    assert!(matches!(next_event(server, &mut call), GoalEvent::Accepted));
    (handle, call)
}

fn assert_ends(
    server: &ActionServer<ExecuteSkill>,
    call: &mut GoalCall<ExecuteSkill>,
    expected: GoalStatus,
    reason: &str,
) {
    match next_event(server, call) {
        GoalEvent::Result { status, result } => {
            assert_eq!((status, result.termination_reason.as_str()), (expected, reason));
        }
        event => panic!("unexpected {event:?}"),
    }
    assert!(call.is_done() && call.poll().is_none());
}

fn a_goal_runs_to_its_result(pair: &Pair) {
    let (server, client) = action(pair);
    let (handle, mut call) = started(&server, &client, "reach");
    assert!(
        (handle.goal().speed_scale - 1.0).abs() < f32::EPSILON,
        "the default of the .action file"
    );
    for phase in ["approach", "settle"] {
        handle.publish_feedback(feedback(phase)).unwrap();
    }
    for phase in ["approach", "settle"] {
        match next_event(&server, &mut call) {
            GoalEvent::Feedback(feedback) => assert_eq!(feedback.phase, phase),
            event => panic!("unexpected {event:?}"),
        }
    }
    handle.succeed(result("succeeded"));
    assert_ends(&server, &mut call, GoalStatus::Succeeded, "succeeded");
}

fn a_goal_can_be_rejected(pair: &Pair) {
    let (server, client) = action(pair);
    let mut call = client.send_goal(goal("fly"));
    next_goal(&server).reject();
    assert!(matches!(next_event(&server, &mut call), GoalEvent::Rejected));
    assert!(call.is_done());
}

fn a_running_goal_can_be_cancelled(pair: &Pair) {
    let (server, client) = action(pair);
    let (handle, mut call) = started(&server, &client, "reach");
    call.cancel();
    match until("cancel", || server.take_event()) {
        ActionEvent::Cancel(cancel) => {
            assert_eq!(cancel.goal_id(), handle.id());
            cancel.accept();
        }
        event => panic!("unexpected {event:?}"),
    }
    assert!(matches!(next_event(&server, &mut call), GoalEvent::CancelAnswered { accepted: true }));
    handle.canceled(result("cancelled"));
    assert_ends(&server, &mut call, GoalStatus::Canceled, "cancelled");
}

fn a_cancel_can_be_refused_and_asked_for_again(pair: &Pair) {
    let (server, client) = action(pair);
    let (handle, mut call) = started(&server, &client, "reach");
    for accept in [false, true] {
        call.cancel();
        match until("cancel", || server.take_event()) {
            ActionEvent::Cancel(cancel) if accept => cancel.accept(),
            ActionEvent::Cancel(cancel) => cancel.reject(),
            event => panic!("unexpected {event:?}"),
        }
        match next_event(&server, &mut call) {
            GoalEvent::CancelAnswered { accepted } => assert_eq!(accepted, accept),
            event => panic!("unexpected {event:?}"),
        }
    }
    handle.canceled(result("cancelled"));
    assert_ends(&server, &mut call, GoalStatus::Canceled, "cancelled");
}

fn a_cancel_before_acceptance_waits_for_it(pair: &Pair) {
    let (server, client) = action(pair);
    let mut call = client.send_goal(goal("reach"));
    call.cancel();
    let handle = next_goal(&server).accept();
    assert!(matches!(until("acceptance", || call.poll()), GoalEvent::Accepted));
    match until("cancel", || server.take_event()) {
        ActionEvent::Cancel(cancel) => cancel.accept(),
        event => panic!("unexpected {event:?}"),
    }
    handle.canceled(result("cancelled"));
    assert!(matches!(next_event(&server, &mut call), GoalEvent::CancelAnswered { accepted: true }));
    assert_ends(&server, &mut call, GoalStatus::Canceled, "cancelled");
}

fn two_clients_get_their_own_feedback_and_results(pair: &Pair) {
    let (server, first_client) = action(pair);
    let second_node = pair.client.node("second", "/mobi").unwrap();
    let second_client = second_node.action_client(&names::EXECUTE_SKILL).unwrap();
    until_true("discovery", || second_client.server_available());
    let (first, mut first_call) = started(&server, &first_client, "one");
    let (second, mut second_call) = started(&server, &second_client, "two");
    second.publish_feedback(feedback("second")).unwrap();
    first.publish_feedback(feedback("first")).unwrap();
    second.succeed(result("second"));
    first.abort(result("first"));
    for (call, status, name) in [
        (&mut first_call, GoalStatus::Aborted, "first"),
        (&mut second_call, GoalStatus::Succeeded, "second"),
    ] {
        match next_event(&server, call) {
            GoalEvent::Feedback(feedback) => assert_eq!(feedback.phase, name),
            event => panic!("unexpected {event:?}"),
        }
        assert_ends(&server, call, status, name);
    }
}

fn a_dropped_handle_aborts_its_goal(pair: &Pair) {
    let (server, client) = action(pair);
    let (handle, mut call) = started(&server, &client, "reach");
    drop(handle);
    assert_ends(&server, &mut call, GoalStatus::Aborted, "");
}

fn a_goal_whose_server_goes_ends(pair: &Pair) {
    let (server, client) = action(pair);
    let (handle, mut call) = started(&server, &client, "reach");
    drop(server);
    drop(handle);
    let event = until("loss", || call.poll());
    assert!(
        matches!(
            event,
            GoalEvent::Lost { .. } | GoalEvent::Result { status: GoalStatus::Aborted, .. }
        ),
        "unexpected {event:?}"
    );
    assert!(call.is_done());
}

fn a_goal_without_a_server_is_lost(pair: &Pair) {
    let (_, client_node) = nodes(pair);
    let client = client_node.action_client(&names::EXECUTE_SKILL).unwrap();
    let mut call = client.send_goal(goal("reach"));
    let event = until("loss", || call.poll());
    assert!(matches!(event, GoalEvent::Lost { error: CallError::NoServer { .. } }), "{event:?}");
}

fn a_result_is_kept_for_a_client_that_asks_late(pair: &Pair) {
    let (server, client) = action(pair);
    let mut call = client.send_goal(goal("reach"));
    next_goal(&server).accept().succeed(result("quick"));
    assert!(matches!(next_event(&server, &mut call), GoalEvent::Accepted));
    assert_ends(&server, &mut call, GoalStatus::Succeeded, "quick");
}

fn the_waiter_wakes_when_something_arrives(pair: &Pair) {
    let (server, client) = nodes(pair);
    let topic = Topic::<std_msgs::String>::new("chatter", Qos::reliable(10));
    let subscription = client.subscription(&topic).unwrap();
    let publisher = server.publisher(&topic).unwrap();
    until_true("discovery", || publisher.subscriptions() == 1);
    let mut waiter = pair.client.waiter();
    assert!(waiter.wait(std::time::Duration::ZERO), "the first wait returns at once");
    publisher.publish(&text("hi")).unwrap();
    until_true("wake-up", || {
        waiter.wait(std::time::Duration::from_secs(10)) && subscription.take().is_some()
    });
    assert!(!waiter.wait(std::time::Duration::ZERO));
}

#[test]
fn names_made_at_run_time_are_as_good_as_fixed_ones() {
    let bus = sinew_bus::Bus::in_process();
    let node = bus.node("n", "/mobi").unwrap();
    assert_eq!(
        node.publisher(&names::heartbeat("skills")).unwrap().name(),
        "/mobi/heartbeat/skills"
    );
    let service = ServiceName::<sinew_msgs::std_srvs::srv::Trigger>::named("a/b".to_owned());
    assert_eq!(node.service_client(&service).unwrap().name(), "/mobi/a/b");
    let action = ActionName::<ExecuteSkill>::named("~/go".to_owned());
    assert_eq!(node.action_client(&action).unwrap().name(), "/mobi/n/go");
}

#[test]
fn one_name_has_one_type_and_one_server_in_process() {
    let bus = sinew_bus::Bus::in_process();
    let node = bus.node("n", "/").unwrap();
    let _text = node.publisher(&Topic::<std_msgs::String>::new("x", Qos::DEFAULT)).unwrap();
    let error = node.subscription(&Topic::<std_msgs::Bool>::new("x", Qos::DEFAULT)).unwrap_err();
    assert_eq!(
        error.to_string(),
        "`/x` has type std_msgs::msg::dds_::String_, not std_msgs::msg::dds_::Bool_"
    );
    let first = node.service_server(&names::ARM).unwrap();
    let error = node.service_server(&names::ARM).unwrap_err();
    assert_eq!(error.to_string(), "service `/safety/arm` already has a server");
    drop(first);
    node.service_server(&names::ARM).unwrap();
}

/// 90 s, or as many as SINEW_LONG_GOAL_S says: past the 10 s of a query and the 60 s of a link that says nothing.
fn a_goal_outlasts_every_time_out_of_the_carrier(pair: &Pair) {
    let seconds = std::env::var("SINEW_LONG_GOAL_S").map_or(90, |text| text.parse().unwrap());
    let (server_node, client_node) = nodes(pair);
    let server = server_node.action_server(&names::EXECUTE_SKILL).unwrap();
    let client = client_node.action_client(&names::EXECUTE_SKILL).unwrap();
    until_true("discovery", || client.server_available());
    let mut goal = client.send_goal(ExecuteSkillGoal::default());
    let handle = match until("goal", || server.take_event()) {
        ActionEvent::Goal(request) => request.accept(),
        event => panic!("unexpected {event:?}"),
    };
    assert!(matches!(until("acceptance", || goal.poll()), GoalEvent::Accepted));
    // Nothing is sent meanwhile: not even feedback keeps anything awake.
    let ends = std::time::Instant::now() + Duration::from_secs(seconds);
    while std::time::Instant::now() < ends {
        assert!(server.take_event().is_none());
        if let Some(event) = goal.poll() {
            panic!("unexpected {event:?}");
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    let evidence = ExecuteSkillResult { error_msg: "at last".into(), ..Default::default() };
    handle.succeed(evidence);
    let end = until("result", || {
        assert!(server.take_event().is_none());
        goal.poll()
    });
    let GoalEvent::Result { status: GoalStatus::Succeeded, result } = end else {
        panic!("unexpected {end:?}")
    };
    assert_eq!(result.error_msg, "at last");
}
