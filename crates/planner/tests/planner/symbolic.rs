//! Instructions become the best plan, or a refusal that says why not.

use std::collections::{BTreeMap, HashMap};

use crate::common::{cube, object, registry, tabletop};
use nalgebra::Isometry3;
use proptest::prelude::*;
use serde_json::json;
use sinew_model::{Facts, Predicate, SkillRegistry, WorldState, validate};
use sinew_planner::{PlanRefusal, PlanRequest, Planned, Planner, SearchLimits, SymbolicPlanner};
use sinew_types::ErrorCode;

fn ask_in(world: &WorldState, instruction: &str) -> Result<Planned, PlanRefusal> {
    let request = PlanRequest::new(instruction, world.clone(), registry());
    let mut planning = SymbolicPlanner::default().start(request);
    planning.poll().expect("the symbolic planner answers at once")
}

fn ask(instruction: &str) -> Result<Planned, PlanRefusal> {
    ask_in(&tabletop(), instruction)
}

fn steps(planned: &Planned) -> Vec<String> {
    let step = |step: &sinew_model::PlanStep| {
        let words: Vec<_> =
            step.args.as_object().unwrap().values().map(|v| v.to_string()).collect();
        format!("{} {}", step.skill, words.join(" ").replace('"', "")).trim().to_owned()
    };
    planned.plan.steps().iter().map(step).collect()
}

#[test]
fn put_the_red_cube_in_the_bin() {
    let planned = ask("put the red cube in the bin").unwrap();
    let expected = [
        "drive_to red_cube",
        "reach red_cube 0.1",
        "pick red_cube",
        "drive_to bin",
        "place red_cube bin in",
    ];
    assert_eq!(steps(&planned), expected);
    assert_eq!(planned.plan.goal(), [Predicate::is_in("red_cube", "bin")]);
}

#[test]
fn each_form_gives_a_plan() {
    for (instruction, count, last) in [
        ("bring the blue cube to the bin", 5, "place blue_cube bin in"),
        ("bring the blue cube to the green cube", 5, "place blue_cube green_cube on"),
        ("stack the red cube on the blue cube", 5, "place red_cube blue_cube on"),
        ("put red_cube on the table", 0, ""),
        ("go to the bin", 1, "drive_to bin"),
        ("pick up the green cube", 3, "pick green_cube"),
        ("look at the bin", 1, "look_at bin"),
        ("reach for the red cube", 2, "reach red_cube 0.1"),
        ("go home", 0, ""),
        ("wait 3 seconds", 1, "wait 3.0"),
        ("reach for the red cube then go home", 3, "home"),
        ("pick up the red cube and put it in the bin", 5, "place red_cube bin in"),
        ("put the red cube in the bin and then go to the table", 6, "drive_to table"),
        ("put the red and", 0, "refused"),
    ] {
        match ask(instruction) {
            Ok(planned) => {
                let steps = steps(&planned);
                assert_eq!(steps.len(), count, "{instruction}: {steps:?}");
                assert_eq!(steps.last().map_or("", String::as_str), last, "{instruction}");
            }
            Err(refusal) => assert_eq!(last, "refused", "{instruction}: {refusal}"),
        }
    }
}

#[test]
fn all_cubes_go_in_the_bin() {
    let planned = ask("put all cubes in the bin").unwrap();
    assert_eq!(planned.plan.steps().len(), 15);
    assert_eq!(planned.plan.goal().len(), 3);
    let cleared = ask("clear the table").unwrap();
    assert_eq!(cleared.plan.steps().len(), 15);
    let both = ask("put the red cube and the blue cube in the bin").unwrap();
    assert_eq!(both.plan.steps().len(), 10);
}

#[test]
fn a_stack_is_taken_apart_first() {
    let mut world = tabletop();
    world.objects.get_mut("green_cube").unwrap().map_from_object =
        Isometry3::translation(1.32, 0.0, 0.46);
    let planned = ask_in(&world, "put the red cube in the bin").unwrap();
    let steps = steps(&planned);
    let picked: Vec<_> = steps.iter().filter(|step| step.starts_with("pick")).collect();
    assert_eq!(picked, ["pick green_cube", "pick red_cube"], "{steps:?}");
}

#[test]
fn what_is_out_of_date_is_looked_at_first() {
    let mut world = tabletop();
    world.objects.get_mut("red_cube").unwrap().confidence = 0.2;
    let planned = ask_in(&world, "pick up the red cube").unwrap();
    assert_eq!(steps(&planned).iter().filter(|s| *s == "look_at red_cube").count(), 1);
}

