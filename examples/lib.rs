//! What the examples are made of; each is a small program around a module here.

pub mod flights;
