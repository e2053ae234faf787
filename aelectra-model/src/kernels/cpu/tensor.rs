//! Between the tensors of the CPU backend and slices.

use burn::backend::{Flex, TensorMetadata};
use burn::tensor::{Shape, Tensor, TensorData};
use burn_flex::FlexTensor;

/// The tensor with its elements one after the other.
pub(super) fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.as_slice::<f32>().is_some() {
        tensor
    } else {
        tensor.to_contiguous()
    }
}

/// The contiguous CPU storage of a tensor outside autodiff; copies only if it is strided.
pub(super) fn on_cpu<const D: usize>(tensor: Tensor<D>) -> FlexTensor {
    match tensor.try_into_primitive::<Flex>() {
        Ok(tensor) => contiguous(tensor),
        Err(_) => unreachable!("only called for tensors of the CPU backend"),
    }
}

/// The elements of a contiguous tensor of 32-bit floats.
///
/// # Panics
/// When it is not one; models have no other.
pub(super) fn slice(tensor: &FlexTensor) -> &[f32] {
    match tensor.as_slice::<f32>() {
        Some(values) => values,
        None => unreachable!("a contiguous tensor of 32-bit floats"),
    }
}

/// A tensor of the shape of another.
pub(super) fn from_vec(values: Vec<f32>, like: &FlexTensor) -> FlexTensor {
    shaped(values, like.shape())
}

/// A tensor of a shape.
pub(super) fn shaped(values: Vec<f32>, shape: impl Into<Shape>) -> FlexTensor {
    FlexTensor::from_data(TensorData::new(values, shape))
}

/// A contiguous tensor that is all of its storage, for writing it in place.
pub(super) fn whole(tensor: FlexTensor) -> FlexTensor {
    let elements = tensor.shape().num_elements();
    if tensor.as_slice::<f32>().is_some() && tensor.storage::<f32>().len() == elements {
        tensor
    } else {
        let shape = tensor.shape();
        shaped(slice(&contiguous(tensor)).to_vec(), shape)
    }
}
