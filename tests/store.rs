//! The store of domain files at its public face: folders as administrators and tools leave them, and everything that goes wrong while one
//! is written. What a test cannot try on this machine it says.
//!
//! The other processes are this program again, in the test at the end that does nothing unless a role is given.
#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

mod common;

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use common::Scratch;
use xenith::deadline::Deadline;
use xenith::error::{Error, Road};
use xenith::log::Log;
use xenith::model::{Guest, Uuid};
use xenith::store::{Entry, Store};
use xenith::{Result, Status};

/// A PV guest as xen-tools writes it.
const TOOLS: &str = r#"#
# Configuration file for the Xen instance mail.example.org, created
# by a tool.
#

#
#  Kernel + memory size
#
kernel      = '/boot/vmlinuz-6.1.0-13-amd64'
extra       = 'elevator=noop'
ramdisk     = '/boot/initrd.img-6.1.0-13-amd64'

vcpus       = '2'
memory      = '512'


#
#  Disk device(s).
#
root        = '/dev/xvda2 ro'
disk        = [
                  'phy:/dev/vg0/mail.example.org-disk,xvda2,w',
                  'phy:/dev/vg0/mail.example.org-swap,xvda1,w',
              ]


#
#  Hostname
#
name        = 'mail.example.org'

#
#  Networking
#
vif         = [ 'ip=192.0.2.7 ,mac=00:16:3E:0A:0B:0C,bridge=xenbr0' ]

#
#  Behaviour
#
on_poweroff = 'destroy'
on_reboot   = 'restart'
on_crash    = 'restart'
"#;

/// An HVM guest as somebody wrote it, with a key that xenith does not know and without what could be left out.
const BY_HAND: &str = r#"# the old accounting machine -- ask Petra before you touch this
type = "hvm"
name = "books"
memory = 1024   # was 512
disk = [ '/srv/books.qcow2,qcow2,hda,rw' ]
vif = [ 'bridge=br0', 'bridge=br1' ]
device_model_stubdomain_override = 0
vnc = 1
"#;

struct Folder(Scratch);

impl Folder {
    fn new(name: &str) -> Folder {
        let scratch = Scratch::new(&format!("store-{name}"));
        fs::create_dir(&scratch.0).unwrap();
        Folder(scratch)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.0.join(name)
    }

    fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }

    fn text(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap()
    }

    fn has(&self, name: &str) -> bool {
        self.path(name).symlink_metadata().is_ok()
    }

    /// A store that knows nothing of what others found.
    fn store(&self) -> Store {
        store(&self.0.0)
    }

    /// All that is in the folder but the lock, with links' targets and files' texts.
    fn all(&self) -> BTreeMap<String, String> {
        let mut all = BTreeMap::new();
        for folder in ["", "auto/"] {
            let Ok(entries) = fs::read_dir(self.path(folder)) else { continue };
            for entry in entries {
                let entry = entry.unwrap();
                let name = format!("{folder}{}", entry.file_name().to_string_lossy());
                let text = match entry.file_type().unwrap() {
                    kind if kind.is_symlink() => {
                        format!("-> {}", entry.path().read_link().unwrap().display())
                    }
                    kind if kind.is_file() => fs::read_to_string(entry.path()).unwrap(),
                    _ => continue,
                };
                all.insert(name, text);
            }
        }
        all.remove(".xenith.lock");
        all
    }
}

fn store(folder: &Path) -> Store {
    Store::new(folder, Log::default())
}

fn soon() -> Deadline {
    Deadline::after(Duration::from_secs(60))
}

fn uuid(number: u128) -> Uuid {
    Uuid::from_u128(number)
}

fn guest(name: &str, number: u128) -> Guest {
    let mut guest =
        xenith::format::xml::parse(&common::guest(name, Some(&uuid(number).to_string()))).unwrap();
    guest.interfaces.push(xenith::model::guest::Interface {
        mac: Some(xenith::model::guest::Mac::xen(u32::try_from(number % 1000).unwrap())),
        ..Default::default()
    });
    guest
}

fn define(store: &Store, guest: &Guest) -> Result<Entry> {
    store.define(guest, soon())
}

fn names(store: &Store) -> Vec<String> {
    store.read().unwrap().entries.iter().map(|entry| entry.guest.name.clone()).collect()
}

#[track_caller]
fn refused<T: std::fmt::Debug>(result: Result<T>, status: Status, words: &[&str]) {
    let error: Error = result.unwrap_err();
    assert_eq!((error.status, error.road), (status, Road::Store), "{error}");
    for word in words {
        assert!(error.message.contains(word), "'{word}' is missing: {error}");
    }
}

#[test]
fn a_folder_that_is_not_there_holds_nothing_and_comes_with_the_first_domain() {
    let scratch = Scratch::new("store-none");
    let store = store(&scratch.0);
    assert!(store.read().unwrap().entries.is_empty());
    refused(store.undefine(uuid(1), soon()), Status::NotFound, &["00000001"]);
    refused(store.autostart(uuid(1)), Status::NotFound, &[]);
    let entry = define(&store, &guest("web", 1)).unwrap();
    assert_eq!(entry.path, scratch.0.join("web.cfg"));
    assert_eq!(fs::metadata(&entry.path).unwrap().mode() & 0o777, 0o600);
    assert_eq!(fs::metadata(&scratch.0).unwrap().mode() & 0o755, 0o755);

    // One level is made, not a path of them.
    let deeper = scratch.0.join("a/b");
    refused(
        define(&Store::new(&deeper, Log::default()), &guest("web", 1)),
        Status::OperationFailed,
        &["a/b"],
    );
    assert!(!scratch.0.join("a").exists());
}

