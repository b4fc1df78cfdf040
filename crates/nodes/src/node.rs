use std::time::Duration;

use sinew_msgs::rcl_interfaces::Parameter;
use sinew_types::Time;

/// Why a node cannot go on.
#[derive(Debug, thiserror::Error)]
#[error("node `{node}`: {message}")]
pub struct NodeError {
    /// The node's name.
    pub node: String,
    /// What failed, and what would mend it.
    pub message: String,
}

impl NodeError {
    /// A node failed, for this reason.
    pub fn new(node: &str, message: impl std::fmt::Display) -> Self {
        Self { node: node.into(), message: message.to_string() }
    }
}

/// Whether a node lets time pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// It did all that is to be done now.
    Done,
    /// It waits for an answer from outside (a language model, a person). Virtual time stands still
    /// until it has it, so that the answer's wall time does not change what the robot does.
    WaitsOutside,
}

/// Where a node is in its life cycle, in ROS 2's terms. A node is configured when it is made, so none is unconfigured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LifecycleState {
    /// It is there, and does not act.
    Inactive,
    /// On its way to active, or back if that fails.
    Activating,
    /// It does what it is for.
    Active,
    /// On its way to inactive.
    Deactivating,
    /// On its way to its end.
    ShuttingDown,
    /// It has ended.
    Finalized,
}

/// What a node may be asked to become.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// Active.
    Activate,
    /// Inactive.
    Deactivate,
}

/// One node: a state machine that an executor steps. It never blocks and never awaits.
pub trait Node: Send {
    /// Its name on the graph.
    fn name(&self) -> &str;

    /// The longest time between two steps.
    fn period(&self) -> Duration;

    /// Takes what arrived, does what is due at `now`, sends what results.
    ///
    /// May be called more than once at the same `now`, and late; never with an earlier `now`.
    ///
    /// # Errors
    /// When the node cannot go on; the system is then brought to a stop.
    fn step(&mut self, now: Time) -> Result<Progress, NodeError>;

    /// Says that it lives, by wall time: called all the time, also while the system's clock stands
    /// still, but not in a composed system, whose nodes live and die together.
    ///
    /// # Errors
    /// When the node cannot go on.
    fn keep_alive(&mut self) -> Result<(), NodeError> {
        Ok(())
    }
    /// Tells how long after its due time, in wall time, an executor that paces comes to the next step.
    fn woke_late(&mut self, _lateness: Duration) {}

    /// Where it is in its life cycle before its end.
    fn lifecycle(&self) -> LifecycleState {
        LifecycleState::Active
    }

    /// Whether [`Node::change`] can do anything.
    fn can_change(&self) -> bool {
        false
    }

    /// Begins a change, which [`Node::lifecycle`] tells of from now on; it ends at one or the other end of it.
    ///
    /// # Errors
    /// Why it is not begun.
    fn change(&mut self, change: Change) -> Result<(), String> {
        Err(format!("{change:?}: this node is active for as long as it lives"))
    }

    /// Its parameters that may be set while it is active.
    fn dynamic_parameters(&self) -> &'static [&'static str] {
        &[]
    }

    /// Goes by these from now on: all, or none. They are among [`Node::dynamic_parameters`] and of the declared type.
    ///
    /// # Errors
    /// Which cannot be taken, and what is allowed.
    fn set_parameters(&mut self, _parameters: &[Parameter]) -> Result<(), String> {
        Ok(())
    }

    /// Brings what it commands to rest and lets go of it; called once, at the end.
    fn shutdown(&mut self, _now: Time) {}
}
