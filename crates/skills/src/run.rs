mod authority;
mod delegated;

use std::time::Duration;

use sinew_model::GroundSkill;
use sinew_types::{
    ActuatorCommand, ErrorCode, Evidence, LeaseId, Outcome, StopEpoch, Termination, Time,
};

use crate::body::Body;
use crate::builtin::Maker;
use crate::context::{Context, Report, Skill, Status};
use crate::delegate::{Delegate, DelegateCall};
use crate::goal::SkillGoal;
use crate::io::{Failure, Feedback, Inputs, LeaseCall};
use crate::pause::Pause;

/// The robot must be measured at rest in so many ticks in a row.
const REST_TICKS: u32 = 3;
/// How long post-conditions may take to be measured as true after the robot is at rest.
const JUDGE_WITHIN: Duration = Duration::from_millis(1500);
/// A stopped robot that is not at rest after this long is reported as such.
const REST_WITHIN: Duration = Duration::from_secs(3);
/// The same, where somebody else may move the robot by now.
const REVOKED_REST_WITHIN: Duration = Duration::from_secs(1);
/// Another system that was told to end a goal, and still commands the robot after this long, is stopped by force.
pub(crate) const DELEGATE_REST_WITHIN: Duration = Duration::from_secs(5);
/// A lease is granted or refused, and groups that another system is to move are free, within this.
const GRANT_WITHIN: Duration = Duration::from_secs(2);
/// A live lease that is missing for so many ticks is lost; news of it may overtake that of its grant.
const LOST_TICKS: u32 = 3;

/// One goal from its acceptance to its end.
pub(crate) struct Run {
    pub(crate) goal: SkillGoal,
    /// Indices of the groups in the layout, and their names.
    pub(crate) groups: Vec<usize>,
    pub(crate) group_names: Vec<String>,
    pub(crate) ground: GroundSkill,
    /// Time in a pause counts.
    pub(crate) time_limit: Duration,
    pub(crate) skill: Box<dyn Skill>,
    /// Of a skill that another system carries out: it holds no lease.
    pub(crate) delegate: Option<Delegate>,
    /// Makes the skill anew after a pause; none if it cannot be paused.
    pub(crate) remake: Option<Maker>,
    pub(crate) accepted: Time,
    pub(crate) stop_epoch: StopEpoch,
    pub(crate) command: ActuatorCommand,
    /// Whether the command is to be sent in this tick.
    pub(crate) commands: bool,
    pub(crate) report: Report,
    pub(crate) phase: Phase,
    /// Asked to end, by its caller or by a goal that takes over.
    pub(crate) ending: Option<ErrorCode>,
    pub(crate) lease: Option<LeaseId>,
    refusal: Option<Failure>,
    seen_live: bool,
    missing_ticks: u32,
    rest_ticks: u32,
    /// Times that a person took its groups.
    interventions: u32,
    /// Clamped cycles of its groups when its lease was last seen to own them.
    clamped_cycles: Option<u64>,
}

/// Where a goal stands.
pub(crate) enum Phase {
    /// For goals that it pre-empted.
    Waiting,
    /// For others to let go of groups that another system is to move.
    Freeing { since: Time },
    /// For its lease; after a pause, for the one that it goes on with.
    Acquiring { request: u64, since: Time, after: Option<Pause> },
    /// It has its lease back: the world is judged anew, and the skill begins anew.
    Resuming,
    /// The skill moves.
    Active,
    /// Somebody else has its groups, or had them; it holds no lease.
    Paused(Pause),
    /// The skill is done: the robot comes to rest and the post-conditions are judged.
    Judging { since: Time, rests_since: Option<Time> },
    /// The lease is given back: the robot comes to rest, then the goal ends so.
    Stopping { since: Time, end: Outcome },
}

/// What the runs of one tick ask of their server.
pub(crate) struct Calls {
    pub(crate) leases: Vec<LeaseCall>,
    pub(crate) delegates: Vec<DelegateCall>,
    /// Number of the last request for a lease or to another system.
    pub(crate) next_request: u64,
}

