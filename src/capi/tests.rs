//! The border as a C program meets it, over a driver that answers what the test wants. (The C programs of ctest/ do
//! the same over the embedded host; here is what no host can be brought to do.)
#![allow(unsafe_code, clippy::undocumented_unsafe_blocks)]

use std::ffi::{CStr, c_char};
use std::path::Path;
use std::ptr::{null, null_mut};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;

use super::connect::*;
use super::constants::*;
use super::domain::*;
use super::error::*;
use super::info::*;
use super::list::*;
use super::lives::*;
use super::report::*;
use crate::driver::{Connection, Counters, Driver, HostReport, ListFilter, MindEnd, RoadReport, RouteReport};
use crate::error::{Error, Result, Road, Status};
use crate::model::{
    DomId, DomainInfo, DomainRow, GuestType, Identity, NodeInfo, Reason, State, Uuid, XenVersion,
};

const UUID: Uuid = Uuid::from_u128(0x4dea_22b3_1d52_d8f3_2516_782e_98ab_3fa0);
const LIFE: Identity = Identity { uuid: UUID, domid: Some(3) };

/// Writes down what it is asked.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, what: impl Into<String>) {
        self.0.lock().push(what.into());
    }

    fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock())
    }
}

fn info(domid: Option<DomId>) -> DomainInfo {
    DomainInfo {
        domid,
        guest_type: Some(GuestType::Hvm),
        memory_kib: Some(1024),
        cpu_time_ns: Some(5),
        vcpus_online: Some(1),
        vcpus_max: Some(1),
        ..DomainInfo::without_figures(UUID, State::Running, Reason::OnCpu)
    }
}

