//! A discriminator in smaller embeddings, for fine-tuning at a small fixed rate.

use aelectra_model::{ElectraConfig, ElectraForPreTraining, rescaled};

use crate::error::{Result, TrainError};
use crate::model_dir::row;
use crate::settings::AelectraSettings;

/// Most that `layer_norm_eps` may be, seen from embeddings that are divided: some thousandth of their variance,
/// which is about 1e-3 with the reference's initial deviation of 0.02.
const MOST_EPS: f64 = 2e-6;

/// Refuses a factor that no model can be rescaled by.
pub(super) fn check_factor(factor: Option<f64>) -> Result<()> {
    match factor {
        Some(factor) if !(1e-3..=1e3).contains(&factor) => {
            Err(TrainError::config(format!("--rescale is {factor}"))
                .with_hint("give a number from 0.001 to 1000, such as 200"))
        }
        _ => Ok(()),
    }
}

pub(super) fn only_discriminators() -> TrainError {
    TrainError::config("only a discriminator can be rescaled")
        .with_hint("leave --rescale out, or export the model that is to be fine-tuned")
}

/// The discriminator in the sizes that are asked for.
pub(super) fn at_scale(
    factor: Option<f64>,
    model: ElectraForPreTraining,
    config: ElectraConfig,
) -> Result<(ElectraForPreTraining, ElectraConfig)> {
    let Some(factor) = factor else {
        return Ok((model, config));
    };
    let eps = config.layer_norm_eps;
    if eps * factor * factor > MOST_EPS {
        return Err(TrainError::config(format!(
            "a `layer_norm_eps` of {eps:e} is too large to rescale by {factor}"
        ))
        .with_hint(
            "give a smaller --rescale: embeddings divided by it must stay far above the eps",
        ));
    }
    let settings = AelectraSettings::of(&config);
    if let Some(before) = settings.rescaled {
        return Err(
            TrainError::config(format!("this model was rescaled by {before} already"))
                .with_hint("rescale the model that it was made from"),
        );
    }
    let (model, mut config) = rescaled(model, &config, factor);
    AelectraSettings {
        rescaled: Some(factor),
        ..settings
    }
    .put(&mut config);
    Ok((model, config))
}

/// A line of the card that says so.
pub(super) fn fact(factor: Option<f64>) -> Option<(String, String)> {
    let factor = factor?;
    Some(row(
        "rescaled",
        format!(
            "by {factor}: embeddings are smaller and the last layer's output is larger by that, which \
             changes nothing but how far fine-tuning moves them"
        ),
    ))
}
