/* The macros of the header, the number and the text of the library, and pkg-config's version are the same. */
#include "check.h"

int main(void)
{
    char text[64];
    snprintf(text, sizeof text, "%d.%d.%d", XENITH_VERSION_MAJOR, XENITH_VERSION_MINOR, XENITH_VERSION_MICRO);
    CHECK(strcmp(text, xenith_library_version_string()) == 0);
    CHECK(strcmp(text, PKG_CONFIG_VERSION) == 0);
    CHECK(xenith_library_version() == XENITH_VERSION);
    CHECK(XENITH_VERSION ==
          XENITH_VERSION_MAJOR * 1000000 + XENITH_VERSION_MINOR * 1000 + XENITH_VERSION_MICRO);
    return 0;
}
