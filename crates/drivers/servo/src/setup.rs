//! Brings servos into the state that the driver needs, without torque.

use sinew_robot::ServoProtocol;

use crate::bus::Bus;
use crate::error::{ReplyFault, ServoError};
use crate::plan::{Drives, Plan, ServoPlan};
use crate::table::{Register, model_number};

/// How often a servo is asked that does not answer.
const TRIES: u32 = 3;

/// Ticks that a Dynamixel's position mode can go by its homing offset.
const POSITION_MODE_OFFSET: i32 = 1024;

/// Does it again while a servo does not answer properly.
pub(crate) fn retry<T>(
    bus: &mut Bus,
    mut once: impl FnMut(&mut Bus) -> Result<T, ServoError>,
) -> Result<T, ServoError> {
    let mut tries = 1;
    loop {
        match once(bus) {
            Err(ServoError::Servo { .. }) if tries < TRIES => tries += 1,
            other => return other,
        }
    }
}

/// Checks that each servo is there and what it should be, takes its torque off, and sets what it needs.
///
/// # Errors
/// The first servo that is not there, is another model, or is not calibrated as the robot file says.
pub(crate) fn setup(bus: &mut Bus, plan: &Plan) -> Result<(), ServoError> {
    let table = bus.table();
    let ids = || plan.servos.iter().map(|servo| servo.config.id);
    bus.write_bytes_to_each(ids(), table.torque_enable.address, &[0])?;
    for servo in &plan.servos {
        identify(bus, servo)?;
        take_torque_off(bus, servo)?;
    }
    let (status_return, all) = table.status_return;
    if table.lock.is_none() {
        // Not kept over a loss of power; without it the next instruction would not be answered.
        bus.write_bytes_to_each(ids(), status_return.address, &[all as u8])?;
    }
    for servo in &plan.servos {
        settings(bus, servo)?;
        calibration(bus, servo)?;
    }
    for (address, bytes) in table.follow {
        bus.write_bytes_to_each(ids(), *address, bytes)?;
    }
    Ok(())
}

fn setting(
    servo: &ServoPlan,
    what: &'static str,
    actual: impl ToString,
    allowed: impl ToString,
) -> ServoError {
    ServoError::Setting {
        joint: servo.joint.clone(),
        id: servo.config.id,
        what,
        actual: actual.to_string(),
        allowed: allowed.to_string(),
    }
}

/// Checks that a servo is there and what the robot file says.
pub(crate) fn identify(bus: &mut Bus, servo: &ServoPlan) -> Result<(), ServoError> {
    let id = servo.config.id;
    let there = retry(bus, |bus| bus.ping(id));
    match there {
        Err(ServoError::Servo { fault: ReplyFault::NoReply, .. }) => {
            let mend = "one that answers: check power, cable, id and baud rate \
                        (`sinew servo scan`)";
            return Err(setting(servo, "the servo", "silent", mend));
        }
        other => other?,
    }
    let register = bus.table().model_number;
    let number = retry(bus, |bus| bus.read(id, register))?;
    let expected = model_number(servo.config.model);
    if number != i32::from(expected) {
        let allowed = format!("{expected}, that of `{}`", servo.config.model.as_str());
        return Err(setting(servo, "the model number", number, allowed));
    }
    Ok(())
}

/// Until the servo says that it has none.
pub(crate) fn take_torque_off(bus: &mut Bus, servo: &ServoPlan) -> Result<(), ServoError> {
    let register = bus.table().torque_enable;
    let id = servo.config.id;
    for _ in 0..TRIES {
        if retry(bus, |bus| bus.read(id, register))? == 0 {
            return Ok(());
        }
        bus.write_each(register, &[(id, 0)])?;
    }
    Err(setting(servo, "torque", "on", "off: the servo does not do what it is told"))
}

/// Settings that have one right value.
fn settings(bus: &mut Bus, servo: &ServoPlan) -> Result<(), ServoError> {
    let table = bus.table();
    let mut wanted: Vec<(Register, i32, &'static str)> =
        vec![(table.return_delay, 0, "a return delay of 0")];
    if table.lock.is_some() {
        let (register, all) = table.status_return;
        wanted.push((register, all, "to answer all instructions"));
    }
    if let Some(register) = table.drive_mode {
        wanted.push((register, 0, "a drive mode of 0"));
    }
    if let Some(register) = table.operating_mode {
        wanted.push((register, operating_mode(servo), "its operating mode"));
    }
    let id = servo.config.id;
    let mut is_unlocked = false;
    for (register, value, what) in wanted {
        if retry(bus, |bus| bus.read(id, register))? == value {
            continue;
        }
        if let (Some(lock), false) = (table.lock, is_unlocked) {
            bus.write_each(lock, &[(id, 0)])?;
            is_unlocked = true;
        }
        if register == table.status_return.0 {
            bus.write_each(register, &[(id, value)])?;
        } else {
            retry(bus, |bus| bus.write(id, register, value, what))?;
        }
    }
    if let (Some(lock), true) = (table.lock, is_unlocked) {
        bus.write_each(lock, &[(id, 1)])?;
    }
    Ok(())
}

fn operating_mode(servo: &ServoPlan) -> i32 {
    let config = &servo.config;
    match (&servo.drives, config.model.protocol()) {
        (Drives::Velocity(_), _) => 1,
        (_, ServoProtocol::FeetechSts | ServoProtocol::FeetechScs) => 0,
        (_, ServoProtocol::Dynamixel) if is_within_a_turn(servo) => 3,
        // Extended position mode.
        (_, ServoProtocol::Dynamixel) => 4,
    }
}

/// Whether a Dynamixel's position mode, which has limits in the servo itself, is enough.
fn is_within_a_turn(servo: &ServoPlan) -> bool {
    let [low, high] = servo.config.range_ticks;
    low >= 0 && high <= 4095 && servo.config.homing_offset_ticks.abs() <= POSITION_MODE_OFFSET
}

fn calibration(bus: &mut Bus, servo: &ServoPlan) -> Result<(), ServoError> {
    let table = bus.table();
    let (id, config) = (servo.config.id, &servo.config);
    if let Some(register) = table.homing_offset {
        let offset = retry(bus, |bus| bus.read(id, register))?;
        if offset != config.homing_offset_ticks {
            let allowed = format!(
                "{}, with which the robot file was calibrated: run `sinew servo calibrate`",
                config.homing_offset_ticks
            );
            return Err(setting(servo, "the homing offset", offset, allowed));
        }
    }
    if let (Drives::Velocity(turning), Some(register)) = (&servo.drives, table.velocity_limit) {
        let limit = retry(bus, |bus| bus.read(id, register))?;
        if limit < turning.max_units() {
            let allowed = format!("{} or more, the joint's velocity limit", turning.max_units());
            return Err(setting(servo, "the velocity limit", limit, allowed));
        }
        return Ok(());
    }
    let extended = config.model.protocol() == ServoProtocol::Dynamixel && !is_within_a_turn(servo);
    if extended {
        return Ok(());
    }
    let lowest = retry(bus, |bus| bus.read(id, table.min_position))?;
    let highest = retry(bus, |bus| bus.read(id, table.max_position))?;
    let [low, high] = config.range_ticks;
    if low < lowest || high > highest {
        return Err(setting(
            servo,
            "the range in the servo's memory",
            format!("{lowest} to {highest}"),
            format!("a range that holds {low} to {high}: run `sinew servo calibrate`"),
        ));
    }
    Ok(())
}
