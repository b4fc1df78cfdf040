use std::path::{Path, PathBuf};

use anyhow::Result;
use serde::Deserialize;
use sinew_driver_sim::World;
use sinew_model::{Predicate, Slot};

use crate::exit::{Refused, refused};

/// What is asked for in an evaluation; beside the world file, as `<world>.eval.yaml`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Suite {
    /// The world file, relative to this one.
    pub(crate) world: PathBuf,
    /// In turn, one per episode.
    pub(crate) tasks: Vec<EvalTask>,
}

/// One instruction, and how its success is judged, whatever the planner makes of it.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EvalTask {
    /// In words.
    pub(crate) instruction: String,
    /// Must hold in the simulator at the end.
    pub(crate) goal: Vec<Predicate>,
}

impl Suite {
    /// The file that belongs to a world.
    pub(crate) fn beside(world: &Path) -> PathBuf {
        world.with_extension("eval.yaml")
    }

    /// Loads and checks a file: every goal is about objects of the world.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let place = path.display();
        let text = std::fs::read_to_string(path)
            .map_err(|error| Refused(format!("{place}: cannot be read: {error}")))?;
        let suite: Self =
            serde_saphyr::from_str(&text).map_err(|error| Refused(format!("{place}: {error}")))?;
        let wrong = |field: String, what: String| Refused(format!("{place}: {field}: {what}"));
        if suite.tasks.is_empty() {
            return Err(wrong("tasks".into(), "is empty; allowed: one or more".into()).into());
        }
        let folder = path.parent().unwrap_or(Path::new(""));
        let world = World::load(folder.join(&suite.world)).map_err(refused)?;
        let fixtures = world.config().fixtures.iter().map(|fixture| fixture.id.as_str());
        let objects = world.config().objects.iter().map(|object| object.id.as_str());
        let known: Vec<&str> = fixtures.chain(objects).collect();
        for (index, task) in suite.tasks.iter().enumerate() {
            let field = format!("tasks[{index}].goal");
            if task.goal.is_empty() {
                let what = "is empty; allowed: one predicate or more";
                return Err(wrong(field, what.into()).into());
            }
            for predicate in &task.goal {
                let (_, relation, slots) = predicate.parts();
                for slot in slots.into_iter().filter(|_| relation.takes_objects()) {
                    if let Slot::Id(id) = slot
                        && !known.contains(&id.as_str())
                    {
                        let known = known.join(", ");
                        let what = format!("`{predicate}`: no object `{id}`; known: {known}");
                        return Err(wrong(field, what).into());
                    }
                }
            }
        }
        Ok(suite)
    }
}
