//! What a message costs from one node to another, on each carrier, beside the bare transports.

mod hop;
mod raw_zenoh;
mod report;
mod steady;

use anyhow::{Result, bail};

use super::peer::Peer;
use super::stats::Tail;
use crate::interrupt;
use hop::{BusHop, Hop};
use raw_zenoh::RawZenoh;
pub(crate) use report::BusReport;
use report::{HopRow, PeerRow, SizeReport};
pub(crate) use steady::SteadyPlan;

/// What is measured.
pub(crate) struct BusPlan {
    /// Payloads, bytes.
    pub(crate) sizes: Vec<usize>,
    /// Messages per round and size, after a tenth as many that are not counted.
    pub(crate) messages: u32,
    pub(crate) rounds: u32,
    /// Programs that measure a hop of their own, with their arguments.
    pub(crate) peers: Vec<String>,
    pub(crate) steady: SteadyPlan,
}

/// Settings of zenoh that a carrier takes over.
const OVERRIDE: &str = "ZENOH_CONFIG_OVERRIDE";

/// Above this size a tenth as many messages are enough.
const LARGE: usize = 256 * 1024;

/// Measures; `tell` hears of each round.
pub(crate) fn measure(plan: &BusPlan, tell: &mut dyn FnMut(&str)) -> Result<BusReport> {
    if std::env::var_os(OVERRIDE).is_some() {
        bail!(
            "{OVERRIDE} is set: it changes the carrier, and not the bare zenoh beside it; unset it"
        );
    }
    let mut sizes = Vec::new();
    for size in &plan.sizes {
        sizes.push(measure_size(plan, *size, tell)?);
    }
    let mut steady = Vec::new();
    for (name, pair) in hop::pairs()? {
        let row = plan.steady.measure(name, &pair)?;
        tell(&format!("{name}: {row}"));
        steady.push(row);
    }
    Ok(BusReport::new(plan, sizes, steady))
}

fn measure_size(plan: &BusPlan, size: usize, tell: &mut dyn FnMut(&str)) -> Result<SizeReport> {
    let messages = if size > LARGE { (plan.messages / 10).max(10) } else { plan.messages };
    let mut floor = RawZenoh::open(size)?;
    let mut hops = hop::pairs()?
        .into_iter()
        .map(|(name, pair)| BusHop::open(name, pair, size))
        .collect::<Result<Vec<_>>>()?;
    let mut peers = plan.peers.iter().map(|peer| Peer::start(peer)).collect::<Result<Vec<_>>>()?;
    let mut floors = Vec::new();
    let mut measured: Vec<Vec<Tail>> = hops.iter().map(|_| Vec::new()).collect();
    let mut peer_tails: Vec<Vec<[f64; 2]>> = peers.iter().map(|_| Vec::new()).collect();
    for round in 1..=plan.rounds {
        // By turns, so that whatever else the machine does falls on all alike.
        floors.push(once(&mut floor, messages)?);
        for (hop, tails) in hops.iter_mut().zip(&mut measured) {
            tails.push(once(hop, messages)?);
        }
        for (peer, tails) in peers.iter_mut().zip(&mut peer_tails) {
            tails.push(peer.ask(&format!("{size} {messages}"))?);
        }
        tell(&format!("{size} B, round {round}/{}", plan.rounds));
    }
    let rows =
        hops.iter().zip(&measured).map(|(hop, tails)| HopRow::new(hop.name(), tails, &floors));
    let peers =
        peers.into_iter().zip(&peer_tails).map(|(peer, tails)| PeerRow::new(peer.end(), tails));
    Ok(SizeReport::new(size, &floors, rows.collect(), peers.collect()))
}

/// The times of so many messages, one after the other.
fn once(hop: &mut dyn Hop, messages: u32) -> Result<Tail> {
    let mut times = Vec::new();
    for message in 0..messages + messages / 10 {
        if interrupt::is_set() {
            bail!("interrupted");
        }
        let took = hop.send()?;
        if message >= messages / 10 {
            times.push(took);
        }
    }
    match Tail::of(times) {
        Some(tail) => Ok(tail),
        None => bail!("no message was measured"),
    }
}
