use std::time::{Duration, Instant};

use sinew_bus::{BusNode, TypeMismatch};

/// How often the graph is looked at.
const PERIOD: Duration = Duration::from_secs(1);

/// Looks for nodes that do not hear this one because a type of theirs is defined otherwise: the wire drops their messages
/// without a word.
pub(crate) struct TypeWatch {
    node: BusNode,
    looked: Option<Instant>,
    found: Vec<TypeMismatch>,
}

impl TypeWatch {
    pub(crate) fn new(node: &BusNode) -> Self {
        Self { node: node.clone(), looked: None, found: Vec::new() }
    }

    /// What there is now. What is new is logged, with both hashes.
    pub(crate) fn look(&mut self) -> &[TypeMismatch] {
        if self.looked.is_none_or(|looked| looked.elapsed() >= PERIOD) {
            self.looked = Some(Instant::now());
            let found = self.node.type_mismatches();
            for new in found.iter().filter(|mismatch| !self.found.contains(mismatch)) {
                tracing::error!(node = self.node.name(), "types differ, nothing is heard: {new}");
            }
            self.found = found;
        }
        &self.found
    }
}
