//! Goals that another system carries out for a skill, such as Nav2 or MoveIt.
//!
//! That system commands the robot by its standard interfaces, under EXTERNAL leases of its own; the skill holds no
//! lease meanwhile. It watches, cancels, and judges what is measured.

use std::fmt;
use std::time::Duration;

use nalgebra::Isometry2;
use sinew_types::{ErrorCode, Evidence, GoalId, Time};

use crate::context::Status;
use crate::io::Failure;

/// A system that carries skills out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Drives, by `nav2_msgs/NavigateToPose`.
    Nav2,
    /// Moves the arm, by `moveit_msgs/MoveGroup`.
    MoveIt,
}

impl fmt::Display for Backend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nav2 => "Nav2",
            Self::MoveIt => "MoveIt",
        })
    }
}

/// What another system is asked to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Task {
    /// For [`Backend::Nav2`]: the base drives to a pose of `base_link` in the frame in which it is measured.
    Navigate {
        /// m and rad.
        map_from_base: Isometry2<f64>,
    },
    /// For [`Backend::MoveIt`]: joints move to positions.
    MoveJoints {
        /// Name and position, rad.
        joints: Vec<(String, f64)>,
        /// How far off each joint may end, rad.
        tolerance_rad: f64,
        /// Share of full velocity and acceleration, in (0, 1].
        speed_scale: f64,
    },
}

impl Task {
    /// Who carries it out.
    pub fn backend(&self) -> Backend {
        match self {
            Self::Navigate { .. } => Backend::Nav2,
            Self::MoveJoints { .. } => Backend::MoveIt,
        }
    }
}

/// What the owner of the server is to ask of another system.
#[derive(Clone, Debug, PartialEq)]
pub enum DelegateCall {
    /// Send a goal; what becomes of it goes to [`crate::SkillServer::delegate_event`].
    Send {
        /// Names it in events.
        request: u64,
        /// The skill's goal that it is for.
        goal: GoalId,
        /// What to do.
        task: Task,
    },
    /// Have a goal end. May be asked again until it has.
    Cancel {
        /// The goal's.
        request: u64,
    },
    /// Stop the robot by the emergency stop: who was told to stop moves on.
    Stop {
        /// For the log.
        why: String,
    },
}

/// What another system says of a goal.
#[derive(Clone, Debug, PartialEq)]
pub enum DelegateEvent {
    /// It was taken on.
    Accepted,
    /// It is worked on.
    Feedback {
        /// Where the other system takes the base to be, if it says so in the frame in which it is measured.
        map_from_base: Option<Isometry2<f64>>,
    },
    /// It ended, or was never begun: the other system does not move the robot for it any more.
    Ended(DelegateEnd),
    /// Nothing more will be heard of it, and nothing is known of what the other system does.
    Lost(String),
}

/// How a goal of another system ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DelegateEnd {
    /// The goal's end state by ROS 2's names, or `rejected`, `not sent`.
    pub status: &'static str,
    /// [`ErrorCode::None`] if the other system claims success.
    pub error: ErrorCode,
    /// The other system's name of what went wrong; empty if it gave none.
    pub name: String,
    /// Its own words; empty if it gave none.
    pub text: String,
}

impl DelegateEnd {
    fn message(&self, backend: Backend) -> String {
        let said: Vec<&str> = [self.name.as_str(), self.text.as_str()]
            .into_iter()
            .filter(|s| !s.is_empty())
            .collect();
        let status = self.status;
        match said.is_empty() {
            true => format!("{backend}: {status}, without a reason"),
            false => format!("{backend}: {status}: {}", said.join(": ")),
        }
    }
}

/// After its first feedback, or its first motion, a goal of which nothing is seen for this long is lost.
const SILENT_FOR: Duration = Duration::from_secs(3);
/// Whether a goal is taken on is answered within this; then the other system is lost.
const ANSWERED_WITHIN: Duration = Duration::from_secs(5);
/// How often a goal that does not end is told to.
const CANCEL_PERIOD: Duration = Duration::from_millis(500);

/// The goal of another system that carries a skill's goal out.
#[derive(Debug)]
pub(crate) struct Delegate {
    backend: Backend,
    goal: GoalId,
    state: State,
    /// When it began to wait for an answer.
    asked: Option<Time>,
    is_accepted: bool,
    /// When something was last seen of it: the motion that it commands, and, as soon as there is any, only feedback
    /// from Nav2: it sends it all the time, and what drives for it may outlive it. MoveIt does not.
    seen: Option<Time>,
    believed: Option<Isometry2<f64>>,
    feedback: u64,
    cancel_asked: Option<Time>,
    end: Option<Result<DelegateEnd, String>>,
    calls: Vec<DelegateCall>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Idle,
    /// Wanted, but not numbered yet.
    Wanted,
    Sent {
        request: u64,
    },
    Over,
}

impl Delegate {
    pub(crate) fn new(backend: Backend, goal: GoalId) -> Self {
        Self {
            backend,
            goal,
            state: State::Idle,
            asked: None,
            is_accepted: false,
            seen: None,
            believed: None,
            feedback: 0,
            cancel_asked: None,
            end: None,
            calls: Vec::new(),
        }
    }

