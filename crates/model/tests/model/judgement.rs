//! What is measured decides whether a predicate holds.

use std::f64::consts::FRAC_PI_2;
use std::time::Duration;

use crate::common::{cube, object, tabletop};
use nalgebra::{Isometry3, UnitQuaternion, Vector3};
use sinew_model::{Predicate, Slot, WorldState};

fn holds(world: &WorldState, text: &str) -> bool {
    world.judge(&text.parse().unwrap()).holds
}

fn put(world: &mut WorldState, id: &str, at: [f64; 3]) {
    world.objects.get_mut(id).unwrap().map_from_object =
        Isometry3::translation(at[0], at[1], at[2]);
}

/// The gripper closed on an object, which hangs at the tool.
fn grip(world: &mut WorldState, id: &str) {
    let at = world.robot.map_from_tool.unwrap().translation;
    put(world, id, [at.x, at.y, at.z]);
    let gripper = world.robot.grippers.get_mut("gripper").unwrap();
    (gripper.width_m, gripper.force_n) = (0.039, 12.0);
}

#[test]
fn on_wants_contact_and_support_below_the_centre() {
    let mut world = tabletop();
    assert!(holds(&world, "on(red_cube, table)"));
    assert!(!holds(&world, "on(red_cube, bin)"));
    assert!(!holds(&world, "clear(table)"));
    put(&mut world, "red_cube", [1.32, 0.0, 0.46]);
    assert!(!holds(&world, "on(red_cube, table)"), "4 cm above it");
    put(&mut world, "red_cube", [1.19, 0.0, 0.42]);
    assert!(!holds(&world, "on(red_cube, table)"), "its centre is over the edge");
    put(&mut world, "red_cube", [1.35, 0.26, 0.46]);
    assert!(holds(&world, "on(red_cube, green_cube)"));
    assert!(!holds(&world, "clear(green_cube)"));
    assert!(holds(&world, "on(red_cube, $any)"));
}

#[test]
fn a_cube_that_landed_on_its_side_still_carries() {
    let mut world = tabletop();
    let tipped = UnitQuaternion::from_axis_angle(&Vector3::x_axis(), FRAC_PI_2);
    let green = world.objects.get_mut("green_cube").unwrap();
    green.map_from_object.rotation = tipped;
    put(&mut world, "red_cube", [1.35, 0.25, 0.46]);
    assert!(holds(&world, "on(red_cube, green_cube)"));
    assert!(holds(&world, "on(green_cube, table)"));
}

#[test]
fn in_wants_the_centre_inside_and_below_the_rim() {
    let mut world = tabletop();
    put(&mut world, "red_cube", [0.05, 1.55, 0.04]);
    assert!(holds(&world, "in(red_cube, bin)"));
    let judgement = world.judge(&Predicate::is_in("red_cube", "bin"));
    assert!(judgement.evidence.iter().any(|e| e.key == "below_rim_m" && e.value == "0.2100"));
    put(&mut world, "red_cube", [0.05, 1.55, 0.26]);
    assert!(!holds(&world, "in(red_cube, bin)"), "above the rim");
    put(&mut world, "red_cube", [0.2, 1.6, 0.1]);
    assert!(!holds(&world, "in(red_cube, bin)"), "beside it");
}

#[test]
fn holding_wants_force_width_and_place() {
    let mut world = tabletop();
    assert!(holds(&world, "hand_empty"));
    grip(&mut world, "red_cube");
    assert!(holds(&world, "holding(red_cube)") && !holds(&world, "hand_empty"));
    assert!(!holds(&world, "holding(blue_cube)"));
    let mut no_force = world.clone();
    no_force.robot.grippers.get_mut("gripper").unwrap().force_n = 0.1;
    assert!(!holds(&no_force, "holding(red_cube)"));
    let mut closed = world.clone();
    closed.robot.grippers.get_mut("gripper").unwrap().width_m = 0.0;
    assert!(!holds(&closed, "holding(red_cube)"), "pads touch: nothing between");
    assert!(holds(&closed, "hand_empty"));
    put(&mut world, "red_cube", [1.32, 0.0, 0.42]);
    assert!(!holds(&world, "holding(red_cube)"), "lost on the way");
    assert!(!holds(&world, "hand_empty"), "but something is between the pads");
}

#[test]
fn near_follows_the_reach_envelope() {
    let mut world = tabletop();
    assert!(!holds(&world, "near(red_cube)"), "1.3 m away");
    for (x, expected) in [(0.7, true), (0.55, false), (1.0, false)] {
        world.robot.map_from_base = Isometry3::translation(x, 0.0, 0.0);
        assert_eq!(holds(&world, "near(red_cube)"), expected, "base at x = {x}");
    }
    let turned = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), 0.6);
    world.robot.map_from_base = Isometry3::from_parts(Vector3::new(0.7, 0.0, 0.0).into(), turned);
    assert!(!holds(&world, "near(red_cube)"), "not faced");
}

