//! What the monitors see, in which cycle, and how it is cleared.

use std::time::Duration;

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sinew_hardware::monitor::{AxisAlignedBox, Geometry};
use sinew_hardware::{Cause, Event, GateConfig, Mode, OutputKind, Refused, Violation};
use sinew_types::{JointCommand, LeaseId, Source};

use crate::rig::{Rig, mobi};

/// Folded so far that the hand would lie on the shoulder.
const FOLDED: [f64; 6] = [0.0, -1.57, 2.7, 0.0, 2.0, 0.0];

/// A rig with the arm in a named configuration, monitors on, and a lease on the arm.
fn guarded(configuration: &str, change: impl Fn(&mut GateConfig)) -> (Rig, LeaseId) {
    let model = mobi();
    let mut config = GateConfig::from_robot(&model).unwrap();
    change(&mut config);
    let mut rig = Rig::with(config);
    let arm = model.group("arm").unwrap();
    for (joint, position) in arm.joints.iter().zip(arm.configuration(configuration).unwrap()) {
        rig.state.joints[*joint].position = *position;
    }
    rig.arm();
    let lease = rig.acquire(Source::Skill, &["arm"]).unwrap();
    (rig, lease)
}

/// Commands these arm positions; a refusal (after a stop) is all right.
fn steer(rig: &mut Rig, lease: LeaseId, goal: &[f64]) {
    let mut command = rig.command(lease, &["arm"]);
    let joints = rig.layout.groups()[rig.group("arm")].joints.clone();
    for (joint, position) in joints.iter().zip(goal) {
        command.joints[*joint] = JointCommand::position(*position);
    }
    let _ = rig.send(&command);
}

/// Steers until a stop or for so many cycles, then lets the arm come to rest.
fn drive(rig: &mut Rig, lease: LeaseId, goal: &[f64], cycles: u32) {
    for _ in 0..cycles / 10 {
        steer(rig, lease, goal);
        rig.live_ticks(10);
        if rig.gate.mode() != Mode::Ready {
            break;
        }
    }
    rig.live_ticks(400);
}

/// The smallest distance of a watched pair, m, up to 1 m.
fn clearance(rig: &Rig) -> f64 {
    let monitor = &rig.gate.config().monitor;
    let mut geometry = Geometry::new(monitor.body.as_ref().unwrap());
    let positions: Vec<f64> = rig.state.joints.iter().map(|joint| joint.position).collect();
    geometry.update(&positions).unwrap();
    let pairs = &monitor.self_collision.as_ref().unwrap().pairs;
    pairs.iter().map(|&(a, b)| geometry.distance(a, b, 1.0)).fold(1.0, f64::min)
}

fn causes(rig: &Rig) -> Vec<Cause> {
    rig.gate.safety().causes.iter().collect()
}

#[test]
fn an_arm_on_its_way_into_the_robot_is_stopped_before_it_is_there_and_may_go_back_after_reset() {
    let (mut rig, lease) = guarded("home", |_| ());
    drive(&mut rig, lease, &FOLDED, 3000);
    assert_eq!(causes(&rig), [Cause::SelfCollision]);
    assert_eq!(rig.gate.mode(), Mode::ProtectiveStop);
    assert!(matches!(
        rig.gate.safety().violation,
        Some(Violation::SelfCollision { links: (_, _), distance_m, .. }) if distance_m < 0.005
    ));
    assert_eq!(rig.output("arm"), OutputKind::Hold);
    let distance = clearance(&rig);
    assert!((0.004..0.05).contains(&distance), "{distance}");
    rig.live_ticks(1000);
    assert_eq!(causes(&rig), [Cause::SelfCollision], "nothing but a reset clears it");

    rig.handle(Event::Reset).unwrap();
    assert_eq!((rig.gate.mode(), rig.gate.safety().violation), (Mode::Ready, None));
    let lease = rig.acquire(Source::Skill, &["arm"]).unwrap();
    drive(&mut rig, lease, &FOLDED, 3000);
    assert_eq!(causes(&rig), [Cause::SelfCollision], "further in is stopped again");
    assert!(clearance(&rig) > distance.min(0.005) - 0.002);

    rig.handle(Event::Reset).unwrap();
    let home = mobi().group("arm").unwrap().configuration("home").unwrap().to_vec();
    let lease = rig.acquire(Source::Skill, &["arm"]).unwrap();
    drive(&mut rig, lease, &home, 3000);
    assert_eq!(causes(&rig), []);
    assert!(clearance(&rig) > distance);
}

#[test]
fn an_arm_that_is_armed_too_close_may_only_move_away() {
    let tight = |config: &mut GateConfig| {
        config.monitor.self_collision.as_mut().unwrap().min_distance_m = 0.06;
    };
    let (mut rig, lease) = guarded("home", tight);
    rig.live_ticks(50);
    assert_eq!(causes(&rig), [], "standing there is no violation");
    drive(&mut rig, lease, &FOLDED, 3000);
    assert_eq!(causes(&rig), [Cause::SelfCollision]);
    rig.handle(Event::Reset).unwrap();
    let ready = mobi().group("arm").unwrap().configuration("ready").unwrap().to_vec();
    let lease = rig.acquire(Source::Skill, &["arm"]).unwrap();
    let before = clearance(&rig);
    drive(&mut rig, lease, &ready, 200);
    assert!(clearance(&rig) > before - 0.002);
}

