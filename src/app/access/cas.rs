//! Log-in pages of CAS 2 and 3 (apereo.github.io/cas, CAS Protocol 3.0): a ticket comes back with the browser, and the page's server says
//! whose it is.

use super::{Claims, Refused};
use crate::config::access::Cas;
use crate::domain::percent::encoded;
use crate::upstream::{Upstream, UpstreamError};
use quick_xml::Reader;
use quick_xml::events::Event;
use std::path::Path;

/// Most bytes of an answer.
const MOST: usize = 256 << 10;
/// Longest ticket: the protocol wants 32 at least and services to take 256.
const MOST_TICKET: usize = 512;

/// A log-in page.
pub(in crate::app) struct Client {
    about: Cas,
    upstream: Upstream,
}

impl Client {
    pub(super) fn new(about: &Cas, authorities: Option<&Path>) -> Result<Self, String> {
        let upstream = Upstream::new(authorities).map_err(|error| error.to_string())?;
        Ok(Self { about: about.clone(), upstream })
    }

    /// Where the browser is sent. `service`: where it comes back.
    pub(in crate::app) fn page(&self, service: &str) -> String {
        format!("{}/login?service={}", self.about.url, encoded(service))
    }

    /// Whose a ticket is. It is good once.
    pub(in crate::app) async fn claims(&self, service: &str, ticket: &str) -> Result<Claims, Refused> {
        if ticket.is_empty() || ticket.len() > MOST_TICKET {
            return Err(Refused::Invalid("the log-in page gave no ticket"));
        }
        let path = if self.about.version == 2 { "serviceValidate" } else { "p3/serviceValidate" };
        let (service, ticket) = (encoded(service), encoded(ticket));
        let address = format!("{}/{path}?service={service}&ticket={ticket}", self.about.url);
        let got = self.upstream.get(&address, None, MOST, || None::<UpstreamError>).await;
        let got = got.map_err(|error| {
            tracing::warn!(%error, "the server of the log-in page did not say whose a ticket is");
            Refused::Elsewhere("the server of the log-in page gave no answer to work with".to_owned())
        })?;
        let text = std::str::from_utf8(&got.body).map_err(|_| unreadable())?;
        said(text, &self.about.roles_attribute, &self.about.within_attribute)
    }
}

fn unreadable() -> Refused {
    Refused::Elsewhere("the server of the log-in page answered something that is not CAS".to_owned())
}

/// Who is named in an answer. Only elements of `authenticationSuccess` count.
fn said(text: &str, roles: &str, within: &str) -> Result<Claims, Refused> {
    let mut reader = Reader::from_str(text);
    let mut path: Vec<String> = Vec::new();
    let mut claims = Claims { id: String::new(), name: None, roles: Vec::new(), within: None };
    let mut value = String::new();
    loop {
        match reader.read_event().map_err(|_| unreadable())? {
            Event::Start(start) => {
                path.push(start.local_name().as_ref().to_owned());
                value.clear();
            }
            Event::Text(piece) => value.push_str(&piece),
            Event::GeneralRef(name) => match (name.resolve_char_ref(), name.as_ref()) {
                (Ok(Some(c)), _) => value.push(c),
                (_, "amp") => value.push('&'),
                (_, "lt") => value.push('<'),
                (_, "gt") => value.push('>'),
                (_, "quot") => value.push('"'),
                (_, "apos") => value.push('\''),
                // Entities of the document's own are none of CAS.
                _ => return Err(unreadable()),
            },
            Event::CData(piece) => value.push_str(&piece),
            Event::End(_) => {
                let names: Vec<&str> = path.iter().map(String::as_str).collect();
                let words = || value.split([',', ' ']).filter(|word| !word.is_empty()).map(str::to_owned);
                match names[..] {
                    ["serviceResponse", "authenticationSuccess", "user"] => value.trim().clone_into(&mut claims.id),
                    ["serviceResponse", "authenticationSuccess", "attributes", name] => {
                        if name == roles {
                            claims.roles.extend(words());
                        }
                        if name == within {
                            claims.within.get_or_insert_default().extend(words());
                        }
                        if name == "displayName" {
                            claims.name = Some(value.trim().to_owned());
                        }
                    }
                    _ => {}
                }
                path.pop();
                value.clear();
            }
            Event::DocType(_) => return Err(unreadable()),
            Event::Eof => break,
            _ => {}
        }
    }
    if claims.id.is_empty() { Err(Refused::Invalid("the ticket is not good")) } else { Ok(claims) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_names_somebody_or_nobody() {
        let success = "<cas:serviceResponse xmlns:cas='http://www.yale.edu/tp/cas'><cas:authenticationSuccess><cas:user>zhang &amp; li</cas:user>
            <cas:attributes><cas:roles>operator</cas:roles><cas:roles>officer,x</cas:roles><cas:within>330902</cas:within>
            <cas:displayName>张三</cas:displayName></cas:attributes></cas:authenticationSuccess></cas:serviceResponse>";
        let claims = said(success, "roles", "within").expect("somebody");
        assert_eq!((claims.id.as_str(), claims.name.as_deref()), ("zhang & li", Some("张三")));
        assert_eq!(
            (claims.roles, claims.within),
            (vec!["operator".into(), "officer".into(), "x".into()], Some(vec!["330902".into()]))
        );
        let two = "<serviceResponse><authenticationSuccess><user>zhang</user></authenticationSuccess></serviceResponse>";
        assert_eq!(said(two, "roles", "within").expect("somebody").within, None);
        for nobody in [
            "",
            "<serviceResponse><authenticationFailure code='INVALID_TICKET'><user>zhang</user></authenticationFailure></serviceResponse>",
            "<serviceResponse><authenticationSuccess><proxies><user>zhang</user></proxies></authenticationSuccess></serviceResponse>",
            "<x><serviceResponse><authenticationSuccess><user>zhang</user></authenticationSuccess></serviceResponse></x>",
            "<serviceResponse><authenticationSuccess><user></user></authenticationSuccess></serviceResponse>",
            "<!DOCTYPE x [<!ENTITY e 'zhang'>]><serviceResponse><authenticationSuccess><user>&e;</user></authenticationSuccess></serviceResponse>",
            "<serviceResponse><authenticationSuccess><user>zh",
            "yes\nzhang\n",
        ] {
            assert!(said(nobody, "roles", "within").is_err(), "{nobody}");
        }
    }
}
