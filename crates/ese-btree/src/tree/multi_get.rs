//! Several rows by their keys, the descents interleaved: while one waits for memory the others go on.

use super::{Root, get::value_of};
use crate::{node::NodeView, pages::Pages};
use ese_base::{Result, Value};
use smallvec::SmallVec;

/// How many descents go on at a time: enough to hide a miss, few enough for the processor's line buffers.
const GROUP: usize = 8;

/// The values at `keys`; `out` gets each index exactly once.
///
/// # Errors
/// What the pages report; `out` may have got some of the values then.
pub fn multi_get<'p, P: Pages>(
    pages: &'p P,
    root: Root,
    keys: &[&[u8]],
    out: &mut dyn FnMut(usize, Option<Value<'p>>),
) -> Result<()> {
    for (group, keys) in keys.chunks(GROUP).enumerate() {
        descend(pages, root, keys, &mut |index, value| out(GROUP * group + index, value))?;
    }
    Ok(())
}

fn descend<'p, P: Pages>(
    pages: &'p P,
    root: Root,
    keys: &[&[u8]],
    out: &mut dyn FnMut(usize, Option<Value<'p>>),
) -> Result<()> {
    let mut pages_of: SmallVec<[P::Bytes<'p>; GROUP]> = SmallVec::new();
    for _ in keys {
        pages_of.push(pages.page(root.node, root.level())?);
    }
    for level in (1..root.height()).rev() {
        for (page, key) in pages_of.iter_mut().zip(keys) {
            let node = NodeView::of_level(page.clone(), level)?;
            *page = pages.page(node.child(node.child_index(key)), level - 1)?;
        }
    }
    // The cell is another line than the heads, so it is asked for before the first one is compared.
    let mut guesses = [0; GROUP];
    for ((page, key), guess) in pages_of.iter().zip(keys).zip(&mut guesses) {
        let leaf = NodeView::of_level(page.clone(), 0)?;
        *guess = leaf.guess(key);
        leaf.prefetch_cell(*guess);
    }
    for (index, ((page, guess), key)) in pages_of.iter().zip(guesses).zip(keys).enumerate() {
        let leaf = NodeView::of_level(page.clone(), 0)?;
        let found = match leaf.find_at(key, guess) {
            Some(cell) => Some(value_of(pages, &leaf, cell)?),
            None => None,
        };
        out(index, found);
    }
    Ok(())
}
