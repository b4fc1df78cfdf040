//! The IO thread's side of the driver: takes what the robot publishes, sends set-points, switches controllers.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

use sinew_bus::{BusNode, Call, CallError, Qos, Subscription, names::Topic};
use sinew_hardware::monotonic_now;
use sinew_msgs::controller_manager_msgs::{
    ControllerState, ListControllersResponse, SwitchControllerResponse,
};
use sinew_msgs::nav_msgs::Odometry;
use sinew_msgs::sensor_msgs::{Imu, JointState};
use sinew_types::Time;
use triple_buffer::{Input, Output};

use crate::cells::{Goals, Measured, Power, Stops};
use crate::channel::Channel;
use crate::error::{Ros2ControlError, list, with_causes};
use crate::manager::{self, Claim, Manager, SWITCH_TIMEOUT, Strictness};
use crate::measure::Sensors;
use crate::plan::Plan;

/// Time between two looks at what has come.
const POLL: Duration = Duration::from_millis(2);
/// A robot of which nothing was heard for so long is lost.
pub(crate) const SILENCE: Duration = Duration::from_millis(500);
/// How long a controller manager may take to answer a question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// The same for the question whether our controllers are still active: it answers none while it switches others.
const WATCH_TIMEOUT: Duration = SWITCH_TIMEOUT;
/// Time between two questions whether our controllers are still active.
const WATCH_EVERY: Duration = Duration::from_secs(1);
/// Time between two attempts to tell a stop.
const RETRY_EVERY: Duration = Duration::from_millis(200);
/// Attempts to tell a stop that are put off while a controller does not listen: for a second.
const PUT_OFF: u32 = 5;
/// Time that controllers have to pass on that they are to halt before they are deactivated: some leave their last
/// command with the hardware. Five cycles of a controller manager at its usual 100 Hz.
const HALT: Duration = Duration::from_millis(50);

/// Asks the worker for what is not done in every cycle.
pub(crate) enum Request {
    /// Find the robot and its controllers, anew.
    Configure { reply: Sender<Result<(), Ros2ControlError>> },
    /// Claim the controllers.
    Activate {
        epoch: u64,
        /// Emergency stops that the activation has seen.
        stops: u64,
        reply: Sender<Result<(), Ros2ControlError>>,
    },
    /// Hand the controllers back.
    Deactivate { reply: Sender<()> },
}

/// Everything that is open on the bus.
struct Ports {
    joint_states: Subscription<JointState>,
    odom: Option<Subscription<Odometry>>,
    imu: Option<Subscription<Imu>>,
    manager: Manager,
    /// In the order of the plan's controllers.
    channels: Vec<Channel>,
}

/// What is asked while set-points are sent.
struct Watch {
    call: Option<Call<ListControllersResponse>>,
    /// When the call was made, or the next one is due.
    at: Time,
}

/// A stop that the controller manager does not know of yet.
struct Untold {
    call: Option<Call<SwitchControllerResponse>>,
    /// When the call was made, or what comes next is due.
    at: Time,
    /// Whether controllers were told to halt for the attempt that comes next.
    has_halted: bool,
    /// Attempts that were put off because a controller did not listen yet.
    put_off: u32,
    was_reported: bool,
}

impl Untold {
    /// To be told from `at` on.
    fn from(at: Time) -> Self {
        Self { call: None, at, has_halted: false, put_off: 0, was_reported: false }
    }
}

pub(crate) struct Worker {
    plan: Arc<Plan>,
    node: BusNode,
    ports: Option<Ports>,
    stops: Arc<Stops>,
    stops_seen: u64,
    sensors: Sensors,
    out: Input<Measured>,
    goals: Output<Goals>,
    /// Per controller, whether there are set-points that it was not sent yet.
    is_new: Vec<bool>,
    polled_at: Time,
    claim: Claim,
    watch: Watch,
    untold: Option<Untold>,
}

