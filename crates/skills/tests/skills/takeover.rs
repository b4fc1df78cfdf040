//! A person, or another system, takes groups that a skill moves: pause, resume, and every way out.

use std::time::Duration;

use serde_json::{Value, json};
use sinew_hardware::{GroupSet, LeaseRequest};
use sinew_skills::{ControlSource, Feedback};
use sinew_types::{
    ActuatorCommand, BaseTwist, BootId, ErrorCode, GoalId, JointCommand, LeaseId, Outcome, Source,
    Termination,
};

use crate::rig::{Rig, TICK};

const BOOT_ID: BootId = BootId(2);

/// Somebody who is not the skill server, with a lease of his own.
struct Operator {
    source: Source,
    lease: LeaseId,
    seq: u64,
    twist: BaseTwist,
}

impl Operator {
    /// Takes groups, as soon as the next tick.
    #[track_caller]
    fn takes(rig: &mut Rig, source: Source, groups: &[&str]) -> Self {
        let groups = GroupSet::named(rig.control.layout(), groups.iter().copied()).unwrap();
        let request = LeaseRequest { source, groups, boot_id: BOOT_ID, command_period: TICK };
        rig.handle.acquire(request).unwrap();
        rig.tick();
        let group = groups.iter().next().unwrap();
        let (lease, owner) = rig.control.safety().groups[group].owner.unwrap();
        assert_eq!(owner, source);
        Self { source, lease, seq: 0, twist: BaseTwist::default() }
    }

    /// Commands for a time: the base at `twist`, joints where they are.
    fn moves(&mut self, rig: &mut Rig, for_s: f64) {
        for _ in 0..(for_s / TICK.as_secs_f64()).round() as u32 {
            rig.handle.heartbeat(BOOT_ID).unwrap();
            let layout = rig.control.layout().clone();
            let mut command = ActuatorCommand::unused(&layout);
            let owners: Vec<_> =
                rig.control.safety().groups.iter().map(|group| group.owner).collect();
            for (group, owner) in layout.groups().iter().zip(owners) {
                if owner != Some((self.lease, self.source)) {
                    continue;
                }
                if group.name == "base" {
                    command.base = Some(self.twist);
                }
                for joint in group.joints.iter().filter(|_| group.name == "arm") {
                    let position = rig.control.state().joints[*joint].position;
                    command.joints[*joint] = JointCommand::position(position);
                }
            }
            self.seq += 1;
            (command.lease, command.seq, command.boot_id) = (self.lease, self.seq, BOOT_ID);
            (command.dead_man, command.valid_for) = (true, Duration::from_millis(100));
            rig.handle.command(&command).unwrap();
            rig.tick();
            assert!(!skill_owns(rig), "authority went back while it was taken");
        }
    }

    /// Lets go of the dead-man switch.
    fn lets_go(self, rig: &mut Rig) {
        rig.handle.release(self.lease).unwrap();
        rig.tick();
        assert!(!skill_owns(rig), "authority went back by itself");
    }
}

fn skill_owns(rig: &Rig) -> bool {
    let mut owners = rig.control.safety().groups.iter().filter_map(|group| group.owner);
    owners.any(|(_, source)| source == Source::Skill)
}

/// Ticks in which no skill may own anything.
fn idle(rig: &mut Rig, for_s: f64) {
    for _ in 0..(for_s / TICK.as_secs_f64()).round() as u32 {
        rig.tick();
        assert!(!skill_owns(rig), "authority went back by itself");
    }
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
    assert!(skill_owns(rig));
    id
}

/// `drive_to` in the middle of its way, taken over by a source.
fn taken(source: Source) -> (Rig, GoalId, Operator) {
    let mut rig = Rig::new(1);
    let id = begin(&mut rig, "drive_to", json!({"target": "red_cube"}), 1.5);
    let operator = Operator::takes(&mut rig, source, &["base"]);
    assert_eq!(feedback(&rig).phase, "paused");
    (rig, id, operator)
}

fn feedback(rig: &Rig) -> Feedback {
    rig.feedback.first().expect("a goal runs").1
}

fn measured(outcome: &Outcome, key: &str) -> f64 {
    let found = outcome.evidence.iter().find(|evidence| evidence.key == key);
    found.unwrap_or_else(|| panic!("no {key} in {outcome:#?}")).value.parse().unwrap()
}

