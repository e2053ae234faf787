//! What a tagger's card says of its training.

use crate::finetune::single::SeedResult;
use crate::finetune::splits::Split;
use crate::model_dir::{ModelCard, Score, percent, row};

const MICRO: &str = "micro F1 (entities, conlleval)";
const NO_MISC: &str = "micro F1 without MISC";

/// A card with the scores of a seed.
pub(super) fn with_result(card: &ModelCard, result: &SeedResult) -> ModelCard {
    let mut card = card.clone();
    card.facts.extend([
        row("seed", result.seed),
        row("learning rate", format!("{:e}", result.learning_rate)),
        row("epoch kept", result.epoch),
    ]);
    for (name, f1) in [
        ("dev micro-F1 (entities, conlleval)", result.dev_f1),
        ("test micro-F1 (entities, conlleval)", result.test_f1),
        ("test micro-F1 without MISC", result.test_f1_no_misc),
    ] {
        card.metrics.extend(f1.map(|f1| row(name, percent(f1))));
    }
    for (split, name, f1) in [
        (Split::Dev, MICRO, result.dev_f1),
        (Split::Test, MICRO, result.test_f1),
        (Split::Test, NO_MISC, result.test_f1_no_misc),
    ] {
        let split = split.name();
        card.scores.extend(f1.map(|f1| Score { split, name, f1 }));
    }
    let chosen = match result.dev_f1 {
        Some(_) => "the best on dev",
        None => "the first",
    };
    card.remarks.push(format!(
        "these are the scores of one training, seed {}, whose weights are here; where several seeds were trained, it is {chosen}",
        result.seed
    ));
    card
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[test]
    fn a_tagger_s_card_has_what_the_hub_reads() {
        let card = ModelCard {
            name: "my \"tagger\": 1".to_owned(),
            pipeline_tag: Some("token-classification".to_owned()),
            dataset: Some("dane".to_owned()),
            licence: Some("other: see below".to_owned()),
            facts: vec![row("data (a|b)", "a|b")],
            remarks: vec!["5 of the 8 sentences of --test are also in --train".to_owned()],
            ..ModelCard::default()
        };
        let result = SeedResult {
            seed: 1,
            learning_rate: 1e-3,
            epoch: 2,
            dev_f1: Some(0.51234),
            test_f1: Some(0.5),
            test_f1_no_misc: Some(0.6),
            classes: BTreeMap::new(),
            collapsed: false,
            epochs: None,
            train_seconds: 1.0,
            test_tags: Vec::new(),
        };
        let text = with_result(&card, &result).render();
        let head = text.split("---\n").nth(1).expect("a head");
        assert!(
            head.contains("- name: \"my \\\"tagger\\\": 1\"\n"),
            "{head}"
        );
        assert!(head.contains("license: \"other: see below\"\n"), "{head}");
        assert!(text.contains("| data (a\\|b) | a\\|b |"), "{text}");
        assert!(head.contains("split: dev\n    metrics:\n    - type: f1\n"));
        assert!(head.contains("value: 0.5123\n"));
        assert_eq!(head.matches("- task:").count(), 2);
        assert_eq!(head.matches("- type: f1").count(), 3);
        assert!(text.contains("## Limits"));
        let remark = "|\n\n- 5 of the 8 sentences of --test are also in --train\n";
        assert!(text.contains(remark), "below the scores: {text}");
        let whose = "- these are the scores of one training, seed 1, whose weights are here; where several seeds were trained, it is the best on dev\n";
        assert!(text.contains(whose), "{text}");
        assert!(
            !card.render().contains("5 of the 8"),
            "nothing was measured"
        );
        assert!(
            !card.render().contains("model-index"),
            "nothing was measured"
        );
    }
}
