use std::time::Duration;

use sinew_bus::{Bus, BusNode, Subscription, names};
use sinew_driver_sim::SimWorld;
use sinew_hardware::monotonic_now;
use sinew_msgs::sinew_msgs::RobotTick;
use sinew_types::Time;

use crate::arguments::NodeArguments;
use crate::connector_node::ConnectorNode;
use crate::convert::time_from_msg;
use crate::executor::{Pace, VirtualExecutor};
use crate::hardware_node::{HardwareNode, HardwareParameters, PaceParameter};
use crate::launch::LaunchDescription;
use crate::manners::Mannered;
use crate::manners::rosout::Rosout;
use crate::node::{Node, NodeError, Progress};
use crate::perception_node::PerceptionNode;
use crate::planner_node::PlannerNode;
use crate::skills_node::SkillsNode;
use crate::teleop_node::TeleopNode;

/// The nodes that `sinew node` knows, in the order in which they are stepped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NodeKind {
    /// Driver, control loop, gate.
    Hardware,
    /// Detections and pictures of other systems, as the robot's own.
    Perception,
    /// Skill server.
    Skills,
    /// Executive.
    Connector,
    /// Planners.
    Planner,
    /// A person's device, from the topic `joy`.
    Teleop,
}

impl NodeKind {
    /// Every kind.
    pub const ALL: [Self; 6] = [
        Self::Hardware,
        Self::Perception,
        Self::Skills,
        Self::Connector,
        Self::Planner,
        Self::Teleop,
    ];

    /// As on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Hardware => "hardware",
            Self::Perception => "perception",
            Self::Skills => "skills",
            Self::Connector => "connector",
            Self::Planner => "planner",
            Self::Teleop => "teleop",
        }
    }

    /// The kind of a name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    /// The kind that a launch file's `args: node KIND` starts.
    ///
    /// # Errors
    /// Names the node, and what is allowed.
    pub fn from_args(node: &str, args: &[String]) -> Result<Self, NodeError> {
        let kind = match args {
            [verb, kind] if verb == "node" => Self::from_name(kind),
            _ => None,
        };
        kind.ok_or_else(|| {
            let kinds: Vec<_> = Self::ALL.iter().map(|kind| kind.name()).collect();
            let (got, kinds) = (args.join(" "), kinds.join(", "));
            NodeError::new(node, format!("args: `{got}`; allowed: node KIND, KIND one of {kinds}"))
        })
    }
}

/// All nodes of a launch file in one process, in virtual time.
pub struct Composed {
    /// In-process.
    pub bus: Bus,
    /// Steps the nodes.
    pub executor: VirtualExecutor,
    /// The world around the robot.
    pub sim: SimWorld,
    /// Of the robot.
    pub namespace: String,
}

/// Makes every node of a launch file, on an in-process bus.
///
/// Nodes are stepped in the order of [`NodeKind`], whatever their order in the file.
///
/// # Errors
/// The first node that cannot be made; a file without exactly one hardware node; a file that starts
/// other programs, which only [`run_node`]'s processes can stand beside.
pub fn compose(description: &LaunchDescription, pace: Pace) -> Result<Composed, NodeError> {
    if let Some(process) = description.processes.first() {
        let command = process.command.join(" ");
        return Err(NodeError::new(
            "launch",
            format!("executable `{command}` is a program of its own: use --processes"),
        ));
    }
    let mut nodes = Vec::new();
    for launch in &description.nodes {
        let kind = NodeKind::from_args(&launch.name, &launch.args)?;
        let mut arguments = NodeArguments::from(launch);
        // Time is simulated, and stands still while a node is stepped.
        let known: &[&str] = match kind {
            NodeKind::Skills => &["lock_step", "use_sim_time"],
            NodeKind::Perception => &["use_sim_time"],
            _ => &[],
        };
        for parameter in known {
            arguments.parameters.entry(*parameter).or_insert(true.into());
        }
        nodes.push((kind, arguments));
    }
    nodes.sort_by_key(|(kind, _)| *kind);
    let hardware: Vec<_> = nodes.iter().filter(|(kind, _)| *kind == NodeKind::Hardware).collect();
    let [(_, hardware)] = hardware[..] else {
        let found = hardware.len();
        return Err(NodeError::new("launch", format!("{found} hardware nodes; allowed: 1")));
    };
    let bus = Bus::in_process();
    let mut executor = VirtualExecutor::new(pace);
    let in_real_time = || {
        let message =
            "its driver runs in real time, not in this process' virtual time: use --processes";
        NodeError::new(&hardware.name, message)
    };
    if !HardwareParameters::of(hardware)?.is_simulated() {
        return Err(in_real_time());
    }
    let made = HardwareNode::new(&bus, hardware)?;
    let sim = made.world().ok_or_else(in_real_time)?;
    let namespace = hardware.namespace.clone();
    executor.add(Box::new(made));
    for (kind, arguments) in nodes.iter().filter(|(kind, _)| *kind != NodeKind::Hardware) {
        executor.add(make(*kind, &bus, &crate::bus_node(&bus, arguments)?, arguments)?);
    }
    Ok(Composed { bus, executor, sim, namespace })
}