impl Worker {
    pub(crate) fn new(
        plan: Arc<Plan>,
        node: BusNode,
        stops: Arc<Stops>,
        out: Input<Measured>,
        goals: Output<Goals>,
    ) -> Self {
        Self {
            sensors: Sensors::new(&plan),
            is_new: vec![false; plan.controllers.len()],
            plan,
            node,
            ports: None,
            stops,
            stops_seen: 0,
            out,
            goals,
            polled_at: monotonic_now(),
            claim: Claim::default(),
            watch: Watch { call: None, at: Time::ZERO },
            untold: None,
        }
    }

    /// Cycles until the driver is dropped; then hands the controllers back.
    pub(crate) fn run(mut self, requests: &Receiver<Request>) {
        loop {
            match requests.try_recv() {
                Ok(request) => self.serve(request),
                Err(TryRecvError::Disconnected) => break,
                Err(TryRecvError::Empty) => {
                    self.cycle();
                    // Woken earlier by a request or a stop.
                    std::thread::park_timeout(POLL);
                }
            }
        }
        self.deactivate();
        // A last chance for a stop to be told.
        self.wait(ANSWER_TIMEOUT, |this| {
            this.tell_stop();
            this.untold.is_none().then_some(())
        });
    }

    fn serve(&mut self, request: Request) {
        match request {
            Request::Configure { reply } => {
                // Who asked has waited too long; nothing is claimed in any case.
                let _ = reply.send(self.configure());
            }
            Request::Activate { epoch, stops, reply } => {
                let result = self.activate(epoch, stops);
                // Nobody waits if it took too long; the gate then has no active driver, and nothing stays claimed.
                if reply.send(result).is_err() {
                    self.deactivate();
                }
            }
            Request::Deactivate { reply } => {
                self.deactivate();
                let _ = reply.send(());
            }
        }
    }

    fn cycle(&mut self) {
        self.listen();
        self.serve_stop();
        self.tell_stop();
        if let Power::On(epoch) = self.power() {
            self.watch_over();
            self.send(epoch);
        }
        self.publish();
    }

    fn power(&self) -> Power {
        self.sensors.measured.power
    }

    fn set_power(&mut self, power: Power) {
        self.sensors.measured.power = power;
    }

    fn publish(&mut self) {
        self.out.input_buffer_mut().copy_from(&self.sensors.measured);
        self.out.publish();
    }

    /// Takes what has come since the last look, which is the time that it is given: it is never shown as younger than
    /// it is, however long this thread was kept from looking.
    fn listen(&mut self) {
        let Some(ports) = &self.ports else { return };
        let (came_after, now) = (self.polled_at, monotonic_now());
        while let Some(received) = ports.joint_states.take() {
            self.sensors.take_joints(&self.plan, &received.message, came_after);
        }
        if let Some(received) = ports.odom.as_ref().and_then(Subscription::take_newest) {
            self.sensors.take_odom(&received.message, came_after);
        }
        if let Some(received) = ports.imu.as_ref().and_then(Subscription::take_newest) {
            self.sensors.take_imu(&received.message, came_after);
        }
        self.polled_at = now;
    }

    /// Goes on with all but set-points while `done` says nothing, at most for `limit`.
    fn wait<T>(
        &mut self,
        limit: Duration,
        mut done: impl FnMut(&mut Self) -> Option<T>,
    ) -> Option<T> {
        let start = monotonic_now();
        loop {
            self.listen();
            self.serve_stop();
            self.publish();
            if let Some(result) = done(self) {
                return Some(result);
            }
            if monotonic_now().since(start) >= limit {
                return None;
            }
            std::thread::park_timeout(POLL);
        }
    }

    /// Lets controllers act on what they were sent.
    fn pause(&mut self, time: Duration) {
        self.wait(time, |_| None::<()>);
    }

