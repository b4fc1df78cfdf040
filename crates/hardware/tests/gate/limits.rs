//! What comes out is within the limits of the robot file, and what was cut off is counted.

use sinew_hardware::{Event, GateConfig, GroupLimits, OutputKind};
use sinew_types::{BaseTwist, GripperCommand, JointCommand, Source};

use crate::rig::{Rig, SKILLS, mobi};

/// Sends what `change` makes of a good command every 20 ms for so many ticks.
fn stream(
    rig: &mut Rig,
    names: &[&'static str],
    ticks: u32,
    mut change: impl FnMut(u32, &mut sinew_types::ActuatorCommand),
    mut seen: impl FnMut(&Rig),
) {
    let lease = rig.acquire(Source::Skill, names).unwrap();
    for tick in 0..ticks {
        rig.now += rig.period;
        if tick % 10 == 0 {
            let mut command = rig.command(lease, names);
            change(tick, &mut command);
            rig.send(&command).unwrap();
            rig.handle(Event::Heartbeat(SKILLS)).unwrap();
        }
        rig.cycle();
        seen(rig);
    }
    rig.handle(Event::ReleaseLease(lease)).unwrap();
}

#[test]
fn a_joint_far_away_is_approached_within_velocity_and_acceleration_and_stops_at_the_limit() {
    let mut rig = Rig::ready();
    let pan = rig.layout.groups()[rig.group("arm")].joints[0];
    let (mut last, mut last_velocity, mut fastest) = (0.0, 0.0, 0.0_f64);
    let all = [pan];
    stream(
        &mut rig,
        &["arm"],
        2000,
        |_, command| {
            for joint in &all {
                command.joints[*joint] = JointCommand::position(9.0);
            }
        },
        |rig| {
            let position = rig.out.joints[pan].position;
            let velocity = (position - last) / 0.002;
            assert!(velocity.abs() <= 2.0 + 1e-9, "{velocity}");
            assert!((velocity - last_velocity).abs() <= 8.0 * 0.002 + 1e-9);
            assert!(position <= 2.2);
            (last, last_velocity) = (position, velocity);
            fastest = fastest.max(velocity);
        },
    );
    assert!((last - 2.2).abs() < 1e-9, "{last}");
    assert!(fastest > 1.9, "{fastest}");
    let clamps = rig.gate.safety().groups[rig.group("arm")].clamps;
    assert!(clamps.position > 0 && clamps.velocity > 0 && clamps.acceleration > 0, "{clamps:?}");
}

#[test]
fn a_smooth_stream_passes_unclamped_one_command_period_late() {
    let mut rig = Rig::ready();
    let head = rig.layout.groups()[rig.group("head")].joints.clone();
    // 0.4 rad, peak 0.4 rad/s and 0.4 rad/s².
    let wanted = |seconds: f64| 0.4 * (1.0 - seconds.cos());
    let mut worst: f64 = 0.0;
    let start = rig.now;
    stream(
        &mut rig,
        &["head"],
        1500,
        |tick, command| {
            let seconds = f64::from(tick) * 0.002;
            for joint in &head {
                command.joints[*joint] = JointCommand::position(wanted(seconds).min(0.8));
            }
        },
        |rig| {
            // Targets are walked through in the period after they came.
            let seconds = (rig.now.since(start).as_secs_f64() - 0.020).max(0.0);
            worst = worst.max((rig.out.joints[head[0]].position - wanted(seconds)).abs());
        },
    );
    assert!(worst < 1e-3, "{worst}");
    let clamps = rig.gate.safety().groups[rig.group("head")].clamps;
    assert_eq!(clamps.total(), 0, "{clamps:?}");
}

#[test]
fn a_twist_is_bounded_in_speed_and_acceleration_and_never_sideways() {
    let mut rig = Rig::ready();
    let mut last = BaseTwist::default();
    stream(
        &mut rig,
        &["base"],
        800,
        |tick, command| {
            let sign = if tick < 400 { 1.0 } else { -1.0 };
            command.base =
                Some(BaseTwist { linear_x: 3.0 * sign, linear_y: 0.2, angular_z: -9.0 * sign });
        },
        |rig| {
            let twist = rig.out.base.unwrap();
            assert_eq!(twist.linear_y, 0.0);
            assert!(twist.linear_x.abs() <= 0.6 && twist.angular_z.abs() <= 1.2);
            assert!((twist.linear_x - last.linear_x).abs() <= 0.8 * 0.002 + 1e-12);
            assert!((twist.angular_z - last.angular_z).abs() <= 2.0 * 0.002 + 1e-12);
            last = twist;
        },
    );
    assert!(rig.gate.safety().groups[rig.group("base")].clamps.velocity > 0);
}

#[test]
fn a_gripper_is_bounded_in_width_speed_and_force() {
    let mut rig = Rig::ready();
    let config = GateConfig::from_robot(&mobi()).unwrap();
    let GroupLimits::Gripper { width, .. } = &config.groups[rig.group("gripper")].limits else {
        panic!("a gripper")
    };
    let (mut last, mut force) = (0.0, 0.0);
    stream(
        &mut rig,
        &["gripper"],
        600,
        |_, command| {
            command.grippers[0] = GripperCommand { width_m: 0.5, max_force_n: 500.0 };
        },
        |rig| {
            let gripper = rig.out.grippers[0];
            assert!((gripper.width_m - last).abs() <= width.max_velocity * 0.002 + 1e-12);
            (last, force) = (gripper.width_m, gripper.max_force_n);
        },
    );
    assert!((last - 0.08).abs() < 1e-9, "{last}");
    assert_eq!(force, 40.0);
    let clamps = rig.gate.safety().groups[rig.group("gripper")].clamps;
    assert!(clamps.position > 0 && clamps.effort > 0, "{clamps:?}");
    // What was grasped stays grasped when the lease ends.
    rig.ticks(2);
    assert_eq!(rig.output("gripper"), OutputKind::Hold);
    assert_eq!(rig.out.grippers[0], GripperCommand { width_m: last, max_force_n: 40.0 });
}

#[test]
fn the_end_of_a_lease_ramps_from_the_last_speed_and_then_holds() {
    let mut rig = Rig::ready();
    let head = rig.layout.groups()[rig.group("head")].joints.clone();
    let pan = head[0];
    stream(
        &mut rig,
        &["head"],
        200,
        |tick, command| {
            for joint in &head {
                command.joints[*joint] = JointCommand::position(0.5 * f64::from(tick + 10) * 0.002);
            }
        },
        |_| {},
    );
    let before = rig.out.joints[pan].position;
    let mut steps = Vec::new();
    let mut last = before;
    while {
        rig.tick();
        rig.output("head") == OutputKind::Ramp
    } {
        let position = rig.out.joints[pan].position;
        steps.push((position - last) / 0.002);
        last = position;
    }
    // 0.5 rad/s at 80 rad/s³ is 79 ticks, each slower than the one before; 8 rad/s² is not reached.
    assert!((76..=81).contains(&steps.len()), "{steps:?}");
    assert!(steps.windows(2).all(|pair| pair[1] < pair[0]));
    let held = rig.out.joints[pan].position;
    rig.ticks(100);
    assert_eq!(rig.out.joints[pan].position, held);
}
