//! Finding servos on a bus, and giving them their addresses.

use std::sync::Arc;

use sinew_robot::{ServoModel, ServoProtocol};

use crate::bus::Bus;
use crate::counters::Counters;
use crate::error::{ReplyFault, ServoError};
use crate::port::{OpenPort, SerialOpener};
use crate::setup::retry;
use crate::table::{Table, model_of};

/// Highest address that a servo can have.
pub const MAX_ID: u8 = 252;

/// A servo that answered.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct FoundServo {
    /// Its address.
    pub id: u8,
    /// What it speaks.
    pub protocol: ServoProtocol,
    /// Its model number.
    pub model_number: u16,
    /// The model, if it is one that the driver knows.
    pub model: Option<ServoModel>,
    /// Where it stands, ticks.
    pub ticks: i32,
    /// Supply, V.
    pub voltage_v: f64,
    /// °C.
    pub temperature_c: f64,
}

/// A bus on a serial port.
///
/// # Errors
/// [`ServoError::Open`].
pub fn open_bus(mut port: SerialOpener, protocol: ServoProtocol) -> Result<Bus, ServoError> {
    let counters = Arc::new(Counters::default());
    Ok(Bus::new(port.open()?, protocol, port.baud_rate, port.reply_allowance, counters))
}

/// All servos of a bus that have an address up to `max_id`; an address where nobody is takes some 20 ms.
///
/// # Errors
/// [`ServoError::Port`].
pub fn scan(bus: &mut Bus, max_id: u8) -> Result<Vec<FoundServo>, ServoError> {
    let mut found = Vec::new();
    for id in 0..=max_id.min(MAX_ID) {
        if is_there(bus, id)? {
            found.push(describe(bus, id)?);
        }
    }
    Ok(found)
}

fn is_there(bus: &mut Bus, id: u8) -> Result<bool, ServoError> {
    match bus.ping(id) {
        Ok(()) => Ok(true),
        Err(ServoError::Servo { fault: ReplyFault::NoReply, .. }) => {
            bus.expect_no_late_answers();
            Ok(false)
        }
        // Somebody is there, and heard badly.
        Err(ServoError::Servo { .. }) => retry(bus, |bus| bus.ping(id)).map(|()| true),
        Err(other) => Err(other),
    }
}

fn describe(bus: &mut Bus, id: u8) -> Result<FoundServo, ServoError> {
    let mut protocol = bus.protocol();
    let mut number = retry(bus, |bus| bus.read(id, bus.table().model_number))? as u16;
    // Feetech's two series speak alike; only the order of bytes in their memory differs.
    let other = match protocol {
        ServoProtocol::FeetechSts => Some(ServoProtocol::FeetechScs),
        ServoProtocol::FeetechScs => Some(ServoProtocol::FeetechSts),
        ServoProtocol::Dynamixel => None,
    };
    if let (None, Some(other)) = (model_of(protocol, number), other)
        && model_of(other, number.swap_bytes()).is_some()
    {
        (protocol, number) = (other, number.swap_bytes());
    }
    let table = Table::of(protocol);
    let mut value = |register: crate::table::Register| {
        let block =
            crate::table::Block { address: register.address, length: u16::from(register.size) };
        retry(bus, |bus| bus.read_block(id, block).map(|(_, data)| table.decode(register, data)))
    };
    Ok(FoundServo {
        id,
        protocol,
        model_number: number,
        model: model_of(protocol, number),
        ticks: value(table.present_position)?,
        voltage_v: f64::from(value(table.voltage)?) / 10.0,
        temperature_c: f64::from(value(table.temperature)?),
    })
}

/// Gives the servo with the address `from` the address `to`, in its lasting memory. Its torque goes off.
///
/// # Errors
/// [`ServoError::Setting`] if nobody is there, or the new address is taken or not allowed.
pub fn set_id(bus: &mut Bus, from: u8, to: u8) -> Result<(), ServoError> {
    let refused = |what: &'static str, actual: u8, allowed: &str| ServoError::Setting {
        joint: "-".to_owned(),
        id: from,
        what,
        actual: actual.to_string(),
        allowed: allowed.to_owned(),
    };
    if to > MAX_ID || to == from {
        return Err(refused("the new id", to, "0 to 252, and another than the old one"));
    }
    if !is_there(bus, from)? {
        return Err(refused("the old id", from, "one that answers: `sinew servo scan`"));
    }
    if is_there(bus, to)? {
        return Err(refused("the new id", to, "one that no other servo has"));
    }
    let table = bus.table();
    bus.write_each(table.torque_enable, &[(from, 0)])?;
    if let Some(lock) = table.lock {
        bus.write_each(lock, &[(from, 0)])?;
    }
    // The answer comes from the old or the new address, as the model has it.
    bus.write_each(table.id, &[(from, i32::from(to))])?;
    if let Some(lock) = table.lock {
        bus.write_each(lock, &[(to, 1)])?;
    }
    retry(bus, |bus| bus.ping(to))
}
