//! A node: a name on the bus, and the endpoints that belong to it.

use std::sync::Arc;

use hiroz::TypeInfo;
use sinew_msgs::builtin_interfaces::Time;

use crate::action::{ActionClient, ActionServer, GoalId};
#[cfg(feature = "ros2")]
use crate::carrier::ros2::Ros2Node;
use crate::carrier::zenoh::ZenohNode;
use crate::carrier::{Carrier, in_process};
use crate::message::Wire;
use crate::names::{ActionName, ServiceName, Topic};
use crate::service::{ClientPort, ServerPort, ServiceClient, ServiceServer};
use crate::topic::{Publisher, PublisherPort, Subscription, SubscriptionPort};
use crate::{Action, Bus, BusError, Message, PeerNode, Qos, Service, TypeMismatch, resolve};

/// What every carrier must know of an endpoint.
#[derive(Debug, Clone)]
pub(crate) struct Endpoint {
    /// The full name.
    pub(crate) name: String,
    pub(crate) type_info: TypeInfo,
    pub(crate) qos: Qos,
}

/// A node's presence on its carrier.
enum Presence {
    InProcess(Arc<in_process::Node>),
    Zenoh(Arc<ZenohNode>),
    #[cfg(feature = "ros2")]
    Ros2(Arc<Ros2Node>),
}

struct Inner {
    name: String,
    /// "" or "/a/b".
    namespace: String,
    /// Full names, from and to.
    remaps: Vec<(String, String)>,
    presence: Presence,
}

/// A node. Clones share it; it leaves the bus when the last clone and the last of its endpoints are
/// gone.
#[derive(Clone)]
pub struct BusNode {
    inner: Arc<Inner>,
}

impl BusNode {
    pub(crate) fn join(
        carrier: &Carrier,
        name: &str,
        namespace: String,
        remaps: Vec<(String, String)>,
    ) -> Result<Self, BusError> {
        let presence = match carrier {
            Carrier::InProcess(core) => {
                Presence::InProcess(Arc::new(in_process::Node::join(core, name, &namespace)))
            }
            Carrier::Zenoh(zenoh) => Presence::Zenoh(Arc::new(zenoh.join(name, &namespace)?)),
            #[cfg(feature = "ros2")]
            Carrier::Ros2(ros2) => Presence::Ros2(Arc::new(ros2.join(name, &namespace)?)),
        };
        let name = name.to_owned();
        Ok(Self { inner: Arc::new(Inner { name, namespace, remaps, presence }) })
    }

