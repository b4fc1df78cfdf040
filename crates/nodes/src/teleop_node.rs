use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sinew_bus::names::ServiceName;
use sinew_bus::{Bus, BusNode, Call, Publisher, ServiceClient, Subscription, names};
use sinew_hardware::layout_of;
use sinew_msgs::sensor_msgs::{JointState, Joy};
use sinew_msgs::sinew_msgs::srv::{AcquireLease, ReleaseLease};
use sinew_msgs::sinew_msgs::{
    AcquireLeaseRequest, AcquireLeaseResponse, ActuatorCommand, ReleaseLeaseRequest,
    ReleaseLeaseResponse, RobotTick, SafetyState,
};
use sinew_msgs::std_srvs::srv::Trigger;
use sinew_msgs::std_srvs::{TriggerRequest, TriggerResponse};
use sinew_robot::RobotModel;
use sinew_teleop::{LeaseCall, Mapping, OperatorCall, Pad, Phase, TeleopSession};
use sinew_types::{Layout, LeaseId, RobotState, Source, Time};

use crate::TICK_RATE_HZ;
use crate::arguments::NodeArguments;
use crate::convert::{
    command_from_msg, command_to_msg, duration_to_msg, source_to_msg, tick_from_msg, time_from_msg,
};
use crate::heart::Heart;
use crate::node::{Node, NodeError, Progress};
use crate::teleop_status::TeleopMonitor;

/// Parameters of the teleop node.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct TeleopParameters {
    /// The robot file.
    pub robot: PathBuf,
    /// The mapping file.
    pub mapping: PathBuf,
}

/// Reports of a device that were not taken yet, oldest first; none while there is nothing new.
pub type Pads = Box<dyn FnMut() -> Option<Pad> + Send>;

/// How long a command may be followed after its receipt.
const VALID_FOR: Duration = Duration::from_millis(100);

/// A person's device: one session, bound to the gate over the bus.
pub struct TeleopNode {
    name: String,
    node: BusNode,
    session: TeleopSession,
    pads: Pads,
    leader: Subscription<JointState>,
    layout: Layout,
    ticks: Subscription<RobotTick>,
    state: RobotState,
    clock: TickClock,
    commands: Subscription<ActuatorCommand>,
    safety_states: Subscription<SafetyState>,
    live: BTreeSet<LeaseId>,
    command: Publisher<ActuatorCommand>,
    acquire: ServiceClient<AcquireLease>,
    release: ServiceClient<ReleaseLease>,
    acquiring: Vec<(u64, Call<AcquireLeaseResponse>)>,
    releasing: Vec<Call<ReleaseLeaseResponse>>,
    operators: [(OperatorCall, ServiceClient<Trigger>); 5],
    asked: Vec<(OperatorCall, Call<TriggerResponse>)>,
    heart: Heart,
    seq: u64,
    monitor: TeleopMonitor,
}

impl TeleopNode {
    /// A node whose device is the topic `joy`.
    ///
    /// # Errors
    /// Parameters, robot file or mapping that are wrong, by name.
    pub fn new(bus: &Bus, arguments: &NodeArguments) -> Result<Self, NodeError> {
        Self::by_joy(&crate::bus_node(bus, arguments)?, arguments)
    }

    pub(crate) fn by_joy(node: &BusNode, arguments: &NodeArguments) -> Result<Self, NodeError> {
        let joy = node
            .subscription(&names::JOY)
            .map_err(|error| NodeError::new(&arguments.name, error))?;
        Self::on(node, arguments, joystick(joy))
    }

    /// A node with a device of this process.
    ///
    /// # Errors
    /// As [`TeleopNode::new`].
    pub fn with_device(
        bus: &Bus,
        arguments: &NodeArguments,
        pads: Pads,
    ) -> Result<Self, NodeError> {
        Self::on(&crate::bus_node(bus, arguments)?, arguments, pads)
    }

