mod cameras;
mod diagnostics;
mod drive;
mod parameters;
mod peers;
mod ports;
mod power;
mod requests;
mod world;

use std::collections::BTreeMap;
use std::time::Duration;

use sinew_bus::{Bus, BusNode, Subscription, names};
use sinew_driver_sim::SimWorld;
use sinew_hardware::{ControlHandle, RealTimeRunner, RequestId};
use sinew_msgs::sinew_msgs::ActuatorCommand;
use sinew_types::{Layout, Time};

use crate::arguments::NodeArguments;
use crate::convert::{command_from_msg, safety_to_msg, tick_to_msg};
use crate::external::{External, Wanted};
use crate::node::{Change, LifecycleState, Node, NodeError, Progress};
use crate::provenance::ProvenanceTopic;
use crate::ros_clock::RosClock;
use cameras::PublishCameras;
use diagnostics::Diagnostics;
use drive::{Drive, Prepared};
pub use parameters::{DriverParameter, HardwareParameters, PaceParameter};
use peers::Peers;
use ports::{Ports, Reply, Telemetry};
use power::Power;
use world::WorldPorts;

/// Robot ticks per second: what skills and connector see of the control loop.
pub const TICK_RATE_HZ: u32 = 50;

/// Driver, control loop and gate on the bus, with a simulator's world around them where there is one.
///
/// With a simulated driver the node ticks the control loop itself, in the executor's time. Any other
/// driver has its loop on a thread of its own, in the machine's monotonic time; the node is then to be
/// stepped at that time ([`sinew_hardware::monotonic_now`]) and only passes on what goes in and out.
pub struct HardwareNode {
    name: String,
    drive: Drive,
    handle: ControlHandle,
    layout: Layout,
    period: Duration,
    world: Option<WorldPorts>,
    ports: Ports,
    telemetry: Telemetry,
    diagnostics: Diagnostics,
    provenance: ProvenanceTopic,
    external: External,
    commands: Subscription<ActuatorCommand>,
    peers: Peers,
    replies: BTreeMap<RequestId, Reply>,
    due: Time,
    ticks_per_publish: u64,
    published: Option<u64>,
    arm_at_start: bool,
    power: Power,
}

impl HardwareNode {
    /// Loads world or robot, configures the driver, claims the names on the bus and starts the loop.
    ///
    /// # Errors
    /// Parameters, world or robot file that are wrong, each by name; a driver that cannot be configured.
    pub fn new(bus: &Bus, arguments: &NodeArguments) -> Result<Self, NodeError> {
        Self::on(bus, &crate::bus_node(bus, arguments)?, arguments)
    }

    pub(crate) fn on(
        bus: &Bus,
        node: &BusNode,
        arguments: &NodeArguments,
    ) -> Result<Self, NodeError> {
        let parameters = HardwareParameters::of(arguments)?;
        let failed = |error: &dyn std::fmt::Display| NodeError::new(&arguments.name, error);
        let prepared = Prepared::new(&parameters, bus, node).map_err(|e| failed(&e))?;
        let (robot, layout) = (&prepared.robot, prepared.layout.clone());
        let rate = robot.control_rate_hz();
        if !rate.is_multiple_of(TICK_RATE_HZ) {
            return Err(failed(&format!(
                "control_rate_hz: {rate}; allowed: multiples of {TICK_RATE_HZ}"
            )));
        }
        let seed = parameters.seed.unwrap_or(0);
        let cameras = PublishCameras::of(&parameters, robot).map_err(|e| failed(&e))?;
        let world = prepared.world.clone();
        let world = world.map(|world| WorldPorts::new(node, world, seed, cameras));
        let simulated = parameters.is_simulated();
        let clock = if simulated { RosClock::Simulated } else { RosClock::Wall };
        let ports = Ports::new(node).map_err(|e| failed(&e))?;
        let telemetry = Telemetry::new(node, robot, &layout, clock).map_err(|e| failed(&e))?;
        let diagnostics = Diagnostics::new(node, robot.name(), layout.clone(), clock);
        let period = Duration::from_secs(1) / rate;
        // Last, when nothing can fail any more that would have to stop it again.
        let (world, diagnostics) =
            (world.transpose().map_err(|e| failed(&e))?, diagnostics.map_err(|e| failed(&e))?);
        let commands = node.subscription(&names::COMMAND).map_err(|e| failed(&e))?;
        let provenance = ProvenanceTopic::new(node).map_err(|e| failed(&e))?;
        let wanted = Wanted {
            cmd_vel: parameters.cmd_vel,
            follow_joint_trajectory: parameters.follow_joint_trajectory,
            gripper_command: parameters.gripper_command,
        };
        let external = External::new(node, robot, &prepared.gate, wanted, clock);
        let external = external.map_err(|e| failed(&e))?;
        let peers = Peers::new(node, parameters.lock_step_with)?;
        let (drive, handle) = prepared.start().map_err(|e| failed(&e))?;
        Ok(Self {
            name: arguments.name.clone(),
            drive,
            handle,
            layout,
            period,
            world,
            ports,
            telemetry,
            diagnostics,
            provenance,
            external,
            commands,
            peers,
            replies: BTreeMap::new(),
            due: Time::ZERO,
            ticks_per_publish: u64::from(rate / TICK_RATE_HZ),
            published: None,
            arm_at_start: parameters.arm.unwrap_or(simulated),
            power: Power::default(),
        })
    }

