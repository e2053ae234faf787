//! Independent trainings on several devices: each device takes the next one as it becomes free.

use std::sync::atomic::{AtomicUsize, Ordering};

use burn::tensor::Device;

use crate::error::{Result, TrainError};
use crate::streams::on_stream_of;
use crate::survive::survived;

/// Does `jobs`, each on one of `devices`; the results are in the order of the jobs. After a job that
/// failed no further one is begun.
///
/// # Errors
/// The first job's, in their order, that failed.
pub(super) fn side_by_side<J: Sync, R: Send>(
    devices: &[Device],
    jobs: &[J],
    work: impl Fn(&Device, &J) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let take_all = |device: &Device| {
        let mut done = Vec::new();
        loop {
            let at = next.fetch_add(1, Ordering::Relaxed);
            let Some(job) = jobs.get(at) else {
                return done;
            };
            let result = survived("a training", || work(device, job));
            if result.is_err() {
                next.store(jobs.len(), Ordering::Relaxed);
            }
            done.push((at, result));
        }
    };
    let mut results = match devices {
        [] => return Err(TrainError::config("no device to train on")),
        [device] => take_all(device),
        _ => std::thread::scope(|scope| {
            let take_all = &take_all;
            let threads: Vec<_> = devices
                .iter()
                .enumerate()
                .map(|(place, device)| {
                    scope.spawn(move || on_stream_of(place, || take_all(device)))
                })
                .collect();
            // Panics of jobs are results, so every thread comes to its end.
            let joined = threads.into_iter().map(|thread| thread.join());
            joined.flat_map(|done| done.unwrap_or_default()).collect()
        }),
    };
    results.sort_by_key(|(at, _)| *at);
    let results: Vec<R> = results
        .into_iter()
        .map(|(_, result)| result)
        .collect::<Result<_>>()?;
    if results.len() < jobs.len() {
        return Err(TrainError::failed("a training thread died"));
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;

    #[test]
    fn every_job_is_done_once_and_answers_are_in_order() {
        let device = aelectra_model::device::for_tests();
        for count in [1, 2, 5] {
            let devices = vec![device.clone(); count];
            let jobs: Vec<u64> = (0..7).collect();
            let done = Mutex::new(Vec::new());
            let results = side_by_side(&devices, &jobs, |_, &job| {
                std::thread::sleep(std::time::Duration::from_millis(7 - job));
                done.lock().expect("alive").push(job);
                Ok(job * 10)
            })
            .expect("all succeed");
            assert_eq!(results, [0, 10, 20, 30, 40, 50, 60]);
            let mut done = done.into_inner().expect("alive");
            done.sort_unstable();
            assert_eq!(done, jobs);
        }
    }

    #[test]
    fn a_panic_ends_it_with_its_text() {
        let device = aelectra_model::device::for_tests();
        let begun = AtomicUsize::new(0);
        let failed = side_by_side(&[device.clone(), device], &[0; 100], |_, _| {
            begun.fetch_add(1, Ordering::Relaxed);
            panic!("out of memory");
            #[allow(unreachable_code)]
            Ok(())
        });
        let error = failed.expect_err("it panicked").to_string();
        assert_eq!(error, "a training failed: out of memory");
        assert!(begun.into_inner() < 10);
    }

    #[test]
    fn a_failure_ends_it() {
        let device = aelectra_model::device::for_tests();
        let begun = AtomicUsize::new(0);
        let failed = side_by_side(&[device.clone(), device], &[0; 100], |_, _| {
            begun.fetch_add(1, Ordering::Relaxed);
            Err::<(), _>(TrainError::failed("no"))
        });
        assert!(failed.is_err());
        assert!(begun.into_inner() < 10);
    }
}
