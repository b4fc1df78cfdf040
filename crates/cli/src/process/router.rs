use std::net::{TcpListener, TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use sinew_bus::ZenohRouter;

use crate::carrier::{Carrier, CarrierArgs};

/// A router in this process, so that nodes find each other.
pub(crate) struct Router {
    _router: ZenohRouter,
}

impl Router {
    /// Opens one where nodes are to meet over zenoh, unless one answers there already.
    pub(crate) fn unless_there(carrier: &CarrierArgs) -> Result<Option<Self>> {
        if carrier.carrier != Carrier::Zenoh || answers(&carrier.router)? {
            return Ok(None);
        }
        Ok(Some(Self { _router: ZenohRouter::open(&carrier.router)? }))
    }

    /// Opens one at a port that is free, and gives its endpoint.
    pub(crate) fn at_free_port() -> Result<(Self, String)> {
        // Between the two lines another program may take the port; then the next try finds another.
        for _ in 0..10 {
            let port = TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port();
            let endpoint = format!("tcp/127.0.0.1:{port}");
            if let Ok(router) = ZenohRouter::open(&endpoint) {
                return Ok((Self { _router: router }, endpoint));
            }
        }
        bail!("no free port for a zenoh router was found")
    }
}

fn answers(endpoint: &str) -> Result<bool> {
    let address = endpoint
        .strip_prefix("tcp/")
        .with_context(|| format!("--router: `{endpoint}`; allowed: tcp/HOST:PORT"))?;
    let mut addresses = address
        .to_socket_addrs()
        .with_context(|| format!("--router: `{endpoint}` is no address that is known"))?;
    let limit = Duration::from_millis(500);
    Ok(addresses.any(|address| TcpStream::connect_timeout(&address, limit).is_ok()))
}
