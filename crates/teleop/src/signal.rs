use crate::config::{AxisConfig, AxisKind, SignalConfig};
use crate::{Mapping, Pad, TeleopError};

/// Nearer to its end than this, a trigger has been seen at rest.
const TRIGGER_REST: f64 = 0.05;

/// The axes and buttons of a device, as a mapping reads them.
pub(crate) struct Reader {
    /// Indices of triggers that were seen at rest.
    rested: Vec<usize>,
    /// How many axes and buttons the mapping speaks of.
    axes: usize,
    buttons: usize,
    triggers: Vec<AxisConfig>,
}

impl Reader {
    pub(crate) fn new(mapping: &Mapping) -> Self {
        let config = mapping.config();
        let axes = config.axes.values();
        Self {
            rested: Vec::new(),
            axes: axes.clone().map(|axis| axis.index + 1).max().unwrap_or(0),
            buttons: config.buttons.values().map(|index| index + 1).max().unwrap_or(0),
            triggers: axes.filter(|axis| axis.kind == AxisKind::Trigger).copied().collect(),
        }
    }

    /// How many axes and buttons a device must have, if this one has fewer.
    pub(crate) fn lacks(&self, pad: &Pad) -> Option<(usize, usize)> {
        let fits = pad.axes.len() >= self.axes && pad.buttons.len() >= self.buttons;
        (!fits).then_some((self.axes, self.buttons))
    }

    /// Notes which triggers are at rest.
    pub(crate) fn observe(&mut self, pad: &Pad) {
        for trigger in &self.triggers {
            let at_rest = pad.axes.get(trigger.index).is_some_and(|raw| {
                let raw = if trigger.invert { -raw } else { *raw };
                pulled(raw) < TRIGGER_REST
            });
            if at_rest && !self.rested.contains(&trigger.index) {
                self.rested.push(trigger.index);
            }
        }
    }

    /// -1 to 1, or 0 to 1 for a trigger.
    fn axis(&self, axis: AxisConfig, pad: &Pad) -> f64 {
        let raw = pad.axes.get(axis.index).copied().unwrap_or(0.0);
        let raw = if axis.invert { -raw } else { raw };
        match axis.kind {
            AxisKind::Stick => raw.clamp(-1.0, 1.0),
            AxisKind::Trigger if self.rested.contains(&axis.index) => pulled(raw),
            AxisKind::Trigger => 0.0,
        }
    }
}

/// Of a trigger that says 1 at rest and -1 when pulled.
fn pulled(raw: f64) -> f64 {
    ((1.0 - raw) / 2.0).clamp(0.0, 1.0)
}

/// One end of a pair.
#[derive(Clone, Copy, Debug)]
enum Input {
    Axis(AxisConfig),
    Button(usize),
}

/// A signal with its inputs resolved.
#[derive(Clone, Debug)]
pub(crate) struct Signal {
    plus: Option<Input>,
    minus: Option<Input>,
    scale: f64,
    dead_zone: f64,
    expo: f64,
}

impl Signal {
    pub(crate) fn new(
        mapping: &Mapping,
        field: &str,
        signal: &SignalConfig,
    ) -> Result<Self, TeleopError> {
        let config = mapping.config();
        let resolve = |name: &Option<String>| -> Result<Option<Input>, TeleopError> {
            let Some(name) = name else { return Ok(None) };
            Ok(Some(match config.axes.get(name) {
                Some(axis) => Input::Axis(*axis),
                None => Input::Button(mapping.button(field, name)?),
            }))
        };
        Ok(Self {
            plus: resolve(if signal.axis.is_some() { &signal.axis } else { &signal.plus })?,
            minus: resolve(&signal.minus)?,
            scale: signal.scale,
            dead_zone: signal.dead_zone.unwrap_or(config.dead_zone),
            expo: signal.expo,
        })
    }

    /// In the unit of its scale.
    pub(crate) fn value(&self, reader: &Reader, pad: &Pad) -> f64 {
        let end = |input: Option<Input>| match input {
            None => 0.0,
            Some(Input::Axis(axis)) => reader.axis(axis, pad),
            Some(Input::Button(index)) => f64::from(u8::from(pad.is_pressed(index))),
        };
        self.scale * shaped(end(self.plus) - end(self.minus), self.dead_zone, self.expo)
    }
}

/// The deflection beyond the dead zone, 0 at its edge and 1 at full, with a share of its cube.
fn shaped(deflection: f64, dead_zone: f64, expo: f64) -> f64 {
    let beyond = ((deflection.abs() - dead_zone) / (1.0 - dead_zone)).clamp(0.0, 1.0);
    ((1.0 - expo) * beyond + expo * beyond.powi(3)).copysign(deflection)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deflection_starts_at_zero_at_the_edge_of_the_dead_zone_and_ends_at_one() {
        for (deflection, expected) in
            [(0.0, 0.0), (0.1, 0.0), (-0.1, 0.0), (0.55, 0.5), (1.0, 1.0), (-1.0, -1.0)]
        {
            assert!((shaped(deflection, 0.1, 0.0) - expected).abs() < 1e-12, "{deflection}");
        }
    }

    #[test]
    fn expo_makes_small_deflections_finer_and_keeps_the_full_one() {
        assert!((shaped(0.5, 0.0, 1.0) - 0.125).abs() < 1e-12);
        assert!((shaped(0.5, 0.0, 0.4) - 0.35).abs() < 1e-12);
        assert!((shaped(-1.0, 0.1, 0.7) + 1.0).abs() < 1e-12);
    }
}
