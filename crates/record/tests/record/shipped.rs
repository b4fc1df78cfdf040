//! The shipped policies do in the simulator what policies/README.md says, on a few episodes.

use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sinew_policy::Policy;
use sinew_record::{
    DriveTask, GraspBench, GraspStart, GraspTask, Plant, PolicyPilot, Quality, ReachTask,
    RecordError, SimPlant, Task, run_episode, run_grasp,
};

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn measure(
    name: &str,
    group: &str,
    episodes: usize,
    make_task: impl Fn(&SimPlant) -> Box<dyn Task>,
) -> Quality {
    let period = std::time::Duration::from_millis(20);
    let world = root().join("crates/record/data/floor.world.yaml");
    let mut plant = SimPlant::new(&world, group, period).unwrap();
    let manifest = root().join(format!("policies/{name}/{name}.policy.yaml"));
    let mut pilot = PolicyPilot::new(Policy::load(manifest, plant.layout()).unwrap());
    assert_eq!(pilot.period(), period);
    let mut task = make_task(&plant);
    let mut rng = ChaCha8Rng::seed_from_u64(77);
    let mut results = Vec::new();
    for _ in 0..episodes {
        let result = run_episode(&mut plant, &mut *task, &mut pilot, period, &mut rng).unwrap();
        if result.settled.is_none() {
            plant.restart().unwrap();
        }
        results.push(result);
    }
    Quality::of(&results)
}

#[test]
fn reach_brings_the_tool_to_within_3_mm() {
    let period = std::time::Duration::from_millis(20);
    let quality = measure("reach", "arm", 20, |plant| {
        Box::new(ReachTask::new(plant.robot(), period).unwrap())
    });
    assert!(quality.succeeded >= 19, "{quality}");
}

#[test]
fn drive_to_brings_the_base_to_within_3_cm() {
    let quality = measure("drive_to", "base", 20, |_| Box::new(DriveTask::default()));
    assert!(quality.succeeded >= 19, "{quality}");
}

/// How many of ten scenes a policy of grasping succeeds in.
fn grasp(name: &str, task: GraspTask) -> usize {
    let period = std::time::Duration::from_millis(20);
    let world = root().join("crates/record/data/pick.world.yaml");
    let mut bench = GraspBench::new(&world, period, None).unwrap();
    let manifest = root().join(format!("policies/{name}/{name}.policy.yaml"));
    let policy = Policy::load(manifest, bench.embodiment().unwrap()).unwrap();
    let inputs = policy.command_inputs();
    let mut pilot = (policy, inputs);
    let (mut run, mut succeeded) = (0, 0);
    for seed in 77_000.. {
        let mut scene = match bench.scene(task, GraspStart::OVER, seed) {
            Ok(scene) => scene,
            Err(RecordError::NoGoal { .. }) => continue,
            Err(error) => panic!("{error}"),
        };
        succeeded += usize::from(run_grasp(&mut scene, &mut pilot).unwrap());
        run += 1;
        if run == 10 {
            break;
        }
    }
    succeeded
}

#[test]
fn pick_lifts_cubes() {
    assert!(grasp("pick", GraspTask::Pick) >= 9);
}

#[test]
fn place_puts_cubes_down() {
    assert!(grasp("place", GraspTask::Place) >= 9);
}
