//! Controllers as ros2_controllers has them, and what a controller manager says and does about them.

use std::time::{Duration, Instant};

use sinew_msgs::controller_manager_msgs::{
    ControllerState, SwitchControllerRequest, SwitchControllerResponse,
};
use sinew_msgs::convert::duration;
use sinew_msgs::trajectory_msgs::JointTrajectory;

use crate::plant::{Command, Plant};

/// A base that hears nothing for so long stops: `cmd_vel_timeout`.
const CMD_VEL_TIMEOUT: Duration = Duration::from_millis(500);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Claims nothing.
    Broadcaster,
    /// Leaves its last values with the hardware when it is deactivated.
    Forward,
    /// The same of one interface; leaves zero velocity or effort.
    JointGroup,
    Trajectory,
    DiffDrive,
}

#[derive(Clone, Debug)]
pub(crate) struct Controller {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) type_name: String,
    pub(crate) state: &'static str,
    pub(crate) joints: Vec<String>,
    pub(crate) interface: &'static str,
    is_active_at_boot: bool,
    /// Values that came last; of a base: forward and turning.
    values: Option<Vec<f64>>,
    /// Of a trajectory: where it began, when, and how long it takes.
    from: Vec<f64>,
    began: Instant,
    takes: Duration,
    /// First set-point since it was activated.
    pub(crate) first: Option<Vec<f64>>,
}

impl Controller {
    pub(crate) fn new(name: &str, kind: Kind, joints: &[&str], interface: &'static str) -> Self {
        let type_name = match (kind, interface) {
            (Kind::Broadcaster, _) => "joint_state_broadcaster/JointStateBroadcaster".to_owned(),
            (Kind::Forward, _) => "forward_command_controller/ForwardCommandController".to_owned(),
            (Kind::JointGroup, "position") => {
                "position_controllers/JointGroupPositionController".to_owned()
            }
            (Kind::JointGroup, "velocity") => {
                "velocity_controllers/JointGroupVelocityController".to_owned()
            }
            (Kind::JointGroup, _) => "effort_controllers/JointGroupEffortController".to_owned(),
            (Kind::Trajectory, _) => {
                "joint_trajectory_controller/JointTrajectoryController".to_owned()
            }
            (Kind::DiffDrive, _) => "diff_drive_controller/DiffDriveController".to_owned(),
        };
        Self {
            name: name.to_owned(),
            kind,
            type_name,
            state: "inactive",
            joints: joints.iter().map(|joint| (*joint).to_owned()).collect(),
            interface,
            is_active_at_boot: false,
            values: None,
            from: Vec::new(),
            began: Instant::now(),
            takes: Duration::ZERO,
            first: None,
        }
    }

    pub(crate) fn broadcaster(name: &str) -> Self {
        Self::new(name, Kind::Broadcaster, &[], "").active_at_boot()
    }

    pub(crate) fn active_at_boot(mut self) -> Self {
        self.is_active_at_boot = true;
        self
    }

    pub(crate) fn is_active(&self) -> bool {
        self.state == "active"
    }

    fn interfaces(&self) -> Vec<String> {
        self.joints.iter().map(|joint| format!("{joint}/{}", self.interface)).collect()
    }

    pub(crate) fn boot(&mut self, plant: &Plant) {
        if self.state != "unconfigured" {
            self.state = "inactive";
        }
        if self.is_active_at_boot {
            self.activate(plant);
        }
    }

    fn activate(&mut self, plant: &Plant) {
        self.state = "active";
        (self.values, self.first) = (None, None);
        self.hold(plant);
    }

    /// Has a trajectory end where the joints are.
    pub(crate) fn hold(&mut self, plant: &Plant) {
        if self.kind == Kind::Trajectory {
            self.from = self.joints.iter().map(|joint| plant.joint(joint).position).collect();
            (self.values, self.takes) = (Some(self.from.clone()), Duration::ZERO);
        }
    }

    fn deactivate(&mut self, plant: &mut Plant) {
        self.state = "inactive";
        let stops = match self.kind {
            Kind::JointGroup => self.interface != "position",
            Kind::DiffDrive => true,
            _ => false,
        };
        for joint in self.joints.iter().filter(|_| stops) {
            plant.command(joint, Command::of(self.interface, 0.0));
        }
    }

    /// One value per joint, or a twist; ignored while it is not active.
    pub(crate) fn take_values(&mut self, values: Vec<f64>) {
        if !self.is_active() {
            return;
        }
        let count = if self.kind == Kind::DiffDrive { 2 } else { self.joints.len() };
        assert_eq!(values.len(), count, "{}: a command of another size is dropped", self.name);
        self.first.get_or_insert_with(|| values.clone());
        (self.values, self.began) = (Some(values), Instant::now());
    }

