use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::TermSpec;

/// What goes into one input of the graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum InputSpec {
    /// Measured and commanded values, as f32 or f16 of shape `[n]` or `[1, n]`.
    ///
    /// Each tick the terms make a frame, in their order; it is clipped, normalised, and put into the
    /// history, whose frames together are the input.
    Observation {
        /// Of the graph's input.
        name: String,
        /// In the order in which they fill a frame.
        terms: Vec<TermSpec>,
        /// Bounds of every element of the frame after its term's own scaling; none if absent.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        clip: Option<[f64; 2]>,
        /// Applied to the frame after the clip.
        normalisation: Normalisation,
        /// How many frames the network sees, and in which order.
        history: History,
    },
    /// A picture, as f32 or f16 of shape `[3, height, width]` or `[1, 3, height, width]`: red, green and
    /// blue, from 0 to 1 before the normalisation.
    Image {
        /// Of the graph's input.
        name: String,
        /// The name under which the caller gives pictures.
        camera: String,
        /// Pixels.
        width: usize,
        /// Pixels.
        height: usize,
        /// What is done with a picture of another size.
        resize: Resize,
        /// Applied to each pixel, three numbers each: of red, green and blue.
        normalisation: Normalisation,
        /// A picture older than this, in seconds, is refused.
        max_age_s: f64,
    },
    /// What the network remembers: the value of one of its outputs in the run before.
    State {
        /// Of the graph's input.
        name: String,
        /// The output that gives the next value, of the same shape.
        from: String,
        /// The value after a reset.
        start: Start,
    },
    /// A number that counts runs: f32 or i64 of one element.
    Counter {
        /// Of the graph's input.
        name: String,
        /// Its value in the first run after a reset.
        start: f64,
        /// Added after each run.
        step: f64,
    },
}

impl InputSpec {
    /// Name of the graph's input.
    pub fn name(&self) -> &str {
        match self {
            Self::Observation { name, .. }
            | Self::Image { name, .. }
            | Self::State { name, .. }
            | Self::Counter { name, .. } => name,
        }
    }

    /// Number of elements that the manifest says; none where the graph alone says it.
    pub fn width(&self) -> Option<usize> {
        match self {
            Self::Observation { terms, history, .. } => {
                Some(terms.iter().map(TermSpec::width).sum::<usize>() * history.length())
            }
            Self::Image { width, height, .. } => Some(3 * width * height),
            Self::State { .. } => None,
            Self::Counter { .. } => Some(1),
        }
    }
}

/// What is done with a picture that has not the size that the network takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Resize {
    /// It is refused.
    None,
    /// Both sides are scaled to fit, bilinearly.
    Stretch,
    /// It is scaled as a whole, bilinearly, and centred on black.
    Pad,
}

/// What a network remembers after a reset.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Start {
    /// Zeros.
    Zero,
    /// The first output of a graph without inputs.
    Model {
        /// Relative to the manifest.
        file: PathBuf,
        /// 64 hexadecimal digits.
        sha256: String,
    },
}

/// The frames that the network sees at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum History {
    /// The newest only.
    None,
    /// The newest ones.
    Frames {
        /// How many, the newest among them.
        length: usize,
        /// Which of them comes first.
        order: Order,
        /// What stands together.
        layout: Layering,
        /// What stands in for frames from before the reset.
        fill: Fill,
    },
}

impl History {
    /// Frames in the input.
    pub fn length(&self) -> usize {
        match self {
            Self::None => 1,
            Self::Frames { length, .. } => *length,
        }
    }
}

/// Order of frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Order {
    /// As time goes: as Isaac Lab, unitree_rl_lab and mjlab do.
    OldestFirst,
    /// Against time: as rl_sar's indices count.
    NewestFirst,
}

/// What stands together in a history.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Layering {
    /// All frames of the first term, then all of the second, and so on.
    ByTerm,
    /// The whole of the first frame, then the whole of the second, and so on.
    ByFrame,
}

/// What stands in a history for frames from before the reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fill {
    /// The first frame.
    First,
    /// Zeros.
    Zero,
}

/// Applied to each element of a frame.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Normalisation {
    /// The frame goes in as the terms give it, or the graph normalises by itself.
    None,
    /// `(x - mean) / (std + eps)`, one number per element of the frame.
    MeanStd {
        /// Subtracted.
        mean: Vec<f64>,
        /// Divided by, with `eps`; at least 0.
        std: Vec<f64>,
        /// Added to each `std`: 0 where `std` is never 0.
        eps: f64,
    },
    /// `2 (x - low) / (high - low) - 1`, one number per element of the frame: of extremes or of quantiles.
    /// Where `low` is `high`, `eps` stands for their difference.
    Range {
        /// What becomes -1.
        low: Vec<f64>,
        /// What becomes 1.
        high: Vec<f64>,
        /// Above 0.
        eps: f64,
    },
}

impl Normalisation {
    /// Factor and summand of an element: `x * factor + summand`.
    pub(crate) fn affine(&self, element: usize) -> (f64, f64) {
        match self {
            Self::None => (1.0, 0.0),
            Self::MeanStd { mean, std, eps } => {
                let factor = 1.0 / (std[element] + eps);
                (factor, -mean[element] * factor)
            }
            Self::Range { low, high, eps } => {
                let width = high[element] - low[element];
                let factor = 2.0 / if width == 0.0 { *eps } else { width };
                (factor, -low[element] * factor - 1.0)
            }
        }
    }
}
