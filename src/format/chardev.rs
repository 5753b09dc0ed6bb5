//! What a port is connected to, in the device model's words: `pty`, `tcp:host:port,server,nowait`, `/dev/ttyS0`.

use crate::model::guest::{CharSource, Endpoint};

/// The words; the error says which value cannot be said in them.
pub(crate) fn to_words(source: &CharSource) -> Result<String, String> {
    Ok(match source {
        CharSource::Null => "null".into(),
        CharSource::Stdio => "stdio".into(),
        CharSource::Vc => "vc".into(),
        CharSource::Pty => "pty".into(),
        CharSource::Dev(path) if path.starts_with('/') => path.clone(),
        CharSource::Dev(path) => return Err(format!("the device '{path}', which is no absolute path")),
        CharSource::File(path) => format!("file:{path}"),
        CharSource::Pipe(path) => format!("pipe:{path}"),
        CharSource::Tcp { endpoint, listen, telnet } => {
            let protocol = if *telnet { "telnet" } else { "tcp" };
            format!("{protocol}:{}{}", to_colon(endpoint)?, server(*listen))
        }
        CharSource::Udp { connect, bind } => {
            let bind =
                if *bind == Endpoint::default() { String::new() } else { format!("@{}", to_colon(bind)?) };
            format!("udp:{}{bind}", to_colon(connect)?)
        }
        CharSource::Unix { path, .. } if path.contains(',') => {
            return Err(format!("the socket '{path}': a ',' begins an option there"));
        }
        CharSource::Unix { path, listen } => format!("unix:{path}{}", server(*listen)),
    })
}

fn server(listen: bool) -> &'static str {
    if listen { ",server,nowait" } else { "" }
}

fn to_colon(end: &Endpoint) -> Result<String, String> {
    match end.host.chars().chain(end.service.chars()).find(|c| matches!(c, ':' | ',' | '@')) {
        Some(c) => Err(format!(
            "the host '{}', port '{}' of a port: '{c}' has a meaning there",
            end.host, end.service
        )),
        None => Ok(format!("{}:{}", end.host, end.service)),
    }
}

/// None for `none`: no port. The error shows what is not known.
pub(crate) fn from_words(words: &str) -> Result<Option<CharSource>, String> {
    let source = match words {
        "" | "none" => return Ok(None),
        "null" => CharSource::Null,
        "stdio" => CharSource::Stdio,
        "vc" => CharSource::Vc,
        "pty" => CharSource::Pty,
        path if path.starts_with('/') => CharSource::Dev(path.into()),
        _ => match words.split_once(':') {
            Some(("file", path)) => CharSource::File(path.into()),
            Some(("pipe", path)) => CharSource::Pipe(path.into()),
            // `vc:80Cx24C`: its size is the device model's.
            Some(("vc", _)) => CharSource::Vc,
            Some((protocol @ ("tcp" | "telnet"), rest)) => {
                let (place, options) = rest.split_once(',').unwrap_or((rest, ""));
                CharSource::Tcp {
                    endpoint: from_colon(place),
                    listen: is_server(options),
                    telnet: protocol == "telnet",
                }
            }
            Some(("udp", rest)) => {
                let (connect, bind) = rest.split_once('@').unwrap_or((rest, ""));
                CharSource::Udp { connect: from_colon(connect), bind: from_colon(bind) }
            }
            Some(("unix", rest)) => {
                let (path, options) = rest.split_once(',').unwrap_or((rest, ""));
                CharSource::Unix { path: path.into(), listen: is_server(options) }
            }
            _ => return Err(format!("'{}' is no port's connection", crate::format::error::shown(words))),
        },
    };
    Ok(Some(source))
}

fn is_server(options: &str) -> bool {
    options.split(',').any(|option| option == "server")
}

fn from_colon(text: &str) -> Endpoint {
    let (host, service) = text.rsplit_once(':').unwrap_or((text, ""));
    Endpoint { host: host.into(), service: service.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_words_say_goes_both_ways() {
        for words in [
            "null",
            "stdio",
            "vc",
            "pty",
            "/dev/ttyS1",
            "file:/tmp/serial.log",
            "pipe:/tmp/pipe",
            "tcp:localhost:9999",
            "tcp::9999,server,nowait",
            "telnet:localhost:9999,server,nowait",
            "udp:localhost:9998@localhost:9999",
            "udp:localhost:9998",
            "unix:/tmp/serial.sock,server,nowait",
            "unix:/tmp/serial.sock",
        ] {
            let source = from_words(words).unwrap().unwrap();
            assert_eq!(to_words(&source).unwrap(), words);
        }
        assert_eq!(from_words("none"), Ok(None));
        assert!(from_words("frob:1").is_err());
    }

    #[test]
    fn a_name_that_would_be_read_as_an_option_is_refused() {
        let unix = CharSource::Unix { path: "/tmp/a,server".into(), listen: false };
        assert!(to_words(&unix).is_err());
        let endpoint = Endpoint { host: "::1".into(), service: "9".into() };
        assert!(to_words(&CharSource::Tcp { endpoint, listen: false, telnet: false }).is_err());
    }
}
