//! Checks of a world that its types do not make.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::path::Path;

use sinew_robot::RobotModel;

use super::config::{RandomisationConfig, WorldConfig};
use super::palette;
use crate::SimError;

struct Checker<'a> {
    path: &'a Path,
}

impl Checker<'_> {
    fn refuse(
        &self,
        field: impl Display,
        value: impl Display,
        allowed: impl Display,
    ) -> Result<(), SimError> {
        Err(SimError::Field {
            path: self.path.to_owned(),
            field: field.to_string(),
            value: value.to_string(),
            allowed: allowed.to_string(),
        })
    }

    fn within(&self, field: impl Display, value: f64, low: f64, high: f64) -> Result<(), SimError> {
        // NaN is in no range.
        if (low..=high).contains(&value) {
            return Ok(());
        }
        self.refuse(field, value, format!("{low} to {high}"))
    }

    fn range(
        &self,
        field: impl Display,
        range: [f64; 2],
        low: f64,
        high: f64,
    ) -> Result<(), SimError> {
        if range[0] <= range[1] && range[0] >= low && range[1] <= high {
            return Ok(());
        }
        let value = format!("[{}, {}]", range[0], range[1]);
        self.refuse(field, value, format!("[lowest, highest] within {low} to {high}"))
    }

    fn name(&self, field: impl Display, name: &str) -> Result<(), SimError> {
        let mut letters = name.chars();
        let good = letters.next().is_some_and(|first| first.is_ascii_lowercase())
            && letters.all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
        if good {
            return Ok(());
        }
        let allowed = "lower-case letters, digits and underscores, a letter first";
        self.refuse(field, format!("`{name}`"), allowed)
    }

    fn color(&self, field: &str, color: &str, rgba: Option<[f32; 4]>) -> Result<(), SimError> {
        match rgba {
            None if palette::rgba(color).is_none() => self.refuse(
                format!("{field}.color"),
                format!("`{color}`"),
                format!("{}; or any name with rgba beside it", palette::names()),
            ),
            Some(rgba) if rgba.iter().any(|part| !(0.0..=1.0).contains(part)) => {
                self.refuse(format!("{field}.rgba"), format!("{rgba:?}"), "four values of 0 to 1")
            }
            _ => self.name(format!("{field}.color"), color),
        }
    }

    fn pose(&self, field: &str, pose: &super::config::UprightPose) -> Result<(), SimError> {
        self.within(format!("{field}.pose.x_m"), pose.x_m, -100.0, 100.0)?;
        self.within(format!("{field}.pose.y_m"), pose.y_m, -100.0, 100.0)?;
        self.within(format!("{field}.pose.z_m"), pose.z_m, 0.0, 100.0)?;
        self.within(format!("{field}.pose.yaw_rad"), pose.yaw_rad, -7.0, 7.0)
    }
}

pub(super) fn world(path: &Path, config: &WorldConfig, robot: &RobotModel) -> Result<(), SimError> {
    let check = Checker { path };
    check.name("name", &config.name)?;
    robot_placement(&check, config, robot)?;
    things(&check, config)?;
    cameras(&check, config, robot)?;

    let physics = &config.physics;
    check.within("physics.timestep_s", physics.timestep_s, 0.0002, 0.004)?;
    let microseconds = physics.timestep_s * 1e6;
    if (microseconds - microseconds.round()).abs() > 1e-6 {
        check.refuse("physics.timestep_s", physics.timestep_s, "a whole number of microseconds")?;
    }
    check.within("physics.gravity_m_s2", physics.gravity_m_s2, 0.0, 30.0)?;
    check.within("physics.impratio", physics.impratio, 1.0, 100.0)?;
    check.within("physics.noslip_iterations", physics.noslip_iterations.into(), 0.0, 20.0)?;
    check.within("physics.solver_iterations", physics.solver_iterations.into(), 1.0, 200.0)?;

    let perception = &config.perception;
    check.within("perception.rate_hz", perception.rate_hz, 0.1, 1000.0)?;
    check.within("perception.position_noise_m", perception.position_noise_m, 0.0, 0.5)?;
    check.within("perception.yaw_noise_rad", perception.yaw_noise_rad, 0.0, 1.0)?;
    check.within("perception.drop_out", perception.drop_out, 0.0, 1.0)?;
    check.within("perception.min_range_m", perception.min_range_m, 0.0, 1000.0)?;
    let nearest = perception.min_range_m;
    check.within("perception.max_range_m", perception.max_range_m, nearest, 1000.0)?;

    randomisation(&check, config, &config.randomisation)
}

