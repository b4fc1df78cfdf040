//! A skill whose policy looks through the wrist camera, by the topic that a camera's driver publishes on, with its
//! network on a thread of its own.

use std::time::Duration;

use serde_json::{Value, json};
use sinew_bus::{Bus, BusNode, GoalEvent, GoalStatus, names};
use sinew_msgs::sensor_msgs::Image;
use sinew_msgs::sinew_msgs::{ExecuteSkillGoal, ExecuteSkillResult};
use sinew_nodes::arguments::NodeArguments;
use sinew_nodes::{ConnectorNode, HardwareNode, Pace, SkillsNode, VirtualExecutor};
use sinew_types::ErrorCode;

use crate::external_rig::root;

const NAMESPACE: &str = "/mobi";

const GRASP: &str = include_str!("../../../skills/tests/skills/grasp_seen.skill.yaml");

struct Robot {
    _skills: tempfile::TempDir,
    executor: VirtualExecutor,
    node: BusNode,
}

impl Robot {
    /// With these parameters of the hardware node besides.
    fn new(more: Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let policies = root().join("policies").canonicalize().unwrap();
        let grasp = GRASP.replace("POLICIES", &policies.display().to_string());
        std::fs::write(folder.path().join("grasp_seen.skill.yaml"), grasp).unwrap();
        let bus = Bus::in_process();
        let arguments = |name: &str, parameters: Value, more: Value| {
            let (Value::Object(mut parameters), Value::Object(more)) = (parameters, more) else {
                panic!("parameters are a map")
            };
            parameters.extend(more);
            let (name, namespace) = (name.into(), NAMESPACE.into());
            NodeArguments { name, namespace, parameters, remaps: Vec::new() }
        };
        let robot = root().join("urdf/mobi.robot.yaml");
        let known = json!({"robot": robot, "skill_folder": folder.path()});
        let world = json!({"world": root().join("worlds/tabletop.yaml"), "seed": 3});
        let hardware = arguments("hardware", world, more);
        let of_skills = json!({"policies": policies, "lock_step": true, "use_sim_time": true});
        let skills = arguments("skills", known.clone(), of_skills);
        let connector = arguments("connector", known, json!({}));
        let mut executor = VirtualExecutor::new(Pace::Fastest);
        executor.add(Box::new(HardwareNode::new(&bus, &hardware).unwrap()));
        executor.add(Box::new(SkillsNode::new(&bus, &skills).unwrap()));
        executor.add(Box::new(ConnectorNode::new(&bus, &connector).unwrap()));
        let node = bus.node("test", NAMESPACE).unwrap();
        let mut this = Self { _skills: folder, executor, node };
        this.run(1.0);
        this
    }

    fn run(&mut self, seconds: f64) {
        let until = self.executor.now() + Duration::from_secs_f64(seconds);
        self.executor.run(|now| now >= until).unwrap();
    }

    fn call(&mut self, skill: &str, args: &Value) -> (GoalStatus, ExecuteSkillResult) {
        let mut call =
            self.node.action_client(&names::EXECUTE_SKILL).unwrap().send_goal(ExecuteSkillGoal {
                skill_id: skill.into(),
                args_json: args.to_string(),
                speed_scale: 1.0,
                ..ExecuteSkillGoal::default()
            });
        for _ in 0..600 {
            while let Some(event) = call.poll() {
                match event {
                    GoalEvent::Result { status, result } => return (status, result),
                    GoalEvent::Rejected | GoalEvent::Lost { .. } => panic!("{skill}: {event:?}"),
                    _ => {}
                }
            }
            self.run(0.1);
        }
        panic!("{skill} did not end within 60 s");
    }

    fn over_the_cube(&mut self) {
        for skill in ["drive_to", "reach"] {
            let (status, result) = self.call(skill, &json!({"target": "blue_cube"}));
            assert_eq!(status, GoalStatus::Succeeded, "{skill}: {result:?}");
        }
    }
}

#[test]
fn it_grasps_by_the_pictures_on_the_cameras_topic() {
    let mut robot = Robot::new(json!({"publish_cameras": ["wrist"], "camera_rate_hz": 25.0}));
    robot.over_the_cube();
    let (status, result) = robot.call("grasp_seen", &json!({"object": "blue_cube"}));
    assert_eq!(status, GoalStatus::Succeeded, "{result:?}");
    assert!(result.postcondition_met, "{result:?}");
}

#[test]
fn a_camera_of_another_clock_is_not_believed() {
    let mut robot = Robot::new(json!({}));
    robot.over_the_cube();
    let camera = robot.node.publisher(&names::image_raw("wrist")).unwrap();
    let mut image = Image {
        height: 8,
        width: 8,
        encoding: "mono8".into(),
        step: 8,
        data: vec![90; 64].into(),
        ..Image::default()
    };
    // Wall time, where the robot's is simulated: such a picture would never grow old.
    image.header.stamp.sec = 1_800_000_000;
    camera.publish(&image).unwrap();
    let (status, result) = robot.call("grasp_seen", &json!({"object": "blue_cube"}));
    assert_eq!(status, GoalStatus::Aborted);
    assert_eq!(result.error_code, ErrorCode::ObservationStale.as_u16(), "{result:?}");
    assert!(result.error_msg.contains("ahead of the robot's state"), "{}", result.error_msg);
}

#[test]
fn without_pictures_it_ends_and_says_which_are_missing() {
    let mut robot = Robot::new(json!({}));
    robot.over_the_cube();
    let (status, result) = robot.call("grasp_seen", &json!({"object": "blue_cube"}));
    assert_eq!(status, GoalStatus::Aborted);
    assert_eq!(result.error_code, ErrorCode::ObservationStale.as_u16(), "{result:?}");
    assert!(result.error_msg.contains("wrist"), "{}", result.error_msg);
}
