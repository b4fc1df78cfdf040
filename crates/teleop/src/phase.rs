use std::fmt;

/// What an operator's button asks of the hardware.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum OperatorCall {
    /// Emergency stop.
    EStop,
    /// Forget the e-stop and faults.
    Reset,
    /// Switch the drivers on.
    Arm,
    /// Come to rest, then switch the drivers off.
    Disarm,
    /// Give back what was taken over.
    Resume,
}

/// Where a session stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// The device is heard, and the dead-man button is let go: a press takes over.
    Ready,
    /// The dead-man button is held, and the gate was asked for a lease.
    Acquiring,
    /// Commands are sent.
    Moving,
    /// Nothing is sent, and why; the dead-man button must be let go and pressed anew.
    Stopped(Stop),
}

/// Why a session does not move the robot.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stop {
    /// The dead-man button was let go.
    Released,
    /// Another mode was selected while the dead-man button was held.
    ModeChanged,
    /// Nothing has been heard of the device.
    Silent,
    /// The device goes on reporting, but it is always the same report.
    Frozen,
    /// Nothing on the device has changed for longer than the mapping allows.
    Unchanged,
    /// The device is gone.
    Unplugged,
    /// An axis is NaN or infinite.
    NotFinite,
    /// The device has fewer axes or buttons than the mapping speaks of.
    DoesNotFit {
        /// How many axes it must have.
        axes: usize,
        /// How many buttons it must have.
        buttons: usize,
    },
    /// The leader arm was not heard of, or is not measured.
    LeaderLost,
    /// A group of the robot is not measured.
    NotMeasured(String),
    /// This program itself stood still.
    Stalled,
    /// The gate took the lease back: a stop, or the robot was disarmed.
    Revoked,
    /// The gate granted no lease, and why.
    Refused(String),
}

impl Stop {
    /// Whether the device is at fault: it counts as lost.
    #[must_use]
    pub const fn is_of_device(&self) -> bool {
        matches!(
            self,
            Self::Silent
                | Self::Frozen
                | Self::Unchanged
                | Self::Unplugged
                | Self::NotFinite
                | Self::DoesNotFit { .. }
        )
    }
}

impl fmt::Display for Stop {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Released => f.write_str("dead-man button let go"),
            Self::ModeChanged => f.write_str("another mode was selected"),
            Self::Silent => f.write_str("lost: the device is silent"),
            Self::Frozen => f.write_str("lost: the device is frozen"),
            Self::Unchanged => f.write_str("lost: nothing on the device changes"),
            Self::Unplugged => f.write_str("lost: the device is unplugged"),
            Self::NotFinite => f.write_str("lost: an axis of the device is not a number"),
            Self::DoesNotFit { axes, buttons } => write!(
                f,
                "lost: the mapping is for a device with {axes} axes and {buttons} buttons or more"
            ),
            Self::LeaderLost => f.write_str("lost: the leader arm is silent"),
            Self::NotMeasured(group) => write!(f, "group `{group}` is not measured"),
            Self::Stalled => f.write_str("lost: this program stood still"),
            Self::Revoked => f.write_str("the hardware took the lease back"),
            Self::Refused(reason) => write!(f, "refused: {reason}"),
        }
    }
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ready => f.write_str("ready: hold the dead-man button"),
            Self::Acquiring => f.write_str("taking over"),
            Self::Moving => f.write_str("moving"),
            Self::Stopped(stop) => stop.fmt(f),
        }
    }
}
