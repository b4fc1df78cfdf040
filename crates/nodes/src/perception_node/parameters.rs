use std::path::PathBuf;
use std::time::Duration;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::arguments::NodeArguments;
use crate::node::NodeError;
use crate::pictures::ImageTransport;

/// Parameters of the perception node.
#[derive(Clone, Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PerceptionParameters {
    /// The robot file.
    pub robot: PathBuf,
    /// What the detector's classes are: a file `*.objects.yaml`.
    pub objects: PathBuf,
    /// How far an object that no tracker follows can have moved between two sights, m, above 0; one that is further away is
    /// another object.
    #[serde(default = "associate_within_m")]
    pub associate_within_m: f64,
    /// Whether it serves `take_picture`, from the topics of the robot's cameras. One node of a robot may: a simulated one does
    /// it itself, unless its service is remapped.
    #[serde(default = "yes")]
    pub pictures: bool,
    /// How old a picture may be that is given, s, above 0; 1 by default. With `pictures`.
    pub max_picture_age_s: Option<f64>,
    /// How pictures come: `raw` or `compressed`. With `pictures`.
    #[serde(default)]
    pub image_transport: ImageTransport,
    /// Whether stamps are those of `/clock`, as with a simulated robot; else they are wall time.
    #[serde(default)]
    pub use_sim_time: bool,
}

/// More than a hand moves in a fifteenth of a second, less than small things lie apart.
fn associate_within_m() -> f64 {
    0.15
}

fn yes() -> bool {
    true
}

const DEFAULT_MAX_PICTURE_AGE: Duration = Duration::from_secs(1);

impl PerceptionParameters {
    /// The parameters that a node was started with.
    ///
    /// # Errors
    /// One that is unknown, missing, of the wrong type, out of range, or of no use.
    pub fn of(arguments: &NodeArguments) -> Result<Self, NodeError> {
        let failed = |error: &dyn std::fmt::Display| NodeError::new(&arguments.name, error);
        let parameters: Self = arguments.parameters_as().map_err(|error| failed(&error))?;
        let is_distance = |value: f64| value.is_finite() && value > 0.0;
        if !is_distance(parameters.associate_within_m) {
            let value = parameters.associate_within_m;
            return Err(failed(&format!("associate_within_m: {value}; allowed: above 0")));
        }
        match parameters.max_picture_age_s {
            Some(_) if !parameters.pictures => {
                Err(failed(&"max_picture_age_s: given; allowed: only with pictures"))
            }
            // A day: what does not fit a duration is no age either.
            Some(age) if !(age > 0.0 && age <= 86_400.0) => {
                Err(failed(&format!("max_picture_age_s: {age}; allowed: above 0 up to 86400")))
            }
            _ => Ok(parameters),
        }
    }

    /// How old a picture may be that is given.
    pub(super) fn max_picture_age(&self) -> Duration {
        self.max_picture_age_s.map_or(DEFAULT_MAX_PICTURE_AGE, Duration::from_secs_f64)
    }
}
