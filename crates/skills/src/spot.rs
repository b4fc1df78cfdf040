use nalgebra::{Isometry3, Point3};
use sinew_model::{ReachEnvelope, Support, WorldObject, WorldState};

/// Where an object can be put: the point that its bottom comes to, and the axes it is aligned with.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spot {
    /// In the map, m.
    pub(crate) point: Point3<f64>,
    /// Of the surface's x axis in the map, rad.
    pub(crate) yaw_rad: f64,
    /// In a container the object is let go above the floor; this far over the point is the rim, m.
    pub(crate) rim_over_m: Option<f64>,
}

/// Room for the fingers around an object that is let go in a container, m.
const FINGERS_M: f64 = 0.035;
/// Left between objects on a surface, m.
const GAP_M: f64 = 0.005;
/// With so much room around it an object can also be grasped from any side, m.
const ROOM_M: f64 = 0.045;
/// A place with less room is worth taking only if it is so much nearer, m.
const TIGHT_COST_M: f64 = 0.3;
/// Between two spots of the grid that is searched, m.
const GRID_M: f64 = 0.025;
/// Of an object, from the edge of a surface, m.
const EDGE_M: f64 = 0.01;
/// In a container, the object is let go with its bottom this far below the rim, m.
const BELOW_RIM_M: f64 = 0.05;

/// Free places on or in `destination` for `object`, the best first.
pub(crate) fn spots(
    world: &WorldState,
    destination: &WorldObject,
    object: &WorldObject,
    into: bool,
) -> Vec<Spot> {
    if into {
        return in_container(world, destination, object);
    }
    let half_m = level_half_m(object);
    match &destination.support {
        Support::None => Vec::new(),
        Support::Top => {
            let center = destination.center();
            vec![Spot {
                point: Point3::new(center.x, center.y, destination.top_m()),
                yaw_rad: level_yaw_rad(&destination.map_from_object),
                rim_over_m: None,
            }]
        }
        Support::Surfaces(surfaces) => {
            let base = &world.robot.map_from_base;
            let ahead = base * Point3::new(world.robot.reach.preferred_distance_m, 0.0, 0.0);
            let mut all = Vec::new();
            for surface in surfaces {
                let frame = destination.map_from_object
                    * Isometry3::translation(
                        surface.center_m[0],
                        surface.center_m[1],
                        surface.center_m[2],
                    );
                let wanted = Point3::new(ahead.x, ahead.y, frame.translation.z);
                let near = destination.work_point(wanted);
                let inset = surface.size_m.map(|edge| edge / 2.0 - half_m - EDGE_M);
                let free = |point: &Point3<f64>, gap_m: f64| {
                    is_free(world, destination, object, point, half_m + gap_m)
                };
                for point in grid(&frame, inset) {
                    if free(&point, GAP_M) {
                        let tight = if free(&point, ROOM_M) { 0.0 } else { TIGHT_COST_M };
                        all.push(((point - near).norm() + tight, spot(point, &frame, None)));
                    }
                }
            }
            sorted(all)
        }
    }
}

fn in_container(world: &WorldState, bin: &WorldObject, object: &WorldObject) -> Vec<Spot> {
    let radius_m = object.half_extent().xy().norm();
    let Some(inner) = bin.container else { return Vec::new() };
    let [x, y, z] = inner.center_m;
    let rim = z + inner.size_m[2] / 2.0;
    let frame = bin.map_from_object * Isometry3::translation(x, y, rim);
    // The hand goes in as well.
    let inset = [inner.size_m[0], inner.size_m[1]].map(|edge| edge / 2.0 - radius_m - FINGERS_M);
    let middle = Point3::from(frame.translation.vector);
    let all = grid(&frame, inset)
        .into_iter()
        .map(|mut point| {
            let below = BELOW_RIM_M.min(inner.size_m[2]);
            point.z -= below;
            // Over another object only if there is no room beside it.
            let taken = if is_free(world, bin, object, &point, radius_m) { 0.0 } else { 1.0 };
            let off = (point - middle).xy().norm();
            (taken + off, spot(point, &frame, Some(below)))
        })
        .collect();
    sorted(all)
}

fn spot(point: Point3<f64>, frame: &Isometry3<f64>, rim_over_m: Option<f64>) -> Spot {
    Spot { point, yaw_rad: level_yaw_rad(frame), rim_over_m }
}

fn sorted(mut all: Vec<(f64, Spot)>) -> Vec<Spot> {
    all.sort_by(|a, b| a.0.total_cmp(&b.0));
    all.into_iter().map(|(_, spot)| spot).collect()
}

/// Points on a rectangle around the frame's origin; its middle alone if there is no room for more.
fn grid(frame: &Isometry3<f64>, half_m: [f64; 2]) -> Vec<Point3<f64>> {
    // A hair more, so that rounding does not cost the outermost row.
    let steps = half_m.map(|half| (half.max(0.0) / GRID_M + 1e-6).floor() as i32);
    let mut points = Vec::new();
    for i in -steps[0]..=steps[0] {
        for j in -steps[1]..=steps[1] {
            let point = Point3::new(f64::from(i) * GRID_M, f64::from(j) * GRID_M, 0.0);
            points.push(frame * point);
        }
    }
    points
}

/// Whether a circle on a surface touches nothing that stands there.
fn is_free(
    world: &WorldState,
    destination: &WorldObject,
    object: &WorldObject,
    point: &Point3<f64>,
    radius_m: f64,
) -> bool {
    /// What begins higher over the surface than this is not in the way, m.
    const HEADROOM_M: f64 = 0.15;
    /// What rises less than this over the surface is part of it, m.
    const FLAT_M: f64 = 0.002;
    let circle = ReachEnvelope { base_radius_m: radius_m, ..world.robot.reach };
    world
        .objects
        .values()
        .filter(|other| other.id != object.id && other.id != destination.id)
        .filter(|other| other.held_by.is_none())
        .filter(|other| {
            if destination.container.is_some() {
                // Nothing fixed lies in it; what lies in it is lower than the point.
                return !other.fixed;
            }
            other.top_m() > point.z + FLAT_M && other.bottom_m() < point.z + HEADROOM_M
        })
        .all(|other| circle.clearance_m(other, point.xy()) >= 0.0)
}

/// Direction of that of the x and y axes which is more level, rad.
pub(crate) fn level_yaw_rad(map_from_object: &Isometry3<f64>) -> f64 {
    let axes = [nalgebra::Vector3::x(), nalgebra::Vector3::y(), nalgebra::Vector3::z()];
    let level = axes
        .into_iter()
        .map(|axis| map_from_object.rotation * axis)
        .min_by(|a, b| a.z.abs().total_cmp(&b.z.abs()))
        .unwrap_or_else(nalgebra::Vector3::x);
    level.y.atan2(level.x)
}

/// Half of the longer of the edges that lie level, m: it is put down along the axes of its place.
fn level_half_m(object: &WorldObject) -> f64 {
    let rotation = object.map_from_object.rotation.to_rotation_matrix();
    let slope = |axis: &usize| rotation.matrix()[(2, *axis)].abs();
    let upright = (0..3).max_by(|a, b| slope(a).total_cmp(&slope(b))).unwrap_or(2);
    let level = (0..3).filter(|axis| *axis != upright).map(|axis| object.size_m[axis]);
    level.fold(0.0, f64::max) / 2.0
}
