/* JWKs: each type is taken; each way to be bad is refused, with its error, and leaves nothing in the set. */
#define _GNU_SOURCE
#include "jwt_mint.h"
#include "log.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>
#include <jansson.h>

#define N2048                                                                                                            \
	"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"  \
	"tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5ha" \
	"jrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw"
#define N2048_EVEN                                                                                                       \
	"0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMs"  \
	"tn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5ha" \
	"jrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgg"
#define N1024                                                                                                            \
	"zf14UqTbsnsHzvwfFJSeZmPTNIpSUfNlaOnm0fRp2bC-31lrThHbcbjEBOTxc8iY8cLRgDSqqLkSdNPQh4BXVpv0gzXxv_6c6eDZR5M9EhnlDn_1MTh"  \
	"o3vOkVYLCjyfWdTxZTO1iOTtUSG4Dn15dl3CvcdDDcWTBLAZEJFw5x5k"
#define RSA(n, e) "{\"kty\":\"RSA\",\"n\":\"" n "\",\"e\":\"" e "\"}"
#define X256 "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU"
#define Y256 "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"
#define EC(crv, x, y) "{\"kty\":\"EC\",\"crv\":\"" crv "\",\"x\":\"" x "\",\"y\":\"" y "\"}"
#define XED "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"
#define OKP(crv, x) "{\"kty\":\"OKP\",\"crv\":\"" crv "\",\"x\":\"" x "\"}"
#define K32 "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
#define OCT(alg, k) "{\"kty\":\"oct\",\"alg\":\"" alg "\",\"k\":\"" k "\"}"
#define ED(more) "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" XED "\"" more "}"

