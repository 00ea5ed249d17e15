//! `wangge cert`: an authority of one's own and certificates of it, for servers that no public authority knows.

use super::machine::write_whole;
use super::{Failure, Outcome, out};
use crate::clock::Clock;
use crate::http::tls::{Facts, Limits, facts, limits};
use jiff::ToSpan;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DnType, ExtendedKeyUsagePurpose, GeneralSubtree, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, NameConstraints,
};
use std::net::IpAddr;
use std::path::{Path, PathBuf};

/// Days that a server's certificate lasts: phones refuse more than 398 (CA/Browser Forum baseline requirements 6.3.2).
const SERVER_DAYS: i64 = 397;
/// Years that the authority lasts: every device has to take the next one by hand.
const CA_YEARS: i64 = 10;
/// What stands in every certificate, so that the machine itself can use it.
const OWN: [&str; 3] = ["localhost", "127.0.0.1", "::1"];

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Makes a certificate for a server, and the authority behind it if it is not there yet.
    Make(MakeArgs),
}

/// Writes ca.pem and ca.key (the authority, kept and used again when they are there), server.pem and server.key. The authority stands for
/// the hosts of its first certificate and names below them only: whoever steals its key can pretend to be nobody else. Serve with
/// --tls-cert DIR/server.pem --tls-key DIR/server.key --tls-ca DIR/ca.pem; a running server takes the new files by itself. Keep ca.key
/// away from the server.
#[derive(Debug, clap::Args)]
pub(super) struct MakeArgs {
    /// A name or an address by which the server is called; as often as needed. This machine's own are added.
    #[arg(long = "host", value_name = "NAME|IP", required = true)]
    hosts: Vec<String>,
    /// The folder for the files.
    #[arg(long, value_name = "DIR")]
    out: PathBuf,
}

pub(super) fn run(command: Command) -> Outcome {
    let Command::Make(args) = command;
    make(&args)
}

fn make(args: &MakeArgs) -> Outcome {
    let mut hosts = args.hosts.iter().map(|host| host_named(host)).collect::<Result<Vec<_>, _>>()?;
    hosts.extend(OWN.map(str::to_owned));
    let mut seen = Vec::new();
    hosts.retain(|host| {
        !seen.contains(host) && {
            seen.push(host.clone());
            true
        }
    });
    std::fs::create_dir_all(&args.out).map_err(|error| failed(&args.out, &error))?;
    let today = Clock::System.now().to_zoned(TimeZone::UTC).date();
    let (ca, ca_key) = (args.out.join("ca.pem"), args.out.join("ca.key"));
    let found = ca.exists() || ca_key.exists();
    if found {
        known(&ca, &hosts, today)?;
    } else {
        begin(&ca, &ca_key, &hosts, today)?;
    }
    let read = |path: &Path| std::fs::read_to_string(path).map_err(|error| failed(path, &error));
    let (ca_text, key_text) = (read(&ca)?, read(&ca_key)?);
    let key = KeyPair::from_pem(&key_text).map_err(|error| failed(&ca_key, &error))?;
    let issuer = Issuer::from_ca_cert_pem(&ca_text, key).map_err(|error| failed(&ca, &error))?;

    let own = KeyPair::generate()?;
    let mut params = CertificateParams::new(hosts.clone())?;
    params.distinguished_name.push(DnType::CommonName, hosts[0].clone());
    lasts(&mut params, today.yesterday()?, today.yesterday()?.checked_add(SERVER_DAYS.days())?);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    let cert = params.signed_by(&own, &issuer)?;
    // The key first: a server that looks in between finds a pair that does not fit, and keeps what it has.
    let (cert_path, key_path) = (args.out.join("server.pem"), args.out.join("server.key"));
    write_whole(&key_path, &own.serialize_pem(), true).map_err(|error| failed(&key_path, &error))?;
    let chain = format!("{}{ca_text}", cert.pem());
    write_whole(&cert_path, &chain, false).map_err(|error| failed(&cert_path, &error))?;
    let made = facts(&cert_path)?;
    out::say(&format!(
        "{}: for {}, until {}\n{}: its key\n{}: the authority{}; phones take it from /ca when the server has --tls-ca",
        cert_path.display(),
        hosts.join(", "),
        made.ends_at.to_zoned(TimeZone::UTC).date(),
        key_path.display(),
        ca.display(),
        if found { ", as before" } else { ", new: every device has to take it once" },
    ));
    Ok(true)
}

