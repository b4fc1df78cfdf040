use std::collections::BTreeSet;
use std::time::Duration;

use sinew_robot::RobotModel;
use sinew_types::{ActuatorCommand, GroupKind, Layout, LeaseId, RobotState, Time};

use crate::jog::{Context, LeaderState};
use crate::mode::{Mode, modes};
use crate::set_points::SetPoints;
use crate::signal::Reader;
use crate::{Mapping, OperatorCall, Pad, Phase, Stop, TeleopError};

/// A device that is not heard of for longer than this, or whose reports do not move on, is lost; so
/// is a leader arm.
pub const LOST_AFTER: Duration = Duration::from_millis(100);
/// A lease is granted or refused within this.
const GRANT_WITHIN: Duration = Duration::from_secs(1);
/// News of a lease's life may lag behind its grant by this.
const SEEN_WITHIN: Duration = Duration::from_millis(300);

/// What the owner of the session is to ask of the gate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LeaseCall {
    /// A TELEOP lease on these groups; answered by [`TeleopSession::lease_granted`] or
    /// [`TeleopSession::lease_refused`].
    Acquire {
        /// Names the request in the answer.
        request: u64,
        /// All of these, or none.
        groups: Vec<String>,
    },
    /// Give it back.
    Release(LeaseId),
}

/// What comes out of one step.
#[derive(Debug)]
pub struct Output<'a> {
    /// To be sent now; `seq`, `boot_id`, `tick` and `valid_for` are left to the sender. The last one of
    /// a lease says that the dead-man button is not held, and commands nothing.
    pub command: Option<&'a ActuatorCommand>,
    /// In this order.
    pub lease_calls: Vec<LeaseCall>,
}

/// From a device's state to commands under a lease: the dead-man button, the modes, and every loss.
///
/// A state machine on the robot's clock, without IO. It is told of each report of the device by
/// [`TeleopSession::observe`] and stepped once per state of the robot.
pub struct TeleopSession {
    layout: Layout,
    modes: Vec<Mode>,
    mode: usize,
    reader: Reader,
    dead_man: usize,
    operators: Vec<(usize, OperatorCall)>,
    unchanged_limit: Duration,

    pad: Pad,
    heard: Option<Time>,
    /// When its seq moved on, and when anything on it changed.
    progressed: Time,
    changed: Time,
    leader: LeaderState,
    set_points: SetPoints,

    phase: Phase,
    request: u64,
    asked: Time,
    /// The dead-man button was seen let go since the last end.
    let_go: bool,
    lease: Option<LeaseId>,
    granted: Time,
    seen_live: bool,
    stepped: Option<Time>,
    command: ActuatorCommand,
    leases_to_release: Vec<LeaseId>,
    operator_calls: Vec<OperatorCall>,
}

impl TeleopSession {
    /// A session of this mapping on a robot, with nothing heard of the device yet.
    ///
    /// # Errors
    /// [`TeleopError::Robot`], [`TeleopError::Field`] where a mode does not fit the robot.
    pub fn new(
        mapping: &Mapping,
        robot: &RobotModel,
        layout: &Layout,
    ) -> Result<Self, TeleopError> {
        let config = mapping.config();
        let named = &config.operator;
        let mut operators = Vec::new();
        for (name, button, call) in [
            ("operator.e_stop", &named.e_stop, OperatorCall::EStop),
            ("operator.reset", &named.reset, OperatorCall::Reset),
            ("operator.arm", &named.arm, OperatorCall::Arm),
            ("operator.disarm", &named.disarm, OperatorCall::Disarm),
            ("operator.resume", &named.resume, OperatorCall::Resume),
        ] {
            if let Some(button) = button {
                operators.push((mapping.button(name, button)?, call));
            }
        }
        Ok(Self {
            modes: modes(mapping, robot, layout)?,
            mode: 0,
            reader: Reader::new(mapping),
            dead_man: mapping.button("dead_man", &config.dead_man)?,
            operators,
            unchanged_limit: Duration::from_secs_f64(config.unchanged_limit_s),
            pad: Pad::default(),
            heard: None,
            progressed: Time::ZERO,
            changed: Time::ZERO,
            leader: LeaderState::default(),
            set_points: SetPoints::new(layout),
            phase: Phase::Stopped(Stop::Silent),
            request: 0,
            asked: Time::ZERO,
            let_go: false,
            lease: None,
            granted: Time::ZERO,
            seen_live: false,
            stepped: None,
            command: ActuatorCommand::unused(layout),
            leases_to_release: Vec::new(),
            operator_calls: Vec::new(),
            layout: layout.clone(),
        })
    }

