use std::sync::Arc;
use std::time::Duration;

use nalgebra::Vector3;
use sinew_types::{ImuState, JointState, Layout, Time};

use super::Observed;
use crate::manifest::{BaseAxis, PolicyManifest, Source, TermSpec};
use crate::{Embodiment, PolicyError, Staleness};

/// One term, compiled for one robot: gather, clip, scale and normalise.
#[derive(Clone, Debug)]
pub(crate) struct Term {
    source: Source,
    /// Per element: its index in the vector of its source.
    indices: Vec<usize>,
    affine: Affine,
    max_norm: f64,
    max_age: Duration,
    /// Index of the command or the reference.
    slot: usize,
    keep_last: Duration,
    /// The last good raw values, and when they were read.
    kept: Option<Time>,
    raw: Vec<f64>,
    /// What is being gathered: it becomes `raw` when it is whole.
    fresh: Vec<f64>,
    /// One per element for joints, else one; for errors.
    names: Vec<Arc<str>>,
}

/// What becomes of the raw values, element by element: a list per step, which the compiler turns into vector instructions.
#[derive(Clone, Debug, Default)]
struct Affine {
    offset: Vec<f64>,
    low: Vec<f64>,
    high: Vec<f64>,
    scale: Vec<f64>,
    /// Of the whole frame, after the scale.
    frame_low: f64,
    frame_high: f64,
    factor: Vec<f64>,
    summand: Vec<f64>,
    /// Whether there is a bound at all.
    is_bounded: bool,
}

impl Affine {
    /// All lists are as long as `raw`, and so is `out`; bounds are in order.
    fn apply(&self, raw: &[f64], shrink: f64, out: &mut [f32]) {
        let width = raw.len();
        if !self.is_bounded && shrink == 1.0 {
            let [offset, scale, factor, summand] =
                [&self.offset, &self.scale, &self.factor, &self.summand].map(|list| &list[..width]);
            let out = &mut out[..width];
            for i in 0..width {
                out[i] = ((raw[i] - offset[i]) * scale[i] * factor[i] + summand[i]) as f32;
            }
            return;
        }
        let [offset, low, high, scale, factor, summand] =
            [&self.offset, &self.low, &self.high, &self.scale, &self.factor, &self.summand]
                .map(|list| &list[..width]);
        let out = &mut out[..width];
        for i in 0..width {
            let own = bounded(raw[i] * shrink - offset[i], low[i], high[i]);
            let framed = bounded(own * scale[i], self.frame_low, self.frame_high);
            // Through f32 only once, at the end.
            out[i] = (framed * factor[i] + summand[i]) as f32;
        }
    }
}

/// As `clamp`, which checks the order of its bounds each time; the manifest's are in order.
fn bounded(value: f64, low: f64, high: f64) -> f64 {
    let value = if value < low { low } else { value };
    if value > high { high } else { value }
}

/// Why a term has no values.
#[derive(Clone, Copy, Debug)]
enum Lack {
    Missing,
    Invalid(usize),
    Old(usize, Duration),
    NotFinite(usize, f64),
}

/// Bounds of a frame's elements, and factor and summand of the normalisation of one of them.
pub(crate) type Normaliser<'a> = ([f64; 2], &'a dyn Fn(usize) -> (f64, f64));

impl Term {
    /// Resolves names against the layout; `first` is the term's first element in its frame.
    pub(crate) fn compile(
        manifest: &PolicyManifest,
        (at, spec): (&str, &TermSpec),
        slot: usize,
        robot: &Embodiment,
        first: usize,
        ([frame_low, frame_high], normalise): Normaliser<'_>,
    ) -> Result<Self, PolicyError> {
        let mut indices = Vec::with_capacity(spec.width());
        let mut affine = Affine { frame_low, frame_high, ..Affine::default() };
        for i in 0..spec.width() {
            let index = match spec.source {
                source if source.is_of_joints() => joint_index(
                    manifest,
                    robot.layout(),
                    format!("{at}.joints[{i}]"),
                    &spec.joints[i],
                )?,
                Source::BaseVelocity => match spec.axes[i] {
                    BaseAxis::LinearX => 0,
                    BaseAxis::LinearY => 1,
                    BaseAxis::AngularZ => 2,
                },
                Source::GripperWidth | Source::GripperForce => {
                    let group = spec.name.as_deref().unwrap_or_default();
                    robot.gripper(manifest, &format!("{at}.name"), group)?
                }
                _ => i,
            };
            let unbounded = [f64::NEG_INFINITY, f64::INFINITY];
            let [low, high] = spec.clip.as_ref().map_or(unbounded, |clip| clip.get(i));
            let (factor, summand) = normalise(first + i);
            indices.push(index);
            affine.offset.push(spec.offset.as_ref().map_or(0.0, |offset| offset.get(i)));
            affine.low.push(low);
            affine.high.push(high);
            affine.scale.push(spec.scale.as_ref().map_or(1.0, |scale| scale.get(i)));
            affine.factor.push(factor);
            affine.summand.push(summand);
        }
        let bounds = [&affine.low, &affine.high].map(|list| list.as_slice());
        let frame = [frame_low, frame_high];
        affine.is_bounded = bounds.concat().iter().chain(&frame).any(|bound| bound.is_finite());
        Ok(Self {
            source: spec.source,
            raw: vec![0.0; indices.len()],
            fresh: vec![0.0; indices.len()],
            indices,
            affine,
            max_norm: spec.max_norm.unwrap_or(f64::INFINITY),
            max_age: Duration::from_secs_f64(spec.max_age_s.unwrap_or(0.0)),
            slot,
            keep_last: Duration::from_secs_f64(spec.keep_last_s.unwrap_or(0.0)),
            kept: None,
            names: names(spec).into_iter().map(Arc::from).collect(),
        })
    }

