//! The one place where a configuration is merged.

use serde_json::Value;

use super::configuration::Configuration;
use super::environment::Environment;
use super::finetune::FinetuneConfig;
use super::layers::{Layers, parse, unknown_key};
use super::pretrain::PretrainConfig;
use super::recipes;
use crate::error::Result;

/// What is laid over the defaults of a configuration, in this order.
#[derive(Clone, Copy, Debug)]
pub struct Sources<'a> {
    /// A recipe by name, or a TOML file.
    pub recipe: &'a str,
    /// Keys that what is done wants other than a recipe has them, and why.
    pub preset: (&'a str, &'a [(&'a str, Value)]),
    /// Variables; [`Environment::default`] has none.
    pub environment: &'a Environment,
    /// `key=value` assignments.
    pub set: &'a [String],
    /// Keys that have a flag of their own; `None` where it was not given.
    pub flags: &'a [(&'a str, Option<Value>)],
}

impl Sources<'_> {
    /// A recipe as it is.
    #[must_use]
    pub const fn recipe(recipe: &str) -> Sources<'_> {
        static NO_VARIABLES: Environment = Environment::none();
        Sources {
            recipe,
            preset: ("", &[]),
            environment: &NO_VARIABLES,
            set: &[],
            flags: &[],
        }
    }
}

/// Merges a configuration and checks it; the layers know the origin of every value.
///
/// # Errors
/// When the recipe cannot be read, a key is unknown, or a value has the wrong type or is out of
/// range. A variable may set a key of another configuration, so that one environment serves all
/// verbs; it is refused only when no configuration has its key.
pub fn load<C: Configuration>(sources: &Sources<'_>) -> Result<(C, Layers)> {
    let mut layers = Layers::from_defaults(&C::default())?;
    let text = recipes::find(sources.recipe, C::RECIPES)?;
    layers.apply_toml(&text, &format!("recipe {}", sources.recipe))?;
    let (why, preset) = sources.preset;
    for (key, value) in preset {
        layers.set_value(key, value.clone(), why)?;
    }
    sources.environment.check()?;
    for assignment in sources.environment.assignments() {
        if layers.has(&assignment.key) {
            let (value, origin) = (parse(&assignment.value), assignment.origin());
            layers.set_value(&assignment.key, value, &origin)?;
        }
    }
    for assignment in sources.set {
        layers.set(assignment)?;
    }
    for (key, value) in sources.flags {
        if let Some(value) = value {
            let flag = format!("--{}", key.replace('_', "-"));
            layers.set_value(key, value.clone(), &flag)?;
        }
    }
    let config: C = layers.build()?;
    config.validate()?;
    Ok((config, layers))
}

