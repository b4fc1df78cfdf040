use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use sinew_hardware::{Configured, DriverError, HardwareInterface};
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, RobotState, Time};
use triple_buffer::{Input, Output};

use crate::cells::{BusState, Clock, Goal, Goals, Power, Sample, ServoGoal, ServoStop, Stops};
use crate::counters::Counters;
use crate::error::ServoError;
use crate::plan::{Drives, Plan, ServoPlan};
use crate::port::{OpenPort, SerialOpener};
use crate::worker::{Request, Worker};

/// The driver's name.
pub(crate) const NAME: &str = "servo";

/// Bit of [`sinew_types::JointHealth::fault`]: the servo has lost its torque without being told, as after a loss of power.
pub const FAULT_TORQUE_LOST: u32 = 0x100;
/// Bit of [`sinew_types::JointHealth::fault`]: the servo's watchdog has stopped it.
pub const FAULT_WATCHDOG: u32 = 0x200;

/// Longest that an activation or deactivation may take: a silent bus is given up long before.
const PATIENCE: Duration = Duration::from_secs(5);

/// The servos of one bus as a robot.
///
/// The bus is served by a thread of its own, which cycles at the highest `rw_rate_hz` of the groups. `read` and `write` exchange latest values with it:
/// they do not allocate, lock or wait. Stamps are those of the request on the bus, on the control loop's clock.
///
/// A joint for which no position (or, in velocity mode, no velocity) is commanded has no torque. Effort is an estimate: the
/// measured load's share of the joint's effort limit.
///
/// Dropping the driver takes the torque off.
pub struct ServoDriver {
    plan: Arc<Plan>,
    counters: Arc<Counters>,
    stops: Arc<Stops>,
    clock: Clock,
    io: Io,
    state: Output<BusState>,
    goals: Input<Goals>,
    /// Number of the last activation; set while active.
    epoch: u64,
    is_active: bool,
}

/// Where the bus is served.
enum Io {
    /// Not yet.
    New(Box<Worker>),
    /// By a thread of its own.
    Thread { requests: Option<Sender<Request>>, thread: Option<JoinHandle<()>> },
    /// By `read`, one cycle each time.
    #[cfg(feature = "emulator")]
    Stepped(Box<Worker>),
}

impl ServoDriver {
    /// The servos of a robot file, on the port that it names. Nothing is opened yet.
    ///
    /// # Errors
    /// [`ServoError::NoServos`], [`ServoError::Layout`].
    pub fn from_robot(robot: &RobotModel) -> Result<Self, ServoError> {
        let plan = Plan::from_robot(robot)?;
        let opener = SerialOpener::new(plan.bus.port.clone(), plan.bus.baud_rate);
        Ok(Self::on(plan, Box::new(opener)))
    }

    /// The same on another bus than the robot file's.
    ///
    /// # Errors
    /// As [`ServoDriver::from_robot`].
    pub fn with_port(robot: &RobotModel, opener: Box<dyn OpenPort>) -> Result<Self, ServoError> {
        Ok(Self::on(Plan::from_robot(robot)?, opener))
    }

    /// Serves the bus in `read`, one cycle each time, instead of on a thread: for virtual time. Such a driver leaves
    /// its servos as they are when it is dropped.
    #[cfg(feature = "emulator")]
    #[must_use]
    pub fn stepped(mut self) -> Self {
        let idle = Io::Thread { requests: None, thread: None };
        self.io = match std::mem::replace(&mut self.io, idle) {
            Io::New(worker) => Io::Stepped(worker),
            other => other,
        };
        self
    }

    /// Faults of the bus, as they are counted.
    pub fn counters(&self) -> Arc<Counters> {
        Arc::clone(&self.counters)
    }

    fn on(plan: Plan, opener: Box<dyn OpenPort>) -> Self {
        let plan = Arc::new(plan);
        let counters = Arc::new(Counters::default());
        let stops = Arc::new(Stops::default());
        let count = plan.servos.len();
        let first = BusState { samples: vec![Sample::default(); count], ..BusState::default() };
        let (state_in, state) = triple_buffer::triple_buffer(&first);
        let first = Goals { epoch: 0, servos: vec![ServoGoal::default(); count] };
        let (goals, goals_out) = triple_buffer::triple_buffer(&first);
        let clock = opener.clock();
        let worker = Worker::new(
            Arc::clone(&plan),
            opener,
            Arc::clone(&counters),
            Arc::clone(&stops),
            state_in,
            goals_out,
        );
        let io = Io::New(Box::new(worker));
        Self { plan, counters, stops, clock, io, state, goals, epoch: 0, is_active: false }
    }

