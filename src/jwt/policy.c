/* weir-jwt: claims to values. See policy.h. Layer: jwt. */
#define _GNU_SOURCE
#include "policy.h"

#include "digest.h"

#include <weir/abi/private.h>

#include <openssl/crypto.h>
#include <openssl/rand.h>
#include <stdlib.h>
#include <string.h>

enum { TOP_DEFAULT = 50, TOP_MOST = 1000, KEY_LEAST = 16 };

/* ---- a token's claims -------------------------------------------------------------------------------------------- */

/* ptr NULL: not text. */
static struct weir_str scalar(const struct weir__jwt_tree *tree, const struct weir__jwt_node *node)
{
	if (node->type == WEIR__JWT_NULL || node->type == WEIR__JWT_ARRAY || node->type == WEIR__JWT_OBJECT)
		return weir_str_n(NULL, 0);
	return weir__jwt_tree_text(tree, node);
}

static bool is_same(struct weir_str a, const char *b)
{
	return a.ptr != NULL && a.len == strlen(b) && memcmp(a.ptr, b, a.len) == 0;
}

/* scope is a list in one string, RFC 8693. */
static bool has_word(struct weir_str text, const char *word)
{
	const char *p = text.ptr, *end = text.ptr + text.len;

	while (p < end) {
		const char *space = memchr(p, ' ', (size_t)(end - p));
		const char *stop = space != NULL ? space : end;

		if (is_same(weir_str_n(p, (size_t)(stop - p)), word))
			return true;
		p = stop + 1;
	}
	return false;
}

static bool equals(const struct weir__jwt_tree *tree, const struct weir__jwt_node *node, const char *wanted)
{
	struct weir_str text;

	if (node->type == WEIR__JWT_ARRAY) {
		for (const struct weir__jwt_node *n = weir__jwt_tree_first(tree, node); n != NULL; n = weir__jwt_tree_next(tree, node, n))
			if (is_same(scalar(tree, n), wanted))
				return true;
		return false;
	}
	text = scalar(tree, node);
	return is_same(text, wanted) || (node->type == WEIR__JWT_STRING && has_word(text, wanted));
}

/* Joined by commas into out, which has WEIR__JWT_TEXT bytes. The length; 0: no value; over WEIR__JWT_TEXT: too long. */
static size_t join(const struct weir__jwt_tree *tree, const struct weir__jwt_node *array, char *out)
{
	size_t used = 0;
	bool any = false;

	for (const struct weir__jwt_node *n = weir__jwt_tree_first(tree, array); n != NULL; n = weir__jwt_tree_next(tree, array, n)) {
		struct weir_str text = scalar(tree, n);

		if (text.ptr == NULL)
			return 0;
		if (used + any + text.len > WEIR__JWT_TEXT)
			return WEIR__JWT_TEXT + 1;
		if (any)
			out[used++] = ',';
		memcpy(out + used, text.ptr, text.len);
		used += text.len;
		any = true;
	}
	return used;
}

static void put(struct weir__jwt_values *values, size_t i, struct weir_str text)
{
	if (text.len > WEIR__JWT_TEXT - values->used) {
		values->too_long |= (uint16_t)(1u << i);
		return;
	}
	if (text.len != 0)
		memcpy(values->text + values->used, text.ptr, text.len);
	values->used += (uint32_t)text.len;
	values->len[i] = (uint8_t)text.len;
}

static void mark(const struct weir__jwt_claim *claim, size_t i, struct weir__jwt_values *values)
{
	struct weir_str text = weir_str_n(values->text + values->used - values->len[i], values->len[i]);

	if (text.len == 0)
		return;
	if (claim->top != NULL)
		values->mark[i] = weir__jwt_top_mark(claim->top, text);
	for (size_t n = 0; n < claim->listed_count && values->mark[i] == 0; n++)
		if (is_same(text, claim->listed[n]))
			values->mark[i] = n + 1;
}

