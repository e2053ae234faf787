//! Sums over the rows of matrices, for the gradients of biases, gains and offsets, and over the parts in
//! which a sum was begun. In two steps with a fixed order, so that a run repeats to the last bit;
//! each step is one launch for many sums.

use burn::backend::{DType, TensorMetadata};
use burn::tensor::Shape;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

use super::launch::group;
use super::tensor::{argument, element, empty, reshape};

/// Columns and rows of a cube that begins sums.
const COLUMNS: u32 = 32;
const ROWS: u32 = 8;
/// Rows that a cube adds.
const CHUNK: usize = 256;
/// Units of a cube that ends sums, and how many of them share a column that has many parts.
const UNITS: u32 = 256;
const SHARERS: usize = 8;
const MANY_PARTS: usize = 32;
/// Buffers of a sum, and of all sums of a launch.
const BUFFERS: usize = 2;
const SHARED_BUFFERS: usize = 1;

/// A matrix `[count, width]` whose rows are summed.
#[derive(CubeType, CubeLaunch)]
struct Rows<T: Float> {
    values: Box<[T]>,
    /// `[chunks, width]`.
    partial: Box<[f32]>,
    width: usize,
    count: usize,
}

#[cube(launch)]
fn partial_sums<T: Float>(matrices: Sequence<Rows<T>>, #[define(T)] _type: ElemType) {
    let number = CUBE_POS_Z as usize;
    let chunk = CUBE_POS_Y as usize;
    let column = CUBE_POS_X as usize * comptime!(COLUMNS as usize) + UNIT_POS_X as usize;
    let mut sum = 0.0f32;
    #[unroll]
    for index in 0..matrices.len() {
        let matrix = &matrices[index];
        if number == index && column < matrix.width {
            let end = min((chunk + 1) * CHUNK, matrix.count);
            let mut row = chunk * CHUNK + UNIT_POS_Y as usize;
            while row < end {
                sum += f32::cast_from(matrix.values[row * matrix.width + column]);
                row += comptime!(ROWS as usize);
            }
        }
    }
    let mut shared = Shared::new_slice(comptime!((COLUMNS * ROWS) as usize));
    shared[UNIT_POS as usize] = sum;
    sync_cube();
    let mut sum = 0.0f32;
    if UNIT_POS_Y == 0 {
        #[unroll]
        for row in 0..comptime!(ROWS as usize) {
            sum += shared[row * comptime!(COLUMNS as usize) + UNIT_POS_X as usize];
        }
    }
    let mut index = 0usize;
    for mut matrix in matrices {
        let real = column < matrix.width && chunk * CHUNK < matrix.count;
        if number == index && UNIT_POS_Y == 0 && real {
            matrix.partial[chunk * matrix.width + column] = sum;
        }
        index += 1;
    }
}

/// Some columns of `[parts, columns]` whose rows are summed, by the cubes from `begin` to before `end`.
#[derive(CubeType, CubeLaunch)]
struct Total {
    partial: Box<[f32]>,
    total: Box<[f32]>,
    parts: usize,
    columns: usize,
    first: usize,
    count: usize,
    /// Units that share a column.
    sharers: usize,
    begin: usize,
    end: usize,
}

#[cube(launch)]
fn total_sums(totals: Sequence<Total>) {
    let units = comptime!(UNITS as usize);
    let unit = UNIT_POS as usize;
    let cube = CUBE_POS;
    let mut sum = 0.0f32;
    #[unroll]
    for index in 0..totals.len() {
        let one = &totals[index];
        if cube >= one.begin && cube < one.end {
            let width = units / one.sharers;
            let column = (cube - one.begin) * width + unit % width;
            if column < one.count {
                let mut part = unit / width;
                while part < one.parts {
                    sum += one.partial[part * one.columns + one.first + column];
                    part += one.sharers;
                }
            }
        }
    }
    let mut shared = Shared::new_slice(units);
    shared[unit] = sum;
    sync_cube();
    for mut one in totals {
        if cube >= one.begin && cube < one.end {
            let width = units / one.sharers;
            let column = (cube - one.begin) * width + unit % width;
            if unit < width && column < one.count {
                let mut sum = 0.0f32;
                for sharer in 0..one.sharers {
                    sum += shared[sharer * width + unit];
                }
                one.total[column] = sum;
            }
        }
    }
}

/// A sum that is made together with others: its memory holds nothing before they are.
#[must_use = "whoever has it has a tensor that is not written yet"]
pub(super) struct Pending(CubeTensor);

/// That the sums of [`Totals`] are made.
pub(super) struct Written(());

impl Pending {
    /// In another shape.
    pub(super) fn reshape(self, shape: impl Into<Shape>) -> Self {
        Self(reshape(self.0, shape))
    }

    /// The sum.
    pub(super) fn value(self, _: &Written) -> CubeTensor {
        self.0
    }
}

