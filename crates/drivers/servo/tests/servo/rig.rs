//! A driver on an emulated bus in virtual time.

use std::time::Duration;

use sinew_driver_servo::emulator::{EmulatorConfig, EmulatorHandle, VirtualBus};
use sinew_driver_servo::{CounterValues, Counters, ServoDriver};
use sinew_hardware::{Configured, DriverError, EmergencyStop, HardwareInterface};
use sinew_robot::{RobotModel, ServoProtocol};
use sinew_types::{ActuatorCommand, JointCommand, Layout, RobotState, Time};

use crate::robots::{robot, servos};

pub(crate) const PERIOD: Duration = Duration::from_millis(10);

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
