//! `home` through MoveIt, which plans and has the robot follow its trajectory by `follow_joint_trajectory`.

use std::time::Duration;

use serde_json::{Value, json};
use sinew_bus::{
    ActionClient, ActionEvent, ActionServer, BusNode, GoalCall, GoalEvent, GoalHandle, GoalStatus,
    names,
};
use sinew_msgs::control_msgs::FollowJointTrajectoryGoal;
use sinew_msgs::control_msgs::action::FollowJointTrajectory;
use sinew_msgs::moveit_msgs::action::MoveGroup;
use sinew_msgs::moveit_msgs::{MoveGroupGoal, MoveGroupResult, MoveItErrorCodes as Codes};
use sinew_msgs::sinew_msgs::{AcquireLeaseRequest, ExecuteSkillGoal, SafetyState};
use sinew_msgs::trajectory_msgs::JointTrajectoryPoint;
use sinew_nodes::convert::duration_to_msg;
use sinew_nodes::{Node, NodeError, Progress};
use sinew_types::{ErrorCode, Time};

use super::rig::{Rig, Skill, TICK, Told, evidence};

/// What MoveIt does with a goal.
#[derive(Clone, Copy, PartialEq)]
enum Plan {
    Move,
    /// Finds no plan.
    Unsolved,
    /// Says that it is there, and has not moved.
    Claim,
    /// Has the trajectory followed, and says nothing more.
    Forget,
}

const ARM: [&str; 6] = [
    "arm_pan_joint",
    "arm_shoulder_joint",
    "arm_elbow_joint",
    "arm_forearm_roll_joint",
    "arm_wrist_pitch_joint",
    "arm_wrist_roll_joint",
];
const HOME: [f64; 6] = [0.0, -2.25, 2.55, 0.0, 1.270796, 0.0];
/// Home with the pan turned.
const AWAY: [f64; 6] = [0.8, -2.25, 2.55, 0.0, 1.270796, 0.0];

fn trajectory(joints: Vec<String>, positions: Vec<f64>, seconds: f64) -> FollowJointTrajectoryGoal {
    let mut goal = FollowJointTrajectoryGoal::default();
    goal.trajectory.joint_names = joints;
    goal.trajectory.points = vec![JointTrajectoryPoint {
        velocities: vec![0.0; positions.len()],
        positions,
        time_from_start: duration_to_msg(Duration::from_secs_f64(seconds)),
        ..Default::default()
    }];
    goal
}

struct MoveIt {
    plan: Plan,
    told: Told,
    server: ActionServer<MoveGroup>,
    arm: ActionClient<FollowJointTrajectory>,
    running: Option<(GoalHandle<MoveGroup>, GoalCall<FollowJointTrajectory>)>,
}

fn result(val: i32, message: &str) -> MoveGroupResult {
    let error_code = Codes { val, message: message.into(), source: "planner".into() };
    MoveGroupResult { error_code, ..MoveGroupResult::default() }
}

impl MoveIt {
    fn new(node: &BusNode, plan: Plan, told: Told) -> Self {
        Self {
            plan,
            told,
            server: node.action_server(&names::MOVE_GROUP).unwrap(),
            arm: node.action_client(&names::follow_joint_trajectory("arm")).unwrap(),
            running: None,
        }
    }

    fn begin(&mut self, goal: GoalHandle<MoveGroup>) {
        let MoveGroupGoal { request, .. } = goal.goal();
        assert_eq!(request.group_name, "manipulator");
        let joints = &request.goal_constraints[0].joint_constraints;
        let names = joints.iter().map(|joint| joint.joint_name.clone()).collect();
        let positions = joints.iter().map(|joint| joint.position).collect();
        let seconds = 2.0 / request.max_velocity_scaling_factor;
        match self.plan {
            Plan::Claim => goal.succeed(result(Codes::SUCCESS, "")),
            Plan::Unsolved => goal.abort(result(Codes::PLANNING_FAILED, "no plan was found")),
            Plan::Move | Plan::Forget => {
                let call = self.arm.send_goal(trajectory(names, positions, seconds));
                self.running = Some((goal, call));
            }
        }
    }
}

impl Node for MoveIt {
    fn name(&self) -> &str {
        "move_group"
    }

    fn period(&self) -> Duration {
        TICK
    }

    fn step(&mut self, _now: Time) -> Result<Progress, NodeError> {
        while let Some(event) = self.server.take_event() {
            match event {
                ActionEvent::Goal(request) => {
                    self.told.goal();
                    self.begin(request.accept());
                }
                ActionEvent::Cancel(request) => {
                    self.told.cancel();
                    request.accept();
                    if let Some((_, call)) = &mut self.running {
                        call.cancel();
                    }
                }
            }
        }
        let Some((goal, mut call)) = self.running.take() else { return Ok(Progress::Done) };
        while let Some(event) = call.poll() {
            let GoalEvent::Result { status, .. } = event else { continue };
            match status {
                GoalStatus::Succeeded if self.plan == Plan::Forget => break,
                GoalStatus::Succeeded => goal.succeed(result(Codes::SUCCESS, "")),
                GoalStatus::Canceled => goal.canceled(result(Codes::PREEMPTED, "")),
                GoalStatus::Aborted => goal.abort(result(Codes::CONTROL_FAILED, "arm")),
            }
            return Ok(Progress::Done);
        }
        self.running = Some((goal, call));
        Ok(Progress::Done)
    }
}