#[test]
fn the_floor_stops_the_arm_before_the_hand_is_on_it() {
    let (mut rig, lease) = guarded("ready", |_| ());
    drive(&mut rig, lease, &[0.0, 0.2, 1.2, 0.0, 0.0, 0.0], 3000);
    assert_eq!(causes(&rig), [Cause::Workspace]);
    let monitor = &rig.gate.config().monitor;
    let limits = monitor.workspace.as_ref().unwrap();
    let mut geometry = Geometry::new(monitor.body.as_ref().unwrap());
    let positions: Vec<f64> = rig.state.joints.iter().map(|joint| joint.position).collect();
    geometry.update(&positions).unwrap();
    let inside = limits.inside.as_ref().unwrap();
    let depth = limits.links.iter().map(|&link| geometry.depth_inside(link, limits.frame, inside));
    let depth = depth.fold(1.0, f64::min);
    assert!((-0.001..0.06).contains(&depth), "{depth}");
}

#[test]
fn a_box_to_keep_out_of_stops_the_arm_before_it() {
    let wall = AxisAlignedBox {
        min_m: nalgebra::Vector3::new(0.3, 0.3, 0.0),
        max_m: nalgebra::Vector3::new(1.0, 0.6, 1.2),
    };
    let keep_out = |config: &mut GateConfig| {
        config.monitor.workspace.as_mut().unwrap().keep_out.push(wall);
    };
    let (mut rig, lease) = guarded("ready", keep_out);
    let mut goal = mobi().group("arm").unwrap().configuration("ready").unwrap().to_vec();
    goal[0] = 1.2;
    drive(&mut rig, lease, &goal, 3000);
    assert_eq!(causes(&rig), [Cause::Workspace]);
    assert!(matches!(
        rig.gate.safety().violation,
        Some(Violation::Workspace { distance_m, .. }) if distance_m < 0.0
    ));
}

/// The stated margin: where the arm comes to rest, no pair is closer than its limit less this, m.
fn margin_m(check_every: u32) -> f64 {
    0.001 * f64::from(1 + check_every)
}

#[test]
fn set_points_never_come_to_rest_closer_than_the_limit_less_the_margin() {
    for (check_every, seed) in [(1, 1), (2, 2), (5, 3)] {
        let (mut rig, mut lease) = guarded("home", |config| {
            config.monitor.check_every = check_every;
            config.monitor.workspace = None;
        });
        let limits: Vec<(f64, f64)> = {
            let model = mobi();
            let arm = model.group("arm").unwrap().joints.clone();
            arm.iter()
                .map(|joint| model.joints()[*joint].limits)
                .map(|limits| (limits.lower, limits.upper))
                .collect()
        };
        let mut random = ChaCha8Rng::seed_from_u64(seed);
        let (mut stops, mut worst) = (0, f64::INFINITY);
        let mut allowed = 0.005;
        let mut goal = [0.0; 6];
        for _ in 0..600 {
            for (goal, (lower, upper)) in goal.iter_mut().zip(&limits) {
                *goal = random.random_range(*lower..=*upper);
            }
            for _ in 0..random.random_range(1..40) {
                steer(&mut rig, lease, &goal);
                rig.live_ticks(10);
            }
            if rig.gate.mode() == Mode::Ready {
                continue;
            }
            rig.live_ticks(400);
            let is_close = rig.gate.safety().causes.contains(Cause::SelfCollision);
            let distance = clearance(&rig);
            stops += u32::from(is_close);
            worst = worst.min(distance - allowed);
            let margin = margin_m(check_every);
            assert!(distance > allowed - margin, "{distance} of {allowed}, {check_every}");
            rig.handle(Event::Reset).unwrap();
            // From a start below the limit it may be 1 mm closer, but no more.
            allowed = if distance < 0.005 { distance - 0.001 } else { 0.005 };
            lease = rig.acquire(Source::Skill, &["arm"]).unwrap();
        }
        println!("every {check_every}: {stops} stops, worst {worst}");
        assert!(stops > 20, "{stops}");
    }
}

