//! `sinew-record`: records demonstrations in the simulator and measures policies there.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Parser, Subcommand, ValueEnum};
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sinew_policy::{Embodiment, InputSpec, Policy, PolicyManifest};
use sinew_record::{
    DriveTask, EpisodeResult, GraspBench, GraspPilot, GraspRecorder, GraspStart, GraspTask, Pilot,
    Plant, PolicyPilot, Quality, ReachTask, RecordError, Recorder, RecorderOptions, SimPlant, Task,
    run_episode, run_grasp,
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
        /// Covers the wrist camera, to tell what the policy can do without it.
        #[arg(long)]
        covered: bool,
    },
}

#[derive(Clone, Copy, ValueEnum)]
#[value(rename_all = "snake_case")]
enum TaskName {
    Reach,
    DriveTo,
    /// From the measured pose of the cube.
    Pick,
    /// From the pose of the place.
    Place,
    /// From pictures of the wrist camera.
    PickCamera,
}

impl TaskName {
    fn policy(self) -> &'static str {
        match self {
            Self::Reach => "reach",
            Self::DriveTo => "drive_to",
            Self::Pick => "pick",
            Self::Place => "place",
            Self::PickCamera => "pick_camera",
        }
    }

    fn grasp(self) -> Option<GraspTask> {
        match self {
            Self::Reach | Self::DriveTo => None,
            Self::Pick | Self::PickCamera => Some(GraspTask::Pick),
            Self::Place => Some(GraspTask::Place),
        }
    }

    fn manifest(self) -> PathBuf {
        let name = self.policy();
        root().join(format!("policies/{name}/{name}.policy.yaml"))
    }
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn main() -> anyhow::Result<()> {
    match Arguments::parse().command {
        Command::Record { task, episodes, seed, out, policy_share, disturbed_share }
            if task.grasp().is_some() =>
        {
            let options =
                RecorderOptions { seed, policy_share, disturbed_share, ..Default::default() };
            let mut grasps = Grasps::new(task)?;
            let mut recorder = grasps.recorder(options)?;
            grasps.run(&mut recorder, episodes, seed)?;
            let record = recorder.into_record();
            record.write(&out)?;
            println!("{} rows in {}", record.rows.len(), out.display());
        }
        Command::Evaluate { task, episodes, seed, expert, covered } if task.grasp().is_some() => {
            let mut grasps = Grasps::new(task)?;
            if covered {
                anyhow::ensure!(grasps.sees(), "policy `{}` sees no pictures", task.policy());
                grasps.bench.cover();
            }
            let options = RecorderOptions { seed, disturbed_share: 0.0, ..Default::default() };
            if expert {
                let mut recorder = grasps.recorder(options)?;
                return grasps.run(&mut recorder, episodes, seed);
            }
            let policy = Policy::load(task.manifest(), &grasps.robot)?;
            let inputs = policy.command_inputs();
            let mut pilot = (policy, inputs);
            grasps.run(&mut pilot, episodes, seed)?;
            let latency = pilot.0.latency();
            println!(
                "inference      {:?} p50, {:?} p99 ({} runs)",
                latency.run.quantile(0.5),
                latency.run.quantile(0.99),
                latency.run.count()
            );
        }
        Command::Record { task, episodes, seed, out, policy_share, disturbed_share } => {
            let options =
                RecorderOptions { seed, policy_share, disturbed_share, ..Default::default() };
            let mut bench = Bench::new(task)?;
            let policy = match policy_share > 0.0 {
                true => Some(Policy::load(&bench.manifest_path, &bench.robot)?),
                false => None,
            };
            let mut recorder = Recorder::new(&bench.manifest, &bench.robot, policy, options)?;
            let quality = bench.run(&mut recorder, episodes, seed)?;
            let dataset = recorder.into_dataset();
            dataset.write(&out)?;
            print!("{quality}");
            println!("{} rows in {}", dataset.len(), out.display());
        }
        Command::Evaluate { task, episodes, seed, expert, covered } => {
            anyhow::ensure!(!covered, "policy `{}` sees no pictures", task.policy());
            let mut bench = Bench::new(task)?;
            let quality = if expert {
                let options = RecorderOptions { seed, disturbed_share: 0.0, ..Default::default() };
                let mut recorder = Recorder::new(&bench.manifest, &bench.robot, None, options)?;
                bench.run(&mut recorder, episodes, seed)?
            } else {
                let policy = Policy::load(&bench.manifest_path, &bench.robot)?;
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
    robot: Embodiment,
    plant: Box<dyn Plant>,
    task: Box<dyn Task>,
    manifest: PolicyManifest,
    manifest_path: PathBuf,
}

impl Bench {
    fn new(task: TaskName) -> anyhow::Result<Self> {
        let manifest_path = task.manifest();
        let manifest = PolicyManifest::load(&manifest_path)?;
        let period = Duration::from_secs_f64(1.0 / manifest.rate_hz);
        let world = root().join("crates/record/data/floor.world.yaml");
        let is_drive = matches!(task, TaskName::DriveTo);
        let plant = SimPlant::new(&world, if is_drive { "base" } else { "arm" }, period)?;
        let task: Box<dyn Task> = match is_drive {
            true => Box::new(DriveTask::default()),
            false => Box::new(ReachTask::new(plant.robot(), period)?),
        };
        let robot = Embodiment::new(plant.layout(), Arc::new(plant.robot().clone()));
        Ok(Self { robot, plant: Box::new(plant), task, manifest, manifest_path })
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

/// Episodes of grasping.
struct Grasps {
    task: GraspTask,
    bench: GraspBench,
    robot: Embodiment,
    manifest_path: PathBuf,
    manifest: PolicyManifest,
}

impl Grasps {
    fn new(name: TaskName) -> anyhow::Result<Self> {
        let task = name.grasp().context("no task of grasping")?;
        let manifest_path = name.manifest();
        let manifest = PolicyManifest::load(&manifest_path)?;
        let pictures = manifest.inputs.iter().find_map(|input| match input {
            InputSpec::Image { width, height, .. } => Some([*width as u32, *height as u32]),
            _ => None,
        });
        let period = Duration::from_secs_f64(1.0 / manifest.rate_hz);
        let world = root().join("crates/record/data/pick.world.yaml");
        let bench = GraspBench::new(&world, period, pictures)?;
        Ok(Self { task, robot: bench.embodiment()?, bench, manifest_path, manifest })
    }

    fn sees(&self) -> bool {
        self.manifest.inputs.iter().any(|input| matches!(input, InputSpec::Image { .. }))
    }

    fn recorder(&self, options: RecorderOptions) -> anyhow::Result<GraspRecorder> {
        let policy = match options.policy_share > 0.0 {
            true => Some(Policy::load(&self.manifest_path, &self.robot)?),
            false => None,
        };
        let expert = self.bench.expert(self.task);
        Ok(GraspRecorder::new(&self.manifest, &self.robot, policy, expert, options)?)
    }

    /// Runs episodes with seeds that count up; those that the arm cannot begin are left out.
    fn run(
        &mut self,
        pilot: &mut dyn GraspPilot,
        episodes: usize,
        seed: u64,
    ) -> anyhow::Result<()> {
        let started = Instant::now();
        let (mut run, mut succeeded, mut simulated) = (0, 0, Duration::ZERO);
        // Far apart, so that neighbouring calls do not see the same scenes.
        let mut scene_seed = seed * 1_000_000;
        while run < episodes {
            scene_seed += 1;
            let mut scene = match self.bench.scene(self.task, GraspStart::OVER, scene_seed) {
                Ok(scene) => scene,
                Err(RecordError::NoGoal { .. }) => continue,
                Err(error) => return Err(error.into()),
            };
            let done = run_grasp(&mut scene, pilot).with_context(|| format!("scene {scene_seed}"));
            let done = done?;
            run += 1;
            succeeded += usize::from(done);
            simulated += scene.elapsed();
            if !done {
                println!("failed         scene {scene_seed}: {:?}", scene.view()?);
            }
        }
        let (simulated, wall) = (simulated.as_secs_f64(), started.elapsed().as_secs_f64());
        println!("simulated      {simulated:.0} s in {wall:.0} s");
        println!("success        {succeeded}/{run}");
        println!("duration       {:.2} s on average", simulated / run.max(1) as f64);
        Ok(())
    }
}
