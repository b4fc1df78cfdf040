//! Random sequences of events: what holds whatever happens.
//!
//! `SINEW_SEQUENCES` says how many; a sequence that fails is run alone with `SINEW_SEQUENCE=N`.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sinew_hardware::{
    Accepted, Cause, Event, Gate, GateConfig, GroupLimits, GroupSet, LeaseRequest, Mode,
    OutputKind, Refused, fallback_of,
};
use sinew_robot::RobotModel;
use sinew_types::{
    ActuatorCommand, BaseTwist, BootId, GripperCommand, JointCommand, LeaseId, Source, Time,
};

use crate::rig::{PAD, Rig, SKILLS, balancer, mobi};

/// Sequences, if the environment does not say.
const SEQUENCES: u64 = 100_000;
/// Events of each.
const EVENTS: usize = 200;
/// Of the control loop: coarse, so that few ticks reach every time-out.
const PERIOD: Duration = Duration::from_millis(20);

/// What the test knows of a lease, independently of the gate.
struct Known {
    lease: LeaseId,
    boot_id: BootId,
    source: Source,
    groups: u64,
    period: Duration,
    /// Groups, time and `valid_for` of the newest command that was accepted.
    command: Option<(u64, Time, Duration)>,
    /// It was seen to have ended.
    ended: bool,
}

struct World<'a> {
    rig: Rig,
    config: &'a GateConfig,
    known: Vec<Known>,
    last: ActuatorCommand,
    last_speed: Vec<f64>,
    last_width_speed: f64,
    causes: Vec<Cause>,
    epoch: u64,
}

impl<'a> World<'a> {
    fn new(model: &RobotModel, config: &'a GateConfig) -> Self {
        let gate = Gate::with_fallback(config.clone(), fallback_of(model).unwrap()).unwrap();
        let mut rig = Rig::around(gate);
        rig.arm();
        let joints = rig.layout.joints().len();
        let last = rig.out.clone();
        Self {
            rig,
            config,
            known: vec![],
            last,
            last_speed: vec![0.0; joints],
            last_width_speed: 0.0,
            causes: vec![],
            epoch: 0,
        }
    }

    fn step(&mut self, random: &mut ChaCha8Rng) {
        let who = |skills: bool| if skills { SKILLS } else { PAD };
        let mut may_clear = false;
        match random.random_range(0..150) {
            0..30 => {
                for _ in 0..random.random_range(1..6) {
                    self.rig.tick();
                    self.check_causes(false, true);
                    self.check_output();
                }
            }
            30..45 => self.acquire(random),
            45..48 => {
                if !self.known.is_empty() {
                    let index = random.random_range(0..self.known.len());
                    let _ = self.rig.handle(Event::ReleaseLease(self.known[index].lease));
                }
            }
            48..90 => self.command(random),
            90..112 => {
                let _ = self.rig.handle(Event::Heartbeat(who(random.random())));
            }
            112 => {
                let _ = self.rig.handle(Event::PeerLost(who(random.random())));
            }
            113..115 => {
                let _ = self.rig.handle(Event::EStop { pressed: random.random_bool(0.4) });
            }
            115 => {
                let pressed = random.random_bool(0.4);
                let _ = self.rig.handle(Event::EStopHeartbeat { pressed });
            }
            116..124 => {
                may_clear = self.rig.handle(Event::Reset).is_ok();
                if may_clear {
                    let kept = self.causes.iter().filter(|cause| **cause == Cause::Communication);
                    let causes: Vec<Cause> = self.rig.gate.safety().causes.iter().collect();
                    assert_eq!(causes, kept.copied().collect::<Vec<_>>(), "after a reset");
                }
            }
            124..132 => {
                if self.rig.handle(Event::Arm).is_ok() {
                    self.rig.handle(Event::Activated).unwrap();
                }
            }
            132 => {
                let _ = self.rig.handle(Event::Disarm);
            }
            133..137 => {
                let _ = self.rig.handle(Event::Resume);
            }
            137..141 => {
                let _ = self.rig.handle(Event::DriverRead { ok: random.random_bool(0.8) });
            }
            141 => {
                let _ = self.rig.handle(Event::DriverWriteFailed);
            }
            142 => {
                let _ = self.rig.handle(Event::LoopStalled);
            }
            143 => {
                let cause = Cause::ALL[random.random_range(0..Cause::ALL.len())];
                let _ = self.rig.handle(Event::Violation(cause));
            }
            144 => self.rig.imu_lost = random.random_bool(0.2),
            145..147 => self.rig.frozen = random.random_bool(0.2),
            _ => {
                let _ = self.rig.handle(Event::Activated);
            }
        }
        self.check_causes(may_clear, false);
        self.check_authority();
    }

