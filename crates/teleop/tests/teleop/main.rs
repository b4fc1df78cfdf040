//! Mappings and sessions, in virtual time.
#![allow(clippy::unwrap_used)]

mod jogging;
mod mappings;
mod rig;
mod session;
