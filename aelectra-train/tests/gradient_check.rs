//! Gradients at the sizes training uses, against finite differences: backends choose other kernels
//! for large tensors than for the golden models.

use aelectra_data::rng::KeyedRng;
use aelectra_model::init::Initializer;
use aelectra_model::input::int_tensor;
use aelectra_model::{
    ElectraConfig, ElectraPretrainer, EncoderInput, Noise, PretrainInput, parameters,
};
use burn::module::{Module, ModuleVisitor, Param};
use burn::tensor::{Gradients, Int, Tensor, TensorData};

const BATCH: usize = 32;
const LENGTH: usize = 32;

fn model_and_input(
    device: &burn::tensor::Device,
) -> (ElectraPretrainer, PretrainInput, Tensor<1, Int>) {
    let config = ElectraConfig {
        vocab_size: 1000,
        embedding_size: 64,
        hidden_size: 96,
        num_hidden_layers: 2,
        num_attention_heads: 2,
        intermediate_size: 256,
        max_position_embeddings: 64,
        ..ElectraConfig::default()
    };
    let mut init = Initializer::random(5, 0.1, device);
    let model = ElectraPretrainer::new(&config, &config.generator(0.5), &mut init);
    let mut rng = KeyedRng::new(1, "gradient check", &[]);
    let ids: Vec<u32> = (0..BATCH * LENGTH)
        .map(|_| rng.below(1000) as u32)
        .collect();
    let positions: Vec<u32> = (0..BATCH)
        .flat_map(|row| (0..5).map(move |k| (row * LENGTH + 3 + 6 * k) as u32))
        .collect();
    let labels: Vec<u32> = positions.iter().map(|&p| ids[p as usize]).collect();
    let mut masked = ids.clone();
    for &position in &positions {
        masked[position as usize] = 4;
    }
    let samples: Vec<u32> = positions.iter().map(|_| rng.below(1000) as u32).collect();
    let n = positions.len();
    let shape = [BATCH, LENGTH];
    let input = PretrainInput {
        original: EncoderInput::new(&ids, None, &[LENGTH; BATCH], LENGTH, device),
        masked_ids: int_tensor(&masked, shape, device),
        positions: int_tensor(&positions, [n], device),
        labels: int_tensor(&labels, [n], device),
        token_weights: None,
        temperature: 1.0,
    };
    (model, input, int_tensor(&samples, [n], device))
}

fn loss(model: &ElectraPretrainer, input: &PretrainInput, samples: &Tensor<1, Int>) -> Tensor<1> {
    let output = model.forward(input, Some(samples.clone()), &mut Noise::off());
    output.mlm_loss_sum / 160.0 + output.rtd_loss_sum * (10.0 / 1024.0)
}

fn gradients(model: &ElectraPretrainer, gradients: &Gradients) -> Vec<(String, Vec<f32>)> {
    struct Collector<'g>(Vec<String>, &'g Gradients, Vec<(String, Vec<f32>)>);
    impl ModuleVisitor for Collector<'_> {
        fn enter_module(&mut self, name: &str, _container: &str) {
            self.0.push(name.to_owned());
        }
        fn exit_module(&mut self, _name: &str, _container: &str) {
            self.0.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
            if let Some(gradient) = param.val().grad(self.1) {
                let values = gradient.into_data().iter::<f32>().collect();
                self.2.push((self.0.join("."), values));
            }
        }
    }
    let mut collector = Collector(Vec::new(), gradients, Vec::new());
    model.visit(&mut collector);
    collector.2
}

#[test]
fn gradients_at_training_size_match_finite_differences() {
    let device = aelectra_model::device::for_tests().autodiff();
    let (model, input, samples) = model_and_input(&device);
    let analytic = gradients(&model, &loss(&model, &input, &samples).backward());
    assert_eq!(analytic.len(), parameters::list(&model).len());
    for (path, gradient) in analytic {
        if path.contains("key.bias") {
            continue; // Zero in exact arithmetic.
        }
        // Along the gradient itself the directional derivative is its norm, which a wrong or
        // scrambled gradient does not reach.
        let norm = gradient
            .iter()
            .map(|&g| f64::from(g).powi(2))
            .sum::<f64>()
            .sqrt();
        let step = 2e-2 / norm.max(1e-12) * 1.0f64.min(norm / 0.05);
        let moved = |sign: f64| -> f64 {
            let moved = parameters::replace(model.clone(), |at, shape| {
                (at == path).then(|| {
                    let mut values: Vec<f32> = Vec::new();
                    let _ = parameters::for_each(&model, |name, data| {
                        if name == path {
                            values = data.iter::<f32>().collect();
                        }
                        Ok::<(), ()>(())
                    });
                    for (value, g) in values.iter_mut().zip(&gradient) {
                        *value += (sign * step * f64::from(*g)) as f32;
                    }
                    TensorData::new(values, shape.to_vec())
                })
            });
            f64::from(loss(&moved, &input, &samples).into_scalar::<f32>())
        };
        let numeric = (moved(1.0) - moved(-1.0)) / (2.0 * step * norm);
        // Losses of about 10 are known to 1e-6 in float32.
        let resolution = 2e-5 / (2.0 * step * norm) + 0.03 * norm;
        assert!(
            (numeric - norm).abs() < resolution,
            "{path}: slope {numeric:.6} along a gradient of norm {norm:.6}"
        );
    }
}