impl Environment {
    /// Whether each variable sets a key of some configuration.
    ///
    /// # Errors
    /// Names the first that does not, and the key nearest to it.
    pub fn check(&self) -> Result<()> {
        if self.assignments().next().is_none() {
            return Ok(());
        }
        let pretraining = Layers::from_defaults(&PretrainConfig::default())?;
        let finetuning = Layers::from_defaults(&FinetuneConfig::default())?;
        let known = |key: &str| pretraining.has(key) || finetuning.has(key);
        match self.assignments().find(|variable| !known(&variable.key)) {
            None => Ok(()),
            Some(unknown) => {
                let known = pretraining.keys().chain(finetuning.keys());
                Err(unknown_key(&unknown.key, &unknown.origin(), known))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn environment(variables: &[(&str, &str)]) -> Environment {
        let variables = variables
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        Environment::new(variables, &["AELECTRA_DEVICE".to_owned()])
    }

    fn sources<'a>(
        environment: &'a Environment,
        set: &'a [String],
        flags: &'a [(&'a str, Option<Value>)],
    ) -> Sources<'a> {
        Sources {
            recipe: "demo",
            preset: ("what is done", &[]),
            environment,
            set,
            flags,
        }
    }

    #[test]
    fn each_layer_lies_over_the_one_before() {
        let environment = environment(&[
            ("AELECTRA_MODEL__HIDDEN_SIZE", "96"),
            ("AELECTRA_BATCH_SIZE", "3"),
            ("AELECTRA_SEED", "3"),
            ("HOME", "/"),
        ]);
        let set = ["batch_size=4".to_owned(), "seed=4".to_owned()];
        let flags = [("seed", Some(5.into())), ("log_every", None)];
        let (config, layers) =
            load::<PretrainConfig>(&sources(&environment, &set, &flags)).unwrap();
        // The recipe, the environment, `--set`, a flag.
        assert_eq!(config.warmup_steps, 100);
        assert_eq!(config.model.hidden_size, 96);
        assert_eq!(config.batch_size, 4);
        assert_eq!(config.seed, 5);
        let shown = layers.render();
        for line in [
            "warmup_steps = 100  # recipe demo",
            "model.hidden_size = 96  # environment AELECTRA_MODEL__HIDDEN_SIZE",
            "batch_size = 4  # --set",
            "seed = 5  # --seed",
            "mlm_weight = 1.0  # default",
        ] {
            assert!(shown.contains(line), "no {line:?} in {shown}");
        }
    }

    #[test]
    fn what_is_done_lies_over_the_recipe_only() {
        let decay = [("layerwise_decay", Value::from(1.0))];
        let of = |environment: &Environment| {
            let sources = Sources {
                recipe: "electra",
                preset: ("random weights", &decay),
                environment,
                set: &[],
                flags: &[],
            };
            let (config, layers) = load::<FinetuneConfig>(&sources).unwrap();
            (config.layerwise_decay, layers.render())
        };
        let (decay, told) = of(&environment(&[]));
        assert!(
            (decay - 1.0).abs() < 1e-9 && told.contains("= 1.0  # random weights"),
            "{told}"
        );
        let (decay, told) = of(&environment(&[("AELECTRA_LAYERWISE_DECAY", "0.9")]));
        assert!(
            (decay - 0.9).abs() < 1e-9 && told.contains("= 0.9  # environment"),
            "{told}"
        );
    }

    /// Every recipe that comes with the program can be loaded and describes something.
    #[test]
    fn each_recipe_is_one() {
        for (name, _) in PretrainConfig::RECIPES {
            let (config, _) = load::<PretrainConfig>(&Sources::recipe(name)).unwrap();
            assert!(config.batch_size > 0, "{name}");
        }
        for (name, _) in FinetuneConfig::RECIPES {
            let (config, _) = load::<FinetuneConfig>(&Sources::recipe(name)).unwrap();
            assert!(config.epochs > 0, "{name}");
        }
        assert!(PretrainConfig::RECIPES.len() > 5 && FinetuneConfig::RECIPES.len() > 4);
    }

    #[test]
    fn one_environment_serves_both_configurations() {
        let environment = environment(&[
            ("AELECTRA_EPOCHS", "3"),
            ("AELECTRA_WARMUP_STEPS", "7"),
            ("AELECTRA_DEVICE", "flex"),
            ("AELECTRA_FUSED", "0"),
            ("AELECTRA_TEST_DEVICE", "ndarray"),
        ]);
        let sources = sources(&environment, &[], &[]);
        assert_eq!(load::<FinetuneConfig>(&sources).unwrap().0.epochs, 3);
        assert_eq!(load::<PretrainConfig>(&sources).unwrap().0.warmup_steps, 7);
    }

    #[test]
    fn a_variable_of_no_configuration_is_refused_with_a_suggestion() {
        let environment = environment(&[("AELECTRA_EPOCS", "3")]);
        let error = load::<PretrainConfig>(&sources(&environment, &[], &[])).unwrap_err();
        assert_eq!(
            error.to_string(),
            "environment AELECTRA_EPOCS: unknown key `epocs`"
        );
        assert_eq!(error.hint(), Some("did you mean `epochs`?"));
    }
}
