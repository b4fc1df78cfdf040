//! How punctual the control loop is, beside a loop that does nothing.

use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Result, bail};
use serde::Serialize;
use sinew_hardware::{Deadlines, RealTimeConfig, monotonic_now, thread_cpu_time};

use super::loop_rig::LoopRig;
use super::stats::{Misses, Sample, Tail, Unexplained, bars, median, short};
use super::thread_counts::ThreadCounts;
use crate::interrupt;
use crate::output::table;

/// Bars of a loop that is as punctual as a bare one.
const BARS: Bars = Bars { p50_ratio: 1.3, p99_ratio: 2.0, cpu_p99_s: 100e-6 };
/// Processor time within which a miss is not the loop's own.
const BUDGET: Duration = Duration::from_micros(100);

/// What is measured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct PacingPlan {
    pub(crate) rate_hz: u32,
    pub(crate) joints: usize,
    pub(crate) blocks: u32,
    pub(crate) block: Duration,
    pub(crate) is_ordinary: bool,
}

/// The most that is good enough.
#[derive(Clone, Copy, Debug, Serialize)]
pub(crate) struct Bars {
    p50_ratio: f64,
    p99_ratio: f64,
    cpu_p99_s: f64,
}

/// One block of the control loop, and the bare one beside it.
#[derive(Debug, Serialize)]
pub(crate) struct Pair {
    control: Block,
    bare: Block,
    p50_ratio: f64,
    p99_ratio: f64,
}

/// Cycles in a row.
#[derive(Debug, Serialize)]
struct Block {
    cycles: usize,
    /// Those in which every group followed a command.
    followed: usize,
    lateness: Tail,
    cpu: Tail,
    misses: Misses,
}

/// What `sinew bench loop --json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct PacingReport {
    rate_hz: u32,
    joints: usize,
    driver: &'static str,
    block_s: f64,
    fifo: bool,
    memory_locked: bool,
    commands: u64,
    pairs: Vec<Pair>,
    p50_ratio: f64,
    p99_ratio: f64,
    /// Of all cycles of the control loop.
    lateness: Tail,
    bare_lateness: Tail,
    cpu: Tail,
    work: Tail,
    misses: Misses,
    /// The first of those that are not explained; cycles are counted over all blocks.
    unexplained: Vec<Unexplained>,
    bare_misses: Misses,
    bars: Bars,
    within_bars: bool,
    #[serde(skip)]
    histograms: Vec<(&'static str, String)>,
}

/// Runs control loop and bare loop in turn, on this thread.
pub(crate) fn measure(plan: &PacingPlan, tell: &mut dyn FnMut(&str)) -> Result<PacingReport> {
    let period = Duration::from_secs(1) / plan.rate_hz;
    let mut rig = LoopRig::new(plan.joints, plan.rate_hz)?;
    let config = RealTimeConfig::default();
    let priority = config.fifo_priority.filter(|_| !plan.is_ordinary);
    rig.stats.prepare_thread(priority, config.lock_memory && !plan.is_ordinary);
    let capacity = (plan.block.as_nanos() / period.as_nanos()) as usize + 2;
    let (mut control, mut bare) = (Vec::new(), Vec::new());
    let mut pairs = Vec::new();
    for pair in 0..plan.blocks {
        let mut of_control = vec![Sample::default(); capacity];
        let mut of_bare = of_control.clone();
        // Which goes first changes from pair to pair, so that a drift of the machine cancels out.
        let is_control_first = pair % 2 == 0;
        for is_control in [is_control_first, !is_control_first] {
            if is_control {
                let count = control_block(&mut rig, plan.block, &mut of_control);
                of_control.truncate(count);
            } else {
                let count = bare_block(period, plan.block, &mut of_bare);
                of_bare.truncate(count);
            }
        }
        if interrupt::is_set() {
            bail!("interrupted after {pair} of {} pairs of blocks", plan.blocks);
        }
        let followed = of_control.iter().filter(|sample| sample.followed).count();
        if followed * 2 < of_control.len() {
            bail!("in pair {} the loop followed commands in {followed} cycles only", pair + 1);
        }
        let made = Pair::of(&of_control, &of_bare, period)?;
        tell(&format!(
            "pair {}/{}: p50 {} over {} bare, p99 {} over {}; {} and {} misses",
            pair + 1,
            plan.blocks,
            short(made.control.lateness.p50_s),
            short(made.bare.lateness.p50_s),
            short(made.control.lateness.p99_s),
            short(made.bare.lateness.p99_s),
            made.control.misses.total,
            made.bare.misses.total,
        ));
        pairs.push(made);
        control.append(&mut of_control);
        bare.append(&mut of_bare);
    }
    PacingReport::new(plan, &rig, pairs, &control, &bare)
}

