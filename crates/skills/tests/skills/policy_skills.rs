//! Skills that are policies: any policy of the robot, by a manifest and without code.

use std::path::Path;
use std::sync::Arc;

use serde_json::json;
use sinew_hardware::layout_of;
use sinew_model::{SkillManifest, SkillRegistry};
use sinew_robot::RobotModel;
use sinew_skills::{ControlSource, Manipulation, Motion, Navigation, SkillServer, SkillSetup};
use sinew_types::{ErrorCode, Termination};

use crate::rig::{Rig, TICK, repository};

/// Drives until the object is near.
const APPROACH: &str = r#"
id: approach
version: 1.0.0
description: Drives up to an object.
args:
  type: object
  properties: {target: {type: string, format: object-id}}
  required: [target]
  additionalProperties: false
groups: [base]
postconditions: [near($target)]
effects: {remove: [near($any)], add: [near($target)]}
cost_s: 5.0
time_limit_s: 30.0
pausable: true
kind:
  policy:
    policies:
    - manifest: POLICIES/drive_to/drive_to.policy.yaml
      inputs:
        goal_position: [{position_of: $target, frame: base, axes: xy}]
        goal_heading: [0.0, 1.0]
    until: postconditions
"#;

/// Two policies that pull to opposite sides.
const TUG: &str = r#"
id: tug
version: 1.0.0
description: Drives forward or backward, or is torn.
args:
  type: object
  properties:
    forward: {type: number}
    backward: {type: number, default: 0.0}
    seconds: {type: number, default: 2.0}
  required: [forward]
  additionalProperties: false
groups: [base]
cost_s: 2.0
time_limit_s: 5.0
kind:
  policy:
    policies:
    - manifest: POLICIES/drive_to/drive_to.policy.yaml
      weight: $forward
      inputs: {goal_position: [1.0, 0.0], goal_heading: [0.0, 1.0]}
    - manifest: POLICIES/drive_to/drive_to.policy.yaml
      weight: $backward
      inputs: {goal_position: [-1.0, 0.0], goal_heading: [0.0, 1.0]}
    until: {elapsed_s: $seconds}
"#;

/// The same policy until it is told to end.
const ROAM: &str = r#"
id: roam
version: 1.0.0
description: Drives on and on.
args: {type: object, additionalProperties: false}
groups: [base]
cost_s: 2.0
time_limit_s: 5.0
kind:
  policy:
    policies:
    - manifest: POLICIES/drive_to/drive_to.policy.yaml
      inputs: {goal_position: [1.0, 0.3], goal_heading: [0.3, 0.954]}
    until: canceled
"#;

/// Looks, grasps and lifts.
const GRASP: &str = include_str!("grasp_seen.skill.yaml");

fn manifest(text: &str) -> SkillManifest {
    let policies = repository().join("policies").canonicalize().unwrap();
    let text = text.replace("POLICIES", &policies.display().to_string());
    SkillManifest::from_yaml(&text, "test.skill.yaml").unwrap()
}

fn rig(skills: &[&str]) -> Rig {
    Rig::with_skills(1, SkillRegistry::new(skills.iter().map(|text| manifest(text))).unwrap())
}

fn measured(outcome: &sinew_types::Outcome, key: &str) -> f64 {
    let found = outcome.evidence.iter().find(|evidence| evidence.key == key);
    found.unwrap_or_else(|| panic!("no {key} in {outcome:#?}")).value.parse().unwrap()
}

#[test]
fn a_policy_ends_when_its_postconditions_are_measured() {
    let mut rig = rig(&[APPROACH]);
    let goal = rig.goal("approach", json!({"target": "red_cube"}));
    let id = rig.send(goal).unwrap();
    for _ in 0..50 {
        rig.tick();
    }
    assert_eq!(rig.feedback[0].1.control_source, ControlSource::Policy);
    let outcome = rig.wait(id);
    assert!(outcome.is_success(), "{outcome:#?}");
    assert!(measured(&outcome, "commanded_by_policy_s") > 0.5, "{outcome:#?}");
    let [linear, angular, _] = rig.speeds();
    assert!(linear <= 0.02 && angular <= 0.02, "{:?}", rig.speeds());
}