#[test]
fn each_work_pose_is_near_and_free() {
    let world = tabletop();
    for id in ["red_cube", "table", "bin"] {
        let target = &world.objects[id];
        let poses = world.robot.reach.work_poses(&world, target);
        assert!(!poses.is_empty(), "{id}");
        for pose in poses {
            let mut there = world.clone();
            let planar = pose.map_from_base;
            let yaw = UnitQuaternion::from_axis_angle(&Vector3::z_axis(), planar.rotation.angle());
            let at = planar.translation.vector;
            there.robot.map_from_base =
                Isometry3::from_parts(Vector3::new(at.x, at.y, 0.0).into(), yaw);
            let judgement = there.judge(&Predicate::near(id));
            assert!(judgement.holds, "{id} from {pose:?}: {judgement:?}");
            for furniture in there.objects.values().filter(|o| o.fixed) {
                assert!(world.robot.reach.clearance_m(furniture, at.into()) >= 0.0);
            }
        }
    }
}

#[test]
fn what_is_too_high_or_too_far_inside_has_no_work_pose() {
    let mut world = tabletop();
    world.insert(object("lamp", "lamp", [0.1; 3], [0.0, -2.0, 1.8]));
    let mut slab = object("slab", "slab", [3.0, 3.0, 0.4], [0.0, 8.0, 0.2]);
    slab.fixed = true;
    world.insert(slab);
    world.insert(object("coin", "coin", [0.02; 3], [0.0, 8.0, 0.41]));
    for (id, reachable) in [("lamp", false), ("coin", false), ("red_cube", true)] {
        let reach = world.robot.reach;
        assert_eq!(reach.is_reachable(&world, &world.objects[id]), reachable, "{id}");
    }
}

#[test]
fn knowledge_fades_and_furniture_stays() {
    let mut world = tabletop();
    assert!(holds(&world, "known(red_cube)"));
    world.stamp += Duration::from_secs(31);
    assert!(!holds(&world, "known(red_cube)"));
    assert!(holds(&world, "known(table)"));
}

#[test]
fn the_rest_is_judged_on_the_robot() {
    let mut world = tabletop();
    assert!(holds(&world, "arm_at(home)") && !holds(&world, "arm_at(ready)"));
    assert!(holds(&world, "robot_still"));
    world.robot.base_linear_m_s = 0.1;
    assert!(!holds(&world, "robot_still"));
    world.robot.map_from_tool = Some(Isometry3::translation(1.33, 0.01, 0.54));
    assert!(holds(&world, "tool_at(red_cube)") && !holds(&world, "tool_at(blue_cube)"));
    assert!(!holds(&world, "looking_at(red_cube)"), "no camera");
    let toward_x = UnitQuaternion::from_axis_angle(&Vector3::y_axis(), FRAC_PI_2);
    world.robot.map_from_camera =
        Some(Isometry3::from_parts(Vector3::new(0.0, 0.0, 0.5).into(), toward_x));
    assert!(holds(&world, "looking_at(red_cube)") && !holds(&world, "looking_at(bin)"));
}

#[test]
fn an_unknown_object_is_nowhere() {
    let world = tabletop();
    let judgement = world.judge(&Predicate::near("dragon"));
    assert!(!judgement.holds);
    assert_eq!(judgement.evidence[0].key, "unknown_object");
}

#[test]
fn a_world_survives_json() {
    let mut world = tabletop();
    world.insert(cube("white", [0.1, 0.2, 0.3]));
    let text = serde_json::to_string(&world).unwrap();
    assert_eq!(serde_json::from_str::<WorldState>(&text).unwrap(), world);
}

#[test]
fn predicates_survive_their_text() {
    for text in [
        "near(bin)",
        "not on(red_cube, $any)",
        "hand_empty",
        "in(red_cube, bin)",
        "not robot_still",
        "arm_at(home)",
    ] {
        assert_eq!(text.parse::<Predicate>().unwrap().to_string(), text);
    }
    let spaced: Predicate = " not  on( red_cube ,$any )".parse().unwrap();
    assert_eq!(spaced, Predicate::On { object: "red_cube".into(), support: Slot::Any }.negated());
    for (text, wanted) in [
        ("above(a, b)", "allowed: near, holding"),
        ("on(a)", "`on` takes 2"),
        ("near(a", "`)` is missing"),
        ("near($target)", "stands for an argument"),
        ("near(a b)", "is no name"),
    ] {
        let error = text.parse::<Predicate>().unwrap_err().to_string();
        assert!(error.contains(wanted), "{text}: {error}");
    }
}
