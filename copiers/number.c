/* SPDX-License-Identifier: MIT */
/* Numbers to decimal and back.
 *
 * Reading: small numbers exactly in doubles (W. Clinger, "How to read floating point numbers accurately", 1990), then the
 * product with a 128-bit power of ten and a bound on its error (D. Lemire, "Number parsing at a gigabyte per second",
 * 2021), and what that leaves undecided by comparing big integers.
 * Writing: R. Giulietti, "The Schubfach way to render doubles", 2020. */
#include "copiers/number.h"

#include <assert.h>
#include <string.h>

#include "copiers/pow10.h"

__extension__ typedef unsigned __int128 wide;

static const char digit_pairs[] = "00010203040506070809101112131415161718192021222324252627282930313233343536373839"
                                  "40414243444546474849505152535455565758596061626364656667686970717273747576777879"
                                  "8081828384858687888990919293949596979899";

/* floor(log2(10^q)), for |q| up to 400 */
static int log2_pow10(int q)
{
    return (q * 217706) >> 16;
}

static double from_bits(uint64_t bits)
{
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

/* ---- reading: big integers ------------------------------------------------------------------------------------- */

#define LIMBS 72        /* 4,608 bits: the largest number below has 4,000 */
#define MOST_DIGITS 770 /* no double and no middle of two has more digits that count */
#define INFINITY_BITS ((uint64_t)0x7ff << 52)

typedef struct big {
    uint32_t n;
    uint64_t w[LIMBS];
} big;

static void big_mul_add(big *b, uint64_t factor, uint64_t add)
{
    uint64_t carry = add;
    for (uint32_t i = 0; i < b->n; i++) {
        wide m = (wide)b->w[i] * factor + carry;
        b->w[i] = (uint64_t)m;
        carry = (uint64_t)(m >> 64);
    }
    assert(b->n < LIMBS);
    if (carry) b->w[b->n++] = carry;
}

static void big_mul_pow5(big *b, int64_t n)
{
    const uint64_t pow5_27 = 7450580596923828125u;
    for (; n >= 27; n -= 27) big_mul_add(b, pow5_27, 0);
    for (; n > 0; n--) big_mul_add(b, 5, 0);
}

static void big_shift_left(big *b, int64_t bits)
{
    uint32_t limbs = (uint32_t)(bits / 64);
    if (!b->n) return;
    if (bits % 64) big_mul_add(b, (uint64_t)1 << bits % 64, 0);
    assert(b->n + limbs <= LIMBS);
    memmove(b->w + limbs, b->w, b->n * sizeof b->w[0]);
    memset(b->w, 0, limbs * sizeof b->w[0]);
    b->n += limbs;
}

static int big_compare(const big *a, const big *b)
{
    if (a->n != b->n) return a->n < b->n ? -1 : 1;
    for (uint32_t i = a->n; i-- > 0;)
        if (a->w[i] != b->w[i]) return a->w[i] < b->w[i] ? -1 : 1;
    return 0;
}

/* All digits of d as an integer times 10^*exponent; a last 1 stands for what is beyond MOST_DIGITS. */
static void big_digits(big *b, const eyot__decimal *d, int64_t *exponent)
{
    int64_t kept = 0, beyond = 0, fraction = 0;
    bool point = false, more = false;
    b->n = 0;
    for (const char *p = d->digits; p < d->end; p++) {
        if (*p == '.') {
            point = true;
            continue;
        }
        if (point) fraction++;
        if (!kept && *p == '0') continue;
        if (kept++ < MOST_DIGITS) {
            big_mul_add(b, 10, (uint64_t)(*p - '0'));
        } else {
            beyond++;
            more |= *p != '0';
        }
    }
    *exponent = d->exponent10 - fraction + beyond;
    if (more) {
        big_mul_add(b, 10, 1);
        --*exponent;
    }
}

/* Compares the decimal with the middle between the double of these bits and the next larger one. */
static int compare_to_middle(const big *digits, int64_t exponent, uint64_t bits)
{
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int64_t biased = (int64_t)(bits >> 52);
    big a = *digits, b = {1, {0}};
    b.w[0] = 2 * (biased ? fraction | (uint64_t)1 << 52 : fraction) + 1;
    int64_t b2 = (biased ? biased : 1) - 1075 - 1, a2 = exponent;
    if (exponent >= 0)
        big_mul_pow5(&a, exponent);
    else
        big_mul_pow5(&b, -exponent);
    if (a2 > b2)
        big_shift_left(&a, a2 - b2);
    else
        big_shift_left(&b, b2 - a2);
    return big_compare(&a, &b);
}

/* From a guess that is at most a few doubles off. */
static uint64_t decide_exactly(const eyot__decimal *d, uint64_t bits)
{
    big digits;
    int64_t exponent;
    big_digits(&digits, d, &exponent);
    for (;;) {
        int above = bits >= INFINITY_BITS ? -1 : compare_to_middle(&digits, exponent, bits);
        if (above > 0 || (above == 0 && (bits & 1))) {
            bits++;
            continue;
        }
        int below = bits ? compare_to_middle(&digits, exponent, bits - 1) : 1;
        if (below > 0 || (below == 0 && !(bits & 1))) return bits;
        bits--;
    }
}

/* ---- reading: the fast ways ------------------------------------------------------------------------------------ */

/* The double nearest to w · 10^q as bits; *sure is false when the bound on the error does not decide it, and the result
 * then is one of the two nearest. w is not 0. */
static uint64_t nearest(uint64_t w, int64_t q, bool *sure)
{
    *sure = true;
    if (q < EYOT__POW10_FIRST) return 0;
    if (q > 308) return INFINITY_BITS;
    const uint64_t *t = eyot__pow10[q - EYOT__POW10_FIRST];
    int zeros = __builtin_clzll(w), top = 126;
    w <<= zeros;
    /* The upper 128 of 192 bits; what was cut off and what the power lacks are together less than 2 of its last place. */
    wide x = (wide)w * t[0] + (uint64_t)(((wide)w * t[1]) >> 64);
    int exponent = top + log2_pow10((int)q) - 63 - zeros; /* of the highest bit */
    if (x >> 127) {
        x >>= 1;
        exponent++;
    }
    if (exponent < -1075) return 0;
    bool normal = exponent >= -1022;
    int drop = top - 52 + (normal ? 0 : -1022 - exponent);
    wide half = (wide)1 << (drop - 1), low = ((wide)1 << drop) - 1, y = x + half;
    uint64_t bits = (uint64_t)(y >> drop);
    if (normal) bits += (uint64_t)(exponent + 1022) << 52;
    /* y may truly be up to 2 more: that must not carry, and y must not be exactly at the edge, where ties are. */
    *sure = (y & low) != 0 && (y & low) < low - 1;
    return bits < INFINITY_BITS ? bits : INFINITY_BITS;
}

bool eyot__quick_double(uint64_t mantissa, int64_t exponent, double *out)
{
    bool sure = true;
    uint64_t bits = mantissa ? nearest(mantissa, exponent, &sure) : 0;
    *out = from_bits(bits);
    return sure && bits < INFINITY_BITS;
}

double eyot__decimal_to_double(const eyot__decimal *d)
{
    double small;
    if (!d->mantissa) return 0.0;
    if (!d->more && eyot__small_double(d->mantissa, d->exponent, &small)) return small;
    bool sure, sure_next = true;
    uint64_t bits = nearest(d->mantissa, d->exponent, &sure), next = bits;
    if (d->more) next = nearest(d->mantissa + 1, d->exponent, &sure_next);
    if (!sure || !sure_next || bits != next) bits = decide_exactly(d, bits);
    return from_bits(bits);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static char *put_pair(char *to, unsigned pair)
{
    memcpy(to, digit_pairs + 2 * pair, 2);
    return to + 2;
}

/* Eight digits with leading zeros. */
static char *put_eight(char *to, uint32_t u)
{
    uint32_t high = u / 10000, low = u % 10000;
    to = put_pair(to, high / 100);
    to = put_pair(to, high % 100);
    to = put_pair(to, low / 100);
    return put_pair(to, low % 100);
}

/* One or two digits. */
static char *put_first(char *to, uint32_t u)
{
    if (u >= 10) return put_pair(to, u);
    *to = (char)('0' + u);
    return to + 1;
}

/* Up to eight digits without leading zeros. */
static char *put_small(char *to, uint32_t u)
{
    if (u < 100) return put_first(to, u);
    if (u < 10000) return put_pair(put_first(to, u / 100), u % 100);
    uint32_t high = u / 10000, low = u % 10000;
    to = high < 100 ? put_first(to, high) : put_pair(put_first(to, high / 100), high % 100);
    return put_pair(put_pair(to, low / 100), low % 100);
}

char *eyot__print_uint(char *to, uint64_t u)
{
    const uint32_t e8 = 100000000;
    if (u < e8) return put_small(to, (uint32_t)u);
    uint64_t high = u / e8;
    if (high < e8) {
        to = put_small(to, (uint32_t)high);
    } else {
        to = put_small(to, (uint32_t)(high / e8));
        to = put_eight(to, (uint32_t)(high % e8));
    }
    return put_eight(to, (uint32_t)(u % e8));
}

char *eyot__print_int(char *to, int64_t i)
{
    if (i >= 0) return eyot__print_uint(to, (uint64_t)i);
    *to = '-';
    return eyot__print_uint(to + 1, 0 - (uint64_t)i);
}

/* The upper 64 bits of g · c / 2^64, its last bit set if anything was cut off. */
static uint64_t round_to_odd(const uint64_t g[2], uint64_t c)
{
    wide low = (wide)g[1] * c, high = (wide)g[0] * c + (uint64_t)(low >> 64);
    return (uint64_t)(high >> 64) | ((uint64_t)high > 1);
}

/* Digits and exponent of the shortest decimal in the rounding interval of d, the closest of those. Names as in the
 * paper. d is positive and finite. */
static uint64_t shortest(uint64_t bits, int *exponent)
{
    uint64_t fraction = bits & (((uint64_t)1 << 52) - 1);
    int biased = (int)(bits >> 52);
    uint64_t c = biased ? fraction | (uint64_t)1 << 52 : fraction;
    int q = (biased ? biased : 1) - 1075;
    if (q <= 0 && q > -53 && (c & (((uint64_t)1 << -q) - 1)) == 0) { /* an integer */
        *exponent = 0;
        return c >> -q;
    }
    uint64_t out = c & 1; /* the ends of the interval belong to it when c is even */
    bool narrow = fraction == 0 && biased > 1;
    uint64_t cb = 4 * c, cbl = cb - 2 + narrow, cbr = cb + 2;
    int k = (q * 1262611 - (narrow ? 524031 : 0)) >> 22;
    int h = q + log2_pow10(-k) + 1;
    uint64_t g[2] = {eyot__pow10[-k - EYOT__POW10_FIRST][0], eyot__pow10[-k - EYOT__POW10_FIRST][1]};
    if (++g[1] == 0) g[0]++; /* the paper rounds its powers up */
    uint64_t lower = round_to_odd(g, cbl << h) + out, vb = round_to_odd(g, cb << h);
    uint64_t upper = round_to_odd(g, cbr << h) - out;
    uint64_t s = vb / 4;
    if (s >= 10) {
        uint64_t t = s / 10;
        bool down = lower <= 40 * t, up = 40 * t + 40 <= upper;
        if (down != up) {
            *exponent = k + 1;
            return t + up;
        }
    }
    bool down = lower <= 4 * s, up = 4 * s + 4 <= upper;
    *exponent = k;
    if (down != up) return s + up;
    uint64_t middle = 4 * s + 2;
    return s + (vb > middle || (vb == middle && (s & 1)));
}

/* Takes zeros off the end of the digits. */
static uint64_t strip_zeros(uint64_t u, int *exponent)
{
    if (u % 100000000 == 0) {
        u /= 100000000;
        *exponent += 8;
    }
    if (u % 10000 == 0) {
        u /= 10000;
        *exponent += 4;
    }
    if (u % 100 == 0) {
        u /= 100;
        *exponent += 2;
    }
    if (u % 10 == 0) {
        u /= 10;
        ++*exponent;
    }
    return u;
}

/* d.ddde±xx */
static char *put_scientific(char *to, const char *digits, int n, int exponent)
{
    *to++ = digits[0];
    if (n > 1) {
        *to++ = '.';
        memcpy(to, digits + 1, (size_t)n - 1);
        to += n - 1;
    }
    *to++ = 'e';
    return eyot__print_int(to, exponent);
}

/* Numbers of 10^-5 up to 10^17 are written without an exponent. Digits are moved in pieces of one size, which may be
 * more than there are. */
char *eyot__print_double(char *to, double d)
{
    enum { PIECE = 24 };
    uint64_t bits;
    int exponent;
    char digits[2 * PIECE] = {0};
    memcpy(&bits, &d, sizeof bits);
    if (bits >> 63) *to++ = '-';
    bits &= ~((uint64_t)1 << 63);
    if (!bits) {
        memcpy(to, "0.0", 3);
        return to + 3;
    }
    uint64_t decimal = strip_zeros(shortest(bits, &exponent), &exponent);
    int n = (int)(eyot__print_uint(digits, decimal) - digits);
    int point = n + exponent; /* digits before the point */
    if (point < -4 || point > 17) return put_scientific(to, digits, n, point - 1);
    if (point <= 0) {
        memcpy(to, "0.0000", 6);
        to += 2 - point;
        memcpy(to, digits, PIECE);
        return to + n;
    }
    memcpy(to, digits, PIECE);
    if (n <= point) {
        memset(to + n, '0', (size_t)(point - n));
        memcpy(to + point, ".0", 2);
        return to + point + 2;
    }
    to[point] = '.';
    memcpy(to + point + 1, digits + point, PIECE);
    return to + n + 1;
}