fn control_block(rig: &mut LoopRig, length: Duration, samples: &mut [Sample]) -> usize {
    rig.paced.restart();
    // What happened before the block is not counted, nor the cycle that is due at once.
    rig.paced.cycle();
    rig.paced.sleep();
    let end = monotonic_now() + length;
    let mut count = 0;
    for sample in samples {
        let before = ThreadCounts::now();
        let cycle = rig.paced.cycle();
        *sample = Sample {
            lateness: cycle.started.since(cycle.deadline),
            work: cycle.ended.since(cycle.started),
            cpu: cycle.cpu,
            again: None,
            met: ThreadCounts::now().since(before),
            missed: cycle.missed > 0,
            followed: rig.follows(),
        };
        count += 1;
        rig.paced.sleep();
        if cycle.ended >= end || interrupt::is_set() {
            break;
        }
    }
    count
}

fn bare_block(period: Duration, length: Duration, samples: &mut [Sample]) -> usize {
    let mut deadlines = Deadlines::from_now(period);
    deadlines.advance(monotonic_now());
    deadlines.sleep();
    let end = monotonic_now() + length;
    let mut count = 0;
    for sample in samples {
        let (deadline, before) = (deadlines.next(), ThreadCounts::now());
        let (started, cpu_before) = (monotonic_now(), thread_cpu_time());
        let (cpu, ended) = (thread_cpu_time().saturating_sub(cpu_before), monotonic_now());
        let missed = deadlines.advance(ended) > 0;
        *sample = Sample {
            lateness: started.since(deadline),
            work: ended.since(started),
            cpu,
            again: None,
            met: ThreadCounts::now().since(before),
            missed,
            followed: false,
        };
        count += 1;
        deadlines.sleep();
        if ended >= end || interrupt::is_set() {
            break;
        }
    }
    count
}

impl Block {
    fn of(samples: &[Sample], period: Duration) -> Option<Self> {
        Some(Self {
            cycles: samples.len(),
            followed: samples.iter().filter(|sample| sample.followed).count(),
            lateness: Tail::of(samples.iter().map(|sample| sample.lateness))?,
            cpu: Tail::of(samples.iter().map(|sample| sample.cpu))?,
            misses: Misses::among(samples, period, BUDGET),
        })
    }
}

impl Pair {
    fn of(control: &[Sample], bare: &[Sample], period: Duration) -> Result<Self> {
        let (Some(control), Some(bare)) = (Block::of(control, period), Block::of(bare, period))
        else {
            bail!("a block without a cycle");
        };
        let ratio = |of: fn(&Tail) -> f64| of(&control.lateness) / of(&bare.lateness).max(1e-9);
        let (p50_ratio, p99_ratio) = (ratio(|tail| tail.p50_s), ratio(|tail| tail.p99_s));
        Ok(Self { control, bare, p50_ratio, p99_ratio })
    }
}

