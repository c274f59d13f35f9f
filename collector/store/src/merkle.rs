//! The Merkle tree over the audit log's records (RFC 6962, section 2.1): one root stands for all of them, and a record is shown to be among
//! them by a few hashes.
//!
//! A leaf is the hash of a record. The tree is kept by its frontier: the roots of the whole subtrees it is made of, one for each bit of
//! its size, so that a record is added without reading those before it.

use ring::digest::{Context, SHA256, digest};

/// SHA-256.
pub type Hash = [u8; 32];

/// What stands for a record that is missing, where a log that was saved out of a damaged store has a gap.
pub const MISSING: Hash = [0; 32];

/// The leaf of a record, by the record's hash.
#[must_use]
pub fn leaf(record: &Hash) -> Hash {
    of_parts(0, record, &[])
}

fn node(left: &Hash, right: &Hash) -> Hash {
    of_parts(1, left, right)
}

fn of_parts(kind: u8, left: &[u8], right: &[u8]) -> Hash {
    let mut context = Context::new(&SHA256);
    context.update(&[kind]);
    context.update(left);
    context.update(right);
    of_digest(&context.finish())
}

fn of_digest(digest: &ring::digest::Digest) -> Hash {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest.as_ref());
    hash
}

/// A hash that is written as 64 hex digits; none where it is not.
#[must_use]
pub fn parse(text: &str) -> Option<Hash> {
    let mut hash = [0; 32];
    if text.len() != 64 || !text.is_ascii() {
        return None;
    }
    for (place, byte) in hash.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(2 * place..2 * place + 2)?, 16).ok()?;
    }
    Some(hash)
}

/// A tree, as far as it takes to add to it and to know its root.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    /// Roots of its whole subtrees, the largest first.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// How many leaves it has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Adds the leaf of a record.
    pub fn push(&mut self, record: &Hash) {
        let (mut hash, mut size) = (leaf(record), self.size);
        while size & 1 == 1 {
            if let Some(left) = self.peaks.pop() {
                hash = node(&left, &hash);
            }
            size >>= 1;
        }
        self.peaks.push(hash);
        self.size += 1;
    }

    /// The root; of an empty tree the hash of nothing.
    #[must_use]
    pub fn root(&self) -> Hash {
        let mut peaks = self.peaks.iter().rev();
        let Some(last) = peaks.next() else { return of_digest(&digest(&SHA256, &[])) };
        peaks.fold(*last, |right, left| node(left, &right))
    }

    /// The frontier as it is stored, with a checksum.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = self.peaks.concat();
        let checksum = crc32fast::hash(&bytes);
        bytes.extend(checksum.to_be_bytes());
        bytes
    }

    /// The frontier of a tree of this size; none where the bytes are not one.
    #[must_use]
    pub fn from_bytes(size: u64, bytes: &[u8]) -> Option<Self> {
        let (peaks, checksum) = bytes.split_last_chunk::<4>()?;
        if u32::from_be_bytes(*checksum) != crc32fast::hash(peaks) || peaks.len() != 32 * size.count_ones() as usize {
            return None;
        }
        let peaks = peaks.chunks_exact(32).filter_map(|peak| peak.try_into().ok()).collect();
        Some(Self { size, peaks })
    }
}

/// A whole tree, from which it is shown that a record is in it.
#[derive(Debug)]
pub struct Tree {
    /// Leaves first; a node without a neighbour stands on the next level as it is.
    levels: Vec<Vec<Hash>>,
}

impl Tree {
    /// The tree over these records, by their hashes.
    #[must_use]
    pub fn of(records: &[Hash]) -> Self {
        let mut levels = vec![records.iter().map(leaf).collect::<Vec<_>>()];
        while let Some(below) = levels.last().filter(|level| level.len() > 1) {
            let above = below.chunks(2).map(|pair| match pair {
                [left, right] => node(left, right),
                alone => alone.first().copied().unwrap_or(MISSING),
            });
            let above = above.collect();
            levels.push(above);
        }
        Self { levels }
    }

    /// The hashes that lead from a record, counted from 0, to the root (RFC 6962, section 2.1.1). Empty for one that is not there.
    #[must_use]
    pub fn proof(&self, index: usize) -> Vec<Hash> {
        let (mut path, mut index) = (Vec::new(), index);
        if self.levels.first().is_none_or(|leaves| index >= leaves.len()) {
            return path;
        }
        for level in self.levels.iter().filter(|level| level.len() > 1) {
            path.extend(level.get(index ^ 1));
            index /= 2;
        }
        path
    }

    /// The hashes that show that a tree of the first `size` records is the beginning of this one (RFC 9162, section 2.1.4.1). Empty where it is
    /// the whole, or no beginning of it.
    #[must_use]
    pub fn consistency(&self, size: usize) -> Vec<Hash> {
        let whole = self.levels.first().map_or(0, Vec::len);
        if size == 0 || size >= whole {
            return Vec::new();
        }
        // From the root down to where the smaller tree ends; what stands beside that way, from below.
        let (mut path, mut start, mut left, mut length, mut is_first) = (Vec::new(), 0, size, whole, true);
        while left < length {
            let half = length.next_power_of_two() / 2;
            if left <= half {
                path.extend(self.subtree(start + half, length - half));
                length = half;
            } else {
                path.extend(self.subtree(start, half));
                (start, left, length, is_first) = (start + half, left - half, length - half, false);
            }
        }
        if !is_first {
            path.extend(self.subtree(start, length));
        }
        path.reverse();
        path
    }

