//! Mode by mode and event by event: where it leads, or why it is refused.

use sinew_hardware::{Cause, Event, Mode, OutputKind, Refused};
use sinew_types::{ActuatorCommand, BootId, Source};

use crate::rig::{Rig, SKILLS};

/// A robot in each mode that there is.
pub(crate) fn in_mode(mode: Mode) -> Rig {
    if mode == Mode::Disarmed {
        return Rig::new();
    }
    let mut rig = Rig::ready();
    match mode {
        Mode::ProtectiveStop => {
            rig.acquire(Source::Skill, &["arm"]).unwrap();
            rig.handle(Event::PeerLost(SKILLS)).unwrap();
        }
        Mode::Fault => drop(rig.handle(Event::DriverRead { ok: false })),
        Mode::EStop => drop(rig.handle(Event::EStop { pressed: true })),
        _ => {}
    }
    rig.tick();
    assert_eq!(rig.gate.mode(), mode);
    rig
}

pub(crate) const MODES: [Mode; 5] =
    [Mode::Disarmed, Mode::Ready, Mode::ProtectiveStop, Mode::Fault, Mode::EStop];

/// In each mode of [`MODES`], in its order: the mode afterwards, or `None` where it is refused.
type Row<'a> = (Event<'a>, [Option<Mode>; 5]);

#[test]
fn every_event_in_every_mode_leads_where_the_table_says() {
    use Mode::{Disarmed as D, EStop as E, Fault as F, ProtectiveStop as P, Ready as R};
    let unknown = ActuatorCommand::unused(&Rig::new().layout);
    let table: Vec<Row<'_>> = vec![
        (Event::Arm, [Some(D), None, None, None, None]),
        (Event::Disarm, [None, Some(R), Some(P), Some(F), Some(E)]),
        // A bad read holds still, so that a fault cannot be reset; nor can a pressed e-stop.
        (Event::Reset, [Some(D), Some(R), Some(P), None, None]),
        (Event::Resume, [None, Some(R), Some(P), Some(F), Some(E)]),
        (Event::EStop { pressed: true }, [Some(E); 5]),
        (Event::EStop { pressed: false }, [Some(D), Some(R), Some(P), Some(F), Some(E)]),
        (Event::DriverRead { ok: false }, [Some(F), Some(F), Some(F), Some(F), Some(E)]),
        (Event::DriverRead { ok: true }, [Some(D), Some(R), Some(P), Some(F), Some(E)]),
        (Event::DriverWriteFailed, [Some(F), Some(F), Some(F), Some(F), Some(E)]),
        (Event::LoopStalled, [Some(F), Some(F), Some(F), Some(F), Some(E)]),
        (Event::ActivationFailed, [None, None, None, None, None]),
        (Event::Heartbeat(SKILLS), [Some(D), Some(R), Some(P), Some(F), Some(E)]),
        (Event::PeerLost(BootId(99)), [Some(D), Some(R), Some(P), Some(F), Some(E)]),
        (Event::ReleaseLease(unknown.lease), [None; 5]),
        (Event::Command(&unknown), [None; 5]),
    ];
    for (event, row) in table {
        for (mode, expected) in MODES.into_iter().zip(row) {
            let mut rig = in_mode(mode);
            let result = rig.handle(event);
            match expected {
                None => assert!(result.is_err(), "{event:?} in {mode:?}: {result:?}"),
                Some(after) => {
                    assert!(result.is_ok(), "{event:?} in {mode:?}: {result:?}");
                    assert_eq!(rig.gate.mode(), after, "{event:?} in {mode:?}");
                }
            }
        }
    }
}

#[test]
fn leases_are_granted_in_ready_alone() {
    for mode in MODES {
        let granted = in_mode(mode).acquire(Source::Teleop, &["base"]);
        match mode {
            Mode::Ready => assert!(granted.is_ok()),
            _ => assert_eq!(granted, Err(Refused::NotReady { mode })),
        }
    }
}

