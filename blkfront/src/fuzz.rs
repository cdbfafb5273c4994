//! Entry points of the fuzzers.
