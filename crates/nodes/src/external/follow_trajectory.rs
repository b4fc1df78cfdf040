use std::time::Duration;

use sinew_bus::{
    ActionEvent, ActionServer, BusError, BusNode, CancelRequest, GoalHandle, GoalRequest, names,
};
use sinew_hardware::ControlHandle;
use sinew_msgs::builtin_interfaces;
use sinew_msgs::control_msgs::action::FollowJointTrajectory;
use sinew_msgs::control_msgs::{FollowJointTrajectoryFeedback, FollowJointTrajectoryResult};
use sinew_msgs::std_msgs::Header;
use sinew_msgs::trajectory_msgs::JointTrajectoryPoint;
use sinew_types::{JointCommand, Layout, Time};

use super::joints::Joints;
use super::lease::{ExternalLease, Standing};
use super::tally::Tally;
use super::trajectory::{Knot, Sample, Trajectory};
use super::trajectory_goal::{Tolerance, TrajectoryGoal};
use super::{Adapter, FEEDBACK_PERIOD, REST_LIMIT};
use crate::convert::duration_to_msg;
use crate::ros_clock::RosClock;

/// How far ahead of the present the gate is told where to be, one tick at least. It goes there in a line, and
/// has its next set-point in the next step, so that it is not left without one by a step that is late.
const AHEAD: Duration = Duration::from_millis(10);
/// A set-point has arrived where it is to stay when it is within this, rad or m.
const ARRIVED: f64 = 1e-4;
/// Set-points that lie further apart than these ticks are of different motions.
const SAME_MOTION_TICKS: u64 = 10;

/// Has a group of joints follow trajectories, under an EXTERNAL lease that it holds from a goal's begin to its
/// end, in the manner of ROS 2's joint_trajectory_controller.
///
/// A goal that cannot be followed is rejected, as there. One that can is accepted whatever the robot does at
/// that moment, and aborted with the reason when the gate refuses the lease: a rejection cannot say why.
pub(super) struct FollowTrajectory {
    joints: Joints,
    server: ActionServer<FollowJointTrajectory>,
    lease: ExternalLease,
    set_point: SetPoint,
    /// Speed under which a joint is at rest, rad/s or m/s.
    still: f64,
    ahead: Duration,
    clock: RosClock,
    running: Option<Running>,
    /// Cancelled, on its way to rest.
    stopping: Option<(GoalHandle<FollowJointTrajectory>, Time)>,
    tally: Tally,
}

struct Running {
    handle: GoalHandle<FollowJointTrajectory>,
    goal: TrajectoryGoal,
    /// From the moment on at which the group may be commanded.
    course: Option<Course>,
    told: Time,
}

/// Why goals end with the node.
const SHUT_DOWN: &str = "the hardware node was shut down";

/// How far from where the robot is a trajectory may begin whose first point is to be reached at once.
const LEAP_RAD: f64 = 0.1;
const LEAP_M: f64 = 0.02;

/// A trajectory on the robot's clock.
struct Course {
    /// The trajectory's zero.
    start: Time,
    trajectory: Trajectory,
}

/// What the actuators are given, and how fast that moves.
struct SetPoint {
    tick: u64,
    /// Of the control loop, s.
    tick_s: f64,
    position: Vec<f64>,
    velocity: Vec<f64>,
}

/// How a goal ends otherwise than by a cancel request.
enum End {
    Reached,
    Violated { code: i32, why: String },
}

impl FollowTrajectory {
    /// For the group of this index; `tick` is the control loop's period.
    pub(super) fn new(
        node: &BusNode,
        layout: &Layout,
        index: usize,
        joints: Joints,
        still: f64,
        tick: Duration,
        clock: RosClock,
    ) -> Result<Self, BusError> {
        let action = names::follow_joint_trajectory(&joints.group);
        let ahead = AHEAD.max(tick);
        Ok(Self {
            server: node.action_server(&action)?,
            lease: ExternalLease::new(layout, index, ahead),
            set_point: SetPoint {
                tick: 0,
                tick_s: tick.as_secs_f64(),
                position: vec![f64::NAN; joints.names.len()],
                velocity: vec![0.0; joints.names.len()],
            },
            still,
            ahead,
            clock,
            running: None,
            stopping: None,
            tally: Tally::new(action.name.into_owned()),
            joints,
        })
    }

