//! Lists XenStore as this guest sees it: the tree below its own directory, or below the path of its first argument.
#![no_std]
#![no_main]

extern crate alloc;

use alloc::format;
use alloc::string::String;

use minios_std::store::{Error, Store, store};
use minios_std::{env, println};

minios_std::main!(main);

fn main() -> Result<(), String> {
    let store = store().ok_or("there is no XenStore in the initial domain")?;
    let root = env::args().first().map_or("", String::as_str);
    let count = list(store, root, 0).map_err(|error| format!("`{root}`: {error}"))?;
    println!("{count} nodes");
    println!("SUCCESS");
    Ok(())
}

fn list(store: &Store, path: &str, depth: usize) -> Result<usize, Error> {
    let mut count = 0;
    // The guest's own directory has a relative path, which for the directory itself is `.`-less: ask for its full one.
    let directory = if path.is_empty() { store.domain_path(own_id(store)?)? } else { path.into() };
    for name in store.directory(&directory)? {
        let child = format!("{directory}/{name}");
        match store.read_string(&child) {
            Ok(value) => println!("{:indent$}{name} = \"{value}\"", "", indent = depth * 2),
            // What is not ours to read is still there.
            Err(error) => println!("{:indent$}{name} ({error})", "", indent = depth * 2),
        }
        count += 1 + list(store, &child, depth + 1).unwrap_or(0);
    }
    Ok(count)
}

fn own_id(store: &Store) -> Result<minios_std::store::DomId, Error> {
    let text = store.read_string("domid")?;
    Ok(minios_std::store::DomId::new(text.trim().parse().unwrap_or(0)))
}
