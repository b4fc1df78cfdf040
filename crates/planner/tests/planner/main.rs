//! Both planners: by search, and by a language model.

#![allow(missing_docs, clippy::unwrap_used)]

#[path = "../../../model/tests/model/common.rs"]
mod common;
mod llama_cpp;
mod llm;
mod symbolic;
