/* weir jwt sign: tokens, one a line and nothing else on standard output. */
#include "base64url.h"
#include "command.h"
#include "duration.h"
#include "flags.h"
#include "jwt.h"
#include "jwt_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char who[] = "weir jwt sign";
static const char help[] =
	"usage: weir jwt sign --key FILE | --secret-file FILE [FLAG...]\n"
	"  --key          a private key: a JWK, or PEM without a password\n"
	"  --secret-file  a secret: the file's bytes, as they are\n"
	"  --alg          " ALG_NAMES "\n"
	"                 (the key's own; of RSA RS256; of a secret HS256)\n"
	"  --kid          the header's kid; \"\" for none (the key's, or its thumbprint)\n"
	"  --type         the header's typ; \"\" for none (JWT)\n"
	"  --payload FILE claims to begin with: a JSON object; - is standard input\n"
	"  --claim NAME=VALUE   a claim: VALUE is JSON, or else text; may be repeated\n"
	"  --sub, --iss, --aud, --jti TEXT\n"
	"  --expires-in   a time (90, 90s, 5m, 2h, 7d), one past (-1m), or never (1h, where no claim says exp)\n"
	"  --not-before   a time from now, or past (none)\n"
	"  --issued-at    likewise; never: no iat (now, where no claim says iat)\n"
	"  --count N      makes N tokens; {n} in claims, sub, iss, aud, jti becomes 1 to N\n"
	"Prints the tokens alone, one a line.\n";

enum { COUNT_MOST = 10000000, PAYLOAD_MAX = 1 << 20, TEXT_MAX = 65536 };

struct wanted {
	const char *key, *secret, *alg_name, *kid, *type, *payload;
	const char *sub, *iss, *aud, *jti, *expires_in, *not_before, *issued_at, *count_text;
	struct flag_list claims;
	const struct alg *alg;
	unsigned long count; /* 0: one, and {n} is as it is */
};

/* A time's flag; never where the flag may say so. */
static bool is_time(const char *text, bool may_be_never)
{
	int64_t seconds;

	return text == NULL || (may_be_never && strcmp(text, "never") == 0) || duration_parse(text, &seconds);
}

static int check(struct wanted *w)
{
	char *end = NULL;

	if ((w->key == NULL) == (w->secret == NULL))
		return complain(EXIT_USAGE, who, "one of --key and --secret-file is needed; see %s --help", who);
	w->alg = w->alg_name != NULL ? alg_find(w->alg_name) : NULL;
	if (w->alg_name != NULL && w->alg == NULL)
		return complain(EXIT_USAGE, who, "--alg takes " ALG_NAMES);
	if (w->secret != NULL && w->alg == NULL)
		w->alg = alg_find("HS256");
	if (w->secret != NULL && w->alg->kty != KTY_OCT)
		return complain(EXIT_USAGE, who, "--secret-file is for HS256, HS384 and HS512");
	if (w->kid != NULL && strlen(w->kid) >= KID_MAX)
		return complain(EXIT_USAGE, who, "--kid takes %d bytes at most", KID_MAX - 1);
	if (!is_time(w->expires_in, true) || !is_time(w->not_before, false) || !is_time(w->issued_at, true))
		return complain(EXIT_USAGE, who, "--expires-in, --not-before and --issued-at take a time: 90, 90s, 5m, 2h, 7d, -1m");
	if (w->count_text != NULL) {
		w->count = strtoul(w->count_text, &end, 10);
		if (*end != '\0' || w->count < 1 || w->count > COUNT_MOST)
			return complain(EXIT_USAGE, who, "--count takes a number, 1 to %d", COUNT_MOST);
	}
	for (size_t i = 0; i < w->claims.count; i++)
		if (strchr(w->claims.values[i], '=') == NULL || w->claims.values[i][0] == '=')
			return complain(EXIT_USAGE, who, "--claim takes NAME=VALUE");
	return EXIT_OK;
}

