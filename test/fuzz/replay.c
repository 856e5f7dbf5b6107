/* SPDX-License-Identifier: MIT */
/* Stands in for libFuzzer:   program [-m N] FILE_OR_DIRECTORY …
 * Runs a fuzz target on the files of its corpus, and then on N (times EYOT_TEST_LONG) that are made of them by a mutator that
 * knows nothing of their structure, the same ones for the same EYOT_TEST_SEED. An input that fails is kept as a file. */
#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#include <sanitizer/common_interface_defs.h>
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#include <sanitizer/common_interface_defs.h>
#define SANITIZED 1
#endif
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MOST_FILES = 1000, MOST = 64 * 1024, FEW = 4 };

typedef struct input {
    uint8_t *data;
    size_t size;
} input;

static input files[MOST_FILES];
static size_t n_files;
static unsigned long seed = 1;
static input current; /* exactly as long as the input, so that a read beyond it is seen */

/* ---- an input that fails ----------------------------------------------------------------------------------------- */

static void keep_current(void)
{
    static char text[300];
    const char *dir = getenv("TMPDIR");
    int n = snprintf(text, sizeof text, "%s/eyot-fuzz.%ld", dir ? dir : "/tmp", (long)getpid());
    int fd = n < 200 ? open(text, O_WRONLY | O_CREAT | O_EXCL, 0600) : -1;
    if (fd < 0 || write(fd, current.data, current.size) != (ssize_t)current.size) return;
    fprintf(stderr, "the input is kept as %s; seed %lu\n", text, seed);
}

static void on_signal(int signo)
{
    signal(signo, SIG_DFL);
    keep_current();
    raise(signo);
}

static void run(const uint8_t *data, size_t size)
{
    current = (input){malloc(size ? size : 1), size};
    if (!current.data) abort();
    if (size) memcpy(current.data, data, size);
    LLVMFuzzerTestOneInput(current.data, size);
    free(current.data);
}

/* ---- the corpus -------------------------------------------------------------------------------------------------- */

static void read_file(const char *path, size_t size)
{
    FILE *f = fopen(path, "rb");
    uint8_t *data = malloc(size ? size : 1);
    if (!f || !data || n_files == MOST_FILES || fread(data, 1, size, f) != size) {
        fprintf(stderr, "%s cannot be read\n", path);
        exit(2);
    }
    fclose(f);
    files[n_files++] = (input){data, size};
}

static int is_visible(const struct dirent *d)
{
    return d->d_name[0] != '.';
}

static void read_path(const char *path)
{
    struct stat st;
    struct dirent **names;
    if (stat(path, &st) == 0 && S_ISREG(st.st_mode)) {
        read_file(path, (size_t)st.st_size);
        return;
    }
    int n = scandir(path, &names, is_visible, alphasort); /* in the same order everywhere: the seed counts on it */
    for (int i = 0; i < n; i++) {
        char inner[4096];
        snprintf(inner, sizeof inner, "%s/%s", path, names[i]->d_name);
        if (stat(inner, &st) == 0 && S_ISREG(st.st_mode)) read_file(inner, (size_t)st.st_size);
        free(names[i]);
    }
    if (n >= 0) free(names);
}

/* ---- the mutator ------------------------------------------------------------------------------------------------- */

static uint64_t state;

static uint64_t next_random(void) /* splitmix64 */
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static size_t below(size_t n)
{
    return n ? (size_t)(next_random() % n) : 0;
}

static uint8_t work[MOST], spare[MOST];
static size_t len;

/* A piece of the input: mostly a short one. */
static size_t piece(size_t from)
{
    size_t rest = len - from, n = below(4) ? 1 + below(16) : 1 + below(rest);
    return n < rest ? n : rest;
}

static void insert(size_t at, const uint8_t *bytes, size_t n)
{
    if (n > MOST - len) n = MOST - len;
    memmove(work + at + n, work + at, len - at);
    if (n) memmove(work + at, bytes, n);
    len += n;
}

static void flip(void)
{
    if (len) work[below(len)] ^= (uint8_t)(1u << below(8));
}

static void set(void)
{
    static const uint8_t telling[] = {0, 1, 2, 0x7f, 0x80, 0x81, 0xfe, 0xff, '0', '9', '-', '"', '\n', ' ', '{', '['};
    if (len) work[below(len)] = below(2) ? telling[below(sizeof telling)] : (uint8_t)next_random();
}

static void cut(void)
{
    if (!len) return;
    size_t at = below(len), n = piece(at);
    memmove(work + at, work + at + n, len - at - n);
    len -= n;
}

static void insert_bytes(void)
{
    uint8_t bytes[8];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = below(2) ? (uint8_t)next_random() : 0xff;
    insert(below(len + 1), bytes, 1 + below(sizeof bytes));
}

/* The first part of this input, the last part of another. */
static void splice(void)
{
    const input *other = &files[below(n_files)];
    size_t from = below(other->size + 1);
    len = below(len + 1);
    insert(len, other->data + from, other->size - from);
}

static void insert_other(void)
{
    const input *other = &files[below(n_files)];
    size_t from = below(other->size + 1), n = below(other->size - from + 1);
    insert(below(len + 1), other->data + from, n);
}

/* Seldom very often: what is counted, nested or looked for in a list is then large. */
static void repeat(void)
{
    if (!len) return;
    size_t at = below(len), n = piece(at), times = below(16) ? 1 + below(8) : 1 + below(MOST / n);
    size_t total = times * n < MOST ? times * n : MOST;
    for (size_t i = 0; i < total; i++) spare[i] = work[at + i % n];
    insert(at, spare, total);
}

static void swap(void)
{
    if (len < 2) return;
    size_t a = below(len), b = below(len), n = 1 + below(8);
    if (n > len - a) n = len - a;
    if (n > len - b) n = len - b;
    memcpy(spare, work + a, n);
    memmove(work + a, work + b, n);
    memcpy(work + b, spare, n);
}

static void mutate(unsigned long number)
{
    static void (*const ways[])(void) = {flip, set, cut, insert_bytes, splice, insert_other, repeat, swap};
    state = seed * 0x100000001b3u + number;
    const input *first = &files[below(n_files)];
    len = first->size < MOST ? first->size : MOST;
    if (len) memcpy(work, first->data, len);
    for (size_t i = 1 + below(FEW); i > 0; i--) ways[below(sizeof ways / sizeof *ways)]();
}

static unsigned long number_of(const char *variable, unsigned long otherwise)
{
    const char *text = getenv(variable);
    return text ? strtoul(text, NULL, 10) : otherwise;
}

int main(int argc, char **argv)
{
    unsigned long mutations = 0;
    seed = number_of("EYOT_TEST_SEED", seed);
#ifdef SANITIZED
    __sanitizer_set_death_callback(keep_current);
#endif
    signal(SIGABRT, on_signal);
    signal(SIGSEGV, on_signal);
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-m") == 0 && i + 1 < argc)
            mutations = strtoul(argv[++i], NULL, 10) * number_of("EYOT_TEST_LONG", 1);
        else
            read_path(argv[i]);
    }
    for (size_t i = 0; i < n_files; i++) run(files[i].data, files[i].size);
    for (unsigned long i = 0; i < mutations && n_files; i++) {
        mutate(i);
        run(work, len);
    }
    printf("%zu inputs, %lu mutations of them, seed %lu\n", n_files, mutations, seed);
    if (n_files == 0) fprintf(stderr, "an empty corpus shows nothing\n");
    for (size_t i = 0; i < n_files; i++) free(files[i].data);
    return n_files == 0;
}
