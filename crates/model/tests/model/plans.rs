//! Only a plan that works in simulated facts is a plan.

use crate::common::{object, registry, tabletop};
use serde_json::{Value, json};
use sinew_model::{Plan, PlanError, PlanErrorCode, ProposedPlan, WorldState, validate};

fn check_in(world: &WorldState, goal: &[&str], steps: &[(&str, Value)]) -> Result<Plan, PlanError> {
    let steps: Vec<_> =
        steps.iter().map(|(skill, args)| json!({"skill": skill, "args": args})).collect();
    let proposed: ProposedPlan =
        serde_json::from_value(json!({"steps": steps, "goal": goal})).unwrap();
    validate(proposed, &registry(), world)
}

fn check(goal: &[&str], steps: &[(&str, Value)]) -> Result<Plan, PlanError> {
    check_in(&tabletop(), goal, steps)
}

fn put_red_in_bin() -> Vec<(&'static str, Value)> {
    vec![
        ("drive_to", json!({"target": "red_cube"})),
        ("reach", json!({"target": "red_cube"})),
        ("pick", json!({"object": "red_cube"})),
        ("drive_to", json!({"target": "bin"})),
        ("place", json!({"object": "red_cube", "destination": "bin", "relation": "in"})),
    ]
}

#[test]
fn a_good_plan_passes_and_prints() {
    let plan = check(&["in(red_cube, bin)"], &put_red_in_bin()).unwrap();
    let text = plan.to_string();
    assert!(text.contains(" 2. reach(target: red_cube, hover_m: 0.1)"), "{text}");
    assert!(text.ends_with("goal: in(red_cube, bin)"), "{text}");
    assert_eq!(plan.steps()[4].postconditions[0].to_string(), "in(red_cube, bin)");
    assert!((plan.typical_duration().as_secs_f64() - 37.0).abs() < 1e-9);
    assert_eq!(validate(plan.to_proposed(), &registry(), &tabletop()).unwrap(), plan);
}

#[test]
fn each_fault_names_its_step_and_kind() {
    use PlanErrorCode as C;
    let swap = |index: usize, skill: &'static str, args: Value| {
        let mut steps = put_red_in_bin();
        steps[index] = (skill, args);
        steps
    };
    let cases = [
        (swap(1, "teleport", json!({})), Some(1), C::UnknownSkill, "known: drive_to"),
        (
            swap(1, "reach", json!({"target": "red_cube", "hover_m": 3})),
            Some(1),
            C::InvalidArguments,
            "hover_m",
        ),
        (swap(0, "drive_to", json!({"target": "dragon"})), Some(0), C::UnknownObject, "dragon"),
        (swap(1, "home", json!({})), Some(2), C::PreconditionFailed, "needs tool_at(red_cube)"),
        (put_red_in_bin()[..3].to_vec(), None, C::GoalNotReached, "in(red_cube, bin)"),
    ];
    for (steps, step, code, wanted) in cases {
        let error = check(&["in(red_cube, bin)"], &steps).unwrap_err();
        assert_eq!((error.step, error.code), (step, code), "{error}");
        assert!(error.to_string().contains(wanted), "{error}");
    }
    let empty = check(&[], &[]).unwrap_err();
    assert_eq!(empty.code, C::GoalNotReached);
    let unknown = check(&["near(dragon)"], &[]).unwrap_err();
    assert_eq!((unknown.step, unknown.code), (None, C::UnknownObject));
    let waits = vec![("wait", json!({"duration_s": 1})); 65];
    assert_eq!(check(&["robot_still"], &waits).unwrap_err().code, C::TooLong);
}

#[test]
fn what_cannot_be_is_refused() {
    let mut world = tabletop();
    let mut box_ = object("box", "box", [0.2, 0.2, 0.1], [1.35, 0.45, 0.45]);
    box_.confidence = 1.0;
    world.insert(box_);
    let mut into_table = put_red_in_bin();
    into_table[4] =
        ("place", json!({"object": "red_cube", "destination": "table", "relation": "in"}));
    into_table[3] = ("drive_to", json!({"target": "table"}));
    let grasp = |id: &str| {
        vec![
            ("drive_to", json!({"target": id})),
            ("reach", json!({"target": id})),
            ("pick", json!({"object": id})),
        ]
    };
    for (steps, wanted) in [
        (into_table, "table is no container"),
        (grasp("box"), "box is 0.200 m wide, and the gripper opens 0.080 m"),
        (grasp("bin"), "bin is fixed in place"),
    ] {
        let error = check_in(&world, &["robot_still"], &steps).unwrap_err();
        assert_eq!(error.code, PlanErrorCode::Impossible, "{error}");
        assert!(error.message.contains(wanted), "{error}");
    }
}

#[test]
fn what_is_loose_carries_one_object() {
    let stack = |id: &str| {
        [
            ("drive_to", json!({"target": id})),
            ("reach", json!({"target": id})),
            ("pick", json!({"object": id})),
            ("drive_to", json!({"target": "blue_cube"})),
            ("place", json!({"object": id, "destination": "blue_cube", "relation": "on"})),
        ]
    };
    let steps = [stack("red_cube"), stack("green_cube")].concat();
    let error = check(&["robot_still"], &steps).unwrap_err();
    assert_eq!((error.step, error.code), (Some(9), PlanErrorCode::PreconditionFailed));
    assert!(error.message.contains("on(red_cube, blue_cube) holds"), "{error}");
    // What is below cannot be picked.
    let under = [stack("red_cube").to_vec(), stack("blue_cube")[..3].to_vec()].concat();
    let error = check(&["robot_still"], &under).unwrap_err();
    assert!(error.message.contains("needs clear(blue_cube)"), "{error}");
}
