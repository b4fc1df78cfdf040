use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use crate::TeleopError;
use crate::config::{
    AxisKind, LeaderConfig, MappingConfig, ModeConfig, OperatorButtons, SignalConfig,
};

/// A mapping that was read and checked.
#[derive(Clone, Debug, PartialEq)]
pub struct Mapping {
    file: PathBuf,
    config: MappingConfig,
}

impl Mapping {
    /// Reads and checks a mapping.
    ///
    /// # Errors
    /// [`TeleopError::Read`], [`TeleopError::Format`], [`TeleopError::Field`].
    pub fn load(file: impl AsRef<Path>) -> Result<Self, TeleopError> {
        let file = file.as_ref();
        let text = std::fs::read_to_string(file)
            .map_err(|source| TeleopError::Read { file: file.into(), source })?;
        Self::of_text(&text, file.into())
    }

    /// Checks a mapping; `file` is named in errors.
    ///
    /// # Errors
    /// [`TeleopError::Format`], [`TeleopError::Field`].
    pub fn from_yaml(text: &str, file: impl Into<PathBuf>) -> Result<Self, TeleopError> {
        Self::of_text(text, file.into())
    }

    /// Not generic, so that all it takes to read YAML is compiled once and not in each crate that calls it.
    fn of_text(text: &str, file: PathBuf) -> Result<Self, TeleopError> {
        let config = serde_saphyr::from_str(text).map_err(|error| TeleopError::Format {
            file: file.clone(),
            message: error.to_string(),
        })?;
        let mapping = Self { file, config };
        mapping.check()?;
        Ok(mapping)
    }

    /// As it was read.
    pub fn config(&self) -> &MappingConfig {
        &self.config
    }

    /// Where it was read from.
    pub fn file(&self) -> &Path {
        &self.file
    }

    pub(crate) fn refused(
        &self,
        field: impl Into<String>,
        value: impl std::fmt::Display,
        allowed: impl Into<String>,
    ) -> TeleopError {
        TeleopError::Field {
            file: self.file.clone(),
            field: field.into(),
            value: value.to_string(),
            allowed: allowed.into(),
        }
    }

    /// The index of a button.
    pub(crate) fn button(&self, field: &str, name: &str) -> Result<usize, TeleopError> {
        self.config
            .buttons
            .get(name)
            .copied()
            .ok_or_else(|| self.refused(field, format!("`{name}`"), list(&self.config.buttons)))
    }

    fn check(&self) -> Result<(), TeleopError> {
        let MappingConfig { dead_man, dead_zone, unchanged_limit_s, modes, .. } = &self.config;
        let dead_man = self.button("dead_man", dead_man)?;
        self.check_dead_zone("dead_zone", *dead_zone)?;
        if !(unchanged_limit_s.is_finite() && *unchanged_limit_s > 0.0) {
            return Err(self.refused("unchanged_limit_s", unchanged_limit_s, "above 0"));
        }
        let mut taken = BTreeMap::from([(dead_man, "dead_man".to_owned())]);
        let mut take = |field: String, button: Option<&String>| -> Result<(), TeleopError> {
            let Some(name) = button else { return Ok(()) };
            let index = self.button(&field, name)?;
            match taken.get(&index) {
                Some(by) => {
                    let value = format!("`{name}`, which is `{by}` already");
                    Err(self.refused(field, value, "a button of its own"))
                }
                None => {
                    taken.insert(index, field);
                    Ok(())
                }
            }
        };
        let OperatorButtons { e_stop, reset, arm, disarm, resume } = &self.config.operator;
        for (name, button) in [
            ("e_stop", e_stop),
            ("reset", reset),
            ("arm", arm),
            ("disarm", disarm),
            ("resume", resume),
        ] {
            take(format!("operator.{name}"), button.as_ref())?;
        }
        if modes.is_empty() {
            return Err(self.refused("modes", "none", "one or more"));
        }
        let mut names = BTreeSet::new();
        for mode in modes {
            let field = format!("modes.{}", mode.name);
            if !names.insert(&mode.name) {
                return Err(self.refused(field, "named twice", "names that differ"));
            }
            if mode.select.is_none() && modes.len() > 1 {
                let allowed = list(&self.config.buttons);
                return Err(self.refused(format!("{field}.select"), "missing", allowed));
            }
            take(format!("{field}.select"), mode.select.as_ref())?;
            self.check_mode(&field, mode)?;
        }
        Ok(())
    }

