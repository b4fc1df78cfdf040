use std::time::{Duration, Instant};

use anyhow::Result;
use clap::Args;
use sinew_bus::{Bridge, BusError, BusNode, names};

use crate::carrier::{Carrier, CarrierArgs};
use crate::exit::Exit;
use crate::interrupt;

#[derive(Args)]
pub(crate) struct BridgeArgs {
    /// The robot's namespace.
    #[arg(long, value_name = "NAMESPACE", default_value = "/mobi")]
    namespace: String,
    #[command(flatten)]
    robot: CarrierArgs,
}

/// How long it sleeps at most while nothing arrives on the robot's bus; a guest's message waits no longer.
const POLL: Duration = Duration::from_millis(2);

/// An error of the same kind is told once in this time.
const TOLD_EVERY: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &BridgeArgs) -> Result<Exit> {
    interrupt::install()?;
    let guests = CarrierArgs { carrier: args.robot.carrier.other(), ..args.robot.clone() };
    let (robot_bus, guest_bus) = (args.robot.client()?, guests.client()?);
    let robot = robot_bus.node("bridge", &args.namespace)?;
    let mut bridge = bridge(robot, guest_bus.node("bridge", &args.namespace)?)?;
    let (from, to) = (args.robot.carrier.name(), guests.carrier.name());
    eprintln!("robot {} on {from} is also on {to}; Ctrl-C ends it", args.namespace);
    let mut waiter = robot_bus.waiter();
    let mut told: Option<Instant> = None;
    while !interrupt::is_set() {
        waiter.wait(POLL);
        if let Err(error) = bridge.step() {
            if told.is_none_or(|at| at.elapsed() > TOLD_EVERY) {
                told = Some(Instant::now());
                eprintln!("error: {error}");
            }
        }
    }
    Ok(Exit::Success)
}

/// All that is of use to a guest. Leases and commands stay on the robot's bus: who commands must be heard of directly.
fn bridge(robot: BusNode, guests: BusNode) -> Result<Bridge, BusError> {
    let mut bridge = Bridge::new(robot, guests);
    bridge.offer_action(&names::EXECUTE_TASK)?;
    bridge.offer_action(&names::EXECUTE_SKILL)?;
    for operator in
        [names::E_STOP_TRIGGER, names::E_STOP_RESET, names::ARM, names::DISARM, names::RESUME]
    {
        bridge.offer(&operator)?;
    }
    bridge.offer(&names::MAKE_PLAN)?;
    bridge.offer(&names::TAKE_PICTURE)?;
    bridge.show(&names::SKILLS)?;
    bridge.show(&names::SKILL_STATUS)?;
    bridge.show(&names::SKILL_RESULTS)?;
    bridge.show(&names::WORLD)?;
    bridge.show(&names::SAFETY_STATE)?;
    bridge.show(&names::PROVENANCE)?;
    bridge.show(&names::E_STOP)?;
    bridge.show(&names::JOINT_STATES)?;
    bridge.show(&names::IMU)?;
    bridge.show(&names::ODOM)?;
    bridge.show(&names::TF)?;
    bridge.show(&names::TF_STATIC)?;
    bridge.show(&names::ROBOT_DESCRIPTION)?;
    bridge.show(&names::DIAGNOSTICS)?;
    bridge.show(&names::CLOCK)?;
    bridge.admit(&names::JOY)?;
    bridge.admit(&names::CMD_VEL)?;
    bridge.admit(&names::CMD_VEL_STAMPED)?;
    bridge.admit(&names::LEADER_JOINT_STATES)?;
    bridge.admit(&names::E_STOP_HEARTBEAT)?;
    Ok(bridge)
}

impl Carrier {
    fn other(self) -> Self {
        match self {
            Self::Zenoh => Self::Ros2,
            Self::Ros2 => Self::Zenoh,
        }
    }
}
