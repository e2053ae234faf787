//! Danish abbreviations: which periods belong to a word, and which of those may also end a sentence. One list for the
//! [words](crate::ner::words()) and both splitters of sentences.

use std::collections::HashSet;
use std::sync::LazyLock;

use unicode_segmentation::UnicodeSegmentation;

/// Abbreviations that keep their period and after which a sentence goes on, lower-case. Compiled for this project.
const ALWAYS: &str = "adj. adm. adr. adv. afd. alm. ang. anm. ansv. apr. arch. arkt. ass. aug. bl. bl.a. ca. cand. cf. cirk. co. \
    d. d.d. d.s. d.v.s. dec. dhr. dir. div. dr. ds. dvs. eks. ekskl. em. emer. endv. evt. f.eks. f.ex. f.m. f.x. \
    fa. feb. febr. ff. fg. fhv. flg. fm. forf. forts. frk. fx. gdr. gl. gr. hhv. hr. hrs. i.e. if. ifm. ift. \
    iflg. incl. indb. ing. inkl. insp. instr. istf. jf. jfr. jr. jr.nr. jun. jvf. kbh. kgl. kgs. kl. kons. \
    koord. kpt. lb.nr. lic. lign. litr. lrs. ltn. m.a.o. m.h.t. maks. mht. mlle. modt. mr. mrs. ms. n.n. ndr. \
    nedenn. nov. nr. nuv. obs. okt. oblt. omkr. omtr. opr. ovenn. p. p.a. p.g.a. pag. pga. pgl. ph.d. pkt. pol. \
    pr. prof. prov. ps. pt. resp. s.m. s.u. sagsnr. sct. sdr. sekr. sep. sept. skt. sml. spm. spsk. sr. st. stk. \
    str. stud. subst. td. tdl. tekn. tidl. tilh. tlf. tsk. u. uafh. udb. udd. udg. univ. vedk. vedr. vejl. vha. \
    vol. vs. årg. årh. øv. jur. merc. odont. oecon. polit. polyt. psych. scient. techn. theol.";

/// First names: alone, and in a chain with initials (`H.Chr. Branner`). `Fred.`, `Jul.` and `Thor.` are words and names.
const GIVEN_NAMES: &str = "alfr. chr. edv. ferd. fr. herm. joh. johs. kn. kr. ludv. magn. mog. rasm. sv. th. ths. vilh. \
    wilh. wm.";

/// More of them that are so only in chains, since a word (`Skjern Aa.`) or a whole name is spelt like them.
const GIVEN_NAMES_IN_CHAINS: &str = "aa. elis. jac. nic.";

/// What a title begins with, and the fields that follow: `cand.scient.pol.`, `mag.art.`, `lic.techn.`
const DEGREES: &str = "ba bac bach cand civ dipl dr exam lic mag pol stud";
const FIELDS: &str = "act adm aer agro al anth arch art ass aud bibl brom com comm cons cur dat geom hort ing \
    interpret it jur lact ling mag manu med merc musicae negot odont oecon pharm phil pol polit polyt psych public pæd \
    rer san scient silv soc stat tech techn theol vet";

/// Abbreviations that are also words: they keep their period before a digit only.
const BEFORE_DIGITS: &str = "afs. art. bd. f. fig. kap. min. op. s. sek. side. ss. tab. v.";

/// Abbreviations that are also words: they keep their period where a sentence goes on.
const WITHIN: &str = "el. enk. ill. komm. mag. max. opg. org. red. ref. reg. sen. spec. ty.";

/// Abbreviations that are names when they begin with a capital: those keep their period where a sentence goes on.
const UNLESS_NAMES: &str = "jan. mia. mill. phil.";

/// Abbreviations that often end a sentence.
const FINAL: &str = "a.m. d.y. d.æ. d.å. dgl. e.kr. e.l. e.lign. etc. f.kr. fl. i.e.kr. i.l. inc. ltd. m.a. m.fl. m.m. \
    m.v. mfl. mm. mv. o.a. o.fl. o.l. o.lign. o.m.a. o.s.v. osv. p.m. p.t. s.å.";

/// The same, as they are spelt here: `Kr.` and `Th.` are names.
const UNITS: &str = "km. kr. mdr. mia. mill. mio. pct. skr. th.";

