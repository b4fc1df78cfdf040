use std::sync::Arc;
use std::time::Duration;

use super::{Client, Context, RclError, Server, Subscription, allocator, done, making, sys};

/// Sleeps until something that was added has something to take.
pub(in super::super) struct WaitSet {
    set: sys::rcl_wait_set_t,
    context: Arc<Context>,
    /// Subscriptions, clients, services that it has room for.
    room: (usize, usize, usize),
}

impl WaitSet {
    pub(in super::super) fn new(context: Arc<Context>) -> Self {
        // SAFETY: gives an empty struct by value.
        let set = unsafe { sys::rcl_get_zero_initialized_wait_set() };
        Self { set, context, room: (usize::MAX, 0, 0) }
    }

    /// Returns when one of them has something, when the context is woken, or after `timeout`.
    pub(in super::super) fn wait(
        &mut self,
        subscriptions: &[&Subscription],
        clients: &[&Client],
        servers: &[&Server],
        timeout: Duration,
    ) -> Result<(), RclError> {
        let room = (subscriptions.len(), clients.len(), servers.len());
        // SAFETY: the set is made for as many as are added; all that is added is borrowed until this returns, and the
        // set is cleared before anything is added again.
        unsafe {
            if room == self.room {
                done(sys::rcl_wait_set_clear(&mut self.set))?;
            } else {
                let _making = making();
                done(sys::rcl_wait_set_fini(&mut self.set))?;
                self.set = sys::rcl_get_zero_initialized_wait_set();
                self.room = (usize::MAX, 0, 0);
                done(sys::rcl_wait_set_init(
                    &mut self.set,
                    room.0,
                    1,
                    0,
                    room.1,
                    room.2,
                    0,
                    self.context.context(),
                    allocator(),
                ))?;
                self.room = room;
            }
            let (set, none) = (&mut self.set, std::ptr::null_mut());
            done(sys::rcl_wait_set_add_guard_condition(set, self.context.guard(), none))?;
            for subscription in subscriptions {
                done(sys::rcl_wait_set_add_subscription(set, subscription.handle(), none))?;
            }
            for client in clients {
                done(sys::rcl_wait_set_add_client(set, client.handle(), none))?;
            }
            for server in servers {
                done(sys::rcl_wait_set_add_service(set, server.handle(), none))?;
            }
            let timeout = i64::try_from(timeout.as_nanos()).unwrap_or(i64::MAX);
            match sys::rcl_wait(set, timeout) {
                code if code == sys::RCL_RET_TIMEOUT as i32 => Ok(()),
                code => done(code),
            }
        }
    }
}

impl Drop for WaitSet {
    fn drop(&mut self) {
        let _making = making();
        // SAFETY: made by rcl, or empty.
        let ended = done(unsafe { sys::rcl_wait_set_fini(&mut self.set) });
        if let Err(error) = ended {
            tracing::debug!(%error, "a ROS 2 wait set did not end well");
        }
    }
}
