//! Interfaces and stop profiles that the mobile manipulator does not have.

use std::time::Duration;

use sinew_hardware::{
    AxisLimits, Event, GateConfig, GateGroup, GroupLimits, GroupStop, HardwareError, Mode,
    OutputKind, StopPlan, Timeouts, TorqueLimits,
};
use sinew_types::{GroupKind, JointCommand, Layout, Source};

use crate::rig::{Rig, SKILLS};

const AXIS: AxisLimits = AxisLimits {
    lower: -1.0,
    upper: 1.0,
    max_velocity: 1.0,
    max_acceleration: 4.0,
    max_jerk: 100.0,
};
const TORQUE: TorqueLimits =
    TorqueLimits { lower: -1.0, upper: 1.0, max_effort: 10.0, max_measured_velocity: 5.0 };

fn leg(limits: GroupLimits, stop: GroupStop) -> GateConfig {
    let joints: Vec<String> = ["hip", "knee"].map(String::from).to_vec();
    GateConfig {
        layout: Layout::new(joints.clone(), vec![("leg".to_owned(), GroupKind::Joints, joints)])
            .unwrap(),
        period: Duration::from_millis(2),
        groups: vec![GateGroup {
            limits,
            stop: StopPlan::always(stop),
            still_within: Duration::from_secs(2),
            read_period: Duration::from_millis(2),
        }],
        timeouts: Timeouts::default(),
        still_joint_velocity: 0.05,
        monitor: sinew_hardware::MonitorConfig::default(),
    }
}

fn tracking(config: GateConfig, joint: JointCommand) -> (Rig, sinew_types::LeaseId) {
    let mut rig = Rig::with(config);
    rig.arm();
    let lease = rig.acquire(Source::Skill, &["leg"]).unwrap();
    let mut command = rig.command(lease, &[]);
    command.joints.fill(joint);
    rig.send(&command).unwrap();
    rig.cycle();
    assert_eq!(rig.output("leg"), OutputKind::Track);
    (rig, lease)
}

const IMPEDANCE: JointCommand =
    JointCommand { position: 0.5, velocity: 0.0, effort: 1.0, kp: 100.0, kd: 2.0 };

#[test]
fn impedance_targets_may_step_but_the_predicted_torque_is_bounded() {
    let (rig, _) =
        tracking(leg(GroupLimits::Impedance(vec![TORQUE; 2]), GroupStop::Damp), IMPEDANCE);
    let (out, measured) = (rig.out.joints[0], rig.state.joints[0]);
    assert_eq!((out.position, out.kp, out.kd), (0.5, 100.0, 2.0));
    let predicted = out.kp * (out.position - measured.position)
        + out.kd * (out.velocity - measured.velocity)
        + out.effort;
    assert!((predicted - 10.0).abs() < 1e-9, "{predicted}");
    assert_eq!(rig.gate.safety().groups[0].clamps.effort, 1);
}

#[test]
fn an_impedance_group_that_is_too_fast_stops_the_robot_by_its_profile() {
    let (mut rig, _) =
        tracking(leg(GroupLimits::Impedance(vec![TORQUE; 2]), GroupStop::Damp), IMPEDANCE);
    rig.frozen = true;
    rig.state.joints[1].velocity = 5.1;
    rig.cycle();
    assert_eq!(rig.gate.mode(), Mode::ProtectiveStop);
    assert_eq!(rig.output("leg"), OutputKind::Damp);
    let damp = rig.out.joints[1];
    assert_eq!((damp.velocity, damp.kp, damp.kd), (0.0, 0.0, 2.0));
    assert!(damp.position.is_nan());
}

#[test]
fn impedance_holds_the_last_target_when_the_lease_ends() {
    let (mut rig, lease) =
        tracking(leg(GroupLimits::Impedance(vec![TORQUE; 2]), GroupStop::Hold), IMPEDANCE);
    rig.handle(Event::ReleaseLease(lease)).unwrap();
    rig.ticks(3);
    assert_eq!(rig.output("leg"), OutputKind::Hold);
    assert_eq!((rig.out.joints[0].position, rig.out.joints[0].kp), (0.5, 100.0));
}

