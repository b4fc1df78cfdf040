use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A skill that is one or several policies.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicySkill {
    /// What is run. Several command the same joints or axes, and the mean of their commands by weight is sent.
    pub policies: Vec<PolicyPart>,
    /// When its motion is over.
    pub until: Until,
}

/// A policy in a skill.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PolicyPart {
    /// The policy's manifest; a relative path is relative to the skill's own file.
    #[schemars(with = "String")]
    pub manifest: PathBuf,
    /// What each command input of the policy is given, anew in each tick: as many numbers as it takes.
    #[serde(default)]
    pub inputs: BTreeMap<String, Vec<PolicyInput>>,
    /// How much it counts, 0 or more; only ratios matter. May be an argument.
    #[serde(default = "one")]
    pub weight: Scalar,
    /// Whether its network runs on a thread of its own, ahead of the actions that it gives: for one that is slower than
    /// a tick of 20 ms. It gives chunks then, and is not one of several.
    #[serde(default)]
    pub background: bool,
}

/// When the motion of a policy is over.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Until {
    /// When the post-conditions hold, measured; else the time limit ends it.
    Postconditions,
    /// After so many seconds; then the post-conditions are judged.
    ElapsedS(Scalar),
    /// When its caller, another goal, a stop or the time limit ends it.
    Canceled,
}

/// A number of a manifest, or the argument that gives it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(untagged, expecting = "allowed: a number, or `$argument`")]
pub enum Scalar {
    /// Always this.
    Number(f64),
    /// The value of a number among the skill's arguments.
    Argument(ArgumentName),
}

/// What goes into a policy's command input.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(
    untagged,
    expecting = "allowed: a number, `$argument`, or {position_of: $argument, frame: base, axes: xyz or xy}"
)]
pub enum PolicyInput {
    /// One number.
    Scalar(Scalar),
    /// As many numbers as there are axes.
    Position(ObjectPosition),
}

/// Where an object's origin is measured, m.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectPosition {
    /// The argument that names the object.
    pub position_of: ArgumentName,
    /// What it is measured in.
    pub frame: InputFrame,
    /// Which coordinates.
    pub axes: Axes,
}

/// The frame of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum InputFrame {
    /// The robot's base.
    Base,
}

/// Coordinates of a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Axes {
    /// Three numbers.
    Xyz,
    /// Two numbers.
    Xy,
}

/// `$name`: one of the skill's arguments.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(try_from = "String", into = "String")]
#[schemars(with = "String", extend("pattern" = r"^\$[A-Za-z_][A-Za-z0-9_]*$"))]
pub struct ArgumentName(String);

/// The weight of a policy that is alone.
fn one() -> Scalar {
    Scalar::Number(1.0)
}

impl ArgumentName {
    /// Without the `$`.
    pub fn name(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ArgumentName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "${}", self.0)
    }
}

impl TryFrom<String> for ArgumentName {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.strip_prefix('$') {
            Some(name) if !name.is_empty() => Ok(Self(name.into())),
            _ => Err(format!("`{text}`; allowed: `$` and the name of an argument")),
        }
    }
}

impl From<ArgumentName> for String {
    fn from(name: ArgumentName) -> Self {
        name.to_string()
    }
}

impl Scalar {
    /// Its value in a call whose arguments are complete; none where the argument is no number.
    pub fn value(&self, args: &Value) -> Option<f64> {
        match self {
            Self::Number(number) => Some(*number),
            Self::Argument(argument) => args.get(argument.name()).and_then(Value::as_f64),
        }
    }

    fn argument(&self) -> Option<&ArgumentName> {
        match self {
            Self::Number(_) => None,
            Self::Argument(argument) => Some(argument),
        }
    }
}

impl PolicyInput {
    /// How many numbers it gives.
    pub fn width(&self) -> usize {
        match self {
            Self::Scalar(_) => 1,
            Self::Position(position) => position.axes.width(),
        }
    }
}

impl Axes {
    /// How many coordinates.
    pub fn width(self) -> usize {
        match self {
            Self::Xyz => 3,
            Self::Xy => 2,
        }
    }
}

impl Until {
    /// After how long, in a call whose arguments are complete; none if time is not what ends it, or is no time.
    pub fn elapsed(&self, args: &Value) -> Option<Duration> {
        let Self::ElapsedS(seconds) = self else { return None };
        Duration::try_from_secs_f64(seconds.value(args)?).ok()
    }
}

impl PolicySkill {
    /// Makes the manifests' paths relative to the folder of the skill's file.
    pub(crate) fn lie_in(&mut self, folder: &Path) {
        for part in &mut self.policies {
            part.manifest = folder.join(&part.manifest);
        }
    }

    /// Every number that it takes, with the field that it stands in.
    pub(crate) fn scalars(&self) -> Vec<(String, &Scalar)> {
        let mut all = Vec::new();
        for (index, part) in self.policies.iter().enumerate() {
            all.push((format!("kind.policy.policies[{index}].weight"), &part.weight));
            for (name, input) in &part.inputs {
                let field = format!("kind.policy.policies[{index}].inputs.{name}");
                all.extend(input.iter().filter_map(|input| match input {
                    PolicyInput::Scalar(scalar) => Some((field.clone(), scalar)),
                    PolicyInput::Position(_) => None,
                }));
            }
        }
        if let Until::ElapsedS(seconds) = &self.until {
            all.push(("kind.policy.until.elapsed_s".into(), seconds));
        }
        all
    }

    /// Every argument that must be a number, with the field that it stands in.
    pub(crate) fn number_arguments(&self) -> Vec<(String, &ArgumentName)> {
        let arguments = self.scalars().into_iter();
        arguments.filter_map(|(field, scalar)| Some((field, scalar.argument()?))).collect()
    }

    /// Every argument that must name an object, with the field that it stands in.
    pub(crate) fn object_arguments(&self) -> Vec<(String, &ArgumentName)> {
        let mut all = Vec::new();
        for (index, part) in self.policies.iter().enumerate() {
            for (name, input) in &part.inputs {
                let field = format!("kind.policy.policies[{index}].inputs.{name}");
                all.extend(input.iter().filter_map(|input| match input {
                    PolicyInput::Scalar(_) => None,
                    PolicyInput::Position(position) => Some((field.clone(), &position.position_of)),
                }));
            }
        }
        all
    }
}
