//! Transactions with the servos of one bus.

use std::sync::Arc;
use std::time::Duration;

use sinew_robot::ServoProtocol;

use crate::codec::{
    BROADCAST_ID, Codec, Decoded, Expectation, PING, READ, SYNC_READ, SYNC_WRITE, WRITE,
};
use crate::counters::Counters;
use crate::error::{ReplyFault, ServoError};
use crate::port::Port;
use crate::table::{Block, Register, Table};

/// What each servo may take to begin its answer.
const TURN: Duration = Duration::from_micros(500);
/// The error field's bit that tells of a hardware error (Dynamixel).
const ALERT: u8 = 0x80;

/// A bus with the servos on it. Each transaction has one deadline for all of its answers.
pub struct Bus {
    port: Box<dyn Port>,
    protocol: ServoProtocol,
    codec: Codec,
    table: &'static Table,
    byte_time: Duration,
    counters: Arc<Counters>,
    /// Buffers, so that the cycle of an active bus does not allocate.
    parameters: Vec<u8>,
    unstuffed: Vec<u8>,
    sent: Vec<u8>,
    received: Vec<u8>,
    data: Vec<u8>,
    faults: Vec<Option<ReplyFault>>,
    corrupt: Vec<u8>,
    allowance: Duration,
    /// Until when answers that missed their deadline are waited for, to be thrown away.
    quarantine: Option<Duration>,
}

/// The answers to a read of several servos.
#[derive(Debug)]
pub struct Answers<'a> {
    data: &'a [u8],
    faults: &'a [Option<ReplyFault>],
    length: usize,
}

impl Answers<'_> {
    /// What the servo at this place of the list of addresses answered: data after the error field.
    ///
    /// # Errors
    /// What was wrong with its answer.
    pub fn get(&self, index: usize) -> Result<(u8, &[u8]), ReplyFault> {
        match self.faults[index] {
            Some(fault) => Err(fault),
            None => {
                let start = index * (self.length + 1);
                let answer = &self.data[start..start + self.length + 1];
                Ok((answer[0], &answer[1..]))
            }
        }
    }
}

impl Bus {
    /// A bus on an open port; an answer may take `allowance` beyond its time on the wire.
    pub fn new(
        port: Box<dyn Port>,
        protocol: ServoProtocol,
        baud_rate: u32,
        allowance: Duration,
        counters: Arc<Counters>,
    ) -> Self {
        Self {
            port,
            protocol,
            codec: Codec::of(protocol),
            table: Table::of(protocol),
            // Eight bits, a start bit, a stop bit.
            byte_time: Duration::from_secs(10) / baud_rate.max(1),
            counters,
            allowance,
            parameters: Vec::with_capacity(1024),
            unstuffed: Vec::with_capacity(1024),
            sent: Vec::with_capacity(1024),
            received: Vec::with_capacity(8192),
            data: Vec::with_capacity(8192),
            faults: Vec::with_capacity(256),
            corrupt: Vec::with_capacity(256),
            quarantine: None,
        }
    }

    /// The clock of the port.
    pub fn now(&self) -> Duration {
        self.port.now()
    }

