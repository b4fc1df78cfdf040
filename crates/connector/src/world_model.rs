use sinew_model::{Predicate, RobotFacts, WorldObject, WorldState};
use sinew_types::Time;

/// Makes one measured world of what perception reports.
///
/// An object that is not reported keeps its last pose while its confidence decays; an object in the
/// gripper is told by the gripper's force and width and the object's place between the pads.
#[derive(Debug, Default)]
pub struct WorldModel {
    world: WorldState,
}

impl WorldModel {
    /// An empty world.
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes objects as perception measured them.
    pub fn observe(&mut self, objects: impl IntoIterator<Item = WorldObject>) {
        for object in objects {
            self.world.insert(object);
        }
    }

    /// Takes the robot's own state and moves the world's clock to `now`.
    pub fn update_robot(&mut self, robot: RobotFacts, now: Time) {
        self.world.robot = robot;
        self.world.stamp = now;
        let gripper = self.world.robot.grippers.keys().next().cloned();
        let held: Vec<_> = self
            .world
            .objects
            .keys()
            .map(|id| self.world.judge(&Predicate::holding(id.clone())).holds)
            .collect();
        for (object, held) in self.world.objects.values_mut().zip(held) {
            object.held_by = if held { gripper.clone() } else { None };
        }
    }

    /// The world as it was last measured.
    pub fn world(&self) -> &WorldState {
        &self.world
    }
}
