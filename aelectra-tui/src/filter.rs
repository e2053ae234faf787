//! Which panes, runs and lines of the log are shown: a small language of terms.
//!
//! `loss auc` asks for both, `loss | auc` for one of them, `!held` for what lacks it. A term is a part
//! of a name, case ignored, or compares a value: `f1>0.6`, `lr<=1e-3`, `state=running`,
//! `hidden_size!=256`. A name without dots stands for every key that ends in it.

/// What a filter is asked about.
pub(crate) trait Subject {
    /// Whether a lower-case text occurs in one of its names.
    fn contains(&self, text: &str) -> bool;

    /// Its values under a name.
    fn values(&self, _name: &str) -> Vec<String> {
        Vec::new()
    }
}

impl Subject for str {
    fn contains(&self, text: &str) -> bool {
        str::contains(&self.to_lowercase(), text)
    }
}

/// A filter as it was typed. Empty, it lets everything through.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Filter {
    /// One of these must hold, and of it every term.
    any: Vec<Vec<Term>>,
}

#[derive(Clone, Debug, PartialEq)]
struct Term {
    negated: bool,
    test: Test,
}

#[derive(Clone, Debug, PartialEq)]
enum Test {
    Contains(String),
    Compare(String, Order, String),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    AtMost,
    AtLeast,
    Unequal,
    Less,
    Greater,
    Equal,
}

/// The longer signs first: `<=` begins with `<`.
const SIGNS: [(&str, Order); 6] = [
    ("<=", Order::AtMost),
    (">=", Order::AtLeast),
    ("!=", Order::Unequal),
    ("<", Order::Less),
    (">", Order::Greater),
    ("=", Order::Equal),
];

impl Filter {
    pub(crate) fn new(text: &str) -> Self {
        let text = text.to_lowercase();
        let any = text.split('|').map(|all| {
            let terms = all.split_whitespace().map(Term::new);
            terms.flatten().collect::<Vec<Term>>()
        });
        Self {
            any: any.filter(|terms| !terms.is_empty()).collect(),
        }
    }

    pub(crate) fn lets_through(&self, subject: &(impl Subject + ?Sized)) -> bool {
        self.any.is_empty()
            || (self.any.iter()).any(|terms| terms.iter().all(|term| term.holds(subject)))
    }
}

impl Term {
    /// `None` for a `!` alone, which is still being typed.
    fn new(text: &str) -> Option<Self> {
        let (negated, text) = match text.strip_prefix('!') {
            Some(rest) if !rest.starts_with('=') => (true, rest),
            _ => (false, text),
        };
        if text.is_empty() {
            return None;
        }
        let compared = SIGNS.iter().find_map(|(sign, order)| {
            let (name, value) = text.split_once(sign)?;
            let whole = !name.is_empty() && !value.is_empty();
            whole.then(|| Test::Compare(name.to_owned(), *order, value.to_owned()))
        });
        let test = compared.unwrap_or_else(|| Test::Contains(text.to_owned()));
        Some(Self { negated, test })
    }

    fn holds(&self, subject: &(impl Subject + ?Sized)) -> bool {
        let holds = match &self.test {
            Test::Contains(text) => subject.contains(text),
            Test::Compare(name, order, wanted) => {
                let values = subject.values(name);
                // What has no such value is not unequal to one: it is not compared.
                values.iter().any(|value| order.holds(value, wanted))
            }
        };
        holds != self.negated
    }
}

impl Order {
    fn holds(self, value: &str, wanted: &str) -> bool {
        let value = value.to_lowercase();
        if let (Ok(value), Ok(wanted)) = (value.parse::<f64>(), wanted.parse::<f64>()) {
            return match self {
                Self::AtMost => value <= wanted,
                Self::AtLeast => value >= wanted,
                Self::Unequal => value != wanted,
                Self::Less => value < wanted,
                Self::Greater => value > wanted,
                Self::Equal => value == wanted,
            };
        }
        match self {
            Self::Equal => value == wanted,
            Self::Unequal => value != wanted,
            _ => false,
        }
    }
}

/// Whether a key of a configuration is meant by a name: it, or its end after a dot.
pub(crate) fn names(key: &str, name: &str) -> bool {
    let key = key.to_lowercase();
    key == name
        || key
            .strip_suffix(name)
            .is_some_and(|rest| rest.ends_with('.'))
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Run;

    impl Subject for Run {
        fn contains(&self, text: &str) -> bool {
            "Small-gdes".contains(text)
        }

        fn values(&self, name: &str) -> Vec<String> {
            let all = [
                ("model.hidden_size", "256"),
                ("lr", "0.0005"),
                ("state", "Running"),
            ];
            let named = all.iter().filter(|(key, _)| names(key, name));
            named.map(|(_, value)| (*value).to_owned()).collect()
        }
    }

    fn passes(filter: &str) -> bool {
        Filter::new(filter).lets_through("Discriminator: RTD loss")
    }

    #[test]
    fn terms_of_names() {
        for filter in [
            "",
            " ",
            "rtd",
            "LOSS",
            "rtd loss",
            "mlm | rtd",
            "!mlm",
            "rtd !mlm",
            "!",
            "|",
        ] {
            assert!(passes(filter), "{filter}");
        }
        for filter in ["mlm", "rtd mlm", "!rtd", "mlm | auc", "rtd=1"] {
            assert!(!passes(filter), "{filter}");
        }
    }

    #[test]
    fn values_are_compared() {
        let passes = |filter: &str| Filter::new(filter).lets_through(&Run);
        for filter in [
            "hidden_size=256",
            "model.hidden_size>=256",
            "lr<1e-3",
            "lr=5e-4",
            "state=running",
            "gdes lr>0",
            "!hidden_size=128",
            "hidden_size!=128",
            "hidden_size>500 | lr<1",
        ] {
            assert!(passes(filter), "{filter}");
        }
        for filter in [
            "hidden_size>256",
            "size=256",
            "unknown=1",
            "unknown!=1",
            "lr>1e-3",
            "state<running",
            "gdes lr>1",
        ] {
            assert!(!passes(filter), "{filter}");
        }
    }
}
