use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use anyhow::{Result, bail};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use crate::eval::episode::{self, Episode};
use crate::eval::processes;
use crate::eval::report::{Asked, EvalReport};
use crate::eval::suite::{EvalTask, Suite};
use crate::exit::Exit;
use crate::interrupt;
use crate::launch_choice::{LaunchChoice, absolute, assignment};
use crate::output::print_json;
use crate::share::default_launch;

#[derive(Args)]
pub(crate) struct EvalArgs {
    /// The world file; its instructions are in the file beside it that ends in `.eval.yaml`.
    world: PathBuf,
    /// How many.
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u64).range(1..))]
    episodes: u64,
    /// The first episode's seed, the others count up; from the clock if none is given.
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Each node of each episode as a process of its own, over zenoh, in lock-step.
    #[arg(long)]
    processes: bool,
    /// Episodes at a time; as many as there are cores by default.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..=256))]
    jobs: Option<u64>,
    /// The share of episodes that must succeed, or the exit code is 1.
    #[arg(long, value_name = "SHARE", default_value_t = 0.9)]
    require: f64,
    /// The folder of the policies: launch argument `policies`.
    #[arg(long, value_name = "FOLDER")]
    policies: Option<PathBuf>,
    /// The launch file; `launch/tabletop.launch.yaml` by default.
    #[arg(long, value_name = "FILE")]
    launch: Option<PathBuf>,
    /// Any other argument of the launch file.
    #[arg(long = "set", value_name = "NAME:=VALUE", value_parser = assignment)]
    set: Vec<(String, String)>,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &EvalArgs) -> Result<Exit> {
    interrupt::install()?;
    let suite = Suite::load(&Suite::beside(&args.world))?;
    let file = args.launch.clone().unwrap_or_else(default_launch);
    let mut choice = LaunchChoice::new(&file, &args.set);
    choice.arguments.insert("world".into(), absolute(&args.world));
    if let Some(policies) = &args.policies {
        choice.arguments.insert("policies".into(), absolute(policies));
    }
    choice.expand()?;
    let seed = args.seed.unwrap_or_else(seed_from_clock);
    if !args.json {
        outln!("seeds {seed} to {}", seed + args.episodes - 1);
    }
    let started = Instant::now();
    let episodes = run_all(args, &choice, &suite.tasks, seed);
    if interrupt::is_set() {
        bail!("interrupted after {} of {} episodes", episodes.len(), args.episodes);
    }
    let asked = Asked {
        world: args.world.clone(),
        seed,
        processes: args.processes,
        required: args.require,
        wall_s: started.elapsed().as_secs_f64(),
    };
    let report = EvalReport::new(asked, episodes);
    if args.json {
        print_json(&report)?;
    } else {
        outln!("\n{}", report.page());
    }
    Ok(if report.is_enough() { Exit::Success } else { Exit::Failure })
}

/// Short enough to be typed again.
fn seed_from_clock() -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    now.as_secs() % 1_000_000
}

fn run_all(args: &EvalArgs, choice: &LaunchChoice, tasks: &[EvalTask], seed: u64) -> Vec<Episode> {
    let count = usize::try_from(args.episodes).unwrap_or(usize::MAX);
    let jobs = args.jobs.and_then(|jobs| usize::try_from(jobs).ok()).unwrap_or_else(|| {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        // A system of processes keeps several cores busy by itself.
        if args.processes { cores.div_ceil(4) } else { cores }
    });
    let bar = progress(count, args.json);
    let (next, done) = (AtomicUsize::new(0), Mutex::new(Vec::with_capacity(count)));
    std::thread::scope(|scope| {
        for _ in 0..jobs.min(count) {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::SeqCst);
                    if index >= count || interrupt::is_set() {
                        return;
                    }
                    let (seed, task) = (seed + index as u64, &tasks[index % tasks.len()]);
                    let made = if args.processes {
                        processes::run(choice, seed, task)
                    } else {
                        episode::composed(choice, seed, task)
                    };
                    let episode = made.unwrap_or_else(|error| Episode::broken(seed, task, &error));
                    let line = line(&episode);
                    match &bar {
                        Some(bar) => {
                            bar.println(line);
                            bar.inc(1);
                        }
                        None if !args.json => outln!("{line}"),
                        None => {}
                    }
                    done.lock().unwrap_or_else(PoisonError::into_inner).push(episode);
                }
            });
        }
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    let mut episodes = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    episodes.sort_by_key(|episode| episode.seed);
    episodes
}

fn line(episode: &Episode) -> String {
    let verdict = if episode.success { "done" } else { "FAILED" };
    format!(
        "seed {}: {}: {verdict} ({:.1} s in {:.1} s)",
        episode.seed, episode.instruction, episode.task_s, episode.wall_s
    )
}

fn progress(count: usize, json: bool) -> Option<ProgressBar> {
    (!json && std::io::stderr().is_terminal()).then(|| {
        let bar = ProgressBar::new(count as u64);
        let template = "{elapsed} [{bar:40}] {pos}/{len} episodes, {eta} left";
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar
    })
}
