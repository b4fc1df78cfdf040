use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use sinew_bus::BusNode;
use sinew_hardware::{Configured, DriverError, HardwareInterface};
use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, GripperState, RobotState, Time};
use triple_buffer::{Input, Output};

use crate::cells::{ControllersStop, Goals, Measured, Power, Stops};
use crate::error::Ros2ControlError;
use crate::plan::Plan;
use crate::worker::{Request, SILENCE, Worker};

/// The driver's name.
pub(crate) const NAME: &str = "ros2_control";

/// What the IO thread may take for its answers beyond the time that a robot file lets it wait: each of its own calls has
/// a shorter limit.
const PATIENCE: Duration = Duration::from_secs(30);

/// A robot that runs ros2_control, moved through its controllers.
///
/// A thread of its own owns the bus node. `read` and `write` exchange latest values with it: they do not allocate, lock
/// or wait. Stamps are those at which messages came, on the control loop's clock, or up to 2 ms before: a stamp of
/// the robot's clock says nothing here.
///
/// Joints for which nothing is commanded (NaN) are told to stand still (velocity and effort 0), or are left at what
/// they were told last. A gripper's largest force has no interface in ros2_control: the hardware's own limit holds.
///
/// Dropping the driver hands the controllers back.
pub struct Ros2ControlDriver {
    plan: Arc<Plan>,
    stops: Arc<Stops>,
    /// Until the IO thread is started.
    worker: Option<Box<Worker>>,
    io: Option<Io>,
    measured: Output<Measured>,
    goals: Input<Goals>,
    /// Number of the last activation; set while active.
    epoch: u64,
    is_active: bool,
}

struct Io {
    requests: Option<Sender<Request>>,
    thread: Option<JoinHandle<()>>,
}

impl Ros2ControlDriver {
    /// The robot of a robot file, found by `node`: names in the file that are not absolute are in the node's namespace.
    /// Nothing is opened yet.
    ///
    /// # Errors
    /// [`Ros2ControlError::NoSection`], [`Ros2ControlError::Layout`].
    pub fn new(robot: &RobotModel, node: BusNode) -> Result<Self, Ros2ControlError> {
        let plan = Arc::new(Plan::from_robot(robot)?);
        let stops = Arc::new(Stops::default());
        let count = plan.layout.joints().len();
        let first = Measured { joints: vec![Default::default(); count], ..Measured::default() };
        let (measured_in, measured) = triple_buffer::triple_buffer(&first);
        let first = Goals { epoch: 0, command: ActuatorCommand::unused(&plan.layout) };
        let (goals, goals_out) = triple_buffer::triple_buffer(&first);
        let worker =
            Worker::new(Arc::clone(&plan), node, Arc::clone(&stops), measured_in, goals_out);
        let worker = Some(Box::new(worker));
        Ok(Self { plan, stops, worker, io: None, measured, goals, epoch: 0, is_active: false })
    }

    fn start(&mut self) -> Result<(), Ros2ControlError> {
        let Some(worker) = self.worker.take() else { return Ok(()) };
        let (requests, served): (Sender<Request>, Receiver<Request>) = channel();
        let thread = std::thread::Builder::new()
            .name("ros2-control".to_owned())
            .spawn(move || worker.run(&served))
            .map_err(Ros2ControlError::Spawn)?;
        self.io = Some(Io { requests: Some(requests), thread: Some(thread) });
        Ok(())
    }

    /// Asks the IO thread and waits for its answer.
    fn ask<T>(&mut self, request: impl FnOnce(Sender<T>) -> Request) -> Result<T, DriverError> {
        let lost = DriverError::Disconnected { driver: NAME };
        let Some(Io { requests: Some(requests), thread: Some(thread) }) = &self.io else {
            return Err(lost);
        };
        let (reply, answer) = channel();
        if requests.send(request(reply)).is_err() {
            return Err(lost);
        }
        thread.thread().unpark();
        let timeout = self.plan.wait + PATIENCE;
        answer.recv_timeout(timeout).map_err(|_| DriverError::Timeout {
            driver: NAME,
            what: "the controller manager",
            timeout,
        })
    }
}