impl Driver for Notes {
    fn hostname(&self) -> Result<String> {
        panic!("hostname is broken");
    }
    fn version(&self) -> Result<XenVersion> {
        Ok(XenVersion { major: 4, minor: 4, extra: ".3-pre".into() })
    }
    fn capabilities(&self) -> Result<String> {
        Ok("a\0b".into())
    }
    fn max_vcpus(&self, kind: Option<GuestType>) -> Result<u32> {
        self.note(format!("max_vcpus {kind:?}"));
        Ok(32)
    }
    fn node_info(&self) -> Result<NodeInfo> {
        std::panic::panic_any(7)
    }
    fn list(&self, filter: ListFilter) -> Result<Vec<DomainRow>> {
        self.note(format!("list {} {} {}", filter.active, filter.inactive, filter.fresh));
        let row =
            |name: Option<&str>, domid| DomainRow { name: name.map(Arc::from), info: info(Some(domid)) };
        Ok(vec![row(Some("Domain-0"), 0), row(None, 3), row(Some(""), 4), row(Some("nul\0within"), 5)])
    }
    fn lookup_by_id(&self, domid: DomId) -> Result<Identity> {
        self.note(format!("id {domid}"));
        Ok(LIFE)
    }
    fn lookup_by_uuid(&self, uuid: Uuid) -> Result<Identity> {
        self.note(format!("uuid {uuid}"));
        Ok(LIFE)
    }
    fn lookup_by_name(&self, name: &str) -> Result<Identity> {
        Err(Error::new(Status::NotFound, format!("no domain '{name}'\0")).on(Road::Xend).with_errno(2))
    }
    fn define(&self, xml: &str) -> Result<Identity> {
        self.note(format!("define {xml}"));
        Ok(Identity { domid: None, ..LIFE })
    }
    fn undefine(&self, _: &Identity) -> Result<()> {
        self.note("undefine");
        Ok(())
    }
    fn start(&self, _: &Identity, paused: bool) -> Result<Identity> {
        self.note(format!("start {paused}"));
        Ok(LIFE)
    }
    fn create(&self, xml: &str, paused: bool) -> Result<Identity> {
        self.note(format!("create {xml} {paused}"));
        Ok(LIFE)
    }
    fn suspend(&self, _: &Identity) -> Result<()> {
        self.note("suspend");
        Ok(())
    }
    fn resume(&self, _: &Identity) -> Result<()> {
        self.note("resume");
        Ok(())
    }
    fn shutdown(&self, _: &Identity) -> Result<()> {
        self.note("shutdown");
        Ok(())
    }
    fn reboot(&self, _: &Identity) -> Result<()> {
        self.note("reboot");
        Ok(())
    }
    fn destroy(&self, _: &Identity) -> Result<()> {
        self.note("destroy");
        Ok(())
    }
    fn name(&self, _: &Identity) -> Result<String> {
        Ok("guest".into())
    }
    fn id(&self, domain: &Identity) -> Result<Option<DomId>> {
        Ok(domain.domid)
    }
    fn os_type(&self, _: &Identity) -> Result<GuestType> {
        Ok(GuestType::Hvm)
    }
    fn info(&self, domain: &Identity) -> Result<DomainInfo> {
        Ok(info(domain.domid))
    }
    fn xml(&self, _: &Identity, inactive: bool) -> Result<String> {
        Ok(format!("<domain inactive='{inactive}'/>"))
    }
    fn counters(&self) -> Counters {
        Counters::default()
    }
    fn is_persistent(&self, _: &Identity) -> Result<bool> {
        Ok(true)
    }
    fn save(&self, _: &Identity, file: &Path, _: &str) -> Result<()> {
        self.note(format!("save {}", file.display()));
        Ok(())
    }
    fn restore(&self, file: &Path, paused: bool) -> Result<Identity> {
        self.note(format!("restore {} {paused}", file.display()));
        Ok(LIFE)
    }
    fn autostart(&self, _: &Identity) -> Result<bool> {
        Ok(true)
    }
    fn set_autostart(&self, _: &Identity, autostart: bool) -> Result<()> {
        self.note(format!("set autostart {autostart}"));
        Ok(())
    }
    fn has_monitor(&self, _: &Identity) -> Result<bool> {
        Ok(true)
    }
    fn start_monitor(&self, _: &Identity, _: &str) -> Result<()> {
        self.note("start monitor");
        Ok(())
    }
    fn mind(&self, _: &Identity, _: &AtomicBool) -> Result<MindEnd> {
        self.note("mind");
        Ok(MindEnd::Gone)
    }
    fn report(&self) -> Result<HostReport> {
        Ok(HostReport {
            host: "a host\0of tests".into(),
            failure: Some(Error::new(Status::AccessDenied, "be root").on(Road::Hypercall)),
            roads: vec![
                RoadReport {
                    road: Road::Hypercall,
                    found: true,
                    version: Some("4.4.3".into()),
                    detail: "/dev/xen/privcmd".into(),
                },
                RoadReport { road: Road::Xl, found: false, version: None, detail: "no xl".into() },
            ],
            routes: vec![
                RouteReport { operation: "define", active: None, inactive: Some(Road::Store) },
                RouteReport { operation: "info", active: Some(Road::Hypercall), inactive: Some(Road::Store) },
            ],
            problems: vec!["bad.cfg: line 3".into()],
        })
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        unsafe { xenith_connect_unref(self.conn) };
    }
}

/// A connection as C holds it, and what its driver was asked.
struct Held {
    conn: *mut xenith_connect,
    notes: Notes,
}

fn open() -> Held {
    let notes = Notes::default();
    let connection = Connection::from_driver(Box::new(notes.clone()), "test:///".into());
    Held { conn: Arc::into_raw(xenith_connect::new(connection)).cast_mut(), notes }
}

/// An output that no call has written.
const UNWRITTEN: *mut c_char = 8 as *mut c_char;

/// Takes a string as C does: copies and frees it.
fn string(text: *mut c_char) -> String {
    let copy = unsafe { CStr::from_ptr(text) }.to_str().unwrap().to_owned();
    unsafe { xenith_string_free(text) };
    copy
}

/// Takes an error's message as C does.
fn message(error: *mut xenith_error) -> String {
    let copy = unsafe { CStr::from_ptr(xenith_error_get_message(error)) }.to_str().unwrap().to_owned();
    unsafe { xenith_error_free(error) };
    copy
}

