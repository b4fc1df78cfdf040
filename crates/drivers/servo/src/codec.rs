//! Packets of Robotis' protocol 2.0 and of Feetech's protocol, both ways.
//!
//! | | Dynamixel 2.0 | Feetech |
//! |---|---|---|
//! | header | `FF FF FD 00` | `FF FF` |
//! | then | id, length (2 bytes, from the instruction on), instruction | id, length (1 byte, from the instruction on), instruction |
//! | parameters | `FD` is inserted after `FF FF FD` | as they are |
//! | end | CRC-16, polynomial 0x8005, low byte first | inverted sum of id, length, instruction and parameters |
//! | answer | instruction 0x55, then the error field | the error field in the instruction's place |

use sinew_robot::ServoProtocol;

/// Address that every servo listens to.
pub const BROADCAST_ID: u8 = 0xfe;
/// "Are you there?"
pub const PING: u8 = 0x01;
/// Read a stretch of the table.
pub const READ: u8 = 0x02;
/// Write a stretch of the table.
pub const WRITE: u8 = 0x03;
/// Read one stretch of several servos, which answer in turn.
pub const SYNC_READ: u8 = 0x82;
/// Write one stretch of several servos; none answers.
pub const SYNC_WRITE: u8 = 0x83;

const STATUS: u8 = 0x55;
const DYNAMIXEL_HEADER: [u8; 4] = [0xff, 0xff, 0xfd, 0x00];

/// How packets look on the wire.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Codec {
    /// Robotis' protocol 2.0.
    Dynamixel,
    /// Feetech's, the same for STS and SCS.
    Feetech,
}

/// What stands at the beginning of received bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decoded {
    /// The beginning of a packet, as far as one can tell.
    NeedMore,
    /// So many bytes belong to no packet.
    Garbage(usize),
    /// A packet that is not whole, or does not fit its checksum.
    Corrupt {
        /// Its address field.
        id: u8,
        /// Whether it has the expected length and no other packet begins within it: not a byte is missing.
        is_whole: bool,
        /// Bytes after which to look for the next packet.
        skip: usize,
    },
    /// A packet; its parameters were written to the buffer.
    Packet {
        /// Its address field.
        id: u8,
        /// The instruction; of Feetech's answers the error field.
        code: u8,
        /// Bytes that it took.
        length: usize,
    },
}

/// What the receiver knows of what may come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expectation {
    /// Longest packet, bytes on the wire: longer ones are damaged ones.
    pub max_length: usize,
    /// Length of the answers that were asked for, bytes on the wire without stuffing.
    pub length: usize,
    /// Whether another packet may follow directly.
    pub more_follows: bool,
    /// Whether no further byte will come.
    pub is_final: bool,
}

impl Codec {
    /// The codec of a bus.
    pub fn of(protocol: ServoProtocol) -> Self {
        match protocol {
            ServoProtocol::Dynamixel => Self::Dynamixel,
            ServoProtocol::FeetechSts | ServoProtocol::FeetechScs => Self::Feetech,
        }
    }

    /// Length on the wire of an answer with so many bytes of data.
    pub fn answer_length(self, data: usize) -> usize {
        match self {
            Self::Dynamixel => 11 + data,
            Self::Feetech => 6 + data,
        }
    }

    /// Appends a packet to `out`. At most 249 bytes of parameters fit into one of Feetech's.
    pub fn encode(self, id: u8, code: u8, parameters: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        match self {
            Self::Dynamixel => {
                out.extend(DYNAMIXEL_HEADER);
                out.extend([id, 0, 0, code]);
                let mut tail = [0, 0, code];
                for byte in parameters {
                    out.push(*byte);
                    tail = [tail[1], tail[2], *byte];
                    if tail == [0xff, 0xff, 0xfd] {
                        out.push(0xfd);
                    }
                }
                let length = (out.len() - start - 7 + 2) as u16;
                out[start + 5..start + 7].copy_from_slice(&length.to_le_bytes());
                let crc = crc16(&out[start..]);
                out.extend(crc.to_le_bytes());
            }
            Self::Feetech => {
                out.extend([0xff, 0xff, id, (parameters.len() + 2) as u8, code]);
                out.extend_from_slice(parameters);
                let sum = checksum(&out[start + 2..]);
                out.push(sum);
            }
        }
    }

    /// Appends a servo's answer to `out`.
    pub fn encode_answer(self, id: u8, error: u8, data: &[u8], out: &mut Vec<u8>) {
        match self {
            Self::Feetech => self.encode(id, error, data, out),
            Self::Dynamixel => {
                let mut parameters = Vec::with_capacity(data.len() + 1);
                parameters.push(error);
                parameters.extend_from_slice(data);
                self.encode(id, STATUS, &parameters, out);
            }
        }
    }

