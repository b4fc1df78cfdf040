//! Over what the nodes of several processes speak.

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use sinew_bus::{Bus, ZenohConfig, ZenohMode};

/// Over what, and where processes meet.
#[derive(Args, Clone, Debug)]
pub(crate) struct CarrierArgs {
    /// Over what nodes speak: zenoh as rmw_zenoh does, or ROS 2's own client library.
    #[arg(long, env = "SINEW_CARRIER", value_enum, default_value_t = Carrier::Zenoh)]
    pub(crate) carrier: Carrier,
    /// The zenoh endpoint at which nodes find each other.
    #[arg(long = "router", env = "SINEW_ROUTER", default_value = DEFAULT_ROUTER)]
    pub(crate) router: String,
    /// The ROS domain.
    #[arg(long, env = "ROS_DOMAIN_ID", default_value_t = 0)]
    pub(crate) domain: usize,
}

/// Over what nodes speak.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Carrier {
    /// zenoh, on the wire of rmw_zenoh; needs no ROS 2.
    Zenoh,
    /// The middleware of the sourced ROS 2; in programs built with the feature `ros2`.
    Ros2,
}

impl Carrier {
    /// As on the command line.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Zenoh => "zenoh",
            Self::Ros2 => "ros2",
        }
    }
}

/// That of rmw_zenoh.
pub(crate) const DEFAULT_ROUTER: &str = "tcp/localhost:7447";

impl CarrierArgs {
    /// zenoh at an endpoint.
    pub(crate) fn zenoh(router: String) -> Self {
        Self { carrier: Carrier::Zenoh, router, domain: 0 }
    }

    /// The bus of a node: a peer, which keeps trying.
    pub(crate) fn peer(&self) -> Result<Bus> {
        match self.carrier {
            Carrier::Zenoh => Ok(Bus::zenoh(self.config(ZenohMode::Peer))?),
            Carrier::Ros2 => self.ros2(),
        }
    }

    /// The bus of a visitor, for which a router must be there.
    pub(crate) fn client(&self) -> Result<Bus> {
        match self.carrier {
            Carrier::Zenoh => Bus::zenoh(self.config(ZenohMode::Client))
                .with_context(|| format!("nothing answers at {}", self.router)),
            Carrier::Ros2 => self.ros2(),
        }
    }

    /// The same as words of a command line.
    pub(crate) fn words(&self) -> [String; 6] {
        let words = ["--carrier", self.carrier.name(), "--router", &self.router, "--domain"]
            .map(str::to_owned);
        let [a, b, c, d, e] = words;
        [a, b, c, d, e, self.domain.to_string()]
    }

    fn config(&self, mode: ZenohMode) -> ZenohConfig {
        ZenohConfig {
            mode,
            connect: vec![self.router.clone()],
            domain_id: self.domain,
            ..ZenohConfig::default()
        }
    }

    #[cfg(feature = "ros2")]
    fn ros2(&self) -> Result<Bus> {
        let config = sinew_bus::Ros2Config {
            domain_id: Some(self.domain),
            ..sinew_bus::Ros2Config::default()
        };
        Ok(Bus::ros2(&config)?)
    }

    #[cfg(not(feature = "ros2"))]
    #[allow(clippy::unused_self)]
    fn ros2(&self) -> Result<Bus> {
        Err(crate::exit::refused(anyhow::anyhow!(
            "--carrier ros2: this program was built without it; allowed: zenoh, or build with \
             `--features ros2` where a ROS 2 is sourced"
        )))
    }
}