fn define(held: &Held) -> *mut xenith_domain {
    let mut dom = null_mut();
    let status =
        unsafe { xenith_domain_define_xml(held.conn, c"<x/>".as_ptr(), 0, &raw mut dom, null_mut()) };
    assert_eq!(status, XENITH_OK);
    dom
}

#[test]
fn a_panic_becomes_an_internal_error_with_its_words() {
    let held = open();
    let (mut out, mut err) = (UNWRITTEN, null_mut());
    let status = unsafe { xenith_connect_get_hostname(held.conn, 0, &raw mut out, &raw mut err) };
    assert_eq!((status, out), (XENITH_ERR_INTERNAL, UNWRITTEN));
    assert!(message(err).ends_with("hostname is broken"));

    let mut node = unsafe { std::mem::zeroed::<xenith_node_info>() };
    let size = size_of::<xenith_node_info>();
    let status = unsafe { xenith_connect_get_node_info(held.conn, 0, &raw mut node, size, &raw mut err) };
    assert_eq!((status, node.valid), (XENITH_ERR_INTERNAL, 0));
    assert!(message(err).ends_with("no message"));
}

#[test]
fn an_error_object_carries_all_of_the_error() {
    let held = open();
    let (mut dom, mut err) = (null_mut(), null_mut());
    let status =
        unsafe { xenith_domain_lookup_by_name(held.conn, c"ghost".as_ptr(), 0, &raw mut dom, &raw mut err) };
    assert_eq!((status, dom), (XENITH_ERR_NOT_FOUND, null_mut()));
    unsafe {
        assert_eq!(xenith_error_get_status(err), XENITH_ERR_NOT_FOUND);
        assert_eq!((xenith_error_get_road(err), xenith_error_get_errno(err)), (XENITH_ROAD_XEND, 2));
    }
    assert_eq!(message(err), "xend: no domain 'ghost'\u{fffd}");
}

#[test]
fn success_writes_null_over_whatever_err_held() {
    let held = open();
    let (mut version, mut err) = (0, std::ptr::dangling_mut::<xenith_error>());
    let status = unsafe { xenith_connect_get_version(held.conn, 0, &raw mut version, &raw mut err) };
    assert_eq!((status, version, err), (XENITH_OK, 4_004_003, null_mut()));
}

#[test]
fn text_that_c_cannot_hold_is_an_error_and_not_cut() {
    let held = open();
    let (mut out, mut err) = (UNWRITTEN, null_mut());
    let status = unsafe { xenith_connect_get_capabilities(held.conn, 0, &raw mut out, &raw mut err) };
    assert_eq!((status, out), (XENITH_ERR_PROTOCOL, UNWRITTEN));
    assert!(message(err).contains("offset 1"));
}

#[test]
fn misaligned_outputs_are_refused() {
    let held = open();
    let mut place = [0_u64; 2];
    let crooked = unsafe { (&raw mut place).cast::<u8>().add(1) };
    let status = unsafe { xenith_connect_get_version(held.conn, 0, crooked.cast(), null_mut()) };
    assert_eq!((status, place), (XENITH_ERR_INVALID_ARG, [0; 2]));
    let dom = define(&held);
    // A uuid is bytes: it may stand anywhere.
    assert_eq!(unsafe { xenith_domain_get_uuid(dom, 0, crooked, null_mut()) }, XENITH_OK);
    unsafe { xenith_domain_unref(dom) };
}

#[test]
fn flags_choose_what_the_driver_is_asked() {
    let held = open();
    for (flags, asked) in [
        (0, "list true true false"),
        (XENITH_LIST_ACTIVE, "list true false false"),
        (XENITH_LIST_INACTIVE, "list false true false"),
        (XENITH_LIST_FRESH, "list true true true"),
        (XENITH_LIST_ACTIVE | XENITH_LIST_INACTIVE, "list true true false"),
    ] {
        let mut list = null_mut();
        assert_eq!(unsafe { xenith_connect_list_domains(held.conn, flags, &raw mut list, null_mut()) }, 0);
        unsafe { xenith_domain_list_free(list) };
        assert_eq!(held.notes.take(), [asked]);
    }
    for (kind, asked) in [
        (null(), "max_vcpus None"),
        (c"linux".as_ptr(), "max_vcpus Some(Pv)"),
        (c"xen".as_ptr(), "max_vcpus Some(Pv)"),
        (c"hvm".as_ptr(), "max_vcpus Some(Hvm)"),
        (c"xenpvh".as_ptr(), "max_vcpus Some(Pvh)"),
    ] {
        let mut out = 0;
        let status = unsafe { xenith_connect_get_max_vcpus(held.conn, kind, 0, &raw mut out, null_mut()) };
        assert_eq!((status, out), (XENITH_OK, 32));
        assert_eq!(held.notes.take(), [asked]);
    }
}