#[test]
fn a_drive_that_was_taken_over_and_resumed_reaches_its_goal_from_elsewhere() {
    let (mut rig, id, mut operator) = taken(Source::Teleop);
    assert!(rig.speeds()[0] > 0.2, "the base is moving: {:?}", rig.speeds());
    assert_eq!(feedback(&rig).control_source, ControlSource::Teleop);
    assert_eq!(feedback(&rig).lease, None);
    let start = rig.world.robot.map_from_base.translation.vector;
    // Beyond every limit, which is the operator's doing, not the skill's.
    let clamped = feedback(&rig).clamped_commands;
    operator.twist = BaseTwist { linear_x: -9.0, angular_z: 9.0, ..BaseTwist::default() };
    operator.moves(&mut rig, 1.5);
    assert_eq!(feedback(&rig).clamped_commands, clamped);
    let driven = (rig.world.robot.map_from_base.translation.vector - start).norm();
    assert!(driven > 0.2, "{driven} m");
    operator.lets_go(&mut rig);
    assert_eq!(feedback(&rig).control_source, ControlSource::Hold);
    assert_eq!(feedback(&rig).phase, "paused");
    idle(&mut rig, 1.0);
    rig.handle.resume().unwrap();
    let outcome = rig.wait(id);
    assert!(outcome.is_success() && outcome.postcondition_met, "{outcome:#?}");
    assert_eq!(outcome.interventions, 1);
    let paused_s = measured(&outcome, "paused_s");
    assert!((2.4..2.8).contains(&paused_s), "{paused_s} s");
    for (step, limit) in rig.twist_step.iter().zip(rig.twist_step_limit) {
        assert!(*step <= limit * (1.0 + 1e-9), "a step of {step}; allowed: {limit}");
    }
}

#[test]
fn what_another_system_takes_comes_back_only_by_a_resume_either() {
    let (mut rig, id, mut operator) = taken(Source::External);
    assert_eq!(feedback(&rig).control_source, ControlSource::External);
    operator.moves(&mut rig, 0.5);
    operator.lets_go(&mut rig);
    idle(&mut rig, 1.0);
    rig.handle.resume().unwrap();
    let outcome = rig.wait(id);
    assert!(outcome.is_success(), "{outcome:#?}");
    assert_eq!(outcome.interventions, 0, "no person took over");
}

#[test]
fn without_a_resume_a_paused_goal_ends_after_five_seconds_and_a_tick() {
    for lets_go in [true, false] {
        let (mut rig, id, mut operator) = taken(Source::Teleop);
        let since = rig.now;
        operator.moves(&mut rig, 1.0);
        if lets_go {
            operator.lets_go(&mut rig);
            idle(&mut rig, 4.0 - TICK.as_secs_f64());
        } else {
            operator.moves(&mut rig, 4.0);
        }
        assert_eq!(rig.now.since(since), Duration::from_secs(5));
        assert_eq!(rig.outcome(id), None);
        rig.tick();
        let outcome = rig.outcome(id).expect("it has ended");
        assert_eq!(
            (outcome.termination, outcome.error, outcome.interventions),
            (Termination::Aborted, ErrorCode::LeaseRevoked, 1)
        );
        assert!(outcome.message.contains("within 5 s"), "{}", outcome.message);
        // Nor does it come back later.
        rig.handle.resume().unwrap();
        idle(&mut rig, 1.0);
    }
}

#[test]
fn a_skill_that_is_not_pausable_ends_at_once() {
    let mut rig = Rig::new(1);
    for (skill, args) in
        [("drive_to", json!({"target": "red_cube"})), ("reach", json!({"target": "red_cube"}))]
    {
        assert!(rig.run(skill, args).is_success());
    }
    let id = begin(&mut rig, "pick", json!({"object": "red_cube"}), 1.0);
    let operator = Operator::takes(&mut rig, Source::Teleop, &["arm"]);
    assert_eq!(feedback(&rig).phase, "coming to rest");
    operator.lets_go(&mut rig);
    rig.handle.resume().unwrap();
    for _ in 0..100 {
        rig.tick();
        assert!(!skill_owns(&rig));
    }
    let outcome = rig.outcome(id).expect("it has ended");
    assert_eq!((outcome.error, outcome.interventions), (ErrorCode::LeaseRevoked, 1));
    assert!(outcome.message.contains("not pausable"), "{}", outcome.message);
}

#[test]
fn a_paused_goal_can_be_cancelled() {
    let (mut rig, id, mut operator) = taken(Source::Teleop);
    operator.moves(&mut rig, 0.5);
    assert!(rig.server.cancel(id));
    operator.moves(&mut rig, TICK.as_secs_f64());
    let outcome = rig.outcome(id).expect("it has ended");
    assert_eq!((outcome.error, outcome.interventions), (ErrorCode::Canceled, 1));
    // The operator goes on undisturbed.
    operator.moves(&mut rig, 0.5);
}

#[test]
fn an_emergency_stop_ends_a_paused_goal() {
    let (mut rig, id, mut operator) = taken(Source::Teleop);
    operator.moves(&mut rig, 0.5);
    rig.handle.e_stop().press();
    rig.tick();
    let outcome = rig.outcome(id).expect("it has ended");
    assert_eq!((outcome.error, outcome.interventions), (ErrorCode::SafetyStop, 1));
    rig.handle.e_stop().release();
    idle(&mut rig, 2.0);
}

