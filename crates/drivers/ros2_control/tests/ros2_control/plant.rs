//! What stands for the robot: joints that do what the hardware was told last, and a base on two wheels.

use std::collections::BTreeSet;

use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};
use sinew_robot::{BaseConfig, DiffDriveConfig, RobotModel};

use crate::controllers::Controller;

/// Joints move against this, N·m·s/rad: it makes a velocity of an effort.
const FRICTION: f64 = 1.0;
/// rad/s or m/s.
const MAX_VELOCITY: f64 = 10.0;

/// What is wrong with the robot now.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Faults {
    /// Publishes no state.
    pub(crate) is_silent: bool,
    /// Publishes positions that were not measured.
    pub(crate) measures_nothing: bool,
    /// Leaves service calls without an answer, and publishes no state.
    pub(crate) is_hung: bool,
    /// The same, while state is published.
    pub(crate) only_services_hang: bool,
    /// Cannot be seen on the bus; the robot goes on with what it was told last.
    pub(crate) is_away: bool,
    pub(crate) refuses_switch: bool,
    /// Answers a switch only when this has ended.
    pub(crate) switches_late: bool,
    /// A controller that can no longer be activated.
    pub(crate) lacks: Option<&'static str>,
}

/// What a joint was told last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Command {
    Position(f64),
    Velocity(f64),
    Effort(f64),
}

impl Command {
    pub(crate) fn of(interface: &str, value: f64) -> Self {
        match interface {
            "position" => Self::Position(value),
            "velocity" => Self::Velocity(value),
            _ => Self::Effort(value),
        }
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Joint {
    pub(crate) name: String,
    pub(crate) position: f64,
    pub(crate) velocity: f64,
    command: Command,
    mimics: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Plant {
    /// Where its nodes are; "" for the root.
    pub(crate) namespace: String,
    pub(crate) joints: Vec<Joint>,
    start: Vec<f64>,
    drive: Option<DiffDriveConfig>,
    pub(crate) map_from_base: Isometry3<f64>,
    pub(crate) twist: [f64; 2],
    pub(crate) controllers: Vec<Controller>,
    pub(crate) faults: Faults,
    /// Joints that are not published.
    pub(crate) hidden: BTreeSet<String>,
    /// A controller that does not listen to its topic.
    pub(crate) deaf: Option<&'static str>,
    /// Set-points that came, whether a controller took them or not.
    pub(crate) set_points: u64,
    /// Switches that were asked for.
    pub(crate) switch_asked: u64,
    /// Whether velocities are published.
    pub(crate) measures_velocity: bool,
}

impl Plant {
    /// Joints in their group's configuration `home`, else at zero.
    pub(crate) fn of(model: &RobotModel) -> Self {
        let limits = model.joints().iter().map(|joint| joint.limits);
        let mut start: Vec<f64> = limits.map(|l| 0.0_f64.max(l.lower).min(l.upper)).collect();
        for group in model.groups() {
            let home = group.configurations.get("home").into_iter().flatten();
            for (joint, position) in group.joints.iter().zip(home) {
                start[*joint] = *position;
            }
        }
        let joints = model.joints().iter().zip(&start).map(|(joint, position)| Joint {
            name: joint.name.clone(),
            position: *position,
            velocity: 0.0,
            command: Command::Position(*position),
            mimics: joint.mimic.map(|mimic| mimic.joint),
        });
        let drive = match model.base() {
            BaseConfig::PlanarDiffDrive(drive) => Some(drive.clone()),
            _ => None,
        };
        Self {
            namespace: String::new(),
            joints: joints.collect(),
            start,
            drive,
            map_from_base: Isometry3::identity(),
            twist: [0.0; 2],
            controllers: Vec::new(),
            faults: Faults::default(),
            hidden: BTreeSet::new(),
            deaf: None,
            set_points: 0,
            switch_asked: 0,
            measures_velocity: true,
        }
    }

    pub(crate) fn hide(&mut self, joint: &str) {
        self.hidden.insert(joint.to_owned());
    }

    /// As it is right after it was switched on.
    pub(crate) fn boot(&mut self) {
        self.faults = Faults::default();
        for (joint, position) in self.joints.iter_mut().zip(&self.start) {
            (joint.position, joint.velocity) = (*position, 0.0);
            joint.command = Command::Position(*position);
        }
        (self.map_from_base, self.twist) = (Isometry3::identity(), [0.0; 2]);
        let mut controllers = std::mem::take(&mut self.controllers);
        controllers.iter_mut().for_each(|controller| controller.boot(self));
        self.controllers = controllers;
    }

    pub(crate) fn joint(&self, name: &str) -> &Joint {
        self.joints.iter().find(|joint| joint.name == name).unwrap()
    }

    pub(crate) fn controller(&mut self, name: &str) -> &mut Controller {
        self.controllers.iter_mut().find(|controller| controller.name == name).unwrap()
    }

    /// Names of those that are active.
    pub(crate) fn active(&self) -> Vec<&str> {
        let active = self.controllers.iter().filter(|controller| controller.is_active());
        active.map(|controller| controller.name.as_str()).collect()
    }

    pub(crate) fn command(&mut self, name: &str, command: Command) {
        self.joints.iter_mut().find(|joint| joint.name == name).unwrap().command = command;
    }

    /// Velocities of both wheels for a twist.
    pub(crate) fn wheels(&self, forward: f64, turning: f64) -> Vec<f64> {
        let drive = self.drive.as_ref().unwrap();
        let half = turning * drive.wheel_separation_m / 2.0;
        vec![(forward - half) / drive.wheel_radius_m, (forward + half) / drive.wheel_radius_m]
    }

    /// Moves every joint by hand; what holds it holds it there from then on.
    pub(crate) fn push(&mut self, distance: f64) {
        for joint in &mut self.joints {
            joint.position += distance;
            if let Command::Position(position) = &mut joint.command {
                *position = joint.position;
            }
        }
        let mut controllers = std::mem::take(&mut self.controllers);
        controllers.iter_mut().for_each(|controller| controller.hold(self));
        self.controllers = controllers;
    }

    pub(crate) fn step(&mut self, seconds: f64) {
        let controllers = std::mem::take(&mut self.controllers);
        controllers.iter().for_each(|controller| controller.update(self));
        self.controllers = controllers;
        for joint in &mut self.joints {
            let velocity = match joint.command {
                Command::Position(position) => (position - joint.position) / seconds,
                Command::Velocity(velocity) => velocity,
                Command::Effort(effort) => effort / FRICTION,
            };
            joint.velocity = velocity.clamp(-MAX_VELOCITY, MAX_VELOCITY);
            joint.position += joint.velocity * seconds;
        }
        for index in 0..self.joints.len() {
            if let Some(copied) = self.joints[index].mimics {
                let Joint { position, velocity, .. } = self.joints[copied];
                let joint = &mut self.joints[index];
                (joint.position, joint.velocity) = (position, velocity);
            }
        }
        self.drive_on(seconds);
    }

    fn drive_on(&mut self, seconds: f64) {
        let Some(drive) = &self.drive else { return };
        let left = self.joint(&drive.left_wheel_joint).velocity * drive.wheel_radius_m;
        let right = self.joint(&drive.right_wheel_joint).velocity * drive.wheel_radius_m;
        let twist = [(left + right) / 2.0, (right - left) / drive.wheel_separation_m];
        self.twist = twist;
        let step = Translation3::new(twist[0] * seconds, 0.0, 0.0);
        let turn = UnitQuaternion::from_scaled_axis(Vector3::z() * twist[1] * seconds);
        self.map_from_base *= Isometry3::from_parts(step, turn);
    }
}
