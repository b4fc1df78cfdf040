//! Which object it is that was seen.

use std::collections::BTreeSet;
use std::time::Duration;

use nalgebra::Point3;
use sinew_types::Time;

/// Objects that are remembered at most: a tracker that gives each sight a new id must not fill the memory.
const MAX_OBJECTS: usize = 1000;
/// When there is no room for another, one that was not seen for this long makes room; nobody counts on it any more.
const FORGOTTEN: Duration = Duration::from_secs(600);
/// Furniture is the same within this distance, m: it does not move, and it stays an obstacle wherever it was ever seen.
const FURNITURE_WITHIN_M: f64 = 1.0;

/// One object as it was seen now.
#[derive(Clone, Debug)]
pub(super) struct Sight<'a> {
    /// The detector's.
    pub(super) class_id: &'a str,
    /// The id by which a tracker knows the object again; empty without one.
    pub(super) tracker_id: &'a str,
    /// What it is called if it is new, `red_cube`; a second one is `red_cube_2`.
    pub(super) name: String,
    /// Its centre in the world, m.
    pub(super) center: Point3<f64>,
    /// Whether it is furniture.
    pub(super) is_fixed: bool,
    /// When it was seen.
    pub(super) stamp: Time,
}

/// Why it is not said which object it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unidentified {
    #[error("id `{tracker_id}`: twice in one message; allowed: once, since it is one object")]
    Twice { tracker_id: String },
    #[error("{MAX_OBJECTS} objects were seen in the last {} min; allowed: no more", FORGOTTEN.as_secs() / 60)]
    TooMany,
    #[error("`{id}`, {by_ms} ms before it was seen last; allowed: what is newer")]
    Older { id: String, by_ms: u128 },
}

struct Known {
    id: String,
    class_id: String,
    tracker_id: String,
    center: Point3<f64>,
    seen: Time,
}

/// All objects that were seen, each with an id that it keeps.
pub(super) struct Identities {
    /// How far an object without a tracker's id can have moved between two sights, m.
    associate_within_m: f64,
    known: Vec<Known>,
    ids: BTreeSet<String>,
}

impl Identities {
    pub(super) fn new(associate_within_m: f64) -> Self {
        Self { associate_within_m, known: Vec::new(), ids: BTreeSet::new() }
    }

    /// How many objects there are.
    pub(super) fn len(&self) -> usize {
        self.known.len()
    }

    /// The ids of objects that were seen at one moment, each of them another one.
    ///
    /// By the tracker's id where there is one, within its class; else each is the nearest object of its class, the nearest pair
    /// first; what is left is new. `now` is the robot's newest time.
    pub(super) fn identify(
        &mut self,
        sights: &[Sight<'_>],
        now: Time,
    ) -> Vec<Result<String, Unidentified>> {
        let mut found: Vec<Option<Result<usize, Unidentified>>> = vec![None; sights.len()];
        let mut tracked = BTreeSet::new();
        for (sight, found) in sights.iter().zip(&mut found) {
            let tracker_id = sight.tracker_id;
            if tracker_id.is_empty() {
                continue;
            }
            if !tracked.insert(tracker_id) {
                *found = Some(Err(Unidentified::Twice { tracker_id: tracker_id.to_owned() }));
                continue;
            }
            // A tracker that was started anew counts anew, and its 1 may be something else now.
            let is_it =
                |known: &Known| known.tracker_id == tracker_id && known.class_id == sight.class_id;
            *found = self.known.iter().position(is_it).map(Ok);
        }
        self.associate(sights, &mut found);
        let mut taken: BTreeSet<usize> =
            found.iter().flatten().filter_map(|found| found.as_ref().ok().copied()).collect();
        sights
            .iter()
            .zip(found)
            .map(|(sight, found)| {
                let index = match found {
                    Some(found) => found?,
                    None => self.add(sight, &taken, now)?,
                };
                taken.insert(index);
                let known = &mut self.known[index];
                // What was seen later than now was seen before time began anew.
                if sight.stamp < known.seen && known.seen <= now {
                    let by_ms = known.seen.since(sight.stamp).as_millis();
                    return Err(Unidentified::Older { id: known.id.clone(), by_ms });
                }
                (known.center, known.seen) = (sight.center, sight.stamp);
                Ok(known.id.clone())
            })
            .collect()
    }

    fn associate(&self, sights: &[Sight<'_>], found: &mut [Option<Result<usize, Unidentified>>]) {
        let mut pairs = Vec::new();
        for (s, sight) in sights.iter().enumerate().filter(|(_, s)| s.tracker_id.is_empty()) {
            for (k, known) in self.known.iter().enumerate() {
                let distance = (known.center - sight.center).norm();
                let is_same_kind = known.tracker_id.is_empty() && known.class_id == sight.class_id;
                let within = match sight.is_fixed {
                    true => self.associate_within_m.max(FURNITURE_WITHIN_M),
                    false => self.associate_within_m,
                };
                if is_same_kind && distance <= within {
                    pairs.push((distance, s, k));
                }
            }
        }
        // Of equal distances the first sight and the oldest object: the same messages give the same ids.
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0).then((a.1, a.2).cmp(&(b.1, b.2))));
        let mut taken = BTreeSet::new();
        for (_, s, k) in pairs {
            if found[s].is_none() && taken.insert(k) {
                found[s] = Some(Ok(k));
            }
        }
    }

