use std::fmt::Display;
use std::time::Duration;

use sinew_bus::{BusError, BusNode, Publisher, names};
use sinew_msgs::diagnostic_msgs::{DiagnosticArray, DiagnosticStatus, KeyValue};
use sinew_msgs::std_msgs::Header;
use sinew_types::Time;

use crate::ros_clock::RosClock;

pub(crate) const WARN: u8 = 1;
pub(crate) const ERROR: u8 = 2;

/// Tells on `/diagnostics` how the parts of a node are; statuses are named `NODE: PART`, with the robot's name as hardware
/// id.
pub(crate) struct Health {
    publisher: Publisher<DiagnosticArray>,
    node: String,
    robot: String,
    clock: RosClock,
}

impl Health {
    /// How often it is told.
    pub(crate) const PERIOD: Duration = Duration::from_secs(1);

    pub(crate) fn new(node: &BusNode, robot: &str, clock: RosClock) -> Result<Self, BusError> {
        let name = format!("{}/{}", node.namespace().trim_matches('/'), node.name());
        Ok(Self {
            publisher: node.publisher(&names::DIAGNOSTICS)?,
            node: name.trim_start_matches('/').to_owned(),
            robot: robot.to_owned(),
            clock,
        })
    }

    pub(crate) fn status(&self, of: &str, found: Found) -> DiagnosticStatus {
        DiagnosticStatus {
            level: found.level,
            name: format!("{}: {of}", self.node),
            message: found.message,
            hardware_id: self.robot.clone(),
            values: found.values,
        }
    }

    pub(crate) fn publish(&self, now: Time, status: Vec<DiagnosticStatus>) -> Result<(), BusError> {
        let header = Header { stamp: self.clock.stamp(now), frame_id: String::new() };
        self.publisher.publish(&DiagnosticArray { header, status })
    }
}

/// The state of one part.
#[derive(Default)]
pub(crate) struct Found {
    pub(crate) level: u8,
    pub(crate) message: String,
    pub(crate) values: Vec<KeyValue>,
}

impl Found {
    pub(crate) fn ok() -> Self {
        Self { message: "ok".into(), ..Self::default() }
    }

    /// Keeps the severest level, and what is said of it.
    pub(crate) fn raise(&mut self, level: u8, message: impl Display) {
        if level > self.level {
            (self.level, self.message) = (level, message.to_string());
        }
    }

    pub(crate) fn value(&mut self, key: impl Into<String>, value: impl Display) {
        self.values.push(KeyValue { key: key.into(), value: value.to_string() });
    }
}
