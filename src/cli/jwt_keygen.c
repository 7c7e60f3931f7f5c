/* weir jwt keygen: a private key, and its public half in a set that verifiers read. */
#define _GNU_SOURCE
#include "command.h"
#include "flags.h"
#include "jwt.h"
#include "jwt_key.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char who[] = "weir jwt keygen";
static const char help[] =
	"usage: weir jwt keygen --alg ALG [--kid ID] [--bits N] [--format jwk|pem] [--out FILE [--force]]\n"
	"                       [--jwks FILE [--keep N]]\n"
	"  --alg      " ALG_NAMES "\n"
	"  --kid      the key's id; \"\" for none (its thumbprint, RFC 7638; of a secret random, since a thumbprint\n"
	"             would let anybody try guesses)\n"
	"  --bits     of an RSA key, 2048 to 16384 (2048)\n"
	"  --format   the private key as a JWK or as PEM, PKCS #8 (pem where FILE ends in .pem, else jwk)\n"
	"  --out      where the private key goes, readable by you alone (standard output)\n"
	"  --force    replaces that file where it is there\n"
	"  --jwks     the set that the public key is added to, and that is made where it is not there\n"
	"  --keep     the set has its newest N keys then, this one among them; 1: this one alone (256)\n"
	"Prints what it made on standard error.\n";

enum { BITS_LEAST = 2048, BITS_MOST = 16384, KEYS_MOST = 256 };

struct wanted {
	const char *alg_name, *kid, *bits_text, *format, *out, *jwks, *keep_text;
	bool force;
	const struct alg *alg;
	unsigned bits, keep;
	bool pem;
};

