//! The stream of work that belongs to each of several devices, whichever thread hands it work.
//!
//! By itself every thread has a stream of its own, and a GPU's backend keeps memory for each of them that it does not
//! give back when the thread is gone (cubecl 0.11: `StreamPolicy::PerThread`, up to 128 streams). Threads that come and go,
//! one a step for each device, would fill a card with what nobody uses.

use std::sync::{Mutex, PoisonError};

use burn::tensor::StreamId;

/// By the place of a device among those of a training.
static STREAMS: Mutex<Vec<StreamId>> = Mutex::new(Vec::new());

/// Does `work` on the stream of the device at `place`.
pub(crate) fn on_stream_of<R>(place: usize, work: impl FnOnce() -> R) -> R {
    let stream = {
        let mut streams = STREAMS.lock().unwrap_or_else(PoisonError::into_inner);
        while streams.len() <= place {
            streams.push(StreamId::allocate());
        }
        streams[place]
    };
    stream.executes(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_come_and_go_take_up_one_stream_for_each_device() {
        let of = |place| {
            let thread = std::thread::spawn(move || on_stream_of(place, StreamId::current));
            thread.join().expect("it ends")
        };
        let (one, other) = (of(0), of(1));
        assert_ne!(one, other);
        assert_eq!((of(0), of(1)), (one, other));
        assert_ne!(StreamId::current(), one);
    }
}
