use crate::json::{member, members, number};

#[test]
fn members_are_found_at_the_top_alone() {
    let text = br#" { "a" : 1,"b":{"a":2, "c":[1,{"d":"}"}]} , "e":"x\"y,{", "f" : true, "g":-1.5e3 }"#;
    let found: Vec<_> = members(text).collect();
    let wanted: [(&[u8], &[u8]); 5] = [
        (b"a", b"1"),
        (b"b", br#"{"a":2, "c":[1,{"d":"}"}]}"#),
        (b"e", br#""x\"y,{""#),
        (b"f", b"true"),
        (b"g", b"-1.5e3"),
    ];
    assert_eq!(found, wanted);
    assert_eq!(member(text, "c"), None);
    assert_eq!(member(member(text, "b").expect("there"), "a"), Some(&b"2"[..]));
}

#[test]
fn what_is_no_object_has_no_members() {
    for text in [
        "",
        "[]",
        "{",
        "{}",
        "{\"a\"",
        "{\"a\":",
        "{\"a\":}",
        "{\"a\":]",
        "{\"a\":\"",
        "{\"\\",
        "{a:1}",
        "x{\"a\":1}",
    ] {
        assert_eq!(members(text.as_bytes()).count(), 0, "{text}");
    }
}

#[test]
fn numbers_have_digits_and_nothing_else() {
    assert_eq!(number(b"20"), Some(20));
    for text in ["", "-1", "+1", "1.0", "x", "99999999999999999999"] {
        assert_eq!(number(text.as_bytes()), None, "{text}");
    }
}

#[test]
fn any_bytes_end() {
    let mut seed = 5u64;
    for _ in 0..if cfg!(miri) { 200 } else { 50_000 } {
        let mut random = || {
            seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (seed >> 33) as usize
        };
        let text: Vec<u8> = (0..random() % 40).map(|_| b"{}[]\":,\\a1 "[random() % 11]).collect();
        assert!(members(&text).count() <= text.len());
    }
}
