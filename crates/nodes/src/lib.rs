//! Binds the layers to the bus: the nodes, the executors that step them, and launch files.

pub mod arguments;
mod backends;
mod connector_node;
pub mod convert;
mod detections;
mod executor;
mod external;
mod hardware_node;
mod health;
mod heart;
pub mod launch;
mod manners;
mod node;
mod observer;
mod perception_node;
mod pictures;
mod planner_node;
mod policy_fallback;
mod provenance;
mod robot_facts;
mod ros_clock;
mod skills_node;
mod system;
mod task_client;
mod teleop_node;
mod teleop_status;
mod type_watch;

pub use backends::{MoveitParameters, Nav2Parameters};
pub use connector_node::{ConnectorNode, ConnectorParameters};
pub use detections::{object, seen_object};
pub use executor::{Pace, VirtualExecutor};
pub use hardware_node::{
    DriverParameter, HardwareNode, HardwareParameters, PaceParameter, TICK_RATE_HZ,
};
pub use manners::rosout::layer as rosout_layer;
pub use node::{Change, LifecycleState, Node, NodeError, Progress};
pub use perception_node::{
    ObjectClass, ObjectClasses, ObjectClassesError, PerceptionNode, PerceptionParameters,
};
pub use pictures::ImageTransport;
pub use planner_node::{PlannerNode, PlannerParameter, PlannerParameters};
pub use policy_fallback::{PolicyFallback, fallback_of};
pub use robot_facts::RobotFactsSource;
pub use skills_node::{SkillsNode, SkillsParameters};
pub use system::{Composed, NodeKind, compose, follow, run_node, run_teleop};
pub use task_client::{TaskClient, TaskEvent, TaskMonitor};
pub use teleop_node::{Pads, TeleopNode, TeleopParameters};
pub use teleop_status::{TeleopMonitor, TeleopStatus};

use std::path::Path;
use std::sync::Arc;

use arguments::NodeArguments;
use sinew_bus::{Bus, BusNode};
use sinew_model::SkillRegistry;
use sinew_robot::RobotModel;
use sinew_types::{BootId, Layout};

/// The node's place on the bus, with its remappings.
fn bus_node(bus: &Bus, arguments: &NodeArguments) -> Result<BusNode, NodeError> {
    bus.node_with_remaps(&arguments.name, &arguments.namespace, &arguments.remaps)
        .map_err(|error| NodeError::new(&arguments.name, error))
}

/// The skills that every node of a system knows: the built-in ones that the robot can carry out, and those of a folder
/// (`none` for no folder).
///
/// # Errors
/// A manifest that is wrong, or whose id is taken.
pub fn skill_registry(
    node: &str,
    robot: &RobotModel,
    layout: &Layout,
    folder: Option<&Path>,
) -> Result<Arc<SkillRegistry>, NodeError> {
    let failed = |error: sinew_model::ModelError| NodeError::new(node, error);
    let mut manifests = sinew_skills::builtin_manifests().map_err(failed)?;
    if let Some(lack) = sinew_skills::lacks(robot, layout) {
        tracing::info!(node, %lack, "the built-in skills that move something are not offered");
        manifests.retain(|manifest| manifest.groups.is_empty());
    }
    let mut registry = SkillRegistry::new(manifests).map_err(failed)?;
    if let Some(folder) = folder.filter(|folder| *folder != Path::new("none")) {
        registry.add_dir(folder).map_err(failed)?;
    }
    Ok(Arc::new(registry))
}

/// A number that no process before or beside this one has drawn.
fn new_boot_id() -> BootId {
    // 0 is no process.
    BootId(rand::random::<u64>().max(1))
}
