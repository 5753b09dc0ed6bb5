/*
 * Every function with what it must refuse: NULL, unknown flags, numbers out of range, sizes that are none, text that is not UTF-8. Each
 * is XENITH_ERR_INVALID_ARG, names the argument, and leaves the outputs alone. installed.sh sees to it that no function is missing here.
 */
#include "check.h"

#define NOT_UTF8 "caf\xe9"
#define REFUSED(words, call) BAD(XENITH_ERR_INVALID_ARG, words, call)

static void the_connection(xenith_connect *conn)
{
    char *text = POISON(char);
    uint64_t number = 77;
    uint32_t small = 77;
    struct xenith_node_info node;
    xenith_domain_list *list = POISON(xenith_domain_list);
    xenith_connect *other = POISON(xenith_connect);
    struct xenith_open_options options;

    REFUSED("out", xenith_connect_open(SIM, NULL, 0, 0, NULL, ERR));
    REFUSED("flags", xenith_connect_open(SIM, NULL, 0, 1, &other, ERR));
    REFUSED("uri", xenith_connect_open(NOT_UTF8, NULL, 0, 0, &other, ERR));
    REFUSED("options", xenith_connect_open(SIM, NULL, sizeof options, 0, &other, ERR));
    memset(&options, 0, sizeof options);
    REFUSED("options_size", xenith_connect_open(SIM, &options, SIZE_MAX, 0, &other, ERR));
    REFUSED("options_size", xenith_connect_open(SIM, &options, 3, 0, &other, ERR));
    options.log_level = 99;
    REFUSED("log_level", xenith_connect_open(SIM, &options, sizeof options, 0, &other, ERR));
    options.log_level = 0;
    options.without_roads = 1u << 31;
    REFUSED("without_roads", xenith_connect_open(SIM, &options, sizeof options, 0, &other, ERR));
    options.without_roads = 1u << XENITH_ROAD_NONE;
    REFUSED("without_roads", xenith_connect_open(SIM, &options, sizeof options, 0, &other, ERR));
    BAD(XENITH_ERR_INVALID_URI, "", xenith_connect_open("no such thing", NULL, 0, 0, &other, ERR));
    BAD(XENITH_ERR_INVALID_URI, "", xenith_connect_open("xen+nowhere:///", NULL, 0, 0, &other, ERR));
    CHECK(other == POISON(xenith_connect));

#define TEXT(function)                                                                            \
    REFUSED("conn", function(NULL, 0, &text, ERR));                                               \
    REFUSED("out", function(conn, 0, NULL, ERR));                                                 \
    REFUSED("flags", function(conn, UINT64_C(1) << 63, &text, ERR));                              \
    CHECK(function(NULL, 0, &text, NULL) == XENITH_ERR_INVALID_ARG && text == POISON(char))
    TEXT(xenith_connect_get_type);
    TEXT(xenith_connect_get_hostname);
    TEXT(xenith_connect_get_uri);
    TEXT(xenith_connect_get_capabilities);
#undef TEXT

#define NUMBER(function)                                                                          \
    REFUSED("conn", function(NULL, 0, &number, ERR));                                             \
    REFUSED("out", function(conn, 0, NULL, ERR));                                                 \
    REFUSED("flags", function(conn, 2, &number, ERR));                                            \
    CHECK(number == 77)
    NUMBER(xenith_connect_get_version);
    NUMBER(xenith_connect_get_library_version);
#undef NUMBER

    REFUSED("conn", xenith_connect_get_max_vcpus(NULL, NULL, 0, &small, ERR));
    REFUSED("out", xenith_connect_get_max_vcpus(conn, NULL, 0, NULL, ERR));
    REFUSED("flags", xenith_connect_get_max_vcpus(conn, NULL, 1, &small, ERR));
    REFUSED("kind", xenith_connect_get_max_vcpus(conn, "windows", 0, &small, ERR));
    REFUSED("kind", xenith_connect_get_max_vcpus(conn, "", 0, &small, ERR));
    REFUSED("kind", xenith_connect_get_max_vcpus(conn, NOT_UTF8, 0, &small, ERR));
    CHECK(small == 77);

    memset(&node, 0x5a, sizeof node);
    REFUSED("conn", xenith_connect_get_node_info(NULL, 0, &node, sizeof node, ERR));
    REFUSED("info", xenith_connect_get_node_info(conn, 0, NULL, sizeof node, ERR));
    REFUSED("size", xenith_connect_get_node_info(conn, 0, &node, 0, ERR));
    REFUSED("size", xenith_connect_get_node_info(conn, 0, &node, SIZE_MAX, ERR));
    REFUSED("flags", xenith_connect_get_node_info(conn, 1, &node, sizeof node, ERR));
    CHECK(node.valid == UINT64_C(0x5a5a5a5a5a5a5a5a) && node.machine[31] == 0x5a);

    REFUSED("conn", xenith_connect_list_domains(NULL, 0, &list, ERR));
    REFUSED("out", xenith_connect_list_domains(conn, 0, NULL, ERR));
    REFUSED("flags", xenith_connect_list_domains(conn, 8, &list, ERR));
    CHECK(list == POISON(xenith_domain_list));
}

