//! The world that requests are judged by, and how a new one takes its place: whole, at once, between two requests.

use crate::policy::{IssuerKeys, NamedSets, Policy, World};
use arc_swap::ArcSwap;
use parking_lot::Mutex;
use std::sync::Arc;

/// The current world.
#[derive(Debug)]
pub struct Live {
    world: ArcSwap<World>,
    /// Writers read, change and store; two at once must not lose a change.
    writing: Mutex<()>,
}

impl Live {
    /// Starts with a policy and whatever sets are known already; generation 1.
    pub fn new(policy: Policy) -> Self {
        let world = World { policy: Arc::new(policy), sets: Arc::default(), keys: Arc::default(), generation: 1 };
        Self { world: ArcSwap::from_pointee(world), writing: Mutex::new(()) }
    }

    /// The world as it is now. A request loads it once.
    pub fn load(&self) -> Arc<World> {
        self.world.load_full()
    }

    /// Publishes new address sets.
    pub fn publish_sets(&self, sets: Arc<NamedSets>) {
        self.publish(|world| World { sets, ..world });
    }

    /// Publishes new signing keys.
    pub fn publish_keys(&self, keys: Arc<IssuerKeys>) {
        self.publish(|world| World { keys, ..world });
    }

    /// Publishes a new policy; answers the generation that it is the first of.
    pub fn publish_policy(&self, policy: Policy) -> u64 {
        self.publish(|world| World { policy: Arc::new(policy), ..world })
    }

    fn publish(&self, change: impl FnOnce(World) -> World) -> u64 {
        let _writing = self.writing.lock();
        let old = World::clone(&self.world.load());
        let generation = old.generation + 1;
        self.world.store(Arc::new(World { generation, ..change(old) }));
        generation
    }
}
