//! A gate around a perfect plant: joints are where they were commanded in the last tick.

use std::time::Duration;

use nalgebra::Vector3;
use sinew_hardware::{
    Accepted, Event, Gate, GateConfig, GroupSet, LeaseRequest, OutputKind, Refused,
};
use sinew_robot::RobotModel;
use sinew_types::{
    ActuatorCommand, BaseState, BaseTwist, BootId, GripperCommand, ImuState, JointCommand, Layout,
    LeaseId, RobotState, Source, Time,
};

pub(crate) const SKILLS: BootId = BootId(11);
pub(crate) const PAD: BootId = BootId(22);
pub(crate) const COMMAND_PERIOD: Duration = Duration::from_millis(20);

pub(crate) fn mobi() -> RobotModel {
    RobotModel::load(concat!(env!("CARGO_MANIFEST_DIR"), "/../../urdf/mobi.robot.yaml")).unwrap()
}

/// A robot that falls when it is merely held.
pub(crate) fn balancer() -> RobotModel {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../urdf/balancer.robot.yaml");
    RobotModel::load(file).unwrap()
}

/// The mobile manipulator, free to go anywhere: commands of tests are not chosen for where they lead.
pub(crate) fn anywhere() -> GateConfig {
    let mut config = GateConfig::from_robot(&mobi()).unwrap();
    config.monitor.body = None;
    config
}

pub(crate) struct Rig {
    pub(crate) gate: Gate,
    pub(crate) layout: Layout,
    pub(crate) state: RobotState,
    pub(crate) out: ActuatorCommand,
    pub(crate) now: Time,
    pub(crate) period: Duration,
    /// The plant's joints stay where they are, and their stamps too.
    pub(crate) frozen: bool,
    /// The IMU's measurement is not valid.
    pub(crate) imu_lost: bool,
    /// This joint does not move.
    pub(crate) jammed: Option<usize>,
    seq: u64,
}

impl Rig {
    pub(crate) fn new() -> Self {
        Self::with(anywhere())
    }

    pub(crate) fn with(config: GateConfig) -> Self {
        Self::around(Gate::new(config).unwrap())
    }

    pub(crate) fn around(gate: Gate) -> Self {
        let config = gate.config().clone();
        let layout = config.layout.clone();
        let period = config.period;
        let mut rig = Self {
            gate,
            state: RobotState::invalid(&layout),
            out: ActuatorCommand::unused(&layout),
            now: Time::from_nanos(1_000_000_000),
            period,
            frozen: false,
            imu_lost: false,
            jammed: None,
            seq: 0,
            layout,
        };
        rig.measure();
        rig.gate.cycle(rig.now, &rig.state, &mut rig.out);
        rig
    }

    pub(crate) fn ready() -> Self {
        let mut rig = Self::new();
        rig.arm();
        rig
    }

    pub(crate) fn arm(&mut self) {
        self.handle(Event::Arm).unwrap();
        self.handle(Event::Activated).unwrap();
        self.tick();
    }

    pub(crate) fn handle(&mut self, event: Event<'_>) -> Result<Accepted, Refused> {
        self.gate.handle(self.now, event)
    }

    pub(crate) fn tick(&mut self) {
        self.now += self.period;
        self.cycle();
    }

    /// The cycle of the present moment.
    pub(crate) fn cycle(&mut self) {
        self.measure();
        self.gate.cycle(self.now, &self.state, &mut self.out);
    }

    /// A tick in which the base was measured standing still.
    pub(crate) fn tick_with_still_base(&mut self) {
        self.now += self.period;
        self.measure();
        let base = self.state.base.as_mut().unwrap();
        (base.linear_velocity, base.angular_velocity) = (Vector3::zeros(), Vector3::zeros());
        self.gate.cycle(self.now, &self.state, &mut self.out);
    }

    pub(crate) fn ticks(&mut self, count: u32) {
        for _ in 0..count {
            self.tick();
        }
    }

    /// Ticks with a heartbeat of every known process.
    pub(crate) fn live_ticks(&mut self, count: u32) {
        for _ in 0..count {
            self.tick();
            self.beat();
        }
    }

