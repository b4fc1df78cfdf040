//! Every set of causes, with the drivers on, off and on their way to off, and every event: where it
//! leads, or that it is refused. The expectations are written here anew, not taken from the gate.

use sinew_hardware::{Cause, Event, GateConfig, Mode};
use sinew_types::{ActuatorCommand, BootId, LeaseId, Source};

use crate::rig::{COMMAND_PERIOD, PAD, Rig, SKILLS, mobi};

#[derive(Clone, Copy, Debug, PartialEq)]
enum Power {
    Off,
    On,
    Disarming,
}

#[derive(Clone, Copy, Debug)]
enum Name {
    Arm,
    Activated,
    ActivationFailed,
    Disarm,
    Reset,
    Resume,
    EStop(bool),
    EStopHeartbeat(bool),
    ReadOk(bool),
    WriteFailed,
    Stalled,
    Heartbeat,
    StrangerLost,
    UnknownRelease,
    UnknownCommand,
    Acquire,
    Violation(Cause),
}

const EVENTS: [Name; 19] = [
    Name::Arm,
    Name::Activated,
    Name::ActivationFailed,
    Name::Disarm,
    Name::Reset,
    Name::Resume,
    Name::EStop(true),
    Name::EStop(false),
    Name::EStopHeartbeat(true),
    Name::EStopHeartbeat(false),
    Name::ReadOk(true),
    Name::ReadOk(false),
    Name::WriteFailed,
    Name::Stalled,
    Name::Heartbeat,
    Name::StrangerLost,
    Name::UnknownRelease,
    Name::UnknownCommand,
    Name::Acquire,
];

/// Bit by bit, as [`Cause::ALL`].
fn causes_of(bits: u32) -> impl Iterator<Item = Cause> {
    Cause::ALL.into_iter().enumerate().filter(move |(i, _)| bits & (1 << i) != 0).map(|(_, c)| c)
}

fn bit(cause: Cause) -> u32 {
    1 << Cause::ALL.iter().position(|other| *other == cause).unwrap()
}

fn mode_of(bits: u32, power: Power) -> Mode {
    let severest = causes_of(bits).map(Cause::mode).max();
    severest.unwrap_or(if power == Power::Off { Mode::Disarmed } else { Mode::Ready })
}

struct After {
    ok: bool,
    bits: u32,
    power: Power,
    disarms: bool,
}

/// The table.
fn expected(event: Name, bits: u32, power: Power) -> After {
    let as_it_was = |ok| After { ok, bits, power, disarms: false };
    let latched = |cause: Cause| After { ok: true, bits: bits | bit(cause), power, disarms: false };
    match event {
        // The drivers are still off when it is granted; they are on after `Activated`.
        Name::Arm => as_it_was(power == Power::Off && bits == 0),
        Name::Activated
        | Name::Heartbeat
        | Name::StrangerLost
        | Name::EStop(false)
        | Name::EStopHeartbeat(false)
        | Name::ReadOk(true) => as_it_was(true),
        Name::ActivationFailed => {
            After { ok: false, power: Power::Off, ..latched(Cause::DriverError) }
        }
        Name::Disarm => match power {
            Power::Off => as_it_was(false),
            Power::On => After { power: Power::Disarming, disarms: true, ..as_it_was(true) },
            Power::Disarming => as_it_was(true),
        },
        // Communication clears by itself alone; faults and emergency stops end with the drivers off.
        Name::Reset => {
            let is_severe = mode_of(bits, power) >= Mode::Fault;
            let power = if is_severe { Power::Off } else { power };
            After { ok: true, bits: bits & bit(Cause::Communication), power, disarms: false }
        }
        Name::Resume => as_it_was(power == Power::On),
        Name::EStop(true) | Name::EStopHeartbeat(true) => latched(Cause::EmergencyStop),
        Name::ReadOk(false) | Name::WriteFailed => latched(Cause::DriverError),
        Name::Stalled | Name::Violation(Cause::LoopStalled) => {
            After { power: Power::Off, ..latched(Cause::LoopStalled) }
        }
        Name::Violation(cause) => latched(cause),
        Name::UnknownRelease | Name::UnknownCommand => as_it_was(false),
        Name::Acquire => as_it_was(power == Power::On && bits == 0),
    }
}

