/* The whole life of the guest in argv[1] on the embedded host, every answer checked. */
#include <unistd.h>

#include "check.h"

static xenith_connect *conn;

static int is_active(xenith_domain *dom)
{
    uint32_t active = 9;
    GOOD(xenith_domain_is_active(dom, 0, &active, ERR));
    CHECK(active <= 1);
    return (int)active;
}

static int is_persistent(xenith_domain *dom)
{
    uint32_t persistent = 9;
    GOOD(xenith_domain_is_persistent(dom, 0, &persistent, ERR));
    CHECK(persistent <= 1);
    return (int)persistent;
}

static uint32_t id_of(xenith_domain *dom)
{
    uint32_t id = UINT32_MAX;
    GOOD(xenith_domain_get_id(dom, 0, &id, ERR));
    CHECK(id > 0 && id < 0x7ff0);
    return id;
}

static uint32_t state_of(xenith_domain *dom, uint32_t *reason)
{
    uint32_t state = UINT32_MAX;
    GOOD(xenith_domain_get_state(dom, 0, &state, reason, ERR));
    return state;
}

static int has_monitor(xenith_domain *dom)
{
    uint32_t there = 2;
    GOOD(xenith_domain_has_monitor(dom, 0, &there, ERR));
    CHECK(there <= 1);
    return (int)there;
}

static int starts_with_host(xenith_domain *dom)
{
    uint32_t autostart = 2;
    GOOD(xenith_domain_get_autostart(dom, 0, &autostart, ERR));
    CHECK(autostart <= 1);
    return (int)autostart;
}

static int is_up(uint32_t state)
{
    return state == XENITH_STATE_RUNNING || state == XENITH_STATE_BLOCKED;
}

/* Waits until the domain of that name has no life, or one with another id than `not`. */
static xenith_domain *wait_for_change(const char *name, uint32_t not, int want_active)
{
    int tries;
    for (tries = 0; tries < 600; tries++) {
        xenith_domain *dom = NULL;
        GOOD(xenith_domain_lookup_by_name(conn, name, 0, &dom, ERR));
        if (is_active(dom) == want_active) {
            uint32_t id = 0;
            if (!want_active || (xenith_domain_get_id(dom, 0, &id, NULL) == XENITH_OK && id != not))
                return dom;
        }
        xenith_domain_unref(dom);
        sleep_ms(50);
    }
    fprintf(stderr, "%s: 30 s have passed\n", name);
    exit(1);
}

/* The row of that uuid in a list; its name must be `name`. Returns 0 if there is none. */
static int find_row(uint64_t flags, const uint8_t *uuid, const char *name, struct xenith_domain_info *info)
{
    xenith_domain_list *list = NULL;
    size_t i;
    int found = 0;
    GOOD(xenith_connect_list_domains(conn, flags, &list, ERR));
    for (i = 0; i < xenith_domain_list_count(list); i++) {
        struct xenith_domain_info row;
        const char *row_name = NULL;
        GOOD(xenith_domain_list_get_info(list, i, &row, sizeof row, ERR));
        GOOD(xenith_domain_list_get_name(list, i, &row_name, ERR));
        CHECK(row.valid & XENITH_DOMAIN_INFO_UUID && row.valid & XENITH_DOMAIN_INFO_STATE);
        if (memcmp(row.uuid, uuid, 16) == 0) {
            CHECK(!found && row_name != NULL && strcmp(row_name, name) == 0);
            *info = row;
            found = 1;
        }
    }
    xenith_domain_list_free(list);
    return found;
}

