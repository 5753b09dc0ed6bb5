//! The strings of `channel` (xl.cfg(5)) <-> a named channel.

use super::options::{Options, options, plain};
use super::syntax::{Result, fault};
use super::write::unsupported;
use crate::error;
use crate::format::error::shown;
use crate::model::guest::{Channel, CharSource};

/// A channel, and the options that have no place in the model. `at` is where the string begins.
pub(super) fn read(spec: &str, at: usize) -> Result<(Channel, Vec<&str>)> {
    let (mut name, mut connection, mut path, mut others) = (None, None, None, Vec::new());
    for (key, value) in options(spec, "channel", at)? {
        match key {
            "name" => name = Some(value).filter(|name| !name.is_empty()),
            "connection" => connection = Some(value),
            "path" => path = Some(value).filter(|path| !path.is_empty()),
            _ => others.push(key),
        }
    }
    let Some(name) = name else { return fault(at, "channel: name= is missing") };
    let source = match (connection, path) {
        (Some("pty"), None) => CharSource::Pty,
        (Some("socket"), Some(path)) => CharSource::Unix { path: path.to_owned(), listen: true },
        (Some("socket"), None) => return fault(at, "channel: path= of the socket is missing"),
        (Some("pty"), Some(_)) => return fault(at, "channel: path= belongs to connection=socket"),
        (Some(other), _) => {
            return fault(
                at,
                format!("channel: connection={} is not known; expected pty or socket", shown(other)),
            );
        }
        (None, _) => return fault(at, "channel: connection= is missing"),
    };
    Ok((Channel { name: name.to_owned(), source }, others))
}

pub(super) fn write(channel: &Channel) -> error::Result<String> {
    let name = plain(&channel.name, "a channel's name")?;
    let options = match &channel.source {
        CharSource::Pty => Options::default().put("connection", "pty"),
        CharSource::Unix { path, listen: true } => {
            Options::default().put("connection", "socket").put("path", plain(path, "a channel's path")?)
        }
        _ => {
            return Err(unsupported(
                "a <channel> but for a pseudo-terminal and a socket that the host opens",
            ));
        }
    };
    Ok(options.put("name", name).into_text())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_goes_both_ways_and_its_options_come_in_any_order() {
        for spec in ["connection=pty,name=a.b", "connection=socket,path=/run/a,name=a.b"] {
            let (channel, others) = read(spec, 0).unwrap();
            assert!(others.is_empty());
            assert_eq!(write(&channel).unwrap(), spec);
        }
        let (channel, others) = read("name=a, path=/x ,backend=1, connection = socket", 0).unwrap();
        assert_eq!((channel.name.as_str(), others), ("a", vec!["backend"]));
        for bad in ["", "name=a", "connection=pty", "name=a,connection=x", "name=a,connection=socket", "a"] {
            assert!(read(bad, 7).is_err_and(|fault| fault.at == 7), "{bad}");
        }
    }
}
