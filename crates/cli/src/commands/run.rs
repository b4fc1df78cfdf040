use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use sinew_log::{
    Files, Intervention, Log, LogWriter, Logged, Picture, RunFolder, RunSummary, interventions,
};
use sinew_msgs::sinew_msgs::{ExecuteTaskGoal, ExecuteTaskResult, Provenance, RobotTick};
use sinew_nodes::Pace;
use sinew_types::Time;

use crate::build_info;
use crate::carrier::CarrierArgs;
use crate::exit::Exit;
use crate::interrupt;
use crate::launch_choice::{SystemArgs, files};
use crate::memory;
use crate::output::print_json;
use crate::recorder::SharedLog;
use crate::task::composed::{ComposedSystem, PlannedBy};
use crate::task::progress::ProgressView;
use crate::task::remote::RemoteSystem;
use crate::task::{TaskEnd, goal, report};

#[derive(Args)]
pub(crate) struct RunArgs {
    /// What to do, in words: docs/instructions.md.
    instruction: String,
    #[command(flatten)]
    system: SystemArgs,
    /// Send the task to a system that is up, instead of composing one: `sinew up --processes`.
    #[arg(long, conflicts_with_all = ["launch", "world", "seed", "set", "pace"])]
    connect: bool,
    #[command(flatten)]
    carrier: CarrierArgs,
    /// The robot's namespace in the running system.
    #[arg(long, default_value = "/mobi")]
    namespace: String,
    /// At most this many seconds of the robot's time per second; as fast as it can by default.
    #[arg(long, value_name = "FACTOR", value_parser = positive)]
    pace: Option<f64>,
    /// Where run folders are made.
    #[arg(long, value_name = "FOLDER", default_value = "runs")]
    runs: PathBuf,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

pub(crate) fn positive(text: &str) -> Result<f64, String> {
    match text.parse::<f64>() {
        Ok(value) if value.is_finite() && value > 0.0 => Ok(value),
        _ => Err("wants a number above 0".into()),
    }
}

/// What a run leaves, whichever way it was made.
struct Made {
    end: TaskEnd,
    pictures: BTreeMap<String, Picture>,
    launch: Option<(PathBuf, BTreeMap<String, String>)>,
    files: Files,
    interventions: Vec<Intervention>,
}

pub(crate) fn run(args: &RunArgs) -> Result<Exit> {
    interrupt::install()?;
    let folder = RunFolder::create(&args.runs, &args.instruction)?;
    let mut view = ProgressView::new(args.json);
    let planner = args.system.planner.clone().unwrap_or_default();
    let goal = goal(&args.instruction, &planner, false);
    let made = if args.connect {
        remote(args, goal, &folder, &mut view)
    } else {
        composed(args, goal, &folder, &mut view)
    };
    view.finish();
    let made = made?;
    let lost = |reason: &String| ExecuteTaskResult {
        error_code: sinew_types::ErrorCode::PeerLost.as_u16(),
        error_msg: reason.clone(),
        ..Default::default()
    };
    let result = made.end.result.clone().unwrap_or_else(|reason| lost(&reason));
    let result = report::measured(result);
    let exit = report::exit(&result);
    let summary = RunSummary {
        success: exit == Exit::Success,
        instruction: args.instruction.clone(),
        planner,
        error_code: result.error_code,
        error_msg: result.error_msg.clone(),
        plan: serde_json::from_str(&result.plan_json).ok(),
        steps: report::steps(&result),
        goal_met: result.goal_met,
        evidence: sinew_nodes::convert::evidence_from_msg(&result.evidence),
        interventions: made.interventions,
        timings: report::timings(&made.end),
        peak_memory_mib: memory::own_peak_mib(),
        pictures: made.pictures,
        folder: folder.path().into(),
        launch: made.launch,
        build: build_info::build()?,
        files: made.files,
    };
    folder.write_summary(&summary)?;
    if args.json {
        print_json(&summary)?;
    } else {
        outln!("\n{}", report::page(&summary));
    }
    Ok(exit)
}

fn composed(
    args: &RunArgs,
    goal: ExecuteTaskGoal,
    folder: &RunFolder,
    view: &mut ProgressView,
) -> Result<Made> {
    let choice = args.system.choice();
    let description = choice.expand()?;
    let files = files(&description)?;
    let log = SharedLog::new(LogWriter::create(&folder.log())?);
    let pace = args.pace.map_or(Pace::Fastest, Pace::Factor);
    let mut system = ComposedSystem::new(&description, pace, PlannedBy::Planner, Some(&log))?;
    system.settle()?;
    let namespace = system.composed().namespace.clone();
    let mut pictures = BTreeMap::new();
    pictures.insert("before".into(), system.picture(&folder.picture("before")));
    log.write(&task_topic(&namespace, "goal"), system.composed().executor.now(), &goal)?;
    let end = system.task(goal, &mut |event| view.tell(event), &mut |_| {})?;
    if let Ok(result) = &end.result {
        log.write(&task_topic(&namespace, "result"), system.composed().executor.now(), result)?;
    }
    pictures.insert("after".into(), system.picture(&folder.picture("after")));
    system.shutdown();
    log.finish()?;
    let interventions = interventions_in(folder, &namespace)?;
    let launch = Some((choice.file, choice.arguments));
    Ok(Made { end, pictures, launch, files, interventions })
}

fn remote(
    args: &RunArgs,
    goal: ExecuteTaskGoal,
    folder: &RunFolder,
    view: &mut ProgressView,
) -> Result<Made> {
    /// A camera of the shipped worlds.
    const CAMERA: &str = "overview";
    let system = RemoteSystem::join(&args.carrier, &args.namespace)?;
    system.wait_ready(std::time::Duration::from_secs(10))?;
    let log = SharedLog::new(LogWriter::create(&folder.log())?);
    let mut pictures = BTreeMap::new();
    pictures.insert("before".into(), system.picture(CAMERA, &folder.picture("before")));
    log.write(&task_topic(&args.namespace, "goal"), Time::ZERO, &goal)?;
    let end = system.task(goal, Some(&log), &mut |event| view.tell(event))?;
    if let Ok(result) = &end.result {
        log.write(&task_topic(&args.namespace, "result"), Time::ZERO + end.elapsed, result)?;
    }
    pictures.insert("after".into(), system.picture(CAMERA, &folder.picture("after")));
    log.finish()?;
    let interventions = interventions_in(folder, &args.namespace)?;
    Ok(Made { end, pictures, launch: None, files: Files::default(), interventions })
}

/// When a person commanded, by the run's own log.
fn interventions_in(folder: &RunFolder, namespace: &str) -> Result<Vec<Intervention>> {
    let topic = |name: &str| format!("{}/{name}", namespace.trim_end_matches('/'));
    let log = Log::open(&folder.log())?;
    let ticks: Vec<Logged<RobotTick>> = log.messages(&topic("robot_tick"))?;
    let first_tick = ticks.first().map_or(0, |tick| tick.message.tick);
    let said: Vec<Logged<Provenance>> = log.messages(&topic("provenance"))?;
    Ok(interventions(said.iter().map(|said| &said.message), first_tick))
}

fn task_topic(namespace: &str, part: &str) -> String {
    format!("{}/execute_task/{part}", namespace.trim_end_matches('/'))
}