    /// Sets the servos up, and has a thread serve them from then on.
    fn start(&mut self, mut worker: Box<Worker>) -> Result<(), DriverError> {
        if let Err(error) = worker.configure() {
            self.io = Io::New(worker);
            return Err(error.into_driver_error());
        }
        let (requests, served) = channel();
        let thread = std::thread::Builder::new()
            .name("servo-bus".to_owned())
            .spawn(move || worker.run(&served))
            .map_err(|error| DriverError::Configure {
                driver: NAME,
                reason: format!("its IO thread cannot be started: {error}"),
            })?;
        self.io = Io::Thread { requests: Some(requests), thread: Some(thread) };
        Ok(())
    }

    /// Asks the IO thread and waits for its answer.
    fn ask<T>(&mut self, request: impl FnOnce(Sender<T>) -> Request) -> Result<T, DriverError> {
        let lost = DriverError::Disconnected { driver: NAME };
        let (reply, answer) = channel();
        match &mut self.io {
            Io::New(_) => return Err(lost),
            #[cfg(feature = "emulator")]
            Io::Stepped(worker) => worker.serve(request(reply)),
            Io::Thread { requests, thread } => {
                let Some((requests, thread)) = requests.as_ref().zip(thread.as_ref()) else {
                    return Err(lost);
                };
                if requests.send(request(reply)).is_err() {
                    return Err(lost);
                }
                thread.thread().unpark();
            }
        }
        answer.recv_timeout(PATIENCE).map_err(|_| DriverError::Timeout {
            driver: NAME,
            what: "the servo bus",
            timeout: PATIENCE,
        })
    }

    /// Whether the bus is what it should be, as seen by the last `read`.
    fn check(&self) -> Result<(), DriverError> {
        let state = self.state.peek_output_buffer();
        if !state.is_connected || (self.is_active && state.power == Power::Lost) {
            return Err(DriverError::Disconnected { driver: NAME });
        }
        let fault = state.samples.iter().map(|sample| sample.fault).find(|code| *code != 0);
        match fault {
            Some(code) if self.is_active => Err(DriverError::DeviceFault { driver: NAME, code }),
            _ => Ok(()),
        }
    }
}

impl HardwareInterface for ServoDriver {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Configured again, it opens the port anew and sets the servos up anew; one that failed to may be configured again.
    fn configure(&mut self) -> Result<Configured, DriverError> {
        self.is_active = false;
        let idle = Io::Thread { requests: None, thread: None };
        match std::mem::replace(&mut self.io, idle) {
            Io::New(worker) => self.start(worker)?,
            configured => {
                self.io = configured;
                let opened = self.ask(|reply| Request::Configure { reply })?;
                opened.map_err(ServoError::into_driver_error)?;
            }
        }
        self.state.update();
        let io = match &self.io {
            Io::Thread { thread: Some(thread), .. } => Some(thread.thread().clone()),
            _ => None,
        };
        let stop = ServoStop { stops: Arc::clone(&self.stops), io };
        let layout = self.plan.layout.clone();
        Ok(Configured { layout, emergency_stop: Box::new(stop) })
    }

    fn activate(&mut self, _now: Time) -> Result<(), DriverError> {
        self.epoch += 1;
        let (epoch, stops) = (self.epoch, self.stops.count());
        self.ask(|reply| Request::Activate { epoch, stops, reply })??;
        self.state.update();
        self.is_active = true;
        Ok(())
    }

    fn deactivate(&mut self) {
        self.is_active = false;
        // A bus that is lost has no torque that could be taken off; the IO thread does so when it is back.
        let _ = self.ask(|reply| Request::Deactivate { reply });
        self.state.update();
    }

    fn read(
        &mut self,
        now: Time,
        _period: Duration,
        state: &mut RobotState,
    ) -> Result<(), DriverError> {
        #[cfg(feature = "emulator")]
        if let Io::Stepped(worker) = &mut self.io {
            worker.cycle();
        }
        self.state.update();
        state.layout_hash = self.plan.layout.hash();
        let clock = (self.clock)();
        let samples = &self.state.peek_output_buffer().samples;
        for (servo, sample) in self.plan.servos.iter().zip(samples) {
            let stamp = now - clock.saturating_sub(sample.at);
            report(servo, sample, stamp, state);
        }
        self.check()
    }