fn robot_placement(
    check: &Checker<'_>,
    config: &WorldConfig,
    robot: &RobotModel,
) -> Result<(), SimError> {
    let start = config.robot.start;
    check.within("robot.start.x_m", start.x_m, -100.0, 100.0)?;
    check.within("robot.start.y_m", start.y_m, -100.0, 100.0)?;
    check.within("robot.start.yaw_rad", start.yaw_rad, -7.0, 7.0)?;
    for (group, configuration) in &config.robot.configurations {
        let known = robot.groups().iter().find(|known| known.name == *group);
        let Some(known) = known else {
            let names: Vec<&str> = robot.groups().iter().map(|g| g.name.as_str()).collect();
            return check.refuse(
                "robot.configurations",
                format!("`{group}`"),
                format!("groups of the robot: {}", names.join(", ")),
            );
        };
        if !known.configurations.contains_key(configuration) {
            let names: Vec<&str> = known.configurations.keys().map(String::as_str).collect();
            return check.refuse(
                format!("robot.configurations.{group}"),
                format!("`{configuration}`"),
                format!("configurations of the group: {}", names.join(", ")),
            );
        }
    }
    Ok(())
}

fn things(check: &Checker<'_>, config: &WorldConfig) -> Result<(), SimError> {
    let mut ids: BTreeSet<&str> = BTreeSet::new();
    let mut surfaces: BTreeSet<&str> = BTreeSet::new();
    for fixture in &config.fixtures {
        let field = format!("fixtures.{}", fixture.id);
        check.name("fixtures.id", &fixture.id)?;
        check.name(format!("{field}.class"), &fixture.class)?;
        if !ids.insert(&fixture.id) {
            check.refuse("fixtures.id", format!("`{}` twice", fixture.id), "each id once")?;
        }
        for (measure, value) in fixture.shape.measures() {
            check.within(format!("{field}.shape.{measure}"), value, 0.001, 20.0)?;
        }
        match fixture.shape {
            super::FixtureShape::Table { size_m } => {
                check.within(format!("{field}.shape.table.size_m"), size_m[2], 0.1, 3.0)?;
            }
            super::FixtureShape::Shelf { boards, .. } => {
                check.within(format!("{field}.shape.shelf.boards"), boards.into(), 2.0, 8.0)?;
            }
            super::FixtureShape::Bin { stand_height_m, .. } => {
                let field = format!("{field}.shape.bin.stand_height_m");
                check.within(field, stand_height_m, 0.0, 3.0)?;
            }
            super::FixtureShape::Block { .. } => {}
        }
        check.color(&field, &fixture.color, fixture.rgba)?;
        check.pose(&field, &fixture.pose)?;
        stands_on(check, &field, fixture.on.as_deref(), &surfaces)?;
        if !fixture.shape.surfaces().is_empty() {
            surfaces.insert(&fixture.id);
        }
    }
    for object in &config.objects {
        let field = format!("objects.{}", object.id);
        check.name("objects.id", &object.id)?;
        check.name(format!("{field}.class"), &object.class)?;
        if !ids.insert(&object.id) {
            let value = format!("`{}` twice", object.id);
            check.refuse("objects.id", value, "each id once, fixtures included")?;
        }
        for (measure, value) in object.shape.measures() {
            check.within(format!("{field}.shape.{measure}"), value, 0.005, 5.0)?;
        }
        check.within(format!("{field}.mass_kg"), object.mass_kg, 0.001, 100.0)?;
        check.within(format!("{field}.friction"), object.friction, 0.05, 3.0)?;
        check.color(&field, &object.color, object.rgba)?;
        check.pose(&field, &object.pose)?;
        stands_on(check, &field, object.on.as_deref(), &surfaces)?;
    }
    Ok(())
}

fn stands_on(
    check: &Checker<'_>,
    field: &str,
    on: Option<&str>,
    surfaces: &BTreeSet<&str>,
) -> Result<(), SimError> {
    match on {
        Some(on) if !surfaces.contains(on) => check.refuse(
            format!("{field}.on"),
            format!("`{on}`"),
            format!("a fixture listed before it that has a level top: {}", list(surfaces)),
        ),
        _ => Ok(()),
    }
}

