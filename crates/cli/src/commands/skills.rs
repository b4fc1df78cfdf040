use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use serde::Serialize;
use sinew_hardware::layout_of;
use sinew_model::SkillManifest;
use sinew_nodes::skill_registry;
use sinew_robot::RobotModel;

use crate::exit::{Exit, refused};
use crate::output::print_json;
use crate::share::share;

#[derive(Args)]
pub(crate) struct SkillsArgs {
    /// The robot; built-in skills that it cannot carry out are not listed. By default the shipped one.
    #[arg(long, value_name = "FILE")]
    robot: Option<PathBuf>,
    /// A folder of more skills, *.skill.yaml.
    #[arg(long, value_name = "FOLDER")]
    skill_folder: Option<PathBuf>,
    /// Print one JSON object instead: docs/cli.md.
    #[arg(long)]
    json: bool,
}

/// What `sinew skills --json` prints.
#[derive(Serialize)]
struct SkillsReport<'a> {
    skills: Vec<&'a SkillManifest>,
}

pub(crate) fn run(args: &SkillsArgs) -> Result<Exit> {
    let robot = args.robot.clone().unwrap_or_else(|| share().join("urdf/mobi.robot.yaml"));
    let robot = RobotModel::load(robot).map_err(refused)?;
    let layout = layout_of(&robot)?;
    let folder = args.skill_folder.as_deref();
    let registry = skill_registry("skills", &robot, &layout, folder).map_err(refused)?;
    if args.json {
        print_json(&SkillsReport { skills: registry.iter().collect() })?;
        return Ok(Exit::Success);
    }
    let list = |templates: &[sinew_model::Template]| {
        templates.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
    };
    for skill in registry.iter() {
        let properties = skill.args["properties"].as_object();
        let arguments = properties.into_iter().flatten().map(|(name, _)| name.as_str());
        let arguments = arguments.collect::<Vec<_>>().join(", ");
        outln!("{}({arguments}) {}", skill.id, skill.version);
        outln!("  {}", skill.description.trim().replace('\n', "\n  "));
        outln!("  groups: {}", skill.groups.join(", "));
        outln!("  before: {}", list(&skill.preconditions));
        outln!("  after:  {}", list(&skill.postconditions));
    }
    Ok(Exit::Success)
}
