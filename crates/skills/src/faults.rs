//! What the server does when policies and the gate fail, on a robot that stands still.

#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use nalgebra::{Isometry3, Vector3};
use serde_json::json;
use sinew_hardware::layout_of;
use sinew_model::{SkillRegistry, WorldObject, WorldState};
use sinew_policy::PolicyError;
use sinew_robot::RobotModel;
use sinew_types::{
    ActuatorCommand, BaseState, ErrorCode, GoalId, Layout, LeaseId, Outcome, RobotState, Source,
    StopEpoch, Time,
};

use crate::body::Body;
use crate::limbs::Limbs;
use crate::policies::Runner;
use crate::{
    GroupAuthority, Inputs, LeaseCall, Manipulation, Motion, Navigation, SafetyView, SkillGoal,
    SkillServer, SkillSetup, builtin_manifests,
};

const TICK: Duration = Duration::from_millis(20);

/// Runs well for some ticks, then gives an error.
struct Faulty {
    good_ticks: u32,
    error: fn() -> PolicyError,
}

impl Runner for Faulty {
    fn start(&mut self, _state: &RobotState) -> Result<(), PolicyError> {
        Ok(())
    }

    fn run(&mut self, _state: &RobotState, _in: &[(&str, &[f64])]) -> Result<(), PolicyError> {
        if self.good_ticks == 0 {
            return Err((self.error)());
        }
        self.good_ticks -= 1;
        Ok(())
    }

    fn write(&self, _command: &mut ActuatorCommand) {}
}

fn not_finite() -> PolicyError {
    PolicyError::NotFinite {
        policy: "p".into(),
        what: "action".into(),
        element: Some(0),
        value: f64::NAN,
    }
}

fn wrong_layout() -> PolicyError {
    PolicyError::WrongLayout { policy: "p".into(), expected: 1, actual: 2 }
}

/// A server, and a robot that stands still before a cube on the floor.
struct Bench {
    server: SkillServer,
    state: RobotState,
    world: WorldState,
    now: Time,
    live: Vec<LeaseId>,
    groups: Vec<GroupAuthority>,
    resumes: u64,
    /// What the goal said of itself last.
    phase: &'static str,
    clamped: u32,
}

fn robot() -> (Arc<RobotModel>, Layout) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../urdf/mobi.robot.yaml");
    let robot = Arc::new(RobotModel::load(file).unwrap());
    let layout = layout_of(&robot).unwrap();
    (robot, layout)
}

fn registry() -> Arc<SkillRegistry> {
    Arc::new(SkillRegistry::new(builtin_manifests().unwrap()).unwrap())
}

impl Bench {
    fn new(error: fn() -> PolicyError) -> Self {
        let (robot, layout) = robot();
        let mut state = RobotState::invalid(&layout);
        state.joints.iter_mut().for_each(|joint| joint.valid = true);
        state.base = Some(BaseState {
            map_from_base: Isometry3::identity(),
            linear_velocity: Vector3::zeros(),
            angular_velocity: Vector3::zeros(),
            stamp: Time::ZERO,
            valid: true,
        });
        let mut world = WorldState::default();
        world.robot.arm_configuration = Some("home".into());
        world.insert(WorldObject {
            id: "cube".into(),
            class: "cube".into(),
            attributes: Default::default(),
            size_m: [0.04; 3],
            map_from_object: Isometry3::translation(2.0, 0.0, 0.02),
            position_std_m: 0.0,
            stamp: Time::ZERO,
            confidence: 1.0,
            held_by: None,
            fixed: false,
            container: None,
            support: Default::default(),
        });
        let faulty = || -> Box<dyn Runner> { Box::new(Faulty { good_ticks: 3, error }) };
        let limbs = Limbs::new(&robot, &layout, faulty(), Some(faulty())).unwrap();
        let body = Body::new(&robot, layout, Some(limbs), BTreeMap::new(), TICK).unwrap();
        let (navigation, motion) = (Navigation::Own, Motion::Own);
        let server = SkillServer::with_body(registry(), body, navigation, motion).unwrap();
        Self {
            server,
            state,
            world,
            now: Time::ZERO,
            live: Vec::new(),
            groups: Vec::new(),
            resumes: 0,
            phase: "",
            clamped: 0,
        }
    }

    /// One tick: what is asked of the gate, and what ended.
    fn tick(&mut self) -> (Vec<LeaseCall>, Option<Outcome>) {
        self.now += TICK;
        self.state.stamp = self.now;
        let safety = SafetyView {
            ready: true,
            mode: "ready",
            stop_epoch: StopEpoch(0),
            resumes: self.resumes,
            live_leases: &self.live,
            groups: &self.groups,
        };
        let inputs = Inputs { state: &self.state, world: &self.world, safety };
        let output = self.server.step(self.now, &inputs);
        if let Some((_, feedback)) = output.feedback.first() {
            (self.phase, self.clamped) = (feedback.phase, feedback.clamped_commands);
        }
        (output.lease_calls, output.ended.into_iter().next().map(|(_, outcome)| outcome))
    }

    fn drive(&mut self) -> u64 {
        let goal = SkillGoal::new(GoalId([1; 16]), "drive_to", json!({"target": "cube"}), self.now);
        let safety = SafetyView {
            ready: true,
            mode: "ready",
            stop_epoch: StopEpoch(0),
            resumes: self.resumes,
            live_leases: &self.live,
            groups: &self.groups,
        };
        let inputs = Inputs { state: &self.state, world: &self.world, safety };
        self.server.goal(goal, &inputs, self.now).unwrap();
        match &self.tick().0[..] {
            [LeaseCall::Acquire { request, groups, .. }] if groups == &["base"] => *request,
            other => panic!("{other:?}"),
        }
    }