static void the_host(void)
{
    struct xenith_node_info node;
    char *text = NULL;
    uint64_t version = 0;
    uint32_t vcpus = 0;
    GOOD(xenith_connect_get_type(conn, 0, &text, ERR));
    CHECK(strcmp(text, "Xen") == 0);
    xenith_string_free(text);
    GOOD(xenith_connect_get_uri(conn, 0, &text, ERR));
    CHECK(strncmp(text, SIM, strlen(SIM)) == 0);
    xenith_string_free(text);
    GOOD(xenith_connect_get_hostname(conn, 0, &text, ERR));
    CHECK(strstr(text, "sim") != NULL);
    xenith_string_free(text);
    GOOD(xenith_connect_get_capabilities(conn, 0, &text, ERR));
    CHECK(strstr(text, "<capabilities>") != NULL && strstr(text, "sim") != NULL);
    xenith_string_free(text);
    GOOD(xenith_connect_get_version(conn, 0, &version, ERR));
    CHECK(version >= 3000000 && version < 5000000);
    GOOD(xenith_connect_get_library_version(conn, 0, &version, ERR));
    CHECK(version == xenith_library_version());
    GOOD(xenith_connect_get_max_vcpus(conn, NULL, 0, &vcpus, ERR));
    CHECK(vcpus >= 1);
    GOOD(xenith_connect_get_max_vcpus(conn, "linux", 0, &vcpus, ERR));
    CHECK(vcpus >= 1);
    GOOD(xenith_connect_get_node_info(conn, 0, &node, sizeof node, ERR));
    CHECK(node.valid & XENITH_NODE_INFO_MEMORY_KIB && node.memory_kib > 0);
    CHECK(node.valid & XENITH_NODE_INFO_CPUS && node.cpus > 0);
    CHECK(node.valid & XENITH_NODE_INFO_MACHINE && strlen(node.machine) < sizeof node.machine);
}

