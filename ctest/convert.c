/* Definitions from one language into another, and what is wrong with them. No host is needed. */
#include "check.h"

static const char xml[] = "<domain type='xen'><name>web1</name><title>web</title><memory unit='MiB'>64</memory>"
                          "<os><type>linux</type><kernel>/boot/vmlinuz</kernel></os></domain>";

static void what_is_lost_is_an_error_or_a_warning(void)
{
    struct xenith_convert_options options;
    xenith_problem_list *warnings = NULL;
    uint32_t severity = 0, line = 77, column = 77, length = 77;
    const char *message = NULL;
    char *text = NULL, *back = NULL;

    BAD(XENITH_ERR_NOT_SUPPORTED, "<title>", xenith_domain_xml_to_native("xenvm", xml, NULL, 0, 0, &text, NULL, ERR));
    CHECK(text == NULL);
    memset(&options, 0, sizeof options);
    options.xend_config_format = 3;
    GOOD(xenith_domain_xml_to_native("xenvm", xml, &options, sizeof options, XENITH_CONVERT_LENIENT, &text, &warnings, ERR));
    CHECK(strstr(text, "name = web1\n") != NULL);
    CHECK(xenith_problem_list_count(warnings) == 1);
    GOOD(xenith_problem_list_get(warnings, 0, &severity, &line, &column, &length, &message, ERR));
    CHECK(severity == XENITH_SEVERITY_WARNING && line == 0 && column == 0 && length == 1);
    CHECK(strstr(message, "<title>") != NULL);
    xenith_problem_list_free(warnings);

    /* Back; who does not want to know of warnings gives no place for them. */
    GOOD(xenith_domain_xml_from_native("xenvm", text, NULL, 0, XENITH_CONVERT_LENIENT, &back, NULL, ERR));
    CHECK(strstr(back, "<name>web1</name>") != NULL);
    xenith_string_free(text);
    xenith_string_free(back);
}

static void everything_wrong_is_said_at_once(void)
{
    const char *language = NULL;
    xenith_problem_list *list = NULL;
    uint32_t severity = 0, line = 0, column = 0;

    GOOD(xenith_validate(NULL, "name = g\nhvm = maybe\nmemory = lots\n", 0, &language, &list, ERR));
    CHECK(strcmp(language, "xenvm") == 0 && xenith_problem_list_count(list) == 2);
    GOOD(xenith_problem_list_get(list, 1, &severity, &line, &column, NULL, NULL, ERR));
    CHECK(severity == XENITH_SEVERITY_ERROR && line == 3 && column == 10);
    xenith_problem_list_free(list);

    GOOD(xenith_validate("domain-xml", xml, 0, NULL, &list, ERR));
    CHECK(xenith_problem_list_count(list) == 0);
    xenith_problem_list_free(list);
}

int main(void)
{
    what_is_lost_is_an_error_or_a_warning();
    everything_wrong_is_said_at_once();
    return 0;
}
