/* SPDX-License-Identifier: MIT */
/* A program outside the project, in the C that is C++17 too. */
#include <stdio.h>
#include <string.h>

#include <eyot/eyot.h>
#include <eyot/stores.h>

int main(void)
{
    eyot_error e;
    eyot_store *store = NULL;
    char header[32];
    snprintf(header, sizeof header, "%d.%d.%d", EYOT_VERSION_MAJOR, EYOT_VERSION_MINOR, EYOT_VERSION_PATCH);
    if (strcmp(header, eyot_version()) != 0) {
        printf("the library is %s, the header %s\n", eyot_version(), header);
        return 1;
    }
    if (eyot_store_open(&store, "memory:", &e) != EYOT_OK) {
        printf("%s\n", e.text);
        return 1;
    }
    eyot_store_close(store);
    printf("eyot %s\n", eyot_version());
    return 0;
}
