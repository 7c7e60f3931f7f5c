/* weir jwt verify: a token's claims, or the reason why not. */
#include "command.h"
#include "duration.h"
#include "flags.h"
#include "jwt.h"
#include "jwt_policy.h"
#include "jwt_token.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char who[] = "weir jwt verify";
static const char help[] =
	"usage: weir jwt verify --jwks FILE | --pem FILE | --secret-file FILE [FLAG...]   (the token on standard input)\n"
	POLICY_HELP
	"Prints the claims as JSON and ends with 0, or says why not and ends with 1.\n";

/* By weir-jwt's own bytes, not by those that token_split made. */
static bool print_claims(const struct policy *policy, struct weir_str text)
{
	char *payload = malloc(text.len + 1);
	json_t *claims = NULL;
	size_t len = 0;
	bool ok;

	if (payload != NULL && weir_jws_verify(policy->keys, text, payload, text.len, &len) == WEIR_JWT_OK)
		claims = json_loadb(payload, len, JSON_REJECT_DUPLICATES, NULL);
	ok = claims != NULL && json_print(claims);
	json_decref(claims);
	free(payload);
	return ok;
}

/* The date that the reason is about. */
static void say_why(const struct token *token, enum weir_jwt_result result)
{
	const char *name = result == WEIR_JWT_EXPIRED ? "exp" : result == WEIR_JWT_TOO_OLD ? "iat" : NULL, *date;
	json_t *dates = json_dates(token->claims, (int64_t)time(NULL));

	if (result == WEIR_JWT_NOT_YET_VALID)
		name = json_object_get(dates, "nbf") != NULL ? "nbf" : "iat";
	date = name != NULL ? json_string_value(json_object_get(dates, name)) : NULL;
	complain(EXIT_REFUSED, who, "refused: %s: %s%s%s%s", weir_jwt_result_text(result), policy_reason(result),
	         date != NULL ? " (" : "", date != NULL ? date : "", date != NULL ? ")" : "");
	json_decref(dates);
}

static int verify(struct policy *policy, const struct token *token)
{
	struct weir_str text = weir_str_n(token->text, token->len);
	struct weir_jwt_verifier *verifier;
	enum weir_jwt_result result;
	int error = weir_jwt_verifier_new(&verifier, &policy->options);

	if (error != WEIR_OK)
		return complain(EXIT_USAGE, who, "a policy that cannot be: %s", weir_error_text(error));
	result = weir_jwt_verify(verifier, text);
	weir_jwt_verifier_destroy(verifier);
	if (result == WEIR_JWT_OK)
		return print_claims(policy, text) ? command_end(who) : complain(EXIT_REFUSED, who, "no memory");
	say_why(token, result);
	return EXIT_REFUSED;
}

int jwt_verify(int argc, char **argv)
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
	if (given.jwks == NULL && given.pem == NULL && given.secret == NULL)
		return complain(EXIT_USAGE, who, "one of --jwks, --pem and --secret-file is needed; see %s --help", who);
	code = policy_begin(&policy, who, &given);
	if (code == FLAGS_RUN && !token_read(&token, who))
		code = EXIT_REFUSED;
	if (code == FLAGS_RUN) {
		token_split(&token, &why); /* for its kid and its dates: whether it is one says the verifier */
		code = policy_keys(&policy, who, &given, &token);
		if (code == FLAGS_RUN)
			code = verify(&policy, &token);
		token_end(&token);
	}
	policy_end(&policy);
	return code;
}
