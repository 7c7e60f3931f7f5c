/* weir-jwt: who asks, put into the request's context. See weir/jwt.h. Layer: jwt. A hit copies what the cache has, and allocates
 * nothing. */
#define _GNU_SOURCE
#include "health.h"
#include "probe_auth.h"
#include "verifier.h"

#include <weir/abi/private.h>

#include <openssl/crypto.h>
#include <string.h>
#include <strings.h>
#include <time.h>

enum { RESULT_LABELS = 4, IN_CTX = 8 };

/* What a context keeps as its result: 0 is nobody's. */
static uint32_t kept(enum weir_jwt_result result)
{
	return (uint32_t)result + 1;
}

/* ---- tags of every verifier: who asks, and how it went ----------------------------------------------------------- */

static struct {
	int subject, issuer; /* relaxed: the same for the life of the process; 0: not defined yet */
	/* For refuse, which knows no verifier: the result's labels. Appended under the lock; tag is stored last, with release. */
	struct result_label {
		int tag;
		uint64_t place[WEIR__JWT_RESULTS];
	} result[RESULT_LABELS];
} tags;

int weir__jwt_tags_define(const struct weir_jwt_verifier *v)
{
	const struct weir_private_tag subject = {.name = "weir.jwt.subject"}, issuer = {.name = "weir.jwt.issuer"};
	int s = weir_private_tag_define(&subject), i = weir_private_tag_define(&issuer);

	if (s < 0 || i < 0)
		return s < 0 ? s : i;
	__atomic_store_n(&tags.subject, s, __ATOMIC_RELAXED);
	__atomic_store_n(&tags.issuer, i, __ATOMIC_RELAXED);
	if (v->result_tag == 0)
		return WEIR_OK;
	weir__jwt_lock();
	for (int n = 0; n < RESULT_LABELS; n++) {
		struct result_label *label = &tags.result[n];

		if (label->tag == v->result_tag)
			break;
		if (label->tag != 0)
			continue;
		memcpy(label->place, v->result_place, sizeof label->place);
		__atomic_store_n(&label->tag, v->result_tag, __ATOMIC_RELEASE);
		break;
	}
	weir__jwt_unlock();
	return WEIR_OK;
}

/* ---- Authorization ----------------------------------------------------------------------------------------------- */

/* RFC 9110, 11.4: a scheme in any case, one or more spaces, and RFC 6750's token, whose characters the layer below looks at: a comma,
 * a quote, a space behind it are none. MISSING: another scheme. */
static enum weir_jwt_result bearer(struct weir_str authorization, struct weir_str *token)
{
	static const char scheme[] = "Bearer";
	size_t at = sizeof scheme - 1;

	*token = weir_str_n(NULL, 0);
	if (authorization.ptr == NULL || authorization.len < at || strncasecmp(authorization.ptr, scheme, at) != 0)
		return WEIR_JWT_MISSING;
	if (at == authorization.len)
		return WEIR_JWT_MALFORMED;
	if (authorization.ptr[at] != ' ')
		return WEIR_JWT_MISSING;
	while (at < authorization.len && authorization.ptr[at] == ' ')
		at++;
	if (at == authorization.len)
		return WEIR_JWT_MALFORMED;
	*token = weir_str_n(authorization.ptr + at, authorization.len - at);
	return WEIR_JWT_OK;
}

static uint64_t wall_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_REALTIME, &t);
	return (uint64_t)t.tv_sec * WEIR_S(1) + (uint64_t)t.tv_nsec;
}

/* ---- into the context -------------------------------------------------------------------------------------------- */

static void tag_result(struct weir_ctx *ctx, int tag, const uint64_t *place, enum weir_jwt_result result)
{
	weir_private_ctx_tag(ctx, tag, weir_str_of(weir_jwt_result_text(result)), place[result]);
}

/* The policy's, and who asks as far as the policy leaves room for it. */
static int tag_of(const struct weir_jwt_verifier *v, size_t i)
{
	size_t room = IN_CTX - v->policy.count - (v->result_tag != 0);

	if (i < v->policy.count)
		return v->policy.claim[i].tag;
	if (i == WEIR__JWT_SUBJECT && room >= 1)
		return __atomic_load_n(&tags.subject, __ATOMIC_RELAXED);
	if (i == WEIR__JWT_ISSUER && room >= 2)
		return __atomic_load_n(&tags.issuer, __ATOMIC_RELAXED);
	return 0;
}

