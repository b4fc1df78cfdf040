//! Which objects of the world a phrase means.

use sinew_model::{WorldObject, WorldState};

use super::grammar::{Phrase, Quantifier};
use crate::refusal::PlanRefusal;

/// Resolves phrases; remembers what was spoken of, for `it`.
pub(crate) struct Resolver<'a> {
    world: &'a WorldState,
    spoken_of: Vec<String>,
}

impl<'a> Resolver<'a> {
    pub(crate) fn new(world: &'a WorldState) -> Self {
        Self { world, spoken_of: Vec::new() }
    }

    /// The objects a phrase means, by id; at least one. They become what `it` means.
    pub(crate) fn objects(&mut self, phrase: &Phrase) -> Result<Vec<String>, PlanRefusal> {
        let ids = match phrase.quantifier {
            Quantifier::Pronoun => self.spoken_of.clone(),
            Quantifier::All => {
                let all = self.fitting(phrase);
                // `everything` is what can be moved; `all tables` is meant as said.
                let loose = |o: &&WorldObject| !phrase.words.is_empty() || !o.fixed;
                all.into_iter().filter(loose).map(|object| object.id.clone()).collect()
            }
            Quantifier::The | Quantifier::Any => vec![self.one(phrase)?],
        };
        if ids.is_empty() {
            return Err(self.unknown(phrase));
        }
        self.spoken_of.clone_from(&ids);
        Ok(ids)
    }

    /// The one place a phrase means; `it` stays what it was.
    pub(crate) fn place(&self, phrase: &Phrase) -> Result<String, PlanRefusal> {
        match (phrase.quantifier, self.spoken_of.as_slice()) {
            (Quantifier::Pronoun, [one]) => Ok(one.clone()),
            (Quantifier::Pronoun, several) => Err(self.ambiguous(phrase, several.to_vec())),
            _ => self.one(phrase),
        }
    }

    fn one(&self, phrase: &Phrase) -> Result<String, PlanRefusal> {
        let fitting = self.fitting(phrase);
        match (fitting.as_slice(), phrase.quantifier) {
            ([], _) => Err(self.unknown(phrase)),
            ([one], _) => Ok(one.id.clone()),
            (several, Quantifier::Any) => {
                // The nearest will do; of equally near ones the first by id.
                let base = self.world.robot.map_from_base.translation.vector;
                let distance = |o: &WorldObject| (o.center().coords - base).norm();
                let nearest = several.iter().min_by(|a, b| distance(a).total_cmp(&distance(b)));
                nearest.map(|object| object.id.clone()).ok_or_else(|| self.unknown(phrase))
            }
            (several, _) => {
                Err(self.ambiguous(phrase, several.iter().map(|o| o.id.clone()).collect()))
            }
        }
    }

    fn unknown(&self, phrase: &Phrase) -> PlanRefusal {
        let known = self.world.objects.keys().cloned().collect();
        PlanRefusal::UnknownObject { phrase: phrase.text(), known }
    }

    fn ambiguous(&self, phrase: &Phrase, candidates: Vec<String>) -> PlanRefusal {
        PlanRefusal::Ambiguous { phrase: phrase.text(), candidates }
    }

    /// An id in one word; else attributes and a class; else an id spelled in several words.
    fn fitting(&self, phrase: &Phrase) -> Vec<&'a WorldObject> {
        let world: &'a WorldState = self.world;
        let by_id = |id: &str| world.objects.values().find(|o| o.id.to_lowercase() == id);
        let words = &phrase.words;
        if let [id] = words.as_slice()
            && let Some(object) = by_id(id)
        {
            return vec![object];
        }
        if words.is_empty() {
            return world.objects.values().collect();
        }
        // A class may have more than one word: `storage bin` is of class `storage_bin`.
        let fitting: Vec<_> = (0..words.len())
            .map(|split| self.of_class(&words[..split], &words[split..].join("_")))
            .find(|objects| !objects.is_empty())
            .unwrap_or_default();
        if fitting.is_empty() { by_id(&words.join("_")).into_iter().collect() } else { fitting }
    }

    fn of_class(&self, attributes: &[String], class: &str) -> Vec<&'a WorldObject> {
        let (extremes, values): (Vec<&String>, Vec<&String>) =
            attributes.iter().partition(|word| extreme(word).is_some());
        let mut objects: Vec<_> = self
            .world
            .objects
            .values()
            .filter(|o| is_class(class, &o.class) && values.iter().all(|word| has_value(o, word)))
            .collect();
        for word in extremes {
            let volume = |o: &WorldObject| o.size_m.iter().product::<f64>();
            let volumes = objects.iter().map(|o| volume(o));
            let best = match extreme(word) {
                Some(Extreme::Largest) => volumes.fold(f64::NEG_INFINITY, f64::max),
                _ => volumes.fold(f64::INFINITY, f64::min),
            };
            // Equal within a millimetre or so is equal: then it is ambiguous.
            objects.retain(|o| (volume(o) - best).abs() <= 0.02 * best);
        }
        objects
    }
}

enum Extreme {
    Largest,
    Smallest,
}

fn extreme(word: &str) -> Option<Extreme> {
    match word {
        "largest" | "biggest" => Some(Extreme::Largest),
        "smallest" => Some(Extreme::Smallest),
        _ => None,
    }
}

/// Singular or plural; `object` and `thing` are any class.
fn is_class(word: &str, class: &str) -> bool {
    let class = class.to_lowercase();
    let plural = |suffix: &str| word.strip_suffix(suffix) == Some(class.as_str());
    let shelves = class.strip_suffix('f').is_some_and(|stem| word == format!("{stem}ves"));
    word == class
        || plural("s")
        || plural("es")
        || shelves
        || matches!(word, "object" | "objects" | "thing" | "things")
}

/// Whether an attribute has this value; big is large, little is small.
fn has_value(object: &WorldObject, word: &str) -> bool {
    let same: &[&str] = match word {
        "big" | "large" => &["big", "large"],
        "little" | "small" => &["little", "small"],
        "grey" | "gray" => &["grey", "gray"],
        _ => &[word],
    };
    object.attributes.values().any(|value| same.contains(&value.to_lowercase().as_str()))
}
