//! Skills in the simulator, through the real gate, with the shipped policies, in virtual time.

use std::time::Duration;

use serde_json::{Value, json};
use sinew_skills::{ControlSource, OnBusy, Rejection};
use sinew_types::{ErrorCode, GoalId, Outcome, StopEpoch, Termination};

use crate::rig::{Rig, TICK};

fn measured(outcome: &Outcome, key: &str) -> f64 {
    let found = outcome.evidence.iter().find(|evidence| evidence.key == key);
    found.unwrap_or_else(|| panic!("no {key} in {outcome:#?}")).value.parse().unwrap()
}

#[track_caller]
fn succeed(rig: &mut Rig, skill: &str, args: Value) -> Outcome {
    let outcome = rig.run(skill, args.clone());
    assert!(outcome.is_success(), "{skill} {args}: {outcome:#?}");
    assert!(outcome.postcondition_met);
    outcome
}

/// Starts a goal and lets it run for a time.
#[track_caller]
fn begin(rig: &mut Rig, skill: &str, args: Value, for_s: f64) -> GoalId {
    let goal = rig.goal(skill, args);
    let id = rig.send(goal).unwrap();
    for _ in 0..(for_s / TICK.as_secs_f64()) as u32 {
        rig.tick();
    }
    assert_eq!(rig.outcome(id), None, "it still runs");
    id
}

#[track_caller]
fn assert_at_rest(rig: &Rig) {
    let [linear, angular, joints] = rig.speeds();
    assert!(linear <= 0.02 && angular <= 0.02 && joints <= 0.05, "{:?}", rig.speeds());
}

fn reject(rig: &mut Rig, skill: &str, args: Value) -> Rejection {
    let goal = rig.goal(skill, args);
    rig.send(goal).unwrap_err()
}

#[test]
fn a_cube_goes_into_the_bin_in_less_than_forty_seconds() {
    let mut rig = Rig::new(1);
    let mut total = Duration::ZERO;
    let drive = succeed(&mut rig, "drive_to", json!({"target": "red_cube"}));
    assert!(measured(&drive, "commanded_by_policy_s") > 0.5);
    assert_eq!(measured(&drive, "commanded_by_primitive_s"), 0.0);
    total += drive.elapsed;
    total += succeed(&mut rig, "reach", json!({"target": "red_cube"})).elapsed;
    let pick = succeed(&mut rig, "pick", json!({"object": "red_cube"}));
    assert!((measured(&pick, "held_width_m") - 0.04).abs() < 0.005);
    assert!(measured(&pick, "held_force_n") > 3.0);
    assert!(measured(&pick, "commanded_by_policy_s") > 0.5);
    assert!(measured(&pick, "commanded_by_primitive_s") > 0.5);
    total += pick.elapsed;
    total += succeed(&mut rig, "drive_to", json!({"target": "bin"})).elapsed;
    let put = json!({"object": "red_cube", "destination": "bin", "relation": "in"});
    total += succeed(&mut rig, "place", put).elapsed;
    println!("{:.1} s", total.as_secs_f64());
    assert!(total < Duration::from_secs(40), "{total:?}");
    // What the skills measured is so in truth.
    let truth = rig.seen.truth();
    let at = |id: &str| truth.object(id).unwrap().map_from_object.translation.vector;
    assert!((at("red_cube") - at("bin")).xy().norm() < 0.11);
    assert_at_rest(&rig);
}

#[test]
fn a_cube_is_stacked_on_another() {
    let mut rig = Rig::new(3);
    succeed(&mut rig, "drive_to", json!({"target": "blue_cube"}));
    succeed(&mut rig, "reach", json!({"target": "blue_cube", "hover_m": 0.15}));
    succeed(&mut rig, "pick", json!({"object": "blue_cube"}));
    succeed(&mut rig, "drive_to", json!({"target": "green_cube"}));
    let put = json!({"object": "blue_cube", "destination": "green_cube", "relation": "on"});
    succeed(&mut rig, "place", put);
}

