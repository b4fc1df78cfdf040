//! What of a manifest can be checked without the model and the robot.

use crate::PolicyError;
use crate::manifest::{ActionSpec, Normalisation, PerElement, PolicyManifest, Source, TermSpec};

impl PolicyManifest {
    pub(crate) fn check(&self) -> Result<(), PolicyError> {
        let id_ok = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
        if self.id.is_empty() || !self.id.chars().all(id_ok) {
            return Err(self.field_error(
                "id",
                format!("`{}`", self.id),
                "lower case letters, digits and _",
            ));
        }
        let parts: Vec<_> = self.version.split('.').collect();
        if parts.len() != 3 || parts.iter().any(|p| p.parse::<u32>().is_err()) {
            let allowed = "three numbers such as 1.0.0";
            return Err(self.field_error("version", format!("`{}`", self.version), allowed));
        }
        let sha = &self.model.sha256;
        if sha.len() != 64 || !sha.chars().all(|c| c.is_ascii_digit() || ('a'..='f').contains(&c)) {
            return Err(self.field_error(
                "model.sha256",
                format!("`{sha}`"),
                "64 lower case hexadecimal digits",
            ));
        }
        if !(self.rate_hz > 0.0 && self.rate_hz <= 1000.0) {
            return Err(self.field_error("rate_hz", self.rate_hz, "above 0, up to 1000"));
        }
        if !(1..=1000).contains(&self.warm_up_runs) {
            return Err(self.field_error("warm_up_runs", self.warm_up_runs, "1 to 1000"));
        }
        if self.observation.is_empty() {
            return Err(self.field_error("observation", "empty", "at least one term"));
        }
        for (i, term) in self.observation.iter().enumerate() {
            self.check_term(&format!("observation[{i}]"), term)?;
        }
        self.check_commands_agree()?;
        self.check_normalisation()?;
        self.check_action()?;
        self.check_golden()
    }

    fn check_term(&self, at: &str, term: &TermSpec) -> Result<(), PolicyError> {
        use Source as S;
        let joints = matches!(term.source, S::JointPosition | S::JointVelocity);
        let command = term.source == S::Command;
        let sized = command || term.source == S::LastAction;
        let source = format!("{:?}", term.source);
        let fields = [
            ("joints", !term.joints.is_empty(), joints),
            ("axes", !term.axes.is_empty(), term.source == S::BaseVelocity),
            ("name", term.name.is_some(), command),
            ("size", term.size.is_some(), sized),
            ("unit", term.unit.is_some(), command),
            ("max_age_s", term.max_age_s.is_some(), term.source != S::LastAction),
        ];
        for (field, present, wanted) in fields {
            let field = format!("{at}.{field}");
            if present && !wanted {
                let allowed = format!("absent with source {source}");
                return Err(self.field_error(field, "present", allowed));
            }
            if !present && wanted {
                let allowed = format!("given with source {source}");
                return Err(self.field_error(field, "absent or empty", allowed));
            }
        }
        if let Some(size) = term.size
            && !(1..=4096).contains(&size)
        {
            return Err(self.field_error(format!("{at}.size"), size, "1 to 4096"));
        }
        if term.source == S::LastAction && term.size != Some(self.action_width()) {
            return Err(self.field_error(
                format!("{at}.size"),
                term.width(),
                format!("the width of the action, {}", self.action_width()),
            ));
        }
        self.check_unique(&format!("{at}.joints"), &term.joints)?;
        for (field, value) in [("max_age_s", term.max_age_s), ("max_norm", term.max_norm)] {
            if let Some(value) = value
                && !(value > 0.0 && value.is_finite())
            {
                let field = format!("{at}.{field}");
                return Err(self.field_error(field, value, "a finite number above 0"));
            }
        }
        for (field, value) in [("offset", &term.offset), ("scale", &term.scale)] {
            if let Some(value) = value {
                self.check_per_element(&format!("{at}.{field}"), value, term.width())?;
            }
        }
        match term.clip {
            Some(clip) => self.check_clip(&format!("{at}.clip"), clip),
            None => Ok(()),
        }
    }

    /// Terms that read one command must mean the same values by it.
    fn check_commands_agree(&self) -> Result<(), PolicyError> {
        for (i, term) in self.observation.iter().enumerate() {
            let first = self.observation[..i]
                .iter()
                .find(|t| t.source == Source::Command && t.name == term.name);
            let Some(first) = first.filter(|_| term.source == Source::Command) else { continue };
            if first.size != term.size || first.unit != term.unit {
                return Err(self.field_error(
                    format!("observation[{i}]"),
                    format!("{:?} {:?}", term.size.unwrap_or(0), term.unit),
                    format!(
                        "size and unit of the earlier term of that command, {:?} {:?}",
                        first.size.unwrap_or(0),
                        first.unit
                    ),
                ));
            }
        }
        Ok(())
    }

