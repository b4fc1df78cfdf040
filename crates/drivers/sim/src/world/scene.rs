//! One concrete placement of a world's content.

use std::collections::BTreeMap;

use nalgebra::{Isometry3, Translation3, UnitQuaternion, Vector3};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use serde::{Deserialize, Serialize};

use super::World;
use super::config::{AreaConfig, PlanarPose, UprightPose};
use crate::SimError;

/// How often an object is placed anew before the area counts as too small.
const MAX_ATTEMPTS: u32 = 10_000;

/// Where everything is at the start of an episode, and what it weighs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scene {
    /// The seed that it was drawn with; none for the poses as written.
    pub seed: Option<u64>,
    /// Where the robot's base frame stands, in `map`.
    pub robot_start: PlanarPose,
    /// In the order of the world file.
    pub fixtures: Vec<SceneFixture>,
    /// In the order of the world file.
    pub objects: Vec<SceneObject>,
}

/// A fixture of a scene.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SceneFixture {
    /// Its id in the world file.
    pub id: String,
    /// Pose of the centre of its bounding box.
    pub map_from_fixture: Isometry3<f64>,
}

/// An object of a scene.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SceneObject {
    /// Its id in the world file.
    pub id: String,
    /// Pose of the centre of its bounding box.
    pub map_from_object: Isometry3<f64>,
    /// kg.
    pub mass_kg: f64,
    /// Coefficient of sliding friction of its surface.
    pub friction: f64,
}

impl World {
    /// The scene that the world file asks for: drawn with its own seed if it has any randomisation, else as written.
    ///
    /// # Errors
    /// [`SimError::NoPlace`] if the objects of an area do not fit into it.
    pub fn scene(&self) -> Result<Scene, SimError> {
        let random = &self.config.randomisation;
        if *random == Default::default() {
            return self.nominal();
        }
        self.sample(random.seed)
    }

    /// The scene as written, without randomisation.
    ///
    /// # Errors
    /// None today; the signature is that of [`World::sample`].
    pub fn nominal(&self) -> Result<Scene, SimError> {
        let fixtures = self.place_fixtures(&BTreeMap::new());
        let objects = self
            .config
            .objects
            .iter()
            .map(|object| SceneObject {
                id: object.id.clone(),
                map_from_object: self.place(
                    &fixtures,
                    object.on.as_deref(),
                    object.pose,
                    object.shape.size_m()[2],
                ),
                mass_kg: object.mass_kg,
                friction: object.friction,
            })
            .collect();
        Ok(Scene { seed: None, robot_start: self.config.robot.start, fixtures, objects })
    }

    /// A scene drawn with this seed: the same seed gives the same scene.
    ///
    /// # Errors
    /// [`SimError::NoPlace`] if the objects of an area do not fit into it.
    pub fn sample(&self, seed: u64) -> Result<Scene, SimError> {
        let random = &self.config.randomisation;
        let mut rng = ChaCha8Rng::seed_from_u64(seed);
        let mut offsets = BTreeMap::new();
        for (id, range) in &random.fixtures {
            offsets.insert(
                id.as_str(),
                PlanarPose {
                    x_m: draw(&mut rng, range.x_m),
                    y_m: draw(&mut rng, range.y_m),
                    yaw_rad: draw(&mut rng, range.yaw_rad),
                },
            );
        }
        let mut scene = self.nominal()?;
        scene.seed = Some(seed);
        scene.fixtures = self.place_fixtures(&offsets);

        let mut poses: Vec<UprightPose> = self.config.objects.iter().map(|o| o.pose).collect();
        for (index, area) in random.areas.iter().enumerate() {
            self.fill_area(&mut rng, index, area, &mut poses)?;
        }
        for ((placed, object), pose) in
            scene.objects.iter_mut().zip(&self.config.objects).zip(poses)
        {
            let height = object.shape.size_m()[2];
            placed.map_from_object =
                self.place(&scene.fixtures, object.on.as_deref(), pose, height);
            if let Some(range) = random.mass_scale {
                placed.mass_kg *= draw(&mut rng, range);
            }
            if let Some(range) = random.friction_scale {
                placed.friction *= draw(&mut rng, range);
            }
        }
        if let Some(range) = random.robot_start {
            // The square root spreads the draws evenly over the disc.
            let radius = range.radius_m * draw(&mut rng, [0.0, 1.0]).sqrt();
            let angle = draw(&mut rng, [-std::f64::consts::PI, std::f64::consts::PI]);
            scene.robot_start.x_m += radius * angle.cos();
            scene.robot_start.y_m += radius * angle.sin();
            scene.robot_start.yaw_rad += draw(&mut rng, [-range.yaw_rad, range.yaw_rad]);
        }
        Ok(scene)
    }