#[test]
fn learned_policies_grasp_and_let_go() {
    let mut rig = Rig::learned(3);
    succeed(&mut rig, "drive_to", json!({"target": "blue_cube"}));
    succeed(&mut rig, "reach", json!({"target": "blue_cube"}));
    let pick = succeed(&mut rig, "pick", json!({"object": "blue_cube"}));
    assert!((measured(&pick, "held_width_m") - 0.04).abs() < 0.005);
    // Only the folding of the arm is left to a primitive.
    assert!(measured(&pick, "commanded_by_policy_s") > 1.0);
    succeed(&mut rig, "drive_to", json!({"target": "green_cube"}));
    let put = json!({"object": "blue_cube", "destination": "green_cube", "relation": "on"});
    let place = succeed(&mut rig, "place", put);
    assert!(measured(&place, "commanded_by_policy_s") > 1.5);
    assert_at_rest(&rig);
}

#[test]
fn a_learned_grasp_is_slower_at_half_speed_and_stops_when_it_is_cancelled() {
    let mut took = Vec::new();
    for speed_scale in [1.0, 0.5] {
        let mut rig = Rig::learned(3);
        succeed(&mut rig, "drive_to", json!({"target": "blue_cube"}));
        succeed(&mut rig, "reach", json!({"target": "blue_cube"}));
        let mut goal = rig.goal("pick", json!({"object": "blue_cube"}));
        goal.speed_scale = speed_scale;
        let id = rig.send(goal).unwrap();
        let outcome = rig.wait(id);
        assert!(outcome.is_success(), "{outcome:#?}");
        took.push(measured(&outcome, "commanded_by_policy_s"));
    }
    assert!(took[1] > 1.4 * took[0], "{took:?}");

    let mut rig = Rig::learned(3);
    succeed(&mut rig, "drive_to", json!({"target": "blue_cube"}));
    succeed(&mut rig, "reach", json!({"target": "blue_cube"}));
    let id = begin(&mut rig, "pick", json!({"object": "blue_cube"}), 0.5);
    assert!(rig.speeds().iter().any(|speed| *speed > 0.1), "it moves: {:?}", rig.speeds());
    assert!(rig.server.cancel(id));
    let outcome = rig.wait(id);
    assert_eq!(outcome.termination, Termination::Canceled);
    assert_at_rest(&rig);
}

#[test]
fn head_arm_and_patience() {
    let mut rig = Rig::new(2);
    let look = succeed(&mut rig, "look_at", json!({"target": "bin"}));
    assert!(measured(&look, "head_error_rad") < 0.01);
    succeed(&mut rig, "look_at", json!({"target": "green_cube"}));
    let wait = succeed(&mut rig, "wait", json!({"duration_s": 0.5}));
    assert!(measured(&wait, "waited_s") >= 0.5);
    succeed(&mut rig, "drive_to", json!({"target": "table"}));
    // A piece of furniture is hovered over where the robot stands.
    succeed(&mut rig, "reach", json!({"target": "table", "hover_m": 0.2}));
    let home = succeed(&mut rig, "home", json!({}));
    assert!(measured(&home, "home_error_rad") < 0.03);
    assert_eq!(measured(&home, "commanded_by_policy_s"), 0.0);
}

#[test]
fn a_cancelled_goal_stops_commanding_at_once_and_ends_at_rest() {
    for (skill, for_s) in [("drive_to", 1.5), ("reach", 0.5)] {
        let mut rig = Rig::new(1);
        if skill == "reach" {
            succeed(&mut rig, "drive_to", json!({"target": "red_cube"}));
        }
        let id = begin(&mut rig, skill, json!({"target": "red_cube"}), for_s);
        assert!(rig.speeds().iter().any(|speed| *speed > 0.1), "it moves: {:?}", rig.speeds());
        assert_eq!(rig.feedback[0].1.control_source, ControlSource::Policy);
        assert!(rig.server.cancel(id));
        rig.tick();
        assert!(!rig.server.cancel(id), "it is stopping already");
        assert_eq!(rig.feedback[0].1.phase, "coming to rest");
        assert_eq!(rig.feedback[0].1.control_source, ControlSource::Hold);
        rig.tick();
        assert!(rig.control.safety().groups.iter().all(|group| group.owner.is_none()));
        let outcome = rig.wait(id);
        assert_eq!(
            (outcome.termination, outcome.error),
            (Termination::Canceled, ErrorCode::Canceled)
        );
        assert_at_rest(&rig);
        assert!(!rig.server.cancel(id));
    }
}

