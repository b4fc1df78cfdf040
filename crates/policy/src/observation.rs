use std::time::Duration;

use nalgebra::Vector3;
use sinew_types::{ImuState, Layout, RobotState, Time};

use crate::manifest::{BaseAxis, Normalisation, PolicyManifest, Source, TermSpec};
use crate::{CommandInputs, PolicyError};

/// The observation of a manifest, compiled for one robot: a flat list of gather, affine and clip
/// steps that writes into the network's input.
#[derive(Clone, Debug)]
pub struct ObservationProgram {
    policy: String,
    layout_hash: u64,
    terms: Vec<Term>,
    elements: Vec<Element>,
    commands: CommandInputs,
}

#[derive(Clone, Debug)]
struct Term {
    source: Source,
    first: usize,
    width: usize,
    max_norm: f64,
    max_age: Duration,
    /// Slot of the command, for `Source::Command`.
    slot: usize,
    /// One per element for joints, else one; for errors.
    names: Vec<String>,
}

#[derive(Clone, Debug)]
struct Element {
    /// Index into the vector of its source.
    index: usize,
    offset: f64,
    low: f64,
    high: f64,
    /// Scale and normalisation in one.
    gain: f64,
    bias: f64,
}

impl ObservationProgram {
    /// Resolves names against the layout.
    ///
    /// # Errors
    /// [`PolicyError::Field`] for a joint that the robot does not have.
    pub fn compile(manifest: &PolicyManifest, layout: &Layout) -> Result<Self, PolicyError> {
        let mut commands: Vec<(String, String, usize)> = Vec::new();
        let mut terms = Vec::with_capacity(manifest.observation.len());
        let mut elements = Vec::with_capacity(manifest.observation_width());
        for (t, spec) in manifest.observation.iter().enumerate() {
            let name = spec.name.clone().unwrap_or_default();
            if spec.source == Source::Command && !commands.iter().any(|c| c.0 == name) {
                commands.push((name.clone(), spec.unit.clone().unwrap_or_default(), spec.width()));
            }
            terms.push(Term {
                source: spec.source,
                first: elements.len(),
                width: spec.width(),
                max_norm: spec.max_norm.unwrap_or(f64::INFINITY),
                max_age: Duration::from_secs_f64(spec.max_age_s.unwrap_or(0.0)),
                slot: commands.iter().position(|c| c.0 == name).unwrap_or(0),
                names: term_names(spec),
            });
            let [low, high] = spec.clip.unwrap_or([f64::NEG_INFINITY, f64::INFINITY]);
            for i in 0..spec.width() {
                let scale = spec.scale.as_ref().map_or(1.0, |s| s.get(i));
                let (mean, std) = match &manifest.normalisation {
                    Normalisation::None => (0.0, 1.0),
                    Normalisation::MeanStd { mean, std } => {
                        (mean[elements.len()], std[elements.len()])
                    }
                };
                elements.push(Element {
                    index: element_index(manifest, layout, t, i)?,
                    offset: spec.offset.as_ref().map_or(0.0, |o| o.get(i)),
                    low,
                    high,
                    gain: scale / std,
                    bias: -mean / std,
                });
            }
        }
        Ok(Self {
            policy: manifest.id.clone(),
            layout_hash: layout.hash(),
            terms,
            elements,
            commands: CommandInputs::new(commands.into_iter()),
        })
    }

    /// Number of elements.
    pub fn width(&self) -> usize {
        self.elements.len()
    }

    /// Empty command inputs of this observation.
    pub fn command_inputs(&self) -> CommandInputs {
        self.commands.clone()
    }

    /// Fills `out`. Real-time safe unless it fails.
    ///
    /// `last_action` is the network's previous raw output.
    ///
    /// # Panics
    /// If `out` is not [`ObservationProgram::width`] long.
    ///
    /// # Errors
    /// [`PolicyError::ObservationStale`] and [`PolicyError::NotFinite`] name the term;
    /// [`PolicyError::WrongLayout`] for a state of another robot.
    pub fn write(
        &self,
        state: &RobotState,
        commands: &CommandInputs,
        last_action: &[f32],
        out: &mut [f32],
    ) -> Result<(), PolicyError> {
        assert_eq!(out.len(), self.elements.len(), "the observation's width");
        if state.layout_hash != self.layout_hash {
            return Err(PolicyError::WrongLayout {
                policy: self.policy.clone(),
                expected: self.layout_hash,
                actual: state.layout_hash,
            });
        }
        for term in &self.terms {
            let range = term.first..term.first + term.width;
            let elements = &self.elements[range.clone()];
            // Raw values go through f32 only once, at the end.
            let mut squares = 0.0;
            for (i, element) in elements.iter().enumerate() {
                let raw = self.raw(term, i, element.index, state, commands, last_action)?;
                squares += raw * raw;
            }
            let norm = squares.sqrt();
            let shrink = if norm > term.max_norm { term.max_norm / norm } else { 1.0 };
            for (i, (element, out)) in elements.iter().zip(&mut out[range]).enumerate() {
                let raw = self.raw(term, i, element.index, state, commands, last_action)?;
                let value = (raw * shrink - element.offset).clamp(element.low, element.high);
                *out = (value * element.gain + element.bias) as f32;
            }
        }
        Ok(())
    }

