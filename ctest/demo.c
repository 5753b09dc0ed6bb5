/*
 * The life of a guest, through xenith: define, look up, start, watch, shut down, forget.
 *
 *   cc demo.c -o demo $(pkg-config --cflags --libs xenith)
 *   ./demo guest.xml [URI]
 *
 * Without a URI it runs on the embedded host, which is a simulation: nothing on this machine changes.
 */
#define _POSIX_C_SOURCE 199309L /* nanosleep */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <xenith.h>

static xenith_error *err;

/* Every call that can fail says how it went; the error object says why. */
static void must(xenith_status status, const char *what)
{
    if (status != XENITH_OK) {
        fprintf(stderr, "cannot %s: %s\n", what, xenith_error_get_message(err));
        xenith_error_free(err);
        exit(1);
    }
}

static const char *state_name(uint32_t state)
{
    switch (state) {
    case XENITH_STATE_RUNNING: return "running";
    case XENITH_STATE_BLOCKED: return "idle";
    case XENITH_STATE_PAUSED: return "paused";
    case XENITH_STATE_SHUTDOWN: return "in shutdown";
    case XENITH_STATE_SHUTOFF: return "shut off";
    case XENITH_STATE_CRASHED: return "crashed";
    default: return "in some other state";
    }
}

static char *read_file(const char *path)
{
    static char text[65536];
    FILE *file = fopen(path, "rb");
    size_t length;
    if (file == NULL) {
        perror(path);
        exit(1);
    }
    length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    fclose(file);
    return text;
}

static void show_host(xenith_connect *conn)
{
    char *hostname;
    uint64_t version;
    struct xenith_node_info node;
    must(xenith_connect_get_hostname(conn, 0, &hostname, &err), "get the host's name");
    must(xenith_connect_get_version(conn, 0, &version, &err), "get the hypervisor's version");
    must(xenith_connect_get_node_info(conn, 0, &node, sizeof node, &err), "get the host's figures");
    printf("host      %s, Xen %" PRIu64 ".%" PRIu64 ".%" PRIu64 ", %u processors, %" PRIu64 " MiB\n", hostname,
           version / 1000000, version / 1000 % 1000, version % 1000, (unsigned)node.cpus,
           node.memory_kib / 1024);
    xenith_string_free(hostname);
}

static void show_list(xenith_connect *conn)
{
    xenith_domain_list *list;
    size_t i;
    must(xenith_connect_list_domains(conn, 0, &list, &err), "list the domains");
    for (i = 0; i < xenith_domain_list_count(list); i++) {
        const char *name;
        struct xenith_domain_info info;
        must(xenith_domain_list_get_name(list, i, &name, &err), "read a row");
        must(xenith_domain_list_get_info(list, i, &info, sizeof info, &err), "read a row");
        printf("  ");
        if (info.valid & XENITH_DOMAIN_INFO_ID)
            printf("%5u", (unsigned)info.id);
        else
            printf("    -");
        printf("  %-20s %s\n", name ? name : "(no name)", state_name(info.state));
    }
    xenith_domain_list_free(list);
}

static void wait_until_off(xenith_domain *dom)
{
    struct timespec moment = {0, 50 * 1000 * 1000};
    uint32_t active = 1;
    int tries;
    for (tries = 0; active && tries < 600; tries++) {
        nanosleep(&moment, NULL);
        must(xenith_domain_is_active(dom, 0, &active, &err), "ask whether it is active");
    }
    if (active) {
        fprintf(stderr, "the guest did not power off within 30 s\n");
        exit(1);
    }
}

int main(int argc, char **argv)
{
    xenith_connect *conn;
    xenith_domain *dom, *same;
    char *name, *uuid;
    uint32_t id, state, reason;
    struct xenith_domain_info info;

    if (argc < 2) {
        fprintf(stderr, "usage: %s guest.xml [URI]\n", argv[0]);
        return 2;
    }
    must(xenith_connect_open(argc > 2 ? argv[2] : "xen+sim:///", NULL, 0, 0, &conn, &err), "open the host");
    show_host(conn);

    must(xenith_domain_define_xml(conn, read_file(argv[1]), 0, &dom, &err), "define the guest");
    must(xenith_domain_get_name(dom, 0, &name, &err), "get its name");
    must(xenith_domain_get_uuid_string(dom, 0, &uuid, &err), "get its uuid");
    printf("defined   %s, %s\n", name, uuid);

    must(xenith_domain_create(dom, 0, &err), "start it");
    must(xenith_domain_get_id(dom, 0, &id, &err), "get its id");
    printf("started   as domain %u\n", (unsigned)id);
    show_list(conn);

    must(xenith_domain_lookup_by_name(conn, name, 0, &same, &err), "look it up by name");
    xenith_domain_unref(same);
    must(xenith_domain_lookup_by_id(conn, id, 0, &same, &err), "look it up by id");
    xenith_domain_unref(same);
    must(xenith_domain_lookup_by_uuid_string(conn, uuid, 0, &same, &err), "look it up by uuid");
    xenith_domain_unref(same);
    printf("found     by name, by id and by uuid\n");

    must(xenith_domain_get_info(dom, 0, &info, sizeof info, &err), "get its figures");
    printf("info      %s", state_name(info.state));
    if (info.valid & XENITH_DOMAIN_INFO_MEMORY_KIB)
        printf(", %" PRIu64 " MiB", info.memory_kib / 1024);
    if (info.valid & XENITH_DOMAIN_INFO_VCPUS_ONLINE)
        printf(", %u vcpu", (unsigned)info.vcpus_online);
    if (info.valid & XENITH_DOMAIN_INFO_CPU_TIME_NS)
        printf(", %" PRIu64 " ms of processor time", info.cpu_time_ns / 1000000);
    printf("\n");

    must(xenith_domain_shutdown(dom, 0, &err), "ask it to shut down");
    wait_until_off(dom);
    must(xenith_domain_get_state(dom, 0, &state, &reason, &err), "get its state");
    printf("shutdown  and now it is %s\n", state_name(state));

    must(xenith_domain_undefine(dom, 0, &err), "forget it");
    printf("undefined\n");

    xenith_string_free(name);
    xenith_string_free(uuid);
    xenith_domain_unref(dom);
    xenith_connect_unref(conn);
    return 0;
}
