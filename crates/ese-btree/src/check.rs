//! Walks everything a forest reaches and tells each fault in a sentence.
//!
//! Total on all bytes: nodes are parsed anew, levels go down by one with each step (so nothing goes round in circles),
//! a page that was reached before is not entered again (so nothing is walked twice), and nothing recurses.

use crate::{
    forest::{Entry, Forest},
    node::{Cell, NodeView, parse::Verify, parse::parse_run},
    pages::{ChildRef, PageNo, Pages, RunRef, Stretch},
    tree::overflow,
};
use std::{collections::HashSet, ops::Deref};

/// The checksums of the pages are compared.
pub use crate::node::parse::Verify::Checksum as Checksums;
/// The pages carry no checksums.
pub use crate::node::parse::Verify::Structure as NoChecksums;

/// The pages that a walk reached.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reached {
    stretches: Vec<Stretch>,
}

impl Reached {
    /// How many pages.
    #[must_use]
    pub fn pages(&self) -> u64 {
        self.stretches.iter().map(|stretch| stretch.pages).sum()
    }

    /// Adds what was reached in another way; tells of each page that was reached in both.
    pub fn join(&mut self, other: impl IntoIterator<Item = Stretch>, fault: &mut dyn FnMut(String)) {
        self.stretches.extend(other);
        self.stretches.sort_unstable_by_key(|stretch| stretch.page);
        overlaps(&self.stretches, "is reached twice", fault);
    }

    /// The pages, in the order of their numbers.
    #[must_use]
    pub fn stretches(&self) -> &[Stretch] {
        &self.stretches
    }
}

/// Walks every tree of `forest`, the state that merge `number` made, and returns the pages it reached.
pub fn check<P: Pages>(
    pages: &P,
    forest: &Forest,
    number: u64,
    verify: Verify,
    fault: &mut dyn FnMut(String),
) -> Reached {
    let mut walk = Walk { pages, verify, fault, reached: Vec::new(), seen: HashSet::new() };
    for pair in forest.entries().windows(2) {
        if pair[0].tree >= pair[1].tree {
            (walk.fault)(format!("tree {} stands behind tree {}", pair[1].tree.0, pair[0].tree.0));
        }
    }
    for entry in forest.entries() {
        walk.tree(entry, number);
    }
    let mut stretches = walk.reached;
    stretches.sort_unstable_by_key(|stretch| stretch.page);
    overlaps(&stretches, "is reached twice", fault);
    Reached { stretches }
}

/// Tells of each page that is not either reachable or free, but both or neither. `free` are the pages that may be
/// handed out and those that only older states need; `all` is every page there is.
pub fn account(
    reached: Reached,
    free: impl IntoIterator<Item = Stretch>,
    all: impl IntoIterator<Item = Stretch>,
    fault: &mut dyn FnMut(String),
) {
    let mut used = reached.stretches;
    used.extend(free);
    used.sort_unstable_by_key(|stretch| stretch.page);
    overlaps(&used, "is both in use and free, or free twice", fault);
    let mut all: Vec<Stretch> = all.into_iter().filter(|stretch| stretch.pages > 0).collect();
    all.sort_unstable_by_key(|stretch| stretch.page);
    let mut used = used.into_iter().peekable();
    for stretch in all {
        let end = stretch.page.plus(stretch.pages);
        let mut at = stretch.page;
        while at < end {
            match used.peek() {
                Some(next) if next.page <= at => {
                    at = at.max(next.page.plus(next.pages));
                    used.next();
                }
                next => {
                    let until = next.map_or(end, |next| next.page.min(end));
                    fault(format!("pages {at} to {} are neither reachable nor free", PageNo(until.0 - 1)));
                    at = until;
                }
            }
        }
    }
    for beyond in used {
        fault(format!("page {} does not exist", beyond.page));
    }
}

/// Tells of each page that is both reachable and free.
pub fn disjoint(reached: Reached, free: impl IntoIterator<Item = Stretch>, fault: &mut dyn FnMut(String)) {
    let mut all = reached.stretches;
    all.extend(free);
    all.sort_unstable_by_key(|stretch| stretch.page);
    overlaps(&all, "is both reachable and free", fault);
}

fn overlaps(sorted: &[Stretch], what: &str, fault: &mut dyn FnMut(String)) {
    let mut end = PageNo(0);
    for stretch in sorted {
        if stretch.page < end {
            fault(format!("page {} {what}", stretch.page));
        }
        end = end.max(stretch.page.plus(stretch.pages));
    }
}

struct Walk<'a, 'p, P: Pages> {
    pages: &'p P,
    verify: Verify,
    fault: &'a mut dyn FnMut(String),
    reached: Vec<Stretch>,
    seen: HashSet<PageNo>,
}

