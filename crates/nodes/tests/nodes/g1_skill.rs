//! A humanoid that a policy walks, as a skill that somebody wrote in YAML: skills node and hardware node over the
//! bus, in virtual time.

use std::time::Duration;

use serde_json::{Value, json};
use sinew_bus::{Bus, BusNode, GoalCall, GoalEvent, GoalStatus, Subscription, names};
use sinew_msgs::sinew_msgs::action::ExecuteSkill;
use sinew_msgs::sinew_msgs::{ExecuteSkillGoal, ExecuteSkillResult, RobotTick, SafetyState};
use sinew_nodes::arguments::NodeArguments;
use sinew_nodes::{HardwareNode, Pace, SkillsNode, VirtualExecutor};
use sinew_types::ErrorCode;

use crate::g1::{UP, files};

const NAMESPACE: &str = "/g1";
const TICK: Duration = Duration::from_millis(20);

const WALK: &str = r#"
id: walk
version: 1.0.0
description: Walks at a velocity for a time, then stands.
args:
  type: object
  properties:
    forward_m_s: {type: number, minimum: -0.5, maximum: 1.0}
    turn_rad_s: {type: number, minimum: -0.2, maximum: 0.2, default: 0.0}
    duration_s: {type: number, exclusiveMinimum: 0.0, maximum: 60.0}
  required: [forward_m_s, duration_s]
  additionalProperties: false
groups: [body]
cost_s: 5.0
time_limit_s: 70.0
kind:
  policy:
    policies:
    - manifest: ../g1_velocity.policy.yaml
      inputs: {velocity_commands: [$forward_m_s, 0.0, $turn_rad_s]}
    until: {elapsed_s: $duration_s}
"#;

struct Walking {
    _folder: tempfile::TempDir,
    executor: VirtualExecutor,
    node: BusNode,
    ticks: Subscription<RobotTick>,
    safety: Subscription<SafetyState>,
    newest: RobotTick,
    mode: u8,
    lowest: f64,
}

impl Walking {
    /// Standing on its fallback; none where the data is not at hand.
    fn new() -> Option<Self> {
        let folder = files()?;
        let skills = folder.path().join("skills");
        std::fs::create_dir(&skills).unwrap();
        std::fs::write(skills.join("walk.skill.yaml"), WALK).unwrap();
        let bus = Bus::in_process();
        let arguments = |name: &str, parameters: Value| {
            let Value::Object(parameters) = parameters else { panic!("parameters are a map") };
            let (name, namespace) = (name.into(), NAMESPACE.into());
            NodeArguments { name, namespace, parameters, remaps: Vec::new() }
        };
        let world = folder.path().join("g1.world.yaml");
        let hardware = arguments("hardware", json!({"world": world}));
        let robot = folder.path().join("g1.robot.yaml");
        let skills = arguments(
            "skills",
            json!({"robot": robot, "policies": "none", "skill_folder": skills}),
        );
        let node = bus.node("other", NAMESPACE).unwrap();
        let (ticks, safety) = (
            node.subscription(&names::ROBOT_TICK).unwrap(),
            node.subscription(&names::SAFETY_STATE).unwrap(),
        );
        let mut executor = VirtualExecutor::new(Pace::Fastest);
        executor.add(Box::new(HardwareNode::new(&bus, &hardware).unwrap()));
        executor.add(Box::new(SkillsNode::new(&bus, &skills).unwrap()));
        let mut this = Self {
            _folder: folder,
            executor,
            node,
            ticks,
            safety,
            newest: RobotTick::default(),
            mode: 0,
            lowest: f64::INFINITY,
        };
        this.run(1.0);
        assert_eq!(this.mode, SafetyState::MODE_READY);
        Some(this)
    }

    fn run(&mut self, seconds: f64) {
        let until = self.executor.now() + Duration::from_secs_f64(seconds);
        while self.executor.now() < until {
            let next = self.executor.now() + TICK;
            self.executor.run(|now| now >= next).unwrap();
            while let Some(tick) = self.ticks.take() {
                self.newest = tick.message;
                self.lowest = self.lowest.min(self.newest.base_pose.position.z);
            }
            if let Some(safety) = self.safety.take_newest() {
                self.mode = safety.message.mode;
            }
        }
    }

    fn send(&self, args: &Value) -> GoalCall<ExecuteSkill> {
        let goal = ExecuteSkillGoal {
            skill_id: "walk".into(),
            args_json: args.to_string(),
            speed_scale: 1.0,
            ..ExecuteSkillGoal::default()
        };
        self.node.action_client(&names::EXECUTE_SKILL).unwrap().send_goal(goal)
    }