impl Run {
    #[expect(
        clippy::too_many_arguments,
        reason = "made in one place, out of what was checked there"
    )]
    pub(crate) fn new(
        goal: SkillGoal,
        groups: Vec<usize>,
        group_names: Vec<String>,
        ground: GroundSkill,
        time_limit: Duration,
        skill: Box<dyn Skill>,
        delegate: Option<Delegate>,
        remake: Option<Maker>,
        command: ActuatorCommand,
        stop_epoch: StopEpoch,
        now: Time,
    ) -> Self {
        Self {
            goal,
            groups,
            group_names,
            ground,
            time_limit,
            skill,
            delegate,
            remake,
            accepted: now,
            stop_epoch,
            command,
            commands: false,
            report: Report::default(),
            phase: Phase::Waiting,
            ending: None,
            lease: None,
            refusal: None,
            seen_live: false,
            missing_ticks: 0,
            rest_ticks: 0,
            interventions: 0,
            clamped_cycles: None,
        }
    }

    /// Whether it has any of these groups, or is about to.
    pub(crate) fn uses(&self, groups: &[usize]) -> bool {
        groups.iter().any(|group| self.groups.contains(group))
    }

    pub(crate) fn is_stopping(&self) -> bool {
        matches!(self.phase, Phase::Stopping { .. })
    }

    pub(crate) fn feedback(&self, queue_depth: u32) -> Feedback {
        let phase = match &self.phase {
            Phase::Waiting => "waiting for the robot to come to rest",
            Phase::Freeing { .. } => "waiting for its groups to be free",
            Phase::Acquiring { .. } => "asking for authority",
            Phase::Paused(_) => "paused",
            Phase::Active | Phase::Resuming => self.report.phase,
            Phase::Judging { .. } => "measuring the result",
            Phase::Stopping { .. } => "coming to rest",
        };
        Feedback {
            phase,
            progress: self.report.progress,
            control_source: self.report.source,
            queue_depth,
            inference_ms: self.report.inference.as_secs_f32() * 1e3,
            missed_deadlines: self.report.missed,
            clamped_commands: self.report.clamped,
            lease: self.lease,
        }
    }

    /// One tick; the outcome when the goal has ended. `blocked`: a goal that it pre-empted has not.
    pub(crate) fn step(
        &mut self,
        now: Time,
        inputs: &Inputs<'_>,
        body: &mut Body,
        blocked: bool,
        calls: &mut Calls,
    ) -> Option<Outcome> {
        let end = self.advance(now, inputs, body, blocked, calls);
        if let Some(delegate) = &mut self.delegate {
            calls.delegates.extend(delegate.take_calls(&mut calls.next_request));
        }
        end
    }

    fn advance(
        &mut self,
        now: Time,
        inputs: &Inputs<'_>,
        body: &mut Body,
        blocked: bool,
        calls: &mut Calls,
    ) -> Option<Outcome> {
        self.commands = false;
        self.report.begin();
        self.count_clamped(&inputs.safety);
        if self.goal.dry_run {
            let mut outcome =
                Outcome::succeeded(vec![Evidence::new("dry_run", true)], now.since(self.accepted));
            outcome.postcondition_met = false;
            return Some(outcome);
        }
        if let Phase::Stopping { .. } = self.phase {
            return self.rest(now, inputs, body);
        }
        let lost = self.count_missing(&inputs.safety);
        let taken =
            self.taken_by(&inputs.safety, lost).map(|source| self.pause(source, now, inputs));
        let checked = taken.unwrap_or(Ok(())).and_then(|()| self.check(now, inputs, body, lost));
        if let Err(failure) = checked {
            return self.stop(failure, now, inputs, body, calls);
        }
        match self.phase {
            Phase::Waiting if blocked => None,
            Phase::Waiting => {
                // While it waited the robot moved on.
                let unmet = inputs.world.judge_all(&self.ground.preconditions);
                if !unmet.holds {
                    let message = inputs.unmet(&self.ground.preconditions, "needs");
                    let failure = Failure::new(ErrorCode::PreconditionFailed, message);
                    return self.stop(failure, now, inputs, body, calls);
                }
                self.start(now, inputs, body, calls)
            }
            Phase::Freeing { since } => self.wait_until_free(since, now, inputs, body, calls),
            Phase::Acquiring { since, .. } if now.since(since) > GRANT_WITHIN => {
                let failure = Failure::new(
                    ErrorCode::PeerLost,
                    format!("the gate did not answer within {GRANT_WITHIN:?}"),
                );
                self.stop(failure, now, inputs, body, calls)
            }
            Phase::Acquiring { .. } => None,
            Phase::Resuming => self.go_on(now, inputs, body, calls),
            Phase::Active => self.run(now, inputs, body, calls),
            Phase::Paused(pause) => self.stay_paused(pause, now, inputs, body, calls),
            Phase::Judging { since, rests_since } => {
                self.judge(now, since, rests_since, inputs, body, calls)
            }
            Phase::Stopping { .. } => None,
        }
    }

    /// Asks for the lease; a skill without groups starts at once, and one that another system carries out when its
    /// groups are free for that system to take.
    fn start(
        &mut self,
        now: Time,
        inputs: &Inputs<'_>,
        body: &mut Body,
        calls: &mut Calls,
    ) -> Option<Outcome> {
        if self.groups.is_empty() {
            self.phase = Phase::Active;
            return self.run(now, inputs, body, calls);
        }
        if self.delegate.is_some() {
            self.phase = Phase::Freeing { since: now };
            return self.wait_until_free(now, now, inputs, body, calls);
        }
        self.acquire(now, None, calls);
        None
    }

    fn acquire(&mut self, now: Time, after: Option<Pause>, calls: &mut Calls) {
        calls.next_request += 1;
        let (request, groups) = (calls.next_request, self.group_names.clone());
        calls.leases.push(LeaseCall::Acquire { request, goal: self.goal.id, groups });
        self.phase = Phase::Acquiring { request, since: now, after };
    }

    /// The lease it asked for: from now on it commands.
    pub(crate) fn granted(&mut self, lease: LeaseId) {
        self.lease = Some(lease);
        (self.seen_live, self.missing_ticks) = (false, 0);
        self.phase = match self.phase {
            Phase::Acquiring { after: Some(_), .. } => Phase::Resuming,
            _ => Phase::Active,
        };
    }

    /// The lease it asked for was refused: it ends at its next step, or stays paused if the groups are
    /// taken again.
    pub(crate) fn refused(&mut self, error: ErrorCode, message: String) {
        match self.phase {
            Phase::Acquiring { after: Some(pause), .. }
                if matches!(error, ErrorCode::Busy | ErrorCode::LeaseRevoked) =>
            {
                self.phase = Phase::Paused(pause);
            }
            _ => self.refusal = Some(Failure::new(error, message)),
        }
    }

    /// Whatever ends a goal from outside, or must not be moved under.
    fn check(
        &mut self,
        now: Time,
        inputs: &Inputs<'_>,
        body: &Body,
        lost: bool,
    ) -> Result<(), Failure> {
        if let Some(error) = self.ending {
            let message = match error {
                ErrorCode::Preempted => "another goal took over",
                ErrorCode::PeerLost => {
                    "the planner has fallen silent, and the goal was to end then"
                }
                _ => "cancelled by who asked for it",
            };
            return Err(Failure::new(error, message));
        }
        if let Some(refusal) = self.refusal.take() {
            return Err(refusal);
        }
        self.check_lease(&inputs.safety, lost)?;
        body.check_state(inputs.state, &self.groups, now)?;
        let elapsed = now.since(self.accepted);
        if elapsed > self.time_limit {
            let message =
                format!("it took longer than its limit of {:.1} s", self.time_limit.as_secs_f64());
            return Err(Failure::new(ErrorCode::TimeLimit, message));
        }
        if matches!(self.phase, Phase::Active | Phase::Resuming | Phase::Judging { .. })
            && !inputs.world.judge_all(&self.ground.hold_conditions).holds
        {
            let message = inputs.unmet(&self.ground.hold_conditions, "must hold all the while");
            return Err(Failure::new(ErrorCode::PreconditionFailed, message));
        }
        Ok(())
    }

    fn run(
        &mut self,
        now: Time,
        inputs: &Inputs<'_>,
        body: &mut Body,
        calls: &mut Calls,
    ) -> Option<Outcome> {
        if let Some(lease) = self.lease.filter(|lease| self.command.lease != *lease) {
            body.hold(inputs.state, &self.groups, &mut self.command);
            self.command.lease = lease;
        }
        let mut cx = Context {
            now,
            state: inputs.state,
            world: inputs.world,
            body: &mut *body,
            command: &mut self.command,
            speed_scale: self.goal.speed_scale,
            report: &mut self.report,
            delegate: self.delegate.as_mut(),
            holder: inputs.safety.holder(&self.groups),
        };
        let status = match self.skill.step(&mut cx) {
            Ok(status) => status,
            Err(failure) => return self.stop(failure, now, inputs, body, calls),
        };
        self.report.account(body.tick);
        if status == Status::Done {
            self.report.progress = 1.0;
            self.phase = Phase::Judging { since: now, rests_since: None };
            if body.lets_go(&self.groups) {
                // What it was commanded last would not keep the robot where it is; the gate does.
                calls.leases.extend(self.lease.take().map(LeaseCall::Release));
            }
            body.come_to_rest(&self.groups, &mut self.command);
        }
        self.send(body);
        None
    }

    fn send(&mut self, body: &Body) {
        if self.lease.is_some() {
            self.report.clamped += body.clamp(&mut self.command);
            self.commands = true;
        }
    }

    fn judge(
        &mut self,
        now: Time,
        since: Time,
        rests_since: Option<Time>,
        inputs: &Inputs<'_>,
        body: &Body,
        calls: &mut Calls,
    ) -> Option<Outcome> {
        self.send(body);
        let rests = self.count_rest(inputs, body);
        let rests_since = rests_since.or(rests.then_some(now));
        self.phase = Phase::Judging { since, rests_since };
        let judgement = inputs.world.judge_all(&self.ground.postconditions);
        if rests && judgement.holds {
            let mut evidence = self.report.evidence();
            evidence.extend(judgement.evidence);
            return self.release(Outcome::succeeded(evidence, Duration::ZERO), now, calls);
        }
        let waited = rests_since.map_or(Duration::ZERO, |rests_since| now.since(rests_since));
        if waited > JUDGE_WITHIN || now.since(since) > REST_WITHIN {
            let message = inputs.unmet(&self.ground.postconditions, "measured state does not show");
            let mut outcome =
                Outcome::aborted(ErrorCode::PostconditionFailed, message, Duration::ZERO);
            outcome.evidence = self.report.evidence();
            outcome.evidence.extend(judgement.evidence);
            return self.release(outcome, now, calls);
        }
        None
    }

    fn count_rest(&mut self, inputs: &Inputs<'_>, body: &Body) -> bool {
        let rests = body.is_at_rest(inputs.state, &self.groups);
        self.rest_ticks = if rests { self.rest_ticks + 1 } else { 0 };
        self.rest_ticks >= REST_TICKS
    }

    /// Ends the motion: the gate ramps down what is no longer commanded.
    fn stop(
        &mut self,
        failure: Failure,
        now: Time,
        inputs: &Inputs<'_>,
        body: &Body,
        calls: &mut Calls,
    ) -> Option<Outcome> {
        let mut outcome = match failure.error {
            ErrorCode::Canceled => Outcome::canceled(Duration::ZERO),
            error => Outcome::aborted(error, failure.message, Duration::ZERO),
        };
        outcome.evidence = self.report.evidence();
        let is_idle = self.delegate.as_ref().is_some_and(Delegate::is_idle);
        if is_idle || matches!(self.phase, Phase::Paused(_)) {
            // It holds nothing, and what moves the robot is not its doing.
            let rests = body.is_at_rest(inputs.state, &self.groups);
            return Some(self.ended(outcome, rests, now));
        }
        self.release(outcome, now, calls)
    }

    /// Gives the lease back, if it is still there to give.
    fn release(&mut self, end: Outcome, now: Time, calls: &mut Calls) -> Option<Outcome> {
        self.commands = false;
        self.rest_ticks = 0;
        if let Some(delegate) = &mut self.delegate {
            delegate.cancel(now);
        }
        let lost = matches!(end.error, ErrorCode::LeaseRevoked | ErrorCode::SafetyStop);
        if let Some(lease) = self.lease.filter(|_| !lost) {
            calls.leases.push(LeaseCall::Release(lease));
        }
        self.phase = Phase::Stopping { since: now, end };
        None
    }

    /// Waits until the robot is at rest and the lease is gone; then the goal has ended.
    fn rest(&mut self, now: Time, inputs: &Inputs<'_>, body: &Body) -> Option<Outcome> {
        let rests = self.count_rest(inputs, body);
        let Phase::Stopping { since, end } = &self.phase else { return None };
        let (since, mut end) = (*since, end.clone());
        let waited = now.since(since);
        let (held, patience) = match self.delegate_holds(inputs, waited) {
            Some(held) => (held, DELEGATE_REST_WITHIN),
            None => {
                let live = &inputs.safety.live_leases;
                let patience = match end.error {
                    ErrorCode::LeaseRevoked => REVOKED_REST_WITHIN,
                    _ => REST_WITHIN,
                };
                (self.lease.is_some_and(|lease| live.contains(&lease)), patience)
            }
        };
        if let Some(delegate) = &mut self.delegate {
            delegate.cancel(now);
        }
        let gave_up = waited > patience;
        if gave_up && !rests && self.stop_delegate(inputs, now, &mut end) {
            return None;
        }
        if !(gave_up || (rests && !held)) {
            return None;
        }
        if !rests && end.termination != Termination::Succeeded {
            end.message.push_str("; the robot is not at rest");
        }
        Some(self.ended(end, rests, now))
    }

    fn ended(&self, mut end: Outcome, rests: bool, now: Time) -> Outcome {
        end.evidence.push(Evidence::new("at_rest", rests));
        if let Some(delegate) = &self.delegate {
            end.evidence.extend(delegate.evidence());
            if !delegate.is_confirmed() {
                let said = format!("; {} has not said that its goal ended", delegate.backend());
                end.message.push_str(&said);
            }
        }
        end.elapsed = now.since(self.accepted);
        end.interventions = self.interventions;
        end
    }
}
