use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::{Deserialize, Serialize};
use sinew_msgs::sinew_msgs::{AcquireLeaseRequest, GroupProvenance, Provenance};

/// A stretch of a run in which a person commanded: what to cut out of a log to learn from corrections.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intervention {
    /// The person's lease: commands under it are the correction.
    pub lease_id: u64,
    /// Groups that were commanded, by name.
    pub groups: Vec<String>,
    /// The first control tick, as in RobotTick.
    pub start_tick: u64,
    /// The first control tick after it; none if it went on when the log ended.
    pub end_tick: Option<u64>,
    /// When it began, s on the system's clock.
    pub start_s: f64,
    /// When it ended, s.
    pub end_s: Option<f64>,
    /// Goals of skills that had one of the groups until then.
    pub interrupted: Vec<InterruptedGoal>,
}

/// A goal whose groups were taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InterruptedGoal {
    /// UUID of the action goal, 32 hexadecimal digits.
    pub goal_id: String,
    /// The caller's own name for the call.
    pub correlation_id: String,
    /// The lease that it lost.
    pub lease_id: u64,
}

/// The interventions in a log's `provenance`, by their start. Those that were over before `first_tick`, and
/// are in the log only because the topic keeps its last messages for late joiners, are left out.
pub fn interventions<'a>(
    provenance: impl IntoIterator<Item = &'a Provenance>,
    first_tick: u64,
) -> Vec<Intervention> {
    let mut all: Vec<Intervention> = Vec::new();
    // Index in `all` of those that go on, by lease.
    let mut open: BTreeMap<u64, usize> = BTreeMap::new();
    let mut before: &[GroupProvenance] = &[];
    for message in provenance {
        let (tick, time_s) = (message.tick, seconds(message));
        let by_person: Vec<&GroupProvenance> =
            message.groups.iter().filter(|group| is_person(group)).collect();
        open.retain(|lease, index| {
            let goes_on = by_person.iter().any(|group| group.lease_id == *lease);
            if !goes_on {
                (all[*index].end_tick, all[*index].end_s) = (Some(tick), Some(time_s));
            }
            goes_on
        });
        for group in by_person {
            let index = *open.entry(group.lease_id).or_insert_with(|| {
                all.push(Intervention {
                    lease_id: group.lease_id,
                    groups: Vec::new(),
                    start_tick: tick,
                    end_tick: None,
                    start_s: time_s,
                    end_s: None,
                    interrupted: Vec::new(),
                });
                all.len() - 1
            });
            let intervention = &mut all[index];
            if intervention.groups.contains(&group.group) {
                continue;
            }
            intervention.groups.push(group.group.clone());
            let had = before.iter().find(|had| had.group == group.group && is_skill(had));
            if let Some(had) = had
                && intervention.interrupted.iter().all(|goal| goal.lease_id != had.lease_id)
            {
                intervention.interrupted.push(InterruptedGoal {
                    goal_id: hex(&had.goal_id),
                    correlation_id: had.correlation_id.clone(),
                    lease_id: had.lease_id,
                });
            }
        }
        before = &message.groups;
    }
    all.retain(|intervention| intervention.end_tick.is_none_or(|end| end > first_tick));
    all
}

fn is_person(group: &GroupProvenance) -> bool {
    group.source == AcquireLeaseRequest::SOURCE_TELEOP
}

fn is_skill(group: &GroupProvenance) -> bool {
    group.source == AcquireLeaseRequest::SOURCE_SKILL
}

fn seconds(message: &Provenance) -> f64 {
    f64::from(message.stamp.sec) + f64::from(message.stamp.nanosec) * 1e-9
}

fn hex(id: &[u8; 16]) -> String {
    id.iter().fold(String::with_capacity(32), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use sinew_msgs::builtin_interfaces::Time as TimeMsg;
    use sinew_types::Time;

    use super::*;
    use crate::{Log, LogWriter};

    const SKILL: u8 = AcquireLeaseRequest::SOURCE_SKILL;
    const TELEOP: u8 = AcquireLeaseRequest::SOURCE_TELEOP;

    /// Sources and leases of `arm` and `base` from a tick of 2 ms on.
    fn message(tick: u64, arm: (u8, u64), base: (u8, u64)) -> Provenance {
        let group = |name: &str, (source, lease_id): (u8, u64)| GroupProvenance {
            group: name.into(),
            source,
            lease_id,
            goal_id: [if source == SKILL { 0xab } else { 0 }; 16],
            correlation_id: if source == SKILL { "step 1".into() } else { String::new() },
            ..GroupProvenance::default()
        };
        Provenance {
            stamp: TimeMsg { sec: 0, nanosec: u32::try_from(tick).unwrap() * 2_000_000 },
            tick,
            groups: vec![group("arm", arm), group("base", base)],
        }
    }

    #[test]
    fn a_takeover_is_found_in_a_log_with_its_ticks_and_the_goal_that_it_interrupted() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("run.mcap");
        let mut writer = LogWriter::create(&file).unwrap();
        for message in [
            message(0, (0, 0), (0, 0)),
            message(100, (0, 0), (SKILL, 1)),
            message(200, (0, 0), (TELEOP, 2)),
            message(230, (TELEOP, 3), (TELEOP, 2)),
            message(250, (TELEOP, 3), (0, 0)),
            message(300, (TELEOP, 3), (SKILL, 4)),
        ] {
            writer.write("/mobi/provenance", Time::ZERO, &message).unwrap();
        }
        writer.finish().unwrap();
        let logged = Log::open(&file).unwrap().messages::<Provenance>("/mobi/provenance").unwrap();
        let found = interventions(logged.iter().map(|logged| &logged.message), 0);
        let goal = InterruptedGoal {
            goal_id: "ab".repeat(16),
            correlation_id: "step 1".into(),
            lease_id: 1,
        };
        let base = Intervention {
            lease_id: 2,
            groups: vec!["base".into()],
            start_tick: 200,
            end_tick: Some(250),
            start_s: 0.4,
            end_s: Some(0.5),
            interrupted: vec![goal],
        };
        let arm = Intervention {
            lease_id: 3,
            groups: vec!["arm".into()],
            start_tick: 230,
            end_tick: None,
            start_s: 0.46,
            end_s: None,
            interrupted: Vec::new(),
        };
        assert_eq!(found, [base, arm]);
    }

    #[test]
    fn what_was_over_before_the_log_began_is_left_out() {
        let said = [message(10, (TELEOP, 1), (0, 0)), message(20, (0, 0), (0, 0))];
        assert_eq!(interventions(&said, 20), []);
        assert_eq!(interventions(&said, 19).len(), 1);
    }

    #[test]
    fn one_lease_of_several_groups_is_one_intervention() {
        let said = [
            message(0, (SKILL, 1), (SKILL, 2)),
            message(10, (TELEOP, 3), (TELEOP, 3)),
            message(20, (0, 0), (0, 0)),
        ];
        let found = interventions(&said, 0);
        assert_eq!(found.len(), 1);
        assert_eq!(found[0].groups, ["arm", "base"]);
        assert_eq!(found[0].interrupted.len(), 2);
    }
}
