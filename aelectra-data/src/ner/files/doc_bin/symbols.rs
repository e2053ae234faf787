//! The strings that spaCy knows by a small number instead of their hash: names of attributes, parts of speech, relations and
//! some classes of entities, which may all be words of a text or classes of a data set.
//!
//! From `spacy/symbols.pxd` and `symbols.pyx`; the numbers are the same in 3.0.0, 3.0.9, 3.1.0, 3.2.0, 3.4.4, 3.7.5 and 3.8.18.

/// From 1.
const OF_WORDS: &str = "IS_ALPHA IS_ASCII IS_DIGIT IS_LOWER IS_PUNCT IS_SPACE IS_TITLE IS_UPPER LIKE_URL LIKE_NUM LIKE_EMAIL \
    IS_STOP IS_OOV_DEPRECATED IS_BRACKET IS_QUOTE IS_LEFT_PUNCT IS_RIGHT_PUNCT IS_CURRENCY";

/// From 64, after `FLAG19` to `FLAG63`.
const OF_TOKENS: &str = "ID ORTH LOWER NORM SHAPE PREFIX SUFFIX LENGTH CLUSTER LEMMA POS TAG DEP ENT_IOB ENT_TYPE HEAD \
    SENT_START SPACY PROB LANG \
    ADJ ADP ADV AUX CONJ CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X EOL SPACE";

/// From 380, after `DEPRECATED001` to `DEPRECATED276`.
const OF_LABELS: &str = "PERSON NORP FACILITY ORG GPE LOC PRODUCT EVENT WORK_OF_ART LANGUAGE LAW DATE TIME PERCENT MONEY \
    QUANTITY ORDINAL CARDINAL \
    acomp advcl advmod agent amod appos attr aux auxpass cc ccomp complm conj cop csubj csubjpass dep det dobj expl hmod hyph \
    infmod intj iobj mark meta neg nmod nn npadvmod nsubj nsubjpass num number oprd obj obl parataxis partmod pcomp pobj poss \
    possessive preconj prep prt punct quantmod relcl rcmod root xcomp acl \
    ENT_KB_ID MORPH ENT_ID IDX _";

/// All symbols by their numbers; that of the empty string is 0.
pub(super) fn symbols() -> Vec<String> {
    let named = |names: &'static str| names.split_ascii_whitespace().map(str::to_owned);
    std::iter::once(String::new())
        .chain(named(OF_WORDS))
        .chain((19..=63).map(|number| format!("FLAG{number}")))
        .chain(named(OF_TOKENS))
        .chain((1..=276).map(|number| format!("DEPRECATED{number:03}")))
        .chain(named(OF_LABELS))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Numbers that spaCy 3.8.18 gives.
    #[test]
    fn each_stands_at_its_number() {
        let symbols = symbols();
        assert_eq!(symbols.len(), 457);
        for (number, symbol) in [
            (0, ""),
            (1, "IS_ALPHA"),
            (18, "IS_CURRENCY"),
            (19, "FLAG19"),
            (63, "FLAG63"),
            (64, "ID"),
            (77, "ENT_IOB"),
            (84, "ADJ"),
            (103, "SPACE"),
            (104, "DEPRECATED001"),
            (379, "DEPRECATED276"),
            (380, "PERSON"),
            (383, "ORG"),
            (390, "LAW"),
            (398, "acomp"),
            (447, "relcl"),
            (448, "rcmod"),
            (451, "acl"),
            (452, "ENT_KB_ID"),
            (456, "_"),
        ] {
            assert_eq!(symbols[number], symbol);
        }
    }
}
