use std::f64::consts::FRAC_PI_4;

use nalgebra::{
    Isometry3, Matrix3, Point2, Point3, Rotation3, Translation3, UnitQuaternion, Vector2, Vector3,
};
use sinew_model::{ReachEnvelope, WorldObject, WorldState};
use sinew_types::RobotState;

use crate::body::Body;
use crate::io::Failure;

/// Room between the open fingers and the object, both sides together, m.
pub(crate) const FINGER_ROOM_M: f64 = 0.035;
/// The finger's pads reach this far along the approach from the tool's origin, m; the tool stays so
/// much over what the object lies on.
const LOWEST_OVER_BOTTOM_M: f64 = 0.02;
/// Deeper than this below its top an object is not grasped, m: the palm comes close.
const DEEPEST_BELOW_TOP_M: f64 = 0.03;
/// A grasp at which a finger would meet another object is the last choice, rad.
const TIGHT_COST: f64 = 100.0;
/// A finger beside the pad fits in a circle of this radius, m.
const FINGER_RADIUS_M: f64 = 0.014;
/// Of an object's own axes, those that are closer to level than this can be grasped along, as the sine
/// of their slope.
const LEVEL: f64 = 0.3;

/// The tool pointing straight down at a point, its fingers opening along `yaw_rad` (map).
pub(crate) fn top_down(point: Point3<f64>, yaw_rad: f64) -> Isometry3<f64> {
    // The tool's x axis is the approach, its y axis that along which the fingers move.
    let across = Vector3::new(yaw_rad.cos(), yaw_rad.sin(), 0.0);
    let down = -Vector3::z();
    let axes = Matrix3::from_columns(&[down, across, down.cross(&across)]);
    let rotation = UnitQuaternion::from_rotation_matrix(&Rotation3::from_matrix_unchecked(axes));
    Isometry3::from_parts(Translation3::from(point.coords), rotation)
}

/// Along which of its own axes an object is grasped.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct GraspAxis {
    /// 0 to 2.
    axis: usize,
    /// The tool's y axis points along the axis (1) or against it (-1).
    sign: f64,
    /// The object's extent along it, m.
    pub(crate) width_m: f64,
}

impl GraspAxis {
    /// Its direction in the map, rad.
    pub(crate) fn yaw_rad(&self, map_from_object: &Isometry3<f64>) -> f64 {
        let mut along = Vector3::zeros();
        along[self.axis] = self.sign;
        let along = map_from_object.rotation * along;
        along.y.atan2(along.x)
    }
}

/// The tool's pose when it grasps an object that lies at this pose.
pub(crate) fn grasp_pose(
    object: &WorldObject,
    map_from_object: &Isometry3<f64>,
    axis: &GraspAxis,
) -> Isometry3<f64> {
    let center = map_from_object.translation.vector;
    let half_m = object.half_extent().z;
    let (bottom, top) = (center.z - half_m, center.z + half_m);
    // At the middle; higher if it is so tall that the palm would touch, or so flat that the tips would.
    let height = center.z.max(top - DEEPEST_BELOW_TOP_M).max(bottom + LOWEST_OVER_BOTTOM_M);
    top_down(Point3::new(center.x, center.y, height), axis.yaw_rad(map_from_object))
}

/// How a point is approached from above: the axis, and where the arm's joints would then stand.
pub(crate) struct Approach<T> {
    pub(crate) choice: T,
    pub(crate) cost: f64,
}

