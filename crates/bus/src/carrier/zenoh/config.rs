//! How a process takes part in the zenoh network.

use std::time::Duration;

use hiroz::Builder;
use hiroz::config::{RouterConfigBuilder, SessionConfigBuilder};
use serde::Serialize;
use zenoh::Wait;

use super::failed;
use crate::BusError;

/// The role of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum ZenohMode {
    /// Listens and connects, also to peers that a router tells of; keeps trying.
    #[default]
    Peer,
    /// Connects to one router or peer, which must be there when the session opens.
    Client,
}

/// Endpoints and limits of a session. There is no multicast: who should be found is named.
///
/// The variable `ZENOH_CONFIG_OVERRIDE` (`key=value;...`, as for rmw_zenoh) changes any other zenoh
/// setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ZenohConfig {
    /// The role.
    pub mode: ZenohMode,
    /// Endpoints to listen on, e.g. `tcp/127.0.0.1:0`; ignored by a client.
    pub listen: Vec<String>,
    /// Endpoints to connect to, e.g. `tcp/localhost:7447`.
    pub connect: Vec<String>,
    /// ROS domain: nodes of other domains are not seen.
    pub domain_id: usize,
    /// Wall time after which a service call without a response fails. The wait for the result of an
    /// accepted goal has no limit.
    pub call_timeout: Duration,
}

impl Default for ZenohConfig {
    /// As rmw_zenoh: a peer that finds others through the router at `tcp/localhost:7447`, domain 0.
    fn default() -> Self {
        Self {
            mode: ZenohMode::Peer,
            listen: vec!["tcp/localhost:0".to_owned()],
            connect: vec!["tcp/localhost:7447".to_owned()],
            domain_id: 0,
            call_timeout: Duration::from_secs(10),
        }
    }
}

impl std::fmt::Display for ZenohConfig {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "listen [{}], connect [{}]", self.listen.join(", "), self.connect.join(", "))
    }
}

/// Overrides of zenoh settings by their path.
fn insert(config: &mut zenoh::Config, key: &str, value: impl Serialize) -> zenoh::Result<()> {
    config.insert_json5(key, &serde_json::to_string(&value)?)?;
    Ok(())
}

impl ZenohConfig {
    /// The session's configuration: rmw_zenoh's own defaults, with these changes. Public for programs that
    /// open a session of their own beside the carrier's; `ZENOH_CONFIG_OVERRIDE` is not in it yet.
    ///
    /// # Errors
    /// Those of zenoh for an endpoint that is none.
    pub fn session(&self) -> zenoh::Result<zenoh::Config> {
        let mut config = SessionConfigBuilder::new().build()?;
        match self.mode {
            ZenohMode::Peer => insert(&mut config, "listen/endpoints", &self.listen)?,
            ZenohMode::Client => {
                insert(&mut config, "mode", "client")?;
                insert(&mut config, "listen/endpoints", Vec::<String>::new())?;
            }
        }
        insert(&mut config, "connect/endpoints", &self.connect)?;
        // A reliable publisher waits for a congested link. rmw_zenoh lets it wait for a minute; here
        // a link whose other end does not read for a second is closed, so that one stalled process
        // cannot stall the others.
        insert(
            &mut config,
            "transport/link/tx/queue/congestion_control/block/wait_before_close",
            1_000_000,
        )?;
        Ok(config)
    }
}

/// A zenoh router inside this process, for when no other is there: peers that connect to it find
/// each other. It stops when dropped.
pub struct ZenohRouter {
    listen: String,
    _session: zenoh::Session,
}

impl ZenohRouter {
    /// Listens on one endpoint, e.g. `tcp/127.0.0.1:7447`.
    ///
    /// # Errors
    /// [`BusError::Carrier`] when the endpoint is malformed or in use.
    pub fn open(listen: &str) -> Result<Self, BusError> {
        let session = RouterConfigBuilder::new()
            .with_listen_endpoint(listen)
            .build()
            .and_then(|config| zenoh::open(config).wait())
            .map_err(failed("open router", listen))?;
        Ok(Self { listen: listen.to_owned(), _session: session })
    }

    /// Where it listens.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.listen
    }
}

impl std::fmt::Debug for ZenohRouter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ZenohRouter").field("listen", &self.listen).finish_non_exhaustive()
    }
}
