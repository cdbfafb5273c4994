//! `io/`: what front ends and back ends share.

pub mod blkif;
pub mod console;
pub mod libxenvchan;
pub mod netif;
pub mod ring;
pub mod xenbus;
pub mod xs_wire;
