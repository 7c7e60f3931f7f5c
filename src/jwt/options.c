/* weir-jwt: a verifier's options, checked and copied. See verifier.h. Layer: jwt. What is refused is said in the log, and never a key. */
#define _GNU_SOURCE
#include "verifier.h"

#include <weir/abi/private.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

enum { BYTES = 16384, BYTES_MOST = 65536, SLOTS = 4096, SLOTS_MOST = 1 << 20, REQUIRED_MOST = 64 };
enum { LEEWAY_MOST_S = 300, REFRESH_S = 300, GRACE_S = 600, IDLE_S = 600 };

static int refuse(const char *why)
{
	weir_private_log(WEIR_LOG_ERROR, "jwt: the verifier's options: %s", why);
	return WEIR_EINVAL;
}

/* As far as the caller's version goes; what is past ours must be zero. */
static bool take_sized(struct weir_jwt_options *out, const struct weir_jwt_options *given)
{
	const size_t known = sizeof *out;

	memset(out, 0, sizeof *out);
	if (given == NULL || given->size < sizeof given->size)
		return false;
	for (size_t i = known; i < given->size; i++)
		if (((const char *)given)[i] != 0)
			return false;
	memcpy(out, given, given->size < known ? given->size : known);
	for (size_t i = 0; i < sizeof out->reserved_ / sizeof *out->reserved_; i++)
		if (out->reserved_[i] != 0)
			return false;
	return true;
}

static int check(const struct weir_jwt_options *o)
{
	if ((o->keys != NULL) + (o->jwks_path != NULL) + (o->jwks_url != NULL) != 1)
		return refuse("one of keys, jwks_path and jwks_url is needed");
	if ((o->jwks_url != NULL) != (o->fetch != NULL))
		return refuse("jwks_url and fetch belong together (weir_otlp_fetch, for instance)");
	if (o->keys != NULL && weir_jwks_count(o->keys) == 0)
		return refuse("the key set is empty");
	if (o->leeway_ns > WEIR_S((uint64_t)LEEWAY_MOST_S))
		return refuse("leeway_ns is over 5 minutes");
	if (o->max_bytes > BYTES_MOST)
		return refuse("max_bytes is over 64 KiB");
	if (o->cache_slots > SLOTS_MOST)
		return refuse("cache_slots is over 1048576");
	if (o->claims_count != 0 && o->claims == NULL)
		return refuse("claims_count without claims");
	if (o->claims_count > WEIR__JWT_CLAIMS - (o->result_label != NULL))
		return refuse("a request has 8 values at most: 8 claims, or 7 and result_label");
	return WEIR_OK;
}

/* NULL stays NULL; false: no memory. */
static bool copy(char **to, const char *text)
{
	*to = text != NULL ? strdup(text) : NULL;
	return text == NULL || *to != NULL;
}

/* What a daemon's chdir would change. Links stay as they are: the file is replaced by changing them, too. */
static bool copy_path(char **to, const char *path)
{
	char *here;
	int len;

	if (path == NULL || path[0] == '/')
		return copy(to, path);
	here = getcwd(NULL, 0);
	if (here == NULL)
		return copy(to, path);
	len = asprintf(to, "%s/%s", here, path);
	free(here);
	if (len < 0)
		*to = NULL;
	return len >= 0;
}

static int take_required(struct weir__jwt_rules *rules, const char *const *names)
{
	size_t count = 0;

	while (names != NULL && names[count] != NULL)
		if (++count > REQUIRED_MOST)
			return refuse("more than 64 required claims");
	if (count == 0)
		return WEIR_OK;
	rules->required = calloc(count, sizeof *rules->required);
	if (rules->required == NULL)
		return WEIR_ENOMEM;
	for (; rules->required_count < count; rules->required_count++) {
		int error = weir__jwt_path_make(&rules->required[rules->required_count], names[rules->required_count]);

		if (error != WEIR_OK)
			return error == WEIR_EINVAL ? refuse("a required claim is neither a name nor a JSON pointer") : error;
	}
	return WEIR_OK;
}

/* Every result has its place, for the life of the process. */
static int take_result_label(struct weir_jwt_verifier *v, const char *label)
{
	const struct weir_private_tag tag = {.name = "weir.jwt.result", .label = label, .absent = weir_jwt_result_text(WEIR_JWT_NONE)};

	if (label == NULL)
		return WEIR_OK;
	v->result_tag = weir_private_tag_define(&tag);
	if (v->result_tag < 0) {
		int error = v->result_tag;

		v->result_tag = 0;
		weir_private_log(WEIR_LOG_ERROR, "jwt: result_label cannot be a label: %s", weir_error_text(error));
		return error;
	}
	for (int i = 0; i < WEIR__JWT_RESULTS; i++)
		v->result_place[i] =
		    weir_private_place_take(v->result_tag, weir_str_of(weir_jwt_result_text((enum weir_jwt_result)i)));
	return WEIR_OK;
}

static int take(struct weir_jwt_verifier *v, const struct weir_jwt_options *o)
{
	struct weir__jwt_source *s = &v->source;
	int error;

	if (!copy(&v->rules.issuer, o->issuer) || !copy(&v->rules.audience, o->audience) || !copy(&v->type, o->type) ||
	    !copy_path(&s->path, o->jwks_path) || !copy(&s->url, o->jwks_url))
		return WEIR_ENOMEM;
	v->rules.leeway_ns = o->leeway_ns;
	v->rules.max_age_ns = o->max_age_ns;
	v->rules.allow_no_expiry = o->allow_no_expiry;
	v->max_bytes = o->max_bytes != 0 ? o->max_bytes : BYTES;
	s->fetch = o->fetch;
	s->fetch_arg = o->fetch_arg;
	s->refresh_ns = o->refresh_ns != 0 ? o->refresh_ns : WEIR_S((uint64_t)REFRESH_S);
	s->grace_ns = o->grace_ns != 0 ? o->grace_ns : WEIR_S((uint64_t)GRACE_S);
	error = take_required(&v->rules, o->required);
	if (error == WEIR_OK)
		error = take_result_label(v, o->result_label);
	if (error == WEIR_OK)
		error = weir__jwt_policy_make(&v->policy, o->claims, o->claims_count, o->hash_key,
		                              o->idle_ns != 0 ? o->idle_ns : WEIR_S((uint64_t)IDLE_S));
	if (error == WEIR_OK && !o->no_cache)
		error = weir__jwt_cache_new(&v->cache, o->cache_slots != 0 ? o->cache_slots : SLOTS);
	return error;
}

int weir__jwt_options_take(struct weir_jwt_verifier *v, const struct weir_jwt_options *given)
{
	struct weir_jwt_options o;
	int error;

	if (!take_sized(&o, given))
		return refuse("they are not what this version takes");
	error = check(&o);
	return error == WEIR_OK ? take(v, &o) : error;
}
