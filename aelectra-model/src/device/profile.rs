//! Which kernels a piece of work launches on a GPU, and how long each takes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use cubecl::config::TypeNameFormatLevel;
use cubecl::config::type_name_format;
use cubecl::logging::{
    LaunchObservation, LaunchObserver, ProfileDuration, TimingMethod, TimingRequest,
};

use super::{KernelTime, Profile};

#[derive(Default)]
struct Watcher {
    deferred: Mutex<Vec<(&'static str, ProfileDuration)>>,
    read: Mutex<Vec<(&'static str, Duration)>>,
}

impl LaunchObserver for Watcher {
    fn launched(&self, _kernel: &'static str) {}

    fn timing(&self) -> TimingRequest {
        TimingRequest::Deferred
    }

    fn profiled(&self, kernel: &'static str, profile: ProfileDuration) {
        if let Ok(mut deferred) = self.deferred.lock() {
            deferred.push((kernel, profile));
        }
    }

    fn timed(&self, kernel: &'static str, duration: Duration, _method: TimingMethod) {
        if let Ok(mut read) = self.read.lock() {
            read.push((kernel, duration));
        }
    }
}

/// Runs `work`, which must wait for its device, and tells what it launched.
pub(super) fn profile<R>(work: impl FnOnce() -> R) -> (R, Profile) {
    let watcher = Arc::new(Watcher::default());
    let watching = LaunchObservation::new(watcher.clone());
    let started = std::time::Instant::now();
    let result = work();
    let seconds = started.elapsed().as_secs_f64();
    drop(watching);
    let mut times = taken(&watcher.read);
    let deferred = taken(&watcher.deferred);
    for (kernel, profile) in deferred {
        if let Some(ticks) = cubecl::future::block_on(profile.resolve()) {
            times.push((kernel, ticks.duration()));
        }
    }
    let mut kernels: BTreeMap<String, KernelTime> = BTreeMap::new();
    for (kernel, duration) in times {
        let name = type_name_format(kernel, TypeNameFormatLevel::Short);
        let time = kernels.entry(name.clone()).or_insert_with(|| KernelTime {
            name,
            launches: 0,
            seconds: 0.0,
        });
        time.launches += 1;
        time.seconds += duration.as_secs_f64();
    }
    let mut kernels: Vec<KernelTime> = kernels.into_values().collect();
    kernels.sort_by(|a, b| b.seconds.total_cmp(&a.seconds));
    (result, Profile { kernels, seconds })
}

fn taken<T>(list: &Mutex<Vec<T>>) -> Vec<T> {
    list.lock()
        .map_or_else(|_| Vec::new(), |mut list| std::mem::take(&mut *list))
}
