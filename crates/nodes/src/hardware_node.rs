use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use serde::Deserialize;
use sinew_bus::{Bus, Publisher, Subscription, names};
use sinew_driver_sim::{PerceptionSource, Renderer, SimDriver, SimWorld, World};
use sinew_hardware::{
    Accepted, ControlHandle, ControlLoop, GateConfig, GroupSet, LeaseRequest, Notice, Refused,
    RequestId, Unconfigured,
};
use sinew_msgs::sinew_msgs::{
    AcquireLeaseRequest, AcquireLeaseResponse, ReleaseLeaseResponse, TakePictureResponse,
};
use sinew_msgs::sinew_msgs::{ActuatorCommand, Heartbeat};
use sinew_msgs::std_srvs::TriggerResponse;
use sinew_types::{BootId, ErrorCode, Layout, LeaseId, Time};

use crate::arguments::NodeArguments;
use crate::cmd_vel::CmdVel;
use crate::convert::{
    command_from_msg, duration_from_msg, objects_to_msg, safety_to_msg, source_from_msg,
    tick_to_msg, time_to_msg, transition_to_msg,
};
use crate::detections::seen_object;
use crate::hardware_ports::{Operator, Ports, Reply, Telemetry};
use crate::node::{Node, NodeError, Progress};
use crate::provenance::ProvenanceTopic;

/// Parameters of the hardware node with the built-in simulator.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HardwareParameters {
    /// The world file.
    pub world: PathBuf,
    /// Draws a scene of the world; without it, the world is as the file says.
    pub seed: Option<u64>,
    /// Whether the drivers are switched on at the start, without an operator.
    #[serde(default = "yes")]
    pub arm: bool,
    /// Nodes whose acknowledgement of a tick is awaited before the next: simulated time then waits
    /// for them. Empty in composed mode, where one thread steps all nodes in turn.
    #[serde(default)]
    pub lock_step_with: Vec<String>,
    /// `fastest` or `real_time`; only for a node that is a process of its own.
    #[serde(default)]
    pub pace: PaceParameter,
    /// Whether `cmd_vel` and `cmd_vel_stamped` drive the base, under an EXTERNAL lease.
    #[serde(default = "yes")]
    pub cmd_vel: bool,
}

/// How simulated time passes.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum PaceParameter {
    /// As fast as the machine can.
    Fastest,
    /// As wall time.
    #[default]
    RealTime,
}

fn yes() -> bool {
    true
}

/// Robot ticks per second: what skills and connector see of the control loop.
pub const TICK_RATE_HZ: u32 = 50;

/// A node that gave no sign for this long in wall time no longer holds up simulated time.
const SILENT: Duration = Duration::from_secs(2);

/// Driver, control loop and gate on the bus, with the simulator's world around them.
pub struct HardwareNode {
    name: String,
    control: ControlLoop,
    handle: ControlHandle,
    layout: Layout,
    world: SimWorld,
    perception: PerceptionSource,
    renderer: Option<Renderer>,
    ports: Ports,
    telemetry: Telemetry,
    provenance: ProvenanceTopic,
    commands: Subscription<ActuatorCommand>,
    detections: Publisher<sinew_msgs::sinew_msgs::WorldObjects>,
    heartbeats: BTreeMap<String, Subscription<Heartbeat>>,
    peers: BTreeMap<String, Peer>,
    lock_step_with: Vec<String>,
    replies: BTreeMap<RequestId, Reply>,
    due: Time,
    ticks_per_publish: u64,
    published: Option<u64>,
    arm_at_start: bool,
    cmd_vel: Option<CmdVel>,
}

/// What is known of a node that sends heartbeats.
struct Peer {
    boot_id: BootId,
    acknowledged: u64,
    heard: Instant,
}

