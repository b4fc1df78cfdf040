//! `drive_to` through Nav2: what it does when Nav2 drives well, lies, refuses, gives up, hangs, or does not obey.

use std::f64::consts::PI;
use std::time::Duration;

use serde_json::{Value, json};
use sinew_bus::{
    ActionEvent, ActionServer, Bus, BusNode, GoalHandle, GoalStatus, Publisher, Subscription, names,
};
use sinew_msgs::geometry_msgs::{Pose, Twist};
use sinew_msgs::nav_msgs::Odometry;
use sinew_msgs::nav2_msgs::action::NavigateToPose;
use sinew_msgs::nav2_msgs::{NavigateToPoseFeedback, NavigateToPoseResult};
use sinew_msgs::sinew_msgs::{AcquireLeaseRequest, ExecuteSkillGoal, SafetyState};
use sinew_nodes::{Node, NodeError, Progress};
use sinew_types::{ErrorCode, Time};

use super::rig::{Rig, Skill, TICK, Told, evidence, skills_node};

/// What Nav2 does with a goal.
#[derive(Clone, Copy, PartialEq)]
enum Plan {
    /// Drives there and says so.
    Drive,
    Reject,
    /// Says that it is there, and has not moved.
    Claim,
    /// Drives for a second, then gives up.
    GiveUp {
        error_code: u16,
    },
    /// Turns on the spot without end; stops when it is told to.
    Turn,
    /// Turns on the spot without end, and does not even answer when it is told to end.
    Disobey,
    /// Sends feedback for a second, then hangs.
    Hang,
    /// The same, and none of its feedback comes.
    HangUnheard,
    /// Drives, and takes itself to be elsewhere.
    Elsewhere,
}

struct Running {
    goal: GoalHandle<NavigateToPose>,
    since: Option<Time>,
}

struct Nav2 {
    plan: Plan,
    told: Told,
    server: ActionServer<NavigateToPose>,
    cmd_vel: Publisher<Twist>,
    odom: Subscription<Odometry>,
    pose: Pose,
    running: Option<Running>,
}

fn yaw(pose: &Pose) -> f64 {
    2.0 * pose.orientation.z.atan2(pose.orientation.w)
}

fn wrapped(angle: f64) -> f64 {
    (angle + PI).rem_euclid(2.0 * PI) - PI
}

impl Nav2 {
    fn new(node: &BusNode, plan: Plan, told: Told) -> Self {
        Self {
            plan,
            told,
            server: node.action_server(&names::NAVIGATE_TO_POSE).unwrap(),
            cmd_vel: node.publisher(&names::CMD_VEL).unwrap(),
            odom: node.subscription(&names::ODOM).unwrap(),
            pose: Pose::default(),
            running: None,
        }
    }

    fn take(&mut self) {
        while let Some(event) = self.server.take_event() {
            match event {
                ActionEvent::Goal(request) if self.plan == Plan::Reject => {
                    self.told.goal();
                    request.reject();
                }
                ActionEvent::Goal(request) => {
                    self.told.goal();
                    self.running = Some(Running { goal: request.accept(), since: None });
                }
                ActionEvent::Cancel(request) => {
                    self.told.cancel();
                    if self.plan == Plan::Disobey {
                        request.reject();
                        continue;
                    }
                    request.accept();
                    if let Some(running) = self.running.take() {
                        self.drive(0.0, 0.0);
                        running.goal.canceled(NavigateToPoseResult::default());
                    }
                }
            }
        }
    }

    fn drive(&self, forward: f64, turn: f64) {
        let mut twist = Twist::default();
        (twist.linear.x, twist.angular.z) = (forward, turn);
        self.cmd_vel.publish(&twist).unwrap();
    }

    /// Turns to the goal, drives to it, turns as it says. Whether it is there.
    fn go(&self, goal: &Pose) -> bool {
        let (dx, dy) =
            (goal.position.x - self.pose.position.x, goal.position.y - self.pose.position.y);
        let far = dx.hypot(dy);
        let turn = match far > 0.02 {
            true => wrapped(dy.atan2(dx) - yaw(&self.pose)),
            false => wrapped(yaw(goal) - yaw(&self.pose)),
        };
        let forward = if far > 0.02 && turn.abs() < 0.3 { far.min(0.4) } else { 0.0 };
        let is_there = far <= 0.02 && turn.abs() < 0.02;
        if is_there {
            self.drive(0.0, 0.0)
        } else {
            self.drive(forward, turn.clamp(-0.8, 0.8))
        }
        is_there
    }

    fn feedback(&self, running: &Running) {
        let mut feedback = NavigateToPoseFeedback::default();
        feedback.current_pose.header.frame_id = "map".into();
        feedback.current_pose.pose = self.pose.clone();
        if self.plan == Plan::Elsewhere {
            feedback.current_pose.pose.position.x += 2.0;
        }
        running.goal.publish_feedback(feedback).unwrap();
    }
}

