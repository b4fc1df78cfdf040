//! Each loss is detected at exactly its time-out and one tick.

use std::time::Duration;

use sinew_hardware::{Cause, Event, Mode, OutputKind, Refused, VoidReason};
use sinew_types::Source;

use crate::rig::Rig;

/// Ticks of 2 ms after the last command of a stream in which the output is still Track.
fn ticks_until_ramp(names: &[&'static str], valid_for: Duration, source: Source) -> u32 {
    let mut rig = Rig::ready();
    let lease = rig.acquire(source, names).unwrap();
    for _ in 0..10 {
        let mut command = rig.command(lease, names);
        command.valid_for = valid_for;
        if source == Source::Teleop {
            command.boot_id = crate::rig::PAD;
        }
        rig.now += rig.period;
        rig.send(&command).unwrap();
        rig.beat();
        rig.cycle();
        assert_eq!(rig.output(names[0]), OutputKind::Track);
    }
    let mut ticks = 0;
    loop {
        rig.tick();
        rig.beat();
        ticks += 1;
        if rig.output(names[0]) != OutputKind::Track {
            break;
        }
    }
    assert_eq!(rig.output(names[0]), OutputKind::Ramp, "{names:?}");
    assert_eq!(rig.gate.mode(), Mode::Ready, "a skill that stops is no stop");
    let lost = rig.gate.safety().groups[rig.group(names[0])].last_void.unwrap();
    assert_eq!((lost.reason, lost.at), (VoidReason::CommandStale, rig.now));
    ticks
}

#[test]
fn a_lost_command_stream_ramps_at_its_time_out_and_one_tick() {
    let long = Duration::from_secs(1);
    // Position: max(3 x 20 ms, 100 ms) = 50 ticks.
    assert_eq!(ticks_until_ramp(&["arm"], long, Source::Skill), 51);
    // Twist at 50 Hz: max(3 x 20 ms, 20 ms) = 30 ticks.
    assert_eq!(ticks_until_ramp(&["base"], long, Source::Skill), 31);
    // The strictest group counts for the whole lease.
    assert_eq!(ticks_until_ramp(&["arm", "base"], long, Source::External), 31);
    // valid_for is shorter than either.
    assert_eq!(ticks_until_ramp(&["arm"], Duration::from_millis(10), Source::Skill), 6);
    assert_eq!(ticks_until_ramp(&["base"], long, Source::Teleop), 31);
}

#[test]
fn a_silent_process_stops_the_robot_at_300_ms_and_one_tick_and_nothing_resumes() {
    let mut rig = Rig::ready();
    let lease = rig.acquire(Source::Skill, &["arm"]).unwrap();
    let mut ticks = 0;
    loop {
        rig.now += rig.period;
        let command = rig.command(lease, &["arm"]);
        let _ = rig.send(&command);
        rig.cycle();
        ticks += 1;
        if rig.gate.mode() != Mode::Ready {
            break;
        }
        assert_eq!(rig.output("arm"), OutputKind::Track);
    }
    assert_eq!(ticks, 151);
    assert_eq!(rig.gate.mode(), Mode::ProtectiveStop);
    assert_ne!(rig.output("arm"), OutputKind::Track);
    let lost = rig.gate.safety().groups[rig.group("arm")].last_void.unwrap();
    assert_eq!(lost.reason, VoidReason::Stopped(Cause::Communication));

    // It clears one second after it is still, and the old lease stays void.
    let mut still_for = 0;
    while rig.gate.mode() == Mode::ProtectiveStop {
        rig.tick();
        rig.beat();
        still_for += u32::from(rig.gate.safety().is_still());
        let command = rig.command(lease, &["arm"]);
        assert!(rig.send(&command).is_err());
    }
    assert_eq!((rig.gate.mode(), still_for), (Mode::Ready, 501));
    rig.ticks(10);
    assert_eq!(rig.output("arm"), OutputKind::Hold);
    assert!(rig.acquire(Source::Skill, &["arm"]).is_ok());
}

#[test]
fn a_heartbeat_just_in_time_is_enough() {
    let mut rig = Rig::ready();
    rig.acquire(Source::Skill, &["arm"]).unwrap();
    for _ in 0..5 {
        rig.ticks(150);
        assert_eq!(rig.gate.mode(), Mode::Ready);
        rig.beat();
    }
}

#[test]
fn a_silent_driver_is_a_fault_at_five_read_periods_and_one_tick() {
    let mut rig = Rig::ready();
    rig.frozen = true;
    rig.ticks(5);
    assert_eq!(rig.gate.mode(), Mode::Ready);
    rig.tick();
    assert_eq!(rig.gate.mode(), Mode::Fault);
    assert!(rig.gate.safety().causes.contains(Cause::StateStale));
    assert!(rig.handle(Event::Reset).is_err(), "still silent");
    rig.frozen = false;
    rig.ticks(1);
    rig.handle(Event::Reset).unwrap();
    assert_eq!(rig.gate.mode(), Mode::Disarmed);
}

#[test]
fn a_joint_that_is_measured_as_nan_is_a_silent_one() {
    let mut rig = Rig::ready();
    rig.frozen = true;
    for _ in 0..6 {
        rig.now += rig.period;
        for joint in &mut rig.state.joints {
            joint.stamp = rig.now;
        }
        rig.state.joints[3].position = f64::NAN;
        rig.cycle();
    }
    assert_eq!(rig.gate.mode(), Mode::Fault);
}

#[test]
fn a_group_that_does_not_come_to_rest_in_time_is_a_fault() {
    let mut rig = Rig::ready();
    let pan = rig.layout.joints().iter().position(|name| name == "head_pan_joint").unwrap();
    rig.acquire(Source::Skill, &["head"]).unwrap();
    rig.handle(Event::PeerLost(crate::rig::SKILLS)).unwrap();
    rig.frozen = true;
    let mut ticks = 0;
    while rig.gate.mode() != Mode::Fault {
        rig.now += rig.period;
        for joint in &mut rig.state.joints {
            joint.stamp = rig.now;
        }
        // It keeps turning though its set-point rests.
        rig.state.joints[pan].velocity = 1.0;
        rig.cycle();
        ticks += 1;
        assert!(ticks < 300);
    }
    assert!(rig.gate.safety().causes.contains(Cause::NotStill));
    // still_within of the head is 0.5 s.
    assert_eq!(ticks, 251);
}

#[test]
fn a_remote_emergency_stop_must_be_heard_before_arming_and_stops_when_it_falls_silent() {
    let mut config = crate::rig::anywhere();
    config.timeouts.remote_e_stop = Some(Duration::from_millis(500));
    let mut rig = Rig::with(config);
    assert_eq!(rig.handle(Event::Arm), Err(Refused::EStopSilent));
    rig.handle(Event::EStopHeartbeat { pressed: false }).unwrap();
    rig.arm();
    assert_eq!(rig.gate.mode(), Mode::Ready);
    rig.handle(Event::EStopHeartbeat { pressed: false }).unwrap();
    let ticks = 500 / 2;
    rig.ticks(ticks);
    assert_eq!(rig.gate.mode(), Mode::Ready);
    rig.tick();
    assert_eq!(rig.gate.mode(), Mode::EStop);
    assert_eq!(rig.handle(Event::Reset), Err(Refused::EStopSilent));
    rig.handle(Event::EStopHeartbeat { pressed: true }).unwrap();
    // Another input that is let go does not let go of this one.
    rig.handle(Event::EStop { pressed: false }).unwrap();
    assert_eq!(rig.handle(Event::Reset), Err(Refused::EStopPressed));
    rig.handle(Event::EStopHeartbeat { pressed: false }).unwrap();
    rig.handle(Event::Reset).unwrap();
    assert_eq!(rig.gate.mode(), Mode::Disarmed);
}