    pub(crate) fn beat(&mut self) {
        self.handle(Event::Heartbeat(SKILLS)).unwrap();
        self.handle(Event::Heartbeat(PAD)).unwrap();
    }

    fn measure(&mut self) {
        if self.frozen {
            return;
        }
        let seconds = self.period.as_secs_f64();
        for (index, (joint, command)) in
            self.state.joints.iter_mut().zip(&self.out.joints).enumerate()
        {
            let is_kept = command.position.is_nan() || self.jammed == Some(index);
            let next = if is_kept { joint.position } else { command.position };
            joint.velocity = (next - joint.position) / seconds;
            joint.position = next;
            (joint.stamp, joint.valid) = (self.now, true);
        }
        for (gripper, command) in self.state.grippers.iter_mut().zip(&self.out.grippers) {
            if !command.width_m.is_nan() {
                gripper.width_m = command.width_m;
            }
            (gripper.stamp, gripper.valid) = (self.now, true);
        }
        self.state.imu = Some(ImuState {
            orientation: nalgebra::UnitQuaternion::identity(),
            angular_velocity: Vector3::zeros(),
            linear_acceleration: Vector3::new(0.0, 0.0, 9.81),
            stamp: self.now,
            valid: !self.imu_lost,
        });
        let twist = self.out.base.unwrap_or_default();
        self.state.base = Some(BaseState {
            map_from_base: nalgebra::Isometry3::identity(),
            linear_velocity: Vector3::new(twist.linear_x, twist.linear_y, 0.0),
            angular_velocity: Vector3::new(0.0, 0.0, twist.angular_z),
            stamp: self.now,
            valid: true,
        });
        self.state.stamp = self.now;
    }

    pub(crate) fn groups(&self, names: &[&'static str]) -> GroupSet {
        GroupSet::named(&self.layout, names.iter().copied()).unwrap()
    }

    pub(crate) fn group(&self, name: &str) -> usize {
        self.layout.groups().iter().position(|group| group.name == name).unwrap()
    }

    pub(crate) fn acquire(
        &mut self,
        source: Source,
        names: &[&'static str],
    ) -> Result<LeaseId, Refused> {
        let boot_id = if source == Source::Teleop { PAD } else { SKILLS };
        let groups = self.groups(names);
        let request = LeaseRequest { source, groups, boot_id, command_period: COMMAND_PERIOD };
        match self.handle(Event::AcquireLease(request))? {
            Accepted::Granted { lease, .. } => Ok(lease),
            other => panic!("{other:?}"),
        }
    }

    /// A command that is all right, for these groups.
    pub(crate) fn command(&mut self, lease: LeaseId, names: &[&str]) -> ActuatorCommand {
        self.seq += 1;
        let mut command = ActuatorCommand::unused(&self.layout);
        command.lease = lease;
        command.seq = self.seq;
        command.boot_id = SKILLS;
        command.valid_for = Duration::from_secs(1);
        command.dead_man = true;
        for name in names {
            let group = &self.layout.groups()[self.group(name)];
            match group.kind {
                sinew_types::GroupKind::Joints => {
                    for joint in &group.joints {
                        command.joints[*joint] = JointCommand::position(0.5);
                    }
                }
                sinew_types::GroupKind::Base => {
                    command.base = Some(BaseTwist { linear_x: 0.4, linear_y: 0.0, angular_z: 0.3 });
                }
                sinew_types::GroupKind::Gripper => {
                    command.grippers[group.gripper] =
                        GripperCommand { width_m: 0.05, max_force_n: 20.0 };
                }
            }
        }
        command
    }

    pub(crate) fn send(&mut self, command: &ActuatorCommand) -> Result<Accepted, Refused> {
        self.handle(Event::Command(command))
    }

    pub(crate) fn output(&self, name: &str) -> OutputKind {
        self.gate.safety().groups[self.group(name)].output
    }

    pub(crate) fn owner(&self, name: &str) -> Option<(LeaseId, Source)> {
        self.gate.safety().groups[self.group(name)].owner
    }
}
