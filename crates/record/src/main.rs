//! `sinew-record`: records demonstrations in the simulator and measures policies there.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sinew_policy::{Policy, PolicyManifest};
use sinew_record::{
    DriveTask, EpisodeResult, Pilot, Plant, PolicyPilot, Quality, ReachTask, Recorder,
    RecorderOptions, SimPlant, Task, run_episode,
};

#[derive(Parser)]
#[command(about = "Records demonstrations in the simulator and measures policies there")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Runs the expert in random episodes and writes observations and actions as .npy.
    Record {
        /// What is to be learned.
        task: TaskName,
        /// Number of episodes.
        #[arg(long, default_value_t = 200)]
        episodes: usize,
        /// The same seed gives the same data.
        #[arg(long, default_value_t = 1)]
        seed: u64,
        /// Where the data goes.
        #[arg(long)]
        out: PathBuf,
        /// Share of episodes that the present policy drives while the expert labels them.
        #[arg(long, default_value_t = 0.0)]
        policy_share: f64,
        /// Share of episodes with disturbed commands.
        #[arg(long, default_value_t = 0.5)]
        disturbed_share: f64,
    },
    /// Runs the policy, or the expert, in random episodes and prints how well they went.
    Evaluate {
        /// What was learned.
        task: TaskName,
        /// Number of episodes.
        #[arg(long, default_value_t = 200)]
        episodes: usize,
        /// The same seed gives the same figures.
        #[arg(long, default_value_t = 1000)]
        seed: u64,
        /// Measures the expert instead of the policy.
        #[arg(long)]
        expert: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum TaskName {
    Reach,
    DriveTo,
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Record { task, episodes, seed, out, policy_share, disturbed_share } => {
            let options =
                RecorderOptions { seed, policy_share, disturbed_share, ..Default::default() };
            let mut bench = Bench::new(task)?;
            let policy = match policy_share > 0.0 {
                true => Some(Policy::load(&bench.manifest_path, bench.plant.layout())?),
                false => None,
            };
            let mut recorder =
                Recorder::new(&bench.manifest, bench.plant.layout(), policy, options)?;
            let quality = bench.run(&mut recorder, episodes, seed)?;
            let dataset = recorder.into_dataset();
            dataset.write(&out)?;
            print!("{quality}");
            println!("{} rows in {}", dataset.len(), out.display());
        }
        Command::Evaluate { task, episodes, seed, expert } => {
            let mut bench = Bench::new(task)?;
            let quality = if expert {
                let options = RecorderOptions { seed, disturbed_share: 0.0, ..Default::default() };
                let mut recorder =
                    Recorder::new(&bench.manifest, bench.plant.layout(), None, options)?;
                bench.run(&mut recorder, episodes, seed)?
            } else {
                let policy = Policy::load(&bench.manifest_path, bench.plant.layout())?;
                let mut pilot = PolicyPilot::new(policy);
                let quality = bench.run(&mut pilot, episodes, seed)?;
                let latency = pilot.policy().latency();
                println!(
                    "inference      {:?} p50, {:?} p99 ({} runs)",
                    latency.run.quantile(0.5),
                    latency.run.quantile(0.99),
                    latency.run.count()
                );
                quality
            };
            print!("{quality}");
        }
    }
    Ok(())
}

/// A robot, a task and a manifest.
struct Bench {
    plant: Box<dyn Plant>,
    task: Box<dyn Task>,
    manifest: PolicyManifest,
    manifest_path: PathBuf,
}

impl Bench {
    fn new(task: TaskName) -> anyhow::Result<Self> {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let (name, group) = match task {
            TaskName::Reach => ("reach", "arm"),
            TaskName::DriveTo => ("drive_to", "base"),
        };
        let manifest_path = root.join(format!("policies/{name}/{name}.policy.yaml"));
        let manifest = PolicyManifest::load(&manifest_path)?;
        let period = Duration::from_secs_f64(1.0 / manifest.rate_hz);
        let world = root.join("crates/record/data/floor.world.yaml");
        let plant = SimPlant::new(&world, group, period)?;
        let task: Box<dyn Task> = match task {
            TaskName::Reach => Box::new(ReachTask::new(plant.robot(), period)?),
            TaskName::DriveTo => Box::new(DriveTask::default()),
        };
        Ok(Self { plant: Box::new(plant), task, manifest, manifest_path })
    }

    fn run(
        &mut self,
        pilot: &mut dyn Pilot,
        episodes: usize,
        seed: u64,
    ) -> anyhow::Result<Quality> {
        let period = Duration::from_secs_f64(1.0 / self.manifest.rate_hz);
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let started = Instant::now();
        let mut simulated = Duration::ZERO;
        let mut results: Vec<EpisodeResult> = Vec::with_capacity(episodes);
        for episode in 0..episodes {
            let began = self.plant.state().stamp;
            let result = run_episode(&mut *self.plant, &mut *self.task, pilot, period, &mut rng)
                .with_context(|| format!("episode {episode}"))?;
            simulated += self.plant.state().stamp.since(began);
            if result.settled.is_none() {
                let (from, to) = (result.first, result.last);
                println!(
                    "not settled    episode {episode}: from {:.3} m, {:.3} rad to {:.4} m, {:.4} rad",
                    from.distance_m, from.angle_rad, to.distance_m, to.angle_rad
                );
                self.plant.restart()?;
            }
            results.push(result);
        }
        let simulated = simulated.as_secs_f64();
        let wall = started.elapsed().as_secs_f64();
        println!("simulated      {simulated:.0} s in {wall:.0} s");
        Ok(Quality::of(&results))
    }
}