    fn place_fixtures(&self, offsets: &BTreeMap<&str, PlanarPose>) -> Vec<SceneFixture> {
        let mut placed: Vec<SceneFixture> = Vec::with_capacity(self.config.fixtures.len());
        for fixture in &self.config.fixtures {
            let offset = offsets.get(fixture.id.as_str()).copied().unwrap_or_default();
            let pose = UprightPose {
                x_m: fixture.pose.x_m + offset.x_m,
                y_m: fixture.pose.y_m + offset.y_m,
                z_m: fixture.pose.z_m,
                yaw_rad: fixture.pose.yaw_rad + offset.yaw_rad,
            };
            let height = fixture.shape.size_m()[2];
            let map_from_fixture = self.place(&placed, fixture.on.as_deref(), pose, height);
            placed.push(SceneFixture { id: fixture.id.clone(), map_from_fixture });
        }
        placed
    }

    /// The pose in `map` of the centre of something that stands on a fixture or on the floor.
    fn place(
        &self,
        fixtures: &[SceneFixture],
        on: Option<&str>,
        pose: UprightPose,
        height_m: f64,
    ) -> Isometry3<f64> {
        let support_from_centre = Isometry3::from_parts(
            Translation3::new(pose.x_m, pose.y_m, pose.z_m + height_m / 2.0),
            UnitQuaternion::from_axis_angle(&Vector3::z_axis(), pose.yaw_rad),
        );
        // The check of the world made sure that the support is there and has a surface.
        let support = on.and_then(|on| {
            let index = fixtures.iter().position(|fixture| fixture.id == on)?;
            let surface = *self.config.fixtures.get(index)?.shape.surfaces().first()?;
            Some(fixtures.get(index)?.map_from_fixture * Translation3::from(surface.centre_m))
        });
        support
            .map_or(support_from_centre, |map_from_support| map_from_support * support_from_centre)
    }

    /// Draws poses for the objects of an area, apart from each other and from all that has its place on the same fixture.
    fn fill_area(
        &self,
        rng: &mut ChaCha8Rng,
        index: usize,
        area: &AreaConfig,
        poses: &mut [UprightPose],
    ) -> Result<(), SimError> {
        let on_it = |on: &Option<String>| on.as_deref() == Some(&area.on);
        let circle = |pose: UprightPose, size: [f64; 3]| (pose, size[0].hypot(size[1]) / 2.0);
        // Circles to stay clear of: fixtures, and objects that are not placed here.
        let mut taken: Vec<(UprightPose, f64)> = Vec::new();
        for fixture in self.config.fixtures.iter().filter(|fixture| on_it(&fixture.on)) {
            taken.push(circle(fixture.pose, fixture.shape.size_m()));
        }
        for (object, pose) in self.config.objects.iter().zip(poses.iter()) {
            if on_it(&object.on) && !area.objects.contains(&object.id) {
                taken.push(circle(*pose, object.shape.size_m()));
            }
        }
        let mut placed: Vec<UprightPose> = Vec::new();
        let mut attempts = 0;
        for (object, slot) in self.config.objects.iter().zip(poses.iter_mut()) {
            if !area.objects.contains(&object.id) {
                continue;
            }
            let (_, radius) = circle(*slot, object.shape.size_m());
            loop {
                if attempts == MAX_ATTEMPTS {
                    return Err(SimError::NoPlace {
                        area: index,
                        object: object.id.clone(),
                        attempts,
                    });
                }
                attempts += 1;
                let pose = UprightPose {
                    x_m: draw(rng, area.x_m),
                    y_m: draw(rng, area.y_m),
                    z_m: slot.z_m,
                    yaw_rad: draw(rng, area.yaw_rad),
                };
                let distance =
                    |other: &UprightPose| (pose.x_m - other.x_m).hypot(pose.y_m - other.y_m);
                if placed.iter().all(|other| distance(other) >= area.min_separation_m)
                    && taken.iter().all(|(other, their)| distance(other) >= their + radius)
                {
                    placed.push(pose);
                    *slot = pose;
                    break;
                }
            }
        }
        Ok(())
    }
}

fn draw(rng: &mut ChaCha8Rng, [low, high]: [f64; 2]) -> f64 {
    low + (high - low) * rng.random::<f64>()
}