    /// The simulated world, for judging what really happened in it; none with a real robot.
    pub fn world(&self) -> Option<SimWorld> {
        self.world.as_ref().map(WorldPorts::world)
    }

    /// Takes what arrived; whether simulated time waits for another node.
    fn take_messages(&mut self) -> Result<bool, NodeError> {
        while let Some(received) = self.commands.take() {
            match command_from_msg(&received.message, &self.layout) {
                // A refusal is counted by the gate and visible in its state.
                Ok(command) => {
                    let _ = self.handle.command(&command);
                }
                Err(error) => tracing::warn!(node = self.name, %error, "command dropped"),
            }
        }
        self.peers.listen(&mut self.handle);
        let is_held = self.published.is_some_and(|published| self.peers.are_awaited(published));
        if !is_held {
            // Before requests: what a request depends on may have come with it.
            self.peers.tell(&mut self.handle);
        }
        self.take_requests();
        if let Some(world) = &mut self.world {
            world.take_requests().map_err(|e| NodeError::new(&self.name, e))?;
        }
        Ok(is_held)
    }

    fn publish(&mut self, now: Time) -> Result<(), NodeError> {
        let snapshot = self.handle.snapshot();
        if snapshot.safety.cycle == 0 {
            // The loop's first tick is still to come.
            return Ok(());
        }
        let failed = |error: &dyn std::fmt::Display| NodeError::new(&self.name, error);
        let tick = snapshot.state.tick;
        // A thread may have ticked more than once since: every so many ticks, the newest of them.
        let is_new = |last: u64| tick / self.ticks_per_publish > last / self.ticks_per_publish;
        if self.published.is_none_or(is_new) {
            let message = tick_to_msg(&snapshot.state, &self.layout);
            self.telemetry.state(&message, snapshot.state.stamp).map_err(|e| failed(&e))?;
            self.published = Some(tick);
        }
        let safety = &snapshot.safety;
        self.power.observe(safety);
        self.provenance.update(safety, tick, &self.layout, now).map_err(|e| failed(&e))?;
        let message = safety_to_msg(safety, &self.layout, now);
        self.telemetry.safety(message, now).map_err(|e| failed(&e))?;
        let told = self.diagnostics.publish_due(
            now,
            snapshot,
            self.drive.stats(),
            self.external.tallies(),
        );
        told.map_err(|e| failed(&e))?;
        match &mut self.world {
            Some(world) => world.publish().map_err(|e| failed(&e)),
            None => Ok(()),
        }
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
        self.period
    }

    fn step(&mut self, now: Time) -> Result<Progress, NodeError> {
        if self.take_messages()? {
            return Ok(Progress::WaitsOutside);
        }
        if matches!(self.drive, Drive::Stepped(_)) {
            if now < self.due {
                return Ok(Progress::Done);
            }
            self.due = now + self.period;
        }
        self.external.step(now, &mut self.handle);
        match &mut self.drive {
            Drive::Stepped(control) => {
                control.tick(now);
            }
            Drive::Threaded(runner) => {
                if !runner.as_ref().is_some_and(RealTimeRunner::is_running) {
                    return Err(self.error(
                        "the control thread has ended; the watchdog has stopped the actuators",
                    ));
                }
            }
        }
        let state = self.handle.state();
        if self.arm_at_start && state.joints.iter().all(|joint| joint.valid) {
            self.arm_at_start = match self.handle.arm() {
                Ok(request) => {
                    self.power.arming(request);
                    false
                }
                Err(_) => true,
            };
        }
        self.send_replies()?;
        self.publish(now)?;
        Ok(Progress::Done)
    }

    fn lifecycle(&self) -> LifecycleState {
        self.power.lifecycle()
    }

    fn can_change(&self) -> bool {
        true
    }

    fn change(&mut self, change: Change) -> Result<(), String> {
        let queued = match change {
            Change::Activate => self.handle.arm(),
            Change::Deactivate => self.handle.disarm(),
        };
        let request = queued.map_err(|full| full.to_string())?;
        match change {
            Change::Activate => self.power.arming(request),
            Change::Deactivate => self.power.disarming(),
        }
        self.replies.insert(request, Reply::Change(change));
        Ok(())
    }

    fn woke_late(&mut self, lateness: Duration) {
        self.drive.woke_late(lateness);
    }

    fn shutdown(&mut self, now: Time) {
        self.external.shutdown(&mut self.handle);
        self.drive.stop(now);
    }
}