#[test]
fn effort_is_bounded_and_nothing_pushes_out_of_the_range() {
    let config = leg(GroupLimits::Effort(vec![TORQUE; 2]), GroupStop::PowerOff);
    let push = JointCommand { effort: 50.0, ..JointCommand::UNUSED };
    let (mut rig, lease) = tracking(config, push);
    assert_eq!(rig.out.joints[0].effort, 10.0);
    rig.state.joints[0].position = 1.01;
    rig.cycle();
    assert_eq!((rig.out.joints[0].effort, rig.out.joints[1].effort), (0.0, 10.0));
    // Nobody holds an effort group.
    rig.handle(Event::ReleaseLease(lease)).unwrap();
    rig.tick();
    assert_eq!(rig.output("leg"), OutputKind::None);
    assert!(!rig.out.joints[1].is_used());
}

#[test]
fn velocity_brakes_before_the_end_of_the_measured_range() {
    let config = leg(GroupLimits::Velocity(vec![AXIS; 2]), GroupStop::Hold);
    let fast = JointCommand { velocity: 3.0, ..JointCommand::UNUSED };
    let (mut rig, lease) = tracking(config, fast);
    let mut position = 0.0;
    for _ in 0..1500 {
        rig.now += rig.period;
        let mut command = rig.command(lease, &[]);
        command.joints.fill(fast);
        rig.send(&command).unwrap();
        rig.handle(Event::Heartbeat(SKILLS)).unwrap();
        rig.frozen = true;
        for joint in &mut rig.state.joints {
            (joint.position, joint.stamp) = (position, rig.now);
        }
        rig.cycle();
        let velocity = rig.out.joints[0].velocity;
        assert!(velocity <= 1.0);
        position += velocity * 0.002;
        assert!(position <= 1.0 + 1e-9, "{position}");
    }
    assert!(position > 0.99);
    let clamps = rig.gate.safety().groups[0].clamps;
    assert!(clamps.velocity > 0 && clamps.position > 0);
}

#[test]
fn settle_moves_to_its_configuration_in_a_stop_but_not_when_feedback_is_in_doubt() {
    let config = leg(GroupLimits::Position(vec![AXIS; 2]), GroupStop::Settle(vec![0.2, -0.1]));
    let (mut rig, _) = tracking(config.clone(), JointCommand::position(0.6));
    rig.handle(Event::EStop { pressed: true }).unwrap();
    rig.tick();
    assert_eq!(rig.output("leg"), OutputKind::Ramp);
    rig.ticks(900);
    assert_eq!(rig.output("leg"), OutputKind::Hold);
    assert!((rig.out.joints[0].position - 0.2).abs() < 1e-9);
    assert!((rig.out.joints[1].position + 0.1).abs() < 1e-9);
    assert_eq!(rig.gate.mode(), Mode::EStop);

    let (mut rig, _) = tracking(config, JointCommand::position(0.6));
    rig.handle(Event::DriverWriteFailed).unwrap();
    rig.ticks(900);
    assert!(rig.out.joints[0].position.abs() < 0.05, "held where it was");
}

#[test]
fn a_joint_that_lags_is_not_pushed_on_in_the_stop_that_follows() {
    let config = leg(GroupLimits::Position(vec![AXIS; 2]), GroupStop::Hold);
    let lagging = |event: Event<'_>| {
        let (mut rig, _) = tracking(config.clone(), JointCommand::position(0.6));
        rig.jammed = Some(0);
        // Within what a lease bears without a command, the free joint gets under way.
        rig.ticks(40);
        assert!(rig.out.joints[0].position > 0.005, "{:?}", rig.out.joints);
        rig.handle(event).unwrap();
        rig.ticks(5);
        let measured = rig.state.joints[0].position;
        assert!((rig.out.joints[0].position - measured).abs() > 0.005, "comes to rest first");
        rig.ticks(500);
        assert_eq!(rig.output("leg"), OutputKind::Hold);
        (rig.out.joints[0].position - measured).abs()
    };
    let yielding = lagging(Event::Violation(sinew_hardware::Cause::TrackingError));
    assert!(yielding < 1e-9, "held where it is measured, not {yielding} rad off");
    let braking = lagging(Event::Violation(sinew_hardware::Cause::Workspace));
    assert!(braking > 0.005, "held where it was commanded");
    let in_doubt = lagging(Event::DriverWriteFailed);
    assert!(in_doubt > 0.005, "what is measured is not trusted");
}

