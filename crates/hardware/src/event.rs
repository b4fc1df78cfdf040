use serde::{Deserialize, Serialize};
use sinew_types::{ActuatorCommand, BootId, LeaseId, StopEpoch};

use crate::lease::LeaseRequest;
use crate::refusal::Refused;
use crate::safety::{Cause, VoidedLease};

/// What the gate is told. [`crate::Gate::handle`] answers each at once.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Event<'a> {
    /// Grant authority over groups, all or none.
    AcquireLease(LeaseRequest),
    /// The holder is done; its groups are brought to rest and held.
    ReleaseLease(LeaseId),
    /// Follow this until the next one, or until it is too old.
    Command(&'a ActuatorCommand),
    /// This process is alive.
    Heartbeat(BootId),
    /// This process is gone, or started anew under another boot id.
    PeerLost(BootId),
    /// The state of the emergency-stop inputs taken together.
    EStop {
        /// Whether one is pressed.
        pressed: bool,
    },
    /// The remote emergency stop says that it works, and whether it is pressed.
    EStopHeartbeat {
        /// Whether it is pressed.
        pressed: bool,
    },
    /// A monitor found this: latches the cause and stops.
    Violation(Cause),
    /// An operator clears every cause that does not clear by itself and holds no more.
    Reset,
    /// An operator switches the drivers on.
    Arm,
    /// The driver is active now: the set-point is seeded from the next state.
    Activated,
    /// The driver refused to activate.
    ActivationFailed,
    /// An operator has the robot brought to rest and the drivers switched off.
    Disarm,
    /// An operator gives back what a person had taken over.
    Resume,
    /// A read of the driver ended.
    DriverRead {
        /// Whether it was good.
        ok: bool,
    },
    /// A write to the driver failed.
    DriverWriteFailed,
    /// The watchdog found the control loop standing still, and stopped the actuators.
    LoopStalled,
}

/// The answer to an event that was not refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Accepted {
    /// It was taken note of.
    Done,
    /// A lease was granted.
    Granted {
        /// Its number.
        lease: LeaseId,
        /// How many stops there were so far.
        stop_epoch: StopEpoch,
    },
}

/// Names a request, so that its reply can be told from others.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct RequestId(pub u64);

/// What the control loop tells its handle, in the order in which it happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Notice {
    /// The answer to a request.
    Reply {
        /// The request.
        request: RequestId,
        /// The answer.
        result: Result<Accepted, Refused>,
    },
    /// A lease ended.
    LeaseVoided(VoidedLease),
}
