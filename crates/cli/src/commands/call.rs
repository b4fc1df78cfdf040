use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, bail};
use clap::Args;
use serde::Serialize;
use serde_json::Value;
use sinew_bus::{Bus, BusNode, GoalCall, GoalEvent, Subscription, names};
use sinew_msgs::sinew_msgs::action::ExecuteSkill;
use sinew_msgs::sinew_msgs::{ExecuteSkillFeedback, ExecuteSkillGoal, SkillResult};
use sinew_nodes::convert::skill_outcome_from_msg;
use sinew_types::{ErrorCode, Outcome, Termination};

use crate::carrier::CarrierArgs;
use crate::exit::{Exit, Refused, refused};
use crate::interrupt;
use crate::output::print_json;
use crate::task::report::error_name;

#[derive(Args)]
pub(crate) struct CallArgs {
    /// The skill's id: `sinew skills`.
    skill: String,
    /// Its arguments as one JSON object, for example '{"target": "red_cube"}'.
    #[arg(default_value = "{}")]
    arguments: String,
    /// Check everything, move nothing.
    #[arg(long)]
    dry_run: bool,
    /// End the goals that have its groups, instead of being refused.
    #[arg(long)]
    preempt: bool,
    #[command(flatten)]
    carrier: CarrierArgs,
    /// The robot's namespace in the running system.
    #[arg(long, default_value = "/mobi")]
    namespace: String,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

/// What `sinew call --json` prints.
#[derive(Serialize)]
struct CallReport {
    skill: String,
    success: bool,
    error_code: u16,
    error_msg: String,
    termination_reason: Termination,
    postcondition_met: bool,
    evidence: BTreeMap<String, String>,
    elapsed_s: f64,
    interventions: u32,
}

/// How long a skill server is looked for, and how long the end of a cancelled goal is waited for.
const WITHIN: Duration = Duration::from_secs(20);
/// How long the reason of a rejection may lag behind it.
const REASON_WITHIN: Duration = Duration::from_secs(2);

pub(crate) fn run(args: &CallArgs) -> Result<Exit> {
    interrupt::install()?;
    let arguments: Value = serde_json::from_str(&args.arguments)
        .map_err(|error| refused(anyhow!("arguments `{}`: {error}", args.arguments)))?;
    if !arguments.is_object() {
        return Err(refused(anyhow!("arguments `{arguments}`; allowed: one JSON object")));
    }
    let bus = args.carrier.client()?;
    let node = bus.node(&format!("cli_{}", std::process::id()), &args.namespace)?;
    let mut outcome = call(args, &bus, &node, &arguments)?;
    if outcome.is_success() && !outcome.postcondition_met && !args.dry_run {
        let message = "success was reported, and not that the post-condition is measured";
        outcome.termination = Termination::Aborted;
        (outcome.error, outcome.message) = (ErrorCode::PostconditionFailed, message.into());
    }
    let report = CallReport {
        skill: args.skill.clone(),
        success: outcome.is_success(),
        error_code: outcome.error.as_u16(),
        error_msg: outcome.message,
        termination_reason: outcome.termination,
        postcondition_met: outcome.postcondition_met,
        evidence: outcome.evidence.into_iter().map(|fact| (fact.key, fact.value)).collect(),
        elapsed_s: outcome.elapsed.as_secs_f64(),
        interventions: outcome.interventions,
    };
    let exit = if report.success { Exit::Success } else { Exit::Failure };
    if args.json {
        print_json(&report)?;
        return Ok(exit);
    }
    for (key, value) in &report.evidence {
        outln!("{key} = {value}");
    }
    match exit {
        Exit::Success if args.dry_run => outln!("{} could be called", report.skill),
        Exit::Success => outln!("{} succeeded in {:.1} s", report.skill, report.elapsed_s),
        _ => {
            let error = error_name(report.error_code);
            outln!("{} failed: {error}: {}", report.skill, report.error_msg);
        }
    }
    Ok(exit)
}

/// Sends the goal and follows it to its end. Ctrl-C cancels it.
fn call(args: &CallArgs, bus: &Bus, node: &BusNode, arguments: &Value) -> Result<Outcome> {
    let client = node.action_client(&names::EXECUTE_SKILL)?;
    let reasons = node.subscription(&names::SKILL_RESULTS)?;
    let mut waiter = bus.waiter();
    let since = Instant::now();
    while !client.server_available() {
        if since.elapsed() > WITHIN {
            bail!("no skills node in namespace {} within {WITHIN:?}", args.namespace);
        }
        if interrupt::is_set() {
            bail!("interrupted");
        }
        waiter.wait(Duration::from_millis(50));
    }
    let mut goal = client.send_goal(ExecuteSkillGoal {
        skill_id: args.skill.clone(),
        args_json: arguments.to_string(),
        speed_scale: 1.0,
        on_busy: match args.preempt {
            true => ExecuteSkillGoal::ON_BUSY_PREEMPT,
            false => ExecuteSkillGoal::ON_BUSY_REJECT,
        },
        dry_run: args.dry_run,
        ..ExecuteSkillGoal::default()
    });
    let mut phase = String::new();
    let mut canceled: Option<Instant> = None;
    loop {
        while let Some(event) = goal.poll() {
            match event {
                GoalEvent::Accepted | GoalEvent::CancelAnswered { .. } => {}
                GoalEvent::Feedback(feedback) => tell(&feedback, &mut phase),
                GoalEvent::Result { status, result } => {
                    return Ok(skill_outcome_from_msg(status, &result));
                }
                GoalEvent::Rejected => return Err(rejection(&goal, &reasons, bus).into()),
                GoalEvent::Lost { error } => {
                    return Err(error).context("the skills node is gone");
                }
            }
        }
        if interrupt::is_set() && canceled.is_none() {
            canceled = Some(Instant::now());
            goal.cancel();
        }
        if canceled.is_some_and(|at| at.elapsed() > WITHIN) {
            bail!("the goal was cancelled, and its end was not heard");
        }
        waiter.wait(Duration::from_millis(50));
    }
}

/// A line per phase.
fn tell(feedback: &ExecuteSkillFeedback, phase: &mut String) {
    if feedback.phase != *phase {
        phase.clone_from(&feedback.phase);
        eprintln!("{phase} ({})", feedback.control_source);
    }
}

/// Why a goal was rejected, which comes on a topic of its own.
fn rejection(
    goal: &GoalCall<ExecuteSkill>,
    reasons: &Subscription<SkillResult>,
    bus: &Bus,
) -> Refused {
    let since = Instant::now();
    let mut waiter = bus.waiter();
    while since.elapsed() < REASON_WITHIN {
        while let Some(received) = reasons.take() {
            let told = received.message;
            if told.goal_id == goal.id().0 {
                return Refused(format!("{}: {}", error_name(told.error_code), told.error_msg));
            }
        }
        waiter.wait(Duration::from_millis(20));
    }
    Refused("the skills node rejected the goal, and did not say why".into())
}