/// A robot with these causes latched; none where that cannot be.
fn situation(config: &GateConfig, bits: u32, power: Power) -> Option<Rig> {
    if power != Power::Off && bits & bit(Cause::LoopStalled) != 0 {
        return None;
    }
    let mut rig = Rig::with(config.clone());
    if power != Power::Off {
        rig.arm();
    }
    if power == Power::Disarming {
        rig.handle(Event::Disarm).unwrap();
    }
    for cause in causes_of(bits) {
        rig.handle(Event::Violation(cause)).unwrap();
    }
    Some(rig)
}

fn check(config: &GateConfig, unknown: &ActuatorCommand, bits: u32, power: Power, name: Name) {
    let Some(mut rig) = situation(config, bits, power) else { return };
    let epoch = rig.gate.stop_epoch().0;
    let event = match name {
        Name::Arm => Event::Arm,
        Name::Activated => Event::Activated,
        Name::ActivationFailed => Event::ActivationFailed,
        Name::Disarm => Event::Disarm,
        Name::Reset => Event::Reset,
        Name::Resume => Event::Resume,
        Name::EStop(pressed) => Event::EStop { pressed },
        Name::EStopHeartbeat(pressed) => Event::EStopHeartbeat { pressed },
        Name::ReadOk(ok) => Event::DriverRead { ok },
        Name::WriteFailed => Event::DriverWriteFailed,
        Name::Stalled => Event::LoopStalled,
        Name::Heartbeat => Event::Heartbeat(SKILLS),
        Name::StrangerLost => Event::PeerLost(BootId(99)),
        Name::UnknownRelease => Event::ReleaseLease(LeaseId(4711)),
        Name::UnknownCommand => Event::Command(unknown),
        Name::Violation(cause) => Event::Violation(cause),
        Name::Acquire => Event::AcquireLease(sinew_hardware::LeaseRequest {
            source: Source::Teleop,
            groups: rig.groups(&["arm"]),
            boot_id: PAD,
            command_period: COMMAND_PERIOD,
        }),
    };
    let after = expected(name, bits, power);
    let result = rig.handle(event);
    let what = || format!("{name:?} with {power:?} and {:?}", causes_of(bits).collect::<Vec<_>>());
    assert_eq!(result.is_ok(), after.ok, "{}: {result:?}", what());
    let safety = rig.gate.safety();
    let causes: Vec<Cause> = safety.causes.iter().collect();
    assert_eq!(causes, causes_of(after.bits).collect::<Vec<_>>(), "{}", what());
    assert_eq!(safety.mode, mode_of(after.bits, after.power), "{}", what());
    assert_eq!(safety.powered, after.power != Power::Off, "{}", what());
    let is_new = after.bits & !bits != 0;
    let epochs = safety.stop_epoch.0 - epoch;
    assert_eq!(epochs, u64::from(is_new || after.disarms), "{}", what());
    if after.bits != 0 {
        assert!(safety.leases.iter().all(Option::is_none), "{}", what());
    }
}

#[test]
fn every_event_leads_where_the_table_says_from_every_set_of_causes() {
    let config = GateConfig::from_robot(&mobi()).unwrap();
    let unknown = ActuatorCommand::unused(&config.layout);
    let mut events = EVENTS.to_vec();
    events.extend(Cause::ALL.map(Name::Violation));
    let sets = 1_u32 << Cause::ALL.len();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for thread in 0..threads {
            let (config, unknown, events) = (&config, &unknown, &events);
            scope.spawn(move || {
                for bits in (0..sets).skip(thread).step_by(threads) {
                    for power in [Power::Off, Power::On, Power::Disarming] {
                        for event in events {
                            check(config, unknown, bits, power, *event);
                        }
                    }
                }
            });
        }
    });
}
