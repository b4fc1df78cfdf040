use std::time::Duration;

use sinew_bus::{BusError, BusNode, Subscription, names};
use sinew_hardware::{Accepted, ControlHandle, Refused, RequestId};
use sinew_msgs::geometry_msgs::{Twist, TwistStamped};
use sinew_types::{BaseTwist, GroupKind, Layout, Time};

use super::Adapter;
use super::lease::{ExternalLease, Standing};

/// Without a message for this long, the base is given back.
const STALE: Duration = Duration::from_millis(500);
/// How often the newest velocity is sent to the gate meanwhile: Nav2 sends more seldom than the gate
/// wants to hear.
const PERIOD: Duration = Duration::from_millis(20);

/// Drives the base by `cmd_vel` and `cmd_vel_stamped`, under an EXTERNAL lease that it holds while
/// messages arrive.
///
/// A lease that was refused or taken away is not asked for again while the stream goes on: nothing
/// resumes by itself. Once the stream has paused for half a second, it may begin anew.
pub(super) struct CmdVel {
    twists: Subscription<Twist>,
    stamped: Subscription<TwistStamped>,
    lease: ExternalLease,
    heard: Option<Time>,
    sent: Time,
}

impl CmdVel {
    /// None if the robot has no base.
    pub(super) fn new(node: &BusNode, layout: &Layout) -> Result<Option<Self>, BusError> {
        let base = layout.groups().iter().position(|group| group.kind == GroupKind::Base);
        let Some(base) = base else { return Ok(None) };
        Ok(Some(Self {
            twists: node.subscription(&names::CMD_VEL)?,
            stamped: node.subscription(&names::CMD_VEL_STAMPED)?,
            lease: ExternalLease::new(layout, base, PERIOD),
            heard: None,
            sent: Time::ZERO,
        }))
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
        self.lease.command().base = Some(BaseTwist {
            linear_x: twist.linear.x,
            linear_y: twist.linear.y,
            angular_z: twist.angular.z,
        });
        true
    }
}

impl Adapter for CmdVel {
    fn step(&mut self, now: Time, handle: &mut ControlHandle) {
        let is_new = self.take();
        if is_new {
            self.heard = Some(now);
        }
        if self.heard.is_none_or(|at| now.since(at) > STALE) {
            self.lease.give_back(handle);
        }
        self.lease.step(now, handle);
        match self.lease.standing() {
            Standing::Free if is_new => self.lease.ask(handle),
            Standing::Held if is_new || now.since(self.sent) >= PERIOD => {
                self.sent = now;
                self.lease.send(handle);
            }
            _ => {}
        }
    }

    fn lease(&mut self) -> &mut ExternalLease {
        &mut self.lease
    }

    fn answered(
        &mut self,
        request: RequestId,
        result: Result<Accepted, Refused>,
        layout: &Layout,
    ) -> bool {
        let is_own = self.lease.answered(request, result, layout);
        if is_own && let Standing::Ended(refused) = self.lease.standing() {
            tracing::warn!(refused, "cmd_vel does not drive the base");
        }
        is_own
    }
}
