use std::path::Path;
use std::time::Duration;

use schemars::JsonSchema;
use semver::Version;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{ModelError, PolicySkill, Template};

/// How a skill is carried out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum SkillKind {
    /// The implementation of this name in the skill server.
    Builtin(String),
    /// Learned policies.
    Policy(PolicySkill),
}

/// What a skill does with its groups when it is cancelled, pre-empted or out of time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum StopPolicy {
    /// Ramp down within the limits, then hold the position; a gripper keeps its grip.
    #[default]
    Hold,
}

/// What a skill changes if it ends well. What is removed is removed first.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Effects {
    /// Facts that then hold; no `not`, no `$any`, no `hand_empty` or `clear`, which follow from others.
    #[serde(default)]
    pub add: Vec<Template>,
    /// Facts that no longer hold; `$any` removes all that fit.
    #[serde(default)]
    pub remove: Vec<Template>,
}

/// A typed skill: what planner and connector need to know to call it.
///
/// The committed JSON Schema is docs/schema/skill.schema.json.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "Sinew skill manifest")]
pub struct SkillManifest {
    /// Unique in a registry: letters, digits and `_`.
    #[schemars(regex(pattern = r"^[a-z][a-z0-9_]*$"))]
    pub id: String,
    /// Semantic version.
    #[schemars(with = "String")]
    pub version: Version,
    /// For the planner, in words: what it does and when to use it.
    pub description: String,
    /// JSON Schema of the arguments: an object with `additionalProperties: false`. A property that
    /// names an object has `format: object-id`; one that names a container or a surface, `place-id`.
    pub args: Value,
    /// Actuator groups that it claims.
    #[serde(default)]
    pub groups: Vec<String>,
    /// Must hold before it starts.
    #[serde(default)]
    pub preconditions: Vec<Template>,
    /// Must hold all the while.
    #[serde(default)]
    pub hold_conditions: Vec<Template>,
    /// Must hold, measured, when it has ended; each must follow from the effects or a pre-condition.
    #[serde(default)]
    pub postconditions: Vec<Template>,
    /// What it changes.
    #[serde(default)]
    pub effects: Effects,
    /// Typical duration, s; the symbolic planner minimises the sum.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub cost_s: f64,
    /// It is stopped after this time, s.
    #[schemars(extend("exclusiveMinimum" = 0.0))]
    pub time_limit_s: f64,
    /// Whether it pauses while a person or another system has its groups, and begins anew once an operator
    /// has resumed it; else it ends when they are taken. Only for skills with groups that can begin
    /// anew at any point of their way, which their pre-conditions must then allow.
    #[serde(default)]
    pub pausable: bool,
    /// What happens with its groups when it is stopped.
    #[serde(default)]
    pub stop: StopPolicy,
    /// How it is carried out.
    pub kind: SkillKind,
}

impl SkillManifest {
    /// Reads a manifest out of YAML text; `file` is for messages.
    ///
    /// # Errors
    /// Not YAML, a field missing, unknown or of the wrong type: with line, field and what is allowed.
    pub fn from_yaml(text: &str, file: &str) -> Result<Self, ModelError> {
        // `in` and `on` are relations: only true and false are booleans.
        let options = serde_saphyr::options! { strict_booleans: true };
        serde_saphyr::from_str_with_options(text, options)
            .map_err(|error| ModelError::Yaml { file: file.into(), message: error.to_string() })
    }

    /// Reads a manifest file. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// As [`Self::from_yaml`], or the file cannot be read.
    pub fn from_file(file: &Path) -> Result<Self, ModelError> {
        let text = std::fs::read_to_string(file)
            .map_err(|source| ModelError::Read { file: file.into(), source })?;
        let mut manifest = Self::from_yaml(&text, &file.display().to_string())?;
        if let SkillKind::Policy(policy) = &mut manifest.kind {
            policy.lie_in(file.parent().unwrap_or(Path::new(".")));
        }
        Ok(manifest)
    }

    /// The JSON Schema of manifests.
    pub fn json_schema() -> Value {
        schemars::schema_for!(Self).to_value()
    }

    /// It is stopped after this time.
    pub fn time_limit(&self) -> Duration {
        Duration::from_secs_f64(self.time_limit_s)
    }
}
