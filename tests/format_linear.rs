//! Time and memory of each reader grow with the length of its input, whatever the input is: compared between 64 KiB and 1 MiB of the same
//! adversarial text. A reader that looks at all that it has read for each new thing would take 256 times as long, and not 16 times.
//!
//! `unsafe` here: an allocator that counts, and the thread's own clock, which other processes do not disturb.
#![allow(unsafe_code, clippy::unwrap_used)]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::time::Duration;

use xenith::format::convert::Native;
use xenith::format::sxpr::XendFormat;
use xenith::format::{Examined, libxl_json, xml};

const SMALL: usize = 64 << 10;
const LARGE: usize = 1 << 20;
/// How much longer the large text is.
const LONGER: f64 = (LARGE / SMALL) as f64;
/// How many times more than its share the large text may take.
const SLACK: f64 = 3.0;
/// Below this a measurement is noise.
const NOISE: Duration = Duration::from_micros(500);

thread_local! {
    static LIVE: Cell<i64> = const { Cell::new(0) };
    static MOST: Cell<i64> = const { Cell::new(0) };
}

fn count(bytes: i64) {
    let live = LIVE.with(|live| {
        live.set(live.get() + bytes);
        live.get()
    });
    MOST.with(|most| most.set(most.get().max(live)));
}

struct Counting;

// SAFETY: everything is the system allocator's; counting touches thread-locals without destructors.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count(layout.size() as i64);
        // SAFETY: the caller's promise is passed on.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        count(-(layout.size() as i64));
        // SAFETY: the caller's promise is passed on.
        unsafe { System.dealloc(at, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The processor's time that this thread has had.
fn thread_time() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the pointer is to a timespec of this frame.
    assert_eq!(unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &mut time) }, 0);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The shortest time of some runs, and the most memory that was held at once.
fn cost(read: &dyn Fn(&str) -> Examined, text: &str, runs: usize) -> (Duration, i64) {
    let mut shortest = Duration::MAX;
    let mut most = 0;
    for _ in 0..runs {
        let held = LIVE.with(Cell::get);
        MOST.with(|most| most.set(held));
        let before = thread_time();
        let examined = read(text);
        shortest = shortest.min(thread_time() - before);
        most = MOST.with(Cell::get) - held;
        drop(examined);
    }
    (shortest.max(NOISE), most.max(1 << 16))
}

/// A text of about so many bytes: a head, a part again and again with its number, a tail.
fn text_of(length: usize, (head, part, tail): (&str, &str, &str)) -> String {
    let mut text = head.to_owned();
    let mut number = 0;
    while text.len() + part.len() + tail.len() + 8 < length {
        match part.split_once('@') {
            Some((before, after)) => text.push_str(&format!("{before}{number}{after}")),
            None => text.push_str(part),
        }
        number += 1;
    }
    text + tail
}

fn check(language: &str, read: &dyn Fn(&str) -> Examined, shapes: &[(&str, &str, &str)]) {
    for shape in shapes {
        let (small, large) = (text_of(SMALL, *shape), text_of(LARGE, *shape));
        let ((small_time, small_most), (large_time, large_most)) =
            (cost(read, &small, 3), cost(read, &large, 1));
        let time = large_time.as_secs_f64() / small_time.as_secs_f64();
        let memory = large_most as f64 / small_most as f64;
        println!(
            "{language}: time {time:.1}, memory {memory:.1} ({large_time:?}, {large_most} bytes): {:?}",
            shape.1
        );
        assert!(time < LONGER * SLACK, "{language}: {small_time:?} and {large_time:?} for {shape:?}");
        assert!(memory < LONGER * SLACK, "{language}: {small_most} and {large_most} bytes for {shape:?}");
        // And not with a factor that makes a file a weapon.
        assert!(large_most < 100 * LARGE as i64, "{language}: {large_most} bytes for {shape:?}");
    }
}

const XML_HEAD: &str =
    "<domain type='xen'><name>g</name><memory>1024</memory><vcpu>4096</vcpu><os><type>hvm</type></os>";

