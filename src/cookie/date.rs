//! Dates as http writes them. Knows the Gregorian calendar, in UTC, and no other.

const DAY: u64 = 24 * 60 * 60;
/// The last second that four digits of a year can name.
const END_OF_9999: i64 = 253_402_300_799;

const WEEKDAYS: [&str; 7] = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"];
const MONTHS: [&str; 12] = [
    "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
];

/// The date of a second since 1970-01-01 UTC, held within the years 1970 to 9999.
///
/// Shape: `Sun, 22 Nov 2026 21:29:48 GMT`.
///
/// Spec: RFC 9110 §5.6.7, IMF-fixdate. Compat: JavaScript's `toUTCString`.
pub(super) fn http_date(second: i64) -> String {
    let second = second.clamp(0, END_OF_9999).unsigned_abs();
    let (days, time) = (second / DAY, second % DAY);
    let (year, month, day) = civil(days);
    format!(
        "{}, {day:02} {} {year:04} {:02}:{:02}:{:02} GMT",
        WEEKDAYS[(days % 7) as usize],
        MONTHS[month],
        time / 3600,
        time / 60 % 60,
        time % 60,
    )
}

/// Year, month from 0 and day from 1 of a count of days since 1970-01-01.
///
/// Counts from 1600-03-01: years that begin in March put the leap day at their end, and 400 of them always have the
/// same number of days.
fn civil(days: u64) -> (u64, usize, u64) {
    const CYCLE: u64 = 400 * 365 + 97;
    const CENTURY: u64 = 100 * 365 + 24;
    const FOUR_YEARS: u64 = 4 * 365 + 1;
    const FROM_MARCH_1600: u64 = 135_080;
    /// Days from the first of March to the first of each month.
    const STARTS: [u64; 12] = [0, 31, 61, 92, 122, 153, 184, 214, 245, 275, 306, 337];

    let days = days + FROM_MARCH_1600;
    let (cycles, rest) = (days / CYCLE, days % CYCLE);
    let centuries = (rest / CENTURY).min(3);
    let rest = rest - centuries * CENTURY;
    let (fours, rest) = (rest / FOUR_YEARS, rest % FOUR_YEARS);
    let years = (rest / 365).min(3);
    let rest = rest - years * 365;

    let since_march = STARTS.partition_point(|start| *start <= rest) - 1;
    let month = (since_march + 2) % 12;
    let year = 1600 + cycles * 400 + centuries * 100 + fours * 4 + years + u64::from(month < 2);
    (year, month, rest - STARTS[since_march] + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_dates_are_written_as_javascript_writes_them() {
        for (second, date) in [
            (0, "Thu, 01 Jan 1970 00:00:00 GMT"),
            (68_241_600, "Tue, 29 Feb 1972 20:00:00 GMT"),
            (784_111_777, "Sun, 06 Nov 1994 08:49:37 GMT"),
            (946_684_799, "Fri, 31 Dec 1999 23:59:59 GMT"),
            (951_782_400, "Tue, 29 Feb 2000 00:00:00 GMT"),
            (951_868_800, "Wed, 01 Mar 2000 00:00:00 GMT"),
            (1_709_164_800, "Thu, 29 Feb 2024 00:00:00 GMT"),
            (1_795_382_988, "Sun, 22 Nov 2026 21:29:48 GMT"),
            (4_107_542_399, "Sun, 28 Feb 2100 23:59:59 GMT"),
            (4_107_542_400, "Mon, 01 Mar 2100 00:00:00 GMT"),
            (13_574_563_200, "Tue, 29 Feb 2400 00:00:00 GMT"),
            (END_OF_9999, "Fri, 31 Dec 9999 23:59:59 GMT"),
        ] {
            assert_eq!(http_date(second), date);
        }
    }

    #[test]
    fn dates_outside_the_years_are_held_within_them() {
        assert_eq!(http_date(i64::MIN), http_date(0));
        assert_eq!(http_date(i64::MAX), http_date(END_OF_9999));
    }

    #[test]
    fn every_day_follows_the_one_before_it() {
        let leap =
            |y: u64| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
        let mut expected = (1970, 0, 1);
        for days in 0..=3_000_000 {
            assert_eq!(civil(days), expected);
            let (year, month, day) = expected;
            let lengths = [
                31,
                28 + u64::from(leap(year)),
                31,
                30,
                31,
                30,
                31,
                31,
                30,
                31,
                30,
                31,
            ];
            expected = match (month, day) {
                (11, 31) => (year + 1, 0, 1),
                (_, last) if last == lengths[month] => (year, month + 1, 1),
                _ => (year, month, day + 1),
            };
        }
    }
}
