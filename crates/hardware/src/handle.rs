use std::sync::Arc;
use std::sync::atomic::Ordering;

use rtrb::{Consumer, Producer};
use sinew_types::{ActuatorCommand, BootId, LeaseId, RobotState};

use crate::event::{Notice, RequestId};
use crate::gate::slot_for;
use crate::interface::DriverError;
use crate::lease::LeaseRequest;
use crate::link::{ControlSnapshot, EStopButton, RefusedByHandle, Request};
use crate::refusal::CommandRefusal;
use crate::safety::SafetyState;
use crate::transition::GroupTransition;

/// The loop has not ticked for so long that its queue of requests is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the control loop takes no requests: its queue of {capacity} is full")]
pub struct QueueFull {
    /// How many requests wait.
    pub capacity: usize,
}

/// The other end of a [`crate::ControlLoop`], for node code on the same or another thread.
///
/// No call blocks. Requests are answered in the loop's next tick, in order; [`ControlHandle::poll`]
/// gives the answers. The newest command under each lease replaces the one before it.
pub struct ControlHandle {
    pub(crate) requests: Producer<(RequestId, Request)>,
    pub(crate) notices: Consumer<Notice>,
    pub(crate) errors: Consumer<DriverError>,
    pub(crate) transitions: Consumer<GroupTransition>,
    pub(crate) commands: Vec<triple_buffer::Input<ActuatorCommand>>,
    pub(crate) snapshot: triple_buffer::Output<ControlSnapshot>,
    pub(crate) e_stop: EStopButton,
    pub(crate) refused: Arc<RefusedByHandle>,
    pub(crate) last_request: u64,
}

impl ControlHandle {
    /// Asks for a lease; the reply is [`crate::Accepted::Granted`] or a refusal.
    ///
    /// # Errors
    /// [`QueueFull`].
    pub fn acquire(&mut self, request: LeaseRequest) -> Result<RequestId, QueueFull> {
        self.request(Request::Acquire(request))
    }

    /// Gives a lease back.
    ///
    /// # Errors
    /// [`QueueFull`].
    pub fn release(&mut self, lease: LeaseId) -> Result<RequestId, QueueFull> {
        self.request(Request::Release(lease))
    }

    /// Says that a process is alive. No reply.
    ///
    /// # Errors
    /// [`QueueFull`].
    pub fn heartbeat(&mut self, boot_id: BootId) -> Result<(), QueueFull> {
        self.request(Request::Heartbeat(boot_id)).map(|_| ())
    }

    /// Says that a process is gone, or started anew under another boot id. No reply.
    ///
    /// # Errors
    /// [`QueueFull`].
    pub fn peer_lost(&mut self, boot_id: BootId) -> Result<(), QueueFull> {
        self.request(Request::PeerLost(boot_id)).map(|_| ())
    }

    /// The remote emergency stop says that it works, and whether it is pressed. No reply.
    ///
    /// # Errors
    /// [`QueueFull`]; a pressed one has stopped the robot all the same.
    pub fn e_stop_heartbeat(&mut self, pressed: bool) -> Result<(), QueueFull> {
        if pressed {
            // Past the queue.
            self.e_stop.note_remote_press();
        }
        self.request(Request::EStopHeartbeat { pressed }).map(|_| ())
    }

    /// Switches the drivers on. For operators only.
    ///
    /// # Errors
    /// [`QueueFull`].
    pub fn arm(&mut self) -> Result<RequestId, QueueFull> {
        self.request(Request::Arm)
    }

    /// Brings the robot to rest and switches the drivers off. The reply comes at once;
    /// [`SafetyState::powered`] tells when it is done.
    ///
    /// # Errors
    /// [`QueueFull`].
    pub fn disarm(&mut self) -> Result<RequestId, QueueFull> {
        self.request(Request::Disarm)
    }

    /// Clears latched causes. For operators only.
    ///
    /// # Errors
    /// [`QueueFull`].
    pub fn reset(&mut self) -> Result<RequestId, QueueFull> {
        self.request(Request::Reset)
    }

    /// Lets other sources have what a person had taken over. For operators only.
    ///
    /// # Errors
    /// [`QueueFull`].
    pub fn resume(&mut self) -> Result<RequestId, QueueFull> {
        self.request(Request::Resume)
    }

    /// The emergency-stop input, to be pressed from anywhere.
    pub fn e_stop(&self) -> &EStopButton {
        &self.e_stop
    }

    /// Has this command followed from the next tick on, if the gate accepts it. Does not allocate.
    ///
    /// # Errors
    /// [`CommandRefusal::UnknownLease`] or [`CommandRefusal::Layout`], as far as can be told before the
    /// gate sees it; both are counted in [`SafetyState::refused`]. Other refusals show there only.
    pub fn command(&mut self, command: &ActuatorCommand) -> Result<(), CommandRefusal> {
        let slot = slot_for(command.lease.0);
        let snapshot = self.snapshot.read();
        // A lease that ended must not displace the commands of the one that has its slot now.
        if snapshot.safety.leases[slot] != Some(command.lease) {
            self.refused.unknown_lease.fetch_add(1, Ordering::Relaxed);
            return Err(CommandRefusal::UnknownLease);
        }
        let output = &snapshot.output;
        if command.layout_hash != output.layout_hash
            || command.joints.len() != output.joints.len()
            || command.grippers.len() != output.grippers.len()
        {
            self.refused.layout.fetch_add(1, Ordering::Relaxed);
            return Err(CommandRefusal::Layout);
        }
        self.commands[slot].input_buffer_mut().copy_from(command);
        self.commands[slot].publish();
        Ok(())
    }

    /// The next notice of the loop, in order; none if there is nothing new.
    pub fn poll(&mut self) -> Option<Notice> {
        self.notices.pop().ok()
    }

    /// The next error of the driver, for the log.
    pub fn driver_error(&mut self) -> Option<DriverError> {
        self.errors.pop().ok()
    }

    /// The next change of a group's output, in order; those that find 256 waiting are not listed.
    pub fn transition(&mut self) -> Option<GroupTransition> {
        self.transitions.pop().ok()
    }

    /// State, output and safety of the newest tick, together.
    pub fn snapshot(&mut self) -> &ControlSnapshot {
        self.snapshot.read()
    }

    /// What was measured in the newest tick.
    pub fn state(&mut self) -> &RobotState {
        &self.snapshot.read().state
    }

    /// What the actuators were given in the newest tick.
    pub fn output(&mut self) -> &ActuatorCommand {
        &self.snapshot.read().output
    }

    /// What the gate decided in the newest tick.
    pub fn safety(&mut self) -> &SafetyState {
        &self.snapshot.read().safety
    }

    fn request(&mut self, request: Request) -> Result<RequestId, QueueFull> {
        let id = RequestId(self.last_request + 1);
        self.requests
            .push((id, request))
            .map_err(|_| QueueFull { capacity: crate::link::REQUESTS })?;
        self.last_request = id.0;
        Ok(id)
    }
}
