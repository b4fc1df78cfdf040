//! Checks the `monitor` section.

use crate::collision::CollisionShape;
use crate::config::{CommandInterface, GroupConfig};
use crate::error::{RobotError, list};
use crate::monitor_config::{BoxConfig, SelfCollisionConfig, TrackingConfig, WorkspaceConfig};
use crate::tree::Link;

use super::Check;

impl Check<'_> {
    /// All of `monitor`.
    pub(super) fn monitor(&self) -> Result<(), RobotError> {
        let monitor = &self.config.monitor;
        if !(1..=100).contains(&monitor.check_every) {
            let value = monitor.check_every.to_string();
            return Err(self.error("monitor.check_every", value, "1 to 100"));
        }
        self.shapes()?;
        if let Some(workspace) = &monitor.workspace {
            self.workspace(workspace)?;
        }
        if let Some(self_collision) = &monitor.self_collision {
            self.self_collision(self_collision)?;
        }
        for (name, tracking) in &monitor.tracking {
            let field = format!("monitor.tracking.{name}");
            self.tracking(&field, self.group(&field, name)?, tracking)?;
        }
        for (name, temperature) in &monitor.temperature {
            let field = format!("monitor.temperature.{name}");
            self.group(&field, name)?;
            let (warn, stop) = (temperature.warn_above_c, temperature.stop_above_c);
            if !warn.is_finite() {
                return Err(self.error(format!("{field}.warn_above_c"), warn.to_string(), "°C"));
            }
            if !(stop > warn && stop <= 150.0) {
                let allowed = format!("above warn_above_c, which is {warn}, up to 150");
                return Err(self.error(format!("{field}.stop_above_c"), stop.to_string(), allowed));
            }
        }
        let (field, rate) = ("monitor.clamp_rate", &monitor.clamp_rate);
        self.up_to(&format!("{field}.window_s"), rate.window_s, 60.0)?;
        self.share(field, "warn_above", rate.warn_above)
    }

    fn up_to(&self, field: &str, value: f64, most: f64) -> Result<(), RobotError> {
        if value > 0.0 && value <= most {
            return Ok(());
        }
        Err(self.error(field, value.to_string(), format!("above 0 up to {most}")))
    }

    fn group(&self, field: &str, name: &str) -> Result<&GroupConfig, RobotError> {
        self.config.groups.get(name).ok_or_else(|| {
            let known = list(self.config.groups.keys().map(String::as_str));
            self.error(field, format!("`{name}` is not a group of the robot"), known)
        })
    }

    fn shapes(&self) -> Result<(), RobotError> {
        for (link, capsules) in &self.config.monitor.shapes {
            let field = format!("monitor.shapes.{link}");
            self.frame(&field, link)?;
            for (index, capsule) in capsules.iter().enumerate() {
                let field = format!("{field}[{index}]");
                self.positive(&field, "radius_m", capsule.radius_m)?;
                for (key, point) in [("from_m", capsule.from_m), ("to_m", capsule.to_m)] {
                    self.finite(&format!("{field}.{key}"), point)?;
                }
            }
        }
        Ok(())
    }

    fn finite(&self, field: &str, point: [f64; 3]) -> Result<(), RobotError> {
        if point.iter().all(|value| value.is_finite()) {
            return Ok(());
        }
        Err(self.error(field, format!("{point:?}"), "three finite numbers"))
    }

    /// A link that is to be watched needs shapes that are known.
    fn has_shapes(&self, field: &str, link: &Link) -> Result<(), RobotError> {
        if self.config.monitor.shapes.contains_key(&link.name) {
            return Ok(());
        }
        if link.collisions.iter().any(|collision| collision.shape == CollisionShape::Mesh) {
            return Err(self.error(
                field,
                format!("the collision geometry of `{}` is a mesh, which is not read", link.name),
                format!("capsules in monitor.shapes.{}", link.name),
            ));
        }
        Ok(())
    }

    /// Whether any link has a shape to be watched by.
    fn some_shapes(&self, field: &str) -> Result<(), RobotError> {
        let is_shaped = |link: &Link| {
            !link.collisions.is_empty() || self.config.monitor.shapes.contains_key(&link.name)
        };
        if self.tree.links.iter().any(is_shaped) {
            return Ok(());
        }
        Err(self.error(
            field,
            "no link has a collision shape (those of an MJCF are not read)",
            "capsules in monitor.shapes",
        ))
    }

    fn workspace(&self, workspace: &WorkspaceConfig) -> Result<(), RobotError> {
        let field = "monitor.workspace";
        self.frame(format!("{field}.frame"), &workspace.frame)?;
        self.some_shapes(field)?;
        for (index, name) in workspace.links.iter().flatten().enumerate() {
            let field = format!("{field}.links[{index}]");
            self.frame(&field, name)?;
            for link in self.tree.links.iter().filter(|link| link.name == *name) {
                self.has_shapes(&field, link)?;
                let is_given = self.config.monitor.shapes.contains_key(name);
                if link.collisions.is_empty() && !is_given {
                    return Err(self.error(
                        field,
                        format!("`{name}` has no collision geometry"),
                        format!("a link that has, or capsules in monitor.shapes.{name}"),
                    ));
                }
            }
        }
        if workspace.links.is_none() {
            for link in &self.tree.links {
                self.has_shapes(field, link)?;
            }
        }
        if workspace.inside.is_none() && workspace.keep_out.is_empty() {
            return Err(self.error(field, "no box", "`inside`, or one `keep_out` or more"));
        }
        if let Some(inside) = &workspace.inside {
            self.corners(&format!("{field}.inside"), inside)?;
        }
        for (index, keep_out) in workspace.keep_out.iter().enumerate() {
            self.corners(&format!("{field}.keep_out[{index}]"), keep_out)?;
        }
        Ok(())
    }

    fn corners(&self, field: &str, corners: &BoxConfig) -> Result<(), RobotError> {
        self.finite(&format!("{field}.min_m"), corners.min_m)?;
        self.finite(&format!("{field}.max_m"), corners.max_m)?;
        if corners.min_m.iter().zip(&corners.max_m).all(|(min, max)| min < max) {
            return Ok(());
        }
        let allowed = format!("above min_m, which is {:?}, in each place", corners.min_m);
        Err(self.error(format!("{field}.max_m"), format!("{:?}", corners.max_m), allowed))
    }

    fn self_collision(&self, config: &SelfCollisionConfig) -> Result<(), RobotError> {
        let field = "monitor.self_collision";
        let distance = config.min_distance_m;
        if !(0.0..=0.1).contains(&distance) {
            let value = distance.to_string();
            return Err(self.error(format!("{field}.min_distance_m"), value, "0 to 0.1"));
        }
        self.some_shapes(field)?;
        for link in &self.tree.links {
            self.has_shapes(field, link)?;
        }
        for (index, pair) in config.ignore.iter().enumerate() {
            let field = format!("{field}.ignore[{index}]");
            for link in pair {
                self.frame(&field, link)?;
            }
            if pair[0] == pair[1] {
                let value = format!("`{}` twice", pair[0]);
                return Err(self.error(field, value, "two links"));
            }
        }
        Ok(())
    }

    fn tracking(
        &self,
        field: &str,
        group: &GroupConfig,
        tracking: &TrackingConfig,
    ) -> Result<(), RobotError> {
        self.positive(field, "max_error", tracking.max_error)?;
        self.up_to(&format!("{field}.for_s"), tracking.for_s, 10.0)?;
        let angular = format!("{field}.max_angular_error_rad_s");
        match (group.command, tracking.max_angular_error_rad_s) {
            _ if group.gripper.is_some() => Err(self.error(
                field,
                "the group is a gripper, which what it grips keeps from its set-point",
                "groups commanded by position, velocity or twist",
            )),
            (CommandInterface::Effort | CommandInterface::Impedance, _) => Err(self.error(
                field,
                format!("the group is commanded by {:?}: it has no set-point", group.command),
                "groups commanded by position, velocity or twist",
            )),
            (CommandInterface::Twist, None) => {
                Err(self.error(angular, "missing", "a finite number above 0"))
            }
            (CommandInterface::Twist, Some(value)) => {
                self.positive(field, "max_angular_error_rad_s", value)
            }
            (_, Some(value)) => {
                Err(self.error(angular, value.to_string(), "only for a group commanded by twist"))
            }
            (_, None) => Ok(()),
        }
    }
}
