//! The gate and the control loop in virtual time.
#![allow(clippy::unwrap_used)]

mod authority;
mod commands;
mod control_loop;
mod document;
mod limits;
mod monitor;
mod profiles;
mod property;
mod real_time;
mod rig;
mod table;
mod timeouts;
mod transitions;
