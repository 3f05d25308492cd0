//! HOT PATH: the trie of wildcard filters; every publish walks it.
//!
//! Owns the nodes, their edges and the interned levels. Lives on one shard,
//! pure. A node is 16 bytes; its `+` child and the filters that end at it are
//! fields, its literal children live in one hash map for the whole trie, so a
//! chain of single children costs no map of its own.
//!
//! The walk keeps a frontier: all nodes that the topic's levels so far reach.
//! A node has one parent, so it enters the frontier at most once, and a match
//! visits each node of the trie at most once whatever the filters look like.
//! Nothing here recurses, and a match allocates nothing once the frontier has
//! grown to its size.

use std::collections::HashMap;

use ahash::RandomState;
use smallvec::SmallVec;

use super::filter_index::FilterId;
use super::levels::{LevelId, Levels};

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
struct NodeId(u32);

impl NodeId {
    const ROOT: Self = Self(0);
    /// No node: the root is nobody's child, so its number is free to say so.
    const NONE: Self = Self(0);

    const fn index(self) -> usize {
        self.0 as usize
    }

    fn some(self) -> Option<Self> {
        (self != Self::NONE).then_some(self)
    }
}

#[derive(Clone, Copy)]
struct Node {
    /// The child for the level `+`, or [`NodeId::NONE`].
    plus: NodeId,
    /// The filter whose last level is this node, or [`FilterId::NONE`].
    ends: FilterId,
    /// The filter that goes on with `#`, or [`FilterId::NONE`].
    multi: FilterId,
    /// How many edges in the map start here.
    literals: u32,
}

impl Node {
    const EMPTY: Self = Self {
        plus: NodeId::NONE,
        ends: FilterId::NONE,
        multi: FilterId::NONE,
        literals: 0,
    };

    fn is_empty(&self) -> bool {
        self.plus == NodeId::NONE
            && self.ends == FilterId::NONE
            && self.multi == FilterId::NONE
            && self.literals == 0
    }
}

/// All wildcard filters of an index.
pub(super) struct Wildcards {
    levels: Levels,
    /// `nodes[0]` is the root.
    nodes: Vec<Node>,
    free: Vec<NodeId>,
    edges: HashMap<(NodeId, LevelId), NodeId, RandomState>,
    /// Buffers of the walk, empty between two walks.
    frontier: Vec<NodeId>,
    reached: Vec<NodeId>,
}

impl Wildcards {
    pub(super) fn new(hasher: RandomState) -> Self {
        Self {
            levels: Levels::new(hasher.clone()),
            nodes: vec![Node::EMPTY],
            free: Vec::new(),
            edges: HashMap::with_hasher(hasher),
            frontier: Vec::new(),
            reached: Vec::new(),
        }
    }

    /// Appends every filter that matches `topic`.
    pub(super) fn collect(&mut self, topic: &str, matched: &mut Vec<FilterId>) {
        if self.nodes[NodeId::ROOT.index()].is_empty() {
            return;
        }
        // [MQTT-4.7.2-1]: a wildcard in the first level matches no topic that starts with `$`.
        let mut wildcards_apply = !topic.starts_with('$');
        self.frontier.push(NodeId::ROOT);
        for level in topic.split('/') {
            self.step(level, wildcards_apply, matched);
            wildcards_apply = true;
            core::mem::swap(&mut self.frontier, &mut self.reached);
            self.reached.clear();
            if self.frontier.is_empty() {
                return;
            }
        }
        for node in self.frontier.drain(..) {
            let node = &self.nodes[node.index()];
            // `a/#` matches `a` too: `#` stands for the parent and everything below.
            matched.extend(
                [node.ends, node.multi]
                    .into_iter()
                    .filter(|id| *id != FilterId::NONE),
            );
        }
    }

    /// Moves the frontier one level down into `reached`.
    fn step(&mut self, level: &str, wildcards_apply: bool, matched: &mut Vec<FilterId>) {
        // Looked up at most once per level, and not at all below `+` alone.
        let mut interned: Option<Option<LevelId>> = None;
        for &id in &self.frontier {
            let node = &self.nodes[id.index()];
            if node.literals > 0 {
                let level = *interned.get_or_insert_with(|| self.levels.find(level));
                let child = level.and_then(|level| self.edges.get(&(id, level)));
                self.reached.extend(child);
            }
            if wildcards_apply {
                if node.plus != NodeId::NONE {
                    self.reached.push(node.plus);
                }
                if node.multi != FilterId::NONE {
                    matched.push(node.multi);
                }
            }
        }
    }

