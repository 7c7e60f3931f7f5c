/* weir-prometheus: negotiation. See negotiate.h. Layer: exporter, pure: constant tables only. */
#define _GNU_SOURCE
#include "negotiate.h"

#include <strings.h>

/* ---- a header's list: name ; key = value ; ..., next ------------------------------------------------------------- */

struct scan {
	const char *at, *end;
};
struct param {
	struct weir_str key, value; /* a quoted value without its quotes, backslashes kept: none of ours has any */
};

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_token(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
	       (c != '\0' && strchr("!#$%&'*+-.^_`|~/", c) != NULL);
}

static void skip_spaces(struct scan *s)
{
	while (s->at < s->end && is_space(*s->at))
		s->at++;
}

static struct weir_str take_token(struct scan *s)
{
	const char *from = s->at;

	while (s->at < s->end && is_token(*s->at))
		s->at++;
	return weir_str_n(from, (size_t)(s->at - from));
}

static struct weir_str take_value(struct scan *s)
{
	const char *from;
	size_t len;

	if (s->at == s->end || *s->at != '"')
		return take_token(s);
	from = ++s->at;
	while (s->at < s->end && *s->at != '"')
		s->at += *s->at == '\\' && s->end - s->at > 1 ? 2 : 1;
	len = (size_t)(s->at - from);
	if (s->at < s->end)
		s->at++;
	return weir_str_n(from, len);
}

/* The next element's name; false at the end. What is empty is passed over. */
static bool next_element(struct scan *s, struct weir_str *name)
{
	for (;;) {
		skip_spaces(s);
		if (s->at == s->end)
			return false;
		if (*s->at == ',') {
			s->at++;
			continue;
		}
		*name = take_token(s);
		return true;
	}
}

/* The element's next parameter; false at its end. A malformed one ends the element, and *broken tells. */
static bool next_param(struct scan *s, struct param *p, bool *broken)
{
	for (;;) {
		skip_spaces(s);
		if (s->at == s->end || *s->at == ',')
			return false;
		if (*s->at != ';')
			break;
		s->at++;
		skip_spaces(s);
		if (s->at == s->end || *s->at == ',' || *s->at == ';')
			continue;
		p->key = take_token(s);
		skip_spaces(s);
		if (p->key.len == 0)
			break;
		p->value = weir_str_n(NULL, 0);
		if (s->at < s->end && *s->at == '=') {
			s->at++;
			skip_spaces(s);
			p->value = take_value(s);
		}
		return true;
	}
	*broken = true;
	for (bool quoted = false; s->at < s->end && (quoted || *s->at != ','); s->at++)
		if (*s->at == '"')
			quoted = !quoted;
	return false;
}

static bool is(struct weir_str s, const char *word)
{
	return s.len == strlen(word) && strncasecmp(s.ptr, word, s.len) == 0;
}

/* qvalue: 0, 1, 0.5, 0.123, 1.000; in thousandths. A digit more is tolerated and has no weight; -1: none of these. */
static int take_q(struct weir_str s)
{
	int q, weight = 100;

	if (s.len == 0 || (s.ptr[0] != '0' && s.ptr[0] != '1'))
		return -1;
	q = (s.ptr[0] - '0') * 1000;
	if (s.len > 1 && s.ptr[1] != '.')
		return -1;
	for (size_t i = 2; i < s.len; i++) {
		if (s.ptr[i] < '0' || s.ptr[i] > '9')
			return -1;
		q += (s.ptr[i] - '0') * weight;
		weight /= 10;
	}
	return q <= 1000 ? q : -1;
}

/* ---- Accept ------------------------------------------------------------------------------------------------------ */

