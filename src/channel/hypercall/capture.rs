//! What a hypervisor answers to questions that change nothing, byte for byte, whatever its age: for a capture (docs/capture.md).
//!
//! It opens the hypervisor by itself and needs none of the tables: it is for hosts that they do not describe.

use std::io;
use std::path::Path;
use std::sync::Arc;

use super::arena::{Buffer, FORKED, Pages, Pool};
use super::privcmd::Privcmd;
use crate::error::{Error, Result, Road, Status};
use crate::format::capture::{Answered, Probe};
use crate::log::Log;
use crate::model::XenVersion;
use crate::wire::hypercall::DOM0_OPS;
use crate::wire::hypercall::errno::EFAULT;
use crate::wire::hypercall::reads::{
    self, ALIGNED, Carrier, DOM0_GETDOMAININFO, DOM0_GETVCPUINFO, DOM0_LIST, GETDOMAININFO,
    GETDOMAININFOLIST, GETVCPUINFO, LIST_COUNT, LIST_FIRST, LIST_ROOM, Read, SCHED_ID, SYSCTLS, VERSIONS,
    get, largest_room, put, topologies,
};
use crate::wire::port::Hypercall;

/// Interface versions that are tried: all that there have been, and some to come.
const PROBED: std::ops::Range<u32> = 1..0x28;

/// Domains that are asked about one by one, and vcpus of each.
const MAX_DOMAINS: usize = 64;
const MAX_VCPUS: u32 = 4;
/// Lists that are asked for: the domains of the largest hosts.
const MAX_LISTS: usize = 8;

/// How often a call is repeated that found its memory unreachable; see `arena.rs`.
const EFAULT_RETRIES: u32 = 2;

/// Requests stand at the beginning of the buffer, what they point to behind that.
const BUFFERS_AT: usize = 256;
/// What most questions' buffers take at most.
const SMALL: usize = 4096 - BUFFERS_AT;

/// A hypervisor that is only asked.
pub struct Questions {
    port: Arc<dyn Hypercall>,
    /// Most questions need little, and a served embedded host is handed the whole buffer each time.
    small: Pool,
    large: Pool,
    calls: u64,
}

/// What was answered.
#[derive(Debug, Clone, Default)]
pub struct Answers {
    /// The release, where it was told.
    pub version: Option<XenVersion>,
    /// Which interface versions of sysctl and domctl were taken.
    pub probes: Vec<Probe>,
    /// Each question with its answer, as it came.
    pub calls: Vec<Answered>,
    /// Bytes of one domain's record in lists, where `stride` said them.
    pub stride: Option<usize>,
}

impl Answers {
    /// The interface version that `interface` takes.
    pub fn taken(&self, interface: &str) -> Option<u32> {
        let probe = self.probes.iter().find(|probe| probe.interface == interface)?;
        probe.answers.iter().find(|(_, errno)| *errno == 0).map(|(version, _)| *version)
    }
}

impl Questions {
    /// This host's hypervisor: the device `path`, or the usual ones.
    ///
    /// Errors: [`Status::NoConnect`] where there is no such device, [`Status::AccessDenied`] without rights.
    pub fn open(path: Option<&Path>, log: &Log) -> Result<Questions> {
        let privcmd = Privcmd::open(path, log)?;
        let pages = privcmd.pages(log);
        Questions::with_pages(Arc::new(privcmd), pages, log)
    }

    /// Whatever answers `port`.
    pub fn over(port: Arc<dyn Hypercall>, log: &Log) -> Result<Questions> {
        Questions::with_pages(port, Pages::Locked, log)
    }

    fn with_pages(port: Arc<dyn Hypercall>, pages: Pages, log: &Log) -> Result<Questions> {
        let pool =
            |room, pages| Pool::new(BUFFERS_AT + room, 1, pages, log).map_err(|error| no_memory(&error));
        let (small, large) = (pool(SMALL, pages.clone())?, pool(largest_room(), pages)?);
        Ok(Questions { port, small, large, calls: 0 })
    }

    /// Hypercalls issued so far.
    pub fn calls(&self) -> u64 {
        self.calls
    }

