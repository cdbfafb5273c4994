//! Two ends and a path between them, in virtual time.

mod desk;
mod flow;
mod link;
mod reorder;
mod rules;
mod transfer;
