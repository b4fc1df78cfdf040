use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::{BootId, Layout, LeaseId};

/// Set-points of one joint; NaN means that the interface is not used.
///
/// Impedance control sets all five; the drive then exerts
/// `kp (position - q) + kd (velocity - v) + effort`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct JointCommand {
    /// rad, or m for a prismatic joint.
    pub position: f64,
    /// rad/s or m/s.
    pub velocity: f64,
    /// N·m or N.
    pub effort: f64,
    /// N·m/rad or N/m, at least 0.
    pub kp: f64,
    /// N·m·s/rad or N·s/m, at least 0.
    pub kd: f64,
}

impl JointCommand {
    /// No interface used: the joint is not commanded.
    pub const UNUSED: Self = Self {
        position: f64::NAN,
        velocity: f64::NAN,
        effort: f64::NAN,
        kp: f64::NAN,
        kd: f64::NAN,
    };

    /// A position set-point, rad or m, with the drive's own gains.
    pub const fn position(position: f64) -> Self {
        Self { position, ..Self::UNUSED }
    }

    /// Whether any interface is used.
    pub fn is_used(&self) -> bool {
        [self.position, self.velocity, self.effort, self.kp, self.kd].iter().any(|v| !v.is_nan())
    }
}

/// Velocity of a mobile base in its own frame (`base_link`: x forward, y left, z up).
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct BaseTwist {
    /// m/s.
    pub linear_x: f64,
    /// m/s; 0 for a differential drive.
    pub linear_y: f64,
    /// rad/s.
    pub angular_z: f64,
}

/// Set-point of a parallel gripper.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct GripperCommand {
    /// Distance between the finger pads, m; NaN means not commanded.
    pub width_m: f64,
    /// Largest closing force, N; NaN means the gripper's own limit.
    pub max_force_n: f64,
}

impl GripperCommand {
    /// Not commanded.
    pub const UNUSED: Self = Self { width_m: f64::NAN, max_force_n: f64::NAN };
}

/// The only message that the gate of the hardware layer takes.
///
/// Buffers are sized once for a [`Layout`]; copying one command over another of the same layout
/// with [`ActuatorCommand::copy_from`] does not allocate.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ActuatorCommand {
    /// The lease under which it is given.
    pub lease: LeaseId,
    /// Rises by at least one per command of a sender.
    pub seq: u64,
    /// The sender's start.
    pub boot_id: BootId,
    /// The control tick whose state it was computed from.
    pub tick: u64,
    /// How long after its receipt it may be followed.
    pub valid_for: Duration,
    /// Held by a person: required for [`crate::Source::Teleop`], ignored for others.
    pub dead_man: bool,
    /// [`Layout::hash`] of the sender.
    pub layout_hash: u64,
    /// One per joint of the layout.
    pub joints: Vec<JointCommand>,
    /// For the base group.
    pub base: Option<BaseTwist>,
    /// One per gripper group.
    pub grippers: Vec<GripperCommand>,
}

impl ActuatorCommand {
    /// A command for this layout in which nothing is commanded.
    pub fn unused(layout: &Layout) -> Self {
        Self {
            lease: LeaseId::default(),
            seq: 0,
            boot_id: BootId::default(),
            tick: 0,
            valid_for: Duration::ZERO,
            dead_man: false,
            layout_hash: layout.hash(),
            joints: vec![JointCommand::UNUSED; layout.joints().len()],
            base: None,
            grippers: vec![GripperCommand::UNUSED; layout.grippers()],
        }
    }

    /// Overwrites this command. Real-time safe when both have the same layout.
    pub fn copy_from(&mut self, other: &Self) {
        let Self {
            lease,
            seq,
            boot_id,
            tick,
            valid_for,
            dead_man,
            layout_hash,
            joints,
            base,
            grippers,
        } = self;
        (*lease, *seq, *boot_id, *tick) = (other.lease, other.seq, other.boot_id, other.tick);
        (*valid_for, *dead_man, *layout_hash) =
            (other.valid_for, other.dead_man, other.layout_hash);
        joints.clone_from(&other.joints);
        *base = other.base;
        grippers.clone_from(&other.grippers);
    }
}