/// A host as it stands in certificates.
fn host_named(text: &str) -> Result<String, Failure> {
    let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
    if let Ok(address) = bare.parse::<IpAddr>() {
        if address.is_unspecified() {
            return Err(Failure::Usage(format!("--host {text}: nobody calls a server so; give the address that callers use")));
        }
        return Ok(address.to_canonical().to_string());
    }
    let word = |word: &str| {
        (1..=63).contains(&word.len())
            && word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !word.starts_with('-')
            && !word.ends_with('-')
    };
    if bare.len() > 253 || !bare.split('.').all(word) {
        return Err(Failure::Usage(format!("--host {text:?} is neither a name like map.example nor an address like 10.0.0.7")));
    }
    Ok(bare.to_ascii_lowercase())
}

/// Makes the authority.
fn begin(ca: &Path, ca_key: &Path, hosts: &[String], today: Date) -> Result<(), Failure> {
    let key = KeyPair::generate()?;
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("wangge CA {} {today}", hosts[0]));
    lasts(&mut params, today.yesterday()?, today.checked_add(CA_YEARS.years())?);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let permitted_subtrees = hosts.iter().map(|host| match host.parse::<IpAddr>() {
        Ok(address) => GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(address, if address.is_ipv4() { 32 } else { 128 })),
        Err(_) => GeneralSubtree::DnsName(host.clone()),
    });
    params.name_constraints =
        Some(NameConstraints { permitted_subtrees: permitted_subtrees.collect(), excluded_subtrees: Vec::new() });
    let cert = params.self_signed(&key)?;
    write_whole(ca_key, &key.serialize_pem(), true).map_err(|error| failed(ca_key, &error))?;
    write_whole(ca, &cert.pem(), false).map_err(|error| failed(ca, &error))
}

/// Whether the authority that is there can be used again.
fn known(ca: &Path, hosts: &[String], today: Date) -> Result<(), Failure> {
    let Facts { ends_at, .. } = facts(ca)?;
    if ends_at.to_zoned(TimeZone::UTC).date() <= today.checked_add(SERVER_DAYS.days())? {
        let detail =
            format!("{} ends {ends_at}, before a new certificate would; another --out makes a new authority", ca.display());
        return Err(Failure::Failed(detail));
    }
    let Limits { permitted } = limits(ca)?;
    let outside: Vec<&str> = hosts.iter().map(String::as_str).filter(|host| !permitted.iter().any(|of| of.holds(host))).collect();
    if permitted.is_empty() || outside.is_empty() {
        return Ok(());
    }
    let detail = format!(
        "the authority {} does not stand for {}; another --out makes a new one, which every device has to take",
        ca.display(),
        outside.join(", ")
    );
    Err(Failure::Failed(detail))
}

/// From 00:00 UTC of a day until that of another.
fn lasts(params: &mut CertificateParams, from: Date, until: Date) {
    let day = |date: Date| rcgen::date_time_ymd(i32::from(date.year()), date.month().unsigned_abs(), date.day().unsigned_abs());
    (params.not_before, params.not_after) = (day(from), day(until));
}

fn failed(path: &Path, error: &dyn std::fmt::Display) -> Failure {
    Failure::Failed(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address() {
        for (told, taken) in [
            ("Map.Example", Some("map.example")),
            ("10.0.0.7", Some("10.0.0.7")),
            ("[fd00::7]", Some("fd00::7")),
            ("::ffff:10.0.0.7", Some("10.0.0.7")),
            ("server1", Some("server1")),
            ("0.0.0.0", None),
            ("", None),
            ("a..b", None),
            ("a b", None),
            ("*.example", None),
            ("https://map.example", None),
            ("地图.example", None),
            ("-a", None),
        ] {
            assert_eq!(host_named(told).ok().as_deref(), taken, "{told}");
        }
    }
}
