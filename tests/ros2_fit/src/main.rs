//! Proof that ExecuteSkill fits ROS 2: a skill server over r2r that rclpy calls, and a client over
//! r2r that calls rclpy. `run.sh` makes the ROS 2 and runs `peer.py`, which starts this program.
//!
//! `ros2-fit serve` serves `/execute_skill`; what a goal's `skill_id` makes it do is in
//! [`Run::step`]. `ros2-fit call` sends the goal [`full_goal`] to `/peer/execute_skill`, cancels it
//! at the first feedback and fails unless the result is the expected one.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use action_server::{Action, ActionServer, Event, GoalId, State, next};
use anyhow::{Context, bail, ensure};
use convert::{from_ros, to_ros};
use futures::FutureExt;
use sinew_msgs::builtin_interfaces::{Duration as RosDuration, Time};
use sinew_msgs::diagnostic_msgs::KeyValue;
use sinew_msgs::sinew_msgs::{ExecuteSkillFeedback, ExecuteSkillGoal, ExecuteSkillResult};

mod action_server;
mod convert;

use r2r::sinew_msgs::action::ExecuteSkill as ros;

/// Longest time without traffic after which the node looks at its goals again.
const PERIOD: Duration = Duration::from_millis(10);

struct ExecuteSkill;

impl Action for ExecuteSkill {
    type Ros = ros::Action;
    type Goal = ExecuteSkillGoal;
    type Result = ExecuteSkillResult;
    type Feedback = ExecuteSkillFeedback;
}

fn main() -> anyhow::Result<()> {
    let mode = std::env::args().nth(1);
    let mut node = r2r::Node::create(r2r::Context::create()?, "ros2_fit", "")?;
    match mode.as_deref() {
        Some("serve") => serve(&mut node),
        Some("call") => call(&mut node),
        other => bail!("mode {other:?}, expected serve or call"),
    }
}

/// A goal under way.
struct Run {
    goal: ExecuteSkillGoal,
    ticks: u32,
    cancelled: bool,
}

impl Run {
    /// One period of the fake skill: how it ends, if it does.
    fn step(&mut self) -> Option<State> {
        self.ticks += 1;
        match self.goal.skill_id.as_str() {
            "count" | "refuses_cancel" if self.ticks == 50 => Some(State::Succeeded),
            "until_cancelled" if self.cancelled => Some(State::Canceled),
            "aborts_when_cancelled" if self.cancelled => Some(State::Aborted),
            _ => None,
        }
    }

    fn feedback(&self) -> ExecuteSkillFeedback {
        ExecuteSkillFeedback {
            phase: "counting".to_owned(),
            progress: self.ticks as f32 / 50.0,
            control_source: "policy".to_owned(),
            queue_depth: self.ticks,
            inference_ms: f32::NAN,
            ..Default::default()
        }
    }

    /// The goal as it was decoded goes back as evidence, for the client to compare.
    fn result(&self, end: State) -> ExecuteSkillResult {
        let goal = &self.goal;
        let fields = [
            ("args_json", goal.args_json.clone()),
            ("issued_at", format!("{}.{:09}", goal.issued_at.sec, goal.issued_at.nanosec)),
            ("speed_scale", goal.speed_scale.to_string()),
            ("on_busy", goal.on_busy.to_string()),
            ("expected_stop_epoch", goal.expected_stop_epoch.to_string()),
            ("correlation_id", goal.correlation_id.clone()),
            ("dry_run", goal.dry_run.to_string()),
        ];
        let key_value = |(key, value): (&str, String)| KeyValue { key: key.to_owned(), value };
        ExecuteSkillResult {
            error_code: if end == State::Aborted { 400 } else { 0 },
            termination_reason: format!("{end:?}"),
            postcondition_met: end == State::Succeeded,
            evidence: fields.map(key_value).to_vec(),
            elapsed: RosDuration { sec: 1, nanosec: 500_000_000 },
            interventions: 2,
            ..Default::default()
        }
    }
}

