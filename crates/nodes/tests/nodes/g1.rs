//! A humanoid that falls when it is held, on a locomotion policy that nobody here trained: imported, run by a
//! skill and as its own fallback in the hardware layer, through the control loop and the gate, in the simulator.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use sinew_driver_sim::{SimDriver, World};
use sinew_hardware::{
    Accepted, Cause, Configured, ControlHandle, ControlLoop, DriverError, GateConfig, GroupSet,
    HardwareInterface, LeaseRequest, Mode, Notice, OutputKind, Unconfigured,
};
use sinew_policy::import::import_deploy;
use sinew_policy::{CommandInputs, Policy};
use sinew_types::{ActuatorCommand, BaseTwist, BootId, LeaseId, RobotState, Source, Time};

const SKILLS: BootId = BootId(3);
const PAD: BootId = BootId(4);
const COMMAND: &str = "velocity_commands";
/// Pelvis below which it is on its way to the floor, m.
pub(crate) const UP: f64 = 0.7;

/// Data that is not part of this repository; none where it is not at hand.
fn data() -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/g1");
    if path.exists() {
        return Some(path.canonicalize().unwrap());
    }
    assert!(std::env::var_os("CI").is_none(), "{} is missing", path.display());
    eprintln!("skipped: {} is not here", path.display());
    None
}

/// The simulator, with an IMU that can be lost.
struct Lossy {
    sim: SimDriver,
    imu_lost: Arc<AtomicBool>,
}

impl HardwareInterface for Lossy {
    fn name(&self) -> &'static str {
        "lossy"
    }
    fn configure(&mut self) -> Result<Configured, DriverError> {
        self.sim.configure()
    }
    fn activate(&mut self, now: Time) -> Result<(), DriverError> {
        self.sim.activate(now)
    }
    fn deactivate(&mut self) {
        self.sim.deactivate();
    }
    fn read(
        &mut self,
        now: Time,
        period: Duration,
        state: &mut RobotState,
    ) -> Result<(), DriverError> {
        self.sim.read(now, period, state)?;
        if self.imu_lost.load(Ordering::SeqCst)
            && let Some(imu) = &mut state.imu
        {
            imu.valid = false;
        }
        Ok(())
    }
    fn write(
        &mut self,
        now: Time,
        period: Duration,
        command: &ActuatorCommand,
    ) -> Result<(), DriverError> {
        self.sim.write(now, period, command)
    }
}

/// A skill that runs the policy, at the velocity that it was asked for or that a person asks for.
struct Walker {
    lease: LeaseId,
    policy: Policy,
    inputs: CommandInputs,
    velocity: [f64; 3],
    due: Time,
}

struct Humanoid {
    folder: tempfile::TempDir,
    control: ControlLoop,
    handle: ControlHandle,
    imu_lost: Arc<AtomicBool>,
    now: Time,
    seq: u64,
    skill: Option<Walker>,
    pad: Option<(LeaseId, BaseTwist)>,
    skill_beats: bool,
    lowest: f64,
}

impl Humanoid {
    /// Armed, and on its fallback; none where the data is not at hand.
    fn new() -> Option<Self> {
        let folder = files()?;
        let world = World::load(folder.path().join("g1.world.yaml")).unwrap();
        let model = world.robot().clone();
        let scene = world.scene().unwrap();
        let (sim, _) = SimDriver::new(world, &scene).unwrap();
        let imu_lost = Arc::new(AtomicBool::new(false));
        let driver = Lossy { sim, imu_lost: Arc::clone(&imu_lost) };
        let (driver, _stop) = Unconfigured::new(Box::new(driver)).configure().unwrap();
        let config = GateConfig::from_robot(&model).unwrap();
        let fallback = sinew_nodes::fallback_of(&model).unwrap();
        let (control, handle) = ControlLoop::with_fallback(driver, config, fallback).unwrap();
        let mut this = Self {
            folder,
            control,
            handle,
            imu_lost,
            now: Time::ZERO,
            seq: 0,
            skill: None,
            pad: None,
            skill_beats: true,
            lowest: f64::INFINITY,
        };
        this.tick();
        this.handle.arm().unwrap();
        this.tick();
        this.tick();
        assert_eq!((this.mode(), this.output("body")), (Mode::Ready, OutputKind::Fallback));
        Some(this)
    }

