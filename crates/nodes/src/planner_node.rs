use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sinew_bus::{Bus, BusNode, Request, ServiceServer, names};
use sinew_model::SkillRegistry;
use sinew_msgs::rcl_interfaces::Parameter;
use sinew_msgs::sinew_msgs::StepOutcome;
use sinew_msgs::sinew_msgs::srv::MakePlan;
use sinew_msgs::sinew_msgs::{MakePlanRequest, MakePlanResponse};
use sinew_planner::{
    LlmConfig, LlmPlanner, PlanRefusal, PlanRequest, Planned, Planner, Planning, StepRecord,
    SymbolicPlanner,
};
use sinew_types::{ErrorCode, Time};

use crate::arguments::NodeArguments;
use crate::convert::{duration_to_msg, objects_from_msg, step_outcome_from_msg};
use crate::heart::Heart;
use crate::node::{Node, NodeError, Progress};
use crate::observer::{ObjectsFrom, Observer};

/// Parameters of the planner node.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PlannerParameters {
    /// The robot file.
    pub robot: PathBuf,
    /// A folder of more skills, `*.skill.yaml`; `none` for none. The same for the skills, connector and planner nodes.
    #[serde(default)]
    pub skill_folder: Option<PathBuf>,
    /// Who is asked when a request names nobody. May be set while the node is active.
    #[serde(default)]
    pub planner: PlannerParameter,
    /// The language model's endpoint; without it only `symbolic` can be asked.
    pub llm: Option<LlmConfig>,
}

/// A planner by name.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize, JsonSchema, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum PlannerParameter {
    /// Search over pre-conditions and effects.
    #[default]
    Symbolic,
    /// A language model.
    Llm,
}

impl PlannerParameter {
    const fn name(self) -> &'static str {
        match self {
            Self::Symbolic => "symbolic",
            Self::Llm => "llm",
        }
    }
}

/// Answers instructions with plans.
pub struct PlannerNode {
    name: String,
    server: ServiceServer<MakePlan>,
    planners: Vec<Box<dyn Planner>>,
    default: PlannerParameter,
    registry: Arc<SkillRegistry>,
    observer: Observer,
    heart: Heart,
    running: Option<Running>,
}

struct Running {
    request: Request<MakePlan>,
    planning: Planning,
    started: Instant,
}

impl PlannerNode {
    /// Makes the planners that the parameters name.
    ///
    /// # Errors
    /// Parameters or robot file that are wrong, by name.
    pub fn new(bus: &Bus, arguments: &NodeArguments) -> Result<Self, NodeError> {
        Self::on(&crate::bus_node(bus, arguments)?, arguments)
    }

    pub(crate) fn on(node: &BusNode, arguments: &NodeArguments) -> Result<Self, NodeError> {
        let failed = |error: &dyn std::fmt::Display| NodeError::new(&arguments.name, error);
        let parameters: PlannerParameters = arguments.parameters_as().map_err(|e| failed(&e))?;
        let mut planners: Vec<Box<dyn Planner>> = vec![Box::new(SymbolicPlanner::default())];
        if let Some(config) = &parameters.llm {
            planners.push(Box::new(LlmPlanner::new(config.clone()).map_err(|e| failed(&e))?));
        }
        let observer = Observer::new(node, &parameters.robot, ObjectsFrom::World)?;
        let folder = parameters.skill_folder.as_deref();
        let (robot, layout) = (&observer.robot, &observer.layout);
        let default = available(&planners, parameters.planner).map_err(|e| failed(&e))?;
        Ok(Self {
            name: arguments.name.clone(),
            server: node.service_server(&names::MAKE_PLAN).map_err(|e| failed(&e))?,
            planners,
            default,
            registry: crate::skill_registry(&arguments.name, robot, layout, folder)?,
            observer,
            heart: Heart::new(node, &arguments.name, crate::new_boot_id())
                .map_err(|e| failed(&e))?,
            running: None,
        })
    }

    fn start(&mut self, request: Request<MakePlan>) -> Result<(), NodeError> {
        let started = Instant::now();
        match self.planning(request.request()) {
            Ok(planning) => {
                self.running = Some(Running { request, planning, started });
                Ok(())
            }
            Err((error, message)) => {
                self.respond(request, refused(error, message), started);
                Ok(())
            }
        }
    }