#[test]
fn a_blend_is_the_mean_of_its_policies_by_weight() {
    let mut rig = rig(&[TUG]);
    let mut travelled = |args| {
        let before = rig.world.robot.map_from_base;
        let outcome = rig.run("tug", args);
        assert!(outcome.is_success(), "{outcome:#?}");
        assert!((measured(&outcome, "commanded_by_policy_s") - 2.0).abs() < 0.05, "{outcome:#?}");
        (before.inverse() * rig.world.robot.map_from_base).translation.x
    };
    let forward = travelled(json!({"forward": 1.0}));
    let torn = travelled(json!({"forward": 0.5, "backward": 0.5}));
    let backward = travelled(json!({"forward": 0.0, "backward": 3.0}));
    assert!(forward > 0.3, "{forward} m");
    assert!(torn.abs() < 0.25 * forward, "{torn} m, {forward} m alone");
    assert!(backward < 0.1, "{backward} m");
}

#[test]
fn a_policy_without_an_end_is_ended_by_cancel_or_by_the_time_limit() {
    let mut rig = rig(&[ROAM]);
    let goal = rig.goal("roam", json!({}));
    let id = rig.send(goal).unwrap();
    for _ in 0..50 {
        rig.tick();
    }
    assert!(rig.speeds()[0] > 0.2, "{:?}", rig.speeds());
    assert!(rig.server.cancel(id));
    let outcome = rig.wait(id);
    assert_eq!(outcome.termination, Termination::Canceled);
    assert!(rig.speeds()[0] <= 0.02, "{:?}", rig.speeds());

    let outcome = rig.run("roam", json!({}));
    assert_eq!(outcome.error, ErrorCode::TimeLimit, "{outcome:#?}");
}

#[test]
fn what_a_policy_cannot_be_told_is_rejected() {
    let mut rig = rig(&[TUG]);
    for (args, scale, wanted) in [
        (json!({"forward": 0.0}), 1.0, "all policies have the weight 0"),
        (json!({"forward": -1.0, "backward": 2.0}), 1.0, "a policy's weight is below 0"),
        (json!({"forward": 1.0, "seconds": -1.0}), 1.0, "the time after which it ends is below 0"),
        (json!({"forward": 1.0}), 0.5, "a policy runs as fast as it was trained"),
    ] {
        let mut goal = rig.goal("tug", args);
        goal.speed_scale = scale;
        let rejection = rig.send(goal).unwrap_err();
        assert_eq!(rejection.error, ErrorCode::InvalidArguments);
        assert!(rejection.message.contains(wanted), "{}", rejection.message);
    }
}

/// A robot over a cube, that has the built-in skills and this one.
fn over_a_cube(grasp: &str) -> Rig {
    let mut skills = sinew_skills::builtin_manifests().unwrap();
    skills.push(manifest(grasp));
    let mut rig = Rig::with_skills(3, SkillRegistry::new(skills).unwrap());
    assert_eq!(rig.server.cameras().into_iter().collect::<Vec<_>>(), ["wrist"]);
    for skill in ["drive_to", "reach"] {
        let outcome = rig.run(skill, json!({"target": "blue_cube"}));
        assert!(outcome.is_success(), "{outcome:#?}");
    }
    rig
}

#[test]
fn a_policy_that_looks_grasps_what_its_camera_sees() {
    // The network in the background, and inline.
    for grasp in [GRASP, &GRASP.replace("background: true", "background: false")] {
        let mut rig = over_a_cube(grasp);
        rig.look_through("wrist");
        let outcome = rig.run("grasp_seen", json!({"object": "blue_cube"}));
        assert!(outcome.is_success(), "{outcome:#?}");
        assert!(measured(&outcome, "commanded_by_policy_s") > 0.5, "{outcome:#?}");
    }
}

#[test]
fn a_run_with_a_network_in_the_background_can_be_repeated() {
    let run = || {
        let mut rig = over_a_cube(GRASP);
        rig.look_through("wrist");
        let outcome = rig.run("grasp_seen", json!({"object": "blue_cube"}));
        (outcome.elapsed, rig.world.robot)
    };
    let ((first_took, first), (second_took, second)) = (run(), run());
    assert_eq!(first_took, second_took);
    assert_eq!(first.map_from_tool, second.map_from_tool);
}

#[test]
fn a_policy_that_sees_nothing_or_nothing_new_does_not_move_the_robot() {
    for blind_from in [0, 20] {
        let mut rig = over_a_cube(GRASP);
        if blind_from > 0 {
            rig.look_through("wrist");
        }
        let goal = rig.goal("grasp_seen", json!({"object": "blue_cube"}));
        let id = rig.send(goal).unwrap();
        for _ in 0..blind_from {
            rig.tick();
        }
        rig.look_away();
        let outcome = rig.wait(id);
        assert_eq!(outcome.error, ErrorCode::ObservationStale, "{outcome:#?}");
        let [_, _, arm] = rig.speeds();
        assert!(arm < 0.02, "{arm} rad/s");
    }
}

