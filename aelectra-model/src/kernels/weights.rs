//! The parameters of a transformer layer and what a layer is told besides: one order for all.

use crate::noise::Dropout;

/// A linear layer's parameters, `y = x·Wᵀ + b`.
#[derive(Clone, Copy, Debug)]
pub struct Dense<M, V = M> {
    /// `[out, in]`.
    pub weight: M,
    /// `[out]`.
    pub bias: V,
}

/// A LayerNorm's parameters.
#[derive(Clone, Copy, Debug)]
pub struct Norm<V> {
    /// Gain, `[width]`.
    pub weight: V,
    /// Offset, `[width]`.
    pub bias: V,
}

/// The parameters of a transformer layer: `M` for each matrix, `V` for each vector.
///
/// Tensors of the model, slices of a kernel, gradients and graph nodes all come in this shape.
#[derive(Clone, Copy, Debug)]
pub struct LayerWeights<M, V = M> {
    /// `hidden_size` to `hidden_size`.
    pub query: Dense<M, V>,
    /// `hidden_size` to `hidden_size`.
    pub key: Dense<M, V>,
    /// `hidden_size` to `hidden_size`.
    pub value: Dense<M, V>,
    /// After attention, `hidden_size` to `hidden_size`.
    pub projection: Dense<M, V>,
    /// Over the attention block's output.
    pub attention_norm: Norm<V>,
    /// `hidden_size` to `intermediate_size`, followed by GELU.
    pub intermediate: Dense<M, V>,
    /// `intermediate_size` to `hidden_size`.
    pub output: Dense<M, V>,
    /// Over the layer's output.
    pub output_norm: Norm<V>,
}

/// How many parameters a layer has.
pub const PARAMETERS: usize = 16;

impl<M, V> Dense<M, V> {
    fn map<N, W>(
        self,
        matrix: &mut impl FnMut(M) -> N,
        vector: &mut impl FnMut(V) -> W,
    ) -> Dense<N, W> {
        Dense {
            weight: matrix(self.weight),
            bias: vector(self.bias),
        }
    }
}

impl<V> Norm<V> {
    /// References to both.
    pub const fn as_ref(&self) -> Norm<&V> {
        Norm {
            weight: &self.weight,
            bias: &self.bias,
        }
    }

    fn map<W>(self, vector: &mut impl FnMut(V) -> W) -> Norm<W> {
        Norm {
            weight: vector(self.weight),
            bias: vector(self.bias),
        }
    }
}

impl<M, V> LayerWeights<M, V> {
    /// Every parameter through a function, in the order of the fields, a weight before its bias.
    pub fn map<N, W>(
        self,
        mut matrix: impl FnMut(M) -> N,
        mut vector: impl FnMut(V) -> W,
    ) -> LayerWeights<N, W> {
        let (m, v) = (&mut matrix, &mut vector);
        LayerWeights {
            query: self.query.map(m, v),
            key: self.key.map(m, v),
            value: self.value.map(m, v),
            projection: self.projection.map(m, v),
            attention_norm: self.attention_norm.map(v),
            intermediate: self.intermediate.map(m, v),
            output: self.output.map(m, v),
            output_norm: self.output_norm.map(v),
        }
    }

    /// References to every parameter.
    pub fn as_ref(&self) -> LayerWeights<&M, &V> {
        fn dense<M, V>(Dense { weight, bias }: &Dense<M, V>) -> Dense<&M, &V> {
            Dense { weight, bias }
        }
        LayerWeights {
            query: dense(&self.query),
            key: dense(&self.key),
            value: dense(&self.value),
            projection: dense(&self.projection),
            attention_norm: self.attention_norm.as_ref(),
            intermediate: dense(&self.intermediate),
            output: dense(&self.output),
            output_norm: self.output_norm.as_ref(),
        }
    }
}

impl<T> LayerWeights<T> {
    /// All parameters in the order of the fields, a weight before its bias: the order wherever a
    /// layer's parameters are a list (a graph node's parents, an extension's arguments).
    pub fn into_array(self) -> [T; PARAMETERS] {
        let Self {
            query: Dense { weight: a, bias: b },
            key: Dense { weight: c, bias: d },
            value: Dense { weight: e, bias: f },
            projection: Dense { weight: g, bias: h },
            attention_norm: Norm { weight: i, bias: j },
            intermediate: Dense { weight: k, bias: l },
            output: Dense { weight: m, bias: n },
            output_norm: Norm { weight: o, bias: p },
        } = self;
        [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]
    }

    /// What [`Self::into_array`] gave.
    pub fn from_array([a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p]: [T; PARAMETERS]) -> Self {
        Self {
            query: Dense { weight: a, bias: b },
            key: Dense { weight: c, bias: d },
            value: Dense { weight: e, bias: f },
            projection: Dense { weight: g, bias: h },
            attention_norm: Norm { weight: i, bias: j },
            intermediate: Dense { weight: k, bias: l },
            output: Dense { weight: m, bias: n },
            output_norm: Norm { weight: o, bias: p },
        }
    }
}

/// What a layer is told besides its parameters.
#[derive(Clone, Copy, Debug, Default)]
pub struct LayerOptions {
    /// Attention heads.
    pub heads: usize,
    /// Added to the variance in both LayerNorms.
    pub eps: f64,
    /// Of the attention probabilities `[batch, heads, length, length]`, the attention block's
    /// projection and the layer's output, both `[batch, length, hidden]`; `None` where nothing is
    /// dropped.
    pub dropout: [Option<Dropout>; 3],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_and_fields_have_one_order() {
        let list: [usize; PARAMETERS] = std::array::from_fn(|at| at);
        let weights = LayerWeights::from_array(list);
        assert_eq!(weights.into_array(), list);
        let mut seen = Vec::new();
        let seen = std::cell::RefCell::new(&mut seen);
        let note = |at: usize| seen.borrow_mut().push(at);
        weights.map(note, note);
        assert_eq!(seen.borrow()[..], list, "map");
        assert_eq!(weights.as_ref().into_array().map(|at| *at), list);
    }
}
