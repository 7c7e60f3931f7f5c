/* L5: what the environment says of traces, read once at weir_init. See environment.h. Empty is unset; what is wrong is told and
 * passed over. Writer of what it sets: weir_init, under the set-up lock. */
#define _GNU_SOURCE
#include "environment.h"

#include "atomic.h"
#include "attr.h"
#include "context.h"
#include "options.h"
#include "sampling.h"
#include "spans.h"
#include "w3c.h"

#include <weir/abi/private.h>

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

static const char *variable(const char *name)
{
	const char *value = getenv(name);

	return value != NULL && value[0] != '\0' ? value : NULL;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* A whole number from least to most, or what else stands. */
static uint64_t number(const char *name, uint64_t least, uint64_t most, uint64_t otherwise)
{
	const char *value = variable(name);
	unsigned long long n;
	char *end;

	if (value == NULL)
		return otherwise;
	errno = 0;
	n = strtoull(value, &end, 10);
	if (*end != '\0' || errno != 0 || !is_digit(value[0]) || n < least || n > most) {
		weir_private_log(WEIR_LOG_WARN, "%s=%.40s is no number from %llu to %llu: %llu is taken", name, value,
		                 (unsigned long long)least, (unsigned long long)most, (unsigned long long)otherwise);
		return otherwise;
	}
	return n;
}

bool weir__environment_disabled(void)
{
	const char *value = variable("OTEL_SDK_DISABLED");

	return value != NULL && strcasecmp(value, "true") == 0;
}

/* Digits with at most one point among them, and an exponent if any: as every locale has it. */
static bool decimal(const char *text, double *out)
{
	bool any = false, negative;
	int exponent = 0;
	double v = 0;

	for (; is_digit(*text); text++, any = true)
		v = v * 10 + (*text - '0');
	if (*text == '.') {
		double scale = 0.1;

		for (text++; is_digit(*text); text++, scale /= 10, any = true)
			v += (*text - '0') * scale;
	}
	if (any && (*text == 'e' || *text == 'E') && text[1] != '\0') {
		negative = text[1] == '-';
		text += text[1] == '-' || text[1] == '+' ? 2 : 1;
		if (!is_digit(*text))
			return false;
		for (; is_digit(*text); text++)
			exponent = exponent < 400 ? exponent * 10 + (*text - '0') : exponent;
		for (; exponent > 0; exponent--)
			v = negative ? v / 10 : v * 10;
	}
	*out = v;
	return any && *text == '\0';
}

static uint32_t ratio(void)
{
	const char *value = variable("OTEL_TRACES_SAMPLER_ARG");
	double share;

	if (value == NULL)
		return 1000000;
	if (!decimal(value, &share) || share > 1) {
		weir_private_log(WEIR_LOG_WARN, "OTEL_TRACES_SAMPLER_ARG=%.40s is no ratio from 0 to 1: 1 is taken", value);
		return 1000000;
	}
	return (uint32_t)(share * 1e6 + 0.5);
}

void weir__environment_sampler(struct weir_sampling *s)
{
	static const struct {
		char name[25];
		uint8_t sampler;
		bool ignore_parent;
	} known[] = {
		{"parentbased_always_on", WEIR_SAMPLER_ALWAYS, false}, {"parentbased_always_off", WEIR_SAMPLER_NEVER, false},
		{"parentbased_traceidratio", WEIR_SAMPLER_RATIO, false}, {"always_on", WEIR_SAMPLER_ALWAYS, true},
		{"always_off", WEIR_SAMPLER_NEVER, true}, {"traceidratio", WEIR_SAMPLER_RATIO, true},
	};
	const char *value;

	if (s->sampler != WEIR_SAMPLER_ENV)
		return;
	s->sampler = WEIR_SAMPLER_ALWAYS;
	value = variable("OTEL_TRACES_SAMPLER");
	for (size_t i = 0; value != NULL && i < sizeof known / sizeof *known; i++)
		if (strcmp(value, known[i].name) == 0) {
			s->sampler = (enum weir_sampler)known[i].sampler;
			s->ignore_parent = s->ignore_parent || known[i].ignore_parent;
			if (s->sampler == WEIR_SAMPLER_RATIO)
				s->ratio_ppm = ratio();
			return;
		}
	if (value != NULL)
		weir_private_log(WEIR_LOG_WARN, "OTEL_TRACES_SAMPLER=%.40s is not known: parentbased_always_on is taken", value);
}

static bool is(struct weir_str word, const char *name)
{
	return word.len == strlen(name) && memcmp(word.ptr, name, word.len) == 0;
}

static struct weir_str list(const char *name)
{
	return weir_str_of(getenv(name));
}

static void propagators(struct weir__propagation *p)
{
	struct weir_str rest = list("OTEL_PROPAGATORS");
	bool known = false;

	p->w3c = p->baggage = p->b3 = p->b3_multi = false;
	while (rest.len != 0) {
		struct weir_str word = weir__list_next(&rest, ',');

		if (is(word, "tracecontext"))
			known = p->w3c = true;
		else if (is(word, "baggage"))
			known = p->baggage = true;
		else if (is(word, "b3"))
			known = p->b3 = true;
		else if (is(word, "b3multi"))
			known = p->b3_multi = true;
		else if (is(word, "none"))
			known = true;
		else if (word.len != 0)
			weir_private_log(WEIR_LOG_WARN, "OTEL_PROPAGATORS has %.*s, which is not known and passed over", (int)word.len,
			                 word.ptr);
	}
	if (!known) /* there is none that is understood, as if nothing stood there */
		p->w3c = p->baggage = true;
}

bool weir__environment_console(void)
{
	struct weir_str rest = list("OTEL_TRACES_EXPORTER");
	bool named = false;

	while (rest.len != 0)
		named = is(weir__list_next(&rest, ','), "console") || named;
	return named;
}

static void limits(void)
{
	uint64_t all = number("OTEL_ATTRIBUTE_COUNT_LIMIT", 0, UINT16_MAX, 128);
	uint64_t len = number("OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", 0, UINT32_MAX, UINT32_MAX);
	struct weir__attr_limits *l = &weir__attr_limits;

	weir__store_relaxed(&l->attrs, (uint32_t)number("OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", 0, UINT16_MAX, all));
	weir__store_relaxed(&l->value_len, (uint32_t)number("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", 0, UINT32_MAX, len));
	weir__store_relaxed(&l->short_attrs, weir__load_relaxed(&l->value_len) < WEIR__SHORT ? 0 : weir__load_relaxed(&l->attrs));
	weir__store_relaxed(&l->events, (uint32_t)number("OTEL_SPAN_EVENT_COUNT_LIMIT", 0, UINT16_MAX, 128));
	weir__store_relaxed(&l->links, (uint32_t)number("OTEL_SPAN_LINK_COUNT_LIMIT", 0, UINT16_MAX, 128));
	weir__store_relaxed(&l->event_attrs, (uint32_t)number("OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", 0, UINT16_MAX, 128));
	weir__store_relaxed(&l->link_attrs, (uint32_t)number("OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", 0, UINT16_MAX, 128));
}

/* Copied for as long as the process: a request may be reading the former list. */
struct keys {
	struct keys *former; /* so that none is out of reach */
	const char *list[];
};
static struct keys *newest;

static int set_baggage_attrs(const char *const *keys)
{
	size_t count = 0, bytes = 0;
	struct keys *made;
	char *text;

	while (keys != NULL && keys[count] != NULL)
		bytes += strlen(keys[count++]) + 1;
	if (count == 0) {
		weir__store_release(&weir__propagation.baggage_attrs, (const char *const *)NULL);
		return WEIR_OK;
	}
	made = calloc(1, sizeof *made + (count + 1) * sizeof *made->list + bytes);
	if (made == NULL)
		return WEIR_ENOMEM;
	text = (char *)(made->list + count + 1);
	for (size_t i = 0; i < count; i++) {
		size_t len = strlen(keys[i]) + 1;

		memcpy(text, keys[i], len);
		made->list[i] = text;
		text += len;
	}
	made->former = newest;
	newest = made;
	weir__store_release(&weir__propagation.baggage_attrs, (const char *const *)made->list);
	return WEIR_OK;
}

int weir__environment_traces(const struct weir_options *o)
{
	struct weir__propagation *p = &weir__propagation;
	struct weir_sampling sampling;
	struct weir__spans_options spans;
	const char *header = o->request_id_header != NULL ? o->request_id_header : "X-Trace-ID";
	size_t len = strlen(header);
	int error;

	if (len >= sizeof p->request_id_header) {
		weir_private_log(WEIR_LOG_ERROR, "weir_init: request_id_header is over %zu bytes", sizeof p->request_id_header - 1);
		return WEIR_EINVAL;
	}
	if (!weir__take_options(&sampling, sizeof sampling, o->sampling, o->sampling != NULL ? o->sampling->size : 0)) {
		weir_private_log(WEIR_LOG_ERROR, "weir_init: the sampling options are not what this version takes");
		return WEIR_EINVAL;
	}
	weir__environment_sampler(&sampling);
	error = weir__sampling_put(&sampling);
	if (error != WEIR_OK) {
		weir_private_log(WEIR_LOG_ERROR, "weir_init: sampling: %s", weir_error_text(error));
		return error;
	}
	memcpy(p->request_id_header, header, len + 1);
	weir__store_relaxed(&p->request_id_header_len, (uint32_t)len);
	weir__store_relaxed(&p->disabled, weir__environment_disabled());
	if (p->disabled)
		weir__store_relaxed(&p->wanted, false); /* an exporter came before weir_init */
	propagators(p);
	limits();
	spans.pool_bytes = o->spans_bytes != 0 ? o->spans_bytes : WEIR_MIB(16);
	if (spans.pool_bytes < WEIR_KIB(64))
		spans.pool_bytes = WEIR_KIB(64);
	spans.queue = o->spans_queue != 0 ? o->spans_queue : (uint32_t)number("OTEL_BSP_MAX_QUEUE_SIZE", 1, WEIR__SPANS_QUEUE_MAX, 2048);
	spans.batch = (uint32_t)number("OTEL_BSP_MAX_EXPORT_BATCH_SIZE", 1, 65536, 512);
	if (spans.batch > spans.queue)
		spans.batch = spans.queue;
	spans.delay_ns = WEIR_MS(number("OTEL_BSP_SCHEDULE_DELAY", 0, 3600000, 5000));
	spans.timeout_ns = WEIR_MS(number("OTEL_BSP_EXPORT_TIMEOUT", 0, 3600000, 30000));
	if (spans.timeout_ns == 0)
		spans.timeout_ns = UINT64_MAX;
	weir__spans_configure(&spans);
	return set_baggage_attrs(o->baggage_attrs);
}
