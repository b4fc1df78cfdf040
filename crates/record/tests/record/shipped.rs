//! The shipped policies do in the simulator what policies/README.md says, on a few episodes.

use std::path::{Path, PathBuf};

use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sinew_policy::Policy;
use sinew_record::{
    DriveTask, Plant, PolicyPilot, Quality, ReachTask, SimPlant, Task, run_episode,
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