    /// One raw value, checked.
    fn raw(
        &self,
        term: &Term,
        element: usize,
        index: usize,
        state: &RobotState,
        commands: &CommandInputs,
        last_action: &[f32],
    ) -> Result<f64, PolicyError> {
        let stale = |problem: String| PolicyError::ObservationStale {
            policy: self.policy.clone(),
            term: term.name(element),
            problem,
            max_age: term.max_age,
        };
        let fresh = |valid: bool, stamp: Time| {
            let age = state.stamp.since(stamp);
            match (valid, age <= term.max_age) {
                (true, true) => Ok(()),
                (false, _) => Err(stale("invalid".into())),
                (true, false) => Err(stale(format!("{age:?} old"))),
            }
        };
        let imu = |of: fn(&ImuState) -> Vector3<f64>| {
            let imu = state.imu.as_ref().ok_or_else(|| stale("missing".into()))?;
            fresh(imu.valid, imu.stamp)?;
            Ok::<_, PolicyError>(of(imu)[index])
        };
        let value = match term.source {
            Source::JointPosition | Source::JointVelocity => {
                let joint = &state.joints[index];
                fresh(joint.valid, joint.stamp)?;
                if term.source == Source::JointPosition { joint.position } else { joint.velocity }
            }
            Source::BaseVelocity => {
                let base = state.base.as_ref().ok_or_else(|| stale("missing".into()))?;
                fresh(base.valid, base.stamp)?;
                match index {
                    0 => base.linear_velocity.x,
                    1 => base.linear_velocity.y,
                    _ => base.angular_velocity.z,
                }
            }
            Source::ImuAngularVelocity => imu(|imu| imu.angular_velocity)?,
            Source::ProjectedGravity => {
                imu(|imu| imu.orientation.inverse_transform_vector(&-Vector3::z()))?
            }
            Source::LastAction => f64::from(last_action[index]),
            Source::Command => {
                let slot = commands.get(term.slot).filter(|(values, _)| index < values.len());
                let Some((values, Some(stamp))) = slot else { return Err(stale("missing".into())) };
                fresh(true, stamp)?;
                values[index]
            }
        };
        if value.is_finite() {
            return Ok(value);
        }
        let what = format!("observation term {}", term.name(element));
        Err(PolicyError::NotFinite { policy: self.policy.clone(), what, value })
    }
}

impl Term {
    fn name(&self, element: usize) -> String {
        self.names.get(element).or(self.names.first()).cloned().unwrap_or_default()
    }
}

/// Names of the elements as errors spell them.
fn term_names(spec: &TermSpec) -> Vec<String> {
    match spec.source {
        Source::JointPosition => {
            spec.joints.iter().map(|j| format!("joint_position[{j}]")).collect()
        }
        Source::JointVelocity => {
            spec.joints.iter().map(|j| format!("joint_velocity[{j}]")).collect()
        }
        Source::BaseVelocity => vec!["base_velocity".into()],
        Source::ImuAngularVelocity => vec!["imu_angular_velocity".into()],
        Source::ProjectedGravity => vec!["projected_gravity".into()],
        Source::LastAction => vec!["last_action".into()],
        Source::Command => vec![format!("command[{}]", spec.name.as_deref().unwrap_or_default())],
    }
}

fn element_index(
    manifest: &PolicyManifest,
    layout: &Layout,
    term: usize,
    element: usize,
) -> Result<usize, PolicyError> {
    let spec = &manifest.observation[term];
    Ok(match spec.source {
        Source::JointPosition | Source::JointVelocity => {
            let field = format!("observation[{term}].joints[{element}]");
            joint_index(manifest, layout, field, &spec.joints[element])?
        }
        Source::BaseVelocity => match spec.axes[element] {
            BaseAxis::LinearX => 0,
            BaseAxis::LinearY => 1,
            BaseAxis::AngularZ => 2,
        },
        _ => element,
    })
}

/// The index of a joint, or an error that names the field.
pub(crate) fn joint_index(
    manifest: &PolicyManifest,
    layout: &Layout,
    field: String,
    joint: &str,
) -> Result<usize, PolicyError> {
    layout.joint_index(joint).ok_or_else(|| {
        manifest.field_error(
            field,
            format!("`{joint}`"),
            format!("a joint of the robot: {}", layout.joints().join(", ")),
        )
    })
}
