use std::fmt;

use serde::Serialize;

use crate::bench::stats::{Misses, Tail, Unexplained, short};
use crate::output::table;

/// What `sinew policy run --json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct RunReport {
    pub(super) policy: String,
    pub(super) rate_hz: f64,
    pub(super) seconds: u32,
    pub(super) ticks: usize,
    pub(super) lateness: Tail,
    pub(super) work: Tail,
    pub(super) cpu: Tail,
    pub(super) misses: Misses,
    /// Of the explained ones, those whose work was done once more to tell.
    pub(super) done_again: usize,
    /// The first of those that are not explained.
    pub(super) unexplained: Vec<Unexplained>,
    /// Ticks that repeated a command, and ticks that used old values, as the manifest allows.
    pub(super) repeated: u64,
    pub(super) kept: u64,
    /// Of the control loop beside it.
    pub(super) loop_cycles: u64,
    pub(super) loop_missed: u64,
    /// How often a policy that was loaded anew took over.
    pub(super) swaps: u64,
    #[serde(skip)]
    pub(super) histogram: String,
}

impl RunReport {
    /// Whether every missed tick is the machine's, not the policy's.
    pub(crate) fn is_explained(&self) -> bool {
        self.misses.explained == self.misses.total
    }
}

impl fmt::Display for RunReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} at {} Hz for {} s: {} ticks",
            self.policy, self.rate_hz, self.seconds, self.ticks
        )?;
        let mut rows = vec![["", "p50", "p99", "max"].map(String::from).to_vec()];
        for (name, tail) in
            [("lateness", self.lateness), ("work", self.work), ("processor time", self.cpu)]
        {
            let mut cells = vec![name.to_owned()];
            cells.extend([tail.p50_s, tail.p99_s, tail.max_s].map(short));
            rows.push(cells);
        }
        write!(f, "{}\nlateness of a tick\n{}", table(&rows), self.histogram)?;
        writeln!(
            f,
            "missed ticks: {}, {} explained, {} of them by their work done again; control loop: {} of {} cycles missed; degraded: {} repeated, {} \
             with old values; policies loaded anew: {}",
            self.misses.total,
            self.misses.explained,
            self.done_again,
            self.loop_missed,
            self.loop_cycles,
            self.repeated,
            self.kept,
            self.swaps
        )?;
        self.unexplained.iter().try_for_each(|miss| writeln!(f, "not explained: {miss}"))
    }
}
