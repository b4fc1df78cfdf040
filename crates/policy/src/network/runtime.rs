//! Where ONNX Runtime is found, and the one environment of the process.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use ort::environment::Environment;
use ort::ep::{self, ExecutionProvider};
use ort::session::Session;

use super::placement;
use crate::PolicyError;
use crate::manifest::Provider;

/// Where `cargo xtask setup` puts it.
const IN_TREE: &str = ".native/onnxruntime";

const FILE: &str = "libonnxruntime.so.1.31.1";

/// The library that is used: the one that `ORT_DYLIB_PATH` names, else the one beside the
/// executable, as in an installed package, else the one under `.native/onnxruntime`, searched
/// upward from the executable and then from the current folder.
///
/// # Errors
/// [`PolicyError::RuntimeMissing`] lists where it was looked for.
pub fn library_path() -> Result<PathBuf, PolicyError> {
    if let Some(path) = std::env::var_os("ORT_DYLIB_PATH").filter(|p| !p.is_empty()) {
        let path = PathBuf::from(path);
        return if path.is_file() {
            Ok(path)
        } else {
            let looked_for = format!("ORT_DYLIB_PATH={}", path.display());
            Err(PolicyError::RuntimeMissing { looked_for })
        };
    }
    let starts = [std::env::current_exe().ok(), std::env::current_dir().ok()];
    let beside = starts[0].as_deref().and_then(Path::parent).map(|folder| folder.join(FILE));
    let starts: Vec<_> = starts.into_iter().flatten().collect();
    let in_trees =
        starts.iter().flat_map(|s| s.ancestors()).map(|dir| dir.join(IN_TREE).join(FILE));
    beside.into_iter().chain(in_trees).find(|path| path.is_file()).ok_or_else(|| {
        let from: Vec<_> = starts.iter().map(|s| s.display().to_string()).collect();
        let looked_for = format!(
            "{FILE} beside the executable, and {IN_TREE}/{FILE} upward from {}",
            from.join(" and ")
        );
        PolicyError::RuntimeMissing { looked_for }
    })
}

/// Loads the library at the first call.
pub(crate) fn environment() -> Result<&'static Environment, PolicyError> {
    static ENVIRONMENT: OnceLock<Environment> = OnceLock::new();
    // ONNX Runtime allows one environment per process, so that a second thread must wait for the
    // first instead of building its own; a failure is not kept, so that it can be tried again.
    static BUILDING: std::sync::Mutex<()> = std::sync::Mutex::new(());
    let _building = BUILDING.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
    if let Some(environment) = ENVIRONMENT.get() {
        return Ok(environment);
    }
    let environment = build(&library_path()?)?;
    Ok(ENVIRONMENT.get_or_init(|| environment))
}

fn build(path: &Path) -> Result<Environment, PolicyError> {
    let unusable = |reason: String| PolicyError::RuntimeUnusable { path: path.into(), reason };
    ort::init_from(path)
        .map_err(|error| unusable(error.to_string()))?
        .with_name("sinew")
        .with_telemetry(false)
        .build()
        .map_err(|error| unusable(error.to_string()))
}

/// What a network is run on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RunOn {
    /// The provider.
    pub provider: Provider,
    /// Threads of one run, 1 or more.
    pub threads: usize,
}

impl RunOn {
    /// One thread: what a policy is run on unless something else is asked for.
    pub const fn one_thread(provider: Provider) -> Self {
        Self { provider, threads: 1 }
    }
}

/// Why a session cannot be had.
pub(super) enum SessionError {
    /// The provider is not there.
    Provider { provider: Provider, reason: String },
    /// The model cannot be loaded.
    Ort(ort::Error),
}

impl SessionError {
    pub(super) fn of_policy(self, policy: &str) -> PolicyError {
        let policy = policy.to_owned();
        match self {
            Self::Provider { provider, reason } => {
                PolicyError::ProviderMissing { policy, provider, reason }
            }
            Self::Ort(source) => PolicyError::Onnx { policy, doing: "load the model", source },
        }
    }
}

impl From<ort::Error> for SessionError {
    fn from(error: ort::Error) -> Self {
        Self::Ort(error)
    }
}

/// A session on exactly this provider, which does not spin: a policy shares its cores with the control
/// loop.
pub(super) fn session(
    environment: &Environment,
    options: RunOn,
    bytes: &[u8],
    cache: &Path,
) -> Result<Session, SessionError> {
    let RunOn { provider, threads } = options;
    let mut builder = Session::builder(environment)?
        .with_intra_threads(threads)
        .map_err(ort::Error::from)?
        .with_inter_threads(1)
        .map_err(ort::Error::from)?
        .with_intra_op_spinning(false)
        .map_err(ort::Error::from)?
        .with_inter_op_spinning(false)
        .map_err(ort::Error::from)?
        .with_config_entry(placement::RECORD, "1")
        .map_err(ort::Error::from)?;
    let registered = match provider {
        Provider::Cpu => Ok(()),
        Provider::Cuda => ep::CUDA::default().register(&mut builder),
        Provider::Tensorrt => ep::TensorRT::default()
            .with_engine_cache(true)
            .with_engine_cache_path(cache.display().to_string())
            .with_timing_cache(true)
            .register(&mut builder),
    };
    registered.map_err(|error| SessionError::Provider { provider, reason: error.to_string() })?;
    Ok(builder.commit_from_memory(bytes)?)
}
