//! TLS to a server, as option `connection.ssl` wants it: certificates and keys as rustls takes them.
//!
//! Reads PEM text that is at hand. Opens no file and no connection.

use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::{CryptoProvider, ring, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, OtherError, RootCertStore,
    SignatureScheme,
};

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
    // Read in any case: what cannot be read was not meant so.
    let trusted = Trusted::new(tls, &provider)?;
    let verifier = Verifier {
        trusted: tls.is_verified.then_some(trusted),
        provider,
    };
    let builder = builder
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(verifier));
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

/// Whom the server's certificate may be signed by, or which it may be.
#[derive(Debug)]
struct Trusted {
    authorities: Arc<WebPkiServerVerifier>,
    /// The certificates in `connection.ssl.ca`.
    own: Vec<CertificateDer<'static>>,
}

impl Trusted {
    fn new(tls: &Tls, provider: &Arc<CryptoProvider>) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        let own = match &tls.authorities {
            None => Vec::new(),
            Some(pem) => certificates(pem, "ssl.ca")?,
        };
        if own.is_empty() {
            roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        }
        let cannot_be = || refused("ssl.ca", CERTIFICATES);
        for authority in &own {
            roots.add(authority.clone()).map_err(|_| cannot_be())?;
        }
        let verifier =
            WebPkiServerVerifier::builder_with_provider(Arc::new(roots), provider.clone());
        Ok(Self {
            authorities: verifier.build().map_err(|_| cannot_be())?,
            own,
        })
    }

    /// Takes a server's certificate that is for its name and signed by an authority. One that the server signed for itself, as
    /// `openssl req -x509` makes it, is an authority's by its own word, which no server's may be. Where it is one of `ca`, byte by
    /// byte, it is taken all the same, as OpenSSL does.
    fn verify(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Verified<ServerCertVerified> {
        let verified =
            self.authorities
                .verify_server_cert(shown, intermediates, name, ocsp_response, now);
        match verified {
            Err(error) if is_for_authorities(&error) && self.own.contains(shown) => {
                verify_server_name(&ParsedCertificate::try_from(shown)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verified => verified,
        }
    }
}

/// Whether all that speaks against a certificate is that it is an authority's. Its time was looked at before.
fn is_for_authorities(error: &rustls::Error) -> bool {
    let rustls::Error::InvalidCertificate(CertificateError::Other(OtherError(cause))) = error
    else {
        return false;
    };
    matches!(cause.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
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

type Verified<T> = std::result::Result<T, rustls::Error>;

/// Judges what a server shows. Where nobody is trusted, as `rejectUnauthorized: false` asks for, any certificate is taken; that
/// the server has its key is made sure of even so.
#[derive(Debug)]
struct Verifier {
    trusted: Option<Trusted>,
    provider: Arc<CryptoProvider>,
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        shown: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Verified<ServerCertVerified> {
        match &self.trusted {
            Some(trusted) => trusted.verify(shown, intermediates, name, ocsp_response, now),
            None => Ok(ServerCertVerified::assertion()),
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Verified<HandshakeSignatureValid> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, cert, signed, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Verified<HandshakeSignatureValid> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, cert, signed, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        let algorithms = &self.provider.signature_verification_algorithms;
        algorithms.supported_schemes()
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
        // Also where nobody is to be verified.
        let tls = Tls {
            authorities: Some(pem("CERTIFICATE", "c2VjcmV0")),
            is_verified: false,
            ..PLAIN
        };
        assert!(complaint(&tls).contains("`connection.ssl.ca`"));
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