    fn end(&mut self, call: &mut GoalCall<ExecuteSkill>) -> (GoalStatus, ExecuteSkillResult) {
        for _ in 0..100 {
            while let Some(event) = call.poll() {
                if let GoalEvent::Result { status, result } = event {
                    return (status, result);
                }
                assert!(
                    !matches!(event, GoalEvent::Rejected | GoalEvent::Lost { .. }),
                    "{event:?}"
                );
            }
            self.run(0.2);
        }
        panic!("the goal did not end within 20 s");
    }
}

#[test]
fn a_policy_walks_for_its_time_and_leaves_the_robot_standing() {
    let Some(mut robot) = Walking::new() else { return };
    let from = robot.newest.base_pose.position.x;
    let mut call = robot.send(&json!({"forward_m_s": 0.5, "duration_s": 6.0}));
    let (status, result) = robot.end(&mut call);
    assert_eq!(status, GoalStatus::Succeeded, "{result:?}");
    let way = robot.newest.base_pose.position.x - from;
    assert!((2.2..3.6).contains(&way), "{way} m in 6 s");
    robot.run(3.0);
    assert!(robot.lowest > UP, "the pelvis was {:.2} m above the floor", robot.lowest);
    assert_eq!(robot.mode, SafetyState::MODE_READY);
}

#[test]
fn a_walk_that_is_cancelled_ends_standing() {
    let Some(mut robot) = Walking::new() else { return };
    let mut call = robot.send(&json!({"forward_m_s": 0.5, "duration_s": 60.0}));
    robot.run(3.0);
    call.cancel();
    let (status, result) = robot.end(&mut call);
    assert_eq!(status, GoalStatus::Canceled, "{result:?}");
    robot.run(3.0);
    assert!(robot.lowest > UP, "the pelvis was {:.2} m above the floor", robot.lowest);
}

/// What the gate would stop the robot for in the first tick is an error at load.
#[test]
fn a_policy_that_cannot_command_its_group_is_refused_by_name() {
    let Some(folder) = files() else { return };
    let skills = folder.path().join("skills");
    std::fs::create_dir(&skills).unwrap();
    std::fs::write(skills.join("walk.skill.yaml"), WALK).unwrap();
    let file = folder.path().join("g1_velocity.policy.yaml");
    let policy = std::fs::read_to_string(&file).unwrap();
    let mut is_gains = false;
    let without_gains = policy.lines().filter(|line| {
        let depth = line.len() - line.trim_start().len();
        is_gains = line.trim() == "gains:" || (is_gains && depth > 2);
        !is_gains
    });
    let without_gains: Vec<_> = without_gains.collect();
    assert!(without_gains.len() < policy.lines().count());
    std::fs::write(&file, without_gains.join("\n")).unwrap();
    let robot = folder.path().join("g1.robot.yaml");
    let parameters = |more: Value| {
        let mut all = json!({"robot": robot, "policies": "none", "skill_folder": skills});
        all.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        all.as_object().unwrap().clone()
    };
    for (more, wanted) in [
        (json!({}), "cannot command group `body`: it is commanded by impedance"),
        (json!({"manipulation": "learned"}), "manipulation: the robot has no skill `pick`"),
        (
            json!({"navigation": "nav2", "nav2": {"frame_id": "map"}}),
            "navigation: the robot has no skill `drive_to`",
        ),
    ] {
        let arguments = NodeArguments {
            name: "skills".into(),
            namespace: NAMESPACE.into(),
            parameters: parameters(more),
            remaps: Vec::new(),
        };
        let said = SkillsNode::new(&Bus::in_process(), &arguments).err().unwrap().to_string();
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn what_the_schema_does_not_allow_moves_nothing() {
    let Some(mut robot) = Walking::new() else { return };
    let results = robot.node.subscription(&names::SKILL_RESULTS).unwrap();
    let mut call = robot.send(&json!({"forward_m_s": 3.0, "duration_s": 1.0}));
    robot.run(0.5);
    let mut is_rejected = false;
    while let Some(event) = call.poll() {
        is_rejected |= matches!(event, GoalEvent::Rejected);
    }
    assert!(is_rejected);
    let told = results.take_newest().unwrap().message;
    assert_eq!(told.error_code, ErrorCode::InvalidArguments.as_u16());
    assert!(told.error_msg.contains("forward_m_s"), "{}", told.error_msg);
}
