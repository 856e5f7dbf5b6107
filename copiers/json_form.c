/* SPDX-License-Identifier: MIT */
/* What JSON lacks, as maps of one key: {"$bytes":"AQID"}, {"$ext":"-1:AQID"}, {"$float32":1.5}, {"$removed":true}.
 * Only what the writer gives is taken for a form; everything else is an ordinary map, so every JSON text can be read.
 * Base64 is that of RFC 4648, section 4. */
#include "copiers/json.h"

#include "copiers/number.h"

typedef enum form { NO_FORM, BYTES_FORM, EXT_FORM, FLOAT32_FORM, REMOVED_FORM } form;

/* The form that a key names after its dollars. */
static form form_of(const eyot__text *key, uint32_t *dollars)
{
    static const char *const names[] = {"bytes", "ext", "float32", "removed"};
    uint32_t n = 0;
    while (n < key->len && key->bytes[n] == '$') n++;
    *dollars = n;
    for (int i = 0; n && i < 4; i++) {
        size_t len = strlen(names[i]);
        if (key->len - n == len && memcmp(key->bytes + n, names[i], len) == 0) return (form)(BYTES_FORM + i);
    }
    return NO_FORM;
}

/* ---- base64 ---------------------------------------------------------------------------------------------------- */

static const char base64_digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static size_t base64_room(size_t len)
{
    return (len + 2) / 3 * 4;
}

