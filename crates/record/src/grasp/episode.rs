use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::time::Duration;

use npyz::WriterBuilder;
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use sinew_policy::{
    ActionDecoder, CommandInputs, Embodiment, InputSpec, ObservationProgram, Observed, Policy,
    PolicyManifest,
};
use sinew_types::ActuatorCommand;

use super::{GraspAction, GraspExpert, GraspScene, GraspView};
use crate::{Dataset, RecordError, RecorderOptions};

/// An episode ends after this.
const TIME_LIMIT: Duration = Duration::from_secs(8);

/// Who commands in an episode of grasping.
pub trait GraspPilot {
    /// Starts an episode.
    ///
    /// # Errors
    /// When the robot's state is not valid.
    fn reset(&mut self, scene: &GraspScene<'_>) -> Result<(), RecordError>;

    /// One tick: fills the command.
    ///
    /// # Errors
    /// Those of the policy and of the robot's model.
    fn tick(
        &mut self,
        scene: &mut GraspScene<'_>,
        command: &mut ActuatorCommand,
    ) -> Result<(), RecordError>;
}

/// Runs a scene to its success, its time limit, or a stop by the gate; whether it succeeded.
///
/// # Errors
/// Those of the scene and the pilot.
pub fn run_grasp(
    scene: &mut GraspScene<'_>,
    pilot: &mut dyn GraspPilot,
) -> Result<bool, RecordError> {
    pilot.reset(scene)?;
    let mut command = scene.first_command();
    while !scene.has_succeeded() && scene.elapsed() < TIME_LIMIT {
        pilot.tick(scene, &mut command)?;
        match scene.advance(&command) {
            Err(RecordError::Stopped { .. }) => return Ok(false),
            advanced => advanced?,
        }
    }
    Ok(scene.has_succeeded())
}

/// Gives a policy what it asks for of what is seen: the commands of `pick` and `place`.
fn give(
    view: &GraspView,
    inputs: &mut CommandInputs,
    scene: &GraspScene<'_>,
) -> Result<(), RecordError> {
    let stamp = scene.state().stamp;
    let values: [(&str, &[f64]); 4] = [
        ("tool_position_error", &view.error.position),
        ("tool_rotation_error", &view.error.rotation),
        ("object_width", &[view.object_width_m]),
        ("approach_height", &[view.approach_height_m]),
    ];
    for (name, values) in values {
        if inputs.takes(name) {
            inputs.set(name, values, stamp)?;
        }
    }
    Ok(())
}

/// A policy drives, nothing is recorded.
impl GraspPilot for (Policy, CommandInputs) {
    fn reset(&mut self, scene: &GraspScene<'_>) -> Result<(), RecordError> {
        self.1.clear();
        Ok(self.0.reset(scene.state())?)
    }

    fn tick(
        &mut self,
        scene: &mut GraspScene<'_>,
        command: &mut ActuatorCommand,
    ) -> Result<(), RecordError> {
        let (policy, inputs) = self;
        give(&scene.view()?, inputs, scene)?;
        if policy.runs_next() {
            show(scene, policy.manifest(), inputs)?;
        }
        policy.step(scene.state(), inputs)?;
        policy.write(command);
        Ok(())
    }
}

/// Gives a policy the picture that it asks for, if it sees any.
fn show(
    scene: &mut GraspScene<'_>,
    manifest: &PolicyManifest,
    inputs: &mut CommandInputs,
) -> Result<Option<Vec<u8>>, RecordError> {
    let Some((camera, width, height)) = camera(manifest) else { return Ok(None) };
    let picture = scene.picture()?;
    if let Some(rgb) = &picture {
        inputs.set_image(camera, width, height, rgb, scene.state().stamp)?;
    }
    Ok(picture)
}

/// The camera of a policy that sees one: its name and the size of its pictures.
fn camera(manifest: &PolicyManifest) -> Option<(&str, usize, usize)> {
    manifest.inputs.iter().find_map(|input| match input {
        InputSpec::Image { camera, width, height, .. } => Some((camera.as_str(), *width, *height)),
        _ => None,
    })
}

/// What was recorded: per row the observation, and a chunk of what the expert would do; and, where the policy sees
/// them, pictures.
#[derive(Clone, Debug)]
pub struct GraspRecord {
    /// Observation, then chunk, as the network has them.
    pub rows: Dataset,
    /// Red, green and blue of each pixel, row after row.
    pictures: Vec<u8>,
    picture_size: usize,
}

impl GraspRecord {
    /// Writes rows and, where there are any, pictures beside them as `.pictures.npy`, u8 of shape (rows, bytes).
    ///
    /// # Errors
    /// [`RecordError::Write`] names the file.
    pub fn write(&self, path: &Path) -> Result<(), RecordError> {
        self.rows.write(path)?;
        if self.picture_size == 0 {
            return Ok(());
        }
        let path = path.with_extension("pictures.npy");
        let fail = |source| RecordError::Write { path: path.clone(), source };
        let file = File::create(&path).map_err(fail)?;
        let shape = [(self.pictures.len() / self.picture_size) as u64, self.picture_size as u64];
        let options = npyz::WriteOptions::new().default_dtype().shape(&shape);
        let mut writer = options.writer(BufWriter::new(file)).begin_nd().map_err(fail)?;
        writer.extend(self.pictures.iter().copied()).map_err(fail)?;
        writer.finish().map_err(fail)
    }
}

/// Drives as expert or policy, and writes down what the policy sees and what the expert would do from there.
pub struct GraspRecorder {
    options: RecorderOptions,
    expert: GraspExpert,
    manifest: PolicyManifest,
    program: ObservationProgram,
    decoder: ActionDecoder,
    inputs: CommandInputs,
    policy: Option<Policy>,
    rng: ChaCha8Rng,
    record: GraspRecord,
    ticks: u32,
    by_policy: bool,
    disturbed: bool,
    disturbance: [f64; 6],
    disturbed_ticks: u32,
}

impl GraspRecorder {
    /// A recorder of a manifest's observation and chunk; the policy, if one is given, drives its share of the
    /// episodes.
    ///
    /// # Errors
    /// [`RecordError::Policy`] when the manifest does not fit the robot.
    pub fn new(
        manifest: &PolicyManifest,
        robot: &Embodiment,
        policy: Option<Policy>,
        expert: GraspExpert,
        options: RecorderOptions,
    ) -> Result<Self, RecordError> {
        let program = ObservationProgram::compile(manifest, robot)?;
        let observed: usize = manifest
            .inputs
            .iter()
            .filter(|input| matches!(input, InputSpec::Observation { .. }))
            .filter_map(InputSpec::width)
            .sum();
        let chunk = manifest.action_width() * manifest.chunk_length();
        let picture_size = camera(manifest).map_or(0, |(_, width, height)| 3 * width * height);
        Ok(Self {
            options,
            expert,
            manifest: manifest.clone(),
            decoder: ActionDecoder::compile(manifest, robot)?,
            inputs: program.command_inputs(),
            program,
            policy,
            rng: ChaCha8Rng::seed_from_u64(options.seed),
            record: GraspRecord {
                rows: Dataset::new(observed + chunk),
                pictures: Vec::new(),
                picture_size,
            },
            ticks: 0,
            by_policy: false,
            disturbed: false,
            disturbance: [0.0; 6],
            disturbed_ticks: 0,
        })
    }

