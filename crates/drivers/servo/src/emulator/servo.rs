//! One servo: memory and motion.

use std::time::Duration;

use sinew_robot::ServoProtocol;

use super::EmulatedServoConfig;
use crate::table::{Register, Table, model_number};

/// Time constant of the motion towards a goal, s.
const TIME_CONSTANT_S: f64 = 0.03;
/// Step of the integration.
const STEP: Duration = Duration::from_millis(2);
/// Unit of the watchdog's register.
const WATCHDOG_UNIT: Duration = Duration::from_millis(20);
const WATCHDOG_TRIPPED: i32 = 0xff;
/// Bit of an overheated servo, with all vendors.
pub(super) const OVERHEATED: i32 = 0x04;
const OVERHEATED_C: i32 = 70;
/// Error codes of Dynamixels.
const RANGE_ERROR: u8 = 4;
const LIMIT_ERROR: u8 = 6;
const ACCESS_ERROR: u8 = 7;

pub(super) struct EmulatedServo {
    pub(super) table: &'static Table,
    protocol: ServoProtocol,
    memory: Vec<u8>,
    /// Where the shaft is, ticks of the bare encoder.
    shaft: f64,
    /// Ticks/s.
    velocity: f64,
    max_velocity: f64,
    /// What the encoder says if it is stuck.
    stuck: Option<f64>,
    pub(super) is_silent: bool,
    last_instruction: Duration,
    now: Duration,
}

impl EmulatedServo {
    pub(super) fn new(protocol: ServoProtocol, config: &EmulatedServoConfig) -> Self {
        let table = Table::of(protocol);
        let mut servo = Self {
            table,
            protocol,
            memory: vec![0; 256],
            shaft: 0.0,
            velocity: 0.0,
            max_velocity: config.max_velocity_ticks_s,
            stuck: None,
            is_silent: false,
            last_instruction: Duration::ZERO,
            now: Duration::ZERO,
        };
        servo.set(table.model_number, i32::from(model_number(config.model)));
        servo.set(table.id, i32::from(config.id));
        // As they leave the factory: the driver has to set these.
        servo.set(table.return_delay, 250);
        let (status_return, all) = table.status_return;
        servo.set(status_return, all);
        if let Some(register) = table.operating_mode {
            servo.set(register, if protocol == ServoProtocol::Dynamixel { 3 } else { 0 });
        }
        if let Some(register) = table.homing_offset {
            servo.set(register, config.homing_offset_ticks);
        }
        servo.set(
            table.max_position,
            if protocol == ServoProtocol::FeetechScs { 1023 } else { 4095 },
        );
        if let Some(register) = table.velocity_limit {
            servo.set(register, 1023);
        }
        if let Some(lock) = table.lock {
            servo.set(lock, 1);
        }
        servo.set(table.temperature, 32);
        servo.set(table.voltage, if protocol == ServoProtocol::Dynamixel { 120 } else { 74 });
        servo.place(config.start_ticks);
        servo.set(table.goal_position, config.start_ticks);
        servo
    }

    pub(super) fn id(&self) -> u8 {
        self.get(self.table.id) as u8
    }

    pub(super) fn get(&self, register: Register) -> i32 {
        self.table.decode(register, &self.memory[usize::from(register.address)..])
    }

    pub(super) fn set(&mut self, register: Register, value: i32) {
        let bytes = self.table.encode(register, value);
        let start = usize::from(register.address);
        let size = usize::from(register.size);
        self.memory[start..start + size].copy_from_slice(&bytes[..size]);
    }

    /// Reported ticks minus those of the bare encoder.
    fn offset(&self) -> f64 {
        let offset = self.table.homing_offset.map_or(0, |register| self.get(register));
        let sign = if self.protocol == ServoProtocol::Dynamixel { 1.0 } else { -1.0 };
        sign * f64::from(offset)
    }

    /// Puts the shaft where the servo reports these ticks.
    pub(super) fn place(&mut self, ticks: i32) {
        self.shaft = f64::from(ticks) - self.offset();
        self.velocity = 0.0;
    }

    pub(super) fn stick(&mut self, is_stuck: bool) {
        self.stuck = is_stuck.then_some(self.shaft);
    }

    pub(super) fn has_torque(&self) -> bool {
        self.get(self.table.torque_enable) != 0
    }

    pub(super) fn watchdog_has_tripped(&self) -> bool {
        self.table.watchdog.is_some_and(|register| self.get(register) == WATCHDOG_TRIPPED)
    }

    pub(super) fn ticks(&self) -> i32 {
        (self.stuck.unwrap_or(self.shaft) + self.offset()).round() as i32
    }

    /// Where the shaft really is, ticks as it would report them.
    pub(super) fn true_ticks(&self) -> f64 {
        self.shaft + self.offset()
    }

    pub(super) fn velocity(&self) -> f64 {
        self.velocity
    }

    /// Heats it up beyond its limit: it switches itself off.
    pub(super) fn overheat(&mut self) {
        self.set(self.table.temperature, OVERHEATED_C + 15);
        self.set(self.table.hardware_error, OVERHEATED);
        self.set(self.table.torque_enable, 0);
    }

    /// Lets it cool down, and restarts it.
    pub(super) fn cool(&mut self) {
        self.set(self.table.temperature, 32);
        self.set(self.table.hardware_error, 0);
    }

