//! A policy alone on a robot: the control loop on its own thread, the policy at its rate on this one.

mod double;
mod report;
mod session;
mod watch;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use sinew_driver_mock::MockDriver;
use sinew_driver_servo::ServoDriver;
use sinew_driver_sim::{SimDriver, World};
use sinew_hardware::{
    ControlLoop, GateConfig, HardwareInterface, RealTimeConfig, RealTimeRunner, Unconfigured,
};
use sinew_policy::{Embodiment, Policy, PolicyError, PolicyHost, PolicyManifest, RunOn};
use sinew_robot::RobotModel;
use sinew_types::Time;

use crate::exit::refused;
use double::Double;
use report::RunReport;
use session::Session;
use watch::{PolicyFiles, PolicyWatch};

/// How long joint targets take to change from those of a policy to those of the one that takes over.
const BLEND: Duration = Duration::from_millis(200);

/// What drives the joints.
#[derive(Clone, Debug)]
pub(crate) enum Plant {
    /// Joints are where they are commanded to be.
    Mock(PathBuf),
    /// A simulated world, in real time.
    Sim(PathBuf),
    /// Servos on a bus.
    Servo(PathBuf),
}

/// What is run.
pub(crate) struct RunPlan {
    pub(crate) manifest: PathBuf,
    pub(crate) plant: Plant,
    pub(crate) seconds: u32,
    /// Another rate than the policy's own, Hz.
    pub(crate) rate_hz: Option<f64>,
    /// Values of commands, by name; zeros for the others.
    pub(crate) values: Vec<(String, Vec<f64>)>,
    /// Where the ticks are taken down.
    pub(crate) record: Option<PathBuf>,
    /// Whether the policy is loaded anew when its files change.
    pub(crate) watch: bool,
    /// Whether the work of ticks that were missed is done once more, to tell whose the processor time was.
    pub(crate) judges: bool,
}

/// Runs it to the end of its time, or to Ctrl-C; the robot is at rest afterwards.
pub(crate) fn run(plan: &RunPlan) -> Result<RunReport> {
    let (model, driver) = plant(&plan.plant)?;
    let gate = GateConfig::from_robot(&model)?;
    let fallback = sinew_nodes::fallback_of(&model).map_err(|error| anyhow!("{error}"))?;
    let (inactive, stop) = Unconfigured::new(driver).configure()?;
    let layout = inactive.layout().clone();
    let robot = Embodiment::new(&layout, Arc::new(model));
    // Before it is loaded: what changes meanwhile is a change.
    let files = PolicyFiles::of(&plan.manifest);
    let policy = load(plan, &robot)?;
    let double = match plan.judges {
        true => Some(Double::new(load(plan, &robot)?, &layout)),
        false => None,
    };
    let values = plan.values.clone();
    let accepts = Box::new(move |policy: &Policy| accept(policy, &values));
    let (host, loader) = PolicyHost::with_policy(policy, robot, BLEND, accepts);
    let _watch = plan.watch.then(|| PolicyWatch::start(files, loader));
    let (control, handle) = ControlLoop::with_fallback(inactive, gate, fallback)?;
    let runner = RealTimeRunner::spawn(control, stop, RealTimeConfig::default())?;
    let mut session = Session::new(plan, layout, handle, host, double);
    let made = session.drive();
    // At rest, and switched off, whatever became of it.
    session.release();
    let count = |count: &AtomicU64| count.load(Ordering::Relaxed);
    let loop_counts = (count(&runner.stats().ticks), count(&runner.stats().missed));
    let stopped = runner.stop();
    let mut report = made?;
    if stopped.is_none() {
        bail!("the control thread had panicked; the actuators were stopped");
    }
    (report.loop_cycles, report.loop_missed) = loop_counts;
    if let (Some(path), Some(record)) = (&plan.record, session.record()) {
        std::fs::write(path, serde_json::to_string(record)?)
            .with_context(|| format!("{}: cannot be written", path.display()))?;
    }
    Ok(report)
}

fn plant(plant: &Plant) -> Result<(RobotModel, Box<dyn HardwareInterface>)> {
    Ok(match plant {
        Plant::Mock(robot) => {
            let model = RobotModel::load(robot).map_err(refused)?;
            let driver = MockDriver::of_robot(&model)?;
            (model, Box::new(driver))
        }
        Plant::Sim(world) => {
            let world = World::load(world).map_err(refused)?;
            let model = world.robot().clone();
            let scene = world.scene()?;
            let (driver, _) = SimDriver::new(world, &scene)?;
            (model, Box::new(driver))
        }
        Plant::Servo(robot) => {
            let model = RobotModel::load(robot).map_err(refused)?;
            let driver = ServoDriver::from_robot(&model)?;
            (model, Box::new(driver))
        }
    })
}

fn load(plan: &RunPlan, robot: &Embodiment) -> Result<Policy> {
    let mut manifest = PolicyManifest::load(&plan.manifest).map_err(refused)?;
    if let Some(rate_hz) = plan.rate_hz {
        manifest = manifest.at_rate(rate_hz);
    }
    let folder = plan.manifest.parent().unwrap_or(Path::new("."));
    let run_on = RunOn::one_thread(manifest.model.provider);
    let policy = Policy::load_on(manifest, folder, robot, run_on).map_err(refused)?;
    accept(&policy, &plan.values).map_err(refused)?;
    Ok(policy)
}

/// Whether a policy can be run with these values of its commands, and nothing else.
fn accept(policy: &Policy, values: &[(String, Vec<f64>)]) -> Result<(), PolicyError> {
    let mut inputs = policy.command_inputs();
    if let Some(camera) = inputs.cameras().next() {
        return Err(PolicyError::Field {
            policy: policy.manifest().id.clone(),
            field: "inputs".into(),
            value: format!("a picture of camera `{camera}`"),
            allowed: "what needs no camera: nothing gives pictures here".into(),
        });
    }
    values.iter().try_for_each(|(name, values)| inputs.set(name, values, Time::ZERO))
}
