//! Typed access to a TOML table that remembers where each value stood.
//!
//! A [`Reader`] parses the text and collects problems in its [`Sink`] instead of stopping at the first; a [`Table`] hands
//! out its entries and, when [`Table::finish`]ed, complains of the keys that nobody asked for.

use std::collections::BTreeMap;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::Problem;

/// Where a value stands: its line and the path of its key.
#[derive(Clone, Debug, Default)]
pub struct Place {
    pub line: Option<usize>,
    pub key: String,
}

impl Place {
    /// The place of the item `index` of the array that stands here.
    fn item(&self, index: usize, line: usize) -> Place {
        Place { line: Some(line), key: format!("{}[{index}]", self.key) }
    }
}

/// A value and its place.
#[derive(Clone, Debug)]
pub struct Located<T> {
    pub value: T,
    pub place: Place,
}

/// Gathers what is wrong.
#[derive(Debug)]
pub struct Sink {
    file: String,
    pub errors: Vec<Problem>,
    pub warnings: Vec<Problem>,
}

impl Sink {
    pub fn error(&mut self, place: &Place, message: String) {
        let problem = self.problem(place, message);
        self.errors.push(problem);
    }

    pub fn warn(&mut self, place: &Place, message: String) {
        let problem = self.problem(place, message);
        self.warnings.push(problem);
    }

    fn problem(&self, place: &Place, message: String) -> Problem {
        Problem { file: self.file.clone(), line: place.line, key: place.key.clone(), message }
    }
}

/// A TOML text being read.
pub struct Reader<'s> {
    source: &'s str,
    line_starts: Vec<usize>,
    pub sink: Sink,
}

impl<'s> Reader<'s> {
    pub fn new(file: &str, source: &'s str) -> Reader<'s> {
        let newlines = source.bytes().enumerate().filter(|(_, byte)| *byte == b'\n').map(|(at, _)| at + 1);
        let line_starts = std::iter::once(0).chain(newlines).collect();
        let sink = Sink { file: file.to_owned(), errors: Vec::new(), warnings: Vec::new() };
        Reader { source, line_starts, sink }
    }

    /// The root table, or `None` (and problems) when the text is not TOML.
    pub fn root(&mut self) -> Option<Table<'s>> {
        match DeTable::parse(self.source) {
            Ok(table) => Some(self.table(table.into_inner(), Place::default())),
            Err(error) => {
                let line = error.span().map(|span| self.line(&span));
                let message = error.message().lines().collect::<Vec<_>>().join("; ");
                self.sink.error(&Place { line, key: String::new() }, message);
                None
            }
        }
    }

    pub fn into_sink(self) -> Sink {
        self.sink
    }

    fn line(&self, span: &Range<usize>) -> usize {
        self.line_starts.partition_point(|start| *start <= span.start)
    }