    fn on(node: &BusNode, arguments: &NodeArguments, pads: Pads) -> Result<Self, NodeError> {
        let failed = |error: &dyn std::fmt::Display| NodeError::new(&arguments.name, error);
        let parameters: TeleopParameters = arguments.parameters_as().map_err(|e| failed(&e))?;
        let mapping = Mapping::load(&parameters.mapping).map_err(|e| failed(&e))?;
        let robot = RobotModel::load(&parameters.robot).map_err(|e| failed(&e))?;
        let layout = layout_of(&robot).map_err(|e| failed(&e))?;
        let client =
            |name: &ServiceName<Trigger>| node.service_client(name).map_err(|e| failed(&e));
        Ok(Self {
            name: arguments.name.clone(),
            node: node.clone(),
            session: TeleopSession::new(&mapping, &robot, &layout).map_err(|e| failed(&e))?,
            pads,
            leader: node.subscription(&names::LEADER_JOINT_STATES).map_err(|e| failed(&e))?,
            ticks: node.subscription(&names::ROBOT_TICK).map_err(|e| failed(&e))?,
            state: RobotState::invalid(&layout),
            clock: TickClock::default(),
            commands: node.subscription(&names::COMMAND).map_err(|e| failed(&e))?,
            safety_states: node.subscription(&names::SAFETY_STATE).map_err(|e| failed(&e))?,
            live: BTreeSet::new(),
            command: node.publisher(&names::COMMAND).map_err(|e| failed(&e))?,
            acquire: node.service_client(&names::ACQUIRE_LEASE).map_err(|e| failed(&e))?,
            release: node.service_client(&names::RELEASE_LEASE).map_err(|e| failed(&e))?,
            acquiring: Vec::new(),
            releasing: Vec::new(),
            operators: [
                (OperatorCall::EStop, client(&names::E_STOP_TRIGGER)?),
                (OperatorCall::Reset, client(&names::E_STOP_RESET)?),
                (OperatorCall::Arm, client(&names::ARM)?),
                (OperatorCall::Disarm, client(&names::DISARM)?),
                (OperatorCall::Resume, client(&names::RESUME)?),
            ],
            asked: Vec::new(),
            heart: Heart::new(node, &arguments.name, crate::new_boot_id())
                .map_err(|e| failed(&e))?,
            seq: 0,
            monitor: TeleopMonitor::default(),
            layout,
        })
    }

    /// Its place on the bus.
    pub(crate) fn bus_node(&self) -> &BusNode {
        &self.node
    }

    /// Shows the node's status from any thread.
    pub fn monitor(&self) -> TeleopMonitor {
        self.monitor.clone()
    }

    /// Takes what arrived of the robot; whether its state is a new one.
    fn take_robot(&mut self) -> bool {
        if let Some(received) = self.safety_states.take_newest() {
            let owners = received.message.owners.iter().filter(|owner| owner.lease_id != 0);
            self.live = owners.map(|owner| LeaseId(owner.lease_id)).collect();
            self.monitor.lock().safety = Some(received.message);
        }
        while let Some(received) = self.commands.take() {
            // What cannot be read was sent by another; the hardware says so.
            if let Ok(command) = command_from_msg(&received.message, &self.layout) {
                self.session.observe_command(&command);
            }
        }
        let Some(received) = self.ticks.take_newest() else { return false };
        self.clock.advance(time_from_msg(&received.message.stamp));
        match tick_from_msg(&received.message, &self.layout, &mut self.state) {
            Ok(()) => true,
            Err(error) => {
                self.monitor.lock().note(format!("robot state dropped: {error}"));
                false
            }
        }
    }

    fn take_device(&mut self) {
        let now = self.clock.now;
        while let Some(pad) = (self.pads)() {
            self.session.observe(now, &pad);
        }
        if let Some(received) = self.leader.take_newest() {
            let JointState { name, position, .. } = received.message;
            self.session.observe_leader(now, &name, &position);
        }
    }

    fn take_answers(&mut self) {
        let (now, session) = (self.clock.now, &mut self.session);
        let mut status = self.monitor.lock();
        self.acquiring.retain_mut(|(request, call)| {
            let refusal = match call.poll() {
                None => return true,
                Some(Ok(response)) if response.granted => {
                    session.lease_granted(now, *request, LeaseId(response.lease_id));
                    return false;
                }
                Some(Ok(response)) => response.error_msg,
                Some(Err(error)) => error.to_string(),
            };
            status.note(format!("no lease: {refusal}"));
            session.lease_refused(*request, refusal);
            false
        });
        self.asked.retain_mut(|(call, answer)| {
            let said = match answer.poll() {
                None => return true,
                Some(Ok(response)) if response.success => "done".into(),
                Some(Ok(response)) => response.message,
                Some(Err(error)) => error.to_string(),
            };
            status.note(format!("{call:?}: {said}"));
            false
        });
        // A lease that is not given back is void with the command that nobody holds the button.
        self.releasing.retain_mut(|call| call.poll().is_none());
    }

