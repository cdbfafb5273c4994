//! What makes the router, without devices and clocks: frames go in, frames come out. It never panics, whatever the frames, and
//! takes all its memory at the start.
//!
//! | module | what it does |
//! |---|---|
//! | [`rules`] | the rules and their text |
//! | [`router`] | [`Router`], which its owner gives frames; `forward`: a packet's way through; `local`: what is for the router |
//! | [`packet`] | what a frame says; [`rewrite`]: what changes in it |
//! | [`flows`] | the connections: who belongs to whom, how long, under which address |
//! | [`fragments`], [`neighbours`], [`waiting`] | parts of packets, hardware addresses, packets that wait for one |
//! | [`answers`] | frames that the router makes itself |
//! | [`counters`], [`address`], [`bytes`] | what is counted; addresses; numbers and checksums |

pub mod address;
pub mod answers;
pub mod bytes;
pub mod counters;
pub mod flows;
mod forward;
pub mod fragments;
#[cfg(any(test, feature = "fuzzing"))]
pub mod fuzz;
mod local;
pub mod neighbours;
pub mod packet;
pub mod rewrite;
pub mod router;
pub mod rules;
pub mod waiting;

pub use router::{Frame, Link, Out, OutOfMemory, Router};
pub use rules::{RuleError, Rules};

// The fuzz targets include this file, and not what the tests need.
#[cfg(all(test, not(feature = "fuzzing")))]
mod tests;
