//! A session on the robot mobi, in virtual time, with a gate that grants what is asked for.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use nalgebra::{Isometry3, Vector3};
use sinew_hardware::layout_of;
use sinew_robot::RobotModel;
use sinew_teleop::{
    LeaseCall, Mapping, OperatorCall, Pad, Phase, Stop, TeleopError, TeleopSession,
};
use sinew_types::{ActuatorCommand, BaseState, Layout, LeaseId, RobotState, Time};

pub(crate) const TICK: Duration = Duration::from_millis(20);

pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn shipped(name: &str) -> Mapping {
    Mapping::load(root().join(format!("teleop/{name}.teleop.yaml"))).unwrap()
}

pub(crate) fn inline(yaml: &str) -> Result<Mapping, TeleopError> {
    Mapping::from_yaml(yaml, "x.teleop.yaml")
}

/// Index of the left bumper, and of the sticks' axes.
pub(crate) const HOLD: usize = 4;
pub(crate) const LEFT_X: usize = 0;
pub(crate) const LEFT_Y: usize = 1;

pub(crate) struct Rig {
    pub(crate) robot: RobotModel,
    pub(crate) layout: Layout,
    pub(crate) session: TeleopSession,
    pub(crate) state: RobotState,
    pub(crate) now: Time,
    /// What the device reports in each tick; none while it is silent.
    pub(crate) pad: Option<Pad>,
    pub(crate) frozen: bool,
    pub(crate) grants: bool,
    pub(crate) live: BTreeSet<LeaseId>,
    pub(crate) acquired: Vec<Vec<String>>,
    pub(crate) released: Vec<LeaseId>,
    pub(crate) operator: Vec<OperatorCall>,
    pub(crate) seq: u64,
}

impl Rig {
    /// With the arm in `ready`, and a pad of eight axes and eleven buttons on which nothing is pressed.
    pub(crate) fn new(mapping: &Mapping) -> Self {
        let robot = RobotModel::load(root().join("urdf/mobi.robot.yaml")).unwrap();
        let layout = layout_of(&robot).unwrap();
        let session = TeleopSession::new(mapping, &robot, &layout).unwrap();
        let mut state = RobotState::invalid(&layout);
        state.joints.iter_mut().for_each(|joint| joint.valid = true);
        state.grippers.iter_mut().for_each(|gripper| gripper.valid = true);
        let arm = robot.group("arm").unwrap();
        for (joint, position) in arm.joints.iter().zip(arm.configuration("ready").unwrap()) {
            state.joints[*joint].position = *position;
        }
        state.base = Some(BaseState {
            map_from_base: Isometry3::identity(),
            linear_velocity: Vector3::zeros(),
            angular_velocity: Vector3::zeros(),
            stamp: Time::ZERO,
            valid: true,
        });
        let mut axes = vec![0.0; 8];
        (axes[2], axes[5]) = (1.0, 1.0);
        let pad = Pad { connected: true, seq: 0, axes, buttons: vec![false; 23] };
        Self {
            robot,
            layout,
            session,
            state,
            now: Time::ZERO,
            pad: Some(pad),
            frozen: false,
            grants: true,
            live: BTreeSet::new(),
            acquired: Vec::new(),
            released: Vec::new(),
            operator: Vec::new(),
            seq: 0,
        }
    }

    pub(crate) fn pad(&mut self) -> &mut Pad {
        self.pad.as_mut().unwrap()
    }

    /// One report of the device, and one step.
    pub(crate) fn tick(&mut self) -> Option<ActuatorCommand> {
        self.now += TICK;
        self.state.stamp = self.now;
        self.state.tick += 1;
        if let Some(pad) = &mut self.pad {
            self.seq += u64::from(!self.frozen);
            pad.seq = self.seq;
            self.session.observe(self.now, pad);
        }
        let output = self.session.step(self.now, &self.state, &self.live);
        let command = output.command.cloned();
        let calls = output.lease_calls;
        self.operator.extend(self.session.take_operator_calls());
        for call in calls {
            match call {
                LeaseCall::Acquire { request, groups } => {
                    self.acquired.push(groups);
                    if self.grants {
                        let lease = LeaseId(self.acquired.len() as u64);
                        self.live.insert(lease);
                        self.session.lease_granted(self.now, request, lease);
                    }
                }
                LeaseCall::Release(lease) => {
                    self.live.remove(&lease);
                    self.released.push(lease);
                }
            }
        }
        if let Some(command) = &command {
            self.session.observe_command(command);
        }
        command
    }

    /// What the joints, the base and the gripper do when they follow a command at once.
    pub(crate) fn follow(&mut self, command: &ActuatorCommand) {
        for (joint, command) in self.state.joints.iter_mut().zip(&command.joints) {
            if command.position.is_finite() {
                joint.velocity = (command.position - joint.position) / TICK.as_secs_f64();
                joint.position = command.position;
            }
        }
        if let (Some(base), Some(twist)) = (&mut self.state.base, command.base) {
            base.linear_velocity.x = twist.linear_x;
            base.angular_velocity.z = twist.angular_z;
        }
        for (gripper, command) in self.state.grippers.iter_mut().zip(&command.grippers) {
            if command.width_m.is_finite() {
                gripper.width_m = command.width_m;
            }
        }
    }

    pub(crate) fn ticks(&mut self, count: u32) -> Vec<ActuatorCommand> {
        (0..count).filter_map(|_| self.tick()).collect()
    }

    /// Ready, then the dead-man button is pressed, until commands are sent; the first of them.
    pub(crate) fn take_over(&mut self) -> ActuatorCommand {
        self.ticks(2);
        assert_eq!(*self.session.phase(), Phase::Ready);
        self.pad().buttons[HOLD] = true;
        assert!(self.tick().is_none(), "no command without a lease");
        let first = self.tick().unwrap();
        assert_eq!(*self.session.phase(), Phase::Moving);
        first
    }

    pub(crate) fn stopped(&self) -> Option<Stop> {
        match self.session.phase() {
            Phase::Stopped(stop) => Some(stop.clone()),
            _ => None,
        }
    }
}
