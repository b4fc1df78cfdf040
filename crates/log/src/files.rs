use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::LogError;

/// Files that a run depended on, each with the SHA-256 of its content in hex.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Files(BTreeMap<PathBuf, String>);

impl Files {
    /// Takes in a file, or every file of a folder and the folders in it.
    ///
    /// # Errors
    /// One of them cannot be read.
    pub fn add(&mut self, path: &Path) -> Result<(), LogError> {
        let failed = |source| LogError::File { path: path.into(), action: "read", source };
        if !path.is_dir() {
            let path = path.canonicalize().map_err(failed)?;
            let hash = sha256_of(&path)?;
            self.0.insert(path, hash);
            return Ok(());
        }
        for entry in std::fs::read_dir(path).map_err(failed)? {
            self.add(&entry.map_err(failed)?.path())?;
        }
        Ok(())
    }

    /// Those that have changed since, or are gone, each with what happened to it.
    pub fn changed(&self) -> Vec<String> {
        let changes = self.0.iter().filter_map(|(path, hash)| match sha256_of(path) {
            Ok(now) if now == *hash => None,
            Ok(_) => Some(format!("{} has changed", path.display())),
            Err(_) => Some(format!("{} cannot be read any more", path.display())),
        });
        changes.collect()
    }

    /// Paths and hashes, in order.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &str)> {
        self.0.iter().map(|(path, hash)| (path.as_path(), hash.as_str()))
    }
}

/// The SHA-256 of a file's content, in hex.
///
/// # Errors
/// The file cannot be read.
pub fn sha256_of(path: &Path) -> Result<String, LogError> {
    let failed = |source| LogError::File { path: path.into(), action: "read", source };
    let mut file = std::fs::File::open(path).map_err(failed)?;
    let mut hasher = Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let length = file.read(&mut buffer).map_err(failed)?;
        if length == 0 {
            break;
        }
        hasher.update(&buffer[..length]);
    }
    let mut hex = String::with_capacity(64);
    for byte in hasher.finalize() {
        // Writing to a string cannot fail.
        let _ = write!(hex, "{byte:02x}");
    }
    Ok(hex)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("a.txt");
        std::fs::write(&file, "one").unwrap();
        let mut files = Files::default();
        files.add(folder.path()).unwrap();
        assert!(files.changed().is_empty());
        std::fs::write(&file, "two").unwrap();
        let changed = files.changed();
        assert!(changed.len() == 1 && changed[0].contains("a.txt has changed"), "{changed:?}");
    }
}