#[test]
fn each_act_asks_the_driver_for_that_act() {
    let held = open();
    let dom = define(&held);
    let mut other = null_mut();
    unsafe {
        let (conn, none) = (held.conn, null_mut());
        assert_eq!(xenith_domain_create(dom, 0, none), 0);
        assert_eq!(xenith_domain_create(dom, XENITH_CREATE_PAUSED, none), 0);
        assert_eq!(xenith_domain_suspend(dom, 0, none), 0);
        assert_eq!(xenith_domain_resume(dom, 0, none), 0);
        assert_eq!(xenith_domain_shutdown(dom, 0, none), 0);
        assert_eq!(xenith_domain_reboot(dom, 0, none), 0);
        assert_eq!(xenith_domain_destroy(dom, 0, none), 0);
        assert_eq!(xenith_domain_undefine(dom, 0, none), 0);
        assert_eq!(xenith_domain_save(dom, c"/var/lib/größe".as_ptr(), 0, none), 0);
        assert_eq!(xenith_domain_set_autostart(dom, 1, 0, none), 0);
        assert_eq!(xenith_domain_set_autostart(dom, 0, 0, none), 0);
        assert_eq!(xenith_domain_start_monitor(dom, 0, none), 0);
        xenith_domain_unref(dom);
        for flags in [0, XENITH_CREATE_PAUSED] {
            assert_eq!(xenith_domain_restore(conn, c"saved".as_ptr(), flags, &raw mut other, none), 0);
            xenith_domain_unref(other);
        }
        let xml = c"<y/>".as_ptr();
        assert_eq!(xenith_domain_create_xml(conn, xml, XENITH_CREATE_PAUSED, &raw mut other, none), 0);
        xenith_domain_unref(other);
        assert_eq!(xenith_domain_lookup_by_id(conn, 0x7fef, 0, &raw mut other, none), 0);
        xenith_domain_unref(other);
        assert_eq!(xenith_domain_lookup_by_uuid(conn, UUID.as_bytes().as_ptr(), 0, &raw mut other, none), 0);
        xenith_domain_unref(other);
        let text = c"4DEA22B31D52D8F32516782E98AB3FA0".as_ptr();
        assert_eq!(xenith_domain_lookup_by_uuid_string(conn, text, 0, &raw mut other, none), 0);
        xenith_domain_unref(other);
    }
    let uuid = format!("uuid {UUID}");
    assert_eq!(
        held.notes.take(),
        [
            "define <x/>",
            "start false",
            "start true",
            "suspend",
            "resume",
            "shutdown",
            "reboot",
            "destroy",
            "undefine",
            "save /var/lib/größe",
            "set autostart true",
            "set autostart false",
            "start monitor",
            "restore saved false",
            "restore saved true",
            "create <y/> true",
            "id 32751",
            &uuid,
            &uuid,
        ]
    );
}

#[test]
fn an_inactive_domain_has_no_id_and_gets_one_by_starting() {
    let held = open();
    let dom = define(&held);
    let (mut id, mut err) = (77, null_mut());
    unsafe {
        assert_eq!(xenith_domain_get_id(dom, 0, &raw mut id, &raw mut err), XENITH_ERR_INVALID_STATE);
        assert_eq!(id, 77);
        xenith_error_free(err);
        assert_eq!(xenith_domain_create(dom, 0, null_mut()), XENITH_OK);
        assert_eq!(xenith_domain_get_id(dom, 0, &raw mut id, null_mut()), XENITH_OK);
        assert_eq!(id, 3);
        xenith_domain_unref(dom);
    }
}

