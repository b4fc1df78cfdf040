//! The IO thread's side of the driver: takes what the robot publishes, sends set-points, switches controllers.

mod looking;
mod stopping;
mod switching;

use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, TryRecvError};
use std::time::Duration;

use sinew_bus::{BusNode, Subscription};
use sinew_hardware::monotonic_now;
use sinew_msgs::nav_msgs::Odometry;
use sinew_msgs::sensor_msgs::{Imu, JointState};
use sinew_types::Time;
use triple_buffer::{Input, Output};

use crate::cells::{Goals, Measured, Power, Stops};
use crate::channel::Channel;
use crate::error::{Ros2ControlError, with_causes};
use crate::manager::{Claim, Manager};
use crate::measure::Sensors;
use crate::plan::Plan;
use stopping::{Untold, Watch};

/// Time between two looks at what has come.
const POLL: Duration = Duration::from_millis(2);
/// A robot of which nothing was heard for so long is lost.
pub(crate) const SILENCE: Duration = Duration::from_millis(500);
/// How long a controller manager may take to answer a question.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);
/// Time between two attempts to tell a stop.
const RETRY_EVERY: Duration = Duration::from_millis(200);
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
            // One that is late is not made up for by two at once.
            channel.due = (channel.due + controller.period).max(now + controller.period / 2);
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
