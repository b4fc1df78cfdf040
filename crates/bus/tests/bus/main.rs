//! One bus API: in-process and over zenoh, and a ROS 2 peer from PyPI.

#![allow(clippy::unwrap_used, missing_docs)]

mod bridge;
mod conformance;
mod ros2_peer;
mod support;
mod zenoh;
