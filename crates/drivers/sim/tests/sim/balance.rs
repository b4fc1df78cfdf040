//! A robot that must not be held, balanced by its fallback controller: whatever stops it or leaves it
//! without a command, it stays up, unless its plan says that it goes down.

use std::path::PathBuf;
use std::time::Duration;

use sinew_driver_sim::{SimDriver, SimWorld, World};
use sinew_hardware::{
    Accepted, Cause, Configured, ControlHandle, ControlLoop, DriverError, FallbackController,
    GateConfig, GroupSet, HardwareInterface, LeaseRequest, Mode, Notice, OutputKind,
    TwoWheelBalance, Unconfigured, fallback_of,
};
use sinew_robot::{FallbackConfig, RobotModel};
use sinew_types::{ActuatorCommand, BaseTwist, BootId, LeaseId, RobotState, Source, Time};

const SKILLS: BootId = BootId(3);
const PAD: BootId = BootId(4);

/// The simulator, with an IMU that can be lost.
struct Lossy {
    sim: SimDriver,
    imu_lost: std::sync::Arc<std::sync::atomic::AtomicBool>,
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
        if self.imu_lost.load(std::sync::atomic::Ordering::SeqCst)
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

struct Balancer {
    model: RobotModel,
    control: ControlLoop,
    handle: ControlHandle,
    world: SimWorld,
    imu_lost: std::sync::Arc<std::sync::atomic::AtomicBool>,
    now: Time,
    seq: u64,
    /// A controller of the skills process, which has the wheels by a lease.
    skill: Option<(LeaseId, TwoWheelBalance)>,
    pad: Option<(LeaseId, BaseTwist)>,
    skill_beats: bool,
}

impl Balancer {
    /// Armed, and balanced for a second by the fallback controller.
    fn new() -> Self {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../worlds/balancer.yaml");
        let world = World::load(file).unwrap();
        let model = world.robot().clone();
        let scene = world.scene().unwrap();
        let (sim, world) = SimDriver::new(world, &scene).unwrap();
        let imu_lost = std::sync::Arc::default();
        let driver = Lossy { sim, imu_lost: std::sync::Arc::clone(&imu_lost) };
        let (driver, _stop) = Unconfigured::new(Box::new(driver)).configure().unwrap();
        let config = GateConfig::from_robot(&model).unwrap();
        let fallback = fallback_of(&model).unwrap();
        let (control, handle) = ControlLoop::with_fallback(driver, config, fallback).unwrap();
        let mut this = Self {
            model,
            control,
            handle,
            world,
            imu_lost,
            now: Time::ZERO,
            seq: 0,
            skill: None,
            pad: None,
            skill_beats: true,
        };
        this.tick();
        this.handle.arm().unwrap();
        this.run(1.0);
        assert_eq!((this.mode(), this.output("wheels")), (Mode::Ready, OutputKind::Fallback));
        this.assert_upright();
        this
    }

