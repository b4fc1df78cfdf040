//! Random sequences of events: what holds whatever happens.

use std::time::Duration;

use proptest::prelude::*;
use sinew_hardware::{
    Accepted, Event, GateConfig, GroupLimits, GroupSet, LeaseRequest, Mode, OutputKind,
};
use sinew_types::{
    ActuatorCommand, BaseTwist, BootId, GripperCommand, JointCommand, LeaseId, Source, Time,
};

use crate::rig::{PAD, Rig, SKILLS};

#[derive(Clone, Debug)]
enum Step {
    Ticks(u8),
    Acquire {
        source: Source,
        groups: u8,
        period_ms: u8,
    },
    Release(u8),
    /// To the lease of this index among those granted, with values of this size.
    Command {
        lease: u8,
        groups: u8,
        size: f64,
        valid_ms: u16,
        dead_man: bool,
    },
    Beat(bool),
    PeerLost(bool),
    EStop(bool),
    Reset,
    Arm,
    Disarm,
    Resume,
    Read(bool),
    WriteFailed,
    Stalled,
    Freeze(bool),
}

fn step() -> impl Strategy<Value = Step> {
    let source = prop_oneof![Just(Source::Skill), Just(Source::External), Just(Source::Teleop)];
    let size = prop_oneof![
        8 => -0.5..0.5,
        4 => -10.0..10.0,
        1 => Just(f64::NAN),
        1 => Just(f64::INFINITY),
    ];
    prop_oneof![
        30 => (1..40_u8).prop_map(Step::Ticks),
        12 => (source, 1..16_u8, 1..110_u8)
            .prop_map(|(source, groups, period_ms)| Step::Acquire { source, groups, period_ms }),
        3 => any::<u8>().prop_map(Step::Release),
        40 => (any::<u8>(), 0..16_u8, size, 0..400_u16, prop::bool::weighted(0.9)).prop_map(
            |(lease, groups, size, valid_ms, dead_man)| Step::Command {
                lease, groups, size, valid_ms, dead_man
            }
        ),
        20 => any::<bool>().prop_map(Step::Beat),
        1 => any::<bool>().prop_map(Step::PeerLost),
        2 => any::<bool>().prop_map(Step::EStop),
        6 => Just(Step::Reset),
        8 => Just(Step::Arm),
        1 => Just(Step::Disarm),
        3 => Just(Step::Resume),
        3 => prop::bool::weighted(0.8).prop_map(Step::Read),
        1 => Just(Step::WriteFailed),
        1 => Just(Step::Stalled),
        2 => prop::bool::weighted(0.2).prop_map(Step::Freeze),
    ]
}

/// What the test knows of a lease, independently of the gate.
struct Known {
    lease: LeaseId,
    boot_id: BootId,
    groups: u8,
    period: Duration,
    /// Groups, time and `valid_for` of the newest command that was accepted.
    command: Option<(u8, Time, Duration)>,
}

struct World {
    rig: Rig,
    config: GateConfig,
    known: Vec<Known>,
    last: ActuatorCommand,
    last_speed: Vec<f64>,
    e_stop_latched: bool,
    epoch: u64,
}

fn set(bits: u8) -> GroupSet {
    (0..4)
        .filter(|i| bits & (1 << i) != 0)
        .map(GroupSet::one)
        .fold(GroupSet::EMPTY, GroupSet::union)
}

impl World {
    fn new() -> Self {
        let rig = Rig::new();
        let config = rig.gate.config().clone();
        let joints = rig.layout.joints().len();
        let last = rig.out.clone();
        let last_speed = vec![0.0; joints + 3];
        Self { rig, config, known: vec![], last, last_speed, e_stop_latched: false, epoch: 0 }
    }