/// The axis of `object` along which to grasp it, so that the arm reaches both the hover and the grasp
/// pose, no finger meets another object, and the wrist turns little.
pub(crate) fn choose_axis(
    body: &mut Body,
    state: &RobotState,
    world: &WorldState,
    object: &WorldObject,
    hover_m: f64,
) -> Result<Option<GraspAxis>, Failure> {
    let map_from_base = body.base(state)?.map_from_base;
    let rotation = object.map_from_object.rotation.to_rotation_matrix();
    let mut best: Option<Approach<GraspAxis>> = None;
    for axis in 0..3 {
        let width_m = object.size_m[axis];
        if rotation.matrix()[(2, axis)].abs() > LEVEL || width_m > body.limbs().max_width_m - 0.005
        {
            continue;
        }
        for sign in [1.0, -1.0] {
            let axis = GraspAxis { axis, sign, width_m };
            let grasp = grasp_pose(object, &object.map_from_object, &axis);
            let hover = over(&grasp, object.top_m() + hover_m);
            let Some(cost) = motion_cost(body, state, &map_from_base.inv_mul(&hover)) else {
                continue;
            };
            if body.limbs_mut().solve(&map_from_base.inv_mul(&grasp)).is_none() {
                continue;
            }
            let between = Between {
                id: &object.id,
                center: object.center().xy(),
                bottom_m: object.bottom_m(),
                yaw_rad: axis.yaw_rad(&object.map_from_object),
                width_m,
            };
            let cost = cost + if fingers_fit(body, world, &between) { 0.0 } else { TIGHT_COST };
            if best.as_ref().is_none_or(|best| cost < best.cost) {
                best = Some(Approach { choice: axis, cost });
            }
        }
    }
    Ok(best.map(|best| best.choice))
}

/// The same pose at another height, m.
pub(crate) fn over(pose: &Isometry3<f64>, height_m: f64) -> Isometry3<f64> {
    let mut raised = *pose;
    raised.translation.z = height_m;
    raised
}

/// A yaw of the fingers over a point that is not grasped: the one to which the wrist turns least.
pub(crate) fn choose_yaw(
    body: &mut Body,
    state: &RobotState,
    point: Point3<f64>,
) -> Result<Option<f64>, Failure> {
    let map_from_base = body.base(state)?.map_from_base;
    let mut best: Option<Approach<f64>> = None;
    for step in 0..8 {
        let yaw = f64::from(step) * FRAC_PI_4 + map_from_base.rotation.euler_angles().2;
        let pose = map_from_base.inv_mul(&top_down(point, yaw));
        if let Some(cost) = motion_cost(body, state, &pose)
            && best.as_ref().is_none_or(|best| cost < best.cost)
        {
            best = Some(Approach { choice: yaw, cost });
        }
    }
    Ok(best.map(|best| best.choice))
}

/// How far the joints go to a pose, rad; none if the arm does not reach it.
pub(crate) fn motion_cost(
    body: &mut Body,
    state: &RobotState,
    base_from_tool: &Isometry3<f64>,
) -> Option<f64> {
    /// The other joints matter less: how far they go hardly depends on the yaw.
    const OTHERS: f64 = 0.3;
    let solution = body.limbs_mut().solve(base_from_tool)?;
    let now = body.limbs().arm.positions(state);
    let way: Vec<f64> = solution.iter().zip(&now).map(|(to, from)| (to - from).abs()).collect();
    let (roll, others) = way.split_last()?;
    Some(roll + OTHERS * others.iter().fold(0.0, |a: f64, b| a.max(*b)))
}

/// Whether open fingers come down on both sides of a place without meeting an object other than the one
/// that is, or is to be, between them.
pub(crate) fn fingers_fit(body: &Body, world: &WorldState, between: &Between<'_>) -> bool {
    let open_m = (between.width_m + FINGER_ROOM_M).min(body.limbs().max_width_m);
    let along = Vector2::new(between.yaw_rad.cos(), between.yaw_rad.sin())
        * (open_m / 2.0 + FINGER_RADIUS_M);
    let finger = ReachEnvelope { base_radius_m: FINGER_RADIUS_M, ..world.robot.reach };
    let clears = |other: &WorldObject| {
        [along, -along].iter().all(|side| finger.clearance_m(other, between.center + side) >= 0.0)
    };
    world
        .objects
        .values()
        .filter(|other| other.id != between.id && !other.fixed && other.held_by.is_none())
        .filter(|other| other.top_m() > between.bottom_m + 0.005)
        .all(clears)
}

/// An object between open fingers.
pub(crate) struct Between<'a> {
    pub(crate) id: &'a str,
    /// In the map, m.
    pub(crate) center: Point2<f64>,
    /// Height of its lowest point, m.
    pub(crate) bottom_m: f64,
    /// Direction in which the fingers open, in the map, rad.
    pub(crate) yaw_rad: f64,
    /// Its extent in that direction, m.
    pub(crate) width_m: f64,
}
