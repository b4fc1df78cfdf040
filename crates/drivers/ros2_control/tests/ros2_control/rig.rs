//! A driver and its robot, and a loop about them.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use sinew_bus::{Bus, ZenohConfig};
use sinew_driver_ros2_control::Ros2ControlDriver;
use sinew_hardware::{DriverError, EmergencyStop, HardwareInterface, layout_of, monotonic_now};
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, BaseTwist, JointCommand, Layout, RobotState};

use crate::peer::Peer;
use crate::robots::Robot;

/// The control loop's period.
pub(crate) const PERIOD: Duration = Duration::from_millis(2);

pub(crate) struct Rig {
    pub(crate) driver: Ros2ControlDriver,
    pub(crate) peer: Peer,
    pub(crate) model: RobotModel,
    pub(crate) layout: Layout,
    pub(crate) state: RobotState,
}

impl Rig {
    /// Neither configured nor spoken to, on a bus in this process.
    pub(crate) fn new(robot: Robot) -> Self {
        let bus = Bus::in_process();
        let layout = layout_of(&robot.model).unwrap();
        let node = bus.node("driver", "/").unwrap();
        Self {
            driver: Ros2ControlDriver::new(&robot.model, node).unwrap(),
            peer: Peer::spawn(bus, robot.plant),
            state: RobotState::invalid(&layout),
            model: robot.model,
            layout,
        }
    }

    pub(crate) fn configure(&mut self) -> Box<dyn EmergencyStop> {
        match self.driver.configure() {
            Ok(configured) => configured.emergency_stop,
            Err(error) => panic!("{error}"),
        }
    }

    pub(crate) fn activate(&mut self) {
        self.driver.activate(monotonic_now()).unwrap_or_else(|error| panic!("{error}"));
    }

    /// What `configure` says of a robot that is not as its file has it.
    pub(crate) fn refusal(mut self) -> String {
        self.driver.configure().err().unwrap().to_string()
    }

    pub(crate) fn read(&mut self) -> Result<(), DriverError> {
        self.driver.read(monotonic_now(), PERIOD, &mut self.state)
    }

    pub(crate) fn joint(&self, name: &str) -> usize {
        self.model.joint_index(name).unwrap()
    }

    /// Stay where everything is measured.
    pub(crate) fn hold(&mut self) -> ActuatorCommand {
        self.read().unwrap();
        let mut command = ActuatorCommand::unused(&self.layout);
        for (group, place) in self.model.groups().iter().zip(self.layout.groups()) {
            for joint in &group.joints {
                use sinew_robot::CommandInterface::{Effort, Position, Velocity};
                command.joints[*joint] = match (group.command, group.gripper) {
                    (Position, None) => JointCommand::position(self.state.joints[*joint].position),
                    (Velocity, _) => JointCommand { velocity: 0.0, ..JointCommand::UNUSED },
                    (Effort, _) => JointCommand { effort: 0.0, ..JointCommand::UNUSED },
                    _ => JointCommand::UNUSED,
                };
            }
            if group.gripper.is_some() {
                command.grippers[place.gripper].width_m =
                    self.state.grippers[place.gripper].width_m;
            }
            if group.command == sinew_robot::CommandInterface::Twist {
                command.base = Some(BaseTwist::default());
            }
        }
        command
    }

    /// Reads and writes for so long; errors are the caller's to look for afterwards.
    pub(crate) fn run(&mut self, time: Duration, command: &ActuatorCommand) {
        let start = Instant::now();
        while start.elapsed() < time {
            std::thread::sleep(PERIOD);
            let _ = self.read();
            let _ = self.driver.write(monotonic_now(), PERIOD, command);
        }
    }

    /// The same until something is so. The limit only ends a test that would hang.
    pub(crate) fn until(
        &mut self,
        what: &str,
        command: &ActuatorCommand,
        mut holds: impl FnMut(&mut Self) -> bool,
    ) {
        let start = Instant::now();
        while !holds(self) {
            assert!(start.elapsed() < Duration::from_secs(30), "waited in vain for {what}");
            self.run(PERIOD, command);
        }
    }

    /// Names of the robot's active controllers.
    pub(crate) fn active(&self) -> Vec<String> {
        self.peer.plant().active().iter().map(|name| (*name).to_owned()).collect()
    }
}

/// Two sessions: the driver's, and the robot's.
pub(crate) fn sessions() -> (Bus, Bus) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("tcp/127.0.0.1:{}", listener.local_addr().unwrap().port());
    drop(listener);
    let open = |listen: &[&String], connect: &[&String]| {
        let own = |endpoints: &[&String]| endpoints.iter().map(|one| (*one).clone()).collect();
        Bus::zenoh(ZenohConfig { listen: own(listen), connect: own(connect), ..Default::default() })
            .unwrap()
    };
    (open(&[&endpoint], &[]), open(&[], &[&endpoint]))
}