impl PacingReport {
    fn new(
        plan: &PacingPlan,
        rig: &LoopRig,
        pairs: Vec<Pair>,
        control: &[Sample],
        bare: &[Sample],
    ) -> Result<Self> {
        let period = Duration::from_secs(1) / plan.rate_hz;
        let tail = |samples: &[Sample], of: fn(&Sample) -> Duration| {
            Tail::of(samples.iter().map(of)).unwrap_or_default()
        };
        let Some(p50_ratio) = median(pairs.iter().map(|pair| pair.p50_ratio)) else {
            bail!("no pair of blocks was measured");
        };
        let p99_ratio = median(pairs.iter().map(|pair| pair.p99_ratio)).unwrap_or(p50_ratio);
        let cpu = tail(control, |sample| sample.cpu);
        let misses = Misses::among(control, period, BUDGET);
        let within_bars = p50_ratio <= BARS.p50_ratio
            && p99_ratio <= BARS.p99_ratio
            && cpu.p99_s < BARS.cpu_p99_s
            && misses.explained == misses.total;
        let histograms = vec![
            ("lateness of the control loop", bars(control.iter().map(|sample| sample.lateness))),
            ("lateness of the bare loop", bars(bare.iter().map(|sample| sample.lateness))),
            ("processor time per cycle", bars(control.iter().map(|sample| sample.cpu))),
        ];
        Ok(Self {
            rate_hz: plan.rate_hz,
            joints: plan.joints,
            driver: "sim",
            block_s: plan.block.as_secs_f64(),
            fifo: rig.stats.is_fifo.load(Ordering::SeqCst),
            memory_locked: rig.stats.is_memory_locked.load(Ordering::SeqCst),
            commands: rig.commands(),
            pairs,
            p50_ratio,
            p99_ratio,
            lateness: tail(control, |sample| sample.lateness),
            bare_lateness: tail(bare, |sample| sample.lateness),
            cpu,
            work: tail(control, |sample| sample.work),
            misses,
            unexplained: Unexplained::among(control, period, BUDGET),
            bare_misses: Misses::among(bare, period, BUDGET),
            bars: BARS,
            within_bars,
            histograms,
        })
    }

    /// Whether every bar is kept, and every miss explained.
    pub(crate) fn is_within_bars(&self) -> bool {
        self.within_bars
    }

    /// For people.
    pub(crate) fn page(&self) -> String {
        let mut rows = vec![
            [
                "block",
                "cycles",
                "late p50",
                "late p99",
                "late max",
                "cpu p99",
                "misses",
                "explained",
            ]
            .map(str::to_owned)
            .to_vec(),
        ];
        for (index, pair) in self.pairs.iter().enumerate() {
            for (name, block) in [("control", &pair.control), ("bare", &pair.bare)] {
                rows.push(vec![
                    format!("{} {name}", index + 1),
                    block.cycles.to_string(),
                    short(block.lateness.p50_s),
                    short(block.lateness.p99_s),
                    short(block.lateness.max_s),
                    short(block.cpu.p99_s),
                    block.misses.total.to_string(),
                    block.misses.explained.to_string(),
                ]);
            }
        }
        let judged = |good: bool| if good { "within" } else { "OUTSIDE" };
        let scheduling = match (self.fifo, self.memory_locked) {
            (true, true) => "SCHED_FIFO, memory locked",
            (true, false) => "SCHED_FIFO, memory not locked",
            (false, true) => "ordinary scheduling, memory locked",
            (false, false) => "ordinary scheduling, memory not locked",
        };
        let histograms: String =
            self.histograms.iter().map(|(name, bars)| format!("\n{name}\n{bars}")).collect();
        let unexplained: String =
            self.unexplained.iter().map(|miss| format!("\nnot explained: {miss}")).collect();
        format!(
            "{} joints at {} Hz on driver `{}`, {scheduling}, {} commands followed\n{}{histograms}
lateness over the bare loop's, median of {} pairs: p50 {:.2} ({} {:.1}), p99 {:.2} ({} {:.1})
own work per cycle, processor time: p50 {}, p99 {} ({} {}), max {}
misses: {} of {} cycles, {} explained; bare loop: {}{unexplained}",
            self.joints,
            self.rate_hz,
            self.driver,
            self.commands,
            table(&rows),
            self.pairs.len(),
            self.p50_ratio,
            judged(self.p50_ratio <= self.bars.p50_ratio),
            self.bars.p50_ratio,
            self.p99_ratio,
            judged(self.p99_ratio <= self.bars.p99_ratio),
            self.bars.p99_ratio,
            short(self.cpu.p50_s),
            short(self.cpu.p99_s),
            judged(self.cpu.p99_s < self.bars.cpu_p99_s),
            short(self.bars.cpu_p99_s),
            short(self.cpu.max_s),
            self.misses.total,
            self.pairs.iter().map(|pair| pair.control.cycles).sum::<usize>(),
            self.misses.explained,
            self.bare_misses.total,
        )
    }
}