static char *base64_write(char *to, const char *bytes, size_t len)
{
    const unsigned char *p = (const unsigned char *)bytes;
    for (; len >= 3; len -= 3, p += 3, to += 4) {
        to[0] = base64_digits[p[0] >> 2];
        to[1] = base64_digits[(p[0] & 3) << 4 | p[1] >> 4];
        to[2] = base64_digits[(p[1] & 15) << 2 | p[2] >> 6];
        to[3] = base64_digits[p[2] & 63];
    }
    if (!len) return to;
    int second = len > 1 ? p[1] : 0;
    to[0] = base64_digits[p[0] >> 2];
    to[1] = base64_digits[(p[0] & 3) << 4 | second >> 4];
    to[2] = len > 1 ? base64_digits[(second & 15) << 2] : '=';
    to[3] = '=';
    return to + 4;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* Bytes that a text stands for; SIZE_MAX if it cannot be one. */
static size_t base64_size(const char *text, size_t len)
{
    if (len % 4) return SIZE_MAX;
    size_t pads = len && text[len - 1] == '=' ? (text[len - 2] == '=' ? 2 : 1) : 0;
    return len / 4 * 3 - pads;
}

/* False when it is not what base64_write gives: other characters, or bits that are cut off and not 0. */
static bool base64_read(char *to, size_t size, const char *text)
{
    uint32_t bits = 0;
    unsigned n = 0;
    for (size_t written = 0; written < size;) {
        int digit = base64_digit(*text++);
        if (digit < 0) return false;
        bits = bits << 6 | (uint32_t)digit;
        n += 6;
        if (n < 8) continue;
        n -= 8;
        to[written++] = (char)(bits >> n);
    }
    return (bits & ((1u << n) - 1)) == 0;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static eyot_status read_binary(unsigned kind, uint8_t type, const char *text, size_t len, eyot__word *out)
{
    size_t size = base64_size(text, len);
    if (size > EYOT_VALUE_MAX_BYTES) return EYOT_OK;
    if (!size && kind == EYOT__BYTES) {
        *out = EYOT__EMPTY_BYTES;
        return EYOT_OK;
    }
    /* The text is longer than what it stands for and serves to fill the node meanwhile. */
    eyot__text *t = eyot__text_new(NULL, kind, text, size, type);
    if (!t) return EYOT_ENOMEM;
    if (base64_read(t->bytes, size, text))
        *out = (eyot__word)t;
    else
        eyot__unref((eyot__word)t);
    return EYOT_OK;
}

/* "type:base64", the type as it is printed. */
static eyot_status read_ext(const char *text, size_t len, eyot__word *out)
{
    char same[EYOT__NUMBER_MAX];
    const char *colon = memchr(text, ':', len < 5 ? len : 5);
    int type = 0;
    if (!colon) return EYOT_OK;
    for (const char *p = text; p < colon; p++)
        if (*p >= '0' && *p <= '9') type = type * 10 + (*p - '0');
    if (text[0] == '-') type = -type;
    if (type < INT8_MIN || type > INT8_MAX) return EYOT_OK;
    size_t n = (size_t)(eyot__print_int(same, type) - same);
    if (n != (size_t)(colon - text) || memcmp(text, same, n) != 0) return EYOT_OK;
    return read_binary(EYOT__EXT, (uint8_t)type, colon + 1, len - n - 1, out);
}

static void read_float32(eyot__word w, eyot__word *out)
{
    const double max = 0x1.fffffep127;
    eyot__num n = eyot__num_of(w);
    if (n.kind != EYOT_VALUE_DOUBLE || n.d < -max || n.d > max) return;
    float f = (float)n.d;
    if ((double)f == n.d) *out = eyot__word_float32(f);
}

/* A user's own map, written with one $ more than it has. */
static eyot_status read_own(const eyot__word entry[2], eyot__word *out)
{
    const eyot__text *key = eyot__text_of(entry[0]);
    eyot__word map = EYOT__EMPTY_MAP;
    eyot_status status = eyot__map_put(&map, key->bytes + 1, key->len - 1, eyot__ref(entry[1]));
    if (!status) *out = map;
    return status;
}

eyot_status eyot__form_read(const eyot__word entry[2], eyot__word *out)
{
    uint32_t dollars;
    size_t len;
    const char *text = eyot_value_string_len(eyot__value_of(entry[1]), &len);
    form named = form_of(eyot__text_of(entry[0]), &dollars);
    *out = 0;
    if (named && dollars > 1) return read_own(entry, out);
    switch (named) {
    case NO_FORM: break;
    case BYTES_FORM: return text ? read_binary(EYOT__BYTES, 0, text, len, out) : EYOT_OK;
    case EXT_FORM: return text ? read_ext(text, len, out) : EYOT_OK;
    case FLOAT32_FORM: read_float32(entry[1], out); break;
    case REMOVED_FORM: *out = entry[1] == EYOT__TRUE ? EYOT__REMOVED : 0; break;
    }
    return EYOT_OK;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

bool eyot__form_is_key(const eyot__text *key)
{
    uint32_t dollars;
    return key->len && key->bytes[0] == '$' && form_of(key, &dollars) != NO_FORM;
}

size_t eyot__form_room(eyot__word w)
{
    size_t frame = 48; /* the longest is {"$float32":…} with its number */
    return frame + (eyot__is_node(w) ? base64_room(eyot__text_of(w)->len) : 0);
}

static char *put(char *to, const char *text)
{
    size_t n = strlen(text);
    memcpy(to, text, n);
    return to + n;
}

char *eyot__form_write(char *to, eyot__word w)
{
    const eyot__text *t = eyot__text_of(w);
    if (w == EYOT__REMOVED) return put(to, "{\"$removed\":true}");
    if (w == EYOT__EMPTY_BYTES) return put(to, "{\"$bytes\":\"\"}");
    if (!eyot__is_node(w)) {
        to = put(to, "{\"$float32\":");
        to = eyot__print_double(to, eyot__num_of(w).d);
        return put(to, "}");
    }
    to = put(to, eyot__node_kind(&t->node) == EYOT__BYTES ? "{\"$bytes\":\"" : "{\"$ext\":\"");
    if (eyot__node_kind(&t->node) == EYOT__EXT) {
        to = eyot__print_int(to, (int8_t)t->hash);
        to = put(to, ":");
    }
    to = base64_write(to, t->bytes, t->len);
    return put(to, "\"}");
}
