use serde_json::Value;
use sinew_model::{GroundSkill, ModelError, SkillManifest};

use crate::body::Body;
use crate::context::Skill;
use crate::delegate::Backend;
use crate::goal::Rejection;
use crate::io::Inputs;
use crate::learned;
use crate::skills::{drive_to, home, look_at, move_to, navigate_to, pick, place, reach, wait};

/// Manifests of the built-in skills, compiled in, so that every node knows the same.
const MANIFESTS: [(&str, &str); 7] = [
    ("drive_to.skill.yaml", include_str!("../manifests/drive_to.skill.yaml")),
    ("home.skill.yaml", include_str!("../manifests/home.skill.yaml")),
    ("look_at.skill.yaml", include_str!("../manifests/look_at.skill.yaml")),
    ("pick.skill.yaml", include_str!("../manifests/pick.skill.yaml")),
    ("place.skill.yaml", include_str!("../manifests/place.skill.yaml")),
    ("reach.skill.yaml", include_str!("../manifests/reach.skill.yaml")),
    ("wait.skill.yaml", include_str!("../manifests/wait.skill.yaml")),
];

/// The manifests of the built-in skills, by id.
///
/// # Errors
/// [`ModelError::Yaml`] if one that was compiled in is wrong.
pub fn builtin_manifests() -> Result<Vec<SkillManifest>, ModelError> {
    MANIFESTS.iter().map(|(file, text)| SkillManifest::from_yaml(text, file)).collect()
}

/// Checks a call against the measured world, and makes what carries it out.
pub(crate) type Make = fn(&Value, &mut Body, &Inputs<'_>) -> Result<Box<dyn Skill>, Rejection>;

/// Makes calls of a skill.
#[derive(Clone)]
pub(crate) enum Maker {
    Builtin(Make),
    /// Of the skill of this id.
    Learned(String),
}

impl Maker {
    pub(crate) fn make(
        &self,
        ground: &GroundSkill,
        body: &mut Body,
        inputs: &Inputs<'_>,
    ) -> Result<Box<dyn Skill>, Rejection> {
        match self {
            Self::Builtin(make) => make(&ground.args, body, inputs),
            Self::Learned(skill) => learned::make(skill, ground, body),
        }
    }
}

/// By the name in a manifest's `kind`.
pub(crate) const BUILTINS: [(&str, Make); 7] = [
    ("drive_to", drive_to::make),
    ("home", home::make),
    ("look_at", look_at::make),
    ("pick", pick::make),
    ("place", place::make),
    ("reach", reach::make),
    ("wait", wait::make),
];

/// What carries skills out through another system, by the name in a manifest's `kind`.
pub(crate) const DELEGATED: [(&str, Backend, Make); 3] = [
    ("drive_to", Backend::Nav2, navigate_to::make),
    ("home", Backend::MoveIt, move_to::home),
    ("reach", Backend::MoveIt, move_to::reach),
];

/// The value of a string argument, which the schema requires.
pub(crate) fn text<'a>(args: &'a Value, name: &str) -> &'a str {
    args.get(name).and_then(Value::as_str).unwrap_or_default()
}

/// The value of a number, which the schema requires or has a default for.
pub(crate) fn number(args: &Value, name: &str) -> f64 {
    args.get(name).and_then(Value::as_f64).unwrap_or_default()
}
