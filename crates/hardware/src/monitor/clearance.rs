//! Workspace and self-collision.

use sinew_types::RobotState;

use super::config::{MonitorConfig, SelfCollisionLimits, WorkspaceLimits};
use super::geometry::Geometry;
use super::ratchet::Ratchet;
use super::set_points::SetPoints;
use super::violation::{Posture, Violation};

/// Judges distances, every `check_every` cycles, in the measured posture and in the one in which the
/// set-points come to rest.
pub(crate) struct Clearance {
    check_every: u32,
    /// Cycles until the next check.
    wait: u32,
    ahead_s: f64,
    geometry: Geometry,
    workspace: Option<WorkspaceLimits>,
    self_collision: Option<SelfCollisionLimits>,
    /// Where each joint was measured last; NaN before.
    measured: Vec<f64>,
    at_rest: Vec<f64>,
    /// One per constraint, for either posture: the boxes of each link of the workspace, then the pairs.
    ratchets: [Vec<Ratchet>; 2],
}

impl Clearance {
    /// None where nothing is to be checked.
    pub(crate) fn new(config: &MonitorConfig, joints: usize, period_s: f64) -> Option<Self> {
        let body = config.body.as_ref()?;
        if config.workspace.is_none() && config.self_collision.is_none() {
            return None;
        }
        let boxes = config.workspace.as_ref().map_or(0, |limits| {
            limits.links.len() * (limits.keep_out.len() + usize::from(limits.inside.is_some()))
        });
        let pairs = config.self_collision.as_ref().map_or(0, |limits| limits.pairs.len());
        let ratchets = vec![Ratchet::default(); boxes + pairs];
        Some(Self {
            check_every: config.check_every.max(1),
            wait: 0,
            ahead_s: f64::from(config.check_every.max(1)) * period_s,
            geometry: Geometry::new(body),
            workspace: config.workspace.clone(),
            self_collision: config.self_collision.clone(),
            measured: vec![f64::NAN; joints],
            at_rest: vec![f64::NAN; joints],
            ratchets: [ratchets.clone(), ratchets],
        })
    }

    /// The present distances count as a start, and are checked in the next cycle.
    pub(crate) fn restart(&mut self) {
        self.wait = 0;
        self.ratchets.iter_mut().flatten().for_each(Ratchet::restart);
    }

    /// Takes the measured positions; those that are not good leave the last ones.
    pub(crate) fn note(&mut self, state: &RobotState) {
        for (measured, joint) in self.measured.iter_mut().zip(&state.joints) {
            if joint.valid && joint.position.is_finite() {
                *measured = joint.position;
            }
        }
    }

    /// The first violation, if this is a cycle to check in.
    pub(crate) fn judge(&mut self, set_points: &SetPoints) -> Option<Violation> {
        if self.wait > 0 {
            self.wait -= 1;
            return None;
        }
        self.wait = self.check_every - 1;
        if self.measured.iter().any(|position| position.is_nan()) {
            return None;
        }
        set_points.at_rest(&self.measured, self.ahead_s, &mut self.at_rest);
        let mut found = None;
        for posture in [Posture::Measured, Posture::AtRest] {
            let positions = match posture {
                Posture::Measured => &self.measured,
                Posture::AtRest => &self.at_rest,
            };
            self.geometry.update(positions).expect("one position per joint of the layout");
            let mut ratchets = self.ratchets[posture as usize].iter_mut();
            if let Some(limits) = &self.workspace {
                for &link in &limits.links {
                    let inside = limits
                        .inside
                        .iter()
                        .map(|bounds| self.geometry.depth_inside(link, limits.frame, bounds));
                    let outside = limits
                        .keep_out
                        .iter()
                        .map(|bounds| self.geometry.distance_to(link, limits.frame, bounds, 0.0));
                    for (distance_m, ratchet) in inside.chain(outside).zip(&mut ratchets) {
                        if ratchet.violates(distance_m, 0.0) {
                            found.get_or_insert(Violation::Workspace { link, distance_m, posture });
                        }
                    }
                }
            }
            if let Some(limits) = &self.self_collision {
                let least = limits.min_distance_m;
                for (&(a, b), ratchet) in limits.pairs.iter().zip(&mut ratchets) {
                    let distance_m = self.geometry.distance(a, b, least);
                    if ratchet.violates(distance_m, least) {
                        let links = (a, b);
                        found.get_or_insert(Violation::SelfCollision {
                            links,
                            distance_m,
                            posture,
                        });
                    }
                }
            }
        }
        found
    }
}
