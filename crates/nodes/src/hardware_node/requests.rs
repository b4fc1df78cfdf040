use sinew_bus::BusError;
use sinew_hardware::{Accepted, GroupSet, LeaseRequest, Notice, QueueFull, Refused, RequestId};
use sinew_msgs::sinew_msgs::{AcquireLeaseRequest, AcquireLeaseResponse, ReleaseLeaseResponse};
use sinew_msgs::std_srvs::TriggerResponse;
use sinew_types::{BootId, ErrorCode, LeaseId};

use super::HardwareNode;
use super::ports::{Operator, Reply};
use crate::convert::{duration_from_msg, refused_to_text, source_from_msg, transition_to_msg};
use crate::node::NodeError;

/// Services: from a request on the bus to the control loop, and its answer back.
impl HardwareNode {
    pub(super) fn take_requests(&mut self) {
        while let Some(request) = self.ports.acquire.take_request() {
            match self.lease_request(request.request()) {
                Ok(lease) => {
                    let queued = self.handle.acquire(lease);
                    self.queued(queued, Reply::Acquire(request));
                }
                Err(message) => {
                    let response = AcquireLeaseResponse {
                        error_code: ErrorCode::InvalidArguments.as_u16(),
                        error_msg: message,
                        ..Default::default()
                    };
                    self.sent(request.respond(response));
                }
            }
        }
        while let Some(request) = self.ports.release.take_request() {
            let lease = LeaseId(request.request().lease_id);
            let queued = self.handle.release(lease);
            self.queued(queued, Reply::Release(request));
        }
        while let Some((operator, request)) = self.ports.operator_request() {
            let queued = match operator {
                Operator::Arm => self.handle.arm().inspect(|request| self.power.arming(*request)),
                Operator::Disarm => self.handle.disarm().inspect(|_| self.power.disarming()),
                Operator::Resume => self.handle.resume(),
                Operator::Reset => {
                    self.handle.e_stop().release();
                    self.handle.reset()
                }
                Operator::EStop => {
                    self.handle.e_stop().press();
                    let response =
                        TriggerResponse { success: true, message: "e-stop pressed".into() };
                    self.sent(request.respond(response));
                    continue;
                }
            };
            self.queued(queued, Reply::Operator(request));
        }
    }

    /// An answer that was not heard is the caller's trouble: it must not end the node that stops the robot.
    fn sent(&self, sent: Result<(), BusError>) {
        if let Err(error) = sent {
            tracing::warn!(node = self.name, %error, "a request was not answered");
        }
    }

    /// Keeps a caller until the control loop answers it. One for whom the loop's queue has no room is told so:
    /// a flood of requests must not end the node that stops the robot.
    fn queued(&mut self, queued: Result<RequestId, QueueFull>, reply: Reply) {
        let full = match queued {
            Ok(id) => {
                self.replies.insert(id, reply);
                return;
            }
            Err(full) => full,
        };
        tracing::warn!(node = self.name, %full, "request refused");
        let (error_code, error_msg) = (ErrorCode::Busy.as_u16(), full.to_string());
        let sent = match reply {
            Reply::Acquire(request) => request.respond(AcquireLeaseResponse {
                error_code,
                error_msg,
                ..Default::default()
            }),
            Reply::Release(request) => {
                request.respond(ReleaseLeaseResponse { released: false, error_code, error_msg })
            }
            Reply::Operator(request) => {
                request.respond(TriggerResponse { success: false, message: error_msg })
            }
            // Its asker was told when it was asked.
            Reply::Change(_) => Ok(()),
        };
        self.sent(sent);
    }

    fn lease_request(&self, request: &AcquireLeaseRequest) -> Result<LeaseRequest, String> {
        let source = source_from_msg(request.source)
            .ok_or_else(|| format!("source: {}; allowed: 1 to 4", request.source))?;
        let groups = request.groups.iter().map(String::as_str);
        let groups = GroupSet::named(&self.layout, groups).map_err(|unknown| {
            let known: Vec<_> = self.layout.groups().iter().map(|g| g.name.as_str()).collect();
            format!("groups: `{unknown}`; allowed: {}", known.join(", "))
        })?;
        Ok(LeaseRequest {
            source,
            groups,
            boot_id: BootId(request.boot_id),
            command_period: duration_from_msg(&request.command_period),
        })
    }

    pub(super) fn send_replies(&mut self) -> Result<(), NodeError> {
        while let Some(notice) = self.handle.poll() {
            match notice {
                Notice::Reply { request, result } => {
                    let cycle = self.handle.safety().cycle;
                    self.power.answered(request, result.is_ok(), cycle);
                    if let Some(reply) = self.replies.remove(&request) {
                        let epoch = self.handle.safety().stop_epoch.0;
                        let sent = self.reply(reply, result, epoch);
                        self.sent(sent);
                    } else {
                        self.external.answered(request, result, &self.layout);
                    }
                }
                Notice::LeaseVoided(voided) => {
                    tracing::info!(node = self.name, lease = voided.lease.0, source = ?voided.source,
                        reason = %voided.reason, "lease ended");
                }
                _ => {}
            }
        }
        while let Some(transition) = self.handle.transition() {
            let message = transition_to_msg(&transition, &self.layout);
            self.telemetry.transition(&message).map_err(|e| self.error(e))?;
        }
        while let Some(error) = self.handle.driver_error() {
            tracing::error!(node = self.name, %error, "driver");
        }
        Ok(())
    }

    fn reply(
        &mut self,
        reply: Reply,
        result: Result<Accepted, Refused>,
        stop_epoch: u64,
    ) -> Result<(), sinew_bus::BusError> {
        let (error_code, error_msg) = match &result {
            Ok(_) => (ErrorCode::None, String::new()),
            Err(refused) => (lease_error(*refused), refused_to_text(*refused, &self.layout)),
        };
        match reply {
            Reply::Acquire(request) => {
                let lease_id = match result {
                    Ok(Accepted::Granted { lease, .. }) => {
                        self.provenance.granted(lease, request.request());
                        lease.0
                    }
                    _ => 0,
                };
                request.respond(AcquireLeaseResponse {
                    granted: lease_id != 0,
                    lease_id,
                    stop_epoch,
                    error_code: error_code.as_u16(),
                    error_msg,
                })
            }
            Reply::Release(request) => request.respond(ReleaseLeaseResponse {
                released: result.is_ok(),
                error_code: error_code.as_u16(),
                error_msg,
            }),
            Reply::Operator(request) => {
                request.respond(TriggerResponse { success: result.is_ok(), message: error_msg })
            }
            Reply::Change(change) => {
                if result.is_err() {
                    tracing::warn!(node = self.name, reason = error_msg, "{change:?} is refused");
                }
                Ok(())
            }
        }
    }
}

/// How a refused lease is told on the wire.
fn lease_error(refused: Refused) -> ErrorCode {
    match refused {
        Refused::NotReady { .. } | Refused::Disarming | Refused::NotArmed => ErrorCode::NotReady,
        Refused::Busy { .. } | Refused::TooManyLeases { .. } => ErrorCode::Busy,
        Refused::NeedsResume { .. } => ErrorCode::LeaseRevoked,
        Refused::CauseLatched | Refused::EStopPressed | Refused::EStopSilent => {
            ErrorCode::SafetyStop
        }
        Refused::StateNotFresh { .. } | Refused::ActivationFailed => ErrorCode::HardwareFault,
        _ => ErrorCode::InvalidArguments,
    }
}
