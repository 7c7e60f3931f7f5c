/* What leaves a token: values by the policy, and nothing besides; and policies that are refused. */
#define _GNU_SOURCE
#include "policy.h"

#include "alone.h"

#include <openssl/evp.h>
#include <openssl/hmac.h>

static struct weir__jwt_tree tree;
static struct weir__jwt_values values;
static char bytes[65536];

static void quiet(void *arg, enum weir_log_level level, const char *text)
{
	(void)arg;
	(void)level;
	(void)text;
}

static void begin(void)
{
	const struct weir_options o = {.size = sizeof o, .no_thread = true, .log = quiet};

	assert_int_equal(weir_init(&o), WEIR_OK);
}

static enum weir_jwt_result extract(const struct weir__jwt_policy *policy, const char *text)
{
	size_t len = strlen(text);

	memcpy(bytes, text, len);
	if (!weir__jwt_tree_read(&tree, bytes, len))
		fail_msg("not JSON: %s", text);
	return weir__jwt_policy_extract(policy, &tree, &values);
}

static const char *value(size_t n)
{
	static char text[WEIR__JWT_TEXT + 1];
	size_t at = 0;

	for (size_t i = 0; i < n; i++)
		at += values.len[i];
	memcpy(text, values.text + at, values.len[n]);
	text[values.len[n]] = '\0';
	return text;
}

static void make(struct weir__jwt_policy *policy, const struct weir_jwt_claim *claims, size_t count)
{
	assert_int_equal(weir__jwt_policy_make(policy, claims, count, STR("0123456789abcdef"), WEIR_S(600)), WEIR_OK);
}

ALONE(texts)
{
	static const struct {
		const char *text, *joined, *first;
	} rows[] = {
	    {"{\"c\":\"acme\"}", "acme", "acme"},
	    {"{\"c\":\"\"}", "", ""},
	    {"{\"c\":7}", "7", "7"},
	    {"{\"c\":-1.50e+2}", "-1.50e+2", "-1.50e+2"},
	    {"{\"c\":true}", "true", "true"},
	    {"{\"c\":false}", "false", "false"},
	    {"{\"c\":null}", "", ""},
	    {"{\"c\":{\"a\":\"b\"}}", "", ""},
	    {"{\"c\":[]}", "", ""},
	    {"{\"c\":[\"a\",\"b\",3,true]}", "a,b,3,true", "a"},
	    {"{\"c\":[\"a\",\"b,c\"]}", "a,b,c", "a"},
	    {"{\"c\":[\"a\",[\"b\"]]}", "", "a"},
	    {"{\"c\":[\"a\",null]}", "", "a"},
	    {"{\"c\":[{\"a\":1},\"b\"]}", "", ""},
	    {"{\"c\":[[\"a\"]]}", "", ""},
	    {"{\"c\":\"\\u00e4 \\ud83d\\ude00\"}", "\xc3\xa4 \xf0\x9f\x98\x80", "\xc3\xa4 \xf0\x9f\x98\x80"},
	    {"{\"d\":\"acme\"}", "", ""},
	};
	const struct weir_jwt_claim claims[] = {{.claim = "c", .attribute = "c.joined"}, {.claim = "c", .attribute = "c.first", .first = true}};
	struct weir__jwt_policy policy;

	begin();
	make(&policy, claims, 2);
	for (size_t i = 0; i < COUNT(rows); i++) {
		assert_int_equal(extract(&policy, rows[i].text), WEIR_JWT_OK);
		assert_string_equal(value(0), rows[i].joined);
		assert_string_equal(value(1), rows[i].first);
		assert_int_equal(values.used, strlen(rows[i].joined) + strlen(rows[i].first));
	}
	weir__jwt_policy_free(&policy);
}

ALONE(nested_and_listed)
{
	static const char *const listed[] = {"gold", "silver", NULL};
	const struct weir_jwt_claim claims[] = {{.claim = "/org/tenant", .attribute = "tenant"},
	                                        {.claim = "plan", .label = "plan", .label_values = listed},
	                                        {.claim = "/groups/1", .attribute = "second"}};
	struct weir__jwt_policy policy;

	begin();
	make(&policy, claims, 3);
	assert_int_equal(extract(&policy, "{\"org\":{\"tenant\":\"acme\",\"secret\":\"s3cret\"},\"plan\":\"silver\",\"groups\":[\"a\",\"b\"],"
	                                  "\"sub\":\"joe\",\"iss\":\"id\",\"email\":\"joe@acme\"}"),
	                 WEIR_JWT_OK);
	assert_string_equal(value(0), "acme");
	assert_string_equal(value(1), "silver");
	assert_string_equal(value(2), "b");
	assert_string_equal(value(WEIR__JWT_SUBJECT), "joe");
	assert_string_equal(value(WEIR__JWT_ISSUER), "id");
	assert_int_equal(values.used, 4 + 6 + 1 + 3 + 2);
	assert_null(memmem(&values, sizeof values, "s3cret", 6)); /* nothing else is there */
	assert_null(memmem(&values, sizeof values, "joe@acme", 8));
	assert_int_equal(values.mark[1], 2);
	assert_int_not_equal(weir__jwt_policy_place(&policy, 1, &values, STR("silver"), 1, true), 0);
	assert_int_equal(extract(&policy, "{\"plan\":\"bronze\"}"), WEIR_JWT_OK);
	assert_int_equal(weir__jwt_policy_place(&policy, 1, &values, STR("bronze"), 1, true), 0); /* other */
	weir__jwt_policy_free(&policy);
}

