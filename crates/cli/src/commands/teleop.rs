use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::{Map, Value};
use sinew_bus::{Bus, names};
use sinew_nodes::arguments::NodeArguments;
use sinew_robot::RobotModel;
use sinew_teleop::Mapping;

use crate::carrier::CarrierArgs;
use crate::exit::{Exit, Refused, refused};
use crate::interrupt;
use crate::launch_choice::absolute;
use crate::share::share;
use crate::teleop::{System, joystick, keyboard};

#[derive(Args)]
pub(crate) struct TeleopArgs {
    #[command(subcommand)]
    device: Device,
}

#[derive(Subcommand)]
enum Device {
    /// By a gamepad or joystick of this machine.
    Joystick(JoystickArgs),
    /// By the keys of this terminal.
    Keyboard(SystemArgs),
    /// By a leader arm, while a dead-man button is held.
    Leader(LeaderArgs),
}

/// The running system, and what the device's buttons mean.
#[derive(Args)]
struct SystemArgs {
    /// The mapping; the shipped one for the device by default.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// The robot file of the running system; the shipped robot by default.
    #[arg(long, value_name = "FILE")]
    robot: Option<PathBuf>,
    /// The robot's namespace; its name by default.
    #[arg(long)]
    namespace: Option<String>,
    #[command(flatten)]
    carrier: CarrierArgs,
}

#[derive(Args)]
struct JoystickArgs {
    /// Its event file, such as /dev/input/event7; the first that is found by default.
    #[arg(long, value_name = "FILE")]
    device: Option<PathBuf>,
    #[command(flatten)]
    system: SystemArgs,
}

#[derive(Args)]
struct LeaderArgs {
    /// Namespace of the leader, whose hardware node runs without being armed.
    #[arg(long, value_name = "NAMESPACE", default_value = "/leader")]
    from: String,
    /// What has the dead-man button.
    #[arg(long, value_enum, default_value_t = DeadMan::Keyboard)]
    dead_man: DeadMan,
    #[command(flatten)]
    system: SystemArgs,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum DeadMan {
    Keyboard,
    Joystick,
}

pub(crate) fn run(args: &TeleopArgs) -> Result<Exit> {
    interrupt::install()?;
    match &args.device {
        Device::Joystick(args) => {
            by_joystick(&args.system, args.device.as_deref(), Vec::new(), false)
        }
        Device::Keyboard(args) => by_keyboard(args, Vec::new(), false),
        Device::Leader(args) => {
            let from = args.from.trim_end_matches('/');
            let topic = names::LEADER_JOINT_STATES.name.into_owned();
            let remaps = vec![(topic, format!("{from}/joint_states"))];
            match args.dead_man {
                DeadMan::Keyboard => by_keyboard(&args.system, remaps, true),
                DeadMan::Joystick => by_joystick(&args.system, None, remaps, true),
            }
        }
    }
}

fn by_joystick(
    args: &SystemArgs,
    device: Option<&Path>,
    remaps: Vec<(String, String)>,
    leads: bool,
) -> Result<Exit> {
    let device = joystick::Joystick::open(device).map_err(refused)?;
    let default = if device.is_playstation() { "playstation" } else { "xbox" };
    let given = args.load(default, leads)?;
    outln!("{}: {}", device.name(), given.mapping.config().device);
    joystick::run(device, &given.join(&args.carrier, remaps)?)?;
    Ok(Exit::Success)
}

fn by_keyboard(args: &SystemArgs, remaps: Vec<(String, String)>, leads: bool) -> Result<Exit> {
    let given = args.load("keyboard", leads)?;
    keyboard::require_terminal().map_err(refused)?;
    keyboard::run(&given.mapping, &given.join(&args.carrier, remaps)?, leads)?;
    Ok(Exit::Success)
}

/// How long a running system is looked for.
const FOUND_WITHIN: Duration = Duration::from_secs(10);

/// What was given, read and checked.
struct Given {
    mapping: Mapping,
    namespace: String,
    parameters: Map<String, Value>,
}

impl SystemArgs {
    fn load(&self, default_mapping: &str, leads: bool) -> Result<Given> {
        let default_mapping = || share().join(format!("teleop/{default_mapping}.teleop.yaml"));
        let default_robot = || share().join("urdf/mobi.robot.yaml");
        let mapping_file = self.mapping.clone().unwrap_or_else(default_mapping);
        let robot_file = self.robot.clone().unwrap_or_else(default_robot);
        let mapping = Mapping::load(&mapping_file).map_err(refused)?;
        let robot = RobotModel::load(&robot_file).map_err(refused)?;
        if leads && mapping.config().modes.iter().all(|mode| mode.leader.is_none()) {
            let file = mapping_file.display();
            let reason = format!("{file}: no mode follows a leader; give a --mapping with one");
            return Err(Refused(reason).into());
        }
        let mut parameters = Map::new();
        parameters.insert("mapping".into(), Value::String(absolute(&mapping_file)));
        parameters.insert("robot".into(), Value::String(absolute(&robot_file)));
        let namespace = self.namespace.clone().unwrap_or_else(|| format!("/{}", robot.name()));
        Ok(Given { mapping, namespace, parameters })
    }
}

impl Given {
    /// Finds the running robot.
    fn join(&self, carrier: &CarrierArgs, remaps: Vec<(String, String)>) -> Result<System> {
        let bus = carrier.client()?;
        find_robot(&bus, &self.namespace)?;
        let (namespace, parameters) = (self.namespace.clone(), self.parameters.clone());
        let arguments = NodeArguments { name: NODE.into(), namespace, parameters, remaps };
        Ok(System { bus, arguments })
    }
}

/// The node's name: the gate listens to the heartbeat of this one.
const NODE: &str = "teleop";

/// Waits for the hardware node, and refuses to be the second at it.
fn find_robot(bus: &Bus, namespace: &str) -> Result<()> {
    let onlooker = bus.node(&format!("cli_{}", std::process::id()), namespace)?;
    let ticks = onlooker.subscription(&names::ROBOT_TICK)?;
    let since = Instant::now();
    let mut waiter = bus.waiter();
    while ticks.publishers() == 0 {
        if interrupt::is_set() || since.elapsed() > FOUND_WITHIN {
            bail!("no hardware node in namespace {namespace} within {FOUND_WITHIN:?}");
        }
        waiter.wait(Duration::from_millis(50));
    }
    if bus.is_alive(NODE, namespace) {
        let reason = format!("a node `{NODE}` is up in namespace {namespace}; allowed: one");
        return Err(Refused(reason).into());
    }
    Ok(())
}
