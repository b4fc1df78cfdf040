use std::fmt;

use hiroz::TypeInfo;

/// An endpoint of another node under the name of one of this node's, with another type or another definition of the
/// same type: the two do not hear each other, and neither is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TypeMismatch {
    /// The full name of topic or service.
    pub name: String,
    /// The other node, with its namespace.
    pub node: String,
    /// Type name and RIHS01 hash of this node's.
    pub ours: TypeInfo,
    /// Of the other's.
    pub theirs: TypeInfo,
}

impl fmt::Display for TypeMismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, node, ours, theirs } = self;
        write!(
            f,
            "{name}: {node} has {} {}, this node has {} {}",
            theirs.name, theirs.hash, ours.name, ours.hash
        )
    }
}