    fn acquire(&mut self, random: &mut ChaCha8Rng) {
        let sources = [Source::Fallback, Source::Skill, Source::External, Source::Teleop];
        let source = sources[random.random_range(0..sources.len())];
        let count = self.config.groups.len();
        let bits = random.random_range(1..1_u64 << count);
        let groups = (0..count)
            .filter(|i| bits & (1 << i) != 0)
            .map(GroupSet::one)
            .fold(GroupSet::EMPTY, GroupSet::union);
        let boot_id = if source == Source::Teleop { PAD } else { SKILLS };
        let command_period = Duration::from_millis(random.random_range(1..110));
        let request = LeaseRequest { source, groups, boot_id, command_period };
        let awaits_resume = groups.iter().any(|g| self.rig.gate.safety().groups[g].needs_resume);
        match self.rig.handle(Event::AcquireLease(request)) {
            Ok(Accepted::Granted { lease, .. }) => {
                assert_ne!(source, Source::Fallback, "fallback is granted to nobody");
                assert!(source == Source::Teleop || !awaits_resume, "granted without a resume");
                let period = command_period;
                self.known.push(Known {
                    lease,
                    boot_id,
                    source,
                    groups: bits,
                    period,
                    command: None,
                    ended: false,
                });
            }
            Ok(other) => panic!("{other:?}"),
            Err(Refused::NotReady { mode }) => assert_ne!(mode, Mode::Ready),
            Err(_) => {}
        }
    }

    fn command(&mut self, random: &mut ChaCha8Rng) {
        let Some(newest) = self.known.len().checked_sub(1) else { return };
        // Mostly the newest ones; and mostly what they hold.
        let index = newest - random.random_range(0..3).min(newest);
        let (lease, boot_id) = (self.known[index].lease, self.known[index].boot_id);
        let bits =
            if random.random_bool(0.75) { self.known[index].groups } else { random.random() };
        let size = match random.random_range(0..14) {
            0..8 => random.random_range(-0.5..0.5),
            8..12 => random.random_range(-10.0..10.0),
            12 => f64::NAN,
            _ => f64::INFINITY,
        };
        let mut command = self.rig.command(lease, &[]);
        command.boot_id = boot_id;
        command.valid_for = Duration::from_millis(random.random_range(0..400));
        command.dead_man = random.random_bool(0.9);
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
                GroupLimits::Effort(_) => {
                    for joint in &group.joints {
                        command.joints[*joint] =
                            JointCommand { effort: size, ..JointCommand::UNUSED };
                    }
                }
                _ => {
                    for joint in &group.joints {
                        command.joints[*joint] = JointCommand::position(size);
                    }
                }
            }
        }
        if self.rig.send(&command).is_ok() {
            assert!(size.is_finite(), "a command of {size} was accepted");
            self.known[index].command = Some((bits, self.rig.now, command.valid_for));
        }
    }

    /// A latched cause stays until a reset, or by its own rule; and the mode is never less than it.
    fn check_causes(&mut self, was_reset: bool, is_tick: bool) {
        let safety = self.rig.gate.safety();
        for cause in &self.causes {
            let may_clear = was_reset || (is_tick && *cause == Cause::Communication);
            assert!(may_clear || safety.causes.contains(*cause), "{cause} cleared by itself");
        }
        if let Some(mode) = safety.causes.mode() {
            assert_eq!(safety.mode, mode, "the mode is the severest cause");
            assert!(safety.leases.iter().all(Option::is_none), "a stop voids every lease");
        }
        assert!(safety.stop_epoch.0 >= self.epoch);
        self.epoch = safety.stop_epoch.0;
        self.causes.clear();
        self.causes.extend(safety.causes.iter());
    }

    /// Who owns a group was granted it, and has not lost it since.
    fn check_authority(&mut self) {
        let safety = self.rig.gate.safety();
        for known in &mut self.known {
            let is_live = safety.is_live(known.lease);
            assert!(!(known.ended && is_live), "a lease that had ended is live again");
            known.ended = !is_live;
        }
        for group in &safety.groups {
            if let Some((lease, source)) = group.owner {
                assert!(safety.is_live(lease));
                let known = self.known.iter().find(|known| known.lease == lease);
                assert_eq!(known.map(|known| known.source), Some(source), "owned unasked");
            }
        }
        if self.known.len() > 24 {
            self.known.retain(|known| !known.ended);
        }
    }

    fn check_output(&mut self) {
        let safety = self.rig.gate.safety();
        for (index, group) in safety.groups.iter().enumerate() {
            match group.output {
                OutputKind::Track => {
                    assert_eq!(safety.mode, Mode::Ready);
                    let (lease, _) = group.owner.expect("tracked without an owner");
                    let known = self.known.iter().find(|known| known.lease == lease).unwrap();
                    let (groups, at, valid_for) = known.command.expect("tracked without a command");
                    assert!(groups & (1 << index) != 0, "tracked without being commanded");
                    let age = self.rig.now.since(at);
                    let longest = (known.period * 3).max(Duration::from_millis(100));
                    assert!(age <= valid_for && age <= longest, "tracked a command of age {age:?}");
                }
                OutputKind::Fallback => {
                    assert!(
                        self.config.groups[index].stop.protective_stop.action
                            == sinew_hardware::GroupStop::Fallback
                    );
                    assert!(safety.mode <= Mode::ProtectiveStop, "fallback in {:?}", safety.mode);
                }
                _ => {}
            }
            let is_off = group.output == OutputKind::None;
            assert!(is_off || safety.powered, "output without power");
        }
        self.check_limits();
    }

    fn check_limits(&mut self) {
        let dt = PERIOD.as_secs_f64();
        let check = |last: f64, measured: f64, now: f64, speed: &mut f64, v: f64, a: f64| {
            if now.is_nan() {
                *speed = 0.0;
                return;
            }
            // After torque was off, set-points go on from the measured state, at rest.
            let last = if last.is_nan() { measured } else { last };
            let new = (now - last) / dt;
            assert!(new.abs() <= v + 1e-7, "velocity {new} over {v}");
            assert!(
                (new - *speed).abs() <= a * dt + 1e-7,
                "from {speed} to {new}, at most {} is allowed; {last} to {now}",
                a * dt
            );
            *speed = new;
        };
        for (group, config) in self.rig.layout.groups().iter().zip(&self.config.groups) {
            match &config.limits {
                GroupLimits::Position(limits) => {
                    for (joint, limit) in group.joints.iter().zip(limits) {
                        let now = self.rig.out.joints[*joint].position;
                        let last = self.last.joints[*joint].position;
                        let (v, a) = (limit.max_velocity, limit.max_acceleration);
                        let measured = self.rig.state.joints[*joint].position;
                        check(last, measured, now, &mut self.last_speed[*joint], v, a);
                        assert!(now.is_nan() || (limit.lower..=limit.upper).contains(&now));
                    }
                }
                GroupLimits::Gripper { width, max_force_n } => {
                    let now = self.rig.out.grippers[group.gripper];
                    let last = self.last.grippers[group.gripper].width_m;
                    let speed = &mut self.last_width_speed;
                    let measured = self.rig.state.grippers[group.gripper].width_m;
                    let (v, a) = (width.max_velocity, width.max_acceleration);
                    check(last, measured, now.width_m, speed, v, a);
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
                GroupLimits::Effort(limits) => {
                    for (joint, limit) in group.joints.iter().zip(limits) {
                        let effort = self.rig.out.joints[*joint].effort;
                        assert!(effort.is_nan() || effort.abs() <= limit.max_effort);
                    }
                }
                other => panic!("{other:?}"),
            }
        }
        self.last.copy_from(&self.rig.out);
    }
}

