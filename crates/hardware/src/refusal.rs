use serde::{Deserialize, Serialize};
use sinew_types::{LeaseId, Source};

use crate::safety::Mode;

/// Why a request to the gate was refused; nothing has changed then, except where a variant says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Refused {
    /// Leases are granted, and commands followed, only in [`Mode::Ready`].
    #[error("the robot is {mode:?}; leases are granted only when it is Ready")]
    NotReady {
        /// The present mode.
        mode: Mode,
    },
    /// The robot is on its way to being disarmed.
    #[error("the robot is being disarmed")]
    Disarming,
    /// The set of groups is empty, or names one that the robot does not have.
    #[error("the groups asked for are none, or beyond the {known} groups of this robot")]
    UnknownGroup {
        /// How many groups the robot has.
        known: usize,
    },
    /// [`Source::Fallback`] is granted to nobody outside the gate.
    #[error("{asked:?} leases are not granted on request; allowed: Skill, External, Teleop")]
    SourceNotGranted {
        /// The source that asked.
        asked: Source,
    },
    /// A source of the same or a higher priority holds one of the groups.
    #[error("group {group} is held by {owner:?} under lease {}", lease.0)]
    Busy {
        /// Index of the group in the layout.
        group: usize,
        /// Who holds it.
        owner: Source,
        /// Under which lease.
        lease: LeaseId,
    },
    /// A person had one of the groups, and has not said resume.
    #[error("group {group} was taken by a person: an operator must resume it first")]
    NeedsResume {
        /// Index of the group in the layout.
        group: usize,
    },
    /// The declared period of commands is zero, or too long.
    #[error("the declared command period is zero or above the limit of {max_ms} ms")]
    PeriodOutOfRange {
        /// The longest that is allowed.
        max_ms: u64,
    },
    /// All slots are in use.
    #[error("{max} leases are live already, which is the most there can be")]
    TooManyLeases {
        /// The most there can be.
        max: usize,
    },
    /// No live lease of that number.
    #[error("lease {} is not live", lease.0)]
    UnknownLease {
        /// The lease that was named.
        lease: LeaseId,
    },
    /// A command; see [`CommandRefusal`].
    #[error("command refused: {0}")]
    Command(CommandRefusal),
    /// Arming when a cause is latched: reset first.
    #[error("a cause is latched: reset first")]
    CauseLatched,
    /// Arming when armed.
    #[error("the robot is armed already")]
    AlreadyArmed,
    /// Disarming or resuming when disarmed.
    #[error("the robot is not armed")]
    NotArmed,
    /// Arming or resetting while an emergency-stop input is pressed.
    #[error("an emergency-stop input is still pressed")]
    EStopPressed,
    /// Arming or resetting while the remote emergency stop is silent.
    #[error("the remote emergency stop is not heard")]
    EStopSilent,
    /// Arming or resetting while the measured state is old, not valid, or cannot be read.
    #[error("the measured state of group {group} is missing, not valid or too old")]
    StateNotFresh {
        /// Index of the group in the layout.
        group: usize,
    },
    /// Resetting [`crate::Cause::OverTemperature`] while a drive is hotter than the level of warning.
    #[error("a drive of group {group} is still too hot")]
    Hot {
        /// Index of the group in the layout.
        group: usize,
    },
    /// Resetting while the stop has not come to rest.
    #[error("group {group} is still being brought to rest")]
    Moving {
        /// Index of the group in the layout.
        group: usize,
    },
    /// The driver did not activate; [`crate::Cause::DriverError`] is latched.
    #[error("the driver did not activate; its error is in the log of the hardware node")]
    ActivationFailed,
}

/// Why a command was not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[non_exhaustive]
pub enum CommandRefusal {
    /// Its lease is not live.
    #[error("its lease is not live")]
    UnknownLease,
    /// Another process got the lease.
    #[error("its boot_id is not that of the process which got the lease")]
    BootId,
    /// It was made for another order of joints and groups.
    #[error("it was made for another layout")]
    Layout,
    /// Its seq is not above that of the newest command under its lease.
    #[error("its seq is not above the last one")]
    OldSeq,
    /// A value is infinite, negative where it must not be, or NaN where it is needed; also a command that
    /// commands nothing, since NaN in every place looks the same. Latches
    /// [`crate::Cause::InvalidCommand`].
    #[error("a value is NaN or infinite, or nothing is commanded")]
    NotFinite,
    /// It commands a joint, the base or a gripper that its lease does not hold.
    #[error("it commands what its lease does not hold")]
    OutsideLease,
    /// It uses an interface that the group is not commanded by.
    #[error("it uses a command interface that the group does not have")]
    Interface,
    /// `valid_for` is zero: it is too old on arrival.
    #[error("its valid_for is zero")]
    ValidFor,
    /// Teleop without the dead-man switch held; the lease is void.
    #[error("the dead-man switch is not held")]
    DeadMan,
}

impl CommandRefusal {
    /// Every reason.
    pub const ALL: [Self; 9] = [
        Self::UnknownLease,
        Self::BootId,
        Self::Layout,
        Self::OldSeq,
        Self::NotFinite,
        Self::OutsideLease,
        Self::Interface,
        Self::ValidFor,
        Self::DeadMan,
    ];
}

/// How many commands were refused, by reason.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct RefusalCounts([u64; CommandRefusal::ALL.len()]);

impl RefusalCounts {
    /// For this reason.
    pub const fn get(&self, reason: CommandRefusal) -> u64 {
        self.0[reason as usize]
    }

    /// For all reasons.
    pub fn total(&self) -> u64 {
        self.0.iter().sum()
    }

    /// Each reason with its count.
    pub fn iter(&self) -> impl Iterator<Item = (CommandRefusal, u64)> {
        CommandRefusal::ALL.into_iter().map(|reason| (reason, self.get(reason)))
    }

    pub(crate) fn add(&mut self, reason: CommandRefusal, count: u64) {
        self.0[reason as usize] += count;
    }
}
