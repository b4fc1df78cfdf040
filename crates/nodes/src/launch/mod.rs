//! Launch files: a subset of ROS 2's YAML launch format, so that one file serves `sinew up`,
//! `sinew launch` and `ros2 launch`.
//!
//! Actions: `arg`, `let`, `include`, `group`, `push_ros_namespace`, `node`, `executable`, with
//! `param`, `remap`, `env`, `if` and `unless` where ROS 2 has them. Substitutions: `$(var NAME)`,
//! `$(env NAME [DEFAULT])`, `$(dirname)`, `$(find-pkg-share sinew)`.

mod error;
mod expand;
mod file;
mod substitute;

pub use error::LaunchError;
pub use expand::{DeclaredArgument, LaunchDescription, NodeLaunch, Output, ProcessLaunch, expand};
