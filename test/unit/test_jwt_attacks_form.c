/* Tokens whose form is wrong: dots, alphabet, padding, length; and one that is truncated or extended at each place. */
#define _GNU_SOURCE
#include "jwt_attack.h"

static char *good; /* of the key hs */

static void dots(void **state)
{
	static const struct {
		const char *token;
		enum weir_jwt_result wanted;
	} cases[] = {
	    {"", WEIR_JWT_MALFORMED},
	    {".", WEIR_JWT_MALFORMED},
	    {"..", WEIR_JWT_MALFORMED},
	    {"...", WEIR_JWT_MALFORMED},
	    {"....", WEIR_JWT_ENCRYPTED},
	    {".....", WEIR_JWT_MALFORMED},
	    {"a", WEIR_JWT_MALFORMED},
	    {"a.b", WEIR_JWT_MALFORMED},
	    {"a.b.c", WEIR_JWT_MALFORMED},
	    {"a.b.c.d", WEIR_JWT_MALFORMED},
	    {"eyJhbGciOiJSU0EtT0FFUCIsImVuYyI6IkEyNTZHQ00ifQ.AAAA.AAAA.AAAA.AAAA", WEIR_JWT_ENCRYPTED},
	    {"eyJhbGciOiJub25lIn0.e30.", WEIR_JWT_ALG_NOT_ALLOWED},
	    {"eyJhbGciOiJub25lIn0.e30", WEIR_JWT_MALFORMED},
	    {"eyJhbGciOiJub25lIn0..", WEIR_JWT_ALG_NOT_ALLOWED},
	    {"Bearer eyJhbGciOiJub25lIn0.e30.", WEIR_JWT_MALFORMED},
	    {"{\"payload\":\"e30\",\"protected\":\"e30\",\"signature\":\"\"}", WEIR_JWT_MALFORMED},
	    {"\xff\xff.\xff\xff.\xff\xff", WEIR_JWT_MALFORMED},
	};

	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		attack(cases[i].token, cases[i].token, cases[i].wanted);
	attack_on(attack_set, "no token", NULL, 0, WEIR_JWT_MALFORMED);
}

/* Every byte that is no digit, in each of the parts; by the length of the part its tail too. */
static void alphabet(void **state)
{
	size_t len = strlen(good), places[3] = {4, (size_t)(strchr(good, '.') - good) + 4, (size_t)(strrchr(good, '.') - good) + 4};

	(void)state;
	for (int part = 0; part < 3; part++) {
		char *token = strdup(good);

		for (int c = 0; c < 256; c++) {
			if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.", c) != NULL && c != 0)
				continue;
			token[places[part]] = (char)c;
			attack_on(attack_set, "a byte that is no digit", token, len, WEIR_JWT_MALFORMED);
		}
		free(token);
	}
}

/* What some decoders pass over: put in at each end of each part. */
static void inserted(void **state)
{
	static const char *const texts[] = {"=", "==", " ", "\n", "\r\n", "\t", "%3D", "+", "/", "\\"};
	size_t first = (size_t)(strchr(good, '.') - good), last = (size_t)(strrchr(good, '.') - good);
	size_t places[] = {0, first, first + 1, last, last + 1, strlen(good)};
	char *token = malloc(strlen(good) + 8);

	(void)state;
	for (size_t t = 0; t < sizeof texts / sizeof *texts; t++)
		for (size_t p = 0; p < sizeof places / sizeof *places; p++) {
			memcpy(token, good, places[p]);
			strcpy(token + places[p], texts[t]);
			strcat(token, good + places[p]);
			attack(texts[t], token, WEIR_JWT_MALFORMED);
		}
	strcpy(token, good);
	attack_on(attack_set, "a NUL behind it", token, strlen(good) + 1, WEIR_JWT_MALFORMED);
	free(token);
}

