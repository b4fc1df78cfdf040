//! Nodes in virtual time: launch files, teleoperation, takeover, standard interfaces of other systems, a humanoid
//! on its fallback.

#![allow(clippy::unwrap_used)]

mod backends;
mod external_rig;
mod follow_trajectory;
mod g1;
mod g1_skill;
mod gripper_command;
mod launch_files;
mod launch_schema;
mod manners;
mod perception;
mod seeing_skill;
mod takeover;
mod teleop;
