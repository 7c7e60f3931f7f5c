/* Fuzz: the environment, from any bytes: each line is a variable, its first byte says which. What weir takes of it is within
 * its limits, whatever stands there, and the resource is whole. */
#define _GNU_SOURCE
#include "attr.h"
#include "context.h"
#include "environment.h"
#include "log.h"
#include "sampling.h"
#include "snapshot.h"
#include "spans.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const names[] = {
	"OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG", "OTEL_PROPAGATORS", "OTEL_SDK_DISABLED", "OTEL_ATTRIBUTE_COUNT_LIMIT",
	"OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT",
	"OTEL_SPAN_EVENT_COUNT_LIMIT", "OTEL_SPAN_LINK_COUNT_LIMIT", "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT",
	"OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_BSP_MAX_EXPORT_BATCH_SIZE", "OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_EXPORT_TIMEOUT",
	"OTEL_RESOURCE_ATTRIBUTES", "OTEL_SERVICE_NAME", "OTEL_LOG_LEVEL", "OTEL_METRIC_EXPORT_INTERVAL",
};
enum { NAMES = sizeof names / sizeof *names };

static void must(bool holds)
{
	if (!holds)
		abort();
}

static void pass_over(void *arg, enum weir_log_level level, const char *text)
{
	(void)arg, (void)level;
	must(strlen(text) < 4096);
}

static void check_resource(void)
{
	const struct weir_attrs *r = weir__resource();
	bool service = false, sdk = false;

	must(r != NULL && r->count >= 4 && r->count <= 128);
	for (size_t i = 0; i < r->count; i++) {
		const struct weir_attr *a = &r->ptr[i];

		must(a->key.ptr != NULL && a->key.len != 0);
		must(a->type != WEIR_ATTR_STR || a->as.str.ptr != NULL);
		service = service || (a->key.len == 12 && memcmp(a->key.ptr, "service.name", 12) == 0);
		sdk = sdk || (a->key.len == 18 && memcmp(a->key.ptr, "telemetry.sdk.name", 18) == 0);
		for (size_t n = 0; n < i; n++) /* each key once */
			must(a->key.len != r->ptr[n].key.len || memcmp(a->key.ptr, r->ptr[n].key.ptr, a->key.len) != 0);
	}
	must(service && sdk);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct weir__attr_limits *l = &weir__attr_limits;
	struct weir__spans_options s;
	struct weir_options o = {.size = sizeof o};
	char *text = malloc(size + 1), *at = text, *end = text + size;
	enum weir_log_level level;
	uint64_t interval;

	must(text != NULL);
	memcpy(text, data, size);
	*end = '\0';
	weir__log_set(pass_over, NULL, WEIR_LOG_DEBUG);
	for (int i = 0; i < NAMES; i++)
		unsetenv(names[i]);
	while (at < end) {
		char *stop = memchr(at, '\n', (size_t)(end - at));

		stop = stop != NULL ? stop : end;
		*stop = '\0';
		if (stop != at)
			setenv(names[(uint8_t)*at % NAMES], at + 1, 1);
		at = stop + 1;
	}
	must(weir__environment_traces(&o) == WEIR_OK);
	s = weir__spans_options();
	must(weir__sampling()->threshold <= WEIR__NEVER);
	must(!weir__sampling()->always || weir__sampling()->threshold == 0);
	must(!weir__sampling()->never || weir__sampling()->threshold == WEIR__NEVER);
	must(l->attrs <= UINT16_MAX && l->events <= UINT16_MAX && l->links <= UINT16_MAX);
	must(l->event_attrs <= UINT16_MAX && l->link_attrs <= UINT16_MAX);
	must(s.queue >= 1 && s.batch >= 1 && s.batch <= s.queue && s.pool_bytes >= WEIR_KIB(64));
	must(s.delay_ns <= WEIR_S(3600) && s.timeout_ns != 0);
	must(weir__propagation.request_id_header_len < sizeof weir__propagation.request_id_header);
	level = weir__environment_log_level();
	must(level >= WEIR_LOG_NONE && level <= WEIR_LOG_DEBUG);
	interval = weir__environment_ns("OTEL_METRIC_EXPORT_INTERVAL", 60000);
	must(interval >= WEIR_MS(1) && interval <= WEIR_S(86400));
	must(weir__environment_resource(&o) == WEIR_OK);
	check_resource();
	free(text);
	return 0;
}