    /// The root of the subtree that begins with a leaf and has so many.
    fn subtree(&self, start: usize, length: usize) -> Option<Hash> {
        let level = length.next_power_of_two().trailing_zeros();
        self.levels.get(level as usize)?.get(start >> level).copied()
    }
}

/// Whether a tree of `first` leaves with one root is the beginning of one of `second` leaves with another (RFC 9162, section 2.1.4.2).
#[must_use]
pub fn is_beginning(first: (u64, &Hash), second: (u64, &Hash), proof: &[Hash]) -> bool {
    let ((first, first_root), (second, second_root)) = (first, second);
    if first == 0 || first > second {
        return false;
    }
    if first == second {
        return proof.is_empty() && first_root == second_root;
    }
    let own = first.is_power_of_two().then_some(first_root);
    let mut path = own.into_iter().chain(proof);
    let (mut at, mut last) = (first - 1, second - 1);
    let whole = at.trailing_ones();
    (at, last) = (at >> whole, last >> whole);
    let Some(begin) = path.next() else { return false };
    let (mut old, mut new) = (*begin, *begin);
    for neighbour in path {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            (old, new) = (node(neighbour, &old), node(neighbour, &new));
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            new = node(&new, neighbour);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    old == *first_root && new == *second_root && last == 0
}

/// The root that a record, counted from 0, and its proof lead to in a tree of this size (RFC 9162, section 2.1.3.2); none where the proof is
/// of another place.
#[must_use]
pub fn root_of(record: &Hash, index: u64, size: u64, proof: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last, mut root) = (index, size - 1, leaf(record));
    for neighbour in proof {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            root = node(neighbour, &root);
            while at & 1 == 0 && at != 0 {
                (at, last) = (at >> 1, last >> 1);
            }
        } else {
            root = node(&root, neighbour);
        }
        (at, last) = (at >> 1, last >> 1);
    }
    (last == 0).then_some(root)
}

#[cfg(test)]
mod tests {
    use ioc_common::encoding::hex;
    use proptest::prelude::*;

    use super::*;

    /// The root as RFC 6962 defines it.
    fn defined(leaves: &[Hash]) -> Hash {
        match leaves.len() {
            0 => of_digest(&digest(&SHA256, &[])),
            1 => leaf(&leaves[0]),
            n => {
                let left = n.next_power_of_two() / 2;
                node(&defined(&leaves[..left]), &defined(&leaves[left..]))
            }
        }
    }

    #[test]
    fn roots_are_those_that_everybody_knows() {
        // RFC 6962's own tree of no leaves, and the leaf of nothing, as in the test data of certificate transparency.
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(hex(&Frontier::default().root()), empty);
        assert_eq!(hex(&of_parts(0, &[], &[])), "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d");
        assert_eq!(parse(empty).map(|hash| hex(&hash)), Some(empty.to_owned()));
        for malformed in ["", "e3", &"g".repeat(64), &"é".repeat(32)] {
            assert_eq!(parse(malformed), None);
        }
    }

    proptest! {
        #[test]
        fn a_frontier_is_the_tree_and_survives_being_stored(size in 0_usize..200, kept in 0_usize..200, spoilt in 0_usize..300) {
            let leaves: Vec<Hash> = (0..size).map(|n| of_digest(&digest(&SHA256, &n.to_be_bytes()))).collect();
            let mut tree = Frontier::default();
            for (place, one) in leaves.iter().enumerate() {
                if place == kept {
                    let bytes = tree.to_bytes();
                    tree = Frontier::from_bytes(tree.size(), &bytes).expect("its own bytes");
                    let mut other = bytes.clone();
                    let spoilt = spoilt % other.len();
                    other[spoilt] ^= 1;
                    prop_assert_eq!(Frontier::from_bytes(tree.size(), &other), None);
                    prop_assert!(Frontier::from_bytes(tree.size() ^ 1, &bytes).is_none());
                }
                tree.push(one);
            }
            // Every record is shown to be in it, and nothing else is.
            let whole = Tree::of(&leaves);
            for (place, one) in leaves.iter().enumerate() {
                let (proof, size) = (whole.proof(place), size as u64);
                prop_assert_eq!(root_of(one, place as u64, size, &proof), Some(tree.root()));
                for other in [place ^ 1, size as usize - 1 - place, size as usize].into_iter().filter(|other| *other != place) {
                    prop_assert_ne!(root_of(one, other as u64, size, &proof), Some(tree.root()));
                }
                prop_assert_ne!(root_of(&MISSING, place as u64, size, &proof), Some(tree.root()));
            }
            prop_assert!(whole.proof(size).is_empty());
            // Each beginning is shown to be one, and nothing else is.
            for beginning in 1..=size {
                let first = (beginning as u64, defined(&leaves[..beginning]));
                let (proof, root) = (whole.consistency(beginning), tree.root());
                let shows = |first: (u64, &Hash), proof: &[Hash]| is_beginning(first, (size as u64, &root), proof);
                prop_assert!(shows((first.0, &first.1), &proof));
                prop_assert!(!shows((first.0, &MISSING), &proof));
                prop_assert!(first.0 == 1 || !shows((first.0 - 1, &first.1), &proof));
                if let Some(spoilt) = proof.len().checked_sub(1) {
                    prop_assert!(!shows((first.0, &first.1), &proof[..spoilt]));
                    let mut other = proof.clone();
                    other[spoilt][0] ^= 1;
                    prop_assert!(!shows((first.0, &first.1), &other));
                }
            }
            prop_assert_eq!(tree.size(), size as u64);
            prop_assert_eq!(tree.root(), defined(&leaves));
        }
    }
}