/// Those of them after which a currency belongs to the amount.
const LARGE_NUMBERS: [&str; 3] = ["mia.", "mill.", "mio."];

/// Abbreviations before a number that end a sentence rather: `Det gav et tab. 30 mennesker …`
const RATHER_WORDS: [&str; 5] = ["min.", "op.", "sen.", "side.", "tab."];

/// Towns whose districts are capitals: `København Ø`.
const TOWNS: &str = "Aabenraa Aalborg Aarhus Ålborg Århus Esbjerg Frederiksberg Horsens Kbh. Kolding København Odense \
    Randers Sønderborg Vejle Viborg";

type List = LazyLock<HashSet<&'static str>>;

static KEEPING: List = List::new(|| {
    let lists = [ALWAYS, GIVEN_NAMES, FINAL, UNITS];
    let all = lists.into_iter().flat_map(str::split_whitespace);
    let names = |word: &&str| !UNLESS_NAMES.split_whitespace().any(|name| name == *word);
    all.filter(names).collect()
});
static CHAINED: List = List::new(|| {
    let lists = [GIVEN_NAMES, GIVEN_NAMES_IN_CHAINS];
    lists.into_iter().flat_map(str::split_whitespace).collect()
});
static KEEPING_BEFORE_DIGITS: List = List::new(|| BEFORE_DIGITS.split_whitespace().collect());
static KEEPING_WITHIN: List = List::new(|| WITHIN.split_whitespace().collect());
static KEEPING_UNLESS_NAMES: List = List::new(|| UNLESS_NAMES.split_whitespace().collect());
static ENDING: List = List::new(|| FINAL.split_whitespace().collect());
static ENDING_AS_SPELT: List = List::new(|| UNITS.split_whitespace().collect());
static DEGREE: List = List::new(|| DEGREES.split_whitespace().collect());
static FIELD: List = List::new(|| FIELDS.split_whitespace().collect());
static TOWN: List = List::new(|| TOWNS.split_whitespace().collect());

/// Bytes that no abbreviation is longer than.
pub(crate) const LONGEST: usize = 32;

/// Whether `word`, spelt as in a list, is in it.
fn is_in(list: &List, word: &str) -> bool {
    // Before it is turned to lower case: in text without blanks, a word has no end.
    word.len() <= LONGEST && list.contains(word.to_lowercase().as_str())
}

/// Companies, clubs and tournaments (`IF`, `EM`, `TV`) are no abbreviations but before a number.
fn is_shouted(word: &str) -> bool {
    let capitals = word.chars().filter(|c| c.is_uppercase()).count();
    capitals > 1 && capitals + 1 == word.chars().count()
}

/// Whether `word`, with its period, keeps it whatever follows; one in capitals only before a number.
pub(crate) fn keeps_always(word: &str, before_a_number: bool) -> bool {
    (is_in(&KEEPING, word) || is_title(word)) && (before_a_number || !is_shouted(word))
}

/// Whether it is a word rather than an abbreviation, in text of which nothing else is known.
pub(crate) fn is_rather_a_word(word: &str) -> bool {
    RATHER_WORDS.contains(&word)
}

/// Whether it keeps it before a number.
pub(crate) fn keeps_before_digits(word: &str) -> bool {
    is_in(&KEEPING_BEFORE_DIGITS, word)
}

/// Whether an abbreviation that is also a word or a name keeps its period before `next`.
pub(crate) fn keeps_where_it_goes_on(word: &str, next: Option<char>, in_brackets: bool) -> bool {
    let goes_on = next.is_some_and(|c| c.is_lowercase() || c.is_numeric());
    let is_name = word.starts_with(char::is_uppercase);
    is_in(&KEEPING_UNLESS_NAMES, word) && (!is_name || goes_on)
        || is_in(&KEEPING_WITHIN, word) && (goes_on || in_brackets)
}

