/* L3: sampling. See sampling.h. */
#include "sampling.h"

#include "atomic.h"
#include "port.h"

#include <stdlib.h>
#include <string.h>

enum { TRIES = 16 };

static struct weir__sampling by_default = {.always = true, .keep_bytes = WEIR_MIB(8)};
struct weir__sampling *weir__sampling_current = &by_default;
static struct weir__sampling *newest;                /* under the set-up lock */
static uint64_t second; /* the monotonic second above, how many were sampled in it below. Any thread, by compare-and-swap */

static uint64_t threshold_of(uint32_t ppm)
{
	return WEIR__NEVER - (uint64_t)((double)ppm / 1e6 * (double)WEIR__NEVER + 0.5);
}

static bool copy_text(char **to, size_t *len, const char *text)
{
	*len = text != NULL ? strlen(text) : 0;
	*to = text != NULL ? malloc(*len + 1) : NULL;
	if (*to != NULL)
		memcpy(*to, text, *len + 1);
	return text == NULL || *to != NULL;
}

static void discard(struct weir__sampling *s)
{
	for (size_t i = 0; i < s->rules_count; i++) {
		free(s->rules[i].name_prefix);
		free(s->rules[i].attr_key);
		free(s->rules[i].attr_prefix);
	}
	free(s);
}

int weir__sampling_put(const struct weir_sampling *given)
{
	struct weir__sampling *s;
	bool copied = true;

	if (given->ratio_ppm > 1000000 || given->rules_count > WEIR__RULES_MAX || given->sampler > WEIR_SAMPLER_RATIO ||
	    (given->rules == NULL && given->rules_count != 0))
		return WEIR_EINVAL;
	for (size_t i = 0; i < given->rules_count; i++)
		if (given->rules[i].ratio_ppm > 1000000 || given->rules[i].kind > WEIR_CONSUMER)
			return WEIR_EINVAL;
	s = calloc(1, sizeof *s + given->rules_count * sizeof *s->rules);
	if (s == NULL)
		return WEIR_ENOMEM;
	s->always = given->sampler == WEIR_SAMPLER_ALWAYS;
	s->never = given->sampler == WEIR_SAMPLER_NEVER;
	s->threshold = s->always ? 0 : s->never ? WEIR__NEVER : threshold_of(given->ratio_ppm);
	s->per_second = given->per_second;
	s->ignore_parent = given->ignore_parent;
	s->keep_failed = given->keep_failed;
	s->keep_slow = given->keep_slow;
	s->keep_bytes = given->keep_bytes != 0 ? given->keep_bytes : WEIR_MIB(8);
	s->rules_count = given->rules_count;
	s->refuses = s->threshold >= WEIR__NEVER && s->rules_count == 0 && !s->keep_failed && !s->keep_slow;
	for (size_t i = 0; i < given->rules_count; i++) {
		const struct weir_sampling_rule *from = &given->rules[i];
		struct weir__rule *to = &s->rules[i];

		copied = copy_text(&to->name_prefix, &to->name_len, from->name_prefix) && copied;
		copied = copy_text(&to->attr_key, &to->key_len, from->attr_key) && copied;
		copied = copy_text(&to->attr_prefix, &to->prefix_len, from->attr_prefix) && copied;
		to->kind = from->kind;
		to->threshold = threshold_of(from->ratio_ppm);
	}
	if (!copied) {
		discard(s);
		return WEIR_ENOMEM;
	}
	s->former = newest; /* a thread may be reading it still */
	newest = s;
	weir__store_release(&weir__sampling_current, s);
	return WEIR_OK;
}

static bool matches(const struct weir__rule *rule, enum weir_span_kind kind, struct weir_str name, struct weir_attrs attrs)
{
	if (rule->kind != 0 && rule->kind != kind)
		return false;
	if (rule->name_len != 0 && (name.len < rule->name_len || memcmp(name.ptr, rule->name_prefix, rule->name_len) != 0))
		return false;
	if (rule->key_len == 0)
		return true;
	for (size_t i = 0; attrs.ptr != NULL && i < attrs.count; i++) {
		const struct weir_attr *a = &attrs.ptr[i];

		if (a->type == WEIR_ATTR_STR && a->key.ptr != NULL && a->key.len == rule->key_len && memcmp(a->key.ptr, rule->attr_key, rule->key_len) == 0)
			return rule->prefix_len == 0 ||
			       (a->as.str.ptr != NULL && a->as.str.len >= rule->prefix_len && memcmp(a->as.str.ptr, rule->attr_prefix, rule->prefix_len) == 0);
	}
	return false;
}

/* At a full second's end the count begins anew; where others are at it all the time the answer is no. */
static bool has_room(uint32_t per_second)
{
	uint32_t now = (uint32_t)(weir__clock_ns() / WEIR_S(1)) | 1u << 31; /* never 0 */
	uint64_t seen = weir__load_relaxed(&second);

	for (int tries = 0; tries < TRIES; tries++) {
		uint64_t next = (uint32_t)(seen >> 32) == now ? seen + 1 : (uint64_t)now << 32 | 1;

		if ((uint32_t)next > per_second)
			return false;
		if (weir__cas_relaxed(&second, &seen, next))
			return true;
	}
	return false;
}

bool weir__sampling_decide(const struct weir__sampling *s, uint64_t randomness, enum weir_span_kind kind, struct weir_str name,
                           struct weir_attrs attrs, uint64_t *threshold)
{
	uint64_t limit = s->threshold;

	*threshold = UINT64_MAX;
	for (size_t i = 0; i < s->rules_count; i++)
		if (matches(&s->rules[i], kind, name, attrs)) {
			limit = s->rules[i].threshold;
			break;
		}
	if (limit == 0 && s->per_second == 0)
		return true;
	if (randomness < limit)
		return false;
	if (s->per_second != 0)
		return has_room(s->per_second); /* with what probability is not known, so that nothing is said of it */
	*threshold = limit;
	return true;
}