    fn add(
        &mut self,
        sight: &Sight<'_>,
        taken: &BTreeSet<usize>,
        now: Time,
    ) -> Result<usize, Unidentified> {
        let room = self.room(taken, now)?;
        if let Some(index) = room {
            self.ids.remove(&self.known[index].id);
        }
        let numbered = (2_usize..).map(|number| format!("{}_{number}", sight.name));
        let id = std::iter::once(sight.name.clone())
            .chain(numbered)
            .find(|id| !self.ids.contains(id))
            .expect("there are more numbers than objects");
        self.ids.insert(id.clone());
        let known = Known {
            id,
            class_id: sight.class_id.to_owned(),
            tracker_id: sight.tracker_id.to_owned(),
            center: sight.center,
            seen: sight.stamp,
        };
        match room {
            Some(index) => self.known[index] = known,
            None => self.known.push(known),
        }
        Ok(room.unwrap_or(self.known.len() - 1))
    }

    /// The place of an object that makes room for another; none while there is room.
    fn room(&self, taken: &BTreeSet<usize>, now: Time) -> Result<Option<usize>, Unidentified> {
        if self.known.len() < MAX_OBJECTS {
            return Ok(None);
        }
        let free = self.known.iter().enumerate().filter(|(index, _)| !taken.contains(index));
        let oldest = free.min_by_key(|(_, known)| known.seen);
        oldest
            .filter(|(_, known)| now.since(known.seen) > FORGOTTEN)
            .map(|(index, _)| Some(index))
            .ok_or(Unidentified::TooMany)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sight(class_id: &'static str, tracker_id: &'static str, x: f64) -> Sight<'static> {
        Sight {
            class_id,
            tracker_id,
            name: class_id.into(),
            center: Point3::new(x, 0.0, 0.0),
            is_fixed: false,
            stamp: Time::ZERO,
        }
    }

