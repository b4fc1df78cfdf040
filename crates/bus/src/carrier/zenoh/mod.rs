//! The zenoh carrier, on the wire of ROS 2's rmw_zenoh. hiroz gives that wire's parts (key
//! expressions, liveliness tokens, attachments, the graph); the endpoints are declared here, because
//! this API needs what hiroz's own hide: publisher ids, drop counts, query time-outs, and calls
//! without an async runtime.

mod config;
mod service;
mod topic;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use hiroz::Builder;
use hiroz::attachment::{Attachment, GidArray};
use hiroz::context::{ZContext, ZContextBuilder};
use hiroz::entity::{EndpointEntity, EndpointKind, Entity, TypeHash, TypeInfo, endpoint_gid};
use hiroz::graph::Graph;
use hiroz::node::ZNode;
use zenoh::Wait;
use zenoh::bytes::ZBytes;
use zenoh::key_expr::KeyExpr;
use zenoh::liveliness::LivelinessToken;

pub use config::{ZenohConfig, ZenohMode, ZenohRouter};

use crate::inbox::lock;
use crate::node::Endpoint;
use crate::qos::{Durability, Reliability};
use crate::waiter::Signal;
use crate::{BusError, PeerNode, Qos, TypeMismatch};

type ZenohError = Box<dyn std::error::Error + Send + Sync>;

/// Makes a [`BusError::Carrier`] of a zenoh error.
fn failed(action: &'static str, subject: &str) -> impl FnOnce(ZenohError) -> BusError {
    let subject = subject.to_owned();
    move |source| BusError::Carrier { carrier: "zenoh", action, subject, source }
}

/// One session.
pub(crate) struct Zenoh {
    context: ZContext,
    signal: Arc<Signal>,
    call_timeout: Duration,
}

impl std::fmt::Debug for Zenoh {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Zenoh").field("context", &self.context).finish_non_exhaustive()
    }
}

impl Zenoh {
    pub(crate) fn open(config: ZenohConfig, signal: Arc<Signal>) -> Result<Self, BusError> {
        let subject = config.to_string();
        let context = config
            .session()
            .and_then(|session| {
                ZContextBuilder::default()
                    .with_domain_id(config.domain_id)
                    .with_zenoh_config(session)
                    .build()
            })
            .map_err(failed("open session", &subject))?;
        Ok(Self { context, signal, call_timeout: config.call_timeout })
    }

    pub(crate) fn peers(&self) -> Vec<PeerNode> {
        peers(self.context.graph())
    }

    pub(crate) fn join(&self, name: &str, namespace: &str) -> Result<ZenohNode, BusError> {
        let node = self
            .context
            .create_node(name)
            .with_namespace(namespace)
            .without_parameters()
            .build()
            .map_err(failed("join as node", name))?;
        Ok(ZenohNode {
            node,
            signal: self.signal.clone(),
            call_timeout: self.call_timeout,
            endpoints: Mutex::default(),
        })
    }
}

fn peers(graph: &Graph) -> Vec<PeerNode> {
    let names = graph.get_node_names().into_iter();
    names.map(|(name, namespace)| PeerNode { namespace, name }).collect()
}

/// A node's presence; its endpoints keep it.
pub(crate) struct ZenohNode {
    node: ZNode,
    signal: Arc<Signal>,
    call_timeout: Duration,
    /// What it has declared, also what it has given up since.
    endpoints: Mutex<Vec<(EndpointKind, String, TypeInfo)>>,
}