static bool extract(const struct weir__jwt_policy *policy, size_t i, const struct weir__jwt_tree *tree, struct weir__jwt_values *values)
{
	const struct weir__jwt_claim *claim = &policy->claim[i];
	const struct weir__jwt_node *node = weir__jwt_path_find(&claim->path, tree);
	char joined[WEIR__JWT_TEXT], hex[WEIR__JWT_HASH];
	struct weir_str text = {NULL, 0};

	if (node == NULL || (claim->equals != NULL && !equals(tree, node, claim->equals)))
		return claim->equals == NULL && !claim->required;
	if (node->type == WEIR__JWT_ARRAY && !claim->first)
		text = weir_str_n(joined, join(tree, node, joined));
	else if (node->type != WEIR__JWT_ARRAY || (node = weir__jwt_tree_first(tree, node)) != NULL)
		text = scalar(tree, node);
	if (claim->hashed && text.len != 0 && (text.ptr != joined || text.len <= WEIR__JWT_TEXT)) {
		weir__jwt_digest_keyed(weir_str_n(policy->key, sizeof policy->key), text, hex);
		text = weir_str_n(hex, sizeof hex);
	}
	put(values, i, text);
	mark(claim, i, values);
	OPENSSL_cleanse(joined, sizeof joined);
	return text.len != 0 || !claim->required;
}

static void put_member(const struct weir__jwt_tree *tree, const char *name, size_t i, struct weir__jwt_values *values)
{
	const struct weir__jwt_node *node = weir__jwt_tree_member(tree, &tree->nodes[0], weir_str_of(name));

	if (node != NULL && node->type == WEIR__JWT_STRING)
		put(values, i, weir__jwt_tree_text(tree, node));
}

enum weir_jwt_result weir__jwt_policy_extract(const struct weir__jwt_policy *policy, const struct weir__jwt_tree *tree,
                                              struct weir__jwt_values *values)
{
	memset(values, 0, sizeof *values);
	for (size_t i = 0; i < policy->count; i++)
		if (!extract(policy, i, tree, values)) {
			OPENSSL_cleanse(values, sizeof *values);
			return WEIR_JWT_CLAIM;
		}
	put_member(tree, "sub", WEIR__JWT_SUBJECT, values);
	put_member(tree, "iss", WEIR__JWT_ISSUER, values);
	return WEIR_JWT_OK;
}

uint64_t weir__jwt_policy_place(const struct weir__jwt_policy *policy, size_t i, struct weir__jwt_values *values,
                                struct weir_str value, uint64_t now_ns, bool first)
{
	const struct weir__jwt_claim *claim = &policy->claim[i];

	if (values->mark[i] == 0)
		return 0;
	if (claim->top != NULL)
		return weir__jwt_top_place(claim->top, values->mark[i], &values->hint[i], value, now_ns, first);
	return claim->places[values->mark[i] - 1];
}

/* ---- making one -------------------------------------------------------------------------------------------------- */

static int refuse(size_t i, const char *why)
{
	weir_private_log(WEIR_LOG_ERROR, "jwt: claim %zu of the policy: %s", i, why);
	return WEIR_EINVAL;
}

static int check(size_t i, const struct weir_jwt_claim *given)
{
	if (given->reserved_[0] != 0 || given->reserved_[1] != 0)
		return refuse(i, "this version does not know all of its fields");
	if (given->label == NULL && (given->label_values != NULL || given->label_top != 0))
		return refuse(i, "it has values of a label, but no label");
	if (given->label_values != NULL && given->label_top != 0)
		return refuse(i, "a label's values are a list or chosen by traffic, not both");
	if (given->label_top > TOP_MOST)
		return refuse(i, "label_top is over 1000");
	return WEIR_OK;
}

static int make_listed(struct weir__jwt_claim *claim, size_t i, const char *const *values)
{
	size_t count = 0;

	while (values[count] != NULL) {
		size_t len = strlen(values[count++]);

		if (len == 0 || len > WEIR__JWT_TEXT || count > WEIR__JWT_LISTED)
			return refuse(i, "a listed value is empty or over 240 bytes, or there are more than 1000");
	}
	claim->listed = calloc(count + 1, sizeof *claim->listed);
	claim->places = calloc(count + 1, sizeof *claim->places);
	if (claim->listed == NULL || claim->places == NULL)
		return WEIR_ENOMEM;
	for (; claim->listed_count < count; claim->listed_count++) {
		size_t n = claim->listed_count;

		claim->listed[n] = strdup(values[n]);
		if (claim->listed[n] == NULL)
			return WEIR_ENOMEM;
		claim->places[n] = weir_private_place_take(claim->tag, weir_str_of(values[n])); /* for the life of the process */
		if (claim->places[n] == 0)
			weir_private_log(WEIR_LOG_WARN, "jwt: a listed label value has no place left, and counts as other");
	}
	return WEIR_OK;
}

