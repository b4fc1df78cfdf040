//! The servos' memory: what stands where, and in which encoding. From the vendors' documents.

use std::f64::consts::TAU;

use sinew_robot::{ServoModel, ServoProtocol};

/// One value in a servo's memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Register {
    /// Address of its first byte.
    pub address: u16,
    /// 1, 2 or 4 bytes.
    pub size: u8,
    /// How a number is written in them.
    pub encoding: Encoding,
}

/// How a number is written in a register.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Encoding {
    /// Not negative.
    Unsigned,
    /// Two's complement.
    Signed,
    /// The absolute value, and this bit for the sign.
    SignBit(u8),
}

/// A stretch of memory that is read at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Block {
    /// Address of its first byte.
    pub address: u16,
    /// Bytes.
    pub length: u16,
}

/// The memory of all servos that speak one protocol.
#[derive(Debug)]
pub struct Table {
    /// Whether the high byte comes first.
    pub is_big_endian: bool,
    /// Whether several servos can be read with one instruction.
    pub has_sync_read: bool,
    /// Whether a bit of each answer's error field tells of a condition of the servo, and not of a refusal.
    pub error_field_is_condition: bool,
    /// Model number.
    pub model_number: Register,
    /// Address on the bus.
    pub id: Register,
    /// Index into [`ServoProtocol::baud_rates`].
    pub baud_rate: Register,
    /// Pause before an answer.
    pub return_delay: Register,
    /// Which instructions are answered, and the value for "all".
    pub status_return: (Register, i32),
    /// Operating mode.
    pub operating_mode: Option<Register>,
    /// Bits that would reverse the servo, or change its profile.
    pub drive_mode: Option<Register>,
    /// Subtracted from what the encoder says (Feetech), or added to it (Dynamixel).
    pub homing_offset: Option<Register>,
    /// Lowest goal.
    pub min_position: Register,
    /// Highest goal.
    pub max_position: Register,
    /// Highest goal in velocity mode.
    pub velocity_limit: Option<Register>,
    /// While 1, the settings that outlast a loss of power cannot be changed.
    pub lock: Option<Register>,
    /// Torque on or off.
    pub torque_enable: Register,
    /// Goal in position mode, ticks.
    pub goal_position: Register,
    /// Goal in velocity mode.
    pub goal_velocity: Option<Register>,
    /// Share of the largest torque, and the value for all of it.
    pub torque_limit: Option<(Register, i32)>,
    /// Watchdog of the bus, in units of 20 ms.
    pub watchdog: Option<Register>,
    /// Written once after power-on, so that the servo follows goals without a profile of its own.
    pub follow: &'static [(u16, &'static [u8])],
    /// Position, velocity and load.
    pub state: Block,
    /// Measured position, ticks.
    pub present_position: Register,
    /// Measured velocity.
    pub present_velocity: Register,
    /// Measured load.
    pub present_load: Register,
    /// Torque, and the servo's own errors where they have a register apart.
    pub condition: Block,
    /// The servo's own errors, where they have a register.
    pub hardware_error: Register,
    /// Voltage and temperature.
    pub environment: Block,
    /// Supply, 0.1 V.
    pub voltage: Register,
    /// °C.
    pub temperature: Register,
}

const fn unsigned(address: u16, size: u8) -> Register {
    Register { address, size, encoding: Encoding::Unsigned }
}

const fn signed(address: u16, size: u8) -> Register {
    Register { address, size, encoding: Encoding::Signed }
}

const fn sign_bit(address: u16, bit: u8) -> Register {
    Register { address, size: 2, encoding: Encoding::SignBit(bit) }
}