    /// The memory of the servos.
    pub fn table(&self) -> &'static Table {
        self.table
    }

    /// What is spoken on it.
    pub fn protocol(&self) -> ServoProtocol {
        self.protocol
    }

    /// Says that what did not answer is not there: nothing has to be waited for.
    pub(crate) fn expect_no_late_answers(&mut self) {
        self.quarantine = None;
    }

    /// Whether a servo answers to this address.
    ///
    /// # Errors
    /// [`ServoError::Servo`], [`ServoError::Port`].
    pub fn ping(&mut self, id: u8) -> Result<(), ServoError> {
        // A Dynamixel answers with model and firmware, a Feetech servo with nothing.
        let length = if self.codec == Codec::Dynamixel { 3 } else { 0 };
        self.expect(1, length);
        self.send(id, PING)?;
        self.listen(&[id], 0, length)?;
        self.only_answer(id).map(|_| ())
    }

    /// Reads one register of one servo.
    ///
    /// # Errors
    /// [`ServoError::Servo`], [`ServoError::Refused`], [`ServoError::Port`].
    pub fn read(&mut self, id: u8, register: Register) -> Result<i32, ServoError> {
        let block = Block { address: register.address, length: u16::from(register.size) };
        let table = self.table;
        let (_, data) = self.read_block(id, block)?;
        Ok(table.decode(register, data))
    }

    /// Reads a stretch of one servo's memory: the error field of its answer, and the bytes.
    ///
    /// # Errors
    /// As [`Bus::read`].
    pub fn read_block(&mut self, id: u8, block: Block) -> Result<(u8, &[u8]), ServoError> {
        self.expect(1, usize::from(block.length));
        self.read_into(id, 0, block)?;
        self.refusal(id, "a read")?;
        self.only_answer(id)
    }

    /// Reads the same stretch of several servos: with one instruction where the servos know it.
    ///
    /// # Errors
    /// [`ServoError::Port`]; what single servos did not answer is in the answers.
    pub fn read_each(&mut self, ids: &[u8], block: Block) -> Result<Answers<'_>, ServoError> {
        let length = usize::from(block.length);
        self.expect(ids.len(), length);
        if self.table.has_sync_read {
            self.parameters.clear();
            self.push_number(block.address);
            self.push_number(block.length);
            self.parameters.extend_from_slice(ids);
            self.send(BROADCAST_ID, SYNC_READ)?;
            self.listen(ids, 0, length)?;
        } else {
            for (slot, id) in ids.iter().enumerate() {
                self.read_into(*id, slot, block)?;
            }
        }
        Ok(Answers { data: &self.data, faults: &self.faults, length })
    }

    /// Writes one register of one servo, which says whether it did. `what` is for the error.
    ///
    /// # Errors
    /// [`ServoError::Servo`], [`ServoError::Refused`], [`ServoError::Port`].
    pub fn write(
        &mut self,
        id: u8,
        register: Register,
        value: i32,
        what: &'static str,
    ) -> Result<(), ServoError> {
        let bytes = self.table.encode(register, value);
        self.expect(1, 0);
        self.parameters.clear();
        self.push_number(register.address);
        self.parameters.extend_from_slice(&bytes[..usize::from(register.size)]);
        self.send(id, WRITE)?;
        self.listen(&[id], 0, 0)?;
        self.refusal(id, what)?;
        self.only_answer(id).map(|_| ())
    }

    /// Writes one register of several servos at once; none answers.
    ///
    /// # Errors
    /// [`ServoError::Port`].
    pub fn write_each(
        &mut self,
        register: Register,
        values: &[(u8, i32)],
    ) -> Result<(), ServoError> {
        self.parameters.clear();
        self.push_number(register.address);
        self.push_number(u16::from(register.size));
        for (id, value) in values {
            let bytes = self.table.encode(register, *value);
            self.parameters.push(*id);
            self.parameters.extend_from_slice(&bytes[..usize::from(register.size)]);
        }
        self.send(BROADCAST_ID, SYNC_WRITE)
    }

    /// Writes the same bytes to several servos at once; none answers.
    ///
    /// # Errors
    /// [`ServoError::Port`].
    pub fn write_bytes_to_each(
        &mut self,
        ids: impl Iterator<Item = u8>,
        address: u16,
        bytes: &[u8],
    ) -> Result<(), ServoError> {
        self.parameters.clear();
        self.push_number(address);
        self.push_number(bytes.len() as u16);
        for id in ids {
            self.parameters.push(id);
            self.parameters.extend_from_slice(bytes);
        }
        self.send(BROADCAST_ID, SYNC_WRITE)
    }

    fn read_into(&mut self, id: u8, slot: usize, block: Block) -> Result<(), ServoError> {
        self.parameters.clear();
        self.push_number(block.address);
        self.push_number(block.length);
        self.send(id, READ)?;
        self.listen(&[id], slot, usize::from(block.length))
    }

    /// Addresses and lengths have two bytes on a Dynamixel bus, one on Feetech's.
    fn push_number(&mut self, number: u16) {
        let bytes = number.to_le_bytes();
        let size = if self.codec == Codec::Dynamixel { 2 } else { 1 };
        self.parameters.extend_from_slice(&bytes[..size]);
    }

    /// Makes room for so many answers with so much data each.
    fn expect(&mut self, answers: usize, length: usize) {
        self.parameters.clear();
        self.data.clear();
        self.data.resize(answers * (length + 1), 0);
        self.faults.clear();
        self.faults.resize(answers, Some(ReplyFault::NoReply));
    }

    fn only_answer(&self, id: u8) -> Result<(u8, &[u8]), ServoError> {
        match self.faults[0] {
            Some(fault) => Err(ServoError::Servo { id, fault }),
            None => Ok((self.data[0], &self.data[1..])),
        }
    }

    fn refusal(&self, id: u8, what: &'static str) -> Result<(), ServoError> {
        let code = self.data[0];
        let is_answered = self.faults[0].is_none();
        if is_answered && !self.table.error_field_is_condition && code & !ALERT != 0 {
            self.counters.refused();
            return Err(ServoError::Refused { id, what, code });
        }
        Ok(())
    }

    fn send(&mut self, id: u8, instruction: u8) -> Result<(), ServoError> {
        self.drain()?;
        self.sent.clear();
        self.codec.encode(id, instruction, &self.parameters, &mut self.sent);
        self.counters.request();
        self.port.send(&self.sent).map_err(ServoError::Port)
    }

    /// Throws away what is left of earlier transactions, and waits for it where an answer is due.
    fn drain(&mut self) -> Result<(), ServoError> {
        let until = self.quarantine.take().unwrap_or(Duration::ZERO);
        let mut chunk = [0; 256];
        self.received.clear();
        loop {
            let count = self.port.receive(&mut chunk, until).map_err(ServoError::Port)?;
            if count == 0 {
                break;
            }
            self.received.extend_from_slice(&chunk[..count]);
        }
        let expectation =
            Expectation { max_length: 1024, length: 0, more_follows: true, is_final: true };
        let mut at = 0;
        while at < self.received.len() {
            let rest = &self.received[at..];
            at += match self.codec.decode(rest, &expectation, &mut self.unstuffed) {
                Decoded::Packet { length, .. } => {
                    self.counters.late();
                    length
                }
                Decoded::Garbage(count) | Decoded::Corrupt { skip: count, .. } => count,
                Decoded::NeedMore => break,
            };
        }
        Ok(())
    }

    /// Takes the answers of these servos, which are due now, into the slots from `first` on.
    fn listen(&mut self, ids: &[u8], first: usize, length: usize) -> Result<(), ServoError> {
        let answer_length = self.codec.answer_length(length);
        let count = ids.len();
        let bytes = (self.sent.len() + answer_length * count) as u32;
        let deadline =
            self.port.now() + self.byte_time * bytes + TURN * count as u32 + self.allowance;
        let mut chunk = [0; 256];
        let mut heard = Heard::default();
        let mut at = 0;
        let mut is_final = false;
        self.received.clear();
        self.corrupt.clear();
        loop {
            while at < self.received.len() {
                let expectation = Expectation {
                    // Stuffing makes packets a third longer at most.
                    max_length: answer_length + answer_length / 3 + 8,
                    length: answer_length,
                    more_follows: heard.accounted() + 1 < count,
                    is_final,
                };
                let rest = &self.received[at..];
                match self.codec.decode(rest, &expectation, &mut self.unstuffed) {
                    Decoded::NeedMore => break,
                    Decoded::Garbage(count) => {
                        heard.garbage += 1;
                        at += count;
                    }
                    Decoded::Corrupt { id, is_whole, skip } => {
                        heard.garbage += 1;
                        at += skip;
                        if is_whole && ids.contains(&id) {
                            heard.garbage -= 1;
                            heard.corrupt += 1;
                            self.corrupt.push(id);
                        }
                    }
                    Decoded::Packet { id, code, length: packet } => {
                        at += packet;
                        self.take_packet(ids, first, length, id, code, &mut heard);
                    }
                }
            }
            if is_final || heard.accounted() >= count {
                break;
            }
            let received = self.port.receive(&mut chunk, deadline).map_err(ServoError::Port)?;
            is_final = received == 0;
            self.received.extend_from_slice(&chunk[..received]);
        }
        self.judge(ids, first, &mut heard, deadline);
        Ok(())
    }

    fn take_packet(
        &mut self,
        ids: &[u8],
        first: usize,
        length: usize,
        id: u8,
        code: u8,
        heard: &mut Heard,
    ) {
        // An adapter may echo the instruction; that is no answer.
        let Some((error, data)) = self.codec.answer(code, &self.unstuffed) else { return };
        // A refusal comes without data.
        let is_refusal = data.is_empty() && error & !ALERT != 0;
        let fits = data.len() == length || is_refusal;
        let Some(slot) = ids.iter().position(|other| *other == id).map(|slot| slot + first) else {
            // What is left of an answer that has lost bytes may be sound by chance, but hardly of this length.
            if fits {
                heard.strangers += 1;
            } else {
                heard.garbage += 1;
            }
            return;
        };
        if self.faults[slot].is_none() || !fits {
            self.counters.late();
            return;
        }
        self.faults[slot] = None;
        let start = slot * (length + 1);
        self.data[start] = error;
        self.data[start + 1..start + 1 + data.len()].copy_from_slice(data);
        heard.answers += 1;
    }

    /// Says what was wrong with the answers that did not come.
    fn judge(&mut self, ids: &[u8], first: usize, heard: &mut Heard, deadline: Duration) {
        for (slot, id) in ids.iter().enumerate() {
            let fault = &mut self.faults[first + slot];
            if fault.is_none() {
                continue;
            }
            let cause = if self.corrupt.contains(id) {
                ReplyFault::BadChecksum
            } else if heard.strangers > 0 {
                heard.strangers -= 1;
                ReplyFault::WrongId
            } else if heard.garbage > 0 {
                heard.garbage = 0;
                ReplyFault::Truncated
            } else {
                self.quarantine = Some(deadline + self.allowance);
                ReplyFault::NoReply
            };
            *fault = Some(cause);
            self.counters.reply_fault(cause);
        }
    }
}

/// What came in one transaction.
#[derive(Default)]
struct Heard {
    answers: usize,
    corrupt: usize,
    strangers: usize,
    /// Pieces that belong to no packet.
    garbage: usize,
}

impl Heard {
    fn accounted(&self) -> usize {
        self.answers + self.corrupt + self.strangers
    }
}
