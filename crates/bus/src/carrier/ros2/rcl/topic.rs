use std::cell::UnsafeCell;
use std::sync::{Arc, Mutex};

use super::{Buffer, MessageSupport, Node, OK, RclError, borrowed, c_string, done, making, sys};
use crate::PublisherId;
use crate::inbox::lock;
use crate::qos::{Durability, Qos, Reliability};

/// What a queue of the middleware holds at least: messages wait there only until the carrier's thread moves them to the
/// inbox, whose depth is the one that counts.
const SLACK: usize = 64;

fn profile(mut qos: sys::rmw_qos_profile_t, wanted: Qos, depth: usize) -> sys::rmw_qos_profile_t {
    use sys::rmw_qos_durability_policy_e as durability;
    use sys::rmw_qos_history_policy_e as history;
    use sys::rmw_qos_reliability_policy_e as reliability;
    qos.history = history::RMW_QOS_POLICY_HISTORY_KEEP_LAST;
    qos.depth = depth;
    qos.reliability = match wanted.reliability {
        Reliability::Reliable => reliability::RMW_QOS_POLICY_RELIABILITY_RELIABLE,
        Reliability::BestEffort => reliability::RMW_QOS_POLICY_RELIABILITY_BEST_EFFORT,
    };
    if let Some(lifespan) = wanted.lifespan {
        qos.lifespan.sec = lifespan.as_secs();
        qos.lifespan.nsec = u64::from(lifespan.subsec_nanos());
    }
    qos.durability = match wanted.durability {
        Durability::Volatile => durability::RMW_QOS_POLICY_DURABILITY_VOLATILE,
        Durability::TransientLocal => durability::RMW_QOS_POLICY_DURABILITY_TRANSIENT_LOCAL,
    };
    qos
}

fn id_of(gid: &sys::rmw_gid_t) -> PublisherId {
    // 24 bytes in older distributions, of which DDS fills 16.
    let mut id = [0; 16];
    id.copy_from_slice(&gid.data[..16]);
    PublisherId(id)
}

/// Sends bytes on a topic.
pub(in super::super) struct Publisher {
    publisher: UnsafeCell<sys::rcl_publisher_t>,
    id: PublisherId,
    node: Arc<Node>,
}

// SAFETY: rcl's publishing and counting are safe from several threads; the rest holds `MAKING`.
unsafe impl Send for Publisher {}
unsafe impl Sync for Publisher {}

impl Publisher {
    pub(in super::super) fn new(
        node: &Arc<Node>,
        topic: &str,
        support: MessageSupport,
        qos: Qos,
    ) -> Result<Self, RclError> {
        let topic = c_string(topic)?;
        let making = making();
        // SAFETY: zero-initialised by rcl, made once, unmade in `drop`; the string lives during the call.
        unsafe {
            let publisher = UnsafeCell::new(sys::rcl_get_zero_initialized_publisher());
            let mut options = sys::rcl_publisher_get_default_options();
            let depth = match qos.durability {
                // A burst must not overwrite itself before it is sent.
                Durability::Volatile => qos.capacity().max(SLACK),
                Durability::TransientLocal => qos.capacity(),
            };
            options.qos = profile(options.qos, qos, depth);
            let handle = publisher.get();
            done(sys::rcl_publisher_init(
                handle,
                node.handle(),
                support.handle(),
                topic.as_ptr(),
                &options,
            ))?;
            let mut made = Self { publisher, id: PublisherId([0; 16]), node: node.clone() };
            let mut gid: sys::rmw_gid_t = std::mem::zeroed();
            let known =
                sys::rmw_get_gid_for_publisher(sys::rcl_publisher_get_rmw_handle(handle), &mut gid);
            if let Err(error) = done(known) {
                // Unmade by its own drop, which takes the lock.
                drop(making);
                return Err(error);
            }
            made.id = id_of(&gid);
            Ok(made)
        }
    }

