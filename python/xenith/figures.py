"""Figures of hosts and domains: plain data. What the host does not tell is None, never zero."""

from __future__ import annotations

import uuid as uuid_module
from dataclasses import dataclass
from typing import Any, NamedTuple, Optional

from . import _abi
from .enums import GuestType, Reason, State


class Version(NamedTuple):
    """A release. It compares as its numbers do."""

    major: int
    minor: int
    micro: int

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.micro}"

    @classmethod
    def from_number(cls, number: int) -> Version:
        """Of the library's one number, major * 1000000 + minor * 1000 + micro."""
        return cls(number // 1_000_000, number // 1000 % 1000, number % 1000)


@dataclass(frozen=True)
class NodeInfo:
    """The host's processors and memory."""

    #: The machine type: ``x86_64``, ``i686``, ``aarch64``.
    machine: Optional[str]
    #: All memory, KiB.
    memory_kib: Optional[int]
    #: Memory that no domain has, KiB.
    free_memory_kib: Optional[int]
    #: Processors that are online.
    cpus: Optional[int]
    #: Clock, MHz.
    mhz: Optional[int]
    #: NUMA nodes.
    nodes: Optional[int]
    #: Sockets per node.
    sockets: Optional[int]
    #: Cores per socket.
    cores: Optional[int]
    #: Threads per core.
    threads: Optional[int]


@dataclass(frozen=True)
class DomainInfo:
    """A domain at one moment. Memory is in KiB, time in ns."""

    #: The number of its life; None when it is not active.
    id: Optional[int]
    #: Zero for domains that were never given one, such as Domain-0.
    uuid: uuid_module.UUID
    #: What it does.
    state: State
    #: Why.
    reason: Reason
    #: The kind of guest.
    guest_type: Optional[GuestType]
    #: Memory that it has now.
    memory_kib: Optional[int]
    #: The most that it may have; None also where there is no limit (Domain-0).
    max_memory_kib: Optional[int]
    #: Processor time used in this life.
    cpu_time_ns: Optional[int]
    #: Vcpus that are online.
    vcpus_online: Optional[int]
    #: Vcpus that exist.
    vcpus_max: Optional[int]
    #: Memory shared with other domains (Xen 4.0 and later).
    shared_kib: Optional[int]
    #: Memory paged out (Xen 4.2 and later).
    paged_kib: Optional[int]
    #: Memory claimed and not yet allocated (Xen 4.3 and later).
    outstanding_kib: Optional[int]
    #: The cpupool that it runs in (Xen 4.1 and later).
    cpupool: Optional[int]
    #: The number of its security label.
    ssidref: Optional[int]


@dataclass(frozen=True)
class DomainRow:
    """One row of a list: all rows of a list are of one moment."""

    #: None for a live domain that has none yet, or any more, or whose name could not be read.
    name: Optional[str]
    #: Id, uuid, state and figures.
    info: DomainInfo

    @property
    def id(self) -> Optional[int]:
        """``info.id``"""
        return self.info.id

    @property
    def uuid(self) -> uuid_module.UUID:
        """``info.uuid``"""
        return self.info.uuid

    @property
    def state(self) -> State:
        """``info.state``"""
        return self.info.state


_STATES = {state.value: state for state in State}
_REASONS = {reason.value: reason for reason in Reason}
_GUEST_TYPES = {kind.value: kind for kind in GuestType}
_DOMAIN = _abi.valid_bits(_abi.xenith_domain_info)
_NODE = _abi.valid_bits(_abi.xenith_node_info)


def state_of(number: int) -> State:
    """The state of that number; NOSTATE for one that is newer than this package."""
    return _STATES.get(number, State.NOSTATE)


def reason_of(number: int) -> Reason:
    """The reason of that number; UNKNOWN for one that is newer than this package."""
    return _REASONS.get(number, Reason.UNKNOWN)


def domain_info(raw: Any) -> DomainInfo:
    """Of the C struct."""
    valid = raw.valid

    def known(field: str) -> Optional[int]:
        return getattr(raw, field) if valid & _DOMAIN[field] else None

    return DomainInfo(
        id=known("id"),
        uuid=uuid_module.UUID(bytes=bytes(raw.uuid)),
        state=state_of(known("state") or 0),
        reason=reason_of(known("reason") or 0),
        guest_type=_GUEST_TYPES.get(known("guest_type") or 0),
        memory_kib=known("memory_kib"),
        max_memory_kib=known("max_memory_kib"),
        cpu_time_ns=known("cpu_time_ns"),
        vcpus_online=known("vcpus_online"),
        vcpus_max=known("vcpus_max"),
        shared_kib=known("shared_kib"),
        paged_kib=known("paged_kib"),
        outstanding_kib=known("outstanding_kib"),
        cpupool=known("cpupool"),
        ssidref=known("ssidref"),
    )


def node_info(raw: Any) -> NodeInfo:
    """Of the C struct."""

    def known(field: str) -> Any:
        return getattr(raw, field) if raw.valid & _NODE[field] else None

    machine = known("machine")
    return NodeInfo(
        machine=None if machine is None else machine.decode("utf-8", "replace"),
        memory_kib=known("memory_kib"),
        free_memory_kib=known("free_memory_kib"),
        cpus=known("cpus"),
        mhz=known("mhz"),
        nodes=known("nodes"),
        sockets=known("sockets"),
        cores=known("cores"),
        threads=known("threads"),
    )
