/*
 * Domains that no toolstack makes, through libxenctrl.
 *
 *   peer-odd create UUID [DOMID]   an empty PV domain that xenstore knows nothing of; prints its domid
 *   peer-odd destroy DOMID         takes a domain away behind everybody's back
 *   peer-odd hold DOMID            maps a page of a domain, says so, and holds it until it is killed
 *   peer-odd hide DOMID            the domain's uuid becomes zeroes
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <xenctrl.h>
#include <xenforeignmemory.h>

static int read_uuid(const char *text, xen_domain_handle_t uuid)
{
    unsigned int byte, count = 0;

    for (; *text != '\0' && count < 16; text++) {
        if (*text == '-')
            continue;
        if (sscanf(text, "%2x", &byte) != 1)
            return -1;
        uuid[count++] = (uint8_t)byte;
        text++;
    }
    return count == 16 ? 0 : -1;
}

static int create(xc_interface *xen, const char *uuid, uint32_t domid)
{
    struct xen_domctl_createdomain wanted = {
        .max_vcpus = 1, .max_evtchn_port = 1023, .max_grant_frames = 4, .max_maptrack_frames = 4, .grant_opts = 1};

    if (read_uuid(uuid, wanted.handle) != 0 || xc_domain_create(xen, &domid, &wanted) != 0)
        return -1;
    printf("%u\n", domid);
    return 0;
}

/* A page of a PV guest is known by its machine number: that of the record which the hypervisor shares with it. */
static int hold(xc_interface *xen, uint32_t domid)
{
    xenforeignmemory_handle *memory = xenforeignmemory_open(NULL, 0);
    xc_dominfo_t info;
    xen_pfn_t frame;
    int error;

    if (memory == NULL || xc_domain_getinfo(xen, domid, 1, &info) != 1 || info.domid != domid)
        return -1;
    frame = info.hvm ? 0x100 : info.shared_info_frame;
    if (xenforeignmemory_map(memory, domid, PROT_READ, 1, &frame, &error) == NULL || error != 0)
        return -1;
    puts("held");
    fflush(stdout);
    for (;;)
        pause();
}

int main(int argc, char **argv)
{
    xc_interface *xen = xc_interface_open(NULL, NULL, 0);
    xen_domain_handle_t none = {0};
    int result = -1;

    if (argc < 3 || xen == NULL)
        return 2;
    if (strcmp(argv[1], "create") == 0)
        result = create(xen, argv[2], argc > 3 ? (uint32_t)atoi(argv[3]) : 0);
    else if (strcmp(argv[1], "destroy") == 0)
        result = xc_domain_destroy(xen, (uint32_t)atoi(argv[2]));
    else if (strcmp(argv[1], "hold") == 0)
        result = hold(xen, (uint32_t)atoi(argv[2]));
    else if (strcmp(argv[1], "hide") == 0)
        result = xc_domain_sethandle(xen, (uint32_t)atoi(argv[2]), none);
    if (result != 0)
        perror(argv[1]);
    return result != 0;
}
