use anyhow::Result;
use serde::Serialize;
use sinew_log::StepSummary;
use sinew_nodes::Pace;
use sinew_types::Evidence;

use super::judge::Judge;
use super::suite::EvalTask;
use crate::launch_choice::LaunchChoice;
use crate::task::composed::{ComposedSystem, PlannedBy};
use crate::task::{TaskEnd, goal, report};

/// How one episode went.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Episode {
    pub(crate) seed: u64,
    pub(crate) instruction: String,
    /// Reported, really so, and at rest.
    pub(crate) success: bool,
    /// The task's own word.
    pub(crate) reported: bool,
    /// The suite's goal and rest, judged on the simulator.
    pub(crate) holds: bool,
    pub(crate) error_code: u16,
    pub(crate) error_msg: String,
    pub(crate) steps: Vec<StepSummary>,
    pub(crate) evidence: Vec<Evidence>,
    pub(crate) planning_s: f64,
    /// On the robot's clock.
    pub(crate) task_s: f64,
    pub(crate) wall_s: f64,
    pub(crate) commanded_by_policy_s: f64,
    pub(crate) commanded_by_primitive_s: f64,
    /// Per process; in composed mode that of all episodes together.
    #[serde(skip)]
    pub(crate) peak_memory_mib: Vec<(String, f64)>,
}

impl Episode {
    /// Puts together what the task says and what is so.
    pub(crate) fn new(
        seed: u64,
        task: &EvalTask,
        end: &TaskEnd,
        judged: sinew_model::Judgement,
    ) -> Self {
        let (error_code, error_msg, steps) = match end.result.clone().map(report::measured) {
            Ok(result) => (result.error_code, result.error_msg.clone(), report::steps(&result)),
            Err(reason) => (sinew_types::ErrorCode::PeerLost.as_u16(), reason, Vec::new()),
        };
        let reported = error_code == 0;
        let sum = |key: &str| {
            let facts = steps.iter().flat_map(|step| &step.evidence);
            facts
                .filter(|fact| fact.key == key)
                .filter_map(|fact| fact.value.parse::<f64>().ok())
                .sum()
        };
        Self {
            seed,
            instruction: task.instruction.clone(),
            success: reported && judged.holds,
            reported,
            holds: judged.holds,
            error_code,
            error_msg,
            commanded_by_policy_s: sum("commanded_by_policy_s"),
            commanded_by_primitive_s: sum("commanded_by_primitive_s"),
            steps,
            evidence: judged.evidence,
            planning_s: end.planning.as_secs_f64(),
            task_s: end.elapsed.as_secs_f64(),
            wall_s: end.wall.as_secs_f64(),
            peak_memory_mib: Vec::new(),
        }
    }

    /// One that could not be run.
    pub(crate) fn broken(seed: u64, task: &EvalTask, error: &anyhow::Error) -> Self {
        let end = TaskEnd {
            result: Err(format!("{error:#}")),
            planning: Default::default(),
            elapsed: Default::default(),
            wall: Default::default(),
        };
        let judged = sinew_model::Judgement { holds: false, evidence: Vec::new() };
        Self::new(seed, task, &end, judged)
    }
}

/// Runs one episode in this process.
pub(crate) fn composed(choice: &LaunchChoice, seed: u64, task: &EvalTask) -> Result<Episode> {
    let mut choice = choice.clone();
    choice.arguments.insert("seed".into(), seed.to_string());
    let description = choice.expand()?;
    let mut system = ComposedSystem::new(&description, Pace::Fastest, PlannedBy::Planner, None)?;
    let mut last = None;
    system.settle()?;
    let task_goal = goal(&task.instruction, "", false);
    let end = system.task(task_goal, &mut |_| {}, &mut |tick| last = Some(tick))?;
    let sim = system.composed().sim.clone();
    let judged = match &last {
        Some(tick) => {
            let truth = sim.truth();
            let objects = truth
                .objects
                .iter()
                .map(|o| sinew_nodes::object(&o.info, o.map_from_object, truth.stamp));
            Judge::new(sim.world().robot())?.judge(&task.goal, tick, objects)?
        }
        None => sinew_model::Judgement { holds: false, evidence: Vec::new() },
    };
    system.shutdown();
    Ok(Episode::new(seed, task, &end, judged))
}
