use std::time::Instant;

use sinew_bus::{BusError, BusNode, Publisher, names};
use sinew_msgs::sinew_msgs::Heartbeat;
use sinew_types::{BootId, Time};

use crate::convert::duration_to_msg;
use crate::type_watch::TypeWatch;

/// How often a node says that it lives, on the system's clock.
const PERIOD: std::time::Duration = std::time::Duration::from_millis(100);

/// Says at 10 Hz that a node lives, and in lock-step which tick it has handled.
pub(crate) struct Heart {
    publisher: Publisher<Heartbeat>,
    node: String,
    boot_id: BootId,
    started: Instant,
    seq: u64,
    last: Option<(Time, u64)>,
    last_wall: Instant,
    types: TypeWatch,
}

impl Heart {
    pub(crate) fn new(node: &BusNode, name: &str, boot_id: BootId) -> Result<Self, BusError> {
        Ok(Self {
            publisher: node.publisher(&names::heartbeat(name))?,
            node: name.into(),
            boot_id,
            started: Instant::now(),
            seq: 0,
            last: None,
            last_wall: Instant::now(),
            types: TypeWatch::new(node),
        })
    }

    pub(crate) fn boot_id(&self) -> BootId {
        self.boot_id
    }

    /// Beats if one is due, or if `tick` was handled since the last beat.
    pub(crate) fn beat(&mut self, now: Time, tick: u64) -> Result<(), BusError> {
        if let Some((at, last_tick)) = self.last
            && now.since(at) < PERIOD
            && tick == last_tick
        {
            return Ok(());
        }
        self.last = Some((now, tick));
        self.say(Heartbeat::STATE_ACTIVE, tick)
    }

    /// Beats by wall time, and says again which tick was handled last: while the system's clock
    /// stands still this node must not be taken for a dead one, and an acknowledgement that was lost
    /// on the way would keep the clock standing.
    pub(crate) fn keep_alive(&mut self) -> Result<(), BusError> {
        if self.last_wall.elapsed() < PERIOD {
            return Ok(());
        }
        self.say(Heartbeat::STATE_ACTIVE, self.last.map_or(0, |(_, tick)| tick))
    }

    fn say(&mut self, state: u8, tick_ack: u64) -> Result<(), BusError> {
        self.last_wall = Instant::now();
        self.types.look();
        self.seq += 1;
        self.publisher.publish(&Heartbeat {
            node: self.node.clone(),
            seq: self.seq,
            boot_id: self.boot_id.0,
            state,
            monotonic: duration_to_msg(self.started.elapsed()),
            tick_ack,
        })
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        // Others need not wait for it, as they would for one that is only silent. If this is lost, they will.
        let _ = self.say(Heartbeat::STATE_FINALIZED, 0);
    }
}
