/* SPDX-License-Identifier: MIT */
#include "stores/module.h"

#include "core/buf.h"
#include "core/store.h"
#include "test/eyot_test.h"

#include <sys/stat.h>

static eyot_error err;

TEST(url__without_a_scheme_is_a_path)
{
    eyot__url u;
    CHECK_OK(eyot__url_parse(&u, "/data/run 100%.db", &err));
    CHECK_STR(u.scheme, "");
    CHECK_STR(u.path, "/data/run 100%.db");
    CHECK(!u.authority);
    eyot__url_clear(&u);
    CHECK_OK(eyot__url_parse(&u, "./a:b.db", &err));
    CHECK_STR(u.scheme, "");
    CHECK_STR(u.path, "./a:b.db");
    eyot__url_clear(&u);
}

TEST(url__has_scheme_path_and_parameters)
{
    eyot__url u;
    CHECK_OK(eyot__url_parse(&u, "SQLite:a%20b%3f.db?sync=normal&note=%26%3D&empty=", &err));
    CHECK_STR(u.scheme, "sqlite");
    CHECK_STR(u.path, "a b?.db");
    CHECK_INT(u.n_params, 3);
    CHECK_STR(eyot__url_param_text(&u, "sync"), "normal");
    CHECK_STR(eyot__url_param_text(&u, "note"), "&=");
    CHECK_STR(eyot__url_param_text(&u, "empty"), "");
    CHECK(!eyot__url_param_text(&u, "page_size"));
    CHECK_OK(eyot__url_check_params(&u, &err));
    eyot__url_clear(&u);
}

TEST(url__splits_an_authority_from_its_path)
{
    eyot__url u;
    CHECK_OK(eyot__url_parse(&u, "sqlite:///var/run.db", &err));
    CHECK_STR(u.authority, "");
    CHECK_STR(u.path, "/var/run.db");
    eyot__url_clear(&u);
    CHECK_OK(eyot__url_parse(&u, "mysql://user@host:33/db?prefix=e_", &err));
    CHECK_STR(u.authority, "user@host:33");
    CHECK_STR(u.path, "/db");
    eyot__url_clear(&u);
    CHECK_OK(eyot__url_parse(&u, "redis://host", &err));
    CHECK_STR(u.authority, "host");
    CHECK_STR(u.path, "");
    eyot__url_clear(&u);
}

TEST(url__that_is_malformed_is_refused)
{
    static const char *const bad[] = {"",           "sqlite:a%2",      "sqlite:a%zz",           "sqlite:a%00b",
                                      "sqlite:a?b", "sqlite:a?b=%",    "sqlite:a?%1=b",         "run.db?sync=normal",
                                      "sqlite:a?x", "sqlite:a?x=1&y&", "schemeistoolongforit:a"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        eyot__url u;
        CHECK_STATUS(eyot__url_parse(&u, bad[i], &err), EYOT_EINVAL);
        CHECK(!u.text);
    }
}

TEST(url__parameter_twice_is_refused_by_name)
{
    eyot__url u;
    CHECK_STATUS(eyot__url_parse(&u, "sqlite:a?sync=full&sync=normal", &err), EYOT_EINVAL);
    CHECK_HAS(err.text, "\"sync\"");
}

TEST(url__takes_16_parameters_and_no_more)
{
    eyot__url u;
    char text[200] = "memory:?a=1";
    for (char c = 'b'; c <= 'p'; c++) {
        char more[8];
        snprintf(more, sizeof more, "&%c=1", c);
        strcat(text, more);
    }
    CHECK_OK(eyot__url_parse(&u, text, &err));
    CHECK_INT(u.n_params, 16);
    eyot__url_clear(&u);
    strcat(text, "&q=1");
    CHECK_STATUS(eyot__url_parse(&u, text, &err), EYOT_EINVAL);
}

