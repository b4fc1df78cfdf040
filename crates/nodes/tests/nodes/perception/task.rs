use std::collections::BTreeMap;
use std::sync::atomic::Ordering;

use serde_json::json;
use sinew_bus::{GoalCall, GoalEvent, GoalStatus, names};
use sinew_msgs::diagnostic_msgs::DiagnosticArray;
use sinew_msgs::sinew_msgs::action::ExecuteTask;
use sinew_msgs::sinew_msgs::{ExecuteTaskGoal, ExecuteTaskResult, SafetyState};
use sinew_types::ErrorCode;

use super::rig::Rig;

/// A task, and what was said of it.
struct Task {
    call: GoalCall<ExecuteTask>,
    skill: String,
}

impl Task {
    fn begin(rig: &Rig, instruction: &str) -> Self {
        let goal = ExecuteTaskGoal { instruction: instruction.into(), ..Default::default() };
        let client = rig.node.action_client(&names::EXECUTE_TASK).unwrap();
        Self { call: client.send_goal(goal), skill: String::new() }
    }

    /// How it ended.
    fn end(&mut self) -> Option<(GoalStatus, ExecuteTaskResult)> {
        while let Some(event) = self.call.poll() {
            match event {
                GoalEvent::Feedback(feedback) => self.skill = feedback.skill_id,
                GoalEvent::Result { status, result } => return Some((status, result)),
                GoalEvent::Accepted | GoalEvent::CancelAnswered { .. } => {}
                GoalEvent::Rejected => panic!("rejected"),
                GoalEvent::Lost { error } => panic!("{error}"),
            }
        }
        None
    }
}

#[test]
fn a_task_reaches_its_goal_on_what_a_detector_sees_from_the_head_camera() {
    let mut rig = Rig::new(json!({}));
    let worlds = rig.node.subscription(&names::DETECTIONS).unwrap();
    rig.run(1.0);
    let seen = worlds.take_newest().unwrap().message;
    let ids: Vec<_> = seen.objects.iter().map(|object| object.id.as_str()).collect();
    assert_eq!(ids, ["bin", "blue_cube", "green_cube", "red_cube", "table", "tray"]);

    let mut task = Task::begin(&rig, "put the red cube in the bin");
    let mut furthest = BTreeMap::new();
    let (status, result) = rig.until(180.0, |rig| {
        // While base, head and cube move, too: objects are where they are, but for the detector's noise and its age.
        while let Some(received) = worlds.take() {
            let truth = rig.world.truth();
            for object in &received.message.objects {
                let p = &object.pose.pose.position;
                let real = truth.object(&object.id).unwrap().map_from_object.translation;
                let off = (real.vector - nalgebra::Vector3::new(p.x, p.y, p.z)).norm();
                let furthest = furthest.entry(object.id.clone()).or_insert(0.0_f64);
                *furthest = furthest.max(off);
            }
        }
        task.end()
    });
    assert_eq!((status, result.goal_met), (GoalStatus::Succeeded, true), "{result:?}");
    assert_eq!(furthest.len(), 6, "each keeps its id: {furthest:?}");
    for (id, off) in &furthest {
        let allowed = if id == "red_cube" { 0.03 } else { 0.015 };
        assert!(*off < allowed, "{id}: {off}");
    }
    let truth = rig.world.truth();
    let place = |id: &str| truth.object(id).unwrap().map_from_object.translation.vector.xy();
    assert!((place("red_cube") - place("bin")).norm() < 0.15);
}

#[test]
fn a_detector_that_falls_silent_in_mid_task_leaves_a_robot_at_rest_and_a_reason() {
    let mut rig = Rig::new(json!({}));
    let diagnostics = rig.node.subscription(&names::DIAGNOSTICS).unwrap();
    rig.run(1.0);
    let mut task = Task::begin(&rig, "put the red cube in the bin");
    rig.until(60.0, |rig| {
        assert!(task.end().is_none());
        (task.skill == "drive_to" && !rig.rests()).then_some(())
    });
    rig.is_blind.store(true, Ordering::Relaxed);
    let (status, result) = rig.until(180.0, |_| task.end());
    assert_eq!((status, result.goal_met), (GoalStatus::Aborted, false), "{result:?}");
    assert_ne!(result.error_code, ErrorCode::None as u16);
    assert!(!result.error_msg.is_empty());
    rig.run(1.0);
    assert!(rig.rests());
    assert_eq!(rig.newest.mode, SafetyState::MODE_READY, "nothing is latched");
    assert!(rig.newest.owners.iter().all(|owner| owner.lease_id == 0), "{:?}", rig.newest);
    let told = std::iter::from_fn(|| diagnostics.take()).map(|received| received.message);
    let told: Vec<String> = told
        .flat_map(|DiagnosticArray { status, .. }| status)
        .filter(|status| status.name == "mobi/perception: detections")
        .map(|status| status.message)
        .collect();
    assert!(told.last().unwrap().starts_with("no detections for "), "{told:?}");
}