/// The X series.
static DYNAMIXEL: Table = Table {
    is_big_endian: false,
    has_sync_read: true,
    error_field_is_condition: false,
    model_number: unsigned(0, 2),
    id: unsigned(7, 1),
    baud_rate: unsigned(8, 1),
    return_delay: unsigned(9, 1),
    status_return: (unsigned(68, 1), 2),
    operating_mode: Some(unsigned(11, 1)),
    drive_mode: Some(unsigned(10, 1)),
    homing_offset: Some(signed(20, 4)),
    min_position: signed(52, 4),
    max_position: signed(48, 4),
    velocity_limit: Some(unsigned(44, 4)),
    lock: None,
    torque_enable: unsigned(64, 1),
    goal_position: signed(116, 4),
    goal_velocity: Some(signed(104, 4)),
    torque_limit: Some((unsigned(100, 2), 885)),
    watchdog: Some(unsigned(98, 1)),
    // Profile acceleration and velocity: none.
    follow: &[(108, &[0; 8])],
    state: Block { address: 126, length: 10 },
    present_position: signed(132, 4),
    present_velocity: signed(128, 4),
    present_load: signed(126, 2),
    condition: Block { address: 64, length: 35 },
    hardware_error: unsigned(70, 1),
    environment: Block { address: 144, length: 3 },
    voltage: unsigned(144, 2),
    temperature: unsigned(146, 1),
};

static FEETECH_STS: Table = Table {
    is_big_endian: false,
    has_sync_read: true,
    error_field_is_condition: true,
    model_number: unsigned(3, 2),
    id: unsigned(5, 1),
    baud_rate: unsigned(6, 1),
    return_delay: unsigned(7, 1),
    status_return: (unsigned(8, 1), 1),
    operating_mode: Some(unsigned(33, 1)),
    drive_mode: None,
    homing_offset: Some(sign_bit(31, 11)),
    min_position: unsigned(9, 2),
    max_position: unsigned(11, 2),
    velocity_limit: None,
    lock: Some(unsigned(55, 1)),
    torque_enable: unsigned(40, 1),
    goal_position: sign_bit(42, 15),
    goal_velocity: None,
    torque_limit: Some((unsigned(48, 2), 1000)),
    watchdog: None,
    // Steepest acceleration; goal time and speed: none.
    follow: &[(41, &[254]), (44, &[0; 4])],
    state: Block { address: 56, length: 6 },
    present_position: sign_bit(56, 15),
    present_velocity: sign_bit(58, 15),
    present_load: sign_bit(60, 10),
    condition: Block { address: 40, length: 1 },
    hardware_error: unsigned(65, 1),
    environment: Block { address: 62, length: 4 },
    voltage: unsigned(62, 1),
    temperature: unsigned(63, 1),
};

static FEETECH_SCS: Table = Table {
    is_big_endian: true,
    has_sync_read: false,
    error_field_is_condition: true,
    model_number: unsigned(3, 2),
    id: unsigned(5, 1),
    baud_rate: unsigned(6, 1),
    return_delay: unsigned(7, 1),
    status_return: (unsigned(8, 1), 1),
    operating_mode: None,
    drive_mode: None,
    homing_offset: None,
    min_position: unsigned(9, 2),
    max_position: unsigned(11, 2),
    velocity_limit: None,
    lock: Some(unsigned(48, 1)),
    torque_enable: unsigned(40, 1),
    goal_position: unsigned(42, 2),
    goal_velocity: None,
    torque_limit: None,
    watchdog: None,
    // Goal time and speed: none.
    follow: &[(44, &[0; 4])],
    state: Block { address: 56, length: 6 },
    present_position: unsigned(56, 2),
    present_velocity: sign_bit(58, 15),
    present_load: sign_bit(60, 10),
    condition: Block { address: 40, length: 1 },
    hardware_error: unsigned(65, 1),
    environment: Block { address: 62, length: 4 },
    voltage: unsigned(62, 1),
    temperature: unsigned(63, 1),
};