static int make_claim(struct weir__jwt_claim *claim, size_t i, const struct weir_jwt_claim *given, uint64_t idle_ns)
{
	struct weir_private_tag tag = {.name = given->claim, .label = given->label, .attribute = given->attribute,
	                               .absent = given->anonymous != NULL ? given->anonymous : "anonymous"};
	int error = check(i, given);

	if (error != WEIR_OK)
		return error;
	error = weir__jwt_path_make(&claim->path, given->claim);
	if (error == WEIR_EINVAL)
		return refuse(i, "it is neither a name nor a JSON pointer");
	if (error != WEIR_OK)
		return error;
	claim->hashed = given->hashed;
	claim->first = given->first;
	claim->required = given->required;
	if (given->equals != NULL && (claim->equals = strdup(given->equals)) == NULL)
		return WEIR_ENOMEM;
	claim->tag = weir_private_tag_define(&tag);
	if (claim->tag < 0) {
		weir_private_log(WEIR_LOG_ERROR, "jwt: claim %zu of the policy cannot be a label or an attribute: %s", i,
		                 weir_error_text(claim->tag));
		return claim->tag;
	}
	if (given->label_values != NULL)
		return make_listed(claim, i, given->label_values);
	if (given->label != NULL)
		return weir__jwt_top_new(&claim->top, claim->tag, given->label_top != 0 ? given->label_top : TOP_DEFAULT, idle_ns);
	return WEIR_OK;
}

static int make_key(struct weir__jwt_policy *policy, struct weir_str given)
{
	uint64_t digest[4];

	if (given.ptr == NULL)
		return RAND_bytes(policy->key, sizeof policy->key) == 1 ? WEIR_OK : WEIR_ENOMEM;
	if (given.len < KEY_LEAST) {
		weir_private_log(WEIR_LOG_ERROR, "jwt: the key for hashed claims is shorter than 16 bytes");
		return WEIR_EINVAL;
	}
	if (given.len <= sizeof policy->key) { /* filled up with zeros, as HMAC does itself */
		memcpy(policy->key, given.ptr, given.len);
		return WEIR_OK;
	}
	weir__jwt_digest(given, digest);
	memcpy(policy->key, digest, sizeof policy->key);
	OPENSSL_cleanse(digest, sizeof digest);
	return WEIR_OK;
}

int weir__jwt_policy_make(struct weir__jwt_policy *policy, const struct weir_jwt_claim *claims, size_t count,
                          struct weir_str hash_key, uint64_t idle_ns)
{
	int error;

	memset(policy, 0, sizeof *policy);
	if (count > WEIR__JWT_CLAIMS) {
		weir_private_log(WEIR_LOG_ERROR, "jwt: a policy has 8 claims at most");
		return WEIR_EINVAL;
	}
	error = make_key(policy, hash_key);
	while (error == WEIR_OK && policy->count < count) {
		size_t i = policy->count++; /* first, so that what is half made is freed */

		error = make_claim(&policy->claim[i], i, &claims[i], idle_ns);
	}
	if (error != WEIR_OK)
		weir__jwt_policy_free(policy);
	return error;
}

void weir__jwt_policy_free(struct weir__jwt_policy *policy)
{
	for (size_t i = 0; i < policy->count; i++) {
		struct weir__jwt_claim *claim = &policy->claim[i];

		weir__jwt_path_free(&claim->path);
		weir__jwt_top_free(claim->top);
		for (size_t n = 0; n < claim->listed_count; n++)
			free(claim->listed[n]);
		free(claim->listed);
		free(claim->places);
		free(claim->equals);
	}
	OPENSSL_cleanse(policy, sizeof *policy);
}

void weir__jwt_policy_tend(struct weir__jwt_policy *policy, uint64_t now_ns)
{
	for (size_t i = 0; i < policy->count; i++)
		if (policy->claim[i].top != NULL)
			weir__jwt_top_tend(policy->claim[i].top, now_ns);
}
