//! The ROS 2 carrier: rcl over whatever middleware the sourced ROS 2 has. Messages cross as CDR, as on the other wire,
//! so that one set of structs serves both; type support comes from the sourced packages at run time.
//!
//! One thread waits for all endpoints of a bus and moves what arrived to their inboxes.

#[allow(unsafe_code)]
mod rcl;
mod service;
mod topic;

use std::ops::Deref;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::thread::JoinHandle;
use std::time::Duration;

use rcl::{Context, Node, RclError, WaitSet};
use service::{ClientEnd, ServerEnd};
use topic::SubscriptionEnd;

use crate::inbox::lock;
use crate::waiter::Signal;
use crate::{BusError, PeerNode};

/// How a process takes part in a ROS 2 network.
///
/// Fast DDS 3 should be told to match endpoints by the names of their types, which only a file of profiles can do, named by the
/// environment before the first bus is opened: `FASTDDS_DEFAULT_PROFILES_FILE` and `launch/fast_dds.xml`, which says why. The
/// program `sinew` does that itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ros2Config {
    /// ROS domain: nodes of other domains are not seen. `None`: `ROS_DOMAIN_ID`, or 0.
    pub domain_id: Option<usize>,
    /// Wall time after which a service call without a response fails. The wait for the result of an
    /// accepted goal has no limit.
    pub call_timeout: Duration,
}

impl Default for Ros2Config {
    fn default() -> Self {
        Self { domain_id: None, call_timeout: Duration::from_secs(10) }
    }
}

/// Makes a [`BusError::Carrier`] of an error of rcl.
fn failed(action: &'static str, subject: &str) -> impl FnOnce(RclError) -> BusError {
    let subject = subject.to_owned();
    move |error| BusError::Carrier { carrier: "ros2", action, subject, source: error.into() }
}

/// How long the thread waits at most before it looks which endpoints are left.
const LOOK_AROUND: Duration = Duration::from_secs(1);

/// What is taken from one endpoint before the others have their turn: a flood on one must not starve the rest.
const AT_ONCE: usize = 64;

/// A pause after a wait that failed, so that a broken middleware does not cost a whole core.
const AFTER_FAILURE: Duration = Duration::from_millis(100);

/// What the waiting thread serves; weak, so that an endpoint ends when its owner drops it.
#[derive(Default)]
struct Ends {
    subscriptions: Vec<Weak<SubscriptionEnd>>,
    clients: Vec<Weak<ClientEnd>>,
    servers: Vec<Weak<ServerEnd>>,
}

/// Those of a list that are left; the others are forgotten.
fn living<T>(ends: &mut Vec<Weak<T>>) -> Vec<Arc<T>> {
    let living: Vec<_> = ends.iter().filter_map(Weak::upgrade).collect();
    if living.len() < ends.len() {
        ends.retain(|end| end.strong_count() > 0);
    }
    living
}

struct Core {
    context: Arc<Context>,
    ends: Mutex<Ends>,
    is_over: AtomicBool,
    signal: Arc<Signal>,
}

impl Core {
    fn serve(&self) {
        let mut set = WaitSet::new(self.context.clone());
        while !self.is_over.load(Ordering::Acquire) {
            let (subscriptions, clients, servers) = {
                let mut ends = lock(&self.ends);
                let Ends { subscriptions, clients, servers } = &mut *ends;
                (living(subscriptions), living(clients), living(servers))
            };
            let subscription_handles: Vec<_> = subscriptions.iter().map(|s| s.handle()).collect();
            let client_handles: Vec<_> = clients.iter().map(|c| c.handle()).collect();
            let server_handles: Vec<_> = servers.iter().map(|s| s.handle()).collect();
            let waited =
                set.wait(&subscription_handles, &client_handles, &server_handles, LOOK_AROUND);
            if let Err(error) = waited {
                tracing::warn!(%error, "the ROS 2 carrier cannot wait for messages");
                std::thread::sleep(AFTER_FAILURE);
            }
            let mut has_arrived = false;
            servers.iter().for_each(|end| has_arrived |= end.take());
            subscriptions.iter().for_each(|end| has_arrived |= end.take());
            // These wake whoever waits for the answer themselves.
            clients.iter().for_each(|end| end.take());
            if has_arrived {
                self.signal.notify();
            }
        }
    }
}

