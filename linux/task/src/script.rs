//! Scripts: `#!` and an interpreter (`execve(2)`).

/// How much of a file is looked at for the first line.
pub const HEAD_LEN: usize = 256;

/// What the first line of a script says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Script<'a> {
    /// The interpreter's path.
    pub interpreter: &'a [u8],
    /// Its one argument, blanks and all, if there is one.
    pub argument: Option<&'a [u8]>,
}

/// Reads the first line of a file by its first [`HEAD_LEN`] bytes, or all if it has fewer. `None`: it is no script. A line that
/// does not end there is cut, but an interpreter's path is never.
pub fn parse(head: &[u8]) -> Option<Script<'_>> {
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let rest = head.strip_prefix(b"#!")?;
    let end = rest.iter().position(|byte| *byte == b'\n');
    let line = &rest[..end.unwrap_or(rest.len())];
    let line = line.split(|byte| *byte == 0).next().unwrap_or_default();
    let line = &line[line.iter().position(|byte| !is_blank(byte))?..];
    let (interpreter, rest) = match line.iter().position(is_blank) {
        Some(at) => line.split_at(at),
        None if end.is_none() && head.len() >= HEAD_LEN => return None,
        None => (line, &[][..]),
    };
    let start = rest.iter().position(|byte| !is_blank(byte));
    let stop = rest.iter().rposition(|byte| !is_blank(byte));
    let argument = start.zip(stop).map(|(start, stop)| &rest[start..=stop]);
    Some(Script { interpreter, argument })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(head: &[u8]) -> Option<(&[u8], Option<&[u8]>)> {
        parse(head).map(|script| (script.interpreter, script.argument))
    }

    #[test]
    fn the_first_line_names_interpreter_and_argument() {
        assert_eq!(parsed(b"#!/bin/sh\necho"), Some((&b"/bin/sh"[..], None)));
        assert_eq!(
            parsed(b"#! /usr/bin/env  python3 -u \n"),
            Some((&b"/usr/bin/env"[..], Some(&b"python3 -u"[..])))
        );
        assert_eq!(parsed(b"#!/bin/sh"), Some((&b"/bin/sh"[..], None)));
        for no_script in [&b""[..], b"#", b"#!", b"#!\n/bin/sh", b"#! \t \n", b"\x7fELF", b" #!/bin/sh\n"] {
            assert_eq!(parsed(no_script), None, "{no_script:?}");
        }
    }

    #[test]
    fn a_path_that_is_cut_is_not_used() {
        let mut head = b"#!/".to_vec();
        head.resize(HEAD_LEN, b'x');
        assert_eq!(parsed(&head), None);
        head[200] = b' ';
        assert_eq!(parsed(&head).unwrap().0.len(), 198);
    }
}