static const struct {
	const char *type, *subtype, *version;
} formats[WEIR__PROM_FORMATS] = {
    [WEIR__TEXT_0_0_4] = {"text", "text/plain", "0.0.4"},
    [WEIR__TEXT_1_0_0] = {"text", "text/plain", "1.0.0"},
    [WEIR__OPENMETRICS_1_0_0] = {"application", "application/openmetrics-text", "1.0.0"},
    [WEIR__PROTOBUF] = {"application", "application/vnd.google.protobuf", ""},
};
enum { SCHEMES = 4, NOT_STATED = SCHEMES };
static const char *const schemes[SCHEMES] = {
    [WEIR__ESCAPE_UNDERSCORES] = "underscores",
    [WEIR__ESCAPE_DOTS] = "dots",
    [WEIR__ESCAPE_VALUES] = "values",
    [WEIR__ESCAPE_UTF8] = "allow-utf-8",
};

/* In order of preference among what a header names alike: a scheme for names is understood from 1.0.0 on. */
static const uint8_t preference[] = {WEIR__TEXT_0_0_4, WEIR__TEXT_1_0_0, WEIR__OPENMETRICS_1_0_0, WEIR__PROTOBUF};
static const uint8_t preference_stated[] = {WEIR__TEXT_1_0_0, WEIR__TEXT_0_0_4, WEIR__OPENMETRICS_1_0_0,
                                             WEIR__PROTOBUF};

struct range {
	struct weir_str type, version;
	int scheme;
	int q;
	bool foreign; /* of a charset that we do not write */
	bool message, delimited; /* protobuf: that it is our message, and how messages are told apart */
};
struct match {
	int closeness; /* 0: no range matches */
	int q;
	unsigned order;
};

static int scheme_of(struct weir_str value)
{
	for (int i = 0; i < SCHEMES; i++)
		if (is(value, schemes[i]))
			return i;
	/* not known: the default is understood by all */
	return is(value, "allow-utf8") ? WEIR__ESCAPE_UTF8 : NOT_STATED;
}

static bool next_range(struct scan *s, struct range *r)
{
	struct param p;
	bool broken;

	if (!next_element(s, &r->type))
		return false;
	broken = r->type.len == 0;
	r->version = weir_str_n(NULL, 0);
	r->scheme = NOT_STATED;
	r->q = 1000;
	r->foreign = r->message = r->delimited = false;
	while (next_param(s, &p, &broken)) {
		if (is(p.key, "q"))
			r->q = take_q(p.value);
		else if (is(p.key, "version"))
			r->version = p.value;
		else if (is(p.key, "escaping"))
			r->scheme = scheme_of(p.value);
		else if (is(p.key, "charset"))
			r->foreign = !is(p.value, "utf-8") && !is(p.value, "utf8");
		else if (is(p.key, "proto"))
			r->message = is(p.value, "io.prometheus.client.MetricFamily");
		else if (is(p.key, "encoding"))
			r->delimited = is(p.value, "delimited");
	}
	if (broken)
		r->q = -1;
	return true;
}

/* How closely the range names a variant: 0 not at all; its type, half its type, or anything; more with each
 * parameter. */
static int closeness(const struct range *r, unsigned format, int scheme)
{
	size_t type_len = strlen(formats[format].type);
	int close;

	if (is(r->type, formats[format].subtype))
		close = 9;
	else if (r->type.len == type_len + 2 && strncasecmp(r->type.ptr, formats[format].type, type_len) == 0 &&
	         memcmp(r->type.ptr + type_len, "/*", 2) == 0)
		close = 5;
	else if (is(r->type, "*/*"))
		close = 1;
	else
		return 0;
	if (r->version.ptr != NULL) {
		if (!is(r->version, formats[format].version))
			return 0;
		close++;
	}
	if (format == WEIR__PROTOBUF && close == 9 && !(r->message && r->delimited)) /* any message is of that type */
		return 0;
	if (r->foreign || r->scheme != scheme)
		return 0;
	return scheme != NOT_STATED ? close + 1 : close;
}

static bool is_better(const struct match *a, const struct match *b)
{
	if (a->q != b->q)
		return a->q > b->q;
	if (a->closeness != b->closeness)
		return a->closeness > b->closeness;
	return a->order < b->order;
}

static struct weir__prom_variant variant_of(unsigned format, int scheme)
{
	return (struct weir__prom_variant){
	    .format = (uint8_t)format,
	    .escaping = scheme == NOT_STATED ? WEIR__ESCAPE_UNDERSCORES : (uint8_t)scheme,
	    .stated = scheme != NOT_STATED,
	};
}

