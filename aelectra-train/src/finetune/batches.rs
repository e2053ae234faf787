//! Which windows make up the batches of an epoch: a pure function of lengths, seed and epoch.

use aelectra_data::rng::KeyedRng;

/// Windows of this many batches are sorted by length together: enough for little padding, few
/// enough that batches differ between epochs.
const POOL_BATCHES: usize = 16;

/// Shuffles windows, groups those of similar length, and shuffles the groups.
#[must_use]
pub fn epoch_batches(
    lengths: &[usize],
    batch_size: usize,
    seed: u64,
    epoch: u64,
) -> Vec<Vec<usize>> {
    let mut rng = KeyedRng::new(seed, "finetune order", &[epoch]);
    let mut order: Vec<usize> = (0..lengths.len()).collect();
    rng.shuffle(&mut order);
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for pool in order.chunks_mut(batch_size.max(1) * POOL_BATCHES) {
        pool.sort_by_key(|&index| lengths[index]);
        batches.extend(pool.chunks(batch_size.max(1)).map(<[usize]>::to_vec));
    }
    rng.shuffle(&mut batches);
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_window_once_and_little_padding() {
        let mut rng = KeyedRng::new(1, "lengths", &[]);
        let lengths: Vec<usize> = (0..1000).map(|_| 5 + rng.below(80) as usize).collect();
        let batches = epoch_batches(&lengths, 16, 7, 0);
        let mut seen: Vec<usize> = batches.iter().flatten().copied().collect();
        seen.sort_unstable();
        assert_eq!(seen, (0..1000).collect::<Vec<_>>());
        let padded: usize = batches
            .iter()
            .map(|b| b.len() * b.iter().map(|&i| lengths[i]).max().unwrap_or(0))
            .sum();
        let real: usize = lengths.iter().sum();
        assert!(
            padded as f64 / real as f64 - 1.0 < 0.1,
            "{padded} for {real}"
        );
    }

    #[test]
    fn epochs_and_seeds_differ_and_repeat() {
        let lengths = vec![10; 100];
        let of = |seed, epoch| epoch_batches(&lengths, 8, seed, epoch);
        assert_eq!(of(1, 0), of(1, 0));
        assert_ne!(of(1, 0), of(1, 1));
        assert_ne!(of(1, 0), of(2, 0));
    }
}