static void looking_up(xenith_connect *conn)
{
    static const uint8_t uuid[16] = {1, 2, 3};
    static const char *const no_uuids[] = {"", "x", "4dea22b3-1d52-d8f3-2516-782e98ab3fa", "4dea22b31d52d8f32516782e98ab3fa00",
                                           "{4dea22b3-1d52-d8f3-2516-782e98ab3fa0}", "urn:uuid:4dea22b3-1d52-d8f3-2516-782e98ab3fa0"};
    static const char *const no_names[] = {"", ".", "..", "a/b", "a\nb", "\x7f"};
    char long_name[257];
    xenith_domain *dom = POISON(xenith_domain);
    size_t i;

#define TEXT(function, argument)                                                                  \
    REFUSED("conn", function(NULL, "x", 0, &dom, ERR));                                           \
    REFUSED(argument, function(conn, NULL, 0, &dom, ERR));                                        \
    REFUSED(argument, function(conn, NOT_UTF8, 0, &dom, ERR));                                    \
    REFUSED("out", function(conn, "x", 0, NULL, ERR));                                            \
    REFUSED("flags", function(conn, "x", 4, &dom, ERR));                                          \
    CHECK(dom == POISON(xenith_domain))
    TEXT(xenith_domain_lookup_by_name, "name");
    TEXT(xenith_domain_lookup_by_uuid_string, "uuid");
    TEXT(xenith_domain_define_xml, "xml");
    TEXT(xenith_domain_create_xml, "xml");
#undef TEXT

    REFUSED("conn", xenith_domain_lookup_by_id(NULL, 0, 0, &dom, ERR));
    REFUSED("out", xenith_domain_lookup_by_id(conn, 0, 0, NULL, ERR));
    REFUSED("flags", xenith_domain_lookup_by_id(conn, 0, 1, &dom, ERR));
    REFUSED("id", xenith_domain_lookup_by_id(conn, 0x7ff0, 0, &dom, ERR));
    REFUSED("id", xenith_domain_lookup_by_id(conn, UINT32_MAX, 0, &dom, ERR));

    REFUSED("conn", xenith_domain_lookup_by_uuid(NULL, uuid, 0, &dom, ERR));
    REFUSED("uuid", xenith_domain_lookup_by_uuid(conn, NULL, 0, &dom, ERR));
    REFUSED("out", xenith_domain_lookup_by_uuid(conn, uuid, 0, NULL, ERR));
    REFUSED("flags", xenith_domain_lookup_by_uuid(conn, uuid, 1, &dom, ERR));

    for (i = 0; i < sizeof no_uuids / sizeof *no_uuids; i++)
        REFUSED("uuid", xenith_domain_lookup_by_uuid_string(conn, no_uuids[i], 0, &dom, ERR));
    for (i = 0; i < sizeof no_names / sizeof *no_names; i++)
        REFUSED("name", xenith_domain_lookup_by_name(conn, no_names[i], 0, &dom, ERR));
    memset(long_name, 'n', 256);
    long_name[256] = '\0';
    REFUSED("255", xenith_domain_lookup_by_name(conn, long_name, 0, &dom, ERR));
    long_name[255] = '\0';
    BAD(XENITH_ERR_NOT_FOUND, "", xenith_domain_lookup_by_name(conn, long_name, 0, &dom, ERR));
    CHECK(dom == POISON(xenith_domain));
}

