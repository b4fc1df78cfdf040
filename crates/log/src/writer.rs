use std::collections::BTreeMap;
use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use hiroz::MessageTypeInfo;
use mcap::records::MessageHeader;
use mcap::{Compression, WriteOptions, Writer};
use serde::Serialize;
use sinew_msgs::cdr;
use sinew_types::Time;

use crate::LogError;
use crate::definitions::definition;

/// Writes one MCAP log.
pub struct LogWriter {
    path: PathBuf,
    writer: Writer<BufWriter<File>>,
    channels: BTreeMap<String, Channel>,
}

struct Channel {
    id: u16,
    written: u32,
}

impl LogWriter {
    /// Begins a log; a file that is there is replaced.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn create(path: &Path) -> Result<Self, LogError> {
        let file = File::create(path).map_err(|source| LogError::File {
            path: path.into(),
            action: "written",
            source,
        })?;
        let options = WriteOptions::new()
            .profile("ros2")
            .library(concat!("sinew ", env!("CARGO_PKG_VERSION")))
            .compression(Some(Compression::Zstd))
            .compression_level(1)
            .compression_threads(0);
        let writer = options
            .create(BufWriter::new(file))
            .map_err(|source| LogError::Mcap { path: path.into(), source })?;
        Ok(Self { path: path.into(), writer, channels: BTreeMap::new() })
    }

    /// Appends a message.
    ///
    /// # Errors
    /// The file cannot be written, or the type is not built in.
    pub fn write<M: MessageTypeInfo + Serialize>(
        &mut self,
        topic: &str,
        time: Time,
        message: &M,
    ) -> Result<(), LogError> {
        let data = cdr::encode(message).map_err(|source| LogError::Message {
            path: self.path.clone(),
            channel: topic.into(),
            message: M::type_name(),
            source,
        })?;
        if !self.channels.contains_key(topic) {
            let id = self.open_channel::<M>(topic)?;
            self.channels.insert(topic.into(), Channel { id, written: 0 });
        }
        let Some(channel) = self.channels.get_mut(topic) else { return Ok(()) };
        let nanos = time.as_nanos();
        let header = MessageHeader {
            channel_id: channel.id,
            sequence: channel.written,
            log_time: nanos,
            publish_time: nanos,
        };
        channel.written = channel.written.wrapping_add(1);
        self.writer.write_to_known_channel(&header, &data).map_err(|e| self.failed(e))
    }

    /// Ends the log with its index.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn finish(mut self) -> Result<(), LogError> {
        self.writer.finish().map(drop).map_err(|e| self.failed(e))
    }

    fn open_channel<M: MessageTypeInfo>(&mut self, topic: &str) -> Result<u16, LogError> {
        let name = M::type_name();
        let (schema, text) = definition(name).ok_or(LogError::UnknownType { name })?;
        self.writer
            .add_schema(schema, "ros2msg", text.as_bytes())
            .and_then(|schema| self.writer.add_channel(schema, topic, "cdr", &BTreeMap::new()))
            .map_err(|e| self.failed(e))
    }

    fn failed(&self, source: mcap::McapError) -> LogError {
        LogError::Mcap { path: self.path.clone(), source }
    }
}
