//! A task's result, for people and for machines.

use std::fmt::Write as _;

use serde_json::Value;
use sinew_log::{Picture, RunSummary, StepSummary, Timings};
use sinew_msgs::sinew_msgs::ExecuteTaskResult;
use sinew_msgs::sinew_msgs::StepOutcome;
use sinew_nodes::convert::{duration_from_msg, evidence_from_msg};
use sinew_types::{ErrorCode, Evidence};

use super::TaskEnd;
use crate::exit::Exit;

/// A task's result, in which a success that was reported and not measured is none.
pub(crate) fn measured(result: ExecuteTaskResult) -> ExecuteTaskResult {
    if result.error_code != 0 || result.goal_met {
        return result;
    }
    ExecuteTaskResult {
        error_code: ErrorCode::PostconditionFailed.as_u16(),
        error_msg: "success was reported, and not that the goal is measured".into(),
        ..result
    }
}

/// How the program ends after a task.
pub(crate) fn exit(result: &ExecuteTaskResult) -> Exit {
    let error = ErrorCode::from_u16(result.error_code);
    let nothing_ran = result.steps.iter().all(|step| step.attempts == 0);
    match error {
        Some(ErrorCode::None) => Exit::Success,
        Some(error) if error.is_refusal() && nothing_ran => Exit::Refusal,
        _ => Exit::Failure,
    }
}

/// What an error code is called.
pub(crate) fn error_name(code: u16) -> String {
    ErrorCode::from_u16(code).map_or_else(|| code.to_string(), |code| code.to_string())
}

pub(crate) fn steps(result: &ExecuteTaskResult) -> Vec<StepSummary> {
    result.steps.iter().map(step).collect()
}

fn step(step: &StepOutcome) -> StepSummary {
    StepSummary {
        skill: step.skill_id.clone(),
        args: serde_json::from_str(&step.args_json).unwrap_or(Value::Null),
        success: step.error_code == 0 && step.postcondition_met,
        error_code: step.error_code,
        error_msg: step.error_msg.clone(),
        elapsed_s: duration_from_msg(&step.elapsed).as_secs_f64(),
        attempts: step.attempts,
        evidence: evidence_from_msg(&step.evidence),
    }
}

pub(crate) fn timings(end: &TaskEnd) -> Timings {
    let (task_s, wall_s) = (end.elapsed.as_secs_f64(), end.wall.as_secs_f64());
    Timings {
        planning_s: end.planning.as_secs_f64(),
        task_s,
        wall_s,
        real_time_factor: if wall_s > 0.0 { task_s / wall_s } else { 0.0 },
    }
}

/// A plan as the connector prints it.
pub(crate) fn plan_text(plan: &Value) -> String {
    let mut text = String::new();
    for (index, step) in plan["steps"].as_array().into_iter().flatten().enumerate() {
        let args = step["args"].as_object().into_iter().flatten().map(|(name, value)| {
            let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
            format!("{name}: {value}")
        });
        let args = args.collect::<Vec<_>>().join(", ");
        let skill = step["skill"].as_str().unwrap_or("?");
        let _ = writeln!(text, "{:>2}. {skill}({args})", index + 1);
    }
    if text.is_empty() {
        text.push_str(" nothing to do\n");
    }
    let goal = plan["goal"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let _ = write!(text, "goal: {}", goal.collect::<Vec<_>>().join(" and "));
    text
}

fn evidence_lines(evidence: &[Evidence]) -> String {
    evidence.iter().fold(String::new(), |mut text, fact| {
        let _ = writeln!(text, "  {} = {}", fact.key, fact.value);
        text
    })
}

/// The whole run on a page.
pub(crate) fn page(summary: &RunSummary) -> String {
    let mut text = String::new();
    if let Some(plan) = &summary.plan {
        let _ = writeln!(text, "plan\n{}\n", plan_text(plan));
    }
    if !summary.steps.is_empty() {
        let _ = writeln!(text, "steps");
    }
    for (index, step) in summary.steps.iter().enumerate() {
        let verdict = if step.success {
            "done".to_owned()
        } else {
            format!("failed: {}: {}", error_name(step.error_code), step.error_msg)
        };
        let again =
            if step.attempts > 1 { format!(", {} attempts", step.attempts) } else { String::new() };
        let (number, args) = (index + 1, step.args.to_string());
        let _ = writeln!(
            text,
            "{number:>2}. {} {args}: {verdict} ({:.1} s{again})",
            step.skill, step.elapsed_s
        );
    }
    if !summary.evidence.is_empty() {
        let _ = write!(text, "\nmeasured\n{}", evidence_lines(&summary.evidence));
    }
    for (name, picture) in &summary.pictures {
        let _ = match picture {
            Picture::File(file) => writeln!(text, "{name}: {}", file.display()),
            Picture::Missing(reason) => writeln!(text, "{name}: no picture: {reason}"),
        };
    }
    let _ = writeln!(text, "run folder: {}", summary.folder.display());
    let Timings { planning_s, task_s, wall_s, real_time_factor } = summary.timings;
    let _ = writeln!(
        text,
        "{:.1} s of the robot's time in {wall_s:.1} s ({real_time_factor:.1} x real time), \
         planning {planning_s:.3} s, peak memory {:.0} MiB",
        task_s, summary.peak_memory_mib
    );
    if summary.success {
        let _ = write!(text, "success: the goal is measured");
    } else {
        let code = error_name(summary.error_code);
        let _ = write!(text, "error: {code}: {}", summary.error_msg);
    }
    text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_refusal_is_one_only_while_nothing_has_run() {
        let mut result = ExecuteTaskResult {
            error_code: ErrorCode::UnknownObject.as_u16(),
            ..Default::default()
        };
        assert_eq!(exit(&result), Exit::Refusal);
        result.steps.push(StepOutcome { attempts: 1, ..Default::default() });
        assert_eq!(exit(&result), Exit::Failure);
        result.error_code = 0;
        assert_eq!(exit(&result), Exit::Success);
    }

    #[test]
    fn a_plan_is_printed_as_calls() {
        let plan = json!({
            "steps": [{"skill": "pick", "args": {"object": "red_cube"}}],
            "goal": ["holding(red_cube)"],
        });
        assert_eq!(plan_text(&plan), " 1. pick(object: red_cube)\ngoal: holding(red_cube)");
    }
}
