//! The services and events of a lifecycle node.

use std::collections::VecDeque;
use std::time::{SystemTime, UNIX_EPOCH};

use sinew_bus::{BusError, BusNode, Publisher, Request, ServiceServer, names};
use sinew_msgs::lifecycle_msgs::srv::{
    ChangeState, GetAvailableStates, GetAvailableTransitions, GetState,
};
use sinew_msgs::lifecycle_msgs::{
    ChangeStateResponse, GetAvailableStatesResponse, GetAvailableTransitionsResponse,
    GetStateResponse, State, Transition, TransitionDescription, TransitionEvent,
};

use super::{sent, serve};
use crate::node::{Change, LifecycleState, Node};

use LifecycleState::{Activating, Active, Deactivating, Finalized, Inactive, ShuttingDown};

/// A transition of the life cycle, by ROS 2's numbers and names.
#[derive(Debug, PartialEq, Eq)]
struct Edge {
    id: u8,
    label: &'static str,
    from: LifecycleState,
    to: LifecycleState,
    /// What it is asked for as; the others follow from what happens.
    asked: Option<Asked>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Asked {
    Change(Change),
    Shutdown,
}

const fn edge(
    id: u8,
    label: &'static str,
    from: LifecycleState,
    to: LifecycleState,
    asked: Option<Asked>,
) -> Edge {
    Edge { id, label, from, to, asked }
}

const SUCCESS: &str = "transition_success";
const FAILURE: &str = "transition_failure";

/// Of a node that can be activated and deactivated. Others have those of [`Active`] and [`ShuttingDown`] that lead to an end.
const EDGES: [Edge; 8] = [
    edge(
        Transition::TRANSITION_ACTIVATE,
        "activate",
        Inactive,
        Activating,
        Some(Asked::Change(Change::Activate)),
    ),
    edge(Transition::TRANSITION_ON_ACTIVATE_SUCCESS, SUCCESS, Activating, Active, None),
    edge(Transition::TRANSITION_ON_ACTIVATE_FAILURE, FAILURE, Activating, Inactive, None),
    edge(
        Transition::TRANSITION_DEACTIVATE,
        "deactivate",
        Active,
        Deactivating,
        Some(Asked::Change(Change::Deactivate)),
    ),
    edge(Transition::TRANSITION_ON_DEACTIVATE_SUCCESS, SUCCESS, Deactivating, Inactive, None),
    edge(
        Transition::TRANSITION_INACTIVE_SHUTDOWN,
        "shutdown",
        Inactive,
        ShuttingDown,
        Some(Asked::Shutdown),
    ),
    edge(
        Transition::TRANSITION_ACTIVE_SHUTDOWN,
        "shutdown",
        Active,
        ShuttingDown,
        Some(Asked::Shutdown),
    ),
    edge(Transition::TRANSITION_ON_SHUTDOWN_SUCCESS, SUCCESS, ShuttingDown, Finalized, None),
];

impl LifecycleState {
    const fn label(self) -> &'static str {
        match self {
            Inactive => "inactive",
            Activating => "activating",
            Active => "active",
            Deactivating => "deactivating",
            ShuttingDown => "shuttingdown",
            Finalized => "finalized",
        }
    }

    fn message(self) -> State {
        let id = match self {
            Inactive => State::PRIMARY_STATE_INACTIVE,
            Activating => State::TRANSITION_STATE_ACTIVATING,
            Active => State::PRIMARY_STATE_ACTIVE,
            Deactivating => State::TRANSITION_STATE_DEACTIVATING,
            ShuttingDown => State::TRANSITION_STATE_SHUTTINGDOWN,
            Finalized => State::PRIMARY_STATE_FINALIZED,
        };
        State { id, label: self.label().to_owned() }
    }
}

impl Edge {
    fn transition(&self) -> Transition {
        Transition { id: self.id, label: self.label.to_owned() }
    }

    fn description(&self) -> TransitionDescription {
        TransitionDescription {
            transition: self.transition(),
            start_state: self.from.message(),
            goal_state: self.to.message(),
        }
    }
}

/// The transitions that have happened when a state is found to be another: the fewest that lead there.
fn way(from: LifecycleState, to: LifecycleState) -> Vec<&'static Edge> {
    let mut ways = VecDeque::from([(from, Vec::new())]);
    let mut seen = vec![from];
    while let Some((at, way)) = ways.pop_front() {
        if at == to {
            return way;
        }
        for edge in EDGES.iter().filter(|edge| edge.from == at) {
            if !seen.contains(&edge.to) {
                seen.push(edge.to);
                let mut longer = way.clone();
                longer.push(edge);
                ways.push_back((edge.to, longer));
            }
        }
    }
    Vec::new()
}

/// Tells the state of a node, and has it change where it can.
pub(super) struct LifecycleServer {
    node: String,
    changes: bool,
    state: LifecycleState,
    get_state: ServiceServer<GetState>,
    get_states: ServiceServer<GetAvailableStates>,
    get_transitions: ServiceServer<GetAvailableTransitions>,
    get_graph: ServiceServer<GetAvailableTransitions>,
    change: ServiceServer<ChangeState>,
    events: Publisher<TransitionEvent>,
    /// Who waits for a change, and the state that it ends in.
    waiting: Option<(LifecycleState, Request<ChangeState>)>,
    shutdown: Option<Request<ChangeState>>,
}