TEST(url__number_is_checked_and_named)
{
    static const char *const bad[] = {"", "-1", "+1", " 1", "1x", "0x10", "511", "65537", "99999999999999999999999"};
    eyot__url u;
    uint64_t v = 7;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[100];
        snprintf(text, sizeof text, "sqlite:a?page_size=%s", bad[i]);
        CHECK_OK(eyot__url_parse(&u, text, &err));
        CHECK_STATUS(eyot__url_param_number(&u, "page_size", 512, 65536, &v, &err), EYOT_EINVAL);
        CHECK_HAS(err.text, "page_size");
        eyot__url_clear(&u);
    }
    CHECK_INT(v, 7);
    CHECK_OK(eyot__url_parse(&u, "sqlite:a?page_size=4096", &err));
    CHECK_OK(eyot__url_param_number(&u, "page_size", 512, 65536, &v, &err));
    CHECK_INT(v, 4096);
    CHECK_OK(eyot__url_param_number(&u, "other", 1, 2, &v, &err));
    CHECK_INT(v, 4096);
    eyot__url_clear(&u);
}

TEST(url__unknown_parameter_is_refused_by_name)
{
    eyot_store *store;
    CHECK_STATUS(eyot_store_open(&store, "memory:?size=1", &err), EYOT_EINVAL);
    CHECK_HAS(err.text, "memory");
    CHECK_HAS(err.text, "\"size\"");
    CHECK(!store);
}

TEST(url__unknown_scheme_is_refused_by_name)
{
    eyot_store *store;
    CHECK_STATUS(eyot_store_open(&store, "nosuch:x", &err), EYOT_EINVAL);
    CHECK_HAS(err.text, "\"nosuch\"");
    CHECK(!store);
}

TEST(url__secrets_are_not_shown)
{
    static const struct {
        const char *url, *shown;
    } cases[] = {
        {"mysql://user:geheim@host/db", "mysql://user:***@host/db"},
        {"mysql://user:ge@heim@host/db?a=b", "mysql://user:***@host/db?a=b"},
        {"mysql://user@host/db", "mysql://user@host/db"},
        {"redis://:geheim@host", "redis://:***@host"},
        {"redis://host:6379/0?password=geheim&x=1", "redis://host:6379/0?password=***&x=1"},
        {"x:y?Token=geheim&secret=geheim", "x:y?Token=***&secret=***"},
        {"x:y?pass%77ord=geheim", "x:y?pass%77ord=***"},
        {"x:y?a=geheim@b", "x:y?a=geheim@b"},
        {"/plain/path", "/plain/path"},
    };
    char shown[200];
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        eyot__url_redact(cases[i].url, shown, sizeof shown);
        CHECK_STR(shown, cases[i].shown);
    }
    eyot__url_redact("redis://:geheim@host", shown, 8);
    CHECK_STR(shown, "redis:/");
}

TEST(url__error_shows_no_secret)
{
    static const char *const urls[] = {
        "nosuch://user:geheim@host/x?password=geheim",
        "averyveryverylongscheme://u:geheim@h/",
        "mysql://user:geheim@host/db?password=geheim",
        "memory://user:geheim@host/",
        "sqlite:x?password=geheim",
        "nosuch:?password=geheim&password=geheim",
    };
    for (size_t i = 0; i < sizeof urls / sizeof *urls; i++) {
        eyot_store *store;
        CHECK(eyot_store_open_with(&store, urls[i], EYOT_OPEN_EXISTING, &err) != EYOT_OK);
        if (strstr(err.text, "geheim")) test_fail(__FILE__, __LINE__, "%s gives \"%s\"", urls[i], err.text);
    }
}

TEST(url__min_class_refuses_a_weaker_store)
{
    eyot_store *store;
    CHECK_STATUS(eyot_store_open(&store, "memory:?min_class=process", &err), EYOT_ENOTSUP);
    CHECK_HAS(err.text, "process");
    CHECK_HAS(err.text, "volatile");
    CHECK(!store);
    CHECK_STATUS(eyot_store_open(&store, "memory:?min_class=strong", &err), EYOT_EINVAL);
    CHECK_OK(eyot_store_open(&store, "memory:?min_class=volatile", &err));
    eyot_store_close(store);
}

TEST(url__unknown_flags_are_refused)
{
    eyot_store *store;
    CHECK_STATUS(eyot_store_open_with(&store, "memory:", 6, &err), EYOT_EINVAL);
    CHECK(!store);
    CHECK_STATUS(eyot_store_open(&store, NULL, &err), EYOT_EINVAL);
}

static char registered_url[100];

static eyot_status open_registered(eyot_store **out, const char *url, uint32_t flags, eyot_error *e)
{
    snprintf(registered_url, sizeof registered_url, "%s %u", url, (unsigned)flags);
    return eyot_store_open_with(out, "memory:", flags, e);
}

