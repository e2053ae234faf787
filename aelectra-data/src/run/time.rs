//! Time as runs write it.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch, the `t` of an event; 0 on a clock before 1970.
#[must_use]
pub fn unix_time() -> f64 {
    SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0.0, |elapsed| elapsed.as_secs_f64())
}

/// `YYYY-MM-DDThh:mm:ssZ`.
#[must_use]
pub fn utc_timestamp(time: SystemTime) -> String {
    let [year, month, day, hour, minute, second] = civil(time);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z")
}

/// A new run's id: `YYYYMMDD-hhmmss-command`, so that names sort by time.
#[must_use]
pub fn new_run_id(time: SystemTime, command: &str) -> String {
    let [year, month, day, hour, minute, second] = civil(time);
    format!("{year:04}{month:02}{day:02}-{hour:02}{minute:02}{second:02}-{command}")
}

/// Year, month, day, hour, minute and second in UTC. The day count is the closed form of Howard
/// Hinnant's "chrono-Compatible Low-Level Date Algorithms" (`civil_from_days`).
fn civil(time: SystemTime) -> [u64; 6] {
    let seconds = time
        .duration_since(UNIX_EPOCH)
        .map_or(0, |elapsed| elapsed.as_secs());
    let days = seconds / 86_400 + 719_468;
    let era = days / 146_097;
    let day_of_era = days % 146_097;
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = (shifted_month + 2) % 12 + 1;
    let year = year_of_era + era * 400 + u64::from(month <= 2);
    let (hour, minute) = (seconds / 3600 % 24, seconds / 60 % 60);
    [year, month, day, hour, minute, seconds % 60]
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn dates() {
        let at = |seconds| UNIX_EPOCH + Duration::from_secs(seconds);
        assert_eq!(utc_timestamp(at(0)), "1970-01-01T00:00:00Z");
        assert_eq!(utc_timestamp(at(951_827_696)), "2000-02-29T12:34:56Z");
        assert_eq!(utc_timestamp(at(1_798_761_599)), "2026-12-31T23:59:59Z");
        assert_eq!(new_run_id(at(1_709_210_096), "x"), "20240229-123456-x");
    }
}