    pub(in super::super) fn id(&self) -> PublisherId {
        self.id
    }

    pub(in super::super) fn publish(&self, bytes: &[u8]) -> Result<(), RclError> {
        let message = borrowed(bytes);
        // SAFETY: the bytes live during the call, which only reads them.
        done(unsafe {
            sys::rcl_publish_serialized_message(
                self.publisher.get(),
                &message,
                std::ptr::null_mut(),
            )
        })
    }

    pub(in super::super) fn subscriptions(&self) -> usize {
        let mut count = 0;
        // SAFETY: reads a count.
        let code =
            unsafe { sys::rcl_publisher_get_subscription_count(self.publisher.get(), &mut count) };
        if code == OK { count } else { 0 }
    }
}

impl Drop for Publisher {
    fn drop(&mut self) {
        let _making = making();
        // SAFETY: made by `new` on this node.
        let code = unsafe { sys::rcl_publisher_fini(self.publisher.get(), self.node.handle()) };
        if let Err(error) = done(code) {
            tracing::debug!(%error, "a ROS 2 publisher did not end well");
        }
    }
}

/// Takes bytes from a topic.
pub(in super::super) struct Subscription {
    subscription: UnsafeCell<sys::rcl_subscription_t>,
    buffer: Mutex<Buffer>,
    node: Arc<Node>,
}

// SAFETY: taking holds the buffer's lock; counting is safe from any thread; the rest holds `MAKING`.
unsafe impl Send for Subscription {}
unsafe impl Sync for Subscription {}

impl Subscription {
    pub(in super::super) fn new(
        node: &Arc<Node>,
        topic: &str,
        support: MessageSupport,
        qos: Qos,
    ) -> Result<Self, RclError> {
        let topic = c_string(topic)?;
        let _making = making();
        // SAFETY: as for a publisher.
        unsafe {
            let subscription = UnsafeCell::new(sys::rcl_get_zero_initialized_subscription());
            let mut options = sys::rcl_subscription_get_default_options();
            options.qos = profile(options.qos, qos, qos.capacity().max(SLACK));
            done(sys::rcl_subscription_init(
                subscription.get(),
                node.handle(),
                support.handle(),
                topic.as_ptr(),
                &options,
            ))?;
            let buffer = Mutex::new(Buffer::new());
            Ok(Self { subscription, buffer, node: node.clone() })
        }
    }

    pub(super) fn handle(&self) -> *const sys::rcl_subscription_t {
        self.subscription.get()
    }

    /// The next message that waits in the middleware, if any.
    pub(in super::super) fn take(&self) -> Result<Option<(Vec<u8>, PublisherId)>, RclError> {
        let mut buffer = lock(&self.buffer);
        // SAFETY: rcl fills the buffer, which grows by its own allocator, and the info.
        let (code, info) = unsafe {
            let mut info = sys::rmw_get_zero_initialized_message_info();
            let code = sys::rcl_take_serialized_message(
                self.subscription.get(),
                &mut buffer.0,
                &mut info,
                std::ptr::null_mut(),
            );
            (code, info)
        };
        if code == sys::RCL_RET_SUBSCRIPTION_TAKE_FAILED as i32 {
            return Ok(None);
        }
        done(code)?;
        Ok(Some((buffer.bytes().to_vec(), id_of(&info.publisher_gid))))
    }

    pub(in super::super) fn publishers(&self) -> usize {
        let mut count = 0;
        // SAFETY: reads a count.
        let code = unsafe {
            sys::rcl_subscription_get_publisher_count(self.subscription.get(), &mut count)
        };
        if code == OK { count } else { 0 }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let _making = making();
        // SAFETY: made by `new` on this node; the waiting thread holds no pointer to it any more.
        let code =
            unsafe { sys::rcl_subscription_fini(self.subscription.get(), self.node.handle()) };
        if let Err(error) = done(code) {
            tracing::debug!(%error, "a ROS 2 subscription did not end well");
        }
    }
}
