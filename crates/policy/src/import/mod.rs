//! Policies of other projects: each becomes a manifest, and a list of what a person must confirm because
//! the files do not say it.

mod deploy;
mod error;
mod kinfer;
mod lerobot;
mod motion;
mod rl_sar;

use std::path::Path;
use std::time::Duration;

use crate::manifest::{Budget, Golden, GoldenCase, InputSpec, PolicyManifest};
use crate::network::{Network, RunOn, sha256};
use crate::{PolicyError, manifest};

pub use deploy::import_deploy;
pub use error::ImportError;
pub use kinfer::import_kinfer;
pub use lerobot::{LerobotOptions, import_lerobot};
pub use motion::import_motion;
pub use rl_sar::import_rl_sar;

/// A measured value may be this old where the files of a policy say nothing about it, in ticks.
const AGE_TICKS: f64 = 2.5;
/// A run may take this share of a tick where the files say nothing about it.
const RUN_SHARE: f64 = 0.5;

/// What an import made of the files of another project.
#[derive(Clone, Debug)]
pub struct Imported {
    /// What the numbers mean.
    pub manifest: PolicyManifest,
    /// Models by file name.
    pub files: Vec<(String, Vec<u8>)>,
    /// What was assumed, and by what: for a person to confirm.
    pub confirm: Vec<String>,
}

impl Imported {
    /// Finishes a manifest: hashes, and a golden case that the model itself gives now.
    fn finish(
        mut manifest: PolicyManifest,
        files: Vec<(String, Vec<u8>)>,
        mut confirm: Vec<String>,
    ) -> Result<Self, ImportError> {
        for (name, bytes) in &files {
            let hash = sha256(bytes);
            if manifest.model.file == Path::new(name) {
                manifest.model.sha256 = hash;
                continue;
            }
            for input in &mut manifest.inputs {
                if let InputSpec::State { start: manifest::Start::Model { file, sha256 }, .. } =
                    input
                    && file == Path::new(name)
                {
                    sha256.clone_from(&hash);
                }
            }
        }
        confirm.push(format!(
            "budget.run_p99_s: {} s, {} of a tick",
            manifest.budget.run_p99_s, RUN_SHARE
        ));
        confirm.push(
            "golden: one case that the model itself gave now; it tells a changed file, not a wrong meaning"
                .to_owned(),
        );
        manifest.golden = Golden { tolerance: 1e-4, cases: vec![], rollout: None };
        let folder = tempfile::tempdir().map_err(ImportError::scratch)?;
        for (name, bytes) in &files {
            std::fs::write(folder.path().join(name), bytes).map_err(ImportError::scratch)?;
        }
        manifest.golden.cases.push(golden_case(&manifest, folder.path())?);
        manifest.check()?;
        Ok(Self { manifest, files, confirm })
    }

    /// Writes manifest and models into a folder, which is made if it is not there; gives the manifest's
    /// path.
    ///
    /// # Errors
    /// [`ImportError::Write`]; a manifest that is there already, or another model of the same name, is not
    /// overwritten.
    pub fn write(&self, folder: &Path) -> Result<std::path::PathBuf, ImportError> {
        let path = folder.join(format!("{}.policy.yaml", self.manifest.id));
        let fail = |path: &Path, source| ImportError::Write { path: path.to_owned(), source };
        std::fs::create_dir_all(folder).map_err(|e| fail(folder, e))?;
        let is_other = |(name, bytes): &&(String, Vec<u8>)| {
            std::fs::read(folder.join(name)).is_ok_and(|there| there != *bytes)
        };
        let in_the_way = match self.files.iter().find(is_other) {
            Some((name, _)) => Some(folder.join(name)),
            None => path.exists().then(|| path.clone()),
        };
        if let Some(there) = in_the_way {
            return Err(fail(&there, std::io::ErrorKind::AlreadyExists.into()));
        }
        for (name, bytes) in &self.files {
            let file = folder.join(name);
            std::fs::write(&file, bytes).map_err(|e| fail(&file, e))?;
        }
        let mut text = String::new();
        for line in &self.confirm {
            text.push_str(&format!("# confirm: {line}\n"));
        }
        text.push_str(
            &serde_saphyr::to_string(&self.manifest)
                .map_err(|e| ImportError::Yaml(e.to_string()))?,
        );
        std::fs::write(&path, text).map_err(|e| fail(&path, e))?;
        Ok(path)
    }
}

/// What the network makes of a ramp of small numbers.
fn golden_case(manifest: &PolicyManifest, folder: &Path) -> Result<GoldenCase, PolicyError> {
    let references: Vec<_> = manifest
        .terms()
        .filter(|(_, term)| term.source == manifest::Source::Reference)
        .map(|(_, term)| (term.name.clone().unwrap_or_default(), term.width()))
        .collect();
    let mut network =
        Network::load(manifest, folder, &references, RunOn::one_thread(manifest::Provider::Cpu))?;
    let mut inputs = std::collections::BTreeMap::new();
    for (index, input) in manifest.inputs.iter().enumerate() {
        let width = network.width(index);
        #[allow(clippy::cast_precision_loss)]
        let ramp = |i: usize| ((i * 7 % 11) as f32 - 5.0) / 10.0;
        let values: Vec<f32> = match input {
            InputSpec::Counter { start, .. } => vec![*start as f32],
            _ => (0..width).map(ramp).collect(),
        };
        network.write(index, &values);
        inputs.insert(input.name().to_owned(), values);
    }
    network.run()?;
    Ok(GoldenCase { inputs, action: network.action().to_vec() })
}

/// The largest age of a value, and the budget, of a policy whose files do not say them.
fn assumed_age_s(rate_hz: f64) -> f64 {
    AGE_TICKS / rate_hz
}

fn assumed_budget(rate_hz: f64) -> Budget {
    let period = Duration::from_secs_f64(1.0 / rate_hz);
    Budget { run_p99_s: period.mul_f64(RUN_SHARE).as_secs_f64(), warm_up_runs: 20 }
}

/// Refuses a rate at which nothing can be run.
fn check_rate(file: &error::In, rate_hz: f64) -> Result<(), ImportError> {
    if rate_hz > 0.001 && rate_hz <= 1000.0 {
        return Ok(());
    }
    Err(file.field("the rate that was given", rate_hz, "above 0.001, up to 1000 Hz"))
}

/// Reads a file, and gives its bytes.
fn read(path: &Path) -> Result<Vec<u8>, ImportError> {
    std::fs::read(path).map_err(|source| ImportError::Read { path: path.to_owned(), source })
}

fn read_text(path: &Path) -> Result<String, ImportError> {
    std::fs::read_to_string(path)
        .map_err(|source| ImportError::Read { path: path.to_owned(), source })
}

/// An identifier made of a name: lower case letters, digits and `_`.
fn identifier(name: &str) -> String {
    let lower = name.to_lowercase();
    let id: String =
        lower.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let id = id.trim_matches('_').to_owned();
    if id.is_empty() { "policy".to_owned() } else { id }
}
