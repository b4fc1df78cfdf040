//! One file per command.

pub(crate) mod bench;
pub(crate) mod bridge;
pub(crate) mod call;
pub(crate) mod check;
pub(crate) mod doctor;
pub(crate) mod eval;
pub(crate) mod launch;
pub(crate) mod node;
pub(crate) mod plan;
pub(crate) mod policy;
pub(crate) mod replay;
pub(crate) mod run;
pub(crate) mod servo;
pub(crate) mod skills;
pub(crate) mod teleop;
pub(crate) mod up;
