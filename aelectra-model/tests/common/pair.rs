//! Both networks of pretraining from two model directories, and their names in the goldens.

use aelectra_model::checkpoint::ModelDir;
use aelectra_model::checkpoint::names::checkpoint_name;
use aelectra_model::init::Initializer;
use aelectra_model::{ElectraPretrainer, ModelType};
use burn::tensor::Device;

/// The pair of two models, on the discriminator's embeddings.
pub(crate) fn pair(
    discriminator: &ModelDir,
    generator: &ModelDir,
    device: &Device,
) -> ElectraPretrainer {
    let mut init = Initializer::zeros(device);
    let fresh = ElectraPretrainer::new(&discriminator.config, &generator.config, &mut init);
    let (generator, _) = generator.for_masked_lm(device).expect("a generator loads");
    let (discriminator, _) = discriminator
        .for_pretraining(device)
        .expect("a discriminator loads");
    fresh
        .with_generator(generator)
        .and_then(|pair| pair.with_discriminator(discriminator))
        .expect("the two share their tables")
}

/// The name in a file that holds both networks: the discriminator's as of a model of its own, the shared tables with
/// them, and `generator.` before what only the generator has.
pub(crate) fn pretrainer_name(path: &str) -> String {
    let of_model = |path: &str, head: &str| {
        let path = path.replace("predictions.", head);
        checkpoint_name(&path, ModelType::Electra)
    };
    match path.strip_prefix("generator.") {
        Some(inner) => format!("generator.{}", of_model(inner, "generator_predictions.")),
        None => {
            let inner = path.strip_prefix("discriminator.").unwrap_or(path);
            of_model(inner, "discriminator_predictions.")
        }
    }
}
