//! Which object it is that was seen.

use std::collections::BTreeSet;

use nalgebra::Point3;

/// Objects that are remembered at most: a tracker that gives each sight a new id must not fill the memory.
const MAX_OBJECTS: usize = 1000;

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
}

/// Why it is not said which object it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unidentified {
    #[error("id `{tracker_id}`: twice in one message; allowed: once, since it is one object")]
    Twice { tracker_id: String },
    #[error("{MAX_OBJECTS} objects are known; allowed: no more")]
    TooMany,
}

struct Known {
    id: String,
    class_id: String,
    tracker_id: String,
    center: Point3<f64>,
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
    /// By the tracker's id where there is one; else each is the nearest object of its class, the nearest pair first; what is
    /// left is new.
    pub(super) fn identify(&mut self, sights: &[Sight<'_>]) -> Vec<Result<String, Unidentified>> {
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
            *found = self.known.iter().position(|known| known.tracker_id == tracker_id).map(Ok);
        }
        self.associate(sights, &mut found);
        sights
            .iter()
            .zip(found)
            .map(|(sight, found)| {
                let index = match found {
                    Some(found) => found?,
                    None => self.add(sight)?,
                };
                let known = &mut self.known[index];
                known.center = sight.center;
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
                if is_same_kind && distance <= self.associate_within_m {
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

    fn add(&mut self, sight: &Sight<'_>) -> Result<usize, Unidentified> {
        if self.known.len() >= MAX_OBJECTS {
            return Err(Unidentified::TooMany);
        }
        let numbered = (2_usize..).map(|number| format!("{}_{number}", sight.name));
        let id = std::iter::once(sight.name.clone())
            .chain(numbered)
            .find(|id| !self.ids.contains(id))
            .expect("there are more numbers than objects");
        self.ids.insert(id.clone());
        self.known.push(Known {
            id,
            class_id: sight.class_id.to_owned(),
            tracker_id: sight.tracker_id.to_owned(),
            center: sight.center,
        });
        Ok(self.known.len() - 1)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn sight(class_id: &'static str, tracker_id: &'static str, x: f64) -> Sight<'static> {
        Sight { class_id, tracker_id, name: class_id.into(), center: Point3::new(x, 0.0, 0.0) }
    }

    fn ids(identities: &mut Identities, sights: &[Sight<'_>]) -> Vec<String> {
        identities.identify(sights).into_iter().map(Result::unwrap).collect()
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
        let twice = all.identify(&[sight("cube", "17", 0.0), sight("cube", "17", 1.0)]);
        assert_eq!(twice[0], Ok("cube".into()));
        assert!(twice[1].clone().unwrap_err().to_string().contains("`17`"));
    }

    #[test]
    fn a_tracker_that_never_knows_anything_again_does_not_fill_the_memory() {
        let mut all = Identities::new(0.1);
        for n in 0..MAX_OBJECTS {
            let tracker_id = n.to_string();
            let sight = Sight { tracker_id: &tracker_id, ..sight("cube", "", 0.0) };
            assert!(all.identify(&[sight])[0].is_ok());
        }
        let more = all.identify(&[sight("cube", "one more", 0.0), sight("cube", "3", 0.0)]);
        assert_eq!(more, [Err(Unidentified::TooMany), Ok("cube_4".into())]);
    }
}
