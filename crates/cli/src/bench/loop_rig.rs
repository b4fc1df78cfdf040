//! A control loop on the simulator, with somebody who commands all of its joints.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use sinew_driver_sim::{SimDriver, World};
use sinew_hardware::{
    Accepted, ControlHandle, ControlLoop, GateConfig, GroupSet, LeaseRequest, LoopStats, Mode,
    Notice, OutputKind, PacedLoop, Unconfigured,
};
use sinew_types::{ActuatorCommand, BootId, JointCommand, Layout, LeaseId, Source};

use super::chain_robot;

/// How often the joints are commanded, as skills do it.
const COMMAND_PERIOD: Duration = Duration::from_millis(20);
/// Ticks within which the robot is armed and follows.
const READY_WITHIN: u32 = 2000;

/// The loop and the thread that commands it.
pub(crate) struct LoopRig {
    pub(crate) paced: PacedLoop,
    pub(crate) stats: Arc<LoopStats>,
    commander: Commander,
}

impl LoopRig {
    /// Brings the loop up until all groups follow commands.
    pub(crate) fn new(joints: usize, rate_hz: u32) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let world = World::load(chain_robot::write(folder.path(), joints, rate_hz)?)?;
        let gate = GateConfig::from_robot(world.robot())?;
        let scene = world.scene()?;
        let (driver, _world) = SimDriver::new(world, &scene)?;
        let (inactive, _stop) = Unconfigured::new(Box::new(driver)).configure()?;
        let layout = inactive.layout().clone();
        let (control, handle) = ControlLoop::new(inactive, gate)?;
        let stats = Arc::new(LoopStats::default());
        let mut paced = PacedLoop::new(control, Arc::clone(&stats));
        paced.cycle();
        let commander = Commander::start(handle, layout)?;
        let mut rig = Self { paced, stats, commander };
        for _ in 0..READY_WITHIN {
            rig.paced.cycle();
            rig.paced.sleep();
            if rig.follows() {
                return Ok(rig);
            }
        }
        let safety = rig.paced.control().safety();
        let causes: Vec<_> = safety.causes.iter().map(|cause| cause.as_str()).collect();
        bail!(
            "the loop does not follow commands: {:?}, causes [{}]",
            safety.mode,
            causes.join(", ")
        )
    }

    /// Whether every group follows commands now.
    pub(crate) fn follows(&mut self) -> bool {
        let safety = self.paced.control().safety();
        safety.mode == Mode::Ready
            && safety.groups.iter().all(|group| group.output == OutputKind::Track)
    }

    /// Commands sent so far.
    pub(crate) fn commands(&self) -> u64 {
        self.commander.sent.load(Ordering::Relaxed)
    }
}

struct Commander {
    stop: Arc<AtomicBool>,
    sent: Arc<AtomicU64>,
    thread: Option<JoinHandle<()>>,
}

impl Commander {
    fn start(mut handle: ControlHandle, layout: Layout) -> Result<Self> {
        handle.arm()?;
        let (stop, sent) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (stopped, count) = (Arc::clone(&stop), Arc::clone(&sent));
        let run = move || command(&mut handle, &layout, &stopped, &count);
        let thread = std::thread::Builder::new().name("commander".into()).spawn(run)?;
        Ok(Self { stop, sent, thread: Some(thread) })
    }
}

impl Drop for Commander {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        if let Some(thread) = self.thread.take() {
            // If it panicked, its message is printed already.
            let _ = thread.join();
        }
    }
}

/// Holds a lease on all groups and moves every joint to and fro.
fn command(handle: &mut ControlHandle, layout: &Layout, stop: &AtomicBool, sent: &AtomicU64) {
    let boot_id = BootId(1);
    let mut command = ActuatorCommand::unused(layout);
    (command.boot_id, command.valid_for) = (boot_id, Duration::from_millis(500));
    let started = Instant::now();
    let mut is_asked = false;
    while !stop.load(Ordering::SeqCst) {
        while let Some(notice) = handle.poll() {
            match notice {
                Notice::Reply { result: Ok(Accepted::Granted { lease, .. }), .. } => {
                    command.lease = lease;
                }
                Notice::Reply { result: Err(_), .. } | Notice::LeaseVoided(_) => is_asked = false,
                _ => {}
            }
        }
        if !is_asked && handle.safety().mode == Mode::Ready {
            command.lease = LeaseId::default();
            let request = LeaseRequest {
                source: Source::Skill,
                groups: GroupSet::all(layout),
                boot_id,
                command_period: COMMAND_PERIOD,
            };
            is_asked = handle.acquire(request).is_ok();
        }
        // While the bare loop runs, nobody takes requests: those that do not fit are not missed.
        let _ = handle.heartbeat(boot_id);
        let swing = 0.3 * (started.elapsed().as_secs_f64() * 3.0).sin();
        command.joints.fill(JointCommand::position(swing));
        command.seq += 1;
        if command.lease != LeaseId::default() && handle.command(&command).is_ok() {
            sent.fetch_add(1, Ordering::Relaxed);
        }
        std::thread::sleep(COMMAND_PERIOD);
    }
}