TEST(register__makes_a_scheme_known)
{
    eyot_store *store;
    CHECK_OK(eyot_store_register("mine+x.1-2", open_registered, &err));
    CHECK_OK(eyot_store_open_with(&store, "MINE+x.1-2:some%20path?a=b", EYOT_OPEN_EXISTING, &err));
    CHECK_STR(registered_url, "MINE+x.1-2:some%20path?a=b 1");
    eyot_store_close(store);
    CHECK_STATUS(eyot_store_register("mine+x.1-2", open_registered, &err), EYOT_EEXIST);
    CHECK_HAS(err.text, "mine+x.1-2");
}

TEST(register__refuses_what_is_no_scheme)
{
    static const char *const bad[] = {"", "1a", "a:b", "a b", "Upper", "seventeen-letters", "a/b"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK_STATUS(eyot_store_register(bad[i], open_registered, &err), EYOT_EINVAL);
    CHECK_STATUS(eyot_store_register(NULL, open_registered, &err), EYOT_EINVAL);
    CHECK_STATUS(eyot_store_register("fine", NULL, &err), EYOT_EINVAL);
}

TEST(register__refuses_the_bundled_ones)
{
    CHECK_STATUS(eyot_store_register("memory", open_registered, &err), EYOT_EEXIST);
    CHECK_STATUS(eyot_store_register("sqlite", open_registered, &err), EYOT_EEXIST);
    CHECK_STATUS(eyot_store_register("mysql", open_registered, &err), EYOT_EEXIST);
}

TEST(cursor__is_read_as_it_was_printed)
{
    eyot_buf b = EYOT__BUF_INIT;
    int64_t n = 0;
    eyot_bytes id;
    CHECK_OK(eyot__cursor_print(&b, 1700000000123, eyot__bytes("a:b", 3)));
    CHECK(eyot__cursor_parse(eyot__bytes(b.data, b.len), &n, &id));
    CHECK_INT(n, 1700000000123);
    CHECK(id.n == 3 && memcmp(id.p, "a:b", 3) == 0);
    eyot__buf_clear(&b);
}

TEST(cursor__that_is_malformed_is_refused)
{
    static const char *const bad[] = {"", ":", "a", "1", ":a", "-1:a", "99999999999999999999:a"};
    int64_t n;
    eyot_bytes id;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!eyot__cursor_parse(eyot__bytes(bad[i], strlen(bad[i])), &n, &id));
}

/* ---- servers ---------------------------------------------------------------------------------------------------- */

static eyot_status server_of(eyot__url *u, eyot__url_server *s, const char *url)
{
    eyot_status r = eyot__url_parse(u, url, &err);
    return r ? r : eyot__url_server_of(s, u, &err);
}

TEST(url_server__has_user_password_host_and_port)
{
    static const struct {
        const char *url, *user, *password, *host;
        int port;
    } all[] = {
        {"mysql://ann:p%40ss%3A%2Fw@db.example:3307/runs", "ann", "p@ss:/w", "db.example", 3307},
        {"mysql://ann@db/runs", "ann", NULL, "db", 0},
        {"mysql://db/runs", NULL, NULL, "db", 0},
        {"redis://:secret@db", "", "secret", "db", 0},
        {"redis://ann:@db", "ann", "", "db", 0},
        {"redis://u@x@[fe80::1%25eth0]:6379/2", "u@x", NULL, "fe80::1%eth0", 6379},
        {"redis://[::1]", NULL, NULL, "::1", 0},
        {"redis+unix:///run/redis.sock", NULL, NULL, "", 0},
    };
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        eyot__url u;
        eyot__url_server s;
        CHECK_OK(server_of(&u, &s, all[i].url));
        CHECK(!s.user == !all[i].user && !s.password == !all[i].password);
        if (s.user) CHECK_STR(s.user, all[i].user);
        if (s.password) CHECK_STR(s.password, all[i].password);
        CHECK_STR(s.host, all[i].host);
        CHECK_INT(s.port, all[i].port);
        eyot__url_clear(&u);
    }
}

