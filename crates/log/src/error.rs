use std::path::PathBuf;

/// What can go wrong with a run's folder.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LogError {
    /// A file or folder cannot be read or written.
    #[error("{}: cannot be {action}", path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// `read`, `written`, `made`.
        action: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not an MCAP file, or it is broken.
    #[error("{}: not a whole MCAP log", path.display())]
    Mcap {
        /// Which.
        path: PathBuf,
        /// What the codec said.
        #[source]
        source: mcap::McapError,
    },
    /// A message cannot be encoded, or its bytes are not what its channel says.
    #[error("{}: channel `{channel}`: not a `{message}`", path.display())]
    Message {
        /// The log.
        path: PathBuf,
        /// The topic.
        channel: String,
        /// The type.
        message: &'static str,
        /// What the codec said.
        #[source]
        source: sinew_msgs::cdr::CdrError,
    },
    /// A type whose interface file is not built in.
    #[error("type `{name}` has no definition in this build")]
    UnknownType {
        /// As generated.
        name: &'static str,
    },
    /// A summary that is not one.
    #[error("{}: not a run's summary", path.display())]
    Summary {
        /// Which.
        path: PathBuf,
        /// What the parser said.
        #[source]
        source: serde_json::Error,
    },
}
