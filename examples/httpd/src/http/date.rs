//! Dates as HTTP writes them (RFC 9110, 5.6.7).

const DAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&[u8; 3]; 12] =
    [b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun", b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"];
const DAY: i64 = 86_400;
/// The year 9999 ends a second later.
const LAST: i64 = 253_402_300_799;

/// Days from 1970-01-01 to a day of the Gregorian calendar; `month` counts from 1.
///
/// Years are counted from March, so that the odd day is the last of a year; 400 years have 146,097 days.
fn days_from_date(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let (era, year) = (year.div_euclid(400), year.rem_euclid(400));
    era * 146_097 + year * 365 + year / 4 - year / 100 + (month * 153 + 2) / 5 + day - 1 - 719_468
}

/// The reverse: year, month from 1, day from 1.
fn date_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let (era, day) = (days.div_euclid(146_097), days.rem_euclid(146_097));
    let year = (day - day / 1460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (year * 365 + year / 4 - year / 100);
    let month = (day * 5 + 2) / 153;
    let day = day - (month * 153 + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    (era * 400 + year + carry, month, day)
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`, from seconds since 1970. Times before 1970 or after 9999 are moved to the
/// nearest time between.
pub fn format(seconds: i64) -> [u8; 29] {
    let seconds = seconds.clamp(0, LAST);
    let (days, time) = (seconds / DAY, seconds % DAY);
    let (year, month, day) = date_from_days(days);
    let mut out = *b"Thu, 00 Jan 0000 00:00:00 GMT";
    out[..3].copy_from_slice(DAYS[(days % 7) as usize].as_bytes());
    out[8..11].copy_from_slice(MONTHS[(month - 1) as usize]);
    let mut two = |at: usize, value: i64| {
        out[at] = b'0' + (value / 10) as u8;
        out[at + 1] = b'0' + (value % 10) as u8;
    };
    two(5, day);
    two(12, year / 100);
    two(14, year % 100);
    two(17, time / 3600);
    two(20, time / 60 % 60);
    two(23, time % 60);
    out
}

/// Seconds since 1970 of a date in any of the three formats of HTTP.
pub fn parse(text: &[u8]) -> Option<i64> {
    let text = core::str::from_utf8(text).ok()?;
    let mut words = text.split([' ', '-', ',']).filter(|word| !word.is_empty());
    let weekday = words.next()?;
    let second = words.next()?;
    let (day, month, year, time) = if second.as_bytes().first()?.is_ascii_digit() {
        // Sun, 06 Nov 1994 08:49:37 GMT and Sunday, 06-Nov-94 08:49:37 GMT
        let (month, year, time) = (words.next()?, words.next()?, words.next()?);
        if words.next() != Some("GMT") {
            return None;
        }
        (second, month, year, time)
    } else {
        // Sun Nov  6 08:49:37 1994
        let (day, time, year) = (words.next()?, words.next()?, words.next()?);
        (day, second, year, time)
    };
    if words.next().is_some() || !DAYS.iter().any(|known| weekday.starts_with(known)) {
        return None;
    }
    let month = MONTHS.iter().position(|known| known.as_slice() == month.as_bytes())? as i64 + 1;
    let year = match (number(year)?, year.len()) {
        (year, 4) => year,
        // Two digits: of the last hundred years, as far as this program's time goes.
        (year, 2) => year + if year < 70 { 2000 } else { 1900 },
        _ => return None,
    };
    let mut parts = time.split(':');
    let (hour, minute, second) = (number(parts.next()?)?, number(parts.next()?)?, number(parts.next()?)?);
    let day = number(day)?;
    // A leap second is allowed.
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 60 || !(1..=31).contains(&day) {
        return None;
    }
    let days = days_from_date(year, month, day);
    if date_from_days(days).2 != day {
        return None;
    }
    Some(days * DAY + hour * 3600 + minute * 60 + second)
}

fn number(digits: &str) -> Option<i64> {
    if digits.len() > 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    digits.parse().ok()
}
