//! What crosses between host and device in a pretraining step: ids, and nothing back until the metrics
//! are read. In a process of its own, because the counters are the process's.

mod common;

use aelectra_data::pretrain::PretrainBatch;
use aelectra_model::{kernels, transfer};
use aelectra_train::optimizer::Adam;
use aelectra_train::pretrain::replicas::NamedDevice;
use aelectra_train::pretrain::step::{Steps, train_step};
use aelectra_train::pretrain::weights::fresh_model;
use common::{masked_batch, small_network};

const ROWS: usize = 16;
const LENGTH: usize = 128;
const WORDS: usize = 1000;
/// Sent in a step at most.
const LIMIT: u64 = 64 << 10;

/// The last row is padded, and not all rows have as many drawn tokens.
fn batch(number: usize) -> PretrainBatch {
    let input_ids: Vec<u32> = (0..ROWS * LENGTH)
        .map(|at| ((at + number) % (WORDS - 5) + 5) as u32)
        .collect();
    let masked_rows: Vec<u32> = (0..ROWS)
        .flat_map(|row| (0..19 - row.min(3)).map(move |at| (row * LENGTH + 2 + at * 5) as u32))
        .collect();
    let lengths = (0..ROWS).map(|row| LENGTH - row).collect();
    PretrainBatch {
        token_type_ids: (0..ROWS * LENGTH)
            .map(|at| u32::from(at % 3 == 0))
            .collect(),
        ..masked_batch(input_ids, lengths, LENGTH, masked_rows, 19)
    }
}

#[test]
fn nothing_but_ids_crosses_in_a_step() {
    let device = aelectra_model::device::for_tests();
    if kernels::of(&device).name() == "composed" {
        // Composed operations make their noise on the host; they are the reference, not the fast way.
        return;
    }
    let device = device.autodiff();
    let config = small_network();
    let mut model = fresh_model(&config, WORDS, 0, &device);
    let devices = [NamedDevice::new("test", &device)];
    let mut optimizer = Adam::new(config.optimizer, &model);
    let mut steps = Steps::default();
    for step in 0..3 {
        let before = transfer::so_far();
        let (new, record) = train_step(
            model,
            &mut optimizer,
            &config,
            &batch(step),
            step as u64,
            &devices,
        )
        .expect("f32 is everywhere");
        model = new;
        steps.push(record);
        let after = transfer::so_far();
        assert!(after.sent > before.sent, "ids are sent");
        let sent = after.sent - before.sent;
        assert!(sent <= LIMIT, "{sent} bytes in a step");
        assert_eq!(after.waits, before.waits, "a step waits for nothing");
    }
    let before = transfer::so_far().waits;
    let read = steps.read();
    assert_eq!(
        transfer::so_far().waits,
        before + 1,
        "metrics are read at once"
    );
    let drawn: usize = (0..ROWS).map(|row| 19 - row.min(3)).sum();
    assert_eq!(read.counts.masked, 3 * drawn as u64);
    let tokens = read.counts.detections.iter();
    let tokens: u64 = tokens.map(|one| one.replaced + one.original).sum();
    let real: usize = (0..ROWS).map(|row| LENGTH - row).sum();
    assert_eq!(tokens, 3 * real as u64, "no padding is counted");
    assert_eq!(read.grad_norms.len(), 3);
}
