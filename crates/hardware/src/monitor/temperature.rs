//! How hot drives are.

use sinew_types::{Layout, RobotState};

use super::config::TemperatureLimits;
use super::violation::Violation;

/// Judges the newest temperature of each drive; one that falls silent keeps its last.
pub(crate) struct Temperature {
    groups: Vec<Option<Watched>>,
}

struct Watched {
    limits: TemperatureLimits,
    /// Joint and its newest temperature, °C.
    drives: Vec<(usize, Option<f64>)>,
}

impl Temperature {
    /// `limits` has one entry per group, or none.
    pub(crate) fn new(layout: &Layout, limits: &[Option<TemperatureLimits>]) -> Self {
        let watched = |(limits, group): (&Option<TemperatureLimits>, &sinew_types::GroupLayout)| {
            let drives = group.joints.iter().map(|joint| (*joint, None)).collect();
            limits.map(|limits| Watched { limits, drives })
        };
        Self { groups: limits.iter().zip(layout.groups()).map(watched).collect() }
    }

    /// Takes the newest temperatures.
    pub(crate) fn note(&mut self, state: &RobotState) {
        for watched in self.groups.iter_mut().flatten() {
            for (joint, newest) in &mut watched.drives {
                let health = state.health.get(*joint);
                if let Some(measured) = health.and_then(|health| health.temperature_c)
                    && measured.is_finite()
                {
                    *newest = Some(measured);
                }
            }
        }
    }

    /// Whether a drive of this group is hotter than the level of warning.
    pub(crate) fn is_hot(&self, group: usize) -> bool {
        let watched = self.groups.get(group).and_then(Option::as_ref);
        watched.is_some_and(|watched| watched.above(watched.limits.warn_above_c).is_some())
    }

    /// The first violation.
    pub(crate) fn judge(&self) -> Option<Violation> {
        self.groups.iter().flatten().find_map(|watched| {
            let (joint, temperature_c) = watched.above(watched.limits.stop_above_c)?;
            Some(Violation::OverTemperature { joint, temperature_c })
        })
    }
}

impl Watched {
    fn above(&self, limit_c: f64) -> Option<(usize, f64)> {
        self.drives.iter().find_map(|(joint, newest)| {
            newest.filter(|measured| *measured > limit_c).map(|measured| (*joint, measured))
        })
    }
}
