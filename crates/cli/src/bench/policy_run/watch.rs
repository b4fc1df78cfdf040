//! A policy's files, watched while it runs: what is trained or edited meanwhile takes over.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, SystemTime};

use sinew_policy::{PolicyLoader, PolicyManifest};

/// How often the files are looked at. They are loaded when they have been the same for as long: a trainer writes one
/// after the other.
const EVERY: Duration = Duration::from_millis(250);

/// The files of a policy, as they were at a time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct PolicyFiles {
    manifest: PathBuf,
    /// When the manifest and each file that it names was written; nothing for one that is not there.
    written: Vec<Option<SystemTime>>,
}

/// Has a policy loaded anew whenever its manifest, or a file that the manifest names, has changed.
pub(crate) struct PolicyWatch {
    over: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl PolicyWatch {
    /// `loaded` is what the policy that runs was loaded from.
    pub(crate) fn start(loaded: PolicyFiles, loader: PolicyLoader) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let thread = std::thread::spawn(move || watch(loaded, loader, &until));
        Self { over, thread: Some(thread) }
    }
}

impl Drop for PolicyWatch {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn watch(mut loaded: PolicyFiles, mut loader: PolicyLoader, over: &AtomicBool) {
    let mut before = loaded.clone();
    while !over.load(Ordering::Relaxed) {
        std::thread::sleep(EVERY);
        let now = PolicyFiles::of(&loaded.manifest);
        if now != loaded && now == before {
            loader.load(&now.manifest);
            loaded = now.clone();
        }
        before = now;
        while let Some((_, outcome)) = loader.outcome() {
            let manifest = loaded.manifest.display();
            match outcome {
                Ok(()) => eprintln!("{manifest}: loaded anew, it takes over at the next tick"),
                Err(error) => eprintln!("not loaded, the policy that runs goes on: {error}"),
            }
        }
    }
}

impl PolicyFiles {
    pub(crate) fn of(manifest: &Path) -> Self {
        let folder = manifest.parent().unwrap_or_else(|| Path::new("."));
        let mut files = vec![manifest.to_owned()];
        // What cannot be read is told when it is loaded.
        if let Ok(read) = PolicyManifest::load(manifest) {
            files.extend(read.files().map(|file| folder.join(file)));
        }
        let time = |file: &PathBuf| std::fs::metadata(file).and_then(|data| data.modified()).ok();
        Self { manifest: manifest.to_owned(), written: files.iter().map(time).collect() }
    }
}
