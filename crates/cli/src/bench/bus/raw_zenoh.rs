use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use sinew_bus::ZenohConfig;
use zenoh::Wait;
use zenoh::bytes::ZBytes;
use zenoh::pubsub::{Publisher, Subscriber};
use zenoh::qos::CongestionControl;

use super::hop::{Hop, WITHIN, free_endpoint};

/// The floor: a put of zenoh's own between two sessions, as the carrier configures it, taken by a thread of the
/// receiver's.
pub(super) struct RawZenoh {
    publisher: Publisher<'static>,
    payload: Vec<u8>,
    received: Receiver<Instant>,
    _subscriber: Subscriber<()>,
    _sessions: [zenoh::Session; 2],
}

impl RawZenoh {
    pub(super) fn open(size: usize) -> Result<Self> {
        let endpoint = free_endpoint()?;
        let to = open(&[&endpoint], &[])?;
        let from = open(&[], &[&endpoint])?;
        let (handed_over, taken) = channel::<ZBytes>();
        let subscriber = to
            .declare_subscriber("bench/hop")
            .callback(move |sample| drop(handed_over.send(sample.payload().clone())))
            .wait()
            .map_err(failed)?;
        let (sender, received) = channel();
        // As a node does, a thread of its own waits for what arrives.
        std::thread::spawn(move || {
            while let Ok(payload) = taken.recv() {
                drop(payload);
                if sender.send(Instant::now()).is_err() {
                    return;
                }
            }
        });
        let publisher = from
            .declare_publisher("bench/hop")
            .express(true)
            .congestion_control(CongestionControl::Block)
            .wait()
            .map_err(failed)?;
        let since = Instant::now();
        while !publisher.matching_status().wait().map_err(failed)?.matching() {
            if since.elapsed() > WITHIN {
                return Err(anyhow!("bare zenoh: publisher and subscriber do not see each other"));
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        let (payload, _sessions) = (vec![7; size], [from, to]);
        Ok(Self { publisher, payload, received, _subscriber: subscriber, _sessions })
    }
}

impl Hop for RawZenoh {
    fn send(&mut self) -> Result<Duration> {
        let sent = Instant::now();
        // A copy, since a message is encoded anew for each put.
        self.publisher.put(self.payload.clone()).wait().map_err(failed)?;
        let received =
            self.received.recv_timeout(WITHIN).context("bare zenoh: a message was lost")?;
        Ok(received.saturating_duration_since(sent))
    }
}

/// On the carrier's own settings. Zenoh's defaults would put long payloads into shared memory, which rmw_zenoh leaves
/// off, and so does the carrier.
fn open(listen: &[&str], connect: &[&str]) -> Result<zenoh::Session> {
    let owned = |endpoints: &[&str]| endpoints.iter().map(|&endpoint| endpoint.into()).collect();
    let config =
        ZenohConfig { listen: owned(listen), connect: owned(connect), ..ZenohConfig::default() };
    zenoh::open(config.session().map_err(failed)?).wait().map_err(failed)
}

fn failed(error: zenoh::Error) -> anyhow::Error {
    anyhow!("bare zenoh: {error}")
}