#[test]
fn what_is_defined_is_read_by_another_and_forgotten_again() {
    let folder = Folder::new("define");
    let (ours, others) = (folder.store(), folder.store());
    let mut guest = guest("web", 1);
    guest.title = Some("the <web> & \"more\"".into());
    guest.description = Some("two\nlines".into());
    let defined = define(&ours, &guest).unwrap();
    assert_eq!(defined.said.title, guest.title);
    let snapshot = others.read().unwrap();
    let read = snapshot.by_name("web").unwrap().unwrap();
    assert_eq!((&read.said, read.uuid, read.uuid_is_derived), (&defined.said, uuid(1), false));
    assert_eq!(
        (&read.guest.description, &read.guest.interfaces[0].mac),
        (&guest.description, &guest.interfaces[0].mac)
    );
    assert_eq!(*read.text, *folder.text("web.cfg"));

    // Without a title there is no sidecar either.
    guest.title = None;
    guest.description = None;
    assert!(folder.has("web.cfg.xenith"));
    define(&others, &guest).unwrap();
    assert_eq!(ours.read().unwrap().by_uuid(uuid(1)).unwrap().guest.title, None);
    assert_eq!(folder.all().into_keys().collect::<Vec<_>>(), ["web.cfg"]);

    guest.title = Some("again".into());
    define(&ours, &guest).unwrap();
    others.undefine(uuid(1), soon()).unwrap();
    assert!(ours.read().unwrap().entries.is_empty());
    assert!(folder.all().is_empty(), "{:?}", folder.all());
    refused(ours.undefine(uuid(1), soon()), Status::NotFound, &[]);
}

#[test]
fn files_that_administrators_and_tools_wrote_are_domains() {
    let folder = Folder::new("theirs");
    folder.write("mail.example.org.cfg", TOOLS);
    folder.write("accounting", BY_HAND);
    symlink("/dev/null", folder.path("null")).unwrap();
    let elsewhere = folder.write("auto/../kept/web.text", "name = 'web'\nmemory = 64\nkernel = '/boot/k'\n");
    symlink(elsewhere, folder.path("web.cfg")).unwrap();
    let store = folder.store();
    let snapshot = store.read().unwrap();
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    assert_eq!(names(&store), ["books", "mail.example.org", "web"]);
    let mail = snapshot.by_name("mail.example.org").unwrap().unwrap();
    assert_eq!(mail.guest.memory_kib, 512 << 10);
    assert_eq!(mail.guest.interfaces[0].mac.unwrap().to_string(), "00:16:3e:0a:0b:0c");
    assert_eq!(mail.said.uuid, None);
    assert!(mail.uuid_is_derived && mail.uuid.get_version_num() == 5);

    // What the file leaves open is made up, the same each time and by each process.
    let books = snapshot.by_name("books").unwrap().unwrap();
    assert_eq!(books.said.interfaces[1].mac, None);
    let macs: Vec<_> = books.guest.interfaces.iter().map(|interface| interface.mac.unwrap()).collect();
    assert_ne!(macs[0], macs[1]);
    let again = folder.store().read().unwrap();
    for (one, other) in snapshot.entries.iter().zip(&again.entries) {
        assert_eq!((one.uuid, &one.guest), (other.uuid, &other.guest));
    }
    // By whatever path the folder is reached.
    let link = folder.path("auto/here");
    fs::create_dir_all(link.parent().unwrap()).unwrap();
    symlink(folder.path(""), &link).unwrap();
    let through_link = Store::new(&link, Log::default()).read().unwrap();
    assert_eq!(through_link.by_name("books").unwrap().unwrap().uuid, books.uuid);
}

#[test]
fn files_of_other_kinds_are_left_alone() {
    let folder = Folder::new("skipped");
    for name in
        ["a.cfg~", "a.cfg.bak", ".a.cfg", "xlexample.pv", "xl.conf", "a.cfg.dpkg-dist", "#a.cfg#", "cpupool"]
    {
        folder.write(name, "name = 'a'\nkernel = '/k'\nmemory = 64\n");
    }
    folder.write("qemu-ifup", "#!/bin/sh\nexec brctl addif \"$2\" $1\n");
    folder.write("notes", "do not forget the milk");
    folder.write("scripts/vif.cfg", "name = 'a'\n");
    let snapshot = folder.store().read().unwrap();
    assert!(snapshot.entries.is_empty() && snapshot.problems.is_empty(), "{snapshot:?}");
}

