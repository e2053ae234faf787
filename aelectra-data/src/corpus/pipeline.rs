//! One reader, several workers, results in order.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use crossbeam_channel::bounded;

use crate::error::{DataError, Result};

/// The system starts no more threads.
fn no_threads(error: std::io::Error) -> DataError {
    DataError::invalid(format!("no thread can be started: {error}"))
        .with_hint("allow more processes (`ulimit -u`, or a container's limit)")
}

/// Runs `produce` on a thread of its own, `work` on `threads` threads, and `consume` on the
/// calling thread, in the order of production. `produce` gives its items to the function it gets,
/// which returns false when it should stop. The first error by position ends everything.
///
/// At most `2 * threads + 2` items are alive before `work` is done with them.
pub(crate) fn ordered<T, R, W, P>(
    threads: usize,
    produce: impl FnOnce(&mut dyn FnMut(T) -> bool) -> Result<P> + Send,
    worker: impl Fn() -> W + Sync,
    work: impl Fn(&mut W, T) -> Result<R> + Sync,
    mut consume: impl FnMut(R) -> Result<()>,
) -> Result<P>
where
    T: Send,
    R: Send,
    P: Send,
{
    let threads = threads.max(1);
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (item_sender, items) = bounded::<(u64, T)>(1);
        let (result_sender, results) = bounded::<(u64, Result<R>)>(threads);
        let stop = &stop;
        let started = std::thread::Builder::new().spawn_scoped(scope, move || {
            let mut index = 0;
            produce(&mut |item| {
                let sent = item_sender.send((index, item)).is_ok();
                index += 1;
                sent && !stop.load(Ordering::Relaxed)
            })
        });
        let producer = started.map_err(no_threads)?;
        let mut workers = 0;
        for _ in 0..threads {
            let (items, result_sender) = (items.clone(), result_sender.clone());
            let (worker, work) = (&worker, &work);
            let started = std::thread::Builder::new().spawn_scoped(scope, move || {
                let mut state = worker();
                for (index, item) in items {
                    let done = work(&mut state, item);
                    let failed = done.is_err();
                    if result_sender.send((index, done)).is_err() || failed {
                        stop.store(true, Ordering::Relaxed);
                        break;
                    }
                }
            });
            match started {
                Ok(_) => workers += 1,
                // Those that there are do the work.
                Err(_) if workers > 0 => break,
                Err(error) => return Err(no_threads(error)),
            }
        }
        drop((items, result_sender));

        let mut waiting = BTreeMap::new();
        let mut next = 0;
        let mut failure = None;
        for (index, result) in results {
            waiting.insert(index, result);
            while failure.is_none() {
                let Some(result) = waiting.remove(&next) else {
                    break;
                };
                next += 1;
                if let Err(error) = result.and_then(&mut consume) {
                    stop.store(true, Ordering::Relaxed);
                    failure = Some(error);
                }
            }
        }
        // A worker that failed leaves a gap, so an earlier item may never have been worked on.
        if failure.is_none() {
            failure = waiting.into_values().find_map(Result::err);
        }
        let produced = match producer.join() {
            Ok(produced) => produced,
            Err(panic) => std::panic::resume_unwind(panic),
        };
        match failure {
            Some(error) => Err(error),
            None => produced,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::DataError;

    #[test]
    fn order_is_kept_and_errors_stop() {
        let run = |fail_at: u64| {
            let mut seen = Vec::new();
            let outcome = ordered(
                3,
                |emit| {
                    for item in 0..100u64 {
                        if !emit(item) {
                            break;
                        }
                    }
                    Ok(())
                },
                || (),
                |(), item| {
                    if item == fail_at {
                        Err(DataError::invalid("stop"))
                    } else {
                        Ok(item * 2)
                    }
                },
                |result| {
                    seen.push(result);
                    Ok(())
                },
            );
            (seen, outcome.is_err())
        };
        assert_eq!(run(1000), ((0..100).map(|i| i * 2).collect(), false));
        let (seen, failed) = run(5);
        assert!(failed && seen.len() <= 5);
    }
}
