//! One typed, polled, synchronous interface to topics, services and actions, over carriers that can
//! be exchanged.
//!
//! A node is a state machine that an executor steps. In each step it *takes* what has arrived and
//! sends what it has to say; nothing here is async, and waiting is left to the executor
//! ([`Bus::waiter`]). All messages are ROS 2 messages, and [`names`] owns every name, type and
//! quality of service.
//!
//! - [`Bus::in_process`]: for nodes composed into one process. A message is in the subscriber's
//!   queue when `publish` returns; queues are first in, first out; nothing depends on wall time or
//!   on chance, so that a seeded run repeats bit for bit.
//! - [`Bus::zenoh`]: between processes, on the wire of ROS 2's rmw_zenoh (key expressions,
//!   attachments, liveliness tokens, type hashes), so that a ROS 2 machine sees these nodes as its
//!   own. Threads of the carrier fill queues; decoding happens in `take`.
//! - `Bus::ros2` (feature `ros2`, which needs a sourced ROS 2 to build and to run): on ROS 2's own
//!   client library, over any of its middlewares. Message packages are found at run time.
//!
//! Foreign bytes that are no message are counted and dropped, never a panic.
//!
//! ```
//! use sinew_bus::{Bus, names};
//! use sinew_msgs::sensor_msgs::JointState;
//!
//! # fn main() -> Result<(), sinew_bus::BusError> {
//! let bus = Bus::in_process();
//! let (robot, viewer) = (bus.node("robot", "/mobi")?, bus.node("viewer", "/mobi")?);
//! let subscription = viewer.subscription(&names::JOINT_STATES)?;
//! let publisher = robot.publisher(&names::JOINT_STATES)?;
//!
//! publisher.publish(&JointState { position: vec![0.5], ..JointState::default() })?;
//!
//! let received = subscription.take().expect("delivered by publish");
//! assert_eq!(received.message.position, [0.5]);
//! assert_eq!(received.publisher, publisher.id());
//! # Ok(())
//! # }
//! ```

mod action;
mod bridge;
mod bus;
mod carrier;
mod error;
mod inbox;
mod message;
pub mod names;
mod node;
mod qos;
mod resolve;
mod service;
mod topic;
mod type_mismatch;
mod waiter;

pub use action::{
    ActionClient, ActionEvent, ActionServer, CancelRequest, GoalCall, GoalEvent, GoalHandle,
    GoalId, GoalRequest, GoalStatus,
};
pub use bridge::Bridge;
pub use bus::{Bus, PeerNode};
#[cfg(feature = "ros2")]
pub use carrier::ros2::Ros2Config;
pub use carrier::zenoh::{ZenohConfig, ZenohMode, ZenohRouter};
pub use error::{BusError, CallError};
pub use message::{Action, Message, Service, Wire};
pub use node::BusNode;
pub use qos::{Durability, Qos, Reliability};
pub use service::{Call, Request, ServiceClient, ServiceServer};
pub use topic::{Publisher, PublisherId, Received, Subscription};
pub use type_mismatch::TypeMismatch;
pub use waiter::Waiter;