#[test]
fn a_goal_that_preempts_waits_until_the_other_is_at_rest() {
    let mut rig = Rig::new(1);
    let first = begin(&mut rig, "drive_to", json!({"target": "red_cube"}), 1.5);
    assert_eq!(reject(&mut rig, "drive_to", json!({"target": "bin"})).error, ErrorCode::Busy);
    // Another group is free.
    let look = rig.goal("look_at", json!({"target": "bin"}));
    let look = rig.send(look).unwrap();
    let mut goal = rig.goal("drive_to", json!({"target": "bin"}));
    goal.on_busy = OnBusy::Preempt;
    let second = rig.send(goal).unwrap();
    rig.tick();
    assert_eq!(rig.feedback[0].1.queue_depth, 1);
    let outcome = rig.wait(first);
    assert_eq!((outcome.termination, outcome.error), (Termination::Aborted, ErrorCode::Preempted));
    assert_at_rest_base(&rig);
    let outcome = rig.wait(second);
    assert!(outcome.is_success(), "{outcome:#?}");
    assert!(rig.outcome(look).is_some());
}

fn assert_at_rest_base(rig: &Rig) {
    let [linear, angular, _] = rig.speeds();
    assert!(linear <= 0.02 && angular <= 0.02, "{:?}", rig.speeds());
}

#[test]
fn a_goal_out_of_time_stops_rests_and_says_so() {
    let mut rig = Rig::new(1);
    let mut goal = rig.goal("drive_to", json!({"target": "bin"}));
    goal.max_duration = Duration::from_secs(2);
    let id = rig.send(goal).unwrap();
    let outcome = rig.wait(id);
    assert_eq!((outcome.termination, outcome.error), (Termination::Aborted, ErrorCode::TimeLimit));
    assert!(outcome.message.contains("2.0 s"), "{}", outcome.message);
    assert!(outcome.elapsed > Duration::from_secs(2));
    assert_at_rest(&rig);
}

#[test]
fn a_stop_ends_a_goal_as_such() {
    let mut rig = Rig::new(1);
    let id = begin(&mut rig, "drive_to", json!({"target": "red_cube"}), 1.0);
    // Nobody hears of the process any more: a protective stop.
    rig.beats = false;
    let outcome = rig.wait(id);
    assert_eq!(outcome.error, ErrorCode::SafetyStop);
    let rejection = reject(&mut rig, "home", json!({}));
    assert_eq!(rejection.error, ErrorCode::NotReady);
    assert!(rejection.message.contains("allowed: ready"), "{}", rejection.message);
}

#[test]
fn a_goal_without_fresh_measurements_stops() {
    let mut rig = Rig::new(1);
    let id = begin(&mut rig, "drive_to", json!({"target": "red_cube"}), 1.0);
    rig.is_blind = true;
    let outcome = rig.wait(id);
    assert_eq!(outcome.error, ErrorCode::ObservationStale);
    assert!(outcome.message.contains("allowed: 100 ms"), "{}", outcome.message);
    assert_eq!(reject(&mut rig, "home", json!({})).error, ErrorCode::ObservationStale);
}

#[test]
fn half_the_speed_takes_longer_and_moves_slower() {
    let run = |speed_scale: f64| {
        let mut rig = Rig::new(1);
        let mut goal = rig.goal("drive_to", json!({"target": "red_cube"}));
        goal.speed_scale = speed_scale;
        let id = rig.send(goal).unwrap();
        let mut fastest = 0.0_f64;
        loop {
            rig.tick();
            fastest = fastest.max(rig.speeds()[0]);
            if let Some(outcome) = rig.outcome(id) {
                assert!(outcome.is_success(), "{outcome:#?}");
                return (fastest, outcome.elapsed.as_secs_f64());
            }
        }
    };
    let ((full_speed, full_s), (half_speed, half_s)) = (run(1.0), run(0.5));
    assert!(half_speed < 0.6 * full_speed, "{half_speed} m/s of {full_speed} m/s");
    assert!(half_s > 1.5 * full_s, "{half_s} s after {full_s} s");
}

