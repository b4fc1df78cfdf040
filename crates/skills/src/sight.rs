use nalgebra::{Isometry3, Translation3, Vector3};
use sinew_model::WorldState;
use sinew_types::Time;

/// The pose of a resting object, averaged over what perception saw of it.
#[derive(Clone, Debug)]
pub(crate) struct Sight {
    id: String,
    stamp: Option<Time>,
    seen: u32,
    pose: Isometry3<f64>,
}

/// The mean is over about this many sights.
const WINDOW: u32 = 12;
/// A sight farther from the mean than this says that the object was moved, m.
const MOVED_M: f64 = 0.015;

impl Sight {
    pub(crate) fn new(id: &str) -> Self {
        Self { id: id.into(), stamp: None, seen: 0, pose: Isometry3::identity() }
    }

    /// Sights that the mean is made of, up to its window.
    pub(crate) fn count(&self) -> u32 {
        self.seen
    }

    /// Takes the newest sight; the mean, if the object is there.
    pub(crate) fn update(&mut self, world: &WorldState) -> Option<Isometry3<f64>> {
        let object = world.objects.get(&self.id)?;
        if self.stamp == Some(object.stamp) {
            return Some(self.pose);
        }
        self.stamp = Some(object.stamp);
        let pose = object.map_from_object;
        let shift: Vector3<f64> = pose.translation.vector - self.pose.translation.vector;
        if self.seen == 0 || shift.norm() > MOVED_M {
            (self.seen, self.pose) = (1, pose);
        } else {
            self.seen = (self.seen + 1).min(WINDOW);
            let share = 1.0 / f64::from(self.seen);
            let rotation = self.pose.rotation;
            // Nearly opposite orientations have no mean: then the newest one counts.
            let rotation = rotation.try_slerp(&pose.rotation, share, 1e-6).unwrap_or(pose.rotation);
            let position = self.pose.translation.vector + shift * share;
            self.pose = Isometry3::from_parts(Translation3::from(position), rotation);
        }
        Some(self.pose)
    }
}

#[cfg(test)]
mod tests {
    use sinew_model::WorldObject;

    use super::*;

    fn at(x: f64, stamp: u64) -> WorldState {
        let mut world = WorldState::default();
        world.insert(WorldObject {
            id: "cube".into(),
            class: "cube".into(),
            attributes: Default::default(),
            size_m: [0.04; 3],
            map_from_object: Isometry3::translation(x, 0.0, 0.0),
            position_std_m: 0.0,
            stamp: Time::from_nanos(stamp),
            confidence: 1.0,
            held_by: None,
            fixed: false,
            container: None,
            support: Default::default(),
        });
        world
    }

    #[test]
    fn sights_are_averaged_until_the_object_moves() {
        let mut sight = Sight::new("cube");
        sight.update(&at(0.0, 1));
        sight.update(&at(0.0, 1));
        let mean = sight.update(&at(0.004, 2)).expect("it is there");
        assert!((mean.translation.x - 0.002).abs() < 1e-12);
        assert_eq!(sight.count(), 2);
        let moved = sight.update(&at(0.1, 3)).expect("it is there");
        assert_eq!((moved.translation.x, sight.count()), (0.1, 1));
    }
}
