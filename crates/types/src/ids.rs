use serde::{Deserialize, Serialize};

/// A right to command actuator groups, granted by the hardware process; 0 is never granted.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct LeaseId(pub u64);

/// Drawn at random when a process starts: a restarted sender is another sender.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct BootId(pub u64);

/// Advanced by every stop; a goal that was issued before a stop can be told from one after it.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct StopEpoch(pub u64);

/// The 16 bytes that name an action goal on ROS 2.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct GoalId(pub [u8; 16]);

/// Who commands, in rising order of priority: a higher source takes groups from a lower one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// A controller inside hardware that keeps the robot safe when nobody commands.
    Fallback,
    /// The skill server.
    Skill,
    /// Another system (MoveIt, Nav2) through a standard ROS 2 interface.
    External,
    /// A person.
    Teleop,
}