    fn answer<T>(
        &mut self,
        service: &str,
        limit: Duration,
        mut call: Call<T>,
    ) -> Result<T, Ros2ControlError> {
        let answer = self.wait(limit, |_| call.poll());
        let waited = limit;
        answer
            .ok_or_else(|| Ros2ControlError::NoAnswer { service: service.to_owned(), waited })?
            .map_err(Ros2ControlError::Call)
    }

    /// What the controller manager says of its controllers.
    fn ask_list(&mut self) -> Result<Vec<ControllerState>, Ros2ControlError> {
        let (name, call) = match &self.ports {
            Some(ports) => (ports.manager.list.name().to_owned(), ports.manager.ask_list()),
            None => return Err(self.not_there()),
        };
        Ok(self.answer(&name, ANSWER_TIMEOUT, call)?.controller)
    }

    fn switch(
        &mut self,
        activate: &[String],
        deactivate: &[String],
        strictness: Strictness,
    ) -> Result<(), Ros2ControlError> {
        if activate.is_empty() && deactivate.is_empty() {
            return Ok(());
        }
        let (name, call) = match &self.ports {
            Some(ports) => (
                ports.manager.switch.name().to_owned(),
                ports.manager.ask_switch(activate, deactivate, strictness),
            ),
            None => return Err(self.not_there()),
        };
        // It answers when it has switched, or has given up.
        let answer = self.answer(&name, SWITCH_TIMEOUT + ANSWER_TIMEOUT, call)?;
        if answer.ok {
            return Ok(());
        }
        let message = match answer.message.is_empty() {
            true => "it does not say why; its log does".to_owned(),
            false => answer.message,
        };
        let (activate, deactivate) = (list(activate), list(deactivate));
        Err(Ros2ControlError::Refused { activate, deactivate, message })
    }

    fn not_there(&self) -> Ros2ControlError {
        let service = self.plan.config.controller_manager.clone();
        Ros2ControlError::Call(CallError::NoServer { service })
    }

    fn configure(&mut self) -> Result<(), Ros2ControlError> {
        self.deactivate();
        if self.ports.is_none() {
            self.ports = Some(self.open()?);
        }
        let (since, wait) = (monotonic_now(), self.plan.wait);
        self.wait(wait, |this| this.missing(since, wait).is_none().then_some(()));
        if let Some(missing) = self.missing(since, wait) {
            return Err(missing);
        }
        let listed = loop {
            match self.ask_list() {
                Ok(listed) => break listed,
                // Discovery is not done at once in both directions.
                Err(error) if monotonic_now().since(since) >= wait => return Err(error),
                Err(_) => self.pause(RETRY_EVERY),
            }
        };
        manager::check(&self.plan, &listed)
    }

    fn open(&self) -> Result<Ports, Ros2ControlError> {
        let (plan, node) = (&self.plan, &self.node);
        let config = &plan.config;
        // Taken from any publisher, be it reliable or not; only what is new counts.
        let qos = Qos::best_effort(10);
        let odom = config.odom.as_ref().map(|name| Topic::named(name.clone(), qos));
        let imu = config.imu.as_ref().map(|name| Topic::named(name.clone(), qos));
        let channels = plan.controllers.iter().map(|one| Channel::open(node, plan, one));
        Ok(Ports {
            joint_states: node.subscription(&Topic::named(config.joint_states.clone(), qos))?,
            odom: odom.map(|topic| node.subscription(&topic)).transpose()?,
            imu: imu.map(|topic| node.subscription(&topic)).transpose()?,
            manager: Manager::open(node, plan)?,
            channels: channels.collect::<Result<_, _>>()?,
        })
    }

