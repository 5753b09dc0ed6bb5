/*
 * What a C program does with the library, one call for each verb, so that the lab's tests can act through the C ABI.
 *
 *   act create FILE | create-paused FILE | create-and-wait FILE | define FILE
 *   act start|start-paused|suspend|resume|shutdown|reboot|destroy|undefine|state|id|xml NAME
 *   act save NAME FILE | restore FILE | monitor NAME
 *
 * create-and-wait sleeps when the domain runs, so that it can be killed. Fails with the error's message.
 */
#define _POSIX_C_SOURCE 200809L
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <xenith.h>

static xenith_connect *connection;
static xenith_error *error;

static void check(xenith_status status)
{
    if (status == XENITH_OK)
        return;
    fprintf(stderr, "status %u, road %u: %s\n", status, xenith_error_get_road(error), xenith_error_get_message(error));
    exit(1);
}

static char *contents(const char *path)
{
    static char text[1 << 16];
    FILE *file = fopen(path, "r");
    size_t length;

    if (file == NULL) {
        perror(path);
        exit(2);
    }
    length = fread(text, 1, sizeof text - 1, file);
    text[length] = '\0';
    fclose(file);
    return text;
}

static xenith_domain *named(const char *name)
{
    xenith_domain *domain = NULL;
    check(xenith_domain_lookup_by_name(connection, name, 0, &domain, &error));
    return domain;
}

static void print_id(xenith_domain *domain)
{
    uint32_t id;
    check(xenith_domain_get_id(domain, 0, &id, &error));
    printf("%u\n", id);
    fflush(stdout);
}

int main(int argc, char **argv)
{
    const char *verb = argc > 1 ? argv[1] : "", *what = argc > 2 ? argv[2] : "";
    xenith_domain *domain = NULL;

    if (argc < 3) {
        fprintf(stderr, "usage: act VERB NAME|FILE [FILE]\n");
        return 2;
    }
    check(xenith_connect_open(NULL, NULL, 0, 0, &connection, &error));
    if (strncmp(verb, "create", 6) == 0) {
        uint64_t flags = strcmp(verb, "create-paused") == 0 ? XENITH_CREATE_PAUSED : 0;
        check(xenith_domain_create_xml(connection, contents(what), flags, &domain, &error));
        print_id(domain);
        while (strcmp(verb, "create-and-wait") == 0)
            pause();
    } else if (strcmp(verb, "define") == 0) {
        check(xenith_domain_define_xml(connection, contents(what), 0, &domain, &error));
    } else if (strcmp(verb, "restore") == 0) {
        check(xenith_domain_restore(connection, what, 0, &domain, &error));
        print_id(domain);
    } else {
        domain = named(what);
        if (strcmp(verb, "start") == 0)
            check(xenith_domain_create(domain, 0, &error));
        else if (strcmp(verb, "start-paused") == 0)
            check(xenith_domain_create(domain, XENITH_CREATE_PAUSED, &error));
        else if (strcmp(verb, "suspend") == 0)
            check(xenith_domain_suspend(domain, 0, &error));
        else if (strcmp(verb, "resume") == 0)
            check(xenith_domain_resume(domain, 0, &error));
        else if (strcmp(verb, "shutdown") == 0)
            check(xenith_domain_shutdown(domain, 0, &error));
        else if (strcmp(verb, "reboot") == 0)
            check(xenith_domain_reboot(domain, 0, &error));
        else if (strcmp(verb, "destroy") == 0)
            check(xenith_domain_destroy(domain, 0, &error));
        else if (strcmp(verb, "undefine") == 0)
            check(xenith_domain_undefine(domain, 0, &error));
        else if (strcmp(verb, "monitor") == 0)
            check(xenith_domain_start_monitor(domain, 0, &error));
        else if (strcmp(verb, "id") == 0)
            print_id(domain);
        else if (strcmp(verb, "save") == 0 && argc > 3)
            check(xenith_domain_save(domain, argv[3], 0, &error));
        else if (strcmp(verb, "xml") == 0) {
            char *xml = NULL;
            check(xenith_domain_get_xml(domain, 0, &xml, &error));
            fputs(xml, stdout);
            xenith_string_free(xml);
        } else if (strcmp(verb, "state") == 0) {
            xenith_domain_info info;
            check(xenith_domain_get_info(domain, 0, &info, sizeof info, &error));
            printf("%u\n", info.state);
        } else {
            fprintf(stderr, "act: no verb '%s'\n", verb);
            return 2;
        }
    }
    xenith_domain_unref(domain);
    xenith_connect_unref(connection);
    return 0;
}
