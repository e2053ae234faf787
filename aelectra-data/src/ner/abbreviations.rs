//! Danish abbreviations, for [`words`](super::words()).

use std::collections::HashSet;
use std::sync::LazyLock;

/// Abbreviations that keep their period, lower-case. Compiled for this project.
const ABBREVIATIONS: &str = "adj. adm. afd. alm. anm. apr. aug. bl. bl.a. ca. cand. chr. co. dec. \
    d. d.d. d.v.s. dgl. div. dir. dr. dvs. e.kr. e.l. eks. ekskl. em. etc. evt. f.eks. f.kr. \
    f.m. fa. feb. ff. fhv. fl. flg. fm. forts. fr. frk. gl. gr. hhv. hr. i.e. if. ift. ifm. incl. \
    inc. ing. inkl. istf. jf. jr. jun. jvf. kbh. kgl. kgs. kl. kons. km. kr. lign. ltd. m.a.o. m.fl. m.h.t. \
    m.m. m.v. maks. mdr. mfl. mht. mio. mm. modt. mr. mrs. ms. mv. n.n. ndr. nov. nr. \
    o.a. o.fl. o.l. o.lign. o.m.a. o.s.v. obs. okt. omkr. osv. p. p.a. p.g.a. p.t. pct. pga. ph.d. \
    pkt. prof. pr. ps. pt. resp. sdr. sekr. sep. sept. skr. skt. sml. spsk. sr. st. stk. \
    str. stud. sv. s.u. td. tdl. th. tidl. tilh. tlf. tsk. u. uafh. udg. vedr. vha. vol. vs. årg. årh. \
    cand.jur. cand.mag. cand.med. cand.merc. cand.polit. cand.polyt. cand.psych. cand.scient. \
    cand.theol. dr.jur. dr.med. dr.phil. dr.scient. dr.techn. dr.theol. jur. merc. polit. polyt. \
    psych. scient. stud.jur. stud.mag. stud.med. stud.polit. stud.scient. stud.theol. techn. theol.";

/// Abbreviations that are also words: they keep their period before a digit only.
const BEFORE_DIGITS: &str = "afs. art. bd. fig. kap. min. op. s. sek. side. tab. v.";

/// Abbreviations that are also words: they keep their period where a sentence goes on.
const WITHIN: &str = "el. red. sen. ty.";

/// Abbreviations that are names when they begin with a capital: those keep their period where a sentence goes on.
const UNLESS_NAMES: &str = "jan. mia. mill. phil.";

/// Abbreviations that often end a sentence.
const FINAL: &str =
    "osv. o.s.v. etc. m.m. mm. m.v. mv. m.fl. mfl. o.l. o.lign. e.l. o.a. dgl. o.m.a. o.fl.";

type List = LazyLock<HashSet<&'static str>>;

/// Abbreviations that keep their period.
pub(super) static KEEPING: List = List::new(|| ABBREVIATIONS.split_whitespace().collect());
/// Those that keep it where what follows does not begin a sentence.
pub(super) static KEEPING_WITHIN: List = List::new(|| WITHIN.split_whitespace().collect());
/// Those that keep it like that when they begin with a capital, and always when they do not.
pub(super) static KEEPING_UNLESS_NAMES: List =
    List::new(|| UNLESS_NAMES.split_whitespace().collect());
/// Those that keep it only when a number follows.
pub(super) static KEEPING_BEFORE_DIGITS: List =
    List::new(|| BEFORE_DIGITS.split_whitespace().collect());
/// Those that often end a sentence.
pub(super) static ENDING: List = List::new(|| FINAL.split_whitespace().collect());

/// Bytes that no abbreviation is longer than.
pub(super) const LONGEST: usize = 32;

/// Whether `word`, with its period, is in a list.
pub(super) fn is_in(list: &List, word: &str) -> bool {
    // Before it is turned to lower case: in text without blanks, a word has no end.
    word.len() <= LONGEST && list.contains(word.to_lowercase().as_str())
}