    fn table<'t>(&self, table: DeTable<'t>, place: Place) -> Table<'t> {
        let entries = table
            .into_iter()
            .map(|(key, value)| {
                let line = self.line(&key.span());
                let start = key.span().start;
                let key = key.into_inner().into_owned();
                let path = if place.key.is_empty() { key.clone() } else { format!("{}.{key}", place.key) };
                (key, Entry { value, start, place: Place { line: Some(line), key: path } })
            })
            .collect();
        Table { place, entries }
    }

    fn wrong_type(&mut self, place: &Place, wanted: &str, found: &DeValue<'_>) {
        self.sink.error(place, format!("expected {wanted}, found {}", kind(found)));
    }

    /// The value as a string.
    pub fn string(&mut self, entry: Entry<'_>) -> Option<Located<String>> {
        match entry.value.into_inner() {
            DeValue::String(value) => Some(Located { value: value.into_owned(), place: entry.place }),
            other => {
                self.wrong_type(&entry.place, "a string", &other);
                None
            }
        }
    }

    /// The value as an integer of `range`.
    pub fn integer(&mut self, entry: Entry<'_>, range: Range<i64>) -> Option<Located<i64>> {
        match entry.value.into_inner() {
            DeValue::Integer(value) => match i64::from_str_radix(value.as_str(), value.radix()) {
                Ok(number) if range.contains(&number) => Some(Located { value: number, place: entry.place }),
                _ => {
                    let message = format!("{value} is not in {} to {}", range.start, range.end - 1);
                    self.sink.error(&entry.place, message);
                    None
                }
            },
            other => {
                self.wrong_type(&entry.place, "an integer", &other);
                None
            }
        }
    }

    /// The value as a boolean.
    pub fn boolean(&mut self, entry: Entry<'_>) -> Option<bool> {
        match entry.value.into_inner() {
            DeValue::Boolean(value) => Some(value),
            other => {
                self.wrong_type(&entry.place, "true or false", &other);
                None
            }
        }
    }

    /// The value as words: a string, an integer or a boolean.
    pub fn scalar(&mut self, entry: Entry<'_>) -> Option<Located<Scalar>> {
        let value = match entry.value.into_inner() {
            DeValue::String(value) => Scalar::String(value.into_owned()),
            DeValue::Integer(value) => match i64::from_str_radix(value.as_str(), value.radix()) {
                Ok(number) => Scalar::Integer(number),
                Err(_) => {
                    self.sink.error(&entry.place, format!("{value} is too large a number"));
                    return None;
                }
            },
            DeValue::Boolean(value) => Scalar::Boolean(value),
            other => {
                self.wrong_type(&entry.place, "a string, an integer, true or false", &other);
                return None;
            }
        };
        Some(Located { value, place: entry.place })
    }

    /// The items of an array.
    pub fn items<'t>(&mut self, entry: Entry<'t>) -> Vec<Entry<'t>> {
        match entry.value.into_inner() {
            DeValue::Array(array) => array
                .into_iter()
                .enumerate()
                .map(|(index, value)| {
                    let span = value.span();
                    let place = entry.place.item(index, self.line(&span));
                    Entry { value, start: span.start, place }
                })
                .collect(),
            other => {
                self.wrong_type(&entry.place, "an array", &other);
                Vec::new()
            }
        }
    }

    /// The value as a table.
    pub fn sub_table<'t>(&mut self, entry: Entry<'t>) -> Option<Table<'t>> {
        match entry.value.into_inner() {
            DeValue::Table(table) => Some(self.table(table, entry.place)),
            other => {
                self.wrong_type(&entry.place, "a table", &other);
                None
            }
        }
    }
}

/// A value that can stand as a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Scalar {
    String(String),
    Integer(i64),
    Boolean(bool),
}

/// A value that was not looked at yet.
pub struct Entry<'s> {
    value: Spanned<DeValue<'s>>,
    start: usize,
    pub place: Place,
}

impl Entry<'_> {
    pub fn is_array(&self) -> bool {
        matches!(self.value.get_ref(), DeValue::Array(_))
    }
}

/// A table whose entries are taken out one by one.
pub struct Table<'s> {
    pub place: Place,
    entries: BTreeMap<String, Entry<'s>>,
}

impl<'s> Table<'s> {
    pub fn take(&mut self, key: &str) -> Option<Entry<'s>> {
        self.entries.remove(key)
    }

    /// The place of an entry that was not taken yet.
    pub fn place_of(&self, key: &str) -> Option<Place> {
        self.entries.get(key).map(|entry| entry.place.clone())
    }

    /// Takes an entry and complains where there is none.
    pub fn require(&mut self, key: &str, reader: &mut Reader<'_>) -> Option<Entry<'s>> {
        let entry = self.take(key);
        if entry.is_none() {
            let path =
                if self.place.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.place.key) };
            reader.sink.error(&Place { line: self.place.line, key: path }, "this key is missing".to_owned());
        }
        entry
    }

    /// All entries that are left, in the order of the text.
    pub fn drain(self) -> Vec<(String, Entry<'s>)> {
        let mut entries: Vec<_> = self.entries.into_iter().collect();
        entries.sort_by_key(|(_, entry)| entry.start);
        entries
    }

    /// Complains of every entry that nobody took; `known` is what could have stood there.
    pub fn finish(self, known: &[&str], reader: &mut Reader<'_>) {
        for (_, entry) in self.drain() {
            reader.sink.error(&entry.place, format!("unknown key; known are {}", known.join(", ")));
        }
    }
}

fn kind(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "an integer",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "an array",
        DeValue::Table(_) => "a table",
    }
}