/* text with n for each {n}; n 0: as it is. False: it does not fit, and it has complained. */
static bool fill(char *out, const char *text, unsigned long n)
{
	size_t at = 0;

	for (const char *p = text; *p != '\0';) {
		bool here = n != 0 && strncmp(p, "{n}", 3) == 0;

		if (at + 24 > TEXT_MAX)
			return complain(EXIT_REFUSED, who, "a claim of more than %d bytes", TEXT_MAX - 24), false;
		if (here)
			at += (size_t)snprintf(out + at, 24, "%lu", n);
		else
			out[at++] = *p;
		p += here ? 3 : 1;
	}
	out[at] = '\0';
	return true;
}

static bool set_claim(json_t *claims, const char *name, json_t *value)
{
	if (value == NULL || json_object_set_new(claims, name, value) != 0)
		return complain(EXIT_REFUSED, who, "a claim is not UTF-8, or there is no memory"), false;
	return true;
}

static bool add_text(json_t *claims, const char *name, const char *text, unsigned long n)
{
	char filled[TEXT_MAX];

	return text == NULL || (fill(filled, text, n) && set_claim(claims, name, json_string(filled)));
}

static bool add_claim(json_t *claims, const char *claim, unsigned long n)
{
	char filled[TEXT_MAX], *value;
	json_t *json;

	if (!fill(filled, claim, n))
		return false;
	value = strchr(filled, '=');
	*value++ = '\0';
	json = json_loads(value, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, NULL);
	return set_claim(claims, filled, json != NULL ? json : json_string(value));
}

/* standing: what holds where the flag is not there; NULL: nothing. A claim that was given otherwise stays then. */
static bool add_time(json_t *claims, const char *name, const char *text, const char *standing, int64_t now)
{
	int64_t seconds = 0;

	if (text == NULL && json_object_get(claims, name) == NULL)
		text = standing;
	if (text == NULL || !duration_parse(text, &seconds))
		return true;
	return set_claim(claims, name, json_integer(now + seconds));
}

/* NULL: it has complained. */
static json_t *claims_of(const struct wanted *w, json_t *payload, unsigned long n, int64_t now)
{
	json_t *claims = payload != NULL ? json_copy(payload) : json_object();
	bool ok = claims != NULL && add_text(claims, "iss", w->iss, n) && add_text(claims, "sub", w->sub, n) &&
	          add_text(claims, "aud", w->aud, n) && add_text(claims, "jti", w->jti, n);

	for (size_t i = 0; ok && i < w->claims.count; i++)
		ok = add_claim(claims, w->claims.values[i], n);
	ok = ok && add_time(claims, "iat", w->issued_at, "0", now) && add_time(claims, "nbf", w->not_before, NULL, now) &&
	     add_time(claims, "exp", w->expires_in, "1h", now);
	if (ok)
		return claims;
	json_decref(claims);
	return NULL;
}

/* {"alg":...} in base64url, new; NULL: no memory. */
static char *header_of(const struct wanted *w, const struct key *key)
{
	const char *kid = w->kid != NULL ? w->kid : key->kid, *type = w->type != NULL ? w->type : "JWT";
	json_t *header = json_pack("{s:s}", "alg", key->alg->name);
	char *text = NULL, *encoded = NULL;
	bool ok = header != NULL;

	if (kid[0] != '\0')
		ok = ok && json_object_set_new(header, "kid", json_string(kid)) == 0;
	if (type[0] != '\0')
		ok = ok && json_object_set_new(header, "typ", json_string(type)) == 0;
	if (ok && (text = json_dumps(header, JSON_COMPACT)) != NULL &&
	    (encoded = malloc(BASE64URL_LEN(strlen(text)) + 1)) != NULL)
		base64url_encode(encoded, text, strlen(text));
	free(text);
	json_decref(header);
	return encoded;
}

