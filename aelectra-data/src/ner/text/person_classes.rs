//! Which classes are those of persons.

/// The classes whose entities are persons, by their names: those that are usual, and those that somebody has named.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct PersonClasses {
    named: Vec<String>,
}

/// Names of such classes that do not begin with `PER`, in capitals.
const USUAL: [&str; 4] = ["NAVN", "NAVNE", "NAME", "NAMES"];

impl PersonClasses {
    /// The usual ones and these.
    #[must_use]
    pub fn with(named: Vec<String>) -> Self {
        Self { named }
    }

    /// Those that were named beside the usual ones.
    #[must_use]
    pub fn named(&self) -> &[String] {
        &self.named
    }

    /// Whether a class is one of them. The usual ones begin with `PER` or hold `PERSON`, or are `Navn` or `Name`, in letters of
    /// either case.
    #[must_use]
    pub fn contains(&self, class: &str) -> bool {
        let capitals = class.to_uppercase();
        let is_usual = capitals.starts_with("PER")
            || capitals.contains("PERSON")
            || USUAL.contains(&capitals.as_str());
        is_usual || self.named.iter().any(|named| named == class)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn usual_names_and_those_that_were_named() {
        let usual = PersonClasses::default();
        for class in ["PER", "per", "Person", "Fysisk person", "Navn", "NAME"] {
            assert!(usual.contains(class), "{class}");
        }
        for class in ["LOC", "Stednavn", "Patient", "ORG", "navngiven"] {
            assert!(!usual.contains(class), "{class}");
        }
        let named = PersonClasses::with(vec!["Patient".to_owned()]);
        assert!(named.contains("Patient") && named.contains("PER"));
        assert!(!named.contains("patient"), "as the model has it");
    }
}