#[test]
fn a_broken_file_is_reported_with_its_place_and_hides_nothing() {
    let folder = Folder::new("broken");
    let said: Arc<parking_lot::Mutex<Vec<String>>> = Arc::default();
    let sink = said.clone();
    let store = Store::new(&folder.0.0, Log::to(move |_, line| sink.lock().push(line.to_owned())));
    define(&store, &guest("good", 1)).unwrap();
    folder.write("bad.cfg", "name = 'bad'\nmemory = 64\ndisk = [ 'x'\nkernel = '/k'\n");
    folder.write("nameless.cfg", "memory = 64\nkernel = '/k'\n");
    fs::write(folder.path("latin.cfg"), b"# gr\xfc\xdfe\nname = 'latin'\n").unwrap();
    folder.write("huge.cfg", &"#".repeat((1 << 20) + 1));
    folder.write("folder.cfg/x", "");
    symlink("/dev/zero", folder.path("device.cfg")).unwrap();
    symlink("/no/such/file", folder.path("dangling.cfg")).unwrap();
    symlink("loop.cfg", folder.path("loop.cfg")).unwrap();
    fs::write(
        folder.path("").join(<std::ffi::OsStr as std::os::unix::ffi::OsStrExt>::from_bytes(b"\xff.cfg")),
        "",
    )
    .unwrap();
    let fifo = Command::new("mkfifo").arg(folder.path("pipe.cfg")).status();
    assert!(fifo.unwrap().success());

    let start = Instant::now();
    let snapshot = store.read().unwrap();
    assert!(start.elapsed() < Duration::from_secs(20), "something was waited for");
    assert_eq!(names(&store), ["good"]);
    let messages: Vec<&str> = snapshot.problems.iter().map(|p| p.error.message.as_str()).collect();
    assert_eq!(messages.len(), 10, "{messages:#?}");
    refused(snapshot.by_name("bad"), Status::InvalidConfig, &["bad.cfg", "line ", "column "]);
    refused(snapshot.by_name("nameless"), Status::InvalidConfig, &["nameless.cfg", "name"]);
    refused(snapshot.by_name("latin"), Status::InvalidConfig, &["latin.cfg", "UTF-8"]);
    refused(snapshot.by_name("huge"), Status::InvalidConfig, &["huge.cfg", "1048576 bytes"]);
    for name in ["folder", "device", "pipe"] {
        refused(snapshot.by_name(name), Status::InvalidConfig, &[name, "regular file"]);
    }
    refused(snapshot.by_name("dangling"), Status::InvalidConfig, &["dangling.cfg", "not there"]);
    assert!(snapshot.by_name("good").unwrap().is_some() && snapshot.by_name("other").unwrap().is_none());

    // Each is told once, for as long as it stays as it is.
    assert_eq!(said.lock().len(), 10);
    store.read().unwrap();
    assert_eq!(said.lock().len(), 10);

    // None of them is overwritten.
    let before = folder.text("bad.cfg");
    for name in ["bad", "dangling", "folder", "pipe"] {
        refused(define(&store, &guest(name, 2)), Status::InvalidConfig, &[name]);
    }
    refused(define(&store, &guest("bad", 1)), Status::InvalidConfig, &["bad.cfg", "line "]);
    assert_eq!((folder.text("bad.cfg"), names(&store)), (before, vec!["good".to_owned()]));

    // Mended, it counts at once.
    folder.write("bad.cfg", "name = 'bad'\nmemory = 64\nkernel = '/k'\n");
    assert_eq!(names(&store), ["bad", "good"]);
}

#[test]
fn an_unchanged_folder_is_not_read_again_and_every_change_is_seen() {
    let folder = Folder::new("cache");
    let store = folder.store();
    for number in 1..=9 {
        folder.write(&format!("d{number}.cfg"), &format!("name = 'd{number}'\nmemory = 1\nkernel = '/k'\n"));
    }
    let first = store.read().unwrap();
    assert!(Arc::ptr_eq(&first, &store.read().unwrap()));
    // Changes that leave the size as it is, as quickly as they can be made: no time stamp can tell them.
    for round in 0..50 {
        folder.write("d1.cfg", &format!("name = 'x{}'\nmemory = 1\nkernel = '/k'\n", round % 10));
        let snapshot = store.read().unwrap();
        assert!(snapshot.by_name(&format!("x{}", round % 10)).unwrap().is_some(), "round {round}");
    }
    // Old files are known by their stamps alone.
    std::thread::sleep(Duration::from_secs(4));
    let settled = store.read().unwrap();
    assert!(Arc::ptr_eq(&settled, &store.read().unwrap()));
    fs::remove_file(folder.path("d2.cfg")).unwrap();
    folder.write("d3.cfg", "name = 'three'\n memory = 1\n");
    assert!(store.read().unwrap().by_name("d2").unwrap().is_none());
    assert!(store.read().unwrap().by_name("three").unwrap().is_some());
    assert_eq!(store.read().unwrap().entries.len(), 8);
}

#[test]
fn what_somebody_wrote_by_hand_survives_a_new_definition() {
    let folder = Folder::new("by-hand");
    let path = folder.write("accounting", BY_HAND);
    fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
    let is_root = chown(&path, Some(12), Some(34)).is_ok();
    if !is_root {
        eprintln!("not root: that a file keeps its owner is not tried");
    }
    let store = folder.store();
    let known = store.read().unwrap().by_name("books").unwrap().unwrap().clone();
    let mut guest = Guest::clone(&known.guest);
    guest.memory_kib = 2048 << 10;
    guest.max_memory_kib = 2048 << 10;
    guest.title = Some("accounting".into());
    let defined = define(&store, &guest).unwrap();
    assert_eq!((&defined.path, defined.uuid, defined.uuid_is_derived), (&path, known.uuid, false));
    let text = folder.text("accounting");
    for kept in ["ask Petra", "device_model_stubdomain_override", "/srv/books.qcow2"] {
        assert!(text.contains(kept), "'{kept}' is lost:\n{text}");
    }
    assert_eq!(defined.guest.memory_kib, 2048 << 10);
    for name in ["accounting", "accounting.xenith"] {
        let file = fs::metadata(folder.path(name)).unwrap();
        assert_eq!(file.mode() & 0o7777, 0o640, "{name}");
        assert!(!is_root || (file.uid(), file.gid()) == (12, 34), "{name}");
    }
    // The same once more changes nothing, not even a time stamp.
    let before = fs::metadata(&path).unwrap();
    define(&store, &guest).unwrap();
    let after = fs::metadata(&path).unwrap();
    assert_eq!((before.ino(), before.ctime_nsec()), (after.ino(), after.ctime_nsec()));
}

#[test]
fn a_link_stays_a_link_and_its_target_is_what_is_written() {
    let folder = Folder::new("link");
    let target = folder.write("kept/config", "# mine\nname = 'web'\nmemory = 64\nkernel = '/k'\n");
    symlink("kept/config", folder.path("web.cfg")).unwrap();
    let store = folder.store();
    let mut guest = Guest::clone(&store.read().unwrap().entries[0].guest);
    guest.memory_kib = 128 << 10;
    guest.max_memory_kib = 128 << 10;
    define(&store, &guest).unwrap();
    assert!(fs::read_to_string(&target).unwrap().contains("# mine"));
    assert_eq!(folder.path("web.cfg").read_link().unwrap(), Path::new("kept/config"));
    assert_eq!(fs::read_dir(folder.path("kept")).unwrap().count(), 1);

    guest.name = "shop".into();
    define(&store, &guest).unwrap();
    assert_eq!(folder.path("shop.cfg").read_link().unwrap(), Path::new("kept/config"));
    assert!(!folder.has("web.cfg"));
    assert_eq!(names(&store), ["shop"]);
    store.undefine(guest.uuid.unwrap(), soon()).unwrap();
    assert!(target.exists() && !folder.has("shop.cfg"));
}