static bool print_token(const struct key *key, const char *header, json_t *claims)
{
	char *payload = json_dumps(claims, JSON_COMPACT), *token = NULL;
	unsigned char signature[SIGNATURE_MAX];
	size_t len = strlen(header), signature_len;
	bool ok = payload != NULL;

	if (ok)
		token = malloc(len + BASE64URL_LEN(strlen(payload)) + BASE64URL_LEN(SIGNATURE_MAX) + 4);
	ok = token != NULL;
	if (ok) {
		memcpy(token, header, len);
		token[len++] = '.';
		len += base64url_encode(token + len, payload, strlen(payload));
		ok = key_sign(key, token, len, signature, &signature_len);
	}
	if (ok) {
		token[len++] = '.';
		len += base64url_encode(token + len, signature, signature_len);
		token[len++] = '\n';
		ok = fwrite(token, 1, len, stdout) == len;
	} else {
		complain(EXIT_REFUSED, who, "libcrypto does not sign with this key");
	}
	free(payload);
	free(token);
	return ok;
}

static bool read_payload(json_t **payload, const char *path)
{
	struct whole file;
	json_error_t error;

	*payload = NULL;
	if (path == NULL)
		return true;
	if (!whole_read(&file, who, path, PAYLOAD_MAX))
		return false;
	*payload = json_loadb(file.bytes, file.len, JSON_REJECT_DUPLICATES, &error);
	whole_free(&file);
	if (json_is_object(*payload))
		return true;
	if (*payload == NULL)
		complain(EXIT_REFUSED, who, "the payload is no JSON: line %d, column %d", error.line, error.column);
	else
		complain(EXIT_REFUSED, who, "the payload is no JSON object");
	return false;
}

static bool sign_all(const struct wanted *w, const struct key *key, json_t *payload)
{
	char *header = header_of(w, key);
	int64_t now = (int64_t)time(NULL);
	bool ok = header != NULL || (complain(EXIT_REFUSED, who, "a kid or typ that is not UTF-8, or no memory"), false);

	for (unsigned long n = 1; ok && n <= (w->count > 0 ? w->count : 1); n++) {
		json_t *claims = claims_of(w, payload, w->count > 0 ? n : 0, now);

		ok = claims != NULL && print_token(key, header, claims);
		json_decref(claims);
	}
	free(header);
	return ok;
}

int jwt_sign(int argc, char **argv)
{
	struct wanted w = {0};
	const struct flag flags[] = {
		{"--key", &w.key, NULL, NULL}, {"--secret-file", &w.secret, NULL, NULL},
		{"--alg", &w.alg_name, NULL, NULL}, {"--kid", &w.kid, NULL, NULL},
		{"--type", &w.type, NULL, NULL}, {"--payload", &w.payload, NULL, NULL},
		{"--claim", NULL, &w.claims, NULL}, {"--sub", &w.sub, NULL, NULL},
		{"--iss", &w.iss, NULL, NULL}, {"--aud", &w.aud, NULL, NULL},
		{"--jti", &w.jti, NULL, NULL}, {"--expires-in", &w.expires_in, NULL, NULL},
		{"--not-before", &w.not_before, NULL, NULL}, {"--issued-at", &w.issued_at, NULL, NULL},
		{"--count", &w.count_text, NULL, NULL},
	};
	int code = flags_read(who, help, "the payload comes by --payload", flags, sizeof flags / sizeof flags[0], argc, argv);
	struct key key = {0};
	json_t *payload = NULL;

	if (code != FLAGS_RUN)
		return code;
	code = check(&w);
	if (code != EXIT_OK)
		return code;
	code = EXIT_REFUSED;
	if ((w.key != NULL ? key_read(&key, who, w.key, w.alg) : key_read_secret(&key, who, w.secret, w.alg)) &&
	    read_payload(&payload, w.payload) && sign_all(&w, &key, payload))
		code = EXIT_OK;
	json_decref(payload);
	key_end(&key);
	return command_end(who) != EXIT_OK ? EXIT_REFUSED : code;
}
