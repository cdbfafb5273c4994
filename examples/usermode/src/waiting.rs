//! To come.
use crate::Test;
pub const TESTS: &[Test] = &[];
