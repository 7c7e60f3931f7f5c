/* Keys of whoever, as JWKS, JWK or PEM (by the first byte): whatever the bytes, what is taken is in the set and verifies nothing that it
 * should not, what is refused leaves it as it was, and nothing is left in libcrypto's queue. */
#define _GNU_SOURCE
#include "jwks.h"

#include <weir/lifecycle.h>

#include <openssl/err.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const tokens[] = {
    "eyJhbGciOiJIUzI1NiJ9.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "eyJhbGciOiJFZERTQSJ9.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA",
    "eyJhbGciOiJFUzI1NiJ9.e30.AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAEAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAQ",
    "eyJhbGciOiJub25lIn0.e30.",
};

static void require(bool what)
{
	if (!what)
		abort();
}

static void quiet(void *arg, enum weir_log_level level, const char *text)
{
	(void)arg;
	(void)level;
	(void)text;
}

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	struct weir_options o = {.size = sizeof o, .log = quiet, .no_thread = true, .no_process = true};

	(void)argc;
	(void)argv;
	require(weir_init(&o) == WEIR_OK);
	return 0;
}

static int add(struct weir_jwks *keys, uint8_t how, struct weir_str text, size_t *added)
{
	int error;

	switch (how % 3) {
	case 0:
		return weir_jwks_add_jwks(keys, text, added);
	case 1:
		error = weir_jwks_add_jwk(keys, text);
		break;
	default:
		error = weir_jwks_add_pem(keys, "p", NULL, text);
		break;
	}
	*added = error == WEIR_OK;
	return error;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_jwks *keys, *merged;
	char *exact, out[64];
	size_t added = 99, again;
	int error;

	if (size == 0)
		return 0;
	exact = malloc(size);
	require(exact != NULL);
	memcpy(exact, data + 1, size - 1);
	require(weir_jwks_new(&keys) == WEIR_OK);
	error = add(keys, data[0], weir_str_n(exact, size - 1), &added);
	require(weir_jwks_count(keys) == added && (error == WEIR_OK || added == 0) && added <= WEIR__JWKS_MOST);
	require(error <= WEIR_OK);
	if (error == WEIR_OK && added != 0) /* the same again is not the same set twice over */
		require(add(keys, data[0], weir_str_n(exact, size - 1), &again) != WEIR_OK && weir_jwks_count(keys) == added);
	for (size_t i = 0; i < sizeof tokens / sizeof *tokens; i++)
		require(weir_jws_verify(keys, weir_str_of(tokens[i]), out, sizeof out, NULL) != WEIR_JWT_OK);
	merged = weir__jwks_merge(keys, keys, 1, 2);
	require(merged != NULL && weir__jwks_same(keys, merged) && weir_jwks_count(merged) == added);
	weir__jwks_unref(merged);
	weir_jwks_destroy(keys);
	require(ERR_peek_error() == 0);
	free(exact);
	return 0;
}