#[test]
fn then_keeps_the_order_and_and_does_not() {
    let then = ask("put the blue cube in the bin then put the red cube in the bin").unwrap();
    assert_eq!(steps(&then)[2], "pick blue_cube");
    assert_eq!(then.plan.goal().len(), 2);
    // Blue cannot be put under red once red stands on it: together, blue goes first.
    let planned =
        ask("stack the red cube on the blue cube and put the blue cube on the green cube");
    let steps = steps(&planned.unwrap());
    assert_eq!(steps.iter().filter(|s| s.starts_with("pick")).count(), 2);
    assert_eq!(steps[2], "pick blue_cube");
}

#[test]
fn refusals_name_what_is_known_or_missing() {
    let mut world = tabletop();
    world.insert(object("lamp", "lamp", [0.05; 3], [0.0, -2.0, 1.8]));
    let cases: [(&str, ErrorCode, &[&str]); 13] = [
        ("", ErrorCode::InstructionRefused, &["empty"]),
        ("dance", ErrorCode::InstructionRefused, &["`dance`", "put X in|on Y"]),
        ("pick up the green dragon", ErrorCode::UnknownObject, &["green dragon", "red_cube"]),
        ("pick up the purple cube", ErrorCode::UnknownObject, &["purple cube", "blue_cube"]),
        (
            "pick up the cube",
            ErrorCode::InstructionRefused,
            &["`cube`", "blue_cube, green_cube, red_cube"],
        ),
        ("pick up it", ErrorCode::UnknownObject, &["known"]),
        ("pick up the lamp", ErrorCode::Unreachable, &["lamp", "out of reach"]),
        ("go to the lamp", ErrorCode::Unreachable, &["near(lamp)"]),
        ("pick up the table", ErrorCode::Unreachable, &["fixed in place"]),
        ("put the red cube in the table", ErrorCode::Unreachable, &["no container"]),
        ("put the red cube on the bin", ErrorCode::Unreachable, &["nothing can stand on bin"]),
        (
            "put the red cube in the bin and put it on the table",
            ErrorCode::InstructionRefused,
            &["in(red_cube, bin)", "on(red_cube, table)"],
        ),
        (
            "pick up the red cube and pick up the blue cube",
            ErrorCode::InstructionRefused,
            &["holding(red_cube)", "holding(blue_cube)"],
        ),
    ];
    for (instruction, code, wanted) in cases {
        let refusal = ask_in(&world, instruction).expect_err(instruction);
        assert_eq!(refusal.code(), code, "{instruction}: {refusal}");
        assert!(refusal.code().is_refusal());
        for part in wanted {
            assert!(refusal.to_string().contains(part), "{instruction}: `{part}`: {refusal}");
        }
    }
}

#[test]
fn a_or_any_means_the_nearest_and_superlatives_the_size() {
    let mut world = tabletop();
    let planned = ask_in(&world, "pick up a cube").unwrap();
    assert_eq!(steps(&planned).last().unwrap(), "pick red_cube");
    world.objects.get_mut("blue_cube").unwrap().size_m = [0.05; 3];
    let planned = ask_in(&world, "pick up the largest cube").unwrap();
    assert_eq!(steps(&planned).last().unwrap(), "pick blue_cube");
    assert!(matches!(
        ask_in(&world, "pick up the smallest cube"),
        Err(PlanRefusal::Ambiguous { candidates, .. }) if candidates == ["green_cube", "red_cube"]
    ));
}