#[test]
fn a_pause_does_not_extend_the_time_limit() {
    let mut rig = Rig::new(1);
    let mut goal = rig.goal("drive_to", json!({"target": "red_cube"}));
    goal.max_duration = Duration::from_secs(3);
    let id = rig.send(goal).unwrap();
    for _ in 0..50 {
        rig.tick();
    }
    let mut operator = Operator::takes(&mut rig, Source::Teleop, &["base"]);
    operator.moves(&mut rig, 2.5);
    let outcome = rig.outcome(id).expect("it has ended");
    assert_eq!(outcome.error, ErrorCode::TimeLimit, "{outcome:#?}");
}

#[test]
fn every_pausable_skill_goes_on_from_where_the_robot_is_then() {
    let cube = json!({"target": "red_cube"});
    let mut rig = Rig::new(1);
    assert!(rig.run("drive_to", cube.clone()).is_success());
    for (skill, args, group, for_s) in [
        ("reach", cube, "arm", 0.4),
        ("home", json!({}), "arm", 0.4),
        ("look_at", json!({"target": "bin"}), "head", 0.1),
    ] {
        let id = begin(&mut rig, skill, args, for_s);
        let operator = Operator::takes(&mut rig, Source::Teleop, &[group]);
        assert_eq!(feedback(&rig).phase, "paused", "{skill}");
        operator.lets_go(&mut rig);
        rig.handle.resume().unwrap();
        let outcome = rig.wait(id);
        assert!(outcome.is_success(), "{skill}: {outcome:#?}");
        assert_eq!(outcome.interventions, 1);
    }
}

#[test]
fn a_pre_condition_that_no_longer_holds_ends_a_goal_when_it_is_resumed() {
    let mut rig = Rig::new(1);
    assert!(rig.run("drive_to", json!({"target": "red_cube"})).is_success());
    let id = begin(&mut rig, "reach", json!({"target": "red_cube"}), 0.4);
    let mut operator = Operator::takes(&mut rig, Source::Teleop, &["arm", "base"]);
    operator.twist = BaseTwist { linear_x: -0.4, ..BaseTwist::default() };
    operator.moves(&mut rig, 2.0);
    operator.lets_go(&mut rig);
    rig.handle.resume().unwrap();
    let outcome = rig.wait(id);
    assert_eq!(outcome.error, ErrorCode::PreconditionFailed, "{outcome:#?}");
    assert!(outcome.message.contains("near(red_cube)"), "{}", outcome.message);
    assert!(!skill_owns(&rig), "the lease was given back");
}

#[test]
fn a_goal_that_is_taken_over_twice_counts_two_interventions() {
    let (mut rig, id, mut operator) = taken(Source::Teleop);
    operator.moves(&mut rig, 0.5);
    operator.lets_go(&mut rig);
    rig.handle.resume().unwrap();
    while !skill_owns(&rig) {
        rig.tick();
    }
    let mut operator = Operator::takes(&mut rig, Source::Teleop, &["base"]);
    operator.moves(&mut rig, 0.5);
    operator.lets_go(&mut rig);
    rig.handle.resume().unwrap();
    let outcome = rig.wait(id);
    assert!(outcome.is_success(), "{outcome:#?}");
    assert_eq!(outcome.interventions, 2);
}

#[test]
fn the_clamps_of_the_gate_are_counted_for_the_goal_that_commanded() {
    let mut rig = Rig::new(1);
    let mut all = 0;
    for (skill, args, groups) in [
        ("drive_to", json!({"target": "red_cube"}), vec!["base"]),
        ("reach", json!({"target": "red_cube"}), vec!["arm"]),
        ("pick", json!({"object": "red_cube"}), vec!["arm", "gripper"]),
    ] {
        let clamped = |rig: &Rig| -> u64 {
            let index = |group: &&str| rig.control.layout().group_index(group).unwrap();
            let groups = groups.iter().map(index);
            groups.map(|group| rig.control.safety().groups[group].clamps.total()).sum()
        };
        let before = clamped(&rig);
        let goal = rig.goal(skill, args);
        let id = rig.send(goal).unwrap();
        let mut told = 0;
        while rig.outcome(id).is_none() {
            told = rig.feedback.first().map_or(told, |(_, feedback)| feedback.clamped_commands);
            rig.tick();
        }
        let by_gate = clamped(&rig) - before;
        println!("{skill}: {by_gate} by the gate, {told} told");
        assert!(u64::from(told) >= by_gate, "{skill}: {by_gate} by the gate, {told} told");
        all += by_gate;
    }
    assert!(all > 0, "the gate clamps some");
}
