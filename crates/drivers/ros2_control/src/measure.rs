//! From messages to samples.

use std::collections::BTreeSet;
use std::time::Duration;

use nalgebra::{Isometry3, Quaternion, Translation3, UnitQuaternion, Vector3};
use sinew_msgs::convert::since_epoch;
use sinew_msgs::geometry_msgs;
use sinew_msgs::nav_msgs::Odometry;
use sinew_msgs::sensor_msgs::{Imu, JointState};
use sinew_types::{BaseState, ImuState, Time};

use crate::cells::{Measured, Sample};
use crate::plan::Plan;

/// The robot as it said last.
#[derive(Debug)]
pub(crate) struct Sensors {
    pub(crate) measured: Measured,
    /// Per joint: the sender's time of its last message, and whether it was ever named itself.
    joints: Vec<(Duration, bool)>,
    /// Every name that came, for errors.
    seen: BTreeSet<String>,
}

impl Sensors {
    pub(crate) fn new(plan: &Plan) -> Self {
        let count = plan.layout.joints().len();
        let joints = vec![Sample::default(); count];
        let measured = Measured { joints, ..Measured::default() };
        Self { measured, joints: vec![(Duration::ZERO, false); count], seen: BTreeSet::new() }
    }

    /// Names that came, whether they are the robot's or not.
    pub(crate) fn seen(&self) -> &BTreeSet<String> {
        &self.seen
    }

    /// Joints that were not measured after `since`.
    pub(crate) fn silent_joints<'a>(&self, plan: &'a Plan, since: Time) -> Vec<&'a str> {
        let silent = plan.layout.joints().iter().zip(&self.measured.joints);
        let silent = silent.filter(|(_, sample)| sample.at.is_none_or(|at| at < since));
        silent.map(|(name, _)| name.as_str()).collect()
    }

    /// Takes what is the robot's of a message that came at `at`: joints in any order, any others beside them.
    pub(crate) fn take_joints(&mut self, plan: &Plan, message: &JointState, at: Time) {
        let sent = since_epoch(&message.header.stamp);
        for (place, name) in message.name.iter().enumerate() {
            if !self.seen.contains(name) {
                self.seen.insert(name.clone());
            }
            let Some(joint) = plan.joint_index.get(name) else { continue };
            // An interface that the hardware does not have is NaN, or missing altogether.
            let value = |of: &[f64]| of.get(place).copied().filter(|value| value.is_finite());
            let Some(position) = value(&message.position) else { continue };
            let (sample, (last_sent, is_named)) =
                (&mut self.measured.joints[*joint], &mut self.joints[*joint]);
            let velocity = value(&message.velocity).unwrap_or_else(|| {
                let sender_knows = !last_sent.is_zero() && sent > *last_sent;
                let received = sample.at.map_or(Duration::ZERO, |before| at.since(before));
                let passed = if sender_knows { sent - *last_sent } else { received };
                match sample.at {
                    Some(_) if !passed.is_zero() => {
                        (position - sample.position) / passed.as_secs_f64()
                    }
                    _ => sample.velocity,
                }
            });
            let effort = value(&message.effort).unwrap_or(0.0);
            *sample = Sample { position, velocity, effort, at: Some(at) };
            (*last_sent, *is_named) = (sent, true);
            self.measured.heard_at = Some(at);
        }
        self.follow_mimics(plan);
    }

    /// Joints that copy another are often not published: they are where the other one has them.
    fn follow_mimics(&mut self, plan: &Plan) {
        for (joint, mimic) in plan.mimics.iter().enumerate() {
            let Some(mimic) = mimic else { continue };
            let (_, is_named) = self.joints[joint];
            let copied = self.measured.joints[mimic.joint];
            if !is_named && copied.at.is_some() {
                self.measured.joints[joint] = Sample {
                    position: copied.position * mimic.multiplier + mimic.offset,
                    velocity: copied.velocity * mimic.multiplier,
                    effort: copied.effort,
                    at: copied.at,
                };
            }
        }
    }

    pub(crate) fn take_odom(&mut self, message: &Odometry, at: Time) {
        let (pose, twist) = (&message.pose.pose, &message.twist.twist);
        let Some(rotation) = rotation(&pose.orientation) else { return };
        let place = Vector3::new(pose.position.x, pose.position.y, pose.position.z);
        let (linear, angular) = (vector(&twist.linear), vector(&twist.angular));
        if [place, linear, angular].iter().all(is_finite) {
            self.measured.base = Some(BaseState {
                map_from_base: Isometry3::from_parts(Translation3::from(place), rotation),
                linear_velocity: linear,
                angular_velocity: angular,
                stamp: at,
                valid: true,
            });
        }
    }

    pub(crate) fn take_imu(&mut self, message: &Imu, at: Time) {
        // By this a sensor says that it has no estimate of its orientation (sensor_msgs/Imu).
        if message.orientation_covariance[0] == -1.0 {
            return;
        }
        let Some(orientation) = rotation(&message.orientation) else { return };
        let angular = vector(&message.angular_velocity);
        let linear = vector(&message.linear_acceleration);
        if [linear, angular].iter().all(is_finite) {
            self.measured.imu = Some(ImuState {
                orientation,
                angular_velocity: angular,
                linear_acceleration: linear,
                stamp: at,
                valid: true,
            });
        }
    }
}

fn vector(message: &geometry_msgs::Vector3) -> Vector3<f64> {
    Vector3::new(message.x, message.y, message.z)
}

fn is_finite(vector: &Vector3<f64>) -> bool {
    vector.iter().all(|value| value.is_finite())
}

/// None for a message that was not filled in.
fn rotation(message: &geometry_msgs::Quaternion) -> Option<UnitQuaternion<f64>> {
    let quaternion = Quaternion::new(message.w, message.x, message.y, message.z);
    let norm = quaternion.norm();
    // NaN is neither.
    (norm > 0.9 && norm < 1.1).then(|| UnitQuaternion::from_quaternion(quaternion))
}
