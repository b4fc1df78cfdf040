use serde::Serialize;

use super::BusPlan;
use super::steady::SteadyRow;
use crate::bench::stats::{Tail, median, short};
use crate::output::table;

/// The zenoh carrier's median hop over bare zenoh's, at most.
const ZENOH_BAR: f64 = 1.3;

/// One carrier at one size.
#[derive(Debug, Serialize)]
pub(super) struct HopRow {
    carrier: &'static str,
    /// Medians over the rounds.
    p50_s: f64,
    p99_s: f64,
    /// Median over the rounds of its median over bare zenoh's.
    over_bare_zenoh: f64,
}

fn medians(tails: &[Tail]) -> (f64, f64) {
    let of = |value: fn(&Tail) -> f64| median(tails.iter().map(value)).unwrap_or(f64::NAN);
    (of(|tail| tail.p50_s), of(|tail| tail.p99_s))
}

impl HopRow {
    pub(super) fn new(carrier: &'static str, tails: &[Tail], floors: &[Tail]) -> Self {
        let (p50_s, p99_s) = medians(tails);
        let ratios = tails.iter().zip(floors).map(|(tail, floor)| tail.p50_s / floor.p50_s);
        Self { carrier, p50_s, p99_s, over_bare_zenoh: median(ratios).unwrap_or(f64::NAN) }
    }
}

/// A program that measured a hop of its own.
#[derive(Debug, Serialize)]
pub(super) struct PeerRow {
    command: String,
    p50_s: f64,
    p99_s: f64,
}

impl PeerRow {
    pub(super) fn new(command: String, tails: &[[f64; 2]]) -> Self {
        let of = |place: usize| median(tails.iter().map(|tail| tail[place])).unwrap_or(f64::NAN);
        Self { command, p50_s: of(0), p99_s: of(1) }
    }
}

/// All at one size.
#[derive(Debug, Serialize)]
pub(super) struct SizeReport {
    bytes: usize,
    bare_zenoh_p50_s: f64,
    bare_zenoh_p99_s: f64,
    carriers: Vec<HopRow>,
    peers: Vec<PeerRow>,
}

impl SizeReport {
    pub(super) fn new(
        bytes: usize,
        floors: &[Tail],
        carriers: Vec<HopRow>,
        peers: Vec<PeerRow>,
    ) -> Self {
        let (bare_zenoh_p50_s, bare_zenoh_p99_s) = medians(floors);
        Self { bytes, bare_zenoh_p50_s, bare_zenoh_p99_s, carriers, peers }
    }

    fn is_within_bars(&self) -> bool {
        self.carriers.iter().all(|row| match row.carrier {
            "zenoh" => row.over_bare_zenoh <= ZENOH_BAR,
            "ros2" => self.peers.iter().all(|peer| row.p50_s <= peer.p50_s),
            _ => true,
        })
    }
}

/// What `sinew bench bus --json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct BusReport {
    messages: u32,
    rounds: u32,
    sizes: Vec<SizeReport>,
    rate_hz: u32,
    seconds: u32,
    steady: Vec<SteadyRow>,
    within_bars: bool,
}

impl BusReport {
    pub(super) fn new(plan: &BusPlan, sizes: Vec<SizeReport>, steady: Vec<SteadyRow>) -> Self {
        let within_bars =
            sizes.iter().all(SizeReport::is_within_bars) && steady.iter().all(SteadyRow::is_whole);
        Self {
            messages: plan.messages,
            rounds: plan.rounds,
            sizes,
            rate_hz: plan.steady.rate_hz,
            seconds: plan.steady.seconds,
            steady,
            within_bars,
        }
    }

    /// Whether the zenoh carrier is near bare zenoh, the ros2 carrier not slower than any peer, and nothing reliable
    /// was lost.
    pub(crate) fn is_within_bars(&self) -> bool {
        self.within_bars
    }

    pub(crate) fn page(&self) -> String {
        let mut rows =
            vec![["bytes", "hop", "p50", "p99", "over bare zenoh"].map(String::from).to_vec()];
        for size in &self.sizes {
            let mut row = |what: &str, p50: f64, p99: f64, ratio: String| {
                rows.push(vec![size.bytes.to_string(), what.into(), short(p50), short(p99), ratio]);
            };
            row("bare zenoh", size.bare_zenoh_p50_s, size.bare_zenoh_p99_s, String::new());
            for hop in &size.carriers {
                row(hop.carrier, hop.p50_s, hop.p99_s, format!("{:.2}", hop.over_bare_zenoh));
            }
            for peer in &size.peers {
                row(&peer.command, peer.p50_s, peer.p99_s, String::new());
            }
        }
        let mut page = table(&rows);
        page += &format!("medians of {} rounds of {} messages\n\n", self.rounds, self.messages);
        page += &format!("at {} Hz for {} s:\n", self.rate_hz, self.seconds);
        for row in &self.steady {
            page += &format!("{row}\n");
        }
        page
    }
}
