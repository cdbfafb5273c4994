//! The project's recipes: run, test, xen, smoke, image.
fn main() {}