    fn ids(identities: &mut Identities, sights: &[Sight<'_>]) -> Vec<String> {
        identities.identify(sights, Time::ZERO).into_iter().map(Result::unwrap).collect()
    }

    #[test]
    fn objects_keep_their_ids_while_they_move_and_second_ones_are_numbered() {
        let mut all = Identities::new(0.1);
        let (a, b) = (sight("cube", "", 0.0), sight("cube", "", 0.5));
        assert_eq!(ids(&mut all, &[a, b, sight("bin", "", 0.0)]), ["cube", "cube_2", "bin"]);
        // In another order, one of them unseen, and both moved.
        assert_eq!(ids(&mut all, &[sight("cube", "", 0.45)]), ["cube_2"]);
        let moved = [sight("cube", "", 0.37), sight("cube", "", 0.08)];
        assert_eq!(ids(&mut all, &moved), ["cube_2", "cube"]);
        assert_eq!(ids(&mut all, &[sight("cube", "", 0.2)]), ["cube_3"], "too far from both");
    }

    #[test]
    fn the_nearest_pair_comes_first_and_each_object_is_seen_once() {
        let mut all = Identities::new(0.3);
        assert_eq!(ids(&mut all, &[sight("cube", "", 0.0)]), ["cube"]);
        let two = [sight("cube", "", 0.2), sight("cube", "", 0.05)];
        assert_eq!(ids(&mut all, &two), ["cube_2", "cube"]);
    }

    #[test]
    fn a_trackers_id_tells_which_it_is_however_far_it_went() {
        let mut all = Identities::new(0.1);
        assert_eq!(ids(&mut all, &[sight("cube", "17", 0.0)]), ["cube"]);
        assert_eq!(ids(&mut all, &[sight("cube", "18", 0.0)]), ["cube_2"]);
        assert_eq!(ids(&mut all, &[sight("cube", "17", 5.0)]), ["cube"]);
        assert_eq!(ids(&mut all, &[sight("cube", "", 5.0)]), ["cube_3"], "of another source");
        let pair = [sight("cube", "17", 0.0), sight("cube", "17", 1.0)];
        let twice = all.identify(&pair, Time::ZERO);
        assert_eq!(twice[0], Ok("cube".into()));
        // A tracker that began to count anew.
        assert_eq!(ids(&mut all, &[sight("mug", "17", 0.0)]), ["mug"]);
        assert!(twice[1].clone().unwrap_err().to_string().contains("`17`"));
    }

    #[test]
    fn a_tracker_that_never_knows_anything_again_does_not_fill_the_memory() {
        let mut all = Identities::new(0.1);
        for n in 0..MAX_OBJECTS {
            let tracker_id = n.to_string();
            let sight = Sight { tracker_id: &tracker_id, ..sight("cube", "", 0.0) };
            assert!(all.identify(&[sight], Time::ZERO)[0].is_ok());
        }
        let two = [sight("cube", "one more", 0.0), sight("cube", "3", 0.0)];
        let more = all.identify(&two, Time::ZERO + FORGOTTEN);
        assert_eq!(more, [Err(Unidentified::TooMany), Ok("cube_4".into())]);
        // The first makes room, unless it is seen itself.
        let now = Time::ZERO + FORGOTTEN + Duration::from_secs(1);
        let three = [
            Sight { stamp: now, ..sight("cube", "one more", 0.0) },
            Sight { stamp: now, ..sight("cube", "0", 0.0) },
            Sight { stamp: now, ..sight("cube", "another", 0.0) },
        ];
        let more = all.identify(&three, now);
        assert_eq!(more, [Ok("cube_2".into()), Ok("cube".into()), Ok("cube_3".into())]);
        assert_eq!(all.len(), MAX_OBJECTS);
    }

    #[test]
    fn furniture_is_the_same_though_it_is_seen_elsewhere() {
        let mut all = Identities::new(0.1);
        let table = |x| Sight { is_fixed: true, ..sight("table", "", x) };
        assert_eq!(ids(&mut all, &[table(0.0)]), ["table"]);
        assert_eq!(ids(&mut all, &[table(0.4)]), ["table"]);
        assert_eq!(ids(&mut all, &[table(0.3), table(2.0)]), ["table", "table_2"]);
    }

    #[test]
    fn an_older_sight_does_not_replace_a_newer_one_unless_time_began_anew() {
        let mut all = Identities::new(0.1);
        let at = |s, x| {
            let stamp = Time::ZERO + Duration::from_secs(s);
            (Sight { stamp, ..sight("cube", "", x) }, stamp)
        };
        let ((new, now), (old, _)) = (at(9, 0.0), at(7, 0.05));
        assert_eq!(all.identify(&[new], now), [Ok("cube".into())]);
        let told = all.identify(std::slice::from_ref(&old), now)[0].clone().unwrap_err();
        assert_eq!(
            told.to_string(),
            "`cube`, 2000 ms before it was seen last; allowed: what is newer"
        );
        let (_, began_anew) = at(8, 0.0);
        assert_eq!(all.identify(&[old], began_anew), [Ok("cube".into())]);
    }
}
