//! What a detector's classes are in the robot's world: one YAML file.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sinew_model::{Container, Support, WorldState};

/// What a detector's classes are in the robot's world: one YAML file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectClasses {
    /// By the detector's `class_id`, `red_cube` or `7`. What is detected of another class is ignored.
    pub classes: BTreeMap<String, ObjectClass>,
}

/// What is known of each object of one class, beside where it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ObjectClass {
    /// What instructions call it: `cube`.
    pub class: String,
    /// What else can be said of it: `color: red`.
    #[serde(default)]
    pub attributes: BTreeMap<String, String>,
    /// Edges of its bounding box along its own axes, m, each above 0; by default those that are detected.
    #[serde(default)]
    pub size_m: Option<[f64; 3]>,
    /// Furniture: never moves, is never forgotten, and the robot drives around it.
    #[serde(default)]
    pub fixed: bool,
    /// The inside, where things can be put into it.
    #[serde(default)]
    pub container: Option<Container>,
    /// Whether things can be put on it.
    #[serde(default)]
    pub support: Support,
    /// The least score of a detection that counts, 0 to 1. By default that from which on an object is `known`.
    #[serde(default = "min_score")]
    pub min_score: f64,
}

fn min_score() -> f64 {
    WorldState::KNOWN_CONFIDENCE
}

/// Why a file of object classes cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ObjectClassesError {
    /// The file cannot be read.
    #[error("{}: cannot be read", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// It is no such file: syntax, an unknown or missing key, a wrong type.
    #[error("{}: {message}", file.display())]
    Format {
        /// The file.
        file: PathBuf,
        /// Where, and what is allowed.
        message: String,
    },
    /// A value is out of range.
    #[error("{}: {field}: {value}; allowed: {allowed}", file.display())]
    Field {
        /// The file.
        file: PathBuf,
        /// The path of the key.
        field: String,
        /// What stands there.
        value: String,
        /// What may stand there.
        allowed: &'static str,
    },
}

impl ObjectClasses {
    /// Reads and checks a file.
    ///
    /// # Errors
    /// Each variant of [`ObjectClassesError`].
    pub fn load(file: impl AsRef<Path>) -> Result<Self, ObjectClassesError> {
        let file = file.as_ref();
        let text = std::fs::read_to_string(file)
            .map_err(|source| ObjectClassesError::Read { file: file.into(), source })?;
        Self::from_yaml(&text, file)
    }

    /// Checks a text; `file` is named in errors.
    ///
    /// # Errors
    /// [`ObjectClassesError::Format`], [`ObjectClassesError::Field`].
    pub fn from_yaml(text: &str, file: &Path) -> Result<Self, ObjectClassesError> {
        let classes: Self = serde_saphyr::from_str(text).map_err(|error| {
            ObjectClassesError::Format { file: file.into(), message: error.to_string() }
        })?;
        let wrong = |field: String, (value, allowed): (String, &'static str)| {
            Err(ObjectClassesError::Field { file: file.into(), field, value, allowed })
        };
        if classes.classes.is_empty() {
            return wrong("classes".into(), ("none".into(), "one or more"));
        }
        for (class_id, class) in &classes.classes {
            if class_id.is_empty() {
                return wrong("classes".into(), ("an empty class_id".into(), "a detector's"));
            }
            if let Err((field, problem)) = class.check() {
                return wrong(format!("classes.{class_id}.{field}"), problem);
            }
        }
        Ok(classes)
    }
}

