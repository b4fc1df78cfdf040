//! A driver on an emulated bus in virtual time.
#![allow(dead_code, clippy::unwrap_used)]

use std::path::{Path, PathBuf};
use std::time::Duration;

use sinew_driver_servo::emulator::{EmulatorConfig, EmulatorHandle, VirtualBus};
use sinew_driver_servo::{CounterValues, Counters, OpenPort, SerialOpener, ServoDriver};
use sinew_hardware::{Configured, DriverError, EmergencyStop, HardwareInterface};
use sinew_robot::{RobotModel, ServoConfig, ServoProtocol};
use sinew_types::{ActuatorCommand, JointCommand, Layout, RobotState, Time};

pub(crate) const PERIOD: Duration = Duration::from_millis(10);

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../..").canonicalize().unwrap()
}

/// A robot with servos of this protocol.
pub(crate) fn robot(protocol: ServoProtocol) -> RobotModel {
    match protocol {
        ServoProtocol::Dynamixel => edited("koch_follower", |text| text),
        ServoProtocol::FeetechSts => edited("so101_follower", |text| text),
        ServoProtocol::FeetechScs => edited("so101_follower", |text| {
            // Without the gripper, whose force such a servo cannot limit.
            let (start, rest) = text.split_once("  gripper:\n").unwrap();
            let (_, servo) = rest.split_once("servo:").unwrap();
            let servo: Vec<&str> = servo.lines().filter(|line| !line.contains("gripper")).collect();
            let range = "zero_ticks: 512, range_ticks: [100, 900]}";
            let lines = servo.iter().map(|line| match line.split_once("zero_ticks") {
                Some((first, _)) => format!("{first}{range}"),
                None => (*line).to_owned(),
            });
            let servo = lines.collect::<Vec<_>>().join("\n");
            format!("{start}servo:{servo}\n")
                .replace("feetech_sts", "feetech_scs")
                .replace("sts3215", "scs0009")
        }),
    }
}

/// A shipped robot whose file says something else.
pub(crate) fn edited(name: &str, edit: impl FnOnce(String) -> String) -> RobotModel {
    let text = std::fs::read_to_string(root().join(format!("urdf/{name}.robot.yaml"))).unwrap();
    let urdf = format!("urdf: {}/urdf/", root().display());
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("edited.robot.yaml");
    std::fs::write(&file, edit(text.replacen("urdf: ", &urdf, 1))).unwrap();
    RobotModel::load(&file).unwrap()
}

pub(crate) fn servos(robot: &RobotModel) -> &ServoConfig {
    robot.config().servo.as_ref().unwrap()
}

/// A port that waits longer for answers than a robot's may: the machine may be busy with other things.
pub(crate) fn patient(robot: &RobotModel, path: &str) -> Box<dyn OpenPort> {
    let port = SerialOpener::new(path, servos(robot).baud_rate);
    Box::new(SerialOpener { reply_allowance: Duration::from_secs(2), ..port })
}

pub(crate) struct Rig {
    pub(crate) bus: VirtualBus,
    pub(crate) driver: ServoDriver,
    pub(crate) layout: Layout,
    pub(crate) stop: Box<dyn EmergencyStop>,
    pub(crate) state: RobotState,
    pub(crate) robot: RobotModel,
    counters: std::sync::Arc<Counters>,
}

impl Rig {
    pub(crate) fn new(protocol: ServoProtocol) -> Self {
        Self::of(robot(protocol))
    }

    pub(crate) fn of(robot: RobotModel) -> Self {
        let config = EmulatorConfig::of(servos(&robot));
        Self::with(robot, &config)
    }

    /// The robot on another bus than its file has it.
    pub(crate) fn with(robot: RobotModel, config: &EmulatorConfig) -> Self {
        let bus = VirtualBus::new(config);
        let mut driver = ServoDriver::with_port(&robot, bus.opener()).unwrap().stepped();
        let counters = driver.counters();
        let Configured { layout, emergency_stop } = driver.configure().unwrap();
        let state = RobotState::invalid(&layout);
        Self { bus, driver, layout, stop: emergency_stop, state, robot, counters }
    }

    pub(crate) fn servo(&self) -> &EmulatorHandle {
        self.bus.handle()
    }

    pub(crate) fn now(&self) -> Time {
        Time::from_nanos(self.servo().now().as_nanos() as u64)
    }

    pub(crate) fn counters(&self) -> CounterValues {
        self.counters.values()
    }

    pub(crate) fn id(&self, joint: &str) -> u8 {
        servos(&self.robot).joints[joint].id
    }

    pub(crate) fn activate(&mut self) -> Result<(), DriverError> {
        let now = self.now();
        self.driver.activate(now)
    }

    /// One period later: a read.
    pub(crate) fn read(&mut self) -> Result<(), DriverError> {
        self.bus.advance(PERIOD);
        let now = self.now();
        self.driver.read(now, PERIOD, &mut self.state)
    }

    pub(crate) fn write(&mut self, command: &ActuatorCommand) -> Result<(), DriverError> {
        let now = self.now();
        self.driver.write(now, PERIOD, command)
    }

    /// Reads and writes as the control loop does, so many times; the last read's result.
    pub(crate) fn run(
        &mut self,
        ticks: usize,
        command: &ActuatorCommand,
    ) -> Result<(), DriverError> {
        let mut last = Ok(());
        for _ in 0..ticks {
            last = self.read();
            let _ = self.write(command);
        }
        last
    }

    /// Every joint and gripper where it is.
    pub(crate) fn hold(&self) -> ActuatorCommand {
        let mut command = ActuatorCommand::unused(&self.layout);
        for group in self.layout.groups() {
            if group.kind == sinew_types::GroupKind::Gripper {
                command.grippers[group.gripper].width_m =
                    self.state.grippers[group.gripper].width_m;
            } else {
                for joint in &group.joints {
                    command.joints[*joint] =
                        JointCommand::position(self.state.joints[*joint].position);
                }
            }
        }
        command
    }

    pub(crate) fn joint(&self, name: &str) -> usize {
        self.layout.joint_index(name).unwrap()
    }
}
