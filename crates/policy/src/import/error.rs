use std::path::PathBuf;

use crate::PolicyError;

/// Why the files of another project did not become a manifest.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ImportError {
    /// A file could not be read.
    #[error("{path}: cannot be read")]
    Read {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file could not be written.
    #[error("{path}: cannot be written")]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        source: std::io::Error,
    },
    /// A file is not of the expected form.
    #[error("{path}: {message}")]
    Parse {
        /// The file.
        path: PathBuf,
        /// What was wrong, and where.
        message: String,
    },
    /// A field holds what has no meaning here.
    #[error("{path}: {field} is {value}; allowed: {allowed}")]
    Field {
        /// The file.
        path: PathBuf,
        /// Path of the field.
        field: String,
        /// What stands there.
        value: String,
        /// What may.
        allowed: String,
    },
    /// The manifest could not be written as YAML.
    #[error("the manifest cannot be written as YAML: {0}")]
    Yaml(String),
    /// The manifest that was made is not one, or its model does not fit it.
    #[error(transparent)]
    Policy(#[from] PolicyError),
}

impl ImportError {
    pub(super) fn scratch(source: std::io::Error) -> Self {
        Self::Write { path: std::env::temp_dir(), source }
    }
}

/// The file that a field stands in, for errors.
#[derive(Clone, Debug)]
pub(super) struct In(pub(super) PathBuf);

impl In {
    pub(super) fn field(
        &self,
        field: impl Into<String>,
        value: impl std::fmt::Display,
        allowed: impl Into<String>,
    ) -> ImportError {
        ImportError::Field {
            path: self.0.clone(),
            field: field.into(),
            value: value.to_string(),
            allowed: allowed.into(),
        }
    }

    pub(super) fn parse(&self, message: impl Into<String>) -> ImportError {
        ImportError::Parse { path: self.0.clone(), message: message.into() }
    }

    /// A list of so many numbers.
    pub(super) fn wide(
        &self,
        field: &str,
        values: &[f64],
        width: usize,
    ) -> Result<(), ImportError> {
        if values.len() == width {
            return Ok(());
        }
        Err(self.field(field, format!("{} values", values.len()), format!("{width} values")))
    }
}
