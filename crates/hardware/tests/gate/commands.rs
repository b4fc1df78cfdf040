//! Commands that are not followed.

use std::time::Duration;

use sinew_hardware::{Cause, CommandRefusal, Mode, OutputKind, Refused};
use sinew_types::{ActuatorCommand, BaseTwist, GripperCommand, JointCommand, Source};

use crate::rig::Rig;

fn refusal_of(change: impl FnOnce(&Rig, &mut ActuatorCommand)) -> (CommandRefusal, Rig) {
    let mut rig = Rig::ready();
    let lease = rig.acquire(Source::Skill, &["arm", "base", "gripper"]).unwrap();
    let good = rig.command(lease, &["arm", "base", "gripper"]);
    rig.send(&good).unwrap();
    rig.tick();
    let mut command = rig.command(lease, &["arm", "base", "gripper"]);
    change(&rig, &mut command);
    let Err(Refused::Command(reason)) = rig.send(&command) else { panic!("{command:?}") };
    assert_eq!(rig.gate.safety().refused.get(reason), 1);
    assert_eq!(rig.gate.safety().refused.total(), 1);
    rig.tick();
    (reason, rig)
}

fn arm_joint(rig: &Rig) -> usize {
    rig.layout.groups()[rig.group("arm")].joints[2]
}

#[test]
fn nan_and_infinity_anywhere_stop_the_robot() {
    type Change = fn(&Rig, &mut ActuatorCommand);
    let cases: [Change; 8] = [
        |rig, c| c.joints[arm_joint(rig)].position = f64::NAN,
        |rig, c| c.joints[arm_joint(rig)].position = f64::INFINITY,
        |rig, c| c.joints[arm_joint(rig)].velocity = f64::NEG_INFINITY,
        |_, c| c.base = Some(BaseTwist { linear_x: f64::NAN, ..BaseTwist::default() }),
        |_, c| c.base = Some(BaseTwist { angular_z: f64::INFINITY, ..BaseTwist::default() }),
        |_, c| c.grippers[0].width_m = f64::INFINITY,
        |_, c| c.grippers[0].max_force_n = -1.0,
        // All NaN cannot be told from nothing at all.
        |rig, c| {
            *c = {
                let mut empty = ActuatorCommand::unused(&rig.layout);
                (empty.lease, empty.seq, empty.boot_id) = (c.lease, c.seq, c.boot_id);
                empty.valid_for = c.valid_for;
                empty
            }
        },
    ];
    for (index, change) in cases.into_iter().enumerate() {
        let (reason, rig) = refusal_of(change);
        assert_eq!(reason, CommandRefusal::NotFinite, "case {index}");
        assert_eq!(rig.gate.mode(), Mode::ProtectiveStop, "case {index}");
        assert!(rig.gate.safety().causes.contains(Cause::InvalidCommand));
        assert_ne!(rig.output("arm"), OutputKind::Track);
        let finite = |command: &JointCommand| !command.position.is_infinite();
        assert!(rig.out.joints.iter().all(finite));
    }
}

#[test]
fn what_does_not_fit_is_refused_and_the_last_command_goes_on() {
    type Change = fn(&Rig, &mut ActuatorCommand);
    let cases: [(CommandRefusal, Change); 8] = [
        (CommandRefusal::UnknownLease, |_, c| c.lease.0 += 1),
        (CommandRefusal::BootId, |_, c| c.boot_id.0 += 1),
        (CommandRefusal::Layout, |_, c| c.layout_hash ^= 1),
        (CommandRefusal::Layout, |_, c| c.joints.truncate(3)),
        (CommandRefusal::OldSeq, |_, c| c.seq -= 1),
        (CommandRefusal::ValidFor, |_, c| c.valid_for = Duration::ZERO),
        (CommandRefusal::OutsideLease, |rig, c| {
            let head = rig.layout.groups()[rig.group("head")].joints[0];
            c.joints[head] = JointCommand::position(0.1);
        }),
        (CommandRefusal::Interface, |rig, c| c.joints[arm_joint(rig)].effort = 1.0),
    ];
    for (expected, change) in cases {
        let (reason, rig) = refusal_of(change);
        assert_eq!(reason, expected);
        assert_eq!(rig.gate.mode(), Mode::Ready, "{expected:?}");
        assert_eq!(rig.output("arm"), OutputKind::Track, "{expected:?}");
    }
}

#[test]
fn wheels_and_fingers_are_not_commanded_by_joint() {
    let (reason, _) = refusal_of(|rig, c| {
        let wheel = rig.layout.groups()[rig.group("base")].joints[0];
        c.joints[wheel] = JointCommand { velocity: 1.0, ..JointCommand::UNUSED };
    });
    assert_eq!(reason, CommandRefusal::OutsideLease);
}

#[test]
fn base_and_gripper_outside_the_lease_are_refused() {
    let mut rig = Rig::ready();
    let lease = rig.acquire(Source::Skill, &["arm"]).unwrap();
    let with_base = rig.command(lease, &["arm", "base"]);
    let outside = Err(Refused::Command(CommandRefusal::OutsideLease));
    assert_eq!(rig.send(&with_base), outside);
    let mut with_gripper = rig.command(lease, &["arm"]);
    with_gripper.grippers[0] = GripperCommand { width_m: 0.01, max_force_n: f64::NAN };
    assert_eq!(rig.send(&with_gripper), outside);
    assert_eq!(rig.gate.mode(), Mode::Ready);
}