ALONE(equal)
{
	static const struct {
		const char *text;
		bool equal;
	} rows[] = {
	    {"{\"scope\":\"read\"}", true},         {"{\"scope\":\"write read\"}", true},  {"{\"scope\":\"write  read \"}", true},
	    {"{\"scope\":\"reader\"}", false},      {"{\"scope\":\"rea d\"}", false},      {"{\"scope\":[\"write\",\"read\"]}", true},
	    {"{\"scope\":[\"write read\"]}", false}, {"{\"scope\":[[\"read\"]]}", false},  {"{\"scope\":[]}", false},
	    {"{\"scope\":\"\"}", false},            {"{\"scope\":{\"read\":1}}", false},   {"{\"scope\":1}", false},
	    {"{\"scope\":null}", false},            {"{}", false},                         {"{\"scope\":\"READ\"}", false},
	    {"{\"scope\":\"read\\twrite\"}", false},
	};
	const struct weir_jwt_claim claims[] = {{.claim = "scope", .equals = "read"}};
	const struct weir_jwt_claim flag[] = {{.claim = "admin", .equals = "true"}};
	struct weir__jwt_policy policy;

	begin();
	make(&policy, claims, 1);
	for (size_t i = 0; i < COUNT(rows); i++)
		if (extract(&policy, rows[i].text) != (rows[i].equal ? WEIR_JWT_OK : WEIR_JWT_CLAIM))
			fail_msg("%s", rows[i].text);
	weir__jwt_policy_free(&policy);
	make(&policy, flag, 1);
	assert_int_equal(extract(&policy, "{\"admin\":true}"), WEIR_JWT_OK);
	assert_int_equal(extract(&policy, "{\"admin\":false}"), WEIR_JWT_CLAIM);
	weir__jwt_policy_free(&policy);
}

ALONE(required)
{
	const struct weir_jwt_claim claims[] = {{.claim = "c", .required = true}};
	struct weir__jwt_policy policy;

	begin();
	make(&policy, claims, 1);
	assert_int_equal(extract(&policy, "{\"c\":\"x\"}"), WEIR_JWT_OK);
	assert_int_equal(extract(&policy, "{\"c\":[\"x\"]}"), WEIR_JWT_OK);
	assert_int_equal(extract(&policy, "{\"c\":\"\"}"), WEIR_JWT_CLAIM);
	assert_int_equal(extract(&policy, "{\"c\":{}}"), WEIR_JWT_CLAIM);
	assert_int_equal(extract(&policy, "{\"c\":[[]]}"), WEIR_JWT_CLAIM);
	assert_int_equal(extract(&policy, "{\"c\":null}"), WEIR_JWT_CLAIM);
	assert_int_equal(extract(&policy, "{}"), WEIR_JWT_CLAIM);
	weir__jwt_policy_free(&policy);
}

static void hash(const char *key, size_t key_len, const char *text, char hex[17])
{
	unsigned char mac[32];
	unsigned len = sizeof mac;

	assert_non_null(HMAC(EVP_sha256(), key, (int)key_len, (const unsigned char *)text, strlen(text), mac, &len));
	for (int i = 0; i < 8; i++)
		sprintf(hex + 2 * i, "%02x", mac[i]);
}

