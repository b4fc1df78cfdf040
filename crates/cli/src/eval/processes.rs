use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use serde_json::json;
use sinew_bus::{Subscription, names};
use sinew_driver_sim::World;
use sinew_msgs::sinew_msgs::{Heartbeat, RobotTick, SafetyState};
use sinew_nodes::NodeKind;
use sinew_nodes::convert::time_from_msg;
use sinew_nodes::launch::{LaunchDescription, Output};

use super::episode::Episode;
use super::judge::{Judge, Sights};
use super::suite::EvalTask;
use crate::carrier::CarrierArgs;
use crate::launch_choice::{LaunchChoice, world_file};
use crate::process::ProcessGroup;
use crate::process::router::Router;
use crate::task::goal;
use crate::task::remote::RemoteSystem;

/// Processes load policies and world within this wall time.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// Sights of each object on which the end of an episode is judged.
const SIGHTS: usize = 15;
/// They come within this wall time.
const SIGHTS_WITHIN: Duration = Duration::from_secs(10);

/// Runs one episode with each node as a process of its own, over zenoh, in lock-step.
pub(crate) fn run(choice: &LaunchChoice, seed: u64, task: &EvalTask) -> Result<Episode> {
    let mut choice = choice.clone();
    choice.arguments.insert("seed".into(), seed.to_string());
    let mut description = choice.expand()?;
    let namespace = lock_step(&mut description)?;
    let world = World::load(world_file(&description)?)?;

    let (_router, endpoint) = Router::at_free_port()?;
    let carrier = CarrierArgs::zenoh(endpoint);
    let mut group = ProcessGroup::new(carrier.clone(), PathBuf::new());
    let system = RemoteSystem::join(&carrier, &namespace)?;
    let ticks = system.node().subscription(&names::ROBOT_TICK)?;
    let detections = system.node().subscription(&names::DETECTIONS)?;
    let safety = system.node().subscription(&names::SAFETY_STATE)?;
    let hearts = system.node().subscription(&names::heartbeat("skills"))?;
    group.start_all(&description)?;
    system.wait_ready(READY_WITHIN)?;
    wait_armed(&safety)?;
    wait_caught_up(&ticks, &hearts)?;
    let end = system.task(goal(&task.instruction, "", false), None, &mut |_| {})?;

    // What was under way when the task ended is not looked at.
    while detections.take().is_some() {}
    let (mut sights, mut last, since) = (Sights::default(), None, Instant::now());
    while sights.least() < SIGHTS || last.is_none() {
        while let Some(received) = detections.take() {
            sights.take(&received.message)?;
        }
        last = ticks.take_newest().map(|received| received.message).or(last);
        if let Some((name, status)) = group.ended() {
            bail!("`{name}` ended by itself: {status}");
        }
        if since.elapsed() > SIGHTS_WITHIN {
            bail!("the world was not seen within {SIGHTS_WITHIN:?} after the task");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let Some(tick) = last else { bail!("the robot was not heard after the task") };
    let objects = sights.objects(time_from_msg(&tick.stamp));
    let judged = Judge::new(world.robot())?.judge(&task.goal, &tick, objects)?;
    let mut episode = Episode::new(seed, task, &end, judged);
    episode.peak_memory_mib = group.peak_memory_mib();
    group.stop();
    Ok(episode)
}

/// Waits until the hardware has switched its drivers on, as the launch file has it do.
fn wait_armed(safety: &Subscription<SafetyState>) -> Result<()> {
    let since = Instant::now();
    loop {
        let newest = safety.take_newest();
        if newest.is_some_and(|state| state.message.mode == SafetyState::MODE_READY) {
            return Ok(());
        }
        if since.elapsed() > READY_WITHIN {
            bail!("the robot was not armed within {READY_WITHIN:?}");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// Waits until the skills node has handled a tick that came after what was heard here: so it knows that the robot is
/// armed, and does not refuse the task's first step.
fn wait_caught_up(ticks: &Subscription<RobotTick>, hearts: &Subscription<Heartbeat>) -> Result<()> {
    let since = Instant::now();
    let mut heard = None;
    loop {
        let newest = ticks.take_newest().map(|tick| tick.message.tick);
        // The one after the newest: that one may have been on its way already.
        heard = heard.or(newest.map(|tick| tick + 1));
        while let Some(heart) = hearts.take() {
            let handled = heart.message.tick_ack;
            if heard.is_some_and(|heard| handled >= heard) {
                return Ok(());
            }
        }
        if since.elapsed() > READY_WITHIN {
            bail!("the skills node did not follow the robot's ticks within {READY_WITHIN:?}");
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Has simulated time wait for skills and connector, and for perception where it is a node, so that the episode may run
/// as fast as it can; gives the robot's namespace.
fn lock_step(description: &mut LaunchDescription) -> Result<String> {
    let mut namespace = None;
    let mut followers = vec!["skills", "connector"];
    for node in &description.nodes {
        if NodeKind::from_args(&node.name, &node.args)? == NodeKind::Perception {
            followers.push("perception");
        }
    }
    for node in &mut description.nodes {
        // Lines of nodes would break the progress bar; warnings are still shown.
        node.output = Output::Screen;
        match NodeKind::from_args(&node.name, &node.args)? {
            NodeKind::Hardware => {
                namespace = Some(node.namespace.clone());
                node.parameters.insert("pace".into(), json!("fastest"));
                node.parameters.insert("lock_step_with".into(), json!(followers));
            }
            NodeKind::Skills => {
                node.parameters.insert("lock_step".into(), json!(true));
                node.parameters.insert("use_sim_time".into(), json!(true));
            }
            NodeKind::Connector => {
                node.parameters.insert("lock_step".into(), json!(true));
            }
            NodeKind::Perception => {
                node.parameters.insert("use_sim_time".into(), json!(true));
            }
            NodeKind::Planner | NodeKind::Teleop => {}
        }
    }
    match namespace {
        Some(namespace) => Ok(namespace),
        None => bail!("the launch file has no hardware node"),
    }
}
