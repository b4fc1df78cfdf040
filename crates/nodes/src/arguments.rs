//! What a node is started with: the part of a ROS 2 command line behind `--ros-args`.

use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::launch::{LaunchError, NodeLaunch};

/// Name, namespace, parameters and remappings of one node.
#[derive(Clone, Debug, PartialEq)]
pub struct NodeArguments {
    /// Its name on the graph.
    pub name: String,
    /// Absolute, `/` where there is none.
    pub namespace: String,
    /// By name.
    pub parameters: Map<String, Value>,
    /// From and to.
    pub remaps: Vec<(String, String)>,
}

/// What is wrong with a node's arguments.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ArgumentError {
    /// A flag or its value is not understood.
    #[error("--ros-args: `{argument}`: {reason}")]
    Argument {
        /// As given.
        argument: String,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// A parameter file cannot be used.
    #[error(transparent)]
    File(#[from] LaunchError),
    /// A parameter is unknown, missing, or of the wrong type.
    #[error("node `{node}`: parameters: {message}")]
    Parameter {
        /// The node.
        node: String,
        /// Which, what is wrong, and what is allowed.
        message: String,
    },
}

impl NodeArguments {
    /// Reads what stands behind `--ros-args`: `-r __node:=N`, `-r __ns:=NS`, `-r FROM:=TO`,
    /// `-p NAME:=VALUE`, `--params-file FILE`, `--`.
    ///
    /// # Errors
    /// Names the argument and what is allowed.
    pub fn parse(default_name: &str, args: &[String]) -> Result<Self, ArgumentError> {
        let mut made = Self {
            name: default_name.into(),
            namespace: "/".into(),
            parameters: Map::new(),
            remaps: Vec::new(),
        };
        let mut files: Vec<PathBuf> = Vec::new();
        let mut given: Vec<(String, Value)> = Vec::new();
        let mut args = args.iter();
        while let Some(flag) = args.next() {
            let mut value = || {
                args.next().cloned().ok_or_else(|| ArgumentError::Argument {
                    argument: flag.clone(),
                    reason: "wants a value behind it".into(),
                })
            };
            match flag.as_str() {
                "--ros-args" | "--" => {}
                "-r" | "--remap" => {
                    let (from, to) = pair(&value()?)?;
                    match from.as_str() {
                        "__node" | "__name" => made.name = to,
                        "__ns" => made.namespace = to,
                        _ => made.remaps.push((from, to)),
                    }
                }
                "-p" | "--param" => {
                    let (name, text) = pair(&value()?)?;
                    let parsed = serde_saphyr::from_str(&text).unwrap_or(Value::String(text));
                    given.push((name, parsed));
                }
                "--params-file" => files.push(value()?.into()),
                _ => {
                    return Err(ArgumentError::Argument {
                        argument: flag.clone(),
                        reason: "is not known (allowed: -r, -p, --params-file)".into(),
                    });
                }
            }
        }
        let full_name = format!("{}/{}", made.namespace.trim_end_matches('/'), made.name);
        for file in files {
            made.parameters.extend(parameter_file(&file, &full_name)?);
        }
        made.parameters.extend(given);
        Ok(made)
    }

    /// The same as words behind `--ros-args`, for a child process.
    pub fn to_words(&self) -> Vec<String> {
        let mut words = vec!["--ros-args".to_owned()];
        let mut push = |flag: &str, from: &str, to: &str| {
            words.push(flag.into());
            words.push(format!("{from}:={to}"));
        };
        push("-r", "__node", &self.name);
        push("-r", "__ns", &self.namespace);
        for (from, to) in &self.remaps {
            push("-r", from, to);
        }
        for (name, value) in &self.parameters {
            push("-p", name, &value.to_string());
        }
        words
    }

    /// The parameters as the node's own type; `a.b` is field `b` of `a`.
    ///
    /// # Errors
    /// A parameter that is unknown, missing, or of the wrong type.
    pub fn parameters_as<T: DeserializeOwned>(&self) -> Result<T, ArgumentError> {
        let mut nested = Map::new();
        for (name, value) in &self.parameters {
            match name.split_once('.') {
                None => {
                    nested.insert(name.clone(), value.clone());
                }
                Some((outer, inner)) => {
                    let entry = nested.entry(outer).or_insert_with(|| Value::Object(Map::new()));
                    if let Value::Object(fields) = entry {
                        fields.insert(inner.into(), value.clone());
                    }
                }
            }
        }
        serde_json::from_value(Value::Object(nested)).map_err(|error| ArgumentError::Parameter {
            node: self.name.clone(),
            message: error.to_string(),
        })
    }
}

impl From<&NodeLaunch> for NodeArguments {
    fn from(launch: &NodeLaunch) -> Self {
        Self {
            name: launch.name.clone(),
            namespace: launch.namespace.clone(),
            parameters: launch.parameters.clone(),
            remaps: launch.remaps.clone(),
        }
    }
}

fn pair(text: &str) -> Result<(String, String), ArgumentError> {
    match text.split_once(":=") {
        Some((from, to)) if !from.is_empty() => Ok((from.into(), to.into())),
        _ => Err(ArgumentError::Argument {
            argument: text.into(),
            reason: "wants NAME:=VALUE".into(),
        }),
    }
}

/// Parameters of a node in a ROS 2 parameter file: those under `/**`, then those under its name, then those under its full name,
/// as `ros2 param dump` writes it.
pub(crate) fn parameter_file(
    path: &Path,
    full_name: &str,
) -> Result<Map<String, Value>, LaunchError> {
    let text = std::fs::read_to_string(path)
        .map_err(|source| LaunchError::Read { file: path.into(), source })?;
    let format = |message: String| LaunchError::Format { file: path.into(), message };
    let sections: Map<String, Value> =
        serde_saphyr::from_str(&text).map_err(|error| format(error.to_string()))?;
    let mut made = Map::new();
    let name = full_name.rsplit('/').next().unwrap_or(full_name);
    for name in ["/**", name, full_name] {
        let Some(section) = sections.get(name) else { continue };
        match section.get("ros__parameters") {
            Some(Value::Object(parameters)) => made.extend(parameters.clone()),
            _ => return Err(format(format!("`{name}`: wants a map `ros__parameters`"))),
        }
    }
    Ok(made)
}
