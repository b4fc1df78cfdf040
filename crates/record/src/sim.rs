use std::path::Path;
use std::time::Duration;

use sinew_driver_sim::{Scene, SimDriver, SimWorld, World};
use sinew_hardware::{
    Accepted, ControlHandle, ControlLoop, EmergencyStop, GateConfig, GroupSet, LeaseRequest, Mode,
    Notice, Unconfigured,
};
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, BootId, Layout, LeaseId, RobotState, Source, Time};

use crate::{Plant, RecordError};

/// The simulated robot behind the control loop and its gate, ticked in virtual time: commands are
/// limited exactly as they are when a skill gives them.
pub struct SimPlant {
    control: ControlLoop,
    handle: ControlHandle,
    robot: RobotModel,
    lease: LeaseId,
    now: Time,
    command: ActuatorCommand,
    seen: SimWorld,
    made_of: (World, Scene, Vec<String>, Duration),
    /// Held so that nothing takes it for lost; never pressed here.
    _emergency_stop: Box<dyn EmergencyStop>,
}

const BOOT_ID: BootId = BootId(1);
const VALID_FOR: Duration = Duration::from_millis(100);

fn fail<E: std::error::Error>(doing: &'static str) -> impl FnOnce(E) -> RecordError {
    move |error| {
        let mut reason = error.to_string();
        let mut source = error.source();
        while let Some(inner) = source {
            reason = format!("{reason}: {inner}");
            source = inner.source();
        }
        RecordError::Plant { doing, reason }
    }
}

impl SimPlant {
    /// Loads a world, switches the robot on and takes a lease on one of its groups, which is to be
    /// commanded every `command_period`.
    ///
    /// # Errors
    /// [`RecordError::Plant`] says what failed.
    pub fn new(world: &Path, group: &str, command_period: Duration) -> Result<Self, RecordError> {
        let world = World::load(world).map_err(fail("load the world"))?;
        let scene = world.scene().map_err(fail("place the world's content"))?;
        Self::in_scene(world, &scene, &[group], command_period)
    }

    /// The same for a scene of a world and several groups.
    ///
    /// # Errors
    /// [`RecordError::Plant`] says what failed.
    pub fn in_scene(
        world: World,
        scene: &Scene,
        groups: &[&str],
        command_period: Duration,
    ) -> Result<Self, RecordError> {
        let robot = world.robot().clone();
        let named = groups.iter().map(|group| (*group).to_owned()).collect();
        let made_of = (world.clone(), scene.clone(), named, command_period);
        let (driver, seen) = SimDriver::new(world, scene).map_err(fail("start the simulation"))?;
        let (driver, emergency_stop) =
            Unconfigured::new(Box::new(driver)).configure().map_err(fail("configure"))?;
        let config = GateConfig::from_robot(&robot).map_err(fail("configure the gate"))?;
        let (mut control, mut handle) =
            ControlLoop::new(driver, config).map_err(fail("make the control loop"))?;
        let groups =
            GroupSet::named(control.layout(), groups.iter().copied()).map_err(|unknown| {
                let reason = format!("the robot has no group `{unknown}`");
                RecordError::Plant { doing: "find the group", reason }
            })?;

        let mut now = Time::ZERO;
        control.tick(now);
        handle.arm().map_err(fail("arm"))?;
        let request =
            LeaseRequest { source: Source::Skill, groups, boot_id: BOOT_ID, command_period };
        handle.acquire(request).map_err(fail("acquire a lease"))?;
        now += control.period();
        control.tick(now);
        let mut lease = None;
        while let Some(notice) = handle.poll() {
            if let Notice::Reply { result, .. } = notice
                && let Accepted::Granted { lease: granted, .. } =
                    result.map_err(fail("arm and acquire a lease"))?
            {
                lease = Some(granted);
            }
        }
        let no_lease =
            || RecordError::Plant { doing: "acquire a lease", reason: "no reply".into() };
        let command = ActuatorCommand::unused(control.layout());
        let lease = lease.ok_or_else(no_lease)?;
        let _emergency_stop = emergency_stop;
        Ok(Self { control, handle, robot, lease, now, command, seen, made_of, _emergency_stop })
    }

    /// The robot.
    pub fn robot(&self) -> &RobotModel {
        &self.robot
    }

    /// The world around it.
    pub fn seen(&self) -> &SimWorld {
        &self.seen
    }
}

impl Plant for SimPlant {
    fn layout(&self) -> &Layout {
        self.control.layout()
    }

    fn state(&self) -> &RobotState {
        self.control.state()
    }

    fn advance(&mut self, command: &ActuatorCommand, time: Duration) -> Result<(), RecordError> {
        let seq = self.command.seq + 1;
        self.command.copy_from(command);
        self.command.lease = self.lease;
        self.command.boot_id = BOOT_ID;
        self.command.seq = seq;
        self.command.tick = self.control.state().tick;
        self.command.valid_for = VALID_FOR;
        self.handle.command(&self.command).map_err(fail("take a command"))?;
        self.handle.heartbeat(BOOT_ID).map_err(fail("take a heartbeat"))?;
        let period = self.control.period();
        let ticks = (time.as_secs_f64() / period.as_secs_f64()).round() as u32;
        for _ in 0..ticks {
            self.now += period;
            self.control.tick(self.now);
        }
        let safety = self.control.safety();
        if safety.mode == Mode::Ready {
            return Ok(());
        }
        Err(RecordError::Stopped { mode: safety.mode, causes: format!("{:?}", safety.causes) })
    }

    fn restart(&mut self) -> Result<(), RecordError> {
        let (world, scene, groups, command_period) = self.made_of.clone();
        let groups: Vec<_> = groups.iter().map(String::as_str).collect();
        *self = Self::in_scene(world, &scene, &groups, command_period)?;
        Ok(())
    }
}
