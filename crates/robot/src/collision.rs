//! Collision geometry of a link.

use nalgebra::{Isometry3, Vector3};

/// A shape that stands for a part of a link in collision checks. Each is symmetric about its own origin.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum CollisionShape {
    /// A box along the axes.
    Box {
        /// Half of its edges along x, y and z.
        half_extents_m: Vector3<f64>,
    },
    /// A cylinder about z.
    Cylinder {
        /// Its radius.
        radius_m: f64,
        /// Half of its length along z.
        half_length_m: f64,
    },
    /// A cylinder about z with a half sphere on either end. With `half_length_m` 0 it is a sphere.
    Capsule {
        /// Its radius.
        radius_m: f64,
        /// Half of the distance between the centres of the half spheres.
        half_length_m: f64,
    },
    /// A mesh, whose file is not read.
    Mesh,
}

/// A shape and its place in a link.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Collision {
    /// Pose of the shape in the link's frame.
    pub link_from_shape: Isometry3<f64>,
    /// The shape.
    pub shape: CollisionShape,
}
