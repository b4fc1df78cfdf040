use std::f64::consts::TAU;

use nalgebra::{Isometry2, Isometry3, Point2, Point3, Vector2, Vector3};
use serde::{Deserialize, Serialize};

use crate::{WorldObject, WorldState};

/// From where the arm reaches what: driving, picking and planning agree because all of them ask it.
///
/// Distances are horizontal, from the origin of `base_link` to the point at which the tool works
/// ([`WorldObject::work_point`]). The defaults are those of the robot `mobi`: gripper pointing
/// down, with room for hovering 0.15 m above the point.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ReachEnvelope {
    /// Closer than this the arm would fold into the robot, m.
    pub min_distance_m: f64,
    /// Where a work pose stands if nothing is in the way, m.
    pub preferred_distance_m: f64,
    /// Further than this the arm is too short, m.
    pub max_distance_m: f64,
    /// Largest angle between the base's x axis and the point, rad.
    pub max_bearing_rad: f64,
    /// Lowest point over the floor, m.
    pub min_height_m: f64,
    /// Highest point over the floor, m.
    pub max_height_m: f64,
    /// The robot with its arm tucked fits in this circle around `base_link`, m.
    pub base_radius_m: f64,
    /// What is higher than this does not stop the base from driving under, m.
    pub base_height_m: f64,
}

impl Default for ReachEnvelope {
    fn default() -> Self {
        Self {
            min_distance_m: 0.42,
            preferred_distance_m: 0.58,
            max_distance_m: 0.76,
            max_bearing_rad: 0.35,
            min_height_m: 0.0,
            max_height_m: 0.70,
            base_radius_m: 0.37,
            base_height_m: 1.0,
        }
    }
}

/// Where the base can stand to work on an object.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct WorkPose {
    /// `base_link` on the floor, facing the point.
    pub map_from_base: Isometry2<f64>,
    /// The point at which the tool works from there, in the map, m.
    pub point: Point3<f64>,
    /// Horizontal distance from the base to the point, m.
    pub distance_m: f64,
}

/// How a base stands to an object; what `near` judges.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Standing {
    pub(crate) point: Point3<f64>,
    pub(crate) distance_m: f64,
    pub(crate) bearing_rad: f64,
    pub(crate) reachable: bool,
}

impl ReachEnvelope {
    /// How the base at `map_from_base` stands to `object`.
    pub(crate) fn standing(
        &self,
        map_from_base: &Isometry3<f64>,
        object: &WorldObject,
    ) -> Standing {
        let ahead = Point3::new(self.preferred_distance_m, 0.0, object.top_m());
        let mut wanted = map_from_base * ahead;
        wanted.z = object.top_m();
        let point = object.work_point(wanted);
        let base_from_point = map_from_base.inverse_transform_point(&point);
        let distance_m = base_from_point.xy().coords.norm();
        let bearing_rad = base_from_point.y.atan2(base_from_point.x);
        let reachable = self.reaches_height(point.z)
            && (self.min_distance_m..=self.max_distance_m).contains(&distance_m)
            && bearing_rad.abs() <= self.max_bearing_rad;
        Standing { point, distance_m, bearing_rad, reachable }
    }

    /// Whether the tool can work at this height over the floor, m.
    pub fn reaches_height(&self, height_m: f64) -> bool {
        (self.min_height_m..=self.max_height_m).contains(&height_m)
    }

    /// Poses from which `target` is reachable and where the base touches nothing, the best first:
    /// close to the preferred distance, then a short way from where the base is now.
    ///
    /// Empty if the target is out of reach: too high, too low, or too far inside of furniture.
    pub fn work_poses(&self, world: &WorldState, target: &WorldObject) -> Vec<WorkPose> {
        /// One metre off the way costs as much as this share of a metre off the preferred distance.
        const WAY_WEIGHT: f64 = 0.2;
        let base = world.robot.map_from_base.translation.vector.xy();
        let cost = |pose: &WorkPose| {
            (pose.distance_m - self.preferred_distance_m).abs()
                + WAY_WEIGHT * (pose.map_from_base.translation.vector - base).norm()
        };
        let mut poses: Vec<_> = self.free_poses(world, target).collect();
        poses.sort_by(|a, b| cost(a).total_cmp(&cost(b)));
        poses
    }