    pub(crate) fn width(&self) -> usize {
        self.indices.len()
    }

    pub(crate) fn reset(&mut self) {
        self.kept = None;
    }

    /// Fills its part of a frame; whether with values of before. Real-time safe unless it fails.
    pub(crate) fn write(
        &mut self,
        policy: &Arc<str>,
        observed: &Observed<'_>,
        out: &mut [f32],
    ) -> Result<bool, PolicyError> {
        let now = observed.state.stamp;
        let mut is_kept = false;
        match self.collect(observed) {
            Ok(()) => self.kept = Some(now),
            Err(Lack::NotFinite(element, value)) => {
                return Err(PolicyError::NotFinite {
                    policy: Arc::clone(policy),
                    what: self.name(element),
                    element: None,
                    value,
                });
            }
            Err(lack) => {
                let last = self.kept.filter(|at| now.since(*at) <= self.keep_last);
                if last.is_none() || self.keep_last.is_zero() {
                    return Err(self.stale(policy, lack));
                }
                is_kept = true;
            }
        }
        let norm = if self.max_norm.is_finite() {
            self.raw.iter().map(|raw| raw * raw).sum::<f64>().sqrt()
        } else {
            0.0
        };
        let shrink = if norm > self.max_norm { self.max_norm / norm } else { 1.0 };
        self.affine.apply(&self.raw, shrink, out);
        Ok(is_kept)
    }

    /// Takes the raw values; they are as before if they are not all there.
    fn collect(&mut self, observed: &Observed<'_>) -> Result<(), Lack> {
        self.gather(observed)?;
        if !all_finite(&self.fresh) {
            let found = self.fresh.iter().enumerate().find(|(_, value)| !value.is_finite());
            return Err(found.map_or(Lack::Missing, |(i, value)| Lack::NotFinite(i, *value)));
        }
        std::mem::swap(&mut self.raw, &mut self.fresh);
        Ok(())
    }

