/* SPDX-License-Identifier: MIT */
/* Stands in for libFuzzer: runs a fuzz target on the files of its corpus.   program FILE_OR_DIRECTORY … */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long files;

static void run_file(const char *path, size_t size)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(size ? size : 1); /* exactly as long as the input, so that a read beyond it is seen */
    if (!f || !data || fread(data, 1, size, f) != size) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(2);
    }
    fclose(f);
    LLVMFuzzerTestOneInput(data, size);
    free(data);
    files++;
}

static void run_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
        run_file(path, (size_t)st.st_size);
        return;
    }
    DIR *dir = opendir(path);
    if (!dir) return;
    for (const struct dirent *d = readdir(dir); d; d = readdir(dir)) {
        char inner[4096];
        snprintf(inner, sizeof inner, "%s/%s", path, d->d_name);
        if (stat(inner, &st) == 0 && S_ISREG(st.st_mode)) run_file(inner, (size_t)st.st_size);
    }
    closedir(dir);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) run_path(argv[i]);
    printf("%lu inputs\n", files);
    if (files == 0) fprintf(stderr, "an empty corpus shows nothing\n");
    return files == 0;
}
