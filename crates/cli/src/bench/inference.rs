//! What a tick of a policy costs, beside ONNX Runtime's own call on the same model.

use std::fmt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Result, anyhow};
use nalgebra::{Isometry3, UnitQuaternion, Vector3};
use serde::Serialize;
use sinew_policy::{
    CommandInputs, Embodiment, InputSpec, NodePlacement, Policy, PolicyError, PolicyManifest,
    RawRun, RunOn, Source, processor_time,
};
use sinew_types::{BaseState, ImuState, RobotState, Time};

use super::peer::{Peer, PeerRow};
use super::stats::{median, short};
use crate::eval::stats::quantile;
use crate::interrupt;
use crate::output::table;

/// What is measured.
pub(crate) struct InferencePlan {
    pub(crate) manifest: PolicyManifest,
    pub(crate) folder: PathBuf,
    pub(crate) robot: Embodiment,
    pub(crate) ticks: u32,
    pub(crate) rounds: u32,
    pub(crate) run_on: Vec<RunOn>,
    /// Programs that measure the same by other means, with their arguments.
    pub(crate) peers: Vec<String>,
}

/// Median and tail of some times.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Times {
    p50_s: f64,
    p99_s: f64,
    p999_s: f64,
    max_s: f64,
}

impl Times {
    fn of(values: &[f64]) -> Self {
        let mut values = values.to_vec();
        values.sort_by(f64::total_cmp);
        let last = values.last().copied().unwrap_or(0.0);
        let place = values.len().saturating_mul(999) / 1000;
        Self {
            p50_s: quantile(&values, 50),
            p99_s: quantile(&values, 99),
            p999_s: values.get(place).copied().unwrap_or(last),
            max_s: last,
        }
    }
}

/// One way to run the model.
#[derive(Debug, Serialize)]
pub(crate) struct InferenceRow {
    provider: sinew_policy::Provider,
    threads: usize,
    /// Why it could not be measured.
    missing: Option<String>,
    /// Nodes that the provider left to the CPU.
    fallen_back: Vec<NodePlacement>,
    observe: Times,
    run: Times,
    decode: Times,
    total: Times,
    /// The stage `run`, by turns with ONNX Runtime's own C call.
    run_by_turns: Times,
    floor_by_turns: Times,
    /// Of the thread's processor time, less what reading that clock takes.
    observe_and_decode_cpu: Times,
    /// Two readings of the thread's processor time with nothing between them.
    clock_cpu: Times,
    /// Medians over the rounds of `run_by_turns` over `floor_by_turns`.
    run_p50_ratio: f64,
    run_p99_ratio: f64,
    peers: Vec<PeerRow>,
}

/// What `sinew policy bench --json` prints.
#[derive(Debug, Serialize)]
pub(crate) struct InferenceReport {
    policy: String,
    ticks: u32,
    rounds: u32,
    rows: Vec<InferenceRow>,
}

impl InferenceReport {
    /// Whether every way to run the model that was asked for could be measured.
    pub(crate) fn is_complete(&self) -> bool {
        self.rows.iter().all(|row| row.missing.is_none())
    }
}

/// Measures every way to run the model; `tell` hears of each round.
pub(crate) fn measure(
    plan: &InferencePlan,
    tell: &mut dyn FnMut(String),
) -> Result<InferenceReport> {
    let mut rows = Vec::new();
    for run_on in &plan.run_on {
        match measure_on(plan, *run_on, tell) {
            Ok(row) => rows.push(row),
            Err(Failure::Missing(reason)) => rows.push(InferenceRow {
                provider: run_on.provider,
                threads: run_on.threads,
                missing: Some(reason),
                fallen_back: Vec::new(),
                observe: Times::default(),
                run: Times::default(),
                decode: Times::default(),
                total: Times::default(),
                run_by_turns: Times::default(),
                floor_by_turns: Times::default(),
                observe_and_decode_cpu: Times::default(),
                clock_cpu: Times::default(),
                run_p50_ratio: f64::NAN,
                run_p99_ratio: f64::NAN,
                peers: Vec::new(),
            }),
            Err(Failure::Other(error)) => return Err(error),
        }
    }
    let policy = plan.manifest.id.clone();
    Ok(InferenceReport { policy, ticks: plan.ticks, rounds: plan.rounds, rows })
}

