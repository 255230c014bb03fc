//! Certificates and kubeconfigs: who is who in the cluster.
//!
//! One certificate authority per cluster signs the servers and the clients. The API server takes
//! the user's name from a client certificate's common name and the groups from its organizations,
//! so any user can be made here without asking the cluster, a service account too:
//! `User::service_account("carbon-kube", "extender")`. What a user may do is RBAC's business.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use serde_json::json;

/// The object identifier of `organizationName` (X.520).
const ORGANIZATION: [u64; 4] = [2, 5, 4, 10];

/// Somebody who may talk to the API server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct User {
    /// The name that RBAC knows.
    pub name: String,
    /// The groups that RBAC knows, next to `system:authenticated`. Two at most.
    pub groups: Vec<String>,
}

impl User {
    /// A user in `groups`.
    pub fn new(
        name: impl Into<String>,
        groups: impl IntoIterator<Item = impl Into<String>>,
    ) -> Self {
        Self { name: name.into(), groups: groups.into_iter().map(Into::into).collect() }
    }

    /// May do everything.
    pub fn admin() -> Self {
        Self::new("e2e-admin", ["system:masters"])
    }

    /// What RBAC takes for this service account. The account need not exist.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        Self::new(
            format!("system:serviceaccount:{namespace}:{name}"),
            ["system:serviceaccounts".to_owned(), format!("system:serviceaccounts:{namespace}")],
        )
    }
}

/// A certificate with its key, both as PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key, PKCS #8.
    pub key: String,
}

/// Where the two halves of an [`Identity`] were written.
#[derive(Clone, Debug)]
pub struct IdentityFiles {
    /// The certificate.
    pub certificate: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl Identity {
    /// Writes `<name>.crt` and `<name>.key`.
    ///
    /// # Errors
    /// When a file can't be written.
    pub fn write(&self, folder: &Path, name: &str) -> Result<IdentityFiles> {
        let files = IdentityFiles {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        };
        write(&files.certificate, &self.certificate)?;
        write(&files.key, &self.key)?;
        Ok(files)
    }
}

/// The certificate authority of one cluster.
#[derive(Debug)]
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
}

impl Authority {
    /// A new authority.
    ///
    /// # Errors
    /// When there is no randomness for a key.
    pub fn new() -> Result<Self> {
        let mut params = params("carbon-kube-e2e", &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().context("generating a key")?;
        let certificate = params.self_signed(&key).context("signing the authority")?.pem();
        Ok(Self { issuer: Issuer::new(params, key), certificate })
    }

    /// The authority's own certificate, as PEM.
    pub fn certificate(&self) -> &str {
        &self.certificate
    }

    /// A certificate for a server under these DNS names and IP addresses.
    ///
    /// # Errors
    /// When a name isn't one that a certificate can hold.
    pub fn server<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> Result<Identity> {
        let names: Vec<String> = names.into_iter().map(str::to_owned).collect();
        let common_name = names.first().cloned().unwrap_or_default();
        let mut params = params(&common_name, &[])?;
        params.subject_alt_names =
            CertificateParams::new(names).context("names of a server")?.subject_alt_names;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(params)
    }

    /// A certificate that makes its holder `user`.
    ///
    /// # Errors
    /// When the user is in more than two groups.
    pub fn client(&self, user: &User) -> Result<Identity> {
        let mut params = params(&user.name, &user.groups)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Identity> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().context("generating a key")?;
        let certificate = params.signed_by(&key, &self.issuer).context("signing a certificate")?;
        Ok(Identity { certificate: certificate.pem(), key: key.serialize_pem() })
    }
}

/// The key pair that signs the tokens of service accounts: private, then public, as PEM.
///
/// # Errors
/// When there is no randomness for a key.
pub fn token_keys() -> Result<(String, String)> {
    let key = KeyPair::generate().context("generating a key")?;
    Ok((key.serialize_pem(), key.public_key_pem()))
}

fn params(common_name: &str, organizations: &[String]) -> Result<CertificateParams> {
    let mut params = CertificateParams::new(Vec::new()).context("an empty certificate")?;
    let mut name = DistinguishedName::new();
    // A name in rcgen holds one value per type. A second organization goes in under a type that is
    // another one to rcgen and the same object identifier in the certificate; there is no third.
    if let Some(first) = organizations.first() {
        name.push(DnType::OrganizationName, first.as_str());
    }
    if let Some(second) = organizations.get(1) {
        name.push(DnType::CustomDnType(ORGANIZATION.to_vec()), second.as_str());
    }
    if organizations.len() > 2 {
        bail!(
            "`{common_name}` is in {} groups; a certificate here has room for 2",
            organizations.len()
        );
    }
    name.push(DnType::CommonName, common_name);
    params.distinguished_name = name;
    Ok(params)
}

/// Writes a kubeconfig for the API server at `server`. It is JSON, which every reader of YAML takes.
///
/// # Errors
/// When the file can't be written.
pub fn write_kubeconfig(
    path: &Path,
    server: &str,
    authority: &Path,
    user: &User,
    identity: &IdentityFiles,
) -> Result<()> {
    let config = json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{
            "name": "e2e",
            "cluster": { "server": server, "certificate-authority": authority },
        }],
        "users": [{
            "name": user.name,
            "user": {
                "client-certificate": identity.certificate,
                "client-key": identity.key,
            },
        }],
        "contexts": [{ "name": "e2e", "context": { "cluster": "e2e", "user": user.name } }],
        "current-context": "e2e",
    });
    write(path, &format!("{config:#}\n"))
}

pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}
