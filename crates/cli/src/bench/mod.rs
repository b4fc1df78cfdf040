//! What `sinew bench` measures.

pub(crate) mod bus;
mod chain_robot;
pub(crate) mod inference;
pub(crate) mod loop_rig;
pub(crate) mod pacing;
mod peer;
pub(crate) mod policy_run;
pub(crate) mod stats;
pub(crate) mod stop;
mod thread_counts;