    fn planning(&self, request: &MakePlanRequest) -> Result<Planning, (ErrorCode, String)> {
        let wanted =
            if request.planner.is_empty() { self.default.name() } else { request.planner.as_str() };
        let Some(planner) = self.planners.iter().find(|planner| planner.name() == wanted) else {
            let known: Vec<_> = self.planners.iter().map(|planner| planner.name()).collect();
            let known = known.join(", ");
            let message = format!("planner `{wanted}` is not configured (configured: {known})");
            return Err((ErrorCode::PlannerUnavailable, message));
        };
        let objects = objects_from_msg(&request.world)
            .map_err(|error| (ErrorCode::InvalidArguments, error.to_string()))?;
        let mut world = self.observer.world().clone();
        world.objects = objects.into_iter().map(|object| (object.id.clone(), object)).collect();
        let history = request.history.iter().map(step_record).collect();
        let registry = Arc::clone(&self.registry);
        let instruction = request.instruction.clone();
        Ok(planner.start(PlanRequest { instruction, world, registry, history }))
    }

    fn respond(
        &self,
        request: Request<MakePlan>,
        mut response: MakePlanResponse,
        started: Instant,
    ) {
        response.elapsed = duration_to_msg(started.elapsed());
        if let Err(error) = request.respond(response) {
            tracing::warn!(node = self.name, %error, "a plan was not heard");
        }
    }
}

impl Node for PlannerNode {
    fn name(&self) -> &str {
        &self.name
    }

    fn period(&self) -> Duration {
        Duration::from_millis(20)
    }

    fn step(&mut self, now: Time) -> Result<Progress, NodeError> {
        self.observer.take();
        self.heart
            .beat(now, self.observer.state.tick)
            .map_err(|e| NodeError::new(&self.name, e))?;
        // Requests wait in the queue until the robot's own state is known.
        if self.running.is_none()
            && self.observer.is_ready()
            && let Some(request) = self.server.take_request()
        {
            self.start(request)?;
        }
        let Some(mut running) = self.running.take() else { return Ok(Progress::Done) };
        match running.planning.poll() {
            Some(result) => {
                self.respond(running.request, answer(result), running.started);
                Ok(Progress::Done)
            }
            None => {
                self.running = Some(running);
                Ok(Progress::WaitsOutside)
            }
        }
    }

    fn keep_alive(&mut self) -> Result<(), NodeError> {
        self.heart.keep_alive().map_err(|e| NodeError::new(&self.name, e))
    }

    fn dynamic_parameters(&self) -> &'static [&'static str] {
        &["planner"]
    }

    fn set_parameters(&mut self, parameters: &[Parameter]) -> Result<(), String> {
        // Only this one may be set; the last of several counts.
        if let Some(parameter) = parameters.last() {
            let wanted = serde_json::Value::String(parameter.value.string_value.clone());
            let wanted = serde_json::from_value(wanted).map_err(|e| format!("planner: {e}"))?;
            self.default = available(&self.planners, wanted)?;
        }
        Ok(())
    }
}

/// This planner, if it is there.
fn available(
    planners: &[Box<dyn Planner>],
    wanted: PlannerParameter,
) -> Result<PlannerParameter, String> {
    match planners.iter().any(|planner| planner.name() == wanted.name()) {
        true => Ok(wanted),
        false => Err(format!("planner: `{}` wants parameter `llm.base_url`", wanted.name())),
    }
}

fn answer(result: Result<Planned, PlanRefusal>) -> MakePlanResponse {
    match result {
        Ok(planned) => match serde_json::to_string(&planned.plan.to_proposed()) {
            Ok(plan_json) => MakePlanResponse {
                accepted: true,
                plan_json,
                planner: planned.planner,
                ..Default::default()
            },
            Err(error) => refused(ErrorCode::PlanInvalid, error.to_string()),
        },
        Err(refusal) => refused(refusal.code(), refusal.to_string()),
    }
}

fn refused(error: ErrorCode, message: String) -> MakePlanResponse {
    MakePlanResponse { error_code: error.as_u16(), error_msg: message, ..Default::default() }
}

fn step_record(step: &StepOutcome) -> StepRecord {
    StepRecord {
        step: format!("{}({})", step.skill_id, step.args_json),
        outcome: step_outcome_from_msg(step),
    }
}
