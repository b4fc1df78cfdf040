//! What the program's exit code says.

use std::fmt;
use std::process::ExitCode;

/// How a command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Exit {
    /// 0: what was asked for is done, and measured.
    Success,
    /// 1: it was tried and failed.
    Failure,
    /// 2: it was refused before anything moved: wrong words, wrong files, wrong arguments.
    Refusal,
}

impl Exit {
    /// Of an error that ended a command.
    pub(crate) fn of(error: &anyhow::Error) -> Self {
        if error.is::<Refused>() { Self::Refusal } else { Self::Failure }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        match exit {
            Exit::Success => Self::SUCCESS,
            Exit::Failure => Self::FAILURE,
            Exit::Refusal => Self::from(2),
        }
    }
}

/// Says that an error is a refusal: what was given is wrong.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) String);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Refused {}

/// An error about what was given, with the chain of its causes.
pub(crate) fn refused(error: impl Into<anyhow::Error>) -> anyhow::Error {
    Refused(format!("{:#}", error.into())).into()
}