    fn policy(&self) -> Policy {
        let path = self.folder.path().join("g1_velocity.policy.yaml");
        Policy::load(path, self.control.layout()).unwrap()
    }

    fn tick(&mut self) {
        self.now += self.control.period();
        self.control.tick(self.now);
        if let Some(base) = self.control.state().base {
            self.lowest = self.lowest.min(base.map_from_base.translation.z);
        }
        let asked = self.handle.output().base;
        let pad_drives = self.pad.is_some();
        if let Some(walker) = self.skill.as_mut().filter(|walker| self.now >= walker.due) {
            walker.due += walker.policy.period();
            let velocity = match asked.filter(|_| pad_drives) {
                Some(twist) => [twist.linear_x, twist.linear_y, twist.angular_z],
                None => walker.velocity,
            };
            walker.inputs.set(COMMAND, &velocity, self.now).unwrap();
            walker.policy.step(self.control.state(), &walker.inputs).unwrap();
            let mut command = ActuatorCommand::unused(self.control.layout());
            self.seq += 1;
            (command.lease, command.seq, command.boot_id) = (walker.lease, self.seq, SKILLS);
            command.valid_for = Duration::from_millis(100);
            walker.policy.write(&mut command);
            let _ = self.handle.command(&command);
        }
        if self.skill_beats {
            self.handle.heartbeat(SKILLS).unwrap();
        }
        if let Some((lease, twist)) = self.pad {
            let mut command = ActuatorCommand::unused(self.control.layout());
            self.seq += 1;
            (command.lease, command.seq, command.boot_id) = (lease, self.seq, PAD);
            (command.valid_for, command.dead_man) = (Duration::from_millis(200), true);
            command.base = Some(twist);
            let _ = self.handle.command(&command);
            self.handle.heartbeat(PAD).unwrap();
        }
    }

    fn run(&mut self, seconds: f64) {
        let until = self.now + Duration::from_secs_f64(seconds);
        while self.now < until {
            self.tick();
        }
    }

    fn lease(&mut self, source: Source, group: &'static str) -> LeaseId {
        while self.handle.poll().is_some() {}
        let boot_id = if source == Source::Teleop { PAD } else { SKILLS };
        let request = LeaseRequest {
            source,
            groups: GroupSet::named(self.control.layout(), [group]).unwrap(),
            boot_id,
            command_period: Duration::from_millis(20),
        };
        let id = self.handle.acquire(request).unwrap();
        self.tick();
        while let Some(notice) = self.handle.poll() {
            if let Notice::Reply { request, result } = notice
                && request == id
            {
                let Ok(Accepted::Granted { lease, .. }) = result else { panic!("{result:?}") };
                return lease;
            }
        }
        panic!("no reply");
    }

    /// A skill takes the body and walks on with a policy of its own.
    fn walk(&mut self, velocity: [f64; 3]) {
        let policy = self.policy();
        let lease = self.lease(Source::Skill, "body");
        self.give(lease, policy, velocity);
    }

    fn give(&mut self, lease: LeaseId, mut policy: Policy, velocity: [f64; 3]) {
        policy.reset(self.control.state()).unwrap();
        let inputs = policy.command_inputs();
        self.skill = Some(Walker { lease, policy, inputs, velocity, due: self.now });
    }

    fn mode(&self) -> Mode {
        self.control.safety().mode
    }

    fn causes(&self) -> Vec<Cause> {
        self.control.safety().causes.iter().collect()
    }

    fn output(&self, group: &str) -> OutputKind {
        let index = self.control.layout().group_index(group).unwrap();
        self.control.safety().groups[index].output
    }

