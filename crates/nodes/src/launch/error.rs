use std::path::PathBuf;

/// What is wrong with a launch file, and what is allowed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LaunchError {
    /// The file cannot be read.
    #[error("{}: cannot be read", file.display())]
    Read {
        /// The launch file.
        file: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// It is not YAML of the format; the text names line, field and what is allowed.
    #[error("{}: {message}", file.display())]
    Format {
        /// The launch file.
        file: PathBuf,
        /// What the parser says.
        message: String,
    },
    /// A substitution cannot be resolved.
    #[error("{}: {field}: `{text}`: {reason}", file.display())]
    Substitution {
        /// The launch file.
        file: PathBuf,
        /// The action and field it stands in.
        field: String,
        /// The whole value.
        text: String,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// A field's value is not allowed.
    #[error("{}: {field}: {reason}", file.display())]
    Value {
        /// The launch file.
        file: PathBuf,
        /// The action and field.
        field: String,
        /// What is wrong and what is allowed.
        reason: String,
    },
    /// An argument was given that no launch file declares.
    #[error("{}: argument `{name}` is not declared (declared: {declared})", file.display())]
    UnknownArgument {
        /// The launch file.
        file: PathBuf,
        /// The argument.
        name: String,
        /// Those that are, comma-separated.
        declared: String,
    },
    /// An argument without default was not given.
    #[error("{}: argument `{name}` has no default and was not given: say {name}:=VALUE", file.display())]
    MissingArgument {
        /// The launch file.
        file: PathBuf,
        /// The argument.
        name: String,
    },
    /// A file includes itself.
    #[error("{}: includes itself", file.display())]
    IncludeLoop {
        /// The launch file.
        file: PathBuf,
    },
}
