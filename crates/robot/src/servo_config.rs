//! The `servo` section of the robot YAML: which servo of which bus moves which joint, and how its encoder counts.
//!
//! An encoder counts in ticks: 4096 a turn for most models. A joint's position is
//! `(ticks - zero_ticks) * rad per tick`, negated where `invert` is set; that of a gripper's fingers is the share of
//! `range_ticks` that is open.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// One bus and the servos on it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServoConfig {
    /// What is spoken on the bus.
    pub protocol: ServoProtocol,
    /// Path of the serial port, such as `/dev/ttyACM0`.
    pub port: String,
    /// Rate of the bus, bit/s: one of [`ServoProtocol::baud_rates`].
    pub baud_rate: u32,
    /// One servo for each joint of the groups, mimic joints excepted.
    pub joints: BTreeMap<String, ServoJointConfig>,
}

/// The servo of one joint.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServoJointConfig {
    /// Address on the bus, 0 to 252, unique.
    pub id: u8,
    /// What it is; the servo's own model number must agree.
    pub model: ServoModel,
    /// Whether the joint turns against the encoder; of a gripper: whether it opens as ticks fall.
    #[serde(default)]
    pub invert: bool,
    /// Where the joint's zero is, ticks. Not used for a gripper.
    pub zero_ticks: i32,
    /// Lowest and highest goal that the servo is ever given, ticks.
    pub range_ticks: [i32; 2],
    /// The homing offset in the servo's memory with which the ticks above were measured.
    #[serde(default)]
    pub homing_offset_ticks: i32,
}

/// What is spoken on a bus.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServoProtocol {
    /// Robotis' protocol 2.0, with the control table of the X series.
    Dynamixel,
    /// Feetech's, with the memory table of the STS series.
    FeetechSts,
    /// Feetech's, with the memory table and byte order of the SCS series.
    FeetechScs,
}

/// A servo model.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ServoModel {
    /// Dynamixel XL330-M077-T.
    Xl330M077,
    /// Dynamixel XL330-M288-T.
    Xl330M288,
    /// Dynamixel XL430-W250-T.
    Xl430W250,
    /// Dynamixel XC430-W150-T.
    Xc430W150,
    /// Dynamixel XM430-W210.
    Xm430W210,
    /// Dynamixel XM430-W350.
    Xm430W350,
    /// Dynamixel XM540-W270.
    Xm540W270,
    /// Feetech STS3215.
    Sts3215,
    /// Feetech STS3250.
    Sts3250,
    /// Feetech SCS0009.
    Scs0009,
}

impl ServoProtocol {
    /// All there are.
    pub const ALL: [Self; 3] = [Self::Dynamixel, Self::FeetechSts, Self::FeetechScs];

    /// As it is written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dynamixel => "dynamixel",
            Self::FeetechSts => "feetech_sts",
            Self::FeetechScs => "feetech_scs",
        }
    }

    /// Rates that its servos can be set to, bit/s; the index is the number in the servo's baud-rate register.
    pub fn baud_rates(self) -> &'static [u32] {
        match self {
            Self::Dynamixel => {
                &[9_600, 57_600, 115_200, 1_000_000, 2_000_000, 3_000_000, 4_000_000, 4_500_000]
            }
            Self::FeetechSts | Self::FeetechScs => {
                &[1_000_000, 500_000, 250_000, 128_000, 115_200, 57_600, 38_400, 19_200]
            }
        }
    }
}

impl ServoModel {
    /// All there are.
    pub const ALL: [Self; 10] = [
        Self::Xl330M077,
        Self::Xl330M288,
        Self::Xl430W250,
        Self::Xc430W150,
        Self::Xm430W210,
        Self::Xm430W350,
        Self::Xm540W270,
        Self::Sts3215,
        Self::Sts3250,
        Self::Scs0009,
    ];

    /// As it is written in files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Xl330M077 => "xl330_m077",
            Self::Xl330M288 => "xl330_m288",
            Self::Xl430W250 => "xl430_w250",
            Self::Xc430W150 => "xc430_w150",
            Self::Xm430W210 => "xm430_w210",
            Self::Xm430W350 => "xm430_w350",
            Self::Xm540W270 => "xm540_w270",
            Self::Sts3215 => "sts3215",
            Self::Sts3250 => "sts3250",
            Self::Scs0009 => "scs0009",
        }
    }

    /// What it speaks.
    pub fn protocol(self) -> ServoProtocol {
        match self {
            Self::Xl330M077
            | Self::Xl330M288
            | Self::Xl430W250
            | Self::Xc430W150
            | Self::Xm430W210
            | Self::Xm430W350
            | Self::Xm540W270 => ServoProtocol::Dynamixel,
            Self::Sts3215 | Self::Sts3250 => ServoProtocol::FeetechSts,
            Self::Scs0009 => ServoProtocol::FeetechScs,
        }
    }

    /// Lowest and highest goal that its position mode can be given, ticks.
    pub fn allowed_ticks(self) -> [i32; 2] {
        match self.protocol() {
            // Extended position mode: 256 turns either way.
            ServoProtocol::Dynamixel => [-1_048_575, 1_048_575],
            ServoProtocol::FeetechSts => [0, 4095],
            ServoProtocol::FeetechScs => [0, 1023],
        }
    }

    /// Radians per tick of its encoder.
    pub fn rad_per_tick(self) -> f64 {
        match self.protocol() {
            ServoProtocol::Dynamixel | ServoProtocol::FeetechSts => std::f64::consts::TAU / 4096.0,
            // 1024 ticks over 300 degrees.
            ServoProtocol::FeetechScs => 300.0_f64.to_radians() / 1024.0,
        }
    }
}
