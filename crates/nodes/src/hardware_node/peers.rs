use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use sinew_bus::{BusNode, Subscription, names};
use sinew_hardware::ControlHandle;
use sinew_msgs::sinew_msgs::Heartbeat;
use sinew_msgs::std_msgs::Bool;
use sinew_types::BootId;

use crate::node::NodeError;

/// A node that gave no sign for this long in wall time no longer holds up simulated time.
const SILENT: Duration = Duration::from_secs(2);

/// Nodes whose heartbeat is listened to.
const NODES: [&str; 5] = ["perception", "skills", "connector", "planner", "teleop"];

/// The other nodes: whether they live, and in lock-step which tick they have handled.
pub(super) struct Peers {
    node: String,
    e_stop: Subscription<Bool>,
    heartbeats: BTreeMap<String, Subscription<Heartbeat>>,
    known: BTreeMap<String, Peer>,
    lock_step_with: Vec<String>,
    untold: Untold,
}

/// What the gate has not been told yet: of each process its newest sign of life only, however many came
/// while simulated time stood still.
#[derive(Default)]
struct Untold {
    e_stop: Option<bool>,
    lost: Vec<BootId>,
    alive: BTreeMap<String, BootId>,
}

/// What is known of a node that sends heartbeats.
struct Peer {
    boot_id: BootId,
    acknowledged: u64,
    heard: Instant,
}

impl Peers {
    pub(super) fn new(node: &BusNode, lock_step_with: Vec<String>) -> Result<Self, NodeError> {
        let failed = |error: &dyn std::fmt::Display| NodeError::new(node.name(), error);
        if let Some(unknown) = lock_step_with.iter().find(|name| !NODES.contains(&name.as_str())) {
            let known = NODES.join(", ");
            return Err(failed(&format!("lock_step_with: `{unknown}`; allowed: {known}")));
        }
        let mut heartbeats = BTreeMap::new();
        for peer in NODES {
            let subscription =
                node.subscription(&names::heartbeat(peer)).map_err(|e| failed(&e))?;
            heartbeats.insert(peer.to_owned(), subscription);
        }
        let e_stop = node.subscription(&names::E_STOP_HEARTBEAT).map_err(|e| failed(&e))?;
        Ok(Self {
            node: node.name().to_owned(),
            e_stop,
            heartbeats,
            known: BTreeMap::new(),
            lock_step_with,
            untold: Untold::default(),
        })
    }

    /// Takes what arrived. A remote emergency stop that is pressed acts at once; of the rest the gate hears
    /// by [`Peers::tell`].
    pub(super) fn listen(&mut self, handle: &mut ControlHandle) {
        while let Some(received) = self.e_stop.take() {
            let pressed = received.message.data;
            if pressed {
                handle.e_stop().note_remote_press();
            }
            self.untold.e_stop = Some(pressed);
        }
        for (name, subscription) in &self.heartbeats {
            while let Some(received) = subscription.take() {
                let boot_id = BootId(received.message.boot_id);
                if received.message.state == Heartbeat::STATE_FINALIZED {
                    // Nothing to wait for. What it holds is given up properly or found silent.
                    self.known.remove(name);
                    self.untold.alive.remove(name);
                    continue;
                }
                let replaced = self.known.get(name).filter(|peer| peer.boot_id != boot_id);
                self.untold.lost.extend(replaced.map(|peer| peer.boot_id));
                self.untold.alive.insert(name.clone(), boot_id);
                let peer = Peer {
                    boot_id,
                    acknowledged: received.message.tick_ack,
                    heard: Instant::now(),
                };
                self.known.insert(name.clone(), peer);
            }
        }
    }

    /// Passes on to the gate what [`Peers::listen`] and [`Peers::are_awaited`] have found, for its next tick.
    /// What the loop's queue has no room for waits for the next call.
    pub(super) fn tell(&mut self, handle: &mut ControlHandle) {
        let untold = &mut self.untold;
        if untold.e_stop.is_some_and(|pressed| handle.e_stop_heartbeat(pressed).is_ok()) {
            untold.e_stop = None;
        }
        untold.lost.retain(|boot_id| handle.peer_lost(*boot_id).is_err());
        untold.alive.retain(|_, boot_id| handle.heartbeat(*boot_id).is_err());
    }

    /// Whether a node that simulated time waits for has not handled tick `published` yet. One that
    /// went silent is given up, and the gate is told.
    pub(super) fn are_awaited(&mut self, published: u64) -> bool {
        let mut lost = None;
        for name in &self.lock_step_with {
            let Some(peer) = self.known.get(name) else { continue };
            // Before its first acknowledgement a node may not be connected to the ticks yet: it would
            // be waited for in vain.
            if peer.acknowledged >= published || peer.acknowledged == 0 {
                continue;
            }
            if peer.heard.elapsed() < SILENT {
                return true;
            }
            lost = Some(name.clone());
        }
        if let Some(name) = lost
            && let Some(peer) = self.known.remove(&name)
        {
            tracing::warn!(node = self.node, peer = name, "went silent");
            self.untold.alive.remove(&name);
            self.untold.lost.push(peer.boot_id);
        }
        false
    }
}