/* Descriptions that are wrong: an error with its place, quickly, however large they are. */
static void bad_xml(xenith_connect *conn)
{
    static const char *const bad[] = {
        "", "x", "<domain", "<domain type='xen'>", "<network/>", "<domain type='xen'></domain>",
        "<domain type='xen'><name>a/b</name><memory>65536</memory></domain>",
        "<domain type='xen'><name>n</name><os><type>linux</type><kernel>/k</kernel></os><memory>0</memory></domain>",
        "<domain type='xen'><name>n</name><os><type>linux</type><kernel>/k</kernel></os><memory>much</memory></domain>",
        "<!DOCTYPE d [<!ENTITY a 'aaaa'><!ENTITY b '&a;&a;&a;'>]><domain type='xen'><name>&b;</name></domain>",
    };
    xenith_domain *dom = POISON(xenith_domain);
    const size_t huge = 100 * 1000 * 1000;
    char *text;
    size_t i;
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        BAD(XENITH_ERR_INVALID_CONFIG, "", xenith_domain_define_xml(conn, bad[i], 0, &dom, ERR));
        BAD(XENITH_ERR_INVALID_CONFIG, "", xenith_domain_create_xml(conn, bad[i], 0, &dom, ERR));
    }
    text = malloc(huge + 1);
    CHECK(text != NULL);
    memset(text, ' ', huge);
    memcpy(text, "<domain type='xen'>", 19);
    text[huge] = '\0';
    BAD(XENITH_ERR_INVALID_CONFIG, "", xenith_domain_define_xml(conn, text, 0, &dom, ERR));
    memset(text, 'n', huge);
    REFUSED("", xenith_domain_lookup_by_name(conn, text, 0, &dom, ERR));
    REFUSED("", xenith_domain_lookup_by_uuid_string(conn, text, 0, &dom, ERR));
    free(text);
    CHECK(dom == POISON(xenith_domain));
}

/* What stands for the path of a file in xenith_domain_save and xenith_domain_restore. */
static void files(xenith_connect *conn, xenith_domain *dom)
{
    static const char *const bad[] = {NULL, "", NOT_UTF8};
    xenith_domain *out = POISON(xenith_domain);
    size_t i;
    for (i = 0; i < sizeof bad / sizeof *bad; i++) {
        REFUSED("file", xenith_domain_save(dom, bad[i], 0, ERR));
        REFUSED("file", xenith_domain_restore(conn, bad[i], 0, &out, ERR));
    }
    REFUSED("dom", xenith_domain_save(NULL, "/nonexistent/file", 0, ERR));
    REFUSED("flags", xenith_domain_save(dom, "/nonexistent/file", 1, ERR));
    REFUSED("conn", xenith_domain_restore(NULL, "/nonexistent/file", 0, &out, ERR));
    REFUSED("out", xenith_domain_restore(conn, "/nonexistent/file", 0, NULL, ERR));
    REFUSED("flags", xenith_domain_restore(conn, "/nonexistent/file", 2, &out, ERR));
    CHECK(xenith_domain_restore(conn, "/nonexistent/file", 0, &out, NULL) != XENITH_OK);
    CHECK(out == POISON(xenith_domain));

    REFUSED("dom", xenith_domain_set_autostart(NULL, 1, 0, ERR));
    REFUSED("flags", xenith_domain_set_autostart(dom, 1, 1, ERR));
    REFUSED("autostart", xenith_domain_set_autostart(dom, 2, 0, ERR));
    REFUSED("autostart", xenith_domain_set_autostart(dom, UINT32_MAX, 0, ERR));
}

