//! A person takes over in mid-skill, in the whole system in virtual time; and every way to lose the
//! device. Nav2's `cmd_vel` drives the base, and yields to the person.

use std::path::{Path, PathBuf};
use std::time::Duration;

use sinew_bus::{BusNode, GoalCall, GoalEvent, Publisher, Subscription, names};
use sinew_msgs::geometry_msgs::{Twist, TwistStamped};
use sinew_msgs::sensor_msgs::Joy;
use sinew_msgs::sinew_msgs::action::ExecuteSkill;
use sinew_msgs::sinew_msgs::{
    AcquireLeaseRequest, ExecuteSkillGoal, ExecuteSkillResult, GroupOwner, RobotTick, SafetyState,
};
use sinew_msgs::std_srvs::TriggerRequest;
use sinew_nodes::convert::{time_from_msg, time_to_msg};
use sinew_nodes::launch::expand;
use sinew_nodes::{Composed, Pace, compose};
use sinew_types::{ErrorCode, Time};

const TICK: Duration = Duration::from_millis(20);
/// mobi's base: m/s².
const MAX_ACCELERATION: f64 = 0.8;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

fn launch(folder: &Path) -> PathBuf {
    let root = root().display().to_string();
    let text = format!(
        "launch:
- include: {{file: {root}/launch/tabletop.launch.yaml}}
- node:
    pkg: sinew
    exec: sinew
    name: teleop
    namespace: mobi
    args: node teleop
    param:
      - {{name: robot, value: {root}/urdf/mobi.robot.yaml}}
      - {{name: mapping, value: {root}/teleop/xbox.teleop.yaml}}
"
    );
    let file = folder.join("teleop.launch.yaml");
    std::fs::write(&file, text).unwrap();
    file
}

/// What another program sends.
#[derive(Clone, Copy, PartialEq)]
enum Velocity {
    Plain(f64),
    Stamped(f64),
}

struct Rig {
    composed: Composed,
    node: BusNode,
    joy: Publisher<Joy>,
    twists: Publisher<Twist>,
    stamped: Publisher<TwistStamped>,
    ticks: Subscription<RobotTick>,
    safety: Subscription<SafetyState>,
    /// What the device says in each tick; none while it is silent.
    pad: Option<Joy>,
    /// The stamp that it says over and over, if it is frozen.
    frozen_at: Option<Time>,
    velocity: Option<Velocity>,
    /// Forward speed of the base, m/s, per tick.
    speeds: Vec<f64>,
    /// Safety states as they came, with their time.
    states: Vec<(Time, SafetyState)>,
    skill: Option<GoalCall<ExecuteSkill>>,
    ended: Option<ExecuteSkillResult>,
}

