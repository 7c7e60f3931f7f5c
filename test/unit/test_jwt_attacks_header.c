/* Hostile headers. Each is signed rightly by a key of the set, so that nothing but the header can be the reason. */
#include "jwt_attack.h"

#define H(more) "{\"alg\":\"HS256\",\"kid\":\"hs\"" more "}"
#define A(alg) "{\"alg\":" alg ",\"kid\":\"hs\"}"
#define K(kid) "{\"alg\":\"HS256\",\"kid\":" kid "}"

static const struct {
	const char *header;
	enum weir_jwt_result wanted;
} headers[] = {
    /* what is good, so that the rest means something */
    {H(""), WEIR_JWT_OK},
    {" \t\r\n" H("") " \n", WEIR_JWT_OK},
    {H(",\"typ\":\"JWT\""), WEIR_JWT_OK},
    {H(",\"typ\":\"anything at all\""), WEIR_JWT_OK},
    {H(",\"cty\":\"json\""), WEIR_JWT_OK},
    {H(",\"x5t\":\"AAAA\",\"x5t#S256\":\"AAAA\",\"nonce\":\"n\",\"unknown\":{\"a\":[1,2.5,null,true]}"), WEIR_JWT_OK},
    {"{\"\\u0061lg\":\"\\u0048S256\",\"k\\u0069d\":\"h\\u0073\"}", WEIR_JWT_OK}, /* the same text */
    /* none, in all spellings */
    {A("\"none\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\"None\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\"NONE\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\"nOnE\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\"none \""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\" none\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\"n\\u006fne\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\"none\\u0000\""), WEIR_JWT_MALFORMED},
    {A("\"\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("null"), WEIR_JWT_MALFORMED},
    {A("false"), WEIR_JWT_MALFORMED},
    {A("0"), WEIR_JWT_MALFORMED},
    {A("[]"), WEIR_JWT_MALFORMED},
    {A("[\"HS256\"]"), WEIR_JWT_MALFORMED},
    {A("{\"HS256\":1}"), WEIR_JWT_MALFORMED},
    {"{\"kid\":\"hs\"}", WEIR_JWT_MALFORMED},
    {"{\"ALG\":\"HS256\",\"kid\":\"hs\"}", WEIR_JWT_MALFORMED},
    /* algorithms that are not the key's, or none at all */
    {A("\"hs256\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\"HS256\\n\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\"HS256\\u0000\""), WEIR_JWT_MALFORMED},
    {A("\"HS1\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\"HS384\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\"RS256\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\"ES256\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\"EdDSA\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\"ES256K\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\"RSA-OAEP\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\"dir\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {A("\"PBES2-HS256+A128KW\""), WEIR_JWT_ALG_NOT_ALLOWED},
    /* what asks for more */
    {H(",\"crit\":[\"exp\"]"), WEIR_JWT_CRIT},
    {H(",\"crit\":[]"), WEIR_JWT_CRIT},
    {H(",\"crit\":null"), WEIR_JWT_CRIT},
    {H(",\"crit\":\"alg\""), WEIR_JWT_CRIT},
    {H(",\"crit\":[\"b64\"],\"b64\":false"), WEIR_JWT_CRIT},
    {H(",\"b64\":false"), WEIR_JWT_CRIT},
    {H(",\"b64\":true"), WEIR_JWT_CRIT},
    {H(",\"zip\":\"DEF\""), WEIR_JWT_CRIT},
    {H(",\"jku\":\"https://keys.example/jwks.json\""), WEIR_JWT_CRIT},
    {H(",\"jku\":null"), WEIR_JWT_CRIT},
    {H(",\"x5u\":\"https://keys.example/cert\""), WEIR_JWT_CRIT},
    {H(",\"x5c\":[\"MIIB\"]"), WEIR_JWT_CRIT},
    {H(",\"jwk\":{\"kty\":\"oct\",\"k\":\"AAAA\"}"), WEIR_JWT_CRIT},
    {H(",\"j\\u0077k\":{}"), WEIR_JWT_CRIT},
    {"{\"alg\":\"none\",\"jwk\":{}}", WEIR_JWT_CRIT},
    /* a token within */
    {H(",\"cty\":\"JWT\""), WEIR_JWT_CRIT},
    {H(",\"cty\":\"jwt\""), WEIR_JWT_CRIT},
    {H(",\"cty\":\"application/jwt\""), WEIR_JWT_CRIT},
    {H(",\"cty\":\"JWS\""), WEIR_JWT_CRIT},
    {H(",\"cty\":\"JOSE\""), WEIR_JWT_CRIT},
    {H(",\"cty\":\"JWE\""), WEIR_JWT_ENCRYPTED},
    {H(",\"cty\":\"application/JWE\""), WEIR_JWT_ENCRYPTED},
    {H(",\"cty\":1"), WEIR_JWT_MALFORMED},
    {H(",\"typ\":1"), WEIR_JWT_MALFORMED},
    {H(",\"typ\":[\"JWT\"]"), WEIR_JWT_MALFORMED},
    /* kids */
    {"{\"alg\":\"HS256\"}", WEIR_JWT_UNKNOWN_KEY}, /* each key of the set has a kid */
    {K("\"\""), WEIR_JWT_UNKNOWN_KEY},
    {K("\"HS\""), WEIR_JWT_UNKNOWN_KEY},
    {K("\"h\""), WEIR_JWT_UNKNOWN_KEY},
    {K("\"hs2\""), WEIR_JWT_UNKNOWN_KEY},
    {K("\"hs \""), WEIR_JWT_UNKNOWN_KEY},
    {K("\"../../../../dev/null\""), WEIR_JWT_UNKNOWN_KEY},
    {K("\"/proc/self/environ\""), WEIR_JWT_UNKNOWN_KEY},
    {K("\"x' UNION SELECT 'secret\""), WEIR_JWT_UNKNOWN_KEY},
    {K("\"hs\\\"; DROP TABLE keys --\""), WEIR_JWT_UNKNOWN_KEY},
    {K("\"|/bin/sleep 10\""), WEIR_JWT_UNKNOWN_KEY},
    {K("\"%s%n%s%n\""), WEIR_JWT_UNKNOWN_KEY},
    {K("\"hs\\u0000\""), WEIR_JWT_MALFORMED},
    {K("\"\\ud800\""), WEIR_JWT_MALFORMED},
    {K("null"), WEIR_JWT_MALFORMED},
    {K("0"), WEIR_JWT_MALFORMED},
    {K("[\"hs\"]"), WEIR_JWT_MALFORMED},
    {K("{\"hs\":1}"), WEIR_JWT_MALFORMED},
    {K("\"rs\""), WEIR_JWT_ALG_NOT_ALLOWED},
    {K("\"es\""), WEIR_JWT_ALG_NOT_ALLOWED},
    /* members twice */
    {H(",\"alg\":\"HS256\""), WEIR_JWT_MALFORMED},
    {H(",\"alg\":\"none\""), WEIR_JWT_MALFORMED},
    {H(",\"a\\u006cg\":\"none\""), WEIR_JWT_MALFORMED},
    {H(",\"kid\":\"rs\""), WEIR_JWT_MALFORMED},
    {H(",\"x\":1,\"x\":1"), WEIR_JWT_MALFORMED},
    {H(",\"x\":{\"y\":1,\"y\":2}"), WEIR_JWT_MALFORMED},
    /* not JSON, or not an object */
    {"", WEIR_JWT_MALFORMED},
    {" ", WEIR_JWT_MALFORMED},
    {"{", WEIR_JWT_MALFORMED},
    {"{}", WEIR_JWT_MALFORMED},
    {"[]", WEIR_JWT_MALFORMED},
    {"[{\"alg\":\"HS256\"}]", WEIR_JWT_MALFORMED},
    {"null", WEIR_JWT_MALFORMED},
    {"\"alg\"", WEIR_JWT_MALFORMED},
    {"1", WEIR_JWT_MALFORMED},
    {H("") "x", WEIR_JWT_MALFORMED},
    {H("") H(""), WEIR_JWT_MALFORMED},
    {H("") "\\", WEIR_JWT_MALFORMED},
    {H(","), WEIR_JWT_MALFORMED},
    {"{'alg':'HS256','kid':'hs'}", WEIR_JWT_MALFORMED},
    {"{alg:\"HS256\",kid:\"hs\"}", WEIR_JWT_MALFORMED},
    {H("/**/"), WEIR_JWT_MALFORMED},
    {"\xef\xbb\xbf" H(""), WEIR_JWT_MALFORMED},
    {H(",\"x\":\"\xff\""), WEIR_JWT_MALFORMED},
    {H(",\"x\":\"\xc0\xaf\""), WEIR_JWT_MALFORMED},
    {H(",\"x\":\"\xed\xa0\x80\""), WEIR_JWT_MALFORMED},
    {H(",\"\xff\":1"), WEIR_JWT_MALFORMED},
    {H(",\"x\":\"\x01\""), WEIR_JWT_MALFORMED},
    {H(",\"x\\u0000y\":1"), WEIR_JWT_MALFORMED},
    {H(",\"x\":\"\\u0000\""), WEIR_JWT_MALFORMED},
    {H(",\"x\":\"\\x\""), WEIR_JWT_MALFORMED},
    /* numbers */
    {H(",\"x\":99999999999999999999999999999999"), WEIR_JWT_MALFORMED},
    {H(",\"x\":1e999"), WEIR_JWT_MALFORMED},
    {H(",\"x\":-1e999"), WEIR_JWT_MALFORMED},
    {H(",\"x\":NaN"), WEIR_JWT_MALFORMED},
    {H(",\"x\":01"), WEIR_JWT_MALFORMED},
    {H(",\"x\":0x10"), WEIR_JWT_MALFORMED},
    {H(",\"x\":+1"), WEIR_JWT_MALFORMED},
    /* deeper than 4 */
    {H(",\"x\":[[[1]]]"), WEIR_JWT_OK},
    {H(",\"x\":[[[[1]]]]"), WEIR_JWT_MALFORMED},
    {H(",\"x\":{\"x\":{\"x\":{\"x\":1}}}"), WEIR_JWT_OK},
    {H(",\"x\":{\"x\":{\"x\":{\"x\":{}}}}"), WEIR_JWT_MALFORMED},
    {H(",\"x\":\"[[[[[[[[{{{{{{\""), WEIR_JWT_OK},
    {H(",\"x\":\"\\\"[[[[[[\""), WEIR_JWT_OK},
    {"]" H(""), WEIR_JWT_MALFORMED},
};

static void header_by_header(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) {
		char *token = mint(&attack_hs, WEIR__JWT_HS256, headers[i].header, attack_payload);

		attack(headers[i].header, token, headers[i].wanted);
		free(token);
	}
}

/* Many members, and much of one; the same with a header that is just not too large. */
static void size(void **state)
{
	static const struct {
		const char *name;
		char fill;
		size_t len; /* of the whole header */
		enum weir_jwt_result wanted;
	} cases[] = {
	    {"a member of many letters", 'a', 4096, WEIR_JWT_OK},
	    {"a header of one byte too many", 'a', 4097, WEIR_JWT_TOO_LARGE},
	    {"a header of 40 KiB", 'a', 40000, WEIR_JWT_TOO_LARGE},
	    {"a header that is all nesting", '[', 4096, WEIR_JWT_OK}, /* within a text */
	};
	char *header = malloc(50000), *at, *token;

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		size_t begin = strlen(strcpy(header, "{\"alg\":\"HS256\",\"kid\":\"hs\",\"x\":\""));

		memset(header + begin, cases[i].fill, cases[i].len - begin - 2);
		strcpy(header + cases[i].len - 2, "\"}");
		token = mint(&attack_hs, WEIR__JWT_HS256, header, attack_payload);
		attack(cases[i].name, token, cases[i].wanted);
		free(token);
	}
	memset(header, '[', 4096);
	token = mint_raw(&attack_hs, WEIR__JWT_HS256, header, 4096, "", 0);
	attack("nesting and nothing else", token, WEIR_JWT_MALFORMED);
	free(token);
	strcpy(header, "{\"alg\":\"HS256\",\"kid\":\"");
	at = header + strlen(header);
	memset(at, 'k', 4000);
	strcpy(at + 4000, "\"}");
	token = mint(&attack_hs, WEIR__JWT_HS256, header, attack_payload);
	attack("a kid of 4000 letters", token, WEIR_JWT_UNKNOWN_KEY);
	free(token);
	for (int members = 64; members <= 65; members++) {
		at = header + strlen(strcpy(header, "{\"alg\":\"HS256\",\"kid\":\"hs\""));
		for (int i = 2; i < members; i++)
			at += sprintf(at, ",\"m%d\":0", i);
		strcpy(at, "}");
		token = mint(&attack_hs, WEIR__JWT_HS256, header, attack_payload);
		attack(members == 64 ? "64 members" : "65 members", token, members == 64 ? WEIR_JWT_OK : WEIR_JWT_MALFORMED);
		free(token);
	}
	free(header);
}

