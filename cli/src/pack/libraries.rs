//! Which shared libraries a root needs: what its programs and modules name in DT_NEEDED, and what those name.

use std::collections::BTreeSet;

use object::elf::{DT_NEEDED, FileHeader64};
use object::read::elf::{Dyn, FileHeader};
use object::{Endianness, StringTable};

use super::tree::{Kind, Node, Tree};

/// The directories that the dynamic linker searches by default, in which nothing but what is needed has to stay.
pub const DIRECTORIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "usr/lib64"];
/// What glibc opens by itself when it needs it, and the dynamic linker.
const OPENED: [&str; 5] = ["ld-linux", "libnss_", "libresolv.", "libgcc_s.", "libc.so"];

/// Whether a path is a shared library that might not be needed.
pub fn is_library(path: &str) -> bool {
    library_name(path).is_some_and(|name| !is_opened(name))
}

/// The name of a file that the dynamic linker finds by name.
fn library_name(path: &str) -> Option<&str> {
    let (directory, name) = path.rsplit_once('/')?;
    (DIRECTORIES.contains(&directory) && (name.ends_with(".so") || name.contains(".so."))).then_some(name)
}

fn is_opened(name: &str) -> bool {
    OPENED.iter().any(|start| name.starts_with(start))
}

/// What [`needed`] has found.
#[derive(Debug, Default)]
pub struct Needed {
    /// The libraries, with the links to them.
    pub libraries: BTreeSet<String>,
    /// Packages of libraries none of which is needed: their modules and data are of no use either.
    pub idle_packages: BTreeSet<String>,
}

/// What the programs and modules of the tree need; what `asked` says yes to is needed anyway.
pub fn needed(tree: &Tree, asked: impl Fn(&str, &Node) -> bool) -> Needed {
    let mut idle = library_packages(tree, &asked);
    let mut libraries = BTreeSet::new();
    let is_start = |path: &str, node: &Node, idle: &BTreeSet<String>| {
        asked(path, node)
            || (!is_library(path) && node.package.as_ref().is_none_or(|name| !idle.contains(name)))
    };
    let starts = tree.iter().filter(|(path, node)| is_start(path, node, &idle));
    let mut open: Vec<String> = starts.map(|(path, _)| path.to_owned()).collect();
    while let Some(path) = open.pop() {
        let Some(node) = tree.get(&path) else { continue };
        if is_library(&path) {
            if !libraries.insert(path.clone()) {
                continue;
            }
            // One library of a package is needed: so may be its modules.
            if let Some(package) = node.package.as_ref().filter(|package| idle.remove(*package)) {
                let of_package = tree.iter().filter(|(_, node)| node.package.as_ref() == Some(package));
                open.extend(
                    of_package.filter(|(path, _)| !is_library(path)).map(|(path, _)| path.to_owned()),
                );
            }
        }
        match &node.kind {
            Kind::Symlink(_) if is_library(&path) => open.extend(tree.resolve(&path)),
            Kind::File(data) => {
                let Ok(bytes) = data.read() else { continue };
                for name in names(&bytes) {
                    open.extend(find(tree, &name).filter(|path| !libraries.contains(path)));
                }
            }
            _ => {}
        }
    }
    Needed { libraries, idle_packages: idle }
}

/// The packages that were not asked for and have libraries but no program.
fn library_packages(tree: &Tree, asked: &impl Fn(&str, &Node) -> bool) -> BTreeSet<String> {
    let mut with_library = BTreeSet::new();
    let mut others = BTreeSet::new();
    for (path, node) in tree.iter() {
        let Some(package) = &node.package else { continue };
        let is_program =
            ["usr/bin/", "usr/sbin/", "usr/libexec/"].iter().any(|start| path.starts_with(start));
        if asked(path, node) || is_program || library_name(path).is_some_and(is_opened) {
            others.insert(package.clone());
        } else if is_library(path) {
            with_library.insert(package.clone());
        }
    }
    with_library.difference(&others).cloned().collect()
}

fn find(tree: &Tree, name: &str) -> Option<String> {
    DIRECTORIES
        .iter()
        .map(|directory| format!("{directory}/{name}"))
        .find(|path| is_library(path) && tree.get(path).is_some())
}

/// The names in the DT_NEEDED entries of an ELF file; none where it is something else.
pub fn names(bytes: &[u8]) -> Vec<String> {
    read_names(bytes).unwrap_or_default()
}

fn read_names(bytes: &[u8]) -> Option<Vec<String>> {
    let header = FileHeader64::<Endianness>::parse(bytes).ok()?;
    let endian = header.endian().ok()?;
    let sections = header.sections(endian, bytes).ok()?;
    let (entries, link) = sections.dynamic(endian, bytes).ok()??;
    let strings: StringTable<'_> = sections.strings(endian, bytes, link).ok()?;
    let wanted = entries.iter().filter(|entry| entry.tag32(endian) == Some(DT_NEEDED));
    let name = |entry: &object::elf::Dyn64<Endianness>| {
        let name = entry.string(endian, strings).ok()?;
        String::from_utf8(name.to_vec()).ok()
    };
    Some(wanted.filter_map(name).collect())
}