static const struct {
	const char *jwk;
	int error;
} cases[] = {
    /* good */
    {RSA(N2048, "AQAB"), WEIR_OK},
    {RSA(N2048, "Aw"), WEIR_OK},       /* 3 */
    {RSA("AA" N2048, "AQAB"), WEIR_EINVAL}, /* a digit more is another number, and no base64url of whole bytes */
    {EC("P-256", X256, Y256), WEIR_OK},
    {OKP("Ed25519", XED), WEIR_OK},
    {OCT("HS256", K32), WEIR_OK},
    {ED(",\"use\":\"sig\""), WEIR_OK},
    {ED(",\"key_ops\":[\"verify\"]"), WEIR_OK},
    {ED(",\"key_ops\":[\"sign\",\"verify\"],\"use\":\"sig\",\"alg\":\"EdDSA\",\"kid\":\"k\",\"x5t\":\"a\",\"x5c\":[\"a\"],\"x5u\":\"a\",\"exp\":1"), WEIR_OK},
    /* for something else, or unknown here */
    {ED(",\"use\":\"enc\""), WEIR_EUNSUPPORTED},
    {ED(",\"use\":\"SIG\""), WEIR_EUNSUPPORTED},
    {ED(",\"use\":\"\""), WEIR_EUNSUPPORTED},
    {ED(",\"key_ops\":[]"), WEIR_EUNSUPPORTED},
    {ED(",\"key_ops\":[\"sign\"]"), WEIR_EUNSUPPORTED},
    {ED(",\"key_ops\":[\"verify\"],\"use\":\"enc\""), WEIR_EUNSUPPORTED},
    {ED(",\"alg\":\"none\""), WEIR_EUNSUPPORTED},
    {ED(",\"alg\":\"RS256\""), WEIR_EUNSUPPORTED},
    {ED(",\"alg\":\"HS256\""), WEIR_EUNSUPPORTED},
    {ED(",\"alg\":\"ECDH-ES\""), WEIR_EUNSUPPORTED},
    {"{\"kty\":\"rsa\"}", WEIR_EUNSUPPORTED},
    {"{\"kty\":\"AKP\",\"pub\":\"AAAA\"}", WEIR_EUNSUPPORTED},
    {"{\"kty\":\"\"}", WEIR_EUNSUPPORTED},
    {EC("secp256k1", X256, Y256), WEIR_EUNSUPPORTED},
    {EC("prime256v1", X256, Y256), WEIR_EUNSUPPORTED}, /* libcrypto's name is not JOSE's */
    {EC("Ed25519", XED, XED), WEIR_EUNSUPPORTED},
    {OKP("X25519", XED), WEIR_EUNSUPPORTED},
    {OKP("Ed448", XED), WEIR_EUNSUPPORTED},
    {OKP("P-256", X256), WEIR_EUNSUPPORTED},
    {OKP("ED25519", XED), WEIR_EUNSUPPORTED},
    {OCT("A128KW", K32), WEIR_EUNSUPPORTED},
    {OCT("RS256", K32), WEIR_EUNSUPPORTED},
    {"{\"kty\":\"oct\",\"k\":\"" K32 "\"}", WEIR_EUNSUPPORTED}, /* a secret must say its algorithm */
    /* of the wrong type, or missing */
    {"", WEIR_EINVAL},
    {"{", WEIR_EINVAL},
    {"[]", WEIR_EINVAL},
    {"null", WEIR_EINVAL},
    {"{}", WEIR_EINVAL},
    {"{\"kty\":1}", WEIR_EINVAL},
    {"{\"kty\":null}", WEIR_EINVAL},
    {"{\"kty\":\"OKP\",\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" XED "\"}", WEIR_EINVAL},
    {ED(",\"kid\":1"), WEIR_EINVAL},
    {ED(",\"kid\":null"), WEIR_EINVAL},
    {ED(",\"kid\":\"a\\u0000b\""), WEIR_EINVAL},
    {ED(",\"use\":1"), WEIR_EINVAL},
    {ED(",\"use\":[\"sig\"]"), WEIR_EINVAL},
    {ED(",\"key_ops\":\"verify\""), WEIR_EINVAL},
    {ED(",\"key_ops\":[1,\"verify\"]"), WEIR_EINVAL},
    {ED(",\"alg\":1"), WEIR_EINVAL},
    {ED(",\"alg\":null"), WEIR_EINVAL},
    {"{\"kty\":\"RSA\"}", WEIR_EINVAL},
    {"{\"kty\":\"RSA\",\"n\":\"" N2048 "\"}", WEIR_EINVAL},
    {"{\"kty\":\"RSA\",\"e\":\"AQAB\"}", WEIR_EINVAL},
    {"{\"kty\":\"RSA\",\"n\":1,\"e\":\"AQAB\"}", WEIR_EINVAL},
    {"{\"kty\":\"RSA\",\"n\":\"" N2048 "\",\"e\":65537}", WEIR_EINVAL},
    {"{\"kty\":\"EC\"}", WEIR_EINVAL},
    {"{\"kty\":\"EC\",\"crv\":1}", WEIR_EINVAL},
    {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"" X256 "\"}", WEIR_EINVAL},
    {"{\"kty\":\"EC\",\"crv\":\"P-256\",\"y\":\"" Y256 "\"}", WEIR_EINVAL},
    {"{\"kty\":\"OKP\",\"crv\":\"Ed25519\"}", WEIR_EINVAL},
    {"{\"kty\":\"OKP\",\"x\":\"" XED "\"}", WEIR_EINVAL},
    {"{\"kty\":\"oct\",\"alg\":\"HS256\"}", WEIR_EINVAL},
    {"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":\"\"}", WEIR_EINVAL},
    {"{\"kty\":\"oct\",\"alg\":\"HS256\",\"k\":1}", WEIR_EINVAL},
    /* weak, or not a key */
    {RSA(N1024, "AQAB"), WEIR_EINVAL},
    {RSA("AQAB", "AQAB"), WEIR_EINVAL},
    {RSA("AA", "AQAB"), WEIR_EINVAL},
    {RSA(N2048_EVEN, "AQAB"), WEIR_EINVAL},
    {RSA(N2048, "AQ"), WEIR_EINVAL},           /* 1 */
    {RSA(N2048, "AA"), WEIR_EINVAL},           /* 0 */
    {RSA(N2048, "Ag"), WEIR_EINVAL},           /* 2 */
    {RSA(N2048, "AQAA"), WEIR_EINVAL},         /* 65536 */
    {RSA(N2048, "AQAAAAAAAAAB"), WEIR_EINVAL}, /* 65 bits */
    {RSA(N2048, ""), WEIR_EINVAL},
    {RSA(N2048, "AQAB="), WEIR_EINVAL},
    {RSA(N2048, "AQ AB"), WEIR_EINVAL},
    {RSA(N2048 "=", "AQAB"), WEIR_EINVAL},
    {RSA("+" N2048, "AQAB"), WEIR_EINVAL},
    {EC("P-256", X256, X256), WEIR_EINVAL}, /* not on the curve */
    {EC("P-256", X256, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a1"), WEIR_EINVAL}, /* unused bits */
    {EC("P-256", X256, "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a4"), WEIR_EINVAL}, /* beside it */
    {EC("P-256", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"), WEIR_EINVAL},
    {EC("P-256", "_____wAAAAEAAAAAAAAAAAAAAAD_______________8", Y256), WEIR_EINVAL}, /* x is the field's prime */
    {EC("P-256", "", ""), WEIR_EINVAL},
    {EC("P-256", "AA" X256, Y256), WEIR_EINVAL},
    {EC("P-256", "zc4ncPbEXUGDy-5v20t7WAczNXvp7xO6z248e9FURQ", Y256), WEIR_EINVAL}, /* 31 bytes */
    {EC("P-384", X256, Y256), WEIR_EINVAL},
    {EC("P-521", X256, Y256), WEIR_EINVAL},
    {OKP("Ed25519", ""), WEIR_EINVAL},
    {OKP("Ed25519", "AA"), WEIR_EINVAL},
    {OKP("Ed25519", "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURp"), WEIR_EINVAL},
    {OKP("Ed25519", XED "AA"), WEIR_EINVAL},
    {OCT("HS256", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHg"), WEIR_EINVAL}, /* 31 bytes */
    {OCT("HS384", K32), WEIR_EINVAL},
    {OCT("HS512", K32), WEIR_EINVAL},
    {OCT("HS256", K32 "="), WEIR_EINVAL},
    {OCT("HS256", "LS0tLS1CRUdJTiBQVUJMSUMgS0VZLS0tLS0tLS0tLS0tLS0"), WEIR_EINVAL}, /* a PEM */
    /* private ones */
    {ED(",\"d\":\"nWGxne_9WmC6hEr0kuwsxERJxWl7MmkZcDusAxyuf2A\""), WEIR_EINVAL},
    {ED(",\"d\":null"), WEIR_EINVAL},
};

static void one_by_one(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		struct weir_jwks *keys;
		int error;

		assert_int_equal(weir_jwks_new(&keys), WEIR_OK);
		error = weir_jwks_add_jwk(keys, weir_str_of(cases[i].jwk));
		if (error != cases[i].error || weir_jwks_count(keys) != (error == WEIR_OK ? 1 : 0))
			fail_msg("%s: %s, wanted %s", cases[i].jwk, weir_error_name(error), weir_error_name(cases[i].error));
		weir_jwks_destroy(keys);
	}
}

/* The same within a set: what is bad is passed over, and does not cost what is good. */
static void in_a_set(void **state)
{
	char *text = NULL;
	size_t len, good = 0, added = 99;
	FILE *file = open_memstream(&text, &len);
	struct weir_jwks *keys;

	(void)state;
	fputs("{\"more\":1,\"keys\":[null,1,[]", file);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		json_t *whole = json_loads(cases[i].jwk, JSON_REJECT_DUPLICATES, NULL); /* else it is the set that is no JSON */

		if (whole == NULL || cases[i].error == WEIR_OK) {
			json_decref(whole);
			continue;
		}
		fprintf(file, ",%s", cases[i].jwk);
		json_decref(whole);
	}
	for (int i = 0; i < 3; i++, good++)
		fprintf(file, ",{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"" XED "\",\"kid\":\"good%d\"}", i);
	fputs("]}", file);
	fclose(file);
	assert_int_equal(weir_jwks_new(&keys), WEIR_OK);
	assert_int_equal(weir_jwks_add_jwks(keys, weir_str_n(text, len), &added), WEIR_OK);
	assert_int_equal(added, good);
	assert_int_equal(weir_jwks_count(keys), good);
	weir_jwks_destroy(keys);
	free(text);
}

static char said[65536];

static void listen(void *arg, enum weir_log_level level, const char *text)
{
	(void)arg;
	(void)level;
	strncat(said, text, sizeof said - strlen(said) - 2);
	strcat(said, "\n");
}

/* What is said names the rule, and nothing of the key. */
static void the_log_has_no_key(void **state)
{
	static const char *const never[] = {"f83OJ3D2", "x_FEzRu9", "0vx7ago", "11qYAYK", "AAECAwQ", "nWGxne_9", "AQAB", "kid-that-is-mine"};
	struct weir_jwks *keys;

	(void)state;
	weir__log_set(listen, NULL, WEIR_LOG_DEBUG);
	assert_int_equal(weir_jwks_new(&keys), WEIR_OK);
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		weir_jwks_add_jwk(keys, weir_str_of(cases[i].jwk));
	weir_jwks_add_secret(keys, "kid-that-is-mine", "HS256", weir_str_of("AAECAwQFBgc"));
	weir_jwks_add_pem(keys, "kid-that-is-mine", NULL, weir_str_of("-----BEGIN PUBLIC KEY-----\n0vx7ago\n-----END PUBLIC KEY-----\n"));
	weir_jwks_destroy(keys);
	weir__log_set(NULL, NULL, WEIR_LOG_WARN);
	assert_non_null(strstr(said, "its numbers are no key"));
	assert_non_null(strstr(said, "2048"));
	for (size_t i = 0; i < sizeof never / sizeof *never; i++)
		assert_null(strstr(said, never[i]));
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(one_by_one), cmocka_unit_test(in_a_set), cmocka_unit_test(the_log_has_no_key)};

	weir__log_set(listen, NULL, WEIR_LOG_ERROR); /* standard error would be full of it */
	return cmocka_run_group_tests_name("jwt_jwk", tests, NULL, NULL);
}