impl Table {
    /// Of the servos that speak a protocol.
    pub fn of(protocol: ServoProtocol) -> &'static Self {
        match protocol {
            ServoProtocol::Dynamixel => &DYNAMIXEL,
            ServoProtocol::FeetechSts => &FEETECH_STS,
            ServoProtocol::FeetechScs => &FEETECH_SCS,
        }
    }

    /// The number in a register's bytes, of which there are `register.size` at least.
    pub fn decode(&self, register: Register, bytes: &[u8]) -> i32 {
        let size = usize::from(register.size);
        let mut raw = 0_u32;
        for index in 0..size {
            let byte = bytes[if self.is_big_endian { index } else { size - 1 - index }];
            raw = raw << 8 | u32::from(byte);
        }
        match register.encoding {
            Encoding::Unsigned => raw as i32,
            Encoding::Signed => {
                let unused = 32 - 8 * u32::from(register.size);
                (raw << unused) as i32 >> unused
            }
            Encoding::SignBit(bit) => {
                let magnitude = (raw & ((1 << bit) - 1)) as i32;
                if raw & (1 << bit) == 0 { magnitude } else { -magnitude }
            }
        }
    }

    /// The register's bytes for a number; the first `register.size` of the array are used.
    pub fn encode(&self, register: Register, value: i32) -> [u8; 4] {
        let raw = match register.encoding {
            Encoding::Unsigned | Encoding::Signed => value as u32,
            Encoding::SignBit(bit) => {
                let magnitude = value.unsigned_abs() & ((1 << bit) - 1);
                magnitude | u32::from(value < 0) << bit
            }
        };
        let mut bytes = raw.to_le_bytes();
        if self.is_big_endian {
            bytes[..usize::from(register.size)].reverse();
        }
        bytes
    }

    /// A register out of the bytes of a block that holds it.
    pub fn decode_in(&self, block: Block, register: Register, bytes: &[u8]) -> i32 {
        self.decode(register, &bytes[usize::from(register.address - block.address)..])
    }

    /// Whether the register lies in the block.
    pub fn holds(block: Block, register: Register) -> bool {
        (block.address..block.address + block.length).contains(&register.address)
    }
}

/// The number that a model answers with.
pub fn model_number(model: ServoModel) -> u16 {
    match model {
        ServoModel::Xl330M077 => 1190,
        ServoModel::Xl330M288 => 1200,
        ServoModel::Xl430W250 => 1060,
        ServoModel::Xc430W150 => 1070,
        ServoModel::Xm430W210 => 1030,
        ServoModel::Xm430W350 => 1020,
        ServoModel::Xm540W270 => 1120,
        ServoModel::Sts3215 => 777,
        ServoModel::Sts3250 => 2825,
        ServoModel::Scs0009 => 1284,
    }
}

/// The model that answers with a number on a bus of this protocol.
pub fn model_of(protocol: ServoProtocol, number: u16) -> Option<ServoModel> {
    ServoModel::ALL
        .into_iter()
        .find(|model| model.protocol() == protocol && model_number(*model) == number)
}

/// rad/s of one unit of the velocity registers.
pub(crate) fn rad_s_per_unit(model: ServoModel) -> f64 {
    match model.protocol() {
        // 0.229 turns a minute.
        ServoProtocol::Dynamixel => 0.229 * TAU / 60.0,
        // One tick a second.
        ServoProtocol::FeetechSts | ServoProtocol::FeetechScs => model.rad_per_tick(),
    }
}

/// The load register's value at the largest torque; of models that measure a current: at its limit.
pub(crate) fn full_load(model: ServoModel) -> f64 {
    match model {
        ServoModel::Xl330M077 | ServoModel::Xl330M288 => 1750.0,
        ServoModel::Xm430W210 | ServoModel::Xm430W350 => 1193.0,
        ServoModel::Xm540W270 => 2047.0,
        ServoModel::Xl430W250
        | ServoModel::Xc430W150
        | ServoModel::Sts3215
        | ServoModel::Sts3250
        | ServoModel::Scs0009 => 1000.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_each_table_wants_them() {
        let sts = Table::of(ServoProtocol::FeetechSts);
        assert_eq!(sts.encode(sts.goal_position, -5)[..2], [5, 0x80]);
        assert_eq!(sts.decode(sts.present_load, &[0x0a, 0x04]), -10);
        let scs = Table::of(ServoProtocol::FeetechScs);
        assert_eq!(scs.encode(scs.goal_position, 0x123)[..2], [0x01, 0x23]);
        let dynamixel = Table::of(ServoProtocol::Dynamixel);
        assert_eq!(dynamixel.encode(dynamixel.goal_position, -2), [0xfe, 0xff, 0xff, 0xff]);
        assert_eq!(dynamixel.decode(dynamixel.present_load, &[0xfe, 0xff]), -2);
    }

    #[test]
    fn blocks_hold_what_is_read_from_them() {
        for protocol in ServoProtocol::ALL {
            let table = Table::of(protocol);
            for register in [table.present_position, table.present_velocity, table.present_load] {
                assert!(Table::holds(table.state, register));
            }
            assert!(Table::holds(table.condition, table.torque_enable));
            assert!(Table::holds(table.environment, table.temperature));
        }
    }
}
