//! Writes what goes over the bus to a run's log.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::Result;
use sinew_bus::names::Topic;
use sinew_bus::{Bus, BusError, BusNode, Message, Subscription, names};
use sinew_log::{LogError, LogWriter};
use sinew_nodes::{Node, NodeError, Progress};
use sinew_types::Time;

/// A log that several nodes write to, until one ends it.
#[derive(Clone)]
pub(crate) struct SharedLog(Arc<Mutex<Option<LogWriter>>>);

impl SharedLog {
    pub(crate) fn new(writer: LogWriter) -> Self {
        Self(Arc::new(Mutex::new(Some(writer))))
    }

    /// Appends a message; once the log has ended, nothing.
    pub(crate) fn write<M: Message>(
        &self,
        topic: &str,
        now: Time,
        message: &M,
    ) -> Result<(), LogError> {
        match &mut *self.lock() {
            Some(writer) => writer.write(topic, now, message),
            None => Ok(()),
        }
    }

    /// Ends the log with its index.
    pub(crate) fn finish(&self) -> Result<(), LogError> {
        let writer = self.lock().take();
        writer.map_or(Ok(()), LogWriter::finish)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<LogWriter>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Logs the topics of one robot, as the last node of a system.
pub(crate) struct Recorder {
    log: SharedLog,
    topics: Vec<Box<dyn Logged>>,
}

trait Logged: Send {
    fn drain(&self, log: &SharedLog, now: Time) -> Result<(), LogError>;
}

impl<M: Message> Logged for Subscription<M> {
    fn drain(&self, log: &SharedLog, now: Time) -> Result<(), LogError> {
        while let Some(received) = self.take() {
            log.write(self.name(), now, &received.message)?;
        }
        Ok(())
    }
}

impl Recorder {
    pub(crate) fn new(bus: &Bus, namespace: &str, log: SharedLog) -> Result<Self, BusError> {
        fn topic<M: Message>(
            node: &BusNode,
            topic: &Topic<M>,
        ) -> Result<Box<dyn Logged>, BusError> {
            Ok(Box::new(node.subscription(topic)?))
        }
        let node = bus.node("recorder", namespace)?;
        let topics = vec![
            topic(&node, &names::ROBOT_TICK)?,
            topic(&node, &names::JOINT_STATES)?,
            topic(&node, &names::TF)?,
            topic(&node, &names::ODOM)?,
            topic(&node, &names::IMU)?,
            topic(&node, &names::COMMAND)?,
            topic(&node, &names::SAFETY_STATE)?,
            topic(&node, &names::PROVENANCE)?,
            topic(&node, &names::SKILL_STATUS)?,
            topic(&node, &names::SKILL_RESULTS)?,
            topic(&node, &names::WORLD)?,
            topic(&node, &names::DETECTIONS)?,
        ];
        Ok(Self { log, topics })
    }
}

impl Node for Recorder {
    fn name(&self) -> &str {
        "recorder"
    }

    /// Short, since a queue of commands holds one.
    fn period(&self) -> Duration {
        Duration::from_millis(10)
    }

    fn step(&mut self, now: Time) -> Result<Progress, NodeError> {
        for topic in &self.topics {
            topic.drain(&self.log, now).map_err(|error| NodeError::new("recorder", error))?;
        }
        Ok(Progress::Done)
    }
}