    fn apply(&mut self, step: &Step) {
        let who = |skills: bool| if skills { SKILLS } else { PAD };
        match *step {
            Step::Ticks(count) => {
                for _ in 0..count {
                    self.rig.tick();
                    self.check_output();
                }
            }
            Step::Acquire { source, groups, period_ms } => {
                let boot_id = who(source != Source::Teleop);
                let command_period = Duration::from_millis(period_ms.into());
                let request = LeaseRequest { source, groups: set(groups), boot_id, command_period };
                if let Ok(Accepted::Granted { lease, .. }) =
                    self.rig.handle(Event::AcquireLease(request))
                {
                    let period = command_period;
                    self.known.push(Known { lease, boot_id, groups, period, command: None });
                }
            }
            Step::Release(index) => {
                if !self.known.is_empty() {
                    let lease = self.known[usize::from(index) % self.known.len()].lease;
                    let _ = self.rig.handle(Event::ReleaseLease(lease));
                }
            }
            Step::Command { lease, groups, size, valid_ms, dead_man } => {
                self.command(lease, groups, size, valid_ms, dead_man);
            }
            Step::Beat(skills) => drop(self.rig.handle(Event::Heartbeat(who(skills)))),
            Step::PeerLost(skills) => drop(self.rig.handle(Event::PeerLost(who(skills)))),
            Step::EStop(pressed) => {
                self.rig.handle(Event::EStop { pressed }).unwrap();
                self.e_stop_latched |= pressed;
            }
            Step::Reset => {
                if self.rig.handle(Event::Reset).is_ok() {
                    self.e_stop_latched = false;
                }
            }
            Step::Arm => {
                if self.rig.handle(Event::Arm).is_ok() {
                    self.rig.handle(Event::Activated).unwrap();
                }
            }
            Step::Disarm => drop(self.rig.handle(Event::Disarm)),
            Step::Resume => drop(self.rig.handle(Event::Resume)),
            Step::Read(ok) => drop(self.rig.handle(Event::DriverRead { ok })),
            Step::WriteFailed => drop(self.rig.handle(Event::DriverWriteFailed)),
            Step::Stalled => drop(self.rig.handle(Event::LoopStalled)),
            Step::Freeze(frozen) => self.rig.frozen = frozen,
        }
        self.check_state();
    }

    fn command(&mut self, index: u8, extra: u8, size: f64, valid_ms: u16, dead_man: bool) {
        let Some(count) = self.known.len().checked_sub(1) else { return };
        // Mostly the newest ones; and mostly what they hold.
        let index = count - usize::from(index % 3).min(count);
        let (lease, boot_id) = (self.known[index].lease, self.known[index].boot_id);
        let bits = if extra < 12 { self.known[index].groups } else { extra };
        let mut command = self.rig.command(lease, &[]);
        command.boot_id = boot_id;
        command.valid_for = Duration::from_millis(valid_ms.into());
        command.dead_man = dead_man;
        for (i, group) in self.rig.layout.groups().iter().enumerate() {
            if bits & (1 << i) == 0 {
                continue;
            }
            match &self.config.groups[i].limits {
                GroupLimits::Twist(_) => {
                    command.base =
                        Some(BaseTwist { linear_x: size, linear_y: 0.0, angular_z: size });
                }
                GroupLimits::Gripper { .. } => {
                    command.grippers[group.gripper] =
                        GripperCommand { width_m: size, max_force_n: 90.0 };
                }
                _ => {
                    for joint in &group.joints {
                        command.joints[*joint] = JointCommand::position(size);
                    }
                }
            }
        }
        if self.rig.send(&command).is_ok() {
            self.known[index].command = Some((bits, self.rig.now, command.valid_for));
        }
    }

    fn check_state(&mut self) {
        let safety = self.rig.gate.safety();
        if self.e_stop_latched {
            assert_eq!(safety.mode, Mode::EStop);
        }
        if let Some(mode) = safety.causes.mode() {
            assert_eq!(safety.mode, mode, "the mode is the severest cause");
            assert!(safety.leases.iter().all(Option::is_none), "a stop voids every lease");
        }
        assert!(safety.stop_epoch.0 >= self.epoch);
        self.epoch = safety.stop_epoch.0;
        for group in &safety.groups {
            if let Some((lease, _)) = group.owner {
                assert!(safety.is_live(lease));
            }
        }
    }