fn cameras(check: &Checker<'_>, config: &WorldConfig, robot: &RobotModel) -> Result<(), SimError> {
    let mut names: BTreeSet<&str> =
        robot.sensors().cameras.iter().map(|camera| camera.name.as_str()).collect();
    for camera in &config.cameras {
        let field = format!("cameras.{}", camera.name);
        check.name("cameras.name", &camera.name)?;
        if !names.insert(&camera.name) {
            let value = format!("`{}` twice", camera.name);
            check.refuse("cameras.name", value, "each name once, the robot's cameras included")?;
        }
        check.within(format!("{field}.fov_y_rad"), camera.fov_y_rad, 0.05, 3.0)?;
        for value in camera.position_m.iter().chain(&camera.look_at_m) {
            check.within(format!("{field}.position_m, look_at_m"), *value, -100.0, 100.0)?;
        }
        let (from, to) = (camera.position_m, camera.look_at_m);
        if (from[0] - to[0]).hypot(from[1] - to[1]) < 1e-3 {
            check.refuse(
                format!("{field}.look_at_m"),
                format!("{to:?}, straight above or below the camera"),
                "a point at least 1 mm beside the camera's vertical",
            )?;
        }
    }
    Ok(())
}

fn randomisation(
    check: &Checker<'_>,
    config: &WorldConfig,
    random: &RandomisationConfig,
) -> Result<(), SimError> {
    if let Some(start) = random.robot_start {
        check.within("randomisation.robot_start.radius_m", start.radius_m, 0.0, 10.0)?;
        check.within("randomisation.robot_start.yaw_rad", start.yaw_rad, 0.0, 3.2)?;
    }
    let fixtures: BTreeSet<&str> = config.fixtures.iter().map(|f| f.id.as_str()).collect();
    for (id, range) in &random.fixtures {
        let field = format!("randomisation.fixtures.{id}");
        if !fixtures.contains(id.as_str()) {
            let allowed = format!("ids of fixtures: {}", list(&fixtures));
            check.refuse("randomisation.fixtures", format!("`{id}`"), allowed)?;
        }
        check.range(format!("{field}.x_m"), range.x_m, -10.0, 10.0)?;
        check.range(format!("{field}.y_m"), range.y_m, -10.0, 10.0)?;
        check.range(format!("{field}.yaw_rad"), range.yaw_rad, -3.2, 3.2)?;
    }
    let mut placed: BTreeSet<&str> = BTreeSet::new();
    for (index, area) in random.areas.iter().enumerate() {
        let field = format!("randomisation.areas[{index}]");
        let fixture = config.fixtures.iter().find(|f| f.id == area.on);
        let surface = fixture.and_then(|f| f.shape.surfaces().first().copied());
        let Some(surface) = surface else {
            let allowed = format!("a fixture with a level top, of: {}", list(&fixtures));
            return check.refuse(format!("{field}.on"), format!("`{}`", area.on), allowed);
        };
        let [x, y] = surface.size_m.map(|edge| edge / 2.0);
        check.range(format!("{field}.x_m"), area.x_m, -x, x)?;
        check.range(format!("{field}.y_m"), area.y_m, -y, y)?;
        check.range(format!("{field}.yaw_rad"), area.yaw_rad, -3.2, 3.2)?;
        check.within(format!("{field}.min_separation_m"), area.min_separation_m, 0.0, 10.0)?;
        for id in &area.objects {
            let field = format!("{field}.objects");
            match config.objects.iter().find(|object| object.id == *id) {
                None => {
                    let ids = config.objects.iter().map(|object| object.id.as_str()).collect();
                    check.refuse(
                        field,
                        format!("`{id}`"),
                        format!("ids of objects: {}", list(&ids)),
                    )?;
                }
                Some(object) if object.on.as_deref() != Some(&area.on) => {
                    let allowed = format!("objects with `on: {}`", area.on);
                    check.refuse(field, format!("`{id}`"), allowed)?;
                }
                Some(_) if !placed.insert(id) => {
                    check.refuse(field, format!("`{id}` twice"), "each object in one area")?;
                }
                Some(_) => {}
            }
        }
    }
    for (field, range) in [
        ("randomisation.mass_scale", random.mass_scale),
        ("randomisation.friction_scale", random.friction_scale),
    ] {
        if let Some(range) = range {
            check.range(field, range, 0.05, 20.0)?;
        }
    }
    Ok(())
}

fn list(names: &BTreeSet<&str>) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    names.iter().copied().collect::<Vec<&str>>().join(", ")
}
