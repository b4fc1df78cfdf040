//! All servos of a bus: who answers what and when, with the faults that were asked for.

use std::collections::VecDeque;
use std::time::Duration;

use sinew_robot::ServoProtocol;

use super::EmulatorConfig;
use super::servo::EmulatedServo;
use crate::codec::{
    BROADCAST_ID, Codec, Decoded, Expectation, PING, READ, SYNC_READ, SYNC_WRITE, WRITE,
};
use crate::table::Table;

/// What is to be wrong with one answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// So many of its bytes, from this one on, do not arrive; fewer than all.
    LostBytes {
        /// The first of them; as near to it as the answer's length allows.
        first: usize,
        /// How many.
        count: usize,
    },
    /// Its last byte is another.
    BadChecksum,
    /// It comes later by this, and the servos after it in a sync read do not answer.
    SlowReply(Duration),
    /// It bears this address.
    WrongId(u8),
}

/// Faults that took effect, as a driver should count them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct InjectedFaults {
    /// Answers of which bytes were lost.
    pub lost_bytes: u64,
    /// Answers with a wrong checksum.
    pub bad_checksums: u64,
    /// Answers under another address.
    pub wrong_ids: u64,
    /// Answers that did not come in time: slow ones, silent servos, and those that were silenced by them.
    pub missing: u64,
    /// Times that an open port was unplugged.
    pub unplugs: u64,
}

/// One write that a servo obeyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WriteRecord {
    /// Since the emulator's start.
    pub at: Duration,
    /// The servo.
    pub id: u8,
    /// Whether it had torque before.
    pub had_torque: bool,
    /// What was written.
    pub written: Written,
}

impl WriteRecord {
    /// Whether it says where to go, or how fast.
    pub fn is_set_point(&self) -> bool {
        matches!(self.written, Written::Goal(_) | Written::Velocity(_))
    }
}

/// What was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// Torque on or off.
    Torque(bool),
    /// A goal in position mode, ticks.
    Goal(i32),
    /// A goal in velocity mode, units of the servo.
    Velocity(i32),
    /// The watchdog's register.
    Watchdog(i32),
    /// Another register.
    Other {
        /// Its address.
        address: u16,
    },
}

/// Bytes, and when the last of them is on the wire.
pub(super) type Answer = (Duration, Vec<u8>);

pub(super) struct Line {
    codec: Codec,
    table: &'static Table,
    protocol: ServoProtocol,
    byte_time: Duration,
    pub(super) servos: Vec<EmulatedServo>,
    received: Vec<u8>,
    pub(super) faults: VecDeque<(Option<u8>, Fault)>,
    /// What is wrong with every answer.
    pub(super) every: Option<Fault>,
    pub(super) injected: InjectedFaults,
    pub(super) instructions: u64,
    pub(super) writes: Vec<WriteRecord>,
    pub(super) is_plugged: bool,
    /// Whether somebody has opened the port since it was plugged in.
    pub(super) is_open: bool,
    /// Counts the times that it was plugged in.
    pub(super) generation: u64,
}

impl Line {
    pub(super) fn new(config: &EmulatorConfig, takes_wire_time: bool) -> Self {
        let byte_time = Duration::from_secs(10) / config.baud_rate.max(1);
        Self {
            codec: Codec::of(config.protocol),
            table: Table::of(config.protocol),
            protocol: config.protocol,
            byte_time: if takes_wire_time { byte_time } else { Duration::ZERO },
            servos: config.servos.iter().map(|s| EmulatedServo::new(config.protocol, s)).collect(),
            received: Vec::new(),
            faults: VecDeque::new(),
            every: None,
            injected: InjectedFaults::default(),
            instructions: 0,
            writes: Vec::new(),
            is_plugged: true,
            is_open: false,
            generation: 0,
        }
    }

    pub(super) fn byte_time(&self) -> Duration {
        self.byte_time
    }

    pub(super) fn servo(&mut self, id: u8) -> Option<&mut EmulatedServo> {
        self.servos.iter_mut().find(|servo| servo.id() == id)
    }

    pub(super) fn advance(&mut self, now: Duration) {
        for servo in &mut self.servos {
            servo.advance(now);
        }
    }

    pub(super) fn unplug(&mut self) {
        if self.is_plugged && self.is_open {
            self.injected.unplugs += 1;
        }
        (self.is_plugged, self.is_open) = (false, false);
        self.received.clear();
    }

    pub(super) fn plug(&mut self) {
        self.is_plugged = true;
        self.generation += 1;
    }

    /// Takes bytes that are on the wire at `now`, and gives the answers.
    pub(super) fn receive(&mut self, now: Duration, bytes: &[u8]) -> Vec<Answer> {
        self.received.extend_from_slice(bytes);
        let expectation =
            Expectation { max_length: 512, length: 0, more_follows: false, is_final: false };
        let (mut answers, mut parameters) = (Vec::new(), Vec::new());
        loop {
            let decoded = self.codec.decode(&self.received, &expectation, &mut parameters);
            let taken = match decoded {
                Decoded::NeedMore => return answers,
                Decoded::Garbage(0) => return answers,
                Decoded::Garbage(count) | Decoded::Corrupt { skip: count, .. } => count,
                Decoded::Packet { id, code, length } => {
                    self.obey(now, id, code, &parameters, &mut answers);
                    length
                }
            };
            self.received.drain(..taken);
        }
    }

