//! The one place that knows which drivers there are.

use std::time::Duration;

use sinew_bus::{Bus, BusNode, names};
use sinew_driver_mock::MockDriver;
use sinew_driver_ros2_control::Ros2ControlDriver;
use sinew_driver_servo::ServoDriver;
use sinew_driver_sim::{SimDriver, SimWorld, World};
use sinew_hardware::{
    ControlHandle, ControlLoop, EmergencyStop, GateConfig, HardwareInterface, LoopStats,
    RealTimeConfig, RealTimeRunner, Unconfigured,
};
use sinew_robot::RobotModel;
use sinew_types::{Layout, Time};

use super::parameters::{DriverChoice, HardwareParameters};

/// A configured driver with its control loop, which does not run yet.
pub(super) struct Prepared {
    pub(super) robot: RobotModel,
    pub(super) layout: Layout,
    /// What the gate in the control loop was made from.
    pub(super) gate: GateConfig,
    pub(super) world: Option<SimWorld>,
    pub(super) handle: ControlHandle,
    control: ControlLoop,
    stop: Box<dyn EmergencyStop>,
}

/// A running control loop.
pub(super) enum Drive {
    /// In simulated time: the node ticks it.
    Stepped(Box<ControlLoop>),
    /// In real time, on a thread of its own, with a watchdog; the node speaks to it through its handle only. None once it was stopped.
    Threaded(Option<RealTimeRunner>),
}

impl Prepared {
    /// Makes and configures the driver that the parameters ask for; one whose device is on the bus finds it there, as a
    /// node beside the hardware's own.
    pub(super) fn new(
        parameters: &HardwareParameters,
        bus: &Bus,
        own: &BusNode,
    ) -> Result<Self, Box<dyn std::error::Error>> {
        let (robot, driver, world): (_, Box<dyn HardwareInterface>, _) =
            match parameters.driver_choice()? {
                DriverChoice::Sim { world, seed } => {
                    let world = World::load(world)?;
                    let scene = match seed {
                        Some(seed) => world.sample(seed),
                        None => world.scene(),
                    }?;
                    let robot = world.robot().clone();
                    let (driver, seen) = SimDriver::new(world, &scene)?;
                    (robot, Box::new(driver), Some(seen))
                }
                DriverChoice::Mock { robot } => {
                    let robot = RobotModel::load(robot)?;
                    let driver = MockDriver::of_robot(&robot)?;
                    (robot, Box::new(driver), None)
                }
                DriverChoice::Servo { robot } => {
                    let robot = RobotModel::load(robot)?;
                    let driver = ServoDriver::from_robot(&robot)?;
                    (robot, Box::new(driver), None)
                }
                DriverChoice::Ros2Control { robot } => {
                    let robot = RobotModel::load(robot)?;
                    // Where ros2_control is unless told otherwise.
                    let node = bus.node(&format!("{}_ros2_control", robot.name()), "/")?;
                    check_topics(&robot, &node, own)?;
                    let driver = Ros2ControlDriver::new(&robot, node)?;
                    (robot, Box::new(driver), None)
                }
            };
        let gate = GateConfig::from_robot(&robot)?;
        let (inactive, stop) = Unconfigured::new(driver).configure()?;
        let layout = inactive.layout().clone();
        let fallback = crate::fallback_of(&robot)?;
        let (control, handle) = ControlLoop::with_fallback(inactive, gate.clone(), fallback)?;
        Ok(Self { robot, layout, gate, world, handle, control, stop })
    }

    /// Has the loop run, and gives the handle that speaks to it.
    pub(super) fn start(self) -> Result<(Drive, ControlHandle), Box<dyn std::error::Error>> {
        let drive = if self.control.is_simulated() {
            // Its emergency stop goes with the loop, which runs on the node's own thread.
            Drive::Stepped(Box::new(self.control))
        } else {
            let config = RealTimeConfig::default();
            let runner = RealTimeRunner::spawn(self.control, self.stop, config)?;
            Drive::Threaded(Some(runner))
        };
        Ok((drive, self.handle))
    }
}

/// Refuses a robot whose topics are those that the hardware node publishes itself: its state would look fresh for ever,
/// being its own echo.
fn check_topics(
    robot: &RobotModel,
    node: &BusNode,
    own: &BusNode,
) -> Result<(), Box<dyn std::error::Error>> {
    let Some(config) = &robot.config().ros2_control else { return Ok(()) };
    let topics = [
        ("joint_states", Some(&config.joint_states), names::JOINT_STATES.name),
        ("odom", config.odom.as_ref(), names::ODOM.name),
        ("imu", config.imu.as_ref(), names::IMU.name),
    ];
    for (field, topic, published) in topics {
        let Some(topic) = topic else { continue };
        let (topic, published) = (node.resolve(topic)?, own.resolve(&published)?);
        if topic == published {
            let (own, path) = (own.name(), robot.path().display());
            return Err(format!(
                "{path}: ros2_control.{field}: `{topic}`, which node `{own}` publishes itself; allowed: \
                 another topic, or a namespace for the node"
            )
            .into());
        }
    }
    Ok(())
}

impl Drive {
    /// What a thread of its own has measured of itself.
    pub(super) fn stats(&self) -> Option<&LoopStats> {
        match self {
            Self::Stepped(_) => None,
            Self::Threaded(runner) => runner.as_ref().map(RealTimeRunner::stats),
        }
    }

    /// How late the executor came to this step; a thread of its own measures that itself.
    pub(super) fn woke_late(&mut self, lateness: Duration) {
        if let Self::Stepped(control) = self {
            control.woke_late(lateness);
        }
    }

    /// Brings the robot to rest and switches the driver off.
    pub(super) fn stop(&mut self, now: Time) {
        match self {
            Self::Stepped(control) => {
                control.begin_shutdown(now);
                let mut at = now;
                // A simulated robot comes to rest in simulated time, so this takes no longer than the
                // physics does.
                for _ in 0..STOP_TICKS {
                    if !control.is_active() {
                        break;
                    }
                    at += control.period();
                    control.tick(at);
                }
                control.deactivate();
            }
            Self::Threaded(runner) => {
                if runner.take().is_some_and(|runner| runner.stop().is_none()) {
                    tracing::error!("the control thread had panicked; the actuators were stopped");
                }
            }
        }
    }
}

/// Control ticks after which a robot that still moves is switched off all the same.
const STOP_TICKS: u32 = 1500;
