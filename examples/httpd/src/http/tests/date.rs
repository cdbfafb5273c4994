//! Dates against a calendar that counts day by day.

use crate::http::date::{format, parse};

#[test]
fn every_day_up_to_2200_is_written_and_read_right() {
    let weekdays = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let mut day = 0i64;
    for year in 1970..2200 {
        let is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
        let lengths = [31, if is_leap { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
        for (month, length) in months.iter().zip(lengths) {
            for date in 1..=length {
                let second = day * 86_400 + (day * 7919) % 86_400;
                let time = second % 86_400;
                let (hour, minute) = (time / 3600, time / 60 % 60);
                let expected = format!(
                    "{}, {date:02} {month} {year} {hour:02}:{minute:02}:{:02} GMT",
                    weekdays[(day % 7) as usize],
                    time % 60
                );
                assert_eq!(format(second), expected.as_bytes(), "{expected}");
                assert_eq!(parse(expected.as_bytes()), Some(second), "{expected}");
                day += 1;
            }
        }
    }
}

#[test]
fn times_outside_the_calendar_are_moved_into_it() {
    assert_eq!(&format(-5), b"Thu, 01 Jan 1970 00:00:00 GMT");
    assert_eq!(&format(i64::MAX), b"Fri, 31 Dec 9999 23:59:59 GMT");
}

#[test]
fn what_is_no_date_is_not_read_as_one() {
    for text in [
        "",
        "Sun",
        "Sun, 06 Nov 1994",
        "Sun, 06 Nov 1994 08:49:37",
        "Sun, 06 Nov 1994 08:49:37 CET",
        "Xyz, 06 Nov 1994 08:49:37 GMT",
        "Sun, 31 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 1994 24:00:00 GMT",
        "Sun, 06 Nov 1994 08:49:37 GMT x",
        "Sun, 06 nov 1994 08:49:37 GMT",
        "Sun, +6 Nov 1994 08:49:37 GMT",
        "Sun, 06 Nov 99999999999999999999 08:49:37 GMT",
        "Sun, 29 Feb 1900 00:00:00 GMT",
        "Sun, 00 Nov 1994 08:49:37 GMT",
    ] {
        assert_eq!(parse(text.as_bytes()), None, "{text}");
    }
    assert_eq!(parse(b"Sun, 06 Nov 1994 08:49:37 GMT"), Some(784_111_777));
    assert_eq!(parse(b"Sunday, 06-Nov-94 08:49:37 GMT"), Some(784_111_777));
    assert_eq!(parse(b"Sun Nov  6 08:49:37 1994"), Some(784_111_777));
}