impl HardwareNode {
    /// Loads world and robot, starts the simulation and claims the names on the bus.
    ///
    /// # Errors
    /// Parameters, world or robot file that are wrong, each by name.
    pub fn new(bus: &Bus, arguments: &NodeArguments) -> Result<Self, NodeError> {
        let parameters: HardwareParameters =
            arguments.parameters_as().map_err(|e| NodeError::new(&arguments.name, e))?;
        let failed = |error: &dyn std::fmt::Display| NodeError::new(&arguments.name, error);
        let world = World::load(&parameters.world).map_err(|e| failed(&e))?;
        let gate = GateConfig::from_robot(world.robot()).map_err(|e| failed(&e))?;
        let scene = match parameters.seed {
            Some(seed) => world.sample(seed),
            None => world.scene(),
        };
        let scene = scene.map_err(|e| failed(&e))?;
        let (driver, sim) = SimDriver::new(world, &scene).map_err(|e| failed(&e))?;
        // The simulator's own stop goes with the control loop, which runs on this thread.
        let (inactive, _stop) =
            Unconfigured::new(Box::new(driver)).configure().map_err(|e| failed(&e))?;
        let layout = inactive.layout().clone();
        let (control, handle) = ControlLoop::new(inactive, gate).map_err(|e| failed(&e))?;
        let node = crate::bus_node(bus, arguments)?;
        let ports = Ports::new(&node).map_err(|e| failed(&e))?;
        let telemetry =
            Telemetry::new(&node, sim.world().robot(), &layout).map_err(|e| failed(&e))?;
        let provenance = ProvenanceTopic::new(&node).map_err(|e| failed(&e))?;
        let mut heartbeats = BTreeMap::new();
        for peer in ["skills", "connector", "planner", "teleop"] {
            let subscription =
                node.subscription(&names::heartbeat(peer)).map_err(|e| failed(&e))?;
            heartbeats.insert(peer.to_owned(), subscription);
        }
        if let Some(unknown) =
            parameters.lock_step_with.iter().find(|name| !heartbeats.contains_key(*name))
        {
            let known: Vec<_> = heartbeats.keys().map(String::as_str).collect();
            let known = known.join(", ");
            return Err(failed(&format!("lock_step_with: `{unknown}`; allowed: {known}")));
        }
        let rate = sim.world().robot().control_rate_hz();
        if !rate.is_multiple_of(TICK_RATE_HZ) {
            return Err(failed(&format!(
                "control_rate_hz: {rate}; allowed: multiples of {TICK_RATE_HZ}"
            )));
        }
        Ok(Self {
            name: arguments.name.clone(),
            cmd_vel: CmdVel::new(&node, &layout, parameters.cmd_vel).map_err(|e| failed(&e))?,
            commands: node.subscription(&names::COMMAND).map_err(|e| failed(&e))?,
            detections: node.publisher(&names::DETECTIONS).map_err(|e| failed(&e))?,
            perception: sim.perception(parameters.seed.unwrap_or(0)),
            renderer: None,
            world: sim,
            control,
            handle,
            layout,
            ports,
            telemetry,
            provenance,
            heartbeats,
            peers: BTreeMap::new(),
            lock_step_with: parameters.lock_step_with,
            replies: BTreeMap::new(),
            due: Time::ZERO,
            ticks_per_publish: u64::from(rate / TICK_RATE_HZ),
            published: None,
            arm_at_start: parameters.arm,
        })
    }

    /// The simulated world, for judging what really happened in it.
    pub fn world(&self) -> SimWorld {
        self.world.clone()
    }

    fn take_messages(&mut self) -> Result<(), NodeError> {
        while let Some(received) = self.commands.take() {
            match command_from_msg(&received.message, &self.layout) {
                // A refusal is counted by the gate and visible in its state.
                Ok(command) => {
                    let _ = self.handle.command(&command);
                }
                Err(error) => tracing::warn!(node = self.name, %error, "command dropped"),
            }
        }
        for (name, subscription) in &self.heartbeats {
            while let Some(received) = subscription.take() {
                let boot_id = BootId(received.message.boot_id);
                let replaced = self.peers.get(name).filter(|peer| peer.boot_id != boot_id);
                if let Some(peer) = replaced {
                    self.handle.peer_lost(peer.boot_id).map_err(|e| self.error(e))?;
                }
                self.handle.heartbeat(boot_id).map_err(|e| self.error(e))?;
                let peer = Peer {
                    boot_id,
                    acknowledged: received.message.tick_ack,
                    heard: Instant::now(),
                };
                self.peers.insert(name.clone(), peer);
            }
        }
        self.take_requests()
    }