/// Serves until killed. A skill called `unknown` is rejected.
fn serve(node: &mut r2r::Node) -> anyhow::Result<()> {
    let mut server = ActionServer::<ExecuteSkill>::new(node, "/execute_skill")?;
    let mut runs: BTreeMap<GoalId, Run> = BTreeMap::new();
    let mut next_tick = Instant::now();
    loop {
        node.spin_once(PERIOD);
        while let Some(event) = server.take_event()? {
            match event {
                Event::Goal(id, goal) if goal.skill_id == "unknown" => server.reject(id)?,
                Event::Goal(id, goal) => {
                    server.accept(id)?;
                    runs.insert(id, Run { goal, ticks: 0, cancelled: false });
                }
                Event::Cancel(id) => match runs.get_mut(&id) {
                    Some(run) if run.goal.skill_id != "refuses_cancel" => {
                        run.cancelled = true;
                        server.accept_cancel(id)?;
                    }
                    _ => server.reject_cancel(id)?,
                },
            }
        }
        if Instant::now() < next_tick {
            continue;
        }
        next_tick = Instant::now() + PERIOD;
        let mut ended = Vec::new();
        for (id, run) in &mut runs {
            match run.step() {
                Some(end) => {
                    server.finish(*id, end, &run.result(end))?;
                    ended.push(*id);
                }
                None => server.feedback(*id, &run.feedback())?,
            }
        }
        runs.retain(|id, _| !ended.contains(id));
    }
}

/// A goal in which no field has its default value.
fn full_goal() -> ExecuteSkillGoal {
    ExecuteSkillGoal {
        skill_id: "reach".to_owned(),
        skill_version: "^1.2".to_owned(),
        args_json: r#"{"goal":"Würfel"}"#.to_owned(),
        issued_at: Time { sec: 1_700_000_000, nanosec: 123_456_789 },
        valid_for: RosDuration { sec: 2, nanosec: 1 },
        max_duration: RosDuration { sec: 30, nanosec: 2 },
        speed_scale: 0.5,
        on_busy: 1,
        on_planner_loss: 2,
        expected_stop_epoch: u64::MAX,
        correlation_id: "call-7".to_owned(),
        dry_run: true,
    }
}

/// Calls the peer's server: goal, feedback, cancel, result, all in our own structs.
fn call(node: &mut r2r::Node) -> anyhow::Result<()> {
    let client = node.create_action_client::<ros::Action>("/peer/execute_skill")?;
    let mut available = Box::pin(r2r::Node::is_available(&client)?);
    wait_for(node, "the peer's server", || available.as_mut().now_or_never())??;
    let mut reply = Box::pin(client.send_goal_request(to_ros(&full_goal())?)?);
    let (goal, result, mut feedback) =
        wait_for(node, "the goal's acceptance", || reply.as_mut().now_or_never())??;
    let feedback = wait_for(node, "feedback", || next(&mut feedback))?;
    let feedback: ExecuteSkillFeedback = from_ros(&feedback)?;
    ensure!(feedback.phase == "peer" && feedback.queue_depth == 3, "feedback {feedback:?}");
    let mut cancel = Box::pin(goal.cancel()?);
    wait_for(node, "the cancel response", || cancel.as_mut().now_or_never())??;
    let mut result = Box::pin(result);
    let (status, result) = wait_for(node, "the result", || result.as_mut().now_or_never())??;
    let result: ExecuteSkillResult = from_ros(&result)?;
    ensure!(status == r2r::GoalStatus::Canceled, "status {status:?}");
    ensure!(result.termination_reason == "peer_cancelled", "result {result:?}");
    Ok(())
}

/// Spins the node until `poll` answers; what is waited for is named in the error after 10 s.
fn wait_for<T>(
    node: &mut r2r::Node,
    what: &str,
    mut poll: impl FnMut() -> Option<T>,
) -> anyhow::Result<T> {
    let deadline = Instant::now() + Duration::from_secs(10);
    while Instant::now() < deadline {
        if let Some(answer) = poll() {
            return Ok(answer);
        }
        node.spin_once(PERIOD);
    }
    None.with_context(|| format!("waited 10 s for {what}"))
}
