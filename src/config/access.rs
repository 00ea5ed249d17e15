//! Who may call, as the settings tell it: `[access]`, `[[user]]`, `[jwt]`, `[proxy]`, `[oidc]`, `[cas]`.

use super::host;
use crate::domain::audit::LEAST_DAYS;
use crate::domain::code::Code;
use crate::domain::rights::Roles;
use crate::domain::scope::{Role, Scope};
use serde::Deserialize;
use std::fmt;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

/// The table of roles that comes with the program.
const ROLES: &str = include_str!("../../geodata/roles.toml");

/// How callers are told apart.
#[derive(Debug, Clone, PartialEq)]
pub struct Callers {
    /// Which role may do what.
    pub roles: Roles,
    /// A session that is not used so long ends.
    pub idle: Duration,
    /// A session ends after so long, however much it is used.
    pub longest: Duration,
    /// So many days the audit is kept.
    pub audit_days: u32,
    /// What people are and see whose identity others vouch for. Comes before what those say themselves.
    pub users: Vec<User>,
    /// Signed tokens of another system.
    pub jwt: Option<Jwt>,
    /// Proxies in front, which say from where a request came: addresses, or networks like `10.1.0.0/24`.
    pub proxies: Vec<Network>,
    /// One of them has logged people in already.
    pub gateway: Option<Gateway>,
    /// A log-in page of another system, OpenID Connect.
    pub oidc: Option<Oidc>,
    /// A log-in page of another system, CAS 2 or 3.
    pub cas: Option<Cas>,
    /// Requests a second that a caller may send in the long run, and at once.
    pub rate: Rate,
}

/// Who somebody is here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// As the other system calls them.
    pub id: String,
    /// What they are.
    pub roles: Vec<Role>,
    /// What they see.
    pub scope: Scope,
}

/// How much one caller may ask.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Rate {
    /// Requests a second in the long run.
    pub per_second: f64,
    /// Requests at once.
    pub burst: f64,
}

/// Signed tokens of another system (RFC 7519).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Jwt {
    /// `iss` must be this.
    pub issuer: String,
    /// `aud` must hold this.
    pub audience: String,
    /// By what signatures are checked.
    pub keys: Keys,
    /// The claim that names somebody.
    pub id_claim: String,
    /// The claim with their roles.
    pub roles_claim: String,
    /// The claim with the codes they see.
    pub within_claim: String,
}

/// By what a signature is checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keys {
    /// Public keys in a file (RFC 7517).
    File(PathBuf),
    /// Public keys at an address.
    Url(String),
    /// A secret that both know: HS256.
    Shared(Hidden),
}

/// A gateway in front that has logged people in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gateway {
    /// The header in which it names them.
    pub user_header: String,
    /// The header with their roles, comma-separated.
    pub roles_header: Option<String>,
    /// The header with the codes they see, comma-separated.
    pub within_header: Option<String>,
}

/// OpenID Connect, code flow.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// What people press.
    pub title: String,
    /// `iss`; its `/.well-known/openid-configuration` says the rest.
    pub issuer: String,
    /// As it calls us.
    pub client_id: String,
    /// What we call it by; a public client has none.
    pub client_secret: Option<Hidden>,
    /// What is asked for.
    pub scopes: String,
    /// The claim that names somebody.
    pub id_claim: String,
    /// The claim with their roles.
    pub roles_claim: String,
    /// The claim with the codes they see.
    pub within_claim: String,
}

/// CAS 2 and 3.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cas {
    /// What people press.
    pub title: String,
    /// `https://sso.example/cas`.
    pub url: String,
    /// 2 has no attributes.
    pub version: u8,
    /// The attribute with their roles.
    pub roles_attribute: String,
    /// The attribute with the codes they see.
    pub within_attribute: String,
}

/// A secret of the settings: never shown, in no log.
#[derive(Clone, PartialEq, Eq)]
pub struct Hidden(String);

