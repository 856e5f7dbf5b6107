/* SPDX-License-Identifier: MIT */
#include "stores/redis_tls.h"

#if EYOT_HAVE_OPENSSL

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <stdlib.h>

typedef struct session {
    SSL *ssl;
    BIO *in, *out; /* owned by ssl: what came, what is to be sent */
} session;

static eyot_status tls_error(eyot_status status, const char *doing, eyot_error *e)
{
    char why[160] = "the connection broke";
    unsigned long code = ERR_get_error();
    if (code) ERR_error_string_n(code, why, sizeof why);
    ERR_clear_error();
    return eyot_error_set(e, status, "%s: %s", doing, why);
}

eyot_status eyot__wire_tls_new(eyot__wire_tls **out, const char *ca_file, eyot_error *e)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_client_method());
    *out = NULL;
    if (!ctx) return tls_error(EYOT_ENOMEM, "no TLS", e);
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    if (ca_file ? !SSL_CTX_load_verify_file(ctx, ca_file) : !SSL_CTX_set_default_verify_paths(ctx)) {
        SSL_CTX_free(ctx);
        return tls_error(EYOT_EINVAL, "the certificate authorities cannot be read", e);
    }
    *out = (eyot__wire_tls *)ctx;
    return EYOT_OK;
}

void eyot__wire_tls_free(eyot__wire_tls *tls)
{
    SSL_CTX_free((SSL_CTX *)tls);
}

static bool is_address(const char *host)
{
    return host[strspn(host, "0123456789.")] == '\0' || strchr(host, ':');
}

eyot_status eyot__tls_session_new(void **out, eyot__wire_tls *tls, const char *host, eyot_error *e)
{
    session *s = calloc(1, sizeof *s);
    if (s) s->ssl = SSL_new((SSL_CTX *)tls);
    if (s) s->in = BIO_new(BIO_s_mem());
    if (s) s->out = BIO_new(BIO_s_mem());
    bool made = s && s->ssl && s->in && s->out;
    if (made) {
        SSL_set_bio(s->ssl, s->in, s->out);
        SSL_set_connect_state(s->ssl);
        X509_VERIFY_PARAM *check = SSL_get0_param(s->ssl);
        if (is_address(host))
            made = X509_VERIFY_PARAM_set1_ip_asc(check, host) == 1;
        else
            made = X509_VERIFY_PARAM_set1_host(check, host, 0) == 1 && SSL_set_tlsext_host_name(s->ssl, host) == 1;
    } else if (s) {
        BIO_free(s->in);
        BIO_free(s->out);
    }
    *out = made ? s : NULL;
    if (made) return EYOT_OK;
    if (s) SSL_free(s->ssl);
    free(s);
    return tls_error(EYOT_ENOMEM, "no TLS", e);
}

void eyot__tls_session_free(void *session_)
{
    session *s = session_;
    SSL_free(s->ssl);
    free(s);
}

static bool wants_more(const session *s, int rc)
{
    int why = SSL_get_error(s->ssl, rc);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

eyot_status eyot__tls_handshake(void *session_, bool *over, eyot_error *e)
{
    session *s = session_;
    ERR_clear_error();
    int rc = SSL_do_handshake(s->ssl);
    *over = rc == 1;
    if (*over || wants_more(s, rc)) return EYOT_OK;
    long verdict = SSL_get_verify_result(s->ssl);
    if (verdict == X509_V_OK) return tls_error(EYOT_EIO, "no TLS with the server", e);
    return eyot_error_set(e, EYOT_EIO, "the server's certificate is not accepted: %s",
                          X509_verify_cert_error_string(verdict));
}

eyot_status eyot__tls_put(void *session_, const char *p, size_t n, eyot_error *e)
{
    session *s = session_;
    ERR_clear_error();
    return SSL_write(s->ssl, p, (int)n) == (int)n ? EYOT_OK : tls_error(EYOT_EIO, "cannot send", e);
}

void eyot__tls_pending(void *session_, const char **p, size_t *n)
{
    session *s = session_;
    char *data = NULL;
    long len = BIO_get_mem_data(s->out, &data);
    *p = data;
    *n = len > 0 ? (size_t)len : 0;
}

void eyot__tls_sent(void *session_, size_t n)
{
    session *s = session_;
    char drop[4096];
    while (n) {
        size_t part = n < sizeof drop ? n : sizeof drop;
        BIO_read(s->out, drop, (int)part);
        n -= part;
    }
}

eyot_status eyot__tls_feed(void *session_, const char *p, size_t n, eyot_error *e)
{
    session *s = session_;
    return BIO_write(s->in, p, (int)n) == (int)n ? EYOT_OK : eyot_error_set(e, EYOT_ENOMEM, "no memory for TLS");
}

eyot_status eyot__tls_get(void *session_, char *p, size_t size, size_t *n, eyot_error *e)
{
    session *s = session_;
    *n = 0;
    if (!SSL_is_init_finished(s->ssl)) return EYOT_OK; /* the handshake reads for itself */
    ERR_clear_error();
    int rc = SSL_read(s->ssl, p, (int)size);
    if (rc > 0) *n = (size_t)rc;
    return rc > 0 || wants_more(s, rc) ? EYOT_OK : tls_error(EYOT_EIO, "the server ended TLS", e);
}

#else

eyot_status eyot__wire_tls_new(eyot__wire_tls **out, const char *ca_file, eyot_error *e)
{
    (void)ca_file;
    *out = NULL;
    return eyot_error_set(e, EYOT_ENOTSUP,
                          "rediss: needs TLS, and this eyot was built without OpenSSL (Debian: libssl-dev)");
}

void eyot__wire_tls_free(eyot__wire_tls *tls)
{
    (void)tls;
}

eyot_status eyot__tls_session_new(void **out, eyot__wire_tls *tls, const char *host, eyot_error *e)
{
    (void)tls, (void)host;
    *out = NULL;
    return eyot_error_set(e, EYOT_ENOTSUP, "built without TLS");
}

void eyot__tls_session_free(void *session)
{
    (void)session;
}

eyot_status eyot__tls_handshake(void *session, bool *over, eyot_error *e)
{
    (void)session;
    *over = false;
    return eyot_error_set(e, EYOT_ENOTSUP, "built without TLS");
}

eyot_status eyot__tls_put(void *session, const char *p, size_t n, eyot_error *e)
{
    (void)session, (void)p, (void)n;
    return eyot_error_set(e, EYOT_ENOTSUP, "built without TLS");
}

void eyot__tls_pending(void *session, const char **p, size_t *n)
{
    (void)session;
    *p = NULL;
    *n = 0;
}

void eyot__tls_sent(void *session, size_t n)
{
    (void)session, (void)n;
}

eyot_status eyot__tls_feed(void *session, const char *p, size_t n, eyot_error *e)
{
    (void)session, (void)p, (void)n;
    return eyot_error_set(e, EYOT_ENOTSUP, "built without TLS");
}

eyot_status eyot__tls_get(void *session, char *p, size_t size, size_t *n, eyot_error *e)
{
    (void)session, (void)p, (void)size;
    *n = 0;
    return eyot_error_set(e, EYOT_ENOTSUP, "built without TLS");
}

#endif
