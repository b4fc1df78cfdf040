//! A robot on one bus, its guests on another.

use sinew_bus::names::{self, Topic};
use sinew_bus::{ActionEvent, Bridge, Bus, BusNode, GoalEvent, GoalStatus, Qos, Subscription};
use sinew_msgs::sinew_msgs::{ExecuteSkillFeedback, ExecuteSkillGoal, ExecuteSkillResult};
use sinew_msgs::std_msgs::Bool;
use sinew_msgs::std_srvs::{TriggerRequest, TriggerResponse};

fn sides() -> (BusNode, BusNode, Bridge) {
    let (robot, guests) = (Bus::in_process(), Bus::in_process());
    let node = |bus: &Bus, name: &str| bus.node(name, "/mobi").unwrap();
    let bridge = Bridge::new(node(&robot, "bridge"), node(&guests, "bridge"));
    (node(&robot, "robot"), node(&guests, "guest"), bridge)
}

fn heard(subscription: &Subscription<Bool>) -> Vec<bool> {
    std::iter::from_fn(|| subscription.take()).map(|received| received.message.data).collect()
}

#[test]
fn topics_cross_in_the_direction_that_was_asked_for() {
    let (robot, guest, mut bridge) = sides();
    let shown = Topic::<Bool>::new("shown", Qos::latched(1));
    let admitted = Topic::<Bool>::new("admitted", Qos::DEFAULT);
    bridge.show(&shown).unwrap();
    bridge.admit(&admitted).unwrap();
    let (robot_says, guest_says) =
        (robot.publisher(&shown).unwrap(), guest.publisher(&admitted).unwrap());
    let robot_hears = robot.subscription(&admitted).unwrap();
    robot_says.publish(&Bool { data: true }).unwrap();
    guest_says.publish(&Bool { data: true }).unwrap();
    bridge.step().unwrap();
    // Latched on this side, too: the guest came late.
    let guest_hears = guest.subscription(&shown).unwrap();
    assert_eq!((heard(&guest_hears), heard(&robot_hears)), (vec![true], vec![true]));
    bridge.step().unwrap();
    assert_eq!((heard(&guest_hears), heard(&robot_hears)), (vec![], vec![]), "nothing comes back");
}

#[test]
fn a_service_answers_across_and_a_dropped_request_is_answered_with_no() {
    let (robot, guest, mut bridge) = sides();
    bridge.offer(&names::ARM).unwrap();
    let server = robot.service_server(&names::ARM).unwrap();
    let client = guest.service_client(&names::ARM).unwrap();
    let mut call = client.call(&TriggerRequest {});
    bridge.step().unwrap();
    let response = TriggerResponse { success: true, message: "armed".into() };
    server.take_request().unwrap().respond(response).unwrap();
    bridge.step().unwrap();
    assert_eq!(call.poll().unwrap().unwrap().message, "armed");

    let mut call = client.call(&TriggerRequest {});
    bridge.step().unwrap();
    drop(server.take_request().unwrap());
    bridge.step().unwrap();
    let answer = call.poll().unwrap().unwrap();
    assert!(!answer.success && answer.message.is_empty());
}

#[test]
fn a_goal_keeps_identity_feedback_cancel_and_result() {
    let (robot, guest, mut bridge) = sides();
    bridge.offer_action(&names::EXECUTE_SKILL).unwrap();
    let server = robot.action_server(&names::EXECUTE_SKILL).unwrap();
    let client = guest.action_client(&names::EXECUTE_SKILL).unwrap();
    let mut call = client.send_goal(ExecuteSkillGoal::new("reach", "{}"));
    let mut events = Vec::new();
    let mut handle = None;
    for _ in 0..20 {
        bridge.step().unwrap();
        match server.take_event() {
            Some(ActionEvent::Goal(request)) => {
                assert_eq!((request.id(), request.goal().skill_id.as_str()), (call.id(), "reach"));
                let accepted = request.accept();
                let feedback =
                    ExecuteSkillFeedback { phase: "approach".into(), ..Default::default() };
                accepted.publish_feedback(feedback).unwrap();
                handle = Some(accepted);
            }
            Some(ActionEvent::Cancel(cancel)) => {
                cancel.accept();
                let result = ExecuteSkillResult {
                    termination_reason: "cancelled".into(),
                    ..Default::default()
                };
                handle.take().unwrap().canceled(result);
            }
            None => {}
        }
        while let Some(event) = call.poll() {
            match event {
                GoalEvent::Accepted => events.push("accepted"),
                GoalEvent::Feedback(feedback) => {
                    assert_eq!(feedback.phase, "approach");
                    events.push("feedback");
                    call.cancel();
                }
                GoalEvent::CancelAnswered { accepted } => {
                    assert!(accepted);
                    events.push("cancel answered");
                }
                GoalEvent::Result { status, result } => {
                    assert_eq!(status, GoalStatus::Canceled);
                    assert_eq!(result.termination_reason, "cancelled");
                    events.push("result");
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(events, ["accepted", "feedback", "cancel answered", "result"]);
}
