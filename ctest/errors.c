/* What an error tells, and what the log hears. */
#include <errno.h>

#include "check.h"

static unsigned lines, loud;

static void count_line(void *data, uint32_t level, const char *line)
{
    CHECK(data == &lines && level >= XENITH_LOG_ERROR && level <= XENITH_LOG_DEBUG);
    CHECK(line != NULL && strlen(line) > 0 && strchr(line, '\n') == NULL);
    lines++;
    if (level <= XENITH_LOG_ERROR)
        loud++;
}

static void an_error_says_what_why_and_where(void)
{
    xenith_connect *conn = POISON(xenith_connect);
    xenith_error *err = NULL;
    xenith_status status =
        xenith_connect_open("xen:///?privcmd=/nonexistent/privcmd&xenstore=/nonexistent/xs&xend=/nonexistent/xend",
                            NULL, 0, 0, &conn, &err);
    CHECK(status == XENITH_ERR_NO_CONNECT && err != NULL && conn == POISON(xenith_connect));
    CHECK(xenith_error_get_status(err) == status);
    CHECK(xenith_error_get_road(err) == XENITH_ROAD_HYPERCALL);
    CHECK(xenith_error_get_errno(err) == ENOENT);
    CHECK(strstr(xenith_error_get_message(err), "/nonexistent/privcmd") != NULL);
    CHECK(strncmp(xenith_error_get_message(err), "hypercall: ", 11) == 0);
    xenith_error_free(err);
    /* The same without wanting to know more. */
    CHECK(xenith_connect_open("xen:///?privcmd=/nonexistent/privcmd", NULL, 0, 0, &conn, NULL) == status);
    CHECK(conn == POISON(xenith_connect));
}

static void an_error_of_no_road_says_so(void)
{
    xenith_connect *conn = NULL;
    xenith_error *err = NULL;
    CHECK(xenith_connect_open("?", NULL, 0, 0, &conn, &err) == XENITH_ERR_INVALID_URI);
    CHECK(xenith_error_get_road(err) == XENITH_ROAD_NONE && xenith_error_get_errno(err) == 0);
    xenith_error_free(err);
}

static void remote_hosts_are_not_in_this_version(void)
{
    static const char *const uris[] = {"xen://host/", "xen+tcp://host/", "xen+ssh://user@host/", "xen+unix:///"};
    xenith_connect *conn = NULL;
    size_t i;
    for (i = 0; i < sizeof uris / sizeof *uris; i++)
        BAD(XENITH_ERR_NOT_SUPPORTED, "remote", xenith_connect_open(uris[i], NULL, 0, 0, &conn, ERR));
}

static void the_log_hears_as_much_as_was_asked_for(void)
{
    struct xenith_open_options options;
    xenith_connect *conn = NULL;
    unsigned debug_lines;
    memset(&options, 0, sizeof options);
    options.log = count_line;
    options.log_data = &lines;
    options.log_level = XENITH_LOG_DEBUG;
    GOOD(xenith_connect_open(SIM, &options, sizeof options, 0, &conn, ERR));
    xenith_connect_unref(conn);
    debug_lines = lines;
    CHECK(debug_lines > 0);
    lines = loud = 0;
    options.log_level = XENITH_LOG_ERROR;
    GOOD(xenith_connect_open(SIM, &options, sizeof options, 0, &conn, ERR));
    xenith_connect_unref(conn);
    CHECK(lines == loud && lines < debug_lines);
}

static void a_road_can_be_left_out(void)
{
    struct xenith_open_options options;
    xenith_connect *conn = NULL;
    xenith_domain *dom = NULL;
    char xml[512];
    memset(&options, 0, sizeof options);
    options.without_roads = 1u << XENITH_ROAD_XEND;
    GOOD(xenith_connect_open(SIM_XEND, &options, sizeof options, 0, &conn, ERR));
    BAD(XENITH_ERR_NOT_SUPPORTED, "xend",
        xenith_domain_create_xml(conn, guest_xml(xml, sizeof xml, "without"), 0, &dom, ERR));
    xenith_connect_unref(conn);
}

static void a_host_that_cannot_be_reached_is_reported_on(void)
{
    xenith_report *report = NULL;
    const char *words = NULL;
    uint32_t status = 77, road = 78;
    GOOD(xenith_report_open("xen:///?privcmd=/nonexistent/privcmd&xenstore=/nonexistent/xs&xend=/nonexistent/xend", NULL,
                            0, 0, &report, ERR));
    GOOD(xenith_report_get_failure(report, &status, &road, &words, ERR));
    CHECK(status == XENITH_ERR_NO_CONNECT && road == XENITH_ROAD_HYPERCALL);
    CHECK(strstr(words, "/nonexistent/privcmd") != NULL);
    CHECK(xenith_report_route_count(report) == 0 && xenith_report_road_count(report) > 0);
    GOOD(xenith_report_get_road(report, 0, &road, &status, NULL, &words, ERR));
    CHECK(road == XENITH_ROAD_HYPERCALL && status == 0 && strstr(words, "/nonexistent/privcmd") != NULL);
    xenith_report_free(report);
}

int main(void)
{
    an_error_says_what_why_and_where();
    an_error_of_no_road_says_so();
    a_host_that_cannot_be_reached_is_reported_on();
    remote_hosts_are_not_in_this_version();
    the_log_hears_as_much_as_was_asked_for();
    a_road_can_be_left_out();
    return 0;
}
