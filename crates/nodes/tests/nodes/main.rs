//! Nodes in virtual time: launch files, teleoperation, takeover, a humanoid on its fallback.

#![allow(clippy::unwrap_used)]

mod g1;
mod launch_files;
mod takeover;
mod teleop;
