use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use sinew_driver_servo::calibration::{Calibration, edit_robot_yaml, from_lerobot};
use sinew_driver_servo::maintenance::{FoundServo, MAX_ID, open_bus, scan, set_id};
use sinew_driver_servo::{REPLY_ALLOWANCE, SerialOpener, ServoError, serial_ports};
use sinew_robot::{RobotModel, ServoConfig, ServoJointConfig, ServoProtocol};

use crate::exit::{Exit, refused};
use crate::output::{print_json, table};

#[derive(Args)]
pub(crate) struct ServoArgs {
    #[command(subcommand)]
    command: ServoCommand,
}

#[derive(Subcommand)]
enum ServoCommand {
    /// Lists the servos on a bus.
    Scan(ScanArgs),
    /// Gives one servo another address.
    SetId(SetIdArgs),
    /// Measures zero and range of each joint and saves them in the robot file.
    Calibrate(CalibrateArgs),
}

/// What is spoken on a bus.
#[derive(Clone, Copy, ValueEnum)]
enum Protocol {
    Dynamixel,
    FeetechSts,
    FeetechScs,
}

impl From<Protocol> for ServoProtocol {
    fn from(protocol: Protocol) -> Self {
        match protocol {
            Protocol::Dynamixel => Self::Dynamixel,
            Protocol::FeetechSts => Self::FeetechSts,
            Protocol::FeetechScs => Self::FeetechScs,
        }
    }
}