static bool ends_in(const char *text, const char *end)
{
	return strlen(text) >= strlen(end) && strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static bool number(const char *text, unsigned least, unsigned most, unsigned standing, unsigned *out)
{
	size_t digits = text != NULL ? strspn(text, "0123456789") : 0;

	*out = text != NULL ? (unsigned)strtoul(text, NULL, 10) : standing;
	return text == NULL || (digits > 0 && digits < 9 && text[digits] == '\0' && *out >= least && *out <= most);
}

/* What the flags say together: EXIT_OK, or it has complained. */
static int check(struct wanted *w)
{
	if (w->alg_name == NULL)
		return complain(EXIT_USAGE, who, "--alg is missing; see %s --help", who);
	w->alg = alg_find(w->alg_name);
	if (w->alg == NULL)
		return complain(EXIT_USAGE, who, "--alg takes " ALG_NAMES);
	if (w->bits_text != NULL && w->alg->kty != KTY_RSA)
		return complain(EXIT_USAGE, who, "--bits is for RSA keys");
	if (!number(w->bits_text, BITS_LEAST, BITS_MOST, BITS_LEAST, &w->bits))
		return complain(EXIT_USAGE, who, "--bits takes a number, %d to %d", BITS_LEAST, BITS_MOST);
	if (!number(w->keep_text, 1, KEYS_MOST, KEYS_MOST, &w->keep))
		return complain(EXIT_USAGE, who, "--keep takes a number, 1 to %d", KEYS_MOST);
	if (w->format != NULL && strcmp(w->format, "jwk") != 0 && strcmp(w->format, "pem") != 0)
		return complain(EXIT_USAGE, who, "--format takes jwk or pem");
	w->pem = w->format != NULL ? strcmp(w->format, "pem") == 0 : w->out != NULL && ends_in(w->out, ".pem");
	if (w->alg->kty == KTY_OCT && (w->pem || w->jwks != NULL))
		return complain(EXIT_USAGE, who, w->pem ? "there is no PEM of a secret" : "a secret does not belong in a public set");
	if (w->kid != NULL && strlen(w->kid) >= KID_MAX)
		return complain(EXIT_USAGE, who, "--kid takes %d bytes at most", KID_MAX - 1);
	if (w->force && w->out == NULL)
		return complain(EXIT_USAGE, who, "--force goes with --out");
	if (w->keep_text != NULL && w->jwks == NULL)
		return complain(EXIT_USAGE, who, "--keep goes with --jwks");
	return EXIT_OK;
}

/* The private key's text, new; NULL: no memory. */
static char *private_text(const struct key *key, bool pem, size_t *len)
{
	json_t *jwk;
	char *dumped, *text = NULL;
	int printed = -1;

	if (pem)
		return key_pem(key, len);
	jwk = key_jwk(key, true);
	dumped = json_dumps(jwk, JSON_INDENT(2));
	json_decref(jwk);
	if (dumped != NULL) {
		printed = asprintf(&text, "%s\n", dumped);
		OPENSSL_cleanse(dumped, strlen(dumped));
		free(dumped);
	}
	*len = printed > 0 ? (size_t)printed : 0;
	return printed > 0 ? text : NULL;
}

static bool write_private(const struct key *key, const struct wanted *w)
{
	size_t len;
	char *text = private_text(key, w->pem, &len);
	bool ok;

	if (text == NULL)
		return complain(EXIT_REFUSED, who, "no memory"), false;
	ok = w->out != NULL ? whole_write(who, w->out, text, len, 0600, w->force ? WRITE_REPLACE : WRITE_NEW)
	                    : fwrite(text, 1, len, stdout) == len && command_end(who) == EXIT_OK;
	OPENSSL_cleanse(text, len);
	free(text);
	return ok;
}

/* The set in the file, or a new one. NULL: it has complained. */
static json_t *read_set(const struct wanted *w)
{
	struct whole file = {NULL, 0};
	json_error_t error;
	json_t *set = NULL;

	if (!whole_read_if_there(&file, who, w->jwks, KEY_FILE_MAX))
		return NULL;
	if (file.bytes == NULL)
		return json_pack("{s:[]}", "keys");
	set = json_loadb(file.bytes, file.len, JSON_REJECT_DUPLICATES, &error);
	whole_free(&file);
	if (json_is_array(json_object_get(set, "keys")))
		return set;
	complain(EXIT_REFUSED, who, "%s: not a set of keys: no JSON with an array \"keys\"", w->jwks);
	json_decref(set);
	return NULL;
}

static bool has(const json_t *keys, const struct key *key)
{
	const json_t *jwk;
	size_t i;

	json_array_foreach(keys, i, jwk) {
		const char *kid = json_string_value(json_object_get(jwk, "kid"));

		if (key->kid[0] != '\0' && kid != NULL && strcmp(kid, key->kid) == 0)
			return true;
	}
	return false;
}

static bool write_public(const struct key *key, const struct wanted *w)
{
	json_t *set = read_set(w), *keys = json_object_get(set, "keys");
	char *text = NULL;
	bool ok = false;

	if (set == NULL)
		return false;
	while (w->keep_text != NULL && json_array_size(keys) >= w->keep)
		json_array_remove(keys, 0);
	if (has(keys, key))
		complain(EXIT_REFUSED, who, "%s: there is a key of this kid", w->jwks);
	else if (w->keep_text == NULL && json_array_size(keys) >= KEYS_MOST)
		complain(EXIT_REFUSED, who, "%s has %d keys already", w->jwks, KEYS_MOST);
	else if (json_array_append_new(keys, key_jwk(key, false)) == 0 && (text = json_dumps(set, JSON_INDENT(2))) != NULL)
		ok = whole_write(who, w->jwks, text, strlen(text), 0644, WRITE_REPLACE);
	else
		complain(EXIT_REFUSED, who, "no memory");
	free(text);
	json_decref(set);
	return ok;
}

static bool make(const struct wanted *w)
{
	struct key key;
	/* The set last: a key that nobody has is worse than none. */
	bool ok = key_make(&key, who, w->alg, w->bits);

	if (ok && w->kid != NULL)
		strcpy(key.kid, w->kid);
	else if (ok)
		ok = key_thumbprint(&key, key.kid);
	ok = ok && write_private(&key, w) && (w->jwks == NULL || write_public(&key, w));
	if (ok)
		fprintf(stderr, "%s: a private key for %s as %s%s%s; kid %s%s%s\n", who, w->alg->name, w->pem ? "PEM" : "JWK",
		        w->out != NULL ? " in " : "", w->out != NULL ? w->out : "", key.kid[0] != '\0' ? key.kid : "none",
		        w->jwks != NULL ? "; its public half in " : "", w->jwks != NULL ? w->jwks : "");
	key_end(&key);
	return ok;
}

int jwt_keygen(int argc, char **argv)
{
	struct wanted w = {0};
	const struct flag flags[] = {
		{"--alg", &w.alg_name, NULL, NULL}, {"--kid", &w.kid, NULL, NULL},
		{"--bits", &w.bits_text, NULL, NULL}, {"--format", &w.format, NULL, NULL},
		{"--out", &w.out, NULL, NULL}, {"--force", NULL, NULL, &w.force},
		{"--jwks", &w.jwks, NULL, NULL}, {"--keep", &w.keep_text, NULL, NULL},
	};
	int code = flags_read(who, help, NULL, flags, sizeof flags / sizeof flags[0], argc, argv);

	if (code == FLAGS_RUN)
		code = check(&w);
	else
		return code;
	if (code == EXIT_OK)
		code = make(&w) ? EXIT_OK : EXIT_REFUSED;
	return code;
}