fn make(
    kind: NodeKind,
    bus: &Bus,
    node: &BusNode,
    arguments: &NodeArguments,
) -> Result<Box<dyn Node>, NodeError> {
    Ok(match kind {
        NodeKind::Hardware => Box::new(HardwareNode::on(bus, node, arguments)?),
        NodeKind::Perception => Box::new(PerceptionNode::on(node, arguments)?),
        NodeKind::Skills => Box::new(SkillsNode::on(node, arguments)?),
        NodeKind::Connector => Box::new(ConnectorNode::on(node, arguments)?),
        NodeKind::Planner => Box::new(PlannerNode::on(node, arguments)?),
        NodeKind::Teleop => Box::new(TeleopNode::by_joy(node, arguments)?),
    })
}

/// Runs one node as a process of its own on this bus, with the manners of a ROS 2 node, until `stop` says so or somebody asks it
/// to shut down.
///
/// # Errors
/// What ends the node.
pub fn run_node(
    kind: NodeKind,
    bus: &Bus,
    arguments: &NodeArguments,
    stop: impl Fn() -> bool,
) -> Result<(), NodeError> {
    let own = crate::bus_node(bus, arguments)?;
    let _rosout = Rosout::start(&own);
    let node = make(kind, bus, &own, arguments)?;
    let mut node = Mannered::new(&own, kind, arguments, node)?;
    let over = node.over();
    let stop = || stop() || over.is_set();
    if kind != NodeKind::Hardware {
        return follow(&mut node, bus, &clock_of(&own)?, stop);
    }
    let parameters = HardwareParameters::of(arguments)?;
    if !parameters.is_simulated() {
        return run_in_real_time(&mut node, bus, stop);
    }
    let pace = match parameters.pace.unwrap_or_default() {
        PaceParameter::Fastest => Pace::Fastest,
        PaceParameter::RealTime => Pace::Factor(1.0),
    };
    let mut executor = VirtualExecutor::new(pace);
    executor.wake_on(bus.waiter());
    executor.add(Box::new(node));
    executor.run(|_| stop())?;
    executor.shutdown();
    Ok(())
}

/// Runs a teleop node with a device of this process, as [`run_node`] does others.
///
/// # Errors
/// What ends the node.
pub fn run_teleop(
    node: TeleopNode,
    bus: &Bus,
    arguments: &NodeArguments,
    stop: impl Fn() -> bool,
) -> Result<(), NodeError> {
    let own = node.bus_node().clone();
    let _rosout = Rosout::start(&own);
    let mut node = Mannered::new(&own, NodeKind::Teleop, arguments, Box::new(node))?;
    let over = node.over();
    follow(&mut node, bus, &clock_of(&own)?, || stop() || over.is_set())
}

/// The hardware's ticks, for a node that goes by their time.
fn clock_of(own: &BusNode) -> Result<Subscription<RobotTick>, NodeError> {
    own.subscription(&names::ROBOT_TICK).map_err(|error| NodeError::new(own.name(), error))
}

/// Steps a hardware node at the machine's monotonic time: at once when something arrives, and else as
/// often as its control loop ticks.
fn run_in_real_time(
    node: &mut dyn Node,
    bus: &Bus,
    stop: impl Fn() -> bool,
) -> Result<(), NodeError> {
    let mut waiter = bus.waiter();
    let mut result = Ok(());
    while result.is_ok() && !stop() {
        result = node.step(monotonic_now()).map(|_| ());
        waiter.wait(node.period());
    }
    node.shutdown(monotonic_now());
    result
}

/// How long a follower sleeps at most when nothing arrives, in wall time.
const IDLE: Duration = Duration::from_millis(20);

/// Steps a node whenever something arrives, at the time that the hardware's ticks tell.
pub fn follow(
    node: &mut dyn Node,
    bus: &Bus,
    clock: &Subscription<RobotTick>,
    stop: impl Fn() -> bool,
) -> Result<(), NodeError> {
    let mut waiter = bus.waiter();
    let mut now = Time::ZERO;
    let mut result = Ok(());
    while result.is_ok() && !stop() {
        if let Some(tick) = clock.take_newest() {
            // A hardware process that was started anew begins at zero again; time must not.
            now = now.max(time_from_msg(&tick.message.stamp));
        }
        result = node.step(now).and_then(|progress| {
            if progress == Progress::WaitsOutside {
                tracing::trace!(node = node.name(), "waits for an answer from outside");
            }
            node.keep_alive()
        });
        if result.is_ok() {
            waiter.wait(IDLE);
        }
    }
    // Also of one that fails: what it has set going elsewhere is ended.
    node.shutdown(now);
    result
}