    /// Of the pelvis, m.
    fn place(&self) -> (f64, f64, f64) {
        let place = self.control.state().base.unwrap().map_from_base.translation;
        (place.x, place.y, place.z)
    }

    /// It stays up for so long, and stands at the end.
    #[track_caller]
    fn stays_up(&mut self, seconds: f64) {
        self.lowest = f64::INFINITY;
        self.run(seconds);
        assert!(self.lowest > UP, "the pelvis was {:.2} m above the floor", self.lowest);
        let speed = self.control.state().base.unwrap().linear_velocity.norm();
        assert!(speed < 0.15, "it still moves at {speed} m/s");
    }
}

/// A folder with robot, world and imported policy; none where the data is not at hand.
pub(crate) fn files() -> Option<tempfile::TempDir> {
    let data = data()?;
    let folder = tempfile::tempdir().unwrap();
    let motors = motors(&data);
    let imported = import_deploy(&data.join("deploy.yaml"), &motors, "g1 velocity").unwrap();
    imported.write(folder.path()).unwrap();
    let cases = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/g1");
    let robot = std::fs::read_to_string(cases.join("g1.robot.yaml"))
        .unwrap()
        .replace("../../../shared/data/g1/g1.xml", &data.join("g1.xml").display().to_string())
        .replace("POLICY", "g1_velocity.policy.yaml");
    std::fs::write(folder.path().join("g1.robot.yaml"), robot).unwrap();
    std::fs::copy(cases.join("g1.world.yaml"), folder.path().join("g1.world.yaml")).unwrap();

    Some(folder)
}

/// The joints in the order of the motors: as in the body file.
fn motors(data: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(data.join("g1.xml")).unwrap();
    let joints = text.split("<joint name=\"").skip(1);
    joints.map(|rest| rest.split('"').next().unwrap().to_owned()).collect()
}

#[test]
fn on_its_fallback_it_stands() {
    let Some(mut robot) = Humanoid::new() else { return };
    robot.run(10.0);
    let (x, y, _) = robot.place();
    assert!(x.abs() < 0.1 && y.abs() < 0.1, "{x} {y}");
    assert!(robot.lowest > 0.77, "{}", robot.lowest);
    assert_eq!((robot.mode(), robot.output("body")), (Mode::Ready, OutputKind::Fallback));
}

#[test]
fn a_skill_walks_it_at_half_a_metre_per_second() {
    let Some(mut robot) = Humanoid::new() else { return };
    robot.walk([0.5, 0.0, 0.0]);
    let start = robot.place();
    robot.lowest = f64::INFINITY;
    robot.run(10.0);
    assert_eq!(robot.output("body"), OutputKind::Track);
    let (x, y, _) = robot.place();
    let (x, y) = (x - start.0, y - start.1);
    assert!((4.2..5.2).contains(&x), "{x} m in 10 s");
    assert!(y.abs() < 1.2, "{y} m to the side");
    assert!(robot.lowest > 0.74, "{}", robot.lowest);
}

/// In mid-walk, one thing happens.
fn walking() -> Option<Humanoid> {
    let mut robot = Humanoid::new()?;
    robot.walk([0.5, 0.0, 0.0]);
    robot.run(3.0);
    assert_eq!(robot.output("body"), OutputKind::Track);
    assert!(robot.place().0 > 0.8, "it walks");
    Some(robot)
}

#[test]
fn a_dead_skills_process_leaves_it_standing() {
    let Some(mut robot) = walking() else { return };
    robot.skill = None;
    robot.skill_beats = false;
    robot.run(0.5);
    assert_eq!(robot.output("body"), OutputKind::Fallback);
    robot.stays_up(5.0);
    assert_eq!((robot.mode(), robot.output("body")), (Mode::Ready, OutputKind::Fallback));
}

