/* Holds one connection and prints a domain's name whenever it has changed: watch-names URI DOMID ROUNDS */
#define _POSIX_C_SOURCE 199309L /* nanosleep */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <xenith.h>

static int fail(xenith_error *error)
{
    fprintf(stderr, "%s\n", xenith_error_get_message(error));
    return 1;
}

int main(int argc, char **argv)
{
    const struct timespec tenth = {0, 100000000};
    char last[256] = "";
    xenith_connect *host;
    xenith_error *error;
    int round;

    if (argc != 4)
        return 2;
    if (xenith_connect_open(argv[1], NULL, 0, 0, &host, &error) != XENITH_OK)
        return fail(error);
    for (round = 0; round < atoi(argv[3]); round++) {
        xenith_domain_list *list;
        size_t i;
        if (xenith_connect_list_domains(host, XENITH_LIST_ACTIVE, &list, &error) != XENITH_OK)
            return fail(error);
        for (i = 0; i < xenith_domain_list_count(list); i++) {
            struct xenith_domain_info info;
            const char *name;
            if (xenith_domain_list_get_info(list, i, &info, sizeof info, &error) != XENITH_OK ||
                xenith_domain_list_get_name(list, i, &name, &error) != XENITH_OK)
                return fail(error);
            if (info.id == (unsigned)atoi(argv[2]) && name != NULL && strcmp(name, last) != 0) {
                snprintf(last, sizeof last, "%s", name);
                puts(last);
                fflush(stdout);
            }
        }
        xenith_domain_list_free(list);
        nanosleep(&tenth, NULL);
    }
    xenith_connect_unref(host);
    return 0;
}
