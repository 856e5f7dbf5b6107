/* SPDX-License-Identifier: MIT */
#include "test/eyot_test.h"

#include <stdlib.h>

#include "core/hash.h"

static void crc_is(const void *bytes, size_t len, uint32_t want)
{
    CHECK_INT(eyot__crc32c(0, bytes, len), want);
    CHECK_INT(eyot__crc32c_by_table(0, bytes, len), want);
}

/* RFC 3720, appendix B.4. */
TEST(crc32c__equals_the_vectors_of_rfc_3720)
{
    unsigned char zeros[32] = {0}, ones[32], up[32], down[32];
    static const unsigned char read_command[48] = {
        0x01, 0xc0, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
        0x14, 0x00, 0x00, 0x00, 0x00, 0x00, 0x04, 0x00, 0x00, 0x00, 0x00, 0x14, 0x00, 0x00, 0x00, 0x18,
        0x28, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00, 0x00,
    };
    memset(ones, 0xff, sizeof ones);
    for (unsigned char i = 0; i < 32; i++) up[i] = i, down[i] = (unsigned char)(31 - i);
    crc_is(zeros, 32, 0x8a9136aa);
    crc_is(ones, 32, 0x62a8ab43);
    crc_is(up, 32, 0x46dd794e);
    crc_is(down, 32, 0x113fdb5c);
    crc_is(read_command, 48, 0xd9963a56);
    crc_is("123456789", 9, 0xe3069283);
    crc_is("", 0, 0);
}

TEST(crc32c__table_and_instruction_agree)
{
    uint64_t random = test_seed();
    unsigned char bytes[2000];
    for (unsigned round = 0; round < 2000 * test_long(); round++) {
        size_t at = test_random(&random) % 16, len = test_random(&random) % 1980;
        uint32_t start = (uint32_t)test_random(&random);
        for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (unsigned char)test_random(&random);
        CHECK_INT(eyot__crc32c(start, bytes + at, len), eyot__crc32c_by_table(start, bytes + at, len));
    }
}

TEST(crc32c__goes_on_where_it_stopped)
{
    static const char text[] = "a record is sealed when its place in the log is known";
    uint32_t whole = eyot__crc32c(0, text, sizeof text);
    for (size_t cut = 0; cut <= sizeof text; cut++) {
        uint32_t first = eyot__crc32c(0, text, cut);
        CHECK_INT(eyot__crc32c(first, text + cut, sizeof text - cut), whole);
    }
}

static void sha_is(const void *bytes, size_t len, const char *want)
{
    uint8_t digest[32];
    char hex[65];
    eyot__sha256(bytes, len, digest);
    eyot__hex(digest, sizeof digest, hex);
    CHECK_STR(hex, want);
}

/* The examples that NIST publishes for FIPS 180-4. */
TEST(sha256__equals_the_examples_of_fips_180_4)
{
    sha_is("abc", 3, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    sha_is("", 0, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    sha_is("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq", 56,
           "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
    sha_is(
        "abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopq"
        "rstu",
        112, "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

TEST(sha256__of_a_million_letters)
{
    char *letters = malloc(1000000);
    CHECK(letters != NULL);
    memset(letters, 'a', 1000000);
    sha_is(letters, 1000000, "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
    free(letters);
}

/* Where the padding goes from one block to two: values made with coreutils' sha256sum. */
TEST(sha256__around_the_end_of_a_block)
{
    char a[64];
    memset(a, 'a', sizeof a);
    sha_is(a, 55, "9f4390f8d30c2dd92ec9f095b65e2b9ae9b0a925a5258e241c9f1e910f734318");
    sha_is(a, 56, "b35439a4ac6f0948b6d6f9e3c6af0f5f590ce20f1bde7090ef7970686ec6738a");
    sha_is(a, 63, "7d3e74a05d7db15bce4ad9ec0658ea98e3f06eeecf16b4c6fff2da457ddc2f34");
    sha_is(a, 64, "ffe054fe7ae0cb6dc65c3af9b61d5209f439851db43d0ba5997337df154668eb");
}

TEST(hex__is_lower_case_with_a_nul)
{
    char out[7] = "xxxxxx";
    eyot__hex((const uint8_t *)"\x00\xaf\x3d", 3, out);
    CHECK_STR(out, "00af3d");
}
