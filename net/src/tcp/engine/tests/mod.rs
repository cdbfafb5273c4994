//! Two ends and a path between them, in virtual time.

mod link;
mod rules;
mod transfer;
