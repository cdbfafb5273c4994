use std::collections::BTreeMap;

use crate::model::{Error, Model, Store};

/// Nodes by path; those that start with `!` are refused.
struct Nodes(BTreeMap<String, Vec<u8>>);

impl Store for Nodes {
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, String> {
        match self.0.get(path) {
            Some(value) if value == b"!" => Err("EACCES".into()),
            value => Ok(value.cloned()),
        }
    }

    fn list(&self, path: &str) -> Result<Option<Vec<String>>, String> {
        let below = format!("{path}/");
        // xenstored gives them in no order that means something.
        let names = self.0.keys().rev().filter_map(|key| key.strip_prefix(&below)).map(String::from);
        Ok(self.0.contains_key(path).then(|| names.collect()))
    }
}

const ARGV: &str = "/vm/8f3b/image/dm-argv";

fn nodes() -> Nodes {
    let mut nodes = BTreeMap::new();
    for (key, value) in [("target", "7"), ("/local/domain/7/vm", "/vm/8f3b"), (ARGV, "")] {
        nodes.insert(key.to_string(), value.as_bytes().to_vec());
    }
    for (number, value) in ["-xen-domid", "7", "-name", "with spaces", ""].iter().enumerate() {
        nodes.insert(format!("{ARGV}/{:03}", number + 1), value.as_bytes().to_vec());
    }
    Nodes(nodes)
}

fn with(key: &str, value: Option<&[u8]>) -> Result<Model, Error> {
    let mut nodes = nodes();
    match value {
        Some(value) => drop(nodes.0.insert(key.into(), value.to_vec())),
        None => drop(nodes.0.remove(key)),
    }
    Model::read(&nodes)
}

#[test]
fn the_arguments_are_the_values_in_the_order_of_their_numbers() {
    let model = Model::read(&nodes()).expect("all is there");
    assert_eq!(model.target, 7);
    let wanted: [&[u8]; 5] = [b"-xen-domid", b"7", b"-name", b"with spaces", b""];
    assert_eq!(model.arguments, wanted);
    // More than three digits come last, whatever their first one is.
    let more = with(&format!("{ARGV}/1000"), Some(b"last")).expect("a number");
    assert_eq!(more.arguments.last(), Some(&b"last".to_vec()));
}

#[test]
fn what_is_missing_is_named() {
    for key in ["target", "/local/domain/7/vm", ARGV] {
        assert_eq!(with(key, None), Err(Error::Missing(key.into())));
    }
    let message = with("target", None).expect_err("missing").to_string();
    assert_eq!(message, "there is no XenStore node target");
}

#[test]
fn what_is_wrong_is_named_with_its_value() {
    for value in ["", "x", "0", "-1", "32752", "65536", "7 "] {
        let wrong = with("target", Some(value.as_bytes()));
        assert_eq!(wrong, Err(Error::NoDomain("target".into(), value.into())), "{value:?}");
    }
    let vm = "/local/domain/7/vm";
    assert_eq!(with(vm, Some(b"vm/8f3b")), Err(Error::NoPath(vm.into(), "vm/8f3b".into())));
    let key = format!("{ARGV}/+1");
    assert_eq!(with(&key, Some(b"")), Err(Error::NoNumber(ARGV.into(), "+1".into())));
    let key = format!("{ARGV}/002");
    assert_eq!(with(&key, Some(b"a\0b")), Err(Error::Nul(key.clone())));
    assert_eq!(with(&key, Some(b"!")), Err(Error::Store(key.clone(), "EACCES".into())));
    assert_eq!(with(&key, Some(&[b'x'; 128 << 10])), Err(Error::TooLong(format!("{ARGV}/002"))));
}

#[test]
fn there_is_an_end_to_arguments() {
    let mut nodes = nodes();
    for number in 10..5000 {
        nodes.0.insert(format!("{ARGV}/{number}"), Vec::new());
    }
    assert_eq!(Model::read(&nodes), Err(Error::TooMany(ARGV.into(), 4995)));
}