impl HardwareInterface for Ros2ControlDriver {
    fn name(&self) -> &'static str {
        NAME
    }

    /// Waits for controller manager and topics, for as long as the robot file says, and checks the controllers.
    fn configure(&mut self) -> Result<Configured, DriverError> {
        self.is_active = false;
        self.start().map_err(Ros2ControlError::into_driver_error)?;
        let found = self.ask(|reply| Request::Configure { reply })?;
        found.map_err(Ros2ControlError::into_driver_error)?;
        self.measured.update();
        let Some(Io { thread: Some(thread), .. }) = &self.io else {
            return Err(DriverError::Disconnected { driver: NAME });
        };
        let stop = ControllersStop { stops: Arc::clone(&self.stops), io: thread.thread().clone() };
        let layout = self.plan.layout.clone();
        Ok(Configured { layout, emergency_stop: Box::new(stop) })
    }

    fn activate(&mut self, _now: Time) -> Result<(), DriverError> {
        self.epoch += 1;
        let (epoch, stops) = (self.epoch, self.stops.count());
        let claimed = self.ask(|reply| Request::Activate { epoch, stops, reply })?;
        claimed.map_err(Ros2ControlError::into_driver_error)?;
        self.measured.update();
        self.is_active = true;
        Ok(())
    }

    fn deactivate(&mut self) {
        self.is_active = false;
        // A thread that does not answer is on its way to do so: nothing is sent any more in any case.
        let _ = self.ask(|reply| Request::Deactivate { reply });
        self.measured.update();
    }

    fn read(
        &mut self,
        now: Time,
        _period: Duration,
        state: &mut RobotState,
    ) -> Result<(), DriverError> {
        self.measured.update();
        let measured = self.measured.peek_output_buffer();
        state.layout_hash = self.plan.layout.hash();
        report(&self.plan, measured, now, state);
        if measured.heard_at.is_none_or(|at| now.since(at) > SILENCE) {
            let what = "the topic of joint states";
            return Err(DriverError::Timeout { driver: NAME, what, timeout: SILENCE });
        }
        // Whether the controllers are ours is a matter of `write`: a robot that is measured can be reset.
        Ok(())
    }

    fn write(
        &mut self,
        _now: Time,
        _period: Duration,
        command: &ActuatorCommand,
    ) -> Result<(), DriverError> {
        if !self.is_active || self.measured.peek_output_buffer().power == Power::Lost {
            return Err(DriverError::Disconnected { driver: NAME });
        }
        let goals = self.goals.input_buffer_mut();
        goals.epoch = self.epoch;
        goals.command.copy_from(command);
        self.goals.publish();
        Ok(())
    }
}

impl Drop for Ros2ControlDriver {
    fn drop(&mut self) {
        let Some(io) = &mut self.io else { return };
        // Its end of the channel tells the thread to hand the controllers back and end.
        drop(io.requests.take());
        if let Some(thread) = io.thread.take() {
            thread.thread().unpark();
            // A thread that panicked has nothing left to do.
            let _ = thread.join();
        }
    }
}

fn report(plan: &Plan, measured: &Measured, now: Time, state: &mut RobotState) {
    let is_valid = |at: Time| now.since(at) <= SILENCE;
    for (sample, joint) in measured.joints.iter().zip(&mut state.joints) {
        let Some(at) = sample.at else { continue };
        (joint.position, joint.velocity, joint.effort) =
            (sample.position, sample.velocity, sample.effort);
        // A message may have come after this tick began.
        (joint.stamp, joint.valid) = (at.min(now), is_valid(at));
    }
    for (fingers, gripper) in plan.fingers.iter().zip(&mut state.grippers) {
        let joints = || fingers.joints.iter().map(|finger| &state.joints[*finger]);
        *gripper = GripperState {
            width_m: joints().map(|finger| finger.position).sum::<f64>() - fingers.closed_m,
            velocity_m_s: joints().map(|finger| finger.velocity).sum(),
            // Fingers open with positive effort.
            force_n: joints().map(|finger| -finger.effort).fold(0.0, f64::max),
            stamp: joints().map(|finger| finger.stamp).min().unwrap_or_default(),
            valid: joints().all(|finger| finger.valid),
        };
    }
    if let Some(mut base) = measured.base {
        (base.valid, base.stamp) = (is_valid(base.stamp), base.stamp.min(now));
        state.base = Some(base);
    }
    if let Some(mut imu) = measured.imu {
        (imu.valid, imu.stamp) = (is_valid(imu.stamp), imu.stamp.min(now));
        state.imu = Some(imu);
    }
}