int main(int argc, char **argv)
{
    xenith_domain *dom = NULL, *same = NULL, *next = NULL;
    struct xenith_domain_info info, row;
    char *xml, *name = NULL, *uuid_text = NULL, *text = NULL;
    uint8_t uuid[16], uuid_again[16];
    uint32_t id, second, state, reason = UINT32_MAX;
    int xend;

    CHECK(argc >= 2);
    xml = read_file(argv[1]);
    conn = open_host(argc > 2 ? argv[2] : SIM);
    xend = has_xend(conn);
    the_host();

    /* Define: inactive and persistent, and found by all but an id. */
    GOOD(xenith_domain_define_xml(conn, xml, 0, &dom, ERR));
    GOOD(xenith_domain_get_name(dom, 0, &name, ERR));
    GOOD(xenith_domain_get_uuid(dom, 0, uuid, ERR));
    GOOD(xenith_domain_get_uuid_string(dom, 0, &uuid_text, ERR));
    CHECK(strstr(xml, name) != NULL && strlen(uuid_text) == 36);
    CHECK(!is_active(dom) && is_persistent(dom));
    state = state_of(dom, &reason);
    CHECK(state == XENITH_STATE_SHUTOFF && reason == XENITH_REASON_INACTIVE);
    BAD(XENITH_ERR_INVALID_STATE, "not running", xenith_domain_get_id(dom, 0, &id, ERR));
    BAD(XENITH_ERR_INVALID_STATE, "", xenith_domain_suspend(dom, 0, ERR));
    BAD(XENITH_ERR_INVALID_STATE, "", xenith_domain_shutdown(dom, 0, ERR));
    BAD(XENITH_ERR_INVALID_STATE, "", xenith_domain_destroy(dom, 0, ERR));
    GOOD(xenith_domain_lookup_by_name(conn, name, 0, &same, ERR));
    GOOD(xenith_domain_get_uuid(same, 0, uuid_again, ERR));
    CHECK(memcmp(uuid, uuid_again, 16) == 0);
    xenith_domain_unref(same);
    GOOD(xenith_domain_lookup_by_uuid(conn, uuid, 0, &same, ERR));
    xenith_domain_unref(same);
    CHECK(find_row(0, uuid, name, &row) && find_row(XENITH_LIST_INACTIVE, uuid, name, &row));
    CHECK(!(row.valid & XENITH_DOMAIN_INFO_ID) && row.state == XENITH_STATE_SHUTOFF);
    CHECK(!find_row(XENITH_LIST_ACTIVE, uuid, name, &row));

    /* Define again: the same domain, not another. */
    GOOD(xenith_domain_get_xml(dom, XENITH_XML_INACTIVE, &text, ERR));
    GOOD(xenith_domain_define_xml(conn, text, 0, &same, ERR));
    xenith_string_free(text);
    GOOD(xenith_domain_get_uuid(same, 0, uuid_again, ERR));
    CHECK(memcmp(uuid, uuid_again, 16) == 0);
    xenith_domain_unref(same);

    /* Whether it starts with the host. */
    CHECK(!starts_with_host(dom));
    GOOD(xenith_domain_set_autostart(dom, 1, 0, ERR));
    GOOD(xenith_domain_set_autostart(dom, 1, 0, ERR));
    CHECK(starts_with_host(dom));
    GOOD(xenith_domain_set_autostart(dom, 0, 0, ERR));
    CHECK(!starts_with_host(dom));

    /* Start: a life with an id. */
    GOOD(xenith_domain_create(dom, 0, ERR));
    BAD(XENITH_ERR_INVALID_STATE, "", xenith_domain_create(dom, 0, ERR));
    CHECK(is_active(dom) && is_persistent(dom) && is_up(state_of(dom, NULL)));
    id = id_of(dom);
    GOOD(xenith_domain_lookup_by_id(conn, id, 0, &same, ERR));
    GOOD(xenith_domain_get_name(same, 0, &text, ERR));
    CHECK(strcmp(text, name) == 0);
    xenith_string_free(text);
    xenith_domain_unref(same);
    GOOD(xenith_domain_lookup_by_uuid_string(conn, uuid_text, 0, &same, ERR));
    CHECK(id_of(same) == id);
    GOOD(xenith_domain_get_info(same, 0, &info, sizeof info, ERR));
    CHECK(info.valid & XENITH_DOMAIN_INFO_ID && info.id == id && memcmp(info.uuid, uuid, 16) == 0);
    CHECK(info.valid & XENITH_DOMAIN_INFO_MEMORY_KIB && info.memory_kib > 0);
    CHECK(info.valid & XENITH_DOMAIN_INFO_CPU_TIME_NS && info.valid & XENITH_DOMAIN_INFO_VCPUS_ONLINE);
    CHECK(info.vcpus_online == 1 && is_up(info.state));
    CHECK(find_row(XENITH_LIST_ACTIVE | XENITH_LIST_FRESH, uuid, name, &row) && row.id == id);
    CHECK(!find_row(XENITH_LIST_INACTIVE, uuid, name, &row));
    GOOD(xenith_domain_get_os_type(dom, 0, &text, ERR));
    CHECK(strcmp(text, strstr(xml, "hvm") ? "hvm" : "linux") == 0);
    xenith_string_free(text);
    GOOD(xenith_domain_get_xml(dom, 0, &text, ERR));
    CHECK(strstr(text, name) != NULL && strstr(text, uuid_text) != NULL);
    xenith_string_free(text);
    if (xend) {
        BAD(XENITH_ERR_INVALID_STATE, "", xenith_domain_undefine(dom, 0, ERR));
    } else {
        /* Forgotten while it runs, it goes on until it ends; and what is forgotten can be defined again. */
        GOOD(xenith_domain_get_xml(dom, XENITH_XML_INACTIVE, &text, ERR));
        GOOD(xenith_domain_undefine(dom, 0, ERR));
        CHECK(is_active(dom) && !is_persistent(dom));
        GOOD(xenith_domain_define_xml(conn, text, 0, &next, ERR));
        xenith_string_free(text);
        CHECK(is_persistent(dom) && id_of(next) == id);
        xenith_domain_unref(next);
    }

    /* What happens when this life ends: xl leaves a process for it, xend does it itself. */
    if (xend)
        BAD(XENITH_ERR_NOT_SUPPORTED, "xend", xenith_domain_has_monitor(dom, 0, &state, ERR));
    else
        CHECK(has_monitor(dom));

    /* Processor time is used up. */
    {
        uint64_t before = info.cpu_time_ns;
        int tries;
        for (tries = 0; tries < 200 && info.cpu_time_ns == before; tries++) {
            sleep_ms(20);
            GOOD(xenith_domain_get_info(dom, 0, &info, sizeof info, ERR));
        }
        CHECK(info.cpu_time_ns > before);
    }

    /* Pause and go on. */
    GOOD(xenith_domain_suspend(dom, 0, ERR));
    state = state_of(dom, &reason);
    CHECK(state == XENITH_STATE_PAUSED && reason == XENITH_REASON_PAUSED_BY_TOOLSTACK);
    GOOD(xenith_domain_resume(dom, 0, ERR));
    CHECK(is_up(state_of(dom, NULL)));

    /* Save ends the life, restore begins the next one. */
    if (!xend) {
        char file[] = "/tmp/xenith-story-XXXXXX";
        int descriptor = mkstemp(file);
        CHECK(descriptor >= 0 && close(descriptor) == 0);
        BAD(XENITH_ERR_INVALID_CONFIG, file, xenith_domain_restore(conn, file, 0, &next, ERR));
        GOOD(xenith_domain_save(dom, file, 0, ERR));
        CHECK(!is_active(dom) && is_persistent(dom));
        GOOD(xenith_domain_restore(conn, file, XENITH_CREATE_PAUSED, &next, ERR));
        GOOD(xenith_domain_get_uuid(next, 0, uuid_again, ERR));
        CHECK(memcmp(uuid, uuid_again, 16) == 0 && id_of(next) != id);
        CHECK(state_of(next, NULL) == XENITH_STATE_PAUSED && has_monitor(next));
        BAD(XENITH_ERR_EXISTS, "", xenith_domain_restore(conn, file, 0, &same, ERR));
        CHECK(remove(file) == 0);
        BAD(XENITH_ERR_NOT_FOUND, file, xenith_domain_restore(conn, file, 0, &same, ERR));
        GOOD(xenith_domain_resume(next, 0, ERR));
        id = id_of(next);
        xenith_domain_unref(dom);
        dom = next;
        GOOD(xenith_domain_lookup_by_id(conn, id, 0, &next, ERR));
        xenith_domain_unref(same);
        same = next;
    }

    /* Reboot: another life of the same domain. Acts through the old handle are refused, reads follow. */
    GOOD(xenith_domain_reboot(dom, 0, ERR));
    next = wait_for_change(name, id, 1);
    second = id_of(next);
    CHECK(second != id);
    BAD(XENITH_ERR_STALE, "", xenith_domain_destroy(same, 0, ERR));
    BAD(XENITH_ERR_STALE, "", xenith_domain_suspend(dom, 0, ERR));
    CHECK(id_of(dom) == second);
    BAD(XENITH_ERR_NOT_FOUND, "", xenith_domain_lookup_by_id(conn, id, 0, &same, ERR));
    xenith_domain_unref(same);
    xenith_domain_unref(dom);
    dom = next;

    /* Ask it to shut down: inactive after a while, and defined still. */
    sleep_ms(500);
    GOOD(xenith_domain_shutdown(dom, 0, ERR));
    xenith_domain_unref(wait_for_change(name, 0, 0));
    CHECK(!is_active(dom) && is_persistent(dom));
    CHECK(state_of(dom, NULL) == XENITH_STATE_SHUTOFF);
    BAD(XENITH_ERR_STALE, "", xenith_domain_destroy(dom, 0, ERR));

    /* xend cannot start a defined domain paused: said, and not done otherwise. Start, end at once. */
    if (xend) {
        BAD(XENITH_ERR_NOT_SUPPORTED, "paused", xenith_domain_create(dom, XENITH_CREATE_PAUSED, ERR));
        CHECK(!is_active(dom));
        GOOD(xenith_domain_create(dom, 0, ERR));
    } else {
        GOOD(xenith_domain_create(dom, XENITH_CREATE_PAUSED, ERR));
        CHECK(state_of(dom, NULL) == XENITH_STATE_PAUSED);
    }
    GOOD(xenith_domain_destroy(dom, 0, ERR));
    CHECK(!is_active(dom));
    GOOD(xenith_domain_undefine(dom, 0, ERR));
    BAD(XENITH_ERR_NOT_FOUND, "", xenith_domain_get_info(dom, 0, &info, sizeof info, ERR));
    BAD(XENITH_ERR_NOT_FOUND, name, xenith_domain_lookup_by_name(conn, name, 0, &same, ERR));
    BAD(XENITH_ERR_NOT_FOUND, uuid_text, xenith_domain_lookup_by_uuid(conn, uuid, 0, &same, ERR));
    CHECK(!find_row(0, uuid, name, &row));
    xenith_domain_unref(dom);
    xenith_string_free(uuid_text);

    /* A transient life: gone when it ends. */
    GOOD(xenith_domain_create_xml(conn, xml, XENITH_CREATE_PAUSED, &dom, ERR));
    CHECK(state_of(dom, NULL) == XENITH_STATE_PAUSED && !is_persistent(dom));
    GOOD(xenith_domain_resume(dom, 0, ERR));
    CHECK(is_up(state_of(dom, NULL)));
    GOOD(xenith_domain_destroy(dom, 0, ERR));
    BAD(XENITH_ERR_NOT_FOUND, name, xenith_domain_lookup_by_name(conn, name, 0, &same, ERR));

    /* The report: every road once, and who starts domains here. */
    {
        xenith_report *report = NULL;
        uint32_t road, found, active, inactive, starter = XENITH_ROAD_NONE;
        const char *words = NULL;
        size_t i;
        GOOD(xenith_connect_get_report(conn, 0, &report, ERR));
        GOOD(xenith_report_get_host(report, &words, ERR));
        CHECK(strlen(words) > 0);
        GOOD(xenith_report_get_failure(report, &state, NULL, &words, ERR));
        CHECK(state == XENITH_OK && words == NULL);
        for (i = 0; i < xenith_report_road_count(report); i++) {
            GOOD(xenith_report_get_road(report, i, &road, &found, NULL, &words, ERR));
            CHECK(road == i + 1 && strlen(words) > 0);
            if (road == XENITH_ROAD_XEND || road == XENITH_ROAD_XL)
                CHECK(found == (xend ? road == XENITH_ROAD_XEND : road == XENITH_ROAD_XL));
        }
        CHECK(i == XENITH_ROAD_REMOTE);
        for (i = 0; i < xenith_report_route_count(report); i++) {
            GOOD(xenith_report_get_route(report, i, &words, &active, &inactive, ERR));
            if (strcmp(words, "start") == 0)
                starter = inactive;
        }
        CHECK(starter == (uint32_t)(xend ? XENITH_ROAD_XEND : XENITH_ROAD_XL));
        CHECK(xenith_report_problem_count(report) == 0);
        xenith_report_free(report);
    }

    /* A capture: a file that stands in for its host, and that nobody overwrites unasked. */
    {
        char path[64], there[128];
        xenith_connect *stand_in = NULL;
        xenith_domain *zero = NULL;
        snprintf(path, sizeof path, "/tmp/xenith-ctest-capture-%ld.jsonl", (long)getpid());
        snprintf(there, sizeof there, "xen+sim:///?capture=%s", path);
        unlink(path);
        GOOD(xenith_capture_write(argc > 2 ? argv[2] : SIM, NULL, 0, path, 0, ERR));
        BAD(XENITH_ERR_EXISTS, path, xenith_capture_write(argc > 2 ? argv[2] : SIM, NULL, 0, path, 0, ERR));
        GOOD(xenith_capture_write(argc > 2 ? argv[2] : SIM, NULL, 0, path, XENITH_CAPTURE_REPLACE, ERR));
        GOOD(xenith_connect_open(there, NULL, 0, 0, &stand_in, ERR));
        GOOD(xenith_domain_lookup_by_name(stand_in, "Domain-0", 0, &zero, ERR));
        xenith_domain_unref(zero);
        xenith_connect_unref(stand_in);
        unlink(path);
    }

    /* A domain holds its connection open, and gives it back. */
    {
        xenith_connect *mine = NULL;
        GOOD(xenith_domain_get_connect(dom, 0, &mine, ERR));
        CHECK(mine == conn);
        xenith_connect_unref(mine);
    }
    xenith_connect_unref(conn);
    BAD(XENITH_ERR_NOT_FOUND, "", xenith_domain_get_name(dom, 0, &text, ERR));
    xenith_domain_unref(dom);
    xenith_string_free(name);
    free(xml);
    return 0;
}