static void tag_values(struct weir_ctx *ctx, const struct weir_jwt_verifier *v, struct weir__jwt_values *values, uint64_t now_ns,
                       bool cached)
{
	static const char too_long[WEIR__JWT_TEXT + 1] = {0}; /* has no room in a context: libweir counts it */
	const char *at = values->text;

	for (size_t i = 0; i < WEIR__JWT_VALUES; at += values->len[i++]) {
		struct weir_str value = weir_str_n(at, values->len[i]);
		int tag = tag_of(v, i);

		if ((values->too_long >> i & 1) != 0)
			value = weir_str_n(too_long, sizeof too_long);
		if (tag != 0 && value.len != 0)
			weir_private_ctx_tag(ctx, tag, value,
			                     i < v->policy.count ? weir__jwt_policy_place(&v->policy, i, values, value, now_ns, !cached) : 0);
	}
}

enum weir_jwt_result weir_ctx_authenticate(struct weir_ctx *ctx, struct weir_jwt_verifier *v, struct weir_str authorization)
{
	struct weir__jwt_verified verified;
	uint64_t now = wall_ns();
	struct weir__jwt_seen seen = {.cached = false};
	struct weir_str token;
	enum weir_jwt_result result = bearer(authorization, &token);

	weir__jwt_life_look();
	if (result == WEIR_JWT_OK)
		result = weir__jwt_verifier_check(v, token, now, &verified, &seen);
	weir__jwt_health_result(result);
	weir_private_ctx_tags_begin(ctx, kept(result), result == WEIR_JWT_OK ? verified.times.expiry_ns : 0);
	if (v != NULL && v->result_tag != 0)
		tag_result(ctx, v->result_tag, v->result_place, result);
	if (result == WEIR_JWT_OK) {
		tag_values(ctx, v, &verified.values, now, seen.cached);
		/* behind the places: who finds this token takes none, and would be measured as "other" until there is one */
		weir__jwt_verifier_keep(v, &seen, now, &verified);
	}
	weir__jwt_probe_result(ctx, result, seen.cached);
	return result;
}

enum weir_jwt_result weir_jwt_verify(struct weir_jwt_verifier *v, struct weir_str token)
{
	struct weir__jwt_verified verified;
	enum weir_jwt_result result;
	struct weir__jwt_seen seen;
	uint64_t now = wall_ns();

	weir__jwt_life_look();
	result = weir__jwt_verifier_check(v, token, now, &verified, &seen);
	weir__jwt_verifier_keep(v, &seen, now, &verified);
	weir__jwt_health_result(result);
	return result;
}

void weir_ctx_refuse(struct weir_ctx *ctx, enum weir_jwt_result why)
{
	int tag = 0, label = -1;

	if ((unsigned)why >= WEIR__JWT_RESULTS)
		return;
	weir__jwt_health_result(why);
	for (int n = 0; n < RESULT_LABELS; n++) {
		int now = __atomic_load_n(&tags.result[n].tag, __ATOMIC_ACQUIRE);

		/* the label that the context has; one that nobody has authenticated gets the first */
		if (now != 0 && (label < 0 || weir_private_ctx_tag_value(ctx, now).ptr != NULL)) {
			tag = now;
			label = n;
		}
	}
	weir_private_ctx_tags_refuse(ctx, kept(why), tag);
	if (tag != 0)
		tag_result(ctx, tag, tags.result[label].place, why);
	weir__jwt_probe_result(ctx, why, false);
}

/* ---- what the context knows -------------------------------------------------------------------------------------- */

enum weir_jwt_result weir_ctx_auth_result(const struct weir_ctx *ctx)
{
	uint32_t kept_result = weir_private_ctx_tags_result(ctx, NULL);

	return kept_result != 0 ? (enum weir_jwt_result)(kept_result - 1) : WEIR_JWT_NONE;
}

struct weir_str weir_ctx_auth_claim(const struct weir_ctx *ctx, const struct weir_jwt_verifier *v, size_t index)
{
	return v != NULL && index < v->policy.count ? weir_private_ctx_tag_value(ctx, v->policy.claim[index].tag) : weir_str_n(NULL, 0);
}

struct weir_str weir_ctx_auth_subject(const struct weir_ctx *ctx)
{
	return weir_private_ctx_tag_value(ctx, __atomic_load_n(&tags.subject, __ATOMIC_RELAXED));
}

struct weir_str weir_ctx_auth_issuer(const struct weir_ctx *ctx)
{
	return weir_private_ctx_tag_value(ctx, __atomic_load_n(&tags.issuer, __ATOMIC_RELAXED));
}

uint64_t weir_ctx_auth_expiry_ns(const struct weir_ctx *ctx)
{
	uint64_t expiry = 0;

	weir_private_ctx_tags_result(ctx, &expiry);
	return expiry;
}
