use std::collections::BTreeMap;

use sinew_bus::{BusError, BusNode, Publisher, names};
use sinew_hardware::{OutputKind, SafetyState};
use sinew_msgs::sinew_msgs::{AcquireLeaseRequest, GroupProvenance, Provenance};
use sinew_types::{Layout, LeaseId, Source, Time};

use crate::convert::{output_kind_to_msg, source_to_msg, time_to_msg};

/// Leases that are remembered before those that have ended are forgotten.
const REMEMBERED: usize = 64;

/// Says on the bus, on change, who commands each group and for which goal.
pub(crate) struct ProvenanceTopic {
    publisher: Publisher<Provenance>,
    /// What each lease was asked for.
    goals: BTreeMap<LeaseId, Goal>,
    last: Vec<Origin>,
}

#[derive(Clone, Default)]
struct Goal {
    id: [u8; 16],
    correlation_id: String,
}

type Origin = (Option<(LeaseId, Source)>, OutputKind);

impl ProvenanceTopic {
    pub(crate) fn new(node: &BusNode) -> Result<Self, BusError> {
        let publisher = node.publisher(&names::PROVENANCE)?;
        Ok(Self { publisher, goals: BTreeMap::new(), last: Vec::new() })
    }

    /// A lease was granted.
    pub(crate) fn granted(&mut self, lease: LeaseId, request: &AcquireLeaseRequest) {
        let correlation_id = request.correlation_id.clone();
        self.goals.insert(lease, Goal { id: request.goal_id, correlation_id });
    }

    /// Publishes what has changed in a tick, if anything has.
    pub(crate) fn update(
        &mut self,
        safety: &SafetyState,
        tick: u64,
        layout: &Layout,
        now: Time,
    ) -> Result<(), BusError> {
        let origins = || safety.groups.iter().map(|group| (group.owner, group.output));
        if origins().eq(self.last.iter().copied()) {
            return Ok(());
        }
        self.last.clear();
        self.last.extend(origins());
        if self.goals.len() > REMEMBERED {
            self.goals.retain(|lease, _| safety.is_live(*lease));
        }
        let mut groups: Vec<GroupProvenance> = layout
            .groups()
            .iter()
            .zip(&self.last)
            .map(|(group, (owner, output))| {
                let goal = owner.and_then(|(lease, _)| self.goals.get(&lease)).cloned();
                let goal = goal.unwrap_or_default();
                GroupProvenance {
                    group: group.name.clone(),
                    source: owner.map_or(0, |(_, source)| source_to_msg(source)),
                    lease_id: owner.map_or(0, |(lease, _)| lease.0),
                    output_kind: output_kind_to_msg(*output),
                    goal_id: goal.id,
                    correlation_id: goal.correlation_id,
                }
            })
            .collect();
        groups.sort_by(|a, b| a.group.cmp(&b.group));
        self.publisher.publish(&Provenance { stamp: time_to_msg(now), tick, groups })
    }
}
