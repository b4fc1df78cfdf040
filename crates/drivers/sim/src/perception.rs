//! Observations of objects, as a robot's perception would give them.

use std::sync::Arc;

use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use rand_distr::StandardNormal;
use sinew_types::Time;

use crate::handle::{ObjectInfo, SimWorld};

/// One object or fixture as it was seen.
#[derive(Clone, Debug, PartialEq)]
pub struct SeenObject {
    /// What does not change about it.
    pub info: Arc<ObjectInfo>,
    /// Measured pose of the centre of its bounding box.
    pub map_from_object: Isometry3<f64>,
    /// Standard deviation of the position along each axis, m; 0 for fixtures.
    pub position_std_m: f64,
    /// Standard deviation of the yaw, rad; 0 for fixtures.
    pub yaw_std_rad: f64,
}

/// All that was seen at one moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Observation {
    /// When it was seen.
    pub stamp: Time,
    /// Fixtures, then objects, each in the order of the world file; what was not seen is missing.
    pub objects: Vec<SeenObject>,
}

/// Ground truth with the noise, the gaps and the rate that the world file asks for.
///
/// Noise depends on the seed, the moment and the object only: the same run gives the same observations, however often it is
/// polled.
pub struct PerceptionSource {
    world: SimWorld,
    seed: u64,
    last: Option<(u64, u64)>,
}

impl PerceptionSource {
    pub(crate) fn new(world: SimWorld, seed: u64) -> Self {
        Self { world, seed, last: None }
    }

    /// The observation that is due since the last one; none until the next is.
    pub fn poll(&mut self) -> Option<Observation> {
        let config = self.world.world().config().perception;
        let truth = self.world.truth();
        let frame = (truth.stamp.as_secs_f64() * config.rate_hz + 1e-9).floor() as u64;
        if self.last == Some((truth.generation, frame)) {
            return None;
        }
        self.last = Some((truth.generation, frame));

        let mut rng = ChaCha8Rng::seed_from_u64(self.seed);
        rng.set_stream(frame);
        let mut objects = Vec::with_capacity(truth.objects.len());
        for object in truth.objects {
            if object.info.is_fixture {
                objects.push(SeenObject {
                    info: object.info,
                    map_from_object: object.map_from_object,
                    position_std_m: 0.0,
                    yaw_std_rad: 0.0,
                });
                continue;
            }
            // All is drawn for each object, seen or not, so that one does not change the noise of the others.
            let is_lost = rng.random::<f64>() < config.drop_out;
            let mut normal = || rng.sample::<f64, _>(StandardNormal);
            let shift = Vector3::new(normal(), normal(), normal()) * config.position_noise_m;
            let turn = normal() * config.yaw_noise_rad;
            let position = object.map_from_object.translation.vector;
            let range = truth.map_from_base.map_or(0.0, |map_from_base| {
                (position - map_from_base.translation.vector).xy().norm()
            });
            let is_in_range = truth.map_from_base.is_none()
                || (config.min_range_m..=config.max_range_m).contains(&range);
            if is_lost || !is_in_range {
                continue;
            }
            objects.push(SeenObject {
                info: object.info,
                map_from_object: Isometry3::from_parts(
                    Translation3::from(position + shift),
                    UnitQuaternion::from_axis_angle(&Vector3::z_axis(), turn)
                        * object.map_from_object.rotation,
                ),
                position_std_m: config.position_noise_m,
                yaw_std_rad: config.yaw_noise_rad,
            });
        }
        Some(Observation { stamp: truth.stamp, objects })
    }
}
