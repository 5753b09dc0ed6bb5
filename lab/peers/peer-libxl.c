/* libxl's list of domains with their names. peer-libxl prints id, memory in KiB, vcpus and name of each. */
#include <stdio.h>
#include <stdlib.h>
#include <libxl.h>
#include <libxl_utils.h>
#include <xentoollog.h>

int main(void)
{
    xentoollog_logger *log = (xentoollog_logger *)xtl_createlogger_stdiostream(stderr, XTL_ERROR, 0);
    libxl_ctx *host = NULL;
    libxl_dominfo *list;
    int count, i;

    if (log == NULL || libxl_ctx_alloc(&host, LIBXL_VERSION, 0, log) != 0)
        return 1;
    list = libxl_list_domain(host, &count);
    if (list == NULL)
        return 1;
    for (i = 0; i < count; i++) {
        char *name = libxl_domid_to_name(host, list[i].domid);
        printf("%u %llu %u %s\n", list[i].domid, (unsigned long long)list[i].current_memkb, list[i].vcpu_max_id + 1, name ? name : "");
        free(name);
    }
    libxl_dominfo_list_free(list, count);
    libxl_ctx_free(host);
    xtl_logger_destroy(log);
    return 0;
}
