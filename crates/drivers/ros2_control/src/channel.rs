//! From set-points to messages.

use std::time::Duration;

use sinew_bus::{BusError, BusNode, Publisher, Qos, names::Topic};
use sinew_msgs::convert::duration_msg;
use sinew_msgs::geometry_msgs::{Twist, TwistStamped, Vector3};
use sinew_msgs::std_msgs::{Float64MultiArray, Header};
use sinew_msgs::trajectory_msgs::{JointTrajectory, JointTrajectoryPoint};
use sinew_types::{ActuatorCommand, Time};

use crate::cells::Measured;
use crate::plan::{ControllerPlan, Interface, Plan, Takes};

/// A joint that was measured longer ago than this may be elsewhere by now.
const FRESH: Duration = Duration::from_millis(150);

/// What one controller is sent.
pub(crate) struct Channel {
    port: Port,
    /// Sent last, in the order of the controller's values; of a twist: forward, left, turning.
    told: Vec<f64>,
    /// When the next set-point may be sent.
    pub(crate) due: Time,
}

enum Port {
    Values(Publisher<Float64MultiArray>),
    Trajectory(Publisher<JointTrajectory>),
    Twist(Publisher<TwistStamped>),
}

impl Channel {
    pub(crate) fn open(
        node: &BusNode,
        plan: &Plan,
        controller: &ControllerPlan,
    ) -> Result<Self, BusError> {
        let name = plan.controller_topic(controller);
        // Only the newest set-point counts.
        let qos = Qos::reliable(1);
        let (port, count) = match controller.takes {
            Takes::Values(_) => {
                (Port::Values(node.publisher(&Topic::named(name, qos))?), controller.axes.len())
            }
            Takes::Trajectory(_) => {
                (Port::Trajectory(node.publisher(&Topic::named(name, qos))?), controller.axes.len())
            }
            Takes::Twist => (Port::Twist(node.publisher(&Topic::named(name, qos))?), 3),
        };
        let nothing = if controller.takes.is_of_motion() { 0.0 } else { f64::NAN };
        Ok(Self { port, told: vec![nothing; count], due: Time::ZERO })
    }

    /// Whether anybody takes what is sent.
    pub(crate) fn has_subscriptions(&self) -> bool {
        let count = match &self.port {
            Port::Values(publisher) => publisher.subscriptions(),
            Port::Trajectory(publisher) => publisher.subscriptions(),
            Port::Twist(publisher) => publisher.subscriptions(),
        };
        count > 0
    }

    /// Where it is sent.
    pub(crate) fn topic(&self) -> &str {
        match &self.port {
            Port::Values(publisher) => publisher.name(),
            Port::Trajectory(publisher) => publisher.name(),
            Port::Twist(publisher) => publisher.name(),
        }
    }

    /// What is sent.
    pub(crate) fn message_type(&self) -> &'static str {
        match &self.port {
            Port::Values(_) => "std_msgs/Float64MultiArray",
            Port::Trajectory(_) => "trajectory_msgs/JointTrajectory",
            Port::Twist(_) => "geometry_msgs/TwistStamped",
        }
    }

    /// Right after the controller was activated: it is to stay where it is measured.
    pub(crate) fn seed(
        &mut self,
        controller: &ControllerPlan,
        measured: &Measured,
    ) -> Result<(), BusError> {
        self.stay(controller, measured, false);
        match controller.takes {
            // Such a controller holds by itself, without the error of a measured position.
            Takes::Trajectory(_) => Ok(()),
            _ => self.send(controller),
        }
    }

    /// Brings it to rest: no motion, or to where it is measured. A controller of positions whose joints are not
    /// measured any more is sent nothing; it holds what it was sent last.
    pub(crate) fn halt(
        &mut self,
        controller: &ControllerPlan,
        measured: &Measured,
        now: Time,
    ) -> Result<(), BusError> {
        let is_fresh = controller
            .axes
            .iter()
            .all(|axis| measured.joints[axis.joint].at.is_some_and(|at| now.since(at) <= FRESH));
        if !controller.takes.is_of_motion() && !is_fresh {
            return Ok(());
        }
        self.stay(controller, measured, true);
        self.send(controller)
    }

    /// Sends the set-points of a command. Interfaces that are not used (NaN) are sent as no motion, or as what was sent
    /// last; nothing is sent when none is used.
    pub(crate) fn follow(
        &mut self,
        controller: &ControllerPlan,
        command: &ActuatorCommand,
    ) -> Result<(), BusError> {
        let is_of_motion = controller.takes.is_of_motion();
        let mut is_used = is_of_motion && self.told.iter().any(|value| *value != 0.0);
        let mut tell = |told: &mut f64, value: f64| {
            is_used |= !value.is_nan();
            *told = match value.is_nan() {
                false => value,
                true if is_of_motion => 0.0,
                true => *told,
            };
        };
        match controller.takes {
            Takes::Values(interface) => {
                for (told, axis) in self.told.iter_mut().zip(&controller.axes) {
                    tell(told, axis.set_point(interface, command));
                }
            }
            Takes::Trajectory(_) => {
                for (told, axis) in self.told.iter_mut().zip(&controller.axes) {
                    tell(told, axis.set_point(Interface::Position, command));
                }
            }
            Takes::Twist => {
                let twist =
                    command.base.map(|twist| [twist.linear_x, twist.linear_y, twist.angular_z]);
                for (told, value) in self.told.iter_mut().zip(twist.unwrap_or([f64::NAN; 3])) {
                    tell(told, value);
                }
            }
        }
        if is_used { self.send(controller) } else { Ok(()) }
    }

    /// Makes the next set-point one that moves nothing. `keeps_grip`: fingers go on squeezing what they hold, as the gate
    /// has them do.
    fn stay(&mut self, controller: &ControllerPlan, measured: &Measured, keeps_grip: bool) {
        if controller.takes.is_of_motion() {
            self.told.fill(0.0);
            return;
        }
        for (told, axis) in self.told.iter_mut().zip(&controller.axes) {
            if !keeps_grip || !axis.is_finger() || told.is_nan() {
                *told = measured.joints[axis.joint].position;
            }
        }
    }

    fn send(&self, controller: &ControllerPlan) -> Result<(), BusError> {
        match &self.port {
            Port::Values(publisher) => publisher
                .publish(&Float64MultiArray { data: self.told.clone(), ..Default::default() }),
            Port::Trajectory(publisher) => {
                let reach = match controller.takes {
                    Takes::Trajectory(reach) => reach,
                    _ => controller.period,
                };
                // Without a time in its header a trajectory starts when it comes, whatever the robot's clock says.
                publisher.publish(&JointTrajectory {
                    header: Header::default(),
                    joint_names: controller.axes.iter().map(|axis| axis.name.clone()).collect(),
                    points: vec![JointTrajectoryPoint {
                        positions: self.told.clone(),
                        time_from_start: duration_msg(reach),
                        ..Default::default()
                    }],
                })
            }
            Port::Twist(publisher) => {
                let [forward, left, turning] = match self.told[..] {
                    [forward, left, turning] => [forward, left, turning],
                    _ => [0.0; 3],
                };
                // The controller stamps a message without a time itself: its clock may be another, or simulated.
                publisher.publish(&TwistStamped {
                    header: Header { frame_id: "base_link".into(), ..Default::default() },
                    twist: Twist {
                        linear: Vector3 { x: forward, y: left, z: 0.0 },
                        angular: Vector3 { x: 0.0, y: 0.0, z: turning },
                    },
                })
            }
        }
    }
}
