use std::sync::Arc;

use sinew_types::RobotState;

use super::history::FrameHistory;
use super::image::ImageInput;
use super::term::Term;
use crate::manifest::{InputSpec, PolicyManifest, Source, TermSpec};
use crate::{CommandInputs, Embodiment, PolicyError};

/// The observations of a manifest, compiled for one robot: per input of the graph a flat list of gather,
/// affine and clip steps, and the history that they fill.
pub struct ObservationProgram {
    policy: Arc<str>,
    layout_hash: u64,
    inputs: Vec<ObservationInput>,
    images: Vec<ImageInput>,
    commands: CommandInputs,
    references: Vec<(String, usize)>,
    kept: u64,
}

/// One input of the graph.
#[derive(Clone, Debug)]
struct ObservationInput {
    /// Index in the manifest's inputs.
    index: usize,
    terms: Vec<Term>,
    frame: Vec<f32>,
    history: FrameHistory,
}

/// All that terms may read in one tick.
#[derive(Clone, Copy, Debug)]
pub struct Observed<'a> {
    /// What was measured.
    pub state: &'a RobotState,
    /// What the caller gives.
    pub commands: &'a CommandInputs,
    /// The network's previous raw output.
    pub last_action: &'a [f32],
    /// The same after the action's clip.
    pub last_clipped: &'a [f32],
    /// Other outputs of the run before, in the order of [`ObservationProgram::references`].
    pub references: &'a [Vec<f32>],
    /// Seconds since the first tick after the reset.
    pub time_s: f64,
    /// Whether the network will be run on it: pictures are looked at only then.
    pub runs: bool,
}

impl ObservationProgram {
    /// Resolves names against the robot.
    ///
    /// # Errors
    /// [`PolicyError::Field`] for a joint or a gripper that the robot does not have.
    pub fn compile(manifest: &PolicyManifest, robot: &Embodiment) -> Result<Self, PolicyError> {
        let mut commands: Vec<(String, String, usize)> = Vec::new();
        let mut references: Vec<(String, usize)> = Vec::new();
        let mut inputs = Vec::new();
        let mut cameras = Vec::new();
        let mut images = Vec::new();
        for (index, input) in manifest.inputs.iter().enumerate() {
            let InputSpec::Observation { terms: specs, clip, normalisation, history, .. } = input
            else {
                images.extend(ImageInput::new(index, input, &mut cameras));
                continue;
            };
            let bounds = clip.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
            let normalise = |element: usize| normalisation.affine(element);
            let mut terms = Vec::with_capacity(specs.len());
            let mut first = 0;
            for (t, spec) in specs.iter().enumerate() {
                let slot = slot_of(spec, &mut commands, &mut references);
                let at = format!("inputs[{index}].terms[{t}]");
                let normaliser = (bounds, &normalise as &dyn Fn(usize) -> (f64, f64));
                terms.push(Term::compile(manifest, (&at, spec), slot, robot, first, normaliser)?);
                first += spec.width();
            }
            let widths: Vec<_> = terms.iter().map(Term::width).collect();
            inputs.push(ObservationInput {
                index,
                terms,
                frame: vec![0.0; first],
                history: FrameHistory::new(*history, &widths),
            });
        }
        Ok(Self {
            policy: manifest.id.as_str().into(),
            layout_hash: robot.layout().hash(),
            inputs,
            images,
            commands: CommandInputs::new(commands.into_iter(), cameras.into_iter()),
            references,
            kept: 0,
        })
    }

    /// Empty command inputs of these observations.
    pub fn command_inputs(&self) -> CommandInputs {
        self.commands.clone()
    }

    /// Outputs of the graph that terms read, with their width.
    pub fn references(&self) -> &[(String, usize)] {
        &self.references
    }

    /// Ticks in which a term's last good values stood in for new ones.
    pub fn kept(&self) -> u64 {
        self.kept
    }

    /// Forgets all frames: an episode begins.
    pub fn reset(&mut self) {
        for input in &mut self.inputs {
            input.history.reset();
            input.terms.iter_mut().for_each(Term::reset);
        }
    }

    /// Observes one tick. Real-time safe unless it fails; no frame is taken into a history then.
    ///
    /// # Errors
    /// [`PolicyError::ObservationStale`] and [`PolicyError::NotFinite`] name the term;
    /// [`PolicyError::WrongLayout`] for a state of another robot.
    pub fn observe(&mut self, observed: &Observed<'_>) -> Result<(), PolicyError> {
        if observed.state.layout_hash != self.layout_hash {
            return Err(PolicyError::WrongLayout {
                policy: Arc::clone(&self.policy),
                expected: self.layout_hash,
                actual: observed.state.layout_hash,
            });
        }
        let mut is_kept = false;
        for input in &mut self.inputs {
            let mut rest = input.frame.as_mut_slice();
            for term in &mut input.terms {
                let (own, after) = rest.split_at_mut(term.width());
                is_kept |= term.write(&self.policy, observed, own)?;
                rest = after;
            }
        }
        if observed.runs {
            for image in &mut self.images {
                image.observe(&self.policy, observed.commands, observed.state.stamp)?;
            }
        }
        for input in &mut self.inputs {
            input.history.push(&input.frame);
        }
        self.kept += u64::from(is_kept);
        Ok(())
    }

    /// What goes into each input of the graph: its index in the manifest's inputs, and its values.
    pub fn values(&self) -> impl Iterator<Item = (usize, &[f32])> {
        let observations = self.inputs.iter().map(|input| (input.index, input.history.values()));
        observations.chain(self.images.iter().map(|image| (image.index, image.values())))
    }
}

/// Index of the command or the reference that a term reads, known from here on.
fn slot_of(
    spec: &TermSpec,
    commands: &mut Vec<(String, String, usize)>,
    references: &mut Vec<(String, usize)>,
) -> usize {
    let name = spec.name.clone().unwrap_or_default();
    match spec.source {
        Source::Command => {
            let known = commands.iter().position(|command| command.0 == name);
            known.unwrap_or_else(|| {
                commands.push((name, spec.unit.clone().unwrap_or_default(), spec.width()));
                commands.len() - 1
            })
        }
        Source::Reference => {
            let known = references.iter().position(|reference| reference.0 == name);
            known.unwrap_or_else(|| {
                references.push((name, spec.width()));
                references.len() - 1
            })
        }
        _ => 0,
    }
}
