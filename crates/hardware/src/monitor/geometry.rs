//! Distances between the links of a robot.

use std::ops::Range;

use nalgebra::Isometry3;
use parry3d_f64::math::{Pose, Rotation, Vector};
use parry3d_f64::query::gjk::{self, CsoPoint, GJKResult, VoronoiSimplex};
use parry3d_f64::shape::{Cuboid, Cylinder, Segment, SupportMap};
use sinew_robot::{CollisionShape, Kinematics, RobotError};

use super::config::{AxisAlignedBox, Body};

/// How much a box or a cylinder is shrunk before it is rounded, at most, m.
const SHRINK_M: f64 = 0.005;

/// Where the links of a robot are, and how far from each other.
///
/// Each shape is a core (line, box, cylinder) and a radius about it, and nowhere smaller than the shape
/// that it stands for: capsules and spheres are exact, the faces of a cylinder lie up to 2.1 mm and those of a box
/// up to 3.7 mm outside of it. So the distance is signed: negative where shapes overlap, down to minus the
/// sum of both radii; where even the cores overlap it falls further, by how far the bounding spheres do.
/// The iteration behind it is exact to 0.01 mm.
#[derive(Clone, Debug)]
pub struct Geometry {
    kinematics: Kinematics,
    solids: Vec<Solid>,
    /// Solids by link.
    ranges: Vec<Range<usize>>,
    /// Pose of each solid's core in the base frame.
    base_from_core: Vec<Pose>,
}

/// A convex core and all that lies within a radius of it.
#[derive(Clone, Copy, Debug)]
struct Solid {
    link: usize,
    link_from_core: Pose,
    core: Core,
    radius_m: f64,
    /// Of the sphere about the core's origin that holds all of it.
    bounding_radius_m: f64,
}

#[derive(Clone, Copy, Debug)]
enum Core {
    Line(Segment),
    Box(Cuboid),
    /// About y.
    Cylinder(Cylinder),
}

impl Core {
    fn support(&self) -> &dyn SupportMap {
        match self {
            Self::Line(line) => line,
            Self::Box(cuboid) => cuboid,
            Self::Cylinder(cylinder) => cylinder,
        }
    }

    /// Radius of the sphere about the origin that holds it.
    fn bounding_radius_m(&self) -> f64 {
        match self {
            Self::Line(line) => line.a.length(),
            Self::Box(cuboid) => cuboid.half_extents.length(),
            Self::Cylinder(cylinder) => cylinder.radius.hypot(cylinder.half_height),
        }
    }
}

/// Core and radius of a shape; none of a mesh. Cores of cylinders lie about y, all others as the shape.
fn rounded(shape: &CollisionShape) -> Option<(Core, f64)> {
    match *shape {
        CollisionShape::Box { half_extents_m } => {
            let shrink = half_extents_m.min().min(SHRINK_M);
            let [x, y, z] = half_extents_m.map(|half| half - shrink).into();
            // The corner of the box is the furthest from the core.
            Some((Core::Box(Cuboid::new(Vector::new(x, y, z))), shrink * 3_f64.sqrt()))
        }
        CollisionShape::Cylinder { radius_m, half_length_m } => {
            let shrink = radius_m.min(half_length_m).min(SHRINK_M);
            let core = Cylinder::new(half_length_m - shrink, radius_m - shrink);
            Some((Core::Cylinder(core), shrink * 2_f64.sqrt()))
        }
        CollisionShape::Capsule { radius_m, half_length_m } => {
            let end = Vector::new(0.0, 0.0, half_length_m);
            Some((Core::Line(Segment::new(-end, end)), radius_m))
        }
        CollisionShape::Mesh => None,
    }
}

fn pose(isometry: &Isometry3<f64>) -> Pose {
    let (rotation, translation) = (isometry.rotation.coords, isometry.translation.vector);
    Pose::from_parts(
        Vector::new(translation.x, translation.y, translation.z),
        Rotation::from_xyzw(rotation.x, rotation.y, rotation.z, rotation.w),
    )
}