    /// The node's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.inner.name
    }

    /// The node's namespace: "/" or "/a/b".
    #[must_use]
    pub fn namespace(&self) -> &str {
        if self.inner.namespace.is_empty() { "/" } else { &self.inner.namespace }
    }

    /// Every node on the bus; see [`Bus::peers`].
    #[must_use]
    pub fn peers(&self) -> Vec<PeerNode> {
        match &self.inner.presence {
            Presence::InProcess(node) => node.peers(),
            Presence::Zenoh(node) => node.peers(),
            #[cfg(feature = "ros2")]
            Presence::Ros2(node) => node.peers(),
        }
    }

    /// Endpoints of other nodes that do not hear this one's, nor are heard, since their types differ. On zenoh; in-process
    /// such an endpoint cannot be made, and what the ROS 2 carrier's middleware does with one is its own.
    #[must_use]
    pub fn type_mismatches(&self) -> Vec<TypeMismatch> {
        match &self.inner.presence {
            Presence::Zenoh(node) => node.type_mismatches(),
            _ => Vec::new(),
        }
    }

    /// Sends on a topic.
    ///
    /// # Errors
    /// [`BusError::InvalidName`], [`BusError::TypeMismatch`] (in-process), [`BusError::Carrier`].
    pub fn publisher<M: Message>(&self, topic: &Topic<M>) -> Result<Publisher<M>, BusError> {
        let endpoint = self.endpoint(&topic.name, M::type_info(), topic.qos)?;
        Ok(Publisher::new(endpoint.name.clone(), self.open_publisher(&endpoint)?))
    }

    /// Receives from a topic.
    ///
    /// # Errors
    /// As [`Self::publisher`].
    pub fn subscription<M: Message>(&self, topic: &Topic<M>) -> Result<Subscription<M>, BusError> {
        let endpoint = self.endpoint(&topic.name, M::type_info(), topic.qos)?;
        Ok(Subscription::new(endpoint.name.clone(), self.open_subscription(&endpoint)?))
    }

    /// Serves a service.
    ///
    /// # Errors
    /// As [`Self::publisher`], and [`BusError::ServerExists`] (in-process).
    pub fn service_server<S: Service>(
        &self,
        service: &ServiceName<S>,
    ) -> Result<ServiceServer<S>, BusError> {
        let endpoint = self.endpoint(&service.name, S::type_info(), Qos::DEFAULT)?;
        Ok(ServiceServer::new(endpoint.name.clone(), self.open_server(&endpoint)?))
    }

    /// Calls a service.
    ///
    /// # Errors
    /// As [`Self::publisher`].
    pub fn service_client<S: Service>(
        &self,
        service: &ServiceName<S>,
    ) -> Result<ServiceClient<S>, BusError> {
        let endpoint = self.endpoint(&service.name, S::type_info(), Qos::DEFAULT)?;
        Ok(ServiceClient::new(endpoint.name.clone(), self.open_client(&endpoint)?))
    }

    /// Serves an action.
    ///
    /// # Errors
    /// As [`Self::service_server`].
    pub fn action_server<A: Action>(
        &self,
        action: &ActionName<A>,
    ) -> Result<ActionServer<A>, BusError> {
        ActionServer::open(self, &action.name)
    }

    /// Sends goals to an action.
    ///
    /// # Errors
    /// As [`Self::publisher`].
    pub fn action_client<A: Action>(
        &self,
        action: &ActionName<A>,
    ) -> Result<ActionClient<A>, BusError> {
        ActionClient::open(self, &action.name)
    }

    /// The full name that a relative name has for this node, remaps applied.
    ///
    /// # Errors
    /// [`BusError::InvalidName`].
    pub fn resolve(&self, name: &str) -> Result<String, BusError> {
        let full = resolve::full_name(&self.inner.namespace, &self.inner.name, name)?;
        let remapped = self.inner.remaps.iter().find(|(from, _)| *from == full);
        Ok(remapped.map_or(full, |(_, to)| to.clone()))
    }

    pub(crate) fn endpoint(
        &self,
        name: &str,
        type_info: TypeInfo,
        qos: Qos,
    ) -> Result<Endpoint, BusError> {
        Ok(Endpoint { name: self.resolve(name)?, type_info, qos })
    }

    pub(crate) fn open_publisher<M: Wire>(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn PublisherPort<M>>, BusError> {
        match &self.inner.presence {
            Presence::InProcess(node) => node.publisher(endpoint),
            Presence::Zenoh(node) => node.publisher(endpoint),
            #[cfg(feature = "ros2")]
            Presence::Ros2(node) => node.publisher(endpoint),
        }
    }

    pub(crate) fn open_subscription<M: Wire>(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn SubscriptionPort<M>>, BusError> {
        match &self.inner.presence {
            Presence::InProcess(node) => node.subscription(endpoint),
            Presence::Zenoh(node) => node.subscription(endpoint),
            #[cfg(feature = "ros2")]
            Presence::Ros2(node) => node.subscription(endpoint),
        }
    }

    pub(crate) fn open_server<Q: Wire, R: Wire>(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn ServerPort<Q, R>>, BusError> {
        match &self.inner.presence {
            Presence::InProcess(node) => node.server(endpoint),
            Presence::Zenoh(node) => node.server(endpoint),
            #[cfg(feature = "ros2")]
            Presence::Ros2(node) => node.server(endpoint),
        }
    }

    pub(crate) fn open_client<Q: Wire, R: Wire>(
        &self,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn ClientPort<Q, R>>, BusError> {
        match &self.inner.presence {
            Presence::InProcess(node) => node.client(endpoint),
            Presence::Zenoh(node) => node.client(endpoint),
            #[cfg(feature = "ros2")]
            Presence::Ros2(node) => node.client(endpoint),
        }
    }

    /// Goal ids count up in-process, so that runs repeat; between processes they are random UUIDs.
    pub(crate) fn new_goal_id(&self) -> GoalId {
        match &self.inner.presence {
            Presence::InProcess(node) => node.new_goal_id(),
            _ => GoalId(*hiroz::action::GoalId::new().as_bytes()),
        }
    }

    /// The time that actions stamp goals with: none in-process, where wall time must not leak in.
    pub(crate) fn clock(&self) -> fn() -> Time {
        match &self.inner.presence {
            Presence::InProcess(_) => Time::default,
            _ => || {
                let now = hiroz::action::Time::now();
                Time { sec: now.sec, nanosec: now.nanosec }
            },
        }
    }
}

impl std::fmt::Debug for BusNode {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BusNode")
            .field("namespace", &self.namespace())
            .field("name", &self.inner.name)
            .finish_non_exhaustive()
    }
}

// An executor may move nodes to threads and share the bus between them.
const _: fn() = || {
    fn shareable<T: Send + Sync>() {}
    shareable::<Bus>();
    shareable::<BusNode>();
    shareable::<Publisher<sinew_msgs::std_msgs::Bool>>();
    shareable::<Subscription<sinew_msgs::std_msgs::Bool>>();
    shareable::<ServiceServer<sinew_msgs::std_srvs::srv::Trigger>>();
    shareable::<ServiceClient<sinew_msgs::std_srvs::srv::Trigger>>();
    shareable::<ActionServer<sinew_msgs::sinew_msgs::action::ExecuteSkill>>();
    shareable::<ActionClient<sinew_msgs::sinew_msgs::action::ExecuteSkill>>();
};