#[test]
fn a_new_name_moves_the_file_with_all_that_belongs_to_it() {
    let folder = Folder::new("rename");
    let store = folder.store();
    let mut web = guest("web", 1);
    web.title = Some("title".into());
    define(&store, &web).unwrap();
    store.set_autostart(uuid(1), true, soon()).unwrap();
    folder.write("web.cfg", &format!("# by hand\n{}", folder.text("web.cfg")));
    web.name = "shop".into();
    define(&store, &web).unwrap();
    let all = folder.all();
    assert_eq!(all.keys().collect::<Vec<_>>(), ["auto/shop.cfg", "shop.cfg", "shop.cfg.xenith"]);
    assert!(all["shop.cfg"].starts_with("# by hand\n"));
    assert_eq!(all["auto/shop.cfg"], format!("-> {}", folder.path("shop.cfg").display()));
    let snapshot = store.read().unwrap();
    assert_eq!(snapshot.entries[0].guest.title, web.title);
    assert!(snapshot.by_name("web").unwrap().is_none() && store.autostart(uuid(1)).unwrap());

    // A file that somebody gave a name of its own keeps that.
    fs::rename(folder.path("shop.cfg"), folder.path("production.cfg")).unwrap();
    web.name = "store".into();
    assert_eq!(define(&store, &web).unwrap().path, folder.path("production.cfg"));
}

#[test]
fn a_name_or_file_that_another_domain_has_is_not_taken() {
    let folder = Folder::new("clash");
    let store = folder.store();
    define(&store, &guest("web", 1)).unwrap();
    define(&store, &guest("shop", 2)).unwrap();
    let before = folder.all();
    refused(define(&store, &guest("web", 3)), Status::Exists, &["web.cfg", "00000001"]);
    refused(define(&store, &guest("web", 2)), Status::Exists, &["web.cfg", "00000001"]);
    assert_eq!(folder.all(), before);

    // A file can be called after one domain and be another's.
    folder.write("mail.cfg", "name = 'post'\nmemory = 64\nkernel = '/k'\n");
    let mail = define(&store, &guest("mail", 0x1234abcd << 96)).unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(mail.path, folder.path("mail.1234abcd.cfg"));
    assert_eq!(names(&store), ["mail", "post", "shop", "web"]);
    // What stands there that is no domain at all is in the way as well.
    folder.write("list", "milk");
    assert_eq!(define(&store, &guest("list", 9)).unwrap().path, folder.path("list.cfg"));
}

#[test]
fn names_that_make_no_file_name_are_kept_under_the_uuid() {
    let folder = Folder::new("odd-names");
    let store = folder.store();
    let long = "l".repeat(255);
    let odd = [".hidden", "-rf", "xlexample", &long, "a b 'c' \"d\"", "größe", "x~", "#x#"];
    for (number, name) in (1..).zip(odd) {
        let entry = define(&store, &guest(name, number)).unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(entry.guest.name, *name);
    }
    let snapshot = folder.store().read().unwrap();
    assert!(snapshot.problems.is_empty(), "{:?}", snapshot.problems);
    for name in odd {
        assert!(snapshot.by_name(name).unwrap().is_some(), "{name}");
    }
    for (name, number) in [("..", 20), ("a/b", 21), ("", 22), ("tab\t", 23)] {
        refused(
            define(&store, &Guest { name: name.into(), ..guest("x", number) }),
            Status::InvalidConfig,
            &[],
        );
    }
    for (number, _) in (1..).zip(odd) {
        store.undefine(uuid(number), soon()).unwrap();
    }
    assert!(folder.all().is_empty());
}

#[test]
fn of_files_that_claim_one_uuid_the_newer_counts_and_of_one_name_both() {
    let folder = Folder::new("twins");
    let store = folder.store();
    define(&store, &guest("web", 1)).unwrap();
    let copy = folder.text("web.cfg").replace("'web'", "'copy'").replace("\"web\"", "\"copy\"");
    let old = fs::File::options().write(true).open(folder.path("web.cfg")).unwrap();
    old.set_modified(std::time::SystemTime::now() - Duration::from_secs(60)).unwrap();
    folder.write("copy.cfg", &copy);
    let snapshot = store.read().unwrap();
    assert_eq!(names(&store), ["copy"]);
    assert_eq!(snapshot.problems.len(), 1);
    refused(snapshot.by_name("web"), Status::InvalidConfig, &["web.cfg", "copy.cfg", "newer"]);
    // Nobody's file is removed on a guess.
    refused(store.undefine(uuid(1), soon()), Status::InvalidConfig, &["web.cfg", "copy.cfg"]);
    define(&store, &guest("copy", 1)).unwrap();
    assert!(folder.has("web.cfg") && folder.has("copy.cfg"));
    fs::remove_file(folder.path("copy.cfg")).unwrap();
    assert_eq!(names(&store), ["web"]);

    folder.write("other.cfg", "name = 'web'\nmemory = 64\nkernel = '/k'\n");
    let snapshot = store.read().unwrap();
    assert_eq!((snapshot.entries.len(), snapshot.problems.len()), (2, 2));
    refused(snapshot.by_name("web"), Status::InvalidConfig, &["web.cfg", "other.cfg"]);
    // A file that goes by two names is one domain.
    fs::remove_file(folder.path("other.cfg")).unwrap();
    symlink("web.cfg", folder.path("alias.cfg")).unwrap();
    fs::hard_link(folder.path("web.cfg"), folder.path("same")).unwrap();
    let snapshot = store.read().unwrap();
    assert_eq!((snapshot.entries.len(), snapshot.problems.len()), (1, 0), "{snapshot:?}");
    define(&store, &Guest { memory_kib: 4096, max_memory_kib: 4096, ..guest("web", 1) }).unwrap();
    let snapshot = store.read().unwrap();
    assert_eq!((snapshot.entries.len(), snapshot.problems.len()), (1, 0), "{snapshot:?}");
    store.undefine(uuid(1), soon()).unwrap();
    assert!(folder.all().is_empty(), "{:?}", folder.all());
}