impl LifecycleServer {
    pub(super) fn new(bus: &BusNode, node: &dyn Node) -> Result<Self, BusError> {
        Ok(Self {
            node: bus.name().to_owned(),
            changes: node.can_change(),
            state: node.lifecycle(),
            get_state: bus.service_server(&names::GET_STATE)?,
            get_states: bus.service_server(&names::GET_AVAILABLE_STATES)?,
            get_transitions: bus.service_server(&names::GET_AVAILABLE_TRANSITIONS)?,
            get_graph: bus.service_server(&names::GET_TRANSITION_GRAPH)?,
            change: bus.service_server(&names::CHANGE_STATE)?,
            events: bus.publisher(&names::TRANSITION_EVENT)?,
            waiting: None,
            shutdown: None,
        })
    }

    /// Whether the node was asked to end.
    pub(super) fn is_over(&self) -> bool {
        self.shutdown.is_some()
    }

    /// Answers what was asked.
    pub(super) fn step(&mut self, node: &mut dyn Node) {
        self.observe(node.lifecycle());
        let state = self.state;
        serve(&self.node, &self.get_state, |_| GetStateResponse { current_state: state.message() });
        serve(&self.node, &self.get_states, |_| GetAvailableStatesResponse {
            available_states: self.states().map(LifecycleState::message).collect(),
        });
        serve(&self.node, &self.get_transitions, |_| GetAvailableTransitionsResponse {
            available_transitions: self.offered().map(Edge::description).collect(),
        });
        serve(&self.node, &self.get_graph, |_| GetAvailableTransitionsResponse {
            available_transitions: self.edges().map(Edge::description).collect(),
        });
        while let Some(request) = self.change.take_request() {
            self.begin(node, request);
        }
    }

    /// Those that this node can go through.
    fn edges(&self) -> impl Iterator<Item = &'static Edge> + use<> {
        let changes = self.changes;
        EDGES.iter().filter(move |edge| {
            changes || (matches!(edge.from, Active | ShuttingDown) && edge.to != Deactivating)
        })
    }

    /// What may be asked for now; nothing of a node that was asked to end.
    fn offered(&self) -> impl Iterator<Item = &'static Edge> + use<> {
        let state = (!self.is_over()).then_some(self.state);
        self.edges().filter(move |edge| Some(edge.from) == state && edge.asked.is_some())
    }

    fn states(&self) -> impl Iterator<Item = LifecycleState> + use<> {
        let all = [Inactive, Active, Finalized, Activating, Deactivating, ShuttingDown];
        let edges: Vec<_> = self.edges().collect();
        all.into_iter()
            .filter(move |state| edges.iter().any(|e| e.from == *state || e.to == *state))
    }

    fn begin(&mut self, node: &mut dyn Node, request: Request<ChangeState>) {
        let Transition { id, label } = &request.request().transition;
        // As rclcpp: the label counts where there is one, since callers who give it leave the number 0.
        let is_meant = |edge: &&Edge| match label.as_str() {
            "" => edge.id == *id,
            label => edge.label == label,
        };
        let meant = self.offered().find(is_meant);
        let Some(Edge { label, to, asked: Some(asked), .. }) = meant else {
            let (label, id, state) = (label.as_str(), *id, self.state.label());
            let offered: Vec<_> = self.offered().map(|edge| edge.label).collect();
            let offered = offered.join(", ");
            tracing::warn!(node = self.node, label, id, state, offered, "no such transition now");
            return sent(&self.node, request.respond(ChangeStateResponse { success: false }));
        };
        tracing::info!(node = self.node, "{label} was asked for");
        let change = match asked {
            Asked::Shutdown => {
                // Answered when it has ended.
                self.shutdown = Some(request);
                return;
            }
            Asked::Change(change) => *change,
        };
        if let Err(reason) = node.change(change) {
            tracing::warn!(node = self.node, reason, "{label} is refused");
            return sent(&self.node, request.respond(ChangeStateResponse { success: false }));
        }
        let goal = if *to == Activating { Active } else { Inactive };
        self.observe(node.lifecycle());
        self.waiting = Some((goal, request));
    }

    /// Tells of the transitions that have led to this state, and answers who waits for it.
    pub(super) fn observe(&mut self, state: LifecycleState) {
        for edge in way(self.state, state) {
            let event = TransitionEvent {
                timestamp: since_epoch_ns(),
                transition: edge.transition(),
                start_state: edge.from.message(),
                goal_state: edge.to.message(),
            };
            sent(&self.node, self.events.publish(&event));
        }
        self.state = state;
        let is_settled = !matches!(state, Activating | Deactivating);
        if is_settled && let Some((goal, request)) = self.waiting.take() {
            sent(&self.node, request.respond(ChangeStateResponse { success: state == goal }));
        }
    }

    /// The node has ended.
    pub(super) fn ended(&mut self) {
        self.observe(Finalized);
        if let Some(request) = self.shutdown.take() {
            sent(&self.node, request.respond(ChangeStateResponse { success: true }));
        }
    }
}

fn since_epoch_ns() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(from: LifecycleState, to: LifecycleState) -> Vec<u8> {
        way(from, to).iter().map(|edge| edge.id).collect()
    }

    #[test]
    fn a_change_that_was_not_watched_is_told_step_by_step() {
        assert!(ids(Active, Active).is_empty());
        assert_eq!(ids(Inactive, Active), [3, 30]);
        assert_eq!(ids(Activating, Inactive), [31]);
        assert_eq!(ids(Active, Inactive), [4, 40]);
        assert_eq!(ids(Active, Finalized), [7, 50]);
        assert_eq!(ids(Inactive, Finalized), [6, 50]);
        assert_eq!(ids(Deactivating, Finalized), [40, 6, 50]);
    }
}