enum Failure {
    /// The provider is not there.
    Missing(String),
    Other(anyhow::Error),
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        Self::Other(error)
    }
}

impl From<PolicyError> for Failure {
    fn from(error: PolicyError) -> Self {
        match error {
            PolicyError::ProviderMissing { .. } => Self::Missing(error.to_string()),
            other => Self::Other(other.into()),
        }
    }
}

fn measure_on(
    plan: &InferencePlan,
    run_on: RunOn,
    tell: &mut dyn FnMut(String),
) -> Result<InferenceRow, Failure> {
    let load = || Policy::load_on(plan.manifest.clone(), &plan.folder, &plan.robot, run_on);
    let mut policy = load()?;
    let mut by_cpu = load()?;
    by_cpu.time_by(processor_time);
    let mut raw = RawRun::load(&plan.manifest, &plan.folder, run_on)?;
    let mut robot = Robot::new(plan, &policy)?;
    policy.reset(&robot.state)?;
    by_cpu.reset(&robot.state)?;

    let mut alone = Alone::default();
    let (mut run, mut floor) = (vec![], vec![]);
    let (mut cpu, mut clock) = (vec![], vec![]);
    let (mut p50_ratios, mut p99_ratios) = (vec![], vec![]);
    let mut peers = plan.peers.iter().map(|peer| Peer::start(peer)).collect::<Result<Vec<_>>>()?;
    for round in 1..=plan.rounds {
        let [runs, floors] = by_turns(plan, &mut robot, &mut policy, &mut raw)?;
        let [owns, readings] = own_processor_time(plan, &mut robot, &mut by_cpu)?;
        let ticks = Alone::measure(plan, &mut robot, &mut policy)?;
        let whole = Times::of(&ticks.total);
        for peer in &mut peers {
            peer.measure(plan.ticks, whole.p50_s, whole.p99_s)?;
        }
        let (own, bare) = (Times::of(&runs), Times::of(&floors));
        p50_ratios.push(own.p50_s / bare.p50_s);
        p99_ratios.push(own.p99_s / bare.p99_s);
        tell(format!(
            "{:?}, {} threads, round {round}/{}: run {} over {} bare",
            run_on.provider,
            run_on.threads,
            plan.rounds,
            short(own.p50_s),
            short(bare.p50_s)
        ));
        alone.extend(ticks);
        run.extend(runs);
        floor.extend(floors);
        cpu.extend(owns);
        clock.extend(readings);
    }
    Ok(InferenceRow {
        provider: run_on.provider,
        threads: run_on.threads,
        missing: None,
        fallen_back: policy.fallen_back().into_iter().cloned().collect(),
        observe: Times::of(&alone.observe),
        run: Times::of(&alone.run),
        decode: Times::of(&alone.decode),
        total: Times::of(&alone.total),
        run_by_turns: Times::of(&run),
        floor_by_turns: Times::of(&floor),
        observe_and_decode_cpu: Times::of(&cpu),
        clock_cpu: Times::of(&clock),
        run_p50_ratio: median(p50_ratios).unwrap_or(f64::NAN),
        run_p99_ratio: median(p99_ratios).unwrap_or(f64::NAN),
        peers: peers.into_iter().map(Peer::row).collect(),
    })
}

/// Calls `measure` for each tick of a block, with whether it counts: the first half does not.
fn block(
    plan: &InferencePlan,
    robot: &mut Robot,
    mut measure: impl FnMut(&Robot, bool) -> Result<(), Failure>,
) -> Result<(), Failure> {
    for tick in 0..2 * plan.ticks {
        if interrupt::is_set() {
            return Err(Failure::Other(anyhow!("interrupted")));
        }
        robot.tick(plan)?;
        measure(robot, tick >= plan.ticks)?;
    }
    Ok(())
}

