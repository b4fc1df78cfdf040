use std::time::Duration;

use sinew_bus::{
    Action, ActionEvent, ActionServer, BusError, BusNode, CancelRequest, GoalStatus, names,
};
use sinew_hardware::ControlHandle;
use sinew_msgs::control_msgs::action::{GripperCommand, ParallelGripperCommand};
use sinew_msgs::sensor_msgs::JointState;
use sinew_msgs::std_msgs::Header;
use sinew_types::{GripperCommand as WidthCommand, Layout, Time};

use super::gripper_goal::{GripperGoal, Jaws, Seen};
use super::lease::{ExternalLease, Standing};
use super::tally::Tally;
use super::unfit::Unfit;
use super::{Adapter, FEEDBACK_PERIOD, REST_LIMIT};
use crate::ros_clock::RosClock;

/// How often the width is sent to the gate.
const PERIOD: Duration = Duration::from_millis(20);
/// A width is reached within this, m.
const REACHED_M: f64 = 0.002;
/// Fingers that move less than this stand, m. Their velocity is no measure: pressed on something, they tremble.
const STANDS_M: f64 = 0.0005;
/// Fingers that stand for this long where they are to go have arrived.
const ARRIVED_AFTER: Duration = Duration::from_millis(100);
/// Fingers that push and stand for this long elsewhere have stalled.
const STALLED_AFTER: Duration = Duration::from_millis(500);

/// Fingers that have neither arrived nor stalled after this long are aborted: they tremble, or are not measured.
const GIVEN_UP_AFTER: Duration = Duration::from_secs(20);

/// Opens and closes one gripper by two actions, under an EXTERNAL lease that it holds from a goal's begin to its
/// end, in the manner of ROS 2's gripper controllers with `allow_stalling`: what stops the fingers on their way
/// is an object that is held, which is a success.
///
/// Afterwards the gate keeps width and force, so that what is held stays held.
pub(super) struct Gripper {
    jaws: Jaws,
    /// Of the gripper among those of the layout, and of the fingers among its joints.
    index: usize,
    joints: Vec<usize>,
    gaps: ActionServer<GripperCommand>,
    fingers: ActionServer<ParallelGripperCommand>,
    lease: ExternalLease,
    clock: RosClock,
    running: Option<Running>,
    /// Cancelled, on its way to rest.
    stopping: Option<(GripperGoal, Time)>,
    /// Of both actions.
    tally: Tally,
}

struct Running {
    goal: GripperGoal,
    wanted: WidthCommand,
    /// When they were commanded first.
    since: Option<Time>,
    /// Where the fingers stand, m, and since when; none before they are commanded.
    stands: Option<(f64, Time)>,
    sent: Time,
    told: Time,
}

impl Gripper {
    /// For the group of this index, which opens that wide.
    pub(super) fn new(
        node: &BusNode,
        layout: &Layout,
        index: usize,
        max_width_m: f64,
        clock: RosClock,
    ) -> Result<Self, BusError> {
        let group = &layout.groups()[index];
        let name = |joint: &usize| layout.joints()[*joint].clone();
        let gap = names::gripper_command(&group.name);
        Ok(Self {
            jaws: Jaws { names: group.joints.iter().map(name).collect(), max_width_m },
            index: group.gripper,
            joints: group.joints.clone(),
            gaps: node.action_server(&gap)?,
            fingers: node.action_server(&names::parallel_gripper_command(&group.name))?,
            lease: ExternalLease::new(layout, index, PERIOD),
            clock,
            running: None,
            stopping: None,
            tally: Tally::new(gap.name.into_owned()),
        })
    }

    /// A goal's request that is dropped is rejected.
    fn checked(&mut self, wanted: Result<WidthCommand, Unfit>) -> Option<WidthCommand> {
        wanted.inspect_err(|unfit| self.tally.rejected(unfit)).ok()
    }

    fn begin(&mut self, goal: GripperGoal, wanted: WidthCommand, handle: &mut ControlHandle) {
        if let Some(running) = self.running.take() {
            self.tally.aborted("pre-empted by a new goal");
            running.goal.end(GoalStatus::Aborted, self.seen(handle));
        }
        if let Some((goal, _)) = self.stopping.take() {
            goal.end(GoalStatus::Canceled, self.seen(handle));
        }
        self.tally.accepted();
        self.running = Some(Running {
            goal,
            wanted,
            since: None,
            stands: None,
            sent: Time::ZERO,
            told: Time::ZERO,
        });
    }

    fn take_cancel<A: Action>(
        &mut self,
        request: CancelRequest<A>,
        now: Time,
        handle: &mut ControlHandle,
    ) {
        match self.running.take() {
            Some(running) if running.goal.id() == request.goal_id() => {
                request.accept();
                self.lease.give_back(handle);
                self.stopping = Some((running.goal, now));
            }
            other => {
                self.running = other;
                request.reject();
            }
        }
    }