fn config(model: &RobotModel) -> GateConfig {
    let mut config = GateConfig { period: PERIOD, ..GateConfig::from_robot(model).unwrap() };
    for group in &mut config.groups {
        group.read_period = PERIOD;
    }
    // Where the links are is the monitor's own test; here commands go anywhere.
    config.monitor.body = None;
    config
}

#[test]
fn whatever_happens_stops_hold_limits_hold_and_nothing_is_tracked_unasked() {
    let number = |name| std::env::var(name).ok().map(|text| text.parse::<u64>().unwrap());
    let robots = [mobi(), balancer()].map(|model| (config(&model), model));
    let alone = number("SINEW_SEQUENCE");
    let sequences = match alone {
        Some(sequence) => sequence..sequence + 1,
        None => 0..number("SINEW_SEQUENCES").unwrap_or(SEQUENCES),
    };
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (robots, sequences) = (&robots, sequences.clone());
            scope.spawn(move || {
                for sequence in sequences.skip(thread).step_by(threads) {
                    let mut random = ChaCha8Rng::seed_from_u64(sequence);
                    let (config, model) = &robots[usize::from(sequence % 2 == 1)];
                    let run = std::panic::AssertUnwindSafe(|| {
                        let mut world = World::new(model, config);
                        for _ in 0..EVENTS {
                            world.step(&mut random);
                        }
                    });
                    if let Err(panic) = std::panic::catch_unwind(run) {
                        eprintln!("again with SINEW_SEQUENCE={sequence}");
                        std::panic::resume_unwind(panic);
                    }
                }
            });
        }
    });
}
