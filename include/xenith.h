/*
 * xenith.h: manage Xen hosts of any age.
 *
 * Generated from src/capi by `make header`: do not edit.
 * SPDX-License-Identifier: MIT OR Apache-2.0
 *
 * The rules that hold for every function
 *
 * - A function that can fail returns a status, 0 (XENITH_OK) for success, and takes an `err` as its
 *   last argument. `err` may be NULL. Otherwise *err is always written: NULL on success, else an
 *   error object, which the caller frees with xenith_error_free. What *err held before is not read.
 *   There is no global last error.
 * - Outputs are written on success only.
 * - NULL where a value is needed, a size or index out of range, text that is not UTF-8, and unknown
 *   bits in `flags` are XENITH_ERR_INVALID_ARG, found before anything is done. Flags that mean
 *   nothing today must be 0.
 * - Strings are UTF-8 and end with NUL. One that comes through a `char **` belongs to the caller
 *   and is freed with xenith_string_free, not with free(); one that comes as a `const char *` lives
 *   with what it was read from.
 * - Handles (xenith_connect, xenith_domain) are reference-counted. Each one that a function gives
 *   is a reference, released with the unref function. A list, a report and an error object have one
 *   owner and are freed once. All of these functions accept NULL.
 * - Memory is in KiB, time in ns unless a name says otherwise (_ms).
 * - A struct that may grow travels with its size: pass sizeof. A program compiled with an older
 *   header gets the fields that it knows; one compiled with a newer header sees the bits of unknown
 *   fields unset.
 * - Every call has a deadline (struct xenith_open_options) and none hangs.
 * - Any thread may use any handle, also several at once. Only the release of the last reference
 *   must come after all other uses.
 * - After fork, a child's calls on its parent's handles answer XENITH_ERR_CLOSED; the child may
 *   release them, and may open its own.
 * - The library installs no signal handler, raises no SIGPIPE, starts no thread (only the embedded
 *   host, xen+sim:///, runs on one of its own, which blocks all signals), needs no SIGCHLD, and
 *   cannot be unloaded. Only the functions whose road is xl start a process, and wait for it; what
 *   xl leaves running for a domain goes on when the caller ends.
 *
 * What the caller promises: a pointer that is not NULL points to what the function asks for,
 * properly aligned, for the length of the call: a handle, list, report or error object that this
 * library gave and that is not yet released or freed; a string that ends with NUL; `size` bytes of a
 * struct; a place where an output can be written. Nothing of it is changed by another thread during
 * the call.
 *
 * "Road" says which way into the host a function takes, and so what it costs: a hypercall is about
 * a system call, a round trip to xenstored some 50 times that, the domain files a few reads, xend
 * and xl milliseconds to seconds.
 *
 * Nothing is frozen before version 1.0; after it, only additions.
 */

#ifndef XENITH_H
#define XENITH_H

#include <stddef.h>
#include <stdint.h>

/** The version of this header; xenith_library_version() is the library's. */
#define XENITH_VERSION_MAJOR 0
#define XENITH_VERSION_MINOR 1
#define XENITH_VERSION_MICRO 0
#define XENITH_VERSION \
    (XENITH_VERSION_MAJOR * 1000000 + XENITH_VERSION_MINOR * 1000 + XENITH_VERSION_MICRO)


/** Success. */
#define XENITH_OK 0

/** A defect of xenith itself. Please report it. */
#define XENITH_ERR_INTERNAL 1

/**
 * An argument is NULL, out of range or not UTF-8, a size is impossible, or a flag is unknown. The
 * message names it.
 */
#define XENITH_ERR_INVALID_ARG 10

/** The connection URI cannot be understood. */
#define XENITH_ERR_INVALID_URI 11

/** A description (domain XML) is malformed or says something impossible. The message says where. */
#define XENITH_ERR_INVALID_CONFIG 12

/** The process or the host ran out of memory. */
#define XENITH_ERR_NO_MEMORY 20

/** A road into the host is not there: no Xen, no daemon, no such socket. */
#define XENITH_ERR_NO_CONNECT 30

/** The road is there but this process may not take it. */
#define XENITH_ERR_ACCESS_DENIED 31

/** No domain answers to that name, id or uuid. */
#define XENITH_ERR_NOT_FOUND 40

/** Something of that name or uuid exists already. */
#define XENITH_ERR_EXISTS 41

/** The life of the domain that this handle was pinned to is over. Look the domain up again. */
#define XENITH_ERR_STALE 42

/** The domain is in the wrong state for the operation: starting a running one, for example. */
#define XENITH_ERR_INVALID_STATE 43

/** This host, its age, or this version of xenith cannot do it. */
#define XENITH_ERR_NOT_SUPPORTED 50

/** The deadline passed. The operation may still happen on the host. */
#define XENITH_ERR_TIMEOUT 60

/** The connection was closed, or belongs to another process (after fork). */
#define XENITH_ERR_CLOSED 61

/** The other end answered something that cannot be understood. */
#define XENITH_ERR_PROTOCOL 62

/** The host understood and refused. The message holds its own words. */
#define XENITH_ERR_OPERATION_FAILED 70

/** No road: the call failed before one was taken. */
#define XENITH_ROAD_NONE 0

/** Hypercalls, through privcmd. */
#define XENITH_ROAD_HYPERCALL 1

/** xenstored. */
#define XENITH_ROAD_XENSTORE 2

/** The xend daemon. */
#define XENITH_ROAD_XEND 3

/** The xl toolstack. */
#define XENITH_ROAD_XL 4

/** Domain configuration files. */
#define XENITH_ROAD_STORE 5

/** Another host. */
#define XENITH_ROAD_REMOTE 6

/** The state is not known. */
#define XENITH_STATE_NOSTATE 0

/** Executing, or ready to (the reason says which). */
#define XENITH_STATE_RUNNING 1

/** Alive, every vcpu waiting for something: an idle guest. */
#define XENITH_STATE_BLOCKED 2

/** Stopped by the toolstack; can be resumed. */
#define XENITH_STATE_PAUSED 3

/** Being torn down. */
#define XENITH_STATE_SHUTDOWN 4

/** Not running. */
#define XENITH_STATE_SHUTOFF 5

/** Not running because it crashed; it may be kept for inspection. */
#define XENITH_STATE_CRASHED 6

/** Suspended by itself. */
#define XENITH_STATE_SUSPENDED 7

/** The reason is not known. */
#define XENITH_REASON_UNKNOWN 0

/** Running: a vcpu is on a processor at this moment. */
#define XENITH_REASON_ON_CPU 1

/** Running: ready, waiting for a processor. */
#define XENITH_REASON_RUNNABLE 2

/** Blocked: all vcpus wait. */
#define XENITH_REASON_IDLE 3

/** Paused by a toolstack. */
#define XENITH_REASON_PAUSED_BY_TOOLSTACK 4

/** Shut off: the guest powered itself off. */
#define XENITH_REASON_POWEROFF 5

/** Shut off: the guest asked for a reboot. */
#define XENITH_REASON_REBOOT 6

/** Suspended: by the guest (a save, a migration). */
#define XENITH_REASON_SUSPEND 7

/** Crashed: the guest reported a crash. */
#define XENITH_REASON_CRASH 8

/** Shut off: the guest's watchdog fired. */
#define XENITH_REASON_WATCHDOG 9

/** Shut off: the guest asked for a soft reset. */
#define XENITH_REASON_SOFT_RESET 10

/** In shutdown: the hypervisor is freeing what the domain held. */
#define XENITH_REASON_TEARING_DOWN 11

/** Shut off: defined, and not running. */
#define XENITH_REASON_INACTIVE 12

/** A paravirtualized guest. */
#define XENITH_GUEST_PV 1

/** A fully virtualized guest with firmware and a device model. */
#define XENITH_GUEST_HVM 2

