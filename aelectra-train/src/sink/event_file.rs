//! The event log of a run. What a full disk refuses waits until there is room again.

use std::collections::VecDeque;
use std::time::Duration;

use aelectra_data::DataError;
use aelectra_data::run::{EventWriter, LogEvent, LogLevel, RunEvent, unix_time};

use crate::error::{Result, TrainError};
use crate::sink::RunSink;

/// Events that wait at most; of more than these the oldest are lost.
const WAITING: usize = 10_000;
/// How often, and how far apart, what still waits is tried once more when the run has ended.
const LAST_TRIES: (usize, Duration) = (10, Duration::from_millis(500));

/// Where events go in order.
pub(crate) trait Log {
    fn append(&mut self, time: f64, event: &RunEvent) -> Result<()>;
    fn sync(&mut self) -> Result<()>;
}

impl Log for EventWriter {
    fn append(&mut self, time: f64, event: &RunEvent) -> Result<()> {
        self.append_at(time, event)?;
        Ok(())
    }

    fn sync(&mut self) -> Result<()> {
        Ok(Self::sync(self)?)
    }
}

/// Writes events in order, none before an earlier one.
#[derive(Debug)]
pub(crate) struct EventFile<W = EventWriter> {
    log: W,
    waiting: VecDeque<(f64, RunEvent)>,
    lost: u64,
}

impl<W> EventFile<W> {
    /// Into a log.
    pub(crate) fn new(log: W) -> Self {
        Self {
            log,
            waiting: VecDeque::new(),
            lost: 0,
        }
    }
}

impl<W: Log> EventFile<W> {
    fn write_waiting(&mut self) -> Result<()> {
        while let Some((time, event)) = self.waiting.front() {
            let written = self.log.append(*time, event);
            if matches!(written, Err(TrainError::Data(DataError::Invalid { .. }))) {
                // It has no form in JSON, and must not be in the way of others.
                self.waiting.pop_front();
                return written;
            }
            written?;
            self.waiting.pop_front();
        }
        if self.lost > 0 {
            let event = RunEvent::Log(LogEvent {
                level: LogLevel::Warn,
                message: format!("{} events were lost: there was no room for them", self.lost),
                ..LogEvent::default()
            });
            self.log.append(unix_time(), &event)?;
            self.lost = 0;
        }
        Ok(())
    }

    /// Writes what still waits, if there is room within `tries`.
    fn finish(&mut self, (tries, pause): (usize, Duration)) {
        for at in 0..tries {
            if at > 0 {
                std::thread::sleep(pause);
            }
            if self.write_waiting().and_then(|()| self.log.sync()).is_ok() {
                return;
            }
        }
    }
}

impl<W: Log + Send> RunSink for EventFile<W> {
    fn handle(&mut self, time: f64, event: &RunEvent) -> Result<()> {
        if self.waiting.len() == WAITING {
            self.waiting.pop_front();
            self.lost += 1;
        }
        self.waiting.push_back((time, event.clone()));
        self.write_waiting()
    }

    fn flush(&mut self) -> Result<()> {
        self.write_waiting()?;
        self.log.sync()
    }

    fn end(&mut self) {
        if self.waiting.is_empty() && self.lost == 0 {
            return;
        }
        self.finish(LAST_TRIES);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes messages while there is room.
    #[derive(Default)]
    struct Disk {
        room: usize,
        taken: Vec<String>,
    }

    impl Log for Disk {
        fn append(&mut self, _: f64, event: &RunEvent) -> Result<()> {
            let RunEvent::Log(log) = event else {
                return Ok(());
            };
            if self.room == 0 {
                return Err(TrainError::failed("no room"));
            }
            self.room -= 1;
            self.taken.push(log.message.clone());
            Ok(())
        }

        fn sync(&mut self) -> Result<()> {
            Ok(())
        }
    }

    fn told(message: usize) -> RunEvent {
        RunEvent::Log(LogEvent {
            message: message.to_string(),
            ..LogEvent::default()
        })
    }

    #[test]
    fn what_a_full_disk_refuses_is_written_in_order_when_there_is_room() {
        let mut file = EventFile::new(Disk {
            room: 1,
            ..Disk::default()
        });
        let fails = [0, 1, 2].map(|event| file.handle(0.0, &told(event)).is_err());
        assert_eq!(fails, [false, true, true]);
        file.log.room = 10;
        assert!(file.handle(0.0, &told(3)).is_ok());
        assert_eq!(file.log.taken, ["0", "1", "2", "3"]);
    }

    #[test]
    fn the_oldest_are_lost_and_counted_where_too_many_wait() {
        let mut file = EventFile::new(Disk::default());
        for event in 0..WAITING + 3 {
            assert!(file.handle(0.0, &told(event)).is_err());
        }
        file.log.room = usize::MAX;
        file.finish((1, Duration::ZERO));
        let taken = &file.log.taken;
        assert_eq!((taken.len(), &taken[0][..]), (WAITING + 1, "3"));
        assert!(
            taken[WAITING].contains("3 events were lost"),
            "{}",
            taken[WAITING]
        );
    }
}
