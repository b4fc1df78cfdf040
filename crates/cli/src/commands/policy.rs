use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail};
use clap::{Args, Subcommand, ValueEnum};
use serde::Serialize;
use sinew_hardware::layout_of;
use sinew_policy::import::{
    Imported, LerobotOptions, import_deploy, import_kinfer, import_lerobot, import_motion,
    import_rl_sar,
};
use sinew_policy::{
    History, InputSpec, Policy, PolicyError, PolicyManifest, Provider, Rollout, RunOn,
};
use sinew_robot::RobotModel;
use sinew_types::{GroupKind, Layout};

use crate::bench::inference::{self, InferencePlan};
use crate::bench::policy_run::{self, Plant, RunPlan};
use crate::exit::{Exit, refused};
use crate::interrupt;
use crate::output::{print_json, table};
use crate::share::share;

#[derive(Args)]
pub(crate) struct PolicyArgs {
    #[command(subcommand)]
    command: PolicyCommand,
}

#[derive(Subcommand)]
enum PolicyCommand {
    /// Loads a policy for a robot, and says what it sees and what it commands.
    Check(CheckArgs),
    /// Makes a manifest of another project's policy, and lists what a person must confirm.
    Import(ImportArgs),
    /// Measures the stages of a tick beside ONNX Runtime's own call.
    Bench(BenchArgs),
    /// Runs the ticks that `run --record` took down once more, and compares them bit by bit.
    Replay(ReplayArgs),
    /// Runs a policy alone, in real time, through the control loop and the gate of a robot.
    Run(RunArgs),
}

#[derive(Args)]
struct CheckArgs {
    /// The policy's manifest.
    manifest: PathBuf,
    /// The robot that it is for; the shipped one by default.
    #[arg(long, value_name = "FILE")]
    robot: Option<PathBuf>,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

/// Whose policy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Format {
    /// `deploy.yaml` of unitree_rl_lab.
    Deploy,
    /// ONNX with `metadata_props` of Isaac Lab, mjlab or BeyondMimic.
    Metadata,
    /// A folder with an ACT checkpoint of LeRobot and its ONNX model.
    Lerobot,
    /// A `.kinfer` archive.
    Kinfer,
    /// `config.yaml` of rl_sar, with `base.yaml` one folder up.
    RlSar,
}

