use anyhow::Result;
use clap::Args;
use serde::Serialize;
use sinew_model::{SkillManifest, SkillRegistry};

use crate::exit::Exit;
use crate::output::print_json;

#[derive(Args)]
pub(crate) struct SkillsArgs {
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
    let registry = SkillRegistry::new(sinew_skills::builtin_manifests()?)?;
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
