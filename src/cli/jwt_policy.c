/* weir jwt: a policy out of flags. See jwt_policy.h; out of a file: jwt_policy_file.c. */
#define _GNU_SOURCE
#include "jwt_policy.h"

#include "command.h"
#include "duration.h"
#include "jwt_policy_file.h"
#include "jwt_token.h"

#include <stdlib.h>
#include <string.h>

enum { KEYS_FILE_MAX = 1 << 20 };

static int time_flag(const char *who, const char *name, const char *text, uint64_t *ns)
{
	int64_t seconds;

	if (text == NULL)
		return FLAGS_RUN;
	if (!duration_parse(text, &seconds) || seconds < 0)
		return complain(EXIT_USAGE, who, "%s takes a time: 90, 90s, 5m, 2h, 7d", name);
	*ns = (uint64_t)seconds * UINT64_C(1000000000);
	return FLAGS_RUN;
}

static int claim_flags(struct policy *policy, const char *who, const struct flag_list *list)
{
	for (size_t i = 0; i < list->count; i++) {
		const char *equals = strchr(list->values[i], '=');
		struct weir_jwt_claim *claim = &policy->claims[policy->options.claims_count];
		char **name = &policy->names[policy->options.claims_count];

		if (policy->options.claims_count == POLICY_CLAIMS_MAX)
			return complain(EXIT_USAGE, who, "a policy has %d claims at most", POLICY_CLAIMS_MAX);
		*name = strndup(list->values[i], equals != NULL ? (size_t)(equals - list->values[i]) : strlen(list->values[i]));
		if (*name == NULL)
			return complain(EXIT_REFUSED, who, "no memory");
		if (**name == '\0')
			return complain(EXIT_USAGE, who, "--claim takes NAME, or NAME=VALUE");
		*claim = (struct weir_jwt_claim){.claim = *name, .attribute = *name, .equals = equals != NULL ? equals + 1 : NULL,
		                                 .required = equals != NULL};
		policy->options.claims_count++;
	}
	return FLAGS_RUN;
}

static void text_flag(const char **to, const char *value)
{
	if (value != NULL)
		*to = value;
}

int policy_begin(struct policy *policy, const char *who, const struct policy_flags *flags)
{
	struct weir_jwt_options *options = &policy->options;
	size_t required = 0;
	int code = FLAGS_RUN;

	memset(policy, 0, sizeof *policy);
	*options = (struct weir_jwt_options){.size = sizeof *options, .claims = policy->claims, .required = policy->required};
	if ((flags->jwks != NULL) + (flags->pem != NULL) + (flags->secret != NULL) > 1)
		return complain(EXIT_USAGE, who, "keys come by one of --jwks, --pem and --secret-file");
	if (flags->alg != NULL && flags->pem == NULL && flags->secret == NULL)
		return complain(EXIT_USAGE, who, "--alg goes with --pem or --secret-file");
	if (flags->file != NULL)
		code = policy_file_read(policy, who, flags->file);
	text_flag(&options->issuer, flags->issuer);
	text_flag(&options->audience, flags->audience);
	text_flag(&options->type, flags->type);
	options->allow_no_expiry = options->allow_no_expiry || flags->no_expiry;
	while (policy->required[required] != NULL)
		required++;
	for (size_t i = 0; i < flags->required.count && required < POLICY_LIST_MAX; i++)
		policy->required[required++] = flags->required.values[i];
	if (code == FLAGS_RUN)
		code = time_flag(who, "--leeway", flags->leeway, &options->leeway_ns);
	if (code == FLAGS_RUN)
		code = time_flag(who, "--max-age", flags->max_age, &options->max_age_ns);
	return code == FLAGS_RUN ? claim_flags(policy, who, &flags->claims) : code;
}

int policy_keys(struct policy *policy, const char *who, const struct policy_flags *flags, const struct token *token)
{
	const char *path = flags->jwks != NULL ? flags->jwks : flags->pem != NULL ? flags->pem : flags->secret;
	const char *kid = json_string_value(json_object_get(token->header, "kid"));
	struct whole file;
	size_t added = 1;
	int error;

	if (path == NULL)
		return FLAGS_RUN;
	if (!whole_read(&file, who, path, KEYS_FILE_MAX))
		return EXIT_REFUSED;
	error = weir_jwks_new(&policy->keys);
	if (error != WEIR_OK)
		policy->keys = NULL;
	else if (flags->jwks != NULL)
		error = weir_jwks_add_jwks(policy->keys, weir_str_n(file.bytes, file.len), &added);
	else if (flags->pem != NULL)
		error = weir_jwks_add_pem(policy->keys, kid, flags->alg, weir_str_n(file.bytes, file.len));
	else
		error = weir_jwks_add_secret(policy->keys, kid, flags->alg != NULL ? flags->alg : "HS256",
		                             weir_str_n(file.bytes, file.len));
	whole_free(&file);
	if (error != WEIR_OK)
		return complain(EXIT_REFUSED, who, "%s: keys that cannot be used: %s", path, weir_error_text(error));
	if (added == 0)
		return complain(EXIT_REFUSED, who, "%s has no key that verifies", path);
	policy->options.keys = policy->keys;
	return FLAGS_RUN;
}

void policy_end(struct policy *policy)
{
	weir_jwks_destroy(policy->keys);
	for (size_t i = 0; i < POLICY_CLAIMS_MAX; i++)
		free(policy->names[i]);
	json_decref(policy->file);
	memset(policy, 0, sizeof *policy);
}

const char *policy_reason(enum weir_jwt_result result)
{
	switch (result) {
	case WEIR_JWT_OK: return "all is as it should be";
	case WEIR_JWT_MALFORMED: return "it is not three parts of base64url, or not JSON where JSON is due";
	case WEIR_JWT_TOO_LARGE: return "it has more bytes than are looked at";
	case WEIR_JWT_ENCRYPTED: return "it is encrypted (a JWE)";
	case WEIR_JWT_CRIT: return "its header asks for what is not done: crit, b64, zip, jku, x5u or jwk";
	case WEIR_JWT_TYPE: return "its typ is another";
	case WEIR_JWT_ALG_NOT_ALLOWED: return "its alg is not the key's";
	case WEIR_JWT_UNKNOWN_KEY: return "no key has its kid";
	case WEIR_JWT_BAD_SIGNATURE: return "its signature is not by this key, or not of these bytes";
	case WEIR_JWT_EXPIRED: return "its exp is past";
	case WEIR_JWT_NOT_YET_VALID: return "its nbf or iat is still to come";
	case WEIR_JWT_TOO_OLD: return "its iat is longer ago than the maximum age";
	case WEIR_JWT_ISSUER: return "its iss is another, or missing";
	case WEIR_JWT_AUDIENCE: return "its aud has another, or is missing";
	case WEIR_JWT_CLAIM: return "a claim is missing (exp is one), of a wrong type, or has another value";
	default: return weir_jwt_result_text(result);
	}
}
