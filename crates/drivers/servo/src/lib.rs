//! Servo buses behind the hardware interface: Dynamixel X (protocol 2.0), Feetech STS and SCS.

mod bus;
mod cells;
pub mod codec;
mod counters;
mod driver;
#[cfg(feature = "emulator")]
pub mod emulator;
mod error;
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
pub use port::{OpenPort, Port, SerialOpener};
