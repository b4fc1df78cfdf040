use anyhow::Result;
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use sinew_nodes::Pace;

use crate::carrier::CarrierArgs;
use crate::exit::Exit;
use crate::interrupt;
use crate::launch_choice::SystemArgs;
use crate::output::print_json;
use crate::task::composed::{ComposedSystem, PlannedBy};
use crate::task::remote::RemoteSystem;
use crate::task::{goal, report};

#[derive(Args)]
pub(crate) struct PlanArgs {
    /// What to do, in words: docs/instructions.md.
    instruction: String,
    #[command(flatten)]
    system: SystemArgs,
    /// Ask a system that is up, instead of composing one.
    #[arg(long, conflicts_with_all = ["launch", "world", "seed", "set"])]
    connect: bool,
    #[command(flatten)]
    carrier: CarrierArgs,
    /// The robot's namespace in the running system.
    #[arg(long, default_value = "/mobi")]
    namespace: String,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

/// What `sinew plan --json` prints.
#[derive(Serialize)]
struct PlanReport<'a> {
    instruction: &'a str,
    accepted: bool,
    plan: Option<&'a Value>,
    error_code: u16,
    error_msg: &'a str,
    planning_s: f64,
}

pub(crate) fn run(args: &PlanArgs) -> Result<Exit> {
    interrupt::install()?;
    let planner = args.system.planner.clone().unwrap_or_default();
    let goal = goal(&args.instruction, &planner, true);
    let end = if args.connect {
        RemoteSystem::join(&args.carrier, &args.namespace)?.task(goal, None, &mut |_| {})?
    } else {
        let description = args.system.choice().expand()?;
        let mut system =
            ComposedSystem::new(&description, Pace::Fastest, PlannedBy::Planner, None)?;
        system.settle()?;
        let end = system.task(goal, &mut |_| {}, &mut |_| {})?;
        system.shutdown();
        end
    };
    let result = end.result.map_err(anyhow::Error::msg)?;
    let plan: Option<Value> = serde_json::from_str(&result.plan_json).ok();
    let exit = report::exit(&result);
    if args.json {
        print_json(&PlanReport {
            instruction: &args.instruction,
            accepted: exit == Exit::Success,
            plan: plan.as_ref(),
            error_code: result.error_code,
            error_msg: &result.error_msg,
            planning_s: end.planning.as_secs_f64(),
        })?;
    } else if let Some(plan) = plan.filter(|_| exit == Exit::Success) {
        outln!("{}", report::plan_text(&plan));
    } else {
        let code = report::error_name(result.error_code);
        outln!("error: {code}: {}", result.error_msg);
    }
    Ok(exit)
}