/** A hardware-virtualized guest without a device model. */
#define XENITH_GUEST_PVH 3

/** Log: something failed that no call's error can tell. */
#define XENITH_LOG_ERROR 1

/** Log: something is odd and was worked around. */
#define XENITH_LOG_WARNING 2

/** Log: what was chosen at open, and why. */
#define XENITH_LOG_INFO 3

/** Log: each step. */
#define XENITH_LOG_DEBUG 4

/** `xenith_connect_list_domains`: live domains. */
#define XENITH_LIST_ACTIVE 1

/** `xenith_connect_list_domains`: defined domains that are not running. */
#define XENITH_LIST_INACTIVE 2

/**
 * `xenith_connect_list_domains`: make one round trip to xenstored first, and so see every change,
 * whoever made it, that was done before the call.
 */
#define XENITH_LIST_FRESH 4

/**
 * `xenith_domain_create`, `xenith_domain_create_xml`, `xenith_domain_restore`: leave the domain
 * paused. xend can do so for the second only.
 */
#define XENITH_CREATE_PAUSED 1

/** `xenith_capture_write`: replace a file of that name. */
#define XENITH_CAPTURE_REPLACE 1

/** `xenith_domain_get_xml`: the configuration, without what only a running domain has. */
#define XENITH_XML_INACTIVE 1

/**
 * `xenith_domain_xml_from_native`, `xenith_domain_xml_to_native`: what the other language has no
 * place for is left out with a warning, instead of being an error.
 */
#define XENITH_CONVERT_LENIENT 1

/** A problem for which a text describes no guest. */
#define XENITH_SEVERITY_ERROR 1

/** Something in a text that has no place in a guest's description, which is good without it. */
#define XENITH_SEVERITY_WARNING 2

/** `xenith_node_info.valid`: memory_kib is known. */
#define XENITH_NODE_INFO_MEMORY_KIB 1

/** `xenith_node_info.valid`: free_memory_kib is known. */
#define XENITH_NODE_INFO_FREE_MEMORY_KIB 2

/** `xenith_node_info.valid`: cpus is known. */
#define XENITH_NODE_INFO_CPUS 4

/** `xenith_node_info.valid`: mhz is known. */
#define XENITH_NODE_INFO_MHZ 8

/** `xenith_node_info.valid`: nodes is known. */
#define XENITH_NODE_INFO_NODES 16

/** `xenith_node_info.valid`: sockets is known. */
#define XENITH_NODE_INFO_SOCKETS 32

/** `xenith_node_info.valid`: cores is known. */
#define XENITH_NODE_INFO_CORES 64

/** `xenith_node_info.valid`: threads is known. */
#define XENITH_NODE_INFO_THREADS 128

/** `xenith_node_info.valid`: machine is known. */
#define XENITH_NODE_INFO_MACHINE 256

/** `xenith_domain_info.valid`: memory_kib is known. */
#define XENITH_DOMAIN_INFO_MEMORY_KIB 1

/** `xenith_domain_info.valid`: max_memory_kib is known (Domain-0 has no limit). */
#define XENITH_DOMAIN_INFO_MAX_MEMORY_KIB 2

/** `xenith_domain_info.valid`: cpu_time_ns is known. */
#define XENITH_DOMAIN_INFO_CPU_TIME_NS 4

/** `xenith_domain_info.valid`: shared_kib is known. */
#define XENITH_DOMAIN_INFO_SHARED_KIB 8

/** `xenith_domain_info.valid`: paged_kib is known. */
#define XENITH_DOMAIN_INFO_PAGED_KIB 16

/** `xenith_domain_info.valid`: outstanding_kib is known. */
#define XENITH_DOMAIN_INFO_OUTSTANDING_KIB 32

/** `xenith_domain_info.valid`: state is known. */
#define XENITH_DOMAIN_INFO_STATE 64

/** `xenith_domain_info.valid`: reason is known. */
#define XENITH_DOMAIN_INFO_REASON 128

/** `xenith_domain_info.valid`: id is known, which it is for active domains only. */
#define XENITH_DOMAIN_INFO_ID 256

/** `xenith_domain_info.valid`: guest_type is known. */
#define XENITH_DOMAIN_INFO_GUEST_TYPE 512

/** `xenith_domain_info.valid`: vcpus_online is known. */
#define XENITH_DOMAIN_INFO_VCPUS_ONLINE 1024

/** `xenith_domain_info.valid`: vcpus_max is known. */
#define XENITH_DOMAIN_INFO_VCPUS_MAX 2048

/** `xenith_domain_info.valid`: cpupool is known. */
#define XENITH_DOMAIN_INFO_CPUPOOL 4096

/** `xenith_domain_info.valid`: ssidref is known. */
#define XENITH_DOMAIN_INFO_SSIDREF 8192

/** `xenith_domain_info.valid`: uuid is known. */
#define XENITH_DOMAIN_INFO_UUID 16384

/** A connection to a host: reference-counted, usable from any thread. Its domains hold it open. */
typedef struct xenith_connect xenith_connect;

/**
 * A domain on a connection, which it holds open: reference-counted, usable from any thread. It is
 * pinned to the domain's uuid and, where the domain was live, to that life: what acts on a live
 * domain answers `XENITH_ERR_STALE` when that life is over.
 */
typedef struct xenith_domain xenith_domain;

/**
 * A list of domains as they were at one moment. Belongs to the caller, who frees it with
 * `xenith_domain_list_free`. Never changes; any thread may read it; it does not hold its
 * connection open.
 */
typedef struct xenith_domain_list xenith_domain_list;

/**
 * What went wrong in a call: a status, the road it came from, the errno where there was one, and a
 * sentence. Belongs to the caller, who frees it with `xenith_error_free`. Never changes; any
 * thread may read it.
 */
typedef struct xenith_error xenith_error;

/**
 * What is wrong with a text, in the order of the text. Belongs to the caller, who frees it with
 * `xenith_problem_list_free`. Never changes; any thread may read it.
 */
typedef struct xenith_problem_list xenith_problem_list;

/**
 * What a host offers, as it was at one moment: each road into it, found or not and why; which road
 * serves each operation; what is not as it should be. Belongs to the caller, who frees it with
 * `xenith_report_free`. Never changes; any thread may read it; it holds no connection open.
 */
typedef struct xenith_report xenith_report;

/**
 * The outcome of a call: `XENITH_OK`, or one of `XENITH_ERR_*`. A later version may answer numbers
 * that are not in this header: treat them as errors.
 */
typedef uint32_t xenith_status;

/**
 * How to open a connection. Start from zeroes: zero and NULL are the defaults, of fields that
 * later versions add too.
 */
typedef struct xenith_open_options {
    /** The longest that a call may take which asks or changes something quick, ms. 0: 10 s. */
    uint32_t timeout_ms;
    /**
     * The longest that a call may take which waits for the host's toolstack (define, create,
     * destroy), ms. 0: 180 s. Save and restore get a second more for each 8 MiB of memory.
     */
    uint32_t toolstack_timeout_ms;
    /**
     * Called with each log line, or NULL for silence. `level` is one of `XENITH_LOG_*`; `line` is
     * UTF-8 without a newline and lives for the call only. It may be called from several threads
     * at once, on any thread that is in a call on the connection. It must return (no longjmp, no
     * C++ exception), must not call this library, and may be called until the last reference to
     * the connection and to its domains is released.
     */
    void (*log)(void *data, uint32_t level, const char *line);
    /** Given to `log` as it is. */
    void *log_data;
    /** The least important lines that are wanted: one of `XENITH_LOG_*`. 0: `XENITH_LOG_INFO`. */
    uint32_t log_level;
    /**
     * Roads that must not be used, for tests and for hosts with a broken one: bit `1u <<
     * XENITH_ROAD_X` for each.
     */
    uint32_t without_roads;
} xenith_open_options;

