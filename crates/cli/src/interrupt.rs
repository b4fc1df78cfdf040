//! Ctrl-C and SIGTERM: the first asks for an orderly end, which every loop looks for.

use std::sync::atomic::{AtomicUsize, Ordering};

use anyhow::{Context, Result};

static COUNT: AtomicUsize = AtomicUsize::new(0);

/// Takes over SIGINT and SIGTERM.
pub(crate) fn install() -> Result<()> {
    ctrlc::set_handler(|| {
        // Who asks three times does not want to wait.
        if COUNT.fetch_add(1, Ordering::SeqCst) >= 2 {
            std::process::exit(130);
        }
    })
    .context("cannot take over SIGINT")
}

/// Whether an end was asked for.
pub(crate) fn is_set() -> bool {
    COUNT.load(Ordering::SeqCst) > 0
}
