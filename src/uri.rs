//! Connection URIs: which host, and by what means.
//!
//! | form | meaning |
//! | --- | --- |
//! | none, `""`, `xen:`, `xen:/`, `xen:///` | this host |
//! | `xen:///?privcmd=P&xenstore=P&xend=P&xend-domains=P&xl=P&store=P` | this host, its roads found at other places |
//! | `/absolute/path` | this host, xend's socket at that path |
//! | `http://host:port/` | a xend over TCP |
//! | `xen+sim:///?xen=3.4&...` | the embedded host |
//! | `xen://host/`, `xen+tls://`, `xen+tcp://`, `xen+ssh://`, `xen+unix://` | another host, or this one through a daemon |

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use fluent_uri::Uri;
use percent_encoding::percent_decode_str;

use crate::error::{Error, Result, Status};

/// The longest URI that is read, in bytes.
pub const MAX_URI: usize = 8192;

/// The port that xend's HTTP server has when the URI names none (facts: xend.md 2).
pub const XEND_PORT: u16 = 8000;

/// A parsed connection URI.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Target {
    /// This host.
    Local(Local),
    /// The embedded host; its options as the URI gave them, in order.
    Sim(Vec<(String, String)>),
    /// Another host, or this one through a daemon.
    Remote(Remote),
}

/// Where this host's roads are looked for; None is the usual place.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Local {
    /// The privcmd device.
    pub privcmd: Option<PathBuf>,
    /// xenstored's socket or the xenbus device.
    pub xenstore: Option<PathBuf>,
    /// xend.
    pub xend: Option<XendAddress>,
    /// The folder in which xend keeps its managed domains.
    pub xend_domains: Option<PathBuf>,
    /// The xl command.
    pub xl: Option<PathBuf>,
    /// The folder of domain files.
    pub store: Option<PathBuf>,
}

/// Where a xend listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum XendAddress {
    /// A unix socket.
    Unix(PathBuf),
    /// A TCP port. xend asks for no password there: whoever can reach it owns the host.
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
    },
}

impl XendAddress {
    /// Whether this is on the machine itself, so that its hypercalls and its xend belong together.
    pub fn is_local(&self) -> bool {
        match self {
            XendAddress::Unix(_) => true,
            XendAddress::Tcp { host, .. } => is_loopback(host),
        }
    }
}

/// A host behind a network or a daemon.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remote {
    /// How it is reached.
    pub transport: Transport,
    /// The user to log in as.
    pub user: Option<String>,
    /// The host's name or address.
    pub host: Option<String>,
    /// The port; None is the transport's own.
    pub port: Option<u16>,
    /// The path, which the far end opens.
    pub path: String,
    /// The query's keys and values, in order.
    pub parameters: Vec<(String, String)>,
}

/// The transports of a remote connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Transport {
    /// TLS with certificates: the default with a host.
    Tls,
    /// TCP with SASL.
    Tcp,
    /// A tunnel through ssh.
    Ssh,
    /// A daemon's unix socket.
    Unix,
}

impl fmt::Display for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Transport::Tls => "TLS",
            Transport::Tcp => "TCP",
            Transport::Ssh => "ssh",
            Transport::Unix => "a daemon's unix socket",
        })
    }
}

/// Reads a connection URI; `None` and the empty string are this host.
pub fn parse(uri: Option<&str>) -> Result<Target> {
    let text = uri.unwrap_or_default();
    if text.is_empty() {
        return Ok(Target::Local(Local::default()));
    }
    if text.len() > MAX_URI {
        return Err(invalid(format!("the URI has {} bytes; at most {MAX_URI} are read", text.len())));
    }
    if text.starts_with('/') {
        let xend = Some(XendAddress::Unix(absolute("the URI", text)?));
        return Ok(Target::Local(Local { xend, ..Local::default() }));
    }
    let uri = Uri::parse(text).map_err(|error| invalid(format!("'{text}' is not a URI: {error}")))?;
    if uri.fragment().is_some() {
        return Err(invalid(format!("'{text}' has a fragment (#...), which means nothing here")));
    }
    match uri.scheme().as_str().to_ascii_lowercase().as_str() {
        "xen" if authority_host(&uri).is_some() => remote(&uri, Transport::Tls),
        "xen" => local(&uri, text),
        "xen+sim" => sim(&uri, text),
        "http" => xend_over_tcp(&uri, text),
        "xen+tls" => remote(&uri, Transport::Tls),
        "xen+tcp" => remote(&uri, Transport::Tcp),
        "xen+ssh" => remote(&uri, Transport::Ssh),
        "xen+unix" => remote(&uri, Transport::Unix),
        other => Err(invalid(format!(
            "'{other}:' is not a kind of connection: xen:///, xen+sim:///, xen://HOST/, xen+ssh://HOST/, xen+tcp://HOST/, \
             xen+unix:///, http://HOST:PORT/ or the path of xend's socket"
        ))),
    }
}