    fn take_goal(&mut self, request: GoalRequest<FollowJointTrajectory>, now: Time) {
        let goal =
            match TrajectoryGoal::of(request.goal(), &self.joints, self.still, now, self.clock) {
                Ok(goal) => goal,
                Err(unfit) => {
                    self.tally.rejected(&unfit);
                    return request.reject();
                }
            };
        if let Some(running) = self.running.take() {
            self.abort(running.handle, "pre-empted by a new goal".into());
        }
        if let Some((goal, _)) = self.stopping.take() {
            let why = "cancelled; a new goal took the group before it was at rest";
            goal.canceled(result(FollowJointTrajectoryResult::SUCCESSFUL, why.into()));
        }
        self.tally.accepted();
        self.running =
            Some(Running { handle: request.accept(), goal, course: None, told: Time::ZERO });
    }

    fn take_cancel(
        &mut self,
        request: CancelRequest<FollowJointTrajectory>,
        now: Time,
        handle: &mut ControlHandle,
    ) {
        match self.running.take() {
            Some(running) if running.handle.id() == request.goal_id() => {
                request.accept();
                self.lease.give_back(handle);
                self.stopping = Some((running.handle, now));
            }
            other => {
                self.running = other;
                request.reject();
            }
        }
    }

    /// One step of the running goal.
    fn run(&mut self, now: Time, handle: &mut ControlHandle) {
        match self.lease.standing() {
            Standing::Free => self.lease.ask(handle),
            Standing::Asked => {}
            Standing::Held => {
                if let Some(end) = self.follow(now, handle)
                    && let Some(running) = self.running.take()
                {
                    self.lease.give_back(handle);
                    match end {
                        End::Reached => {
                            let code = FollowJointTrajectoryResult::SUCCESSFUL;
                            running.handle.succeed(result(code, String::new()));
                        }
                        End::Violated { code, why } => {
                            self.tally.aborted(&why);
                            running.handle.abort(result(code, why));
                        }
                    }
                }
            }
            Standing::Ended(why) => {
                let why = why.to_owned();
                self.lease.give_back(handle);
                if let Some(running) = self.running.take() {
                    self.abort(running.handle, why);
                }
            }
        }
    }

    /// Sends the next set-point, and judges the measured state.
    fn follow(&mut self, now: Time, handle: &mut ControlHandle) -> Option<End> {
        let running = self.running.as_mut()?;
        if running.course.is_none() {
            let course = Course::new(&running.goal, &self.set_point, now);
            if let Some(why) = course.leaps(&self.set_point, &self.joints) {
                return Some(End::Violated {
                    code: FollowJointTrajectoryResult::INVALID_GOAL,
                    why,
                });
            }
            running.course = Some(course);
        }
        let course = running.course.as_ref()?;
        let next = course.trajectory.sample(course.at_s(now + self.ahead));
        let command = self.lease.command();
        for (index, position) in self.joints.indices.iter().zip(next.position) {
            command.joints[*index] = JointCommand::position(position);
        }
        self.lease.send(handle);

        let stamp = handle.state().stamp;
        let at_s = course.at_s(stamp);
        let desired = course.trajectory.sample(at_s);
        let (position, velocity) = self.joints.measured(handle);
        let off = Off {
            position: difference(&desired.position, &position),
            velocity: difference(&desired.velocity, &velocity),
        };
        if now.since(running.told) >= FEEDBACK_PERIOD {
            running.told = now;
            let actual = Sample { position, velocity, acceleration: Vec::new() };
            let stamp = self.clock.stamp(stamp);
            let told = feedback(&self.joints, stamp, at_s, &desired, actual, &off);
            if let Err(error) = running.handle.publish_feedback(told) {
                tracing::warn!(action = self.tally.action(), %error, "feedback was lost");
            }
        }
        let left_s = course.trajectory.end_s() - at_s;
        if left_s > 0.0 {
            let why = off.beyond(&running.goal.path, &self.joints, "its path")?;
            return Some(End::Violated {
                code: FollowJointTrajectoryResult::PATH_TOLERANCE_VIOLATED,
                why,
            });
        }
        let why = off.beyond(&running.goal.goal, &self.joints, "its goal").or_else(|| {
            self.set_point.short_of(&desired.position, &running.goal.goal, &self.joints)
        });
        let Some(why) = why else { return Some(End::Reached) };
        let is_late = running.goal.goal_time.is_some_and(|limit| -left_s > limit.as_secs_f64());
        is_late.then(|| End::Violated {
            code: FollowJointTrajectoryResult::GOAL_TOLERANCE_VIOLATED,
            why: format!("{why}, {:.2} s after the end", -left_s),
        })
    }

