//! Just enough of JSON to look into an answer of QEMU's: the members of an object, as slices of the text. Bounded by the
//! text, without recursion, and without memory of its own.

/// The members of the object that the text is: names as they are written, between their quotes, and values. What is no
/// object has none; a text that is broken ends early.
pub fn members(text: &[u8]) -> impl Iterator<Item = (&[u8], &[u8])> {
    let mut rest = trim(text).strip_prefix(b"{").unwrap_or_default();
    core::iter::from_fn(move || {
        rest = trim(rest);
        rest = trim(rest.strip_prefix(b",").unwrap_or(rest));
        let (name, after) = rest.split_at_checked(string(rest)?)?;
        let after = trim(trim(after).strip_prefix(b":")?);
        let (value, after) = after.split_at_checked(value(after)?)?;
        rest = after;
        Some((name.get(1..name.len().checked_sub(1)?)?, value))
    })
}

/// A member of the object that the text is.
pub fn member<'a>(text: &'a [u8], name: &str) -> Option<&'a [u8]> {
    members(text).find_map(|(found, value)| (found == name.as_bytes()).then_some(value))
}

/// A number without sign and fraction.
pub fn number(value: &[u8]) -> Option<u64> {
    core::str::from_utf8(value).ok()?.parse().ok().filter(|_| value.iter().all(u8::is_ascii_digit))
}

fn trim(text: &[u8]) -> &[u8] {
    text.trim_ascii_start()
}

/// Bytes of the string that the text begins with, its quotes among them.
fn string(text: &[u8]) -> Option<usize> {
    let mut bytes = text.iter().enumerate();
    if bytes.next()?.1 != &b'"' {
        return None;
    }
    while let Some((at, byte)) = bytes.next() {
        match byte {
            b'"' => return at.checked_add(1),
            b'\\' => drop(bytes.next()?),
            _ => {}
        }
    }
    None
}

/// Bytes of the value that the text begins with.
fn value(text: &[u8]) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = 0usize;
    loop {
        let rest = text.get(at..)?;
        match rest.first()? {
            b'"' => at = at.checked_add(string(rest)?)?,
            b'{' | b'[' => {
                depth = depth.checked_add(1)?;
                at = at.checked_add(1)?;
            }
            b'}' | b']' => {
                depth = depth.checked_sub(1)?;
                at = at.checked_add(1)?;
            }
            _ => {
                let is_word = |byte: &u8| !b"\"{}[],: \t\r\n".contains(byte);
                let word = rest.iter().take_while(|byte| is_word(byte)).count();
                at = at.checked_add(word.max(1))?;
                if word == 0 && depth == 0 {
                    // A comma or a colon where a value should be.
                    return None;
                }
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}
