//! Names for backtraces: as short as a reader can do with, since they make up most of the table.

/// Longer names are cut.
const MAX_LEN: usize = 160;

/// The demangled name of the symbol `symbol`, without hash and generic arguments:
/// `<alloc::vec::Vec<T,A> as core::ops::drop::Drop>::drop` becomes `<Vec as Drop>::drop`.
pub fn short_name(symbol: &str) -> String {
    // LLVM tells copies of a function apart by `.123` and `.llvm.123`.
    let symbol = symbol.split_once(".llvm.").map_or(symbol, |(before, _)| before);
    let numbered =
        symbol.rsplit_once('.').filter(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
    let symbol = numbered.map_or(symbol, |(before, _)| before);
    let mut name = match rustc_demangle::try_demangle(symbol) {
        Ok(demangled) => shorten(&format!("{demangled:#}")),
        Err(_) => symbol.to_owned(),
    };
    if name.len() > MAX_LEN {
        let cut = (0..=MAX_LEN).rev().find(|at| name.is_char_boundary(*at)).unwrap_or(0);
        name.truncate(cut);
    }
    name
}

/// Shortens a demangled path.
fn shorten(path: &str) -> String {
    let path = path.replace("{{", "{").replace("}}", "}");
    let mut short = String::new();
    let mut rest = path.as_str();
    while let Some(open) = rest.find('<') {
        let (before, from_open) = rest.split_at(open);
        short.push_str(before);
        let end = closing(from_open);
        let inner = from_open.get(1..end).unwrap_or_default();
        rest = from_open.get(end + 1..).unwrap_or_default();
        if let Some((own, of)) = split_top(inner, " as ") {
            short.push_str(&format!("<{} as {}>", last_components(own), last_components(of)));
        } else if let Some((own, of)) = inner.strip_prefix("impl ").and_then(|rest| split_top(rest, " for "))
        {
            short.push_str(&format!("<impl {} for {}>", last_components(own), last_components(of)));
        } else if short.is_empty() {
            // An inherent method, `<path::Type>::method`.
            short.push_str(&shorten(inner));
        } else if short.ends_with("drop_in_place") || short.ends_with("drop_in_place::") {
            // Of this function the argument says all.
            short = format!("drop_in_place<{}>", last_components(inner));
        } else if rest.is_empty() || rest.starts_with("::") {
            // Generic arguments, after `::` in names of the newer mangling.
            let kept = short.trim_end_matches(':').len();
            short.truncate(kept);
        }
    }
    short.push_str(rest);
    short
}

/// The index of the `>` that closes the `<` at the start of `text`, or the end of `text`.
fn closing(text: &str) -> usize {
    let mut depth = 0usize;
    let mut before = ' ';
    for (at, c) in text.char_indices() {
        match c {
            '<' => depth += 1,
            // The arrow of a function type closes nothing.
            '>' if before != '-' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
        before = c;
    }
    text.len()
}

/// Splits at the first `separator` that stands in no angle brackets.
fn split_top<'a>(text: &'a str, separator: &str) -> Option<(&'a str, &'a str)> {
    let mut from = 0;
    while let Some(at) = text.get(from..)?.find(['<', separator.chars().next()?]) {
        let at = from + at;
        let rest = &text[at..];
        if let Some(after) = rest.strip_prefix(separator) {
            return Some((&text[..at], after));
        }
        from = at + if rest.starts_with('<') { closing(rest) } else { 1 };
    }
    None
}

/// A type without generic arguments, and with only the last component of each path in it.
fn last_components(text: &str) -> String {
    let mut without = String::new();
    let mut rest = text;
    while let Some(open) = rest.find('<') {
        without.push_str(&rest[..open]);
        if without.is_empty() || without.ends_with([' ', '(', '[', '&', '*', ',']) {
            // `<T as Trait>::Associated`: T will do.
            let inner = rest.get(open + 1..open + closing(&rest[open..])).unwrap_or_default();
            without.push_str(&last_components(split_top(inner, " as ").map_or(inner, |(own, _)| own)));
        }
        rest = rest.get(open + closing(&rest[open..]) + 1..).unwrap_or_default();
    }
    without.push_str(rest);
    let mut short = String::new();
    let mut start = 0;
    for component in without.split("::") {
        // What precedes the component's own word (as in `&mut [core`) stays, the word does not.
        short.truncate(start);
        short.push_str(component);
        let word = component.rfind(|c: char| " ([&*,".contains(c)).map_or(0, |at| at + 1);
        start += word;
    }
    short
}