    fn check_output(&mut self) {
        let safety = self.rig.gate.safety();
        for (index, group) in safety.groups.iter().enumerate() {
            if group.output == OutputKind::Track {
                assert_eq!(safety.mode, Mode::Ready);
                let (lease, _) = group.owner.expect("tracked without an owner");
                let known = self.known.iter().find(|known| known.lease == lease).unwrap();
                let (groups, at, valid_for) = known.command.expect("tracked without a command");
                assert!(groups & (1 << index) != 0, "tracked without being commanded");
                let age = self.rig.now.since(at);
                let longest = (known.period * 3).max(Duration::from_millis(100));
                assert!(age <= valid_for && age <= longest, "tracked a command of age {age:?}");
            }
            let is_off = group.output == OutputKind::None;
            assert!(is_off || safety.powered, "output without power");
        }
        self.check_limits();
    }

    fn check_limits(&mut self) {
        let dt = 0.002;
        let check = |last: f64, now: f64, speed: &mut f64, v: f64, a: f64| {
            if last.is_nan() || now.is_nan() {
                *speed = 0.0;
                return;
            }
            let new = (now - last) / dt;
            assert!(new.abs() <= v + 1e-7, "velocity {new} over {v}");
            assert!((new - *speed).abs() <= a * dt + 1e-7, "from {speed} to {new}");
            *speed = new;
        };
        let joints = self.rig.layout.joints().len();
        for (group, config) in self.rig.layout.groups().iter().zip(&self.config.groups) {
            match &config.limits {
                GroupLimits::Position(limits) => {
                    for (joint, limit) in group.joints.iter().zip(limits) {
                        let now = self.rig.out.joints[*joint].position;
                        let last = self.last.joints[*joint].position;
                        let (v, a) = (limit.max_velocity, limit.max_acceleration);
                        check(last, now, &mut self.last_speed[*joint], v, a);
                        assert!(now.is_nan() || (limit.lower..=limit.upper).contains(&now));
                    }
                }
                GroupLimits::Gripper { width, max_force_n } => {
                    let now = self.rig.out.grippers[group.gripper];
                    let last = self.last.grippers[group.gripper].width_m;
                    let speed = &mut self.last_speed[joints];
                    check(last, now.width_m, speed, width.max_velocity, width.max_acceleration);
                    assert!(now.width_m.is_nan() || (0.0..=width.upper).contains(&now.width_m));
                    assert!(now.max_force_n.is_nan() || now.max_force_n <= *max_force_n);
                }
                GroupLimits::Twist(limits) => {
                    let Some(now) = self.rig.out.base else { continue };
                    let last = self.last.base.unwrap_or_default();
                    assert!(now.linear_x.abs() <= limits.max_linear_m_s);
                    assert!(now.angular_z.abs() <= limits.max_angular_rad_s);
                    let linear = (now.linear_x - last.linear_x).abs() / dt;
                    assert!(linear <= limits.max_linear_acceleration_m_s2 + 1e-9);
                    let angular = (now.angular_z - last.angular_z).abs() / dt;
                    assert!(angular <= limits.max_angular_acceleration_rad_s2 + 1e-9);
                }
                other => panic!("{other:?}"),
            }
        }
        self.last.copy_from(&self.rig.out);
    }
}

/// Sequences of events: PROPTEST_CASES, or enough for every change.
fn sequences() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|count| count.parse().ok()).unwrap_or(400)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: sequences(), ..ProptestConfig::default() })]
    #[test]
    fn whatever_happens_stops_hold_limits_hold_and_nothing_is_tracked_unasked(
        steps in prop::collection::vec(step(), 60..220)
    ) {
        let mut world = World::new();
        world.apply(&Step::Arm);
        for step in &steps {
            world.apply(step);
        }
    }
}