impl ZenohNode {
    /// Endpoints of others that ours would talk to if they had the same type.
    pub(crate) fn type_mismatches(&self) -> Vec<TypeMismatch> {
        let graph = self.node.graph();
        let mut all = Vec::new();
        for (kind, name, ours) in lock(&self.endpoints).iter() {
            let others = match kind {
                EndpointKind::Publisher => {
                    graph.get_entities_by_topic(EndpointKind::Subscription, name)
                }
                EndpointKind::Subscription => {
                    graph.get_entities_by_topic(EndpointKind::Publisher, name)
                }
                EndpointKind::Service => graph.get_entities_by_service(EndpointKind::Client, name),
                EndpointKind::Client => graph.get_entities_by_service(EndpointKind::Service, name),
            };
            for other in others {
                let Entity::Endpoint(other) = &*other else { continue };
                // A distribution that knows no hashes says so by a hash of zeros.
                let Some(theirs) = other.type_info.clone().filter(|t| t.hash != TypeHash::zero())
                else {
                    continue;
                };
                if theirs != *ours {
                    let node = other.node.as_ref().map_or_else(String::new, |node| {
                        format!("{}/{}", node.namespace.trim_end_matches('/'), node.name)
                    });
                    all.push(TypeMismatch { name: name.clone(), node, ours: ours.clone(), theirs });
                }
            }
        }
        all
    }

    pub(crate) fn peers(&self) -> Vec<PeerNode> {
        peers(self.node.graph())
    }

    /// Key expression, identity and token of an endpoint.
    fn declare(&self, kind: EndpointKind, endpoint: &Endpoint) -> Result<Declared, BusError> {
        let entity = EndpointEntity {
            id: self.node.counter().increment(),
            node: Some(self.node.node_entity().clone()),
            kind,
            topic: endpoint.name.clone(),
            type_info: Some(endpoint.type_info.clone()),
            qos: to_hiroz(endpoint.qos).to_protocol_qos(),
        };
        let format = self.node.keyexpr_format();
        let key = format.topic_key_expr(&entity).map_err(failed("name", &endpoint.name))?;
        let gid = endpoint_gid(&entity).unwrap_or_default();
        let known = (kind, endpoint.name.clone(), endpoint.type_info.clone());
        let mut endpoints = lock(&self.endpoints);
        if !endpoints.contains(&known) {
            endpoints.push(known);
        }
        Ok(Declared { key: (*key).clone(), gid, entity })
    }

    /// Announces an endpoint; after the endpoint itself, so that who sees it can reach it.
    fn announce(&self, declared: &Declared) -> Result<LivelinessToken, BusError> {
        let session = self.node.session();
        let subject = &declared.entity.topic;
        let key = self
            .node
            .keyexpr_format()
            .liveliness_key_expr(&declared.entity, &session.zid())
            .map_err(failed("announce", subject))?;
        session
            .liveliness()
            .declare_token((*key).clone())
            .wait()
            .map_err(failed("announce", subject))
    }

    fn count(&self, kind: EndpointKind, name: &str) -> usize {
        self.node.graph().count(kind, name)
    }
}

struct Declared {
    key: KeyExpr<'static>,
    gid: GidArray,
    entity: EndpointEntity,
}

/// The attachment of a sample or query, if it has one that can be read.
fn attachment(bytes: Option<&ZBytes>) -> Option<Attachment> {
    bytes.and_then(|bytes| Attachment::try_from(bytes).ok())
}

fn to_hiroz(qos: Qos) -> hiroz::qos::QosProfile {
    hiroz::qos::QosProfile {
        reliability: match qos.reliability {
            Reliability::Reliable => hiroz::qos::QosReliability::Reliable,
            Reliability::BestEffort => hiroz::qos::QosReliability::BestEffort,
        },
        durability: match qos.durability {
            Durability::Volatile => hiroz::qos::QosDurability::Volatile,
            Durability::TransientLocal => hiroz::qos::QosDurability::TransientLocal,
        },
        history: hiroz::qos::QosHistory::from_depth(qos.capacity()),
        lifespan: qos.lifespan.map_or(hiroz::qos::QosDuration::INFINITE, |lifespan| {
            hiroz::qos::QosDuration {
                sec: lifespan.as_secs(),
                nsec: u64::from(lifespan.subsec_nanos()),
            }
        }),
        ..hiroz::qos::QosProfile::default()
    }
}
