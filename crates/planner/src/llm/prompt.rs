//! What the model is told.

use serde_json::{Value, json};
use sinew_model::{SkillManifest, Template};

use super::client::Message;
use crate::planner::PlanRequest;

const SYSTEM: &str = "\
You plan for a mobile robot with one arm. Answer with one JSON object: goal, steps, rationale, refusal.
- goal: predicates that must hold at the end and that say what the instruction asks for.
- steps: calls of the skills below, in order. Each pre-condition must hold when its step starts, given \
the facts now and the effects of the steps before.
- Use only the ids of objects in the world below. If the instruction cannot be done, or fits several \
objects, leave goal and steps empty and say why in refusal, naming what there is; else refusal is empty.
- A plan is checked before anything moves. Units are SI.";

pub(crate) fn messages(request: &PlanRequest) -> Vec<Message> {
    let skills: Vec<Value> = request.registry.iter().map(skill).collect();
    let mut told = json!({
        "skills": skills,
        "world": request.world.summary(),
        "instruction": request.instruction.trim(),
    });
    if !request.history.is_empty() {
        let done: Vec<Value> = request
            .history
            .iter()
            .map(|record| {
                json!({
                    "step": record.step,
                    "ended": record.outcome.termination,
                    "error": record.outcome.error,
                    "message": record.outcome.message,
                })
            })
            .collect();
        told["done_so_far"] = done.into();
    }
    vec![
        Message { role: "system", content: SYSTEM.into() },
        Message { role: "user", content: told.to_string() },
    ]
}

fn skill(skill: &SkillManifest) -> Value {
    let text = |templates: &[Template]| -> Vec<String> {
        templates.iter().map(Template::to_string).collect()
    };
    json!({
        "id": skill.id,
        "description": skill.description,
        "args": skill.args.get("properties"),
        "preconditions": text(&skill.preconditions),
        "effects": { "add": text(&skill.effects.add), "remove": text(&skill.effects.remove) },
    })
}

/// The one repair round: what was said, and what is wrong with it.
pub(crate) fn repair(answer: &str, fault: &Value) -> [Message; 2] {
    /// Enough for any plan that is worth repairing.
    const CHARS: usize = 8000;
    let said = answer.chars().take(CHARS).collect();
    let ask = json!({ "rejected": fault, "task": "answer again with a corrected plan" });
    [
        Message { role: "assistant", content: said },
        Message { role: "user", content: ask.to_string() },
    ]
}