#[test]
fn code_of_a_built_in_skill_needs_the_groups_that_it_moves() {
    let robot = RobotModel::load(repository().join("urdf/mobi.robot.yaml")).unwrap();
    let layout = layout_of(&robot).unwrap();
    let fold = "id: fold\nversion: 1.0.0\ndescription: Folds the arm.\n\
                args: {type: object, additionalProperties: false}\ngroups: [base]\n\
                cost_s: 1.0\ntime_limit_s: 5.0\nkind: {builtin: home}\n";
    let error = SkillServer::new(SkillSetup {
        robot: Arc::new(robot),
        layout,
        registry: Arc::new(SkillRegistry::new([manifest(fold)]).unwrap()),
        policies: repository().join("policies"),
        manipulation: Manipulation::default(),
        navigation: Navigation::default(),
        motion: Motion::default(),
        tick: TICK,
        waits: true,
    });
    let said = error.err().unwrap().to_string();
    assert!(said.contains("built-in skill `home` commands arm; the skill claims: base"), "{said}");
}

/// Each way to write a skill of a policy wrongly, and what is said.
#[test]
fn what_does_not_fit_is_an_error_that_names_it() {
    let robot = RobotModel::load(repository().join("urdf/mobi.robot.yaml")).unwrap();
    let robot = Arc::new(robot);
    let layout = layout_of(&robot).unwrap();
    for (from, to, wanted) in [
        (
            "groups: [base]",
            "groups: [head]",
            "policy `drive_to` commands base; the skill claims: head",
        ),
        ("goal_heading: [0.0, 1.0]", "", "goal_heading is not given"),
        (
            "goal_heading: [0.0, 1.0]",
            "goal_heading: [1.0]",
            "goal_heading[1] is given; it takes: goal_position[2]",
        ),
        ("axes: xy}", "axes: xyz}", "goal_position[3] is given"),
        (
            "goal_heading: [0.0, 1.0]",
            "goal_heading: [0.0, 1.0]\n        speed: [1.0]",
            "speed[1] is given",
        ),
        ("drive_to/drive_to.policy", "drive_to/nowhere.policy", "nowhere.policy.yaml"),
        (
            "drive_to/drive_to.policy",
            "pick_camera/pick_camera.policy",
            "policy `pick_camera` commands arm, gripper; the skill claims: base",
        ),
        ("groups: [base]", "groups: []", "a skill without groups"),
        (
            "{position_of: $target, frame: base, axes: xy}",
            "$target, 0.0",
            "is not of type number or integer",
        ),
        ("position_of: $target", "position_of: $other", "is not in args.properties"),
        ("until: postconditions", "until: {elapsed_s: -1.0}", "kind.policy.until.elapsed_s"),
        (
            "      inputs:\n",
            "      background: true\n      inputs:\n",
            "given, for a network that runs in the background",
        ),
        (
            "    until: postconditions",
            "    - {manifest: other.policy.yaml, background: true}\n    until: postconditions",
            "kind.policy.policies[1].background",
        ),
        ("until: postconditions", "until: sometime", "sometime"),
        ("until: postconditions", "until: {elapsed_s: 31.0}", "is never reached"),
        ("      inputs:\n", "      weight: 0.0\n      inputs:\n", "no policy counts"),
        ("postconditions: [near($target)]", "", "there are none"),
        (
            "frame: base",
            "frame: tool",
            "allowed: a number, `$argument`, or {position_of: $argument",
        ),
    ] {
        assert!(APPROACH.contains(from), "{from}");
        let policies = repository().join("policies").canonicalize().unwrap();
        let text = APPROACH.replace(from, to);
        let text = text.replace("POLICIES", &policies.display().to_string());
        let said = match SkillManifest::from_yaml(&text, "test.skill.yaml")
            .and_then(|manifest| SkillRegistry::new([manifest]))
        {
            Err(error) => error.to_string(),
            Ok(registry) => SkillServer::new(SkillSetup {
                robot: Arc::clone(&robot),
                layout: layout.clone(),
                registry: Arc::new(registry),
                policies: Path::new("none").into(),
                manipulation: Manipulation::default(),
                navigation: Navigation::default(),
                motion: Motion::default(),
                tick: TICK,
                waits: true,
            })
            .err()
            .map_or_else(String::new, |error| error.to_string()),
        };
        assert!(said.contains(wanted), "{from} -> {to}: {said}");
    }
}
