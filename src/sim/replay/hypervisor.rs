//! A hypervisor of recorded answers. It looks up what is asked by what matters of a request: which operation, of which interface version, about
//! which domain and vcpu. A list may be asked for in other portions than it was recorded in.

use crate::format::capture::{Answered, Capture, Probe, Record};
use crate::wire::hypercall::errno::{EACCES, EFAULT, EINVAL, ENOSYS, EPERM, ESRCH};
use crate::wire::hypercall::reads::{
    Carrier, GETDOMAININFO, GETDOMAININFOLIST, GETVCPUINFO, LIST_COUNT, LIST_FIRST, LIST_MAX, Read, get,
    is_read, put, read_of,
};
use crate::wire::port::Memory;

/// From this release on a question about a domain that is not there is not answered with the next one.
const NO_SCAN_SINCE: (i64, i64) = (4, 18);

/// See the module's description.
#[derive(Debug)]
pub(super) struct Recorded {
    calls: Vec<Answered>,
    probes: Vec<Probe>,
    /// Bytes of a record in lists, where that is known, and the records in order.
    record_bytes: Option<usize>,
    records: Vec<Vec<u8>>,
    release: (i64, i64),
}

impl Recorded {
    pub(super) fn new(capture: &Capture) -> Recorded {
        let calls: Vec<Answered> = capture
            .records
            .iter()
            .filter_map(|record| match record {
                Record::Hypercall(answered) => Some(whole(answered)),
                _ => None,
            })
            .collect();
        let probes = capture.records.iter().filter_map(|record| match record {
            Record::Probe(probe) => Some(probe.clone()),
            _ => None,
        });
        let lists = || calls.iter().filter(|answered| answered.op.ends_with(GETDOMAININFOLIST.name));
        let record_bytes = lists().find_map(|answered| answered.record_bytes).filter(|bytes| *bytes >= 8);
        let records = record_bytes.map_or_else(Vec::new, |bytes| {
            let lists = lists().filter_map(|answered| answered.buffers.first());
            lists.flat_map(|list| list.chunks_exact(bytes).map(<[u8]>::to_vec)).collect()
        });
        let version =
            calls.iter().find(|answered| answered.cmd == Some(0)).map_or(0, |answered| answered.value);
        Recorded {
            probes: probes.collect(),
            record_bytes,
            records,
            release: (version >> 16 & 0xffff, version & 0xffff),
            calls,
        }
    }

    pub(super) fn call(&self, op: u64, args: [u64; 5], memory: &mut Memory<'_>) -> Result<i64, i32> {
        let carrier = Carrier::of_number(op).ok_or(ENOSYS)?;
        let [first, second, ..] = args;
        if carrier == Carrier::Version {
            return self.version(first, second, memory);
        }
        let request = memory.slice(first, carrier.size()).ok_or(EFAULT)?.to_vec();
        let word = |at| get(&request, at, 4).and_then(|word| u32::try_from(word).ok()).unwrap_or(0);
        let (cmd, version) = (word(0), word(4));
        self.check_version(carrier, version)?;
        if !is_read(op, first, &request) {
            return Err(EPERM);
        }
        let read = read_of(carrier, cmd, version).ok_or(ENOSYS)?;
        let recorded = self.calls.iter().find(|answered| {
            answered.number == op && subject(read, &answered.request) == subject(read, &request)
        });
        if read.name == GETDOMAININFOLIST.name && self.record_bytes.is_some() {
            return self.list(recorded, read, &request, first, memory);
        }
        match recorded {
            Some(recorded) if recorded.errno != 0 => Err(recorded.errno),
            Some(recorded) => answer(recorded, read, &request, first, memory),
            None if read.name == GETDOMAININFO.name => self.record(read, &request, first, memory),
            None if read.name == GETVCPUINFO.name => {
                let domain = get(&request, 8, 2);
                Err(if self.records.iter().any(|record| get(record, 0, 2) == domain) {
                    EINVAL
                } else {
                    ESRCH
                })
            }
            None => Err(ENOSYS),
        }
    }

    fn version(&self, cmd: u64, buffer: u64, memory: &mut Memory<'_>) -> Result<i64, i32> {
        let recorded = self
            .calls
            .iter()
            .find(|answered| {
                Carrier::of_number(answered.number) == Some(Carrier::Version) && answered.cmd == Some(cmd)
            })
            .ok_or(ENOSYS)?;
        if recorded.errno != 0 {
            return Err(recorded.errno);
        }
        if let Some(told) = recorded.buffers.first() {
            memory.slice(buffer, told.len()).ok_or(EFAULT)?.copy_from_slice(told);
        }
        Ok(recorded.value)
    }

