//! What of a manifest can be checked without the model and the robot.

use super::{
    ActionSpec, ChunkSpec, Clip, GoldenCase, History, InputSpec, Normalisation, OnFault,
    PerElement, PolicyManifest, Source, Splice, Start, TermSpec,
};
use crate::PolicyError;

/// No age, s, and no norm is larger.
const LARGEST: f64 = 1e6;

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
        self.check_sha256("model.sha256", &self.model.sha256)?;
        if !(self.rate_hz > 0.0 && self.rate_hz <= 1000.0) {
            return Err(self.field_error("rate_hz", self.rate_hz, "above 0, up to 1000"));
        }
        let budget = self.budget;
        if !(1..=1000).contains(&budget.warm_up_runs) {
            return Err(self.field_error("budget.warm_up_runs", budget.warm_up_runs, "1 to 1000"));
        }
        if !(budget.run_p99_s > 0.0 && budget.run_p99_s <= 10.0) {
            return Err(self.field_error(
                "budget.run_p99_s",
                budget.run_p99_s,
                "above 0, up to 10",
            ));
        }
        if let OnFault::Repeat { for_s } = self.on_fault
            && !(for_s > 0.0 && for_s <= 1.0)
        {
            return Err(self.field_error("on_fault.repeat.for_s", for_s, "above 0, up to 1"));
        }
        self.check_inputs()?;
        for (at, term) in self.terms() {
            self.check_term(&at, term)?;
        }
        self.check_commands_agree()?;
        self.check_action()?;
        if let Some(chunk) = self.chunk {
            self.check_chunk(chunk)?;
        }
        self.check_golden()
    }

    fn check_inputs(&self) -> Result<(), PolicyError> {
        if !self.inputs.iter().any(|input| matches!(input, InputSpec::Observation { .. })) {
            return Err(self.field_error("inputs", "none of kind observation", "at least one"));
        }
        for (i, input) in self.inputs.iter().enumerate() {
            if self.inputs[..i].iter().any(|other| other.name() == input.name()) {
                let field = format!("inputs[{i}].name");
                return Err(self.field_error(field, input.name(), "each input once"));
            }
            match input {
                InputSpec::Observation { terms, clip, normalisation, history, .. } => {
                    if terms.is_empty() {
                        let field = format!("inputs[{i}].terms");
                        return Err(self.field_error(field, "empty", "at least one term"));
                    }
                    if let Some(clip) = clip {
                        self.check_bounds(&format!("inputs[{i}].clip"), *clip)?;
                    }
                    let width = terms.iter().map(TermSpec::width).sum();
                    self.check_normalisation(i, normalisation, width)?;
                    if let History::Frames { length, .. } = history
                        && !(2..=256).contains(length)
                    {
                        let field = format!("inputs[{i}].history.frames.length");
                        let allowed = "2 to 256, or history: none";
                        return Err(self.field_error(field, length, allowed));
                    }
                }
                InputSpec::Image { width, height, normalisation, max_age_s, .. } => {
                    for (field, pixels) in [("width", width), ("height", height)] {
                        if !(1..=8192).contains(pixels) {
                            let field = format!("inputs[{i}].{field}");
                            return Err(self.field_error(field, pixels, "1 to 8192"));
                        }
                    }
                    self.check_normalisation(i, normalisation, 3)?;
                    if !(*max_age_s > 0.0 && *max_age_s <= LARGEST) {
                        let field = format!("inputs[{i}].max_age_s");
                        let allowed = format!("above 0, up to {LARGEST}");
                        return Err(self.field_error(field, max_age_s, allowed));
                    }
                }
                InputSpec::State { start: Start::Model { sha256, .. }, .. } => {
                    self.check_sha256(&format!("inputs[{i}].start.model.sha256"), sha256)?;
                }
                InputSpec::State { .. } => {}
                InputSpec::Counter { start, step, .. } => {
                    for (field, value) in [("start", start), ("step", step)] {
                        if !value.is_finite() {
                            let field = format!("inputs[{i}].{field}");
                            return Err(self.field_error(field, value, "a finite number"));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn check_sha256(&self, field: &str, sha: &str) -> Result<(), PolicyError> {
        if sha.len() == 64 && sha.chars().all(|c| matches!(c, '0'..='9' | 'a'..='f')) {
            return Ok(());
        }
        let allowed = "64 lower case hexadecimal digits";
        Err(self.field_error(field, format!("`{sha}`"), allowed))
    }

    fn check_term(&self, at: &str, term: &TermSpec) -> Result<(), PolicyError> {
        use Source as S;
        let command = term.source == S::Command;
        let gripper = matches!(term.source, S::GripperWidth | S::GripperForce);
        let named = command || gripper || term.source == S::Reference;
        let sized =
            !gripper && (named || matches!(term.source, S::LastAction | S::LastClippedAction));
        let source = format!("{:?}", term.source);
        let fields = [
            ("joints", !term.joints.is_empty(), term.source.is_of_joints()),
            ("axes", !term.axes.is_empty(), term.source == S::BaseVelocity),
            ("name", term.name.is_some(), named),
            ("size", term.size.is_some(), sized),
            ("unit", term.unit.is_some(), command),
            ("max_age_s", term.max_age_s.is_some(), term.source.ages()),
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
        if term.keep_last_s.is_some() && !term.source.ages() {
            let allowed = format!("absent with source {source}");
            return Err(self.field_error(format!("{at}.keep_last_s"), "present", allowed));
        }
        if matches!(term.source, S::LastAction | S::LastClippedAction)
            && term.size != Some(self.action_width())
        {
            return Err(self.field_error(
                format!("{at}.size"),
                term.width(),
                format!("the width of the action, {}", self.action_width()),
            ));
        }
        self.check_unique(&format!("{at}.joints"), &term.joints)?;
        for (field, value) in [
            ("max_age_s", term.max_age_s),
            ("keep_last_s", term.keep_last_s),
            ("max_norm", term.max_norm),
        ] {
            if let Some(value) = value
                && !(value > 0.0 && value <= LARGEST)
            {
                let field = format!("{at}.{field}");
                let allowed = format!("above 0, up to {LARGEST}");
                return Err(self.field_error(field, value, allowed));
            }
        }
        for (field, value) in [("offset", &term.offset), ("scale", &term.scale)] {
            if let Some(value) = value {
                self.check_per_element(&format!("{at}.{field}"), value, term.width())?;
            }
        }
        self.check_clip(&format!("{at}.clip"), term.clip.as_ref(), term.width())
    }

    /// Terms that read one command must mean the same values by it.
    fn check_commands_agree(&self) -> Result<(), PolicyError> {
        let commands: Vec<_> =
            self.terms().filter(|(_, term)| term.source == Source::Command).collect();
        for (i, (at, term)) in commands.iter().enumerate() {
            let first = commands[..i].iter().find(|(_, other)| other.name == term.name);
            let Some((_, first)) = first else { continue };
            if first.size != term.size || first.unit != term.unit {
                return Err(self.field_error(
                    at.as_str(),
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

    fn check_normalisation(
        &self,
        input: usize,
        normalisation: &Normalisation,
        width: usize,
    ) -> Result<(), PolicyError> {
        let (kind, pair, eps) = match normalisation {
            Normalisation::None => return Ok(()),
            Normalisation::MeanStd { mean, std, eps } => {
                ("mean_std", [("mean", mean), ("std", std)], eps)
            }
            Normalisation::Range { low, high, eps } => {
                ("range", [("low", low), ("high", high)], eps)
            }
        };
        let at = format!("inputs[{input}].normalisation.{kind}");
        for (field, values) in pair {
            let field = format!("{at}.{field}");
            if values.len() != width {
                let allowed = format!("{width} values, as wide as a frame");
                return Err(self.field_error(field, format!("{} values", values.len()), allowed));
            }
            if let Some(bad) = values.iter().find(|v| !v.is_finite()) {
                return Err(self.field_error(field, bad, "finite numbers"));
            }
        }
        if !(*eps >= 0.0 && *eps <= 1.0) {
            return Err(self.field_error(format!("{at}.eps"), eps, "0 to 1"));
        }
        // What is divided by.
        let divisor = |i: usize| match normalisation {
            Normalisation::Range { low, high, .. } if high[i] < low[i] => -1.0,
            Normalisation::Range { low, high, .. } if high[i] > low[i] => high[i] - low[i],
            Normalisation::MeanStd { std, .. } if std[i] < 0.0 => -1.0,
            Normalisation::MeanStd { std, .. } => std[i] + eps,
            _ => *eps,
        };
        match (0..width).find(|i| divisor(*i) <= 0.0) {
            Some(bad) => {
                let field = format!("{at}.{}[{bad}]", pair[1].0);
                let allowed = match kind {
                    "range" => "at least `low`, and above it unless eps is above 0",
                    _ => "at least 0, and above it unless eps is above 0",
                };
                Err(self.field_error(field, pair[1].1[bad], allowed))
            }
            None => Ok(()),
        }
    }

    fn check_action(&self) -> Result<(), PolicyError> {
        let (action, width) = (&self.action, self.action.width());
        if width == 0 {
            return Err(self.field_error("action", "empty", "at least one joint or axis"));
        }
        self.check_unique("action.joints", action.joints())?;
        self.check_clip("action.clip", action.clip(), width)?;
        self.check_per_element("action.scale", action.scale(), width)?;
        match action {
            ActionSpec::Position { offset, slew, low_pass_hz, gains, .. } => {
                self.check_per_element("action.offset", offset, width)?;
                if let Some(slew) = slew {
                    self.check_positive("action.slew", slew, width)?;
                }
                if let Some(hz) = low_pass_hz
                    && !(*hz > 0.0 && hz.is_finite())
                {
                    return Err(self.field_error("action.low_pass_hz", hz, "above 0 and finite"));
                }
                if let Some(gains) = gains {
                    for (field, values) in [("kp", &gains.kp), ("kd", &gains.kd)] {
                        let field = format!("action.gains.{field}");
                        self.check_per_element(&field, values, width)?;
                        if let Some(bad) = values.given().iter().find(|value| **value < 0.0) {
                            return Err(self.field_error(field, bad, "at least 0"));
                        }
                    }
                }
            }
            ActionSpec::Delta { slew, max_lead, .. } => {
                self.check_above_0("action.slew", *slew)?;
                self.check_above_0("action.max_lead", *max_lead)?;
            }
            ActionSpec::Twist { axes, slew, .. } => {
                for (i, axis) in axes.iter().enumerate() {
                    if axes[..i].contains(axis) {
                        let field = format!("action.axes[{i}]");
                        return Err(self.field_error(field, format!("{axis:?}"), "each axis once"));
                    }
                }
                self.check_positive("action.slew", slew, width)?;
            }
            ActionSpec::Velocity { slew, .. } => {
                self.check_positive("action.slew", slew, width)?;
            }
            ActionSpec::Effort { .. } => {}
            ActionSpec::ToolTwist { slew, max_lead, .. } => {
                self.check_positive("action.slew", slew, width)?;
                self.check_above_0("action.max_lead", *max_lead)?;
            }
            ActionSpec::ToolPose {
                offset, max_linear_m_s, max_angular_rad_s, max_lead, ..
            } => {
                self.check_per_element("action.offset", offset, width)?;
                self.check_above_0("action.max_linear_m_s", *max_linear_m_s)?;
                self.check_above_0("action.max_angular_rad_s", *max_angular_rad_s)?;
                self.check_above_0("action.max_lead", *max_lead)?;
            }
        }
        if let Some(gripper) = &self.gripper {
            self.check_above_0("gripper.max_force_n", gripper.max_force_n)?;
            for (field, value) in [("scale", gripper.scale), ("offset", gripper.offset)] {
                if !value.is_finite() {
                    let field = format!("gripper.{field}");
                    return Err(self.field_error(field, value, "a finite number"));
                }
            }
        }
        Ok(())
    }

    fn check_above_0(&self, field: &str, value: f64) -> Result<(), PolicyError> {
        if value > 0.0 && value.is_finite() {
            return Ok(());
        }
        Err(self.field_error(field, value, "a finite number above 0"))
    }

    fn check_chunk(&self, chunk: ChunkSpec) -> Result<(), PolicyError> {
        let ChunkSpec { length, execute, splice, hold_ticks } = chunk;
        if !(2..=1024).contains(&length) {
            return Err(self.field_error("chunk.length", length, "2 to 1024"));
        }
        if !(1..=length).contains(&execute) {
            return Err(self.field_error("chunk.execute", execute, format!("1 to {length}")));
        }
        if hold_ticks > 1000 {
            return Err(self.field_error("chunk.hold_ticks", hold_ticks, "0 to 1000"));
        }
        let share = |value: f64| (0.0..=1.0).contains(&value);
        match splice {
            Splice::Latest => Ok(()),
            Splice::Weighted { older } if !share(older) => {
                Err(self.field_error("chunk.splice.weighted.older", older, "0 to 1"))
            }
            Splice::TemporalEnsemble { coefficient } if !coefficient.is_finite() => {
                let field = "chunk.splice.temporal_ensemble.coefficient";
                Err(self.field_error(field, coefficient, "a finite number"))
            }
            Splice::TemporalEnsemble { .. } if execute != 1 => {
                Err(self.field_error("chunk.execute", execute, "1 with a temporal ensemble"))
            }
            Splice::Prefix { keep, blend } if keep + blend > length - execute => Err(self
                .field_error(
                    "chunk.splice.prefix",
                    format!("keep {keep}, blend {blend}"),
                    format!(
                        "together at most {}: what is left of a chunk when the next one begins",
                        length - execute
                    ),
                )),
            _ => Ok(()),
        }
    }

    fn check_golden(&self) -> Result<(), PolicyError> {
        let tolerance = self.golden.tolerance;
        if !(tolerance > 0.0 && tolerance <= 0.1) {
            return Err(self.field_error("golden.tolerance", tolerance, "above 0, up to 0.1"));
        }
        if self.golden.cases.is_empty() && self.golden.rollout.is_none() {
            return Err(self.field_error("golden", "empty", "at least one case, or a rollout"));
        }
        for (i, case) in self.golden.cases.iter().enumerate() {
            self.check_case(&format!("golden.cases[{i}]"), case)?;
        }
        Ok(())
    }

    fn check_case(&self, at: &str, case: &GoldenCase) -> Result<(), PolicyError> {
        for name in case.inputs.keys() {
            if !self.inputs.iter().any(|input| input.name() == name) {
                let known: Vec<_> = self.inputs.iter().map(InputSpec::name).collect();
                let allowed = format!("the inputs: {}", known.join(", "));
                return Err(self.field_error(format!("{at}.inputs"), name, allowed));
            }
        }
        for input in &self.inputs {
            let field = format!("{at}.inputs.{}", input.name());
            let Some(values) = case.inputs.get(input.name()) else {
                return Err(self.field_error(field, "absent", "every input of the graph"));
            };
            self.check_values(&field, values, input.width())?;
        }
        let width = self.action_width() * self.chunk_length();
        self.check_values(&format!("{at}.action"), &case.action, Some(width))
    }

    fn check_values(
        &self,
        field: &str,
        values: &[f32],
        width: Option<usize>,
    ) -> Result<(), PolicyError> {
        if let Some(width) = width.filter(|width| *width != values.len()) {
            let actual = format!("{} values", values.len());
            return Err(self.field_error(field, actual, format!("{width} values")));
        }
        match values.iter().find(|v| !v.is_finite()) {
            Some(bad) => Err(self.field_error(field, bad, "finite numbers")),
            None => Ok(()),
        }
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

    fn check_clip(
        &self,
        field: &str,
        clip: Option<&Clip>,
        width: usize,
    ) -> Result<(), PolicyError> {
        if let Some(Clip::Each(bounds)) = clip
            && bounds.len() != width
        {
            let actual = format!("{} pairs", bounds.len());
            return Err(self.field_error(field, actual, format!("one pair, or {width}")));
        }
        let bounds = clip.map_or(&[][..], Clip::given);
        bounds.iter().try_for_each(|bounds| self.check_bounds(field, *bounds))
    }

    fn check_bounds(&self, field: &str, [low, high]: [f64; 2]) -> Result<(), PolicyError> {
        if low < high && low.is_finite() && high.is_finite() {
            return Ok(());
        }
        Err(self.field_error(field, format!("[{low}, {high}]"), "two finite numbers, rising"))
    }

    fn check_positive(
        &self,
        field: &str,
        value: &PerElement,
        width: usize,
    ) -> Result<(), PolicyError> {
        self.check_per_element(field, value, width)?;
        match value.given().iter().find(|value| **value <= 0.0) {
            Some(bad) => Err(self.field_error(field, bad, "numbers above 0")),
            None => Ok(()),
        }
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
