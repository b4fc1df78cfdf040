use std::io::IsTerminal;
use std::time::Duration;

use anyhow::{Result, anyhow};
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};

use crate::bench::bus::{self, BusPlan, SteadyPlan};
use crate::bench::pacing::{self, PacingPlan};
use crate::bench::stop::{self, StopCause, StopPlan, source};
use crate::exit::{Exit, refused};
use crate::interrupt;
use crate::output::print_json;

#[derive(Args)]
pub(crate) struct BenchArgs {
    #[command(subcommand)]
    bench: Bench,
}

#[derive(Subcommand)]
enum Bench {
    /// How punctual the control loop is, beside a loop that does nothing.
    Loop(LoopArgs),
    /// How long it takes from the cause of a stop to the first ramp command, and to standstill.
    Stop(StopArgs),
    /// What a message costs from node to node on each carrier, beside bare zenoh.
    Bus(BusArgs),
    /// The process that `stop` has command the robot, and kills.
    #[command(hide = true)]
    Source(source::SourceArgs),
}

#[derive(Args)]
struct LoopArgs {
    /// Cycles per second, Hz.
    #[arg(long, value_name = "HZ", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(50..=1000))]
    rate: u32,
    /// Joints of the simulated robot.
    #[arg(long, value_name = "N", default_value_t = 29, value_parser = clap::value_parser!(u32).range(1..=100))]
    joints: u32,
    /// Pairs of blocks: one of the control loop, one of the bare loop.
    #[arg(long, value_name = "N", default_value_t = 6, value_parser = clap::value_parser!(u32).range(1..))]
    blocks: u32,
    /// Seconds per block.
    #[arg(long, value_name = "SECONDS", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=3600))]
    block_s: u32,
    /// Leave the thread's scheduling policy and the process' memory as they are; otherwise SCHED_FIFO
    /// and locked memory are tried for, as on a robot.
    #[arg(long)]
    ordinary: bool,
    /// Exit with code 1 unless every bar is kept and every miss explained.
    #[arg(long)]
    require: bool,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct StopArgs {
    /// Trials per cause.
    #[arg(long, value_name = "N", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..))]
    trials: u32,
    /// Only this cause; may be given more than once.
    #[arg(long = "cause", value_name = "CAUSE")]
    causes: Vec<StopCause>,
    /// Print one JSON object instead of a table in Markdown: docs/cli.md.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct BusArgs {
    /// Payload, bytes; may be given more than once.
    #[arg(long = "size", value_name = "BYTES", default_values_t = [64, 1024, 65536, 1_048_576])]
    sizes: Vec<usize>,
    /// Messages per round and size; a tenth as many of large ones.
    #[arg(long, value_name = "N", default_value_t = 1000, value_parser = clap::value_parser!(u32).range(100..=100_000))]
    messages: u32,
    /// Rounds, in which all are measured by turns.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=100))]
    rounds: u32,
    /// A program that measures a hop of its own, and its arguments: it reads lines of size and number of messages, and
    /// answers with median and 99th percentile in seconds. May be given more than once.
    #[arg(long = "peer", value_name = "COMMAND")]
    peers: Vec<String>,
    /// How long `joint_states` and `command` are sent at 500 Hz.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=3600))]
    seconds: u32,
    /// Exit with code 1 unless every bar is kept and nothing reliable was lost.
    #[arg(long)]
    require: bool,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &BenchArgs) -> Result<Exit> {
    interrupt::install()?;
    match &args.bench {
        Bench::Loop(args) => run_loop(args),
        Bench::Stop(args) => run_stop(args),
        Bench::Bus(args) => run_bus(args),
        Bench::Source(args) => source::run(args).map(|()| Exit::Success),
    }
}

fn run_loop(args: &LoopArgs) -> Result<Exit> {
    let plan = PacingPlan {
        rate_hz: args.rate,
        joints: args.joints as usize,
        blocks: args.blocks,
        block: Duration::from_secs(args.block_s.into()),
        is_ordinary: args.ordinary,
    };
    let view = View::new(u64::from(args.blocks), "pairs of blocks", args.json);
    let report = pacing::measure(&plan, &mut |line| view.done_one(line))?;
    view.finish();
    if args.json {
        print_json(&report)?;
    } else {
        outln!("{}", report.page());
    }
    let is_enough = report.is_within_bars() || !args.require;
    Ok(if is_enough { Exit::Success } else { Exit::Failure })
}

fn run_stop(args: &StopArgs) -> Result<Exit> {
    let causes = if args.causes.is_empty() { StopCause::all() } else { args.causes.clone() };
    let view = View::new(u64::from(args.trials) * causes.len() as u64, "trials", args.json);
    let plan = StopPlan { trials: args.trials, causes };
    let report = stop::measure(&plan, &mut |line| view.done_one(line))?;
    view.finish();
    if args.json {
        print_json(&report)?;
    } else {
        outln!("\n{}", report.page());
    }
    Ok(if report.is_as_expected() { Exit::Success } else { Exit::Failure })
}

fn run_bus(args: &BusArgs) -> Result<Exit> {
    if let Some(size) = args.sizes.iter().find(|size| **size > LARGEST_PAYLOAD) {
        return Err(refused(anyhow!("--size {size}; allowed: 0 to {LARGEST_PAYLOAD}")));
    }
    let plan = BusPlan {
        sizes: args.sizes.clone(),
        messages: args.messages,
        rounds: args.rounds,
        peers: args.peers.clone(),
        steady: SteadyPlan { rate_hz: 500, seconds: args.seconds, joints: 29 },
    };
    let view = View::new(plan.sizes.len() as u64 * u64::from(plan.rounds), "rounds", args.json);
    let report = bus::measure(&plan, &mut |line| view.done_one(line))?;
    view.finish();
    if args.json {
        print_json(&report)?;
    } else {
        outln!("\n{}", report.page());
    }
    let is_enough = report.is_within_bars() || !args.require;
    Ok(if is_enough { Exit::Success } else { Exit::Failure })
}

/// A payload at most, bytes.
const LARGEST_PAYLOAD: usize = 16 << 20;

/// How far a measurement is: a bar on a terminal, else lines; nothing beside JSON.
struct View {
    bar: Option<ProgressBar>,
    is_silent: bool,
}

impl View {
    fn new(count: u64, what: &str, is_silent: bool) -> Self {
        let bar = (!is_silent && std::io::stderr().is_terminal()).then(|| {
            let bar = ProgressBar::new(count);
            let template = format!("{{elapsed}} [{{bar:40}}] {{pos}}/{{len}} {what}, {{eta}} left");
            if let Ok(style) = ProgressStyle::with_template(&template) {
                bar.set_style(style);
            }
            bar
        });
        Self { bar, is_silent }
    }

    fn done_one(&self, line: &str) {
        match &self.bar {
            Some(bar) => {
                bar.println(line);
                bar.inc(1);
            }
            None if !self.is_silent => outln!("{line}"),
            None => {}
        }
    }

    fn finish(self) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
    }
}
