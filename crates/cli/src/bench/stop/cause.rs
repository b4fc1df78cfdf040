use clap::ValueEnum;
use serde::Serialize;
use sinew_hardware::{Cause, Mode};

/// Why the robot is stopped in a trial.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub(crate) enum StopCause {
    /// An operator calls the e-stop service.
    EStopService,
    /// The process that commands is killed.
    SkillsKilled,
    /// The process that commands is suspended, and later continued.
    SkillsSuspended,
    /// The process that commands closes its zenoh session.
    SessionClosed,
    /// A person lets go of the dead-man switch.
    DeadManReleased,
    /// A joystick's commands end, its process lives on.
    JoystickSilent,
    /// A command with NaN.
    NanCommand,
    /// Stamps of the commanding process jump by a day to and fro: no reason to stop.
    ClockJump,
    /// The hardware process is killed.
    HardwareKilled,
    /// The hardware process is suspended.
    HardwareSuspended,
    /// The hardware process of a robot on a servo bus is killed.
    ServoHardwareKilled,
    /// The hardware process of a robot on a servo bus is suspended, and later continued.
    ServoHardwareSuspended,
    /// Encoders say the same in fresh states.
    StuckEncoder,
    /// The driver's reads succeed, with a state that grows older.
    StaleState,
    /// A read of the driver blocks for half a second.
    SlowBus,
    /// The driver's reads fail.
    DriverError,
}

/// Where the cause is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    /// In one of several processes on zenoh, with the simulator as driver.
    Process,
    /// In one of several processes on zenoh, with emulated servos at the driver's port.
    Servos,
    /// In the driver: the mock, under the real-time thread in this process.
    Driver,
}

/// How a trial ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum End {
    /// At rest, in this mode, for this cause.
    Stopped(Mode, Option<Cause>),
    /// The robot goes on.
    GoesOn,
    /// Nothing is written to the driver any more.
    Silence,
    /// The servos stop by themselves.
    Watchdog,
}

impl StopCause {
    /// Every cause, in the order in which they are measured.
    pub(crate) fn all() -> Vec<Self> {
        Self::value_variants().to_vec()
    }

    /// As on the command line.
    pub(crate) fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub(super) fn side(self) -> Side {
        match self {
            Self::StuckEncoder | Self::StaleState | Self::SlowBus | Self::DriverError => {
                Side::Driver
            }
            Self::ServoHardwareKilled | Self::ServoHardwareSuspended => Side::Servos,
            _ => Side::Process,
        }
    }

    pub(super) fn end(self) -> End {
        match self {
            Self::EStopService => End::Stopped(Mode::EStop, Some(Cause::EmergencyStop)),
            Self::NanCommand => End::Stopped(Mode::ProtectiveStop, Some(Cause::InvalidCommand)),
            Self::SkillsKilled
            | Self::SkillsSuspended
            | Self::SessionClosed
            | Self::DeadManReleased
            | Self::JoystickSilent => End::Stopped(Mode::Ready, None),
            Self::StuckEncoder => End::Stopped(Mode::ProtectiveStop, Some(Cause::TrackingError)),
            Self::StaleState => End::Stopped(Mode::Fault, Some(Cause::StateStale)),
            Self::SlowBus => End::Stopped(Mode::Fault, Some(Cause::LoopStalled)),
            Self::DriverError => End::Stopped(Mode::Fault, Some(Cause::DriverError)),
            Self::ClockJump => End::GoesOn,
            Self::HardwareKilled | Self::HardwareSuspended => End::Silence,
            Self::ServoHardwareKilled | Self::ServoHardwareSuspended => End::Watchdog,
        }
    }

    /// Whether a person commands in the trial, and not a skill.
    pub(super) fn is_teleop(self) -> bool {
        matches!(self, Self::DeadManReleased | Self::JoystickSilent)
    }

    /// What happens, and what ends it, for people.
    pub(super) fn words(self) -> &'static str {
        match self {
            Self::EStopService => "e-stop service is called",
            Self::SkillsKilled => "`kill -9` of the skills process",
            Self::SkillsSuspended => "SIGSTOP of the skills process",
            Self::SessionClosed => "zenoh session closed",
            Self::DeadManReleased => "dead-man released",
            Self::JoystickSilent => "joystick silent",
            Self::NanCommand => "NaN command",
            Self::ClockJump => "clock jump of the skills process",
            Self::HardwareKilled => "`kill -9` of the hardware process",
            Self::HardwareSuspended => "SIGSTOP of the hardware process",
            Self::ServoHardwareKilled => "`kill -9` of the hardware process, servo bus",
            Self::ServoHardwareSuspended => "SIGSTOP of the hardware process, servo bus",
            Self::StuckEncoder => "stuck encoder",
            Self::StaleState => "encoders silent",
            Self::SlowBus => "slow bus: a read blocks 500 ms",
            Self::DriverError => "driver error",
        }
    }
}

impl End {
    /// For people.
    pub(super) fn words(self) -> String {
        match self {
            Self::Stopped(Mode::Ready, _) => "ready, without owner".into(),
            Self::Stopped(mode, cause) => {
                let cause = cause.map_or("", Cause::as_str).replace('_', " ");
                format!("{}: {cause}", mode_words(mode))
            }
            Self::GoesOn => "goes on".into(),
            Self::Silence => "nothing is written".into(),
            Self::Watchdog => "the servos' own watchdog".into(),
        }
    }
}

pub(super) fn mode_words(mode: Mode) -> &'static str {
    match mode {
        Mode::Disarmed => "disarmed",
        Mode::Ready => "ready",
        Mode::ProtectiveStop => "protective stop",
        Mode::Fault => "fault",
        Mode::EStop => "e-stop",
    }
}
