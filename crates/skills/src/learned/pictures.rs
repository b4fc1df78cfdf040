use std::collections::BTreeMap;

use sinew_types::Time;

/// What a camera of the robot saw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Picture {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Red, green and blue of each pixel, row by row from the top.
    pub rgb: Vec<u8>,
    /// When it was taken, on the clock of the robot's state.
    pub stamp: Time,
}

/// The newest picture of each camera.
pub(crate) type Pictures = BTreeMap<String, Picture>;
