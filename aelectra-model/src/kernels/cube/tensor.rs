//! Tensors of the GPU backend as kernels take them: contiguous, in the type of a precision.

use burn::backend::cubecl::dtype_to_storage_type;
use burn::backend::{DType, TensorMetadata};
use burn::tensor::Shape;
use burn_cubecl::kernel;
use burn_cubecl::ops::numeric::empty_device_contiguous_dtype;
use burn_cubecl::tensor::CubeTensor;
use cubecl::calculate_cube_count_elemwise;
use cubecl::client::Client;
use cubecl::ir::ElemType;
use cubecl::prelude::*;

/// The tensor with its elements one after the other.
pub(super) fn contiguous(tensor: CubeTensor) -> CubeTensor {
    kernel::into_contiguous(tensor)
}

/// Room for a contiguous tensor on the device of another. Kernels write all of it.
pub(super) fn empty(like: &CubeTensor, shape: impl Into<Shape>, dtype: DType) -> CubeTensor {
    let (client, device) = (like.client.clone(), like.device.clone());
    empty_device_contiguous_dtype(client, device, shape.into(), dtype)
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
        kernel::cast(tensor, dtype)
    }
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
    tensor.clone().into_buffer_arg()
}

/// The type of a tensor's elements as kernels are told it.
pub(super) fn element(tensor: &CubeTensor) -> ElemType {
    dtype_to_storage_type(tensor.dtype)
}

/// How a kernel with one unit for each of `elements` is launched.
pub(super) fn elementwise(client: &Client, elements: usize) -> (CubeCount, CubeDim) {
    let dim = CubeDim::new_1d(256);
    (calculate_cube_count_elemwise(client, elements, dim), dim)
}
