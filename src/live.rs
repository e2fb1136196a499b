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

    /// Publishes a new policy; answers the generation that it is the first of. Of the address sets only those stay that
    /// come from where it takes them.
    pub fn publish_policy(&self, policy: Policy) -> u64 {
        self.publish(|world| {
            let stays = |name: &str| policy.ranges.origin(name) == world.policy.ranges.origin(name);
            let sets = world.sets.iter().filter(|(name, _)| stays(name));
            let sets = Arc::new(sets.map(|(name, set)| (name.clone(), set.clone())).collect());
            World { policy: Arc::new(policy), sets, ..world }
        })
    }

    fn publish(&self, change: impl FnOnce(World) -> World) -> u64 {
        let _writing = self.writing.lock();
        let old = World::clone(&self.world.load());
        let generation = old.generation + 1;
        self.world.store(Arc::new(World { generation, ..change(old) }));
        generation
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::Ranges;
    use crate::prefix_set::PrefixSet;
    use crate::ranges::feed::{Feed, INTERVAL, Origin, Wanted};
    use crate::ranges::list::Form;

    fn policy(feeds: &[(&str, &str, bool)], github: &[bool]) -> Policy {
        let wanted = |name: &str, allow_private| Wanted { name: name.to_owned(), form: Form::Text, allow_private };
        let feed = |(name, file, allow_private): &(&str, &str, bool)| Feed {
            name: (*name).to_owned(),
            origin: Origin::File(file.into()),
            interval: INTERVAL,
            lists: vec![wanted(name, *allow_private)],
        };
        let github = github.iter().map(|allow_private| wanted("actions", *allow_private)).collect();
        Policy { ranges: Ranges { github, feeds: feeds.iter().map(feed).collect() }, ..Policy::default() }
    }

    /// The name of a list says nothing of who is in it.
    #[test]
    fn a_policy_is_never_seen_with_a_list_that_came_from_elsewhere() {
        let old =
            [("stays", "a", false), ("moves", "b", false), ("changes its rules", "c", false), ("goes", "d", false)];
        let new =
            [("stays", "a", false), ("moves", "a", false), ("changes its rules", "c", true), ("comes", "d", false)];
        let live = Live::new(policy(&old, &[false]));
        let names = ["actions", "changes its rules", "goes", "moves", "stays"];
        let sets = names.map(|name| (name.to_owned(), Arc::new(PrefixSet::default())));
        live.publish_sets(Arc::new(sets.into()));
        let held = || live.load().sets.keys().cloned().collect::<Vec<_>>();
        assert_eq!((live.publish_policy(policy(&old, &[false])), held()), (3, names.map(str::to_owned).to_vec()));
        assert_eq!((live.publish_policy(policy(&new, &[false])), held()), (4, vec!["actions".into(), "stays".into()]));
        assert_eq!((live.publish_policy(policy(&new, &[true])), held()), (5, vec!["stays".to_owned()]));
    }
}
