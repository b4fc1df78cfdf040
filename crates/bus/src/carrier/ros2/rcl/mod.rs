//! Safe handles over rcl, ROS 2's C client library, by the bindings of r2r. All unsafe code of the ROS 2 carrier
//! is in this folder.
//!
//! rcl does not guard the making and unmaking of what belongs to one node, nor a handle that is used by two threads;
//! here each making and unmaking takes one lock, and each handle that is not safe to share has its own.

mod context;
mod service;
mod topic;
mod types;
mod wait;

use std::ffi::{CStr, CString};

use r2r_rcl as sys;

use context::making;
pub(super) use context::{Context, Node};
pub(super) use service::{Client, RequestId, Server};
pub(super) use topic::{Publisher, Subscription};
pub(super) use types::{MessageSupport, ServiceSupport};
pub(super) use wait::WaitSet;

/// What rcl said.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct RclError(String);

impl RclError {
    fn new(message: impl Into<String>) -> Self {
        Self(message.into())
    }
}

const OK: i32 = sys::RCL_RET_OK as i32;

/// The error of a call, with rcl's own words for it, which are kept per thread.
fn done(code: i32) -> Result<(), RclError> {
    if code == OK { Ok(()) } else { Err(said(code)) }
}

fn said(code: i32) -> RclError {
    // SAFETY: the string is a copy that ends with 0; both calls touch only this thread's own state.
    let message = unsafe {
        let text = sys::rcutils_get_error_string();
        sys::rcutils_reset_error();
        CStr::from_ptr(text.str_.as_ptr()).to_string_lossy().into_owned()
    };
    RclError(format!("{message} (code {code})"))
}

fn c_string(text: &str) -> Result<CString, RclError> {
    CString::new(text).map_err(|_| RclError::new(format!("`{text}` has a zero byte in it")))
}

fn allocator() -> sys::rcutils_allocator_t {
    // SAFETY: gives a struct of function pointers by value.
    unsafe { sys::rcutils_get_default_allocator() }
}

/// Bytes that rcl writes and grows.
struct Buffer(sys::rcutils_uint8_array_t);

// SAFETY: plain memory of a thread-safe allocator.
unsafe impl Send for Buffer {}

impl Buffer {
    fn new() -> Self {
        Self(sys::rcutils_uint8_array_t {
            buffer: std::ptr::null_mut(),
            buffer_length: 0,
            buffer_capacity: 0,
            allocator: allocator(),
        })
    }

    fn bytes(&self) -> &[u8] {
        if self.0.buffer.is_null() {
            return &[];
        }
        // SAFETY: rcl wrote so many bytes there.
        unsafe { std::slice::from_raw_parts(self.0.buffer, self.0.buffer_length) }
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        if let Some(free) = self.0.allocator.deallocate.filter(|_| !self.0.buffer.is_null()) {
            // SAFETY: the memory came from this allocator, and nothing else has it.
            unsafe { free(self.0.buffer.cast(), self.0.allocator.state) };
        }
    }
}

/// Bytes for rcl to read during one call.
fn borrowed(bytes: &[u8]) -> sys::rcutils_uint8_array_t {
    sys::rcutils_uint8_array_t {
        buffer: bytes.as_ptr().cast_mut(),
        buffer_length: bytes.len(),
        buffer_capacity: bytes.len(),
        allocator: allocator(),
    }
}