#[test]
fn a_protective_stop_leaves_it_standing() {
    let Some(mut robot) = walking() else { return };
    robot.handle.peer_lost(SKILLS).unwrap();
    robot.skill = None;
    robot.tick();
    assert_eq!((robot.mode(), robot.output("body")), (Mode::ProtectiveStop, OutputKind::Fallback));
    robot.stays_up(5.0);
}

#[test]
fn a_command_that_is_not_finite_leaves_it_standing() {
    let Some(mut robot) = walking() else { return };
    let lease = robot.skill.take().unwrap().lease;
    let mut command = ActuatorCommand::unused(robot.control.layout());
    (command.lease, command.seq, command.boot_id) = (lease, u64::MAX, SKILLS);
    command.valid_for = Duration::from_millis(100);
    command.joints.fill(sinew_types::JointCommand::position(f64::NAN));
    command.joints[0].position = f64::INFINITY;
    let _ = robot.handle.command(&command);
    robot.tick();
    assert_eq!(robot.causes(), [Cause::InvalidCommand]);
    robot.stays_up(5.0);
}

#[test]
fn a_lost_joystick_leaves_it_standing() {
    let Some(mut robot) = Humanoid::new() else { return };
    let lease = robot.lease(Source::Teleop, "base");
    robot.pad = Some((lease, BaseTwist { linear_x: 0.5, ..BaseTwist::default() }));
    robot.run(4.0);
    assert_eq!(
        (robot.output("base"), robot.output("body")),
        (OutputKind::Track, OutputKind::Fallback)
    );
    let way = robot.place().0;
    assert!((1.0..2.5).contains(&way), "{way} m in 4 s at 0.5 m/s");
    robot.pad = None;
    robot.run(1.0);
    assert_eq!(robot.output("base"), OutputKind::Hold);
    robot.stays_up(5.0);
}

#[test]
fn teleop_of_the_base_drives_the_policy_of_a_skill() {
    let Some(mut robot) = Humanoid::new() else { return };
    robot.walk([0.0; 3]);
    let lease = robot.lease(Source::Teleop, "base");
    robot.pad = Some((lease, BaseTwist { linear_x: 0.5, ..BaseTwist::default() }));
    for _ in 0..2000 {
        robot.tick();
        assert_eq!(robot.output("body"), OutputKind::Track);
    }
    assert!(robot.lowest > UP && robot.place().0 > 1.0, "{:?}", robot.place());
}

#[test]
fn a_hot_swap_to_the_same_policy_keeps_it_walking() {
    let Some(mut robot) = walking() else { return };
    let fresh = robot.policy();
    let walker = robot.skill.take().unwrap();
    robot.give(walker.lease, fresh, walker.velocity);
    robot.lowest = f64::INFINITY;
    let before = robot.place().0;
    robot.run(4.0);
    assert_eq!(robot.output("body"), OutputKind::Track);
    assert!(robot.lowest > UP, "{}", robot.lowest);
    assert!(robot.place().0 - before > 1.2, "it walks on");
}

#[test]
fn without_an_imu_it_goes_down_damped() {
    let Some(mut robot) = Humanoid::new() else { return };
    robot.imu_lost.store(true, Ordering::SeqCst);
    robot.run(0.1);
    assert_eq!(robot.causes(), [Cause::FallbackFailed]);
    assert_eq!((robot.mode(), robot.output("body")), (Mode::Fault, OutputKind::Damp));
    robot.run(8.0);
    assert!(robot.place().2 < 0.4, "nothing keeps it up");
    assert_eq!(robot.output("body"), OutputKind::Damp);
}

#[test]
fn an_emergency_stop_lets_it_down_damped_and_then_cuts_the_power() {
    let Some(mut robot) = walking() else { return };
    robot.handle.e_stop().press();
    robot.tick();
    assert_eq!((robot.mode(), robot.output("body")), (Mode::EStop, OutputKind::Damp));
    robot.run(12.0);
    assert!(robot.place().2 < 0.4, "it lies");
    assert_eq!(robot.output("body"), OutputKind::None);
}
