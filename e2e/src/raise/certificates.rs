//! Certificates and kubeconfigs of a cluster: one authority, made anew each time it is raised.

use std::fs;
use std::net::IpAddr;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, KeyUsagePurpose, SanType,
};

use super::settings::create_parent;
use crate::error::{Error, Result};
use crate::network::Network;

/// The node's name.
pub(super) const NODE: &str = "node";

/// Users with a kubeconfig: file name, common name, group.
const USERS: [(&str, &str, Option<&str>); 8] = [
    ("admin", "testbed-admin", Some("system:masters")),
    ("controller-manager", "system:kube-controller-manager", None),
    ("scheduler", "system:kube-scheduler", None),
    ("kube-proxy", "system:kube-proxy", None),
    ("kubelet", "system:node:node", Some("system:nodes")),
    ("istiod", "istiod", Some("system:masters")),
    ("prometheus", "testbed-prometheus", Some("testbed:readers")),
    ("coredns", "testbed-coredns", Some("testbed:readers")),
];

/// Writes the authority, the API server's certificates, the key of service accounts, and a kubeconfig per user.
pub(super) fn write(folder: &Path, network: Network) -> Result<()> {
    let authority = Authority::new()?;
    let pki = folder.join("pki");
    private(&pki.join("ca.crt"), &authority.certificate)?;
    private(&pki.join("ca.key"), &authority.issuer.key().serialize_pem())?;
    authority.server(&pki, network)?;
    authority.client(&pki, "kubelet-client", "kube-apiserver-kubelet-client", None)?;
    let accounts = KeyPair::generate().map_err(|error| crypto(&error))?;
    private(&pki.join("service-accounts.key"), &accounts.serialize_pem())?;
    private(&pki.join("service-accounts.pub"), &accounts.public_key_pem())?;
    for (file, user, group) in USERS {
        authority.client(&pki, file, user, group)?;
        private(&folder.join("kubeconfig").join(file), &kubeconfig(&pki, file, network))?;
    }
    Ok(())
}

struct Authority {
    certificate: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Authority {
    fn new() -> Result<Self> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name("testbed", None);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::DigitalSignature];
        let key = KeyPair::generate().map_err(|error| crypto(&error))?;
        let certificate = params.self_signed(&key).map_err(|error| crypto(&error))?.pem();
        Ok(Self { certificate, issuer: Issuer::new(params, key) })
    }

    fn server(&self, pki: &Path, network: Network) -> Result<()> {
        let names =
            ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost"].map(str::to_owned);
        let mut params = CertificateParams::new(names.to_vec()).map_err(|error| crypto(&error))?;
        let addresses = [[127, 0, 0, 1].into(), network.api_service(), network.node(), network.uplink()];
        params.subject_alt_names.extend(addresses.map(|address| SanType::IpAddress(IpAddr::V4(address))));
        params.distinguished_name = name("kube-apiserver", None);
        self.issue(pki, "apiserver", params, ExtendedKeyUsagePurpose::ServerAuth)
    }

    fn client(&self, pki: &Path, file: &str, user: &str, group: Option<&str>) -> Result<()> {
        let mut params = CertificateParams::default();
        params.distinguished_name = name(user, group);
        self.issue(pki, file, params, ExtendedKeyUsagePurpose::ClientAuth)
    }

    fn issue(
        &self,
        pki: &Path,
        file: &str,
        mut params: CertificateParams,
        usage: ExtendedKeyUsagePurpose,
    ) -> Result<()> {
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![usage];
        let key = KeyPair::generate().map_err(|error| crypto(&error))?;
        let certificate = params.signed_by(&key, &self.issuer).map_err(|error| crypto(&error))?;
        private(&pki.join(format!("{file}.crt")), &certificate.pem())?;
        private(&pki.join(format!("{file}.key")), &key.serialize_pem())
    }
}

fn name(common: &str, organization: Option<&str>) -> DistinguishedName {
    let mut name = DistinguishedName::new();
    if let Some(group) = organization {
        name.push(DnType::OrganizationName, group);
    }
    name.push(DnType::CommonName, common);
    name
}

fn kubeconfig(pki: &Path, user: &str, network: Network) -> String {
    let pki = pki.display();
    format!(
        "apiVersion: v1
kind: Config
clusters: [{{name: testbed, cluster: {{server: \"https://{node}:6443\", certificate-authority: \"{pki}/ca.crt\"}}}}]
users: [{{name: {user}, user: {{client-certificate: \"{pki}/{user}.crt\", client-key: \"{pki}/{user}.key\"}}}}]
contexts: [{{name: testbed, context: {{cluster: testbed, user: {user}, namespace: default}}}}]
current-context: testbed
",
        node = network.node()
    )
}

/// Writes a file that only its owner reads.
fn private(file: &Path, text: &str) -> Result<()> {
    use std::io::Write as _;
    use std::os::unix::fs::OpenOptionsExt as _;
    create_parent(file)?;
    let mut options = fs::OpenOptions::new();
    options.create(true).truncate(true).write(true).mode(0o600);
    let mut open = options.open(file).map_err(Error::io("write", file))?;
    open.write_all(text.as_bytes()).map_err(Error::io("write", file))
}

fn crypto(error: &rcgen::Error) -> Error {
    Error::other(format!("a certificate of the cluster could not be made: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{command, output};
    use std::os::unix::fs::PermissionsExt as _;

    #[test]
    fn certificates_verify_and_carry_user_group_and_addresses() {
        let folder = std::env::temp_dir().join(format!("testbed-certificates-{}", std::process::id()));
        write(&folder, Network { index: 3 }).unwrap();
        let file = |name: &str| folder.join("pki").join(name).display().to_string();
        for name in ["apiserver.crt", "kubelet.crt", "prometheus.crt"] {
            output(&mut command(["openssl", "verify", "-CAfile", &file("ca.crt"), &file(name)])).unwrap();
        }
        let show = |name: &str| {
            output(&mut command([
                "openssl",
                "x509",
                "-noout",
                "-subject",
                "-ext",
                "subjectAltName",
                "-in",
                &file(name),
            ]))
            .unwrap()
        };
        let server = show("apiserver.crt");
        assert!(
            server.contains("IP Address:10.214.3.1") && server.contains("IP Address:10.215.48.1"),
            "{server}"
        );
        let node = show("kubelet.crt");
        assert!(node.contains("O = system:nodes") && node.contains("CN = system:node:node"), "{node}");
        let mode = fs::metadata(file("ca.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o077, 0);
        fs::remove_dir_all(folder).unwrap();
    }
}