fn moveit() -> Value {
    json!({"motion": "moveit", "moveit": {"group": "manipulator"}})
}

/// A robot whose arm is away from home.
fn rig(plan: Plan) -> (Rig, Told) {
    let told = Told::default();
    let mut rig = Rig::new(moveit(), |node| Some(MoveIt::new(node, plan, told.clone())));
    let arm = rig.node.action_client(&names::follow_joint_trajectory("arm")).unwrap();
    let joints = ARM.map(str::to_owned).to_vec();
    let mut away = arm.send_goal(trajectory(joints, AWAY.to_vec(), 2.0));
    for _ in 0..200 {
        rig.step();
        if let Some(GoalEvent::Result { status, .. }) = away.poll() {
            assert_eq!(status, GoalStatus::Succeeded);
        }
    }
    assert!(away.is_done() && off(&rig, &AWAY) < 0.02, "{}", off(&rig, &AWAY));
    rig.sources.clear();
    (rig, told)
}

/// The largest distance of a joint of the arm, rad.
fn off(rig: &Rig, positions: &[f64; 6]) -> f64 {
    let off = ARM.iter().zip(positions).map(|(joint, to)| (rig.joint(joint) - to).abs());
    off.fold(0.0, f64::max)
}

fn home(rig: &Rig) -> Skill {
    rig.send(ExecuteSkillGoal::new("home", "{}"), 0.0)
}

#[test]
fn moveit_moves_the_arm_and_the_measured_joints_make_it_a_success() {
    let (mut rig, told) = rig(Plan::Move);
    let mut skill = home(&rig);
    let (status, result) = rig.finish(&mut skill);
    assert_eq!((status, result.error_code), (GoalStatus::Succeeded, 0), "{}", result.error_msg);
    assert!(off(&rig, &HOME) < 0.02, "{}", off(&rig, &HOME));
    assert_eq!(evidence(&result, "arm_at(home)"), Some("true"));
    assert_eq!(evidence(&result, "moveit_status"), Some("succeeded"));
    assert!(rig.held_by("arm", AcquireLeaseRequest::SOURCE_EXTERNAL), "{:?}", rig.sources);
    assert!(!rig.held_by("arm", AcquireLeaseRequest::SOURCE_SKILL), "{:?}", rig.sources);
    assert_eq!((told.goals(), told.cancels()), (1, 0));
}

#[test]
fn what_moveit_claims_is_not_believed() {
    let (mut rig, _) = rig(Plan::Claim);
    let mut skill = home(&rig);
    let (_, result) = rig.finish(&mut skill);
    assert_eq!(result.error_code, ErrorCode::PostconditionFailed.as_u16());
    assert!(result.error_msg.contains("arm_at(home)"), "{}", result.error_msg);
}

#[test]
fn without_a_plan_nothing_moves_and_moveits_reason_is_named() {
    let (mut rig, _) = rig(Plan::Unsolved);
    let mut skill = home(&rig);
    let (_, result) = rig.finish(&mut skill);
    assert_eq!(result.error_code, ErrorCode::BackendNoWay.as_u16());
    assert_eq!(evidence(&result, "moveit_error"), Some("PLANNING_FAILED"));
    assert!(result.error_msg.contains("no plan was found"), "{}", result.error_msg);
    assert!(off(&rig, &AWAY) < 0.02 && rig.sources.is_empty());
}

#[test]
fn a_cancelled_goal_ends_at_moveit_and_then_at_rest() {
    let (mut rig, told) = rig(Plan::Move);
    let mut skill = home(&rig);
    rig.until(&mut skill, |rig, _| off(rig, &AWAY) > 0.1);
    skill.cancel();
    let (status, result) = rig.finish(&mut skill);
    assert_eq!(status, GoalStatus::Canceled);
    assert_eq!(evidence(&result, "moveit_status"), Some("canceled"));
    assert_eq!(evidence(&result, "at_rest"), Some("true"));
    assert_eq!(told.cancels(), 1);
    assert!(off(&rig, &HOME) > 0.1, "on the way");
    assert_eq!(rig.owner("arm").lease_id, 0);
}

#[test]
fn when_moveit_does_not_say_how_it_ended_the_goal_is_lost_and_the_arm_rests() {
    let (mut rig, _) = rig(Plan::Forget);
    let mut skill = home(&rig);
    let (_, result) = rig.finish(&mut skill);
    assert_eq!(result.error_code, ErrorCode::PeerLost.as_u16());
    assert!(result.error_msg.contains("not said how its goal ended"), "{}", result.error_msg);
    assert_eq!(evidence(&result, "at_rest"), Some("true"));
    assert_eq!(rig.newest.mode, SafetyState::MODE_READY);
    // It was carried out all the same; but a skill whose carrier is lost has not succeeded.
    assert!(off(&rig, &HOME) < 0.02);
}

#[test]
fn half_the_speed_takes_twice_the_time() {
    let took = |speed_scale: f32| {
        let (mut rig, _) = rig(Plan::Move);
        let goal = ExecuteSkillGoal { speed_scale, ..ExecuteSkillGoal::new("home", "{}") };
        let (mut skill, began) = (rig.send(goal, 0.0), rig.now());
        assert_eq!(rig.finish(&mut skill).0, GoalStatus::Succeeded);
        rig.now().since(began).as_secs_f64()
    };
    let (full, half) = (took(1.0), took(0.5));
    assert!((1.7..2.3).contains(&(half - full)), "{full} s and {half} s");
}
