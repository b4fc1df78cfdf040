use anyhow::Result;
use sinew_hardware::layout_of;
use sinew_model::{Judgement, Predicate, RobotFacts, WorldObject, WorldState};
use sinew_msgs::sinew_msgs::{RobotTick, WorldObjects};
use sinew_nodes::RobotFactsSource;
use sinew_nodes::convert::{objects_from_msg, tick_from_msg};
use sinew_robot::RobotModel;
use sinew_types::{Layout, RobotState, Time};

/// Says whether a goal is reached, from the simulator's own state: planner, connector and their
/// world model have no part in it.
pub(crate) struct Judge {
    layout: Layout,
    facts: RobotFactsSource,
    state: RobotState,
}

impl Judge {
    pub(crate) fn new(robot: &RobotModel) -> Result<Self> {
        let layout = layout_of(robot)?;
        let facts = RobotFactsSource::new(robot, &layout)?;
        Ok(Self { state: RobotState::invalid(&layout), layout, facts })
    }

    /// Judges the goal, and that the robot stands still.
    pub(crate) fn judge(
        &mut self,
        goal: &[Predicate],
        tick: &RobotTick,
        objects: impl IntoIterator<Item = WorldObject>,
    ) -> Result<Judgement> {
        tick_from_msg(tick, &self.layout, &mut self.state)?;
        let robot: Option<RobotFacts> = self.facts.facts(&self.state);
        let Some(robot) = robot else {
            return Ok(Judgement { holds: false, evidence: Vec::new() });
        };
        let mut world = WorldState { stamp: robot.stamp, robot, ..WorldState::default() };
        for object in objects {
            world.insert(object);
        }
        Ok(world.judge_all(goal.iter().chain([&Predicate::RobotStill])))
    }
}

/// Where objects are, by the mean of many noisy sights: the truth of a simulator in another process.
#[derive(Default)]
pub(crate) struct Sights(std::collections::BTreeMap<String, (WorldObject, usize)>);

impl Sights {
    /// Takes one observation.
    pub(crate) fn take(&mut self, message: &WorldObjects) -> Result<()> {
        for object in objects_from_msg(message)? {
            let id = object.id.clone();
            let (mean, count) = self.0.entry(id).or_insert_with(|| (object.clone(), 0));
            *count += 1;
            #[expect(clippy::cast_precision_loss, reason = "some hundred sights at most")]
            let share = 1.0 / *count as f64;
            let there = mean.map_from_object.translation.vector;
            let seen = object.map_from_object.translation.vector;
            mean.map_from_object = object.map_from_object;
            mean.map_from_object.translation.vector = there + (seen - there) * share;
            mean.stamp = object.stamp;
        }
        Ok(())
    }

    /// How often the least seen object was seen.
    pub(crate) fn least(&self) -> usize {
        self.0.values().map(|(_, count)| *count).min().unwrap_or(0)
    }

    /// The objects at their mean places, as of `now`.
    pub(crate) fn objects(&self, now: Time) -> impl Iterator<Item = WorldObject> + '_ {
        self.0.values().map(move |(object, _)| WorldObject { stamp: now, ..object.clone() })
    }
}
