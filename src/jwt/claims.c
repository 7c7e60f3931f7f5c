/* weir-jwt: the claims' decision. See claims.h. Layer: jwt, pure. Numbers are read digit by digit: no locale, no rounding. */
#define _GNU_SOURCE
#include "claims.h"

#include <string.h>

enum { SECONDS_DIGITS = 16, NANO_DIGITS = 9 };
static const uint64_t most_seconds = UINT64_C(1) << 53;

/* ---- NumericDate ------------------------------------------------------------------------------------------------- */

/* The exponent behind e, held within what matters. */
static int read_exponent(struct weir_str text, size_t at)
{
	bool negative = text.ptr[at] == '-';
	int value = 0;

	if (text.ptr[at] == '-' || text.ptr[at] == '+')
		at++;
	for (; at < text.len; at++)
		if (value < 1000000)
			value = value * 10 + (text.ptr[at] - '0');
	return negative ? -value : value;
}

/* A number of JSON as ns since 1970; false: not from 0 to 2^53 seconds. What 64 bits do not hold is their end. */
static bool read_date(struct weir_str text, uint64_t *ns)
{
	uint64_t seconds = 0, nanos = 0;
	int point = 0, at = 0, nano_digits = 0;
	bool fraction = false;
	size_t end;

	if (text.ptr[0] == '-')
		return false;
	for (end = 0; end < text.len && (text.ptr[end] | 0x20) != 'e'; end++) {
		fraction = fraction || text.ptr[end] == '.';
		point += !fraction;
	}
	if (end < text.len)
		point += read_exponent(text, end + 1);
	for (size_t i = 0; i < end; i++) { /* digit number at stands before the point where at < point */
		unsigned digit = (unsigned)(text.ptr[i] - '0');

		if (text.ptr[i] == '.')
			continue;
		if (at++ < point) {
			seconds = seconds * 10 + digit;
			if (seconds > most_seconds)
				return false;
		} else if (at - point <= NANO_DIGITS) {
			for (; nano_digits < at - point - 1; nano_digits++) /* 0.00 by a negative exponent */
				nanos *= 10;
			nanos = nanos * 10 + digit;
			nano_digits++;
		}
	}
	for (; at < point && seconds != 0; at++) {
		seconds *= 10;
		if (seconds > most_seconds)
			return false;
	}
	for (; nano_digits < NANO_DIGITS; nano_digits++)
		nanos *= 10;
	if (seconds == most_seconds && nanos != 0)
		return false;
	if (__builtin_mul_overflow(seconds, UINT64_C(1000000000), ns) || __builtin_add_overflow(*ns, nanos, ns))
		*ns = UINT64_MAX;
	return true;
}

static const struct weir__jwt_node *claim_of(const struct weir__jwt_tree *tree, const char *name)
{
	const struct weir__jwt_node *node = weir__jwt_tree_member(tree, &tree->nodes[0], weir_str_of(name));

	return node != NULL && node->type != WEIR__JWT_NULL ? node : NULL;
}

/* false: of a wrong type. there: false where there is none. */
static bool date_of(const struct weir__jwt_tree *tree, const char *name, bool *there, uint64_t *ns)
{
	const struct weir__jwt_node *node = claim_of(tree, name);

	*there = node != NULL;
	return node == NULL || (node->type == WEIR__JWT_NUMBER && read_date(weir__jwt_tree_text(tree, node), ns));
}

/* ---- the rules --------------------------------------------------------------------------------------------------- */

