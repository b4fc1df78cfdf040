use sinew_driver_sim::{ObjectInfo, SeenObject, Surface};
use sinew_model::{Container, Support, SupportSurface, WorldObject};
use sinew_types::Time;

/// What the simulator's perception saw, as the world model keeps it.
pub fn seen_object(seen: &SeenObject, stamp: Time) -> WorldObject {
    WorldObject {
        position_std_m: seen.position_std_m,
        ..object(&seen.info, seen.map_from_object, stamp)
    }
}

/// An object of the simulator at a pose, known for certain.
pub fn object(info: &ObjectInfo, pose: nalgebra::Isometry3<f64>, stamp: Time) -> WorldObject {
    let surface = |s: &Surface| SupportSurface { center_m: s.centre_m, size_m: s.size_m };
    // A loose thing carries on whichever face looks up; furniture on its own surfaces.
    let support = match (info.surfaces.is_empty(), info.is_fixture) {
        (true, _) => Support::None,
        (false, false) => Support::Top,
        (false, true) => Support::Surfaces(info.surfaces.iter().map(surface).collect()),
    };
    WorldObject {
        id: info.id.clone(),
        class: info.class.clone(),
        attributes: info.attributes.clone(),
        size_m: info.size_m,
        map_from_object: pose,
        position_std_m: 0.0,
        stamp,
        confidence: 1.0,
        held_by: None,
        fixed: info.is_fixture,
        container: info
            .interior
            .map(|inner| Container { center_m: inner.centre_m, size_m: inner.size_m }),
        support,
    }
}
