//! Where a model comes from: what may be asked for, what it is called on disk, how it is shown.

use crate::outcome::Failure;
use hyper::Uri;
use hyper::http::uri::Scheme;
use std::fmt;

/// An address that can be fetched. Shown without user, password and query: those may be credentials.
#[derive(Clone, PartialEq, Eq)]
pub struct Location {
    uri: Uri,
}

impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}{}", self.uri.scheme_str().unwrap_or(""), self.authority(), self.uri.path())
    }
}

/// The same as for people, so that no test or log gives credentials away.
impl fmt::Debug for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Location {
    /// An http or https address without user and password.
    pub fn parse(text: &str) -> Result<Self, Failure> {
        let (scheme, _) = text.split_once("://").ok_or_else(|| {
            Failure::Usage(
                "storageUri has no scheme; write it as https://<host>/<path of the file>".to_owned(),
            )
        })?;
        if !matches!(scheme, "http" | "https") {
            let known: String = scheme.chars().filter(char::is_ascii_alphanumeric).take(16).collect();
            return Err(Failure::UnsupportedScheme(format!(
                "storageUri begins with {known}://, which is not supported yet; offer the file by https://"
            )));
        }
        let unreadable = || {
            Failure::Usage(
                "storageUri is no address; write it as https://<host>/<path of the file>".to_owned(),
            )
        };
        let uri: Uri = text.parse().map_err(|_| unreadable())?;
        let Some(authority) = uri.authority() else { return Err(unreadable()) };
        if authority.as_str().contains('@') {
            return Err(Failure::Usage(
                "storageUri holds a user or password; take them out, use storage.credentialsSecret"
                    .to_owned(),
            ));
        }
        Ok(Self { uri })
    }

    /// What to ask for.
    pub fn uri(&self) -> &Uri {
        &self.uri
    }

    fn authority(&self) -> &str {
        self.uri.authority().map_or("", |a| a.as_str())
    }

    fn is_protected(&self) -> bool {
        self.uri.scheme() == Some(&Scheme::HTTPS)
    }

    /// Last segment of the path, `model` if that is empty. Never a hidden name, never with anything but plain characters.
    pub fn file_name(&self) -> String {
        let last = self.uri.path().rsplit('/').next().unwrap_or("");
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | '+' | '=');
        let name: String =
            last.trim_start_matches('.').chars().map(|c| if plain(c) { c } else { '_' }).take(200).collect();
        if name.is_empty() { "model".to_owned() } else { name }
    }

    /// Where a redirect leads; never from a protected address to an unprotected one.
    pub fn redirected(&self, to: &str) -> Result<Self, Failure> {
        let scheme = self.uri.scheme_str().unwrap_or("https");
        let folder = self.uri.path().rsplit_once('/').map_or("", |(folder, _)| folder);
        let absolute = if to.contains("://") {
            to.to_owned()
        } else if to.starts_with("//") {
            format!("{scheme}:{to}")
        } else if to.starts_with('/') {
            format!("{scheme}://{}{to}", self.authority())
        } else {
            format!("{scheme}://{}{folder}/{to}", self.authority())
        };
        let next = Self::parse(&absolute).map_err(|_| {
            Failure::ArtifactDenied(format!(
                "{self} redirects to an address that is not usable; name the file's own"
            ))
        })?;
        if self.is_protected() && !next.is_protected() {
            return Err(Failure::ArtifactDenied(format!(
                "{self} redirects to unprotected http; name an https address that stays protected"
            )));
        }
        Ok(next)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Location {
        Location::parse(text).unwrap()
    }

    #[test]
    fn what_may_be_secret_is_never_shown() {
        let signed = at("https://store.example/m/model.bin?signature=geheim");
        assert_eq!(format!("{signed} {signed:?}"), ["https://store.example/m/model.bin"; 2].join(" "));
        for text in [
            "http://user:geheim@store.example/x",
            "geheim",
            "http://geheim geheim/",
            "s3://geheim/x",
            "http://",
        ] {
            let message = Location::parse(text).unwrap_err().to_string();
            assert!(!message.contains("geheim") && message.len() > 20, "{message}");
        }
    }

    #[test]
    fn other_schemes_have_their_own_exit_code() {
        for text in ["s3://bucket/x", "gs://b/x", "hf://o/m", "oci://r/m:1", "pvc://claim/x"] {
            assert_eq!(Location::parse(text).unwrap_err().exit_code(), 25, "{text}");
        }
        assert_eq!(Location::parse("model.bin").unwrap_err().exit_code(), 2);
    }

    #[test]
    fn names_on_disk_are_plain_and_visible() {
        for (address, name) in [
            ("http://h/models/v1.bin?x=/y", "v1.bin"),
            ("http://h/models/", "model"),
            ("http://h", "model"),
            ("http://h/..", "model"),
            ("http://h/.hidden", "hidden"),
            ("http://h/a%2Fb", "a_2Fb"),
        ] {
            assert_eq!(at(address).file_name(), name, "{address}");
        }
    }

    #[test]
    fn redirects_lead_where_browsers_go_but_never_out_of_protection() {
        let from = at("https://h:8443/a/b?q=1");
        for (to, wanted) in [
            ("https://i/c", "https://i/c"),
            ("//i/c", "https://i/c"),
            ("/c?s=1", "https://h:8443/c"),
            ("c", "https://h:8443/a/c"),
        ] {
            assert_eq!(from.redirected(to).unwrap().to_string(), wanted, "{to}");
        }
        assert_eq!(from.redirected("http://i/c").unwrap_err().exit_code(), 22);
        assert_eq!(from.redirected("ftp://i/c").unwrap_err().exit_code(), 22);
        assert_eq!(at("http://h/a").redirected("https://i/c").unwrap().to_string(), "https://i/c");
    }
}
