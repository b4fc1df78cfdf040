//! A small world and the shipped skills, for the tests of this crate and of the planner.
#![allow(missing_docs, clippy::unwrap_used)]
#![allow(dead_code, reason = "shared with the tests of sinew-planner, which use a part")]

use std::path::PathBuf;
use std::sync::Arc;

use nalgebra::Isometry3;
use sinew_model::{
    Container, GripperFacts, RobotFacts, SkillRegistry, Support, WorldObject, WorldState,
};
use sinew_types::Time;

pub(crate) fn root() -> PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

pub(crate) fn registry() -> Arc<SkillRegistry> {
    Arc::new(SkillRegistry::load_dir(&root().join("crates/skills/manifests")).unwrap())
}

pub(crate) fn object(id: &str, class: &str, size_m: [f64; 3], at_m: [f64; 3]) -> WorldObject {
    WorldObject {
        id: id.into(),
        class: class.into(),
        attributes: Default::default(),
        size_m,
        map_from_object: Isometry3::translation(at_m[0], at_m[1], at_m[2]),
        position_std_m: 0.002,
        stamp: NOW,
        confidence: 1.0,
        held_by: None,
        fixed: false,
        container: None,
        support: Support::None,
    }
}

pub(crate) const NOW: Time = Time::from_nanos(100_000_000_000);

pub(crate) fn cube(color: &str, at_m: [f64; 3]) -> WorldObject {
    let mut cube = object(&format!("{color}_cube"), "cube", [0.04; 3], at_m);
    cube.attributes.insert("color".into(), color.into());
    cube.support = Support::Top;
    cube
}

/// A robot at the origin, arm tucked and hand empty; a table ahead with a red, a green and a blue
/// cube; a bin to the left.
pub(crate) fn tabletop() -> WorldState {
    let mut world = WorldState {
        stamp: NOW,
        robot: RobotFacts {
            stamp: NOW,
            arm_configuration: Some("home".into()),
            map_from_tool: Some(Isometry3::translation(0.2, 0.0, 0.8)),
            ..RobotFacts::default()
        },
        ..WorldState::default()
    };
    let open = GripperFacts { width_m: 0.08, force_n: 0.0, max_width_m: 0.08 };
    world.robot.grippers.insert("gripper".into(), open);
    let mut table = object("table", "table", [0.8, 1.2, 0.4], [1.6, 0.0, 0.2]);
    table.fixed = true;
    table.support = Support::Top;
    let mut bin = object("bin", "bin", [0.3, 0.3, 0.25], [0.0, 1.6, 0.125]);
    bin.fixed = true;
    bin.container = Some(Container { center_m: [0.0, 0.0, 0.01], size_m: [0.28, 0.28, 0.23] });
    world.insert(table);
    world.insert(bin);
    world.insert(cube("red", [1.32, 0.0, 0.42]));
    world.insert(cube("green", [1.35, 0.25, 0.42]));
    world.insert(cube("blue", [1.35, -0.25, 0.42]));
    world
}
