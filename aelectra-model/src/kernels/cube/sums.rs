//! Sums over the rows of a matrix, for the gradients of biases, gains and offsets. In two steps with
//! a fixed order, so that a run repeats to the last bit.

use burn::backend::{DType, TensorMetadata};
use burn_cubecl::tensor::CubeTensor;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::tensor::{argument, element, elementwise, empty, part, reshape};

/// Columns and rows of a cube.
const COLUMNS: u32 = 32;
const ROWS: u32 = 8;
/// Rows that a cube adds.
const CHUNK: usize = 256;

/// What is summed.
enum Sums<'a> {
    /// The rows of one matrix, `[n, width]`.
    Rows(&'a CubeTensor),
    /// For a LayerNorm: `gradient · normalised`, `gradient`, `dropped`, all `[n, width]`.
    Norm {
        gradient: &'a CubeTensor,
        normalised: &'a CubeTensor,
        dropped: &'a CubeTensor,
    },
}

/// Adds what the units of a column hold; the unit of the first row gets the sum.
#[cube]
fn add_rows(value: f32, shared: &mut Shared<[f32]>) -> f32 {
    let at = UNIT_POS as usize;
    sync_cube();
    shared[at] = value;
    sync_cube();
    let steps = comptime!(ROWS.ilog2());
    #[unroll]
    for step in 0..steps {
        let half = comptime!((ROWS >> (step + 1)) as usize);
        if (UNIT_POS_Y as usize) < half {
            let other = shared[at + half * comptime!(COLUMNS as usize)];
            shared[at] += other;
        }
        sync_cube();
    }
    shared[at]
}

#[cube(launch)]
#[allow(clippy::too_many_arguments, reason = "the arguments of a kernel")]
fn partial_sums<T: Float>(
    values: &[T],
    gradient: &[f32],
    normalised: &[f32],
    partial: &mut [f32],
    width: usize,
    count: usize,
    chunk: usize,
    #[comptime] norm: bool,
    #[define(T)] _type: ElemType,
) {
    let mut shared = Shared::new_slice(comptime!((COLUMNS * ROWS) as usize));
    let column = CUBE_POS_X as usize * comptime!(COLUMNS as usize) + UNIT_POS_X as usize;
    let inside = column < width;
    let number = CUBE_POS_Y as usize;
    let end = min((number + 1) * chunk, count);
    let mut row = number * chunk + UNIT_POS_Y as usize;
    let mut plain = 0.0f32;
    let mut gradients = 0.0f32;
    let mut products = 0.0f32;
    if inside {
        while row < end {
            let at = row * width + column;
            plain += f32::cast_from(values[at]);
            if comptime!(norm) {
                let value = gradient[at];
                gradients += value;
                products += value * normalised[at];
            }
            row += comptime!(ROWS as usize);
        }
    }
    let writes = inside && UNIT_POS_Y == 0;
    let sum = add_rows(plain, &mut shared);
    if comptime!(norm) {
        let first = number * 3 * width + column;
        if writes {
            partial[first + 2 * width] = sum;
        }
        let sum = add_rows(gradients, &mut shared);
        if writes {
            partial[first + width] = sum;
        }
        let sum = add_rows(products, &mut shared);
        if writes {
            partial[first] = sum;
        }
    } else {
        if writes {
            partial[number * width + column] = sum;
        }
    }
}

#[cube(launch)]
fn total_sums(partial: &[f32], total: &mut [f32], columns: usize, chunks: usize) {
    let column = ABSOLUTE_POS;
    if column < columns {
        let mut sum = 0.0f32;
        for chunk in 0..chunks {
            sum += partial[chunk * columns + column];
        }
        total[column] = sum;
    }
}

/// The sums, side by side: `[width]`, or `[3 · width]` for [`Sums::Norm`].
fn column_sums(sums: &Sums<'_>) -> CubeTensor {
    let (values, gradient, normalised, norm) = match sums {
        // What the kernel does not read.
        Sums::Rows(rows) => (*rows, *rows, *rows, false),
        Sums::Norm {
            gradient,
            normalised,
            dropped,
        } => (*dropped, *gradient, *normalised, true),
    };
    let [count, width] = values.shape().dims();
    let client = &values.client;
    let chunks = count.div_ceil(CHUNK);
    let columns = if norm { 3 * width } else { width };
    let partial = empty(values, [chunks, columns], DType::F32);
    let across = width.div_ceil(COLUMNS as usize) as u32;
    partial_sums::launch(
        client,
        CubeCount::Static(across, chunks as u32, 1),
        CubeDim::new_2d(COLUMNS, ROWS),
        argument(values),
        argument(gradient),
        argument(normalised),
        argument(&partial),
        width,
        count,
        CHUNK,
        norm,
        element(values),
    );
    if chunks == 1 {
        return reshape(partial, [columns]);
    }
    add_parts(&partial)
}

/// The sums over the parts of `[parts, n]`, in their order: `[n]`.
pub(super) fn add_parts(partial: &CubeTensor) -> CubeTensor {
    let [parts, columns] = partial.shape().dims();
    let total = empty(partial, [columns], DType::F32);
    let (cubes, dim) = elementwise(&partial.client, columns);
    total_sums::launch(
        &partial.client,
        cubes,
        dim,
        argument(partial),
        argument(&total),
        columns,
        parts,
    );
    total
}

/// The sums of the rows of `[n, width]`: `[width]`.
pub(super) fn sum_rows(rows: &CubeTensor) -> CubeTensor {
    column_sums(&Sums::Rows(rows))
}

/// The gradients of a LayerNorm's gain and offset and of the bias before it, `[width]` each.
pub(super) fn norm_sums(
    gradient: &CubeTensor,
    normalised: &CubeTensor,
    dropped: &CubeTensor,
) -> [CubeTensor; 3] {
    let [_, width] = gradient.shape().dims();
    let sums = column_sums(&Sums::Norm {
        gradient,
        normalised,
        dropped,
    });
    [0, 1, 2].map(|at| part(&sums, at * width, width))
}