/// The stage `run` and ONNX Runtime's own call on the observations of the policy's last run, s: by turns, and each of them
/// first in every second run, so that whatever else the machine does, and what each takes of the other's cache, falls on both
/// alike. Of a policy of chunks only the ticks that run the network count.
fn by_turns(
    plan: &InferencePlan,
    robot: &mut Robot,
    policy: &mut Policy,
    raw: &mut RawRun,
) -> Result<[Vec<f64>; 2], Failure> {
    let (mut runs, mut floors) = (vec![], vec![]);
    let mut is_raw_first = false;
    block(plan, robot, |robot, counts| {
        if !policy.runs_next() {
            policy.step(&robot.state, &robot.inputs)?;
            return Ok(());
        }
        is_raw_first = !is_raw_first;
        let mut bare = Duration::ZERO;
        for is_raw in [is_raw_first, !is_raw_first] {
            if !is_raw {
                policy.step(&robot.state, &robot.inputs)?;
                continue;
            }
            for (input, values) in policy.observations() {
                raw.write(input, values);
            }
            let begun = Instant::now();
            if !raw.run() {
                return Err(Failure::Other(anyhow!("ONNX Runtime's own call failed")));
            }
            bare = begun.elapsed();
        }
        if counts {
            runs.push(policy.stages().run.as_secs_f64());
            floors.push(bare.as_secs_f64());
        }
        Ok(())
    })?;
    Ok([runs, floors])
}

/// What a tick takes of the thread's processor time beside the run, less what reading that clock takes, and two
/// readings of it with nothing between them, s.
fn own_processor_time(
    plan: &InferencePlan,
    robot: &mut Robot,
    by_cpu: &mut Policy,
) -> Result<[Vec<f64>; 2], Failure> {
    let (mut owns, mut readings) = (vec![], vec![]);
    block(plan, robot, |robot, counts| {
        by_cpu.step(&robot.state, &robot.inputs)?;
        let read = processor_time();
        let reading = processor_time().saturating_sub(read);
        if counts {
            let own = by_cpu.stages();
            owns.push((own.observe + own.decode).as_secs_f64());
            readings.push(reading.as_secs_f64());
        }
        Ok(())
    })?;
    // Each of the two stages holds one reading.
    let reading = Times::of(&readings).p50_s;
    owns.iter_mut().for_each(|own| *own = (*own - 2.0 * reading).max(0.0));
    Ok([owns, readings])
}

/// Whole ticks with no other network in between, as on a robot, and as peers measure theirs, s.
#[derive(Default)]
struct Alone {
    observe: Vec<f64>,
    run: Vec<f64>,
    decode: Vec<f64>,
    total: Vec<f64>,
}

impl Alone {
    fn measure(
        plan: &InferencePlan,
        robot: &mut Robot,
        policy: &mut Policy,
    ) -> Result<Self, Failure> {
        let mut ticks = Self::default();
        block(plan, robot, |robot, counts| {
            let begun = Instant::now();
            policy.step(&robot.state, &robot.inputs)?;
            let whole = begun.elapsed();
            if counts {
                let stages = policy.stages();
                ticks.observe.push(stages.observe.as_secs_f64());
                ticks.run.push(stages.run.as_secs_f64());
                ticks.decode.push(stages.decode.as_secs_f64());
                ticks.total.push(whole.as_secs_f64());
            }
            Ok(())
        })?;
        Ok(ticks)
    }

    fn extend(&mut self, more: Self) {
        self.observe.extend(more.observe);
        self.run.extend(more.run);
        self.decode.extend(more.decode);
        self.total.extend(more.total);
    }
}

/// A robot whose joints swing.
struct Robot {
    state: RobotState,
    inputs: CommandInputs,
    /// Name and width of each command.
    commands: Vec<(String, usize)>,
    /// Name and size of each camera.
    cameras: Vec<(String, usize, usize)>,
    picture: Vec<u8>,
    ticks: u32,
}

