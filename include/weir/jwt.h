/* weir-jwt: who asks. A bearer token is verified once, and its allow-listed claims tag the request's context: span attributes,
 * metric labels of which there are few, and a reason for every refusal.
 *
 * Two layers, usable apart: JWS (bytes and a key set in; a payload, or a reason, out), and claims above it (a verifier).
 * The key decides the algorithm, never the token. Tokens, signatures and claims that are not on the allow-list never reach a
 * log, an error's text, an attribute, a label, or memory that outlives the call. */
#ifndef WEIR_JWT_H
#define WEIR_JWT_H

#include <weir/context.h>
#include <weir/fetch.h>

WEIR_BEGIN_DECLS_

/* The closed list of outcomes: value, name, text (a label's value). New ones are appended. */
#define WEIR_JWT_RESULTS(X)                                                                                            \
	X(0, WEIR_JWT_OK, "ok")                                                                                        \
	X(1, WEIR_JWT_NONE, "none")                         /* nobody has asked yet */                                 \
	X(2, WEIR_JWT_MISSING, "missing")                   /* no Authorization, or not of the scheme Bearer */        \
	X(3, WEIR_JWT_MALFORMED, "malformed")                                                                          \
	X(4, WEIR_JWT_TOO_LARGE, "too_large")                                                                          \
	X(5, WEIR_JWT_ENCRYPTED, "encrypted")               /* a JWE */                                                \
	X(6, WEIR_JWT_CRIT, "crit")                         /* crit, b64, zip, jku, x5u, jwk: what asks for more */    \
	X(7, WEIR_JWT_TYPE, "type")                         /* typ is not the one asked for */                         \
	X(8, WEIR_JWT_ALG_NOT_ALLOWED, "alg_not_allowed")                                                              \
	X(9, WEIR_JWT_UNKNOWN_KEY, "unknown_key")                                                                      \
	X(10, WEIR_JWT_BAD_SIGNATURE, "bad_signature")                                                                 \
	X(11, WEIR_JWT_EXPIRED, "expired")                                                                             \
	X(12, WEIR_JWT_NOT_YET_VALID, "not_yet_valid")                                                                 \
	X(13, WEIR_JWT_TOO_OLD, "too_old")                  /* over the maximum age */                                 \
	X(14, WEIR_JWT_ISSUER, "issuer")                                                                               \
	X(15, WEIR_JWT_AUDIENCE, "audience")                                                                           \
	X(16, WEIR_JWT_CLAIM, "claim")                      /* a required one is missing, or of a wrong type */        \
	X(17, WEIR_JWT_KEYS_UNAVAILABLE, "keys_unavailable") /* there is no key set yet */                             \
	X(18, WEIR_JWT_HEADER_MISSING, "header_missing")    /* the host's own rule: weir_ctx_refuse */                 \
	X(19, WEIR_JWT_FORBIDDEN, "forbidden")              /* likewise: verified, but not allowed to */               \
	X(20, WEIR_JWT_NO_MEMORY, "no_memory")
#define WEIR_JWT_RESULT_(value, name, text) name = value,
enum weir_jwt_result { WEIR_JWT_RESULTS(WEIR_JWT_RESULT_) };
#undef WEIR_JWT_RESULT_
/* Threads: any. Signals: safe. Blocks, Allocates: no. Owns: static. Errors: none; "unknown" for what is not on the list. */
WEIR_API const char *weir_jwt_result_text(enum weir_jwt_result result);

/* ---- keys: a set, filled and then used ------------------------------------------------------------------------------------
 * Each key has one algorithm: the one given, else the JWK's "alg", else the type's: RSA RS256, P-256 ES256, P-384 ES384,
 * P-521 ES512, Ed25519 EdDSA; a secret ("oct") must have it said. RSA below 2048 bits or with an exponent of 1, points off the
 * curve, and secrets shorter than the hash are refused. kid NULL: any token without a kid may use it.
 * add_jwks: members that cannot be used (another "use" or "key_ops", unknown types) are passed over; a kid twice with one
 * algorithm refuses the set; added tells how many (may be NULL).
 * Threads: filling: one at a time; verifying: any number, once it is filled. Signals: no. Blocks: no. Allocates: yes.
 * Owns: all is copied; secrets are wiped at destroy. Errors: WEIR_EINVAL (not a key, or a weak one; the log says which rule, never
 * the key), WEIR_ECONFLICT (the kid is there), WEIR_EUNSUPPORTED (type or algorithm), WEIR_ELIMIT (256 keys, 1 MiB), WEIR_ENOMEM. */
