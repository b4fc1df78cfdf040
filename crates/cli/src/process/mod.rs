//! Nodes and programs as processes of their own.

mod child;
mod group;
pub(crate) mod router;

pub(crate) use group::ProcessGroup;