    pub(crate) fn backend(&self) -> Backend {
        self.backend
    }

    /// Forgets an attempt that is over, for another one.
    pub(crate) fn reset(&mut self) {
        *self = Self::new(self.backend, self.goal);
    }

    /// Whether nothing was sent yet.
    pub(crate) fn is_idle(&self) -> bool {
        self.state == State::Idle
    }

    /// Whether the other system is known not to act on the goal.
    pub(crate) fn is_confirmed(&self) -> bool {
        match self.state {
            State::Idle => true,
            State::Over => matches!(self.end, Some(Ok(_))),
            State::Wanted | State::Sent { .. } => false,
        }
    }

    /// Whether nothing more will be heard of it.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.state, State::Idle | State::Over)
    }

    /// Where the other system takes the base to be.
    pub(crate) fn believed(&self) -> Option<&Isometry2<f64>> {
        self.believed.as_ref()
    }

    pub(crate) fn send(&mut self, task: Task) {
        self.state = State::Wanted;
        self.calls.push(DelegateCall::Send { request: 0, goal: self.goal, task });
    }

    /// Has the goal end; to be asked in every tick until it is over.
    pub(crate) fn cancel(&mut self, now: Time) {
        let State::Sent { request } = self.state else { return };
        if self.cancel_asked.is_none_or(|asked| now.since(asked) >= CANCEL_PERIOD) {
            self.cancel_asked = Some(now);
            self.calls.push(DelegateCall::Cancel { request });
        }
    }

    /// Has the robot stopped: the other system was told to end, and moves it on.
    pub(crate) fn stop(&mut self) {
        let why = format!("{} was told to end its goal, and moves the robot on", self.backend);
        self.calls.push(DelegateCall::Stop { why });
    }

    /// What is to be asked; a new goal gets its number.
    pub(crate) fn take_calls(&mut self, next_request: &mut u64) -> Vec<DelegateCall> {
        for call in &mut self.calls {
            if let DelegateCall::Send { request, .. } = call {
                *next_request += 1;
                *request = *next_request;
                self.state = State::Sent { request: *request };
            }
        }
        std::mem::take(&mut self.calls)
    }

    /// Whether it is this goal that an event is about; then the event is taken.
    pub(crate) fn take(&mut self, request: u64, event: &DelegateEvent, now: Time) -> bool {
        if self.state != (State::Sent { request }) {
            return false;
        }
        match event {
            DelegateEvent::Accepted => self.is_accepted = true,
            DelegateEvent::Feedback { map_from_base } => {
                self.feedback += 1;
                self.believed = *map_from_base;
                if self.backend == Backend::Nav2 {
                    self.seen = Some(now);
                }
            }
            DelegateEvent::Ended(end) => {
                (self.state, self.end) = (State::Over, Some(Ok(end.clone())));
            }
            DelegateEvent::Lost(why) => {
                (self.state, self.end) = (State::Over, Some(Err(why.clone())));
            }
        }
        true
    }

    /// One tick of a skill that waits for its end. `commands`: whether an EXTERNAL source commands its groups.
    pub(crate) fn wait(&mut self, now: Time, commands: bool) -> Result<Status, Failure> {
        let backend = self.backend;
        if commands && (backend == Backend::MoveIt || self.feedback == 0) {
            self.seen = Some(now);
        }
        match &self.end {
            Some(Ok(end)) if end.error == ErrorCode::None => return Ok(Status::Done),
            Some(Ok(end)) => return Err(Failure::new(end.error, end.message(backend))),
            Some(Err(why)) => {
                let message = format!("{backend} is gone before it said how its goal ended: {why}");
                return Err(Failure::new(ErrorCode::PeerLost, message));
            }
            None => {}
        }
        let asked = *self.asked.get_or_insert(now);
        if !self.is_accepted && now.since(asked) > ANSWERED_WITHIN {
            let late = ANSWERED_WITHIN.as_secs();
            let message =
                format!("{backend} has not said within {late} s whether it takes the goal on");
            return Err(Failure::new(ErrorCode::PeerLost, message));
        }
        if self.seen.is_some_and(|seen| now.since(seen) > SILENT_FOR) {
            let silent = SILENT_FOR.as_secs();
            let what = match backend {
                Backend::Nav2 => "has sent no feedback",
                Backend::MoveIt => "has commanded nothing, and not said how its goal ended,",
            };
            let message = format!("{backend} {what} for {silent} s");
            return Err(Failure::new(ErrorCode::PeerLost, message));
        }
        Ok(Status::Running)
    }

    /// What the other system said, for the outcome.
    pub(crate) fn evidence(&self) -> Vec<Evidence> {
        if self.is_idle() {
            return Vec::new();
        }
        let key = |what: &str| format!("{}_{what}", self.backend.to_string().to_lowercase());
        let status = match &self.end {
            Some(Ok(end)) => end.status,
            Some(Err(_)) => "lost",
            None => "not known",
        };
        let mut all = vec![Evidence::new(key("status"), status)];
        if let Some(Ok(end)) = &self.end {
            let said = [("error", &end.name), ("error_msg", &end.text)];
            let said = said.into_iter().filter(|(_, text)| !text.is_empty());
            all.extend(said.map(|(what, text)| Evidence::new(key(what), text)));
        }
        all.push(Evidence::new(key("feedback"), self.feedback));
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn task() -> Task {
        Task::Navigate { map_from_base: Isometry2::identity() }
    }

    fn ended(error: ErrorCode) -> DelegateEvent {
        let (name, text) = ("NAME".into(), "text".into());
        DelegateEvent::Ended(DelegateEnd { status: "aborted", error, name, text })
    }

    /// A goal that was taken on as request 1.
    fn taken_on(backend: Backend) -> Delegate {
        let mut delegate = sent(backend);
        assert!(delegate.take(1, &DelegateEvent::Accepted, at(0.0)));
        delegate
    }

    /// A goal that was sent as request 1.
    fn sent(backend: Backend) -> Delegate {
        let mut delegate = Delegate::new(backend, GoalId([1; 16]));
        assert!(delegate.is_over() && delegate.is_confirmed());
        delegate.send(task());
        let mut requests = 0;
        assert_eq!(delegate.take_calls(&mut requests).len(), 1);
        assert_eq!(requests, 1);
        delegate
    }

    fn at(seconds: f64) -> Time {
        Time::ZERO + Duration::from_secs_f64(seconds)
    }

    #[test]
    fn a_failure_has_the_systems_own_words_and_the_type_they_mean() {
        let mut delegate = sent(Backend::Nav2);
        assert!(!delegate.take(2, &ended(ErrorCode::BackendNoWay), at(0.0)), "another's");
        assert!(delegate.take(1, &ended(ErrorCode::BackendNoWay), at(0.0)));
        let failure = delegate.wait(at(0.0), false).expect_err("it failed");
        assert_eq!(failure.error, ErrorCode::BackendNoWay);
        assert_eq!(failure.message, "Nav2: aborted: NAME: text");
        assert!(delegate.is_confirmed());
    }

    #[test]
    fn a_lost_goal_is_over_but_not_known_to_have_ended() {
        let mut delegate = sent(Backend::Nav2);
        assert!(delegate.take(1, &DelegateEvent::Lost("no server".into()), at(0.0)));
        let failure = delegate.wait(at(0.0), false).expect_err("it is lost");
        assert_eq!(failure.error, ErrorCode::PeerLost);
        assert!(delegate.is_over() && !delegate.is_confirmed());
    }

    #[test]
    fn who_does_not_answer_a_goal_is_lost_even_before_there_was_a_sign() {
        let mut delegate = sent(Backend::MoveIt);
        assert_eq!(delegate.wait(at(1.0), false).expect("it may answer yet"), Status::Running);
        assert_eq!(delegate.wait(at(5.9), false).expect("it may answer yet"), Status::Running);
        let failure = delegate.wait(at(6.1), true).expect_err("it is lost");
        assert_eq!(failure.error, ErrorCode::PeerLost);
        assert!(failure.message.contains("within 5 s"), "{}", failure.message);
    }

    #[test]
    fn silence_counts_from_the_first_sign_on() {
        let lost = |delegate: &mut Delegate, now| delegate.wait(now, false).is_err();
        let mut nav2 = taken_on(Backend::Nav2);
        assert!(!lost(&mut nav2, at(50.0)), "it may plan for long");
        assert!(nav2.take(1, &DelegateEvent::Feedback { map_from_base: None }, at(50.0)));
        assert_eq!(nav2.wait(at(52.9), true).expect("it runs"), Status::Running);
        assert!(lost(&mut nav2, at(53.1)), "what drives for it may outlive it");
        let mut unheard = taken_on(Backend::Nav2);
        assert_eq!(unheard.wait(at(50.0), true).expect("it runs"), Status::Running);
        assert!(
            !lost(&mut unheard, at(52.9)) && lost(&mut unheard, at(53.1)),
            "none of its feedback came"
        );
        let mut moveit = taken_on(Backend::MoveIt);
        assert!(moveit.take(1, &DelegateEvent::Feedback { map_from_base: None }, at(50.0)));
        assert!(!lost(&mut moveit, at(60.0)), "MoveIt's feedback is no sign of life");
        assert_eq!(moveit.wait(at(61.0), true).expect("it runs"), Status::Running);
        assert!(!lost(&mut moveit, at(63.9)) && lost(&mut moveit, at(64.1)));
    }

    #[test]
    fn a_cancel_is_asked_again_until_the_goal_is_over() {
        let mut delegate = sent(Backend::MoveIt);
        let mut asked = 0;
        for tick in 0..100 {
            delegate.cancel(at(f64::from(tick) * 0.02));
            asked += delegate.take_calls(&mut 9).len();
        }
        assert_eq!(asked, 4, "twice a second");
        assert!(delegate.take(1, &ended(ErrorCode::BackendInterrupted), at(2.0)));
        delegate.cancel(at(9.0));
        assert!(delegate.take_calls(&mut 9).is_empty());
    }
}
