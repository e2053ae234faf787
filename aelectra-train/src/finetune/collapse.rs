//! A training that learns nothing, told while it runs: a tagger that finds no entity, or a loss that does
//! not fall.

/// Share of the first epoch's loss that a later one must fall below.
const FALLEN: f64 = 0.98;

/// Watches the epochs of one training.
#[derive(Debug, Default)]
pub(super) struct Watch {
    epochs: u64,
    first_loss: Option<f64>,
    told: bool,
}

impl Watch {
    /// After an epoch: its mean loss, and how many entities the tagger finds on dev where there is dev
    /// data. Says once what is wrong, from the second epoch on.
    pub(super) fn epoch(&mut self, loss: f64, found: Option<usize>) -> Option<&'static str> {
        self.epochs += 1;
        let first = *self.first_loss.get_or_insert(loss);
        let what = if self.epochs < 2 || self.told {
            None
        } else if found == Some(0) {
            Some("it finds no entity on dev")
        } else if loss > FALLEN * first {
            Some("its loss does not fall")
        } else {
            None
        };
        self.told |= what.is_some();
        what
    }
}

/// What to do about it.
pub(super) const HINT: &str = "try another learning rate (`learning_rates`; a small network wants \
     1e-4 to 2e-3, a rate for large ones moves it too little), a longer warm-up (`warmup_share`) or \
     more epochs";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tagger_of_nothing_is_told_once() {
        let mut watch = Watch::default();
        assert_eq!(watch.epoch(1.0, Some(0)), None, "the first epoch may");
        assert!(
            watch
                .epoch(0.5, Some(0))
                .is_some_and(|what| what.contains("no entity"))
        );
        assert_eq!(watch.epoch(0.4, Some(0)), None);
    }

    #[test]
    fn a_loss_that_stays_is_told() {
        let mut watch = Watch::default();
        assert_eq!(watch.epoch(1.0, None), None);
        assert_eq!(watch.epoch(0.7, None), None);
        assert!(
            watch
                .epoch(0.99, Some(3))
                .is_some_and(|what| what.contains("loss"))
        );
    }

    #[test]
    fn one_that_learns_is_left_alone() {
        let mut watch = Watch::default();
        for (loss, found) in [(1.0, 0), (0.6, 2), (0.4, 90)] {
            assert_eq!(watch.epoch(loss, Some(found)), None);
        }
    }
}
