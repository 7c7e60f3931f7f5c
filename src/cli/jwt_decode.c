/* weir jwt decode: what is in a token, and what a policy makes of it.
 *
 * Where no keys are given the policy is asked about a stand-in: the same claims, signed with a secret made for it. So all its
 * checks but the signature's are weir-jwt's own. */
#define _GNU_SOURCE
#include "base64url.h"
#include "command.h"
#include "flags.h"
#include "jwt.h"
#include "jwt_key.h"
#include "jwt_policy.h"
#include "jwt_token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char who[] = "weir jwt decode";
static const char help[] =
	"usage: weir jwt decode [FLAG...]   (the token on standard input)\n"
	POLICY_HELP
	"Prints JSON: header, claims, dates, whether the token was verified, and what a policy of these flags makes of\n"
	"it: its result, the attributes and labels. Without keys nothing is verified: anybody may have written it.\n";

/* The claims' bytes as they are, under a header that is changed where a secret makes it needful; new; NULL: it cannot be. */
static char *stand_in(const struct token *token, const struct key *key)
{
	json_t *header = json_copy(token->header);
	unsigned char signature[SIGNATURE_MAX];
	size_t len, signature_len;
	char *text, *out = NULL;

	json_object_set_new(header, "alg", json_string(key->alg->name));
	json_object_del(header, "kid");
	text = json_dumps(header, JSON_COMPACT);
	json_decref(header);
	if (text != NULL)
		out = malloc(BASE64URL_LEN(strlen(text)) + token->payload_len + BASE64URL_LEN(SIGNATURE_MAX) + 3);
	if (out != NULL) {
		len = base64url_encode(out, text, strlen(text));
		out[len++] = '.';
		memcpy(out + len, token->text + token->payload, token->payload_len);
		len += token->payload_len;
		if (key_sign(key, out, len, signature, &signature_len)) {
			out[len++] = '.';
			base64url_encode(out + len, signature, signature_len);
		}
	}
	free(text);
	return out;
}

/* {"attribute": value} or {"label": value} of what the context has. */
static json_t *tags(const struct policy *policy, const struct weir_ctx *ctx, const struct weir_jwt_verifier *verifier,
                    bool labels)
{
	json_t *found = json_object();

	for (size_t i = 0; i < policy->options.claims_count; i++) {
		const struct weir_jwt_claim *claim = &policy->claims[i];
		const char *name = labels ? claim->label : claim->attribute;
		struct weir_str value = weir_ctx_auth_claim(ctx, verifier, i);
		bool listed = claim->label_values == NULL;

		if (name == NULL || value.ptr == NULL)
			continue;
		for (const char *const *v = claim->label_values; !listed && *v != NULL; v++)
			listed = strlen(*v) == value.len && memcmp(*v, value.ptr, value.len) == 0;
		json_object_set_new(found, name, labels && !listed ? json_string("other") : json_stringn(value.ptr, value.len));
	}
	if (labels && policy->options.result_label != NULL)
		json_object_set_new(found, policy->options.result_label,
		                    json_string(weir_jwt_result_text(weir_ctx_auth_result(ctx))));
	return found;
}

static json_t *judge(struct policy *policy, const char *text, enum weir_jwt_result *result)
{
	size_t len = strlen(text) + sizeof "Bearer ";
	char *bearer = malloc(len);
	struct weir_jwt_verifier *verifier;
	struct weir_ctx ctx;
	json_t *verdict = NULL;
	int error = bearer != NULL ? weir_jwt_verifier_new(&verifier, &policy->options) : WEIR_ENOMEM;

	*result = WEIR_JWT_NONE;
	if (error == WEIR_OK) {
		snprintf(bearer, len, "Bearer %s", text);
		weir_ctx_begin(&ctx, NULL, 0);
		*result = weir_ctx_authenticate(&ctx, verifier, weir_str_of(bearer));
		verdict = json_pack("{s:s, s:s, s:o, s:o}", "result", weir_jwt_result_text(*result), "reason", policy_reason(*result),
		                    "attributes", tags(policy, &ctx, verifier, false), "labels", tags(policy, &ctx, verifier, true));
		weir_ctx_end(&ctx);
		weir_jwt_verifier_destroy(verifier);
	} else {
		complain(EXIT_USAGE, who, "a policy that cannot be: %s", weir_error_text(error));
	}
	free(bearer);
	return verdict;
}