fn local(uri: &Uri<&str>, text: &str) -> Result<Target> {
    only_root_path(uri, text)?;
    let mut local = Local::default();
    let mut insecure = false;
    for (key, value) in parameters(uri)? {
        match key.as_str() {
            "privcmd" => local.privcmd = Some(absolute("privcmd", &value)?),
            "xenstore" => local.xenstore = Some(absolute("xenstore", &value)?),
            "xend-domains" => local.xend_domains = Some(absolute("xend-domains", &value)?),
            "xl" => local.xl = Some(absolute("xl", &value)?),
            "store" => local.store = Some(absolute("store", &value)?),
            "xend" => local.xend = Some(xend_address(&value)?),
            "insecure" => insecure = boolean("insecure", &value)?,
            _ => return Err(unknown_key(&key, "privcmd, xenstore, xend, xend-domains, xl, store, insecure")),
        }
    }
    refuse_open_tcp(local.xend.as_ref(), insecure)?;
    Ok(Target::Local(local))
}

fn sim(uri: &Uri<&str>, text: &str) -> Result<Target> {
    if authority_host(uri).is_some() {
        return Err(invalid(format!("'{text}' names a host: the embedded host is xen+sim:///?...")));
    }
    only_root_path(uri, text)?;
    Ok(Target::Sim(parameters(uri)?))
}

fn xend_over_tcp(uri: &Uri<&str>, text: &str) -> Result<Target> {
    let Some(host) = authority_host(uri) else {
        return Err(invalid(format!("'{text}' names no host")));
    };
    only_root_path(uri, text)?;
    if user(uri)?.is_some() {
        return Err(invalid(format!("'{text}' names a user: xend knows no users")));
    }
    let mut insecure = false;
    for (key, value) in parameters(uri)? {
        match key.as_str() {
            "insecure" => insecure = boolean("insecure", &value)?,
            _ => return Err(unknown_key(&key, "insecure")),
        }
    }
    let xend = XendAddress::Tcp { host, port: port(uri)?.unwrap_or(XEND_PORT) };
    refuse_open_tcp(Some(&xend), insecure)?;
    Ok(Target::Local(Local { xend: Some(xend), ..Local::default() }))
}

fn remote(uri: &Uri<&str>, transport: Transport) -> Result<Target> {
    let host = authority_host(uri);
    if transport != Transport::Unix && host.is_none() {
        return Err(invalid(format!("'{}' names no host", uri.as_str())));
    }
    Ok(Target::Remote(Remote {
        transport,
        user: user(uri)?,
        host,
        port: port(uri)?,
        path: decode(uri.path().as_str())?,
        parameters: parameters(uri)?,
    }))
}

/// A xend over TCP authenticates nobody; taking it over a network is a decision that the caller must spell out.
fn refuse_open_tcp(xend: Option<&XendAddress>, insecure: bool) -> Result<()> {
    match xend {
        Some(xend @ XendAddress::Tcp { host, .. }) if !insecure && !xend.is_local() => Err(Error::new(
            Status::AccessDenied,
            format!(
                "xend over TCP has neither password nor encryption, and {host} is not this machine: tunnel it (ssh -L 8000:\
                 /var/lib/xend/xend-socket {host}, then http://localhost:8000/), or accept it with ?insecure=1"
            ),
        )),
        _ => Ok(()),
    }
}

