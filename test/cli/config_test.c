/* SPDX-License-Identifier: MIT */
#include "cli/config.h"

#include "test/eyot_test.h"

#include <stdlib.h>

static char said[4096];

static void say(void *arg, const char *line)
{
    (void)arg;
    size_t n = strlen(said);
    snprintf(said + n, sizeof said - n, "%s\n", line);
}

static bool read_config(config_file *f, const char *text)
{
    said[0] = '\0';
    return config_read(f, "eyot.yaml", text, strlen(text), say, NULL);
}

TEST(config__names_stores_and_jobs)
{
    config_file f;
    CHECK(read_config(&f, "store: prod\n"
                          "stores:\n"
                          "  prod: { url: \"mysql://eyot@db/eyot\", password_file: /etc/eyot/password }\n"
                          "  here: runs.db\n"
                          "run: { jobs: 4 }\n"));
    CHECK_STR(said, "");
    CHECK_STR(f.store, "prod");
    CHECK_INT(f.n_stores, 2);
    CHECK_STR(f.stores[0].url, "mysql://eyot@db/eyot");
    CHECK_STR(f.stores[0].password_file, "/etc/eyot/password");
    CHECK_STR(f.stores[1].name, "here");
    CHECK_STR(f.stores[1].url, "runs.db");
    CHECK_INT(f.jobs, 4);
    config_file_clear(&f);
}

TEST(config__may_be_empty)
{
    config_file f;
    CHECK(read_config(&f, ""));
    config_file_clear(&f);
    CHECK(read_config(&f, "# nothing\n"));
    config_file_clear(&f);
}

TEST(config__tells_all_mistakes_with_line_and_column)
{
    config_file f;
    CHECK(!read_config(&f, "stroe: x\n"
                           "run:\n"
                           "  jobs: many\n"
                           "  color: red\n"
                           "stores:\n"
                           "  a: { password_file: x }\n"));
    CHECK_HAS(said, "eyot.yaml:1:1: unknown key \"stroe\" in a configuration\n");
    CHECK_HAS(said, "eyot.yaml:3:9: \"jobs\" must be a number from 0 to 65535\n");
    CHECK_HAS(said, "eyot.yaml:4:3: unknown key \"color\" in \"run\"\n");
    CHECK_HAS(said, "eyot.yaml:6:6: store \"a\" has no url\n");
    config_file_clear(&f);
}

TEST(config__a_key_that_is_there_twice_is_a_mistake)
{
    config_file f;
    CHECK(!read_config(&f, "store: a\nstore: b\n"));
    CHECK_HAS(said, "eyot.yaml:2:1: this key is there twice");
    config_file_clear(&f);
}

TEST(config__bad_syntax_is_told_with_its_place)
{
    config_file f;
    CHECK(!read_config(&f, "store: [a\n"));
    CHECK_HAS(said, "eyot.yaml:");
    config_file_clear(&f);
}

TEST(config_password__goes_behind_the_user)
{
    char *url = config_with_password("mysql://eyot@db:3306/x?a=b", "p@ss:w/rd");
    CHECK_STR(url, "mysql://eyot:p%40ss%3Aw%2Frd@db:3306/x?a=b");
    free(url);
    url = config_with_password("mysql://eyot:own@db/x", "other");
    CHECK_STR(url, "mysql://eyot:own@db/x");
    free(url);
    url = config_with_password("mysql://db/x@y", "p");
    CHECK_STR(url, "mysql://db/x@y");
    free(url);
    url = config_with_password("runs.db", "p");
    CHECK_STR(url, "runs.db");
    free(url);
}

static void with_password(const char *url, const char *want)
{
    char *out = config_with_password(url, "p@ss");
    CHECK_STR(out, want);
    free(out);
}

TEST(config_password__of_redis_needs_no_user)
{
    with_password("redis://db:6379/0", "redis://:p%40ss@db:6379/0");
    with_password("rediss://db?tls_ca=x@y", "rediss://:p%40ss@db?tls_ca=x@y");
    with_password("redis+unix:///run/redis.sock?db=1", "redis+unix://:p%40ss@/run/redis.sock?db=1");
    with_password("redis://eyot@db", "redis://eyot:p%40ss@db");
    with_password("redis://:own@db", "redis://:own@db");
    with_password("redisk://db", "redisk://db");
}
