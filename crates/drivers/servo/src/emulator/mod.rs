//! A bus of servos that are not there: their memory, their motion, and what can go wrong with them.
//!
//! Written from the vendors' documents of protocols and control tables. Each servo moves towards its goal as a first-order
//! system with a velocity limit; torque, limits, the Dynamixel's bus watchdog, over-temperature shutdown, and the order in which the
//! servos of a sync read answer (a silent one silences those after it) are those of the real ones.
//!
//! - [`Emulator`] serves a pseudo-terminal, in real time, on a thread of its own: for programs that open a port.
//! - [`VirtualBus`] is a port in this process, on a virtual clock: for tests of many hours in seconds.
//!
//! Both are steered and observed through an [`EmulatorHandle`]. Every write that a servo obeys is recorded with its time and with
//! whether the servo had torque.

mod handle;
mod line;
mod pty;
mod servo;
mod virtual_bus;

use sinew_robot::{ServoConfig, ServoModel, ServoProtocol};

pub use handle::{EmulatorHandle, ServoView};
pub use line::{Fault, InjectedFaults, WriteRecord, Written};
pub use pty::Emulator;
pub use virtual_bus::VirtualBus;

/// A bus to emulate.
#[derive(Debug, Clone, PartialEq)]
pub struct EmulatorConfig {
    /// What is spoken on it.
    pub protocol: ServoProtocol,
    /// Its rate, bit/s: the time that bytes take on a virtual clock.
    pub baud_rate: u32,
    /// The servos, with addresses of their own.
    pub servos: Vec<EmulatedServoConfig>,
}

/// One servo to emulate.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct EmulatedServoConfig {
    /// Its address.
    pub id: u8,
    /// What it is.
    pub model: ServoModel,
    /// Where it stands at first, ticks as it reports them.
    pub start_ticks: i32,
    /// Homing offset in its memory, ticks.
    pub homing_offset_ticks: i32,
    /// Largest speed, ticks/s.
    pub max_velocity_ticks_s: f64,
}

impl EmulatorConfig {
    /// The servos of a robot file, each where its joint is zero.
    pub fn of(bus: &ServoConfig) -> Self {
        let servos = bus
            .joints
            .values()
            .map(|joint| EmulatedServoConfig {
                id: joint.id,
                model: joint.model,
                start_ticks: joint.zero_ticks,
                homing_offset_ticks: joint.homing_offset_ticks,
                max_velocity_ticks_s: 3000.0,
            })
            .collect();
        Self { protocol: bus.protocol, baud_rate: bus.baud_rate, servos }
    }
}
