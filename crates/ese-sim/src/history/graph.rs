//! Who must come before whom, and the cycles that snapshot isolation forbids.
//!
//! Each transaction has two nodes: reached by an *rw* edge, and reached by any other. An *rw* edge leaves only the
//! second, so a cycle of nodes is a cycle of transactions without two *rw* edges in a row. Real time goes through a
//! chain of moments, a node each, instead of an edge for every pair.

use std::{collections::VecDeque, fmt};

/// Why one transaction comes before another.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub(super) enum Edge {
    /// The other replaced its version.
    Ww,
    /// The other read its version.
    Wr,
    /// The other replaced the version it read.
    Rw,
    /// It had returned before the other was begun.
    RealTime,
}

impl fmt::Display for Edge {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Edge::Ww => "ww",
            Edge::Wr => "wr",
            Edge::Rw => "rw",
            Edge::RealTime => "real time",
        })
    }
}

/// The graph of a history.
pub(super) struct Graph {
    txns: usize,
    /// Per node the edges that leave it.
    edges: Vec<Vec<(usize, Edge)>>,
}

/// A cycle: transactions, each with the edge to the next.
pub(super) type Cycle = Vec<(usize, Edge)>;

impl Graph {
    /// A graph of `txns` transactions, given with their moments of begin and end.
    pub(super) fn new(moments: &[(u64, u64)]) -> Self {
        let txns = moments.len();
        let mut graph = Graph { txns, edges: vec![Vec::new(); 2 * txns] };
        let mut ends: Vec<(u64, usize)> =
            moments.iter().enumerate().map(|(txn, (_, end))| (*end, txn)).collect();
        ends.sort_unstable();
        for (place, (_, txn)) in ends.iter().enumerate() {
            let node = graph.edges.len();
            graph.edges.push(Vec::new());
            graph.connect(*txn, node, Edge::RealTime);
            if place > 0 {
                graph.edges[node - 1].push((node, Edge::RealTime));
            }
        }
        for (txn, (begin, _)) in moments.iter().enumerate() {
            let before = ends.partition_point(|(end, _)| end < begin);
            if before > 0 {
                let moment = 2 * txns + before - 1;
                graph.edges[moment].push((txns + txn, Edge::RealTime));
            }
        }
        graph
    }

    fn reached_otherwise(&self, txn: usize) -> usize {
        self.txns + txn
    }

    /// An edge from both nodes of a transaction.
    fn connect(&mut self, from: usize, node: usize, edge: Edge) {
        let other = self.reached_otherwise(from);
        self.edges[from].push((node, edge));
        self.edges[other].push((node, edge));
    }

    pub(super) fn add(&mut self, from: usize, to: usize, edge: Edge) {
        if from == to {
            return;
        }
        if edge == Edge::Rw {
            let node = self.reached_otherwise(from);
            self.edges[node].push((to, edge));
        } else {
            let node = self.reached_otherwise(to);
            self.connect(from, node, edge);
        }
    }

    /// A shortest forbidden cycle, if there is one.
    pub(super) fn cycle(&self) -> Option<Cycle> {
        let component = self.components();
        let mut size = vec![0_u32; self.edges.len()];
        for &of in &component {
            size[of] += 1;
        }
        let inside = (0..self.edges.len()).filter(|node| size[component[*node]] > 1);
        inside.take(50).filter_map(|node| self.shortest(node, &component)).min_by_key(Vec::len)
    }

    /// Strongly connected components (Tarjan), without recursion.
    fn components(&self) -> Vec<usize> {
        const NEW: usize = usize::MAX;
        let count = self.edges.len();
        let (mut index, mut low, mut component) = (vec![NEW; count], vec![0; count], vec![NEW; count]);
        let (mut stack, mut next, mut found) = (Vec::new(), 0, 0);
        for root in 0..count {
            if index[root] != NEW {
                continue;
            }
            let mut work = vec![(root, 0)];
            while let Some((node, edge)) = work.pop() {
                if edge == 0 {
                    (index[node], low[node]) = (next, next);
                    next += 1;
                    stack.push(node);
                } else {
                    let child = self.edges[node][edge - 1].0;
                    if component[child] == NEW {
                        low[node] = low[node].min(low[child]);
                    }
                }
                match self.edges[node].get(edge) {
                    Some(&(child, _)) => {
                        work.push((node, edge + 1));
                        if index[child] == NEW {
                            work.push((child, 0));
                        }
                    }
                    None if low[node] == index[node] => {
                        while let Some(member) = stack.pop() {
                            component[member] = found;
                            if member == node {
                                break;
                            }
                        }
                        found += 1;
                    }
                    None => {}
                }
            }
        }
        component
    }

    /// The shortest way from a node back to it.
    fn shortest(&self, start: usize, component: &[usize]) -> Option<Cycle> {
        let mut came = vec![None; self.edges.len()];
        let mut queue = VecDeque::from([start]);
        while let Some(node) = queue.pop_front() {
            for &(to, edge) in self.edges[node].iter().filter(|(to, _)| component[*to] == component[start]) {
                if to == start {
                    return Some(self.trace(start, (node, edge), &came));
                }
                if came[to].is_none() {
                    came[to] = Some((node, edge));
                    queue.push_back(to);
                }
            }
        }
        None
    }

    /// From the way back to transactions; the moments in between fall away.
    fn trace(&self, start: usize, last: (usize, Edge), came: &[Option<(usize, Edge)>]) -> Cycle {
        let (mut cycle, mut step) = (Vec::new(), Some(last));
        while let Some((node, edge)) = step {
            if node < 2 * self.txns {
                cycle.push((node % self.txns, edge));
            }
            step = if node == start { None } else { came[node] };
        }
        cycle.reverse();
        cycle
    }
}
