//! A composed robot whose perception is another system's detector: it sees what is there, as `detections_truth` tells, and
//! reports it by `vision_msgs` from the head camera.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion};
use serde_json::{Value, json};
use sinew_bus::names::Topic;
use sinew_bus::{Bus, BusNode, Publisher, Subscription, names};
use sinew_driver_sim::SimWorld;
use sinew_msgs::geometry_msgs::Pose;
use sinew_msgs::sinew_msgs::{RobotTick, SafetyState, WorldObjects};
use sinew_msgs::std_msgs::Header;
use sinew_msgs::vision_msgs::{
    Detection3D, Detection3DArray, ObjectHypothesis, ObjectHypothesisWithPose,
};
use sinew_nodes::arguments::NodeArguments;
use sinew_nodes::convert::pose_to_msg;
use sinew_nodes::{
    ConnectorNode, HardwareNode, Node, NodeError, Pace, PerceptionNode, PlannerNode, Progress,
    SkillsNode, VirtualExecutor,
};
use sinew_robot::{Kinematics, RobotModel};
use sinew_types::Time;

use crate::external_rig::root;

pub(super) const TICK: Duration = Duration::from_millis(20);
const NAMESPACE: &str = "/mobi";
const CAMERA: &str = "head_camera_optical_frame";

pub(super) fn arguments(name: &str, parameters: Value, remaps: &[(&str, &str)]) -> NodeArguments {
    let Value::Object(parameters) = parameters else { panic!("parameters are a map") };
    let remaps = remaps.iter().map(|(from, to)| ((*from).into(), (*to).into())).collect();
    NodeArguments { name: name.into(), namespace: NAMESPACE.into(), parameters, remaps }
}

/// A detector that is sure of what it sees, and has no tracker.
struct Detector {
    ticks: Subscription<RobotTick>,
    truth: Subscription<WorldObjects>,
    seen: Publisher<Detection3DArray>,
    kinematics: Kinematics,
    camera: usize,
    is_blind: Arc<AtomicBool>,
    newest: Option<RobotTick>,
}

fn isometry(pose: &Pose) -> Isometry3<f64> {
    let (p, q) = (&pose.position, &pose.orientation);
    let rotation = UnitQuaternion::new_unchecked(Quaternion::new(q.w, q.x, q.y, q.z));
    Isometry3::from_parts(Translation3::new(p.x, p.y, p.z), rotation)
}

impl Detector {
    fn new(node: &BusNode, is_blind: Arc<AtomicBool>) -> Self {
        let robot = RobotModel::load(root().join("urdf/mobi.robot.yaml")).unwrap();
        let truth = Topic::named("detections_truth".into(), names::DETECTIONS.qos);
        Self {
            ticks: node.subscription(&names::ROBOT_TICK).unwrap(),
            truth: node.subscription(&truth).unwrap(),
            seen: node.publisher(&names::DETECTIONS_3D).unwrap(),
            kinematics: Kinematics::new(&robot),
            camera: robot.link_index(CAMERA).unwrap(),
            is_blind,
            newest: None,
        }
    }

    /// What is there, from the camera's place at that time.
    fn detections(&mut self, truth: &WorldObjects, tick: &RobotTick) -> Detection3DArray {
        self.kinematics.update(&tick.joint_state.position).unwrap();
        let base_from_camera = self.kinematics.base_from_link()[self.camera];
        let camera_from_map = (isometry(&tick.base_pose) * base_from_camera).inverse();
        let of = |object: &sinew_msgs::sinew_msgs::WorldObject| {
            let mut made = Detection3D::default();
            let hypothesis = ObjectHypothesis { class_id: object.id.clone(), score: 0.95 };
            let mut result = ObjectHypothesisWithPose { hypothesis, ..Default::default() };
            result.pose.covariance = object.pose.covariance;
            made.results.push(result);
            made.bbox.center = pose_to_msg(&(camera_from_map * isometry(&object.pose.pose)));
            made.bbox.size = object.size;
            made
        };
        Detection3DArray {
            header: Header { stamp: truth.header.stamp, frame_id: CAMERA.into() },
            detections: truth.objects.iter().map(of).collect(),
        }
    }
}

impl Node for Detector {
    fn name(&self) -> &'static str {
        "detector"
    }

    fn period(&self) -> Duration {
        TICK
    }

    fn step(&mut self, _now: Time) -> Result<Progress, NodeError> {
        if let Some(tick) = self.ticks.take_newest() {
            self.newest = Some(tick.message);
        }
        let (Some(truth), Some(tick)) = (self.truth.take_newest(), self.newest.take()) else {
            return Ok(Progress::Done);
        };
        let (seen, measured) = (&truth.message.header.stamp, &tick.stamp);
        let is_of_this_tick = (seen.sec, seen.nanosec) == (measured.sec, measured.nanosec);
        if is_of_this_tick && !self.is_blind.load(Ordering::Relaxed) {
            let detections = self.detections(&truth.message, &tick);
            self.seen.publish(&detections).unwrap();
        }
        self.newest = Some(tick);
        Ok(Progress::Done)
    }
}