    fn take_requests(&mut self) -> Result<(), NodeError> {
        while let Some(request) = self.ports.acquire.take_request() {
            match self.lease_request(request.request()) {
                Ok(lease) => {
                    let id = self.handle.acquire(lease).map_err(|e| self.error(e))?;
                    self.replies.insert(id, Reply::Acquire(request));
                }
                Err(message) => {
                    let response = AcquireLeaseResponse {
                        error_code: ErrorCode::InvalidArguments.as_u16(),
                        error_msg: message,
                        ..Default::default()
                    };
                    request.respond(response).map_err(|e| self.error(e))?;
                }
            }
        }
        while let Some(request) = self.ports.release.take_request() {
            let lease = LeaseId(request.request().lease_id);
            let id = self.handle.release(lease).map_err(|e| self.error(e))?;
            self.replies.insert(id, Reply::Release(request));
        }
        while let Some((operator, request)) = self.ports.operator_request() {
            let id = match operator {
                Operator::Arm => self.handle.arm(),
                Operator::Disarm => self.handle.disarm(),
                Operator::Resume => self.handle.resume(),
                Operator::Reset => {
                    self.handle.e_stop().release();
                    self.handle.reset()
                }
                Operator::EStop => {
                    self.handle.e_stop().press();
                    let response =
                        TriggerResponse { success: true, message: "e-stop pressed".into() };
                    request.respond(response).map_err(|e| self.error(e))?;
                    continue;
                }
            };
            self.replies.insert(id.map_err(|e| self.error(e))?, Reply::Operator(request));
        }
        while let Some(request) = self.ports.picture.take_request() {
            let response = self.picture(&request.request().camera);
            request.respond(response).map_err(|e| self.error(e))?;
        }
        Ok(())
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

    fn picture(&mut self, camera: &str) -> TakePictureResponse {
        let renderer = self.renderer.get_or_insert_with(|| self.world.renderer());
        let stamp = time_to_msg(self.world.truth().stamp);
        let robot_cameras = &self.world.world().robot().sensors().cameras;
        let (width, height) = robot_cameras
            .iter()
            .find(|robot| robot.name == camera)
            .map_or(WORLD_PICTURE_PX, |robot| (robot.width_px, robot.height_px));
        match renderer.picture(camera, width, height) {
            Ok(png) => TakePictureResponse {
                success: true,
                error_msg: String::new(),
                png: png.into(),
                width,
                height,
                stamp,
            },
            Err(error) => {
                TakePictureResponse { error_msg: error.to_string(), stamp, ..Default::default() }
            }
        }
    }

    fn send_replies(&mut self) -> Result<(), NodeError> {
        while let Some(notice) = self.handle.poll() {
            match notice {
                Notice::Reply { request, result } => {
                    if let Some(reply) = self.replies.remove(&request) {
                        let epoch = self.handle.safety().stop_epoch.0;
                        let sent = self.reply(reply, result, epoch);
                        sent.map_err(|e| self.error(e))?;
                    } else if let Some(cmd_vel) = &mut self.cmd_vel {
                        cmd_vel.answered(request, result);
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
            Err(refused) => (lease_error(*refused), self.with_group_names(*refused)),
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
        }
    }

    /// The refusal with the names of groups in place of their numbers.
    fn with_group_names(&self, refused: Refused) -> String {
        let text = refused.to_string();
        self.layout.groups().iter().enumerate().fold(text, |text, (index, group)| {
            text.replace(&format!("group {index} "), &format!("group `{}` ", group.name))
        })
    }

    /// Whether a node that simulated time waits for has not handled the last tick yet.
    fn awaits_peer(&mut self) -> Result<bool, NodeError> {
        let Some(published) = self.published else { return Ok(false) };
        let mut lost = None;
        for name in &self.lock_step_with {
            let Some(peer) = self.peers.get(name) else { continue };
            // Before its first acknowledgement a node may not be connected to the ticks yet: it would
            // be waited for in vain.
            if peer.acknowledged >= published || peer.acknowledged == 0 {
                continue;
            }
            if peer.heard.elapsed() < SILENT {
                return Ok(true);
            }
            lost = Some(name.clone());
        }
        if let Some(name) = lost
            && let Some(peer) = self.peers.remove(&name)
        {
            tracing::warn!(node = self.name, peer = name, "went silent");
            self.handle.peer_lost(peer.boot_id).map_err(|e| self.error(e))?;
        }
        Ok(false)
    }

    fn publish(&mut self, now: Time) -> Result<(), NodeError> {
        let snapshot = self.handle.snapshot();
        let tick = snapshot.state.tick;
        let failed = |error: &dyn std::fmt::Display| NodeError::new(&self.name, error);
        if tick.is_multiple_of(self.ticks_per_publish) {
            let message = tick_to_msg(&snapshot.state, &self.layout);
            self.telemetry.state(&message, now).map_err(|e| failed(&e))?;
            self.published = Some(tick);
        }
        let safety = &snapshot.safety;
        self.provenance.update(safety, tick, &self.layout, now).map_err(|e| failed(&e))?;
        let message = safety_to_msg(safety, &self.layout, now);
        self.telemetry.safety(message, now).map_err(|e| failed(&e))?;
        if let Some(seen) = self.perception.poll() {
            let objects: Vec<_> =
                seen.objects.iter().map(|object| seen_object(object, seen.stamp)).collect();
            let message = objects_to_msg(&objects, seen.stamp);
            self.detections.publish(&message).map_err(|e| failed(&e))?;
        }
        Ok(())
    }

    fn error(&self, error: impl std::fmt::Display) -> NodeError {
        NodeError::new(&self.name, error)
    }
}

impl Node for HardwareNode {
    fn name(&self) -> &str {
        &self.name
    }

    fn period(&self) -> Duration {
        self.control.period()
    }

    fn step(&mut self, now: Time) -> Result<Progress, NodeError> {
        self.take_messages()?;
        if self.awaits_peer()? {
            return Ok(Progress::WaitsOutside);
        }
        if now < self.due {
            return Ok(Progress::Done);
        }
        self.due = now + self.control.period();
        if let Some(cmd_vel) = &mut self.cmd_vel {
            let stepped = cmd_vel.step(now, &mut self.handle);
            stepped.map_err(|e| NodeError::new(&self.name, e))?;
        }
        let report = self.control.tick(now);
        if self.arm_at_start && report.read_ok {
            self.arm_at_start = false;
            self.handle.arm().map_err(|e| self.error(e))?;
        }
        self.send_replies()?;
        self.publish(now)?;
        Ok(Progress::Done)
    }

    fn woke_late(&mut self, lateness: Duration) {
        self.control.woke_late(lateness);
    }

    fn shutdown(&mut self, now: Time) {
        self.control.begin_shutdown(now);
        let mut at = now;
        // A simulated robot comes to rest in simulated time, so this takes no longer than the
        // physics does.
        for _ in 0..STOP_TICKS {
            if !self.control.is_active() {
                break;
            }
            at += self.control.period();
            self.control.tick(at);
        }
        self.control.deactivate();
    }
}

/// Width and height of pictures from the world's own cameras, pixels.
const WORLD_PICTURE_PX: (u32, u32) = (960, 720);

/// Control ticks after which a robot that still moves is switched off all the same.
const STOP_TICKS: u32 = 1500;

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