#[test]
fn a_sidecar_counts_only_for_its_own_domain() {
    let folder = Folder::new("sidecar");
    let store = folder.store();
    define(&store, &Guest { title: Some("first".into()), ..guest("web", 1) }).unwrap();
    let first = folder.text("web.cfg.xenith");
    assert!(first.contains("00000000-0000-0000-0000-000000000001"));
    // Somebody puts another domain's file in its place.
    folder.write("web.cfg", "name = 'web'\nmemory = 64\nkernel = '/k'\n");
    assert_eq!(store.read().unwrap().entries[0].guest.title, None);
    folder.write("web.cfg.xenith", "<xenith uuid=");
    let snapshot = store.read().unwrap();
    assert_eq!((snapshot.entries.len(), snapshot.problems.len()), (1, 1));
    assert!(snapshot.problems[0].error.message.contains("line 1"), "{:?}", snapshot.problems);
    assert!(snapshot.by_name("web").unwrap().is_some());
    // Left behind alone, it does not give a new domain its title.
    fs::remove_file(folder.path("web.cfg")).unwrap();
    folder.write("web.cfg.xenith", &first);
    assert_eq!(define(&store, &guest("web", 1)).unwrap().guest.title, None);
    assert!(!folder.has("web.cfg.xenith"));
}

#[test]
fn autostart_is_the_link_that_xendomains_reads() {
    let folder = Folder::new("autostart");
    let store = folder.store();
    define(&store, &guest("web", 1)).unwrap();
    define(&store, &guest("shop", 2)).unwrap();
    assert!(!store.autostart(uuid(1)).unwrap());
    store.set_autostart(uuid(1), true, soon()).unwrap();
    store.set_autostart(uuid(1), true, soon()).unwrap();
    assert_eq!(folder.path("auto/web.cfg").read_link().unwrap(), folder.path("web.cfg"));
    // Those that administrators made: relative, under other names, hard.
    symlink("../web.cfg", folder.path("auto/10-web")).unwrap();
    symlink("../shop.cfg", folder.path("auto/20-shop")).unwrap();
    fs::hard_link(folder.path("web.cfg"), folder.path("auto/hard")).unwrap();
    folder.write("auto/own.cfg", "name = 'own'\n");
    symlink("/no/such", folder.path("auto/dangling")).unwrap();
    assert!(store.autostart(uuid(2)).unwrap());

    // They survive a definition, which replaces the file.
    define(&store, &Guest { memory_kib: 4096, max_memory_kib: 4096, ..guest("web", 1) }).unwrap();
    assert!(store.autostart(uuid(1)).unwrap());
    assert!(folder.has("auto/10-web") && !folder.has("auto/hard"), "a hard link would be the old text");
    store.set_autostart(uuid(1), false, soon()).unwrap();
    assert!(!store.autostart(uuid(1)).unwrap() && store.autostart(uuid(2)).unwrap());
    let left: Vec<_> = folder.all().into_keys().filter(|name| name.starts_with("auto/")).collect();
    assert_eq!(left, ["auto/20-shop", "auto/dangling", "auto/own.cfg"]);

    // A name that is taken there is not overwritten.
    folder.write("auto/web.cfg", "mine");
    store.set_autostart(uuid(1), true, soon()).unwrap();
    assert!(store.autostart(uuid(1)).unwrap() && folder.text("auto/web.cfg") == "mine");

    for number in [1, 2] {
        store.undefine(uuid(number), soon()).unwrap();
    }
    let left: Vec<_> = folder.all().into_keys().collect();
    assert_eq!(left, ["auto/dangling", "auto/own.cfg", "auto/web.cfg"]);

    // A link that was left without its file does not start a new domain of that name.
    symlink(folder.path("new.cfg"), folder.path("auto/new.cfg")).unwrap();
    define(&store, &guest("new", 3)).unwrap();
    assert!(!store.autostart(uuid(3)).unwrap());
}

#[test]
fn a_live_domain_is_found_by_uuid_and_a_file_without_one_by_name() {
    let folder = Folder::new("lives");
    let store = folder.store();
    define(&store, &guest("web", 1)).unwrap();
    folder.write("books.cfg", BY_HAND);
    let snapshot = store.read().unwrap();
    let books = snapshot.by_name("books").unwrap().unwrap();
    let none = |_: Uuid| false;
    let of = |uuid, name, is_alive: &dyn Fn(Uuid) -> bool| {
        snapshot.of_live(uuid, name, is_alive).map(|entry| entry.guest.name.clone())
    };
    // By its uuid whatever it is called now, by name only where the file leaves the uuid open.
    assert_eq!(of(uuid(1), Some("renamed"), &none).as_deref(), Some("web"));
    assert_eq!(of(uuid(1), None, &none).as_deref(), Some("web"));
    assert_eq!(of(uuid(7), Some("web"), &none), None);
    assert_eq!(of(uuid(7), Some("books"), &none).as_deref(), Some("books"));
    assert_eq!(of(uuid(7), Some("books"), &|uuid| uuid == books.uuid), None);
    assert_eq!(of(Uuid::nil(), Some("books"), &none), None);

    let of_all = snapshot.lives([(Uuid::nil(), Some("Domain-0")), (uuid(7), Some("books")), (uuid(8), None)]);
    assert_eq!((of_all.entries, of_all.inactive), (vec![None, Some(0), None], vec![1]));
    let of_all = snapshot.lives([(uuid(7), Some("books")), (books.uuid, Some("renamed")), (uuid(1), None)]);
    assert_eq!((of_all.entries, of_all.inactive), (vec![None, Some(0), Some(1)], vec![]));

    // Defined as it lives, the file has that uuid from then on.
    let known = books.uuid;
    let lives_as = Guest { uuid: Some(uuid(7)), ..Guest::clone(&books.guest) };
    refused(define(&store, &lives_as), Status::Exists, &["books.cfg"]);
    let defined = store.define_as(known, &lives_as, soon()).unwrap();
    assert_eq!((defined.uuid, defined.uuid_is_derived), (uuid(7), false));
    assert_eq!(store.read().unwrap().entries.len(), 2);
    // Never of one that says it itself.
    let other = Guest { uuid: Some(uuid(9)), ..lives_as };
    refused(store.define_as(uuid(7), &other, soon()), Status::Exists, &["books.cfg"]);
}