    /// Splits a packet into error field and data, if it is an answer.
    pub fn answer(self, code: u8, parameters: &[u8]) -> Option<(u8, &[u8])> {
        match self {
            Self::Feetech => Some((code, parameters)),
            Self::Dynamixel if code == STATUS => {
                parameters.split_first().map(|(error, data)| (*error, data))
            }
            Self::Dynamixel => None,
        }
    }

    /// Looks at the beginning of `bytes`. The parameters of a packet replace what `parameters` held.
    pub fn decode(
        self,
        bytes: &[u8],
        expectation: &Expectation,
        parameters: &mut Vec<u8>,
    ) -> Decoded {
        let header = match self.find_header(bytes) {
            Found::At(0) => self.header_length(),
            Found::At(garbage) => return Decoded::Garbage(garbage),
            Found::Maybe(0) if !expectation.is_final => return Decoded::NeedMore,
            Found::Maybe(garbage) if !expectation.is_final => return Decoded::Garbage(garbage),
            Found::Maybe(_) | Found::Nowhere => return Decoded::Garbage(bytes.len()),
        };
        let unfinished = |id: u8| {
            if expectation.is_final {
                Decoded::Corrupt { id, is_whole: false, skip: header }
            } else {
                Decoded::NeedMore
            }
        };
        let Some(&id) = bytes.get(header) else {
            return if expectation.is_final {
                Decoded::Garbage(bytes.len())
            } else {
                Decoded::NeedMore
            };
        };
        let Some(length) = self.packet_length(bytes) else { return unfinished(id) };
        if length > expectation.max_length || length < self.shortest() {
            return Decoded::Corrupt { id, is_whole: false, skip: header };
        }
        if bytes.len() < length {
            return unfinished(id);
        }
        // A packet that begins within this one has lost bytes, whatever the checksum says; a header that
        // straddles the end shows only once the next bytes are there.
        match self.find_header(&bytes[1..]) {
            // The last byte may be a checksum of `FF` before a damaged packet: then what begins with it is not sound.
            Found::At(next) if next + 2 == length && self.is_sound(&bytes[..length]) => {
                match self.decode(&bytes[length - 1..], expectation, parameters) {
                    Decoded::NeedMore => return Decoded::NeedMore,
                    Decoded::Packet { .. } => {
                        return Decoded::Corrupt { id, is_whole: false, skip: length - 1 };
                    }
                    Decoded::Garbage(_) | Decoded::Corrupt { .. } => {}
                }
            }
            Found::At(next) if next + 1 < length => {
                return Decoded::Corrupt { id, is_whole: false, skip: next + 1 };
            }
            Found::Maybe(next)
                if next + 1 < length && expectation.more_follows && !expectation.is_final =>
            {
                return Decoded::NeedMore;
            }
            _ => {}
        }
        let packet = &bytes[..length];
        if !self.is_sound(packet) {
            let is_whole = length - self.stuffing(packet) == expectation.length;
            return Decoded::Corrupt { id, is_whole, skip: if is_whole { length } else { header } };
        }
        parameters.clear();
        let code = match self {
            Self::Dynamixel => {
                unstuff(&packet[8..length - 2], packet[7], parameters);
                packet[7]
            }
            Self::Feetech => {
                parameters.extend_from_slice(&packet[5..length - 1]);
                packet[4]
            }
        };
        Decoded::Packet { id, code, length }
    }

    /// The shortest packet there is, bytes.
    fn shortest(self) -> usize {
        match self {
            Self::Dynamixel => 10,
            Self::Feetech => 6,
        }
    }

    /// Bytes that were inserted into a packet.
    fn stuffing(self, packet: &[u8]) -> usize {
        match self {
            Self::Dynamixel => packet[7..packet.len() - 2]
                .windows(4)
                .filter(|w| **w == [0xff, 0xff, 0xfd, 0xfd])
                .count(),
            Self::Feetech => 0,
        }
    }

    fn header_length(self) -> usize {
        match self {
            Self::Dynamixel => 4,
            Self::Feetech => 2,
        }
    }

    fn find_header(self, bytes: &[u8]) -> Found {
        for start in 0..bytes.len() {
            let rest = &bytes[start..];
            match self {
                Self::Dynamixel => {
                    if rest.starts_with(&DYNAMIXEL_HEADER) {
                        return Found::At(start);
                    }
                    if rest.len() < 4 && DYNAMIXEL_HEADER.starts_with(rest) {
                        return Found::Maybe(start);
                    }
                }
                Self::Feetech => match rest {
                    // A third FF is a byte before the header: no servo has this address.
                    [0xff, 0xff, id, ..] if *id != 0xff => return Found::At(start),
                    [0xff, 0xff] | [0xff] => return Found::Maybe(start),
                    _ => {}
                },
            }
        }
        Found::Nowhere
    }