#[test]
fn what_a_domain_tells_is_the_drivers_answer() {
    let held = open();
    let dom = define(&held);
    let mut out = UNWRITTEN;
    let (mut state, mut reason) = (0, 0);
    unsafe {
        assert_eq!(xenith_domain_get_name(dom, 0, &raw mut out, null_mut()), 0);
        assert_eq!(string(out), "guest");
        assert_eq!(xenith_domain_get_uuid_string(dom, 0, &raw mut out, null_mut()), 0);
        assert_eq!(string(out), UUID.to_string());
        assert_eq!(xenith_domain_get_os_type(dom, 0, &raw mut out, null_mut()), 0);
        assert_eq!(string(out), "hvm");
        assert_eq!(xenith_domain_get_xml(dom, XENITH_XML_INACTIVE, &raw mut out, null_mut()), 0);
        assert_eq!(string(out), "<domain inactive='true'/>");
        // One place for both is a caller's blunder, and still defined.
        assert_eq!(xenith_domain_get_state(dom, 0, &raw mut state, &raw mut state, null_mut()), 0);
        assert_eq!(xenith_domain_get_state(dom, 0, &raw mut state, &raw mut reason, null_mut()), 0);
        assert_eq!((state, reason), (XENITH_STATE_RUNNING, XENITH_REASON_ON_CPU));
        assert_eq!(xenith_domain_get_state(dom, 0, &raw mut state, null_mut(), null_mut()), 0);
        for tell in [xenith_domain_get_autostart, xenith_domain_has_monitor, xenith_domain_is_persistent] {
            let mut yes = 77;
            assert_eq!((tell(dom, 0, &raw mut yes, null_mut()), yes), (0, 1));
        }
        xenith_domain_unref(dom);
    }
}

#[test]
fn a_domain_holds_its_connection_and_gives_the_same_one_back() {
    let held = open();
    let dom = define(&held);
    let mut conn = null_mut();
    unsafe {
        assert_eq!(xenith_domain_get_connect(dom, 0, &raw mut conn, null_mut()), XENITH_OK);
        assert_eq!(conn, held.conn);
        xenith_connect_unref(conn);
        assert_eq!(xenith_connect_ref(held.conn), held.conn);
        assert_eq!(xenith_domain_ref(dom), dom);
        xenith_domain_unref(dom);
        // Once for the reference above; `held` drops the first one while the domain still lives.
        xenith_connect_unref(held.conn);
        drop(held);
        let mut out = UNWRITTEN;
        assert_eq!(xenith_domain_get_name(dom, 0, &raw mut out, null_mut()), XENITH_OK);
        assert_eq!(string(out), "guest");
        xenith_domain_unref(dom);
    }
}

#[test]
fn names_in_a_list_are_null_where_there_is_none_and_empty_where_they_are_empty() {
    let held = open();
    let mut list = null_mut();
    unsafe {
        assert_eq!(xenith_connect_list_domains(held.conn, 0, &raw mut list, null_mut()), XENITH_OK);
        assert_eq!(xenith_domain_list_count(list), 4);
        let name = |index| {
            let mut name = null();
            assert_eq!(xenith_domain_list_get_name(list, index, &raw mut name, null_mut()), XENITH_OK);
            (!name.is_null()).then(|| CStr::from_ptr(name).to_str().unwrap())
        };
        assert_eq!([name(0), name(1), name(2), name(3)], [Some("Domain-0"), None, Some(""), Some("nul")]);
        let mut info = std::mem::zeroed::<xenith_domain_info>();
        let size = size_of::<xenith_domain_info>();
        assert_eq!(xenith_domain_list_get_info(list, 1, &raw mut info, size, null_mut()), XENITH_OK);
        assert_eq!((info.id, info.memory_kib), (3, 1024));
        xenith_domain_list_free(list);
    }
}