    /// What was recorded.
    pub fn into_record(self) -> GraspRecord {
        self.record
    }

    /// The raw output that is decoded to an action.
    fn encode(&self, action: &GraspAction) -> Vec<f32> {
        let (linear, angular) = (action.linear, action.angular);
        let wanted =
            [linear.x, linear.y, linear.z, angular.x, angular.y, angular.z, action.gripper_width_m];
        let mut raw = vec![0.0; wanted.len()];
        self.decoder.encode(&wanted, &mut raw);
        raw
    }

    /// A push that lasts some ticks, now and then.
    fn disturb(&mut self, raw: &mut [f32]) {
        if !self.disturbed {
            return;
        }
        if self.disturbed_ticks == 0 && self.rng.random_bool(0.03) {
            self.disturbed_ticks = self.rng.random_range(4..16);
            let size = self.options.disturbance;
            self.disturbance = std::array::from_fn(|_| self.rng.random_range(-size..size));
        }
        if self.disturbed_ticks > 0 {
            self.disturbed_ticks -= 1;
            for (raw, push) in raw.iter_mut().zip(&self.disturbance) {
                *raw += *push as f32;
            }
        }
    }
}

impl GraspPilot for GraspRecorder {
    fn reset(&mut self, scene: &GraspScene<'_>) -> Result<(), RecordError> {
        self.by_policy = self.policy.is_some() && self.rng.random_bool(self.options.policy_share);
        self.disturbed = self.rng.random_bool(self.options.disturbed_share);
        (self.disturbed_ticks, self.ticks) = (0, 0);
        self.inputs.clear();
        self.program.reset();
        if let Some(policy) = &mut self.policy {
            policy.reset(scene.state())?;
        }
        Ok(self.decoder.reset(scene.state())?)
    }

    fn tick(
        &mut self,
        scene: &mut GraspScene<'_>,
        command: &mut ActuatorCommand,
    ) -> Result<(), RecordError> {
        let view = scene.view()?;
        give(&view, &mut self.inputs, scene)?;
        let asks = self.ticks.is_multiple_of(RECORD_EVERY);
        self.ticks += 1;
        let drives = self.by_policy;
        let policy_asks = self.policy.as_ref().is_some_and(|p| drives && p.runs_next());
        let picture = match asks || policy_asks {
            true => show(scene, &self.manifest, &mut self.inputs)?,
            false => None,
        };
        let width = self.manifest.action_width();
        let length = self.manifest.chunk_length();
        let plan = self.expert.plan(&view, 1.0 / self.manifest.rate_hz, length);
        let label: Vec<f32> = plan.iter().flat_map(|action| self.encode(action)).collect();
        if asks {
            self.program.observe(&Observed {
                state: scene.state(),
                commands: &self.inputs,
                last_action: &label[..width],
                last_clipped: self.decoder.clipped(),
                references: &[],
                time_s: 0.0,
                runs: false,
            })?;
            let is_observation = |index: &usize| {
                matches!(self.manifest.inputs[*index], InputSpec::Observation { .. })
            };
            let observed: Vec<f32> = self
                .program
                .values()
                .filter(|(index, _)| is_observation(index))
                .flat_map(|(_, values)| values.iter().copied())
                .collect();
            self.record.rows.push(&observed, &label);
            self.record.pictures.extend(picture.into_iter().flatten());
        }
        let mut action = label[..width].to_vec();
        if let Some(policy) = self.policy.as_mut().filter(|_| drives) {
            policy.step(scene.state(), &self.inputs)?;
            action.copy_from_slice(policy.raw_action());
        }
        self.disturb(&mut action);
        self.decoder.decode(&action, scene.state())?;
        self.decoder.write(command);
        Ok(())
    }
}

/// Ticks of the policy between two rows: they differ little.
const RECORD_EVERY: u32 = 3;