bool weir__prom_negotiate(struct weir__prom_variant *out, const char *accept, size_t len)
{
	struct match found[WEIR__PROM_FORMATS][SCHEMES + 1] = {{{0, 0, 0}}}, best = {0, 0, 0};
	struct scan s = {accept, accept != NULL ? accept + len : NULL};
	struct range r;
	unsigned ranges = 0;

	*out = variant_of(WEIR__TEXT_0_0_4, NOT_STATED);
	while (accept != NULL && next_range(&s, &r)) {
		if (r.q < 0) /* malformed: as if it were not there */
			continue;
		ranges++;
		for (unsigned f = 0; f < WEIR__PROM_FORMATS; f++)
			for (int k = 0; k <= SCHEMES; k++) {
				struct match m = {closeness(&r, f, k), r.q, ranges}, *old = &found[f][k];

				/* the range that names a variant most closely decides on it */
				if (m.closeness > old->closeness ||
				    (m.closeness != 0 && m.closeness == old->closeness && m.q > old->q))
					*old = m;
			}
	}
	if (ranges == 0)
		return true;
	for (int k = SCHEMES; k >= 0; k--)
		for (unsigned i = 0; i < WEIR__PROM_FORMATS; i++) {
			unsigned f = k == NOT_STATED ? preference[i] : preference_stated[i];

			if (found[f][k].q > 0 && is_better(&found[f][k], &best)) {
				best = found[f][k];
				*out = variant_of(f, k);
			}
		}
	return best.q > 0;
}

unsigned weir__prom_variant_index(struct weir__prom_variant variant)
{
	return variant.format * 5u + (variant.stated ? variant.escaping : 4u);
}

/* From version 1.0.0 on the scheme is always told. */
const char *weir__prom_content_type(struct weir__prom_variant variant)
{
#define TEXT "text/plain; version=0.0.4; charset=utf-8"
#define TEXT_1 "text/plain; version=1.0.0; charset=utf-8"
#define OPENMETRICS "application/openmetrics-text; version=1.0.0; charset=utf-8"
#define PROTOBUF                                                                                                       \
	"application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited"
#define SCHEMES_OF(type)                                                                                               \
	type "; escaping=underscores", type "; escaping=dots", type "; escaping=values", type "; escaping=allow-utf-8"
	static const char *const types[WEIR__PROM_VARIANTS] = {
	    SCHEMES_OF(TEXT),        TEXT, /* not stated */
	    SCHEMES_OF(TEXT_1),      TEXT_1 "; escaping=underscores",
	    SCHEMES_OF(OPENMETRICS), OPENMETRICS "; escaping=underscores",
	    SCHEMES_OF(PROTOBUF),    PROTOBUF, /* not stated */
	};
	return types[weir__prom_variant_index(variant)];
}

/* ---- Accept-Encoding --------------------------------------------------------------------------------------------- */

enum weir__prom_coding weir__prom_negotiate_coding(const char *accept_encoding, size_t len)
{
	struct scan s = {accept_encoding, accept_encoding != NULL ? accept_encoding + len : NULL};
	int gzip = -1, identity = -1, any = -1;
	struct weir_str name;
	struct param p;

	while (accept_encoding != NULL && next_element(&s, &name)) {
		bool broken = false;
		int q = 1000, *of = is(name, "gzip") || is(name, "x-gzip") ? &gzip
		                    : is(name, "identity")                 ? &identity
		                    : is(name, "*")                        ? &any
		                                                           : NULL;

		while (next_param(&s, &p, &broken))
			if (is(p.key, "q"))
				q = take_q(p.value);
		if (of != NULL && !broken && q > *of)
			*of = q;
	}
	if (gzip < 0)
		gzip = any;
	if (gzip > 0 && gzip >= identity)
		return WEIR__GZIP;
	/* what is not named is taken, unless * refuses it */
	return identity > 0 || (identity < 0 && any != 0) ? WEIR__IDENTITY : WEIR__NO_CODING;
}