impl Rig {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let description = expand(&launch(folder.path()), &[], &root()).unwrap();
        let composed = compose(&description, Pace::Fastest).unwrap();
        let node = composed.bus.node("operator", "/mobi").unwrap();
        let mut axes = vec![0.0; 8];
        (axes[2], axes[5]) = (1.0, 1.0);
        let pad = Joy { axes, buttons: vec![0; 11], ..Default::default() };
        let mut rig = Self {
            joy: node.publisher(&names::JOY).unwrap(),
            twists: node.publisher(&names::CMD_VEL).unwrap(),
            stamped: node.publisher(&names::CMD_VEL_STAMPED).unwrap(),
            ticks: node.subscription(&names::ROBOT_TICK).unwrap(),
            safety: node.subscription(&names::SAFETY_STATE).unwrap(),
            composed,
            node,
            pad: Some(pad),
            frozen_at: None,
            velocity: None,
            speeds: Vec::new(),
            states: Vec::new(),
            skill: None,
            ended: None,
        };
        rig.run(0.5);
        rig
    }

    fn pad(&mut self) -> &mut Joy {
        self.pad.as_mut().unwrap()
    }

    fn hold(&mut self, pressed: bool) {
        self.pad().buttons[4] = i32::from(pressed);
    }

    fn run(&mut self, seconds: f64) {
        let until = self.composed.executor.now() + Duration::from_secs_f64(seconds);
        self.run_until(|_| false, until);
    }

    /// Runs until something is so; fails if it is not within ten seconds.
    #[track_caller]
    fn wait(&mut self, what: &str, mut is_so: impl FnMut(&SafetyState) -> bool) {
        let until = self.composed.executor.now() + Duration::from_secs(10);
        let found = self.run_until(|states| states.last().is_some_and(|(_, s)| is_so(s)), until);
        assert!(found, "not within ten seconds: {what}: {:?}", self.states.last());
    }

    fn run_until(
        &mut self,
        mut is_so: impl FnMut(&[(Time, SafetyState)]) -> bool,
        until: Time,
    ) -> bool {
        let Self { composed, joy, twists, stamped, ticks, safety, pad, velocity, .. } = self;
        let (speeds, states, frozen_at) = (&mut self.speeds, &mut self.states, self.frozen_at);
        let (skill, ended) = (&mut self.skill, &mut self.ended);
        let mut found = false;
        composed
            .executor
            .run(|now| {
                if now.as_nanos().is_multiple_of(TICK.as_nanos() as u64) {
                    if let Some(pad) = pad {
                        pad.header.stamp = time_to_msg(frozen_at.unwrap_or(now));
                        joy.publish(pad).unwrap();
                    }
                    let twist = |speed| {
                        let mut twist = Twist::default();
                        twist.linear.x = speed;
                        twist
                    };
                    match *velocity {
                        Some(Velocity::Plain(speed)) => twists.publish(&twist(speed)).unwrap(),
                        Some(Velocity::Stamped(speed)) => {
                            let twist = twist(speed);
                            let message = TwistStamped { twist, ..Default::default() };
                            stamped.publish(&message).unwrap();
                        }
                        None => {}
                    }
                }
                while let Some(tick) = ticks.take() {
                    speeds.push(tick.message.base_twist.linear.x);
                }
                while let Some(state) = safety.take() {
                    states.push((time_from_msg(&state.message.stamp), state.message));
                    found |= is_so(states);
                }
                if let Some(call) = skill {
                    while let Some(event) = call.poll() {
                        match event {
                            GoalEvent::Result { result, .. } => *ended = Some(result),
                            GoalEvent::Rejected | GoalEvent::Lost { .. } => panic!("{event:?}"),
                            _ => {}
                        }
                    }
                }
                found || now >= until
            })
            .unwrap();
        found
    }

    fn drive_to(&mut self, target: &str) {
        let client = self.node.action_client(&names::EXECUTE_SKILL).unwrap();
        let goal = ExecuteSkillGoal {
            skill_id: "drive_to".into(),
            args_json: format!("{{\"target\": \"{target}\"}}"),
            issued_at: time_to_msg(self.composed.executor.now()),
            speed_scale: 1.0,
            ..Default::default()
        };
        self.ended = None;
        self.skill = Some(client.send_goal(goal));
    }

    fn resume(&mut self) {
        let client = self.node.service_client(&names::RESUME).unwrap();
        let mut call = client.call(&TriggerRequest::default());
        self.run(0.1);
        assert!(call.poll().unwrap().unwrap().success);
    }

    fn speed(&self) -> f64 {
        *self.speeds.last().unwrap()
    }

    /// The largest change of the forward speed from tick to tick in the last ones.
    fn largest_step(&self, ticks: usize) -> f64 {
        let last = &self.speeds[self.speeds.len() - ticks..];
        last.windows(2).map(|pair| (pair[1] - pair[0]).abs()).fold(0.0, f64::max)
    }

    /// Drives by `drive_to` until the base is fast.
    fn in_mid_skill(&mut self) {
        self.drive_to("bin");
        self.wait("the skill moves", |state| is_owned(state, AcquireLeaseRequest::SOURCE_SKILL));
        for _ in 0..500 {
            if self.speed() > 0.3 {
                return;
            }
            self.run(0.02);
        }
        panic!("drive_to does not drive: {} m/s", self.speed());
    }
}

fn base(state: &SafetyState) -> &GroupOwner {
    state.owners.iter().find(|owner| owner.group == "base").unwrap()
}

fn is_owned(state: &SafetyState, source: u8) -> bool {
    base(state).source == source
}

fn is_held(state: &SafetyState) -> bool {
    base(state).source == 0 && base(state).output_kind == GroupOwner::OUTPUT_HOLD
}

#[test]
fn a_person_takes_over_in_mid_skill_without_a_jolt_and_gives_back_only_by_resume() {
    let mut rig = Rig::new();
    rig.in_mid_skill();
    // Against the present motion, with full deflection.
    rig.pad().axes[1] = -1.0;
    rig.hold(true);
    rig.wait("taken over", |state| is_owned(state, AcquireLeaseRequest::SOURCE_TELEOP));
    rig.run(1.5);
    assert!(rig.speed() < -0.2, "{} m/s", rig.speed());
    // Measured, so with what wheels on a floor add to the set-point's bound.
    let bound = 1.5 * MAX_ACCELERATION * TICK.as_secs_f64();
    assert!(rig.largest_step(80) < bound, "{} m/s in a tick", rig.largest_step(80));

    // A skill that may pause aborts in the end as well, since the person goes on.
    for _ in 0..10 {
        rig.pad().axes[1] *= -1.0;
        rig.run(1.0);
    }
    let result = rig.ended.clone().unwrap();
    assert_eq!(result.error_code, ErrorCode::LeaseRevoked.as_u16(), "{result:?}");

    rig.hold(false);
    rig.wait("held", is_held);
    assert!(rig.largest_step(20) < bound);
    rig.run(1.0);
    assert!(rig.speed().abs() < 0.01);

    // Nothing but an explicit resume gives the base back.
    rig.drive_to("red_cube");
    rig.run(2.0);
    let result = rig.ended.clone().unwrap();
    assert_eq!(result.error_code, ErrorCode::LeaseRevoked.as_u16(), "{result:?}");
    assert!(rig.speed().abs() < 0.01);
    rig.resume();
    rig.drive_to("red_cube");
    rig.wait("the skill again", |state| is_owned(state, AcquireLeaseRequest::SOURCE_SKILL));
}