    /// What was not heard since then, or does not answer.
    fn missing(&self, since: Time, waited: Duration) -> Option<Ros2ControlError> {
        let Some(ports) = &self.ports else { return Some(self.not_there()) };
        let (list_client, switch_client) = (&ports.manager.list, &ports.manager.switch);
        let unserved = [
            (list_client.server_available(), list_client.name()),
            (switch_client.server_available(), switch_client.name()),
        ];
        if let Some((_, service)) = unserved.into_iter().find(|(is_served, _)| !is_served) {
            let nodes = self.node.peers();
            let nodes = nodes
                .iter()
                .map(|peer| format!("{}/{}", peer.namespace.trim_end_matches('/'), peer.name));
            let (service, nodes) = (service.to_owned(), list(nodes));
            return Some(Ros2ControlError::NoManager { service, nodes, waited });
        }
        let silent = |topic: &str, missing: String, seen: String| {
            Some(Ros2ControlError::Silent { topic: topic.to_owned(), missing, seen, waited })
        };
        let measured = &self.sensors.measured;
        let joints = self.sensors.silent_joints(&self.plan, since);
        if !joints.is_empty() {
            return silent(ports.joint_states.name(), list(joints), list(self.sensors.seen()));
        }
        let none = || "none".to_owned();
        match (&ports.odom, &ports.imu) {
            (Some(odom), _) if measured.base.is_none_or(|base| base.stamp < since) => {
                silent(odom.name(), "pose and twist of the base".to_owned(), none())
            }
            (_, Some(imu)) if measured.imu.is_none_or(|imu| imu.stamp < since) => {
                silent(imu.name(), "a measurement with an orientation".to_owned(), none())
            }
            _ => None,
        }
    }

    fn activate(&mut self, epoch: u64, stops: u64) -> Result<(), Ros2ControlError> {
        self.stops_seen = stops;
        // An untold stop is over: what it would have said is decided anew now.
        self.untold = None;
        self.set_power(Power::Off);
        let listed = self.ask_list()?;
        manager::check(&self.plan, &listed)?;
        if let Some(missing) = self.missing(monotonic_now() - SILENCE, SILENCE) {
            return Err(missing);
        }
        let claim = manager::to_claim(&self.plan, &listed);
        let left = std::mem::take(&mut self.claim.deactivated);
        self.claim = claim.clone();
        let all = Strictness::AllOrNothing;
        let claimed = self.switch(&claim.activated, &claim.deactivated, all).and_then(|()| {
            // The topic of a controller may be found later than its manager's services.
            self.wait(ANSWER_TIMEOUT, |this| this.unheard().is_none().then_some(()));
            match self.unheard() {
                Some(unheard) => Err(unheard),
                None if self.stops.count() != stops => Err(Ros2ControlError::Stopped),
                None => self.seed(),
            }
        });
        if claim.deactivated.is_empty() {
            // What a stop has left deactivated, and nothing else has replaced since, is still to be handed back.
            self.claim.deactivated.clone_from(&left);
        }
        if let Err(error) = claimed {
            self.hand_back(stops);
            let missing = left.into_iter().filter(|name| !self.claim.deactivated.contains(name));
            let missing: Vec<String> = missing.collect();
            self.claim.deactivated.extend(missing);
            if matches!(error, Ros2ControlError::NoAnswer { .. } | Ros2ControlError::Call(_)) {
                // It may still switch: that is undone after it.
                self.untold = Some(Untold::from(monotonic_now()));
            }
            return Err(error);
        }
        self.watch = Watch { call: None, at: monotonic_now() };
        // Set-points of before are not this activation's.
        self.is_new.fill(false);
        self.goals.update();
        self.set_power(Power::On(epoch));
        self.publish();
        Ok(())
    }

    /// A controller that does not listen to what it is to be sent.
    fn unheard(&self) -> Option<Ros2ControlError> {
        let channels = self.ports.iter().flat_map(|ports| &ports.channels);
        let (channel, controller) = channels
            .zip(&self.plan.controllers)
            .find(|(channel, _)| !channel.has_subscriptions())?;
        Some(Ros2ControlError::Controller {
            group: controller.group.clone(),
            controller: controller.name.clone(),
            what: "the topic of its set-points",
            actual: format!("`{}`, to which nobody listens", channel.topic()),
            allowed: format!("one with a subscription for {}", channel.message_type()),
        })
    }