/**
 * The host's processors and memory. A field means something only if its bit (`XENITH_NODE_INFO_*`)
 * is set in `valid`.
 */
typedef struct xenith_node_info {
    /** Which fields are known: `XENITH_NODE_INFO_*`. */
    uint64_t valid;
    /** All memory, KiB. */
    uint64_t memory_kib;
    /** Memory that no domain has, KiB. */
    uint64_t free_memory_kib;
    /** Processors that are online. */
    uint32_t cpus;
    /** Clock, MHz. */
    uint32_t mhz;
    /** NUMA nodes. */
    uint32_t nodes;
    /** Sockets per node. */
    uint32_t sockets;
    /** Cores per socket. */
    uint32_t cores;
    /** Threads per core. */
    uint32_t threads;
    /** The machine type, NUL-terminated: "x86_64", "i686", "aarch64". */
    char machine[32];
} xenith_node_info;

/**
 * A domain at one moment. A field means something only if its bit (`XENITH_DOMAIN_INFO_*`) is set
 * in `valid`: what the host does not tell is absent, not zero.
 */
typedef struct xenith_domain_info {
    /** Which fields are known: `XENITH_DOMAIN_INFO_*`. */
    uint64_t valid;
    /** Memory that it has now, KiB. */
    uint64_t memory_kib;
    /** The most memory that it may have, KiB. */
    uint64_t max_memory_kib;
    /** Processor time used in this life, ns. */
    uint64_t cpu_time_ns;
    /** Memory shared with other domains, KiB (Xen 4.0 and later). */
    uint64_t shared_kib;
    /** Memory paged out, KiB (Xen 4.2 and later). */
    uint64_t paged_kib;
    /** Memory claimed and not yet allocated, KiB (Xen 4.3 and later). */
    uint64_t outstanding_kib;
    /** What it does: `XENITH_STATE_*`. */
    uint32_t state;
    /** Why: `XENITH_REASON_*`. */
    uint32_t reason;
    /** The number of its life, if it is active. */
    uint32_t id;
    /** The kind of guest: `XENITH_GUEST_*`. */
    uint32_t guest_type;
    /** Vcpus that are online. */
    uint32_t vcpus_online;
    /** Vcpus that exist. */
    uint32_t vcpus_max;
    /** The cpupool that it runs in (Xen 4.1 and later). */
    uint32_t cpupool;
    /** The number of its security label. */
    uint32_t ssidref;
    /**
     * The uuid, in the order in which it is written. Zeroes for domains that were never given one,
     * such as Domain-0.
     */
    uint8_t uuid[16];
} xenith_domain_info;

/**
 * How to convert a guest's definition. Start from zeroes: zero is the default, of fields that later
 * versions add too.
 */
typedef struct xenith_convert_options {
    /**
     * The age of xend that an S-expression or a configuration of xm is for: 1 is Xen 3.0.2, 2 is
     * 3.0.3, 3 is 3.0.4, 4 is 3.1 to 4.4. 0: 4.
     */
    uint32_t xend_config_format;
} xenith_convert_options;

