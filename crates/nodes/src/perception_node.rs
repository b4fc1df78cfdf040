mod cameras;
mod classes;
mod frames;
mod identity;
mod interpret;
mod parameters;
mod tally;

use std::collections::VecDeque;
use std::time::Duration;

use sinew_bus::{Bus, BusNode, Publisher, Qos, Subscription, names};
use sinew_hardware::layout_of;
use sinew_msgs::sinew_msgs::{RobotTick, WorldObjects};
use sinew_msgs::tf2_msgs::TFMessage;
use sinew_msgs::vision_msgs::Detection3DArray;
use sinew_robot::RobotModel;
use sinew_types::Time;

use crate::arguments::NodeArguments;
use crate::convert::objects_to_msg;
use crate::health::Health;
use crate::heart::Heart;
use crate::node::{Node, NodeError, Progress};
use crate::ros_clock::RosClock;
use cameras::Cameras;
pub use classes::{ObjectClass, ObjectClasses, ObjectClassesError};
use frames::Frames;
use interpret::Interpreter;
pub use parameters::PerceptionParameters;
use tally::Tally;

/// Messages that wait for the robot's state at their time; of more, the oldest are not waited for.
const MAX_WAITING: usize = 100;
/// Of fixed frames each publisher keeps its own newest message, and there may be many publishers.
const FIXED_FRAMES: Qos = Qos::latched(100);

/// Detections and pictures of another system, from ROS 2's standard messages, as the robot's own.
pub struct PerceptionNode {
    name: String,
    interpreter: Interpreter,
    ticks: Subscription<RobotTick>,
    fixed_frames: Subscription<TFMessage>,
    incoming: Subscription<Detection3DArray>,
    waiting: VecDeque<Detection3DArray>,
    detections: Publisher<WorldObjects>,
    tally: Tally,
    cameras: Option<Cameras>,
    health: Health,
    told: Option<Time>,
    heart: Heart,
    /// The newest tick of the robot that was handled.
    tick: u64,
}

impl PerceptionNode {
    /// Reads robot and objects file, and claims the names on the bus.
    ///
    /// # Errors
    /// Parameters or files that are wrong, by name.
    pub fn new(bus: &Bus, arguments: &NodeArguments) -> Result<Self, NodeError> {
        Self::on(&crate::bus_node(bus, arguments)?, arguments)
    }

    pub(crate) fn on(node: &BusNode, arguments: &NodeArguments) -> Result<Self, NodeError> {
        let failed = |error: &dyn std::fmt::Display| NodeError::new(&arguments.name, error);
        let parameters = PerceptionParameters::of(arguments)?;
        let robot = RobotModel::load(&parameters.robot).map_err(|e| failed(&e))?;
        let layout = layout_of(&robot).map_err(|e| failed(&e))?;
        let classes = ObjectClasses::load(&parameters.objects).map_err(|e| failed(&e))?;
        let clock = if parameters.use_sim_time { RosClock::Simulated } else { RosClock::Wall };
        let names = robot.sensors().cameras.iter().map(|camera| camera.name.clone());
        let cameras = parameters.pictures.then(|| {
            let (max_age, transport) = (parameters.max_picture_age(), parameters.image_transport);
            Cameras::new(node, names, max_age, transport, clock).map_err(|e| failed(&e))
        });
        let fixed_frames = names::TF_STATIC.with_qos(FIXED_FRAMES);
        Ok(Self {
            name: arguments.name.clone(),
            interpreter: Interpreter::new(
                classes,
                Frames::new(&robot, layout),
                parameters.associate_within_m,
                clock,
            ),
            ticks: node.subscription(&names::ROBOT_TICK).map_err(|e| failed(&e))?,
            fixed_frames: node.subscription(&fixed_frames).map_err(|e| failed(&e))?,
            incoming: node.subscription(&names::DETECTIONS_3D).map_err(|e| failed(&e))?,
            waiting: VecDeque::new(),
            detections: node.publisher(&names::DETECTIONS).map_err(|e| failed(&e))?,
            tally: Tally::new(&arguments.name),
            cameras: cameras.transpose()?,
            health: Health::new(node, robot.name(), clock).map_err(|e| failed(&e))?,
            told: None,
            heart: Heart::new(node, &arguments.name, crate::new_boot_id())
                .map_err(|e| failed(&e))?,
            tick: 0,
        })
    }

    fn take_robot(&mut self) {
        while let Some(received) = self.ticks.take() {
            self.tick = received.message.tick;
            if let Err(error) = self.interpreter.frames.observe(&received.message) {
                tracing::warn!(node = self.name, %error, "robot state dropped");
            }
        }
        while let Some(received) = self.fixed_frames.take() {
            if let Err(error) = self.interpreter.frames.observe_fixed(&received.message) {
                tracing::warn!(node = self.name, %error, "fixed frame dropped");
            }
        }
    }

    /// Publishes the objects of each message whose time the robot's state has reached, in the order in which they came.
    fn take_detections(&mut self, now: Time) -> Result<(), NodeError> {
        while let Some(received) = self.incoming.take() {
            self.tally.hear(now);
            self.waiting.push_back(received.message);
        }
        while let Some(message) = self.waiting.front() {
            if self.waiting.len() <= MAX_WAITING && self.interpreter.is_early(message) {
                break;
            }
            let stamp = self.interpreter.stamp(message);
            let objects = self.interpreter.interpret(message, &mut self.tally);
            self.waiting.pop_front();
            self.detections
                .publish(&objects_to_msg(&objects, stamp))
                .map_err(|e| NodeError::new(&self.name, e))?;
        }
        Ok(())
    }

    fn tell(&mut self, now: Time) -> Result<(), NodeError> {
        if self.told.is_some_and(|told| now.since(told) < Health::PERIOD) {
            return Ok(());
        }
        if self.told.replace(now).is_none() {
            // The first second is over in one second.
            return Ok(());
        }
        let (publishers, known) = (self.incoming.publishers(), self.interpreter.known());
        let found = self.tally.found(now, publishers, known);
        let mut status = vec![self.health.status("detections", found)];
        for (camera, found) in self.cameras.iter().flat_map(|cameras| cameras.found(now)) {
            status.push(self.health.status(&format!("camera {camera}"), found));
        }
        self.health.publish(now, status).map_err(|e| NodeError::new(&self.name, e))
    }
}

impl Node for PerceptionNode {
    fn name(&self) -> &str {
        &self.name
    }

    fn period(&self) -> Duration {
        Duration::from_millis(20)
    }

    fn step(&mut self, now: Time) -> Result<Progress, NodeError> {
        self.take_robot();
        self.take_detections(now)?;
        if let Some(cameras) = &mut self.cameras {
            cameras.step(now).map_err(|e| NodeError::new(&self.name, e))?;
        }
        self.tell(now)?;
        self.heart.beat(now, self.tick).map_err(|e| NodeError::new(&self.name, e))?;
        Ok(Progress::Done)
    }

    fn keep_alive(&mut self) -> Result<(), NodeError> {
        self.heart.keep_alive().map_err(|e| NodeError::new(&self.name, e))
    }
}
