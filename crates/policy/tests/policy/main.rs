//! The policy runtime: what is refused at load, what a tick gives, what other projects' files become, and that
//! numbers are those of Python's onnxruntime.
#![allow(clippy::unwrap_used)]

mod background;
mod blend;
mod common;
mod foreign;
mod host;
mod import;
mod load;
mod parity;
mod schema;
mod step;
mod tool;
