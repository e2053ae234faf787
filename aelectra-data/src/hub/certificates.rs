//! Whom to believe that a server is who it says: the roots that are built in, or a file of the user's.

use std::path::Path;
use std::sync::Arc;

use ureq::tls::{PemItem, RootCerts, TlsConfig, parse_pem};

use crate::{DataError, Result};

/// Settings with the certificates of a PEM file in place of those built in, as where a house signs its own; without a file
/// the usual ones.
///
/// # Errors
/// When the file cannot be read or has no certificate.
pub(crate) fn tls(file: Option<&Path>) -> Result<TlsConfig> {
    let config = TlsConfig::builder();
    let Some(path) = file else {
        return Ok(config.build());
    };
    let pem = std::fs::read(path).map_err(DataError::io("read", path))?;
    let certificates: Vec<_> = parse_pem(&pem)
        .filter_map(|item| match item {
            Ok(PemItem::Certificate(certificate)) => Some(certificate),
            _ => None,
        })
        .collect();
    if certificates.is_empty() {
        return Err(DataError::parse(
            path,
            0,
            "certificates in PEM",
            "none, in what SSL_CERT_FILE, REQUESTS_CA_BUNDLE or CURL_CA_BUNDLE names",
        ));
    }
    let roots = RootCerts::Specific(Arc::new(certificates));
    Ok(config.root_certs(roots).build())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_certificates_takes_the_place_of_those_built_in() {
        let dir = tempfile::tempdir().expect("a directory");
        let path = dir.path().join("ca.pem");
        assert!(matches!(
            tls(None).expect("usual").root_certs(),
            RootCerts::WebPki
        ));
        assert!(tls(Some(&path)).is_err(), "no such file");
        std::fs::write(&path, "no certificate").expect("writes");
        let error = tls(Some(&path)).expect_err("nothing in it").to_string();
        assert!(
            error.contains("ca.pem") && error.contains("SSL_CERT_FILE"),
            "{error}"
        );
        // Whether it is a good one shows when a server is asked.
        let pem = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        std::fs::write(&path, pem.repeat(2)).expect("writes");
        match tls(Some(&path)).expect("two").root_certs() {
            RootCerts::Specific(both) => assert_eq!(both.len(), 2),
            other => panic!("{other:?}"),
        }
    }
}