static void the_report(xenith_connect *conn)
{
    xenith_report *report = POISON(xenith_report);
    struct xenith_open_options options;
    const char *text = POISON(char), *more = POISON(char);
    uint32_t number = 77, other = 78;
    size_t count;

    memset(&options, 0, sizeof options);
    REFUSED("out", xenith_report_open(SIM, NULL, 0, 0, NULL, ERR));
    REFUSED("flags", xenith_report_open(SIM, NULL, 0, 1, &report, ERR));
    REFUSED("uri", xenith_report_open(NOT_UTF8, NULL, 0, 0, &report, ERR));
    REFUSED("options", xenith_report_open(SIM, NULL, sizeof options, 0, &report, ERR));
    REFUSED("options_size", xenith_report_open(SIM, &options, SIZE_MAX, 0, &report, ERR));
    REFUSED("options_size", xenith_report_open(SIM, &options, 3, 0, &report, ERR));
    options.without_roads = 1u << 31;
    REFUSED("without_roads", xenith_report_open(SIM, &options, sizeof options, 0, &report, ERR));
    BAD(XENITH_ERR_INVALID_URI, "", xenith_report_open("no such thing", NULL, 0, 0, &report, ERR));
    REFUSED("conn", xenith_connect_get_report(NULL, 0, &report, ERR));
    REFUSED("out", xenith_connect_get_report(conn, 0, NULL, ERR));
    REFUSED("flags", xenith_connect_get_report(conn, 4, &report, ERR));
    CHECK(report == POISON(xenith_report));

    REFUSED("flags", xenith_capture_write(SIM, NULL, 0, "/nonexistent/capture", 2, ERR));
    REFUSED("path", xenith_capture_write(SIM, NULL, 0, NULL, 0, ERR));
    REFUSED("path", xenith_capture_write(SIM, NULL, 0, "", 0, ERR));
    REFUSED("path", xenith_capture_write(SIM, NULL, 0, NOT_UTF8, 0, ERR));
    REFUSED("uri", xenith_capture_write(NOT_UTF8, NULL, 0, "/nonexistent/capture", 0, ERR));
    REFUSED("options", xenith_capture_write(SIM, NULL, 3, "/nonexistent/capture", 0, ERR));
    BAD(XENITH_ERR_INVALID_URI, "", xenith_capture_write("no such thing", NULL, 0, "/nonexistent/capture", 0, ERR));

    CHECK(xenith_report_road_count(NULL) == 0 && xenith_report_route_count(NULL) == 0);
    CHECK(xenith_report_problem_count(NULL) == 0);
    REFUSED("report", xenith_report_get_host(NULL, &text, ERR));
    REFUSED("report", xenith_report_get_failure(NULL, &number, &other, &text, ERR));
    REFUSED("report", xenith_report_get_road(NULL, 0, &number, &other, &text, &more, ERR));
    REFUSED("report", xenith_report_get_route(NULL, 0, &text, &number, &other, ERR));
    REFUSED("report", xenith_report_get_problem(NULL, 0, &text, ERR));
    CHECK(xenith_report_get_host(NULL, &text, NULL) == XENITH_ERR_INVALID_ARG);

    GOOD(xenith_connect_get_report(conn, 0, &report, ERR));
    REFUSED("out", xenith_report_get_host(report, NULL, ERR));
    REFUSED("status", xenith_report_get_failure(report, NULL, &other, &text, ERR));
    count = xenith_report_road_count(report);
    CHECK(count >= 1);
    REFUSED("road", xenith_report_get_road(report, 0, NULL, &other, &text, &more, ERR));
    REFUSED("index", xenith_report_get_road(report, count, &number, &other, &text, &more, ERR));
    REFUSED("index", xenith_report_get_road(report, SIZE_MAX, &number, &other, &text, &more, ERR));
    count = xenith_report_route_count(report);
    CHECK(count >= 1);
    REFUSED("operation", xenith_report_get_route(report, 0, NULL, &number, &other, ERR));
    REFUSED("index", xenith_report_get_route(report, count, &text, &number, &other, ERR));
    count = xenith_report_problem_count(report);
    REFUSED("out", xenith_report_get_problem(report, 0, NULL, ERR));
    REFUSED("index", xenith_report_get_problem(report, count, &text, ERR));
    CHECK(text == POISON(char) && more == POISON(char) && number == 77 && other == 78);

    /* What is not wanted need not be taken. */
    GOOD(xenith_report_get_failure(report, &number, NULL, NULL, ERR));
    CHECK(number == XENITH_OK);
    GOOD(xenith_report_get_road(report, 0, &number, NULL, NULL, NULL, ERR));
    GOOD(xenith_report_get_route(report, 0, &text, NULL, NULL, ERR));
    CHECK(strlen(text) > 0);
    xenith_report_free(report);
}

