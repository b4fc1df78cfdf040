//! The file as written, before substitutions.

use serde::Deserialize;
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LaunchFile {
    pub launch: Vec<Action>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Action {
    Arg(Argument),
    Let(Assignment),
    Include(Include),
    Group(Vec<Action>),
    #[serde(alias = "push-ros-namespace")]
    PushRosNamespace(Namespace),
    Node(Node),
    Executable(Executable),
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Argument {
    pub name: String,
    pub default: Option<Value>,
    #[serde(default)]
    pub description: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Assignment {
    pub name: String,
    pub value: Value,
    #[serde(rename = "if")]
    pub if_: Option<Value>,
    pub unless: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Include {
    pub file: String,
    #[serde(default)]
    pub arg: Vec<IncludeArgument>,
    #[serde(rename = "if")]
    pub if_: Option<Value>,
    pub unless: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct IncludeArgument {
    pub name: String,
    pub value: Value,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Namespace {
    pub namespace: String,
    #[serde(rename = "if")]
    pub if_: Option<Value>,
    pub unless: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Node {
    pub pkg: String,
    pub exec: String,
    pub name: String,
    #[serde(default)]
    pub namespace: String,
    #[serde(default)]
    pub args: String,
    #[serde(default)]
    pub param: Vec<Parameter>,
    #[serde(default)]
    pub remap: Vec<Remap>,
    #[serde(default)]
    pub env: Vec<Environment>,
    pub output: Option<Output>,
    #[serde(rename = "if")]
    pub if_: Option<Value>,
    pub unless: Option<Value>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Executable {
    pub cmd: String,
    #[serde(default)]
    pub env: Vec<Environment>,
    pub output: Option<Output>,
    #[serde(rename = "if")]
    pub if_: Option<Value>,
    pub unless: Option<Value>,
}

/// Either `name` and `value`, or `from` a parameter file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Parameter {
    pub name: Option<String>,
    pub value: Option<Value>,
    pub from: Option<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Remap {
    pub from: String,
    pub to: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Environment {
    pub name: String,
    pub value: Value,
}

/// Where a process's lines go.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Output {
    /// To the terminal, with the node's name before each line.
    Screen,
    /// To a file of the run's folder.
    Log,
}
