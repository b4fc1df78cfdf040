//! Which execution provider each node of a loaded graph was given to.

use std::ffi::{CStr, c_char};
use std::fmt;

use ort::AsPointer;
use ort::session::Session;
use serde::Serialize;

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

/// A status is a failure unless it is null, and is the caller's to release.
#[allow(unsafe_code)]
unsafe fn done(status: ort::sys::OrtStatusPtr) -> Result<(), ort::Error> {
    if status.0.is_null() {
        return Ok(());
    }
    // SAFETY: not null, so a status of this library, whose message lives until it is released.
    unsafe {
        let api = ort::api();
        let message = text((api.GetErrorMessage)(status.0));
        (api.ReleaseStatus)(status.0);
        Err(ort::Error::new(message))
    }
}

/// A copy of a C string; empty for null.
#[allow(unsafe_code)]
unsafe fn text(pointer: *const c_char) -> String {
    if pointer.is_null() {
        return String::new();
    }
    // SAFETY: a C string of the library, by the contract of the caller.
    unsafe { CStr::from_ptr(pointer) }.to_string_lossy().into_owned()
}
