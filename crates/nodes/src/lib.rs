//! Binds the layers to the bus: the nodes, the executors that step them, and launch files.

pub mod arguments;
pub mod launch;
