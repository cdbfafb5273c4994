//! Address spaces against their rules, with the fake tables.

mod basic;
