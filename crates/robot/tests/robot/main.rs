//! Robot files, and kinematics against MuJoCo.

#![allow(clippy::unwrap_used)]

mod chain;
mod files;
mod forward_kinematics;
mod self_contact;
