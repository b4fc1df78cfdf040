//! A robot that already runs ros2_control behind the hardware interface: Sinew moves it through its controllers.
//!
//! [`Ros2ControlDriver`] is an ordinary [`sinew_hardware::HardwareInterface`] for a robot whose file has a `ros2_control`
//! section ([`sinew_robot::Ros2ControlConfig`]). It speaks over a [`sinew_bus::BusNode`], whatever carries it. A thread of
//! its own takes what the robot publishes and sends set-points; the control loop exchanges latest values with it, and
//! never waits for it.
//!
//! - **Configuring** waits for all joints on `joint_states` and for the controller manager, and checks that each controller
//!   is loaded, of a fitting type, and has the group's joints, where it takes values without names in the same order.
//! - **Activating** claims: one strict switch activates the group's controllers and deactivates those active ones that
//!   claim the same interfaces. The first set-points are what is measured, so that nothing moves.
//! - **Deactivating** hands back: controllers are told to stay where they are, and those that were active before are active
//!   again. Nothing is handed back where somebody else has switched our controllers meanwhile.
//! - **Stopping**: [`sinew_hardware::EmergencyStop`] has the thread tell the controllers to stay and then deactivate them,
//!   whatever the control loop does; again and again while the controller manager cannot be reached. Nothing is handed
//!   back then: what was active before might move.
//! - **A robot that falls silent**, a controller manager that does not answer, or a controller that somebody else
//!   deactivates, is stopped as above, and a write is [`sinew_hardware::DriverError::Disconnected`] until the next
//!   activation. The gate finds old state by its stamp long before.
//! - **A driver that dies** leaves controllers with what they were told last: a trajectory ends at its point, a
//!   differential drive stops by its own `cmd_vel_timeout`, but a forward command controller has no time-out, which matters
//!   where it takes velocities or efforts.
//!
//! ```
//! use sinew_bus::Bus;
//! use sinew_driver_ros2_control::Ros2ControlDriver;
//! use sinew_robot::RobotModel;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let yaml = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../urdf/mobi.robot.yaml");
//! let node = Bus::in_process().node("driver", "/")?;
//! // This one's file says nothing of ros2_control.
//! let error = Ros2ControlDriver::new(&RobotModel::load(yaml)?, node).err();
//! assert!(error.is_some_and(|error| error.to_string().contains("ros2_control: missing")));
//! # Ok(())
//! # }
//! ```

mod cells;
mod channel;
mod driver;
mod error;
mod manager;
mod measure;
mod plan;
mod worker;

pub use driver::Ros2ControlDriver;
pub use error::Ros2ControlError;