    fn tick(&mut self) {
        self.now += self.control.period();
        self.control.tick(self.now);
        let period = self.control.period();
        if let Some((lease, controller)) = &mut self.skill {
            let mut command = ActuatorCommand::unused(self.control.layout());
            self.seq += 1;
            (command.lease, command.seq, command.boot_id) = (*lease, self.seq, SKILLS);
            command.valid_for = Duration::from_millis(100);
            let reference = self.handle.output().base.unwrap_or_default();
            let state = self.control.state();
            if controller.step(self.now, period, state, reference, &mut command).is_ok() {
                let _ = self.handle.command(&command);
            }
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
            command_period: self.control.period(),
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

    /// The skills process takes the wheels with a controller of its own, as a locomotion policy would.
    fn start_skill(&mut self) {
        let Some(FallbackConfig::TwoWheelBalance(config)) = &self.model.config().fallback else {
            panic!("the robot file names a controller")
        };
        let mut controller = TwoWheelBalance::new(config, &self.model).unwrap();
        let lease = self.lease(Source::Skill, "wheels");
        controller.start(self.now, self.control.state(), self.control.output());
        self.skill = Some((lease, controller));
        self.run(0.5);
        assert_eq!(self.output("wheels"), OutputKind::Track);
        self.assert_upright();
    }

    fn drive(&mut self, linear_x: f64, angular_z: f64) {
        let twist = BaseTwist { linear_x, linear_y: 0.0, angular_z };
        let lease = self.lease(Source::Teleop, "base");
        self.pad = Some((lease, twist));
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

    fn lean(&self) -> f64 {
        let base = self.control.state().base.unwrap().map_from_base;
        (base.rotation * nalgebra::Vector3::z()).z.clamp(-1.0, 1.0).acos()
    }

    fn way(&self) -> f64 {
        self.control.state().base.unwrap().map_from_base.translation.vector.xy().norm()
    }

    #[track_caller]
    fn assert_upright(&self) {
        assert!(self.lean() < 0.25, "it leans by {:.2} rad", self.lean());
    }

    #[track_caller]
    fn stays_up(&mut self, seconds: f64) {
        let until = self.now + Duration::from_secs_f64(seconds);
        while self.now < until {
            self.tick();
            self.assert_upright();
        }
        let speed = self.control.state().base.unwrap().linear_velocity.norm();
        assert!(speed < 0.1, "it still moves at {speed} m/s");
    }
}

#[test]
fn without_a_command_it_balances_where_it_stands() {
    let mut robot = Balancer::new();
    robot.stays_up(10.0);
    assert!(robot.way() < 0.2, "{}", robot.way());
    assert!(robot.world.truth().stamp > Time::ZERO);
}

#[test]
fn teleop_of_the_reference_drives_it_while_the_fallback_controller_balances() {
    let mut robot = Balancer::new();
    robot.drive(0.4, 0.0);
    robot.run(4.0);
    robot.assert_upright();
    assert_eq!(
        (robot.output("base"), robot.output("wheels")),
        (OutputKind::Track, OutputKind::Fallback)
    );
    let way = robot.way();
    assert!((0.9..2.0).contains(&way), "{way} m in 4 s at 0.4 m/s");
    // The dead-man is let go, or the pad is gone: it comes to rest, upright.
    robot.pad = None;
    robot.run(1.5);
    assert_eq!(robot.output("base"), OutputKind::Hold);
    robot.stays_up(5.0);
    assert_eq!(robot.mode(), Mode::Ready);
}

#[test]
fn teleop_of_the_reference_leaves_a_policy_running_that_has_the_wheels() {
    let mut robot = Balancer::new();
    robot.start_skill();
    robot.drive(0.3, 0.5);
    for _ in 0..1500 {
        robot.tick();
        assert_eq!(robot.output("wheels"), OutputKind::Track);
        robot.assert_upright();
    }
    assert!(robot.way() > 0.3, "{}", robot.way());
}

#[test]
fn a_dead_skills_process_is_a_protective_stop_in_which_it_stays_up() {
    let mut robot = Balancer::new();
    robot.start_skill();
    robot.skill = None;
    robot.skill_beats = false;
    // The command is too old after 20 ms, before the heartbeat is.
    robot.run(0.1);
    assert_eq!((robot.mode(), robot.output("wheels")), (Mode::Ready, OutputKind::Fallback));
    robot.stays_up(5.0);

    // With the lease live to the end of the heartbeat, it is a stop, and the stop is balanced too.
    robot.skill_beats = true;
    robot.start_skill();
    robot.handle.peer_lost(SKILLS).unwrap();
    robot.skill = None;
    robot.tick();
    assert_eq!(
        (robot.mode(), robot.output("wheels")),
        (Mode::ProtectiveStop, OutputKind::Fallback)
    );
    robot.stays_up(5.0);
    // Healthy and still for a second: the cause has cleared, and nobody has the wheels.
    assert_eq!((robot.mode(), robot.output("wheels")), (Mode::Ready, OutputKind::Fallback));
}

#[test]
fn a_lease_that_is_given_back_leaves_it_to_the_fallback_controller() {
    let mut robot = Balancer::new();
    robot.start_skill();
    let (lease, _) = robot.skill.take().unwrap();
    robot.handle.release(lease).unwrap();
    robot.tick();
    assert_eq!(robot.output("wheels"), OutputKind::Fallback);
    robot.stays_up(5.0);
}

#[test]
fn a_command_that_is_not_finite_is_a_protective_stop_in_which_it_stays_up() {
    let mut robot = Balancer::new();
    robot.start_skill();
    let (lease, _) = robot.skill.take().unwrap();
    let mut command = ActuatorCommand::unused(robot.control.layout());
    (command.lease, command.seq, command.boot_id) = (lease, u64::MAX, SKILLS);
    command.valid_for = Duration::from_millis(100);
    command.joints[0].effort = f64::INFINITY;
    command.joints[1].effort = 0.0;
    let _ = robot.handle.command(&command);
    robot.tick();
    assert_eq!(robot.causes(), [Cause::InvalidCommand]);
    assert_eq!(robot.output("wheels"), OutputKind::Fallback);
    robot.stays_up(5.0);
    robot.handle.reset().unwrap();
    robot.tick();
    assert_eq!((robot.mode(), robot.output("wheels")), (Mode::Ready, OutputKind::Fallback));
}

#[test]
fn a_lost_imu_ends_in_damping() {
    let mut robot = Balancer::new();
    robot.imu_lost.store(true, std::sync::atomic::Ordering::SeqCst);
    robot.tick();
    assert_eq!(robot.causes(), [Cause::FallbackFailed]);
    assert_eq!((robot.mode(), robot.output("wheels")), (Mode::Fault, OutputKind::Damp));
    robot.run(10.0);
    assert!(robot.lean() > 1.0, "nothing keeps it up");
    assert_eq!(robot.output("wheels"), OutputKind::Damp);
}

#[test]
fn an_emergency_stop_lets_it_down_damped_and_then_cuts_the_power() {
    let mut robot = Balancer::new();
    robot.handle.e_stop().press();
    robot.tick();
    assert_eq!((robot.mode(), robot.output("wheels")), (Mode::EStop, OutputKind::Damp));
    robot.run(10.0);
    assert!(robot.lean() > 1.0, "it lies");
    assert_eq!(robot.output("wheels"), OutputKind::None);
}

#[test]
fn beyond_what_it_can_bring_back_it_is_given_up() {
    let mut robot = Balancer::new();
    // The skill drives it over.
    let lease = robot.lease(Source::Skill, "wheels");
    for seq in 1..2000 {
        let mut command = ActuatorCommand::unused(robot.control.layout());
        (command.lease, command.seq, command.boot_id) = (lease, seq, SKILLS);
        command.valid_for = Duration::from_millis(100);
        for joint in &mut command.joints {
            joint.effort = -6.0;
        }
        if robot.handle.command(&command).is_err() || robot.lean() > 0.8 {
            break;
        }
        robot.tick();
    }
    robot.run(0.1);
    assert!(robot.causes().contains(&Cause::FallbackFailed), "{:?}", robot.causes());
    assert_eq!(robot.output("wheels"), OutputKind::Damp);
}