#[test]
fn a_device_that_is_silent_or_frozen_is_a_loss_and_coming_back_moves_nothing() {
    type Break = fn(&mut Rig);
    let losses: [(&str, Break); 2] = [
        ("silent", |rig| rig.pad = None),
        ("frozen", |rig| rig.frozen_at = Some(rig.composed.executor.now())),
    ];
    let mut rig = Rig::new();
    for (name, break_it) in losses {
        rig.hold(false);
        rig.run(0.1);
        rig.pad().axes[1] = 0.6;
        rig.hold(true);
        rig.wait("taken over", |state| is_owned(state, AcquireLeaseRequest::SOURCE_TELEOP));
        rig.run(1.0);
        assert!(rig.speed() > 0.1, "{name}");
        let good = rig.pad.clone();
        break_it(&mut rig);
        let lost_at = rig.composed.executor.now();
        rig.wait(name, |state| base(state).source == 0);
        let (at, _) = rig.states.last().unwrap();
        // 100 ms without a sign, the tick that finds it, and the way to the gate and back.
        assert!(at.since(lost_at) <= Duration::from_millis(160), "{name}: {:?}", at.since(lost_at));
        rig.run(1.0);
        assert!(rig.speed().abs() < 0.01, "{name}");
        (rig.pad, rig.frozen_at) = (good, None);
        rig.run(1.0);
        assert!(rig.speed().abs() < 0.01, "{name}: it came back with the button held");
    }
}

#[test]
fn the_emergency_stop_of_the_device_stops_a_skill_without_the_dead_man_button() {
    let mut rig = Rig::new();
    rig.in_mid_skill();
    rig.pad().buttons[1] = 1;
    rig.wait("e-stop", |state| state.mode == SafetyState::MODE_ESTOP);
    rig.run(1.5);
    assert!(rig.speed().abs() < 0.01);
}

#[test]
fn both_types_of_cmd_vel_drive_the_base_while_they_arrive() {
    let mut rig = Rig::new();
    for velocity in [Velocity::Plain(0.3), Velocity::Stamped(0.25)] {
        rig.velocity = Some(velocity);
        rig.wait("cmd_vel", |state| is_owned(state, AcquireLeaseRequest::SOURCE_EXTERNAL));
        rig.run(1.0);
        assert!(rig.speed() > 0.2, "{} m/s", rig.speed());
        rig.velocity = None;
        let silent_at = rig.composed.executor.now();
        rig.wait("given back", |state| base(state).source == 0);
        let after = rig.states.last().unwrap().0.since(silent_at);
        assert!(
            after > Duration::from_millis(400) && after < Duration::from_millis(600),
            "{after:?}"
        );
        rig.run(1.0);
        assert!(rig.speed().abs() < 0.01);
    }
}

#[test]
fn cmd_vel_yields_to_the_person_and_does_not_resume_by_itself() {
    let mut rig = Rig::new();
    rig.velocity = Some(Velocity::Plain(0.3));
    rig.wait("cmd_vel", |state| is_owned(state, AcquireLeaseRequest::SOURCE_EXTERNAL));
    rig.run(1.0);
    rig.hold(true);
    rig.wait("taken over", |state| is_owned(state, AcquireLeaseRequest::SOURCE_TELEOP));
    rig.run(1.0);
    assert!(rig.speed().abs() < 0.01, "the stick is at rest: {} m/s", rig.speed());
    rig.hold(false);
    rig.wait("held", is_held);
    rig.resume();
    rig.run(1.0);
    assert!(is_held(&rig.states.last().unwrap().1), "the stream went on all the while");
    rig.velocity = None;
    rig.run(0.6);
    rig.velocity = Some(Velocity::Plain(0.3));
    rig.wait("a new stream", |state| is_owned(state, AcquireLeaseRequest::SOURCE_EXTERNAL));
}