// What goes wrong while a file is written.

#[test]
fn what_killed_writers_left_is_no_domain_and_goes_with_the_next_change() {
    let folder = Folder::new("left");
    let store = folder.store();
    define(&store, &guest("web", 1)).unwrap();
    // Killed before the new file was put in place.
    let left = format!(".xenith.{}.cfg.new", uuid(1).simple());
    folder.write(&left, "name = 'half");
    folder.write(&format!(".xenith.{}.xml.new", uuid(2).simple()), "<xen");
    assert_eq!(names(&folder.store()), ["web"]);
    // Killed after a file was renamed, before it was written: it says what it said.
    fs::rename(folder.path("web.cfg"), folder.path("shop.cfg")).unwrap();
    symlink(folder.path("shop.cfg"), folder.path("auto/shop.cfg")).unwrap_or_else(|_| {
        fs::create_dir(folder.path("auto")).unwrap();
        symlink(folder.path("shop.cfg"), folder.path("auto/shop.cfg")).unwrap();
    });
    symlink(folder.path("web.cfg"), folder.path("auto/web.cfg")).unwrap();
    assert_eq!(names(&store), ["web"]);
    assert!(store.autostart(uuid(1)).unwrap());
    define(&store, &guest("shop", 1)).unwrap();
    assert_eq!(names(&store), ["shop"]);
    assert!(!folder.has(&left), "{:?}", folder.all());
    // Killed after the file was removed, before its sidecar and link were.
    folder.write("old.cfg.xenith", &format!("<xenith uuid='{}'><title>old</title></xenith>", uuid(5)));
    symlink(folder.path("old.cfg"), folder.path("auto/old.cfg")).unwrap();
    assert_eq!(names(&store), ["shop"]);
    let old = define(&store, &guest("old", 5)).unwrap();
    assert_eq!((old.guest.title.clone(), store.autostart(uuid(5)).unwrap()), (None, false));
}

#[test]
fn a_new_name_that_a_killed_writer_began_is_taken_back_with_the_next_change() {
    let folder = Folder::new("half-renamed");
    let store = folder.store();
    define(&store, &Guest { title: Some("shop of old".into()), ..guest("shop", 1) }).unwrap();
    store.set_autostart(uuid(1), true, soon()).unwrap();
    let said = folder.text("shop.cfg");
    // Killed after the file was renamed, before it was written: what it was to say is still beside it.
    define(&store, &guest("web", 1)).unwrap();
    let meant = folder.text("web.cfg");
    folder.write("web.cfg", &said);
    folder.write(&format!(".xenith.{}.cfg.new", uuid(1).simple()), &meant);
    assert_eq!(names(&store), ["shop"]);

    // Any change of any domain sets the name right, so that a new domain finds its own name free.
    define(&store, &guest("web", 2)).unwrap();
    assert_eq!(names(&store), ["shop", "web"]);
    assert_eq!(
        (folder.text("shop.cfg"), folder.has("web.00000000.cfg")),
        (said.clone(), false),
        "{:?}",
        folder.all()
    );
    assert!(store.autostart(uuid(1)).unwrap() && !store.autostart(uuid(2)).unwrap(), "{:?}", folder.all());

    // A file that somebody named otherwise keeps its name, whatever a killed writer left.
    fs::rename(folder.path("shop.cfg"), folder.path("production.cfg")).unwrap();
    folder.write(&format!(".xenith.{}.cfg.new", uuid(1).simple()), &meant);
    folder.write(&format!(".xenith.{}.cfg.new", uuid(2).simple()), "name = 'half");
    define(&store, &guest("mail", 3)).unwrap();
    assert_eq!((folder.text("production.cfg"), names(&store).len()), (said, 3), "{:?}", folder.all());
}

#[test]
fn a_writer_that_is_killed_at_any_moment_leaves_the_old_or_the_new() {
    let folder = Folder::new("kill");
    let store = folder.store();
    define(&store, &guest("web", 1)).unwrap();
    store.set_autostart(uuid(1), true, soon()).unwrap();
    let ends = Instant::now() + Duration::from_secs(8);
    let mut round = 0;
    while Instant::now() < ends || round < 10 {
        let mut child = start("redefine", &folder, &[]);
        // From before it begins to long after: the time is only a source of variety.
        std::thread::sleep(Duration::from_micros(20_000 + round * 7919 % 60_000));
        child.kill().unwrap();
        child.wait().unwrap();
        let snapshot = folder.store().read().unwrap();
        assert!(snapshot.problems.is_empty(), "round {round}: {:?}", snapshot.problems);
        let [entry] = snapshot.entries.as_slice() else { panic!("round {round}: {snapshot:?}") };
        // Title and memory are changed together; a title that is ahead of its file is the one thing between.
        assert!(["web", "shop"].contains(&entry.guest.name.as_str()));
        let lines = entry.text.lines().count();
        assert!(lines > 3 && entry.guest.interfaces.len() == 1, "round {round}: {}", entry.text);
        assert!(store.autostart(uuid(1)).unwrap(), "round {round}: {:?}", folder.all());
        let name = if round % 2 == 0 { "web" } else { "shop" };
        let defined = define(&store, &guest(name, 1)).unwrap();
        assert_eq!(defined.guest.name, name);
        let left: Vec<_> = folder.all().into_keys().filter(|name| !name.starts_with("auto/")).collect();
        assert_eq!(left, [format!("{name}.cfg")], "round {round}");
        round += 1;
    }
}

