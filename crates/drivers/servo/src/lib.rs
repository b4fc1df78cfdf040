//! Servo buses behind the hardware interface: Dynamixel X (protocol 2.0), Feetech STS and SCS.
//!
//! [`ServoDriver`] is an ordinary [`sinew_hardware::HardwareInterface`] for a robot whose file has a `servo` section. A bus is slow, so
//! it is served by a thread of its own: each cycle reads all servos, gives them the latest goals, and asks one of them for
//! its temperature, voltage and errors. The control loop exchanges latest values with that thread, and never waits for it.
//!
//! - **Switching on**: each servo's goal is set to where it stands, then it gets torque.
//! - **Stopping**: [`sinew_hardware::EmergencyStop`] has the thread take all torque off between two transactions, whatever the control loop
//!   does. Nothing is written after that but "no torque", until the next activation.
//! - **A driver that dies**: a Dynamixel stops by its own bus watchdog (register 98) after 200 ms without an instruction, in every
//!   mode. A Feetech servo has no watchdog: in position mode it holds its last goal, and wheel mode is refused.
//! - **Faults**: each damaged or missing answer is told apart and counted ([`Counters`]). A servo that does not answer is not valid in
//!   the state; a bus that is gone is [`sinew_hardware::DriverError::Disconnected`], and opened again when it is back: without torque.
//!
//! The packet layer is our own, on `serialport`, for three needs that the crate `rustypot` (1.13) does not meet: one deadline for all answers
//! of a transaction (it has a time-out for each read of bytes, and sleeps while it flushes), the answers of the other servos
//! when one of a sync read is missing (it gives up at the first), and cycles without allocation. Tests let `rustypot` talk to the
//! emulated servos, so that both are held against each other.
//!
//! ```
//! use sinew_driver_servo::ServoDriver;
//! use sinew_hardware::Unconfigured;
//! use sinew_robot::RobotModel;
//!
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let yaml = concat!(env!("CARGO_MANIFEST_DIR"), "/../../../urdf/so101_follower.robot.yaml");
//! let driver = ServoDriver::from_robot(&RobotModel::load(yaml)?)?;
//! let counters = driver.counters();
//! match Unconfigured::new(Box::new(driver)).configure() {
//!     Ok((_robot, _emergency_stop)) => println!("{:?}", counters.values()),
//!     Err(error) => println!("{error}"), // no arm on this machine
//! }
//! # Ok(())
//! # }
//! ```

mod bus;
pub mod calibration;
mod cells;
pub mod codec;
mod counters;
mod driver;
#[cfg(feature = "emulator")]
pub mod emulator;
mod error;
pub mod maintenance;
mod plan;
mod port;
mod setup;
pub mod table;
mod worker;

pub use bus::{Answers, Bus};
pub use cells::Clock;
pub use counters::{CounterValues, Counters};
pub use driver::{FAULT_TORQUE_LOST, FAULT_WATCHDOG, ServoDriver};
pub use error::{ReplyFault, ServoError};
pub use port::{OpenPort, Port, REPLY_ALLOWANCE, SerialOpener, serial_ports};
