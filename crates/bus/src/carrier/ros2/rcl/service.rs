use std::cell::UnsafeCell;
use std::sync::{Arc, Mutex};

use super::{Node, OK, RclError, ServiceSupport, c_string, done, making, said, sys};
use crate::inbox::lock;
use crate::service::REQUEST_DEPTH;

/// Where an answer goes.
#[derive(Clone, Copy)]
pub(in super::super) struct RequestId(sys::rmw_request_id_t);

/// Takes requests and sends answers, as bytes.
pub(in super::super) struct Server {
    server: UnsafeCell<sys::rcl_service_t>,
    support: ServiceSupport,
    using: Mutex<()>,
    node: Arc<Node>,
}

// SAFETY: taking and answering hold `using`; the rest holds `MAKING`.
unsafe impl Send for Server {}
unsafe impl Sync for Server {}

impl Server {
    pub(in super::super) fn new(
        node: &Arc<Node>,
        name: &str,
        support: ServiceSupport,
    ) -> Result<Self, RclError> {
        let name = c_string(name)?;
        let _making = making();
        // SAFETY: zero-initialised by rcl, made once, unmade in `drop`; the string lives during the call.
        unsafe {
            let server = UnsafeCell::new(sys::rcl_get_zero_initialized_service());
            let mut options = sys::rcl_service_get_default_options();
            options.qos.depth = REQUEST_DEPTH;
            done(sys::rcl_service_init(
                server.get(),
                node.handle(),
                support.handle(),
                name.as_ptr(),
                &options,
            ))?;
            Ok(Self { server, support, using: Mutex::new(()), node: node.clone() })
        }
    }

    pub(super) fn handle(&self) -> *const sys::rcl_service_t {
        self.server.get()
    }

    /// The next request that waits in the middleware, if any.
    pub(in super::super) fn take(&self) -> Result<Option<(Vec<u8>, RequestId)>, RclError> {
        let request = self.support.request.message()?;
        let _using = lock(&self.using);
        // SAFETY: the struct is of the service's request type; the id is filled in.
        let (code, id) = unsafe {
            let mut id: sys::rmw_request_id_t = std::mem::zeroed();
            (sys::rcl_take_request(self.server.get(), &mut id, request.pointer()), id)
        };
        if code == sys::RCL_RET_SERVICE_TAKE_FAILED as i32 {
            return Ok(None);
        }
        done(code)?;
        Ok(Some((request.write()?, RequestId(id))))
    }

    pub(in super::super) fn respond(&self, to: RequestId, bytes: &[u8]) -> Result<(), RclError> {
        let mut response = self.support.response.message()?;
        response.read(bytes)?;
        let mut id = to.0;
        let _using = lock(&self.using);
        // SAFETY: the struct is of the service's response type.
        let code =
            unsafe { sys::rcl_send_response(self.server.get(), &mut id, response.pointer()) };
        if code == sys::RCL_RET_TIMEOUT as i32 {
            // A client that was not found in both directions yet, or is gone: it will not hear the answer, and nothing
            // is wrong here.
            tracing::warn!("a client does not listen for its answer: {}", said(code));
            return Ok(());
        }
        done(code)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _making = making();
        // SAFETY: made by `new` on this node; the waiting thread holds no pointer to it any more.
        let code = unsafe { sys::rcl_service_fini(self.server.get(), self.node.handle()) };
        if let Err(error) = done(code) {
            tracing::debug!(%error, "a ROS 2 service did not end well");
        }
    }
}

/// Sends requests and takes answers, as bytes.
pub(in super::super) struct Client {
    client: UnsafeCell<sys::rcl_client_t>,
    support: ServiceSupport,
    using: Mutex<()>,
    node: Arc<Node>,
}

// SAFETY: as for a server.
unsafe impl Send for Client {}
unsafe impl Sync for Client {}

impl Client {
    pub(in super::super) fn new(
        node: &Arc<Node>,
        name: &str,
        support: ServiceSupport,
    ) -> Result<Self, RclError> {
        let name = c_string(name)?;
        let _making = making();
        // SAFETY: as for a server.
        unsafe {
            let client = UnsafeCell::new(sys::rcl_get_zero_initialized_client());
            let mut options = sys::rcl_client_get_default_options();
            options.qos.depth = REQUEST_DEPTH;
            done(sys::rcl_client_init(
                client.get(),
                node.handle(),
                support.handle(),
                name.as_ptr(),
                &options,
            ))?;
            Ok(Self { client, support, using: Mutex::new(()), node: node.clone() })
        }
    }

    pub(super) fn handle(&self) -> *const sys::rcl_client_t {
        self.client.get()
    }

    /// Sends a request; gives the number that its answer will have.
    pub(in super::super) fn send(&self, bytes: &[u8]) -> Result<i64, RclError> {
        let mut request = self.support.request.message()?;
        request.read(bytes)?;
        let mut sequence = 0;
        let _using = lock(&self.using);
        // SAFETY: the struct is of the service's request type.
        done(unsafe {
            sys::rcl_send_request(self.client.get(), request.pointer(), &mut sequence)
        })?;
        Ok(sequence)
    }

    /// The next answer that waits in the middleware, if any, with its request's number.
    pub(in super::super) fn take(&self) -> Result<Option<(Vec<u8>, i64)>, RclError> {
        let response = self.support.response.message()?;
        let _using = lock(&self.using);
        // SAFETY: the struct is of the service's response type; the id is filled in.
        let (code, id) = unsafe {
            let mut id: sys::rmw_request_id_t = std::mem::zeroed();
            (sys::rcl_take_response(self.client.get(), &mut id, response.pointer()), id)
        };
        if code == sys::RCL_RET_CLIENT_TAKE_FAILED as i32 {
            return Ok(None);
        }
        done(code)?;
        Ok(Some((response.write()?, id.sequence_number)))
    }

    pub(in super::super) fn server_available(&self) -> bool {
        let mut is_available = false;
        let (_using, _making) = (lock(&self.using), making());
        // SAFETY: reads the graph, which rcl does not guard.
        let code = unsafe {
            sys::rcl_service_server_is_available(
                self.node.handle(),
                self.client.get(),
                &mut is_available,
            )
        };
        code == OK && is_available
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        let _making = making();
        // SAFETY: made by `new` on this node; the waiting thread holds no pointer to it any more.
        let code = unsafe { sys::rcl_client_fini(self.client.get(), self.node.handle()) };
        if let Err(error) = done(code) {
            tracing::debug!(%error, "a ROS 2 client did not end well");
        }
    }
}
