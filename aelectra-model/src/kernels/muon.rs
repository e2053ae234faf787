//! What Muon needs of the kernels: updates made orthogonal.
//!
//! Jordan et al. 2024, "Muon: An optimizer for hidden layers in neural networks": a matrix `U·S·Vᵀ` is
//! replaced by (about) `U·Vᵀ`, found by an iteration of products only.

/// Rounds of the iteration (Jordan et al. 2024).
pub(super) const ROUNDS: usize = 5;
/// Coefficients of a round, `a·X + (b·G + c·G²)·X` with `G = X·Xᵀ`: the steepest at 0 whose singular
/// values end between about 0.7 and 1.2 (Jordan et al. 2024).
pub(super) const COEFFICIENTS: [f32; 3] = [3.4445, -4.775, 2.0315];
/// Least norm a matrix is divided by.
pub(super) const EPSILON: f32 = 1e-7;
