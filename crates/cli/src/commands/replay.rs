use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::Args;
use serde::Serialize;
use sinew_log::{Log, Logged, RunFolder, RunSummary, first_difference};
use sinew_msgs::sinew_msgs::ExecuteTaskGoal;
use sinew_msgs::sinew_msgs::RobotTick;
use sinew_nodes::Pace;

use crate::build_info;
use crate::exit::{Exit, Refused, refused};
use crate::interrupt;
use crate::launch_choice::LaunchChoice;
use crate::output::print_json;
use crate::planner_tap::Conversation;
use crate::task::composed::{ComposedSystem, PlannedBy};

#[derive(Args)]
pub(crate) struct ReplayArgs {
    /// The folder of a run that `sinew run` composed.
    run: PathBuf,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

/// What `sinew replay --json` prints.
#[derive(Serialize)]
struct ReplayReport {
    identical: bool,
    ticks: usize,
    first_difference: Option<String>,
}

pub(crate) fn run(args: &ReplayArgs) -> Result<Exit> {
    interrupt::install()?;
    let folder = RunFolder::existing(&args.run);
    let summary = folder.read_summary().map_err(refused)?;
    let Some((file, arguments)) = summary.launch.clone() else {
        let reason = "the run was made by a system that was up, not by one that can be repeated";
        return Err(Refused(format!("{}: {reason}", args.run.display())).into());
    };
    refuse_changes(&summary)?;

    let log = Log::open(&folder.log())?;
    let description = LaunchChoice { file, arguments }.expand()?;
    let namespace = description.nodes.first().map_or("/", |node| node.namespace.as_str());
    let topic = |name: &str| format!("{}/{name}", namespace.trim_end_matches('/'));
    let expected: Vec<Logged<RobotTick>> = log.messages(&topic("robot_tick"))?;
    let goals: Vec<Logged<ExecuteTaskGoal>> = log.messages(&topic("execute_task/goal"))?;
    let Some(goal) = goals.into_iter().next() else {
        bail!("{}: the log holds no task", args.run.display());
    };
    let said = Conversation::of(&log, namespace)?;
    let planned_by = if said.is_outside() { PlannedBy::Recorded(said) } else { PlannedBy::Planner };

    let mut actual = Vec::new();
    let mut system = ComposedSystem::new(&description, Pace::Fastest, planned_by, None)?;
    system.settle_watching(&mut |tick| actual.push(tick))?;
    system.task(goal.message, &mut |_| {}, &mut |tick| actual.push(tick))?;
    system.shutdown();

    let difference = first_difference(expected.iter().map(|t| &t.message), actual.iter());
    let report = ReplayReport {
        identical: difference.is_none(),
        ticks: actual.len(),
        first_difference: difference.map(|difference| difference.to_string()),
    };
    match (&report.first_difference, args.json) {
        (_, true) => print_json(&report)?,
        (None, false) => outln!("identical: {} ticks, bit for bit", report.ticks),
        (Some(difference), false) => outln!("different: {difference}"),
    }
    Ok(if report.identical { Exit::Success } else { Exit::Failure })
}

/// A replay with another program or other files would compare something else.
fn refuse_changes(summary: &RunSummary) -> Result<()> {
    let mut changed = summary.files.changed();
    let build = build_info::build()?;
    if build.executable_sha256 != summary.build.executable_sha256 {
        let commit = |commit: &Option<String>| commit.clone().unwrap_or("unknown".into());
        changed.push(format!(
            "the program is another build: version {} commit {}, the run's was version {} commit {}",
            build.version,
            commit(&build.commit),
            summary.build.version,
            commit(&summary.build.commit),
        ));
    }
    if changed.is_empty() {
        return Ok(());
    }
    Err(Refused(format!("the run cannot be repeated: {}", changed.join("; "))).into())
}