#ifdef __cplusplus
extern "C" {
#endif // __cplusplus

/* ---- The library ----------------------------------------------------------------------------- */

/**
 * The version of the library that the program runs with; `XENITH_VERSION` is the one that it was
 * compiled with.
 *
 * Road: none.
 *
 * @return major * 1000000 + minor * 1000 + micro
 */
uint64_t xenith_library_version(void);

/**
 * The version of the library that the program runs with, for people.
 *
 * Road: none.
 *
 * @return "major.minor.micro", which lives as long as the process. Never NULL.
 */
const char *xenith_library_version_string(void);

/* ---- Errors and strings ---------------------------------------------------------------------- */

/**
 * The status, which is the one that the call returned.
 *
 * Road: none, this reads the object.
 *
 * @param error  an error object, or NULL
 * @return one of `XENITH_ERR_*`; `XENITH_OK` for NULL
 */
xenith_status xenith_error_get_status(const struct xenith_error *error);

/**
 * The road into the host that the error came from.
 *
 * Road: none, this reads the object.
 *
 * @param error  an error object, or NULL
 * @return one of `XENITH_ROAD_*`; `XENITH_ROAD_NONE` for NULL
 */
uint32_t xenith_error_get_road(const struct xenith_error *error);

/**
 * The errno of the system call or hypercall that failed.
 *
 * Road: none, this reads the object.
 *
 * @param error  an error object, or NULL
 * @return a positive errno; 0 where there was none, and for NULL
 */
int32_t xenith_error_get_errno(const struct xenith_error *error);

/**
 * What happened and what to do next, in one sentence that starts with the road's name where there
 * was a road. For people: its wording may change in any version.
 *
 * Road: none, this reads the object.
 *
 * @param error  an error object, or NULL
 * @return UTF-8 that lives as long as the error object; "no error" for NULL. Never NULL.
 */
const char *xenith_error_get_message(const struct xenith_error *error);

/**
 * Frees an error object.
 *
 * Road: none.
 *
 * @param error  an error object; NULL does nothing
 */
void xenith_error_free(struct xenith_error *error);

/**
 * Frees a string that a function of this library gave through a `char **`. Strings that are
 * returned as `const char *` are not freed: each says what it lives with.
 *
 * Road: none.
 *
 * @param string  such a string; NULL does nothing
 */
void xenith_string_free(char *string);

/* ---- Connections ----------------------------------------------------------------------------- */

/**
 * Opens a connection to a host. Nothing is changed on it.
 *
 * Road: looks for each road that the URI allows, and keeps those that are there.
 *
 * @param uri           the host: "xen:///" or NULL is this one, "xen+sim:///" one that is
 *                      simulated in this process; README.md lists all forms
 * @param options       deadlines, log, roads; NULL (with options_size 0) for the defaults
 * @param options_size  `sizeof *options`
 * @param flags         0
 * @param out           receives the connection, released with `xenith_connect_unref`
 * @param err           receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_URI`; `XENITH_ERR_NO_CONNECT` and
 *         `XENITH_ERR_ACCESS_DENIED` name the road, why, and what to do;
 *         `XENITH_ERR_NOT_SUPPORTED` for a road or a Xen that this version does not know;
 *         `XENITH_ERR_TIMEOUT`; `XENITH_ERR_INVALID_ARG` for options from a newer header that ask
 *         for something
 */
xenith_status xenith_connect_open(const char *uri,
                                  const struct xenith_open_options *options,
                                  size_t options_size,
                                  uint64_t flags,
                                  struct xenith_connect **out,
                                  struct xenith_error **err);

/**
 * Takes one more reference to a connection.
 *
 * Road: none.
 *
 * @param conn  a connection; NULL does nothing
 * @return `conn`, for convenience
 */
struct xenith_connect *xenith_connect_ref(struct xenith_connect *conn);

/**
 * Releases a reference to a connection. With the last one, and with no domain left that holds it,
 * the connection is closed. In a child process after fork this frees the child's memory and
 * disturbs the parent in nothing.
 *
 * Road: none.
 *
 * @param conn  a connection; NULL does nothing
 */
void xenith_connect_unref(struct xenith_connect *conn);

/**
 * The kind of host, by the name that libvirt gives it.
 *
 * Road: none.
 *
 * @param conn   a connection
 * @param flags  0
 * @param out    receives "Xen", freed with `xenith_string_free`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG`
 */
xenith_status xenith_connect_get_type(struct xenith_connect *conn,
                                      uint64_t flags,
                                      char **out,
                                      struct xenith_error **err);

/**
 * The host's name. A simulated host says in it that it is one.
 *
 * Road: none on this host.
 *
 * @param conn   a connection
 * @param flags  0
 * @param out    receives the name, freed with `xenith_string_free`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_connect_get_hostname(struct xenith_connect *conn,
                                          uint64_t flags,
                                          char **out,
                                          struct xenith_error **err);

/**
 * The URI that the connection was opened with, in full form.
 *
 * Road: none.
 *
 * @param conn   a connection
 * @param flags  0
 * @param out    receives the URI, freed with `xenith_string_free`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG`
 */
xenith_status xenith_connect_get_uri(struct xenith_connect *conn,
                                     uint64_t flags,
                                     char **out,
                                     struct xenith_error **err);

/**
 * What the host can do, as libvirt's capabilities XML: the machine type, whether the processors have
 * hardware virtualization, and each kind of guest that the hypervisor runs, with its architecture and
 * features; PVH guests from Xen 4.10 on. An embedded host's says that it is a simulation.
 *
 * Road: hypercall, and /proc/cpuinfo; xend where that is the only road.
 *
 * @param conn   a connection
 * @param flags  0
 * @param out    receives the XML, freed with `xenith_string_free`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_connect_get_capabilities(struct xenith_connect *conn,
                                              uint64_t flags,
                                              char **out,
                                              struct xenith_error **err);

/**
 * The hypervisor's version.
 *
 * Road: hypercall.
 *
 * @param conn   a connection
 * @param flags  0
 * @param out    receives major * 1000000 + minor * 1000 + micro
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_connect_get_version(struct xenith_connect *conn,
                                         uint64_t flags,
                                         uint64_t *out,
                                         struct xenith_error **err);

/**
 * The version of the xenith library at the far end of the connection: this one, unless the host is
 * another machine.
 *
 * Road: none on this host.
 *
 * @param conn   a connection
 * @param flags  0
 * @param out    receives major * 1000000 + minor * 1000 + micro
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG`
 */
xenith_status xenith_connect_get_library_version(struct xenith_connect *conn,
                                                 uint64_t flags,
                                                 uint64_t *out,
                                                 struct xenith_error **err);

/**
 * The most vcpus that a guest may have.
 *
 * Road: none: what Xen allows is a constant of its kind of guest.
 *
 * @param conn   a connection
 * @param kind   the kind of guest as domain XML names it: "linux" or "xen" (PV), "hvm", "xenpvh";
 *               NULL for the number that each of them may have
 * @param flags  0
 * @param out    receives the number
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for another kind; `XENITH_ERR_NOT_SUPPORTED` for
 *         one that this host cannot run; `XENITH_ERR_CLOSED` after fork
 */
xenith_status xenith_connect_get_max_vcpus(struct xenith_connect *conn,
                                           const char *kind,
                                           uint64_t flags,
                                           uint32_t *out,
                                           struct xenith_error **err);

/**
 * The host's processors and memory.
 *
 * Road: hypercall.
 *
 * @param conn   a connection
 * @param flags  0
 * @param info   receives the figures; those that the host does not tell are absent from
 *               `info->valid`
 * @param size   `sizeof *info`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for an impossible size; `XENITH_ERR_CLOSED` after
 *         fork; the road's errors
 */
xenith_status xenith_connect_get_node_info(struct xenith_connect *conn,
                                           uint64_t flags,
                                           struct xenith_node_info *info,
                                           size_t size,
                                           struct xenith_error **err);

/**
 * All domains, as one snapshot with id, uuid, name, state and figures of each. Live ones come
 * first, by id.
 *
 * Road: hypercall, one for 1024 domains; their names from a cache that xenstore watches keep true;
 * inactive domains from the domain files in /etc/xen, or from xend on a host that has it. On a host
 * at rest no round trip is made. A live domain whose name cannot be had is listed without one. A
 * domain file that cannot be read hides no other: the log and the host's report name it.
 *
 * @param conn   a connection
 * @param flags  `XENITH_LIST_ACTIVE`, `XENITH_LIST_INACTIVE`, `XENITH_LIST_FRESH`; without ACTIVE
 *               and INACTIVE: both
 * @param out    receives the list, freed with `xenith_domain_list_free`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_connect_list_domains(struct xenith_connect *conn,
                                          uint64_t flags,
                                          struct xenith_domain_list **out,
                                          struct xenith_error **err);

/**
 * Finds a domain by its name, live or not. The handle is pinned to the domain, and to its life if
 * it is live.
 *
 * Road: xenstore with one round trip, so that every change done before the call is seen; then, for
 * inactive ones, the domain files or xend.
 *
 * @param conn   a connection
 * @param name   the name, 1 to 255 bytes
 * @param flags  0
 * @param out    receives the domain, released with `xenith_domain_unref`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND`; `XENITH_ERR_INVALID_CONFIG` with the place where the
 *         domain file of that name is broken; `XENITH_ERR_INVALID_ARG` for a name that no domain
 *         can have; `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_domain_lookup_by_name(struct xenith_connect *conn,
                                           const char *name,
                                           uint64_t flags,
                                           struct xenith_domain **out,
                                           struct xenith_error **err);

/**
 * Finds a live domain by its id. The handle is pinned to that life.
 *
 * Road: hypercall.
 *
 * @param conn   a connection
 * @param id     the id, 0 to 32751
 * @param flags  0
 * @param out    receives the domain, released with `xenith_domain_unref`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND`; `XENITH_ERR_INVALID_ARG` for an id out of range;
 *         `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_domain_lookup_by_id(struct xenith_connect *conn,
                                         uint32_t id,
                                         uint64_t flags,
                                         struct xenith_domain **out,
                                         struct xenith_error **err);

/**
 * Finds a domain by its uuid, live or not. The handle is pinned to the domain, and to its life if
 * it is live.
 *
 * Road: hypercall; then, for inactive ones, the domain files or xend.
 *
 * @param conn   a connection
 * @param uuid   16 bytes, in the order in which they are written
 * @param flags  0
 * @param out    receives the domain, released with `xenith_domain_unref`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND`; `XENITH_ERR_INVALID_ARG` for NULL;
 *         `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_domain_lookup_by_uuid(struct xenith_connect *conn,
                                           const uint8_t *uuid,
                                           uint64_t flags,
                                           struct xenith_domain **out,
                                           struct xenith_error **err);

/**
 * Finds a domain by its uuid as text, live or not. The handle is pinned to the domain, and to its
 * life if it is live.
 *
 * Road: hypercall; then, for inactive ones, the domain files or xend.
 *
 * @param conn   a connection
 * @param uuid   32 hexadecimal digits, with or without dashes
 * @param flags  0
 * @param out    receives the domain, released with `xenith_domain_unref`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND`; `XENITH_ERR_INVALID_ARG` for what is no uuid;
 *         `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_domain_lookup_by_uuid_string(struct xenith_connect *conn,
                                                  const char *uuid,
                                                  uint64_t flags,
                                                  struct xenith_domain **out,
                                                  struct xenith_error **err);

/**
 * Makes a domain persistent, or replaces its configuration. It is not started. The uuid decides
 * which domain is meant: without one in the XML, the persistent domain of that name, else a new
 * one.
 *
 * Road: the domain files in /etc/xen, or xend on a host that has it.
 *
 * @param conn   a connection
 * @param xml    domain XML, UTF-8
 * @param flags  0
 * @param out    receives the domain, released with `xenith_domain_unref`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_CONFIG` says where the XML is wrong, or the domain file
 *         that would be written over; `XENITH_ERR_EXISTS` for a name or uuid that another domain
 *         has; `XENITH_ERR_NOT_SUPPORTED` for what the host's language cannot say;
 *         `XENITH_ERR_OPERATION_FAILED` with the host's words; `XENITH_ERR_TIMEOUT` (the
 *         toolstack's deadline); `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_domain_define_xml(struct xenith_connect *conn,
                                       const char *xml,
                                       uint64_t flags,
                                       struct xenith_domain **out,
                                       struct xenith_error **err);

/**
 * Starts a domain that exists until its life ends. When a step fails, what was made is destroyed
 * again.
 *
 * Road: xl, or xend on a host that has it.
 *
 * @param conn   a connection
 * @param xml    domain XML, UTF-8
 * @param flags  0 or `XENITH_CREATE_PAUSED`
 * @param out    receives the domain, released with `xenith_domain_unref`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_CONFIG` says where the XML is wrong;
 *         `XENITH_ERR_EXISTS` for a name or uuid that another domain has;
 *         `XENITH_ERR_NOT_SUPPORTED` on a host without a toolstack; `XENITH_ERR_OPERATION_FAILED`
 *         with the host's words; `XENITH_ERR_TIMEOUT` (the toolstack's deadline);
 *         `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_domain_create_xml(struct xenith_connect *conn,
                                       const char *xml,
                                       uint64_t flags,
                                       struct xenith_domain **out,
                                       struct xenith_error **err);

/* ---- Domains --------------------------------------------------------------------------------- */

/**
 * Takes one more reference to a domain.
 *
 * Road: none.
 *
 * @param dom  a domain; NULL does nothing
 * @return `dom`, for convenience
 */
struct xenith_domain *xenith_domain_ref(struct xenith_domain *dom);

/**
 * Releases a reference to a domain; with the last one, its reference to the connection. The domain
 * itself goes on.
 *
 * Road: none.
 *
 * @param dom  a domain; NULL does nothing
 */
void xenith_domain_unref(struct xenith_domain *dom);

/**
 * The connection that the domain belongs to.
 *
 * Road: none.
 *
 * @param dom    a domain
 * @param flags  0
 * @param out    receives the connection: a reference of the caller's own, released with
 *               `xenith_connect_unref`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG`
 */
xenith_status xenith_domain_get_connect(struct xenith_domain *dom,
                                        uint64_t flags,
                                        struct xenith_connect **out,
                                        struct xenith_error **err);

/**
 * The domain's name now.
 *
 * Road: xenstore (live); the domain files or xend (inactive).
 *
 * @param dom    a domain
 * @param flags  0
 * @param out    receives the name, freed with `xenith_string_free`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND` when the domain is gone; `XENITH_ERR_CLOSED` after
 *         fork; the road's errors
 */
xenith_status xenith_domain_get_name(struct xenith_domain *dom,
                                     uint64_t flags,
                                     char **out,
                                     struct xenith_error **err);

/**
 * The uuid.
 *
 * Road: none, the handle is pinned to it.
 *
 * @param dom    a domain
 * @param flags  0
 * @param out    receives 16 bytes, in the order in which a uuid is written
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG`
 */
xenith_status xenith_domain_get_uuid(struct xenith_domain *dom,
                                     uint64_t flags,
                                     uint8_t *out,
                                     struct xenith_error **err);

/**
 * The uuid as text.
 *
 * Road: none, the handle is pinned to it.
 *
 * @param dom    a domain
 * @param flags  0
 * @param out    receives 32 lower-case hexadecimal digits with dashes, freed with
 *               `xenith_string_free`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG`
 */
xenith_status xenith_domain_get_uuid_string(struct xenith_domain *dom,
                                            uint64_t flags,
                                            char **out,
                                            struct xenith_error **err);

/**
 * The id: the number of the domain's life now.
 *
 * Road: hypercall.
 *
 * @param dom    a domain
 * @param flags  0
 * @param out    receives the id
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_STATE` when the domain is not active, so has none;
 *         `XENITH_ERR_NOT_FOUND` when it is gone; `XENITH_ERR_CLOSED` after fork; the road's
 *         errors
 */
xenith_status xenith_domain_get_id(struct xenith_domain *dom,
                                   uint64_t flags,
                                   uint32_t *out,
                                   struct xenith_error **err);

/**
 * The kind of guest, as domain XML names it.
 *
 * Road: hypercall (live); the domain files or xend (inactive).
 *
 * @param dom    a domain
 * @param flags  0
 * @param out    receives "linux" (PV), "hvm" or "xenpvh", freed with `xenith_string_free`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND` when the domain is gone; `XENITH_ERR_CLOSED` after
 *         fork; the road's errors
 */
xenith_status xenith_domain_get_os_type(struct xenith_domain *dom,
                                        uint64_t flags,
                                        char **out,
                                        struct xenith_error **err);

/**
 * What the domain does, and why.
 *
 * Road: hypercall (live); the domain files or xend (inactive).
 *
 * @param dom     a domain
 * @param flags   0
 * @param state   receives one of `XENITH_STATE_*`
 * @param reason  receives one of `XENITH_REASON_*`; may be NULL
 * @param err     receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND` when the domain is gone; `XENITH_ERR_CLOSED` after
 *         fork; the road's errors
 */
xenith_status xenith_domain_get_state(struct xenith_domain *dom,
                                      uint64_t flags,
                                      uint32_t *state,
                                      uint32_t *reason,
                                      struct xenith_error **err);

/**
 * Id, uuid, state and figures.
 *
 * Road: hypercall, one (live); the domain files or xend (inactive).
 *
 * @param dom    a domain
 * @param flags  0
 * @param info   receives the figures; those that the host does not tell are absent from
 *               `info->valid`
 * @param size   `sizeof *info`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for an impossible size; `XENITH_ERR_NOT_FOUND`
 *         when the domain is gone; `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_domain_get_info(struct xenith_domain *dom,
                                     uint64_t flags,
                                     struct xenith_domain_info *info,
                                     size_t size,
                                     struct xenith_error **err);

/**
 * Its domain XML: as it runs, or its configuration without what only a running domain has (id,
 * console, ports). Of a domain that was defined anew while it runs, xend tells the new
 * configuration only when that life is over.
 *
 * Passwords are left out. A domain that is defined from this XML has none: add them first.
 *
 * Road: xl (live) and the domain files (inactive), or xend on a host that has it; a live domain's
 * console and VNC port come from xenstore.
 *
 * @param dom    a domain
 * @param flags  0 or `XENITH_XML_INACTIVE`
 * @param out    receives the XML, freed with `xenith_string_free`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND` when the domain is gone; `XENITH_ERR_NOT_SUPPORTED`
 *         for a live domain of a host without a toolstack, which has no configuration to show;
 *         `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_domain_get_xml(struct xenith_domain *dom,
                                    uint64_t flags,
                                    char **out,
                                    struct xenith_error **err);

/**
 * Whether the domain has a life now.
 *
 * Road: hypercall.
 *
 * @param dom    a domain
 * @param flags  0
 * @param out    receives 1 or 0
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND` when the domain is gone; `XENITH_ERR_CLOSED` after
 *         fork; the road's errors
 */
xenith_status xenith_domain_is_active(struct xenith_domain *dom,
                                      uint64_t flags,
                                      uint32_t *out,
                                      struct xenith_error **err);

/**
 * Whether the host remembers the domain when it is not running.
 *
 * Road: the domain files, or xend's folder of managed domains.
 *
 * @param dom    a domain
 * @param flags  0
 * @param out    receives 1 or 0
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_NOT_SUPPORTED` or `XENITH_ERR_ACCESS_DENIED` where it cannot be
 *         told (a running domain of another machine's xend); `XENITH_ERR_NOT_FOUND` when the
 *         domain is gone; `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_domain_is_persistent(struct xenith_domain *dom,
                                          uint64_t flags,
                                          uint32_t *out,
                                          struct xenith_error **err);

/**
 * Starts an inactive persistent domain. The handle is then pinned to the new life.
 *
 * Road: xl, or xend on a host that has it.
 *
 * @param dom    a domain
 * @param flags  0 or `XENITH_CREATE_PAUSED`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_STATE` when it is running; `XENITH_ERR_NOT_FOUND` when
 *         it is gone; `XENITH_ERR_OPERATION_FAILED` with the host's words (no memory, no such
 *         disk); `XENITH_ERR_NOT_SUPPORTED` for `XENITH_CREATE_PAUSED` on xend, which ignores it,
 *         and on a host without a toolstack; `XENITH_ERR_TIMEOUT` (the toolstack's deadline);
 *         `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_domain_create(struct xenith_domain *dom,
                                   uint64_t flags,
                                   struct xenith_error **err);

/**
 * Forgets a persistent domain. A running one goes on as a transient one, until its life ends; xend
 * cannot forget a running one.
 *
 * Road: the domain files, or xend on a host that has it.
 *
 * @param dom    a domain
 * @param flags  0
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_STATE` when it is running, on a host with xend, and for
 *         a transient one; `XENITH_ERR_NOT_FOUND`; `XENITH_ERR_CLOSED` after fork; the road's
 *         errors
 */
xenith_status xenith_domain_undefine(struct xenith_domain *dom,
                                     uint64_t flags,
                                     struct xenith_error **err);

/**
 * Stops a live domain's vcpus until `xenith_domain_resume`.
 *
 * Road: hypercall, or xend on a host that has it.
 *
 * @param dom    a domain
 * @param flags  0
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_STALE` when the life that the handle is pinned to is over;
 *         `XENITH_ERR_INVALID_STATE` when it is not in a state for that; `XENITH_ERR_CLOSED` after
 *         fork; the road's errors
 */
xenith_status xenith_domain_suspend(struct xenith_domain *dom,
                                    uint64_t flags,
                                    struct xenith_error **err);

/**
 * Lets a paused domain's vcpus go on.
 *
 * Road: xl, or xend on a host that has it; hypercall on one without a toolstack.
 *
 * @param dom    a domain
 * @param flags  0
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_STALE` when the life that the handle is pinned to is over;
 *         `XENITH_ERR_INVALID_STATE` when it is not in a state for that; `XENITH_ERR_CLOSED` after
 *         fork; the road's errors
 */
xenith_status xenith_domain_resume(struct xenith_domain *dom,
                                   uint64_t flags,
                                   struct xenith_error **err);

/**
 * Asks the guest to power off. Returns when it was asked: a guest may take its time, or not
 * listen.
 *
 * Road: xl, or xend on a host that has it; xenstore on one without a toolstack.
 *
 * @param dom    a domain
 * @param flags  0
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_STALE` when the life that the handle is pinned to is over;
 *         `XENITH_ERR_INVALID_STATE` when it is not in a state for that; `XENITH_ERR_CLOSED` after
 *         fork; the road's errors
 */
xenith_status xenith_domain_shutdown(struct xenith_domain *dom,
                                     uint64_t flags,
                                     struct xenith_error **err);

/**
 * Asks the guest to reboot. Returns when it was asked. The rebooted domain is another life: look
 * it up again.
 *
 * Road: xl, or xend on a host that has it; xenstore on one without a toolstack.
 *
 * @param dom    a domain
 * @param flags  0
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_STALE` when the life that the handle is pinned to is over;
 *         `XENITH_ERR_INVALID_STATE` when it is not in a state for that; `XENITH_ERR_CLOSED` after
 *         fork; the road's errors
 */
xenith_status xenith_domain_reboot(struct xenith_domain *dom,
                                   uint64_t flags,
                                   struct xenith_error **err);

/**
 * Ends a life at once, as pulling the plug does. Returns when it is over. A persistent domain is
 * then inactive, a transient one gone.
 *
 * Road: xl, or xend on a host that has it; hypercall on one without a toolstack.
 *
 * @param dom    a domain
 * @param flags  0
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_STALE` when the life that the handle is pinned to is over;
 *         `XENITH_ERR_INVALID_STATE` when it is not in a state for that; `XENITH_ERR_CLOSED` after
 *         fork; the road's errors
 */
xenith_status xenith_domain_destroy(struct xenith_domain *dom,
                                    uint64_t flags,
                                    struct xenith_error **err);

/* ---- From one life to the next: save and restore, autostart, monitors ------------------------ */

/**
 * Writes a live domain's state into a file and ends its life. A persistent domain is then
 * inactive, a transient one exists in the file only. When this fails, the domain goes on.
 *
 * The file is written by the host's toolstack, in the toolstack's own format, and as large as the
 * domain's memory. It holds everything that the guest had in its memory: whoever can read it has
 * the guest's secrets.
 *
 * Road: xl, or xend on a host that has it.
 *
 * @param dom    a domain
 * @param file   the path of the file, UTF-8 and not empty; best an absolute one
 * @param flags  0
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_STALE` when the life that the handle is pinned to is over;
 *         `XENITH_ERR_INVALID_STATE` when it is not in a state for that;
 *         `XENITH_ERR_OPERATION_FAILED` with the toolstack's words (no space, a guest that does
 *         not suspend); `XENITH_ERR_NOT_SUPPORTED` on a host without a toolstack;
 *         `XENITH_ERR_TIMEOUT` (the toolstack's deadline, and a second for each 8 MiB of memory);
 *         `XENITH_ERR_INVALID_ARG` for Domain-0; `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_domain_save(struct xenith_domain *dom,
                                 const char *file,
                                 uint64_t flags,
                                 struct xenith_error **err);

/**
 * Begins the next life of a domain that was saved, with the uuid and name that it had. The handle
 * is pinned to that life. The file stays: restoring it twice gives two guests that write to the
 * same disks, one of which will ruin them.
 *
 * Road: xl, or xend on a host that has it.
 *
 * @param conn   a connection
 * @param file   the path of a file that `xenith_domain_save` or the host's toolstack wrote, UTF-8
 *               and not empty; best an absolute one
 * @param flags  0 or `XENITH_CREATE_PAUSED`
 * @param out    receives the domain, released with `xenith_domain_unref`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_NOT_FOUND` for a file that is not there;
 *         `XENITH_ERR_INVALID_CONFIG` for one that holds no domain; `XENITH_ERR_EXISTS` when the
 *         domain runs already, or another one has its name; `XENITH_ERR_OPERATION_FAILED` with the
 *         toolstack's words (no memory, no such disk); `XENITH_ERR_NOT_SUPPORTED` for
 *         `XENITH_CREATE_PAUSED` on xend, for a file of another toolstack, and on a host without
 *         one; `XENITH_ERR_TIMEOUT` (the toolstack's deadline, and a second for each 8 MiB);
 *         `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_domain_restore(struct xenith_connect *conn,
                                    const char *file,
                                    uint64_t flags,
                                    struct xenith_domain **out,
                                    struct xenith_error **err);

/**
 * Whether the domain is started with the host.
 *
 * Road: the link in /etc/xen/auto that the xendomains service reads; xend on a host that has it.
 *
 * @param dom    a domain
 * @param flags  0
 * @param out    receives 1 or 0
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_STATE` for a transient domain; `XENITH_ERR_NOT_FOUND`
 *         when the domain is gone; `XENITH_ERR_NOT_SUPPORTED` where the host has no such thing;
 *         `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_domain_get_autostart(struct xenith_domain *dom,
                                          uint64_t flags,
                                          uint32_t *out,
                                          struct xenith_error **err);

/**
 * Sets whether a persistent domain is started with the host. It is neither started nor stopped
 * now.
 *
 * Road: the link in /etc/xen/auto that the xendomains service reads; xend on a host that has it.
 *
 * @param dom        a domain
 * @param autostart  1 or 0
 * @param flags      0
 * @param err        receives NULL or an error object; may be NULL
 * @return `XENITH_OK`, also when it was so already; `XENITH_ERR_INVALID_STATE` for a transient
 *         domain; `XENITH_ERR_NOT_FOUND` when the domain is gone; `XENITH_ERR_NOT_SUPPORTED` where
 *         the host has no such thing; `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_domain_set_autostart(struct xenith_domain *dom,
                                          uint32_t autostart,
                                          uint64_t flags,
                                          struct xenith_error **err);

/**
 * Whether the process runs that acts when this life ends: on a host of the xl toolstack, each life
 * has one, which frees the domain when it powers off and starts it again when it reboots. Without
 * it the domain goes on, but is left as it is when it ends. A domain that libvirt began has none and
 * counts as having one: libvirt's daemon minds it.
 *
 * Road: /proc, where the toolstack's processes are.
 *
 * @param dom    a domain
 * @param flags  0
 * @param out    receives 1 or 0
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_NOT_SUPPORTED` where there are no such processes: xend acts
 *         itself; `XENITH_ERR_INVALID_STATE` when the domain is not running;
 *         `XENITH_ERR_NOT_FOUND` when it is gone; `XENITH_ERR_CLOSED` after fork; the road's
 *         errors
 */
xenith_status xenith_domain_has_monitor(struct xenith_domain *dom,
                                        uint64_t flags,
                                        uint32_t *out,
                                        struct xenith_error **err);

/**
 * Starts a process that acts when this life ends, in the place of one that is missing. It is the
 * command `xenith`, which has to be installed, and it goes on when the caller ends.
 *
 * Road: the domain's configuration from xl.
 *
 * @param dom    a domain
 * @param flags  0
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK` when it minds the domain; `XENITH_ERR_INVALID_STATE` when another process does
 *         already, or the domain is not running; `XENITH_ERR_NOT_SUPPORTED` where xend acts itself,
 *         and without a toolstack; `XENITH_ERR_STALE` when the life that the handle is pinned to is
 *         over; `XENITH_ERR_CLOSED` after fork; the road's errors
 */
xenith_status xenith_domain_start_monitor(struct xenith_domain *dom,
                                          uint64_t flags,
                                          struct xenith_error **err);

/* ---- Lists of domains ------------------------------------------------------------------------ */

/**
 * How many domains are in a list.
 *
 * Road: none, this reads the list.
 *
 * @param list  a list, or NULL
 * @return the number of rows; 0 for NULL
 */
size_t xenith_domain_list_count(const struct xenith_domain_list *list);

/**
 * The name of a row's domain.
 *
 * Road: none, this reads the list.
 *
 * @param list   a list
 * @param index  the row, from 0
 * @param out    receives the name, UTF-8, which lives as long as the list; NULL for a domain that
 *               has none yet or any more (half made, or being torn down) or whose name could not
 *               be read
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for NULL or an index beyond the end
 */
xenith_status xenith_domain_list_get_name(const struct xenith_domain_list *list,
                                          size_t index,
                                          const char **out,
                                          struct xenith_error **err);

/**
 * Id, uuid, state and figures of a row's domain.
 *
 * Road: none, this reads the list.
 *
 * @param list   a list
 * @param index  the row, from 0
 * @param info   receives the figures
 * @param size   `sizeof *info`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for NULL, an index beyond the end, or an
 *         impossible size
 */
xenith_status xenith_domain_list_get_info(const struct xenith_domain_list *list,
                                          size_t index,
                                          struct xenith_domain_info *info,
                                          size_t size,
                                          struct xenith_error **err);

/**
 * Frees a list and the names in it.
 *
 * Road: none.
 *
 * @param list  a list; NULL does nothing
 */
void xenith_domain_list_free(struct xenith_domain_list *list);

/* ---- Reports on a host ----------------------------------------------------------------------- */

/**
 * Looks at a host and reports on it, also where no connection can be opened: that is when it is
 * needed most. Nothing is changed.
 *
 * "xen+sim:///" without `dir` is a new simulated host; the report on one that a connection holds
 * is `xenith_connect_get_report`'s.
 *
 * Road: looks for each road that the URI allows.
 *
 * @param uri           the host, as for `xenith_connect_open`
 * @param options       deadlines, log, roads; NULL (with options_size 0) for the defaults
 * @param options_size  `sizeof *options`
 * @param flags         0
 * @param out           receives the report, freed with `xenith_report_free`
 * @param err           receives NULL or an error object; may be NULL
 * @return `XENITH_OK`, whatever the report says; `XENITH_ERR_INVALID_URI`;
 *         `XENITH_ERR_INVALID_ARG` for options from a newer header that ask for something
 */
xenith_status xenith_report_open(const char *uri,
                                 const struct xenith_open_options *options,
                                 size_t options_size,
                                 uint64_t flags,
                                 struct xenith_report **out,
                                 struct xenith_error **err);

/**
 * Reports on the host of an open connection: its roads as they are now, broken domain files,
 * domains without a monitor.
 *
 * Road: asks each one that the connection has.
 *
 * @param conn   a connection
 * @param flags  0
 * @param out    receives the report, freed with `xenith_report_free`
 * @param err    receives NULL or an error object; may be NULL
 * @return `XENITH_OK`, whatever the report says; `XENITH_ERR_CLOSED` after fork
 */
xenith_status xenith_connect_get_report(struct xenith_connect *conn,
                                        uint64_t flags,
                                        struct xenith_report **out,
                                        struct xenith_error **err);

/**
 * What kind of host it was taken for, in a sentence for people.
 *
 * Road: none, this reads the report.
 *
 * @param report  a report
 * @param out     receives UTF-8 that lives as long as the report
 * @param err     receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for NULL
 */
xenith_status xenith_report_get_host(const struct xenith_report *report,
                                     const char **out,
                                     struct xenith_error **err);

/**
 * Why no connection can be opened.
 *
 * Road: none, this reads the report.
 *
 * @param report   a report
 * @param status   receives what `xenith_connect_open` would return: `XENITH_OK`, or one of
 *                 `XENITH_ERR_*`
 * @param road     receives the road that the error came from, one of `XENITH_ROAD_*`; may be NULL
 * @param message  receives the error's message, UTF-8 that lives as long as the report, or NULL
 *                 for `XENITH_OK`; may be NULL
 * @param err      receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for NULL
 */
xenith_status xenith_report_get_failure(const struct xenith_report *report,
                                        uint32_t *status,
                                        uint32_t *road,
                                        const char **message,
                                        struct xenith_error **err);

/**
 * How many roads are in a report.
 *
 * Road: none, this reads the report.
 *
 * @param report  a report, or NULL
 * @return the number; 0 for NULL
 */
size_t xenith_report_road_count(const struct xenith_report *report);

/**
 * One road: whether it is there, and where or why not.
 *
 * Road: none, this reads the report.
 *
 * @param report   a report
 * @param index    which, from 0
 * @param road     receives one of `XENITH_ROAD_*`
 * @param found    receives 1 when it can be taken, else 0; may be NULL
 * @param version  receives what was found on it ("4.17.5"), UTF-8 that lives as long as the
 *                 report, or NULL where it does not say; may be NULL
 * @param detail   receives where it was found, or why it was not and what to do, likewise; may be
 *                 NULL
 * @param err      receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for NULL or an index beyond the end
 */
xenith_status xenith_report_get_road(const struct xenith_report *report,
                                     size_t index,
                                     uint32_t *road,
                                     uint32_t *found,
                                     const char **version,
                                     const char **detail,
                                     struct xenith_error **err);

/**
 * How many operations are in a report; none where no connection can be opened.
 *
 * Road: none, this reads the report.
 *
 * @param report  a report, or NULL
 * @return the number; 0 for NULL
 */
size_t xenith_report_route_count(const struct xenith_report *report);

/**
 * One operation, and the road that serves it.
 *
 * Road: none, this reads the report.
 *
 * @param report     a report
 * @param index      which, from 0
 * @param operation  receives its name ("create"), UTF-8 that lives as long as the report
 * @param active     receives the road for live domains and for the host, one of `XENITH_ROAD_*`;
 *                   `XENITH_ROAD_NONE` where none does it; may be NULL
 * @param inactive   receives the road for inactive domains, likewise; may be NULL
 * @param err        receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for NULL or an index beyond the end
 */
xenith_status xenith_report_get_route(const struct xenith_report *report,
                                      size_t index,
                                      const char **operation,
                                      uint32_t *active,
                                      uint32_t *inactive,
                                      struct xenith_error **err);

/**
 * How many problems are in a report.
 *
 * Road: none, this reads the report.
 *
 * @param report  a report, or NULL
 * @return the number; 0 for NULL, and where all is well
 */
size_t xenith_report_problem_count(const struct xenith_report *report);

/**
 * One thing that is not as it should be, and what to do about it: a domain file that cannot be
 * read, a domain without a monitor.
 *
 * Road: none, this reads the report.
 *
 * @param report  a report
 * @param index   which, from 0
 * @param out     receives a sentence for people, UTF-8 that lives as long as the report
 * @param err     receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for NULL or an index beyond the end
 */
xenith_status xenith_report_get_problem(const struct xenith_report *report,
                                        size_t index,
                                        const char **out,
                                        struct xenith_error **err);

/**
 * Frees a report and the strings in it.
 *
 * Road: none.
 *
 * @param report  a report; NULL does nothing
 */
void xenith_report_free(struct xenith_report *report);

/* ---- Captures: what a host answers, to send -------------------------------------------------- */

/**
 * Writes what a host answers to questions that change nothing into a file, for somebody who does not
 * have such a host: versions, hypercalls' answers, the shape of xenstore's tree, which toolstacks are
 * there. It works where no connection can be opened: each road is asked by itself, and one that is
 * not there is told as such. Nothing is changed on the host.
 *
 * Names of domains, uuids, MAC addresses and words that are on no list are replaced, the same by the
 * same; of other values only the kind and the length are told (docs/capture.md). The file is text,
 * one JSON object a line, and is made to be read before it is sent. Only its owner can read it.
 *
 * "xen+sim:///?capture=FILE" is a host that stands in for the one that a capture was taken of.
 *
 * Road: hypercall, xenstore, xend; each by itself.
 *
 * @param uri           the host, as for `xenith_connect_open`
 * @param options       deadlines, log, roads; NULL (with options_size 0) for the defaults
 * @param options_size  `sizeof *options`
 * @param path          the file
 * @param flags         0 or `XENITH_CAPTURE_REPLACE`
 * @param err           receives NULL or an error object; may be NULL
 * @return `XENITH_OK`, whatever the host has; `XENITH_ERR_EXISTS` where there is a file of that name and
 *         flags do not say that it may be replaced; `XENITH_ERR_INVALID_URI`; `XENITH_ERR_NOT_SUPPORTED`
 *         for another host's URI; `XENITH_ERR_ACCESS_DENIED` and `XENITH_ERR_OPERATION_FAILED` from
 *         the file system
 */
xenith_status xenith_capture_write(const char *uri,
                                   const struct xenith_open_options *options,
                                   size_t options_size,
                                   const char *path,
                                   uint64_t flags,
                                   struct xenith_error **err);

/* ---- Definitions from one language into another ---------------------------------------------- */

/**
 * Domain XML for a guest's definition in a toolstack's language. Passwords in it go along. No host is
 * needed.
 *
 * Road: none.
 *
 * @param format        the language: "xen-xl", "xen-xm", "xen-sxpr", "xenvm"
 * @param text          the definition
 * @param options       NULL (with options_size 0) for the defaults
 * @param options_size  `sizeof *options`
 * @param flags         0 or `XENITH_CONVERT_LENIENT`
 * @param out           receives the domain XML, freed with `xenith_string_free`
 * @param warnings      receives what was left out, freed with `xenith_problem_list_free`; may be NULL
 * @param err           receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_CONFIG` for a text that is malformed or says something
 *         impossible (the message says where); `XENITH_ERR_NOT_SUPPORTED` for what has no place in
 *         domain XML, unless flags say lenient; `XENITH_ERR_INVALID_ARG` for a format that is not
 *         known
 */
xenith_status xenith_domain_xml_from_native(const char *format,
                                            const char *text,
                                            const struct xenith_convert_options *options,
                                            size_t options_size,
                                            uint64_t flags,
                                            char **out,
                                            struct xenith_problem_list **warnings,
                                            struct xenith_error **err);

/**
 * A guest's definition in a toolstack's language, for domain XML. Passwords in it go along. No host is
 * needed.
 *
 * Road: none.
 *
 * @param format        the language: "xen-xl", "xen-xm", "xen-sxpr", "xenvm"
 * @param xml           the domain XML
 * @param options       NULL (with options_size 0) for the defaults
 * @param options_size  `sizeof *options`
 * @param flags         0 or `XENITH_CONVERT_LENIENT`
 * @param out           receives the definition, freed with `xenith_string_free`
 * @param warnings      receives what was left out, freed with `xenith_problem_list_free`; may be NULL
 * @param err           receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_CONFIG` for XML that is malformed or says something
 *         impossible (the message says where), and for a guest that the language's toolstack could
 *         not start; `XENITH_ERR_NOT_SUPPORTED` for what that language has no place for, unless flags
 *         say lenient and the guest can be without; `XENITH_ERR_INVALID_ARG` for a format that is not
 *         known
 */
xenith_status xenith_domain_xml_to_native(const char *format,
                                          const char *xml,
                                          const struct xenith_convert_options *options,
                                          size_t options_size,
                                          uint64_t flags,
                                          char **out,
                                          struct xenith_problem_list **warnings,
                                          struct xenith_error **err);

/* ---- What is wrong with a definition --------------------------------------------------------- */

/**
 * Says everything that is wrong with a guest's definition, in whichever language it is. No host is
 * needed.
 *
 * Road: none.
 *
 * @param format    the language: "domain-xml", "xen-xl", "xen-xm", "xen-sxpr", "xenvm", "libxl-json";
 * NULL to
 *                  have it guessed from the text
 * @param text      the definition
 * @param flags     0
 * @param language  receives the language that it was read as, one of the names above, which lives as
 *                  long as the process; may be NULL
 * @param out       receives the problems, none for a good text, freed with
 *                  `xenith_problem_list_free`. At most some hundred; the last one says how many more.
 * @param err       receives NULL or an error object; may be NULL
 * @return `XENITH_OK`, whatever is wrong with the text; `XENITH_ERR_INVALID_ARG` for a format that is
 *         not known
 */
xenith_status xenith_validate(const char *format,
                              const char *text,
                              uint64_t flags,
                              const char **language,
                              struct xenith_problem_list **out,
                              struct xenith_error **err);

/**
 * How many problems are in a list.
 *
 * Road: none, this reads the list.
 *
 * @param list  a list, or NULL
 * @return the number; 0 for NULL
 */
size_t xenith_problem_list_count(const struct xenith_problem_list *list);

/**
 * One problem.
 *
 * Road: none, this reads the list.
 *
 * @param list      a list
 * @param index     which, from 0
 * @param severity  receives one of `XENITH_SEVERITY_*`
 * @param line      receives its line in the text, from 1; 0 for a problem of the text as a whole; may
 *                  be NULL
 * @param column    receives its column in characters, from 1, likewise; may be NULL
 * @param length    receives how many characters are meant from there on; may be NULL
 * @param message   receives what was found and what is expected, UTF-8 that lives as long as the
 *                  list; may be NULL
 * @param err       receives NULL or an error object; may be NULL
 * @return `XENITH_OK`; `XENITH_ERR_INVALID_ARG` for NULL or an index beyond the end
 */
xenith_status xenith_problem_list_get(const struct xenith_problem_list *list,
                                      size_t index,
                                      uint32_t *severity,
                                      uint32_t *line,
                                      uint32_t *column,
                                      uint32_t *length,
                                      const char **message,
                                      struct xenith_error **err);

/**
 * Frees a list of problems and the strings in it.
 *
 * Road: none.
 *
 * @param list  a list; NULL does nothing
 */
void xenith_problem_list_free(struct xenith_problem_list *list);

#ifdef __cplusplus
}  // extern "C"
#endif  // __cplusplus

#endif  /* XENITH_H */