    /// One step of the running goal.
    fn run(&mut self, now: Time, handle: &mut ControlHandle) {
        if self.running.is_none() {
            return;
        }
        let end = match self.lease.standing() {
            Standing::Free => {
                self.lease.ask(handle);
                None
            }
            Standing::Asked => None,
            Standing::Held => {
                let seen = self.squeeze(now, handle);
                let since = self.running.as_ref().and_then(|running| running.since);
                let is_over = since.is_some_and(|since| now.since(since) > GIVEN_UP_AFTER);
                match seen {
                    Some(seen) if seen.reached || seen.stalled => {
                        Some((GoalStatus::Succeeded, seen))
                    }
                    Some(seen) if is_over => {
                        self.tally.aborted("the fingers neither arrive nor stall");
                        Some((GoalStatus::Aborted, seen))
                    }
                    _ => None,
                }
            }
            Standing::Ended(why) => {
                self.tally.aborted(why);
                Some((GoalStatus::Aborted, self.seen(handle)))
            }
        };
        if let Some((how, seen)) = end
            && let Some(running) = self.running.take()
        {
            self.lease.give_back(handle);
            running.goal.end(how, seen);
        }
    }

    /// Sends the width, and judges what is measured.
    fn squeeze(&mut self, now: Time, handle: &mut ControlHandle) -> Option<Seen> {
        let mut seen = self.seen(handle);
        let pushed_to = handle.output().grippers[self.index].width_m;
        let running = self.running.as_mut()?;
        running.since.get_or_insert(now);
        if now.since(running.sent) >= PERIOD || running.stands.is_none() {
            running.sent = now;
            self.lease.command().grippers[self.index] = running.wanted;
            self.lease.send(handle);
        }
        let moved = |(at, _): &(f64, Time)| (seen.width_m - at).abs() > STANDS_M;
        if running.stands.as_ref().is_none_or(moved) {
            running.stands = Some((seen.width_m, now));
        }
        let stood = running.stands.map_or(Duration::ZERO, |(_, since)| now.since(since));
        let is_there = (seen.width_m - running.wanted.width_m).abs() <= REACHED_M;
        let pushes = (seen.width_m - pushed_to).abs() > REACHED_M;
        seen.reached = is_there && stood >= ARRIVED_AFTER;
        seen.stalled = !is_there && pushes && stood >= STALLED_AFTER;
        if now.since(running.told) >= FEEDBACK_PERIOD {
            running.told = now;
            if let Err(error) = running.goal.tell(seen.clone()) {
                tracing::warn!(action = self.tally.action(), %error, "feedback was lost");
            }
        }
        Some(seen)
    }

    fn seen(&self, handle: &mut ControlHandle) -> Seen {
        let state = handle.state();
        let gripper = &state.grippers[self.index];
        let fingers = self.joints.iter().map(|joint| &state.joints[*joint]);
        Seen {
            width_m: gripper.width_m,
            force_n: gripper.force_n,
            fingers: JointState {
                header: Header { stamp: self.clock.stamp(state.stamp), frame_id: String::new() },
                name: self.jaws.names.clone(),
                position: fingers.clone().map(|joint| joint.position).collect(),
                velocity: fingers.clone().map(|joint| joint.velocity).collect(),
                effort: fingers.map(|joint| joint.effort).collect(),
            },
            stalled: false,
            reached: false,
        }
    }
}

impl Adapter for Gripper {
    fn step(&mut self, now: Time, handle: &mut ControlHandle) {
        self.lease.step(now, handle);
        while let Some(event) = self.gaps.take_event() {
            match event {
                ActionEvent::Goal(request) => {
                    if let Some(wanted) = self.checked(self.jaws.of_gap(request.goal())) {
                        self.begin(GripperGoal::Gap(request.accept()), wanted, handle);
                    }
                }
                ActionEvent::Cancel(request) => self.take_cancel(request, now, handle),
            }
        }
        while let Some(event) = self.fingers.take_event() {
            match event {
                ActionEvent::Goal(request) => {
                    if let Some(wanted) = self.checked(self.jaws.of_fingers(request.goal())) {
                        self.begin(GripperGoal::Fingers(request.accept()), wanted, handle);
                    }
                }
                ActionEvent::Cancel(request) => self.take_cancel(request, now, handle),
            }
        }
        self.run(now, handle);
        if let Some((_, since)) = &self.stopping
            && (self.lease.has_come_to_rest(handle) || now.since(*since) > REST_LIMIT)
            && let Some((goal, _)) = self.stopping.take()
        {
            goal.end(GoalStatus::Canceled, self.seen(handle));
        }
    }

    fn shutdown(&mut self, handle: &mut ControlHandle) {
        let stopping = self.stopping.take().map(|(goal, _)| goal);
        for goal in self.running.take().map(|running| running.goal).into_iter().chain(stopping) {
            goal.end(GoalStatus::Aborted, self.seen(handle));
        }
    }

    fn lease(&mut self) -> &mut ExternalLease {
        &mut self.lease
    }

    fn tally(&self) -> Option<&Tally> {
        Some(&self.tally)
    }
}