impl Robot {
    fn new(plan: &InferencePlan, policy: &Policy) -> Result<Self, Failure> {
        let (mut commands, mut cameras, mut largest) = (Vec::new(), Vec::new(), 0);
        for input in &plan.manifest.inputs {
            match input {
                InputSpec::Observation { terms, .. } => {
                    let given = terms.iter().filter(|term| term.source == Source::Command);
                    commands.extend(
                        given.map(|term| (term.name.clone().unwrap_or_default(), term.width())),
                    );
                }
                InputSpec::Image { camera, width, height, .. } => {
                    cameras.push((camera.clone(), *width, *height));
                    largest = largest.max(3 * width * height);
                }
                _ => {}
            }
        }
        let mut robot = Self {
            state: RobotState::invalid(plan.robot.layout()),
            inputs: policy.command_inputs(),
            commands,
            cameras,
            picture: vec![128; largest],
            ticks: 0,
        };
        robot.tick(plan)?;
        Ok(robot)
    }

    fn tick(&mut self, plan: &InferencePlan) -> Result<(), PolicyError> {
        self.ticks += 1;
        let period = Duration::from_secs_f64(1.0 / plan.manifest.rate_hz);
        let now = Time::ZERO + period * self.ticks;
        let phase = f64::from(self.ticks) * 0.01;
        self.state.stamp = now;
        for (index, joint) in self.state.joints.iter_mut().enumerate() {
            #[allow(clippy::cast_precision_loss)]
            let angle = phase + index as f64;
            (joint.position, joint.velocity) = (0.1 * angle.sin(), 0.1 * angle.cos());
            joint.effort = 0.0;
            (joint.stamp, joint.valid) = (now, true);
        }
        self.state.imu = Some(ImuState {
            orientation: UnitQuaternion::from_euler_angles(0.05 * phase.sin(), 0.0, 0.0),
            angular_velocity: Vector3::new(0.1 * phase.cos(), 0.0, 0.0),
            linear_acceleration: Vector3::new(0.0, 0.0, 9.81),
            stamp: now,
            valid: true,
        });
        self.state.base = Some(BaseState {
            map_from_base: Isometry3::identity(),
            linear_velocity: Vector3::zeros(),
            angular_velocity: Vector3::zeros(),
            stamp: now,
            valid: true,
        });
        for (name, width) in &self.commands {
            const MOST: usize = 4096;
            let values = [0.1; MOST];
            self.inputs.set(name, &values[..*width], now)?;
        }
        for (name, width, height) in &self.cameras {
            let bytes = &self.picture[..3 * width * height];
            self.inputs.set_image(name, *width, *height, bytes, now)?;
        }
        Ok(())
    }
}

impl fmt::Display for InferenceReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}: {} rounds of {} ticks", self.policy, self.rounds, self.ticks)?;
        for row in &self.rows {
            writeln!(f)?;
            if let Some(reason) = &row.missing {
                writeln!(f, "{:?}: {reason}", row.provider)?;
                continue;
            }
            writeln!(f, "{:?}, {} threads", row.provider, row.threads)?;
            for node in &row.fallen_back {
                writeln!(f, "fell back to the CPU: {node}")?;
            }
            let mut rows = vec![["", "p50", "p99", "p99.9", "max"].map(String::from).to_vec()];
            for (name, times) in [
                ("observe", row.observe),
                ("run", row.run),
                ("decode", row.decode),
                ("total", row.total),
                ("run, by turns with the floor", row.run_by_turns),
                ("floor: ONNX Runtime's C call", row.floor_by_turns),
                ("observe + decode, processor time", row.observe_and_decode_cpu),
                ("reading that clock", row.clock_cpu),
            ] {
                let all = [times.p50_s, times.p99_s, times.p999_s, times.max_s];
                let mut cells = vec![name.to_owned()];
                cells.extend(all.map(short));
                rows.push(cells);
            }
            write!(f, "{}", table(&rows))?;
            writeln!(
                f,
                "run over floor, median of {} rounds: p50 {:.3}, p99 {:.3}",
                self.rounds, row.run_p50_ratio, row.run_p99_ratio
            )?;
            for peer in &row.peers {
                writeln!(
                    f,
                    "peer `{}`: p50 {}, p99 {}; our whole tick over it, median of {} rounds: p50 {:.3}, p99 {:.3}",
                    peer.command,
                    short(peer.p50_s),
                    short(peer.p99_s),
                    self.rounds,
                    peer.total_p50_ratio,
                    peer.total_p99_ratio
                )?;
            }
        }
        Ok(())
    }
}