    fn run_session(&mut self) -> Result<(), NodeError> {
        let output = self.session.step(self.clock.now, &self.state, &self.live);
        let boot_id = self.heart.boot_id().0;
        if let Some(command) = output.command {
            self.seq += 1;
            let mut message = command_to_msg(command, &self.layout);
            (message.seq, message.boot_id, message.tick) = (self.seq, boot_id, self.state.tick);
            message.valid_for = duration_to_msg(VALID_FOR);
            self.command.publish(&message).map_err(|e| NodeError::new(&self.name, e))?;
        }
        for call in output.lease_calls {
            match call {
                LeaseCall::Acquire { request, groups } => {
                    let asked = AcquireLeaseRequest {
                        source: source_to_msg(Source::Teleop),
                        groups,
                        boot_id,
                        holder: self.name.clone(),
                        command_period: duration_to_msg(self.period()),
                        ..AcquireLeaseRequest::default()
                    };
                    self.acquiring.push((request, self.acquire.call(&asked)));
                }
                LeaseCall::Release(lease) => {
                    let asked = ReleaseLeaseRequest { lease_id: lease.0, boot_id };
                    self.releasing.push(self.release.call(&asked));
                }
            }
        }
        Ok(())
    }
}

impl Node for TeleopNode {
    fn name(&self) -> &str {
        &self.name
    }

    fn period(&self) -> Duration {
        Duration::from_secs(1) / TICK_RATE_HZ
    }

    fn step(&mut self, now: Time) -> Result<Progress, NodeError> {
        let is_new = self.take_robot();
        self.take_device();
        self.take_answers();
        for call in self.session.take_operator_calls() {
            if let Some((_, client)) = self.operators.iter().find(|(known, _)| *known == call) {
                self.asked.push((call, client.call(&TriggerRequest::default())));
            }
        }
        // Targets are computed once per state of the robot: that is their clock.
        if is_new {
            self.run_session()?;
        }
        let mut status = self.monitor.lock();
        status.phase = self.session.phase().to_string();
        status.moving = *self.session.phase() == Phase::Moving;
        status.detail = if status.moving { self.session.detail() } else { "" };
        if status.mode != self.session.mode() {
            status.mode = self.session.mode().into();
            status.groups = self.session.groups().to_vec();
        }
        drop(status);
        self.heart.beat(now, self.state.tick).map_err(|e| NodeError::new(&self.name, e))?;
        Ok(Progress::Done)
    }

    fn shutdown(&mut self, _now: Time) {
        if let Some(last) = self.session.close() {
            let mut message = command_to_msg(last, &self.layout);
            (message.seq, message.boot_id) = (self.seq + 1, self.heart.boot_id().0);
            message.valid_for = duration_to_msg(VALID_FOR);
            if let Err(error) = self.command.publish(&message) {
                // The gate finds the silence by itself.
                tracing::warn!(node = self.name, %error, "the last command was not sent");
            }
        }
    }

    fn keep_alive(&mut self) -> Result<(), NodeError> {
        self.heart.keep_alive().map_err(|e| NodeError::new(&self.name, e))
    }
}

/// The time that robot states tell, which never goes back: a hardware process that was started anew
/// begins at zero again.
#[derive(Default)]
struct TickClock {
    now: Time,
    offset: Duration,
    last: Time,
}

impl TickClock {
    fn advance(&mut self, stamp: Time) {
        if stamp < self.last {
            self.offset = self.now.since(Time::ZERO);
        }
        self.last = stamp;
        self.now = stamp + self.offset;
    }
}

/// The topic `joy` as a device. A message whose stamp is that of the last one is no sign of life.
fn joystick(joy: Subscription<Joy>) -> Pads {
    Box::new(move || {
        let message = joy.take()?.message;
        Some(Pad {
            connected: true,
            seq: time_from_msg(&message.header.stamp).as_nanos(),
            axes: message.axes.iter().map(|axis| f64::from(*axis)).collect(),
            buttons: message.buttons.iter().map(|button| *button != 0).collect(),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_goes_on_where_a_hardware_process_begins_at_zero_again() {
        let mut clock = TickClock::default();
        for (stamp, expected) in [(20, 20), (40, 40), (0, 40), (20, 60), (20, 60), (10, 70)] {
            clock.advance(Time::from_nanos(stamp));
            assert_eq!(clock.now, Time::from_nanos(expected));
        }
    }
}