impl From<CubeTensor> for Pending {
    /// Of what is there already.
    fn from(there: CubeTensor) -> Self {
        Self(there)
    }
}

/// Sums that are made together, by [`write`](Totals::write).
#[must_use = "the sums are not made yet"]
#[derive(Default)]
pub(super) struct Totals {
    rows: Vec<(CubeTensor, CubeTensor)>,
    totals: Vec<(CubeTensor, usize, CubeTensor)>,
}

impl Totals {
    /// Of the rows of `[n, width]`: `[width]`.
    pub(super) fn of_rows(&mut self, rows: &CubeTensor) -> Pending {
        let partial = self.parts_of_rows(rows);
        self.of_parts(&partial)
    }

    /// Of the rows of `[n, 3 · width]`, in three: `[width]` each.
    pub(super) fn of_rows_in_three(&mut self, rows: &CubeTensor) -> [Pending; 3] {
        let partial = self.parts_of_rows(rows);
        let [_, columns] = partial.shape().dims();
        let width = columns / 3;
        [0, 1, 2].map(|third| self.of_columns(&partial, third * width, width))
    }

    /// Of some rows of `[n, width]` each: `[parts, width]`.
    fn parts_of_rows(&mut self, rows: &CubeTensor) -> CubeTensor {
        let [count, width] = rows.shape().dims();
        let partial = empty(rows, [count.div_ceil(CHUNK), width], DType::F32);
        self.rows.push((rows.clone(), partial.clone()));
        partial
    }

    /// Of the parts of `[parts, n]`, in a fixed order: `[n]`.
    pub(super) fn of_parts(&mut self, partial: &CubeTensor) -> Pending {
        let [parts, columns] = partial.shape().dims();
        if parts == 1 {
            return Pending(reshape(partial.clone(), [columns]));
        }
        self.of_columns(partial, 0, columns)
    }

    /// The same of some columns: `[count]`.
    pub(super) fn of_columns(
        &mut self,
        partial: &CubeTensor,
        first: usize,
        count: usize,
    ) -> Pending {
        let total = empty(partial, [count], DType::F32);
        self.totals.push((partial.clone(), first, total.clone()));
        Pending(total)
    }

    /// Makes the sums.
    pub(super) fn write(self) -> Written {
        let of_launch = |like: &CubeTensor| group(&like.client, BUFFERS, SHARED_BUFFERS);
        let rows = self.rows.chunk_by(|(a, _), (b, _)| a.dtype == b.dtype);
        for same in rows {
            same.chunks(of_launch(&same[0].0)).for_each(begin);
        }
        if let Some((first, ..)) = self.totals.first() {
            self.totals.chunks(of_launch(first)).for_each(end);
        }
        Written(())
    }
}

fn begin(matrices: &[(CubeTensor, CubeTensor)]) {
    let mut arguments = SequenceArg::new();
    let [mut across, mut chunks] = [1, 1];
    for (rows, partial) in matrices {
        let [count, width] = rows.shape().dims();
        across = across.max(width.div_ceil(COLUMNS as usize) as u32);
        chunks = chunks.max(count.div_ceil(CHUNK) as u32);
        arguments.push(RowsLaunch::new(
            argument(rows),
            argument(partial),
            width,
            count,
        ));
    }
    let like = &matrices[0].0;
    partial_sums::launch(
        &like.client,
        CubeCount::Static(across, chunks, matrices.len() as u32),
        CubeDim::new_2d(COLUMNS, ROWS),
        arguments,
        element(like),
    );
}

fn end(totals: &[(CubeTensor, usize, CubeTensor)]) {
    let mut arguments = SequenceArg::new();
    let mut cubes = 0;
    for (partial, first, total) in totals {
        let [parts, columns] = partial.shape().dims();
        let count = total.shape().num_elements();
        let sharers = if parts < MANY_PARTS { 1 } else { SHARERS };
        let begin = cubes;
        cubes += count.div_ceil(UNITS as usize / sharers);
        arguments.push(TotalLaunch::new(
            argument(partial),
            argument(total),
            parts,
            columns,
            *first,
            count,
            sharers,
            begin,
            cubes,
        ));
    }
    let client = &totals[0].0.client;
    let dim = CubeDim::new_1d(UNITS);
    let cubes = calculate_cube_count_elemwise(client, cubes * UNITS as usize, dim);
    total_sums::launch(client, cubes, dim, arguments);
}

/// The sums over the parts of `[parts, n]`, in a fixed order: `[n]`.
pub(super) fn add_parts(partial: &CubeTensor) -> CubeTensor {
    let mut totals = Totals::default();
    let sum = totals.of_parts(partial);
    sum.value(&totals.write())
}

/// The sums of the rows of `[n, width]`: `[width]`.
pub(super) fn sum_rows(rows: &CubeTensor) -> CubeTensor {
    let mut totals = Totals::default();
    let sum = totals.of_rows(rows);
    sum.value(&totals.write())
}