static void the_domain(xenith_domain *dom)
{
    char *text = POISON(char);
    uint32_t number = 77, reason = 78;
    uint8_t uuid[16] = {79};
    struct xenith_domain_info info;
    xenith_connect *conn = POISON(xenith_connect);

#define GETTER(function, place)                                                                   \
    REFUSED("dom", function(NULL, 0, place, ERR));                                                \
    REFUSED("out", function(dom, 0, NULL, ERR));                                                  \
    REFUSED("flags", function(dom, 2, place, ERR));                                               \
    CHECK(function(NULL, 0, place, NULL) == XENITH_ERR_INVALID_ARG)
    GETTER(xenith_domain_get_connect, &conn);
    GETTER(xenith_domain_get_name, &text);
    GETTER(xenith_domain_get_uuid, uuid);
    GETTER(xenith_domain_get_uuid_string, &text);
    GETTER(xenith_domain_get_id, &number);
    GETTER(xenith_domain_get_os_type, &text);
    GETTER(xenith_domain_get_xml, &text);
    GETTER(xenith_domain_is_active, &number);
    GETTER(xenith_domain_is_persistent, &number);
    GETTER(xenith_domain_get_autostart, &number);
    GETTER(xenith_domain_has_monitor, &number);
#undef GETTER

    REFUSED("dom", xenith_domain_get_state(NULL, 0, &number, &reason, ERR));
    REFUSED("state", xenith_domain_get_state(dom, 0, NULL, &reason, ERR));
    REFUSED("flags", xenith_domain_get_state(dom, 1, &number, &reason, ERR));

    memset(&info, 0x5a, sizeof info);
    REFUSED("dom", xenith_domain_get_info(NULL, 0, &info, sizeof info, ERR));
    REFUSED("info", xenith_domain_get_info(dom, 0, NULL, sizeof info, ERR));
    REFUSED("flags", xenith_domain_get_info(dom, 1, &info, sizeof info, ERR));
    REFUSED("size", xenith_domain_get_info(dom, 0, &info, 7, ERR));
    REFUSED("size", xenith_domain_get_info(dom, 0, &info, SIZE_MAX, ERR));
    CHECK(info.valid == UINT64_C(0x5a5a5a5a5a5a5a5a) && info.uuid[15] == 0x5a);
    CHECK(text == POISON(char) && number == 77 && reason == 78 && uuid[0] == 79);
    CHECK(conn == POISON(xenith_connect));

#define ACT(function)                                                                             \
    REFUSED("dom", function(NULL, 0, ERR));                                                       \
    REFUSED("flags", function(dom, UINT64_C(1) << 40, ERR));                                      \
    CHECK(function(NULL, 0, NULL) == XENITH_ERR_INVALID_ARG)
    ACT(xenith_domain_create);
    ACT(xenith_domain_undefine);
    ACT(xenith_domain_suspend);
    ACT(xenith_domain_resume);
    ACT(xenith_domain_shutdown);
    ACT(xenith_domain_reboot);
    ACT(xenith_domain_destroy);
    ACT(xenith_domain_start_monitor);
#undef ACT
}

static void the_list(xenith_connect *conn)
{
    xenith_domain_list *list = NULL;
    struct xenith_domain_info info;
    const char *name = POISON(char);
    size_t count;
    GOOD(xenith_connect_list_domains(conn, 0, &list, ERR));
    count = xenith_domain_list_count(list);
    CHECK(count >= 1 && xenith_domain_list_count(NULL) == 0);
    memset(&info, 0x5a, sizeof info);
    REFUSED("list", xenith_domain_list_get_name(NULL, 0, &name, ERR));
    REFUSED("out", xenith_domain_list_get_name(list, 0, NULL, ERR));
    REFUSED("index", xenith_domain_list_get_name(list, count, &name, ERR));
    REFUSED("index", xenith_domain_list_get_name(list, SIZE_MAX, &name, ERR));
    REFUSED("list", xenith_domain_list_get_info(NULL, 0, &info, sizeof info, ERR));
    REFUSED("info", xenith_domain_list_get_info(list, 0, NULL, sizeof info, ERR));
    REFUSED("index", xenith_domain_list_get_info(list, count, &info, sizeof info, ERR));
    REFUSED("size", xenith_domain_list_get_info(list, 0, &info, 5000, ERR));
    CHECK(name == POISON(char) && info.valid == UINT64_C(0x5a5a5a5a5a5a5a5a));
    xenith_domain_list_free(list);
}

static void null_is_accepted_where_it_says_so(void)
{
    CHECK(xenith_connect_ref(NULL) == NULL);
    CHECK(xenith_domain_ref(NULL) == NULL);
    xenith_connect_unref(NULL);
    xenith_domain_unref(NULL);
    xenith_domain_list_free(NULL);
    xenith_report_free(NULL);
    xenith_error_free(NULL);
    xenith_string_free(NULL);
    CHECK(xenith_error_get_status(NULL) == XENITH_OK);
    CHECK(xenith_error_get_road(NULL) == XENITH_ROAD_NONE);
    CHECK(xenith_error_get_errno(NULL) == 0);
    CHECK(strcmp(xenith_error_get_message(NULL), "no error") == 0);
}

