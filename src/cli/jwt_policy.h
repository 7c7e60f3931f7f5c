/* weir jwt: a policy out of flags and a file, and a verifier of it. What a policy is: weir/jwt.h.
 *
 * Invariant: what a token is worth says weir-jwt alone. */
#ifndef WEIR_CLI_JWT_POLICY_H
#define WEIR_CLI_JWT_POLICY_H

#include "flags.h"
#include "whole.h"

#include <jansson.h>
#include <weir/jwt.h>

struct token;

enum { POLICY_CLAIMS_MAX = 8, POLICY_LIST_MAX = 256 };

struct policy_flags {
	const char *jwks, *pem, *secret, *alg; /* keys */
	const char *file, *issuer, *audience, *type, *leeway, *max_age;
	struct flag_list required, claims;
	bool no_expiry;
};
#define POLICY_FLAGS(f)                                                                                                \
	{"--jwks", &(f).jwks, NULL, NULL}, {"--pem", &(f).pem, NULL, NULL}, {"--secret-file", &(f).secret, NULL, NULL},        \
	    {"--alg", &(f).alg, NULL, NULL}, {"--policy", &(f).file, NULL, NULL}, {"--issuer", &(f).issuer, NULL, NULL},       \
	    {"--audience", &(f).audience, NULL, NULL}, {"--type", &(f).type, NULL, NULL},                                      \
	    {"--leeway", &(f).leeway, NULL, NULL}, {"--max-age", &(f).max_age, NULL, NULL},                                    \
	    {"--required", NULL, &(f).required, NULL}, {"--claim", NULL, &(f).claims, NULL},                                   \
	{                                                                                                              \
		"--no-expiry", NULL, NULL, &(f).no_expiry                                                              \
	}
#define POLICY_HELP                                                                                                    \
	"  --jwks FILE         keys: a set (RFC 7517)\n"                                                               \
	"  --pem FILE          or a public key or certificate\n"                                                        \
	"  --secret-file FILE  or a secret: the file's bytes, as they are\n"                                           \
	"  --alg ALG           of --pem and --secret-file (the key type's; of a secret HS256)\n"                       \
	"  --policy FILE       JSON: issuer, audience, type, required, leeway, max_age, no_expiry, result_label and\n" \
	"                      claims, each as in weir-jwt(1); flags win over it\n"                                    \
	"  --issuer, --audience, --type TEXT   what iss must be, what aud must contain, what typ must be\n"            \
	"  --leeway TIME       for exp, nbf and iat: 30s, 5m at most (none)\n"                                         \
	"  --max-age TIME      since iat (not checked)\n"                                                              \
	"  --required NAME     a claim that must be there; may be repeated\n"                                          \
	"  --claim NAME[=VALUE]   a claim that is taken out, and must have or contain the value; 8 at most\n"           \
	"  --no-expiry         a token without exp is taken\n"

struct policy {
	json_t *file;
	struct weir_jwks *keys; /* NULL: none were given */
	struct weir_jwt_options options;
	struct weir_jwt_claim claims[POLICY_CLAIMS_MAX];
	const char *required[POLICY_LIST_MAX + 1];
	const char *label_values[POLICY_CLAIMS_MAX][POLICY_LIST_MAX + 1];
	char *names[POLICY_CLAIMS_MAX]; /* --claim's, cut off before their = */
};

/* FLAGS_RUN, or the code to end with: it has complained. policy_end in any case. */
int policy_begin(struct policy *policy, const char *who, const struct policy_flags *flags);
/* The keys that the flags name, if any. token: whose kid a key without one is tried for. */
int policy_keys(struct policy *policy, const char *who, const struct policy_flags *flags, const struct token *token);
void policy_end(struct policy *policy);

/* A sentence for people. */
const char *policy_reason(enum weir_jwt_result result);

#endif