    fn wait(&mut self) -> Outcome {
        for _ in 0..500 {
            let (calls, ended) = self.tick();
            for call in calls {
                if let LeaseCall::Release(lease) = call {
                    self.live.retain(|live| *live != lease);
                }
            }
            if let Some(outcome) = ended {
                return outcome;
            }
        }
        panic!("the goal did not end")
    }
}

#[test]
fn a_policy_that_fails_ends_its_goal_by_the_kind_of_fault() {
    let cases: [(fn() -> PolicyError, ErrorCode); 2] =
        [(not_finite, ErrorCode::PolicyNotFinite), (wrong_layout, ErrorCode::PolicyFailed)];
    for (error, code) in cases {
        let mut bench = Bench::new(error);
        let request = bench.drive();
        bench.live = vec![LeaseId(5)];
        bench.server.lease_granted(request, LeaseId(5));
        let outcome = bench.wait();
        assert_eq!(outcome.error, code, "{outcome:?}");
        assert!(outcome.message.contains("policy `p`"), "{}", outcome.message);
        assert!(bench.live.is_empty(), "the lease was given back");
    }
}

#[test]
fn a_lease_that_is_refused_or_never_answered_ends_the_goal() {
    let mut bench = Bench::new(not_finite);
    let request = bench.drive();
    bench.server.lease_refused(request, ErrorCode::Busy, "teleop has base");
    let outcome = bench.wait();
    assert_eq!((outcome.error, outcome.message.as_str()), (ErrorCode::Busy, "teleop has base"));

    let mut bench = Bench::new(not_finite);
    bench.drive();
    assert_eq!(bench.wait().error, ErrorCode::PeerLost);
}

#[test]
fn a_lease_that_comes_too_late_is_given_back() {
    let mut bench = Bench::new(not_finite);
    let request = bench.drive();
    assert!(bench.server.cancel(GoalId([1; 16])));
    assert_eq!(bench.wait().error, ErrorCode::Canceled);
    bench.server.lease_granted(request, LeaseId(5));
    assert_eq!(bench.tick().0, [LeaseCall::Release(LeaseId(5))]);
}

#[test]
fn clamps_are_the_goals_from_the_first_news_of_its_lease_to_the_news_of_its_end() {
    let mut bench = Bench::new(not_finite);
    let base = robot().1.group_index("base").unwrap();
    bench.groups = vec![GroupAuthority::default(); base + 1];
    bench.groups[base].clamped_cycles = 100;
    let request = bench.drive();
    bench.live = vec![LeaseId(5)];
    bench.server.lease_granted(request, LeaseId(5));
    let mut told = Vec::new();
    // Owner and counter, as the news come: another's clamps, its own, and the next one's.
    for (owner, clamped_cycles) in [
        (None, 110),
        (Some((LeaseId(5), Source::Skill)), 110),
        (Some((LeaseId(5), Source::Skill)), 117),
        (Some((LeaseId(6), Source::Teleop)), 120),
        (Some((LeaseId(6), Source::Teleop)), 500),
    ] {
        bench.groups[base] = GroupAuthority { owner, clamped_cycles, ..Default::default() };
        bench.tick();
        told.push(bench.clamped);
    }
    assert_eq!(told, [0, 0, 7, 10, 10]);
}

#[test]
fn old_news_of_another_owner_is_no_takeover() {
    let mut bench = Bench::new(not_finite);
    let base = robot().1.group_index("base").unwrap();
    bench.groups = vec![GroupAuthority::default(); base + 1];
    let request = bench.drive();
    bench.live = vec![LeaseId(5)];
    bench.server.lease_granted(request, LeaseId(5));
    bench.groups[base].owner = Some((LeaseId(4), Source::Teleop));
    bench.tick();
    assert_eq!(bench.phase, "driving");
    bench.groups[base].owner = Some((LeaseId(6), Source::Teleop));
    bench.tick();
    assert_eq!(bench.phase, "paused");
}

#[test]
fn a_paused_goal_whose_groups_are_taken_while_it_asks_for_them_stays_paused() {
    let mut bench = Bench::new(not_finite);
    let base = robot().1.group_index("base").unwrap();
    bench.groups = vec![GroupAuthority::default(); base + 1];
    let request = bench.drive();
    bench.server.lease_granted(request, LeaseId(5));
    bench.groups[base].owner = Some((LeaseId(6), Source::Teleop));
    bench.tick();
    bench.groups[base].owner = None;
    bench.resumes += 1;
    let asked = (0..5).find_map(|_| match &bench.tick().0[..] {
        [LeaseCall::Acquire { request, .. }] => Some(*request),
        _ => None,
    });
    bench.server.lease_refused(asked.unwrap(), ErrorCode::Busy, "teleop has base");
    bench.groups[base].owner = Some((LeaseId(7), Source::Teleop));
    assert_eq!(bench.tick(), (Vec::new(), None));
    assert_eq!(bench.phase, "paused");
}

#[test]
fn a_server_without_its_policies_names_the_file() {
    let (robot, layout) = robot();
    let policies = "/nowhere".into();
    let manipulation = Manipulation::default();
    let setup = SkillSetup {
        robot,
        layout,
        registry: registry(),
        policies,
        manipulation,
        navigation: Navigation::Own,
        motion: Motion::Own,
        tick: TICK,
        waits: true,
    };
    let error = SkillServer::new(setup).err().unwrap().to_string();
    assert!(error.contains("/nowhere/reach/reach.policy.yaml"), "{error}");
}