/// A node on the way down, and what its keys must lie between.
struct Frame<B> {
    node: NodeView<B>,
    next: usize,
    low: Option<Vec<u8>>,
    high: Option<Vec<u8>>,
}

impl<'p, P: Pages> Walk<'_, 'p, P> {
    fn tree(&mut self, entry: &Entry, number: u64) {
        let tree = entry.tree.0;
        let mut rows = 0;
        let mut stack: Vec<Frame<P::Bytes<'p>>> = Vec::new();
        self.enter(tree, &mut stack, entry.root.node, entry.root.level(), number, (None, None));
        // Of a tree being dropped what lies before its path is gone.
        let mut path = entry.dropping.iter().flatten();
        if let Some(root) = stack.last_mut() {
            root.next = path.next().map_or(0, |index| usize::from(*index));
        }
        while let Some(frame) = stack.last_mut() {
            let level = frame.node.level();
            if level == 0 {
                rows += frame.node.count() as u64;
                if let Some(leaf) = stack.pop() {
                    self.runs(tree, &leaf.node);
                }
                continue;
            }
            let index = frame.next;
            if index > frame.node.count() {
                stack.pop();
                continue;
            }
            frame.next += 1;
            let bound = |separator: Option<usize>, outer: &Option<Vec<u8>>| match separator {
                Some(separator) if separator < frame.node.count() => Some(key_of(&frame.node, separator)),
                _ => outer.clone(),
            };
            let low = bound(index.checked_sub(1), &frame.low);
            let high = bound(Some(index), &frame.high);
            let (child, birth) = (frame.node.child(index), frame.node.birth());
            let depth = stack.len();
            self.enter(tree, &mut stack, child, level - 1, birth, (low, high));
            if let Some(entered) = stack.get_mut(depth) {
                entered.next = path.next().map_or(0, |index| usize::from(*index));
            }
        }
        if entry.dropping.is_none() && rows != entry.rows {
            (self.fault)(format!("tree {tree} has {rows} rows, its root says {}", entry.rows));
        }
    }

    /// Looks at the node at `at` and puts it on the stack; `birth` is that of what refers to it.
    fn enter(
        &mut self,
        tree: u64,
        stack: &mut Vec<Frame<P::Bytes<'p>>>,
        at: ChildRef,
        level: u8,
        birth: u64,
        (low, high): (Option<Vec<u8>>, Option<Vec<u8>>),
    ) {
        self.reached.push(Stretch { page: at.page, pages: 1, birth: 0 });
        if !self.seen.insert(at.page) {
            (self.fault)(format!("tree {tree}: page {} is reached a second time", at.page));
            return;
        }
        let node = match self.pages.node(at, level) {
            Ok(node) => node,
            Err(error) => return (self.fault)(format!("tree {tree}: {error}")),
        };
        if let Err(error) = NodeView::parse(&node.bytes()[..], at, level, self.verify) {
            return (self.fault)(format!("tree {tree}: {error}"));
        }
        if node.birth() > birth {
            (self.fault)(format!(
                "tree {tree}: page {} was born in merge {}, what refers to it in merge {birth}",
                at.page,
                node.birth()
            ));
        }
        if node.count() > 0 {
            if low.as_ref().is_some_and(|low| key_of(&node, 0) < *low) {
                (self.fault)(format!("tree {tree}: page {} has a key below its separator", at.page));
            }
            if high.as_ref().is_some_and(|high| key_of(&node, node.count() - 1) >= *high) {
                (self.fault)(format!("tree {tree}: page {} has a key above its separator", at.page));
            }
        }
        stack.push(Frame { node, next: 0, low, high });
    }

    fn runs<B: Deref<Target = [u8]>>(&mut self, tree: u64, leaf: &NodeView<B>) {
        for index in 0..leaf.count() {
            if let Cell::Run(run) = leaf.cell(index) {
                self.run(tree, run, leaf);
            }
        }
    }

    fn run<B: Deref<Target = [u8]>>(&mut self, tree: u64, run: RunRef, leaf: &NodeView<B>) {
        let stretch = overflow::stretch(run, self.pages.page_size());
        self.reached.push(stretch);
        if run.birth > leaf.birth() {
            (self.fault)(format!(
                "tree {tree}: the run at page {} is younger than its leaf {}",
                run.page,
                leaf.page()
            ));
        }
        match self.pages.run_pages(run) {
            Ok(bytes) => {
                if let Err(error) = parse_run(&bytes, run, self.verify) {
                    (self.fault)(format!("tree {tree}: {error}"));
                }
            }
            Err(error) => (self.fault)(format!("tree {tree}: {error}")),
        }
    }
}

fn key_of<B: Deref<Target = [u8]>>(node: &NodeView<B>, index: usize) -> Vec<u8> {
    let mut key = Vec::with_capacity(node.key_len(index));
    node.append_key(index, &mut key);
    key
}
