//! The in-process carrier: a registry of typed queues. Everything happens in the caller's thread,
//! in a fixed order.

use std::any::Any;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use crate::inbox::{Inbox, lock};
use crate::message::Wire;
use crate::node::Endpoint;
use crate::qos::Durability;
use crate::service::{Call, ClientPort, Promise, REQUEST_DEPTH, Responder, ServerPort};
use crate::topic::{PublisherPort, SubscriptionPort};
use crate::waiter::Signal;
use crate::{BusError, GoalId, PeerNode, PublisherId, Received};

/// A name, its type, and the [`TopicHub`] or [`ServiceHub`] of that type.
struct Entry {
    type_name: String,
    hub: Arc<dyn Any + Send + Sync>,
}

type Registry = Mutex<BTreeMap<String, Entry>>;

/// All that nodes of one process share.
pub(crate) struct InProcess {
    topics: Registry,
    services: Registry,
    nodes: Mutex<BTreeMap<u64, PeerNode>>,
    /// Makes ids of nodes, endpoints and goals.
    counter: AtomicU64,
    signal: Arc<Signal>,
}

impl std::fmt::Debug for InProcess {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("InProcess").field("nodes", &self.nodes).finish_non_exhaustive()
    }
}

impl InProcess {
    pub(crate) fn new(signal: Arc<Signal>) -> Self {
        Self {
            topics: Mutex::default(),
            services: Mutex::default(),
            nodes: Mutex::default(),
            counter: AtomicU64::new(1),
            signal,
        }
    }

    pub(crate) fn peers(&self) -> Vec<PeerNode> {
        lock(&self.nodes).values().cloned().collect()
    }

    fn next_id(&self) -> u64 {
        self.counter.fetch_add(1, Ordering::Relaxed)
    }
}

/// The hub of a name, made on first use.
fn hub<H: Any + Default + Send + Sync>(
    registry: &Registry,
    endpoint: &Endpoint,
) -> Result<Arc<H>, BusError> {
    let mut registry = lock(registry);
    let entry = registry.entry(endpoint.name.clone()).or_insert_with(|| Entry {
        type_name: endpoint.type_info.name.clone(),
        hub: Arc::new(H::default()),
    });
    entry.hub.clone().downcast().map_err(|_| BusError::TypeMismatch {
        name: endpoint.name.clone(),
        expected: endpoint.type_info.name.clone(),
        actual: entry.type_name.clone(),
    })
}

/// A number as an id of 16 bytes, in the form of a UUID.
fn id_bytes(number: u64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    bytes
}

/// A message in a queue. Shared between subscriptions; the last one to take it gets it uncopied.
struct Sample<M> {
    message: Arc<M>,
    publisher: PublisherId,
}

impl<M> Clone for Sample<M> {
    fn clone(&self) -> Self {
        Self { message: self.message.clone(), publisher: self.publisher }
    }
}

/// What a live publisher keeps for late joiners.
struct Kept<M> {
    depth: usize,
    samples: VecDeque<Sample<M>>,
}

struct Topic<M> {
    subscriptions: BTreeMap<u64, Arc<Inbox<Sample<M>>>>,
    publishers: BTreeMap<u64, Kept<M>>,
}

struct TopicHub<M>(Mutex<Topic<M>>);

impl<M> Default for TopicHub<M> {
    fn default() -> Self {
        Self(Mutex::new(Topic { subscriptions: BTreeMap::new(), publishers: BTreeMap::new() }))
    }
}

type Pending<Q, R> = (Q, Promise<R>);

struct ServiceHub<Q, R> {
    /// Weak, so that requests go when their server goes.
    server: Mutex<Weak<Inbox<Pending<Q, R>>>>,
}

impl<Q, R> Default for ServiceHub<Q, R> {
    fn default() -> Self {
        Self { server: Mutex::new(Weak::new()) }
    }
}

/// A node's presence; its endpoints keep it.
pub(crate) struct Node {
    id: u64,
    core: Arc<InProcess>,
}

impl Node {
    pub(crate) fn join(core: &Arc<InProcess>, name: &str, namespace: &str) -> Self {
        let id = core.next_id();
        let namespace = if namespace.is_empty() { "/" } else { namespace };
        let peer = PeerNode { namespace: namespace.to_owned(), name: name.to_owned() };
        lock(&core.nodes).insert(id, peer);
        Self { id, core: core.clone() }
    }

    pub(crate) fn peers(&self) -> Vec<PeerNode> {
        self.core.peers()
    }

    pub(crate) fn new_goal_id(&self) -> GoalId {
        GoalId(id_bytes(self.core.next_id()))
    }

