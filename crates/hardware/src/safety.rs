use std::fmt;

use serde::{Deserialize, Serialize};
use sinew_types::{LeaseId, Source, StopEpoch, Time};

use crate::monitor::Violation;
use crate::refusal::RefusalCounts;

/// What the robot may do, in rising order of severity: the mode is the maximum over all latched
/// [`Cause`]s.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// Drivers are inactive: nothing is written to them.
    #[default]
    Disarmed,
    /// Leases are granted and commands followed.
    Ready,
    /// Stopped; power is kept.
    ProtectiveStop,
    /// Stopped; feedback is not trusted. Reset leads to [`Mode::Disarmed`].
    Fault,
    /// Stopped by a person. Reset leads to [`Mode::Disarmed`].
    EStop,
}

/// Why the robot is stopped; each is latched, and cleared by its own rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[repr(u8)]
#[non_exhaustive]
pub enum Cause {
    /// The process that held a lease went silent or was replaced.
    /// Clears by itself after one second healthy and still.
    Communication = 0,
    /// A lease holder sent NaN or infinity. Cleared by reset.
    InvalidCommand = 1,
    /// A joint of an impedance or effort group moves faster than its profile allows. Cleared by reset.
    OverSpeed = 2,
    /// A joint is further from its set-point than its profile allows, for longer than it allows.
    /// Cleared by reset.
    TrackingError = 3,
    /// A part of the robot has left the workspace. Cleared by reset.
    Workspace = 4,
    /// Two parts of the robot are closer than allowed. Cleared by reset.
    SelfCollision = 5,
    /// A drive is hotter than allowed. Cleared by reset once all are cooler.
    OverTemperature = 6,
    /// A group was not still in its `still_within` after a stop. Cleared by reset.
    NotStill = 7,
    /// The fallback controller failed, or the sensors that it needs. Cleared by reset.
    FallbackFailed = 8,
    /// A driver's read, write or activation failed. Cleared by reset once reads are good.
    DriverError = 9,
    /// A driver's state is older than five of its read periods. Cleared by reset once it is fresh.
    StateStale = 10,
    /// The control loop stood still and the watchdog stopped the actuators. Cleared by reset.
    LoopStalled = 11,
    /// An emergency-stop input was pressed. Cleared by reset once it is released.
    EmergencyStop = 12,
}

impl Cause {
    /// Every cause, from the least severe.
    pub const ALL: [Self; 13] = [
        Self::Communication,
        Self::InvalidCommand,
        Self::OverSpeed,
        Self::TrackingError,
        Self::Workspace,
        Self::SelfCollision,
        Self::OverTemperature,
        Self::NotStill,
        Self::FallbackFailed,
        Self::DriverError,
        Self::StateStale,
        Self::LoopStalled,
        Self::EmergencyStop,
    ];

    /// The mode that it puts the robot in.
    pub const fn mode(self) -> Mode {
        match self {
            Self::Communication
            | Self::InvalidCommand
            | Self::OverSpeed
            | Self::TrackingError
            | Self::Workspace
            | Self::SelfCollision
            | Self::OverTemperature => Mode::ProtectiveStop,
            Self::NotStill
            | Self::FallbackFailed
            | Self::DriverError
            | Self::StateStale
            | Self::LoopStalled => Mode::Fault,
            Self::EmergencyStop => Mode::EStop,
        }
    }

