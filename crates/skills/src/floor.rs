use std::f64::consts::TAU;

use nalgebra::{Point2, Vector2};
use sinew_model::{ReachEnvelope, WorldObject, WorldState};

/// What the base, as a circle, must not touch; finds ways around it.
pub(crate) struct Floor {
    reach: ReachEnvelope,
    obstacles: Vec<WorldObject>,
    /// Points around the obstacles, and for each the shortest way to it from where the base started.
    corners: Vec<Point2<f64>>,
    start: Point2<f64>,
}

/// Kept from obstacles where the ends of the way allow it, m.
const MARGIN_M: f64 = 0.03;
/// Corners lie this far off, so that the next one is seen before this one is reached, m.
const CORNER_MARGIN_M: f64 = 0.07;
/// A base that stands closer than allowed may still leave, if it does not get closer than this, m.
const DEEPEST_M: f64 = -0.08;
/// Between two checks along a way, m.
const STEP_M: f64 = 0.03;
/// Directions from an obstacle's centre in which corners are put.
const DIRECTIONS: u32 = 24;

impl Floor {
    /// The floor for a way to `target`, which does not count as an obstacle if it is loose.
    pub(crate) fn new(world: &WorldState, target: &WorldObject) -> Self {
        /// What lies lower than this is on the floor, m.
        const ON_FLOOR_M: f64 = 0.05;
        let reach = world.robot.reach;
        let obstacles: Vec<WorldObject> = world
            .objects
            .values()
            .filter(|object| {
                if object.fixed {
                    object.bottom_m() < reach.base_height_m
                } else {
                    let lies = object.bottom_m() < ON_FLOOR_M && object.held_by.is_none();
                    lies && object.id != target.id
                }
            })
            .cloned()
            .collect();
        let start = Point2::from(world.robot.map_from_base.translation.vector.xy());
        let mut floor = Self { reach, obstacles, corners: Vec::new(), start };
        floor.corners = floor.find_corners();
        floor
    }

    /// Gap between the base at this place and the nearest obstacle, m.
    pub(crate) fn clearance_m(&self, place: Point2<f64>) -> f64 {
        let gaps = self.obstacles.iter().map(|object| self.reach.clearance_m(object, place));
        gaps.fold(f64::INFINITY, f64::min)
    }

    /// Whether a way may lead straight from one place to another.
    pub(crate) fn is_clear(&self, from: Point2<f64>, to: Point2<f64>) -> bool {
        self.keeps_off(from, to, MARGIN_M)
    }

    /// Whether a base that follows a way, and is a little off it, can go straight to one of its places.
    pub(crate) fn is_open(&self, from: Point2<f64>, to: Point2<f64>) -> bool {
        self.keeps_off(from, to, 0.0)
    }

    /// Whether the base keeps so far off obstacles, m, or as far as both ends allow.
    fn keeps_off(&self, from: Point2<f64>, to: Point2<f64>, margin_m: f64) -> bool {
        let ends = self.clearance_m(from).min(self.clearance_m(to));
        let needed = ends.clamp(DEEPEST_M, margin_m) - 1e-6;
        let steps = ((to - from).norm() / STEP_M).ceil().max(1.0) as u32;
        (0..=steps).all(|step| {
            let place = from + (to - from) * (f64::from(step) / f64::from(steps));
            self.clearance_m(place) >= needed
        })
    }

    /// Outlines of the obstacles, at a margin.
    fn find_corners(&self) -> Vec<Point2<f64>> {
        let mut corners = Vec::new();
        for object in &self.obstacles {
            let center = Point2::from(object.center().coords.xy());
            let farthest = object.half_extent().xy().norm() + self.reach.base_radius_m + 0.5;
            for direction in 0..DIRECTIONS {
                let (sin, cos) = (f64::from(direction) * TAU / f64::from(DIRECTIONS)).sin_cos();
                let ray = Vector2::new(cos, sin);
                // Footprints are convex: the gap only grows along the ray.
                let (mut near, mut far) = (0.0, farthest);
                for _ in 0..20 {
                    let middle = (near + far) / 2.0;
                    let gap = self.reach.clearance_m(object, center + ray * middle);
                    if gap < CORNER_MARGIN_M { near = middle } else { far = middle }
                }
                let corner = center + ray * far;
                if self.clearance_m(corner) >= CORNER_MARGIN_M - 1e-3 {
                    corners.push(corner);
                }
            }
        }
        corners
    }

