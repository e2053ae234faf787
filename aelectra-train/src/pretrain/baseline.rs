//! What a generator that has learnt nothing but word frequencies would score.

use aelectra_data::pretrain::{ShardSet, Split};

use crate::error::Result;

/// Examples counted at most; frequencies of common tokens are stable far below.
const EXAMPLES: usize = 20_000;

/// Entropy in nats of single tokens of the training examples, special tokens left out: the MLM loss
/// of the best guess that ignores the context. `None` when there are no tokens.
pub(crate) fn unigram_entropy(shards: &ShardSet) -> Result<Option<f64>> {
    let special = shards.manifest().plan.special;
    let mut counts = vec![0u64; shards.vocab_size()];
    let len = shards.len(Split::Train);
    let stride = len.div_ceil(EXAMPLES).max(1);
    for index in (0..len).step_by(stride) {
        for id in shards.example(Split::Train, index)?.input_ids {
            if ![special.cls, special.sep, special.mask].contains(&id)
                && let Some(count) = counts.get_mut(id as usize)
            {
                *count += 1;
            }
        }
    }
    Ok(entropy(&counts))
}

fn entropy(counts: &[u64]) -> Option<f64> {
    let total = counts.iter().sum::<u64>() as f64;
    if total == 0.0 {
        return None;
    }
    let share = |&count: &u64| count as f64 / total;
    Some(
        -counts
            .iter()
            .filter(|&&c| c > 0)
            .map(share)
            .map(|p| p * p.ln())
            .sum::<f64>(),
    )
}

#[cfg(test)]
mod tests {
    use super::entropy;

    #[test]
    fn entropy_of_known_distributions() {
        assert_eq!(entropy(&[0, 0]), None);
        assert_eq!(entropy(&[7, 0]), Some(0.0));
        let uniform = entropy(&[5, 5, 5, 5]).unwrap_or(0.0);
        assert!((uniform - 4f64.ln()).abs() < 1e-12);
    }
}
