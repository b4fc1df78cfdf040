//! Which launch file, with which arguments.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::Args;
use sinew_driver_sim::World;
use sinew_log::Files;
use sinew_nodes::launch::{LaunchDescription, expand};

use crate::exit::{Refused, refused};
use crate::share::{default_launch, share};

/// The system that a command composes for itself.
#[derive(Args, Clone, Debug, Default)]
pub(crate) struct SystemArgs {
    /// The launch file; `launch/tabletop.launch.yaml` by default.
    #[arg(long, value_name = "FILE")]
    pub(crate) launch: Option<PathBuf>,
    /// The world file: launch argument `world`.
    #[arg(long, value_name = "FILE")]
    pub(crate) world: Option<PathBuf>,
    /// What differs from run to run in the world: launch argument `seed`.
    #[arg(long, value_name = "N")]
    pub(crate) seed: Option<u64>,
    /// Who makes the plan: launch argument `planner`.
    #[arg(long, value_name = "NAME", value_parser = ["symbolic", "llm"])]
    pub(crate) planner: Option<String>,
    /// Any other argument of the launch file.
    #[arg(long = "set", value_name = "NAME:=VALUE", value_parser = assignment)]
    pub(crate) set: Vec<(String, String)>,
}

impl SystemArgs {
    /// The launch file and its arguments.
    pub(crate) fn choice(&self) -> LaunchChoice {
        let mut arguments: BTreeMap<_, _> = self.set.iter().cloned().collect();
        if let Some(world) = &self.world {
            arguments.insert("world".into(), absolute(world));
        }
        if let Some(seed) = self.seed {
            arguments.insert("seed".into(), seed.to_string());
        }
        if let Some(planner) = &self.planner {
            arguments.insert("planner".into(), planner.clone());
        }
        let file = self.launch.clone().unwrap_or_else(default_launch);
        LaunchChoice { file, arguments }
    }
}

/// A launch file and its arguments.
#[derive(Clone, Debug)]
pub(crate) struct LaunchChoice {
    pub(crate) file: PathBuf,
    pub(crate) arguments: BTreeMap<String, String>,
}

impl LaunchChoice {
    pub(crate) fn new(file: &Path, arguments: &[(String, String)]) -> Self {
        Self { file: file.into(), arguments: arguments.iter().cloned().collect() }
    }

    /// What it starts.
    pub(crate) fn expand(&self) -> Result<LaunchDescription> {
        let arguments: Vec<_> = self.arguments.clone().into_iter().collect();
        expand(&self.file, &arguments, &share()).map_err(refused)
    }
}

/// `NAME:=VALUE`.
pub(crate) fn assignment(text: &str) -> Result<(String, String), String> {
    match text.split_once(":=") {
        Some((name, value)) if !name.is_empty() => Ok((name.into(), value.into())),
        _ => Err("wants NAME:=VALUE".into()),
    }
}

/// A path that means the same wherever a node is started.
pub(crate) fn absolute(path: &Path) -> String {
    std::path::absolute(path).unwrap_or_else(|_| path.into()).display().to_string()
}

/// A parameter of the first node that has it.
pub(crate) fn parameter<'a>(
    description: &'a LaunchDescription,
    name: &str,
) -> Option<&'a serde_json::Value> {
    description.nodes.iter().find_map(|node| node.parameters.get(name))
}

/// The world file of a launch description.
pub(crate) fn world_file(description: &LaunchDescription) -> Result<PathBuf> {
    let world = parameter(description, "world").and_then(|value| value.as_str());
    let missing = || Refused("no node of the launch file has a parameter `world`".into());
    Ok(world.map(PathBuf::from).ok_or_else(missing)?)
}

/// Every file that what is described depends on: launch and parameter files, files and folders that
/// parameters name, and what the world file names.
pub(crate) fn files(description: &LaunchDescription) -> Result<Files> {
    let mut files = Files::default();
    for file in &description.files {
        files.add(file)?;
    }
    let values = description.nodes.iter().flat_map(|node| node.parameters.values());
    for path in values.filter_map(|value| value.as_str()).map(Path::new) {
        if path.is_absolute() && path.exists() {
            files.add(path)?;
        }
    }
    let file = world_file(description)?;
    let world = World::load(&file).map_err(refused)?;
    for path in [file.as_path(), world.robot().path(), world.robot().body_path()] {
        files.add(path).with_context(|| format!("{}: cannot be hashed", path.display()))?;
    }
    Ok(files)
}