impl Geometry {
    /// The robot with every joint at its zero. Meshes are left out.
    pub fn new(body: &Body) -> Self {
        let mut shapes = body.shapes.clone();
        shapes.sort_by_key(|shape| shape.link);
        let solids: Vec<Solid> = shapes
            .iter()
            .filter_map(|shape| {
                let (core, radius_m) = rounded(&shape.shape)?;
                let mut link_from_core = pose(&shape.link_from_shape);
                if matches!(core, Core::Cylinder(_)) {
                    link_from_core *=
                        Pose::rotation(Vector::new(std::f64::consts::FRAC_PI_2, 0.0, 0.0));
                }
                let bounding_radius_m = core.bounding_radius_m() + radius_m;
                Some(Solid { link: shape.link, link_from_core, core, radius_m, bounding_radius_m })
            })
            .collect();
        let ranges = (0..body.links.len())
            .map(|link| {
                let first = solids.partition_point(|solid| solid.link < link);
                first..solids.partition_point(|solid| solid.link <= link)
            })
            .collect();
        let mut geometry = Self {
            kinematics: body.kinematics.clone(),
            base_from_core: vec![Pose::IDENTITY; solids.len()],
            solids,
            ranges,
        };
        geometry.place();
        geometry
    }

    /// Moves the links to these joint positions, one per joint of the model. Real-time safe.
    ///
    /// # Errors
    /// [`RobotError::Length`].
    pub fn update(&mut self, positions: &[f64]) -> Result<(), RobotError> {
        self.kinematics.update(positions)?;
        self.place();
        Ok(())
    }

    fn place(&mut self) {
        let base_from_link = self.kinematics.base_from_link();
        for (placed, solid) in self.base_from_core.iter_mut().zip(&self.solids) {
            *placed = pose(&base_from_link[solid.link]) * solid.link_from_core;
        }
    }

    /// Whether a link has a shape.
    pub fn has_shape(&self, link: usize) -> bool {
        self.ranges.get(link).is_some_and(|range| !range.is_empty())
    }

    /// Distance between two links, m; infinity where it is surely above `beyond`, or one has no shape. Real-time safe.
    ///
    /// # Panics
    /// For an index that is not a link's.
    pub fn distance(&self, a: usize, b: usize, beyond: f64) -> f64 {
        let mut nearest = f64::INFINITY;
        for first in self.ranges[a].clone() {
            for second in self.ranges[b].clone() {
                let distance = self.solid_distance(
                    (&self.solids[first], &self.base_from_core[first]),
                    (&self.solids[second], &self.base_from_core[second]),
                    beyond.min(nearest),
                );
                nearest = nearest.min(distance);
            }
        }
        nearest
    }

    fn solid_distance(&self, a: (&Solid, &Pose), b: (&Solid, &Pose), beyond: f64) -> f64 {
        let ((a, base_from_a), (b, base_from_b)) = (a, b);
        let spheres = (base_from_b.translation - base_from_a.translation).length()
            - a.bounding_radius_m
            - b.bounding_radius_m;
        if spheres > beyond {
            return f64::INFINITY;
        }
        let radii = a.radius_m + b.radius_m;
        let a_from_b = base_from_a.inv_mul(base_from_b);
        match core_distance(&a_from_b, a.core.support(), b.core.support(), beyond + radii) {
            CoreDistance::Apart(distance) => distance - radii,
            CoreDistance::Beyond => f64::INFINITY,
            CoreDistance::Overlap => spheres.min(0.0) - radii,
            CoreDistance::Unknown => spheres,
        }
    }

    /// How far a link is inside a box in the frame of another link, m: the least over the box's faces, negative
    /// if it reaches out; infinity for a link without shape. Real-time safe.
    ///
    /// # Panics
    /// For an index that is not a link's.
    pub fn depth_inside(&self, link: usize, frame: usize, bounds: &AxisAlignedBox) -> f64 {
        let frame_from_base = pose(&self.kinematics.base_from_link()[frame]).inverse();
        let mut least = f64::INFINITY;
        for index in self.ranges[link].clone() {
            let solid = &self.solids[index];
            let frame_from_core = frame_from_base * self.base_from_core[index];
            for (axis, direction) in [Vector::X, Vector::Y, Vector::Z].into_iter().enumerate() {
                let reach = |direction: Vector| {
                    let local = frame_from_core.rotation.inverse() * direction;
                    let point = solid.core.support().local_support_point(local);
                    direction.dot(frame_from_core * point) + solid.radius_m
                };
                let (min, max) = (bounds.min_m[axis], bounds.max_m[axis]);
                least = least.min(max - reach(direction)).min(-min - reach(-direction));
            }
        }
        least
    }