    fn abort(&mut self, goal: GoalHandle<FollowJointTrajectory>, why: String) {
        self.tally.aborted(&why);
        // What joint_trajectory_controller says of goals that it drops: there is no code for it.
        goal.abort(result(FollowJointTrajectoryResult::INVALID_GOAL, why));
    }
}

impl Adapter for FollowTrajectory {
    fn step(&mut self, now: Time, handle: &mut ControlHandle) {
        self.lease.step(now, handle);
        while let Some(event) = self.server.take_event() {
            match event {
                ActionEvent::Goal(request) => self.take_goal(request, now),
                ActionEvent::Cancel(request) => self.take_cancel(request, now, handle),
            }
        }
        if self.running.is_some() {
            self.set_point.update(&self.joints, handle);
            self.run(now, handle);
        }
        if let Some((_, since)) = &self.stopping
            && (self.lease.has_come_to_rest(handle) || now.since(*since) > REST_LIMIT)
            && let Some((goal, _)) = self.stopping.take()
        {
            goal.canceled(result(FollowJointTrajectoryResult::SUCCESSFUL, "cancelled".into()));
        }
    }

    fn shutdown(&mut self, _handle: &mut ControlHandle) {
        let stopping = self.stopping.take().map(|(goal, _)| goal);
        for goal in self.running.take().map(|running| running.handle).into_iter().chain(stopping) {
            self.abort(goal, SHUT_DOWN.into());
        }
    }

    fn lease(&mut self) -> &mut ExternalLease {
        &mut self.lease
    }

    fn tally(&self) -> Option<&Tally> {
        Some(&self.tally)
    }
}

impl Course {
    /// Begins where the set-point is.
    fn new(goal: &TrajectoryGoal, set_point: &SetPoint, now: Time) -> Self {
        // What of a start in the past would be over by now is not skipped: that would cut corners.
        let start = goal.start.map_or(now, |start| start.max(now));
        let from = Knot {
            at_s: -start.since(now).as_secs_f64(),
            position: set_point.position.clone(),
            velocity: set_point.velocity.clone(),
            acceleration: vec![0.0; set_point.position.len()],
        };
        Self { start, trajectory: Trajectory::new(from, goal.knots.clone()) }
    }

    /// Which joint would leap at the start, where the first point has no time before it in which to be reached: a plan from
    /// where the robot no longer is.
    fn leaps(&self, set_point: &SetPoint, joints: &Joints) -> Option<String> {
        let off = difference(&self.trajectory.first().position, &set_point.position);
        let most = |i: usize| if joints.rotary[i] { LEAP_RAD } else { LEAP_M };
        let (i, off) = off.into_iter().enumerate().find(|(i, off)| off.abs() > most(*i))?;
        let (name, unit) = (&joints.names[i], joints.unit(i));
        let most = most(i);
        Some(format!("it begins {:.3} {unit} from where {name} is; allowed: {most}", off.abs()))
    }

    /// Seconds after the trajectory's zero.
    fn at_s(&self, now: Time) -> f64 {
        now.since(self.start).as_secs_f64() - self.start.since(now).as_secs_f64()
    }
}