    /// The shortest ways from the start to all corners, to be asked for the way to each goal.
    pub(crate) fn ways(self) -> Ways {
        let count = self.corners.len();
        let mut length = vec![f64::INFINITY; count];
        let mut before: Vec<Option<usize>> = vec![None; count];
        let mut done = vec![false; count];
        for (corner, length) in self.corners.iter().zip(&mut length) {
            if self.is_clear(self.start, *corner) {
                *length = (corner - self.start).norm();
            }
        }
        // Dijkstra; the graph is small.
        while let Some(nearest) = (0..count)
            .filter(|i| !done[*i] && length[*i].is_finite())
            .min_by(|a, b| length[*a].total_cmp(&length[*b]))
        {
            done[nearest] = true;
            for next in 0..count {
                let way = (self.corners[next] - self.corners[nearest]).norm();
                let longer = length[nearest] + way >= length[next];
                if done[next] || longer || !self.is_clear(self.corners[nearest], self.corners[next])
                {
                    continue;
                }
                length[next] = length[nearest] + way;
                before[next] = Some(nearest);
            }
        }
        Ways { floor: self, length, before }
    }
}

/// The shortest ways from one start.
pub(crate) struct Ways {
    pub(crate) floor: Floor,
    length: Vec<f64>,
    before: Vec<Option<usize>>,
}

/// Places to pass, the goal last, and the length of the way, m.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Way {
    pub(crate) places: Vec<Point2<f64>>,
    pub(crate) length_m: f64,
}

impl Ways {
    /// The shortest way to a goal; none if there is no free one.
    pub(crate) fn to(&self, goal: Point2<f64>) -> Option<Way> {
        let floor = &self.floor;
        if floor.is_clear(floor.start, goal) {
            let length_m = (goal - floor.start).norm();
            return Some(Way { places: vec![goal], length_m });
        }
        let (last, length_m) = (0..floor.corners.len())
            .filter(|i| self.length[*i].is_finite())
            .filter(|i| floor.is_clear(floor.corners[*i], goal))
            .map(|i| (i, self.length[i] + (goal - floor.corners[i]).norm()))
            .min_by(|a, b| a.1.total_cmp(&b.1))?;
        let mut places = vec![goal];
        let mut corner = Some(last);
        while let Some(index) = corner {
            places.push(floor.corners[index]);
            corner = self.before[index];
        }
        places.reverse();
        Some(Way { places, length_m })
    }
}

#[cfg(test)]
mod tests {
    use nalgebra::Isometry3;

    use super::*;

    fn table(x: f64, y: f64, size_m: [f64; 3]) -> WorldObject {
        WorldObject {
            id: format!("table at {x}"),
            class: "table".into(),
            attributes: Default::default(),
            size_m,
            map_from_object: Isometry3::translation(x, y, size_m[2] / 2.0),
            position_std_m: 0.0,
            stamp: Default::default(),
            confidence: 1.0,
            held_by: None,
            fixed: true,
            container: None,
            support: Default::default(),
        }
    }

    #[test]
    fn the_way_leads_around_a_table_and_keeps_off_it() {
        let mut world = WorldState::default();
        let table = table(1.3, 0.0, [0.6, 1.0, 0.4]);
        world.insert(table.clone());
        let ways = Floor::new(&world, &table).ways();
        let goal = Point2::new(2.2, 0.0);
        let way = ways.to(goal).expect("there is one");
        assert!(way.places.len() > 1);
        assert!(way.length_m > 2.5 && way.length_m < 3.4, "{}", way.length_m);
        let mut last = Point2::origin();
        for place in way.places {
            assert!(ways.floor.is_clear(last, place));
            last = place;
        }
        assert_eq!(last, goal);
    }

    #[test]
    fn what_is_walled_in_is_not_reached() {
        let mut world = WorldState::default();
        for (x, y, size) in [
            (1.0, 0.0, [0.1, 3.0, 0.4]),
            (3.0, 0.0, [0.1, 3.0, 0.4]),
            (2.0, 1.0, [3.0, 0.1, 0.5]),
            (2.01, -1.0, [3.0, 0.1, 0.5]),
        ] {
            world.insert(table(x, y, size));
        }
        let target = table(9.0, 9.0, [0.1, 0.1, 0.1]);
        assert_eq!(Floor::new(&world, &target).ways().to(Point2::new(2.0, 0.0)), None);
    }
}