/* Bytes that no C string holds. */
static void nul(void **state)
{
	static const char *const before = "{\"alg\":\"HS256\",\"kid\":\"hs\"", *const after = "}";
	char header[128];

	(void)state;
	for (size_t place = 0; place <= 3; place++) {
		size_t len = strlen(before);
		char *token;

		memcpy(header, before, len);
		if (place == 0)
			header[len++] = '\0'; /* between members */
		if (place == 1) {
			memcpy(header + len, ",\"x\":\"a\0b\"", 10);
			len += 10; /* in a text */
		}
		memcpy(header + len, after, 1);
		len++;
		if (place == 2)
			header[len++] = '\0'; /* behind all */
		if (place == 3) {
			memmove(header + 1, header, len);
			header[0] = '\0';
			len++;
		}
		token = mint_raw(&attack_hs, WEIR__JWT_HS256, header, len, attack_payload, strlen(attack_payload));
		attack("a NUL in the header", token, WEIR_JWT_MALFORMED);
		free(token);
	}
}

static void there_are_enough(void **state)
{
	(void)state;
	assert_true(attack_count >= 130);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(header_by_header), cmocka_unit_test(size), cmocka_unit_test(nul),
	                                   cmocka_unit_test(there_are_enough)};

	return cmocka_run_group_tests_name("jwt_attacks_header", tests, attack_begin, attack_end);
}
