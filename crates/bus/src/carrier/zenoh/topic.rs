//! Publishers and subscriptions on zenoh.

use std::marker::PhantomData;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use hiroz::attachment::Attachment;
use hiroz::entity::EndpointKind;
use sinew_msgs::cdr;
use zenoh::Wait;
use zenoh::bytes::ZBytes;
use zenoh::liveliness::LivelinessToken;
use zenoh::qos::CongestionControl;
use zenoh::sample::Sample;
use zenoh_ext::{
    AdvancedPublisher, AdvancedPublisherBuilderExt, AdvancedSubscriber,
    AdvancedSubscriberBuilderExt, CacheConfig, HistoryConfig, MissDetectionConfig, RecoveryConfig,
};

use super::{Declared, ZenohNode, attachment, failed};
use crate::inbox::Inbox;
use crate::message::Wire;
use crate::node::Endpoint;
use crate::qos::{Durability, Reliability};
use crate::topic::{PublisherPort, SubscriptionPort};
use crate::{BusError, PublisherId, Received};

/// How often a latched, reliable publisher says how far it is, so that subscriptions notice a loss.
/// As rmw_zenoh.
const HEARTBEAT: Duration = Duration::from_millis(500);

impl ZenohNode {
    pub(crate) fn publisher<M: Wire>(
        self: &Arc<Self>,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn PublisherPort<M>>, BusError> {
        let declared = self.declare(EndpointKind::Publisher, endpoint)?;
        let builder = self
            .node
            .session()
            .declare_publisher(declared.key.clone())
            .express(true)
            .congestion_control(match endpoint.qos.reliability {
                Reliability::Reliable => CongestionControl::Block,
                Reliability::BestEffort => CongestionControl::Drop,
            })
            .advanced();
        let builder = match endpoint.qos.durability {
            Durability::Volatile => builder,
            Durability::TransientLocal => {
                let builder = builder
                    .publisher_detection()
                    .cache(CacheConfig::default().max_samples(endpoint.qos.capacity()));
                match endpoint.qos.reliability {
                    Reliability::BestEffort => builder,
                    Reliability::Reliable => builder.sample_miss_detection(
                        MissDetectionConfig::default().sporadic_heartbeat(HEARTBEAT),
                    ),
                }
            }
        };
        let publisher = builder.wait().map_err(failed("declare publisher", &endpoint.name))?;
        let token = self.announce(&declared)?;
        Ok(Box::new(ZenohPublisher {
            declared,
            publisher,
            sequence: AtomicI64::new(1),
            length: AtomicUsize::new(256),
            _token: token,
            node: self.clone(),
            message: PhantomData,
        }))
    }

    pub(crate) fn subscription<M: Wire>(
        self: &Arc<Self>,
        endpoint: &Endpoint,
    ) -> Result<Box<dyn SubscriptionPort<M>>, BusError> {
        let declared = self.declare(EndpointKind::Subscription, endpoint)?;
        let inbox = Arc::new(Inbox::new(endpoint.qos.capacity()));
        let (filled, signal) = (inbox.clone(), self.signal.clone());
        let builder = self
            .node
            .session()
            .declare_subscriber(declared.key.clone())
            .callback(move |sample: Sample| {
                let publisher = attachment(sample.attachment()).map(|a| a.source_gid);
                filled.push((sample.payload().clone(), PublisherId(publisher.unwrap_or_default())));
                signal.notify();
            })
            .advanced();
        let builder = match endpoint.qos.durability {
            Durability::Volatile => builder,
            Durability::TransientLocal => {
                let history = HistoryConfig::default()
                    .detect_late_publishers()
                    .max_samples(endpoint.qos.capacity());
                let builder = builder.history(history).subscriber_detection();
                match endpoint.qos.reliability {
                    Reliability::BestEffort => builder,
                    Reliability::Reliable => {
                        builder.recovery(RecoveryConfig::default().heartbeat())
                    }
                }
            }
        };
        let subscriber = builder.wait().map_err(failed("declare subscription", &endpoint.name))?;
        let token = self.announce(&declared)?;
        Ok(Box::new(ZenohSubscription {
            name: endpoint.name.clone(),
            inbox,
            undecodable: AtomicU64::new(0),
            _subscriber: subscriber,
            _token: token,
            node: self.clone(),
            message: PhantomData,
        }))
    }
}

struct ZenohPublisher<M> {
    declared: Declared,
    publisher: AdvancedPublisher<'static>,
    sequence: AtomicI64,
    /// Bytes of the last message.
    length: AtomicUsize,
    _token: LivelinessToken,
    node: Arc<ZenohNode>,
    message: PhantomData<fn(&M)>,
}

impl<M: Wire> PublisherPort<M> for ZenohPublisher<M> {
    fn publish(&self, message: &M) -> Result<(), BusError> {
        let name = &self.declared.entity.topic;
        let payload = cdr::encode_sized(message, self.length.load(Ordering::Relaxed))
            .map_err(|source| BusError::Encode { name: name.clone(), source })?;
        self.length.store(payload.len(), Ordering::Relaxed);
        let sequence = self.sequence.fetch_add(1, Ordering::Relaxed);
        self.publisher
            .put(payload)
            .attachment(Attachment::new(sequence, self.declared.gid))
            .wait()
            .map_err(failed("publish on", name))
    }

    fn id(&self) -> PublisherId {
        PublisherId(self.declared.gid)
    }

    fn subscriptions(&self) -> usize {
        self.node.count(EndpointKind::Subscription, &self.declared.entity.topic)
    }
}

struct ZenohSubscription<M> {
    name: String,
    inbox: Arc<Inbox<(ZBytes, PublisherId)>>,
    undecodable: AtomicU64,
    _subscriber: AdvancedSubscriber<()>,
    _token: LivelinessToken,
    node: Arc<ZenohNode>,
    message: PhantomData<fn() -> M>,
}

impl<M: Wire> SubscriptionPort<M> for ZenohSubscription<M> {
    fn take(&self) -> Option<Received<M>> {
        loop {
            let (payload, publisher) = self.inbox.pop()?;
            match cdr::decode_shared(&payload.into()) {
                Ok(message) => return Some(Received { message, publisher }),
                Err(error) => {
                    self.undecodable.fetch_add(1, Ordering::Relaxed);
                    tracing::debug!(topic = self.name, %error, "message dropped");
                }
            }
        }
    }

    fn dropped(&self) -> u64 {
        self.inbox.dropped()
    }

    fn undecodable(&self) -> u64 {
        self.undecodable.load(Ordering::Relaxed)
    }

    fn publishers(&self) -> usize {
        self.node.count(EndpointKind::Publisher, &self.name)
    }
}
