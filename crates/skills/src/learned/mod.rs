//! Skills that are policies: one, or several blended.

mod check;
mod loaded;
mod pictures;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use nalgebra::Point3;
use serde_json::Value;
use sinew_model::{Axes, GroundSkill, PolicyInput, Predicate, Until};
use sinew_types::{ErrorCode, Time};

use crate::body::Body;
use crate::context::{Context, Skill, Status};
use crate::goal::Rejection;
use crate::io::{ControlSource, Failure};

pub(crate) use loaded::LearnedPolicies;
pub use pictures::Picture;
pub(crate) use pictures::Pictures;

/// Post-conditions must hold in so many ticks in a row.
const MET_TICKS: u32 = 3;

/// One call of a skill that is policies.
struct Learned {
    skill: String,
    /// Per policy: what goes into each input.
    inputs: Vec<Vec<(String, Vec<Given>)>>,
    weights: Vec<f64>,
    until: End,
    /// When the first run was, and when the next one is due.
    started: Option<Time>,
    due: Time,
    /// Whether the last run gave a command.
    commands: bool,
    /// For an input's values.
    values: Vec<f64>,
}

enum Given {
    Number(f64),
    Position { object: String, axes: Axes },
}

enum End {
    Postconditions { predicates: Vec<Predicate>, met_ticks: u32 },
    Elapsed(Duration),
    Canceled,
}

/// A call of the skill of this id, which is policies.
pub(crate) fn make(
    skill: &str,
    ground: &GroundSkill,
    body: &Body,
) -> Result<Box<dyn Skill>, Rejection> {
    let invalid = |message: String| Rejection::new(ErrorCode::InvalidArguments, message);
    let Some(learned) = body.learned.get(skill) else {
        return Err(invalid(format!("skill `{skill}` has no policies")));
    };
    let spec = learned.spec();
    let args = &ground.args;
    let weights = spec.policies.iter().map(|part| {
        let weight = part.weight.value(args).filter(|weight| *weight >= 0.0);
        weight.ok_or_else(|| invalid("a policy's weight is below 0; allowed: 0 and more".into()))
    });
    let weights = weights.collect::<Result<Vec<_>, _>>()?;
    if weights.iter().sum::<f64>() <= 0.0 {
        return Err(invalid("all policies have the weight 0; allowed: one above 0".into()));
    }
    let inputs = spec.policies.iter().map(|part| {
        let inputs = part.inputs.iter().map(|(name, values)| {
            let values = values.iter().map(|value| given(value, args)).collect::<Option<_>>()?;
            Some((name.clone(), values))
        });
        inputs.collect::<Option<Vec<_>>>()
    });
    let inputs = inputs
        .collect::<Option<Vec<_>>>()
        .ok_or_else(|| invalid("an argument that a policy needs is missing".into()))?;
    let until = match &spec.until {
        Until::Postconditions => {
            End::Postconditions { predicates: ground.postconditions.clone(), met_ticks: 0 }
        }
        until @ Until::ElapsedS(_) => End::Elapsed(until.elapsed(args).ok_or_else(|| {
            invalid("the time after which it ends is below 0; allowed: 0 and more, s".into())
        })?),
        Until::Canceled => End::Canceled,
    };
    Ok(Box::new(Learned {
        skill: skill.into(),
        inputs,
        weights,
        until,
        started: None,
        due: Time::ZERO,
        commands: false,
        values: Vec::new(),
    }))
}

fn given(input: &PolicyInput, args: &Value) -> Option<Given> {
    match input {
        PolicyInput::Scalar(scalar) => scalar.value(args).map(Given::Number),
        PolicyInput::Position(position) => {
            let object = args.get(position.position_of.name())?.as_str()?.to_owned();
            Some(Given::Position { object, axes: position.axes })
        }
    }
}

impl Learned {
    /// Gives the policies what is measured now, and runs them.
    fn run(&mut self, cx: &mut Context<'_>) -> Result<(), Failure> {
        let base_from_map = cx.world.robot.map_from_base.inverse();
        for (index, inputs) in self.inputs.iter().enumerate() {
            for (name, given) in inputs {
                self.values.clear();
                let mut stamp = cx.state.stamp;
                for given in given {
                    match given {
                        Given::Number(number) => self.values.push(*number),
                        Given::Position { object, axes } => {
                            let object = cx.object(object)?;
                            // What is bolted down is where it was seen, however long ago.
                            stamp = if object.fixed { stamp } else { stamp.min(object.stamp) };
                            let origin = object.map_from_object.translation.vector;
                            let at = base_from_map * Point3::from(origin);
                            self.values.extend(&at.coords.as_slice()[..axes.width()]);
                        }
                    }
                }
                let learned = policies(&mut cx.body.learned, &self.skill)?;
                learned.inputs(index).set(name, &self.values, stamp)?;
            }
        }
        let began = Instant::now();
        let learned = policies(&mut cx.body.learned, &self.skill)?;
        learned.look(&cx.body.pictures)?;
        self.commands = learned.step(cx.state, cx.command)?;
        cx.report.inference = began.elapsed();
        Ok(())
    }

    /// Whether its motion is over, and how far it is.
    fn is_over(&mut self, cx: &Context<'_>, elapsed: Duration) -> (bool, f32) {
        match &mut self.until {
            End::Postconditions { predicates, met_ticks } => {
                let met = cx.world.judge_all(&*predicates).holds;
                *met_ticks = if met { *met_ticks + 1 } else { 0 };
                (*met_ticks >= MET_TICKS, 0.0)
            }
            End::Elapsed(time) if time.is_zero() => (true, 1.0),
            End::Elapsed(time) => (elapsed >= *time, elapsed.div_duration_f32(*time).min(1.0)),
            End::Canceled => (false, 0.0),
        }
    }
}

impl Skill for Learned {
    fn step(&mut self, cx: &mut Context<'_>) -> Result<Status, Failure> {
        let learned = policies(&mut cx.body.learned, &self.skill)?;
        let period = learned.period();
        let started = match self.started {
            Some(started) => started,
            None => {
                learned.start(cx.state, &self.weights)?;
                self.due = cx.now;
                cx.now
            }
        };
        self.started = Some(started);
        let elapsed = cx.now.since(started);
        let (is_over, progress) = self.is_over(cx, elapsed);
        if is_over {
            return Ok(Status::Done);
        }
        // At the tick that is nearest to its time; in between its targets stay. What was missed is not made up for.
        if cx.now + cx.body.tick / 2 >= self.due {
            self.run(cx)?;
            self.due = (self.due + period).max(cx.now + period / 2);
        }
        cx.report.phase("running the policy", progress);
        cx.report.source = if self.commands { ControlSource::Policy } else { ControlSource::Hold };
        Ok(Status::Running)
    }
}

fn policies<'a>(
    all: &'a mut BTreeMap<String, LearnedPolicies>,
    skill: &str,
) -> Result<&'a mut LearnedPolicies, Failure> {
    all.get_mut(skill).ok_or_else(|| {
        Failure::new(ErrorCode::PolicyFailed, format!("skill `{skill}` has no policies"))
    })
}