struct weir_jwks;
WEIR_API int weir_jwks_new(struct weir_jwks **keys);
WEIR_API void weir_jwks_destroy(struct weir_jwks *keys);
WEIR_API int weir_jwks_add_pem(struct weir_jwks *keys, const char *kid, const char *alg, struct weir_str pem);
WEIR_API int weir_jwks_add_secret(struct weir_jwks *keys, const char *kid, const char *alg, struct weir_str secret);
WEIR_API int weir_jwks_add_jwk(struct weir_jwks *keys, struct weir_str json);
WEIR_API int weir_jwks_add_jwks(struct weir_jwks *keys, struct weir_str json, size_t *added);
WEIR_API size_t weir_jwks_count(const struct weir_jwks *keys);

/* Verifies a compact JWS and gives its payload, decoded, into buf (as many bytes as the token has are always enough). A payload
 * is given only with WEIR_JWT_OK. With keys NULL nothing verifies.
 * Threads: any. Signals: no. Blocks: no. Allocates: libcrypto does; nothing whose size the token's author chooses.
 * Owns: buf is the caller's. Errors: the result. Source: RFC 7515, 7518, 8037, 8725. */
WEIR_API enum weir_jwt_result weir_jws_verify(const struct weir_jwks *keys, struct weir_str token, void *buf, size_t size,
                                              size_t *payload_len);

/* ---- the policy: which claims leave a token, and as what ------------------------------------------------------------------ */
struct weir_jwt_claim {
	const char *claim;     /* a member's name, or a JSON pointer ("/org/tenant") */
	const char *attribute; /* span attribute; NULL: none */
	const char *label;     /* metric label, for WEIR_CLAIM(label); NULL: none */
	const char *const *label_values; /* only these have series of their own, all else is "other"; ends in NULL. NULL: the
	                                  * label_top of them by traffic */
	uint32_t label_top;    /* 0: 50; 1000 at most. While places are free a new value has one at once; then one that is idle, or has
	                        * far less traffic than another, gives up its own */
	const char *anonymous; /* the label's value without a verified token; NULL: "anonymous" */
	const char *equals;    /* the value must be this one; of an array, or of a list in one string as scope is, contain it */
	bool hashed;           /* HMAC-SHA-256 with the key of the options, 16 hex digits, in place of the value */
	bool first;            /* of an array: the first; else they are joined by commas */
	bool required;
	uint64_t reserved_[2];
};

struct weir_jwt_options {
	WEIR_SIZE_(weir_jwt_options);
	const struct weir_jwks *keys;  /* copied; these, or one of the next two, and not more than one */
	const char *jwks_path;         /* a file, read again when it changes: within a second */
	const char *jwks_url;          /* with fetch, which runs on a thread of its own, one at a time, 10 s each. It comes again when
	                                * the answer's lifetime is over (30 s to a day), and where a token names an unknown key, or an
	                                * algorithm that no key has: then once in 30 s at most; after a failure in 1 s, 2 s, ... 5 minutes */
	weir_fetch_fn *fetch;
	void *fetch_arg;
	const char *issuer, *audience; /* NULL: not checked */
	const char *type;              /* typ, "at+jwt" for instance, with or without application/; NULL: not checked */
	const char *const *required;   /* claims that must be there, of any type; ends in NULL */
	const struct weir_jwt_claim *claims; /* 8 at most; 7 with result_label */
	size_t claims_count;
	const char *result_label;      /* label that says how it went: WEIR_CLAIM(result_label); NULL: none */
	uint64_t leeway_ns;            /* 0: none; 5 minutes at most */
	uint64_t max_age_ns;           /* since iat, which must be there then; 0: not checked */
	uint32_t max_bytes;            /* of a token; 0: 16 KiB; 64 KiB at most */
	uint32_t cache_slots;          /* 0: 4096; verified tokens */
	bool no_cache;
	bool allow_no_expiry;          /* a token without exp is taken; else it is a claim that is missing */
	struct weir_str hash_key;      /* for hashed claims, 16 bytes or more; NULL: random, of this process */
	uint64_t refresh_ns;           /* how long a fetched set is good where the answer does not say; 0: 5 minutes */
	uint64_t grace_ns;             /* how long keys that left the set still verify; 0: 10 minutes */
	uint64_t idle_ns;              /* a label's value gives up its place after this; 0: 10 minutes */
	uint64_t reserved_[4];
};