    pub(crate) fn publisher<M: Wire>(
        self: &Arc<Self>,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn PublisherPort<M>>, BusError> {
        let hub = hub::<TopicHub<M>>(&self.core.topics, endpoint)?;
        let id = self.core.next_id();
        let depth = match endpoint.qos.durability {
            Durability::Volatile => 0,
            Durability::TransientLocal => endpoint.qos.capacity(),
        };
        lock(&hub.0).publishers.insert(id, Kept { depth, samples: VecDeque::new() });
        Ok(Box::new(InPublisher { id, hub, node: self.clone() }))
    }

    pub(crate) fn subscription<M: Wire>(
        self: &Arc<Self>,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn SubscriptionPort<M>>, BusError> {
        let hub = hub::<TopicHub<M>>(&self.core.topics, endpoint)?;
        let id = self.core.next_id();
        let inbox = Arc::new(Inbox::new(endpoint.qos.capacity()));
        let mut topic = lock(&hub.0);
        if endpoint.qos.durability == Durability::TransientLocal {
            for sample in topic.publishers.values().flat_map(|kept| &kept.samples) {
                inbox.push(sample.clone());
            }
        }
        topic.subscriptions.insert(id, inbox.clone());
        drop(topic);
        self.core.signal.notify();
        Ok(Box::new(InSubscription { id, hub, inbox, _node: self.clone() }))
    }

    pub(crate) fn server<Q: Wire, R: Wire>(
        self: &Arc<Self>,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn ServerPort<Q, R>>, BusError> {
        let hub = hub::<ServiceHub<Q, R>>(&self.core.services, endpoint)?;
        let inbox = Arc::new(Inbox::new(REQUEST_DEPTH));
        let mut server = lock(&hub.server);
        if server.strong_count() > 0 {
            return Err(BusError::ServerExists { name: endpoint.name.clone() });
        }
        *server = Arc::downgrade(&inbox);
        Ok(Box::new(InServer { inbox, _node: self.clone() }))
    }

    pub(crate) fn client<Q: Wire, R: Wire>(
        self: &Arc<Self>,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn ClientPort<Q, R>>, BusError> {
        let hub = hub::<ServiceHub<Q, R>>(&self.core.services, endpoint)?;
        Ok(Box::new(InClient {
            service: Arc::from(endpoint.name.as_str()),
            hub,
            node: self.clone(),
        }))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        lock(&self.core.nodes).remove(&self.id);
    }
}

struct InPublisher<M> {
    id: u64,
    hub: Arc<TopicHub<M>>,
    node: Arc<Node>,
}

impl<M: Wire> PublisherPort<M> for InPublisher<M> {
    fn publish(&self, message: &M) -> Result<(), BusError> {
        let mut topic = lock(&self.hub.0);
        let Topic { subscriptions, publishers } = &mut *topic;
        let kept = publishers.get_mut(&self.id).filter(|kept| kept.depth > 0);
        if subscriptions.is_empty() && kept.is_none() {
            return Ok(());
        }
        let sample = Sample { message: Arc::new(message.clone()), publisher: self.id() };
        for inbox in subscriptions.values() {
            inbox.push(sample.clone());
        }
        if let Some(kept) = kept {
            if kept.samples.len() >= kept.depth {
                kept.samples.pop_front();
            }
            kept.samples.push_back(sample);
        }
        drop(topic);
        self.node.core.signal.notify();
        Ok(())
    }

    fn id(&self) -> PublisherId {
        PublisherId(id_bytes(self.id))
    }

    fn subscriptions(&self) -> usize {
        lock(&self.hub.0).subscriptions.len()
    }
}

impl<M> Drop for InPublisher<M> {
    fn drop(&mut self) {
        lock(&self.hub.0).publishers.remove(&self.id);
    }
}

struct InSubscription<M> {
    id: u64,
    hub: Arc<TopicHub<M>>,
    inbox: Arc<Inbox<Sample<M>>>,
    _node: Arc<Node>,
}

impl<M: Wire> SubscriptionPort<M> for InSubscription<M> {
    fn take(&self) -> Option<Received<M>> {
        let Sample { message, publisher } = self.inbox.pop()?;
        Some(Received { message: Arc::unwrap_or_clone(message), publisher })
    }

    fn dropped(&self) -> u64 {
        self.inbox.dropped()
    }

    fn undecodable(&self) -> u64 {
        0
    }

    fn publishers(&self) -> usize {
        lock(&self.hub.0).publishers.len()
    }
}

impl<M> Drop for InSubscription<M> {
    fn drop(&mut self) {
        lock(&self.hub.0).subscriptions.remove(&self.id);
    }
}

struct InServer<Q, R> {
    inbox: Arc<Inbox<Pending<Q, R>>>,
    _node: Arc<Node>,
}

impl<Q: Wire, R: Wire> ServerPort<Q, R> for InServer<Q, R> {
    fn take(&self) -> Option<(Q, Responder<R>)> {
        let (request, promise) = self.inbox.pop()?;
        let responder: Responder<R> = Box::new(move |response| {
            promise.fill(Ok(response));
            Ok(())
        });
        Some((request, responder))
    }

    fn undecodable(&self) -> u64 {
        0
    }
}

struct InClient<Q, R> {
    service: Arc<str>,
    hub: Arc<ServiceHub<Q, R>>,
    node: Arc<Node>,
}

impl<Q: Wire, R: Wire> ClientPort<Q, R> for InClient<Q, R> {
    fn call(&self, request: &Q, _deadline: bool) -> Call<R> {
        let (call, promise) = Call::open(self.service.clone(), self.node.core.signal.clone(), None);
        // Without a server the promise is dropped here, which says so.
        let server = lock(&self.hub.server).upgrade();
        if let Some(inbox) = server {
            inbox.push((request.clone(), promise));
            self.node.core.signal.notify();
        }
        call
    }

    fn server_available(&self) -> bool {
        lock(&self.hub.server).strong_count() > 0
    }
}
