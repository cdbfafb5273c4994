//! What was made from which input, so that nothing is made twice.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// The inputs of something that is made, and this program, which makes it.
pub struct Inputs(DefaultHasher);

impl Inputs {
    /// No inputs but this program.
    pub fn new() -> Inputs {
        let mut hasher = DefaultHasher::new();
        let program = std::env::current_exe().and_then(fs::metadata);
        program.ok().and_then(|meta| Some((meta.len(), meta.modified().ok()?))).hash(&mut hasher);
        Inputs(hasher)
    }

    /// One more input.
    pub fn add(mut self, input: &[u8]) -> Inputs {
        input.hash(&mut self.0);
        self
    }

    /// Calls `make` unless `product` is there and was made from these inputs.
    pub fn make(self, product: &Path, make: impl FnOnce() -> Result<()>) -> Result<()> {
        let stamp = stamp_of(product);
        let hash = format!("{:016x}\n", self.0.finish());
        if product.exists() && fs::read_to_string(&stamp).is_ok_and(|stamped| stamped == hash) {
            return Ok(());
        }
        _ = fs::remove_file(&stamp);
        make()?;
        fs::write(&stamp, hash).with_context(|| format!("cannot write {}", stamp.display()))
    }
}

fn stamp_of(product: &Path) -> PathBuf {
    let mut name = product.as_os_str().to_owned();
    name.push(".stamp");
    name.into()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;

    #[test]
    fn a_product_is_made_once_for_the_same_inputs_and_again_for_others() {
        let dir = std::env::temp_dir().join(format!("xtask-stamp-{}", std::process::id()));
        fs::create_dir_all(&dir).unwrap();
        let (product, made) = (dir.join("product"), Cell::new(0));
        let make = |input: &[u8]| {
            Inputs::new().add(input).make(&product, || {
                made.set(made.get() + 1);
                Ok(fs::write(&product, input)?)
            })
        };
        make(b"one").unwrap();
        make(b"one").unwrap();
        assert_eq!(made.get(), 1);
        make(b"two").unwrap();
        assert_eq!(made.get(), 2);
        fs::remove_file(&product).unwrap();
        make(b"two").unwrap();
        assert_eq!(made.get(), 3);
        fs::remove_dir_all(dir).unwrap();
    }

    #[test]
    fn what_failed_is_made_again() {
        let product = std::env::temp_dir().join(format!("xtask-stamp-failed-{}", std::process::id()));
        fs::write(&product, "half").unwrap();
        assert!(Inputs::new().make(&product, || anyhow::bail!("no")).is_err());
        let mut again = false;
        let make = || {
            again = true;
            Ok(())
        };
        Inputs::new().make(&product, make).unwrap();
        assert!(again);
        fs::remove_file(stamp_of(&product)).unwrap();
        fs::remove_file(product).unwrap();
    }
}
