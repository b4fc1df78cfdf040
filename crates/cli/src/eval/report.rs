use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::episode::Episode;
use super::stats::{Rate, Spread};
use crate::output::table;

/// What `sinew eval --json` prints.
#[derive(Serialize)]
pub(crate) struct EvalReport {
    world: PathBuf,
    seed: u64,
    processes: bool,
    success: Rate,
    required: f64,
    by_instruction: BTreeMap<String, Rate>,
    by_skill: BTreeMap<String, Rate>,
    planning_s: Spread,
    execution_s: Spread,
    /// Of the time in which a skill commanded, the share in which a policy did.
    policy_share: f64,
    real_time_factor: f64,
    peak_memory_mib: BTreeMap<String, f64>,
    wall_s: f64,
    episodes: Vec<Episode>,
}

/// What an evaluation was asked for.
pub(crate) struct Asked {
    pub(crate) world: PathBuf,
    pub(crate) seed: u64,
    pub(crate) processes: bool,
    pub(crate) required: f64,
    pub(crate) wall_s: f64,
}

impl EvalReport {
    pub(crate) fn new(asked: Asked, episodes: Vec<Episode>) -> Self {
        let mut by_instruction: BTreeMap<String, Vec<bool>> = BTreeMap::new();
        let mut by_skill: BTreeMap<String, Vec<bool>> = BTreeMap::new();
        let mut peak_memory_mib: BTreeMap<String, f64> = BTreeMap::new();
        for episode in &episodes {
            by_instruction.entry(episode.instruction.clone()).or_default().push(episode.success);
            for step in episode.steps.iter().filter(|step| step.attempts > 0) {
                by_skill.entry(step.skill.clone()).or_default().push(step.success);
            }
            for (process, mib) in &episode.peak_memory_mib {
                let peak = peak_memory_mib.entry(process.clone()).or_default();
                *peak = peak.max(*mib);
            }
        }
        let own = if asked.processes { "eval" } else { "composed" };
        peak_memory_mib.insert(own.into(), crate::memory::own_peak_mib());
        let rates = |trials: BTreeMap<String, Vec<bool>>| {
            trials.into_iter().map(|(name, trials)| (name, Rate::among(trials))).collect()
        };
        let sum = |value: fn(&Episode) -> f64| episodes.iter().map(value).sum::<f64>();
        let ratio = |part: f64, whole: f64| if whole > 0.0 { part / whole } else { 0.0 };
        let policy_s = sum(|e| e.commanded_by_policy_s);
        let primitive_s = sum(|e| e.commanded_by_primitive_s);
        Self {
            world: asked.world,
            seed: asked.seed,
            processes: asked.processes,
            success: Rate::among(episodes.iter().map(|episode| episode.success)),
            required: asked.required,
            by_instruction: rates(by_instruction),
            by_skill: rates(by_skill),
            planning_s: Spread::of(episodes.iter().map(|episode| episode.planning_s)),
            execution_s: Spread::of(
                episodes.iter().filter(|e| e.success).map(|episode| episode.task_s),
            ),
            policy_share: ratio(policy_s, policy_s + primitive_s),
            real_time_factor: ratio(sum(|e| e.task_s), sum(|e| e.wall_s)),
            peak_memory_mib,
            wall_s: asked.wall_s,
            episodes,
        }
    }

    /// Whether as many succeeded as were required.
    pub(crate) fn is_enough(&self) -> bool {
        self.success.rate >= self.required
    }

    /// For people.
    pub(crate) fn page(&self) -> String {
        let row = |name: &str, rate: &Rate| {
            vec![
                name.to_owned(),
                format!("{}/{}", rate.succeeded, rate.trials),
                format!("{:.1} %", rate.rate * 100.0),
                format!("{:.1} to {:.1} %", rate.low * 100.0, rate.high * 100.0),
            ]
        };
        let head = |name: &str| {
            ["", "success", "rate", "95 % interval"]
                .map(|title| if title.is_empty() { name.into() } else { title.into() })
                .to_vec()
        };
        let mut instructions = vec![head("instruction")];
        instructions.extend(self.by_instruction.iter().map(|(name, rate)| row(name, rate)));
        instructions.push(row("all", &self.success));
        let mut skills = vec![head("skill")];
        skills.extend(self.by_skill.iter().map(|(name, rate)| row(name, rate)));
        let failures: String = self
            .episodes
            .iter()
            .filter(|episode| !episode.success)
            .map(|e| {
                let what = match (e.reported, e.holds) {
                    (true, false) => "reported success, but the goal does not hold".to_owned(),
                    _ => format!("error {}: {}", e.error_code, e.error_msg),
                };
                format!("failed: seed {}: {}: {what}\n", e.seed, e.instruction)
            })
            .collect();
        let memory: Vec<_> = self
            .peak_memory_mib
            .iter()
            .map(|(process, mib)| format!("{process} {mib:.0} MiB"))
            .collect();
        format!(
            "{}\n{}\n{failures}planning: median {:.3} s, p90 {:.3} s\nexecution: median {:.1} s, \
             p90 {:.1} s of the robot's time\nmotion commanded by policies: {:.1} %\nreal-time \
             factor: {:.2}\npeak resident memory: {}\nepisodes: {} from seed {} in {:.0} s; \
             required {:.0} %, {}",
            table(&instructions),
            table(&skills),
            self.planning_s.median,
            self.planning_s.p90,
            self.execution_s.median,
            self.execution_s.p90,
            self.policy_share * 100.0,
            self.real_time_factor,
            memory.join(", "),
            self.success.trials,
            self.seed,
            self.wall_s,
            self.required * 100.0,
            if self.is_enough() { "reached" } else { "NOT reached" },
        )
    }
}
