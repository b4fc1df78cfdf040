//! Finding the robot.

use std::time::Duration;

use sinew_bus::{Qos, names::Topic};
use sinew_types::Time;

use super::{Ports, Worker};
use crate::channel::Channel;
use crate::error::{Ros2ControlError, list};
use crate::manager::Manager;

impl Worker {
    pub(super) fn open(&self) -> Result<Ports, Ros2ControlError> {
        let (plan, node) = (&self.plan, &self.node);
        let config = &plan.config;
        // Taken from any publisher, be it reliable or not; only what is new counts.
        let qos = Qos::best_effort(10);
        let odom = config.odom.as_ref().map(|name| Topic::named(name.clone(), qos));
        let imu = config.imu.as_ref().map(|name| Topic::named(name.clone(), qos));
        let channels = plan.controllers.iter().map(|one| Channel::open(node, plan, one));
        Ok(Ports {
            joint_states: node.subscription(&Topic::named(config.joint_states.clone(), qos))?,
            odom: odom.map(|topic| node.subscription(&topic)).transpose()?,
            imu: imu.map(|topic| node.subscription(&topic)).transpose()?,
            manager: Manager::open(node, plan)?,
            channels: channels.collect::<Result<_, _>>()?,
        })
    }

    /// What was not heard since then, or does not answer.
    pub(super) fn missing(&self, since: Time, waited: Duration) -> Option<Ros2ControlError> {
        let Some(ports) = &self.ports else { return Some(self.not_there()) };
        let (list_client, switch_client) = (&ports.manager.list, &ports.manager.switch);
        let unserved = [
            (list_client.server_available(), list_client.name()),
            (switch_client.server_available(), switch_client.name()),
        ];
        if let Some((_, service)) = unserved.into_iter().find(|(is_served, _)| !is_served) {
            let nodes = self.node.peers();
            let nodes = nodes
                .iter()
                .map(|peer| format!("{}/{}", peer.namespace.trim_end_matches('/'), peer.name));
            let (service, nodes) = (service.to_owned(), list(nodes));
            return Some(Ros2ControlError::NoManager { service, nodes, waited });
        }
        let silent = |topic: &str, missing: String, seen: String| {
            Some(Ros2ControlError::Silent { topic: topic.to_owned(), missing, seen, waited })
        };
        let measured = &self.sensors.measured;
        let joints = self.sensors.silent_joints(&self.plan, since);
        if !joints.is_empty() {
            return silent(ports.joint_states.name(), list(joints), list(self.sensors.seen()));
        }
        let none = || "none".to_owned();
        match (&ports.odom, &ports.imu) {
            (Some(odom), _) if measured.base.is_none_or(|base| base.stamp < since) => {
                silent(odom.name(), "pose and twist of the base".to_owned(), none())
            }
            (_, Some(imu)) if measured.imu.is_none_or(|imu| imu.stamp < since) => {
                silent(imu.name(), "a measurement with an orientation".to_owned(), none())
            }
            _ => None,
        }
    }

    /// A controller that does not listen to what it is to be sent.
    pub(super) fn unheard(&self) -> Option<Ros2ControlError> {
        let channels = self.ports.iter().flat_map(|ports| &ports.channels);
        let (channel, controller) = channels
            .zip(&self.plan.controllers)
            .find(|(channel, _)| !channel.has_subscriptions())?;
        Some(Ros2ControlError::Controller {
            group: controller.group.clone(),
            controller: controller.name.clone(),
            what: "the topic of its set-points",
            actual: format!("`{}`, to which nobody listens", channel.topic()),
            allowed: format!("one with a subscription for {}", channel.message_type()),
        })
    }
}