#[derive(Args)]
struct ImportArgs {
    /// The file or folder.
    path: PathBuf,
    /// The folder to write manifest and model to.
    #[arg(long, value_name = "FOLDER")]
    out: PathBuf,
    /// Whose policy it is; by default the name says it.
    #[arg(long)]
    format: Option<Format>,
    /// The policy's id; the folder's name by default.
    #[arg(long)]
    id: Option<String>,
    /// The robot's joints, where the files do not name them, in the order of the motors or of the dataset.
    #[arg(long, value_delimiter = ',', value_name = "NAME,…")]
    joints: Vec<String>,
    /// The robot file, URDF or MJCF whose joints these are; by default the one beside the policy.
    #[arg(long, value_name = "FILE", conflicts_with = "joints")]
    body: Option<PathBuf>,
    /// Ticks per second, where the files do not say it.
    #[arg(long, value_name = "HZ", default_value_t = 50.0)]
    rate: f64,
    /// The step of its motion at which a tracking policy begins.
    #[arg(long, value_name = "N", default_value_t = 0)]
    start_step: u32,
    /// The configuration of a LeRobot checkpoint.
    #[arg(long, value_name = "FILE", default_value = "config.json")]
    config: PathBuf,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

#[derive(Args)]
struct BenchArgs {
    /// The policy's manifest.
    manifest: PathBuf,
    /// Ticks per round, after as many that are not counted.
    #[arg(long, value_name = "N", default_value_t = 5000, value_parser = clap::value_parser!(u32).range(100..))]
    ticks: u32,
    /// Rounds, each of which measures the policy and the bare call by turns.
    #[arg(long, value_name = "N", default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Threads of a run; may be given more than once.
    #[arg(long, value_name = "N", default_values_t = [1])]
    threads: Vec<usize>,
    /// A program that measures the same model by other means, and its arguments: it reads a number of runs per
    /// line, and answers with median and 99th percentile in seconds. May be given more than once.
    #[arg(long = "peer", value_name = "COMMAND")]
    peers: Vec<String>,
    /// What it is run on; may be given more than once.
    #[arg(long, value_name = "PROVIDER")]
    provider: Vec<ProviderName>,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

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
struct ReplayArgs {
    /// What `sinew policy run --record` wrote.
    record: PathBuf,
    /// The policy's manifest.
    manifest: PathBuf,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

/// What `sinew policy replay --json` prints.
#[derive(Serialize)]
struct ReplayReport {
    identical: bool,
    ticks: usize,
    difference: Option<String>,
}

#[derive(Args)]
struct RunArgs {
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
    /// Switches the drives of a real robot on.
    #[arg(long)]
    arm: bool,
    /// Exit with code 1 unless every missed tick is explained.
    #[arg(long)]
    require: bool,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

/// As in a manifest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum ProviderName {
    Cpu,
    Cuda,
    Tensorrt,
}

impl From<ProviderName> for Provider {
    fn from(name: ProviderName) -> Self {
        match name {
            ProviderName::Cpu => Self::Cpu,
            ProviderName::Cuda => Self::Cuda,
            ProviderName::Tensorrt => Self::Tensorrt,
        }
    }
}

pub(crate) fn run(args: &PolicyArgs) -> Result<Exit> {
    match &args.command {
        PolicyCommand::Check(args) => check(args),
        PolicyCommand::Import(args) => import(args),
        PolicyCommand::Bench(args) => bench(args),
        PolicyCommand::Replay(args) => replay(args),
        PolicyCommand::Run(args) => run_alone(args),
    }
}

/// What `sinew policy check --json` prints.
#[derive(Serialize)]
struct CheckReport<'a> {
    ok: bool,
    manifest: &'a PolicyManifest,
}

fn check(args: &CheckArgs) -> Result<Exit> {
    let robot = args.robot.clone().unwrap_or_else(|| share().join("urdf/mobi.robot.yaml"));
    let layout = layout_of(&RobotModel::load(&robot)?)?;
    let policy = Policy::load(&args.manifest, &layout).map_err(refused)?;
    if args.json {
        print_json(&CheckReport { ok: true, manifest: policy.manifest() })?;
        return Ok(Exit::Success);
    }
    println!("ok: {}", args.manifest.display());
    print!("{}", table(&meaning(policy.manifest())));
    Ok(Exit::Success)
}

/// What goes in and comes out, row by row.
fn meaning(manifest: &PolicyManifest) -> Vec<Vec<String>> {
    let mut rows = vec![["", "values", "what"].map(String::from).to_vec()];
    let mut row = |what: String, values: usize, text: String| {
        rows.push(vec![what, values.to_string(), text]);
    };
    for input in &manifest.inputs {
        let width = input.width().unwrap_or(0);
        match input {
            InputSpec::Observation { name, terms, history, .. } => {
                let frames = match history {
                    History::None => String::new(),
                    History::Frames { length, order, layout, .. } => {
                        format!("{length} frames, {order:?}, {layout:?}")
                    }
                };
                row(format!("in  {name}"), width, frames);
                for term in terms {
                    let name = term.name.as_deref().unwrap_or_default();
                    let text = format!("  {:?} {name}", term.source).trim_end().to_owned();
                    row(text, term.width(), term.unit.clone().unwrap_or_default());
                }
            }
            InputSpec::Image { name, camera, .. } => {
                row(format!("in  {name}"), width, format!("picture of camera {camera}"));
            }
            InputSpec::State { name, from, .. } => {
                row(format!("in  {name}"), width, format!("remembered from {from}"));
            }
            InputSpec::Counter { name, .. } => row(format!("in  {name}"), width, "counter".into()),
        }
    }
    let joints = manifest.action.joints().join(", ");
    row(format!("out {}", manifest.model.output), manifest.action_width(), joints);
    rows
}

/// What `sinew policy import --json` prints.
#[derive(Serialize)]
struct ImportReport<'a> {
    manifest: &'a Path,
    confirm: &'a [String],
}

fn import(args: &ImportArgs) -> Result<Exit> {
    let format = match args.format {
        Some(format) => format,
        None => Format::of(&args.path)?,
    };
    let imported = imported(args, format)?;
    let path = imported.write(&args.out).map_err(refused)?;
    if args.json {
        print_json(&ImportReport { manifest: &path, confirm: &imported.confirm })?;
        return Ok(Exit::Success);
    }
    println!("{}", path.display());
    println!("confirm, since the files do not say it:");
    for line in &imported.confirm {
        println!("- {line}");
    }
    Ok(Exit::Success)
}

fn imported(args: &ImportArgs, format: Format) -> Result<Imported> {
    let path = args.path.as_path();
    let folder = || {
        let whole = std::path::absolute(&args.out).unwrap_or_else(|_| args.out.clone());
        whole.file_name().map(|name| name.to_string_lossy().into_owned())
    };
    let id = args.id.clone().or_else(folder).unwrap_or_else(|| "policy".to_owned());
    let joints = || joints(args);
    let made = match format {
        Format::Deploy => import_deploy(path, &joints()?, &id),
        Format::Metadata => import_motion(path, args.rate, args.start_step, &id),
        Format::Kinfer => import_kinfer(path, args.rate, &id),
        Format::RlSar => import_rl_sar(path, &id),
        Format::Lerobot => {
            let options = LerobotOptions {
                joints: joints()?,
                rate_hz: args.rate,
                config: args.config.clone(),
            };
            import_lerobot(path, &options, &id)
        }
    };
    made.map_err(refused)
}

impl Format {
    fn of(path: &Path) -> Result<Self> {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let by_name = [
            (name == "deploy.yaml", Self::Deploy),
            (name.ends_with(".onnx"), Self::Metadata),
            (name.ends_with(".kinfer"), Self::Kinfer),
            (name == "config.yaml", Self::RlSar),
            (path.is_dir(), Self::Lerobot),
        ];
        let known = by_name.into_iter().find(|(is, _)| *is).map(|(_, format)| format);
        known.ok_or_else(|| {
            refused(anyhow!(
                "{}: the name does not say whose policy it is; allowed: deploy.yaml, config.yaml, *.onnx, \
                 *.kinfer, a folder of LeRobot, or --format",
                path.display()
            ))
        })
    }
}

/// The robot's joints, in the order in which the files count them.
fn joints(args: &ImportArgs) -> Result<Vec<String>> {
    if !args.joints.is_empty() {
        return Ok(args.joints.clone());
    }
    let body = match &args.body {
        Some(body) => body.clone(),
        None => body_beside(&args.path)?,
    };
    let body_joints = RobotModel::joints_of(&body).map_err(refused)?;
    eprintln!("joints of {}: {}", body.display(), body_joints.join(", "));
    Ok(body_joints)
}

/// The one URDF, MJCF or robot file beside a policy.
fn body_beside(path: &Path) -> Result<PathBuf> {
    let folder = if path.is_dir() { path } else { path.parent().unwrap_or(Path::new(".")) };
    let entries = std::fs::read_dir(folder)
        .with_context(|| format!("{}: cannot be read", folder.display()))?;
    let is_body = |path: &PathBuf| {
        let name = path.to_string_lossy();
        [".urdf", ".xml", ".robot.yaml"].iter().any(|end| name.ends_with(end))
    };
    let mut bodies: Vec<_> =
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(is_body).collect();
    bodies.sort();
    if bodies.len() != 1 {
        return Err(refused(anyhow!(
            "the files do not name the robot's joints, and {} robots lie beside them; allowed: --joints, or \
             --body FILE",
            bodies.len()
        )));
    }
    Ok(bodies.remove(0))
}

fn bench(args: &BenchArgs) -> Result<Exit> {
    let manifest = PolicyManifest::load(&args.manifest).map_err(refused)?;
    let providers: Vec<Provider> = match args.provider.as_slice() {
        [] => vec![manifest.model.provider],
        given => given.iter().map(|name| Provider::from(*name)).collect(),
    };
    let run_on = providers.iter().flat_map(|provider| {
        args.threads.iter().map(|threads| RunOn { provider: *provider, threads: *threads })
    });
    let run_on: Vec<_> = run_on.collect();
    if run_on.iter().any(|run_on| run_on.threads == 0) {
        bail!("--threads 0; allowed: 1 and more");
    }
    let plan = InferencePlan {
        folder: args.manifest.parent().unwrap_or(Path::new(".")).to_owned(),
        layout: layout_for(&manifest)?,
        manifest,
        ticks: args.ticks,
        rounds: args.rounds,
        run_on,
        peers: args.peers.clone(),
    };
    let report = inference::measure(&plan, &mut |line| eprintln!("{line}"))?;
    if args.json {
        print_json(&report)?;
    } else {
        print!("{report}");
    }
    Ok(Exit::Success)
}

fn replay(args: &ReplayArgs) -> Result<Exit> {
    let text = std::fs::read_to_string(&args.record)
        .with_context(|| format!("{}: cannot be read", args.record.display()))
        .map_err(refused)?;
    let rollout: Rollout = serde_json::from_str(&text)
        .with_context(|| format!("{}: no record of a policy", args.record.display()))
        .map_err(refused)?;
    let groups = vec![("body".to_owned(), GroupKind::Base, rollout.joints.clone())];
    let layout = Layout::new(rollout.joints.clone(), groups)?;
    let mut policy = Policy::load(&args.manifest, &layout).map_err(refused)?;
    let difference = match policy.check_rollout(&rollout, &layout) {
        Ok(()) => None,
        Err(difference @ PolicyError::Golden { .. }) => Some(difference.to_string()),
        Err(other) => return Err(other.into()),
    };
    let report =
        ReplayReport { identical: difference.is_none(), ticks: rollout.ticks.len(), difference };
    if args.json {
        print_json(&report)?;
    } else {
        match &report.difference {
            None => println!("{} ticks, identical", report.ticks),
            Some(difference) => println!("{difference}"),
        }
    }
    Ok(if report.identical { Exit::Success } else { Exit::Failure })
}

fn run_alone(args: &RunArgs) -> Result<Exit> {
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
    };
    let report = policy_run::run(&plan)?;
    if args.json {
        print_json(&report)?;
    } else {
        print!("{report}");
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

/// A robot that has just the joints that a policy names: times do not depend on the rest.
fn layout_for(manifest: &PolicyManifest) -> Result<Layout> {
    let mut joints: Vec<String> = manifest.action.joints().to_vec();
    for input in &manifest.inputs {
        let InputSpec::Observation { terms, .. } = input else { continue };
        for joint in terms.iter().flat_map(|term| &term.joints) {
            if !joints.contains(joint) {
                joints.push(joint.clone());
            }
        }
    }
    let mut groups = vec![("body".to_owned(), GroupKind::Joints, joints.clone())];
    if manifest.action.joints().is_empty() {
        let wheel = "wheel".to_owned();
        joints.push(wheel.clone());
        groups.push(("base".to_owned(), GroupKind::Base, vec![wheel]));
    }
    groups.retain(|(_, _, joints)| !joints.is_empty());
    Ok(Layout::new(joints, groups)?)
}
