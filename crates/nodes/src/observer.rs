use std::path::Path;
use std::sync::Arc;

use sinew_bus::{BusNode, Subscription, names};
use sinew_connector::WorldModel;
use sinew_hardware::layout_of;
use sinew_model::WorldState;
use sinew_msgs::sinew_msgs::{RobotTick, WorldObjects};
use sinew_robot::RobotModel;
use sinew_types::{Layout, RobotState, Time};

use crate::convert::{objects_from_msg, tick_from_msg};
use crate::node::NodeError;
use crate::robot_facts::RobotFactsSource;

/// What a node sees of robot and world, from the bus.
pub(crate) struct Observer {
    pub(crate) robot: Arc<RobotModel>,
    pub(crate) layout: Layout,
    pub(crate) state: RobotState,
    /// The frame in which the base's pose is measured; empty until it is known.
    pub(crate) base_frame: String,
    name: String,
    ticks: Subscription<RobotTick>,
    objects: Subscription<WorldObjects>,
    facts: RobotFactsSource,
    model: WorldModel,
    heard: bool,
}

/// Where a node has its objects from.
#[derive(Clone, Copy)]
pub(crate) enum ObjectsFrom {
    /// What perception sees.
    Detections,
    /// What the connector believes.
    World,
}

impl Observer {
    pub(crate) fn new(
        node: &BusNode,
        robot_file: &Path,
        objects: ObjectsFrom,
    ) -> Result<Self, NodeError> {
        let failed = |error: &dyn std::fmt::Display| NodeError::new(node.name(), error);
        let robot = Arc::new(RobotModel::load(robot_file).map_err(|e| failed(&e))?);
        let layout = layout_of(&robot).map_err(|e| failed(&e))?;
        let topic = match objects {
            ObjectsFrom::Detections => &names::DETECTIONS,
            ObjectsFrom::World => &names::WORLD,
        };
        Ok(Self {
            facts: RobotFactsSource::new(&robot, &layout).map_err(|e| failed(&e))?,
            state: RobotState::invalid(&layout),
            base_frame: String::new(),
            name: node.name().into(),
            ticks: node.subscription(&names::ROBOT_TICK).map_err(|e| failed(&e))?,
            objects: node.subscription(topic).map_err(|e| failed(&e))?,
            model: WorldModel::new(),
            heard: false,
            robot,
            layout,
        })
    }

    /// Takes what arrived; whether the robot's state is a new one.
    pub(crate) fn take(&mut self) -> bool {
        while let Some(received) = self.objects.take() {
            match objects_from_msg(&received.message) {
                Ok(objects) => self.model.observe(objects),
                Err(error) => tracing::warn!(node = self.name, %error, "objects dropped"),
            }
        }
        let Some(received) = self.ticks.take_newest() else { return false };
        if let Err(error) = tick_from_msg(&received.message, &self.layout, &mut self.state) {
            tracing::warn!(node = self.name, %error, "robot state dropped");
            return false;
        }
        if self.base_frame != received.message.base_frame_id {
            self.base_frame = received.message.base_frame_id;
        }
        if let Some(facts) = self.facts.facts(&self.state) {
            self.model.update_robot(facts, self.state.stamp);
            self.heard = true;
        }
        true
    }

    /// Whether the robot's own state is known.
    pub(crate) fn is_ready(&self) -> bool {
        self.heard
    }

    /// The time of the newest state.
    pub(crate) fn now(&self) -> Time {
        self.state.stamp
    }

    pub(crate) fn world(&self) -> &WorldState {
        self.model.world()
    }
}