#[test]
fn the_search_stops_at_its_limit() {
    let planner = SymbolicPlanner::new(SearchLimits { max_expansions: 3 });
    let request = PlanRequest::new("put all cubes in the bin", tabletop(), registry());
    match planner.start(request).wait() {
        Err(PlanRefusal::NoPlan { why, .. }) => assert!(why.contains("within 3 states"), "{why}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn five_cubes_are_planned_within_the_limit() {
    let mut world = tabletop();
    world.insert(cube("white", [1.35, 0.45, 0.42]));
    world.insert(cube("black", [1.35, -0.45, 0.42]));
    let planned = ask_in(&world, "put every cube in the bin").unwrap();
    assert_eq!(planned.plan.steps().len(), 25);
}

/// The least cost by brute force over the model's own facts: no bits, no heuristic.
fn least_cost(registry: &SkillRegistry, world: &WorldState, goal: &[Predicate]) -> Option<u64> {
    let mut calls = Vec::new();
    // Everything is known from the start: looking helps only where it is the goal.
    let looks = goal.iter().any(|predicate| predicate.to_string().contains("looking_at"));
    for skill in registry.iter().filter(|s| s.id != "wait" && (looks || s.id != "look_at")) {
        let references = skill.references();
        let mut args = vec![json!({})];
        for reference in references {
            let ids = reference.kind.candidates(world);
            args = args
                .iter()
                .flat_map(|args| {
                    ids.iter().map(|id| {
                        let mut args = args.clone();
                        args[&reference.argument] = json!(id);
                        args
                    })
                })
                .collect();
        }
        for args in args {
            let relations: &[&str] = if skill.id == "place" { &["in", "on"] } else { &[""] };
            for relation in relations {
                let mut args = args.clone();
                if !relation.is_empty() {
                    args["relation"] = json!(relation);
                }
                calls.push(skill.ground(&args).unwrap());
            }
        }
    }
    let start = Facts::of(world);
    let mut open = BTreeMap::from([(0_u64, vec![start.clone()])]);
    let mut best = HashMap::from([(start, 0_u64)]);
    while let Some((cost, batch)) = open.pop_first() {
        for facts in batch {
            if best[&facts] < cost {
                continue;
            }
            if goal.iter().all(|predicate| facts.holds(predicate)) {
                return Some(cost);
            }
            for call in &calls {
                let Ok(next) = facts.after(call) else { continue };
                let next_cost = cost + (call.cost_s * 1000.0) as u64;
                if best.get(&next).is_none_or(|known| next_cost < *known) {
                    best.insert(next.clone(), next_cost);
                    open.entry(next_cost).or_default().push(next);
                }
            }
        }
    }
    None
}

#[test]
fn plans_are_optimal_where_brute_force_can_tell() {
    let mut world = tabletop();
    world.objects.remove("blue_cube");
    world.objects.get_mut("green_cube").unwrap().map_from_object =
        Isometry3::translation(1.32, 0.0, 0.46);
    for goal in [
        vec!["in(red_cube, bin)"],
        vec!["holding(red_cube)"],
        vec!["on(red_cube, green_cube)"],
        vec!["not on(red_cube, table)", "hand_empty"],
        vec!["tool_at(bin)", "looking_at(table)"],
    ] {
        let goal: Vec<Predicate> = goal.iter().map(|text| text.parse().unwrap()).collect();
        let request = PlanRequest::new("", world.clone(), registry());
        let planned = SymbolicPlanner::default().plan_for(&goal, &request).unwrap();
        let cost = planned.plan.typical_duration().as_millis() as u64;
        assert_eq!(Some(cost), least_cost(&registry(), &world, &goal), "{goal:?}");
    }
}

prop_compose! {
    /// Cubes on the table or in the bin, some stacked, some forgotten; the arm somewhere.
    fn any_world()(
        places in proptest::collection::vec((0.0..1.0_f64, 0_u8..4, 0.0..1.0_f64), 1..4),
        tucked in any::<bool>(),
    ) -> WorldState {
        let mut world = tabletop();
        world.objects.retain(|_, object| object.fixed);
        let colors = ["red", "green", "blue"];
        for (i, (along, place, confidence)) in places.into_iter().enumerate() {
            let y = -0.5 + 0.35 * i as f64 + 0.2 * along;
            let mut cube = cube(colors[i], match place {
                0 => [0.08 * (i as f64 - 1.0), 1.6, 0.04],
                _ => [1.33 + 0.05 * along, y, 0.42],
            });
            if place == 3 && i > 0 {
                // On the one before, wherever that is.
                let below = &world.objects[&format!("{}_cube", colors[i - 1])];
                cube.map_from_object = below.map_from_object;
                cube.map_from_object.translation.z += 0.04;
            }
            cube.confidence = confidence;
            world.insert(cube);
        }
        world.robot.arm_configuration = tucked.then(|| "home".into());
        world
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_plan_validates_and_every_refusal_is_typed(
        world in any_world(),
        instruction in prop_oneof![
            Just("put the red cube in the bin"),
            Just("clear the table"),
            Just("put all cubes on the table"),
            Just("stack the red cube on the green cube and go to the bin"),
            Just("empty the bin then pick up a cube"),
            Just("put everything in the bin and look at it"),
        ],
    ) {
        match ask_in(&world, instruction) {
            Ok(planned) => {
                let again = validate(planned.plan.to_proposed(), &registry(), &world);
                prop_assert_eq!(again.unwrap(), planned.plan);
            }
            Err(refusal) => prop_assert!(refusal.code().is_refusal(), "{}", refusal),
        }
    }
}