fn xend_address(value: &str) -> Result<XendAddress> {
    if value.starts_with('/') {
        return Ok(XendAddress::Unix(absolute("xend", value)?));
    }
    let uri =
        Uri::parse(value).ok().filter(|uri| uri.scheme().as_str().eq_ignore_ascii_case("http")).ok_or_else(
            || invalid(format!("xend='{value}' is neither an absolute path nor http://HOST:PORT/")),
        )?;
    let host = authority_host(&uri).ok_or_else(|| invalid(format!("xend='{value}' names no host")))?;
    Ok(XendAddress::Tcp { host, port: port(&uri)?.unwrap_or(XEND_PORT) })
}

fn is_loopback(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost")
        || host.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// The host, without the brackets of an IPv6 address; None where there is no authority or an empty one.
fn authority_host(uri: &Uri<&str>) -> Option<String> {
    let host = uri.authority()?.host();
    let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
    (!bare.is_empty()).then(|| bare.to_owned())
}

fn port(uri: &Uri<&str>) -> Result<Option<u16>> {
    match uri.authority().and_then(|authority| authority.port()).map(|port| port.as_str()) {
        None | Some("") => Ok(None),
        Some(digits) => match digits.parse() {
            Ok(port) if port != 0 => Ok(Some(port)),
            _ => Err(invalid(format!("'{digits}' is not a port: 1 to 65535"))),
        },
    }
}

fn user(uri: &Uri<&str>) -> Result<Option<String>> {
    let Some(userinfo) = uri.authority().and_then(|authority| authority.userinfo()) else {
        return Ok(None);
    };
    if userinfo.as_str().contains(':') {
        return Err(invalid(
            "a password does not belong into a URI: it would be shown in process lists and logs",
        ));
    }
    decode(userinfo.as_str()).map(Some)
}

fn only_root_path(uri: &Uri<&str>, text: &str) -> Result<()> {
    match uri.path().as_str() {
        "" | "/" => Ok(()),
        path => Err(invalid(format!("'{text}' has the path '{path}', where only '/' means something"))),
    }
}

/// The query as decoded keys and values; a key given twice is an error. `+` is a plus sign: these are paths, not forms.
fn parameters(uri: &Uri<&str>) -> Result<Vec<(String, String)>> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    let query = uri.query().map(|query| query.as_str()).unwrap_or_default();
    for part in query.split('&').filter(|part| !part.is_empty()) {
        let (key, value) = part.split_once('=').unwrap_or((part, ""));
        let (key, value) = (decode(key)?, decode(value)?);
        if pairs.iter().any(|(known, _)| *known == key) {
            return Err(invalid(format!("the URI gives '{key}' twice")));
        }
        pairs.push((key, value));
    }
    Ok(pairs)
}

fn decode(text: &str) -> Result<String> {
    let decoded = percent_decode_str(text).decode_utf8();
    let decoded = decoded.map_err(|_| invalid(format!("'{text}' is not UTF-8 when its %XX are decoded")))?;
    if decoded.contains('\0') {
        return Err(invalid(format!("'{text}' holds a NUL character")));
    }
    Ok(decoded.into_owned())
}

fn absolute(what: &str, value: &str) -> Result<PathBuf> {
    if !value.starts_with('/') {
        return Err(invalid(format!("{what}='{value}' is not an absolute path")));
    }
    Ok(PathBuf::from(value))
}

fn boolean(key: &str, value: &str) -> Result<bool> {
    match value {
        "1" | "yes" | "true" => Ok(true),
        "0" | "no" | "false" => Ok(false),
        _ => Err(invalid(format!("{key}='{value}' is neither 1 nor 0"))),
    }
}

fn unknown_key(key: &str, known: &str) -> Error {
    invalid(format!("the URI's '{key}' means nothing here; known are: {known}"))
}