    /// The device reports. Every report is to be told, so that a short press is not missed.
    pub fn observe(&mut self, now: Time, pad: &Pad) {
        let first = self.heard.is_none();
        self.heard = Some(now);
        if first || pad.seq != self.pad.seq {
            self.progressed = now;
        }
        if first || pad.axes != self.pad.axes || pad.buttons != self.pad.buttons {
            self.changed = now;
        }
        self.let_go |= pad.connected && !pad.is_pressed(self.dead_man);
        if pad.connected && !first {
            self.take_presses(pad);
        }
        self.reader.observe(pad);
        self.pad.clone_from(pad);
    }

    fn take_presses(&mut self, pad: &Pad) {
        let pressed = |button: usize| pad.is_pressed(button) && !self.pad.is_pressed(button);
        for (button, call) in &self.operators {
            // While the robot is being moved, only a stop may be asked for.
            let may = *call == OperatorCall::EStop || !pad.is_pressed(self.dead_man);
            if pressed(*button) && may {
                self.operator_calls.push(*call);
            }
        }
        let selected = self.modes.iter().position(|mode| mode.select.is_some_and(pressed));
        if let Some(selected) = selected.filter(|selected| *selected != self.mode) {
            self.mode = selected;
            if !matches!(self.phase, Phase::Ready | Phase::Stopped(_)) {
                self.phase = Phase::Stopped(Stop::ModeChanged);
                self.let_go = false;
            }
        }
    }

    /// What the operator's buttons asked for since the last call, in order. Not tied to the steps: a stop
    /// does not wait for the robot's next state.
    pub fn take_operator_calls(&mut self) -> Vec<OperatorCall> {
        std::mem::take(&mut self.operator_calls)
    }

    /// The leader arm reports: joint names and positions, rad or m, of one length.
    pub fn observe_leader(&mut self, now: Time, names: &[String], positions: &[f64]) {
        self.leader.heard = Some(now);
        for (name, position) in names.iter().zip(positions) {
            match self.leader.positions.get_mut(name) {
                Some(known) if *known == *position => continue,
                Some(known) => *known = *position,
                None => {
                    self.leader.positions.insert(name.clone(), *position);
                }
            }
            // A hand on the leader is a hand on the device.
            self.changed = now;
        }
    }

    /// A command of whomever was sent: targets start from the last set-points.
    pub fn observe_command(&mut self, command: &ActuatorCommand) {
        self.set_points.observe(command);
    }

    /// The gate granted a request.
    pub fn lease_granted(&mut self, now: Time, request: u64, lease: LeaseId) {
        if self.phase == Phase::Acquiring && request == self.request {
            self.lease = Some(lease);
            self.granted = now;
            self.seen_live = false;
        } else {
            self.leases_to_release.push(lease);
        }
    }

    /// The gate refused a request.
    pub fn lease_refused(&mut self, request: u64, reason: String) {
        if self.phase == Phase::Acquiring && request == self.request {
            self.end(Stop::Refused(reason));
        }
    }

    /// The program ends: the last command of a live lease, which says that nobody holds the button.
    pub fn close(&mut self) -> Option<&ActuatorCommand> {
        let lease = self.lease.take()?;
        self.end(Stop::Released);
        self.command = ActuatorCommand::unused(&self.layout);
        self.command.lease = lease;
        Some(&self.command)
    }

    /// What it does, and why it stands still.
    pub fn phase(&self) -> &Phase {
        &self.phase
    }

    /// The present mode.
    pub fn mode(&self) -> &str {
        &self.modes[self.mode].name
    }

    /// Every mode, in the mapping's order.
    pub fn mode_names(&self) -> impl Iterator<Item = &str> {
        self.modes.iter().map(|mode| mode.name.as_str())
    }

    /// The groups that the present mode moves.
    pub fn groups(&self) -> &[String] {
        &self.modes[self.mode].groups
    }

