//! A bus: what nodes are connected to.

use std::sync::Arc;

use crate::carrier::Carrier;
use crate::carrier::in_process::InProcess;
#[cfg(feature = "ros2")]
use crate::carrier::ros2::{Ros2, Ros2Config};
use crate::carrier::zenoh::{Zenoh, ZenohConfig};
use crate::node::BusNode;
use crate::waiter::{Signal, Waiter};
use crate::{BusError, resolve};

/// A node that can be seen on the bus.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PeerNode {
    /// Its namespace: "/" or "/a/b".
    pub namespace: String,
    /// Its name.
    pub name: String,
}

/// A connection to other nodes. Clones share it.
#[derive(Debug, Clone)]
pub struct Bus {
    pub(crate) carrier: Carrier,
    signal: Arc<Signal>,
}

impl Bus {
    /// A bus inside this process, deterministic. Only clones of this value share it.
    #[must_use]
    pub fn in_process() -> Self {
        let signal = Arc::new(Signal::default());
        Self { carrier: Carrier::InProcess(Arc::new(InProcess::new(signal.clone()))), signal }
    }

    /// A bus between processes, on rmw_zenoh's wire. One session, shared by clones.
    ///
    /// # Errors
    /// [`BusError::Carrier`] when an endpoint is malformed, cannot be listened on, or, for a
    /// client, cannot be reached. A peer that reaches nobody yet is no error: it keeps trying.
    pub fn zenoh(config: ZenohConfig) -> Result<Self, BusError> {
        let signal = Arc::new(Signal::default());
        Ok(Self { carrier: Carrier::Zenoh(Arc::new(Zenoh::open(config, signal.clone())?)), signal })
    }

    /// A bus of ROS 2 itself, over the middleware of the sourced ROS 2. One participant, shared by clones.
    ///
    /// # Errors
    /// [`BusError::Carrier`] when the middleware cannot be had, e.g. for a domain that is out of its range.
    #[cfg(feature = "ros2")]
    pub fn ros2(config: &Ros2Config) -> Result<Self, BusError> {
        let signal = Arc::new(Signal::default());
        Ok(Self { carrier: Carrier::Ros2(Arc::new(Ros2::open(config, signal.clone())?)), signal })
    }

    /// Joins as a node, e.g. `bus.node("skills", "/mobi")`.
    ///
    /// # Errors
    /// [`BusError::InvalidName`], [`BusError::Carrier`].
    pub fn node(&self, name: &str, namespace: &str) -> Result<BusNode, BusError> {
        self.node_with_remaps(name, namespace, &[])
    }

    /// Joins as a node whose names are remapped: (from, to), both relative or absolute, as in a
    /// launch file's `remap`.
    ///
    /// # Errors
    /// [`BusError::InvalidName`], [`BusError::Carrier`].
    pub fn node_with_remaps(
        &self,
        name: &str,
        namespace: &str,
        remaps: &[(String, String)],
    ) -> Result<BusNode, BusError> {
        resolve::check_node_name(name)?;
        let namespace = resolve::normal_namespace(namespace)?;
        let remaps = remaps
            .iter()
            .map(|(from, to)| {
                let full = |n| resolve::full_name(&namespace, name, n);
                Ok((full(from)?, full(to)?))
            })
            .collect::<Result<_, BusError>>()?;
        BusNode::join(&self.carrier, name, namespace, remaps)
    }

    /// For an executor that sleeps until something arrives on this bus.
    #[must_use]
    pub fn waiter(&self) -> Waiter {
        Waiter::new(self.signal.clone())
    }

    /// Every node on the bus, this process's included, ordered. Between processes it lags: a node
    /// that was killed disappears when its connection breaks.
    #[must_use]
    pub fn peers(&self) -> Vec<PeerNode> {
        let mut peers = match &self.carrier {
            Carrier::InProcess(carrier) => carrier.peers(),
            Carrier::Zenoh(carrier) => carrier.peers(),
            #[cfg(feature = "ros2")]
            Carrier::Ros2(carrier) => carrier.peers(),
        };
        peers.sort();
        peers.dedup();
        peers
    }

    /// Whether a node of this name and namespace is on the bus.
    #[must_use]
    pub fn is_alive(&self, name: &str, namespace: &str) -> bool {
        self.peers().iter().any(|peer| {
            peer.name == name
                && peer.namespace.trim_start_matches('/') == namespace.trim_start_matches('/')
        })
    }
}