    /// Gathers the raw values, which need not be finite.
    fn gather(&mut self, observed: &Observed<'_>) -> Result<(), Lack> {
        let state = observed.state;
        let oldest = state.stamp - self.max_age;
        let check = |element: usize, valid: bool, stamp: Time| match (valid, stamp >= oldest) {
            (true, true) => Ok(()),
            (false, _) => Err(Lack::Invalid(element)),
            (true, false) => Err(Lack::Old(element, state.stamp.since(stamp))),
        };
        let imu = || {
            let imu = state.imu.as_ref().ok_or(Lack::Missing)?;
            check(0, imu.valid, imu.stamp)?;
            Ok(imu)
        };
        let base = || {
            let base = state.base.as_ref().ok_or(Lack::Missing)?;
            check(0, base.valid, base.stamp)?;
            Ok(base)
        };
        let (indices, into) = (&self.indices, &mut self.fresh);
        match self.source {
            Source::JointPosition | Source::JointVelocity | Source::JointEffort => {
                let joints = indices.iter().map(|index| &state.joints[*index]);
                // Looked at one by one only if one is bad.
                let mut are_good = true;
                let mut take = |joint: &JointState, value: f64| {
                    are_good &= joint.valid & (joint.stamp >= oldest);
                    value
                };
                match self.source {
                    Source::JointPosition => {
                        fill(into, joints.clone().map(|joint| take(joint, joint.position)))
                    }
                    Source::JointVelocity => {
                        fill(into, joints.clone().map(|joint| take(joint, joint.velocity)))
                    }
                    _ => fill(into, joints.clone().map(|joint| take(joint, joint.effort))),
                }
                if !are_good {
                    let mut each = joints.enumerate();
                    each.try_for_each(|(i, joint)| check(i, joint.valid, joint.stamp))?;
                }
            }
            Source::BaseVelocity => {
                let base = base()?;
                let (linear, angular) = (base.linear_velocity, base.angular_velocity);
                let all = [linear.x, linear.y, angular.z];
                fill(into, indices.iter().map(|index| all[*index]));
            }
            Source::BaseLinearVelocity => fill(into, vector(base()?.linear_velocity)),
            Source::ImuAngularVelocity => fill(into, vector(imu()?.angular_velocity)),
            Source::ImuLinearAcceleration => fill(into, vector(imu()?.linear_acceleration)),
            Source::ProjectedGravity => fill(into, vector(projected_gravity(imu()?))),
            Source::GripperWidth | Source::GripperForce => {
                let gripper = &state.grippers[indices[0]];
                check(0, gripper.valid, gripper.stamp)?;
                let value = match self.source {
                    Source::GripperWidth => gripper.width_m,
                    _ => gripper.force_n,
                };
                fill(into, std::iter::once(value));
            }
            Source::LastAction => fill(into, observed.last_action.iter().map(|v| f64::from(*v))),
            Source::LastClippedAction => {
                fill(into, observed.last_clipped.iter().map(|v| f64::from(*v)));
            }
            Source::Time => fill(into, std::iter::once(observed.time_s)),
            Source::Reference => {
                let reference = &observed.references[self.slot];
                fill(into, indices.iter().map(|index| f64::from(reference[*index])));
            }
            Source::Command => {
                let slot = observed.commands.get(self.slot);
                let Some((values, Some(stamp))) = slot.filter(|(v, _)| v.len() == into.len())
                else {
                    return Err(Lack::Missing);
                };
                check(0, true, stamp)?;
                fill(into, values.iter().copied());
            }
        }
        Ok(())
    }

    fn stale(&self, policy: &Arc<str>, lack: Lack) -> PolicyError {
        let (element, problem) = match lack {
            Lack::Missing | Lack::NotFinite(..) => (0, Staleness::Missing),
            Lack::Invalid(element) => (element, Staleness::Invalid),
            Lack::Old(element, age) => (element, Staleness::Old(age)),
        };
        PolicyError::ObservationStale {
            policy: Arc::clone(policy),
            term: self.name(element),
            problem,
            max_age: self.max_age,
        }
    }

    fn name(&self, element: usize) -> Arc<str> {
        Arc::clone(self.names.get(element).unwrap_or(&self.names[0]))
    }
}

fn fill(into: &mut [f64], values: impl Iterator<Item = f64>) {
    for (into, value) in into.iter_mut().zip(values) {
        *into = value;
    }
}

/// What is not finite times 0 is not a number; four sums, which the compiler makes vector instructions of.
fn all_finite(values: &[f64]) -> bool {
    let mut sums = [0.0; 4];
    let (chunks, rest) = values.as_chunks::<4>();
    for chunk in chunks {
        for (sum, value) in sums.iter_mut().zip(chunk) {
            *sum += value * 0.0;
        }
    }
    let rest: f64 = rest.iter().map(|value| value * 0.0).sum();
    sums.iter().sum::<f64>() + rest == 0.0
}

fn vector(vector: Vector3<f64>) -> impl Iterator<Item = f64> {
    (0..3).map(move |i| vector[i])
}

fn projected_gravity(imu: &ImuState) -> Vector3<f64> {
    imu.orientation.inverse_transform_vector(&-Vector3::z())
}

/// Names of the elements as errors spell them.
fn names(spec: &TermSpec) -> Vec<String> {
    let of_joints = |what: &str| spec.joints.iter().map(|j| format!("{what}[{j}]")).collect();
    let named = |what: &str| vec![format!("{what}[{}]", spec.name.as_deref().unwrap_or_default())];
    match spec.source {
        Source::JointPosition => of_joints("joint_position"),
        Source::JointVelocity => of_joints("joint_velocity"),
        Source::JointEffort => of_joints("joint_effort"),
        Source::BaseVelocity => vec!["base_velocity".into()],
        Source::BaseLinearVelocity => vec!["base_linear_velocity".into()],
        Source::ImuAngularVelocity => vec!["imu_angular_velocity".into()],
        Source::ImuLinearAcceleration => vec!["imu_linear_acceleration".into()],
        Source::ProjectedGravity => vec!["projected_gravity".into()],
        Source::GripperWidth => named("gripper_width"),
        Source::GripperForce => named("gripper_force"),
        Source::LastAction => vec!["last_action".into()],
        Source::LastClippedAction => vec!["last_clipped_action".into()],
        Source::Time => vec!["time".into()],
        Source::Reference => named("reference"),
        Source::Command => named("command"),
    }
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
