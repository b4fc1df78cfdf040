use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, anyhow};
use clap::{Args, ValueEnum};
use serde::Serialize;
use sinew_driver_sim::World;
use sinew_hardware::{GateConfig, layout_of};
use sinew_model::SkillRegistry;
use sinew_nodes::launch::expand;
use sinew_nodes::{NodeKind, ObjectClasses};
use sinew_policy::{Embodiment, Policy};
use sinew_robot::RobotModel;
use sinew_teleop::{Mapping, TeleopSession};

use crate::eval::suite::Suite;
use crate::exit::Exit;
use crate::output::print_json;
use crate::share::share;

#[derive(Args)]
pub(crate) struct CheckArgs {
    /// The files.
    #[arg(required = true)]
    files: Vec<PathBuf>,
    /// What they are; by default the name's end says it, or else the keys at the file's top.
    #[arg(long)]
    kind: Option<FileKind>,
    /// The robot that policies are checked for, the shipped one by default; and teleop mappings, where
    /// it is named.
    #[arg(long, value_name = "FILE")]
    robot: Option<PathBuf>,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

/// What a file can be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ValueEnum)]
#[serde(rename_all = "snake_case")]
enum FileKind {
    Urdf,
    Mjcf,
    Robot,
    World,
    Skill,
    Policy,
    Launch,
    Eval,
    Teleop,
    Objects,
}

/// What `sinew check --json` prints.
#[derive(Serialize)]
struct CheckReport {
    ok: bool,
    files: Vec<FileReport>,
}

#[derive(Serialize)]
struct FileReport {
    file: PathBuf,
    kind: Option<FileKind>,
    ok: bool,
    error: Option<String>,
}

pub(crate) fn run(args: &CheckArgs) -> Result<Exit> {
    let files: Vec<_> = args.files.iter().map(|file| report(args, file)).collect();
    let ok = files.iter().all(|file| file.ok);
    if args.json {
        print_json(&CheckReport { ok, files })?;
    } else {
        for file in &files {
            match &file.error {
                None => outln!("ok: {}", file.file.display()),
                Some(error) => outln!("error: {error}"),
            }
        }
    }
    Ok(if ok { Exit::Success } else { Exit::Refusal })
}

fn report(args: &CheckArgs, file: &Path) -> FileReport {
    let kind = match args.kind {
        Some(kind) => Ok(kind),
        None => FileKind::of(file),
    };
    let checked = match &kind {
        Ok(kind) => check(*kind, file, args.robot.as_deref()).map_err(|error| format!("{error:#}")),
        Err(error) => Err(format!("{error:#}")),
    };
    FileReport { file: file.into(), kind: kind.ok(), ok: checked.is_ok(), error: checked.err() }
}

impl FileKind {
    fn of(file: &Path) -> Result<Self> {
        let name = file.to_string_lossy();
        let by_name = [
            (".urdf", Self::Urdf),
            (".xml", Self::Mjcf),
            (".robot.yaml", Self::Robot),
            (".world.yaml", Self::World),
            (".skill.yaml", Self::Skill),
            (".policy.yaml", Self::Policy),
            (".launch.yaml", Self::Launch),
            (".eval.yaml", Self::Eval),
            (".teleop.yaml", Self::Teleop),
            (".objects.yaml", Self::Objects),
        ];
        if let Some((_, kind)) = by_name.iter().find(|(end, _)| name.ends_with(end)) {
            return Ok(*kind);
        }
        let text =
            std::fs::read_to_string(file).with_context(|| format!("{name}: cannot be read"))?;
        // Lines, not YAML: a file with a slip in it is still known by the rest.
        let has = |key: &str| text.lines().any(|line| line.starts_with(key));
        let by_keys = [
            ("launch:", Self::Launch),
            ("tasks:", Self::Eval),
            ("dead_man:", Self::Teleop),
            ("classes:", Self::Objects),
            ("inputs:", Self::Policy),
            ("time_limit_s:", Self::Skill),
            ("control_rate_hz:", Self::Robot),
            ("groups:", Self::Robot),
            ("robot:", Self::World),
        ];
        let known = by_keys.iter().find(|(key, _)| has(key)).map(|(_, kind)| *kind);
        known.ok_or_else(|| {
            let ends: Vec<_> = by_name.iter().map(|(end, _)| *end).collect();
            anyhow!(
                "{name}: neither name nor content says what it is; known names end in {}, or \
                     say --kind",
                ends.join(", ")
            )
        })
    }
}

fn check(kind: FileKind, file: &Path, robot: Option<&Path>) -> Result<()> {
    match kind {
        FileKind::Urdf | FileKind::Mjcf => RobotModel::check_body(file)?,
        FileKind::Robot => {
            GateConfig::from_robot(&RobotModel::load(file)?)?;
        }
        FileKind::World => {
            let world = World::load(file)?;
            GateConfig::from_robot(world.robot())?;
            world.scene()?;
        }
        FileKind::Skill => {
            SkillRegistry::load_files(&[file])?;
        }
        FileKind::Policy => {
            let default = share().join("urdf/mobi.robot.yaml");
            let robot = RobotModel::load(robot.unwrap_or(&default))?;
            Policy::load(file, Embodiment::new(&layout_of(&robot)?, Arc::new(robot)))?;
        }
        FileKind::Launch => {
            for node in expand(file, &[], &share())?.nodes {
                NodeKind::from_args(&node.name, &node.args)
                    .with_context(|| file.display().to_string())?;
            }
        }
        FileKind::Eval => {
            Suite::load(file)?;
        }
        FileKind::Objects => {
            ObjectClasses::load(file)?;
        }
        FileKind::Teleop => {
            let mapping = Mapping::load(file)?;
            // Another robot's mapping is no error: it is held against a robot only where one is named.
            if let Some(robot) = robot {
                let robot = RobotModel::load(robot)?;
                TeleopSession::new(&mapping, &robot, &layout_of(&robot)?)?;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_name_or_its_keys() {
        assert_eq!(FileKind::of(Path::new("a/b.robot.yaml")).unwrap(), FileKind::Robot);
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("mine.yaml");
        std::fs::write(&file, "name: x\nrobot: {file: [}\n").unwrap();
        assert_eq!(FileKind::of(&file).unwrap(), FileKind::World);
        std::fs::write(&file, "hello\n").unwrap();
        assert!(FileKind::of(&file).unwrap_err().to_string().contains(".robot.yaml"));
    }
}
