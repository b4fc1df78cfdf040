//! Stands between connector and planner, so that what they say is in the log, and a replay can say
//! it again.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::Result;
use sinew_bus::{Bus, BusError, Call, Request, ServiceClient, ServiceServer, names};
use sinew_log::{Log, LogError, Logged};
use sinew_msgs::sinew_msgs::srv::MakePlan;
use sinew_msgs::sinew_msgs::{MakePlanRequest, MakePlanResponse};
use sinew_nodes::launch::LaunchDescription;
use sinew_nodes::{Node, NodeError, NodeKind, Progress};
use sinew_types::{ErrorCode, Time};

use crate::recorder::SharedLog;

/// The planner's own service, while its name is the tap's.
const BEHIND: &str = "planner/make_plan";
const NAME: &str = "planner_tap";
const PERIOD: Duration = Duration::from_millis(20);

/// Topics of the log.
fn topic(namespace: &str, part: &str) -> String {
    format!("{}/make_plan/{part}", namespace.trim_end_matches('/'))
}

fn is_planner(node: &sinew_nodes::launch::NodeLaunch) -> bool {
    NodeKind::from_args(&node.name, &node.args).is_ok_and(|kind| kind == NodeKind::Planner)
}

/// Gives the planner's service another name, so that a [`PlannerTap`] can have it.
pub(crate) fn make_room(description: &mut LaunchDescription) {
    for node in description.nodes.iter_mut().filter(|node| is_planner(node)) {
        node.remaps.push((names::MAKE_PLAN.name.to_string(), BEHIND.into()));
    }
}

/// Takes the planner out, so that a [`RecordedPlanner`] can stand in for it.
pub(crate) fn remove_planner(description: &mut LaunchDescription) {
    description.nodes.retain(|node| !is_planner(node));
}

/// Hands requests on to the planner and its answers back, and logs both.
pub(crate) struct PlannerTap {
    namespace: String,
    log: Option<SharedLog>,
    server: ServiceServer<MakePlan>,
    planner: ServiceClient<MakePlan>,
    open: Vec<(Request<MakePlan>, Call<MakePlanResponse>)>,
}

impl PlannerTap {
    /// `log`: none to only keep the planner's timing as in a run that is logged.
    pub(crate) fn new(
        bus: &Bus,
        namespace: &str,
        log: Option<SharedLog>,
    ) -> Result<Self, BusError> {
        let node = bus.node(NAME, namespace)?;
        Ok(Self {
            namespace: namespace.into(),
            log,
            server: node.service_server(&names::MAKE_PLAN)?,
            planner: node.service_client(&names::ServiceName::new(BEHIND))?,
            open: Vec::new(),
        })
    }

    fn write<M: sinew_bus::Message>(
        &self,
        part: &str,
        now: Time,
        message: &M,
    ) -> Result<(), NodeError> {
        let Some(log) = &self.log else { return Ok(()) };
        log.write(&topic(&self.namespace, part), now, message).map_err(failed)
    }
}

impl Node for PlannerTap {
    fn name(&self) -> &str {
        NAME
    }

    fn period(&self) -> Duration {
        PERIOD
    }

    fn step(&mut self, now: Time) -> Result<Progress, NodeError> {
        while let Some(request) = self.server.take_request() {
            self.write("request", now, request.request())?;
            let call = self.planner.call(request.request());
            self.open.push((request, call));
        }
        for (request, mut call) in std::mem::take(&mut self.open) {
            match call.poll() {
                None => self.open.push((request, call)),
                Some(Ok(response)) => {
                    self.write("response", now, &response)?;
                    request.respond(response).map_err(failed)?;
                }
                // Dropped without an answer: the connector learns that nobody answers.
                Some(Err(_)) => drop(request),
            }
        }
        Ok(Progress::Done)
    }
}

/// What a planner said in a logged run: requests and answers, in order.
pub(crate) struct Conversation {
    requests: VecDeque<Logged<MakePlanRequest>>,
    responses: VecDeque<Logged<MakePlanResponse>>,
}

impl Conversation {
    pub(crate) fn of(log: &Log, namespace: &str) -> Result<Self, LogError> {
        Ok(Self {
            requests: log.messages(&topic(namespace, "request"))?.into(),
            responses: log.messages(&topic(namespace, "response"))?.into(),
        })
    }

    /// Whether any answer came from a planner that does not repeat itself.
    pub(crate) fn is_outside(&self) -> bool {
        self.requests.iter().any(|request| request.message.planner == "llm")
            || self.responses.iter().any(|response| response.message.planner == "llm")
    }
}

/// Says again what a planner said, as long after each request as it was then.
pub(crate) struct RecordedPlanner {
    said: Conversation,
    server: ServiceServer<MakePlan>,
    open: Option<(Request<MakePlan>, Time, MakePlanResponse)>,
}

impl RecordedPlanner {
    pub(crate) fn new(bus: &Bus, namespace: &str, said: Conversation) -> Result<Self, BusError> {
        let server = bus.node(NAME, namespace)?.service_server(&names::MAKE_PLAN)?;
        Ok(Self { said, server, open: None })
    }

    fn next_answer(&mut self, now: Time) -> (Time, MakePlanResponse) {
        let (request, response) = (self.said.requests.pop_front(), self.said.responses.pop_front());
        match (request, response) {
            (Some(request), Some(response)) => {
                (now + response.time.since(request.time), response.message)
            }
            _ => {
                let response = MakePlanResponse {
                    error_code: ErrorCode::PlannerUnavailable.as_u16(),
                    error_msg: "the log holds no further answer of the planner".into(),
                    ..Default::default()
                };
                (now, response)
            }
        }
    }
}

impl Node for RecordedPlanner {
    fn name(&self) -> &str {
        NAME
    }

    fn period(&self) -> Duration {
        PERIOD
    }

    fn step(&mut self, now: Time) -> Result<Progress, NodeError> {
        if self.open.is_none()
            && let Some(request) = self.server.take_request()
        {
            let (due, response) = self.next_answer(now);
            self.open = Some((request, due, response));
        }
        if let Some((request, due, response)) = self.open.take() {
            if now >= due {
                request.respond(response).map_err(failed)?;
            } else {
                self.open = Some((request, due, response));
            }
        }
        Ok(Progress::Done)
    }
}

fn failed(error: impl std::fmt::Display) -> NodeError {
    NodeError::new(NAME, error)
}
