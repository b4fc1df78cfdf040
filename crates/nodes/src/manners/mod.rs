//! What every ROS 2 node has beside its own topics and services: parameters, a life cycle, and its log on `/rosout`. For nodes
//! that are processes of their own; in a composed system nobody could see it.

mod declared;
mod lifecycle;
mod parameters;
pub(crate) mod rosout;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sinew_bus::{BusError, BusNode, Service, ServiceServer};
use sinew_msgs::builtin_interfaces;
use sinew_types::Time;

use crate::NodeKind;
use crate::arguments::NodeArguments;
use crate::connector_node::ConnectorParameters;
use crate::convert::time_to_msg;
use crate::hardware_node::HardwareParameters;
use crate::node::{LifecycleState, Node, NodeError, Progress};
use crate::perception_node::PerceptionParameters;
use crate::planner_node::PlannerParameters;
use crate::skills_node::SkillsParameters;
use crate::teleop_node::TeleopParameters;
use declared::declare;
use lifecycle::LifecycleServer;
use parameters::ParameterServer;

/// A node with the manners of ROS 2 around it.
pub(crate) struct Mannered {
    node: Box<dyn Node>,
    parameters: Option<ParameterServer>,
    lifecycle: Option<LifecycleServer>,
    over: Over,
}

/// Whether a node was asked to end, for whoever steps it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Over(Arc<AtomicBool>);

impl Over {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Mannered {
    /// A node under its own name on the bus. Where its services cannot be had, as in a ROS 2 that defines their types otherwise, it
    /// goes without, with a warning: what it is for does not depend on them.
    ///
    /// # Errors
    /// Parameters that are wrong, by name.
    pub(crate) fn new(
        bus: &BusNode,
        kind: NodeKind,
        arguments: &NodeArguments,
        node: Box<dyn Node>,
    ) -> Result<Self, NodeError> {
        let dynamic = node.dynamic_parameters();
        let failed = |error: &dyn std::fmt::Display| NodeError::new(&arguments.name, error);
        let declared = match kind {
            NodeKind::Hardware => declare(&HardwareParameters::of(arguments)?, dynamic),
            NodeKind::Perception => declare(&PerceptionParameters::of(arguments)?, dynamic),
            NodeKind::Skills => declare(&as_given::<SkillsParameters>(arguments)?, dynamic),
            NodeKind::Connector => declare(&as_given::<ConnectorParameters>(arguments)?, dynamic),
            NodeKind::Planner => declare(&as_given::<PlannerParameters>(arguments)?, dynamic),
            NodeKind::Teleop => declare(&as_given::<TeleopParameters>(arguments)?, dynamic),
        };
        let declared = declared.map_err(|error| failed(&error))?;
        let parameters = if_any(bus, "parameters", ParameterServer::new(bus, declared));
        let lifecycle = if_any(bus, "life cycle", LifecycleServer::new(bus, node.as_ref()));
        Ok(Self { node, parameters, lifecycle, over: Over::default() })
    }

    /// Tells whether the node was asked to end.
    pub(crate) fn over(&self) -> Over {
        self.over.clone()
    }

    fn observe(&mut self, state: LifecycleState) {
        if let Some(lifecycle) = &mut self.lifecycle {
            lifecycle.observe(state);
        }
    }
}

fn as_given<P: serde::de::DeserializeOwned>(arguments: &NodeArguments) -> Result<P, NodeError> {
    arguments.parameters_as().map_err(|error| NodeError::new(&arguments.name, error))
}

fn if_any<T>(bus: &BusNode, what: &str, made: Result<T, BusError>) -> Option<T> {
    match made {
        Ok(made) => Some(made),
        Err(error) => {
            let reason = std::error::Error::source(&error).map(ToString::to_string);
            let reason = reason.unwrap_or_default();
            tracing::warn!(node = bus.name(), %error, reason, "no {what} for ROS 2's tools");
            None
        }
    }
}

impl Node for Mannered {
    fn name(&self) -> &str {
        self.node.name()
    }

    fn period(&self) -> Duration {
        self.node.period()
    }

    fn step(&mut self, now: Time) -> Result<Progress, NodeError> {
        if let Some(parameters) = &mut self.parameters {
            parameters.step(self.node.as_mut());
        }
        if let Some(lifecycle) = &mut self.lifecycle {
            lifecycle.step(self.node.as_mut());
            if lifecycle.is_over() {
                self.over.0.store(true, Ordering::Relaxed);
            }
        }
        let progress = self.node.step(now)?;
        self.observe(self.node.lifecycle());
        Ok(progress)
    }

    fn keep_alive(&mut self) -> Result<(), NodeError> {
        self.node.keep_alive()
    }

    fn woke_late(&mut self, lateness: Duration) {
        self.node.woke_late(lateness);
    }

    fn shutdown(&mut self, now: Time) {
        self.observe(LifecycleState::ShuttingDown);
        self.node.shutdown(now);
        if let Some(lifecycle) = &mut self.lifecycle {
            lifecycle.ended();
        }
    }
}

/// Answers every request that waits.
fn serve<S: Service>(
    node: &str,
    server: &ServiceServer<S>,
    mut answer: impl FnMut(&S::Request) -> S::Response,
) {
    while let Some(request) = server.take_request() {
        let response = answer(request.request());
        sent(node, request.respond(response));
    }
}

/// What was not heard is the asker's trouble: it must not end a node.
fn sent(node: &str, sent: Result<(), BusError>) {
    if let Err(error) = sent {
        tracing::warn!(node, %error, "a tool of ROS 2 was not answered");
    }
}

/// The machine's wall clock.
fn wall_stamp() -> builtin_interfaces::Time {
    time_to_msg(Time::ZERO + SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default())
}