impl Node for Nav2 {
    fn name(&self) -> &str {
        "nav2"
    }

    fn period(&self) -> Duration {
        TICK
    }

    fn step(&mut self, now: Time) -> Result<Progress, NodeError> {
        if let Some(odom) = self.odom.take_newest() {
            self.pose = odom.message.pose.pose;
        }
        self.take();
        let Some(mut running) = self.running.take() else { return Ok(Progress::Done) };
        let drove = now.since(*running.since.get_or_insert(now));
        let is_late = drove > Duration::from_secs(1);
        let goal = running.goal.goal().pose.pose.clone();
        let done = NavigateToPoseResult::default();
        match self.plan {
            Plan::Claim => running.goal.succeed(done),
            Plan::GiveUp { error_code } if is_late => {
                self.drive(0.0, 0.0);
                let error_msg = "a wall is in the way".into();
                running.goal.abort(NavigateToPoseResult { error_code, error_msg });
            }
            Plan::Hang | Plan::HangUnheard if is_late => self.running = Some(running),
            Plan::Turn | Plan::Disobey => {
                self.drive(0.0, 0.5);
                self.feedback(&running);
                self.running = Some(running);
            }
            _ => {
                if self.plan != Plan::HangUnheard {
                    self.feedback(&running);
                }
                match self.go(&goal) {
                    true => running.goal.succeed(done),
                    false => self.running = Some(running),
                }
            }
        }
        Ok(Progress::Done)
    }
}

fn nav2() -> Value {
    json!({"navigation": "nav2", "nav2": {"frame_id": "map"}})
}

fn rig(plan: Plan) -> (Rig, Told) {
    let told = Told::default();
    let rig = Rig::new(nav2(), |node| Some(Nav2::new(node, plan, told.clone())));
    (rig, told)
}

/// Has it drive until it is measured in motion.
fn in_motion(plan: Plan) -> (Rig, Told, Skill) {
    let (mut rig, told) = rig(plan);
    let mut skill = rig.drive(0.0);
    rig.until(&mut skill, |rig, _| rig.speed() > 0.1);
    (rig, told, skill)
}

#[track_caller]
fn assert_rests(rig: &Rig) {
    assert!(rig.speed() < 0.02, "{} m/s or rad/s when the result came", rig.speed());
    assert_eq!(rig.owner("base").lease_id, 0, "nobody has the base any more");
}

const EXTERNAL: u8 = AcquireLeaseRequest::SOURCE_EXTERNAL;
const SKILL: u8 = AcquireLeaseRequest::SOURCE_SKILL;

#[test]
fn nav2_drives_and_the_measured_pose_makes_it_a_success() {
    let (mut rig, told) = rig(Plan::Drive);
    let mut skill = rig.drive(0.0);
    let (status, result) = rig.finish(&mut skill);
    assert_eq!((status, result.error_code), (GoalStatus::Succeeded, 0), "{}", result.error_msg);
    assert!(result.postcondition_met);
    assert_eq!(evidence(&result, "near(bin)"), Some("true"));
    assert_eq!(evidence(&result, "nav2_status"), Some("succeeded"));
    assert!(skill.feedback.iter().any(|f| f.control_source == "external"));
    assert!(rig.held_by("base", EXTERNAL) && !rig.held_by("base", SKILL), "{:?}", rig.sources);
    assert_eq!((told.goals(), told.cancels()), (1, 0));
    assert_rests(&rig);
}

#[test]
fn what_nav2_claims_is_not_believed() {
    let (mut rig, _) = rig(Plan::Claim);
    let mut skill = rig.drive(0.0);
    let (status, result) = rig.finish(&mut skill);
    assert_eq!(status, GoalStatus::Aborted);
    assert_eq!(result.error_code, ErrorCode::PostconditionFailed.as_u16());
    assert!(result.error_msg.contains("near(bin)"), "{}", result.error_msg);
    assert_eq!(evidence(&result, "nav2_status"), Some("succeeded"));
}

#[test]
fn a_goal_that_nav2_rejects_moves_nothing() {
    let (mut rig, told) = rig(Plan::Reject);
    let from = rig.place();
    let mut skill = rig.drive(0.0);
    let (_, result) = rig.finish(&mut skill);
    assert_eq!(result.error_code, ErrorCode::BackendRefused.as_u16(), "{}", result.error_msg);
    assert_eq!(evidence(&result, "nav2_status"), Some("rejected"));
    assert_eq!((told.goals(), told.cancels()), (1, 0));
    let to = rig.place();
    assert!((to.0 - from.0).hypot(to.1 - from.1) < 0.01);
}

