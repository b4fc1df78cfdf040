//! The hardware layer: drivers, the control loop, leases, and the one gate that every command
//! passes on its way to an actuator.

mod interface;
mod lifecycle;

pub use interface::{Configured, DriverError, EmergencyStop, HardwareInterface};
pub use lifecycle::{Active, Inactive, Unconfigured};
