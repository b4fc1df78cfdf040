use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use clap::Args;
use sinew_bus::{Bridge, Bus, BusError, BusNode, names};
use sinew_robot::{CommandInterface, RobotModel};

use crate::carrier::{Carrier, CarrierArgs};
use crate::exit::{Exit, refused};
use crate::interrupt;
use crate::share::share;

#[derive(Args)]
pub(crate) struct BridgeArgs {
    /// The robot file of the running system, whose groups have actions of their own; the shipped robot by default.
    #[arg(long, value_name = "FILE")]
    robot: Option<PathBuf>,
    /// The robot's namespace; its name by default.
    #[arg(long)]
    namespace: Option<String>,
    #[command(flatten)]
    carrier: CarrierArgs,
}

/// How long it sleeps at most while nothing arrives on the robot's bus; a guest's message waits no longer.
const POLL: Duration = Duration::from_millis(2);

const NAME: &str = "bridge";

/// How long others are looked for before it begins.
const LOOK_AROUND: Duration = Duration::from_secs(2);

/// Between buses that are one network, or beside another bridge, messages would go round for ever.
fn refuse_a_loop(robot: &Bus, guests: &Bus, namespace: &str) -> Result<()> {
    let probe = format!("bridge_probe_{}", std::process::id());
    let nodes = [robot.node(&probe, namespace)?, guests.node(&probe, namespace)?];
    let states = nodes[1].subscription(&names::SAFETY_STATE)?;
    let since = Instant::now();
    while since.elapsed() < LOOK_AROUND && !interrupt::is_set() {
        std::thread::sleep(Duration::from_millis(100));
        if robot.is_alive(NAME, namespace) || guests.is_alive(NAME, namespace) {
            return Err(refused(anyhow!("{namespace} has a bridge already; allowed: one")));
        }
        if states.publishers() > 0 {
            return Err(refused(anyhow!(
                "the guests see {namespace} already; allowed: two carriers that are two networks, so no rmw_zenoh \
                 on the robot's own router"
            )));
        }
    }
    Ok(())
}

/// An error of the same kind is told once in this time.
const TOLD_EVERY: Duration = Duration::from_secs(5);

pub(crate) fn run(args: &BridgeArgs) -> Result<Exit> {
    interrupt::install()?;
    let file = args.robot.clone().unwrap_or_else(|| share().join("urdf/mobi.robot.yaml"));
    let model = RobotModel::load(&file).map_err(refused)?;
    let namespace = args.namespace.clone().unwrap_or_else(|| format!("/{}", model.name()));
    let guests = CarrierArgs { carrier: args.carrier.carrier.other(), ..args.carrier.clone() };
    let (robot_bus, guest_bus) = (args.carrier.client()?, guests.client()?);
    refuse_a_loop(&robot_bus, &guest_bus, &namespace)?;
    let robot = robot_bus.node(NAME, &namespace)?;
    let mut bridge = bridge(robot, guest_bus.node(NAME, &namespace)?, &model)?;
    let (from, to) = (args.carrier.carrier.name(), guests.carrier.name());
    eprintln!("robot {namespace} on {from} is also on {to}; Ctrl-C ends it");
    let mut waiter = robot_bus.waiter();
    let mut told: Option<Instant> = None;
    while !interrupt::is_set() {
        waiter.wait(POLL);
        if let Err(error) = bridge.step()
            && told.is_none_or(|at| at.elapsed() > TOLD_EVERY)
        {
            told = Some(Instant::now());
            eprintln!("error: {error}");
        }
    }
    Ok(Exit::Success)
}

/// All that is of use to a guest. Leases, commands and a remote emergency stop's heartbeat stay on the robot's bus: who moves or
/// guards it must be heard of directly.
fn bridge(robot: BusNode, guests: BusNode, model: &RobotModel) -> Result<Bridge, BusError> {
    let mut bridge = Bridge::new(robot, guests);
    bridge.offer_action(&names::EXECUTE_TASK)?;
    bridge.offer_action(&names::EXECUTE_SKILL)?;
    for group in model.groups() {
        if group.gripper.is_some() {
            bridge.offer_action(&names::gripper_command(&group.name))?;
            bridge.offer_action(&names::parallel_gripper_command(&group.name))?;
        } else if group.command == CommandInterface::Position {
            bridge.offer_action(&names::follow_joint_trajectory(&group.name))?;
        }
    }
    for operator in
        [names::E_STOP_TRIGGER, names::E_STOP_RESET, names::ARM, names::DISARM, names::RESUME]
    {
        bridge.offer(&operator)?;
    }
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
    bridge.show(&names::ROSOUT)?;
    bridge.admit(&names::DETECTIONS_3D)?;
    bridge.admit(&names::JOY)?;
    bridge.admit(&names::CMD_VEL)?;
    bridge.admit(&names::CMD_VEL_STAMPED)?;
    bridge.admit(&names::LEADER_JOINT_STATES)?;
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