#[test]
fn nav2s_reason_for_giving_up_is_named_typed_and_kept() {
    for (error_code, name, error) in [
        (208, "ComputePathToPose NO_VALID_PATH", ErrorCode::BackendNoWay),
        (105, "FollowPath FAILED_TO_MAKE_PROGRESS", ErrorCode::BackendFailed),
    ] {
        let (mut rig, _) = rig(Plan::GiveUp { error_code });
        let mut skill = rig.drive(0.0);
        let (status, result) = rig.finish(&mut skill);
        assert_eq!((status, result.error_code), (GoalStatus::Aborted, error.as_u16()));
        assert_eq!(evidence(&result, "nav2_error"), Some(name));
        assert_eq!(evidence(&result, "nav2_error_msg"), Some("a wall is in the way"));
        let said = &result.error_msg;
        assert!(said.contains(name) && said.contains("a wall is in the way"), "{said}");
        assert_rests(&rig);
    }
}

#[test]
fn a_cancelled_goal_ends_at_nav2_and_then_at_rest() {
    let (mut rig, told, mut skill) = in_motion(Plan::Drive);
    skill.cancel();
    let (status, result) = rig.finish(&mut skill);
    assert_eq!(status, GoalStatus::Canceled);
    assert_eq!(result.error_code, ErrorCode::Canceled.as_u16());
    assert_eq!(evidence(&result, "nav2_status"), Some("canceled"));
    assert_eq!(evidence(&result, "at_rest"), Some("true"));
    assert_eq!(told.cancels(), 1);
    assert_rests(&rig);
}

#[test]
fn a_goal_without_end_is_cancelled_at_the_time_limit() {
    let (mut rig, told) = rig(Plan::Turn);
    let mut skill = rig.drive(3.0);
    let (status, result) = rig.finish(&mut skill);
    assert_eq!((status, result.error_code), (GoalStatus::Aborted, ErrorCode::TimeLimit.as_u16()));
    assert_eq!(evidence(&result, "nav2_status"), Some("canceled"));
    assert_eq!(told.cancels(), 1);
    assert_rests(&rig);
}

#[test]
fn when_nav2_hangs_in_mid_motion_its_silence_ends_the_goal() {
    for plan in [Plan::Hang, Plan::HangUnheard] {
        let (mut rig, told, mut skill) = in_motion(plan);
        let began = rig.now();
        let (_, result) = rig.finish(&mut skill);
        assert_eq!(result.error_code, ErrorCode::PeerLost.as_u16(), "{}", result.error_msg);
        assert!(result.error_msg.contains("no feedback for 3 s"), "{}", result.error_msg);
        assert!(rig.now().since(began) < Duration::from_secs(10));
        assert!(told.cancels() >= 1, "it may still be there");
        assert_eq!(rig.newest.mode, SafetyState::MODE_READY, "nothing is latched");
        assert_rests(&rig);
    }
}

#[test]
fn nav2_that_moves_the_robot_on_after_a_cancel_is_stopped_by_force() {
    let (mut rig, told, mut skill) = in_motion(Plan::Disobey);
    skill.cancel();
    let (status, result) = rig.finish(&mut skill);
    assert_eq!(status, GoalStatus::Canceled);
    assert!(result.error_msg.contains("emergency stop was triggered"), "{}", result.error_msg);
    assert!(result.error_msg.contains("has not said that its goal ended"), "{}", result.error_msg);
    assert!(told.cancels() >= 5, "asked again and again: {}", told.cancels());
    assert_eq!(rig.newest.mode, SafetyState::MODE_ESTOP);
    assert!(rig.speed() < 0.02, "{}", rig.speed());
}

#[test]
fn a_goal_that_ends_in_a_pause_is_told_to_end_until_nav2_says_that_it_has() {
    let (mut rig, told, mut skill) = in_motion(Plan::Disobey);
    rig.take_base();
    let (_, result) = rig.finish(&mut skill);
    assert_eq!(result.error_code, ErrorCode::LeaseRevoked.as_u16(), "{}", result.error_msg);
    assert!(result.error_msg.contains("has not said that its goal ended"), "{}", result.error_msg);
    let cancels = told.cancels();
    rig.run(2.0);
    assert!(told.cancels() >= cancels + 3, "{} after {cancels}", told.cancels());
}

#[test]
fn nav2_that_takes_the_robot_to_be_elsewhere_is_told_to_end() {
    let (mut rig, told) = rig(Plan::Elsewhere);
    let mut skill = rig.drive(0.0);
    let (_, result) = rig.finish(&mut skill);
    assert_eq!(result.error_code, ErrorCode::BackendFailed.as_u16());
    assert!(result.error_msg.contains("2.0"), "{}", result.error_msg);
    assert!(result.error_msg.contains("from where it is measured"), "{}", result.error_msg);
    assert_eq!(told.cancels(), 1);
    assert_rests(&rig);
}