/* With the keys given, or all but the signature. NULL: it has complained. */
static json_t *judge_token(struct policy *policy, const struct token *token, enum weir_jwt_result *result)
{
	const char *alg = json_string_value(json_object_get(token->header, "alg"));
	struct key key = {0};
	json_t *verdict = NULL;
	char *text = NULL;

	if (policy->keys != NULL) {
		text = strndup(token->text, token->len);
		verdict = text != NULL ? judge(policy, text, result) : NULL;
	} else if (alg == NULL || alg_find(alg) == NULL || token->encrypted) {
		*result = token->encrypted ? WEIR_JWT_ENCRYPTED : WEIR_JWT_ALG_NOT_ALLOWED;
		verdict = json_pack("{s:s, s:s}", "result", weir_jwt_result_text(*result), "reason", policy_reason(*result));
	} else if (key_make(&key, who, alg_find("HS256"), 0) && (text = stand_in(token, &key)) != NULL &&
	           weir_jwks_new(&policy->keys) == WEIR_OK) {
		policy->options.keys = policy->keys;
		if (weir_jwks_add_secret(policy->keys, NULL, "HS256", weir_str_n(key.secret.bytes, key.secret.len)) == WEIR_OK)
			verdict = judge(policy, text, result);
	}
	key_end(&key);
	free(text);
	return verdict;
}

static int decode(struct policy *policy, const struct token *token)
{
	bool keys = policy->keys != NULL, verified;
	enum weir_jwt_result result;
	json_t *verdict = judge_token(policy, token, &result), *shown;
	int code;

	if (verdict == NULL)
		return EXIT_REFUSED;
	verified = keys && result == WEIR_JWT_OK;
	json_object_set_new(verdict, "checked", json_string(keys ? "all" : "all but the signature"));
	shown = json_pack("{s:O, s:O?, s:o, s:b, s:o}", "header", token->header, "claims", token->claims, "dates",
	                  json_dates(token->claims, (int64_t)time(NULL)), "verified", verified, "policy", verdict);
	code = shown != NULL && json_print(shown) ? command_end(who) : complain(EXIT_REFUSED, who, "no memory");
	json_decref(shown);
	if (!keys)
		complain(EXIT_OK, who, "NOTHING WAS VERIFIED: no keys were given (--jwks, --pem or --secret-file)");
	else if (!verified)
		complain(EXIT_OK, who, "NOT VERIFIED: %s: %s", weir_jwt_result_text(result), policy_reason(result));
	return code;
}

int jwt_decode(int argc, char **argv)
{
	struct policy_flags given = {0};
	const struct flag flags[] = {POLICY_FLAGS(given)};
	int code = flags_read(who, help, "the token comes on standard input: others see command lines", flags,
	                      sizeof flags / sizeof flags[0], argc, argv);
	struct policy policy;
	struct token token;
	const char *why;

	if (code != FLAGS_RUN)
		return code;
	code = policy_begin(&policy, who, &given);
	if (code == FLAGS_RUN && !token_read(&token, who))
		code = EXIT_REFUSED;
	if (code == FLAGS_RUN) {
		if (!token_split(&token, &why))
			code = complain(EXIT_REFUSED, who, "malformed: %s", why);
		if (code == FLAGS_RUN)
			code = policy_keys(&policy, who, &given, &token);
		if (code == FLAGS_RUN)
			code = decode(&policy, &token);
		token_end(&token);
	}
	policy_end(&policy);
	return code;
}
