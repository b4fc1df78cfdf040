//! The program as a user starts it, in real time and with more than one process.
#![allow(clippy::unwrap_used)]

mod benchmarks;
mod call;
mod launching;
mod lost_process;
mod manners;
mod real_time;
mod servo;
#[path = "../support/mod.rs"]
mod support;
mod teleop;