    /// The number that `filter` was inserted with.
    pub(super) fn find(&self, filter: &str) -> Option<FilterId> {
        let mut node = NodeId::ROOT;
        for level in filter.split('/') {
            node = match level {
                "#" => return self.nodes[node.index()].multi.some(),
                "+" => self.nodes[node.index()].plus.some()?,
                literal => self.literal_child(node, literal)?,
            };
        }
        self.nodes[node.index()].ends.some()
    }

    /// Adds `filter`, which must not be here yet.
    pub(super) fn insert(&mut self, filter: &str, id: FilterId) {
        let mut node = NodeId::ROOT;
        for level in filter.split('/') {
            node = match level {
                "#" => {
                    debug_assert!(self.nodes[node.index()].multi == FilterId::NONE);
                    self.nodes[node.index()].multi = id;
                    return;
                }
                "+" => self.plus_child_or_new(node),
                literal => self.literal_child_or_new(node, literal),
            };
        }
        debug_assert!(self.nodes[node.index()].ends == FilterId::NONE);
        self.nodes[node.index()].ends = id;
    }

    /// Takes `filter` out, and with it every node that nothing else needs.
    pub(super) fn remove(&mut self, filter: &str) -> Option<FilterId> {
        let mut path: SmallVec<[NodeId; 16]> = SmallVec::new();
        let mut node = NodeId::ROOT;
        for level in filter.split('/') {
            match level {
                "#" => break,
                "+" => node = self.nodes[node.index()].plus.some()?,
                literal => node = self.literal_child(node, literal)?,
            }
            path.push(node);
        }
        let end = &mut self.nodes[node.index()];
        let last = if filter.ends_with('#') {
            &mut end.multi
        } else {
            &mut end.ends
        };
        let removed = core::mem::replace(last, FilterId::NONE).some()?;
        self.prune(filter, &mut path);
        Some(removed)
    }

    /// Frees the empty nodes at the end of `path`, whose levels are the first of `filter`.
    fn prune(&mut self, filter: &str, path: &mut SmallVec<[NodeId; 16]>) {
        let levels = filter.strip_suffix("/#").unwrap_or(filter).rsplit('/');
        for level in levels {
            let Some(node) = path.pop() else { return };
            if !self.nodes[node.index()].is_empty() {
                return;
            }
            let parent = path.last().copied().unwrap_or(NodeId::ROOT);
            if level == "+" {
                self.nodes[parent.index()].plus = NodeId::NONE;
            } else if let Some(interned) = self.levels.find(level) {
                self.edges.remove(&(parent, interned));
                self.levels.release(level);
                self.nodes[parent.index()].literals -= 1;
            }
            self.free.push(node);
        }
    }

    fn literal_child(&self, node: NodeId, level: &str) -> Option<NodeId> {
        if self.nodes[node.index()].literals == 0 {
            return None;
        }
        let level = self.levels.find(level)?;
        self.edges.get(&(node, level)).copied()
    }

    fn literal_child_or_new(&mut self, node: NodeId, level: &str) -> NodeId {
        if let Some(child) = self.literal_child(node, level) {
            return child;
        }
        let level = self.levels.acquire(level);
        let child = self.new_node();
        self.edges.insert((node, level), child);
        self.nodes[node.index()].literals += 1;
        child
    }

    fn plus_child_or_new(&mut self, node: NodeId) -> NodeId {
        if let Some(child) = self.nodes[node.index()].plus.some() {
            return child;
        }
        let child = self.new_node();
        self.nodes[node.index()].plus = child;
        child
    }

    fn new_node(&mut self) -> NodeId {
        if let Some(id) = self.free.pop() {
            self.nodes[id.index()] = Node::EMPTY;
            return id;
        }
        let id = u32::try_from(self.nodes.len()).expect("2^32 nodes do not fit in memory");
        self.nodes.push(Node::EMPTY);
        NodeId(id)
    }

    /// Nodes in use beside the root, edges, and distinct levels.
    #[cfg(test)]
    pub(super) fn sizes(&self) -> [usize; 3] {
        [
            self.nodes.len() - 1 - self.free.len(),
            self.edges.len(),
            self.levels.len(),
        ]
    }
}
