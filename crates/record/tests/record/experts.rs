//! The experts reach what they are asked for, on a robot without mass; the simulator is left out.

use std::path::{Path, PathBuf};
use std::time::Duration;

use nalgebra::Isometry3;
use rand::SeedableRng;
use rand_chacha::ChaCha8Rng;
use sinew_policy::{PolicyManifest, goal_in_base};
use sinew_record::{
    DriveExpert, DriveTask, KinematicPlant, Plant, Quality, ReachTask, Recorder, RecorderOptions,
    Task, run_episode,
};
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, BaseTwist};

const PERIOD: Duration = Duration::from_millis(20);

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn robot() -> RobotModel {
    RobotModel::load(root().join("urdf/mobi.robot.yaml")).unwrap()
}

fn run(name: &str, task: &mut dyn Task, episodes: usize) -> (Quality, sinew_record::Dataset) {
    let path = root().join(format!("policies/{name}/{name}.policy.yaml"));
    let manifest = PolicyManifest::load(&path).unwrap();
    let mut plant = KinematicPlant::new(&robot()).unwrap();
    let options = RecorderOptions { disturbed_share: 0.0, ..Default::default() };
    let mut recorder = Recorder::new(&manifest, &plant.layout().into(), None, options).unwrap();
    let mut rng = ChaCha8Rng::seed_from_u64(3);
    let results: Vec<_> = (0..episodes)
        .map(|_| run_episode(&mut plant, task, &mut recorder, PERIOD, &mut rng).unwrap())
        .collect();
    (Quality::of(&results), recorder.into_dataset())
}

#[test]
fn the_reach_expert_reaches_poses_over_a_table() {
    let (quality, data) = run("reach", &mut ReachTask::new(&robot(), PERIOD).unwrap(), 25);
    assert!(quality.success_rate() >= 0.95, "{quality}");
    assert!(quality.distance_m.p95 < 0.002, "{quality}");
    assert!(data.len() > 25 * 20, "{}", data.len());
}

#[test]
fn the_drive_expert_reaches_poses_all_around() {
    let (quality, _) = run("drive_to", &mut DriveTask::default(), 25);
    assert!(quality.success_rate() >= 0.95, "{quality}");
}

#[test]
fn the_drive_expert_never_drives_away_from_its_goal() {
    let expert = DriveExpert;
    for step in 0..5000 {
        let angle = f64::from(step) * 0.7;
        let distance = 0.001 * 1.0017_f64.powi(step);
        let map_from_goal = Isometry3::new(
            nalgebra::Vector3::new(distance * angle.cos(), distance * angle.sin(), 0.0),
            nalgebra::Vector3::z() * f64::from(step),
        );
        let goal = goal_in_base(&Isometry3::identity(), &map_from_goal);
        let twist = expert.twist(&goal, &BaseTwist::default());
        assert!(twist.linear_x * goal.position[0] >= 0.0, "{goal:?} {twist:?}");
    }
}

#[test]
fn a_restarted_robot_is_where_it_was_at_first() {
    let mut plant = KinematicPlant::new(&robot()).unwrap();
    let first = plant.state().clone();
    let mut command = ActuatorCommand::unused(plant.layout());
    command.base = Some(BaseTwist { linear_x: 0.5, linear_y: 0.0, angular_z: 0.1 });
    plant.advance(&command, Duration::from_secs(1)).unwrap();
    assert_ne!(plant.state(), &first);
    plant.restart().unwrap();
    assert_eq!(plant.state(), &first);
}
