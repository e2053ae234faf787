//! Tensors of the GPU backend as kernels take them: contiguous, in the type of a precision.
//!
//! What Burn's own operations give is not always so: on CUDA the rows of a matrix begin at multiples
//! of up to 512 bytes. Every such operation of this module's users therefore passes through here.

use burn::backend::cubecl::dtype_to_storage_type;
use burn::backend::ops::FloatTensorOps;
use burn::backend::{DType, TensorMetadata};
use burn::tensor::{Shape, Slice};
use burn_cubecl::CubeBackend;
use burn_cubecl::kernel;
use burn_cubecl::ops::numeric;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::client::Client;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// The tensor with its elements one after the other, and the strides that its shape has then: those of
/// axes with one element are arbitrary to Burn, but CubeK gives one of them to the card's copy engine.
pub(super) fn contiguous(tensor: CubeTensor) -> CubeTensor {
    let tensor = kernel::into_contiguous(tensor);
    let shape = tensor.shape();
    reshape(tensor, shape)
}

/// A contiguous tensor that may be written over: a copy where somebody else holds it.
pub(super) fn writable(tensor: CubeTensor) -> CubeTensor {
    let tensor = contiguous(tensor);
    if tensor.can_mut() {
        tensor
    } else {
        contiguous(tensor.copy())
    }
}

/// Room for a contiguous tensor on the device of another. Kernels write all of it.
pub(super) fn empty(like: &CubeTensor, shape: impl Into<Shape>, dtype: DType) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    numeric::empty_device_contiguous_dtype(client, device, shape.into(), dtype)
}

/// The same elements in another shape; the tensor must be contiguous.
pub(super) fn reshape(tensor: CubeTensor, shape: impl Into<Shape>) -> CubeTensor {
    burn_cubecl::ops::reshape(tensor, shape.into())
}

/// The same elements in another type.
pub(super) fn cast(tensor: CubeTensor, dtype: DType) -> CubeTensor {
    if tensor.dtype == dtype {
        tensor
    } else {
        contiguous(kernel::cast(tensor, dtype))
    }
}

/// The sum of two tensors.
pub(super) fn add(left: CubeTensor, right: CubeTensor) -> CubeTensor {
    contiguous(numeric::add(left, right))
}

/// Zeros on the device of another tensor.
pub(super) fn zeros(like: &CubeTensor, shape: impl Into<Shape>, dtype: DType) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    let shape = shape.into();
    // A vector has no rows that could be placed apart.
    let flat = Shape::from([shape.num_elements()]);
    reshape(numeric::zeros_client(client, device, flat, dtype), shape)
}

/// A view with its last two dimensions exchanged.
pub(super) fn transposed(tensor: CubeTensor) -> CubeTensor {
    let mut axes: Vec<usize> = (0..tensor.rank()).collect();
    let rank = axes.len();
    axes.swap(rank - 2, rank - 1);
    burn_cubecl::ops::permute(tensor, &axes)
}

/// A contiguous tensor as the argument of a kernel.
pub(super) fn argument(tensor: &CubeTensor) -> BufferArg {
    let count = tensor.meta.num_elements();
    assert!(tensor.is_contiguous(), "kernels count on it");
    // Beyond that, accesses would be bent to places that are there.
    assert!(
        u32::try_from(count).is_ok(),
        "a tensor of {:?} has more elements than kernels count with 32 bits: give a smaller batch",
        tensor.meta.shape()
    );
    // SAFETY: a contiguous tensor's buffer holds as many elements as its shape says. Burn's own conversion
    // clones the whole tensor, which was 7 % of what a step costs the host.
    unsafe { BufferArg::from_raw_parts(tensor.handle.clone(), count) }
}

/// The type of a tensor's elements as kernels are told it.
pub(super) fn element(tensor: &CubeTensor) -> ElemType {
    dtype_to_storage_type(tensor.dtype)
}

/// How many neighbouring elements a unit takes at once where rows have `width`: 16 bytes of 32-bit
/// floats are the most that one instruction loads.
pub(super) const fn vector_size(width: usize) -> usize {
    if width.is_multiple_of(4) {
        4
    } else if width.is_multiple_of(2) {
        2
    } else {
        1
    }
}

/// How a kernel with one unit for each of `elements` is launched.
pub(super) fn elementwise(client: &Client, elements: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new_1d(256);
    (calculate_cube_count_elemwise(client, elements, dim), dim)
}

/// `count` of the first dimension from `first` on: a view where the tensor is contiguous.
pub(super) fn part(tensor: &CubeTensor, first: usize, count: usize) -> CubeTensor {
    let rows = [Slice::from(first..first + count)];
    contiguous(CubeBackend::float_slice(tensor.clone(), &rows))
}