#[test]
fn of_two_programs_that_define_one_name_at_once_exactly_one_does() {
    let folder = Folder::new("race");
    for round in 0..5 {
        let children: Vec<Child> = (1..=4)
            .map(|number| start("claim", &folder, &[("NUMBER", &format!("{}", number + round * 10))]))
            .collect();
        let codes: Vec<_> = children.into_iter().map(|mut child| child.wait().unwrap().code()).collect();
        assert_eq!(codes.iter().filter(|code| **code == Some(0)).count(), 1, "{codes:?}");
        assert_eq!(codes.iter().filter(|code| **code == Some(CLAIMED)).count(), 3, "{codes:?}");
        let store = folder.store();
        let snapshot = store.read().unwrap();
        assert_eq!((snapshot.entries.len(), snapshot.problems.len()), (1, 0), "{snapshot:?}");
        store.undefine(snapshot.entries[0].uuid, soon()).unwrap();
    }
    // Threads of one process as well; and all that define the same domain succeed.
    let store = folder.store();
    std::thread::scope(|scope| {
        let threads: Vec<_> = (0..8)
            .map(|at| {
                let store = &store;
                scope.spawn(move || define(store, &guest("web", 1 + at % 2)).map_err(|error| error.status))
            })
            .collect();
        let results: Vec<_> = threads.into_iter().map(|thread| thread.join().unwrap()).collect();
        assert_eq!(results.iter().filter(|result| result.is_ok()).count(), 4);
        assert!(
            results.iter().all(|result| result.as_ref().err().is_none_or(|status| *status == Status::Exists))
        );
    });
}

#[test]
fn a_reader_never_misses_a_domain_that_is_renamed_meanwhile() {
    let folder = Folder::new("reader");
    define(&folder.store(), &guest("web", 1)).unwrap();
    for number in 2..40 {
        define(&folder.store(), &guest(&format!("other{number}"), number)).unwrap();
    }
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let store = folder.store();
            let defined = (0..150).try_for_each(|round| {
                define(&store, &guest(["web", "shop", "mail"][round % 3], 1)).map(drop)
            });
            done.store(true, Ordering::Release);
            defined.unwrap();
        });
        let store = folder.store();
        while !done.load(Ordering::Acquire) {
            let snapshot = store.read().unwrap();
            assert!(snapshot.by_uuid(uuid(1)).is_some());
            assert_eq!((snapshot.entries.len(), snapshot.problems.len()), (39, 0), "{:?}", snapshot.problems);
        }
    });
}

#[test]
fn a_lock_that_others_hold_is_waited_for_until_the_deadline() {
    let folder = Folder::new("lock");
    let store = folder.store();
    define(&store, &guest("web", 1)).unwrap();
    let before = folder.all();
    let lock = fs::File::options().write(true).open(folder.path(".xenith.lock")).unwrap();
    lock.lock().unwrap();
    let brief = || Deadline::after(Duration::from_millis(50));
    refused(store.define(&guest("web", 2), brief()), Status::Timeout, &[".xenith.lock"]);
    refused(store.undefine(uuid(1), brief()), Status::Timeout, &[".xenith.lock"]);
    refused(store.set_autostart(uuid(1), true, brief()), Status::Timeout, &[".xenith.lock"]);
    // Readers need none.
    assert_eq!(names(&store), ["web"]);
    assert_eq!(folder.all(), before);
    // One that was removed under its holder keeps nobody out, nor two in.
    fs::remove_file(folder.path(".xenith.lock")).unwrap();
    define(&store, &guest("shop", 2)).unwrap();
}

#[test]
fn on_a_full_disk_all_is_as_it_was() {
    let folder = Folder::new("full");
    let script = "mount -t tmpfs -o size=128k none \"$1\" && exec env XENITH_STORE_ROLE=full \"$0\" --exact process_that_has_a_role --nocapture";
    let program = std::env::current_exe().unwrap();
    let mut unshare = Command::new("unshare");
    unshare
        .args(["-rm", "sh", "-c", script])
        .arg(program)
        .arg(&folder.0.0)
        .env("XENITH_STORE_FOLDER", &folder.0.0);
    let output = unshare.output();
    match output {
        Ok(output) if output.status.code() == Some(0) => {
            assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
        }
        Ok(output) if output.status.code() == Some(101) => {
            panic!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        }
        other => eprintln!(
            "a file system of one's own cannot be mounted here: a full disk is not tried: {other:?}"
        ),
    }
}

#[test]
fn a_file_that_may_not_grow_leaves_all_as_it_was() {
    let folder = Folder::new("limit");
    let script = "trap '' XFSZ; ulimit -f 8; exec env XENITH_STORE_ROLE=limit \"$0\" --exact process_that_has_a_role --nocapture";
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("XENITH_STORE_FOLDER", &folder.0.0)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
}