/// Whether `word`, with its period, consists of initials: `H.`, `A.P.`, `H.Chr.`, `f.eks.` too.
pub(crate) fn is_initials(word: &str) -> bool {
    let Some(stem) = word.strip_suffix('.').filter(|_| word.len() <= LONGEST) else {
        return false;
    };
    let parts: Vec<&str> = stem.split('.').collect();
    let single =
        |part: &str| part.graphemes(true).count() == 1 && part.starts_with(char::is_alphabetic);
    let given =
        |part: &str| part.starts_with(char::is_uppercase) && is_in(&CHAINED, &format!("{part}."));
    let upper = stem.chars().all(|c| c == '.' || !c.is_lowercase());
    parts.iter().all(|part| single(part) || given(part)) && (upper || parts.len() > 1)
}

/// Whether `word`, with its period, is a title: a degree and its fields.
fn is_title(word: &str) -> bool {
    let Some(stem) = word.strip_suffix('.').filter(|_| word.len() <= LONGEST) else {
        return false;
    };
    let Some((degree, fields)) = stem.split_once('.') else {
        return false;
    };
    // The first may begin a sentence.
    is_in(&DEGREE, degree) && fields.split('.').all(|field| FIELD.contains(field))
}

/// Whether `word` goes on a title or initials that are spelt apart: `cand. mag.`, `A. Aa. Dam`.
pub(crate) fn continues(before: &str, word: &str) -> bool {
    let Some(begun) = before.strip_suffix('.').filter(|_| before.len() <= LONGEST) else {
        return false;
    };
    let title = FIELD.contains(begun) || DEGREE.contains(&*begun.to_lowercase());
    title && FIELD.contains(word.trim_end_matches('.'))
        || is_initials(before) && word.starts_with(char::is_uppercase) && is_in(&CHAINED, word)
}

/// Whether a sentence often ends with `word`, its period included, when `next` begins no word in lower case. A number
/// goes on after a unit (`kr. 1.000`), and so does a currency after a large number (`3 mio. USD`).
pub(crate) fn often_ends(word: &str, next: &str) -> bool {
    let is_currency = LARGE_NUMBERS.contains(&word)
        && next.chars().count() > 1
        && next.chars().all(char::is_uppercase);
    let is_number = next.starts_with(char::is_numeric);
    is_in(&ENDING, word) || ENDING_AS_SPELT.contains(word) && !is_currency && !is_number
}

/// Whether `word` is the district of the town before it, and its period is no initial's: `København Ø.`
pub(crate) fn is_district(town: &str, word: &str) -> bool {
    let stem = word.trim_end_matches('.');
    let is_code = matches!(
        stem,
        "C" | "K" | "M" | "N" | "NØ" | "NV" | "S" | "SØ" | "SV" | "V" | "Ø"
    );
    is_code && TOWN.contains(town)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn titles_and_initials_are_told_from_words() {
        for title in [
            "cand.scient.pol.",
            "Cand.mag.",
            "mag.art.",
            "lic.techn.",
            "dr.med.",
            "civ.ing.",
        ] {
            assert!(is_title(title), "{title}");
        }
        for word in ["dr.dk.", "dr.", "cand.hansen.", "kom.han.", "mag."] {
            assert!(!is_title(word), "{word}");
        }
        for initials in ["H.", "A.P.", "H.Chr.", "Aa.K.", "J.Th.", "f.k."] {
            assert!(is_initials(initials), "{initials}");
        }
        for word in ["Aa.", "h.", "Hun.", "H.han.", "h.chr."] {
            assert!(!is_initials(word), "{word}");
        }
    }

    #[test]
    fn what_ends_a_sentence_is_a_unit_or_an_and_so_on() {
        assert!(often_ends("kr.", "Det") && often_ends("OSV.", "Det"));
        assert!(!often_ends("Kr.", "Pedersen") && !often_ends("mio.", "USD"));
        assert!(often_ends("kr.", "USA") && often_ends("km.", "Stk") && often_ends("fl.", "Det"));
        assert!(
            !keeps_always("IF.", false) && keeps_always("IF.", true) && keeps_always("if.", false)
        );
        assert!(!often_ends("kr.", "1.000") && often_ends("osv.", "12"));
        assert!(continues("cand.", "mag.") && continues("scient.", "pol."));
        assert!(!continues("og", "mag.") && !continues("cand.", "hansen."));
        assert!(continues("A.", "Aa.") && !continues("Skjern", "Aa."));
        assert!(is_district("København", "Ø.") && is_district("Odense", "SØ"));
        assert!(!is_district("Hansen", "Ø.") && !is_district("København", "P."));
    }
}
