//! Skills that another system carries out.

mod moveit;
mod nav2;
mod rig;
