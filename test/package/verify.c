/* A user of weir-jwt: the example of RFC 7515 A.1 verifies, and not when a digit of it is another. */
#include <weir/jwt.h>

#include <stdio.h>
#include <string.h>

static const char key[] =
    "{\"kty\":\"oct\",\"alg\":\"HS256\","
    "\"k\":\"AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow\"}";
static char token[] = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9"
                      ".eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ"
                      ".dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";

static int fails(const char *what)
{
	fprintf(stderr, "verify: %s\n", what);
	return 1;
}

int main(void)
{
	struct weir_jwks *keys;
	char payload[256];
	size_t len;

	if (strcmp(weir_version(), WEIR_VERSION_TEXT) != 0)
		return fails("the header's version is not the library's");
	if (weir_jwks_new(&keys) != WEIR_OK || weir_jwks_add_jwk(keys, weir_str_of(key)) != WEIR_OK)
		return fails("the key");
	if (weir_jws_verify(keys, weir_str_of(token), payload, sizeof payload, &len) != WEIR_JWT_OK)
		return fails("the token");
	if (len < 12 || memcmp(payload, "{\"iss\":\"joe\"", 12) != 0)
		return fails("what it says");
	token[50]++;
	if (weir_jws_verify(keys, weir_str_of(token), payload, sizeof payload, &len) != WEIR_JWT_BAD_SIGNATURE || len != 0)
		return fails("another token");
	weir_jwks_destroy(keys);
	return 0;
}