    /// Of the packet that `bytes` begin with, if its length field is there.
    fn packet_length(self, bytes: &[u8]) -> Option<usize> {
        match self {
            Self::Dynamixel => {
                let field = [*bytes.get(5)?, *bytes.get(6)?];
                Some(usize::from(u16::from_le_bytes(field)) + 7)
            }
            Self::Feetech => Some(usize::from(*bytes.get(3)?) + 4),
        }
    }

    fn is_sound(self, packet: &[u8]) -> bool {
        match self {
            Self::Dynamixel => {
                let (body, crc) = packet.split_at(packet.len() - 2);
                crc16(body).to_le_bytes() == crc
            }
            Self::Feetech => {
                let (body, sum) = packet.split_at(packet.len() - 1);
                [checksum(&body[2..])] == sum
            }
        }
    }
}

/// Where a header begins.
enum Found {
    At(usize),
    /// Where the bytes end with the beginning of one.
    Maybe(usize),
    Nowhere,
}

fn unstuff(bytes: &[u8], code: u8, out: &mut Vec<u8>) {
    let mut tail = [0, 0, code];
    let mut skip = false;
    for byte in bytes {
        if skip {
            skip = false;
            tail = [0; 3];
            continue;
        }
        out.push(*byte);
        tail = [tail[1], tail[2], *byte];
        skip = tail == [0xff, 0xff, 0xfd];
    }
}

fn checksum(bytes: &[u8]) -> u8 {
    !bytes.iter().fold(0_u8, |sum, byte| sum.wrapping_add(*byte))
}

fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0, |crc, byte| {
        let index = ((crc >> 8) as u8) ^ byte;
        (crc << 8) ^ CRC_TABLE[usize::from(index)]
    })
}

const CRC_TABLE: [u16; 256] = {
    let mut table = [0_u16; 256];
    let mut index = 0;
    while index < 256 {
        let mut crc = (index as u16) << 8;
        let mut bit = 0;
        while bit < 8 {
            crc = if crc & 0x8000 != 0 { (crc << 1) ^ 0x8005 } else { crc << 1 };
            bit += 1;
        }
        table[index] = crc;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(bytes: &[u8]) -> Expectation {
        Expectation {
            max_length: bytes.len(),
            length: bytes.len(),
            more_follows: false,
            is_final: true,
        }
    }

    /// The example of the protocol document: ping of servo 1, and its answer.
    #[test]
    fn dynamixel_packets_are_those_of_the_document() {
        let mut out = Vec::new();
        Codec::Dynamixel.encode(1, PING, &[], &mut out);
        assert_eq!(out, [0xff, 0xff, 0xfd, 0, 1, 3, 0, 1, 0x19, 0x4e]);
        let answer = [0xff, 0xff, 0xfd, 0, 1, 7, 0, 0x55, 0, 0x06, 0x04, 0x26, 0x65, 0x5d];
        let mut parameters = Vec::new();
        let decoded = Codec::Dynamixel.decode(&answer, &whole(&answer), &mut parameters);
        assert_eq!(decoded, Decoded::Packet { id: 1, code: STATUS, length: 14 });
        let (error, data) = Codec::Dynamixel.answer(STATUS, &parameters).expect("an answer");
        assert_eq!((error, data), (0, &[0x06, 0x04, 0x26][..]));
    }

    /// The example of the protocol document: ping of servo 1.
    #[test]
    fn feetech_packets_are_those_of_the_document() {
        let mut out = Vec::new();
        Codec::Feetech.encode(1, PING, &[], &mut out);
        assert_eq!(out, [0xff, 0xff, 1, 2, 1, 0xfb]);
    }

    #[test]
    fn a_header_among_the_parameters_is_stuffed() {
        let parameters = [1, 0xff, 0xff, 0xfd, 0xfd, 0, 0xff, 0xff, 0xfd];
        let mut out = Vec::new();
        Codec::Dynamixel.encode(3, WRITE, &parameters, &mut out);
        assert_eq!(out.len(), 10 + parameters.len() + 2);
        let mut back = Vec::new();
        let decoded = Codec::Dynamixel.decode(&out, &whole(&out), &mut back);
        assert_eq!(decoded, Decoded::Packet { id: 3, code: WRITE, length: out.len() });
        assert_eq!(back, parameters);
    }
}
