//! A task in a system that is composed into this process.

use std::time::Duration;

use anyhow::{Context, Result};
use sinew_bus::{Subscription, names};
use sinew_log::Picture;
use sinew_msgs::sinew_msgs::ExecuteTaskGoal;
use sinew_msgs::sinew_msgs::RobotTick;
use sinew_nodes::launch::LaunchDescription;
use sinew_nodes::{Composed, Pace, TaskClient, TaskEvent, compose};
use sinew_types::Time;

use super::{TaskEnd, Watch};
use crate::exit::refused;
use crate::interrupt;
use crate::planner_tap::{self, Conversation, PlannerTap, RecordedPlanner};
use crate::recorder::{Recorder, SharedLog};

/// Perception has seen the world, and what was in the air has come to rest.
const SETTLED: Duration = Duration::from_millis(400);
/// After a task: what was let go of has come to rest.
const AFTERWARDS: Duration = Duration::from_millis(500);

/// Who answers the connector's requests for plans.
pub(crate) enum PlannedBy {
    /// The planner node.
    Planner,
    /// What was said in a logged run.
    Recorded(Conversation),
}

/// A whole system in this process.
pub(crate) struct ComposedSystem {
    composed: Composed,
    ticks: Subscription<RobotTick>,
}

impl ComposedSystem {
    /// Makes the nodes, and writes what they say to `log`.
    pub(crate) fn new(
        description: &LaunchDescription,
        pace: Pace,
        planned_by: PlannedBy,
        log: Option<&SharedLog>,
    ) -> Result<Self> {
        let mut description = description.clone();
        match planned_by {
            PlannedBy::Planner => planner_tap::make_room(&mut description),
            PlannedBy::Recorded(_) => planner_tap::remove_planner(&mut description),
        }
        let mut composed = compose(&description, pace).map_err(refused)?;
        let (bus, namespace) = (composed.bus.clone(), composed.namespace.clone());
        match planned_by {
            PlannedBy::Planner => {
                composed.executor.add(Box::new(PlannerTap::new(&bus, &namespace, log.cloned())?))
            }
            PlannedBy::Recorded(said) => {
                composed.executor.add(Box::new(RecordedPlanner::new(&bus, &namespace, said)?));
            }
        }
        if let Some(log) = log {
            composed.executor.add(Box::new(Recorder::new(&bus, &namespace, log.clone())?));
        }
        let ticks = bus.node("onlooker", &namespace)?.subscription(&names::ROBOT_TICK)?;
        Ok(Self { composed, ticks })
    }

    /// The system itself.
    pub(crate) fn composed(&self) -> &Composed {
        &self.composed
    }

    /// Lets the world come to rest.
    pub(crate) fn settle(&mut self) -> Result<()> {
        self.settle_watching(&mut |_| {})
    }

    /// As [`Self::settle`], with each of the robot's states.
    pub(crate) fn settle_watching(&mut self, on_tick: &mut dyn FnMut(RobotTick)) -> Result<()> {
        self.run_for(SETTLED, on_tick)
    }

    fn run_for(&mut self, duration: Duration, on_tick: &mut dyn FnMut(RobotTick)) -> Result<()> {
        let until = self.composed.executor.now() + duration;
        self.run(until, on_tick, &mut || false)
    }

    fn run(
        &mut self,
        until: Time,
        on_tick: &mut dyn FnMut(RobotTick),
        ended: &mut dyn FnMut() -> bool,
    ) -> Result<()> {
        let ticks = &self.ticks;
        self.composed.executor.run(|now| {
            while let Some(received) = ticks.take() {
                on_tick(received.message);
            }
            now >= until || ended()
        })?;
        Ok(())
    }

    /// Sends a task, watches it to its end, and lets the world come to rest. Ctrl-C cancels it.
    pub(crate) fn task(
        &mut self,
        goal: ExecuteTaskGoal,
        tell: &mut dyn FnMut(&TaskEvent),
        on_tick: &mut dyn FnMut(RobotTick),
    ) -> Result<TaskEnd> {
        let not_before = self.composed.executor.now();
        let (client, monitor) =
            TaskClient::new(&self.composed.bus, &self.composed.namespace, goal, not_before)?;
        self.composed.executor.add(Box::new(client));
        let mut watch = Watch::new(monitor);
        let forever = not_before + Duration::from_secs(365 * 86_400);
        self.run(forever, on_tick, &mut || {
            if interrupt::is_set() {
                watch.cancel();
            }
            watch.poll(&mut *tell)
        })?;
        let end = watch.end().context("the system ended before the task did")?;
        self.run_for(AFTERWARDS, on_tick)?;
        Ok(end)
    }

    /// Keeps time going until something is to be done, or Ctrl-C.
    pub(crate) fn idle(&mut self, mut until: impl FnMut() -> bool) -> Result<()> {
        let forever = self.composed.executor.now() + Duration::from_secs(365 * 86_400);
        self.run(forever, &mut |_| {}, &mut || interrupt::is_set() || until())
    }

    /// A picture from the world's first camera; PNG.
    pub(crate) fn picture(&self, file: &std::path::Path) -> Picture {
        let mut renderer = self.composed.sim.renderer();
        let Some(camera) = renderer.cameras().into_iter().next() else {
            return Picture::Missing("the world has no camera".into());
        };
        let (width, height) = (960, 720);
        let drawn = renderer.picture(&camera, width, height).map_err(|error| error.to_string());
        let written = drawn.and_then(|png| std::fs::write(file, png).map_err(|e| e.to_string()));
        match written {
            Ok(()) => Picture::File(file.into()),
            Err(reason) => Picture::Missing(reason),
        }
    }

    /// Brings the robot to rest and ends every node.
    pub(crate) fn shutdown(mut self) {
        self.composed.executor.shutdown();
    }
}
