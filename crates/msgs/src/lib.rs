//! The ROS 2 messages that Sinew's nodes speak: our own package `sinew_msgs`, generated from the
//! interface files beside this crate, and the standard packages, re-exported from `hiroz-msgs`.
//!
//! The interface files in `sinew_msgs/` are the source; a ROS 2 user builds the same folder with
//! colcon. Structs carry their RIHS01 type hash and encode to CDR byte for byte as ROS 2 does, which
//! the golden tests check against `rosbags`, an implementation that shares no code with this one.

pub mod cdr;
pub mod convert;
mod defaults;

use hiroz::TypeInfo;
/// What a `uint8[]` is in messages: bytes in one piece or several, which need not be copied.
pub use hiroz::ZBuf as Bytes;
use hiroz::entity::TypeHash;

// The generated code names this module as its own crate's.
use hiroz_msgs::size_estimation;

/// Package `sinew_msgs`, documented field by field, with units, in its interface files; and standard packages that
/// hiroz-msgs lacks.
// SAFETY: the unsafe impls in there are bytemuck's derives, which check the layout they claim.
#[allow(missing_docs, unreachable_pub, unsafe_code, clippy::all, clippy::unwrap_used)]
mod generated {
    include!(concat!(env!("OUT_DIR"), "/generated.rs"));
}

pub use generated::ros::{
    control_msgs, controller_manager_msgs, lifecycle_msgs, moveit_msgs, nav2_msgs,
    object_recognition_msgs, octomap_msgs, rcl_interfaces, sinew_msgs, vision_msgs,
};
pub use hiroz_msgs::ros::{
    action_msgs, builtin_interfaces, diagnostic_msgs, geometry_msgs, nav_msgs, rosgraph_msgs,
    sensor_msgs, shape_msgs, std_msgs, std_srvs, tf2_msgs, trajectory_msgs, unique_identifier_msgs,
};

/// Name and hash of the service that cancels goals of any action. Generated code has it wrong: it
/// hashes the type as if it were in the folder `action`, so ROS 2 would not find the service.
#[must_use]
pub fn cancel_goal_type_info() -> TypeInfo {
    let hash = "RIHS01_573d8b0a534451d7bc2ac8c5ffde8ac14b8593b7001175d0cd6516dcbeb8689a";
    let hash = TypeHash::from_rihs_string(hash).unwrap_or_else(TypeHash::zero);
    TypeInfo::new("action_msgs::srv::dds_::CancelGoal_", hash)
}