    /// Asks everything. `stride` tells how many bytes a record takes, by the release and the interface versions of domctl and sysctl,
    /// where a table knows; `domids` are domains known from elsewhere, for where the lists cannot be understood.
    ///
    /// Errors: after fork only. What the hypervisor refuses is an answer.
    pub fn ask_all(
        &mut self,
        stride: impl Fn(&XenVersion, u32, u32) -> Option<usize>,
        domids: &[u16],
    ) -> Result<Answers> {
        let mut answers = Answers::default();
        for read in &VERSIONS {
            let answered = self.ask(read, 0, 0, 0)?;
            answers.calls.push(answered);
        }
        answers.version = version_of(&answers.calls);
        for (interface, read) in [("sysctl", &SCHED_ID), ("domctl", &GETVCPUINFO)] {
            let probe = self.probe(interface, read)?;
            answers.probes.push(probe);
        }
        let (sysctl, domctl) = (answers.taken("sysctl"), answers.taken("domctl"));
        // Only there: in later releases the number is another operation's.
        let is_dom0_op = sysctl.is_none()
            && domctl.is_none()
            && answers.version.as_ref().is_some_and(|xen| (xen.major, xen.minor) == (3, 0));
        let interfaces = if is_dom0_op { Some((DOM0_OPS, DOM0_OPS)) } else { domctl.zip(sysctl) };
        answers.stride = answers
            .version
            .as_ref()
            .zip(interfaces)
            .and_then(|(xen, (domctl, sysctl))| stride(xen, domctl, sysctl));
        if let Some(sysctl) = sysctl {
            for read in SYSCTLS.iter().chain(topologies(sysctl)) {
                let answered = self.ask(read, sysctl, 0, 0)?;
                answers.calls.push(answered);
            }
            self.list(&GETDOMAININFOLIST, sysctl, &mut answers)?;
        }
        if is_dom0_op {
            for read in &reads::DOM0_OPS {
                let answered = self.ask(read, DOM0_OPS, 0, 0)?;
                answers.calls.push(answered);
            }
            self.list(&DOM0_LIST, DOM0_OPS, &mut answers)?;
        }
        let listed = listed(&answers);
        let domids = if listed.is_empty() { domids } else { &listed };
        if let Some(domctl) = domctl {
            self.domains((&GETDOMAININFO, &GETVCPUINFO), domctl, domids, &mut answers)?;
        } else if is_dom0_op {
            self.domains((&DOM0_GETDOMAININFO, &DOM0_GETVCPUINFO), DOM0_OPS, domids, &mut answers)?;
        }
        Ok(answers)
    }

    /// The records of all domains, list by list where their size is known, else the first list.
    fn list(&mut self, read: &Read, version: u32, answers: &mut Answers) -> Result<()> {
        let mut first = 0;
        for _ in 0..MAX_LISTS {
            let mut answered = self.ask(read, version, 0, first)?;
            let count = usize::try_from(list_count(&answered)).unwrap_or(0).min(LIST_ROOM);
            let records = answered.buffers.first_mut();
            let last = records.zip(answers.stride).and_then(|(records, stride)| {
                // What lies behind the records is not Xen's answer.
                records.resize(count * stride, 0);
                answered.record_bytes = Some(stride);
                get(records, records.len().checked_sub(stride)?, 2)
            });
            answers.calls.push(answered);
            match last.and_then(|last| u32::try_from(last + 1).ok()) {
                Some(next) if count == LIST_ROOM && next > first => first = next,
                _ => break,
            }
        }
        Ok(())
    }

    /// Some domains one by one, and one behind the last, which is not there.
    fn domains(
        &mut self,
        (record, vcpu_info): (&Read, &Read),
        version: u32,
        domids: &[u16],
        answers: &mut Answers,
    ) -> Result<()> {
        let behind = domids.iter().max().and_then(|last| last.checked_add(1));
        for domain in domids.iter().copied().take(MAX_DOMAINS).chain(behind) {
            let answered = self.ask(record, version, domain, 0)?;
            let is_there = answered.errno == 0;
            answers.calls.push(answered);
            for vcpu in (0..MAX_VCPUS).take_while(|_| is_there && Some(domain) != behind) {
                let answered = self.ask(vcpu_info, version, domain, vcpu)?;
                let was_last = answered.errno != 0;
                answers.calls.push(answered);
                if was_last {
                    break;
                }
            }
        }
        Ok(())
    }

    fn probe(&mut self, interface: &str, read: &Read) -> Result<Probe> {
        let mut answers = Vec::new();
        for version in PROBED {
            answers.push((version, self.ask(read, version, 0, 0)?.errno));
        }
        Ok(Probe { interface: interface.to_owned(), answers })
    }

    /// One hypercall. Where a list begins stands in `argument`.
    fn ask(&mut self, read: &Read, version: u32, domain: u16, argument: u32) -> Result<Answered> {
        let (calls, port) = (&mut self.calls, &self.port);
        let pool = if read.room() <= SMALL { &self.small } else { &self.large };
        pool.with(|buffer| {
            let mut retries = 0;
            loop {
                *calls += 1;
                let answered = ask_once(&**port, buffer, read, version, domain, argument);
                if answered.errno != EFAULT || retries == EFAULT_RETRIES {
                    return answered;
                }
                retries += 1;
                buffer.touch();
            }
        })
        .map_err(|errno| {
            let status = if errno == FORKED { Status::Closed } else { Status::NoMemory };
            Error::new(status, "no memory for hypercalls in this process")
                .on(Road::Hypercall)
                .with_errno(errno)
        })
    }
}

