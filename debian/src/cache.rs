//! Expensive results in the user's cache directory: each is a directory named after what it is and a hash of its recipe.
//!
//! An entry is built beside its place and renamed into it, so a directory that exists is complete. One lock file keeps two
//! set-ups from doing the same work; a run that finds its entry takes no lock.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result};

/// Entries of another recipe that nobody has used for so long are removed when a new one is built.
const KEEP_UNUSED: Duration = Duration::from_secs(14 * 24 * 3600);
/// The file in an entry whose age says when it was last used.
const STAMP: &str = ".used";

/// The cache directory.
pub struct Cache {
    dir: PathBuf,
}

impl Cache {
    /// `$XDG_CACHE_HOME/minios`, or `~/.cache/minios`.
    pub fn open() -> Result<Cache> {
        let base = match std::env::var_os("XDG_CACHE_HOME").filter(|dir| Path::new(dir).is_absolute()) {
            Some(dir) => PathBuf::from(dir),
            None => PathBuf::from(std::env::var_os("HOME").context("HOME is not set")?).join(".cache"),
        };
        Cache::at(base.join("minios"))
    }

    fn at(dir: PathBuf) -> Result<Cache> {
        fs::create_dir_all(&dir)
            .with_context(|| format!("cannot create cache directory {}", dir.display()))?;
        Ok(Cache { dir })
    }

    /// The entry, if it was built.
    pub fn get(&self, name: &str, recipe: &str) -> Option<PathBuf> {
        let entry = self.dir.join(format!("{name}-{}", hash(recipe)));
        if !entry.is_dir() {
            return None;
        }
        // Only the stamp's age matters, and only to `prune`: a read-only cache is fine.
        _ = File::create(entry.join(STAMP));
        Some(entry)
    }

    /// The entry; built by `build` in an empty directory if it does not exist.
    pub fn get_or_build(
        &self,
        name: &str,
        recipe: &str,
        build: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        if let Some(entry) = self.get(name, recipe) {
            return Ok(entry);
        }
        let _lock = self.lock(name)?;
        if let Some(entry) = self.get(name, recipe) {
            return Ok(entry);
        }
        self.prune(name);
        let entry = self.dir.join(format!("{name}-{}", hash(recipe)));
        let unfinished = self.dir.join(format!(".{name}.new"));
        if unfinished.exists() {
            fs::remove_dir_all(&unfinished)
                .with_context(|| format!("cannot remove {} of an earlier set-up", unfinished.display()))?;
        }
        fs::create_dir(&unfinished)?;
        build(&unfinished)?;
        fs::write(unfinished.join("recipe"), recipe)?;
        File::create(unfinished.join(STAMP))?;
        fs::rename(&unfinished, &entry).with_context(|| format!("cannot create {}", entry.display()))?;
        Ok(entry)
    }

    /// Waits until no other set-up works on `name`; the lock ends with the file.
    fn lock(&self, name: &str) -> Result<File> {
        let path = self.dir.join(format!(".{name}.lock"));
        let file = File::create(&path).with_context(|| format!("cannot create {}", path.display()))?;
        file.lock().with_context(|| format!("cannot lock {}", path.display()))?;
        Ok(file)
    }

    fn prune(&self, name: &str) {
        let Ok(entries) = fs::read_dir(&self.dir) else { return };
        for entry in entries.flatten() {
            let file_name = entry.file_name();
            let is_same = file_name.to_string_lossy().rsplit_once('-').is_some_and(|(stem, _)| stem == name);
            if is_same && age(&entry.path().join(STAMP)) > KEEP_UNUSED {
                _ = fs::remove_dir_all(entry.path());
            }
        }
    }
}

fn age(file: &Path) -> Duration {
    let modified = fs::metadata(file).and_then(|meta| meta.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
    modified.elapsed().unwrap_or_default()
}

/// FNV-1a: stable over compiler releases, which std's hasher does not promise.
fn hash(text: &str) -> String {
    let hash = text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    });
    format!("{hash:016x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch(name: &str) -> Cache {
        let dir = std::env::temp_dir().join(format!("testbed-cache-{name}-{}", std::process::id()));
        _ = fs::remove_dir_all(&dir);
        Cache::at(dir).unwrap()
    }

    #[test]
    fn an_entry_is_built_once_per_recipe() {
        let cache = scratch("once");
        let build = |text: &'static str| move |dir: &Path| Ok(fs::write(dir.join("file"), text)?);
        let first = cache.get_or_build("thing", "recipe 1", build("one")).unwrap();
        let again = cache.get_or_build("thing", "recipe 1", build("two")).unwrap();
        let other = cache.get_or_build("thing", "recipe 2", build("three")).unwrap();
        assert_eq!(first, again);
        assert_eq!(fs::read_to_string(again.join("file")).unwrap(), "one");
        assert_eq!(fs::read_to_string(other.join("file")).unwrap(), "three");
        fs::remove_dir_all(cache.dir).unwrap();
    }

    #[test]
    fn a_failed_build_leaves_no_entry_and_can_be_repeated() {
        let cache = scratch("failed");
        let failed = cache.get_or_build("thing", "recipe", |dir| {
            fs::write(dir.join("half"), "")?;
            anyhow::bail!("no network")
        });
        assert!(failed.is_err());
        assert!(cache.get("thing", "recipe").is_none());
        let entry = cache.get_or_build("thing", "recipe", |_| Ok(())).unwrap();
        assert!(!entry.join("half").exists());
        fs::remove_dir_all(cache.dir).unwrap();
    }

    #[test]
    fn the_hash_is_fnv_1a() {
        assert_eq!(hash(""), "cbf29ce484222325");
        assert_eq!(hash("a"), "af63dc4c8601ec8c");
    }
}