impl ObjectClass {
    /// The key that is wrong, what it is, and what is allowed.
    fn check(&self) -> Result<(), (&'static str, (String, &'static str))> {
        const EDGES: &str = "finite numbers above 0";
        const PLACE: &str = "finite numbers";
        let fails = |field, value: String, allowed| Err((field, (value, allowed)));
        let are_edges = |edges: &[f64]| edges.iter().all(|edge| edge.is_finite() && *edge > 0.0);
        let is_place = |place: &[f64]| place.iter().all(|value| value.is_finite());
        if self.class.is_empty() {
            return fails("class", "empty".into(), "a word");
        }
        if let Some(size) = &self.size_m
            && !are_edges(size)
        {
            return fails("size_m", format!("{size:?}"), EDGES);
        }
        if let Some(Container { center_m, size_m }) = &self.container {
            if !are_edges(size_m) {
                return fails("container.size_m", format!("{size_m:?}"), EDGES);
            }
            if !is_place(center_m) {
                return fails("container.center_m", format!("{center_m:?}"), PLACE);
            }
        }
        if let Support::Surfaces(surfaces) = &self.support {
            if surfaces.is_empty() {
                return fails("support.surfaces", "none".into(), "one or more");
            }
            for surface in surfaces {
                if !are_edges(&surface.size_m) {
                    let value = format!("{:?}", surface.size_m);
                    return fails("support.surfaces.size_m", value, EDGES);
                }
                if !is_place(&surface.center_m) {
                    let value = format!("{:?}", surface.center_m);
                    return fails("support.surfaces.center_m", value, PLACE);
                }
            }
        }
        if !(0.0..=1.0).contains(&self.min_score) {
            return fails("min_score", self.min_score.to_string(), "0 to 1");
        }
        Ok(())
    }

    /// What objects of it are called where nobody gave them a name: `red_cube`. The detector's own word for the class, or
    /// where that is a number, the attributes' values and the class.
    pub(super) fn name(&self, class_id: &str) -> String {
        if class_id.starts_with(|first: char| first.is_ascii_alphabetic()) {
            return class_id.to_owned();
        }
        let words: Vec<_> =
            self.attributes.values().chain([&self.class]).map(String::as_str).collect();
        words.join("_").replace(char::is_whitespace, "_")
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read(text: &str) -> Result<ObjectClasses, String> {
        ObjectClasses::from_yaml(text, Path::new("x.objects.yaml")).map_err(|e| e.to_string())
    }

    #[test]
    fn a_class_is_known_by_a_word_or_a_number() {
        let text = "
classes:
  red_cube: {class: cube, attributes: {color: red}, size_m: [0.04, 0.04, 0.04], min_score: 0.6}
  7: {class: coffee mug, attributes: {color: blue}, support: top}
  table:
    class: table
    fixed: true
    support: {surfaces: [{center_m: [0, 0, 0.2], size_m: [0.6, 1.0]}]}
  bin: {class: bin, fixed: true, container: {center_m: [0, 0, 0.1], size_m: [0.2, 0.2, 0.1]}}
";
        let known = read(text).unwrap().classes;
        assert_eq!(known["red_cube"].name("red_cube"), "red_cube");
        assert_eq!(known["7"].name("7"), "blue_coffee_mug");
        assert_eq!((known["7"].min_score, known["7"].size_m), (0.5, None));
        assert_eq!(known["7"].support, Support::Top);
        assert!(known["table"].fixed && known["bin"].container.is_some());
    }

    #[test]
    fn what_is_wrong_is_named_with_what_is_allowed() {
        let of = |class: &str| read(&format!("classes: {{cube: {class}}}")).unwrap_err();
        for (text, expected) in [
            ("{class: cube, colour: red}", "colour"),
            ("{attributes: {color: red}}", "class"),
            ("{class: ''}", "classes.cube.class: empty; allowed: a word"),
            ("{class: cube, min_score: 40}", "classes.cube.min_score: 40; allowed: 0 to 1"),
            ("{class: cube, size_m: [0.1, 0.1]}", "size_m"),
            ("{class: cube, size_m: [0.1, 0.1, 0]}", "classes.cube.size_m: [0.1, 0.1, 0.0]"),
            ("{class: cube, support: {surfaces: []}}", "classes.cube.support.surfaces: none"),
            ("{class: cube, support: bottom}", "bottom"),
            (
                "{class: bin, container: {center_m: [0, 0, 0], size_m: [0.1, -1, 0.1]}}",
                "classes.cube.container.size_m: [0.1, -1.0, 0.1]; allowed: finite numbers above 0",
            ),
        ] {
            let error = of(text);
            assert!(error.contains(expected), "{text}: {error}");
            assert!(error.starts_with("x.objects.yaml: "), "{error}");
        }
        assert!(read("classes: {}").unwrap_err().contains("classes: none; allowed: one or more"));
    }
}