    /// What ends it, in a few words.
    pub const fn cleared_by(self) -> &'static str {
        match self {
            Self::Communication => "itself, after 1 s healthy and still",
            Self::OverTemperature => "reset, once all drives are cooler",
            Self::DriverError | Self::StateStale => {
                "reset, once reads are good and fresh; then arm"
            }
            Self::EmergencyStop => "reset, once every input is released; then arm",
            Self::NotStill | Self::FallbackFailed | Self::LoopStalled => "reset; then arm",
            Self::InvalidCommand
            | Self::OverSpeed
            | Self::TrackingError
            | Self::Workspace
            | Self::SelfCollision => "reset",
        }
    }

    /// What has happened, in a few words.
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Communication => "the process that held a lease went silent, or was replaced",
            Self::InvalidCommand => "a lease holder sent NaN or infinity",
            Self::OverSpeed => "a joint of an impedance or effort group is too fast",
            Self::TrackingError => "a joint is too far from its set-point for too long",
            Self::Workspace => "a part of the robot is outside the workspace",
            Self::SelfCollision => "two parts of the robot are too close",
            Self::OverTemperature => "a drive is too hot",
            Self::NotStill => "a group was not still in its `still_within_s` after a stop",
            Self::FallbackFailed => "the fallback controller failed, or the sensors that it needs",
            Self::DriverError => "a driver's read, write or activation failed",
            Self::StateStale => "a driver's state is older than 5 of its read periods",
            Self::LoopStalled => "the control loop stood still for 200 ms",
            Self::EmergencyStop => "an emergency stop was pressed, or a remote one went silent",
        }
    }

    /// Its name in logs and messages.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Communication => "communication",
            Self::InvalidCommand => "invalid_command",
            Self::OverSpeed => "over_speed",
            Self::TrackingError => "tracking_error",
            Self::Workspace => "workspace",
            Self::SelfCollision => "self_collision",
            Self::OverTemperature => "over_temperature",
            Self::NotStill => "not_still",
            Self::FallbackFailed => "fallback_failed",
            Self::DriverError => "driver_error",
            Self::StateStale => "state_stale",
            Self::LoopStalled => "loop_stalled",
            Self::EmergencyStop => "emergency_stop",
        }
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A set of latched causes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Causes(u16);

impl Causes {
    /// No cause.
    pub const NONE: Self = Self(0);

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }

    /// Whether this one is latched.
    pub const fn contains(self, cause: Cause) -> bool {
        self.0 & (1 << cause as u16) != 0
    }

    /// The latched causes, from the least severe.
    pub fn iter(self) -> impl Iterator<Item = Cause> {
        Cause::ALL.into_iter().filter(move |cause| self.contains(*cause))
    }

    /// Whether one of them is a fault, after which feedback is not trusted.
    pub fn is_faulty(self) -> bool {
        self.iter().any(|cause| cause.mode() == Mode::Fault)
    }

    /// The severest mode among them; none if there is no cause.
    pub fn mode(self) -> Option<Mode> {
        self.iter().map(Cause::mode).max()
    }

    pub(crate) fn insert(&mut self, cause: Cause) -> bool {
        let new = !self.contains(cause);
        self.0 |= 1 << cause as u16;
        new
    }

    pub(crate) fn remove(&mut self, cause: Cause) {
        self.0 &= !(1 << cause as u16);
    }
}

/// What a group of actuators is given in the present cycle.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OutputKind {
    /// Nothing: no torque, or brakes where there are some.
    #[default]
    None,
    /// The last set-point, at rest.
    Hold,
    /// A set-point that is brought to rest within the group's limits.
    Ramp,
    /// Zero velocity with damping and no stiffness.
    Damp,
    /// What the fallback controller commands.
    Fallback,
    /// The command of the lease that owns the group, within the group's limits.
    Track,
}

/// Why a lease ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum VoidReason {
    /// Its holder gave it back.
    Released,
    /// A source of higher priority took one of its groups.
    TakenBy(Source),
    /// Its newest command is too old.
    CommandStale,
    /// The dead-man switch was let go.
    DeadManReleased,
    /// A stop.
    Stopped(Cause),
    /// The robot is being disarmed.
    Disarmed,
}

impl fmt::Display for VoidReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Released => f.write_str("released by its holder"),
            Self::TakenBy(source) => write!(f, "taken over by {source:?}"),
            Self::CommandStale => f.write_str("its newest command is too old"),
            Self::DeadManReleased => f.write_str("the dead-man switch was let go"),
            Self::Stopped(cause) => write!(f, "stop: {cause}"),
            Self::Disarmed => f.write_str("the robot is being disarmed"),
        }
    }
}

