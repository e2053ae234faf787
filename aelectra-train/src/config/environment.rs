//! `AELECTRA_<KEY>`: the environment as a layer of a configuration.

/// What the names of all variables begin with.
const PREFIX: &str = "AELECTRA_";

/// Variables that are read elsewhere in this project and set no key, without their prefix. Those of
/// command-line flags are not here: whoever parses the command line knows them.
const ELSEWHERE: [&str; 8] = [
    "FUSED",
    "GIT_COMMIT",
    "SIMD",
    "TF32",
    "TILES",
    "TUNE",
    "WITHOUT",
    "WORKER_TOKEN",
];

/// Variables of tests.
const TEST_PREFIX: &str = "TEST_";

/// The variables that set keys, taken from an environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment(Vec<Assignment>);

/// One variable.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Assignment {
    /// The whole name of the variable.
    pub variable: String,
    /// The key it sets: `a.b` for `AELECTRA_A__B`.
    pub key: String,
    /// The value as text.
    pub value: String,
}

impl Assignment {
    /// Where its value comes from, as messages have it.
    pub(crate) fn origin(&self) -> String {
        format!("environment {}", self.variable)
    }
}

impl Environment {
    /// No variables at all.
    #[must_use]
    pub const fn none() -> Self {
        Self(Vec::new())
    }

    /// The environment of this process. `flags` are the whole names of variables that stand for
    /// command-line flags and set no key.
    #[must_use]
    pub fn of_process(flags: &[String]) -> Self {
        let variables = std::env::vars_os().filter_map(|(name, value)| {
            Some((
                name.into_string().ok()?,
                value.to_string_lossy().into_owned(),
            ))
        });
        Self::new(variables, flags)
    }

    /// As [`Environment::of_process`], from these variables.
    #[must_use]
    pub fn new(variables: impl IntoIterator<Item = (String, String)>, flags: &[String]) -> Self {
        let mut assignments: Vec<Assignment> = variables
            .into_iter()
            .filter(|(variable, _)| !flags.contains(variable))
            .filter_map(|(variable, value)| {
                let rest = variable.strip_prefix(PREFIX)?;
                if ELSEWHERE.contains(&rest) || rest.starts_with(TEST_PREFIX) {
                    return None;
                }
                let key = rest.to_ascii_lowercase().replace("__", ".");
                Some(Assignment {
                    variable,
                    key,
                    value,
                })
            })
            .collect();
        // The order of an environment is nobody's; the first error shall always be the same one.
        assignments.sort_unstable_by(|a, b| a.variable.cmp(&b.variable));
        Self(assignments)
    }

    pub(crate) fn assignments(&self) -> impl Iterator<Item = &Assignment> {
        self.0.iter()
    }
}
