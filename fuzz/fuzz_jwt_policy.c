/* A payload, and a policy to look at it with: the input's first line is the policy (a flag byte and a name or pointer a claim, behind
 * spaces), the rest is the payload. What leaves is bounded, whole, and the same from a cache. */
#define _GNU_SOURCE
#include "cache.h"
#include "claims.h"
#include "digest.h"
#include "policy.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fail_unless(bool ok)
{
	if (!ok)
		abort();
}

/* No label, so that the process is not filled with tags' labels; the paths are what is parsed. */
static size_t read_policy(struct weir__jwt_policy *policy, char *line)
{
	for (char *word = strtok(line, " "); word != NULL && policy->count < WEIR__JWT_CLAIMS; word = strtok(NULL, " ")) {
		struct weir__jwt_claim *claim = &policy->claim[policy->count];
		char *equals;

		if (word[1] == '\0')
			continue;
		equals = strchr(word + 1, '=');
		if (equals != NULL)
			*equals++ = '\0';
		if (weir__jwt_path_make(&claim->path, word + 1) != WEIR_OK)
			continue;
		claim->first = (word[0] & 1) != 0;
		claim->hashed = (word[0] & 2) != 0;
		claim->required = (word[0] & 4) != 0;
		claim->equals = equals != NULL ? strdup(equals) : NULL;
		policy->count++;
	}
	return policy->count;
}

static void look(const struct weir__jwt_policy *policy, const struct weir__jwt_tree *tree)
{
	static struct weir__jwt_cache *cache;
	struct weir__jwt_rules rules = {.leeway_ns = WEIR_S(60), .max_age_ns = WEIR_S(3600)};
	struct weir__jwt_verified verified, found;
	uint64_t digest[4], now = WEIR_S(UINT64_C(1700000000));
	size_t used = 0;

	memset(&verified, 0, sizeof verified);
	if (cache == NULL)
		fail_unless(weir__jwt_cache_new(&cache, 16) == WEIR_OK);
	weir__jwt_claims_judge(&rules, tree, now, &verified.times);
	rules = (struct weir__jwt_rules){.allow_no_expiry = true};
	if (weir__jwt_claims_judge(&rules, tree, now, &verified.times) != WEIR_JWT_OK)
		return;
	fail_unless(verified.times.from_ns <= now && verified.times.until_ns > now);
	if (weir__jwt_policy_extract(policy, tree, &verified.values) != WEIR_JWT_OK)
		return;
	for (int i = 0; i < WEIR__JWT_VALUES; i++)
		used += verified.values.len[i];
	fail_unless(used == verified.values.used && used <= WEIR__JWT_TEXT);
	weir__jwt_digest(weir_str_n(tree->bytes, 16), digest);
	weir__jwt_cache_keep(cache, digest, 1, now, &verified);
	fail_unless(weir__jwt_cache_find(cache, digest, 1, now, &found));
	fail_unless(memcmp(&found, &verified, offsetof(struct weir__jwt_verified, values.text) + used) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct weir__jwt_tree tree;
	const uint8_t *line = memchr(data, '\n', size);
	struct weir__jwt_policy policy;
	char text[256], *payload;
	size_t len;

	if (line == NULL || (size_t)(line - data) >= sizeof text)
		return 0;
	memset(&policy, 0, sizeof policy);
	memcpy(text, data, (size_t)(line - data));
	text[line - data] = '\0';
	read_policy(&policy, text);
	len = size - (size_t)(line - data) - 1;
	payload = malloc(len + 16);
	if (payload == NULL)
		return 0;
	memcpy(payload, line + 1, len);
	memset(payload + len, 0, 16);
	if (weir__jwt_tree_read(&tree, payload, len))
		look(&policy, &tree);
	free(payload);
	for (size_t i = 0; i < policy.count; i++) {
		weir__jwt_path_free(&policy.claim[i].path);
		free(policy.claim[i].equals);
	}
	return 0;
}