    /// A trajectory in place of the one before; ignored while it is not active.
    pub(crate) fn take_trajectory(&mut self, message: &JointTrajectory) {
        if !self.is_active() {
            return;
        }
        // What the real one refuses.
        assert_eq!(message.joint_names.len(), self.joints.len(), "not the controller's joints");
        let [point] = &message.points[..] else { panic!("{} points", message.points.len()) };
        let of = |joint: &String| {
            let place = message.joint_names.iter().position(|name| name == joint).unwrap();
            point.positions[place]
        };
        let goal: Vec<f64> = self.joints.iter().map(of).collect();
        let takes = duration(&point.time_from_start);
        assert!(takes > Duration::ZERO, "a point without time is a jump");
        self.first.get_or_insert_with(|| goal.clone());
        self.from = self.desired();
        (self.values, self.began, self.takes) = (Some(goal), Instant::now(), takes);
    }

    /// Where a trajectory wants the joints now.
    fn desired(&self) -> Vec<f64> {
        let goal = self.values.as_ref().unwrap_or(&self.from);
        let share = match self.takes.is_zero() {
            true => 1.0,
            false => (self.began.elapsed().as_secs_f64() / self.takes.as_secs_f64()).min(1.0),
        };
        self.from.iter().zip(goal).map(|(from, to)| from + share * (to - from)).collect()
    }

    /// One cycle: what it writes to the hardware.
    pub(crate) fn update(&self, plant: &mut Plant) {
        let values = match self.kind {
            _ if !self.is_active() => None,
            Kind::Broadcaster => None,
            Kind::Forward | Kind::JointGroup => self.values.clone(),
            Kind::Trajectory => Some(self.desired()),
            Kind::DiffDrive => {
                let heard = self.began.elapsed() < CMD_VEL_TIMEOUT;
                let twist = self.values.clone().filter(|_| heard).unwrap_or(vec![0.0, 0.0]);
                Some(plant.wheels(twist[0], twist[1]))
            }
        };
        for (joint, value) in self.joints.iter().zip(values.into_iter().flatten()) {
            plant.command(joint, Command::of(self.interface, value));
        }
    }

    fn state(&self) -> ControllerState {
        let required = if self.state == "unconfigured" { Vec::new() } else { self.interfaces() };
        ControllerState {
            name: self.name.clone(),
            state: self.state.to_owned(),
            r#type: self.type_name.clone(),
            claimed_interfaces: if self.is_active() { self.interfaces() } else { Vec::new() },
            required_command_interfaces: required,
            ..Default::default()
        }
    }
}

/// The answer to `list_controllers`.
pub(crate) fn list(plant: &Plant) -> Vec<ControllerState> {
    plant.controllers.iter().map(Controller::state).collect()
}

/// The answer to `switch_controller`; with STRICT all is done or nothing.
pub(crate) fn switch(
    plant: &mut Plant,
    request: &SwitchControllerRequest,
) -> SwitchControllerResponse {
    let refused = |message: String| SwitchControllerResponse { ok: false, message };
    let is_strict = request.strictness == SwitchControllerRequest::STRICT;
    if plant.faults.refuses_switch {
        return refused("the hardware refuses the command mode switch".to_owned());
    }
    let mut all = std::mem::take(&mut plant.controllers);
    let find = |all: &[Controller], name: &String| all.iter().position(|one| one.name == *name);
    let (mut stop, mut start) = (Vec::new(), Vec::new());
    let mut problem = None;
    for name in &request.deactivate_controllers {
        match find(&all, name) {
            Some(index) if all[index].is_active() => stop.push(index),
            Some(_) => {
                problem = Some(format!(
                    "Could not deactivate controller '{name}' since it is not active"
                ));
            }
            None => problem = Some(format!("no controller with name '{name}' exists")),
        }
    }
    for name in &request.activate_controllers {
        match find(&all, name) {
            Some(_) if plant.faults.lacks == Some(name.as_str()) => {
                problem = Some(format!("Could not activate controller '{name}'"));
            }
            Some(index) if all[index].state == "inactive" => {
                let needs = all[index].interfaces();
                let is_free = |(other, one): (usize, &Controller)| {
                    !one.is_active()
                        || stop.contains(&other)
                        || !one.interfaces().iter().any(|claimed| needs.contains(claimed))
                };
                match all.iter().enumerate().all(is_free) {
                    true => start.push(index),
                    false => problem = Some(format!("Resource conflict for controller '{name}'")),
                }
            }
            Some(index) => {
                problem = Some(format!(
                    "Could not activate controller '{name}' since it is {}",
                    all[index].state
                ));
            }
            None => problem = Some(format!("no controller with name '{name}' exists")),
        }
    }
    if let Some(problem) = problem.filter(|_| is_strict) {
        plant.controllers = all;
        return refused(problem);
    }
    for index in stop {
        all[index].deactivate(plant);
    }
    for index in start {
        all[index].activate(plant);
    }
    plant.controllers = all;
    SwitchControllerResponse { ok: true, message: String::new() }
}