    fn seed(&mut self) -> Result<(), Ros2ControlError> {
        let Some(ports) = &mut self.ports else { return Err(self.not_there()) };
        for (channel, controller) in ports.channels.iter_mut().zip(&self.plan.controllers) {
            channel.seed(controller, &self.sensors.measured)?;
        }
        Ok(())
    }

    fn deactivate(&mut self) {
        match self.power() {
            Power::On(_) => {
                let stops = self.stops_seen;
                self.set_power(Power::Off);
                self.halt();
                self.pause(HALT);
                self.hand_back(stops);
            }
            // What stopped it has deactivated our controllers, or will. After that nothing is activated that a person
            // has not asked for; what was active before is handed back at the end of the next activation.
            Power::Stopped | Power::Lost => self.set_power(Power::Off),
            Power::Off => {}
        }
        self.publish();
    }

    /// Makes undone what the activation changed, as far as it is still so. After a stop that came since the `stops`-th
    /// nothing is activated.
    fn hand_back(&mut self, stops: u64) {
        let claim = std::mem::take(&mut self.claim);
        if claim == Claim::default() {
            return;
        }
        let result = self.ask_list().and_then(|listed| {
            let mut back = manager::to_hand_back(&claim, &listed);
            if self.stops.count() != stops {
                self.claim.deactivated = std::mem::take(&mut back.deactivated);
            }
            let (activate, deactivate) = (back.deactivated, back.activated);
            match self.switch(&activate, &deactivate, Strictness::AllOrNothing) {
                Err(refused @ Ros2ControlError::Refused { .. }) => {
                    tracing::error!("{}; as much of it as can be is done", with_causes(&refused));
                    self.switch(&activate, &deactivate, Strictness::AsCanBe)
                }
                other => other,
            }
        });
        let Err(error) = result else { return };
        let names = list(&claim.deactivated);
        tracing::error!("{names} could not be activated again: {}", with_causes(&error));
        self.claim.deactivated = claim.deactivated;
        self.untold = Some(Untold::from(monotonic_now()));
    }

    /// Brings all controllers to rest, as far as they hear it.
    fn halt(&mut self) {
        let now = monotonic_now();
        let Some(ports) = &mut self.ports else { return };
        for (channel, controller) in ports.channels.iter_mut().zip(&self.plan.controllers) {
            if let Err(error) = channel.halt(controller, &self.sensors.measured, now) {
                tracing::error!("`{}` cannot be halted: {}", controller.name, with_causes(&error));
            }
        }
    }

    fn serve_stop(&mut self) {
        let stops = self.stops.count();
        if stops == self.stops_seen {
            return;
        }
        self.stops_seen = stops;
        match self.power() {
            Power::On(_) => self.give_up(Power::Stopped),
            // Inactive; or halted already, and being told so.
            Power::Off | Power::Stopped | Power::Lost => {}
        }
    }

    /// Halts, and has the controllers deactivated as soon as the controller manager can be told.
    fn give_up(&mut self, power: Power) {
        self.set_power(power);
        self.halt();
        self.watch.call = None;
        // Once more a little later, for a message that was lost.
        self.untold = Some(Untold::from(monotonic_now() + HALT / 2));
    }