pub(super) struct Rig {
    pub(super) node: BusNode,
    executor: VirtualExecutor,
    pub(super) world: SimWorld,
    pub(super) is_blind: Arc<AtomicBool>,
    safety: Subscription<SafetyState>,
    ticks: Subscription<RobotTick>,
    pub(super) newest: SafetyState,
    pub(super) tick: RobotTick,
}

impl Rig {
    /// With these parameters of the hardware node besides.
    pub(super) fn new(more: Value) -> Self {
        Self::with(more, json!({}))
    }

    /// And with these of the perception node.
    pub(super) fn with(more: Value, of_perception: Value) -> Self {
        let bus = Bus::in_process();
        let robot = root().join("urdf/mobi.robot.yaml");
        let mut parameters = json!({"world": root().join("worlds/tabletop.yaml"), "seed": 1});
        let (Value::Object(all), Value::Object(more)) = (&mut parameters, more) else {
            panic!("parameters are a map")
        };
        all.extend(more);
        let away = [("detections", "detections_truth"), ("take_picture", "take_picture_truth")];
        let hardware = HardwareNode::new(&bus, &arguments("hardware", parameters, &away)).unwrap();
        let mut perception = json!({
            "robot": robot,
            "objects": root().join("launch/tabletop.objects.yaml"),
            "use_sim_time": true,
        });
        perception.as_object_mut().unwrap().extend(of_perception.as_object().unwrap().clone());
        let skills = json!({"robot": robot, "policies": root().join("policies")});
        let of_robot = json!({"robot": robot});
        let is_blind = Arc::new(AtomicBool::new(false));
        let detector = Detector::new(&bus.node("detector", NAMESPACE).unwrap(), is_blind.clone());
        let node = bus.node("test", NAMESPACE).unwrap();
        let world = hardware.world().unwrap();
        let mut executor = VirtualExecutor::new(Pace::Fastest);
        executor.add(Box::new(hardware));
        executor.add(Box::new(detector));
        let perception = arguments("perception", perception, &[]);
        executor.add(Box::new(PerceptionNode::new(&bus, &perception).unwrap()));
        let skills = arguments("skills", skills, &[]);
        executor.add(Box::new(SkillsNode::new(&bus, &skills).unwrap()));
        let connector = arguments("connector", of_robot.clone(), &[]);
        executor.add(Box::new(ConnectorNode::new(&bus, &connector).unwrap()));
        let planner = arguments("planner", of_robot, &[]);
        executor.add(Box::new(PlannerNode::new(&bus, &planner).unwrap()));
        Self {
            executor,
            world,
            is_blind,
            safety: node.subscription(&names::SAFETY_STATE).unwrap(),
            ticks: node.subscription(&names::ROBOT_TICK).unwrap(),
            node,
            newest: SafetyState::default(),
            tick: RobotTick::default(),
        }
    }

    pub(super) fn step(&mut self) {
        let until = self.executor.now() + TICK;
        self.executor.run(|now| now >= until).unwrap();
        if let Some(safety) = self.safety.take_newest() {
            self.newest = safety.message;
        }
        if let Some(tick) = self.ticks.take_newest() {
            self.tick = tick.message;
        }
    }

    pub(super) fn run(&mut self, seconds: f64) {
        let until = self.executor.now() + Duration::from_secs_f64(seconds);
        while self.executor.now() < until {
            self.step();
        }
    }

    /// Runs until something is found, `seconds` at most.
    #[track_caller]
    pub(super) fn until<T>(
        &mut self,
        seconds: f64,
        mut find: impl FnMut(&mut Self) -> Option<T>,
    ) -> T {
        let late = self.executor.now() + Duration::from_secs_f64(seconds);
        while self.executor.now() < late {
            self.step();
            if let Some(found) = find(self) {
                return found;
            }
        }
        panic!("not within {seconds} s: {:?}", self.newest);
    }

    /// Whether nothing moves.
    pub(super) fn rests(&self) -> bool {
        let twist = &self.tick.base_twist;
        let base = twist.linear.x.abs() + twist.linear.y.abs() + twist.angular.z.abs();
        base < 0.01 && self.tick.joint_state.velocity.iter().all(|v| v.abs() < 0.05)
    }
}
