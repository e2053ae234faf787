//! The secret that a worker and its clients share, and what is derived from it.

use std::collections::BTreeSet;
use std::fmt;

use sha2::{Digest, Sha256};

/// The fewest characters of a token. A worker's public key gives those who can see it something to
/// compare guesses with, so a token must not be guessable: 20 random letters or digits are.
const SHORTEST: usize = 20;
/// The fewest different characters of a token: of a million tokens of 20 random digits two or three have fewer, of letters none.
const FEWEST: usize = 5;
/// What both ends must share beside the token: the operations of another version are others.
pub(super) const VERSION: &str = env!("CARGO_PKG_VERSION");

/// The secret of a worker and those who may use it.
#[derive(Clone)]
pub(super) struct Token(String);

impl Token {
    /// A token, or what is wrong with it.
    pub(super) fn new(text: &str) -> Result<Self, String> {
        let text = text.trim();
        let characters: Vec<char> = text.chars().collect();
        match characters.len() {
            0 => Err("is not set".to_owned()),
            1..SHORTEST => Err(format!("has fewer than {SHORTEST} characters")),
            _ if characters.iter().collect::<BTreeSet<_>>().len() < FEWEST => {
                Err(format!("has fewer than {FEWEST} different characters"))
            }
            _ if repeats(&characters) => Err("is a shorter one, repeated".to_owned()),
            _ => Ok(Self(text.to_owned())),
        }
    }

    /// The secret key of a worker on a port.
    pub(super) fn key(&self, port: u16) -> [u8; 32] {
        self.derived(&format!("key of the worker on port {port}"))
    }

    /// What a client shows: its version, which a worker can read and name, and a proof of the token.
    pub(super) fn credential(&self, version: &str) -> String {
        let proof = self.derived(&format!("client of version {version}"));
        format!("aelectra {version} {}", hex(&proof))
    }

    fn derived(&self, purpose: &str) -> [u8; 32] {
        let hash = Sha256::new().chain_update("aelectra worker\0");
        let hash = hash.chain_update(purpose).chain_update("\0");
        hash.chain_update(&self.0).finalize().into()
    }

    /// Why a client is refused, if it is.
    pub(super) fn refusal(&self, credential: &[u8]) -> Option<String> {
        let shown = String::from_utf8_lossy(credential);
        let version = shown.split(' ').nth(1).unwrap_or("unknown");
        // Hashes are compared, so the time it takes tells nothing of the token.
        let is = |version| Sha256::digest(credential) == Sha256::digest(self.credential(version));
        if is(VERSION) {
            None
        } else if is(version) {
            Some(format!(
                "it is aelectra {version}, and this worker is {VERSION}"
            ))
        } else {
            Some("its token is another one".to_owned())
        }
    }
}

/// Whether something shorter follows itself again and again.
fn repeats(characters: &[char]) -> bool {
    let follows = |length: usize| characters[length..] == characters[..characters.len() - length];
    (1..=characters.len() / 2).any(follows)
}

impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn token(text: &str) -> Token {
        Token::new(text).unwrap()
    }

    #[test]
    fn a_token_must_be_long() {
        for short in ["", "hemmelig"] {
            assert!(Token::new(short).is_err(), "{short}");
        }
        assert!(!format!("{:?}", token("abcdefghijklmnopqrst")).contains("abc"));
    }

    #[test]
    fn a_token_must_not_be_easy_to_guess() {
        for easy in [
            "aaaaaaaaaaaaaaaaaaaaaaaa",
            "01010101010110101010101011",
            "hemmelighemmelighemmelig",
            "0123456789012345678901",
        ] {
            assert!(Token::new(easy).is_err(), "{easy}");
        }
        for random in [
            // `openssl rand -hex 16`, and 20 random digits.
            "9f86d081884c7d659a2feaa0c55ad015",
            "27182818284590452353",
            "a-secret-of-this-test-only",
        ] {
            assert!(Token::new(random).is_ok(), "{random}");
        }
        let mut state = 1u64;
        for _ in 0..10_000 {
            // As SplitMix64 does.
            state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
            let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
            let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
            let text = format!("{:016x}{:016x}", mixed ^ (mixed >> 31), mixed);
            assert!(Token::new(&text).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_worker_has_the_key_that_its_clients_expect() {
        let (ours, others) = (token("abcdefghijklmnopqrst"), token("abcdefghijklmnopqrsu"));
        assert_eq!(ours.key(7461), ours.clone().key(7461));
        assert_ne!(ours.key(7461), ours.key(7462));
        assert_ne!(ours.key(7461), others.key(7461));
    }

    #[test]
    fn other_tokens_and_versions_are_refused_by_name() {
        let (ours, others) = (token("abcdefghijklmnopqrst"), token("abcdefghijklmnopqrsu"));
        let asked = |by: &Token, version| ours.refusal(by.credential(version).as_bytes());
        assert_eq!(asked(&ours, VERSION), None);
        assert!(asked(&ours, "0.0.7").unwrap().contains("aelectra 0.0.7"));
        for refused in [asked(&others, VERSION), asked(&others, "0.0.7")] {
            assert!(refused.unwrap().contains("token"));
        }
        assert!(ours.refusal(b"").unwrap().contains("token"));
        assert!(ours.refusal(&[0xff, b' ']).unwrap().contains("token"));
    }
}
