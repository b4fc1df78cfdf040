//! The JSON Schema of an answer, out of skills and world: what it does not allow cannot be said by a
//! server that honours it. Kept to what strict structured output allows: each property required, no
//! `default`, no `oneOf`.

use serde_json::{Map, Value, json};
use sinew_model::{
    Predicate, ProposedPlan, Relation, SkillManifest, SkillRegistry, Template, Term, WorldState,
};

/// Bounded, so that an answer ends; strict structured output knows no `maxLength`.
const SENTENCE: &str = r#"^[^"\\\x00-\x1F]{0,200}$"#;
const MAX_GOALS: usize = 16;

pub(crate) fn answer_schema(registry: &SkillRegistry, world: &WorldState) -> Value {
    let steps: Vec<Value> = registry.iter().filter_map(|skill| step(skill, world)).collect();
    json!({
        "type": "object",
        "properties": {
            "refusal": {
                "type": "string",
                "pattern": SENTENCE,
                "description": "why it cannot be done; empty if there is a plan",
            },
            "goal": {
                "type": "array",
                "description": "what holds at the end",
                "items": { "type": "string", "pattern": goal_pattern(registry, world) },
                "maxItems": MAX_GOALS,
            },
            "steps": {
                "type": "array",
                "items": { "anyOf": steps },
                "maxItems": ProposedPlan::MAX_STEPS,
            },
            "rationale": { "type": "string", "pattern": SENTENCE, "description": "one sentence" },
        },
        "required": ["refusal", "goal", "steps", "rationale"],
        "additionalProperties": false,
    })
}

/// A call of this skill; none where the world holds nothing to call it on.
fn step(skill: &SkillManifest, world: &WorldState) -> Option<Value> {
    let references = skill.references();
    let mut properties = Map::new();
    for (name, property) in skill.properties() {
        let mut property = property.as_object().cloned().unwrap_or_default();
        property.shift_remove("default");
        property.shift_remove("format");
        if let Some(reference) = references.iter().find(|reference| reference.argument == name) {
            let candidates = reference.kind.candidates(world);
            if candidates.is_empty() {
                return None;
            }
            property.insert("enum".into(), candidates.into());
        }
        properties.insert(name.into(), property.into());
    }
    let names: Vec<&String> = properties.keys().collect();
    let args = json!({
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": false,
    });
    Some(json!({
        "type": "object",
        "properties": { "skill": { "type": "string", "enum": [skill.id] }, "args": args },
        "required": ["skill", "args"],
        "additionalProperties": false,
    }))
}

fn goal_pattern(registry: &SkillRegistry, world: &WorldState) -> String {
    let names = |keep: &dyn Fn(Relation) -> bool| {
        Relation::ALL
            .into_iter()
            .filter(|r| keep(*r))
            .map(Relation::name)
            .collect::<Vec<_>>()
            .join("|")
    };
    let ids = world.objects.keys().map(|id| escape(id)).collect::<Vec<_>>().join("|");
    let mut forms = vec![format!("({})", names(&|r| r.arity() == 0))];
    if !ids.is_empty() {
        let one = names(&|r| r.arity() == 1 && r.takes_objects());
        let two = names(&|r| r.arity() == 2);
        forms.push(format!(r"({one})\(({ids})\)"));
        forms.push(format!(r"({two})\(({ids}), ({ids})\)"));
    }
    let configurations = configurations(registry);
    if !configurations.is_empty() {
        forms.push(format!(r"arm_at\(({})\)", configurations.join("|")));
    }
    format!("^(not )?({})$", forms.join("|"))
}

/// The names that the skills can bring the arm to.
fn configurations(registry: &SkillRegistry) -> Vec<String> {
    let mut names: Vec<String> = registry
        .iter()
        .flat_map(|skill| &skill.effects.add)
        .filter_map(|template| match template {
            Template::Fixed(Predicate::ArmAt { configuration: Term::Id(name) }) => {
                Some(escape(name))
            }
            _ => None,
        })
        .collect();
    names.sort();
    names.dedup();
    names
}

fn escape(id: &str) -> String {
    let is_plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-');
    id.chars().flat_map(|c| (!is_plain(c)).then_some('\\').into_iter().chain([c])).collect()
}
