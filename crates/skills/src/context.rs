use std::time::Duration;

use sinew_model::{WorldObject, WorldState};
use sinew_types::{ActuatorCommand, ErrorCode, Evidence, RobotState, Source, Time};

use crate::body::Body;
use crate::delegate::{Delegate, Task};
use crate::io::{ControlSource, Failure};

/// Whether a skill has more to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Status {
    Running,
    /// Its motion has ended; whether it reached what it promises is measured then.
    Done,
}

/// One call of a skill, carried out tick by tick while its groups are leased.
pub(crate) trait Skill: Send {
    /// Writes this tick's set-points into the command, which holds those of the last tick.
    fn step(&mut self, cx: &mut Context<'_>) -> Result<Status, Failure>;
}

/// What a skill sees and says in one tick.
pub(crate) struct Context<'a> {
    pub(crate) now: Time,
    pub(crate) state: &'a RobotState,
    pub(crate) world: &'a WorldState,
    pub(crate) body: &'a mut Body,
    pub(crate) command: &'a mut ActuatorCommand,
    pub(crate) speed_scale: f64,
    pub(crate) report: &'a mut Report,
    /// For skills that another system carries out.
    pub(crate) delegate: Option<&'a mut Delegate>,
    /// The highest source that holds any of the skill's groups.
    pub(crate) holder: Option<Source>,
}

impl<'a> Context<'a> {
    /// An object that the skill is about.
    pub(crate) fn object(&self, id: &str) -> Result<&'a WorldObject, Failure> {
        self.world.objects.get(id).ok_or_else(|| {
            let message = format!("no object `{id}`; known: {}", self.world.known_ids());
            Failure::new(ErrorCode::UnknownObject, message)
        })
    }

    /// One tick of waiting for the other system, which is asked for `task` first.
    pub(crate) fn delegate(
        &mut self,
        task: impl FnOnce(&mut Self) -> Result<Task, Failure>,
    ) -> Result<Status, Failure> {
        let commands = self.holder == Some(Source::External);
        self.report.source = if commands { ControlSource::External } else { ControlSource::Hold };
        let Some(delegate) = self.delegate.take() else {
            return Err(Failure::new(
                ErrorCode::BackendUnavailable,
                "no other system is configured",
            ));
        };
        let status = if delegate.is_idle() {
            task(self).map(|task| {
                delegate.send(task);
                Status::Running
            })
        } else {
            delegate.wait(self.now, commands)
        };
        self.delegate = Some(delegate);
        status
    }
}

/// What is told about a goal that runs.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) phase: &'static str,
    pub(crate) progress: f32,
    pub(crate) source: ControlSource,
    pub(crate) inference: Duration,
    pub(crate) clamped: u32,
    pub(crate) missed: u32,
    by_policy: Duration,
    by_primitive: Duration,
    paused: Duration,
    measured: Vec<Evidence>,
}

impl Report {
    /// Before a skill's step: nobody has moved anything in this tick.
    pub(crate) fn begin(&mut self) {
        self.source = ControlSource::Hold;
        self.inference = Duration::ZERO;
    }

    /// After a skill's step: its tick counts for who commanded it.
    pub(crate) fn account(&mut self, tick: Duration) {
        match self.source {
            ControlSource::Policy => self.by_policy += tick,
            ControlSource::Primitive => self.by_primitive += tick,
            _ => {}
        }
    }

    /// In a tick of a pause: who moves the robot instead.
    pub(crate) fn paused(&mut self, source: ControlSource, tick: Duration) {
        self.source = source;
        self.paused += tick;
    }

    pub(crate) fn phase(&mut self, phase: &'static str, progress: f32) {
        (self.phase, self.progress) = (phase, progress);
    }

    /// Keeps a measured value; a newer one of the same key replaces it.
    pub(crate) fn measure(&mut self, key: &str, value: f64) {
        let evidence = Evidence::new(key, format_args!("{value:.4}"));
        match self.measured.iter_mut().find(|e| e.key == key) {
            Some(known) => *known = evidence,
            None => self.measured.push(evidence),
        }
    }

    pub(crate) fn evidence(&self) -> Vec<Evidence> {
        let seconds = |key: &str, time: Duration| {
            Evidence::new(key, format_args!("{:.2}", time.as_secs_f64()))
        };
        let mut all = self.measured.clone();
        all.push(seconds("commanded_by_policy_s", self.by_policy));
        all.push(seconds("commanded_by_primitive_s", self.by_primitive));
        if !self.paused.is_zero() {
            all.push(seconds("paused_s", self.paused));
        }
        all
    }
}
