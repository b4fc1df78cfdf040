//! What can go wrong on the bus.

use std::time::Duration;

/// An error in opening, sending or answering.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BusError {
    /// A node, namespace, topic, service or action name that ROS 2 does not allow.
    #[error(
        "name `{name}`: {reason}; allowed are letters, digits and _ (no digit first), joined by single slashes"
    )]
    InvalidName {
        /// The name as it was given.
        name: String,
        /// What is wrong with it.
        reason: &'static str,
    },
    /// A name is already used with another type.
    #[error("`{name}` has type {actual}, not {expected}")]
    TypeMismatch {
        /// The resolved name.
        name: String,
        /// The type that was asked for.
        expected: String,
        /// The type that the name has.
        actual: String,
    },
    /// A service or action already has a server on this bus.
    #[error("service `{name}` already has a server")]
    ServerExists {
        /// The resolved name.
        name: String,
    },
    /// A message that cannot be written as CDR.
    #[error("message for `{name}` cannot be encoded")]
    Encode {
        /// The resolved name.
        name: String,
        /// Why.
        #[source]
        source: sinew_msgs::cdr::CdrError,
    },
    /// The carrier refused.
    #[error("{action} `{subject}` failed on the {carrier} carrier")]
    Carrier {
        /// Which: "zenoh" or "ros2".
        carrier: &'static str,
        /// What was being done, e.g. "declare publisher".
        action: &'static str,
        /// To what: a name or an endpoint.
        subject: String,
        /// Why.
        #[source]
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

/// Why a service call ended without a response.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum CallError {
    /// No server has this name now, or it went away before it answered.
    #[error("service `{service}`: no server answered")]
    NoServer {
        /// The resolved name.
        service: String,
    },
    /// The server is there but did not answer in time.
    #[error("service `{service}`: no answer within {after:?}")]
    Timeout {
        /// The resolved name.
        service: String,
        /// How long was waited, in wall time.
        after: Duration,
    },
    /// The answer is not a message of the expected type.
    #[error("service `{service}`: the answer cannot be decoded: {reason}")]
    Undecodable {
        /// The resolved name.
        service: String,
        /// What the decoder said.
        reason: String,
    },
    /// The request could not be sent.
    #[error("service `{service}`: the request could not be sent: {reason}")]
    Send {
        /// The resolved name.
        service: String,
        /// What the carrier said.
        reason: String,
    },
}