#[test]
fn files_and_switches_that_mean_nothing_never_reach_the_driver() {
    let held = open();
    let dom = define(&held);
    held.notes.take();
    let (mut other, mut err) = (null_mut(), null_mut());
    unsafe {
        for (file, word) in
            [(null(), "file is NULL"), (c"".as_ptr(), "file is empty"), (c"\xff".as_ptr(), "UTF-8")]
        {
            assert_eq!(xenith_domain_save(dom, file, 0, &raw mut err), XENITH_ERR_INVALID_ARG);
            assert!(message(err).contains(word));
            let status = xenith_domain_restore(held.conn, file, 0, &raw mut other, &raw mut err);
            assert_eq!((status, other), (XENITH_ERR_INVALID_ARG, null_mut()));
            assert!(message(err).contains(word));
        }
        assert_eq!(xenith_domain_set_autostart(dom, 2, 0, &raw mut err), XENITH_ERR_INVALID_ARG);
        assert!(message(err).contains("autostart is 2"));
        xenith_domain_unref(dom);
    }
    assert!(held.notes.take().is_empty());
}

#[test]
fn a_report_is_read_item_by_item_and_outlives_its_connection() {
    let held = open();
    let mut report = null_mut();
    unsafe {
        assert_eq!(xenith_connect_get_report(held.conn, 0, &raw mut report, null_mut()), XENITH_OK);
        drop(held);
        let words = |text: *const c_char| {
            (!text.is_null()).then(|| CStr::from_ptr(text).to_str().unwrap().to_owned())
        };
        let (mut text, mut more) = (null(), null());
        let (mut one, mut other) = (77, 77);
        assert_eq!(xenith_report_get_host(report, &raw mut text, null_mut()), XENITH_OK);
        assert_eq!(words(text).unwrap(), "a host\u{fffd}of tests");

        assert_eq!(
            xenith_report_get_failure(report, &raw mut one, &raw mut other, &raw mut text, null_mut()),
            XENITH_OK
        );
        assert_eq!((one, other), (XENITH_ERR_ACCESS_DENIED, XENITH_ROAD_HYPERCALL));
        assert_eq!(words(text).unwrap(), "hypercall: be root");
        assert_eq!(
            xenith_report_get_failure(report, &raw mut one, null_mut(), null_mut(), null_mut()),
            XENITH_OK
        );

        assert_eq!(xenith_report_road_count(report), 2);
        let mut road = |index| {
            let (one, other) = (&raw mut one, &raw mut other);
            let status =
                xenith_report_get_road(report, index, one, other, &raw mut text, &raw mut more, null_mut());
            assert_eq!(status, XENITH_OK);
            (*one, *other, words(text), words(more).unwrap())
        };
        assert_eq!(road(0), (XENITH_ROAD_HYPERCALL, 1, Some("4.4.3".into()), "/dev/xen/privcmd".into()));
        assert_eq!(road(1), (XENITH_ROAD_XL, 0, None, "no xl".into()));
        let none = null_mut();
        let status = xenith_report_get_road(report, 0, &raw mut one, null_mut(), none, none, null_mut());
        assert_eq!((status, one), (XENITH_OK, XENITH_ROAD_HYPERCALL));

        assert_eq!(xenith_report_route_count(report), 2);
        let (first, second) = (&raw mut one, &raw mut other);
        assert_eq!(xenith_report_get_route(report, 0, &raw mut text, first, second, null_mut()), XENITH_OK);
        assert_eq!(
            (words(text).unwrap().as_str(), one, other),
            ("define", XENITH_ROAD_NONE, XENITH_ROAD_STORE)
        );
        assert_eq!(
            xenith_report_get_route(report, 1, &raw mut text, null_mut(), null_mut(), null_mut()),
            XENITH_OK
        );
        assert_eq!(words(text).unwrap(), "info");

        assert_eq!(xenith_report_problem_count(report), 1);
        assert_eq!(xenith_report_get_problem(report, 0, &raw mut text, null_mut()), XENITH_OK);
        assert_eq!(words(text).unwrap(), "bad.cfg: line 3");
        let mut err = null_mut();
        assert_eq!(xenith_report_get_problem(report, 1, &raw mut text, &raw mut err), XENITH_ERR_INVALID_ARG);
        assert_eq!(message(err), "index is 1, and the report has 1 problems");
        xenith_report_free(report);
    }
}
