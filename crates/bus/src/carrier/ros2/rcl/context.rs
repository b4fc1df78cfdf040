use std::cell::UnsafeCell;
use std::ffi::CStr;
use std::sync::{Arc, Mutex, MutexGuard};

use super::{RclError, allocator, c_string, done, sys};
use crate::PeerNode;
use crate::inbox::lock;

/// One participant of the network. Shut down when the last thing made from it is gone.
pub(in super::super) struct Context {
    context: UnsafeCell<sys::rcl_context_t>,
    guard: UnsafeCell<sys::rcl_guard_condition_t>,
}

/// Held while anything of rcl's is made or unmade. One for the process: some of what rcl keeps belongs to no context.
static MAKING: Mutex<()> = Mutex::new(());

pub(super) fn making() -> MutexGuard<'static, ()> {
    lock(&MAKING)
}

// SAFETY: rcl locks a context itself, triggering a guard condition is safe from any thread, and all else that
// touches the two cells holds `MAKING`.
unsafe impl Send for Context {}
unsafe impl Sync for Context {}

impl Context {
    /// Joins a ROS domain; without a number the one of `ROS_DOMAIN_ID`.
    pub(in super::super) fn open(domain_id: Option<usize>) -> Result<Arc<Self>, RclError> {
        // SAFETY: every struct is zero-initialised by rcl itself, made once, and unmade below or in `drop`.
        unsafe {
            let context = UnsafeCell::new(sys::rcl_get_zero_initialized_context());
            let guard = UnsafeCell::new(sys::rcl_get_zero_initialized_guard_condition());
            // The context must not move once it is made: rcl keeps pointers to it.
            let opened = Arc::new(Self { context, guard });
            let _making = making();
            let mut options = sys::rcl_get_zero_initialized_init_options();
            done(sys::rcl_init_options_init(&mut options, allocator()))?;
            let domain = match domain_id {
                Some(id) => done(sys::rcl_init_options_set_domain_id(&mut options, id)),
                None => Ok(()),
            };
            let made = domain.and_then(|()| {
                done(sys::rcl_init(0, std::ptr::null(), &options, opened.context.get()))
            });
            let freed = done(sys::rcl_init_options_fini(&mut options));
            made.and(freed)?;
            let options = sys::rcl_guard_condition_get_default_options();
            done(sys::rcl_guard_condition_init(opened.guard.get(), opened.context.get(), options))?;
            Ok(opened)
        }
    }

    pub(super) fn context(&self) -> *mut sys::rcl_context_t {
        self.context.get()
    }

    pub(super) fn guard(&self) -> *const sys::rcl_guard_condition_t {
        self.guard.get()
    }

    /// Ends the wait of the thread that waits.
    pub(in super::super) fn wake(&self) {
        // SAFETY: the guard condition lives as long as the context.
        let woken = done(unsafe { sys::rcl_trigger_guard_condition(self.guard.get()) });
        if let Err(error) = woken {
            tracing::warn!(%error, "the ROS 2 carrier's thread was not woken");
        }
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        let _making = making();
        // SAFETY: nothing made from the context is left; a context that was never made is accepted by all three.
        unsafe {
            let guard = sys::rcl_guard_condition_fini(self.guard.get());
            let shut = sys::rcl_shutdown(self.context.get());
            let ended = sys::rcl_context_fini(self.context.get());
            for (doing, code) in [("guard", guard), ("shutdown", shut), ("context", ended)] {
                if let Err(error) = done(code) {
                    tracing::debug!(doing, %error, "the ROS 2 carrier did not end well");
                }
            }
        }
    }
}

/// A node of the ROS graph.
pub(in super::super) struct Node {
    node: UnsafeCell<sys::rcl_node_t>,
    /// Must outlive it.
    _context: Arc<Context>,
}

// SAFETY: what changes a node, and what reads the graph by it, holds `MAKING`.
unsafe impl Send for Node {}
unsafe impl Sync for Node {}

impl Node {
    pub(in super::super) fn new(
        context: &Arc<Context>,
        name: &str,
        namespace: &str,
    ) -> Result<Self, RclError> {
        let (name, namespace) = (c_string(name)?, c_string(namespace)?);
        let _making = making();
        // SAFETY: as in `Context::open`; the strings live during the call.
        unsafe {
            let node = UnsafeCell::new(sys::rcl_get_zero_initialized_node());
            let mut options = sys::rcl_node_get_default_options();
            options.enable_rosout = false;
            done(sys::rcl_node_init(
                node.get(),
                name.as_ptr(),
                namespace.as_ptr(),
                context.context(),
                &options,
            ))?;
            Ok(Self { node, _context: context.clone() })
        }
    }

    pub(super) fn handle(&self) -> *mut sys::rcl_node_t {
        self.node.get()
    }

    /// Every node of the graph that is known now.
    pub(in super::super) fn peers(&self) -> Result<Vec<PeerNode>, RclError> {
        let _making = making();
        // SAFETY: both arrays are made by rcl and freed here; each has `size` strings.
        unsafe {
            let mut names = sys::rcutils_get_zero_initialized_string_array();
            let mut namespaces = sys::rcutils_get_zero_initialized_string_array();
            done(sys::rcl_get_node_names(self.handle(), allocator(), &mut names, &mut namespaces))?;
            let text = |array: &sys::rcutils_string_array_t, index: usize| {
                CStr::from_ptr(*array.data.add(index)).to_string_lossy().into_owned()
            };
            let count = names.size.min(namespaces.size);
            let peers = (0..count)
                .map(|i| PeerNode { namespace: text(&namespaces, i), name: text(&names, i) })
                .collect();
            done(sys::rcutils_string_array_fini(&mut names))?;
            done(sys::rcutils_string_array_fini(&mut namespaces))?;
            Ok(peers)
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _making = making();
        // SAFETY: made by `new`; everything that belongs to the node keeps it alive, so nothing is left.
        if let Err(error) = done(unsafe { sys::rcl_node_fini(self.node.get()) }) {
            tracing::debug!(%error, "a ROS 2 node did not end well");
        }
    }
}