#[test]
fn a_person_who_takes_over_ends_nav2s_goal_and_a_resume_sends_another() {
    let (mut rig, told, mut skill) = in_motion(Plan::Drive);
    rig.take_base();
    rig.until(&mut skill, |_, skill| skill.feedback.last().is_some_and(|f| f.phase == "paused"));
    rig.run(1.0);
    assert_eq!((told.goals(), told.cancels()), (1, 1));
    rig.let_go();
    rig.run(1.0);
    assert_eq!(told.goals(), 1, "nothing resumes by itself");
    rig.operator(&names::RESUME);
    let (status, result) = rig.finish(&mut skill);
    assert_eq!((status, result.error_code), (GoalStatus::Succeeded, 0), "{}", result.error_msg);
    assert_eq!((told.goals(), result.interventions), (2, 1));
}

#[test]
fn an_e_stop_ends_nav2s_goal() {
    let (mut rig, told, mut skill) = in_motion(Plan::Turn);
    rig.operator(&names::E_STOP_TRIGGER);
    let (status, result) = rig.finish(&mut skill);
    assert_eq!((status, result.error_code), (GoalStatus::Aborted, ErrorCode::SafetyStop.as_u16()));
    assert_eq!(told.cancels(), 1);
}

#[test]
fn a_base_that_another_system_drives_is_busy() {
    let (mut rig, told) = rig(Plan::Drive);
    let other = rig.node.publisher(&names::CMD_VEL).unwrap();
    for _ in 0..25 {
        other.publish(&Twist::default()).unwrap();
        rig.step();
    }
    let mut skill = rig.drive(0.0);
    rig.until(&mut skill, |_, skill| {
        other.publish(&Twist::default()).unwrap();
        skill.end.is_some()
    });
    let (_, result) = skill.end.unwrap();
    assert_eq!(result.error_code, ErrorCode::Busy.as_u16(), "{}", result.error_msg);
    assert!(result.error_msg.contains("base in use by an external system"), "{}", result.error_msg);
    assert_eq!(told.goals(), 0);
}

#[test]
fn without_nav2_a_goal_says_which_action_is_missing() {
    let mut rig = Rig::new(nav2(), |_| None::<Nav2>);
    let mut skill = rig.drive(0.0);
    let (_, result) = rig.finish(&mut skill);
    assert_eq!(result.error_code, ErrorCode::BackendUnavailable.as_u16());
    assert!(result.error_msg.contains("/mobi/navigate_to_pose"), "{}", result.error_msg);
}

#[test]
fn a_frame_that_is_not_the_measured_ones_moves_nothing() {
    let told = Told::default();
    let parameters = json!({"navigation": "nav2", "nav2": {"frame_id": "odom"}});
    let mut rig = Rig::new(parameters, |node| Some(Nav2::new(node, Plan::Drive, told.clone())));
    let mut skill = rig.drive(0.0);
    let (_, result) = rig.finish(&mut skill);
    assert_eq!(result.error_code, ErrorCode::BackendRefused.as_u16());
    assert!(result.error_msg.contains("allowed: `map`"), "{}", result.error_msg);
    assert_eq!(told.goals(), 0);
}

#[test]
fn a_speed_that_nav2_cannot_be_told_is_rejected() {
    let (mut rig, _) = rig(Plan::Drive);
    let goal = ExecuteSkillGoal {
        speed_scale: 0.5,
        ..ExecuteSkillGoal::new("drive_to", r#"{"target": "bin"}"#)
    };
    let mut skill = rig.send(goal, 0.0);
    let reason = rig.rejected(&mut skill);
    assert_eq!(reason.error_code, ErrorCode::InvalidArguments.as_u16());
    assert!(reason.error_msg.contains("speed_scale 0.5"), "{}", reason.error_msg);
}

#[test]
fn parameters_that_do_not_fit_each_other_are_refused_by_name() {
    for (parameters, named) in [
        (json!({"navigation": "nav2"}), "nav2.frame_id"),
        (json!({"nav2": {"frame_id": "map"}}), "navigation: nav2"),
        (json!({"navigation": "nav3"}), "nav3"),
        (json!({"motion": "moveit"}), "moveit.group"),
        (json!({"moveit": {"group": "arm"}}), "motion: moveit"),
        (json!({"motion": "moveit", "moveit": {"groop": "arm"}}), "groop"),
    ] {
        let error = skills_node(&Bus::in_process(), parameters).err().unwrap().to_string();
        assert!(error.contains(named), "{error}");
    }
}