#[test]
fn who_may_not_write_is_told_so_and_who_may_not_read_as_well() {
    let folder = Folder::new("rights");
    let store = folder.store();
    define(&store, &guest("secret", 1)).unwrap();
    folder.write("open.cfg", "name = 'open'\nmemory = 64\nkernel = '/k'\n");
    fs::set_permissions(folder.path(""), fs::Permissions::from_mode(0o755)).unwrap();
    let copy = std::env::temp_dir().join(format!("xenith-store-test-{}", std::process::id()));
    fs::copy(std::env::current_exe().unwrap(), &copy).unwrap();
    let output = Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&copy)
        .args(["--exact", "process_that_has_a_role", "--nocapture"])
        .env("XENITH_STORE_ROLE", "nobody")
        .env("XENITH_STORE_FOLDER", &folder.0.0)
        .current_dir("/")
        .output();
    let _ = fs::remove_file(&copy);
    match output {
        Ok(output) if output.status.code() == Some(0) => {
            assert!(String::from_utf8_lossy(&output.stdout).contains("1 passed"));
        }
        Ok(output) if output.status.code() == Some(101) => {
            panic!("{}\n{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
        }
        other => eprintln!("another user's rights cannot be had here: they are not tried: {other:?}"),
    }
}

/// How a process ends whose name was taken.
const CLAIMED: i32 = 41;

fn start(role: &str, folder: &Folder, variables: &[(&str, &str)]) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "process_that_has_a_role", "--nocapture"])
        .env("XENITH_STORE_ROLE", role)
        .env("XENITH_STORE_FOLDER", &folder.0.0)
        .envs(variables.iter().copied())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap()
}

#[test]
fn process_that_has_a_role() {
    let Ok(role) = std::env::var("XENITH_STORE_ROLE") else { return };
    let folder = PathBuf::from(std::env::var("XENITH_STORE_FOLDER").unwrap());
    let store = store(&folder);
    match role.as_str() {
        "redefine" => loop {
            for (name, title) in [("shop", None), ("shop", Some("a")), ("web", Some("b")), ("web", None)] {
                let title = title.map(str::to_owned);
                define(&store, &Guest { title, ..guest(name, 1) }).unwrap();
            }
        },
        "claim" => {
            let number = std::env::var("NUMBER").unwrap().parse().unwrap();
            match define(&store, &guest("web", number)) {
                Ok(_) => {}
                Err(error) if error.status == Status::Exists => std::process::exit(CLAIMED),
                Err(error) => panic!("{error}"),
            }
        }
        "full" => full_disk(&store, &folder),
        "limit" => {
            define(&store, &guest("web", 1)).unwrap();
            let mut long = guest("web", 1);
            long.os.cmdline = Some("x".repeat(30_000));
            refused(define(&store, &long), Status::OperationFailed, &["web.cfg", "as it was"]);
            refused(
                define(&store, &Guest { name: "new".into(), uuid: Some(uuid(2)), ..long }),
                Status::OperationFailed,
                &["new.cfg"],
            );
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 2, "the file and the lock");
            assert_eq!(store.read().unwrap().entries[0].guest.os.cmdline, None);
        }
        "nobody" => {
            let snapshot = store.read().unwrap();
            assert!(snapshot.by_name("open").unwrap().is_some());
            refused(snapshot.by_name("secret"), Status::AccessDenied, &["secret.cfg", "run as root"]);
            let path = folder.display().to_string();
            refused(define(&store, &guest("new", 2)), Status::AccessDenied, &[&path, "run as root"]);
            refused(store.undefine(uuid(1), soon()), Status::AccessDenied, &[&path, "run as root"]);
            assert_eq!(fs::read_dir(&folder).unwrap().count(), 3);
        }
        other => panic!("no such role: {other}"),
    }
}

/// Fills the disk to the last byte, then lets it have room in small steps: whatever fails leaves the old.
fn full_disk(store: &Store, folder: &Path) {
    define(store, &Guest { title: Some("old".into()), ..guest("web", 1) }).unwrap();
    store.set_autostart(uuid(1), true, soon()).unwrap();
    let fill = |name: &str| {
        let mut file = fs::File::create(folder.join(name)).unwrap();
        while std::io::Write::write_all(&mut file, &[b'x'; 4096]).is_ok() {}
    };
    fill(".fill");
    let mut new = Guest { title: Some("new".into()), ..guest("shop", 1) };
    new.os.cmdline = Some("x".repeat(20_000));
    let mut failures = 0;
    for room in 0..20 {
        let before: Vec<_> = listing(folder);
        match define(store, &new) {
            Ok(_) => break,
            Err(error) => {
                assert_eq!(
                    (error.status, error.errno),
                    (Status::OperationFailed, Some(28)),
                    "room {room}: {error}"
                );
                assert!(error.message.contains("make room"), "{error}");
            }
        }
        failures += 1;
        assert_eq!(listing(folder), before, "room {room}");
        let snapshot = store.read().unwrap();
        let entry = snapshot.by_name("web").unwrap().unwrap();
        assert_eq!((entry.guest.title.as_deref(), &entry.guest.os.cmdline), (Some("old"), &None));
        assert!(store.autostart(uuid(1)).unwrap());
        let file = fs::File::options().write(true).open(folder.join(".fill")).unwrap();
        file.set_len(file.metadata().unwrap().len().saturating_sub(4096)).unwrap();
    }
    assert!(failures >= 4, "the disk was full for long enough: {failures}");
    let snapshot = store.read().unwrap();
    assert_eq!(snapshot.by_name("shop").unwrap().unwrap().guest.title.as_deref(), Some("new"));
    assert!(store.autostart(uuid(1)).unwrap());
    // What is forgotten needs no room.
    fill(".fill2");
    store.undefine(uuid(1), soon()).unwrap();
}

fn listing(folder: &Path) -> Vec<(String, u64)> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
    let mut all: Vec<_> = entries
        .map(|entry| (entry.file_name().into_string().unwrap(), entry.metadata().unwrap().len()))
        .collect();
    all.retain(|(name, _)| name != ".fill");
    all.sort();
    all
}
