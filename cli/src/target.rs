//! Which domain a DOMAIN argument means.

use xenith::driver::{Connection, Domain};
use xenith::model::{DomId, Uuid, identity};
use xenith::{Error, Result, Status};

use crate::failure::{Exit, Failure};

/// Looks the domain up in virsh's order: by id, by uuid, by name.
pub(crate) fn find(connection: &Connection, text: &str) -> Result<Domain, Failure> {
    let reading = Reading::of(text);
    if let Some(domid) = reading.domid
        && let Some(domain) = unless_missing(connection.lookup_by_id(domid))?
    {
        return Ok(domain);
    }
    if let Some(uuid) = reading.uuid
        && let Some(domain) = unless_missing(connection.lookup_by_uuid(uuid))?
    {
        return Ok(domain);
    }
    // A text that no domain can be named by is simply not found; the road would call it a wrong argument.
    if identity::check_name(text).is_ok()
        && let Some(domain) = unless_missing(connection.lookup_by_name(text))?
    {
        return Ok(domain);
    }
    Err(Failure::new(Exit::NotFound, format!("no domain has the {} '{text}'", reading.kinds()))
        .hint("`xenith list --all` shows the domains of this host"))
}

/// What the text can be besides a name.
#[derive(Debug, PartialEq, Eq)]
struct Reading {
    domid: Option<DomId>,
    uuid: Option<Uuid>,
}

impl Reading {
    fn of(text: &str) -> Self {
        let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
        let domid = text.parse().ok().filter(|id| digits && *id < identity::FIRST_RESERVED_DOMID);
        // The two forms that virsh takes: with its dashes, and the bare 32 digits. Not braces, not urn:uuid:.
        let uuid = if matches!(text.len(), 32 | 36) { Uuid::try_parse(text).ok() } else { None };
        Reading { domid, uuid }
    }

    fn kinds(&self) -> &'static str {
        match (self.domid, self.uuid) {
            (Some(_), _) => "id or name",
            (None, Some(_)) => "uuid or name",
            (None, None) => "name",
        }
    }
}

fn unless_missing(found: Result<Domain>) -> Result<Option<Domain>, Error> {
    match found {
        Ok(domain) => Ok(Some(domain)),
        Err(error) if error.status == Status::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_ids_where_they_can_be() {
        assert_eq!(Reading::of("0").domid, Some(0));
        assert_eq!(Reading::of("32751").domid, Some(32_751));
        for name in ["32752", "99999999999999999999", "+1", "-1", "1a", "", " 1", "0x1"] {
            assert_eq!(Reading::of(name).domid, None, "{name:?}");
        }
    }

    #[test]
    fn uuids_are_taken_with_and_without_dashes() {
        let uuid = Uuid::from_u128(0x4dea_22b3_1d52_d8f3_2516_782e_98ab_3fa0);
        for text in ["4dea22b3-1d52-d8f3-2516-782e98ab3fa0", "4DEA22B31D52D8F32516782E98AB3FA0"] {
            assert_eq!(Reading::of(text), Reading { domid: None, uuid: Some(uuid) });
        }
        for name in
            ["{4dea22b3-1d52-d8f3-2516-782e98ab3fa0}", "4dea22b3", "4dea22b3-1d52-d8f3-2516-782e98ab3fag"]
        {
            assert_eq!(Reading::of(name).uuid, None, "{name}");
        }
    }
}