/// A lease that ended, and why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VoidedLease {
    /// The lease.
    pub lease: LeaseId,
    /// Who held it.
    pub source: Source,
    /// Why it ended.
    pub reason: VoidReason,
    /// When, on the loop's clock.
    pub at: Time,
}

/// In how many cycles a request was outside a group's limits, by limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ClampCounts {
    /// The target lay outside the position (or gripper width) range.
    pub position: u64,
    /// The targets moved faster than allowed.
    pub velocity: u64,
    /// The output lags behind the targets further than one command period at the acceleration
    /// limit explains.
    pub acceleration: u64,
    /// Torque or force, predicted or asked for, beyond the limit.
    pub effort: u64,
}

impl ClampCounts {
    /// The sum over all limits.
    pub const fn total(&self) -> u64 {
        self.position + self.velocity + self.acceleration + self.effort
    }
}

/// Authority and output of one group.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GroupSafety {
    /// The lease that owns the group, and who holds it.
    pub owner: Option<(LeaseId, Source)>,
    /// What it is given.
    pub output: OutputKind,
    /// Whether its set-point is at rest and so is the measured state.
    pub still: bool,
    /// A person had it: others are refused until [`crate::Event::Resume`].
    pub needs_resume: bool,
    /// Clamped cycles since the start.
    pub clamps: ClampCounts,
    /// Share of the last cycles (two seconds of them unless the robot file says otherwise) that were clamped, 0 to 1.
    pub clamp_rate: f32,
    /// Whether that is more than what the robot file says is normal.
    pub clamped_persistently: bool,
    /// Whether a drive is hotter than the level of warning.
    pub hot: bool,
    /// The lease that it lost last.
    pub last_void: Option<VoidedLease>,
}

/// All that the gate decided, at one tick.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SafetyState {
    /// Cycles of the gate so far.
    pub cycle: u64,
    /// When, on the loop's clock.
    pub stamp: Time,
    /// The maximum over the causes, or ready, or disarmed.
    pub mode: Mode,
    /// What is latched.
    pub causes: Causes,
    /// What a monitor stopped the robot for last; none after a reset.
    pub violation: Option<Violation>,
    /// Advanced by every stop.
    pub stop_epoch: StopEpoch,
    /// Times that an operator gave back what a person had taken over.
    pub resumes: u64,
    /// Whether an emergency-stop input is pressed.
    pub e_stop_pressed: bool,
    /// Whether drivers are active.
    pub powered: bool,
    /// One per group of the layout.
    pub groups: Vec<GroupSafety>,
    /// Commands refused since the start.
    pub refused: RefusalCounts,
    /// Live leases, in the order of their slots.
    pub leases: [Option<LeaseId>; crate::lease::LEASE_SLOTS],
}

impl SafetyState {
    /// Whether this lease is live.
    pub fn is_live(&self, lease: LeaseId) -> bool {
        self.leases.contains(&Some(lease))
    }

    /// Whether every group is still.
    pub fn is_still(&self) -> bool {
        self.groups.iter().all(|group| group.still)
    }

    pub(crate) fn copy_from(&mut self, other: &Self) {
        let Self {
            cycle,
            stamp,
            mode,
            causes,
            violation,
            stop_epoch,
            resumes,
            e_stop_pressed,
            powered,
            groups,
            refused,
            leases,
        } = self;
        (*cycle, *stamp, *mode, *causes) = (other.cycle, other.stamp, other.mode, other.causes);
        (*violation, *stop_epoch, *resumes) = (other.violation, other.stop_epoch, other.resumes);
        (*e_stop_pressed, *powered) = (other.e_stop_pressed, other.powered);
        groups.clone_from(&other.groups);
        (*refused, *leases) = (other.refused, other.leases);
    }
}