fn ask_once(
    port: &dyn Hypercall,
    buffer: &mut Buffer,
    read: &Read,
    version: u32,
    domain: u16,
    argument: u32,
) -> Answered {
    let (size, base) = (read.carrier.size(), buffer.address());
    // The buffers stand one behind the other.
    let places: Vec<(usize, usize)> = read
        .buffers
        .iter()
        .scan(BUFFERS_AT, |next, (_, bytes)| {
            let at = *next;
            *next += bytes.next_multiple_of(ALIGNED);
            Some((at, *bytes))
        })
        .collect();
    let addresses: Vec<u64> = places.iter().map(|(at, _)| base + *at as u64).collect();
    let encode = |addresses: &[u64], request: &mut [u8]| {
        read.encode(version, domain, argument, addresses, request);
        if read.name == GETDOMAININFOLIST.name {
            put(request, read.carrier.payload() + LIST_FIRST, 2, argument.into());
        }
    };
    buffer.bytes().fill(0);
    if let Some(request) = buffer.bytes().get_mut(..size) {
        encode(&addresses, request);
    }
    let args = match read.carrier {
        Carrier::Version => [read.cmd.into(), addresses.first().copied().unwrap_or(0), 0, 0, 0],
        _ => [base, 0, 0, 0, 0],
    };
    let result = port.call(read.carrier.number(), args, &mut buffer.memory());
    // Addresses are this process's own business: what they point to is numbered.
    let mut request = vec![0; size];
    let numbers: Vec<u64> = (1..).take(addresses.len()).collect();
    encode(&numbers, &mut request);
    let mut answered = Answered {
        op: read.full_name(),
        number: read.carrier.number(),
        cmd: (read.carrier == Carrier::Version).then_some(read.cmd.into()),
        request,
        ..Answered::default()
    };
    match result {
        Err(errno) => answered.errno = errno,
        Ok(value) => {
            answered.value = value;
            let bytes = buffer.bytes();
            answered.reply = bytes.get(..size).unwrap_or_default().to_vec();
            for ((at, _), number) in read.buffers.iter().zip(&numbers).filter(|_| size > 0) {
                put(&mut answered.reply, read.carrier.payload() + at, 8, *number);
            }
            answered.buffers = places
                .iter()
                .map(|(at, bytes_there)| written(bytes.get(*at..at + bytes_there).unwrap_or_default()))
                .collect();
        }
    }
    answered
}

/// What was written into a buffer of zeroes: up to the last byte that is none, in whole words.
fn written(bytes: &[u8]) -> Vec<u8> {
    let end = bytes.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
    bytes.get(..end.next_multiple_of(8).min(bytes.len())).unwrap_or_default().to_vec()
}

fn list_count(answered: &Answered) -> u64 {
    get(&answered.reply, Carrier::Sysctl.payload() + LIST_COUNT, 4).unwrap_or(0)
}

/// The domains of the lists, where a record's size is known.
fn listed(answers: &Answers) -> Vec<u16> {
    let Some(stride) = answers.stride.filter(|stride| *stride > 0) else { return Vec::new() };
    let lists = answers.calls.iter().filter(|answered| answered.op.ends_with(".getdomaininfolist"));
    let records =
        lists.filter_map(|answered| answered.buffers.first()).flat_map(|list| list.chunks_exact(stride));
    records.filter_map(|record| get(record, 0, 2).and_then(|domain| u16::try_from(domain).ok())).collect()
}

/// The release, from the first two answers.
fn version_of(calls: &[Answered]) -> Option<XenVersion> {
    let number = calls.iter().find(|answered| answered.cmd == Some(0) && answered.errno == 0)?.value;
    let half = |shift: u32| u16::try_from(number >> shift & 0xffff).ok();
    let extra = calls.iter().find(|answered| answered.cmd == Some(1) && answered.errno == 0);
    let extra = extra.and_then(|answered| answered.buffers.first()).map(Vec::as_slice).unwrap_or_default();
    let extra = extra.split(|byte| *byte == 0).next().unwrap_or_default();
    Some(XenVersion { major: half(16)?, minor: half(0)?, extra: String::from_utf8_lossy(extra).into_owned() })
}

fn no_memory(error: &io::Error) -> Error {
    let message = format!("cannot get memory for hypercalls: {error}");
    Error { errno: error.raw_os_error(), ..Error::new(Status::NoMemory, message).on(Road::Hypercall) }
}