#[test]
fn a_jammed_joint_stops_the_robot_at_its_time_and_one_cycle_after_its_error_began() {
    let model = mobi();
    let elbow = model.joint_index("arm_elbow_joint").unwrap();
    let mut rig = Rig::ready();
    let lease = rig.acquire(Source::Skill, &["arm"]).unwrap();
    rig.jammed = Some(elbow);
    let goal = [0.0, 0.0, 1.0, 0.0, 0.0, 0.0];
    let (mut began, mut ticks) = (None, 0_u32);
    while rig.gate.mode() == Mode::Ready {
        if ticks.is_multiple_of(10) {
            steer(&mut rig, lease, &goal);
        }
        let error = rig.out.joints[elbow].position - rig.state.joints[elbow].position;
        rig.tick();
        rig.beat();
        ticks += 1;
        if error > 0.25 {
            began.get_or_insert(ticks);
        }
    }
    // 0.25 s are 125 cycles of 2 ms.
    assert_eq!(ticks - began.unwrap(), 126);
    assert_eq!(causes(&rig), [Cause::TrackingError]);
    assert!(matches!(
        rig.gate.safety().violation,
        Some(Violation::Tracking { joint, error }) if joint == elbow && error > 0.25
    ));
    rig.live_ticks(1000);
    assert_eq!(causes(&rig), [Cause::TrackingError], "nothing but a reset clears it");

    // After reset it is held where it is, though it is still jammed.
    rig.handle(Event::Reset).unwrap();
    rig.live_ticks(1000);
    assert_eq!(causes(&rig), []);
    assert_eq!(rig.out.joints[elbow].position, rig.state.joints[elbow].position);
}

#[test]
fn an_error_that_passes_in_time_is_none() {
    let elbow = mobi().joint_index("arm_elbow_joint").unwrap();
    let mut rig = Rig::ready();
    let lease = rig.acquire(Source::Skill, &["arm"]).unwrap();
    for _ in 0..5 {
        for step in 0..60 {
            // Less than 0.25 s at a time.
            rig.jammed = (step < 20).then_some(elbow);
            let far = if step < 20 { 1.5 } else { 0.0 };
            steer(&mut rig, lease, &[0.0, 0.0, far, 0.0, 0.0, 0.0]);
            rig.live_ticks(10);
        }
    }
    assert_eq!(rig.gate.mode(), Mode::Ready);
}

#[test]
fn a_base_that_does_not_move_as_told_is_stopped() {
    let mut rig = Rig::ready();
    let lease = rig.acquire(Source::Skill, &["base"]).unwrap();
    let mut ticks = 0_u32;
    while rig.gate.mode() == Mode::Ready && ticks < 2000 {
        if ticks.is_multiple_of(10) {
            let command = rig.command(lease, &["base"]);
            rig.send(&command).unwrap();
        }
        rig.tick_with_still_base();
        rig.beat();
        ticks += 1;
    }
    assert_eq!(causes(&rig), [Cause::TrackingError]);
    assert!(matches!(rig.gate.safety().violation, Some(Violation::TwistTracking { .. })));
}

#[test]
fn a_hot_drive_warns_then_stops_in_the_same_cycle_and_must_cool_before_a_reset() {
    let elbow = mobi().joint_index("arm_elbow_joint").unwrap();
    let mut rig = Rig::ready();
    let arm = rig.group("arm");
    let heat = |rig: &mut Rig, celsius: Option<f64>| {
        rig.state.health[elbow].temperature_c = celsius;
        rig.tick();
    };
    heat(&mut rig, Some(60.0));
    assert!(!rig.gate.safety().groups[arm].hot);
    heat(&mut rig, Some(60.5));
    assert!(rig.gate.safety().groups[arm].hot);
    heat(&mut rig, Some(75.0));
    assert_eq!(causes(&rig), []);
    heat(&mut rig, Some(75.5));
    assert_eq!(causes(&rig), [Cause::OverTemperature]);
    assert_eq!(rig.handle(Event::Reset), Err(Refused::Hot { group: arm }));
    heat(&mut rig, Some(60.5));
    assert_eq!(rig.handle(Event::Reset), Err(Refused::Hot { group: arm }));
    heat(&mut rig, None);
    assert_eq!(rig.handle(Event::Reset), Err(Refused::Hot { group: arm }), "silence is not cold");
    heat(&mut rig, Some(59.0));
    assert_eq!(causes(&rig), [Cause::OverTemperature], "nothing but a reset clears it");
    rig.handle(Event::Reset).unwrap();
    assert_eq!((rig.gate.mode(), causes(&rig).len()), (Mode::Ready, 0));
}

#[test]
fn commands_that_are_clamped_all_the_time_are_reported_and_stop_nothing() {
    let mut rig = Rig::ready();
    let lease = rig.acquire(Source::Skill, &["arm"]).unwrap();
    let arm = rig.group("arm");
    let window = rig.gate.config().monitor.clamp_rate.window;
    assert_eq!(window, Duration::from_secs(2));
    for _ in 0..120 {
        steer(&mut rig, lease, &[9.0; 6]);
        rig.live_ticks(10);
    }
    let group = rig.gate.safety().groups[arm];
    assert!(group.clamped_persistently && group.clamp_rate > 0.99, "{group:?}");
    assert_eq!(rig.gate.mode(), Mode::Ready);
    for _ in 0..240 {
        steer(&mut rig, lease, &[1.0; 6]);
        rig.live_ticks(10);
    }
    let group = rig.gate.safety().groups[arm];
    assert!(!group.clamped_persistently && group.clamp_rate < 0.2, "{group:?}");
}
