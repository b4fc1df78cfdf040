use std::path::PathBuf;

use anyhow::{Result, anyhow};
use clap::{Args, ValueEnum};

use crate::bench::policy_run::{self, Plant, RunPlan};
use crate::exit::{Exit, refused};
use crate::interrupt;
use crate::output::print_json;
use crate::share::share;

/// What drives the joints.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum DriverName {
    /// Joints are where they are commanded to be: nothing moves.
    Mock,
    /// A simulated world.
    Sim,
    /// Servos on a bus: a real robot moves.
    Servo,
}

#[derive(Args)]
pub(super) struct RunArgs {
    /// The policy's manifest.
    manifest: PathBuf,
    /// What drives the joints.
    #[arg(long, default_value = "mock")]
    driver: DriverName,
    /// The robot, for the drivers mock and servo; the shipped one by default.
    #[arg(long, value_name = "FILE")]
    robot: Option<PathBuf>,
    /// The world, for the driver sim; the shipped one by default.
    #[arg(long, value_name = "FILE")]
    world: Option<PathBuf>,
    /// How long.
    #[arg(long, value_name = "SECONDS", default_value_t = 10, value_parser = clap::value_parser!(u32).range(1..=86400))]
    seconds: u32,
    /// Another rate than the policy was trained for, to try a machine; not with servos.
    #[arg(long, value_name = "HZ")]
    rate: Option<f64>,
    /// A command of the policy: NAME=VALUE,…; zeros for those that are not given.
    #[arg(long = "set", value_name = "NAME=VALUE,…", allow_hyphen_values = true)]
    values: Vec<String>,
    /// Take every tick down in this file, for `sinew policy replay`.
    #[arg(long, value_name = "FILE")]
    record: Option<PathBuf>,
    /// Load the policy anew whenever its files change: it takes over at a tick, targets blend over in 0.2 s. What cannot be
    /// loaded is told, and the policy that runs goes on.
    #[arg(long, conflicts_with_all = ["record", "rate"])]
    watch: bool,
    /// Switches the drives of a real robot on.
    #[arg(long)]
    arm: bool,
    /// Exit with code 1 unless every missed tick is explained. To tell, the policy is loaded a second time, with which the work
    /// of a missed tick is done once more, and its command sent again: docs/benchmarks.md.
    #[arg(long)]
    require: bool,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

pub(super) fn run(args: &RunArgs) -> Result<Exit> {
    let wrong = |text: &str| Err(refused(anyhow!("{text}")));
    let robot = args.robot.clone().unwrap_or_else(|| share().join("urdf/mobi.robot.yaml"));
    let world = args.world.clone().unwrap_or_else(|| share().join("worlds/tabletop.yaml"));
    let plant = match args.driver {
        DriverName::Sim if args.robot.is_some() => {
            return wrong("--robot: the world of the driver sim names its robot; allowed: --world");
        }
        DriverName::Mock | DriverName::Servo if args.world.is_some() => {
            return wrong("--world is for the driver sim; allowed: --robot");
        }
        DriverName::Servo if !args.arm => {
            return wrong("a real robot will move: say --arm to switch its drives on");
        }
        DriverName::Servo if args.robot.is_none() => {
            return wrong("--robot: absent; allowed: the file of the robot that is attached");
        }
        DriverName::Servo if args.rate.is_some() => {
            return wrong(
                "--rate is not for servos: a policy moves a robot at the rate it was trained for",
            );
        }
        DriverName::Mock => Plant::Mock(robot),
        DriverName::Servo => Plant::Servo(robot),
        DriverName::Sim => Plant::Sim(world),
    };
    if let Some(rate) = args.rate.filter(|rate| !(*rate > 0.0 && *rate <= 1000.0)) {
        return wrong(&format!("--rate {rate}; allowed: above 0, up to 1000 Hz"));
    }
    interrupt::install()?;
    let plan = RunPlan {
        manifest: args.manifest.clone(),
        plant,
        seconds: args.seconds,
        rate_hz: args.rate,
        values: args.values.iter().map(|text| value(text)).collect::<Result<_>>()?,
        record: args.record.clone(),
        watch: args.watch,
        judges: args.require,
    };
    let report = policy_run::run(&plan)?;
    if args.json {
        print_json(&report)?;
    } else {
        out!("{report}");
    }
    Ok(if args.require && !report.is_explained() { Exit::Failure } else { Exit::Success })
}

/// `NAME=1.0,2.0`.
fn value(text: &str) -> Result<(String, Vec<f64>)> {
    let parsed = text.split_once('=').and_then(|(name, values)| {
        let values: Result<Vec<f64>, _> = values.split(',').map(|v| v.trim().parse()).collect();
        Some((name.to_owned(), values.ok()?))
    });
    parsed.ok_or_else(|| refused(anyhow!("--set {text}; allowed: NAME=NUMBER,NUMBER,…")))
}
