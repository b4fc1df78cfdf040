use std::time::Duration;

use sinew_hardware::{
    Accepted, ControlHandle, GroupSet, LeaseRequest, Refused, RequestId, VoidReason,
};
use sinew_types::{ActuatorCommand, BootId, Layout, LeaseId, Source, Time};

use crate::convert::refused_to_text;

/// How long a command may be followed after its receipt.
const VALID_FOR: Duration = Duration::from_millis(100);
/// How often the gate is told that this source is alive.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// One adapter's EXTERNAL lease on one group, and the commands under it.
///
/// Once it was refused or taken away it is not asked for again before [`ExternalLease::give_back`]: nothing
/// resumes by itself. What the control loop's queue has no room for is tried again in the next step.
pub(super) struct ExternalLease {
    group: usize,
    command_period: Duration,
    boot_id: BootId,
    command: ActuatorCommand,
    beaten: Time,
    state: State,
    /// The newest one that was granted.
    last: Option<LeaseId>,
}

enum State {
    Free,
    /// Not wanted any more, it goes back as soon as it is granted.
    Asking {
        request: RequestId,
        is_wanted: bool,
    },
    Held(LeaseId),
    Returning(LeaseId),
    Ended(String),
}

/// What an adapter may do with its group.
pub(super) enum Standing<'a> {
    /// Nothing: the lease is neither held nor asked for.
    Free,
    /// Nothing yet: the lease is asked for.
    Asked,
    /// Command it.
    Held,
    /// Nothing: the lease was refused or taken away, for this reason.
    Ended(&'a str),
}

impl ExternalLease {
    /// For a group of this index, which is going to be commanded that often.
    pub(super) fn new(layout: &Layout, group: usize, command_period: Duration) -> Self {
        let boot_id = crate::new_boot_id();
        let mut command = ActuatorCommand::unused(layout);
        (command.boot_id, command.valid_for) = (boot_id, VALID_FOR);
        Self {
            group,
            command_period,
            boot_id,
            command,
            beaten: Time::ZERO,
            state: State::Free,
            last: None,
        }
    }

    pub(super) fn standing(&self) -> Standing<'_> {
        match &self.state {
            State::Free | State::Returning(_) | State::Asking { is_wanted: false, .. } => {
                Standing::Free
            }
            State::Asking { .. } => Standing::Asked,
            State::Held(_) => Standing::Held,
            State::Ended(why) => Standing::Ended(why),
        }
    }

    /// Notices a lease that was lost, and keeps one that is held alive.
    pub(super) fn step(&mut self, now: Time, handle: &mut ControlHandle) {
        let (State::Held(lease) | State::Returning(lease)) = self.state else { return };
        let is_held = matches!(self.state, State::Held(_));
        if !handle.safety().is_live(lease) {
            self.state =
                if is_held { State::Ended(self.why_lost(lease, handle)) } else { State::Free };
            return;
        }
        if now.since(self.beaten) >= HEARTBEAT && handle.heartbeat(self.boot_id).is_ok() {
            self.beaten = now;
        }
        if !is_held && handle.release(lease).is_ok() {
            self.state = State::Free;
        }
    }

    /// Asks for the lease if it is [`Standing::Free`].
    pub(super) fn ask(&mut self, handle: &mut ControlHandle) {
        match self.state {
            State::Free => {
                let request = LeaseRequest {
                    source: Source::External,
                    groups: GroupSet::one(self.group),
                    boot_id: self.boot_id,
                    command_period: self.command_period,
                };
                if let Ok(request) = handle.acquire(request) {
                    self.state = State::Asking { request, is_wanted: true };
                }
            }
            State::Asking { request, .. } => {
                self.state = State::Asking { request, is_wanted: true };
            }
            State::Returning(lease) => self.state = State::Held(lease),
            State::Held(_) | State::Ended(_) => {}
        }
    }

    /// Wants the lease no more; from now on it may be asked for anew.
    pub(super) fn give_back(&mut self, handle: &mut ControlHandle) {
        match self.state {
            State::Held(lease) => {
                self.state = match handle.release(lease) {
                    Ok(_) => State::Free,
                    Err(_) => State::Returning(lease),
                };
            }
            State::Asking { request, .. } => {
                self.state = State::Asking { request, is_wanted: false };
            }
            State::Ended(_) => self.state = State::Free,
            State::Free | State::Returning(_) => {}
        }
    }

    /// The control loop has answered a request; whether it was one for this lease.
    pub(super) fn answered(
        &mut self,
        request: RequestId,
        result: Result<Accepted, Refused>,
        layout: &Layout,
    ) -> bool {
        let State::Asking { request: asked, is_wanted } = self.state else { return false };
        if asked != request {
            return false;
        }
        self.state = match result {
            Ok(Accepted::Granted { lease, .. }) => {
                self.last = Some(lease);
                if is_wanted { State::Held(lease) } else { State::Returning(lease) }
            }
            Err(refused) if is_wanted => State::Ended(refused_to_text(refused, layout)),
            Ok(_) | Err(_) => State::Free,
        };
        true
    }

    /// The command that [`ExternalLease::send`] sends.
    pub(super) fn command(&mut self) -> &mut ActuatorCommand {
        &mut self.command
    }

    /// Has the command followed, if the lease is held.
    pub(super) fn send(&mut self, handle: &mut ControlHandle) {
        let State::Held(lease) = self.state else { return };
        self.command.lease = lease;
        self.command.seq += 1;
        self.command.tick = handle.state().tick;
        // A refusal is counted by the gate; a lease that ended is seen in the next step.
        let _ = handle.command(&self.command);
    }

    /// Whether the group rests after the lease was given back, or is another's by now.
    pub(super) fn has_come_to_rest(&self, handle: &mut ControlHandle) -> bool {
        let group = &handle.safety().groups[self.group];
        match group.owner {
            Some((lease, _)) => Some(lease) != self.last,
            None => group.still,
        }
    }

    fn why_lost(&self, lease: LeaseId, handle: &mut ControlHandle) -> String {
        let lost = handle.safety().groups[self.group].last_void.filter(|void| void.lease == lease);
        match lost.map(|void| void.reason) {
            Some(VoidReason::Stopped(cause)) => {
                format!("the robot was stopped: {cause}: {}", cause.meaning())
            }
            Some(reason) => format!("the lease was lost: {reason}"),
            None => "the lease was lost".into(),
        }
    }
}