    /// Distance of a link from a box in the frame of another link, m, like [`Geometry::distance`]. Real-time safe.
    ///
    /// # Panics
    /// For an index that is not a link's.
    pub fn distance_to(
        &self,
        link: usize,
        frame: usize,
        bounds: &AxisAlignedBox,
        beyond: f64,
    ) -> f64 {
        let half = (bounds.max_m - bounds.min_m) / 2.0;
        let centre = (bounds.max_m + bounds.min_m) / 2.0;
        let core = Core::Box(Cuboid::new(Vector::new(half.x, half.y, half.z)));
        let keep_out = Solid {
            link: frame,
            link_from_core: Pose::IDENTITY,
            core,
            radius_m: 0.0,
            bounding_radius_m: core.bounding_radius_m(),
        };
        let base_from_box = pose(&self.kinematics.base_from_link()[frame])
            * Pose::from_translation(Vector::new(centre.x, centre.y, centre.z));
        let mut nearest = f64::INFINITY;
        for index in self.ranges[link].clone() {
            let placed = (&self.solids[index], &self.base_from_core[index]);
            let distance =
                self.solid_distance(placed, (&keep_out, &base_from_box), beyond.min(nearest));
            nearest = nearest.min(distance);
        }
        nearest
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
enum CoreDistance {
    Apart(f64),
    /// Surely further than asked for.
    Beyond,
    Overlap,
    /// The iteration did not converge.
    Unknown,
}

fn core_distance(
    a_from_b: &Pose,
    a: &dyn SupportMap,
    b: &dyn SupportMap,
    beyond: f64,
) -> CoreDistance {
    let towards = a_from_b.translation.try_normalize().unwrap_or(Vector::X);
    let mut simplex = VoronoiSimplex::new();
    let mut measure = |beyond: f64| {
        simplex.reset(CsoPoint::from_shapes(a_from_b, a, b, -towards));
        gjk::closest_points(a_from_b, a, b, beyond, true, &mut simplex)
    };
    match measure(beyond) {
        GJKResult::ClosestPoints(on_a, on_b, _) => CoreDistance::Apart((on_b - on_a).length()),
        GJKResult::Intersection => CoreDistance::Overlap,
        // Along x this may also say that there was no convergence: asked again without a bound, it says that alone.
        GJKResult::NoIntersection(Vector::X) => match measure(f64::MAX) {
            GJKResult::ClosestPoints(on_a, on_b, _) => CoreDistance::Apart((on_b - on_a).length()),
            GJKResult::Intersection => CoreDistance::Overlap,
            GJKResult::NoIntersection(_) | GJKResult::Proximity(_) => CoreDistance::Unknown,
        },
        GJKResult::NoIntersection(_) | GJKResult::Proximity(_) => CoreDistance::Beyond,
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use nalgebra::{Point3, Vector3};
    use rand::{Rng, SeedableRng};
    use rand_chacha::ChaCha8Rng;
    use sinew_robot::RobotModel;

    use super::*;
    use crate::monitor::LinkShape;

    fn mobi() -> RobotModel {
        let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../../urdf/mobi.robot.yaml");
        RobotModel::load(file).unwrap()
    }

    fn random_positions(model: &RobotModel, random: &mut ChaCha8Rng) -> Vec<f64> {
        let of = |joint: &sinew_robot::Joint| {
            (joint.limits.lower.max(-3.0), joint.limits.upper.min(3.0))
        };
        model
            .joints()
            .iter()
            .map(of)
            .map(|(lower, upper)| random.random_range(lower..=upper))
            .collect()
    }

    /// The point of a shape, shrunk by this much, that is nearest to a point; both in the shape's frame.
    fn nearest(shape: &CollisionShape, shrink: bool, point: Vector3<f64>) -> Vector3<f64> {
        let shrunk = |least: f64| if shrink { least.min(SHRINK_M) } else { 0.0 };
        match *shape {
            CollisionShape::Box { half_extents_m } => {
                let half = half_extents_m.add_scalar(-shrunk(half_extents_m.min()));
                point.zip_map(&half, |value, half| value.clamp(-half, half))
            }
            CollisionShape::Cylinder { radius_m, half_length_m } => {
                let shrink = shrunk(radius_m.min(half_length_m));
                let (radius, half) = (radius_m - shrink, half_length_m - shrink);
                let across = point.xy().norm();
                let scale = if across > radius { radius / across } else { 1.0 };
                Vector3::new(point.x * scale, point.y * scale, point.z.clamp(-half, half))
            }
            CollisionShape::Capsule { radius_m, half_length_m } => {
                let on_line = Vector3::new(0.0, 0.0, point.z.clamp(-half_length_m, half_length_m));
                let way = point - on_line;
                if shrink { on_line } else { on_line + way * (radius_m / way.norm().max(radius_m)) }
            }
            CollisionShape::Mesh => panic!("mobi has none"),
        }
    }

    fn radius(shape: &CollisionShape) -> f64 {
        match *shape {
            CollisionShape::Box { half_extents_m } => {
                half_extents_m.min().min(SHRINK_M) * 3_f64.sqrt()
            }
            CollisionShape::Cylinder { radius_m, half_length_m } => {
                radius_m.min(half_length_m).min(SHRINK_M) * 2_f64.sqrt()
            }
            CollisionShape::Capsule { radius_m, .. } => radius_m,
            CollisionShape::Mesh => panic!("mobi has none"),
        }
    }

    /// Distance of two convex sets by projecting to and fro, which needs nothing but nearest points.
    fn alternating(
        a: (&LinkShape, &Isometry3<f64>),
        b: (&LinkShape, &Isometry3<f64>),
        shrink: bool,
    ) -> f64 {
        let project = |(shape, base_from_shape): (&LinkShape, &Isometry3<f64>),
                       point: &Point3<f64>| {
            let local = base_from_shape.inverse_transform_point(point);
            base_from_shape * Point3::from(nearest(&shape.shape, shrink, local.coords))
        };
        let mut on_b = Point3::from(b.1.translation.vector);
        let mut last = f64::INFINITY;
        for _ in 0..50_000 {
            let on_a = project(a, &on_b);
            on_b = project(b, &on_a);
            let distance = (on_b - on_a).norm();
            if last - distance < 1e-12 {
                return distance;
            }
            last = distance;
        }
        last
    }

    #[test]
    fn distances_are_those_of_an_independent_calculation_and_never_above_those_of_the_true_shapes()
    {
        let model = mobi();
        let body = Body::from_robot(&model);
        let mut geometry = Geometry::new(&body);
        let mut kinematics = Kinematics::new(&model);
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let (mut compared, mut close) = (0, 0);
        for _ in 0..400 {
            let positions = random_positions(&model, &mut random);
            geometry.update(&positions).unwrap();
            kinematics.update(&positions).unwrap();
            let (a, b) = (random.random_range(0..28), random.random_range(0..28));
            if a == b || a >= body.links.len() || b >= body.links.len() {
                continue;
            }
            let of = |link: usize| {
                let base_from_link = kinematics.base_from_link()[link];
                body.shapes
                    .iter()
                    .filter(move |shape| shape.link == link)
                    .map(move |shape| (shape, base_from_link * shape.link_from_shape))
            };
            let (mut rounded, mut exact) = (f64::INFINITY, f64::INFINITY);
            let mut overlaps = false;
            for first in of(a) {
                for second in of(b) {
                    let (first, second) = ((first.0, &first.1), (second.0, &second.1));
                    let cores = alternating(first, second, true);
                    overlaps |= cores < 1e-6;
                    rounded = rounded.min(cores - radius(&first.0.shape) - radius(&second.0.shape));
                    exact = exact.min(alternating(first, second, false));
                }
            }
            let distance = geometry.distance(a, b, f64::MAX);
            if rounded.is_infinite() {
                assert!(distance.is_infinite());
                continue;
            }
            compared += 1;
            close += u32::from(distance < 0.05);
            let names = (&body.links[a], &body.links[b]);
            if overlaps {
                assert!(distance < 0.0, "{names:?}: {distance}");
            } else {
                // Projections creep along parallel faces; they end above the distance, never below.
                let difference = rounded - distance;
                assert!((-1e-5..2e-3).contains(&difference), "{names:?}: {distance} {rounded}");
                assert!(distance <= exact + 1e-5, "{names:?}: {distance} {exact}");
                let growth = if exact > 1e-6 { exact - distance } else { 0.0 };
                assert!(growth < 2.0 * 0.0037 + 2e-3, "{names:?}: {distance} {exact}");
            }
            assert_eq!(geometry.distance(b, a, f64::MAX) < 0.0, distance < 0.0, "{names:?}");
            if distance > 0.01 {
                let beyond = geometry.distance(a, b, 0.005);
                assert!(beyond.is_infinite() || (beyond - distance).abs() < 1e-5, "{names:?}");
            }
        }
        assert!(compared > 150 && close > 10, "{compared} {close}");
    }

    #[test]
    fn every_pair_is_measured_and_the_iteration_always_converges() {
        let model = mobi();
        let body = Body::from_robot(&model);
        let mut geometry = Geometry::new(&body);
        let mut random = ChaCha8Rng::seed_from_u64(4);
        for _ in 0..300 {
            geometry.update(&random_positions(&model, &mut random)).unwrap();
            for a in 0..geometry.solids.len() {
                for b in 0..a {
                    let a_from_b = geometry.base_from_core[a].inv_mul(&geometry.base_from_core[b]);
                    let cores = (geometry.solids[a].core, geometry.solids[b].core);
                    let (core_a, core_b) = (cores.0.support(), cores.1.support());
                    let found = core_distance(&a_from_b, core_a, core_b, f64::MAX);
                    assert!(
                        matches!(found, CoreDistance::Apart(_) | CoreDistance::Overlap),
                        "{a} {b} {found:?}"
                    );
                }
            }
        }
    }

    #[test]
    fn depth_in_a_box_and_distance_from_one_are_signed() {
        let sphere = LinkShape {
            link: 1,
            link_from_shape: Isometry3::translation(0.1, 0.0, 0.0),
            shape: CollisionShape::Capsule { radius_m: 0.05, half_length_m: 0.0 },
        };
        let model = mobi();
        let body = Body { shapes: vec![sphere], ..Body::from_robot(&model) };
        let geometry = Geometry::new(&body);
        let wheel = model.links()[1].parent_from_link.translation.vector;
        let centre = wheel + Vector3::new(0.1, 0.0, 0.0);
        let bounds = |min: Vector3<f64>, max: Vector3<f64>| AxisAlignedBox {
            min_m: centre + min,
            max_m: centre + max,
        };
        let wide = bounds(Vector3::repeat(-1.0), Vector3::new(1.0, 1.0, 0.07));
        assert!((geometry.depth_inside(1, 0, &wide) - 0.02).abs() < 1e-9);
        let narrow = bounds(Vector3::new(-0.04, -1.0, -1.0), Vector3::repeat(1.0));
        assert!((geometry.depth_inside(1, 0, &narrow) + 0.01).abs() < 1e-9);
        let beside = bounds(Vector3::new(0.06, -1.0, -1.0), Vector3::repeat(1.0));
        assert!((geometry.distance_to(1, 0, &beside, 1.0) - 0.01).abs() < 1e-6);
        let touching = bounds(Vector3::new(0.03, -1.0, -1.0), Vector3::repeat(1.0));
        assert!((geometry.distance_to(1, 0, &touching, 1.0) + 0.02).abs() < 1e-6);
        assert!(geometry.depth_inside(2, 0, &wide).is_infinite());
    }
}