static uint64_t plus(uint64_t a, uint64_t b)
{
	return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

static uint64_t minus(uint64_t a, uint64_t b)
{
	return a > b ? a - b : 0;
}

static enum weir_jwt_result read_times(const struct weir__jwt_rules *rules, const struct weir__jwt_tree *tree,
                                       struct weir__jwt_times *times)
{
	uint64_t exp = 0, nbf = 0, iat = 0;
	bool has_exp, has_nbf, has_iat;

	*times = (struct weir__jwt_times){.until_ns = UINT64_MAX, .young_until_ns = UINT64_MAX};
	if (!date_of(tree, "exp", &has_exp, &exp) || !date_of(tree, "nbf", &has_nbf, &nbf) || !date_of(tree, "iat", &has_iat, &iat))
		return WEIR_JWT_CLAIM;
	if ((!has_exp && !rules->allow_no_expiry) || (!has_iat && rules->max_age_ns != 0))
		return WEIR_JWT_CLAIM;
	if (has_exp) {
		times->expiry_ns = exp;
		times->until_ns = plus(exp, rules->leeway_ns);
	}
	if (has_nbf)
		times->from_ns = minus(nbf, rules->leeway_ns);
	if (has_iat && minus(iat, rules->leeway_ns) > times->from_ns)
		times->from_ns = minus(iat, rules->leeway_ns);
	if (rules->max_age_ns != 0)
		times->young_until_ns = plus(plus(plus(iat, rules->max_age_ns), rules->leeway_ns), 1);
	return WEIR_JWT_OK;
}

enum weir_jwt_result weir__jwt_claims_in_time(const struct weir__jwt_times *times, uint64_t now_ns)
{
	if (now_ns >= times->until_ns)
		return WEIR_JWT_EXPIRED;
	if (now_ns < times->from_ns)
		return WEIR_JWT_NOT_YET_VALID;
	return now_ns < times->young_until_ns ? WEIR_JWT_OK : WEIR_JWT_TOO_OLD;
}

static bool is_text(const struct weir__jwt_tree *tree, const struct weir__jwt_node *node, const char *text)
{
	struct weir_str got = weir__jwt_tree_text(tree, node), wanted = weir_str_of(text);

	return got.len == wanted.len && memcmp(got.ptr, wanted.ptr, got.len) == 0;
}

static bool is_string_or_none(const struct weir__jwt_node *node)
{
	return node == NULL || node->type == WEIR__JWT_STRING;
}

static enum weir_jwt_result judge_audience(const struct weir__jwt_rules *rules, const struct weir__jwt_tree *tree,
                                           const struct weir__jwt_node *aud)
{
	bool found = rules->audience == NULL;

	if (aud != NULL && aud->type == WEIR__JWT_ARRAY) {
		for (const struct weir__jwt_node *n = weir__jwt_tree_first(tree, aud); n != NULL; n = weir__jwt_tree_next(tree, aud, n))
			found = found || is_text(tree, n, rules->audience);
	} else if (aud != NULL) {
		found = found || is_text(tree, aud, rules->audience);
	}
	return found ? WEIR_JWT_OK : WEIR_JWT_AUDIENCE;
}

static bool is_audience_or_none(const struct weir__jwt_tree *tree, const struct weir__jwt_node *aud)
{
	if (aud == NULL || aud->type != WEIR__JWT_ARRAY)
		return is_string_or_none(aud);
	for (const struct weir__jwt_node *n = weir__jwt_tree_first(tree, aud); n != NULL; n = weir__jwt_tree_next(tree, aud, n))
		if (n->type != WEIR__JWT_STRING)
			return false;
	return true;
}

enum weir_jwt_result weir__jwt_claims_judge(const struct weir__jwt_rules *rules, const struct weir__jwt_tree *tree, uint64_t now_ns,
                                            struct weir__jwt_times *times)
{
	const struct weir__jwt_node *iss, *aud;
	enum weir_jwt_result result;

	if (tree->nodes[0].type != WEIR__JWT_OBJECT)
		return WEIR_JWT_MALFORMED;
	iss = claim_of(tree, "iss");
	aud = claim_of(tree, "aud");
	if (!is_string_or_none(iss) || !is_string_or_none(claim_of(tree, "sub")) || !is_audience_or_none(tree, aud))
		return WEIR_JWT_CLAIM;
	result = read_times(rules, tree, times);
	if (result == WEIR_JWT_OK)
		result = weir__jwt_claims_in_time(times, now_ns);
	if (result == WEIR_JWT_OK && rules->issuer != NULL && (iss == NULL || !is_text(tree, iss, rules->issuer)))
		result = WEIR_JWT_ISSUER;
	if (result == WEIR_JWT_OK)
		result = judge_audience(rules, tree, aud);
	for (size_t i = 0; i < rules->required_count && result == WEIR_JWT_OK; i++)
		if (weir__jwt_path_find(&rules->required[i], tree) == NULL)
			result = WEIR_JWT_CLAIM;
	return result;
}