#[test]
fn a_dry_run_checks_all_and_moves_nothing() {
    let mut rig = Rig::new(1);
    let before = rig.world.robot.map_from_base;
    let mut goal = rig.goal("drive_to", json!({"target": "red_cube"}));
    goal.dry_run = true;
    let id = rig.send(goal).unwrap();
    rig.tick();
    let outcome = rig.outcome(id).expect("it ends at once");
    assert!(outcome.is_success() && !outcome.postcondition_met);
    assert!(
        (rig.world.robot.map_from_base.translation.vector - before.translation.vector).norm()
            < 1e-4
    );
    let mut goal = rig.goal("reach", json!({"target": "red_cube"}));
    goal.dry_run = true;
    assert_eq!(rig.send(goal).unwrap_err().error, ErrorCode::PreconditionFailed);
}

#[test]
fn a_goal_that_cannot_be_is_rejected_with_what_is_allowed() {
    let mut rig = Rig::new(1);
    let cases = [
        ("fly", json!({}), ErrorCode::UnknownSkill, "drive_to"),
        ("drive_to", json!({}), ErrorCode::InvalidArguments, "target"),
        ("drive_to", json!({"target": "bin", "speed": 1}), ErrorCode::InvalidArguments, "speed"),
        ("wait", json!({"duration_s": -1.0}), ErrorCode::InvalidArguments, "duration_s"),
        ("drive_to", json!({"target": "dragon"}), ErrorCode::UnknownObject, "red_cube"),
        ("pick", json!({"object": "red_cube"}), ErrorCode::PreconditionFailed, "near(red_cube)"),
    ];
    for (skill, args, error, names) in cases {
        let rejection = reject(&mut rig, skill, args);
        assert_eq!(rejection.error, error, "{}", rejection.message);
        assert!(rejection.message.contains(names), "{}", rejection.message);
    }

    let wait = |rig: &mut Rig| rig.goal("wait", json!({"duration_s": 1.0}));
    let mut goal = wait(&mut rig);
    goal.version = "^2.0".into();
    assert_eq!(rig.send(goal).unwrap_err().error, ErrorCode::UnknownSkill);
    let mut goal = wait(&mut rig);
    goal.version = "new".into();
    assert_eq!(rig.send(goal).unwrap_err().error, ErrorCode::InvalidArguments);
    for speed_scale in [0.0, -1.0, 1.1, f64::NAN] {
        let mut goal = wait(&mut rig);
        goal.speed_scale = speed_scale;
        assert_eq!(rig.send(goal).unwrap_err().error, ErrorCode::InvalidArguments);
    }
    let mut goal = wait(&mut rig);
    goal.expected_stop_epoch = StopEpoch(77);
    assert_eq!(rig.send(goal).unwrap_err().error, ErrorCode::StaleGoal);
    let old = wait(&mut rig);
    for _ in 0..110 {
        rig.tick();
    }
    assert_eq!(rig.send(old).unwrap_err().error, ErrorCode::StaleGoal);
    let good = wait(&mut rig);
    let same = good.clone();
    rig.send(good).unwrap();
    assert_eq!(rig.send(same).unwrap_err().error, ErrorCode::InvalidArguments);
}

#[test]
fn what_is_out_of_reach_is_rejected_before_anything_moves() {
    let mut rig = Rig::new(1);
    // As if it had been put on a cupboard.
    let mut tall = rig.world.objects["red_cube"].clone();
    tall.id = "lamp".into();
    tall.map_from_object.translation.z = 1.6;
    tall.fixed = true;
    rig.world.insert(tall);
    let rejection = reject(&mut rig, "drive_to", json!({"target": "lamp"}));
    assert_eq!(rejection.error, ErrorCode::Unreachable, "{}", rejection.message);
    assert!(rejection.message.contains("allowed: 0.00 m to 0.70 m"), "{}", rejection.message);
}