impl Hidden {
    /// The secret itself.
    pub fn reveal(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Hidden {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Hidden")
    }
}

/// One address, or all with the same first bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl std::str::FromStr for Network {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (address, bits) = text.split_once('/').map_or((text, None), |(address, bits)| (address, Some(bits)));
        let address: IpAddr = address.parse().map_err(|_| format!("{text:?} is no address: like 10.1.0.7 or 10.1.0.0/24"))?;
        let most = if address.is_ipv4() { 32 } else { 128 };
        let bits: u8 =
            bits.map_or(Ok(most), |bits| bits.parse().map_err(|_| format!("{text:?}: /{bits} is no number of bits")))?;
        if bits > most {
            return Err(format!("{text:?}: an address has {most} bits"));
        }
        // IPv4 written as IPv6 is IPv4, and a network that holds more than all of it is none.
        match address.to_canonical() {
            canonical if canonical.is_ipv4() && address.is_ipv6() => {
                let bits = bits.checked_sub(96).ok_or_else(|| format!("{text:?}: IPv4 as IPv6 has 96 bits or more"))?;
                Ok(Self { address: canonical, bits })
            }
            address => Ok(Self { address, bits }),
        }
    }
}

impl Network {
    /// Whether an address is in it. An IPv4 address that came over an IPv6 socket is the IPv4 address.
    pub fn holds(&self, address: IpAddr) -> bool {
        // Without any bit all addresses are the same.
        let same = |one: u128, other: u128, all: u32| {
            let shift = all.saturating_sub(u32::from(self.bits));
            one.checked_shr(shift).unwrap_or(0) == other.checked_shr(shift).unwrap_or(0)
        };
        match (self.address.to_canonical(), address.to_canonical()) {
            (IpAddr::V4(one), IpAddr::V4(other)) => same(u32::from(one).into(), u32::from(other).into(), 32),
            (IpAddr::V6(one), IpAddr::V6(other)) => same(one.into(), other.into(), 128),
            _ => false,
        }
    }
}