    fn check_mode(&self, field: &str, mode: &ModeConfig) -> Result<(), TeleopError> {
        let ModeConfig { base, cartesian, joints, gripper, leader, .. } = mode;
        let mut groups = BTreeSet::new();
        let mut claim = |part: &str, group: &str| {
            if groups.insert(group.to_owned()) {
                return Ok(());
            }
            let value = format!("`{group}`, which another part of the mode moves");
            Err(self.refused(format!("{field}.{part}.group"), value, "a group per part"))
        };
        if let Some(base) = base {
            claim("base", &base.group)?;
        }
        if let Some(cartesian) = cartesian {
            claim("cartesian", &cartesian.group)?;
        }
        if let Some(joints) = joints {
            claim("joints", &joints.group)?;
            if !joints.velocities.is_empty() && !joints.in_order.is_empty() {
                let field = format!("{field}.joints");
                return Err(self.refused(field, "velocities and in_order", "one of them"));
            }
        }
        if let Some(gripper) = gripper {
            claim("gripper", &gripper.group)?;
            let force = gripper.max_force_n.unwrap_or(1.0);
            if !(force.is_finite() && force > 0.0) {
                return Err(self.refused(format!("{field}.gripper.max_force_n"), force, "above 0"));
            }
        }
        if let Some(leader) = leader {
            claim("leader", &leader.group)?;
            if let Some(gripper) = &leader.gripper {
                claim("leader.gripper", &gripper.group)?;
            }
            self.check_leader(&format!("{field}.leader"), leader)?;
        }
        if groups.is_empty() {
            let allowed = "one or more of base, cartesian, joints, gripper, leader";
            return Err(self.refused(field, "moves nothing", allowed));
        }
        let signals = mode.signals();
        if signals.is_empty() && leader.is_none() {
            return Err(self.refused(field, "moves nothing", "one or more axes or buttons"));
        }
        signals
            .iter()
            .try_for_each(|(name, signal)| self.check_signal(&format!("{field}.{name}"), signal))
    }

    fn check_leader(&self, field: &str, leader: &LeaderConfig) -> Result<(), TeleopError> {
        let positive = |name: &str, value: f64| {
            let is_positive = value.is_finite() && value > 0.0;
            let refused = || self.refused(format!("{field}.{name}"), value, "above 0");
            is_positive.then_some(()).ok_or_else(refused)
        };
        positive("approach_velocity", leader.approach_velocity)?;
        positive("together_within", leader.together_within)?;
        for (name, joint) in &leader.joints {
            let is_usable = joint.scale.is_finite() && joint.scale != 0.0;
            if !is_usable || !joint.offset.is_finite() {
                let value = format!("scale {}, offset {}", joint.scale, joint.offset);
                let allowed = "finite, scale not 0";
                return Err(self.refused(format!("{field}.joints.{name}"), value, allowed));
            }
        }
        if let Some(gripper) = &leader.gripper {
            let span = gripper.open - gripper.closed;
            if !span.is_finite() || span == 0.0 {
                let value = format!("closed {}, open {}", gripper.closed, gripper.open);
                return Err(self.refused(format!("{field}.gripper"), value, "finite, not equal"));
            }
        }
        Ok(())
    }

    fn check_signal(&self, field: &str, signal: &SignalConfig) -> Result<(), TeleopError> {
        let SignalConfig { axis, plus, minus, scale, dead_zone, expo } = signal;
        match (axis, plus, minus) {
            (Some(axis), None, None) => {
                if !self.config.axes.contains_key(axis) {
                    let (value, allowed) = (format!("`{axis}`"), list(&self.config.axes));
                    return Err(self.refused(format!("{field}.axis"), value, allowed));
                }
            }
            (None, None, None) | (Some(_), ..) => {
                let value = "axis, plus and minus are not one input";
                return Err(self.refused(field, value, "axis alone, or plus, minus or both"));
            }
            (None, plus, minus) => {
                for (end, name) in [("plus", plus), ("minus", minus)] {
                    self.check_end(&format!("{field}.{end}"), name.as_ref())?;
                }
            }
        }
        if !scale.is_finite() || *scale == 0.0 {
            return Err(self.refused(format!("{field}.scale"), scale, "finite, not 0"));
        }
        self.check_dead_zone(
            &format!("{field}.dead_zone"),
            dead_zone.unwrap_or(self.config.dead_zone),
        )?;
        if !(0.0..=1.0).contains(expo) {
            return Err(self.refused(format!("{field}.expo"), expo, "0 to 1"));
        }
        Ok(())
    }

    /// An end of a pair is a button, or a trigger.
    fn check_end(&self, field: &str, name: Option<&String>) -> Result<(), TeleopError> {
        let Some(name) = name else { return Ok(()) };
        let MappingConfig { axes, buttons, dead_man, .. } = &self.config;
        if name == dead_man {
            let value = format!("`{name}`, which is the dead-man button");
            return Err(self.refused(field, value, "another button"));
        }
        let is_trigger = axes.get(name).is_some_and(|axis| axis.kind == AxisKind::Trigger);
        if is_trigger || buttons.contains_key(name) {
            return Ok(());
        }
        let triggers = axes.iter().filter(|(_, axis)| axis.kind == AxisKind::Trigger);
        let known: Vec<_> = triggers.map(|(name, _)| name).chain(buttons.keys()).collect();
        let known = known.iter().map(|name| name.as_str()).collect::<Vec<_>>().join(", ");
        Err(self.refused(field, format!("`{name}`"), known))
    }

    fn check_dead_zone(&self, field: &str, value: f64) -> Result<(), TeleopError> {
        if (0.0..=0.5).contains(&value) {
            return Ok(());
        }
        Err(self.refused(field, value, "0 to 0.5"))
    }
}

/// Names for "allowed".
fn list<T>(named: &BTreeMap<String, T>) -> String {
    if named.is_empty() {
        return "none".into();
    }
    named.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
}