    fn write(
        &mut self,
        _now: Time,
        _period: Duration,
        command: &ActuatorCommand,
    ) -> Result<(), DriverError> {
        let power = self.state.peek_output_buffer().power;
        if !self.is_active || power == Power::Lost {
            return Err(DriverError::Disconnected { driver: NAME });
        }
        let goals = self.goals.input_buffer_mut();
        goals.epoch = self.epoch;
        for (servo, goal) in self.plan.servos.iter().zip(&mut goals.servos) {
            *goal = goal_of(servo, command, &self.counters);
        }
        self.goals.publish();
        Ok(())
    }
}

impl Drop for ServoDriver {
    fn drop(&mut self) {
        if let Io::Thread { requests, thread } = &mut self.io {
            // Its end of the channel tells the thread to take the torque off and end.
            drop(requests.take());
            if let Some(thread) = thread.take() {
                thread.thread().unpark();
                // A thread that panicked has nothing left to do.
                let _ = thread.join();
            }
        }
    }
}

fn report(servo: &ServoPlan, sample: &Sample, stamp: Time, state: &mut RobotState) {
    let load = f64::from(sample.load) / servo.full_load;
    let mut report_joint = |joint: usize, position: f64, velocity: f64, effort: f64, load: f64| {
        let health = &mut state.health[joint];
        health.temperature_c = sample.temperature_c;
        health.voltage_v = sample.voltage_v;
        health.load = Some(load.clamp(-1.0, 1.0));
        health.fault = sample.fault;
        let joint = &mut state.joints[joint];
        joint.valid = sample.is_valid;
        if sample.is_valid {
            (joint.position, joint.velocity) = (position, velocity);
            (joint.effort, joint.stamp) = (effort, stamp);
        }
    };
    match &servo.drives {
        Drives::Position(turning) | Drives::Velocity(turning) => report_joint(
            turning.joint,
            turning.position(sample.ticks),
            turning.velocity(sample.velocity),
            turning.effort(load),
            turning.load(load),
        ),
        Drives::Gripper(jaws) => {
            let (width, velocity) = (jaws.width(sample.ticks), jaws.velocity(sample.velocity));
            let load = load * jaws.opening;
            for finger in &jaws.fingers {
                report_joint(
                    finger.joint,
                    finger.closed + width * finger.share,
                    velocity * finger.share,
                    load * jaws.max_force_n,
                    load,
                );
            }
            let gripper = &mut state.grippers[jaws.gripper];
            gripper.valid = sample.is_valid;
            if sample.is_valid {
                (gripper.width_m, gripper.velocity_m_s) = (width, velocity);
                gripper.force_n = (-load * jaws.max_force_n).max(0.0);
                gripper.stamp = stamp;
            }
        }
    }
}

fn goal_of(servo: &ServoPlan, command: &ActuatorCommand, counters: &Counters) -> ServoGoal {
    let clamped = |ticks: i32| {
        let [low, high] = servo.config.range_ticks;
        let within = ticks.clamp(low, high);
        if within != ticks {
            counters.clamped_goal();
        }
        Goal::Position(within)
    };
    match &servo.drives {
        Drives::Position(turning) => {
            let position = command.joints[turning.joint].position;
            let goal = if position.is_nan() { Goal::Off } else { clamped(turning.ticks(position)) };
            ServoGoal { goal, torque_limit: 1.0 }
        }
        Drives::Velocity(turning) => {
            let velocity = command.joints[turning.joint].velocity;
            let most = turning.max_units();
            let goal = if velocity.is_nan() {
                Goal::Off
            } else {
                Goal::Velocity(turning.units(velocity).clamp(-most, most))
            };
            ServoGoal { goal, torque_limit: 1.0 }
        }
        Drives::Gripper(jaws) => {
            let wanted = command.grippers[jaws.gripper];
            let goal = if wanted.width_m.is_nan() {
                Goal::Off
            } else {
                clamped(jaws.ticks(wanted.width_m))
            };
            let force = wanted.max_force_n;
            let torque_limit =
                if force.is_nan() { 1.0 } else { (force / jaws.max_force_n).clamp(0.0, 1.0) };
            ServoGoal { goal, torque_limit }
        }
    }
}
