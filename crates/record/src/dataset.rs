use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

use npyz::WriterBuilder;

use crate::RecordError;

/// Rows of observation and label, as the network sees them.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Dataset {
    width: usize,
    values: Vec<f32>,
}

impl Dataset {
    /// An empty dataset for this many numbers per row.
    pub fn new(width: usize) -> Self {
        Self { width, values: Vec::new() }
    }

    /// Adds a row: the observation, then the expert's raw action.
    ///
    /// # Panics
    /// If the row has another width than the dataset.
    pub fn push(&mut self, observation: &[f32], action: &[f32]) {
        assert_eq!(observation.len() + action.len(), self.width, "the width of a row");
        self.values.extend_from_slice(observation);
        self.values.extend_from_slice(action);
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.width).unwrap_or(0)
    }

    /// Whether there is no row.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Writes one f32 array of shape (rows, width) as .npy.
    ///
    /// # Errors
    /// [`RecordError::Write`] names the file.
    pub fn write(&self, path: &Path) -> Result<(), RecordError> {
        let fail = |source| RecordError::Write { path: path.into(), source };
        let file = File::create(path).map_err(fail)?;
        let shape = [self.len() as u64, self.width as u64];
        let options = npyz::WriteOptions::new().default_dtype().shape(&shape);
        let mut writer = options.writer(BufWriter::new(file)).begin_nd().map_err(fail)?;
        writer.extend(self.values.iter().copied()).map_err(fail)?;
        writer.finish().map_err(fail)
    }
}
