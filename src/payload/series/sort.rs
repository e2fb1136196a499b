//! Sorts labels by name in a time that is close to linear: eight bytes of the names are compared at once, and further
//! ones only where those are the same.

use super::names::FEW;
use super::work;
use std::ops::Range;

/// The number of a label; beside it is room for a part of its name.
pub(super) type Numbered = (u64, usize);

/// A range of labels whose names agree up to a depth.
pub(super) type Agreeing = (Range<usize>, usize);

/// Sorts labels by name; `open` is room for what is still to be sorted. No name holds a NUL.
pub(super) fn sort_by_name<'l>(labels: &mut [Numbered], open: &mut Vec<Agreeing>, name: impl Fn(usize) -> &'l [u8]) {
    if labels.len() <= FEW {
        work(labels.len());
        labels.iter_mut().for_each(|(key, at)| *key = eight(name(*at), 0));
        return labels
            .sort_unstable_by(|(one, at), (other, before)| one.cmp(other).then_with(|| name(*at).cmp(name(*before))));
    }
    open.clear();
    open.push((0..labels.len(), 0));
    while let Some((range, agreed)) = open.pop() {
        let mut from = range.start;
        let Some(part) = labels.get_mut(range) else { continue };
        let depth = agreed + common(part.iter().map(|(_, at)| name(*at).get(agreed..).unwrap_or_default()));
        work(part.len());
        for (key, at) in part.iter_mut() {
            *key = eight(name(*at), depth);
        }
        part.sort_unstable_by_key(|(key, _)| *key);
        for same in part.chunk_by(|(one, _), (other, _)| one == other) {
            // What has no further bytes is equal.
            if same.len() > 1 && same.iter().any(|(_, at)| name(*at).len() > depth + 8) {
                open.push((from..from + same.len(), depth + 8));
            }
            from += same.len();
        }
    }
}

/// How many bytes all of them begin with. Not more than a few are looked at, since they may be looked at again: names of
/// which one after the other parts from the rest.
fn common<'l>(mut names: impl Iterator<Item = &'l [u8]>) -> usize {
    const MOST: usize = 32;
    let mut front = names.next().map(|name| name.get(..MOST).unwrap_or(name)).unwrap_or_default();
    for name in names {
        let same = front.iter().zip(name).take_while(|(one, other)| one == other).count();
        work(same + 1);
        front = front.get(..same).unwrap_or_default();
        if front.is_empty() {
            break;
        }
    }
    front.len()
}

/// Eight bytes of a name, so that numbers compare as the texts do.
fn eight(name: &[u8], from: usize) -> u64 {
    let rest = name.get(from..).unwrap_or_default();
    if let Some(bytes) = rest.first_chunk() {
        return u64::from_be_bytes(*bytes);
    }
    rest.iter().fold(0, |key, byte| key << 8 | u64::from(*byte)) << (8 * (8 - rest.len())).min(63)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn many_names_are_sorted_as_few_are(
            names in proptest::collection::btree_set("(label_|a{0,17})[ab_0-9]{0,9}", 0..120),
            shift in 0..120_usize,
        ) {
            let names: Vec<String> = names.into_iter().collect();
            let mut labels: Vec<Numbered> = (0..names.len()).map(|at| (0, at)).collect();
            labels.rotate_left(shift % names.len().max(1));
            labels.reverse();
            sort_by_name(&mut labels, &mut Vec::new(), |at| names[at].as_bytes());
            prop_assert!(labels.iter().map(|(_, at)| *at).eq(0..names.len()), "{:?}", labels);
        }
    }
}