#[test]
fn domain_xml_takes_time_and_memory_by_its_length() {
    let devices = format!("{XML_HEAD}<devices>");
    let in_devices = |part: &'static str| (devices.as_str(), part, "</devices></domain>");
    let in_domain = |part: &'static str| (XML_HEAD, part, "</domain>");
    let pins = format!("{XML_HEAD}<cputune>");
    let metadata = format!("{XML_HEAD}<metadata>");
    let cells = format!("{XML_HEAD}<cpu><numa>");
    let features = format!("{XML_HEAD}<cpu mode='host-passthrough'>");
    let vlans = format!("{XML_HEAD}<devices><interface type='bridge'><vlan>");
    let hosts = format!("{XML_HEAD}<devices><disk type='network'><source protocol='rbd' name='a'>");
    let arguments = format!("{XML_HEAD}<qemu:commandline>");
    check(
        "domain XML",
        &xml::examine,
        &[
            in_devices("<disk><source file='/a'/><target dev='xvda@'/></disk>"),
            in_devices("<disk><source file='/a'/><target dev='hda'/></disk>"),
            in_devices(
                "<interface type='bridge'><mac address='00:16:3e:00:00:01'/><ip address='::1'/></interface>",
            ),
            in_devices("<hostdev type='usb'><source><address bus='1' device='@'/></source></hostdev>"),
            in_devices("<serial type='pty'><target port='@'/></serial>"),
            in_devices("<channel type='pty'><target type='xen' name='a@'/></channel>"),
            in_devices("<redirdev bus='usb' type='spicevmc'/>"),
            in_devices("<controller type='usb'/>"),
            in_devices("<x/>"),
            in_domain("<x a='1' b='2'><y>z</y></x>"),
            in_domain("<name>g</name>"),
            in_domain("&#32;&amp;"),
            in_domain("<x/>&#32;&#32;x"),
            in_domain("<![CDATA[ ]]><!-- x --><?x y?>\n"),
            ("<domain x='", "&#10;\n", "'/>"),
            ("<domain ", "a@='' ", "/>"),
            ("<domain>", "<a>", ""),
            ("", "\n ", "x"),
            (metadata.as_str(), "<a b='c'>&lt;</a>", "</metadata></domain>"),
            (pins.as_str(), "<vcpupin vcpu='@' cpuset='0-4095'/>", "</cputune></domain>"),
            (cells.as_str(), "<cell id='@' memory='1'/>", "</numa></cpu></domain>"),
            (features.as_str(), "<feature name='f@'/>", "</cpu></domain>"),
            (vlans.as_str(), "<tag id='@'/>", "</vlan></interface></devices></domain>"),
            (hosts.as_str(), "<host name='a' port='1'/>", "</source></disk></devices></domain>"),
            (arguments.as_str(), "<qemu:arg value='-a'/>", "</qemu:commandline></domain>"),
        ],
    );
}

#[test]
fn xls_files_take_time_and_memory_by_their_length() {
    let in_key = |part: &'static str| ("name='g'\ntype='hvm'\nvcpus=4096\n", part, "");
    check(
        "xl",
        &|text| Native::Xl.examine(text, XendFormat::V4),
        &[
            in_key("k@=1\n"),
            in_key("a=1;"),
            in_key("a+='x'\n"),
            in_key("# x\n"),
            in_key("disk+=['/a,raw,xvda@,w']\n"),
            in_key("disk+=['/a,raw,xvda,w,trusted']\n"),
            in_key("vif+=['mac=00:16:3e:00:00:01,ip=::1 ::2,x=y']\n"),
            in_key("vif+=['script=vif-openvswitch,bridge=a:1:2:3:4']\n"),
            in_key("pci+=['0:0:0.0,x=@']\n"),
            in_key("usbdev+=['hostbus=1,hostaddr=@']\n"),
            in_key("usbdevice+=['host:1:@']\n"),
            in_key("usbctrl+=['type=qusb']\n"),
            in_key("channel+=['connection=pty,name=a@']\n"),
            in_key("cpus+=['0-4095']\n"),
            in_key("serial+=['none']\n"),
            in_key("device_model_args_hvm+=['-parallel','none']\n"),
            in_key("device_model_args+=['-x']\n"),
            in_key("vnuma+=[['pnode=0','size=1']]\n"),
            in_key("vfb+=['vnc=1,x=y']\n"),
            ("name='g'\nboot='", "c", "'\n"),
            ("name='g'\ncpuid='host", ",f@=1", "'\n"),
            ("name='g'\ntype='hvm'\nvif=['script=vif-openvswitch,bridge=a", ":@", "']\n"),
            ("name='g'\ndisk=['vdev=a,target=rbd:a:mon_host=", "a\\\\;", "']\n"),
            ("name='g'\ndisk=['vdev=a,target=rbd:a", ":b=c", "']\n"),
            ("name='g'\ndisk=['/a,raw,hda,w", ",trusted", "']\n"),
            ("name='g'\nextra='", "\\n", "'\n"),
            ("name='g'\nx=", "[", ""),
            ("name='g'\nx=[", "1,", "]\n"),
        ],
    );
}

#[test]
fn xends_and_xenvms_and_libxls_texts_take_time_and_memory_by_their_length() {
    let in_vm = |part: &'static str| ("(vm (name g) (memory 64)", part, ")");
    check(
        "xend",
        &|text| Native::Sxpr.examine(text, XendFormat::V4),
        &[
            in_vm("(device (vif (mac 00:16:3e:00:00:01)))"),
            in_vm("(device (vbd (dev xvda@) (uname phy:/a)))"),
            in_vm("(x y)"),
            ("", "(", ""),
            ("(vm (name '", "\\x41", "'))"),
        ],
    );
    check(
        "xenvm",
        &|text| Native::Xenvm.examine(text, XendFormat::V4),
        &[
            ("name = g\n", "k@ = 1\n", ""),
            ("name = g\n", "disk = /a:phy:xvda@:w:disk\n", ""),
            ("name = g\n", "nic = bridge=a\n", ""),
            ("name = g\n", "# x\n", ""),
        ],
    );
    let in_config = "{\"c_info\":{\"name\":\"g\",\"type\":\"hvm\"},\"b_info\":{},\"disks\":[";
    check(
        "libxl's JSON",
        &libxl_json::examine,
        &[
            (in_config, "{\"vdev\":\"xvda@\"},", "{\"vdev\":\"z\"}]}"),
            ("{", "\"k@\":1,", "\"z\":1}"),
            ("", "[", ""),
        ],
    );
}