/* A verifier. With a file, a URL, or a label whose values are chosen by traffic there is the thread weir-jwt, one for the process,
 * until weir_shutdown; a forked child has its own from its first use on. A set that cannot be had yet is no error: tokens are
 * refused as keys_unavailable until it comes; whatever fails later, the last good set stays. OTEL_SDK_DISABLED does not disable it.
 * new: Threads: any. Signals: no. Blocks: on reading the file. Allocates: yes. Owns: all is copied.
 * Errors: WEIR_EINVAL (options; the log says which), WEIR_ECONFLICT (a label is another claim's), WEIR_ELIMIT (16 verifiers; 64 tags in
 * the process), WEIR_ENOMEM.
 * destroy: Threads: any; no call with it may be running, or come later; contexts may live on. Blocks: on a fetch in progress for
 * 100 ms at most (it is left to itself then, and fetch_arg must live until it comes back). Allocates: no. Owns: takes it; NULL is
 * harmless. Errors: none. */
struct weir_jwt_verifier;
WEIR_API int weir_jwt_verifier_new(struct weir_jwt_verifier **verifier, const struct weir_jwt_options *options);
WEIR_API void weir_jwt_verifier_destroy(struct weir_jwt_verifier *verifier);
/* Forgets every verified token. Threads: any. Signals: no. Blocks, Allocates: no. Owns: nothing. Errors: none. */
WEIR_API void weir_jwt_verifier_flush(struct weir_jwt_verifier *verifier);
/* Reads or fetches the set now: waits until it is there, timeout_ns at most.
 * Threads: any. Signals: no. Blocks: as said. Allocates: yes. Owns: nothing.
 * Errors: WEIR_EINVAL (NULL), WEIR_ETIMEOUT (at once where there is no thread: from weir_shutdown on), WEIR_EIO (the last good set
 * stays). WEIR_OK at once where the keys were given. */
WEIR_API int weir_jwt_verifier_refresh(struct weir_jwt_verifier *verifier, uint64_t timeout_ns);

/* Verifies the value of an Authorization header ("Bearer ..."; ptr NULL: there is none), and puts into the context how it went
 * (verifier NULL: keys_unavailable);
 * and with WEIR_JWT_OK the allow-listed claims, the expiry, and as far as these leave room subject and issuer: copied, 8 values in
 * 240 bytes, of which each takes 8 more than its length; what does not fit is counted (tags_dropped). The context's first span
 * carries the attributes, if it ends later; children of the context inherit all of it. Each call counts in weir_jwt_verifications_total{result}.
 * refuse: a rule of the host's: a header is missing, or the token's owner may not do this. It replaces the result, and is counted; who it was
 * stays.
 * Threads: any; the context is the caller's. Signals: no. Blocks: no, never on a file or a fetch; but a label value's first use takes
 * the registry's lock, held for microseconds, and waits for another first use that is at it (70 ms at most). Allocates: not on a cache hit.
 * Owns: copied. Errors: the result. */
WEIR_API enum weir_jwt_result weir_ctx_authenticate(struct weir_ctx *ctx, struct weir_jwt_verifier *verifier,
                                                    struct weir_str authorization);
WEIR_API void weir_ctx_refuse(struct weir_ctx *ctx, enum weir_jwt_result why);
/* The same without a context, for who only wants to know. */
WEIR_API enum weir_jwt_result weir_jwt_verify(struct weir_jwt_verifier *verifier, struct weir_str token);

/* What the context knows. result: WEIR_JWT_NONE before authenticate. claim: by its place in the policy; subject, issuer; views,
 * valid until the context changes; ptr NULL: none. expiry: wall clock, ns since 1970; 0: none.
 * Threads: any; one at a time. Signals: safe. Blocks, Allocates: no. Owns: nothing. Errors: as said. */
WEIR_API enum weir_jwt_result weir_ctx_auth_result(const struct weir_ctx *ctx);
WEIR_API struct weir_str weir_ctx_auth_claim(const struct weir_ctx *ctx, const struct weir_jwt_verifier *verifier, size_t index);
WEIR_API struct weir_str weir_ctx_auth_subject(const struct weir_ctx *ctx);
WEIR_API struct weir_str weir_ctx_auth_issuer(const struct weir_ctx *ctx);
WEIR_API uint64_t weir_ctx_auth_expiry_ns(const struct weir_ctx *ctx);

WEIR_END_DECLS_
#endif