    fn obey(
        &mut self,
        now: Duration,
        id: u8,
        instruction: u8,
        parameters: &[u8],
        answers: &mut Vec<Answer>,
    ) {
        self.instructions += 1;
        let wide = self.protocol == ServoProtocol::Dynamixel;
        let number = |index: usize| -> u16 {
            let at = |byte: usize| u16::from(parameters.get(byte).copied().unwrap_or(0));
            if wide { at(2 * index) | at(2 * index + 1) << 8 } else { at(index) }
        };
        let size = if wide { 2 } else { 1 };
        let rest = |numbers: usize| parameters.get(numbers * size..).unwrap_or(&[]);
        match instruction {
            PING => {
                let model = self.table.model_number;
                let mut replies = Vec::new();
                for servo in &mut self.servos {
                    if id == servo.id() || id == BROADCAST_ID {
                        servo.hear(now);
                        let number = servo.get(model).to_le_bytes();
                        let data = if wide { vec![number[0], number[1], 50] } else { Vec::new() };
                        replies.push((servo.id(), servo.condition(), data));
                    }
                }
                self.answer(now, replies, answers);
            }
            READ => {
                let replies = self.read(now, &[id], number(0), number(1));
                self.answer(now, replies, answers);
            }
            SYNC_READ => {
                let replies = self.read(now, rest(2), number(0), number(1));
                self.answer(now, replies, answers);
            }
            WRITE => {
                let error = self.write(now, id, number(0), rest(1));
                if let Some(error) = error.filter(|_| id != BROADCAST_ID) {
                    self.answer(now, vec![(id, error, Vec::new())], answers);
                }
            }
            SYNC_WRITE => {
                let (address, length) = (number(0), usize::from(number(1)));
                for item in rest(2).chunks_exact(length + 1) {
                    self.write(now, item[0], address, &item[1..]);
                }
            }
            _ => {}
        }
    }

    fn read(
        &mut self,
        now: Duration,
        ids: &[u8],
        address: u16,
        length: u16,
    ) -> Vec<(u8, u8, Vec<u8>)> {
        let mut replies = Vec::new();
        for id in ids {
            let Some(servo) = self.servo(*id) else {
                // Those after it wait for its answer.
                break;
            };
            servo.hear(now);
            let condition = servo.condition();
            replies.push(match servo.read(address, length) {
                Ok(data) => (*id, condition, data.to_vec()),
                Err(error) => (*id, error, Vec::new()),
            });
        }
        replies
    }

    /// The error field of the answer, if there is such a servo.
    fn write(&mut self, now: Duration, id: u8, address: u16, bytes: &[u8]) -> Option<u8> {
        if id == BROADCAST_ID {
            for index in 0..self.servos.len() {
                let id = self.servos[index].id();
                self.write(now, id, address, bytes);
            }
            return None;
        }
        let table = self.table;
        let servo = self.servos.iter_mut().find(|servo| servo.id() == id)?;
        if servo.is_silent {
            return Some(0);
        }
        servo.hear(now);
        let had_torque = servo.has_torque();
        if let Err(error) = servo.write(address, bytes) {
            return Some(error | servo.condition());
        }
        let written = if address == table.torque_enable.address {
            Written::Torque(bytes[0] != 0)
        } else if address == table.goal_position.address {
            Written::Goal(table.decode(table.goal_position, bytes))
        } else if let Some(register) = table.goal_velocity.filter(|r| r.address == address) {
            Written::Velocity(table.decode(register, bytes))
        } else if let Some(register) = table.watchdog.filter(|r| r.address == address) {
            Written::Watchdog(table.decode(register, bytes))
        } else {
            Written::Other { address }
        };
        let condition = servo.condition();
        self.writes.push(WriteRecord { at: now, id, had_torque, written });
        Some(condition)
    }

    /// Puts answers on the wire, one after the other; at most one of them is damaged, if not every one is.
    fn answer(
        &mut self,
        now: Duration,
        replies: Vec<(u8, u8, Vec<u8>)>,
        answers: &mut Vec<Answer>,
    ) {
        let of_reply =
            |fault: &Option<u8>| fault.is_none_or(|id| replies.iter().any(|reply| reply.0 == id));
        let fault = match self.faults.front() {
            Some((id, _)) if of_reply(id) && !replies.is_empty() => self.faults.pop_front(),
            _ => None,
        };
        let damaged = fault.map(|(id, fault)| {
            let slot = replies.iter().position(|reply| Some(reply.0) == id).unwrap_or(0);
            (slot, fault)
        });
        let count = replies.len();
        let mut at = now;
        for (slot, (id, error, data)) in replies.into_iter().enumerate() {
            if self.servo(id).is_some_and(|servo| servo.is_silent) {
                self.injected.missing += (count - slot) as u64;
                return;
            }
            let mut bytes = Vec::new();
            self.codec.encode_answer(id, error, &data, &mut bytes);
            let mut is_slow = false;
            let own = damaged.filter(|(damaged, _)| *damaged == slot).map(|(_, fault)| fault);
            if let Some(fault) = self.every.or(own) {
                match fault {
                    Fault::LostBytes { first, count } => {
                        let lost = count.clamp(1, bytes.len() - 1);
                        let first = first.min(bytes.len() - lost);
                        bytes.drain(first..first + lost);
                        self.injected.lost_bytes += 1;
                    }
                    Fault::BadChecksum => {
                        if let Some(last) = bytes.last_mut() {
                            *last ^= 0x55;
                        }
                        self.injected.bad_checksums += 1;
                    }
                    Fault::WrongId(other) => {
                        bytes.clear();
                        self.codec.encode_answer(other, error, &data, &mut bytes);
                        self.injected.wrong_ids += 1;
                    }
                    Fault::SlowReply(delay) => {
                        at += delay;
                        is_slow = true;
                        self.injected.missing += (count - slot) as u64;
                    }
                }
            }
            at += self.byte_time * bytes.len() as u32;
            answers.push((at, bytes));
            if is_slow {
                return;
            }
        }
    }
}
