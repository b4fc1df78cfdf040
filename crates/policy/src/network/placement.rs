//! Which execution provider each node of a loaded graph was given to.

use std::fmt;

use ort::AsPointer;
use ort::session::Session;
use serde::Serialize;

use super::call::{done, text};

/// What a session must be made with, so that ONNX Runtime remembers the assignment.
pub(super) const RECORD: &str = "session.record_ep_graph_assignment_info";

/// The provider that takes what no other one can run.
const CPU: &str = "CPUExecutionProvider";

/// One node of a graph, as the model's file has it, and what runs it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NodePlacement {
    /// The node's name; empty where the model gives it none.
    pub node: String,
    /// Its operator, for example `MatMul`.
    pub operator: String,
    /// ONNX Runtime's name of the provider, for example `CUDAExecutionProvider`.
    pub provider: String,
}

impl NodePlacement {
    /// Whether the node is run by the CPU.
    pub fn is_on_cpu(&self) -> bool {
        self.provider == CPU
    }
}

impl fmt::Display for NodePlacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} `{}`", self.operator, self.node)
    }
}

/// Every node of a session that was made with [`RECORD`].
#[allow(unsafe_code)]
pub(super) fn placements(session: &Session) -> Result<Vec<NodePlacement>, ort::Error> {
    let api = ort::api();
    let mut all = Vec::new();
    // SAFETY: the lists and strings belong to the session, which is borrowed for the whole function, and are as long
    // as the library says; all are copied before it returns.
    unsafe {
        let (mut subgraphs, mut subgraph_count) = (std::ptr::null(), 0);
        let session = session.ptr();
        done((api.Session_GetEpGraphAssignmentInfo)(session, &mut subgraphs, &mut subgraph_count))?;
        for subgraph in (0..subgraph_count).map(|index| *subgraphs.add(index)) {
            let (mut name, mut nodes, mut node_count) = (std::ptr::null(), std::ptr::null(), 0);
            done((api.EpAssignedSubgraph_GetEpName)(subgraph, &mut name))?;
            let provider = text(name);
            done((api.EpAssignedSubgraph_GetNodes)(subgraph, &mut nodes, &mut node_count))?;
            for node in (0..node_count).map(|index| *nodes.add(index)) {
                let (mut name, mut operator) = (std::ptr::null(), std::ptr::null());
                done((api.EpAssignedNode_GetName)(node, &mut name))?;
                done((api.EpAssignedNode_GetOperatorType)(node, &mut operator))?;
                all.push(NodePlacement {
                    node: text(name),
                    operator: text(operator),
                    provider: provider.clone(),
                });
            }
        }
    }
    Ok(all)
}