impl SetPoint {
    /// Which joints' set-points are still on their way to a goal whose position is judged. The gate keeps them
    /// where they are at the end, which is not to be short of it by a tolerance.
    fn short_of(&self, goal: &[f64], judged: &[Tolerance], joints: &Joints) -> Option<String> {
        let off = difference(goal, &self.position);
        let (i, off) = off
            .into_iter()
            .enumerate()
            .find(|(i, off)| judged[*i].position.is_some() && exceeds(off.abs(), ARRIVED))?;
        let (name, unit) = (&joints.names[i], joints.unit(i));
        Some(format!("the set-point of {name} is {:.4} {unit} off its goal", off.abs()))
    }

    fn update(&mut self, joints: &Joints, handle: &mut ControlHandle) {
        let snapshot = handle.snapshot();
        let ticks = snapshot.output.tick.saturating_sub(self.tick);
        if ticks == 0 {
            return;
        }
        self.tick = snapshot.output.tick;
        for ((index, position), velocity) in
            joints.indices.iter().zip(&mut self.position).zip(&mut self.velocity)
        {
            // Where nothing is commanded yet, the gate starts from what is measured.
            let commanded = snapshot.output.joints[*index].position;
            let measured = snapshot.state.joints[*index].position;
            let next = if commanded.is_nan() { measured } else { commanded };
            let moved = (next - *position) / (ticks as f64 * self.tick_s);
            *velocity = if ticks <= SAME_MOTION_TICKS && moved.is_finite() { moved } else { 0.0 };
            *position = next;
        }
    }
}

/// Desired minus measured, per joint.
struct Off {
    position: Vec<f64>,
    velocity: Vec<f64>,
}

impl Off {
    /// Which joints are off by more than they may, and by how much.
    fn beyond(&self, tolerances: &[Tolerance], joints: &Joints, of: &str) -> Option<String> {
        let mut said = Vec::new();
        for (i, tolerance) in tolerances.iter().enumerate() {
            let (name, unit) = (&joints.names[i], joints.unit(i));
            let (position, velocity) = (self.position[i].abs(), self.velocity[i].abs());
            if let Some(allowed) = tolerance.position
                && exceeds(position, allowed)
            {
                said.push(format!("{name} is {position:.4} {unit} off {of}; allowed: {allowed}"));
            }
            if let Some(allowed) = tolerance.velocity
                && exceeds(velocity, allowed)
            {
                said.push(format!(
                    "{name} is {velocity:.4} {unit}/s off the speed of {of}; allowed: {allowed}"
                ));
            }
        }
        (!said.is_empty()).then(|| said.join("; "))
    }
}

/// What is not a number is not within a tolerance.
fn exceeds(value: f64, allowed: f64) -> bool {
    value.is_nan() || value > allowed
}

fn difference(desired: &[f64], measured: &[f64]) -> Vec<f64> {
    desired.iter().zip(measured).map(|(desired, measured)| desired - measured).collect()
}

fn result(error_code: i32, error_string: String) -> FollowJointTrajectoryResult {
    FollowJointTrajectoryResult { error_code, error_string }
}

fn feedback(
    joints: &Joints,
    stamp: builtin_interfaces::Time,
    at_s: f64,
    desired: &Sample,
    actual: Sample,
    off: &Off,
) -> FollowJointTrajectoryFeedback {
    let time_from_start = duration_to_msg(Duration::from_secs_f64(at_s.max(0.0)));
    let point = |sample: Sample| JointTrajectoryPoint {
        positions: sample.position,
        velocities: sample.velocity,
        accelerations: sample.acceleration,
        effort: Vec::new(),
        time_from_start,
    };
    let error = Sample {
        position: off.position.clone(),
        velocity: off.velocity.clone(),
        acceleration: Vec::new(),
    };
    FollowJointTrajectoryFeedback {
        header: Header { stamp, frame_id: String::new() },
        joint_names: joints.names.clone(),
        desired: point(desired.clone()),
        actual: point(actual),
        error: point(error),
        ..Default::default()
    }
}