fn invalid(message: impl Into<String>) -> Error {
    Error::new(Status::InvalidUri, message)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local_of(uri: &str) -> Local {
        match parse(Some(uri)) {
            Ok(Target::Local(local)) => local,
            other => panic!("{uri}: {other:?}"),
        }
    }

    #[test]
    fn this_host_has_many_spellings() {
        assert_eq!(parse(None).unwrap(), Target::Local(Local::default()));
        for uri in ["", "xen:", "xen:/", "xen:///", "XEN:///"] {
            assert_eq!(local_of(uri), Local::default(), "{uri}");
        }
    }

    #[test]
    fn roads_can_be_pointed_at_other_places() {
        let local = local_of("xen:///?privcmd=/a%20b&xenstore=/c+d&xend=/e&xend-domains=/f&xl=/g&store=/h");
        assert_eq!(local.privcmd, Some("/a b".into()));
        assert_eq!(local.xenstore, Some("/c+d".into()), "a plus sign is a plus sign");
        assert_eq!(local.xend, Some(XendAddress::Unix("/e".into())));
        assert_eq!(local.xend_domains, Some("/f".into()));
        assert_eq!((local.xl, local.store), (Some("/g".into()), Some("/h".into())));
        assert_eq!(
            local_of("/var/lib/xend/xend-socket").xend,
            Some(XendAddress::Unix("/var/lib/xend/xend-socket".into()))
        );
    }

    #[test]
    fn xend_over_tcp_is_refused_across_a_network_unless_asked_for() {
        let tcp = |host: &str, port| Some(XendAddress::Tcp { host: host.into(), port });
        assert_eq!(local_of("http://localhost:8123/").xend, tcp("localhost", 8123));
        assert_eq!(local_of("http://127.0.0.1/").xend, tcp("127.0.0.1", XEND_PORT));
        assert_eq!(local_of("http://[::1]:8000").xend, tcp("::1", 8000));
        assert_eq!(local_of("http://xen.example.org:8000/?insecure=1").xend, tcp("xen.example.org", 8000));
        for uri in [
            "http://xen.example.org:8000/",
            "xen:///?xend=http://192.0.2.1:8000/",
            "http://localhost.example.org/",
        ] {
            let error = parse(Some(uri)).unwrap_err();
            assert_eq!(error.status, Status::AccessDenied, "{uri}");
            assert!(error.message.contains("insecure=1"), "{error}");
        }
    }

    #[test]
    fn remote_forms_are_understood() {
        let Target::Remote(remote) = parse(Some("xen+ssh://root@[2001:db8::1]:2222/?keyfile=/k")).unwrap()
        else {
            panic!()
        };
        assert_eq!((remote.transport, remote.port), (Transport::Ssh, Some(2222)));
        assert_eq!((remote.user.as_deref(), remote.host.as_deref()), (Some("root"), Some("2001:db8::1")));
        assert_eq!(remote.parameters, [("keyfile".to_owned(), "/k".to_owned())]);
        for (uri, transport) in [
            ("xen://example.com/", Transport::Tls),
            ("xen+tls://example.com/", Transport::Tls),
            ("xen+tcp://example.com/", Transport::Tcp),
            ("xen+unix:///", Transport::Unix),
        ] {
            let Target::Remote(remote) = parse(Some(uri)).unwrap() else { panic!("{uri}") };
            assert_eq!(remote.transport, transport, "{uri}");
        }
    }

    #[test]
    fn the_embedded_host_takes_its_options_in_order() {
        let Target::Sim(options) = parse(Some("xen+sim:///?xen=3.4&dir=/tmp/a%26b")).unwrap() else {
            panic!()
        };
        assert_eq!(
            options,
            [("xen".to_owned(), "3.4".to_owned()), ("dir".to_owned(), "/tmp/a&b".to_owned())]
        );
    }

    #[test]
    fn what_cannot_be_meant_is_refused_with_its_reason() {
        for (uri, word) in [
            ("qemu:///system", "qemu"),
            ("xen:///system", "/system"),
            ("xen:///?privcmd=relative", "absolute"),
            ("xen:///?store=etc/xen", "absolute"),
            ("xen:///?privcmd=/a&privcmd=/b", "twice"),
            ("xen:///?color=red", "color"),
            ("xen:///#x", "fragment"),
            ("xen+ssh:///", "no host"),
            ("xen+ssh://u:secret@h/", "password"),
            ("xen+sim://host/", "host"),
            ("http://localhost:99999/", "99999"),
            ("http://localhost:8000/xend", "/xend"),
            ("xen:///?xenstore=/%00", "NUL"),
            ("xen:///?xenstore=/%ff", "UTF-8"),
            ("not a uri", "not a uri"),
            ("xen:///?xend=ftp://x/", "ftp"),
        ] {
            let error = parse(Some(uri)).unwrap_err();
            assert_eq!(error.status, Status::InvalidUri, "{uri}: {error}");
            assert!(error.message.contains(word), "{uri}: {error}");
        }
        assert!(parse(Some(&format!("xen:///?{}", "a".repeat(MAX_URI)))).is_err());
    }
}
