//! The tables of docs/safety.md are what the gate does. `SINEW_BLESS=1` writes them anew.

use std::fmt::Write;
use std::path::Path;

use sinew_hardware::{Cause, Event, Gate, GateConfig, Mode, OutputKind, fallback_of};
use sinew_types::{BootId, JointCommand, LeaseId, Source};

use crate::rig::{Rig, balancer, mobi};
use crate::transitions::{MODES, in_mode};

fn name(mode: Mode) -> &'static str {
    match mode {
        Mode::Disarmed => "DISARMED",
        Mode::Ready => "READY",
        Mode::ProtectiveStop => "PROTECTIVE_STOP",
        Mode::Fault => "FAULT",
        Mode::EStop => "ESTOP",
    }
}

fn causes() -> String {
    let mut table = "| cause | mode | what happened | cleared by |\n|---|---|---|---|\n".to_owned();
    for cause in Cause::ALL {
        let (mode, what, clears) = (name(cause.mode()), cause.meaning(), cause.cleared_by());
        writeln!(table, "| `{cause}` | {mode} | {what} | {clears} |").unwrap();
    }
    table
}

fn transitions() -> String {
    let events: [(&str, Event<'_>); 18] = [
        ("arm", Event::Arm),
        ("disarm", Event::Disarm),
        ("reset", Event::Reset),
        ("resume", Event::Resume),
        ("emergency stop pressed", Event::EStop { pressed: true }),
        ("emergency stop released", Event::EStop { pressed: false }),
        ("remote emergency stop says pressed", Event::EStopHeartbeat { pressed: true }),
        ("remote emergency stop says released", Event::EStopHeartbeat { pressed: false }),
        ("driver read fails", Event::DriverRead { ok: false }),
        ("driver write fails", Event::DriverWriteFailed),
        ("driver does not activate", Event::ActivationFailed),
        ("loop stalls", Event::LoopStalled),
        ("a monitor: tracking error", Event::Violation(Cause::TrackingError)),
        ("a monitor: workspace", Event::Violation(Cause::Workspace)),
        ("a monitor: self-collision", Event::Violation(Cause::SelfCollision)),
        ("a monitor: temperature", Event::Violation(Cause::OverTemperature)),
        ("a process without a lease is lost", Event::PeerLost(BootId(99))),
        ("a lease that is not live is given back", Event::ReleaseLease(LeaseId(4711))),
    ];
    let mut table = "| event | ".to_owned();
    table += &MODES.map(name).join(" | ");
    table += " |\n|---|---|---|---|---|---|\n";
    for (what, event) in events {
        let cells = MODES.map(|mode| {
            let mut rig = in_mode(mode);
            match rig.handle(event) {
                _ if rig.gate.mode() != mode => format!("**{}**", name(rig.gate.mode())),
                Ok(_) => "stays".to_owned(),
                Err(_) => "refused".to_owned(),
            }
        });
        writeln!(table, "| {what} | {} |", cells.join(" | ")).unwrap();
    }
    table
}

fn output(kind: OutputKind) -> &'static str {
    match kind {
        OutputKind::None => "none",
        OutputKind::Hold => "hold",
        OutputKind::Ramp => "ramp",
        OutputKind::Damp => "damp",
        OutputKind::Fallback => "fallback",
        OutputKind::Track => "track",
    }
}

fn rig_of(is_balancer: bool) -> Rig {
    let model = if is_balancer { balancer() } else { mobi() };
    let config = GateConfig::from_robot(&model).unwrap();
    let mut rig = Rig::around(Gate::with_fallback(config, fallback_of(&model).unwrap()).unwrap());
    rig.arm();
    rig
}

/// What a group is given right after something, and after four seconds.
fn outputs() -> String {
    let groups = [(false, "arm"), (false, "base"), (true, "base"), (true, "wheels")];
    type Does = fn(&mut Rig);
    let situations: [(&str, Does); 6] = [
        ("READY, nobody commands", |_| {}),
        ("PROTECTIVE_STOP", |rig| {
            rig.handle(Event::Violation(Cause::Workspace)).unwrap();
        }),
        ("FAULT", |rig| {
            rig.handle(Event::DriverWriteFailed).unwrap();
        }),
        ("ESTOP", |rig| {
            rig.handle(Event::EStop { pressed: true }).unwrap();
        }),
        ("the sensors of the fallback controller fail", |rig| rig.imu_lost = true),
        ("disarmed by an operator", |rig| {
            rig.handle(Event::Disarm).unwrap();
        }),
    ];
    let mut table = "| while the group is commanded |".to_owned();
    for (is_balancer, group) in groups {
        let robot = if is_balancer { "balancer" } else { "mobi" };
        write!(table, " {robot} `{group}` |").unwrap();
    }
    table += "\n|---|---|---|---|---|\n";
    for (what, does) in situations {
        write!(table, "| {what} |").unwrap();
        for (is_balancer, group) in groups {
            let mut rig = rig_of(is_balancer);
            let names: &[&'static str] = &[group];
            let lease = rig.acquire(Source::Skill, names).unwrap();
            for _ in 0..20 {
                let mut command = rig.command(lease, names);
                if group == "wheels" {
                    let effort = JointCommand { effort: 0.5, ..JointCommand::UNUSED };
                    command.joints.fill(effort);
                }
                rig.send(&command).unwrap();
                rig.live_ticks(5);
            }
            assert_eq!(rig.output(group), OutputKind::Track);
            if what.starts_with("READY") {
                rig.handle(Event::ReleaseLease(lease)).unwrap();
            }
            does(&mut rig);
            let mut seen = Vec::new();
            for tick in 0..2000 {
                rig.tick();
                // A reference is held by nobody that a lost IMU takes it from; only the first matters.
                let kind = output(rig.output(group));
                if seen.last() != Some(&kind) && !(tick > 0 && kind == "track") {
                    seen.push(kind);
                }
            }
            write!(table, " {} |", seen.join(", ")).unwrap();
        }
        table.push('\n');
    }
    table
}

#[test]
fn the_tables_of_the_safety_document_are_what_the_gate_does() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/safety.md");
    let text = std::fs::read_to_string(&path).unwrap();
    let mut made = text.clone();
    for (marker, table) in
        [("causes", causes()), ("transitions", transitions()), ("outputs", outputs())]
    {
        let begin = format!("<!-- begin {marker}: written by the tests of sinew-hardware -->\n");
        let end = format!("<!-- end {marker} -->");
        let (head, rest) = made.split_once(&begin).expect("the marker is there");
        let (_, tail) = rest.split_once(&end).expect("the end marker is there");
        made = format!("{head}{begin}{table}{end}{tail}");
    }
    if std::env::var_os("SINEW_BLESS").is_some() {
        std::fs::write(&path, &made).unwrap();
    }
    assert_eq!(made, text, "docs/safety.md: run the tests with SINEW_BLESS=1");
}