TEST(url_server__that_is_malformed_is_refused_without_its_secrets)
{
    static const char *const bad[] = {
        "mysql://u:s3cret@h:0/d",     "mysql://u:s3cret@h:65536/d", "mysql://u:s3cret@h:12x/d",
        "mysql://u:s3cret@[::1/d",    "mysql://u:s3cret@[::1]x/d",  "mysql://u:s3cret%@h/d",
        "mysql://u:s3cret%0@h/d",     "mysql://u:s3cret@h%zz/d",    "mysql://u:s3cret@h:/d",
        "mysql://u:s3cret%00@h:33/d",
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        eyot__url u;
        eyot__url_server s;
        CHECK_STATUS(server_of(&u, &s, bad[i]), EYOT_EINVAL);
        CHECK(!strstr(err.text, "s3cret"));
        eyot__url_clear(&u);
    }
}

/* A file in the test's directory, and a URL that names it. */
static const char *password_url(const char *name, const char *text, unsigned mode, const char *before)
{
    static char url[8400];
    char path[4200];
    snprintf(path, sizeof path, "%s/%s", test_dir(), name);
    FILE *f = fopen(path, "w");
    CHECK(f);
    CHECK(fputs(text, f) >= 0);
    CHECK_OK(fclose(f));
    CHECK_OK(chmod(path, mode));
    snprintf(url, sizeof url, "mysql://%sdb/runs?password_file=%s", before, path);
    return url;
}

TEST(url_server__reads_a_password_from_a_file_that_nobody_else_can_read)
{
    eyot__url u;
    eyot__url_server s;
    char large[1100];
    CHECK_OK(server_of(&u, &s, password_url("good", "geheim wort\nnot this\n", 0600, "ann@")));
    CHECK_STR(s.password, "geheim wort");
    eyot__url_clear(&u);
    CHECK_STATUS(server_of(&u, &s, password_url("open", "geheim\n", 0640, "ann@")), EYOT_EINVAL);
    CHECK_HAS(err.text, "can be read by others");
    eyot__url_clear(&u);
    CHECK_STATUS(server_of(&u, &s, password_url("both", "geheim\n", 0600, "ann:other@")), EYOT_EINVAL);
    CHECK_HAS(err.text, "both a password and a password_file");
    CHECK(!strstr(err.text, "other@"));
    eyot__url_clear(&u);
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = '\0';
    CHECK_STATUS(server_of(&u, &s, password_url("large", large, 0600, "ann@")), EYOT_EINVAL);
    eyot__url_clear(&u);
    CHECK_STATUS(server_of(&u, &s, "mysql://ann@db/runs?password_file=/nowhere/at/all"), EYOT_EINVAL);
    CHECK_HAS(err.text, "/nowhere/at/all");
    eyot__url_clear(&u);
    CHECK_STATUS(server_of(&u, &s, "mysql://ann@db/runs?password_file=/"), EYOT_EINVAL);
    eyot__url_clear(&u);
}

/* ---- modules ---------------------------------------------------------------------------------------------------- */

TEST(store_module__that_is_not_there_is_named_with_what_it_is_built_with)
{
    const eyot__store_module *m;
    const char *before = eyot__module_dir;
    eyot__module_dir = "/nowhere";
    CHECK_STATUS(eyot__module_load(&m, "strange", "libstrange (Debian: libstrange-dev)", &err), EYOT_ENOTSUP);
    eyot__module_dir = before;
    CHECK_HAS(err.text, "has no strange store");
    CHECK_HAS(err.text, "/nowhere/strange.so");
    CHECK_HAS(err.text, "libstrange-dev");
}

TEST(store_module__that_is_none_or_of_another_version_is_refused)
{
    char path[4200];
    const eyot__store_module *m;
    const char *before = eyot__module_dir;
    snprintf(path, sizeof path, "%s/text.so", test_dir());
    FILE *f = fopen(path, "w");
    CHECK(f);
    CHECK(fputs("no shared object\n", f) >= 0);
    CHECK_OK(fclose(f));
    eyot__module_dir = test_dir();
    eyot_status none = eyot__module_load(&m, "text", "", &err);
    CHECK_HAS(err.text, "the text store cannot be loaded");
    eyot__module_dir = EYOT_TEST_OTHER_MODULES;
    eyot_status other = eyot__module_load(&m, "another_version", "", &err);
    eyot__module_dir = before;
    CHECK_STATUS(none, EYOT_ENOTSUP);
    CHECK_STATUS(other, EYOT_ENOTSUP);
    CHECK_HAS(err.text, "does not belong to eyot");
}