    /// As the probes were answered; a version that was not tried is refused.
    fn check_version(&self, carrier: Carrier, version: u32) -> Result<(), i32> {
        let Some(probe) = self.probes.iter().find(|probe| probe.interface == carrier.name()) else {
            // dom0_op was not probed: it has had one version.
            let taken = self.calls.iter().any(|answered| {
                answered.number == carrier.number() && get(&answered.request, 4, 4) == Some(version.into())
            });
            return if taken { Ok(()) } else { Err(EACCES) };
        };
        match probe.answers.iter().find(|(tried, _)| *tried == version) {
            Some((_, 0)) => Ok(()),
            Some((_, errno)) => Err(*errno),
            None => Err(EACCES),
        }
    }

    /// A list, in the portions that are asked for.
    fn list(
        &self,
        recorded: Option<&Answered>,
        read: &Read,
        request: &[u8],
        at: u64,
        memory: &mut Memory<'_>,
    ) -> Result<i64, i32> {
        if let Some(errno) = recorded.map(|recorded| recorded.errno).filter(|errno| *errno != 0) {
            return Err(errno);
        }
        let payload = read.carrier.payload();
        let field = |at, width| get(request, payload + at, width).unwrap_or(0);
        let (first, max) = (field(LIST_FIRST, 2), usize::try_from(field(LIST_MAX, 4)).unwrap_or(usize::MAX));
        let buffer = field(read.buffers.first().map_or(0, |(at, _)| *at), 8);
        let told = self.records.iter().filter(|record| get(record, 0, 2) >= Some(first)).take(max);
        let (mut count, mut bytes) = (0, Vec::new());
        for record in told {
            count += 1;
            bytes.extend_from_slice(record);
        }
        memory.slice(buffer, bytes.len()).ok_or(EFAULT)?.copy_from_slice(&bytes);
        let reply = memory.slice(at, request.len()).ok_or(EFAULT)?;
        put(reply, payload + LIST_COUNT, 4, count);
        Ok(recorded.map_or(0, |recorded| recorded.value))
    }

    /// A record that was not asked for by itself, out of the lists.
    fn record(&self, read: &Read, request: &[u8], at: u64, memory: &mut Memory<'_>) -> Result<i64, i32> {
        let domain = get(request, 8, 2).ok_or(EFAULT)?;
        let next = self.records.iter().find(|record| get(record, 0, 2) >= Some(domain)).ok_or(ESRCH)?;
        let found = get(next, 0, 2).ok_or(ESRCH)?;
        if found != domain && self.release >= NO_SCAN_SINCE {
            return Err(ESRCH);
        }
        let reply = memory.slice(at, request.len()).ok_or(EFAULT)?;
        if read.carrier == Carrier::Domctl {
            put(reply, 8, 2, found);
        }
        let place = reply.get_mut(read.carrier.payload()..).unwrap_or_default();
        place.iter_mut().zip(next).for_each(|(to, from)| *to = *from);
        Ok(0)
    }
}

/// A call with the zeroes behind its request and its reply.
fn whole(answered: &Answered) -> Answered {
    let mut answered = answered.clone();
    let size = Carrier::of_number(answered.number).map_or(0, Carrier::size);
    answered.request.resize(size, 0);
    answered.reply.resize(size, 0);
    answered
}

/// What a request is about: its operation, and the domain and vcpu of one about these.
fn subject(read: &Read, request: &[u8]) -> [Option<u64>; 3] {
    let (domain, vcpu) = match read.carrier {
        Carrier::Domctl => (8, 16),
        _ => (8, 12),
    };
    let about = |name: &str| read.name == name;
    [
        get(request, 0, 4),
        (about(GETDOMAININFO.name) || about(GETVCPUINFO.name)).then(|| get(request, domain, 2)).flatten(),
        about(GETVCPUINFO.name).then(|| get(request, vcpu, 4)).flatten(),
    ]
}

/// Writes an answer where the caller wants it: its own addresses stay in the request.
fn answer(
    recorded: &Answered,
    read: &Read,
    request: &[u8],
    at: u64,
    memory: &mut Memory<'_>,
) -> Result<i64, i32> {
    let payload = read.carrier.payload();
    let mut reply = recorded.reply.clone();
    for ((field, room), told) in read.buffers.iter().zip(&recorded.buffers) {
        let address = get(request, payload + field, 8).unwrap_or(0);
        put(&mut reply, payload + field, 8, address);
        // Nobody wants it, or there is less room for entries than there was: then as much of it as fits.
        let asked = read.numbers.first().and_then(|(at, width, _)| get(request, payload + at, *width));
        let recorded_room = read.numbers.first().map(|(_, _, room)| *room);
        let room = match (asked, recorded_room) {
            (Some(asked), Some(entries)) if asked < entries => usize::try_from(asked + 1)
                .unwrap_or(0)
                .saturating_mul(room / usize::try_from(entries).unwrap_or(1).max(1)),
            _ => *room,
        };
        if address != 0 {
            let told = told.get(..room).unwrap_or(told);
            memory.slice(address, told.len()).ok_or(EFAULT)?.copy_from_slice(told);
        }
    }
    memory.slice(at, request.len()).ok_or(EFAULT)?.copy_from_slice(&reply);
    Ok(recorded.value)
}
