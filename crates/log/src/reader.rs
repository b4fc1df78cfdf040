use std::path::{Path, PathBuf};

use hiroz::MessageTypeInfo;
use mcap::MessageStream;
use serde::de::DeserializeOwned;
use sinew_msgs::cdr;
use sinew_types::Time;

use crate::LogError;

/// A log in memory.
pub struct Log {
    path: PathBuf,
    bytes: Vec<u8>,
}

/// A message and when it was logged.
#[derive(Clone, Debug, PartialEq)]
pub struct Logged<M> {
    /// On the clock of the system that ran.
    pub time: Time,
    /// What was sent.
    pub message: M,
}

impl Log {
    /// Reads a log.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn open(path: &Path) -> Result<Self, LogError> {
        let bytes = std::fs::read(path).map_err(|source| LogError::File {
            path: path.into(),
            action: "read",
            source,
        })?;
        Ok(Self { path: path.into(), bytes })
    }

    /// Topics with the names of their schemas, in the order of their first messages.
    ///
    /// # Errors
    /// The log is broken.
    pub fn topics(&self) -> Result<Vec<(String, String)>, LogError> {
        let mut topics = Vec::new();
        for message in self.stream()? {
            let channel = message.map_err(|e| self.failed(e))?.channel;
            let schema = channel.schema.as_ref().map_or(String::new(), |s| s.name.clone());
            let topic = (channel.topic.clone(), schema);
            if !topics.contains(&topic) {
                topics.push(topic);
            }
        }
        Ok(topics)
    }

    /// All messages of a topic, in order; none if the log has no such topic.
    ///
    /// # Errors
    /// The log is broken, or holds messages of another type.
    pub fn messages<M: DeserializeOwned + MessageTypeInfo>(
        &self,
        topic: &str,
    ) -> Result<Vec<Logged<M>>, LogError> {
        let mut messages = Vec::new();
        for message in self.stream()? {
            let message = message.map_err(|e| self.failed(e))?;
            if message.channel.topic != topic {
                continue;
            }
            let decoded = cdr::decode(&message.data).map_err(|source| LogError::Message {
                path: self.path.clone(),
                channel: topic.into(),
                message: M::type_name(),
                source,
            })?;
            messages.push(Logged { time: Time::from_nanos(message.log_time), message: decoded });
        }
        Ok(messages)
    }

    fn stream(&self) -> Result<MessageStream<'_>, LogError> {
        MessageStream::new(&self.bytes).map_err(|e| self.failed(e))
    }

    fn failed(&self, source: mcap::McapError) -> LogError {
        LogError::Mcap { path: self.path.clone(), source }
    }
}