    fn check_normalisation(&self) -> Result<(), PolicyError> {
        let Normalisation::MeanStd { mean, std } = &self.normalisation else { return Ok(()) };
        let width = self.observation_width();
        for (field, values) in [("mean", mean), ("std", std)] {
            let field = format!("normalisation.mean_std.{field}");
            if values.len() != width {
                let allowed = format!("{width} values, as wide as the observation");
                return Err(self.field_error(field, format!("{} values", values.len()), allowed));
            }
            if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
                return Err(self.field_error(field, bad, "finite numbers"));
            }
        }
        match std.iter().find(|s| **s <= 0.0) {
            Some(bad) => {
                Err(self.field_error("normalisation.mean_std.std", bad, "numbers above 0"))
            }
            None => Ok(()),
        }
    }

    fn check_action(&self) -> Result<(), PolicyError> {
        let width = self.action_width();
        match &self.action {
            ActionSpec::Position { joints, clip, scale, offset } => {
                self.check_unique("action.joints", joints)?;
                self.check_clip("action.clip", *clip)?;
                self.check_per_element("action.scale", scale, width)?;
                self.check_per_element("action.offset", offset, width)?;
            }
            ActionSpec::Delta { joints, clip, scale, slew, max_lead } => {
                self.check_unique("action.joints", joints)?;
                self.check_clip("action.clip", *clip)?;
                self.check_per_element("action.scale", scale, width)?;
                for (field, value) in [("action.slew", *slew), ("action.max_lead", *max_lead)] {
                    if !(value > 0.0 && value.is_finite()) {
                        return Err(self.field_error(field, value, "a finite number above 0"));
                    }
                }
            }
            ActionSpec::Twist { axes, clip, scale, slew } => {
                for (i, axis) in axes.iter().enumerate() {
                    if axes[..i].contains(axis) {
                        let field = format!("action.axes[{i}]");
                        return Err(self.field_error(field, format!("{axis:?}"), "each axis once"));
                    }
                }
                self.check_clip("action.clip", *clip)?;
                self.check_per_element("action.scale", scale, width)?;
                self.check_per_element("action.slew", slew, width)?;
                if let Some(bad) = (0..width).map(|i| slew.get(i)).find(|s| *s <= 0.0) {
                    return Err(self.field_error("action.slew", bad, "numbers above 0"));
                }
            }
        }
        if width == 0 {
            return Err(self.field_error("action", "empty", "at least one joint or axis"));
        }
        Ok(())
    }

    fn check_golden(&self) -> Result<(), PolicyError> {
        let tolerance = self.golden.tolerance;
        if !(tolerance > 0.0 && tolerance <= 0.1) {
            return Err(self.field_error("golden.tolerance", tolerance, "above 0, up to 0.1"));
        }
        if self.golden.cases.is_empty() {
            return Err(self.field_error("golden.cases", "empty", "at least one case"));
        }
        for (i, case) in self.golden.cases.iter().enumerate() {
            for (what, values, width) in [
                ("observation", &case.observation, self.observation_width()),
                ("action", &case.action, self.action_width()),
            ] {
                let field = format!("golden.cases[{i}].{what}");
                if values.len() != width {
                    let actual = format!("{} values", values.len());
                    return Err(self.field_error(field, actual, format!("{width} values")));
                }
                if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
                    return Err(self.field_error(field, bad, "finite numbers"));
                }
            }
        }
        Ok(())
    }

    fn check_unique(&self, field: &str, names: &[String]) -> Result<(), PolicyError> {
        for (i, name) in names.iter().enumerate() {
            if names[..i].contains(name) {
                let field = format!("{field}[{i}]");
                return Err(self.field_error(field, format!("`{name}` again"), "each joint once"));
            }
        }
        Ok(())
    }

    fn check_clip(&self, field: &str, [low, high]: [f64; 2]) -> Result<(), PolicyError> {
        if low < high && low.is_finite() && high.is_finite() {
            return Ok(());
        }
        Err(self.field_error(field, format!("[{low}, {high}]"), "two finite numbers, rising"))
    }

    fn check_per_element(
        &self,
        field: &str,
        value: &PerElement,
        width: usize,
    ) -> Result<(), PolicyError> {
        let values = match value {
            PerElement::All(value) => std::slice::from_ref(value),
            PerElement::Each(values) if values.len() == width => values,
            PerElement::Each(values) => {
                let actual = format!("{} values", values.len());
                return Err(self.field_error(field, actual, format!("one number, or {width}")));
            }
        };
        match values.iter().find(|v| !v.is_finite()) {
            Some(bad) => Err(self.field_error(field, bad, "finite numbers")),
            None => Ok(()),
        }
    }
}
