//! Addresses in a word, known by their form: of people's mail, of sites, and names of accounts.

use crate::abbreviations::keeps_always;

/// Classes of what is known by its form.
const EMAIL: &str = "EMAIL";
/// A web address, which may spell a name.
pub(super) const URL: &str = "URL";
/// A name of an account: `@ibbo`.
const HANDLE: &str = "HANDLE";

/// The class of an address that a word holds, as it is seen.
pub(super) fn address(word: &str) -> Option<&'static str> {
    if holds_email(word) {
        return Some(EMAIL);
    }
    if holds_url(word) {
        return Some(URL);
    }
    (word.len() > 1 && word.starts_with('@')).then_some(HANDLE)
}

/// Whether there is an e-mail address in a word, whatever touches it.
fn holds_email(word: &str) -> bool {
    word.match_indices('@').any(|(at, _)| {
        let (before, after) = (
            word[..at].chars().next_back(),
            word[at + 1..].chars().next(),
        );
        before.is_some_and(char::is_alphanumeric) && after.is_some_and(char::is_alphanumeric)
    })
}

/// Endings of names of sites that are hidden where nothing else says that they are ones: those of these latitudes, and those that
/// people take for themselves.
const DOMAINS: [&str; 16] = [
    "ai", "biz", "ch", "com", "dev", "dk", "edu", "eu", "fr", "info", "io", "net", "nl", "org",
    "pl", "uk",
];
/// The same where they are also words, which may follow a full stop without a blank.
const DOMAINS_AND_WORDS: [&str; 18] = [
    "app", "blog", "cloud", "co", "de", "email", "fi", "fo", "gl", "is", "me", "name", "no", "nu",
    "online", "se", "shop", "site",
];
/// Letters that the name of a site with such an ending has, at least: `bl.a.de` is none.
const LEAST_NAME: usize = 3;

/// Whether there is a web address in a word: `https://…`, `www.…`, `facebook.com/mette`.
fn holds_url(word: &str) -> bool {
    let lower = word.to_lowercase();
    // What follows `e-mail:http:` is a word of its own.
    let mut parts = lower.trim_start_matches('/').split(['/', '?', '#', ':']);
    let host = parts.next().unwrap_or_default();
    lower.contains("://") || lower.contains("www.") || is_host(host)
}

/// Whether it is the name of a site, also where something is joined to it: `mettehansen.dk's`.
fn is_host(word: &str) -> bool {
    let Some((name, ending)) = word.rsplit_once('.') else {
        return false;
    };
    let is_joined = |c: char| !c.is_alphanumeric();
    let ending = ending.split(is_joined).next().unwrap_or_default();
    let is_sound = |c: char| c.is_alphanumeric() || matches!(c, '-' | '.' | '_');
    if name.len() < 2 || !name.chars().all(is_sound) {
        return false;
    }
    let last = name.rsplit('.').next().unwrap_or_default();
    // `f.eks.de` and `evt.nu` lack a blank.
    let is_name = || {
        last.chars().filter(|c| c.is_alphabetic()).count() >= LEAST_NAME
            && ![name, last]
                .iter()
                .any(|it| keeps_always(&format!("{it}."), false))
    };
    DOMAINS.contains(&ending) || DOMAINS_AND_WORDS.contains(&ending) && is_name()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sites_are_known_by_their_endings() {
        for word in [
            "mettehansen.dk",
            "mettehansen.nu",
            "mettehansen.se",
            "mettehansen.no",
            "mettehansen.io",
            "mette.hansen.name",
            "mette_hansen.blog/om",
            "mettehansen.dk:8080",
            "MetteHansen.Dk's",
            "mettehansen.nu-siden",
            "12.dk",
            "dr.dk",
        ] {
            assert_eq!(address(word), Some(URL), "{word}");
        }
        for word in [
            "bl.a.de",
            "f.eks.de",
            "evt.nu",
            "12.de",
            "og.se",
            "v1.2.3",
            "3.no",
            "kap.8",
            "B.T.s",
            "A/S",
            "rapport.pdf",
            "se",
            ".dk",
            "12.30",
        ] {
            assert_eq!(address(word), None, "{word}");
        }
    }

    #[test]
    fn people_are_known_by_their_addresses() {
        for (word, class) in [
            ("mette@x.dk", EMAIL),
            ("mette@localhost", EMAIL),
            ("@mette", HANDLE),
            ("https://x.y", URL),
            ("e-mail:www.x.y", URL),
        ] {
            assert_eq!(address(word), Some(class), "{word}");
        }
        assert_eq!(address("@"), None);
        assert_eq!(address("5@"), None);
    }
}
