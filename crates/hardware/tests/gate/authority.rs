//! Who may command what.

use std::time::Duration;

use sinew_hardware::{
    CommandRefusal, Event, GroupSet, LEASE_SLOTS, LeaseRequest, Mode, OutputKind, Refused,
    VoidReason,
};
use sinew_types::{BootId, Source};

use crate::rig::{PAD, Rig, SKILLS};

#[test]
fn a_lease_holds_all_groups_or_none() {
    let mut rig = Rig::ready();
    let first = rig.acquire(Source::Skill, &["arm"]).unwrap();
    let refused = rig.acquire(Source::Skill, &["head", "arm"]);
    let group = rig.group("arm");
    assert_eq!(refused, Err(Refused::Busy { group, owner: Source::Skill, lease: first }));
    assert_eq!(rig.owner("head"), None);
    rig.handle(Event::ReleaseLease(first)).unwrap();
    assert!(rig.acquire(Source::Skill, &["head", "arm"]).is_ok());
}

#[test]
fn a_takeover_is_in_the_same_cycle_and_leaves_other_leases_alone() {
    let mut rig = Rig::ready();
    let arm = rig.acquire(Source::Skill, &["arm"]).unwrap();
    let base = rig.acquire(Source::External, &["base"]).unwrap();
    let last = {
        let mut last = 0.0;
        for _ in 0..30 {
            rig.now += rig.period;
            for (lease, name) in [(arm, "arm"), (base, "base")] {
                let command = rig.command(lease, &[name]);
                rig.send(&command).unwrap();
            }
            rig.beat();
            rig.cycle();
            last = rig.out.base.unwrap().linear_x;
        }
        last
    };
    assert!(last > 0.0);

    rig.now += rig.period;
    let pad = rig.acquire(Source::Teleop, &["base"]).unwrap();
    let mut back = rig.command(pad, &["base"]);
    back.boot_id = PAD;
    back.base = Some(sinew_types::BaseTwist { linear_x: -0.6, ..Default::default() });
    rig.send(&back).unwrap();
    let command = rig.command(arm, &["arm"]);
    rig.send(&command).unwrap();
    rig.cycle();

    assert_eq!(rig.owner("base"), Some((pad, Source::Teleop)));
    assert_eq!(rig.owner("arm"), Some((arm, Source::Skill)));
    assert_eq!((rig.output("base"), rig.output("arm")), (OutputKind::Track, OutputKind::Track));
    // Bumpless: 0.8 m/s² from where the speed was.
    let step = rig.out.base.unwrap().linear_x - last;
    assert!((step + 0.8 * 0.002).abs() < 1e-12, "{step}");
    let lost = rig.gate.voided().iter().find(|voided| voided.lease == base).unwrap();
    assert_eq!(lost.reason, VoidReason::TakenBy(Source::Teleop));
    let stale = rig.command(base, &["base"]);
    assert_eq!(rig.send(&stale), Err(Refused::Command(CommandRefusal::UnknownLease)));
}

#[test]
fn after_a_person_only_resume_gives_the_groups_back() {
    let mut rig = Rig::ready();
    let pad = rig.acquire(Source::Teleop, &["base"]).unwrap();
    let mut command = rig.command(pad, &["base"]);
    command.boot_id = PAD;
    rig.send(&command).unwrap();
    rig.ticks(20);
    assert_eq!(rig.output("base"), OutputKind::Track);

    let mut released = rig.command(pad, &["base"]);
    (released.boot_id, released.dead_man) = (PAD, false);
    assert_eq!(rig.send(&released), Err(Refused::Command(CommandRefusal::DeadMan)));
    rig.tick();
    assert_eq!(rig.output("base"), OutputKind::Ramp);
    assert_eq!(rig.gate.mode(), Mode::Ready);

    let group = rig.group("base");
    assert_eq!(rig.acquire(Source::Skill, &["base"]), Err(Refused::NeedsResume { group }));
    assert!(rig.acquire(Source::Skill, &["arm"]).is_ok(), "only what the person had");
    // The person may take it again without that.
    let again = rig.acquire(Source::Teleop, &["base"]).unwrap();
    rig.handle(Event::ReleaseLease(again)).unwrap();
    rig.handle(Event::Resume).unwrap();
    assert!(rig.acquire(Source::Skill, &["base"]).is_ok());
}

#[test]
fn requests_that_make_no_sense_are_refused_by_kind() {
    let mut rig = Rig::ready();
    let ask = |groups, ms, source| {
        Event::AcquireLease(LeaseRequest {
            source,
            groups,
            boot_id: SKILLS,
            command_period: Duration::from_millis(ms),
        })
    };
    let arm = rig.groups(&["arm"]);
    let skill = Source::Skill;
    assert_eq!(
        rig.handle(ask(GroupSet::EMPTY, 20, skill)),
        Err(Refused::UnknownGroup { known: 4 })
    );
    assert_eq!(
        rig.handle(ask(GroupSet::one(9), 20, skill)),
        Err(Refused::UnknownGroup { known: 4 })
    );
    assert_eq!(rig.handle(ask(arm, 0, skill)), Err(Refused::PeriodOutOfRange { max_ms: 100 }));
    assert_eq!(rig.handle(ask(arm, 101, skill)), Err(Refused::PeriodOutOfRange { max_ms: 100 }));
    let asked = Source::Fallback;
    assert_eq!(rig.handle(ask(arm, 20, asked)), Err(Refused::SourceNotGranted { asked }));
    assert_eq!(GroupSet::named(&rig.layout, ["arm", "leg"]), Err("leg"));
}

#[test]
fn lease_ids_are_never_used_twice() {
    let mut rig = Rig::ready();
    let kept = rig.acquire(Source::Skill, &["head"]).unwrap();
    let mut last = kept;
    for _ in 0..3 * LEASE_SLOTS {
        let lease = rig.acquire(Source::Skill, &["arm"]).unwrap();
        assert!(lease > last);
        last = lease;
        rig.handle(Event::ReleaseLease(lease)).unwrap();
    }
    assert!(rig.gate.safety().is_live(kept));
}

#[test]
fn another_process_with_the_lease_number_is_refused_and_stops_nothing() {
    let mut rig = Rig::ready();
    let lease = rig.acquire(Source::Skill, &["arm"]).unwrap();
    let mut command = rig.command(lease, &["arm"]);
    command.boot_id = BootId(12345);
    assert_eq!(rig.send(&command), Err(Refused::Command(CommandRefusal::BootId)));
    assert_eq!(rig.gate.mode(), Mode::Ready);
    assert!(rig.gate.safety().is_live(lease));
}

#[test]
fn what_a_lease_holds_but_does_not_command_is_held_still() {
    let mut rig = Rig::ready();
    let lease = rig.acquire(Source::Skill, &["arm", "base"]).unwrap();
    for _ in 0..20 {
        let command = rig.command(lease, &["arm", "base"]);
        rig.send(&command).unwrap();
        rig.live_ticks(1);
    }
    let command = rig.command(lease, &["arm"]);
    rig.send(&command).unwrap();
    rig.tick();
    assert_eq!((rig.output("arm"), rig.output("base")), (OutputKind::Track, OutputKind::Ramp));
}
