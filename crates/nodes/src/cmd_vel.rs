use std::time::Duration;

use sinew_bus::{BusError, BusNode, Subscription, names};
use sinew_hardware::{
    Accepted, ControlHandle, GroupSet, LeaseRequest, QueueFull, Refused, RequestId,
};
use sinew_msgs::geometry_msgs::{Twist, TwistStamped};
use sinew_types::{ActuatorCommand, BaseTwist, BootId, GroupKind, Layout, LeaseId, Source, Time};

/// Without a message for this long, the base is given back.
const STALE: Duration = Duration::from_millis(500);
/// How often the newest velocity is sent to the gate meanwhile: Nav2 sends more seldom than the gate
/// wants to hear.
const PERIOD: Duration = Duration::from_millis(20);
/// How long a command may be followed after its receipt.
const VALID_FOR: Duration = Duration::from_millis(100);
/// How often the gate is told that this source is alive.
const HEARTBEAT: Duration = Duration::from_millis(100);

/// Drives the base by `cmd_vel` and `cmd_vel_stamped`, under an EXTERNAL lease that it holds while
/// messages arrive.
///
/// A lease that was refused or taken away is not asked for again while the stream goes on: nothing
/// resumes by itself. Once the stream has paused for half a second, it may begin anew.
pub(crate) struct CmdVel {
    twists: Subscription<Twist>,
    stamped: Subscription<TwistStamped>,
    groups: GroupSet,
    boot_id: BootId,
    command: ActuatorCommand,
    heard: Option<Time>,
    sent: Time,
    beaten: Time,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Idle,
    Asking(RequestId),
    Driving(LeaseId),
    /// The gate said no, or took the base away.
    Blocked,
}

impl CmdVel {
    /// None if it is not wanted, or the robot has no base.
    pub(crate) fn new(
        node: &BusNode,
        layout: &Layout,
        wanted: bool,
    ) -> Result<Option<Self>, BusError> {
        let base = layout.groups().iter().position(|group| group.kind == GroupKind::Base);
        let Some(base) = base.filter(|_| wanted) else { return Ok(None) };
        let boot_id = crate::new_boot_id();
        let mut command = ActuatorCommand::unused(layout);
        (command.boot_id, command.valid_for) = (boot_id, VALID_FOR);
        Ok(Some(Self {
            twists: node.subscription(&names::CMD_VEL)?,
            stamped: node.subscription(&names::CMD_VEL_STAMPED)?,
            groups: GroupSet::one(base),
            boot_id,
            command,
            heard: None,
            sent: Time::ZERO,
            beaten: Time::ZERO,
            state: State::Idle,
        }))
    }

    /// The control loop has answered a request, be it of this adapter or not.
    pub(crate) fn answered(&mut self, request: RequestId, result: Result<Accepted, Refused>) {
        if self.state != State::Asking(request) {
            return;
        }
        self.state = match result {
            Ok(Accepted::Granted { lease, .. }) => State::Driving(lease),
            Ok(_) => State::Blocked,
            Err(refused) => {
                tracing::warn!(%refused, "cmd_vel does not drive the base");
                State::Blocked
            }
        };
    }

    /// Takes what arrived, and sends what is due.
    pub(crate) fn step(&mut self, now: Time, handle: &mut ControlHandle) -> Result<(), QueueFull> {
        let is_new = self.take();
        if is_new {
            self.heard = Some(now);
        }
        let is_silent = self.heard.is_none_or(|at| now.since(at) > STALE);
        match self.state {
            State::Idle if is_new => {
                let request = LeaseRequest {
                    source: Source::External,
                    groups: self.groups,
                    boot_id: self.boot_id,
                    command_period: PERIOD,
                };
                self.state = State::Asking(handle.acquire(request)?);
            }
            State::Driving(lease) if is_silent => {
                handle.release(lease)?;
                self.state = State::Idle;
            }
            State::Driving(lease) if !handle.safety().is_live(lease) => self.state = State::Blocked,
            State::Driving(lease) => self.drive(now, lease, is_new, handle)?,
            State::Blocked if is_silent => self.state = State::Idle,
            _ => {}
        }
        Ok(())
    }

    fn drive(
        &mut self,
        now: Time,
        lease: LeaseId,
        is_new: bool,
        handle: &mut ControlHandle,
    ) -> Result<(), QueueFull> {
        if now.since(self.beaten) >= HEARTBEAT {
            self.beaten = now;
            handle.heartbeat(self.boot_id)?;
        }
        if is_new || now.since(self.sent) >= PERIOD {
            self.sent = now;
            self.command.lease = lease;
            self.command.seq += 1;
            self.command.tick = handle.state().tick;
            // A refusal is counted by the gate; a lease that ended is seen in the next step.
            let _ = handle.command(&self.command);
        }
        Ok(())
    }

    /// Whether there is a new velocity.
    fn take(&mut self) -> bool {
        let plain = self.twists.take_newest().map(|received| received.message);
        let stamped = self.stamped.take_newest().and_then(|received| {
            let TwistStamped { header, twist } = received.message;
            let is_own = header.frame_id.is_empty() || header.frame_id == "base_link";
            if !is_own {
                let frame = header.frame_id;
                tracing::warn!(frame, "cmd_vel_stamped dropped; allowed: base_link, or none");
            }
            is_own.then_some(twist)
        });
        let Some(twist) = stamped.or(plain) else { return false };
        self.command.base = Some(BaseTwist {
            linear_x: twist.linear.x,
            linear_y: twist.linear.y,
            angular_z: twist.angular.z,
        });
        true
    }
}
