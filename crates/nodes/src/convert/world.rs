use sinew_model::{Container, Support, SupportSurface, WorldObject};
use sinew_msgs::diagnostic_msgs::KeyValue;
use sinew_msgs::geometry_msgs::{Point, PoseWithCovariance, Vector3};
use sinew_msgs::sinew_msgs::{
    SupportSurface as SurfaceMsg, WorldObject as ObjectMsg, WorldObjects as ObjectsMsg,
};
use sinew_msgs::std_msgs::Header;
use sinew_types::Time;

use super::state::{pose_from_msg, pose_to_msg};
use super::{ConvertError, time_from_msg, time_to_msg};

const FRAME: &str = "map";
const MESSAGE: &str = "sinew_msgs/WorldObject";

/// Objects as they were measured, in frame `map`.
pub fn objects_to_msg<'a>(
    objects: impl IntoIterator<Item = &'a WorldObject>,
    stamp: Time,
) -> ObjectsMsg {
    ObjectsMsg {
        header: Header { stamp: time_to_msg(stamp), frame_id: FRAME.into() },
        objects: objects.into_iter().map(object_to_msg).collect(),
    }
}

/// Objects from the wire.
///
/// # Errors
/// A pose that is none, another frame than `map`, or numbers out of range.
pub fn objects_from_msg(message: &ObjectsMsg) -> Result<Vec<WorldObject>, ConvertError> {
    message.objects.iter().map(object_from_msg).collect()
}

fn object_to_msg(object: &WorldObject) -> ObjectMsg {
    let mut covariance = [0.0; 36];
    for axis in 0..3 {
        covariance[axis * 7] = object.position_std_m.powi(2);
    }
    let container = object.container.unwrap_or(Container { center_m: [0.0; 3], size_m: [0.0; 3] });
    let (support, surfaces) = match &object.support {
        Support::None => (ObjectMsg::SUPPORT_NONE, &[][..]),
        Support::Top => (ObjectMsg::SUPPORT_TOP, &[][..]),
        Support::Surfaces(surfaces) => (ObjectMsg::SUPPORT_SURFACES, surfaces.as_slice()),
    };
    let surface = |s: &SupportSurface| SurfaceMsg {
        center: point(s.center_m),
        size_x: s.size_m[0],
        size_y: s.size_m[1],
    };
    ObjectMsg {
        id: object.id.clone(),
        class_id: object.class.clone(),
        attributes: object
            .attributes
            .iter()
            .map(|(key, value)| KeyValue { key: key.clone(), value: value.clone() })
            .collect(),
        frame_id: FRAME.into(),
        pose: PoseWithCovariance { pose: pose_to_msg(&object.map_from_object), covariance },
        size: vector(object.size_m),
        stamp: time_to_msg(object.stamp),
        confidence: object.confidence as f32,
        held_by: object.held_by.clone().unwrap_or_default(),
        fixed: object.fixed,
        container_center: point(container.center_m),
        container_size: vector(container.size_m),
        support,
        surfaces: surfaces.iter().map(surface).collect(),
    }
}

fn object_from_msg(message: &ObjectMsg) -> Result<WorldObject, ConvertError> {
    let error = |field, reason| ConvertError { message: MESSAGE, field, reason };
    if message.frame_id != FRAME {
        return Err(error("frame_id", format!("`{}`; allowed: {FRAME}", message.frame_id)));
    }
    let size_m = [message.size.x, message.size.y, message.size.z];
    if !size_m.iter().all(|edge| edge.is_finite() && *edge > 0.0) {
        return Err(error("size", format!("{size_m:?}; wanted: finite and above 0")));
    }
    if !(0.0..=1.0).contains(&message.confidence) {
        return Err(error("confidence", format!("{}; allowed: 0 to 1", message.confidence)));
    }
    let c = &message.container_size;
    let container = (c.x > 0.0 && c.y > 0.0 && c.z > 0.0).then_some(Container {
        center_m: [
            message.container_center.x,
            message.container_center.y,
            message.container_center.z,
        ],
        size_m: [c.x, c.y, c.z],
    });
    let surface = |s: &SurfaceMsg| SupportSurface {
        center_m: [s.center.x, s.center.y, s.center.z],
        size_m: [s.size_x, s.size_y],
    };
    let support = match message.support {
        ObjectMsg::SUPPORT_NONE => Support::None,
        ObjectMsg::SUPPORT_TOP => Support::Top,
        ObjectMsg::SUPPORT_SURFACES => {
            Support::Surfaces(message.surfaces.iter().map(surface).collect())
        }
        other => return Err(error("support", format!("{other}; allowed: 0, 1, 2"))),
    };
    Ok(WorldObject {
        id: message.id.clone(),
        class: message.class_id.clone(),
        attributes: message
            .attributes
            .iter()
            .map(|entry| (entry.key.clone(), entry.value.clone()))
            .collect(),
        size_m,
        map_from_object: pose_from_msg(MESSAGE, "pose", &message.pose.pose)?,
        position_std_m: message.pose.covariance[0].max(0.0).sqrt(),
        stamp: time_from_msg(&message.stamp),
        confidence: f64::from(message.confidence),
        held_by: Some(message.held_by.clone()).filter(|group| !group.is_empty()),
        fixed: message.fixed,
        container,
        support,
    })
}

fn point([x, y, z]: [f64; 3]) -> Point {
    Point { x, y, z }
}

fn vector([x, y, z]: [f64; 3]) -> Vector3 {
    Vector3 { x, y, z }
}