/// Ends the thread when nobody needs it any more.
struct Thread {
    core: Arc<Core>,
    handle: Option<JoinHandle<()>>,
}

impl Drop for Thread {
    fn drop(&mut self) {
        self.core.is_over.store(true, Ordering::Release);
        self.core.context.wake();
        if let Some(handle) = self.handle.take() {
            // The thread itself may hold the last endpoint; then it ends on its own.
            if handle.thread().id() != std::thread::current().id() {
                let _ = handle.join();
            }
        }
    }
}

/// One participant.
pub(crate) struct Ros2 {
    thread: Arc<Thread>,
    nodes: Mutex<Vec<Weak<Node>>>,
    call_timeout: Duration,
}

impl std::fmt::Debug for Ros2 {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ros2").finish_non_exhaustive()
    }
}

impl Ros2 {
    pub(crate) fn open(config: &Ros2Config, signal: Arc<Signal>) -> Result<Self, BusError> {
        let domain = config.domain_id.map_or("ROS_DOMAIN_ID".to_owned(), |id| id.to_string());
        let context = Context::open(config.domain_id).map_err(failed("join domain", &domain))?;
        let core = Arc::new(Core {
            context,
            ends: Mutex::default(),
            is_over: AtomicBool::new(false),
            signal,
        });
        let served = core.clone();
        let handle = std::thread::Builder::new()
            .name("ros2".into())
            .spawn(move || served.serve())
            .map_err(|error| BusError::Carrier {
                carrier: "ros2",
                action: "start a thread for domain",
                subject: domain,
                source: error.into(),
            })?;
        let thread = Arc::new(Thread { core, handle: Some(handle) });
        Ok(Self { thread, nodes: Mutex::default(), call_timeout: config.call_timeout })
    }

    pub(crate) fn peers(&self) -> Vec<PeerNode> {
        let node = lock(&self.nodes).iter().find_map(Weak::upgrade);
        node.map_or_else(Vec::new, |node| peers(&node))
    }

    pub(crate) fn join(&self, name: &str, namespace: &str) -> Result<Ros2Node, BusError> {
        let node = Node::new(&self.thread.core.context, name, namespace)
            .map_err(failed("join as node", name))?;
        let node = Arc::new(node);
        let mut nodes = lock(&self.nodes);
        nodes.retain(|node| node.strong_count() > 0);
        nodes.push(Arc::downgrade(&node));
        Ok(Ros2Node { node, thread: self.thread.clone(), call_timeout: self.call_timeout })
    }
}

fn peers(node: &Node) -> Vec<PeerNode> {
    node.peers().unwrap_or_else(|error| {
        tracing::warn!(%error, "the ROS 2 graph cannot be read");
        Vec::new()
    })
}

/// A node's presence; its endpoints keep it.
pub(crate) struct Ros2Node {
    node: Arc<Node>,
    thread: Arc<Thread>,
    call_timeout: Duration,
}

impl Ros2Node {
    pub(crate) fn peers(&self) -> Vec<PeerNode> {
        peers(&self.node)
    }

    fn core(&self) -> &Core {
        &self.thread.core
    }
}

/// An endpoint that the thread serves, in the hands of its owner.
struct Owned<E> {
    end: Arc<E>,
    /// Dropped after the end.
    _wakes: Wakes,
}

impl<E> Owned<E> {
    fn new(node: &Arc<Ros2Node>, end: E, list: fn(&mut Ends) -> &mut Vec<Weak<E>>) -> Self {
        let end = Arc::new(end);
        list(&mut lock(&node.core().ends)).push(Arc::downgrade(&end));
        node.core().context.wake();
        Self { end, _wakes: Wakes(node.clone()) }
    }
}

impl<E> Deref for Owned<E> {
    type Target = Arc<E>;

    fn deref(&self) -> &Arc<E> {
        &self.end
    }
}

/// Wakes the thread when it is dropped, so that it lets go of what is gone before it waits again.
struct Wakes(Arc<Ros2Node>);

impl Drop for Wakes {
    fn drop(&mut self) {
        self.0.core().context.wake();
    }
}
