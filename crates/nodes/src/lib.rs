//! Binds the layers to the bus: the nodes, the executors that step them, and launch files.

pub mod arguments;
mod executor;
pub mod launch;
mod node;

pub use executor::{Pace, VirtualExecutor};
pub use node::{Node, NodeError, Progress};
