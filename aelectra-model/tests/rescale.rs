//! Other sizes of the weights, the same model.

mod common;

use aelectra_model::{ElectraForPreTraining, EncoderInput, Noise, rescaled};
use common::{assert_within, largest, open, values};

#[test]
fn a_rescaled_discriminator_computes_the_same() {
    let device = aelectra_model::device::for_tests();
    let dir = open("tiny-electra/discriminator");
    let load = || dir.for_pretraining(&device).expect("it loads").0;
    let ids: Vec<u32> = (5..23).collect();
    let input = EncoderInput::new(&ids, None, &[9, 7], 9, &device);
    let expected = values(load().forward(&input, &mut Noise::off()));
    let hidden = values(load().electra.forward(&input, &mut Noise::off()));
    let (model, config) = rescaled(load(), &dir.config, 64.0);
    let found = values(model.forward(&input, &mut Noise::off()));
    let table = |model: &ElectraForPreTraining| {
        values(model.electra.embeddings.word_embeddings.weight.val())
    };
    let (before, after) = (table(&load()), table(&model));
    assert!(
        before
            .iter()
            .zip(&after)
            .all(|(old, new)| old / 64.0 == *new)
    );
    let real = |values: &[f32]| values[..16].to_vec();
    assert_within(
        "logits",
        &real(&found),
        &real(&expected),
        1e-4 * largest(&expected),
    );
    // A head that begins smaller by as much sees as much.
    assert_eq!(
        config.initializer_range,
        dir.config.initializer_range / 64.0
    );
    let larger = values(model.electra.forward(&input, &mut Noise::off()));
    assert_eq!(hidden.len(), larger.len());
    let first = dir.config.hidden_size;
    let scaled: Vec<f32> = larger[..first].iter().map(|value| value / 64.0).collect();
    assert_within("hidden", &scaled, &hidden[..first], 1e-4 * largest(&hidden));
    let ratio = largest(&larger[..first]) / largest(&hidden[..first]);
    assert!((ratio / 64.0 - 1.0).abs() < 1e-3, "{ratio}");
}
