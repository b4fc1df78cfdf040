//! What an onlooker sees of a simulation at one moment.

use nalgebra::{Isometry3, Vector3};
use sinew_types::Time;

/// Motion of an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ObjectMotion {
    /// Pose of the centre of its bounding box.
    pub(crate) map_from_object: Isometry3<f64>,
    /// m/s, in `map`.
    pub(crate) linear_velocity: Vector3<f64>,
    /// rad/s, in the object's frame.
    pub(crate) angular_velocity: Vector3<f64>,
}

/// State of a simulation, published by the driver at each read.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) stamp: Time,
    /// Which scene it belongs to: counts the resets.
    pub(crate) generation: u64,
    pub(crate) map_from_base: Option<Isometry3<f64>>,
    /// In the order of the world file.
    pub(crate) objects: Vec<ObjectMotion>,
    pub(crate) qpos: Vec<f64>,
}

impl Snapshot {
    pub(crate) fn new(generation: u64, objects: usize, positions: usize) -> Self {
        let still = ObjectMotion {
            map_from_object: Isometry3::identity(),
            linear_velocity: Vector3::zeros(),
            angular_velocity: Vector3::zeros(),
        };
        Self {
            stamp: Time::ZERO,
            generation,
            map_from_base: None,
            objects: vec![still; objects],
            qpos: vec![0.0; positions],
        }
    }
}
