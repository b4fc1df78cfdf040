use nalgebra::{Isometry3, UnitQuaternion, Vector3};
use serde::{Deserialize, Serialize};

use crate::{Layout, Time};

/// Measured state of one joint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JointState {
    /// rad, or m for a prismatic joint.
    pub position: f64,
    /// rad/s or m/s.
    pub velocity: f64,
    /// N·m or N.
    pub effort: f64,
    /// When it was captured.
    pub stamp: Time,
    /// False until the first good read, and while reads of it fail.
    pub valid: bool,
}

/// What a joint's drive says of its own condition; `None` where it does not measure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct JointHealth {
    /// °C.
    pub temperature_c: Option<f64>,
    /// Supply, V.
    pub voltage_v: Option<f64>,
    /// Share of the drive's largest torque, -1 to 1, in the joint's direction.
    pub load: Option<f64>,
    /// The device's own fault code; 0 is none.
    pub fault: u32,
}

/// Inertial measurement in the frame of the sensor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ImuState {
    /// World from sensor.
    pub orientation: UnitQuaternion<f64>,
    /// rad/s.
    pub angular_velocity: Vector3<f64>,
    /// m/s², gravity included (+9.81 along z at rest).
    pub linear_acceleration: Vector3<f64>,
    /// When it was captured.
    pub stamp: Time,
    /// False while the sensor is silent.
    pub valid: bool,
}

/// Where a mobile or floating base is, as the robot's localisation says.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BaseState {
    /// `base_link` in `map`.
    pub map_from_base: Isometry3<f64>,
    /// m/s in the base frame.
    pub linear_velocity: Vector3<f64>,
    /// rad/s in the base frame.
    pub angular_velocity: Vector3<f64>,
    /// When it was captured.
    pub stamp: Time,
    /// False while localisation is lost.
    pub valid: bool,
}

/// Measured state of a parallel gripper.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GripperState {
    /// Distance between the finger pads, m.
    pub width_m: f64,
    /// m/s, positive when opening.
    pub velocity_m_s: f64,
    /// Force on what is between the pads, N, at least 0.
    pub force_n: f64,
    /// When it was captured.
    pub stamp: Time,
    /// False until the first good read, and while reads of it fail.
    pub valid: bool,
}

/// Battery as the robot reports it.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct BatteryState {
    /// V.
    pub voltage: f64,
    /// 0 to 1.
    pub charge: f64,
    /// When it was captured.
    pub stamp: Time,
}

/// One consistent snapshot of all that a driver measures, taken at a control tick.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct RobotState {
    /// The control tick, from 0 at activation.
    pub tick: u64,
    /// When the snapshot was taken.
    pub stamp: Time,
    /// [`Layout::hash`] of the robot.
    pub layout_hash: u64,
    /// One per joint of the layout.
    pub joints: Vec<JointState>,
    /// One per joint of the layout.
    pub health: Vec<JointHealth>,
    /// One per gripper group.
    pub grippers: Vec<GripperState>,
    /// The inertial sensor, where there is one.
    pub imu: Option<ImuState>,
    /// The base, where it moves and is localised.
    pub base: Option<BaseState>,
    /// The battery, where it reports.
    pub battery: Option<BatteryState>,
}

impl RobotState {
    /// A state of this layout in which nothing is valid yet.
    pub fn invalid(layout: &Layout) -> Self {
        Self {
            tick: 0,
            stamp: Time::ZERO,
            layout_hash: layout.hash(),
            joints: vec![JointState::default(); layout.joints().len()],
            health: vec![JointHealth::default(); layout.joints().len()],
            grippers: vec![GripperState::default(); layout.grippers()],
            imu: None,
            base: None,
            battery: None,
        }
    }

    /// Marks everything as not valid; values and stamps stay. Real-time safe.
    pub fn invalidate(&mut self) {
        self.joints.iter_mut().for_each(|joint| joint.valid = false);
        self.grippers.iter_mut().for_each(|gripper| gripper.valid = false);
        if let Some(imu) = &mut self.imu {
            imu.valid = false;
        }
        if let Some(base) = &mut self.base {
            base.valid = false;
        }
    }

    /// Overwrites this state. Real-time safe when both have the same layout.
    pub fn copy_from(&mut self, other: &Self) {
        let Self { tick, stamp, layout_hash, joints, health, grippers, imu, base, battery } = self;
        (*tick, *stamp, *layout_hash) = (other.tick, other.stamp, other.layout_hash);
        joints.clone_from(&other.joints);
        health.clone_from(&other.health);
        grippers.clone_from(&other.grippers);
        (*imu, *base, *battery) = (other.imu, other.base, other.battery);
    }
}
