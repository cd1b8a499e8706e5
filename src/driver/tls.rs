//! TLS to a server, as option `connection.ssl` wants it: certificates and keys as rustls takes them.
//!
//! Reads PEM text that is at hand. Opens no file and no connection.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme};

use crate::config::Tls;
use crate::error::{Error, Result};

/// What rustls needs to know for connections that are encrypted so.
///
/// # Errors
///
/// `ERR_SESSION_CONFIG` names the part of `connection.ssl` that cannot be read; nothing of what it holds is told.
pub(super) fn client_config(tls: &Tls) -> Result<ClientConfig> {
    let provider = Arc::new(ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider.clone());
    let builder = builder
        .with_safe_default_protocol_versions()
        .map_err(|_| refused("ssl", "usable"))?;
    let builder = match tls.is_verified {
        true => builder.with_root_certificates(roots(tls)?),
        false => builder
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Unverified(provider))),
    };
    let Some((cert, key)) = &tls.identity else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(cert, "ssl.cert")?;
    let of_key = "the PEM text of a private key that is not encrypted";
    let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| refused("ssl.key", of_key))?;
    let of_both = "the private key of the certificate in `connection.ssl.cert`";
    let config = builder.with_client_auth_cert(chain, key);
    config.map_err(|_| refused("ssl.key", of_both))
}

/// Whom the server's certificate may be signed by.
fn roots(tls: &Tls) -> Result<RootCertStore> {
    let mut roots = RootCertStore::empty();
    match &tls.authorities {
        None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        Some(pem) => {
            for authority in certificates(pem, "ssl.ca")? {
                let added = roots.add(authority);
                added.map_err(|_| refused("ssl.ca", CERTIFICATES))?;
            }
        }
    }
    Ok(roots)
}

const CERTIFICATES: &str = "the PEM text of one certificate or more";

fn certificates(pem: &[u8], option: &str) -> Result<Vec<CertificateDer<'static>>> {
    let all: std::result::Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    let all = all.ok().filter(|all| !all.is_empty());
    all.ok_or_else(|| refused(option, CERTIFICATES))
}

fn refused(option: &str, allowed: &str) -> Error {
    Error::config(&format!("connection.{option}"), allowed)
}

/// Takes whatever certificate the server shows, as `rejectUnauthorized: false` asks for. That the server has its key is
/// still made sure of.
#[derive(Debug)]
struct Unverified(Arc<CryptoProvider>);

impl ServerCertVerifier for Unverified {
    fn verify_server_cert(
        &self,
        _end_entity: &CertificateDer<'_>,
        _intermediates: &[CertificateDer<'_>],
        _server_name: &ServerName<'_>,
        _ocsp_response: &[u8],
        _now: UnixTime,
    ) -> std::result::Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls12_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> std::result::Result<HandshakeSignatureValid, rustls::Error> {
        verify_tls13_signature(
            message,
            cert,
            signed,
            &self.0.signature_verification_algorithms,
        )
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLAIN: Tls = Tls {
        authorities: None,
        identity: None,
        is_verified: true,
        server_name: None,
    };

    fn pem(label: &str, base64: &str) -> Vec<u8> {
        format!("-----BEGIN {label}-----\n{base64}\n-----END {label}-----\n").into_bytes()
    }

    fn complaint(tls: &Tls) -> String {
        client_config(tls).unwrap_err().message().to_owned()
    }

    #[test]
    fn without_certificates_of_its_own_there_is_nothing_to_refuse() {
        for is_verified in [true, false] {
            let tls = Tls {
                is_verified,
                ..PLAIN
            };
            assert!(client_config(&tls).is_ok());
        }
    }

    #[test]
    fn what_cannot_be_read_is_named_and_not_shown() {
        for ca in [
            pem("CERTIFICATE", "c2VjcmV0"),
            pem("CERTIFICATE", "!secret!"),
            pem("PRIVATE KEY", "c2VjcmV0"),
        ] {
            let tls = Tls {
                authorities: Some(ca),
                ..PLAIN
            };
            let told = complaint(&tls);
            assert!(told.contains("`connection.ssl.ca`"), "{told}");
            assert!(!told.contains("secret") && !told.contains("c2Vj"), "{told}");
        }
        let certificate = pem("CERTIFICATE", "c2VjcmV0");
        for (cert, key, named) in [
            (
                pem("X", ""),
                pem("PRIVATE KEY", "c2VjcmV0"),
                "connection.ssl.cert",
            ),
            (
                certificate.clone(),
                pem("ENCRYPTED PRIVATE KEY", "c2VjcmV0"),
                "connection.ssl.key",
            ),
            (
                certificate,
                pem("PRIVATE KEY", "c2VjcmV0"),
                "connection.ssl.key",
            ),
        ] {
            let identity = Some((cert, key));
            let told = complaint(&Tls { identity, ..PLAIN });
            assert!(told.contains(&format!("`{named}`")), "{told}");
            assert!(!told.contains("c2Vj"), "{told}");
        }
    }
}