    /// What the present mode's parts say of themselves; empty for most.
    pub fn detail(&self) -> &'static str {
        let parts = self.modes[self.mode].parts.iter();
        parts.map(|part| part.phase()).find(|text| !text.is_empty()).unwrap_or("")
    }

    /// One step on a new state of the robot; `live` are the leases that the gate says are live.
    pub fn step(&mut self, now: Time, robot: &RobotState, live: &BTreeSet<LeaseId>) -> Output<'_> {
        let dt = self.stepped.map_or(Duration::ZERO, |at| now.since(at));
        self.stepped = Some(now);
        let mut calls = Vec::new();
        let held = self.pad.is_pressed(self.dead_man);
        let lease_before = self.lease;
        if let Some(stop) = self.why_not(now, dt, robot, live) {
            self.end(stop);
        } else {
            match &self.phase {
                Phase::Stopped(_) if self.let_go && !held => self.phase = Phase::Ready,
                Phase::Ready if held => {
                    self.phase = Phase::Acquiring;
                    self.request += 1;
                    self.asked = now;
                    let groups = self.modes[self.mode].groups.clone();
                    calls.push(LeaseCall::Acquire { request: self.request, groups });
                }
                Phase::Acquiring | Phase::Moving if !held => self.end(Stop::Released),
                Phase::Acquiring if self.lease.is_some() => {
                    self.phase = Phase::Moving;
                    for part in &mut self.modes[self.mode].parts {
                        part.start(robot, &self.set_points);
                    }
                }
                _ => {}
            }
        }
        if matches!(self.phase, Phase::Stopped(_)) {
            self.leases_to_release.extend(self.lease.take());
        }
        calls.extend(self.leases_to_release.drain(..).map(LeaseCall::Release));
        let command = match (&self.phase, lease_before) {
            (Phase::Moving, _) => {
                self.compute(dt, robot);
                Some(&self.command)
            }
            (Phase::Stopped(_), Some(lease)) => {
                // Not the last command once more: one that says that nobody holds the button.
                self.command = ActuatorCommand::unused(&self.layout);
                self.command.lease = lease;
                Some(&self.command)
            }
            _ => None,
        };
        Output { command, lease_calls: calls }
    }

    fn compute(&mut self, dt: Duration, robot: &RobotState) {
        self.command = ActuatorCommand::unused(&self.layout);
        self.command.lease = self.lease.unwrap_or_default();
        self.command.dead_man = true;
        let cx = Context {
            pad: &self.pad,
            reader: &self.reader,
            robot,
            leader: &self.leader,
            dt: dt.as_secs_f64(),
        };
        for part in &mut self.modes[self.mode].parts {
            part.step(&cx, &mut self.command);
        }
    }

    fn end(&mut self, stop: Stop) {
        // What is let go of while the device is lost does not count: it is said by a device that
        // nobody believes.
        self.let_go = stop == Stop::Released;
        self.phase = Phase::Stopped(stop);
    }

    /// Why the robot must not be moved now, if so.
    fn why_not(
        &mut self,
        now: Time,
        dt: Duration,
        robot: &RobotState,
        live: &BTreeSet<LeaseId>,
    ) -> Option<Stop> {
        if let Some(stop) = self.device_loss(now) {
            return Some(stop);
        }
        let is_busy = matches!(self.phase, Phase::Acquiring | Phase::Moving);
        if !is_busy {
            return None;
        }
        if dt > LOST_AFTER {
            return Some(Stop::Stalled);
        }
        let mode = &self.modes[self.mode];
        if mode.parts.iter().any(|part| part.needs_leader()) {
            let heard = self.leader.heard.filter(|at| now.since(*at) <= LOST_AFTER);
            let is_finite = self.leader.positions.values().all(|position| position.is_finite());
            if heard.is_none() || !is_finite {
                return Some(Stop::LeaderLost);
            }
        }
        if let Some(group) = unmeasured(&self.layout, &mode.group_indices, robot) {
            return Some(Stop::NotMeasured(group));
        }
        let Some(lease) = self.lease else {
            let late = now.since(self.asked) > GRANT_WITHIN;
            return late.then(|| Stop::Refused("the hardware does not answer".into()));
        };
        self.seen_live |= live.contains(&lease);
        let is_new = !self.seen_live && now.since(self.granted) <= SEEN_WITHIN;
        if !is_new && !live.contains(&lease) {
            return Some(Stop::Revoked);
        }
        let is_still = now.since(self.changed) > self.unchanged_limit;
        (self.phase == Phase::Moving && is_still).then_some(Stop::Unchanged)
    }

    /// What is wrong with the device, if anything is.
    fn device_loss(&self, now: Time) -> Option<Stop> {
        let Some(heard) = self.heard else { return Some(Stop::Silent) };
        if !self.pad.connected {
            return Some(Stop::Unplugged);
        }
        if now.since(heard) > LOST_AFTER {
            return Some(Stop::Silent);
        }
        if now.since(self.progressed) > LOST_AFTER {
            return Some(Stop::Frozen);
        }
        if !self.pad.axes.iter().all(|axis| axis.is_finite()) {
            return Some(Stop::NotFinite);
        }
        let (axes, buttons) = self.reader.lacks(&self.pad)?;
        Some(Stop::DoesNotFit { axes, buttons })
    }
}

/// The first of these groups that is not measured.
fn unmeasured(layout: &Layout, groups: &[usize], robot: &RobotState) -> Option<String> {
    let is_measured = |index: &usize| {
        let group = &layout.groups()[*index];
        match group.kind {
            GroupKind::Joints => group.joints.iter().all(|joint| {
                let joint = &robot.joints[*joint];
                joint.valid && joint.position.is_finite() && joint.velocity.is_finite()
            }),
            GroupKind::Gripper => {
                let gripper = robot.grippers[group.gripper];
                gripper.valid && gripper.width_m.is_finite()
            }
            // A base may be driven by sight where its localisation is lost.
            GroupKind::Base => true,
        }
    };
    let missing = groups.iter().find(|index| !is_measured(index))?;
    Some(layout.groups()[*missing].name.clone())
}
