//! A task in a system that runs elsewhere.

use std::cell::{Cell, RefCell};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use sinew_bus::{Bus, BusNode, Subscription, names};
use sinew_log::Picture;
use sinew_msgs::sinew_msgs::ExecuteTaskGoal;
use sinew_msgs::sinew_msgs::RobotTick;
use sinew_msgs::sinew_msgs::TakePictureRequest;
use sinew_nodes::{Node, NodeError, Progress, TaskClient, TaskEvent, TaskMonitor, follow};
use sinew_types::Time;

use super::{TaskEnd, Watch};
use crate::carrier::CarrierArgs;
use crate::interrupt;
use crate::recorder::{Recorder, SharedLog};

/// How long a running system is looked for.
const FOUND_WITHIN: Duration = Duration::from_secs(20);

/// A system that runs elsewhere.
pub(crate) struct RemoteSystem {
    bus: Bus,
    node: BusNode,
    namespace: String,
    clock: Subscription<RobotTick>,
}

impl RemoteSystem {
    /// Joins it.
    pub(crate) fn join(carrier: &CarrierArgs, namespace: &str) -> Result<Self> {
        let bus = carrier.client()?;
        let node = bus.node(&format!("cli_{}", std::process::id()), namespace)?;
        let clock = node.subscription(&names::ROBOT_TICK)?;
        Ok(Self { bus, node, namespace: namespace.into(), clock })
    }

    pub(crate) fn node(&self) -> &BusNode {
        &self.node
    }

    /// Waits until connector, skills, planner and hardware are there.
    pub(crate) fn wait_ready(&self, within: Duration) -> Result<()> {
        let since = Instant::now();
        let mut waiter = self.bus.waiter();
        let tasks = self.node.action_client(&names::EXECUTE_TASK)?;
        let skills = self.node.action_client(&names::EXECUTE_SKILL)?;
        let planner = self.node.service_client(&names::MAKE_PLAN)?;
        loop {
            let missing = [
                ("hardware", self.clock.publishers() > 0),
                ("skills", skills.server_available()),
                ("planner", planner.server_available()),
                ("connector", tasks.server_available()),
            ];
            let Some((missing, _)) = missing.iter().find(|(_, there)| !there) else {
                return Ok(());
            };
            if since.elapsed() > within {
                bail!("no {missing} node in namespace {} within {within:?}", self.namespace);
            }
            if interrupt::is_set() {
                bail!("interrupted");
            }
            waiter.wait(Duration::from_millis(50));
        }
    }

    /// Sends a task and watches it to its end. Ctrl-C cancels it.
    pub(crate) fn task(
        &self,
        goal: ExecuteTaskGoal,
        log: Option<&SharedLog>,
        tell: &mut dyn FnMut(&TaskEvent),
    ) -> Result<TaskEnd> {
        self.wait_ready(FOUND_WITHIN)?;
        let (client, monitor) = TaskClient::new(&self.bus, &self.namespace, goal, Time::ZERO)?;
        let mut nodes = Together(vec![Box::new(client)]);
        if let Some(log) = log {
            nodes.0.push(Box::new(Recorder::new(&self.bus, &self.namespace, log.clone())?));
        }
        self.follow(&mut nodes, monitor, tell)
    }

    fn follow(
        &self,
        nodes: &mut Together,
        monitor: TaskMonitor,
        tell: &mut dyn FnMut(&TaskEvent),
    ) -> Result<TaskEnd> {
        let watch = RefCell::new(Watch::new(monitor));
        let tell = RefCell::new(tell);
        let asked = Cell::new(None::<Instant>);
        follow(nodes, &self.bus, &self.clock, || {
            let mut watch = watch.borrow_mut();
            if interrupt::is_set() && asked.get().is_none() {
                asked.set(Some(Instant::now()));
                watch.cancel();
            }
            let gives_up = asked.get().is_some_and(|at| at.elapsed() > FOUND_WITHIN);
            watch.poll(|event| tell.borrow_mut()(event)) || gives_up
        })?;
        watch.into_inner().end().context("the task was cancelled, and its end was not heard")
    }

    /// A picture from the camera of that name, or from the first that there is.
    pub(crate) fn picture(&self, camera: &str, file: &std::path::Path) -> Picture {
        match self.take_picture(camera) {
            Ok(png) => match std::fs::write(file, png) {
                Ok(()) => Picture::File(file.into()),
                Err(error) => Picture::Missing(error.to_string()),
            },
            Err(error) => Picture::Missing(format!("{error:#}")),
        }
    }

    fn take_picture(&self, camera: &str) -> Result<Vec<u8>> {
        let client = self.node.service_client(&names::TAKE_PICTURE)?;
        let mut call = client.call(&TakePictureRequest { camera: camera.into() });
        let mut waiter = self.bus.waiter();
        loop {
            if let Some(answer) = call.poll() {
                let answer = answer?;
                if !answer.success {
                    bail!("{}", answer.error_msg);
                }
                return Ok(answer.png.zslices().flat_map(|part| part.iter().copied()).collect());
            }
            waiter.wait(Duration::from_millis(20));
        }
    }
}

/// Several nodes that are stepped as one.
struct Together(Vec<Box<dyn Node>>);

impl Node for Together {
    fn name(&self) -> &str {
        "cli"
    }

    fn period(&self) -> Duration {
        Duration::from_millis(20)
    }

    fn step(&mut self, now: Time) -> Result<Progress, NodeError> {
        for node in &mut self.0 {
            node.step(now)?;
        }
        Ok(Progress::Done)
    }
}