/// The keys as people write them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AccessKeys {
    roles: Option<PathBuf>,
    idle_minutes: Option<u64>,
    session_hours: Option<u64>,
    audit_days: Option<u32>,
    requests_per_second: Option<f64>,
    requests_at_once: Option<f64>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UserKeys {
    id: String,
    roles: Vec<Role>,
    within: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct JwtKeys {
    issuer: String,
    audience: String,
    jwks_file: Option<PathBuf>,
    jwks_url: Option<String>,
    secret_file: Option<PathBuf>,
    id_claim: Option<String>,
    roles_claim: Option<String>,
    within_claim: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ProxyKeys {
    trusted: Vec<String>,
    user_header: Option<String>,
    roles_header: Option<String>,
    within_header: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OidcKeys {
    title: Option<String>,
    issuer: String,
    client_id: String,
    client_secret_file: Option<PathBuf>,
    scopes: Option<String>,
    id_claim: Option<String>,
    roles_claim: Option<String>,
    within_claim: Option<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CasKeys {
    title: Option<String>,
    url: String,
    version: Option<u8>,
    roles_attribute: Option<String>,
    within_attribute: Option<String>,
}

/// All tables that are about callers.
#[derive(Debug, Default)]
pub(super) struct Tables {
    pub(super) access: Option<AccessKeys>,
    pub(super) user: Vec<UserKeys>,
    pub(super) jwt: Option<JwtKeys>,
    pub(super) proxy: Option<ProxyKeys>,
    pub(super) oidc: Option<OidcKeys>,
    pub(super) cas: Option<CasKeys>,
}

impl Tables {
    /// The files that hold secrets.
    pub(super) fn secret_files(&self) -> impl Iterator<Item = &PathBuf> {
        let jwt = self.jwt.as_ref().and_then(|jwt| jwt.secret_file.as_ref());
        jwt.into_iter().chain(self.oidc.as_ref().and_then(|oidc| oidc.client_secret_file.as_ref()))
    }

    fn others(&self) -> Option<&'static str> {
        let given = [
            ("[[user]]", !self.user.is_empty()),
            ("[jwt]", self.jwt.is_some()),
            ("[proxy]", self.proxy.is_some()),
            ("[oidc]", self.oidc.is_some()),
            ("[cas]", self.cas.is_some()),
        ];
        given.iter().find(|(_, given)| *given).map(|(name, _)| *name)
    }
}

fn between<T: PartialOrd + fmt::Display>(name: &str, value: T, least: T, most: T) -> Result<T, String> {
    // No number at all is in no range.
    if value >= least && value <= most { Ok(value) } else { Err(format!("{name} is {value}; it may be {least} to {most}")) }
}

/// The first line of a file: a secret.
fn hidden(name: &str, path: &Path, folder: &Path, least: usize) -> Result<Hidden, String> {
    let path = folder.join(path);
    let text = std::fs::read_to_string(&path).map_err(|error| format!("{name} {}: {error}", path.display()))?;
    let line = text.lines().next().unwrap_or_default().trim();
    if line.len() < least {
        let (path, length) = (path.display(), line.len());
        return Err(format!("{name} {path}: its first line has {length} characters; this secret needs {least} or more"));
    }
    Ok(Hidden(line.to_owned()))
}

/// An address that answers are trusted of: over TLS, or on this machine.
fn trusted_url(name: &str, url: &str) -> Result<String, String> {
    let secret = url.starts_with("https://") || url.starts_with("http://") && super::is_loopback(host(url));
    if secret { Ok(url.trim_end_matches('/').to_owned()) } else { Err(format!("{name} {url:?} must begin with https://")) }
}

fn jwt(keys: JwtKeys, folder: &Path) -> Result<Jwt, String> {
    let found = match (keys.jwks_file, keys.jwks_url, keys.secret_file) {
        (Some(path), None, None) => Keys::File(folder.join(path)),
        (None, Some(url), None) => Keys::Url(trusted_url("[jwt] jwks_url", &url)?),
        (None, None, Some(path)) => Keys::Shared(hidden("[jwt] secret_file", &path, folder, 32)?),
        _ => return Err("[jwt] needs one of jwks_file, jwks_url and secret_file".to_owned()),
    };
    Ok(Jwt {
        issuer: keys.issuer,
        audience: keys.audience,
        keys: found,
        id_claim: keys.id_claim.unwrap_or_else(|| "sub".to_owned()),
        roles_claim: keys.roles_claim.unwrap_or_else(|| "roles".to_owned()),
        within_claim: keys.within_claim.unwrap_or_else(|| "within".to_owned()),
    })
}

fn proxies(keys: &ProxyKeys) -> Result<Vec<Network>, String> {
    if keys.trusted.is_empty() {
        return Err("[proxy] trusted is empty: nobody could use it".to_owned());
    }
    keys.trusted.iter().map(|text| text.parse().map_err(|why| format!("[proxy] trusted: {why}"))).collect()
}

fn gateway(keys: &ProxyKeys) -> Result<Option<Gateway>, String> {
    let Some(user_header) = &keys.user_header else {
        return match (&keys.roles_header, &keys.within_header) {
            (None, None) => Ok(None),
            _ => Err("[proxy] names people only with user_header".to_owned()),
        };
    };
    let header = |name: &str| {
        let fits = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        if fits { Ok(name.to_ascii_lowercase()) } else { Err(format!("[proxy] {name:?} is no name of a header")) }
    };
    Ok(Some(Gateway {
        user_header: header(user_header)?,
        roles_header: keys.roles_header.as_deref().map(header).transpose()?,
        within_header: keys.within_header.as_deref().map(header).transpose()?,
    }))
}

/// A table of roles: a city's own, or the one that comes with the program.
pub fn roles_table(path: Option<&Path>) -> Result<Roles, String> {
    let text = match path {
        None => ROLES.to_owned(),
        Some(path) => std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?,
    };
    toml::from_str(&text).map_err(|error| error.message().to_owned())
}

/// What the tables say; `None`: callers are not told apart, and the server is this machine's alone.
pub(super) fn callers(tables: Tables, folder: &Path) -> Result<Option<Callers>, String> {
    let other = tables.others();
    let Some(access) = tables.access else {
        return match other {
            Some(name) => Err(format!("{name} has no meaning without [access]")),
            None => Ok(None),
        };
    };
    let path = access.roles.as_ref().map(|path| folder.join(path));
    let roles = roles_table(path.as_deref()).map_err(|why| format!("[access] roles: {why}"))?;
    let idle = between("[access] idle_minutes", access.idle_minutes.unwrap_or(30), 1, 24 * 60)?;
    let longest = between("[access] session_hours", access.session_hours.unwrap_or(12), 1, 24 * 366)?;
    let audit_days = access.audit_days.unwrap_or(LEAST_DAYS);
    if audit_days < LEAST_DAYS {
        return Err(format!("[access] audit_days is {audit_days}; the law wants {LEAST_DAYS} or more (网络安全法, article 21)"));
    }
    let rate = Rate {
        per_second: between("[access] requests_per_second", access.requests_per_second.unwrap_or(200.0), 1.0, 1e6)?,
        burst: between("[access] requests_at_once", access.requests_at_once.unwrap_or(2000.0), 1.0, 1e6)?,
    };
    let mut users: Vec<User> = tables
        .user
        .into_iter()
        .map(|user| {
            let all = user.within.iter().any(|code| code == "*");
            let codes = user.within.iter().map(|code| code.parse::<Code>().map_err(|error| error.to_string()));
            let scope = if all { Scope::All } else { Scope::within(codes.collect::<Result<Vec<_>, _>>()?) };
            Ok(User { id: user.id, roles: user.roles, scope })
        })
        .collect::<Result<_, String>>()
        .map_err(|why| format!("[[user]] within: {why}"))?;
    users.sort_by(|one, other| one.id.cmp(&other.id));
    if let Some(pair) = users.windows(2).find(|pair| pair[0].id == pair[1].id) {
        return Err(format!("[[user]] {:?} stands there twice", pair[0].id));
    }
    let oidc = tables.oidc.map(|keys| {
        Ok::<_, String>(Oidc {
            title: keys.title.unwrap_or_else(|| "单位统一认证".to_owned()),
            issuer: trusted_url("[oidc] issuer", &keys.issuer)?,
            client_id: keys.client_id,
            client_secret: keys
                .client_secret_file
                .map(|path| hidden("[oidc] client_secret_file", &path, folder, 8))
                .transpose()?,
            scopes: keys.scopes.unwrap_or_else(|| "openid profile".to_owned()),
            id_claim: keys.id_claim.unwrap_or_else(|| "sub".to_owned()),
            roles_claim: keys.roles_claim.unwrap_or_else(|| "roles".to_owned()),
            within_claim: keys.within_claim.unwrap_or_else(|| "within".to_owned()),
        })
    });
    let cas = tables.cas.map(|keys| {
        let version = keys.version.unwrap_or(3);
        if !matches!(version, 2 | 3) {
            return Err(format!("[cas] version is {version}; there are 2 and 3"));
        }
        Ok(Cas {
            title: keys.title.unwrap_or_else(|| "单位统一认证".to_owned()),
            url: trusted_url("[cas] url", &keys.url)?,
            version,
            roles_attribute: keys.roles_attribute.unwrap_or_else(|| "roles".to_owned()),
            within_attribute: keys.within_attribute.unwrap_or_else(|| "within".to_owned()),
        })
    });
    Ok(Some(Callers {
        roles,
        idle: Duration::from_secs(idle * 60),
        longest: Duration::from_secs(longest * 3600),
        audit_days,
        users,
        jwt: tables.jwt.map(|keys| jwt(keys, folder)).transpose()?,
        proxies: tables.proxy.as_ref().map(proxies).transpose()?.unwrap_or_default(),
        gateway: tables.proxy.as_ref().map(gateway).transpose()?.flatten(),
        oidc: oidc.transpose()?,
        cas: cas.transpose()?,
        rate,
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_hold_their_addresses_and_no_others() {
        let network = |text: &str| text.parse::<Network>().expect("a network");
        let holds = |text: &str, address: &str| network(text).holds(address.parse().expect("an address"));
        assert!(holds("10.1.0.0/24", "10.1.0.255") && !holds("10.1.0.0/24", "10.1.1.0"));
        assert!(holds("10.1.0.7", "10.1.0.7") && !holds("10.1.0.7", "10.1.0.6"));
        assert!(holds("10.1.0.7", "::ffff:10.1.0.7"), "the same machine over an IPv6 socket");
        assert!(holds("0.0.0.0/0", "255.1.2.3") && !holds("0.0.0.0/0", "::1"));
        assert!(holds("fd00::/8", "fdff::1") && !holds("fd00::/8", "fe00::1") && holds("::/0", "::1"));
        assert!(holds("::ffff:10.1.0.0/120", "10.1.0.9") && !holds("::ffff:10.1.0.0/120", "10.1.1.9"));
        for bad in ["::ffff:10.1.0.0/90", "", "10.1.0", "10.1.0.0/33", "10.1.0.0/x", "::/129", "example"] {
            assert!(bad.parse::<Network>().is_err(), "{bad}");
        }
    }

    #[test]
    fn the_table_that_comes_with_the_program_is_one() {
        let callers = callers(Tables { access: Some(AccessKeys::default()), ..Tables::default() }, Path::new(""));
        let callers = callers.expect("settings").expect("callers");
        assert_eq!(callers.audit_days, LEAST_DAYS);
        for role in ["viewer", "officer", "operator", "planner", "admin", "auditor"] {
            let rights = callers.roles.rights(&[role.parse().expect("a role")]);
            assert!(rights.words().count() > 0, "{role}");
        }
    }
}
