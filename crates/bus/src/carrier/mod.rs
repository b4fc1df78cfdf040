//! Carriers: what moves messages. Each gives the same four ports (publisher, subscription, server,
//! client) for any type; the typed API and actions are built on those.

pub(crate) mod in_process;
#[cfg(feature = "ros2")]
pub(crate) mod ros2;
pub(crate) mod zenoh;

use std::sync::Arc;

/// The carrier of a bus.
#[derive(Debug, Clone)]
pub(crate) enum Carrier {
    InProcess(Arc<in_process::InProcess>),
    Zenoh(Arc<zenoh::Zenoh>),
    #[cfg(feature = "ros2")]
    Ros2(Arc<ros2::Ros2>),
}
