//! The engine on the smallest store there is: a map that is copied at every merge.

mod basics;
mod map_backend;