#[derive(Args)]
struct ScanArgs {
    /// The serial port; all of this machine by default.
    #[arg(long)]
    port: Option<String>,
    /// What is spoken on the bus; all by default.
    #[arg(long)]
    protocol: Option<Protocol>,
    /// Rate of the bus, bit/s; 1000000, 115200 and 57600 by default.
    #[arg(long)]
    baud: Option<u32>,
    /// What an answer may take beyond its time on the wire.
    #[arg(long, value_name = "MS", default_value_t = REPLY_ALLOWANCE.as_millis() as u64)]
    reply_allowance_ms: u64,
    /// Highest address that is tried.
    #[arg(long, default_value_t = MAX_ID)]
    max_id: u8,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct SetIdArgs {
    /// The address that it has.
    from: u8,
    /// The address that it is to have.
    to: u8,
    /// The serial port.
    #[arg(long)]
    port: String,
    /// What is spoken on the bus.
    #[arg(long)]
    protocol: Protocol,
    /// Rate of the bus, bit/s.
    #[arg(long, default_value_t = 1_000_000)]
    baud: u32,
    /// What an answer may take beyond its time on the wire.
    #[arg(long, value_name = "MS", default_value_t = REPLY_ALLOWANCE.as_millis() as u64)]
    reply_allowance_ms: u64,
}

#[derive(Args)]
struct CalibrateArgs {
    /// The robot file; its `servo` section is changed.
    robot: PathBuf,
    /// The serial port; the robot file's by default.
    #[arg(long)]
    port: Option<String>,
    /// What an answer may take beyond its time on the wire.
    #[arg(long, value_name = "MS", default_value_t = REPLY_ALLOWANCE.as_millis() as u64)]
    reply_allowance_ms: u64,
    /// Take zeros and ranges from LeRobot's calibration file, instead of measuring them.
    #[arg(long, value_name = "FILE")]
    from_lerobot: Option<PathBuf>,
}

/// What `sinew servo scan --json` prints.
#[derive(Serialize)]
struct ScanReport {
    servos: Vec<ScanRow>,
    unopened: Vec<Unopened>,
}

#[derive(Serialize)]
struct ScanRow {
    port: String,
    baud: u32,
    protocol: ServoProtocol,
    id: u8,
    /// null for one that the driver does not know.
    model: Option<&'static str>,
    model_number: u16,
    ticks: i32,
    voltage_v: f64,
    temperature_c: f64,
}

#[derive(Serialize)]
struct Unopened {
    port: String,
    error: String,
}

pub(crate) fn run(args: &ServoArgs) -> Result<Exit> {
    match &args.command {
        ServoCommand::Scan(args) => run_scan(args),
        ServoCommand::SetId(args) => {
            let port = port(&args.port, args.baud, args.reply_allowance_ms);
            let mut bus = open_bus(port, args.protocol.into()).map_err(refused)?;
            set_id(&mut bus, args.from, args.to)?;
            outln!("servo {} is now servo {}", args.from, args.to);
            Ok(Exit::Success)
        }
        ServoCommand::Calibrate(args) => run_calibrate(args),
    }
}

fn port(path: &str, baud_rate: u32, reply_allowance_ms: u64) -> SerialOpener {
    let reply_allowance = Duration::from_millis(reply_allowance_ms);
    SerialOpener { reply_allowance, ..SerialOpener::new(path, baud_rate) }
}

fn run_scan(args: &ScanArgs) -> Result<Exit> {
    let ports = match &args.port {
        Some(port) => vec![port.clone()],
        None => serial_ports(),
    };
    // The two Feetech series speak alike: one scan finds both.
    let protocols = match args.protocol {
        Some(protocol) => vec![protocol.into()],
        None => vec![ServoProtocol::Dynamixel, ServoProtocol::FeetechSts],
    };
    let bauds = args.baud.map_or(vec![1_000_000, 115_200, 57_600], |baud| vec![baud]);
    let mut report = ScanReport { servos: Vec::new(), unopened: Vec::new() };
    for port in &ports {
        for protocol in &protocols {
            for baud in &bauds {
                let opener = self::port(port, *baud, args.reply_allowance_ms);
                let found =
                    open_bus(opener, *protocol).and_then(|mut bus| scan(&mut bus, args.max_id));
                match found {
                    Ok(found) => {
                        let rows = found.into_iter().map(|servo| row(port, *baud, servo));
                        report.servos.extend(rows);
                    }
                    Err(error) => {
                        let error = format!("{:#}", anyhow::Error::from(error));
                        report.unopened.push(Unopened { port: port.clone(), error });
                    }
                }
            }
        }
    }
    let exit = if report.servos.is_empty() { Exit::Failure } else { Exit::Success };
    if args.json {
        print_json(&report)?;
    } else {
        print_scan(&report, &ports);
    }
    Ok(exit)
}

fn row(port: &str, baud: u32, servo: FoundServo) -> ScanRow {
    ScanRow {
        port: port.to_owned(),
        baud,
        protocol: servo.protocol,
        id: servo.id,
        model: servo.model.map(|model| model.as_str()),
        model_number: servo.model_number,
        ticks: servo.ticks,
        voltage_v: servo.voltage_v,
        temperature_c: servo.temperature_c,
    }
}

fn print_scan(report: &ScanReport, ports: &[String]) {
    for unopened in &report.unopened {
        eprintln!("{}: {}", unopened.port, unopened.error);
    }
    if report.servos.is_empty() {
        let ports = if ports.is_empty() { "no serial port".to_owned() } else { ports.join(", ") };
        outln!("no servo answered on {ports}");
        return;
    }
    let head = ["port", "baud", "protocol", "id", "model", "ticks", "V", "°C"];
    let mut rows = vec![head.map(str::to_owned).to_vec()];
    for servo in &report.servos {
        let unknown = || format!("unknown ({})", servo.model_number);
        rows.push(vec![
            servo.port.clone(),
            servo.baud.to_string(),
            servo.protocol.as_str().to_owned(),
            servo.id.to_string(),
            servo.model.map_or_else(unknown, str::to_owned),
            servo.ticks.to_string(),
            format!("{:.1}", servo.voltage_v),
            format!("{:.0}", servo.temperature_c),
        ]);
    }
    out!("{}", table(&rows));
}

fn run_calibrate(args: &CalibrateArgs) -> Result<Exit> {
    let robot = RobotModel::load(&args.robot).map_err(refused)?;
    let servos = robot
        .config()
        .servo
        .as_ref()
        .ok_or_else(|| ServoError::NoServos { path: args.robot.clone() })
        .map_err(refused)?;
    let joints = match &args.from_lerobot {
        Some(file) => {
            let text = std::fs::read_to_string(file)
                .with_context(|| format!("{}: cannot be read", file.display()))
                .map_err(refused)?;
            from_lerobot(&text, servos)
                .with_context(|| file.display().to_string())
                .map_err(refused)?
        }
        None => measure(args, &robot, servos)?,
    };
    save(&args.robot, &joints)?;
    let mut rows = vec![["joint", "zero", "from", "to"].map(str::to_owned).to_vec()];
    for (name, joint) in &joints {
        let [low, high] = joint.range_ticks;
        let numbers = [joint.zero_ticks, low, high].map(|ticks| ticks.to_string());
        rows.push([vec![name.clone()], numbers.to_vec()].concat());
    }
    out!("{}", table(&rows));
    outln!("saved in {}", args.robot.display());
    Ok(Exit::Success)
}

/// Asks for the poses, one line of the input after the other.
fn measure(
    args: &CalibrateArgs,
    robot: &RobotModel,
    servos: &ServoConfig,
) -> Result<BTreeMap<String, ServoJointConfig>> {
    let path = args.port.clone().unwrap_or_else(|| servos.port.clone());
    let mut opener = port(&path, servos.baud_rate, args.reply_allowance_ms);
    let mut calibration = Calibration::begin(robot, &mut opener)?;
    let lines = input_lines();
    outln!(
        "The servos have no torque. Bring every joint to its zero, about the middle of its range (each URDF says \
         at its head what that looks like), then press Enter."
    );
    lines.recv().context("the input ended before the pose was confirmed")?;
    calibration.set_zero()?;
    outln!("Move every joint through its whole range, then press Enter.");
    let shows = std::io::stdout().is_terminal();
    loop {
        let seen = calibration.record()?;
        if shows {
            let ranges: Vec<String> = seen
                .iter()
                .map(|(joint, [low, now, high])| format!("{joint} {low}<{now}<{high}"))
                .collect();
            out!("\r\x1b[K{}", ranges.join("  "));
            std::io::stdout().flush()?;
        }
        match lines.try_recv() {
            Ok(()) => break,
            Err(TryRecvError::Disconnected) => {
                anyhow::bail!("the input ended before the ranges were confirmed")
            }
            Err(TryRecvError::Empty) => std::thread::sleep(Duration::from_millis(10)),
        }
    }
    if shows {
        outln!();
    }
    Ok(calibration.finish()?)
}

/// One message per line of the input; it ends with the input.
fn input_lines() -> Receiver<()> {
    let (sender, lines) = channel();
    // Ends with the process: a read of the input cannot be interrupted.
    std::thread::spawn(move || {
        for line in std::io::stdin().lock().lines() {
            if line.is_err() || sender.send(()).is_err() {
                return;
            }
        }
    });
    lines
}

/// Replaces the robot file by one that was seen to load.
fn save(robot: &Path, joints: &BTreeMap<String, ServoJointConfig>) -> Result<()> {
    let text = std::fs::read_to_string(robot)
        .with_context(|| format!("{}: cannot be read", robot.display()))?;
    let edited = edit_robot_yaml(&text, joints).with_context(|| robot.display().to_string())?;
    // Beside it, since the URDF is named relative to the file.
    let beside = robot.with_extension("yaml.new");
    let cannot_write = || format!("{}: cannot be written", beside.display());
    std::fs::write(&beside, edited).with_context(cannot_write)?;
    if let Err(error) = RobotModel::load(&beside) {
        // The file as it was is what counts; a leftover is only untidy.
        let _ = std::fs::remove_file(&beside);
        return Err(error).context("the calibration does not fit the robot file");
    }
    std::fs::rename(&beside, robot).with_context(cannot_write)
}
