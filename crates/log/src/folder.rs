use std::path::{Path, PathBuf};

use crate::{LogError, RunSummary};

/// The folder of one run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunFolder {
    path: PathBuf,
}

/// No more letters of an instruction than this are in a folder's name.
const MAX_SLUG: usize = 40;

impl RunFolder {
    /// Makes `<root>/<UTC time>-<words of the instruction>`; a number is added where it exists.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn create(root: &Path, instruction: &str) -> Result<Self, LogError> {
        let made =
            |path: &Path, source| LogError::File { path: path.into(), action: "made", source };
        std::fs::create_dir_all(root).map_err(|source| made(root, source))?;
        let time = jiff::Timestamp::now().strftime("%Y%m%d-%H%M%S").to_string();
        let name = format!("{time}-{}", slug(instruction));
        for number in 1.. {
            let path =
                root.join(if number == 1 { name.clone() } else { format!("{name}-{number}") });
            match std::fs::create_dir(&path) {
                Ok(()) => return Ok(Self { path }),
                Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
                Err(source) => return Err(made(&path, source)),
            }
        }
        unreachable!("a free number is found")
    }

    /// One that was made before.
    pub fn existing(path: &Path) -> Self {
        Self { path: path.into() }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// `run.mcap`.
    pub fn log(&self) -> PathBuf {
        self.path.join("run.mcap")
    }

    /// `before.png`, `after.png`.
    pub fn picture(&self, name: &str) -> PathBuf {
        self.path.join(format!("{name}.png"))
    }

    /// `summary.json`.
    pub fn summary(&self) -> PathBuf {
        self.path.join("summary.json")
    }

    /// Writes the summary.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_summary(&self, summary: &RunSummary) -> Result<(), LogError> {
        let path = self.summary();
        let mut text = serde_json::to_string_pretty(summary)
            .map_err(|source| LogError::Summary { path: path.clone(), source })?;
        text.push('\n');
        std::fs::write(&path, text).map_err(|source| LogError::File {
            path,
            action: "written",
            source,
        })
    }

    /// Reads the summary.
    ///
    /// # Errors
    /// It is not there, or is none.
    pub fn read_summary(&self) -> Result<RunSummary, LogError> {
        let path = self.summary();
        let text = std::fs::read_to_string(&path).map_err(|source| LogError::File {
            path: path.clone(),
            action: "read",
            source,
        })?;
        serde_json::from_str(&text).map_err(|source| LogError::Summary { path, source })
    }
}

fn slug(text: &str) -> String {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|word| !word.is_empty());
    let mut slug = words.collect::<Vec<_>>().join("-").to_lowercase();
    slug.truncate(MAX_SLUG);
    let slug = slug.trim_end_matches('-');
    if slug.is_empty() { "run".into() } else { slug.into() }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn two_runs_of_one_second_have_two_folders() {
        let root = tempfile::tempdir().unwrap();
        let made: Vec<_> =
            (0..3).map(|_| RunFolder::create(root.path(), "Put it in!").unwrap()).collect();
        assert!(made[0].path() != made[1].path() && made[1].path() != made[2].path());
        assert!(made[0].path().to_string_lossy().ends_with("-put-it-in"));
    }

    #[test]
    fn names_are_short_and_plain() {
        assert_eq!(slug("../ü  Red/cube "), "red-cube");
        assert_eq!(slug("  "), "run");
        assert!(slug(&"word ".repeat(50)).len() <= MAX_SLUG);
    }
}