static void conversions(void)
{
    char *text = POISON(char);
    const char *language = POISON(const char);
    xenith_problem_list *list = POISON(xenith_problem_list);
    struct xenith_convert_options options;
    uint32_t severity = 77;

    memset(&options, 0, sizeof options);
#define CONVERSION(function, name)                                                                \
    REFUSED("format", function(NULL, "", NULL, 0, 0, &text, &list, ERR));                         \
    REFUSED("format", function(NOT_UTF8, "", NULL, 0, 0, &text, &list, ERR));                     \
    REFUSED("format", function("frob", "", NULL, 0, 0, &text, &list, ERR));                       \
    REFUSED(name, function("xen-xl", NULL, NULL, 0, 0, &text, &list, ERR));                       \
    REFUSED(name, function("xen-xl", NOT_UTF8, NULL, 0, 0, &text, &list, ERR));                   \
    REFUSED("options", function("xen-xl", "", NULL, sizeof options, 0, &text, &list, ERR));       \
    REFUSED("options_size", function("xen-xl", "", &options, SIZE_MAX, 0, &text, &list, ERR));    \
    REFUSED("flags", function("xen-xl", "", NULL, 0, 2, &text, &list, ERR));                      \
    REFUSED("out", function("xen-xl", "", NULL, 0, 0, NULL, &list, ERR));                         \
    options.xend_config_format = 5;                                                               \
    REFUSED("xend_config_format", function("xen-xl", "", &options, sizeof options, 0, &text, &list, ERR))
    CONVERSION(xenith_domain_xml_from_native, "text");
    CONVERSION(xenith_domain_xml_to_native, "xml");
#undef CONVERSION

    REFUSED("format", xenith_validate("frob", "", 0, &language, &list, ERR));
    REFUSED("text", xenith_validate(NULL, NULL, 0, &language, &list, ERR));
    REFUSED("text", xenith_validate(NULL, NOT_UTF8, 0, &language, &list, ERR));
    REFUSED("flags", xenith_validate(NULL, "", 1, &language, &list, ERR));
    REFUSED("out", xenith_validate(NULL, "", 0, &language, NULL, ERR));
    CHECK(text == POISON(char) && language == POISON(const char) && list == POISON(xenith_problem_list));

    GOOD(xenith_validate(NULL, "", 0, NULL, &list, ERR));
    REFUSED("list", xenith_problem_list_get(NULL, 0, &severity, NULL, NULL, NULL, NULL, ERR));
    REFUSED("index", xenith_problem_list_get(list, 1000, &severity, NULL, NULL, NULL, NULL, ERR));
    REFUSED("severity", xenith_problem_list_get(list, 0, NULL, NULL, NULL, NULL, NULL, ERR));
    CHECK(severity == 77);
    xenith_problem_list_free(list);
    CHECK(xenith_problem_list_count(NULL) == 0);
    xenith_problem_list_free(NULL);
}

int main(void)
{
    xenith_connect *conn;
    xenith_domain *dom = NULL;
    char xml[512];
    null_is_accepted_where_it_says_so();
    conn = open_host(SIM);
    the_connection(conn);
    looking_up(conn);
    GOOD(xenith_domain_define_xml(conn, guest_xml(xml, sizeof xml, "args"), 0, &dom, ERR));
    the_domain(dom);
    files(conn, dom);
    the_list(conn);
    the_report(conn);
    bad_xml(conn);
    conversions();

    /* Nothing of all that did anything. */
    {
        uint32_t state = 0;
        GOOD(xenith_domain_get_state(dom, 0, &state, NULL, ERR));
        CHECK(state == XENITH_STATE_SHUTOFF);
    }
    /* References count. */
    CHECK(xenith_domain_ref(dom) == dom && xenith_connect_ref(conn) == conn);
    xenith_domain_unref(dom);
    xenith_connect_unref(conn);
    GOOD(xenith_domain_undefine(dom, 0, ERR));
    xenith_domain_unref(dom);
    xenith_connect_unref(conn);
    return 0;
}
