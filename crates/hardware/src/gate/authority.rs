//! Who commands, and whether a command is followed.

use std::time::Duration;

use sinew_types::{ActuatorCommand, GroupKind, LeaseId, Source, Time};

use super::{Gate, Power, slot_for};
use crate::config::GateConfig;
use crate::event::Accepted;
use crate::group::Group;
use crate::lease::{GroupSet, LEASE_SLOTS, Lease, LeaseRequest};
use crate::refusal::{CommandRefusal, Refused};
use crate::safety::{Cause, Mode, VoidReason};

impl Gate {
    pub(super) fn acquire(
        &mut self,
        now: Time,
        request: LeaseRequest,
    ) -> Result<Accepted, Refused> {
        let LeaseRequest { source, groups, command_period, .. } = request;
        if source == Source::Fallback {
            return Err(Refused::SourceNotGranted { asked: source });
        }
        let known = GroupSet::all(&self.config.layout);
        if groups.is_empty() || groups.union(known) != known {
            return Err(Refused::UnknownGroup { known: self.groups.len() });
        }
        let longest = self.config.timeouts.max_command_period;
        if command_period.is_zero() || command_period > longest {
            let max_ms = u64::try_from(longest.as_millis()).unwrap_or(u64::MAX);
            return Err(Refused::PeriodOutOfRange { max_ms });
        }
        self.require_ready()?;
        for group in groups.iter() {
            let safety = &self.safety.groups[group];
            if let Some((lease, owner)) = safety.owner
                && owner >= source
            {
                return Err(Refused::Busy { group, owner, lease });
            }
            if safety.needs_resume && source != Source::Teleop {
                return Err(Refused::NeedsResume { group });
            }
        }
        // Lower ones that hold any of the groups end as a whole: a lease is all groups or none.
        for slot in 0..LEASE_SLOTS {
            if self.leases[slot].is_some_and(|lease| lease.request.groups.intersects(groups)) {
                self.void(slot, now, VoidReason::TakenBy(source));
            }
        }
        let Some((id, slot)) = (1..=LEASE_SLOTS as u64)
            .map(|ahead| (self.last_lease + ahead, slot_for(self.last_lease + ahead)))
            .find(|(_, slot)| self.leases[*slot].is_none())
        else {
            return Err(Refused::TooManyLeases { max: LEASE_SLOTS });
        };
        self.last_lease = id;
        let id = LeaseId(id);
        self.leases[slot] =
            Some(Lease { id, request, heartbeat_at: now, last_seq: None, command: None });
        for group in groups.iter() {
            self.safety.groups[group].owner = Some((id, source));
            self.groups[group].release();
        }
        Ok(Accepted::Granted { lease: id, stop_epoch: self.safety.stop_epoch })
    }

    fn require_ready(&self) -> Result<(), Refused> {
        match self.power {
            Power::Disarming(_) => Err(Refused::Disarming),
            _ if self.safety.mode == Mode::Ready => Ok(()),
            _ => Err(Refused::NotReady { mode: self.safety.mode }),
        }
    }

    pub(super) fn command(
        &mut self,
        now: Time,
        command: &ActuatorCommand,
    ) -> Result<Accepted, CommandRefusal> {
        let slot = self.slot_of(command.lease).ok_or(CommandRefusal::UnknownLease)?;
        let lease = self.leases[slot].ok_or(CommandRefusal::UnknownLease)?;
        if command.boot_id != lease.request.boot_id {
            return Err(CommandRefusal::BootId);
        }
        let layout = &self.config.layout;
        if command.layout_hash != layout.hash()
            || command.joints.len() != layout.joints().len()
            || command.grippers.len() != layout.grippers()
        {
            return Err(CommandRefusal::Layout);
        }
        if lease.last_seq.is_some_and(|last| command.seq <= last) {
            return Err(CommandRefusal::OldSeq);
        }
        if lease.request.source == Source::Teleop && !command.dead_man {
            self.void(slot, now, VoidReason::DeadManReleased);
            return Err(CommandRefusal::DeadMan);
        }
        if command.valid_for.is_zero() {
            return Err(CommandRefusal::ValidFor);
        }
        let commanded = match self.commanded_groups(&lease, command) {
            Ok(groups) => groups,
            Err(CommandRefusal::NotFinite) => {
                self.stop(now, Cause::InvalidCommand);
                return Err(CommandRefusal::NotFinite);
            }
            Err(other) => return Err(other),
        };
        let mut limit = command.valid_for;
        for index in lease.request.groups.iter() {
            let group = &mut self.groups[index];
            if commanded.contains(index) {
                limit = limit.min(freshness(&self.config, group, &lease));
                group.accept(command, now, lease.request.command_period);
            } else {
                group.release();
            }
        }
        if let Some(lease) = &mut self.leases[slot] {
            lease.last_seq = Some(command.seq);
            lease.command = Some((now, limit));
        }
        Ok(Accepted::Done)
    }

    fn commanded_groups(
        &self,
        lease: &Lease,
        command: &ActuatorCommand,
    ) -> Result<GroupSet, CommandRefusal> {
        let held = lease.request.groups;
        for (joint, group) in command.joints.iter().zip(&self.group_of_joint) {
            if joint.is_used() && !group.is_some_and(|index| held.contains(index)) {
                return Err(CommandRefusal::OutsideLease);
            }
        }
        let mut commanded = GroupSet::EMPTY;
        for (index, group) in self.groups.iter().enumerate() {
            if held.contains(index) {
                if group.check(command)? {
                    commanded = commanded.union(GroupSet::one(index));
                }
                continue;
            }
            let layout = group.layout();
            let is_used = match layout.kind {
                GroupKind::Joints => false,
                GroupKind::Base => command.base.is_some(),
                GroupKind::Gripper => {
                    let gripper = command.grippers[layout.gripper];
                    !(gripper.width_m.is_nan() && gripper.max_force_n.is_nan())
                }
            };
            if is_used {
                return Err(CommandRefusal::OutsideLease);
            }
        }
        if commanded.is_empty() { Err(CommandRefusal::NotFinite) } else { Ok(commanded) }
    }
}

/// How long a command to this group may be followed, apart from its own `valid_for`.
fn freshness(config: &GateConfig, group: &Group, lease: &Lease) -> Duration {
    let timeouts = &config.timeouts;
    let floor =
        if group.is_velocity_like() { timeouts.velocity_floor } else { timeouts.position_floor };
    let limit = floor.max(lease.request.command_period * timeouts.missed_periods);
    if lease.request.source == Source::Teleop { limit.min(timeouts.teleop) } else { limit }
}