#[test]
fn mode_is_the_severest_cause_and_clearing_one_clears_no_other() {
    let mut rig = in_mode(Mode::ProtectiveStop);
    rig.handle(Event::EStop { pressed: true }).unwrap();
    rig.handle(Event::LoopStalled).unwrap();
    assert_eq!(rig.gate.mode(), Mode::EStop);
    let epoch = rig.gate.stop_epoch();
    // Released is not reset; communication may clear meanwhile, the others stay.
    rig.handle(Event::EStop { pressed: false }).unwrap();
    rig.ticks(1000);
    let causes = rig.gate.safety().causes;
    assert!(causes.contains(Cause::EmergencyStop) && causes.contains(Cause::LoopStalled));
    assert!(!causes.contains(Cause::Communication));
    assert_eq!((rig.gate.mode(), rig.gate.stop_epoch()), (Mode::EStop, epoch));
    rig.handle(Event::Reset).unwrap();
    assert_eq!(rig.gate.mode(), Mode::Disarmed);
}

#[test]
fn e_stop_needs_release_rest_reset_and_arm() {
    let mut rig = Rig::ready();
    let lease = rig.acquire(Source::Skill, &["base"]).unwrap();
    for _ in 0..20 {
        let command = rig.command(lease, &["base"]);
        rig.send(&command).unwrap();
        rig.live_ticks(10);
    }
    rig.handle(Event::EStop { pressed: true }).unwrap();
    rig.tick();
    assert_eq!((rig.gate.mode(), rig.output("base")), (Mode::EStop, OutputKind::Ramp));
    assert_eq!(rig.handle(Event::Reset), Err(Refused::EStopPressed));
    assert_eq!(rig.handle(Event::Arm), Err(Refused::AlreadyArmed));
    rig.handle(Event::EStop { pressed: false }).unwrap();
    assert_eq!(rig.handle(Event::Reset), Err(Refused::Moving { group: rig.group("base") }));
    // 0.4 m/s at 0.8 m/s² is half a second.
    rig.ticks(260);
    assert_eq!(rig.output("base"), OutputKind::Hold);
    rig.handle(Event::Reset).unwrap();
    assert_eq!(rig.gate.mode(), Mode::Disarmed);
    rig.tick();
    assert_eq!((rig.output("base"), rig.out.base), (OutputKind::None, None));
    rig.arm();
    assert_eq!(rig.gate.mode(), Mode::Ready);
    assert_eq!(rig.owner("base"), None);
}

#[test]
fn arming_seeds_the_set_point_from_the_measured_state() {
    let mut rig = Rig::new();
    let elbow = rig.layout.joints().iter().position(|name| name == "arm_elbow_joint").unwrap();
    rig.state.joints[elbow].position = 1.234;
    rig.arm();
    assert_eq!(rig.out.joints[elbow].position, 1.234);
    assert_eq!(rig.output("arm"), OutputKind::Hold);
}

#[test]
fn arming_without_a_fresh_state_is_refused() {
    let mut rig = Rig::new();
    rig.frozen = true;
    rig.ticks(6);
    assert!(matches!(rig.handle(Event::Arm), Err(Refused::StateNotFresh { .. })));
}

#[test]
fn disarming_brings_to_rest_first() {
    let mut rig = Rig::ready();
    let lease = rig.acquire(Source::Skill, &["base"]).unwrap();
    for _ in 0..20 {
        let command = rig.command(lease, &["base"]);
        rig.send(&command).unwrap();
        rig.live_ticks(10);
    }
    let epoch = rig.gate.stop_epoch();
    rig.handle(Event::Disarm).unwrap();
    assert!(rig.gate.stop_epoch() > epoch);
    rig.tick();
    assert_eq!(rig.output("base"), OutputKind::Ramp);
    assert_eq!(rig.acquire(Source::Teleop, &["base"]), Err(Refused::Disarming));
    assert!(rig.gate.safety().powered);
    rig.ticks(260);
    assert_eq!(rig.gate.mode(), Mode::Disarmed);
    rig.tick();
    assert_eq!(rig.output("base"), OutputKind::None);
}

#[test]
fn a_stop_advances_the_epoch_once_per_cause() {
    let mut rig = Rig::ready();
    let epoch = rig.gate.stop_epoch().0;
    rig.handle(Event::EStop { pressed: true }).unwrap();
    rig.handle(Event::EStop { pressed: true }).unwrap();
    assert_eq!(rig.gate.stop_epoch().0, epoch + 1);
    rig.handle(Event::DriverWriteFailed).unwrap();
    assert_eq!(rig.gate.stop_epoch().0, epoch + 2);
}