/* libcrypto's own HMAC is the witness. */
ALONE(hashed)
{
	static const char *const keys[] = {"0123456789abcdef", "0123456789abcdef0123456789abcdef"};
	const struct weir_jwt_claim claims[] = {{.claim = "c", .hashed = true}};
	struct weir__jwt_policy policy, random;
	char hex[17], text[2048], first[17];

	begin();
	for (size_t i = 0; i < COUNT(keys); i++) {
		assert_int_equal(weir__jwt_policy_make(&policy, claims, 1, weir_str_of(keys[i]), WEIR_S(1)), WEIR_OK);
		assert_int_equal(extract(&policy, "{\"c\":\"joe@acme\"}"), WEIR_JWT_OK);
		hash(keys[i], strlen(keys[i]), "joe@acme", hex);
		assert_string_equal(value(0), hex);
		assert_null(memmem(&values, sizeof values, "joe@acme", 8));
		assert_int_equal(extract(&policy, "{\"c\":[\"a\",\"b\"]}"), WEIR_JWT_OK);
		hash(keys[i], strlen(keys[i]), "a,b", hex);
		assert_string_equal(value(0), hex);
		assert_int_equal(extract(&policy, "{\"c\":\"\"}"), WEIR_JWT_OK);
		assert_string_equal(value(0), "");
		sprintf(text, "{\"c\":\"%01000d\"}", 0); /* its hash has room */
		assert_int_equal(extract(&policy, text), WEIR_JWT_OK);
		assert_int_equal(strlen(value(0)), 16);
		weir__jwt_policy_free(&policy);
	}
	assert_int_equal(weir__jwt_policy_make(&policy, claims, 1, weir_str_n(NULL, 0), WEIR_S(1)), WEIR_OK);
	assert_int_equal(weir__jwt_policy_make(&random, claims, 1, weir_str_n(NULL, 0), WEIR_S(1)), WEIR_OK);
	extract(&policy, "{\"c\":\"joe\"}");
	strcpy(first, value(0));
	extract(&random, "{\"c\":\"joe\"}");
	assert_int_not_equal(strcmp(first, value(0)), 0);
	weir__jwt_policy_free(&policy);
	weir__jwt_policy_free(&random);
}

/* What has no room is left out whole, and said so. */
ALONE(too_long)
{
	const struct weir_jwt_claim claims[] = {{.claim = "a", .attribute = "a"}, {.claim = "b", .attribute = "b"}, {.claim = "c", .attribute = "c"}};
	struct weir__jwt_policy policy;
	char text[8192];
	size_t len;

	begin();
	make(&policy, claims, 3);
	sprintf(text, "{\"a\":\"%0200d\",\"b\":\"%041d\",\"c\":\"%040d\",\"sub\":\"x\"}", 1, 2, 3);
	assert_int_equal(extract(&policy, text), WEIR_JWT_OK);
	assert_int_equal(values.len[0], 200);
	assert_int_equal(values.len[1], 0);
	assert_int_equal(values.len[2], 40);
	assert_int_equal(values.too_long, 1 << 1 | 1 << WEIR__JWT_SUBJECT);
	assert_int_equal(values.used, 240);
	len = (size_t)sprintf(text, "{\"a\":[");
	for (int i = 0; i < 500; i++)
		len += (size_t)sprintf(text + len, "\"group%d\",", i);
	sprintf(text + len, "\"last\"],\"b\":\"x\"}");
	assert_int_equal(extract(&policy, text), WEIR_JWT_OK);
	assert_int_equal(values.too_long, 1);
	assert_string_equal(value(1), "x");
	weir__jwt_policy_free(&policy);
}

ALONE(refused)
{
	static const char *const empty[] = {"", NULL}, *const some[] = {"a", NULL};
	const struct weir_jwt_claim claims[] = {
	    {.claim = NULL},
	    {.claim = ""},
	    {.claim = "/a~"},
	    {.claim = "c", .label = "0label"},
	    {.claim = "c", .label = "__label"},
	    {.claim = "c", .label = ""},
	    {.claim = "c", .attribute = ""},
	    {.claim = "c", .label_values = some},
	    {.claim = "c", .label_top = 5},
	    {.claim = "c", .label = "l", .label_top = 1001},
	    {.claim = "c", .label = "l", .label_top = 5, .label_values = some},
	    {.claim = "c", .label = "l", .label_values = empty},
	    {.claim = "c", .reserved_ = {0, 1}},
	};
	const struct weir_jwt_claim many[9] = {{.claim = "c"}}, one[] = {{.claim = "c", .label = "l"}, {.claim = "d", .label = "l"}};
	struct weir__jwt_policy policy;

	begin();
	for (size_t i = 0; i < COUNT(claims); i++)
		if (weir__jwt_policy_make(&policy, &claims[i], 1, weir_str_n(NULL, 0), WEIR_S(1)) != WEIR_EINVAL)
			fail_msg("claim %zu is taken", i);
	assert_int_equal(weir__jwt_policy_make(&policy, many, 9, weir_str_n(NULL, 0), WEIR_S(1)), WEIR_EINVAL);
	assert_int_equal(weir__jwt_policy_make(&policy, one, 2, weir_str_n(NULL, 0), WEIR_S(1)), WEIR_ECONFLICT);
	assert_int_equal(weir__jwt_policy_make(&policy, one, 1, STR("15 bytes: short"), WEIR_S(1)), WEIR_EINVAL);
}

static const struct CMUnitTest tests[] = {cmocka_unit_test(texts),    cmocka_unit_test(nested_and_listed), cmocka_unit_test(equal),
                                          cmocka_unit_test(required), cmocka_unit_test(hashed),            cmocka_unit_test(too_long),
                                          cmocka_unit_test(refused)};
ALONE_MAIN(tests)
