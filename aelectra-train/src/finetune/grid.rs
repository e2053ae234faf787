//! The search for a learning rate: a grid, and beyond its edge as long as that is where the best is.

/// Steps beyond an edge of the grid at most, and their factor.
const BEYOND: usize = 3;
const FACTOR: f64 = 2.0;

/// Rates tried so far.
#[derive(Debug)]
pub(super) struct Grid {
    waiting: Vec<f64>,
    widens: bool,
    beyond: usize,
    /// Each with its F1 on dev; negative infinity where training diverged.
    tried: Vec<(f64, f64)>,
}

impl Grid {
    /// Of `rates`, in the order in which they are tried. One that `widens` goes on beyond an edge.
    pub(super) fn new(rates: &[f64], widens: bool) -> Self {
        let mut waiting = rates.to_vec();
        waiting.reverse();
        Self {
            waiting,
            widens,
            beyond: 0,
            tried: Vec::new(),
        }
    }

    /// The next rates to try side by side: up to `count` of the grid, or one beyond it.
    pub(super) fn next_ones(&mut self, count: usize) -> Vec<f64> {
        if self.waiting.is_empty() {
            return self.beyond_an_edge().into_iter().collect();
        }
        let rest = self.waiting.len().saturating_sub(count.max(1));
        self.waiting.split_off(rest).into_iter().rev().collect()
    }

    /// A rate beyond the edge that the best one is at.
    fn beyond_an_edge(&mut self) -> Option<f64> {
        if !self.widens || self.beyond == BEYOND || self.tried.len() < 2 {
            return None;
        }
        let (best, f1) = self.best()?;
        let rates = || self.tried.iter().map(|(rate, _)| *rate);
        let greatest = rates().fold(best, f64::max);
        let next = if best == greatest || f1 <= 0.0 {
            // Where nothing was learnt at any rate, they were all too small for what was given, unless one was too
            // great already.
            let diverged = self.tried.iter().any(|(_, f1)| !f1.is_finite());
            if diverged && best != greatest {
                return None;
            }
            greatest * FACTOR
        } else if rates().all(|rate| rate >= best) {
            best / FACTOR
        } else {
            return None;
        };
        self.beyond += 1;
        Some(next)
    }

    /// What a rate that [`Self::next_ones`] gave reached.
    pub(super) fn reached(&mut self, rate: f64, f1: f64) {
        self.tried.push((rate, f1));
    }

    /// The best rate, the first of equals, and its F1; none where all diverged.
    pub(super) fn best(&self) -> Option<(f64, f64)> {
        let finite = self.tried.iter().filter(|(_, f1)| f1.is_finite());
        finite
            .copied()
            .reduce(|best, one| if one.1 > best.1 { one } else { best })
    }

    /// Whether a better rate may lie beyond what was tried.
    pub(super) fn is_at_an_edge(&self) -> bool {
        let Some((best, _)) = self.best() else {
            return false;
        };
        let mut rates = self.tried.iter().map(|(rate, _)| *rate);
        self.tried.len() > 1
            && (rates.clone().all(|rate| rate <= best) || rates.all(|rate| rate >= best))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Rates tried when F1 is a function of the rate, and the best of them.
    fn search(
        rates: &[f64],
        widens: bool,
        f1: impl Fn(f64) -> f64,
    ) -> (Vec<f64>, Option<f64>, bool) {
        let mut grid = Grid::new(rates, widens);
        let mut tried = Vec::new();
        for side_by_side in [1, 2].into_iter().cycle() {
            let next = grid.next_ones(side_by_side);
            if next.is_empty() {
                break;
            }
            for rate in next {
                tried.push(rate);
                grid.reached(rate, f1(rate));
            }
        }
        (tried, grid.best().map(|best| best.0), grid.is_at_an_edge())
    }

    /// The greatest at `at`, falling on both sides.
    fn peak(at: f64) -> impl Fn(f64) -> f64 {
        move |rate: f64| 10.0 - (rate / at).ln().abs()
    }

    const RATES: [f64; 3] = [1e-4, 3e-4, 5e-4];

    #[test]
    fn an_optimum_inside_needs_no_more() {
        assert_eq!(
            search(&RATES, true, peak(3e-4)),
            (RATES.to_vec(), Some(3e-4), false)
        );
    }

    #[test]
    fn an_optimum_beyond_an_edge_is_gone_after() {
        let (tried, best, edge) = search(&RATES, true, peak(1e-3));
        assert_eq!(
            (&tried[3..], best, edge),
            (&[1e-3, 2e-3][..], Some(1e-3), false)
        );
        let (tried, best, edge) = search(&RATES, true, peak(3e-5));
        assert_eq!(
            (&tried[3..], best, edge),
            (&[5e-5, 2.5e-5, 1.25e-5][..], Some(2.5e-5), false)
        );
        let (tried, best, edge) = search(&RATES, true, peak(1.0));
        assert_eq!((tried.len(), best, edge), (3 + BEYOND, Some(4e-3), true));
    }

    #[test]
    fn a_grid_may_be_just_that() {
        let (tried, best, edge) = search(&RATES, false, peak(1.0));
        assert_eq!((tried, best, edge), (RATES.to_vec(), Some(5e-4), true));
        assert_eq!(
            search(&[2e-5], true, peak(1.0)),
            (vec![2e-5], Some(2e-5), false)
        );
    }

    #[test]
    fn what_diverges_is_not_chosen() {
        let diverges = |rate: f64| if rate > 2e-4 { f64::NEG_INFINITY } else { 0.5 };
        let (_, best, _) = search(&RATES, true, diverges);
        assert_eq!(best, Some(1e-4));
        let learns_nothing = |rate: f64| if rate > 4e-4 { f64::NEG_INFINITY } else { 0.0 };
        assert_eq!(search(&RATES, true, learns_nothing).0, RATES);
        let (tried, best, _) = search(&RATES, true, |_| f64::NEG_INFINITY);
        assert_eq!((tried, best), (RATES.to_vec(), None));
    }

    #[test]
    fn where_nothing_is_learnt_the_rate_rises() {
        let wakes = |rate: f64| if rate > 1.5e-3 { 0.4 } else { 0.0 };
        let (tried, best, _) = search(&RATES, true, wakes);
        assert_eq!((&tried[3..], best), (&[1e-3, 2e-3, 4e-3][..], Some(2e-3)));
    }
}