/* A part may be written in one way only: another last digit has the same bytes where unused bits are not looked at. */
static void other_spelling(void **state)
{
	static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	static const char *const payloads[] = {"{\"sub\":\"a\"}", "{\"sub\":\"aa\"}", "{\"sub\":\"aaa\"}"};

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char *token = mint_plain(&attack_hs, WEIR__JWT_HS256, "hs", payloads[i]);
		size_t first = (size_t)(strchr(token, '.') - token), last = (size_t)(strrchr(token, '.') - token);
		size_t ends[3] = {first - 1, last - 1, strlen(token) - 1}, lens[3] = {first, last - first - 1, strlen(token) - last - 1};

		for (int part = 0; part < 3; part++) {
			char was = token[ends[part]];
			size_t unused = lens[part] % 4 == 2 ? 16 : lens[part] % 4 == 3 ? 4 : 1;
			size_t value = (size_t)(strchr(digits, was) - digits);

			for (size_t more = 1; more < unused; more++) {
				token[ends[part]] = digits[value + more];
				attack("other unused bits", token, WEIR_JWT_MALFORMED);
			}
			token[ends[part]] = was;
		}
		free(token);
	}
}

/* Cut off at each place, and the first letters taken off at each place. */
static void truncated(void **state)
{
	size_t len = strlen(good), payload_len;

	(void)state;
	for (size_t n = 0; n < len; n++) {
		enum weir_jwt_result result = attack_offer(attack_set, good, n, &payload_len);

		assert_true(result == WEIR_JWT_MALFORMED || result == WEIR_JWT_BAD_SIGNATURE);
		assert_int_equal(payload_len, 0);
		if (n != 0) {
			result = attack_offer(attack_set, good + n, len - n, &payload_len);
			assert_true(result != WEIR_JWT_OK && result != WEIR_JWT_NO_MEMORY);
			assert_int_equal(payload_len, 0);
		}
	}
	assert_int_equal(attack_offer(attack_set, good, len, &payload_len), WEIR_JWT_OK);
}

static void extended(void **state)
{
	static const char *const more[] = {"A", "AA", "AAA", "AAAA", "AAAAAAAA", ".", ".e30", "..", "..."};
	static const enum weir_jwt_result wanted[] = {WEIR_JWT_BAD_SIGNATURE, WEIR_JWT_MALFORMED,     WEIR_JWT_BAD_SIGNATURE,
	                                              WEIR_JWT_BAD_SIGNATURE, WEIR_JWT_BAD_SIGNATURE, WEIR_JWT_MALFORMED,
	                                              WEIR_JWT_MALFORMED,     WEIR_JWT_ENCRYPTED,     WEIR_JWT_MALFORMED};
	char *token = malloc(strlen(good) + 70000), *end;

	(void)state;
	for (size_t i = 0; i < sizeof more / sizeof *more; i++) {
		strcpy(token, good);
		strcat(token, more[i]);
		attack(more[i], token, wanted[i]);
	}
	end = stpcpy(token, good);
	memset(end, 'A', 69000);
	end[4000] = '\0';
	attack("a signature of 3000 bytes", token, WEIR_JWT_BAD_SIGNATURE);
	end[4000] = 'A';
	token[65536] = '\0';
	attack("64 KiB", token, (65536 - (size_t)(strrchr(good, '.') + 1 - good)) % 4 == 1 ? WEIR_JWT_MALFORMED : WEIR_JWT_BAD_SIGNATURE);
	token[65536] = 'A';
	attack_on(attack_set, "one byte over 64 KiB", token, 65537, WEIR_JWT_TOO_LARGE);
	memset(token, '.', 65536);
	attack_on(attack_set, "64 KiB of dots", token, 65536, WEIR_JWT_MALFORMED);
	free(token);
}

static int begin(void **state)
{
	int failed = attack_begin(state);

	good = mint_plain(&attack_hs, WEIR__JWT_HS256, "hs", "{\"sub\":\"mallory's\"}");
	return failed;
}

static int end(void **state)
{
	free(good);
	return attack_end(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(dots),           cmocka_unit_test(alphabet),  cmocka_unit_test(inserted),
	                                   cmocka_unit_test(other_spelling), cmocka_unit_test(truncated), cmocka_unit_test(extended)};

	return cmocka_run_group_tests_name("jwt_attacks_form", tests, begin, end);
}
