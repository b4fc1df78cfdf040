//! Links and joints of a robot, whatever file they came from.

use nalgebra::{Isometry3, Translation3, UnitQuaternion, UnitVector3, Vector3};

use crate::collision::Collision;

/// A rigid body or a frame fixed to one.
///
/// Links are stored parents first, depth first, children in the order of the file.
#[derive(Debug, Clone, PartialEq)]
pub struct Link {
    /// Name, unique in the robot.
    pub name: String,
    /// Index of the parent link; none for the root.
    pub parent: Option<usize>,
    /// Pose in the parent's frame with the link's joints at their zero.
    pub parent_from_link: Isometry3<f64>,
    /// Joints between the parent and this link: indices `first..first + count`, applied in this order.
    /// URDF gives at most one; MJCF may give several.
    pub joints: std::ops::Range<usize>,
    /// Mass in kg; 0 for a frame, and where an MJCF leaves it to the shapes.
    pub mass_kg: f64,
    /// Shapes for collision checks. None of an MJCF are read.
    pub collisions: Vec<Collision>,
}

/// How a joint moves its link.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum JointKind {
    /// Turns about the axis between limits; position in rad.
    Revolute,
    /// Turns about the axis without position limits; position in rad.
    Continuous,
    /// Slides along the axis; position in m.
    Prismatic,
}

impl JointKind {
    /// Name used in URDF.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Revolute => "revolute",
            Self::Continuous => "continuous",
            Self::Prismatic => "prismatic",
        }
    }

    /// True for revolute and continuous joints.
    pub fn is_rotary(self) -> bool {
        !matches!(self, Self::Prismatic)
    }
}

/// A joint with one degree of freedom. Fixed joints are not joints here, but part of their link's pose.
///
/// The index of a joint is its place in [`crate::RobotModel::joints`]: depth first, as MuJoCo orders them too.
#[derive(Debug, Clone, PartialEq)]
pub struct Joint {
    /// Name, unique in the robot.
    pub name: String,
    /// How it moves.
    pub kind: JointKind,
    /// Index of the link that it moves.
    pub link: usize,
    /// Axis in the link's frame.
    pub axis: UnitVector3<f64>,
    /// Point on the axis, in the link's frame, in m. Zero for URDF.
    pub anchor_m: Vector3<f64>,
    /// Position at which the link stands at `parent_from_link` (`ref` in MJCF; zero for URDF).
    pub zero: f64,
    /// Limits in joint units.
    pub limits: JointLimits,
    /// Viscous damping in N m s/rad or N s/m.
    pub damping: f64,
    /// Set if the joint copies another.
    pub mimic: Option<Mimic>,
}

/// Limits of a joint, in joint units (rad or m, rad/s or m/s, N m or N).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct JointLimits {
    /// Lowest position; -infinity for continuous joints.
    pub lower: f64,
    /// Highest position; infinity for continuous joints.
    pub upper: f64,
    /// Largest speed; infinity where no file says one, which no group with a `trajectory` profile accepts.
    pub max_velocity: f64,
    /// Largest torque or force; infinity where no file says one.
    pub max_effort: f64,
}

impl JointLimits {
    /// The position moved to the nearest limit if it is outside.
    pub fn clamp(&self, position: f64) -> f64 {
        position.max(self.lower).min(self.upper)
    }

    /// True if the position is within the limits, with a tolerance of 1e-9.
    pub fn contains(&self, position: f64) -> bool {
        position >= self.lower - 1e-9 && position <= self.upper + 1e-9
    }
}

/// A joint that copies another: `position = multiplier * other + offset`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mimic {
    /// Index of the joint that is copied.
    pub joint: usize,
    /// Factor.
    pub multiplier: f64,
    /// Offset in joint units.
    pub offset: f64,
}

/// The motion of a joint away from its zero, as a transform in the link's frame. Real-time safe.
pub(crate) fn joint_motion(
    kind: JointKind,
    axis: &UnitVector3<f64>,
    anchor_m: &Vector3<f64>,
    displacement: f64,
) -> Isometry3<f64> {
    if kind.is_rotary() {
        let rotation = UnitQuaternion::from_axis_angle(axis, displacement);
        Isometry3::from_parts(Translation3::from(anchor_m - rotation * anchor_m), rotation)
    } else {
        Isometry3::from_parts(
            Translation3::from(axis.into_inner() * displacement),
            UnitQuaternion::identity(),
        )
    }
}

/// What a file says about a robot's body, before the robot YAML is applied.
#[derive(Debug, Clone)]
pub(crate) struct Tree {
    pub(crate) links: Vec<Link>,
    pub(crate) joints: Vec<Joint>,
    /// True if the root moves freely (an MJCF free joint). A URDF cannot say so.
    pub(crate) free_root: bool,
}