#[test]
fn without_a_lease_a_group_comes_to_rest_within_its_limit_of_jerk() {
    let config = leg(GroupLimits::Position(vec![AXIS; 2]), GroupStop::Hold);
    let (mut rig, lease) = tracking(config, JointCommand::position(0.6));
    rig.ticks(40);
    let dt = rig.period.as_secs_f64();
    let before = rig.out.joints[0].position;
    rig.tick();
    let position = rig.out.joints[0].position;
    // Speeding up is let go of at once: braking builds up from nothing.
    let mut last = (position, (position - before) / dt, 0.0);
    rig.handle(Event::ReleaseLease(lease)).unwrap();
    let mut ramped = 0;
    while rig.output("leg") != OutputKind::Hold {
        rig.tick();
        let position = rig.out.joints[0].position;
        let velocity = (position - last.0) / dt;
        let braking = (last.1 - velocity) / dt;
        assert!(braking <= AXIS.max_acceleration + 1e-6, "{braking}");
        assert!((braking - last.2).abs() <= AXIS.max_jerk * dt + 1e-6, "{braking} {last:?}");
        last = (position, velocity, braking);
        ramped += 1;
    }
    assert!(ramped > 10, "{ramped}");
}

#[test]
fn after_torque_was_off_the_set_point_is_the_measured_one() {
    let config = leg(GroupLimits::Position(vec![AXIS; 2]), GroupStop::PowerOff);
    let (mut rig, _) = tracking(config, JointCommand::position(0.3));
    rig.handle(Event::PeerLost(SKILLS)).unwrap();
    rig.tick();
    assert_eq!(rig.output("leg"), OutputKind::None);
    rig.state.joints[0].position = -0.4; // it sank
    while rig.gate.mode() == Mode::ProtectiveStop {
        rig.tick();
    }
    rig.tick();
    assert_eq!(rig.output("leg"), OutputKind::Hold);
    assert_eq!(rig.out.joints[0].position, -0.4);
}

#[test]
fn profiles_that_cannot_work_are_refused_with_what_is_allowed() {
    let cases = [
        (GroupLimits::Effort(vec![TORQUE; 2]), GroupStop::Hold, "damp, fallback, power_off"),
        (GroupLimits::Velocity(vec![AXIS; 2]), GroupStop::Settle(vec![0.0; 2]), "hold, damp"),
        (GroupLimits::Position(vec![AXIS; 2]), GroupStop::Settle(vec![0.0]), "2 finite"),
        (GroupLimits::Position(vec![AXIS; 3]), GroupStop::Hold, "allowed: 2"),
        (
            GroupLimits::Position(vec![AxisLimits { max_velocity: f64::INFINITY, ..AXIS }; 2]),
            GroupStop::Hold,
            "above 0 and finite",
        ),
        (
            GroupLimits::Twist(sinew_hardware::BaseLimits {
                max_linear_m_s: 1.0,
                max_angular_rad_s: 1.0,
                max_linear_acceleration_m_s2: 1.0,
                max_angular_acceleration_rad_s2: 1.0,
            }),
            GroupStop::Hold,
            "Joints group",
        ),
    ];
    for (limits, stop, allowed) in cases {
        let Err(error) = sinew_hardware::Gate::new(leg(limits, stop)) else { panic!("{allowed}") };
        assert!(matches!(error, HardwareError::Group { .. }));
        let text = error.to_string();
        assert!(text.contains("`leg`") && text.contains(allowed), "{text}");
    }
}