    /// Loses its power: what is not kept is as it was at first.
    pub(super) fn restart(&mut self) {
        self.set(self.table.torque_enable, 0);
        self.set(self.table.hardware_error, 0);
        if let Some(register) = self.table.watchdog {
            self.set(register, 0);
        }
        self.velocity = 0.0;
    }

    /// Tells it that an instruction was for it, also.
    pub(super) fn hear(&mut self, now: Duration) {
        self.advance(now);
        self.last_instruction = now;
    }

    /// Moves until `now`.
    pub(super) fn advance(&mut self, now: Duration) {
        while self.now < now {
            let mut until = now.min(self.now + STEP);
            if let Some(trip) = self.watchdog_trips_at() {
                if trip <= self.now {
                    self.trip();
                } else {
                    until = until.min(trip);
                }
            }
            let seconds = (until - self.now).as_secs_f64();
            self.velocity = self.driven_velocity();
            self.shaft += self.velocity * seconds;
            self.now = until;
        }
        if self.watchdog_trips_at().is_some_and(|trip| trip <= self.now) {
            self.trip();
        }
    }

    /// When its watchdog stops it, if nothing is heard until then.
    fn watchdog_trips_at(&self) -> Option<Duration> {
        let units = self.get(self.table.watchdog?);
        let is_set = (1..=127).contains(&units) && self.has_torque();
        is_set.then(|| self.last_instruction + WATCHDOG_UNIT * units.unsigned_abs())
    }

    fn trip(&mut self) {
        let here = self.ticks();
        self.set(self.table.goal_position, here);
        if let Some(register) = self.table.goal_velocity {
            self.set(register, 0);
        }
        if let Some(register) = self.table.watchdog {
            self.set(register, WATCHDOG_TRIPPED);
        }
    }

    fn is_in_velocity_mode(&self) -> bool {
        self.protocol == ServoProtocol::Dynamixel
            && self.table.operating_mode.is_some_and(|register| self.get(register) == 1)
    }

    /// Ticks/s.
    fn driven_velocity(&self) -> f64 {
        if !self.has_torque() || self.watchdog_has_tripped() {
            return 0.0;
        }
        let wanted = match self.table.goal_velocity {
            // 0.229 turns a minute.
            Some(register) if self.is_in_velocity_mode() => {
                f64::from(self.get(register)) * 0.229 * 4096.0 / 60.0
            }
            _ => self.way_to_goal() / TIME_CONSTANT_S,
        };
        wanted.clamp(-self.max_velocity, self.max_velocity)
    }

    /// As the servo sees it: with a stuck encoder it never gets nearer.
    fn way_to_goal(&self) -> f64 {
        let measured = self.stuck.unwrap_or(self.shaft) + self.offset();
        f64::from(self.get(self.table.goal_position)) - measured
    }

    pub(super) fn read(&mut self, address: u16, length: u16) -> Result<&[u8], u8> {
        let (start, end) = (usize::from(address), usize::from(address) + usize::from(length));
        if end > self.memory.len() {
            return Err(RANGE_ERROR);
        }
        let table = self.table;
        self.set(table.present_position, self.ticks());
        let units = match self.protocol {
            ServoProtocol::Dynamixel => self.velocity * 60.0 / 4096.0 / 0.229,
            _ => self.velocity,
        };
        self.set(table.present_velocity, units as i32);
        let load =
            if self.has_torque() { (self.way_to_goal() * 2.0).clamp(-900.0, 900.0) } else { 0.0 };
        self.set(table.present_load, load as i32);
        Ok(&self.memory[start..end])
    }

    /// Obeys a write; the error code of the answer if it does not.
    pub(super) fn write(&mut self, address: u16, bytes: &[u8]) -> Result<(), u8> {
        let (start, end) = (usize::from(address), usize::from(address) + bytes.len());
        let is_dynamixel = self.protocol == ServoProtocol::Dynamixel;
        if end > self.memory.len() {
            return Err(RANGE_ERROR);
        }
        let is_kept = address < self.table.torque_enable.address;
        if is_kept && is_dynamixel && (self.has_torque() || address < 7) {
            return Err(ACCESS_ERROR);
        }
        if is_kept && self.table.lock.is_some_and(|lock| self.get(lock) != 0) {
            return Ok(());
        }
        let register = |register: Register| register.address == address;
        let table = self.table;
        let is_goal = register(table.goal_position) || table.goal_velocity.is_some_and(register);
        if is_goal && self.watchdog_has_tripped() {
            return Err(RANGE_ERROR);
        }
        if is_dynamixel && register(table.goal_position) && bytes.len() >= 4 {
            let goal = table.decode(table.goal_position, bytes);
            let in_turn = table.operating_mode.is_some_and(|mode| self.get(mode) == 3);
            let (low, high) = (self.get(table.min_position), self.get(table.max_position));
            if in_turn && !(low..=high).contains(&goal) {
                return Err(LIMIT_ERROR);
            }
        }
        if register(table.torque_enable)
            && bytes.first().is_some_and(|on| *on != 0)
            && self.get(table.hardware_error) != 0
        {
            // Switched off by itself, until it is restarted.
            return if is_dynamixel { Err(ACCESS_ERROR) } else { Ok(()) };
        }
        self.memory[start..end].copy_from_slice(bytes);
        Ok(())
    }

    /// The error field of its answers, beside what an instruction did wrong.
    pub(super) fn condition(&self) -> u8 {
        let error = self.get(self.table.hardware_error);
        if self.table.error_field_is_condition {
            error as u8
        } else if error != 0 {
            0x80
        } else {
            0
        }
    }
}
