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

/// Room for the fingers around the object, m.
const FINGERS_M: f64 = 0.035;
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
    let radius_m = object.half_extent().xy().norm();
    if into {
        return in_container(world, destination, object, radius_m);
    }
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
                let inset =
                    surface.size_m.map(|edge| edge / 2.0 - radius_m.min(edge / 2.0) - EDGE_M);
                let free = |point: &Point3<f64>| {
                    is_free(world, destination, object, point, radius_m + FINGERS_M)
                };
                let points = grid(&frame, inset).into_iter().filter(free);
                all.extend(points.map(|point| ((point - near).norm(), spot(point, &frame, None))));
            }
            sorted(all)
        }
    }
}

fn in_container(
    world: &WorldState,
    bin: &WorldObject,
    object: &WorldObject,
    radius_m: f64,
) -> Vec<Spot> {
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
    let steps = half_m.map(|half| (half.max(0.0) / GRID_M).floor() as i32);
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