    /// Tells the controller manager of a stop, until it has heard: at first that the controllers are to halt, for some
    /// leave with the hardware what they were told last.
    fn tell_stop(&mut self) {
        let (Some(mut untold), Some(ports)) = (self.untold.take(), &self.ports) else { return };
        let now = monotonic_now();
        let failure = match &mut untold.call {
            None if now < untold.at => None,
            None if !untold.has_halted => {
                self.halt();
                (untold.at, untold.has_halted) = (now + HALT, true);
                None
            }
            None if !ports.manager.switch.server_available() => Some("it is away".to_owned()),
            // A robot that has come back is found piece by piece.
            None if untold.put_off < PUT_OFF && self.unheard().is_some() => {
                untold.put_off += 1;
                (untold.at, untold.has_halted) = (now + RETRY_EVERY, false);
                None
            }
            None => {
                let names = manager::names(&self.plan);
                let asked = ports.manager.ask_switch(&[], &names, Strictness::AsCanBe);
                untold.call = Some(asked);
                untold.at = now;
                None
            }
            Some(call) => match call.poll() {
                Some(Ok(answer)) if answer.ok => return,
                Some(Ok(answer)) => Some(answer.message),
                Some(Err(error)) => Some(error.to_string()),
                None if now.since(untold.at) > SWITCH_TIMEOUT => Some("no answer".to_owned()),
                None => None,
            },
        };
        if let Some(failure) = failure {
            if !untold.was_reported {
                let names = list(manager::names(&self.plan));
                tracing::error!("the controller manager cannot deactivate {names} yet: {failure}");
            }
            untold = Untold { was_reported: true, ..Untold::from(now + RETRY_EVERY) };
        }
        self.untold = Some(untold);
    }

    /// Finds out that the robot is gone, or that somebody else has switched our controllers.
    fn watch_over(&mut self) {
        let now = monotonic_now();
        if self.sensors.measured.heard_at.is_none_or(|at| now.since(at) > SILENCE) {
            tracing::error!("the robot is lost: no joint was heard of for {SILENCE:?}");
            return self.give_up(Power::Lost);
        }
        let Some(ports) = &self.ports else { return };
        match &mut self.watch.call {
            None if now < self.watch.at => {}
            None => self.watch = Watch { call: Some(ports.manager.ask_list()), at: now },
            Some(call) => match call.poll() {
                Some(Ok(answer)) => {
                    self.watch = Watch { call: None, at: now + WATCH_EVERY };
                    let missing = manager::not_active(&self.plan, &answer.controller);
                    if !missing.is_empty() {
                        tracing::error!("somebody has deactivated {}", list(missing));
                        self.give_up(Power::Lost);
                    }
                }
                Some(Err(error)) => {
                    tracing::error!("the controller manager is lost: {error}");
                    self.give_up(Power::Lost);
                }
                None if now.since(self.watch.at) > WATCH_TIMEOUT => {
                    tracing::error!(
                        "the controller manager is lost: no answer in {WATCH_TIMEOUT:?}"
                    );
                    self.give_up(Power::Lost);
                }
                None => {}
            },
        }
    }

    /// Sends each controller its newest set-points, at the rate of its group: only those that the control loop has given
    /// since, so that a controller with a time-out notices a loop that stands still.
    fn send(&mut self, epoch: u64) {
        if self.power() != Power::On(epoch) {
            return;
        }
        if self.goals.update() {
            self.is_new.fill(true);
        }
        let goals = self.goals.peek_output_buffer();
        if goals.epoch != epoch {
            return;
        }
        let now = monotonic_now();
        let Some(ports) = &mut self.ports else { return };
        let channels = ports.channels.iter_mut().zip(&self.plan.controllers);
        let mut failed = None;
        for ((channel, controller), is_new) in channels.zip(&mut self.is_new) {
            // The next look would be later than it is due.
            if !*is_new || now + POLL / 2 < channel.due {
                continue;
            }
            *is_new = false;
            channel.due = (channel.due + controller.period).max(now);
            if let Err(error) = channel.follow(controller, &goals.command) {
                failed = Some((controller.name.clone(), error));
            }
        }
        if let Some((name, error)) = failed {
            tracing::error!("`{name}` cannot be sent set-points: {}", with_causes(&error));
            self.give_up(Power::Lost);
        }
    }
}