    /// Whether there is a pose from which `target` is reachable; see [`Self::work_poses`].
    pub fn is_reachable(&self, world: &WorldState, target: &WorldObject) -> bool {
        self.free_poses(world, target).next().is_some()
    }

    /// Candidates on rings around the points of `target`, in no order of merit.
    fn free_poses<'a>(
        &'a self,
        world: &'a WorldState,
        target: &'a WorldObject,
    ) -> impl Iterator<Item = WorkPose> + 'a {
        const BEARINGS: usize = 48;
        let angle = |step: usize| TAU * step as f64 / BEARINGS as f64;
        // A surface is worked on near its edge: each side of it has its own point.
        let mut points: Vec<Point3<f64>> = Vec::new();
        let reach_m = target.half_extent().xy().norm() + self.preferred_distance_m;
        for (sin, cos) in (0..BEARINGS).map(|step| angle(step).sin_cos()) {
            let center = target.center();
            let far =
                Point3::new(center.x + reach_m * cos, center.y + reach_m * sin, target.top_m());
            let point = target.work_point(far);
            if self.reaches_height(point.z) && points.iter().all(|p| (p - point).norm() > 1e-6) {
                points.push(point);
            }
        }
        let between = |from: f64, to: f64, share: f64| from + share * (to - from);
        let distances = [
            self.preferred_distance_m,
            between(self.preferred_distance_m, self.max_distance_m, 0.3),
            between(self.preferred_distance_m, self.max_distance_m, 0.6),
            // Not at the very limit: the base stops within a tolerance.
            between(self.preferred_distance_m, self.max_distance_m, 0.9),
            between(self.preferred_distance_m, self.min_distance_m, 0.5),
        ];
        distances.into_iter().flat_map(move |distance_m| {
            points.clone().into_iter().flat_map(move |point| {
                (0..BEARINGS).filter_map(move |step| {
                    let (sin, cos) = angle(step).sin_cos();
                    let position =
                        Point2::new(point.x - distance_m * cos, point.y - distance_m * sin);
                    self.is_free(world, target, position).then(|| WorkPose {
                        map_from_base: Isometry2::new(position.coords, angle(step)),
                        point,
                        distance_m,
                    })
                })
            })
        })
    }

    /// Whether the base, as a circle at `position` on the floor, touches nothing it would bump into.
    /// `target` itself counts only if it is furniture, so that a cube on the floor can be approached.
    pub fn is_free(&self, world: &WorldState, target: &WorldObject, position: Point2<f64>) -> bool {
        /// A loose object whose bottom is lower than this lies on the floor, m.
        const ON_FLOOR_M: f64 = 0.05;
        world
            .objects
            .values()
            .filter(|object| {
                let bottom = object.bottom_m();
                if object.fixed {
                    bottom < self.base_height_m
                } else {
                    object.id != target.id && object.held_by.is_none() && bottom < ON_FLOOR_M
                }
            })
            .all(|object| self.clearance_m(object, position) >= 0.0)
    }

    /// Gap between the base's circle at `position` and the footprint of `object`, m; negative if they overlap.
    pub fn clearance_m(&self, object: &WorldObject, position: Point2<f64>) -> f64 {
        let rotation = object.map_from_object.rotation;
        let upright = rotation.transform_vector(&Vector3::z()).z.abs() > 0.99;
        // Upright: the true rectangle; else the one around it along the map's axes.
        let (half, yaw) = if upright {
            (Vector2::new(object.size_m[0], object.size_m[1]) / 2.0, rotation.euler_angles().2)
        } else {
            (object.half_extent().xy(), 0.0)
        };
        let map_from_footprint = Isometry2::new(object.center().coords.xy(), yaw);
        let point = map_from_footprint.inverse_transform_point(&position);
        let outside =
            Vector2::new((point.x.abs() - half.x).max(0.0), (point.y.abs() - half.y).max(0.0));
        outside.norm() - self.base_radius_m
    }
}
