/* What the unit tests of traces see by: an exporter of one's own that keeps a copy of each ended span, and a setter that keeps
 * each header that goes out. For the processes of cases only (alone.h); weir has no thread of its own there, so that what was
 * ended before a look is seen by it.
 *
 * Invariant: what is kept stays until the process ends. Include it last, in place of alone.h. */
#ifndef WITNESS_H
#define WITNESS_H

#include <weir/exporter.h>

#include "alone.h"

enum { SEEN_MAX = 20000, SENT_MAX = 16 };

struct seen {
	struct weir_ended e; /* what it points to is the copy's own */
	char name[256], failure[256], tracestate[600];
};
static struct seen *seen_list[SEEN_MAX];
static size_t seen_count;

static inline void *seen_copy(const void *from, size_t bytes)
{
	void *to = malloc(bytes != 0 ? bytes : 1);

	assert_non_null(to);
	if (bytes != 0)
		memcpy(to, from, bytes);
	return to;
}

static inline struct weir_attrs seen_attrs(struct weir_attrs from)
{
	struct weir_attr *to = seen_copy(from.ptr, from.count * sizeof *to);

	for (size_t i = 0; i < from.count; i++) {
		to[i].key.ptr = seen_copy(to[i].key.ptr, to[i].key.len);
		if (to[i].type == WEIR_ATTR_STR || to[i].type == WEIR_ATTR_BYTES) {
			to[i].as.str.ptr = seen_copy(to[i].as.str.ptr, to[i].as.str.len);
		} else if (to[i].type == WEIR_ATTR_STRS) {
			struct weir_str *list = seen_copy(to[i].as.list.ptr, to[i].as.list.count * sizeof *list);

			for (size_t n = 0; n < to[i].as.list.count; n++)
				list[n].ptr = seen_copy(list[n].ptr, list[n].len);
			to[i].as.list.ptr = list;
		} else if (to[i].type >= WEIR_ATTR_BOOLS) {
			size_t each = to[i].type == WEIR_ATTR_BOOLS ? sizeof(bool) : 8;

			to[i].as.list.ptr = seen_copy(to[i].as.list.ptr, to[i].as.list.count * each);
		}
	}
	return (struct weir_attrs){to, from.count};
}

static inline int see_spans(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	struct weir_ended ended;

	(void)arg, (void)timeout_ns;
	for (weir_ended_begin(&ended, batch); weir_ended_next(&ended);) {
		struct seen *s = calloc(1, sizeof *s);
		struct weir_event *events = seen_copy(ended.events, ended.events_count * sizeof *events);
		struct weir_link *links = seen_copy(ended.links, ended.links_count * sizeof *links);

		assert_non_null(s);
		assert_true(seen_count < SEEN_MAX);
		s->e = ended;
		assert_true(ended.name.len < sizeof s->name);
		memcpy(s->name, ended.name.ptr, ended.name.len);
		snprintf(s->failure, sizeof s->failure, "%.*s", (int)ended.failure.len, ended.failure.len != 0 ? ended.failure.ptr : "");
		snprintf(s->tracestate, sizeof s->tracestate, "%.*s", (int)ended.tracestate.len, ended.tracestate.ptr);
		s->e.attrs = seen_attrs(ended.attrs);
		for (size_t i = 0; i < ended.events_count; i++) {
			events[i].name.ptr = seen_copy(events[i].name.ptr, events[i].name.len);
			events[i].attrs = seen_attrs(events[i].attrs);
		}
		for (size_t i = 0; i < ended.links_count; i++)
			links[i].attrs = seen_attrs(links[i].attrs);
		s->e.events = events;
		s->e.links = links;
		s->e.links_dropped_attrs = seen_copy(ended.links_dropped_attrs, ended.links_count * sizeof(uint64_t));
		seen_list[seen_count++] = s;
	}
	return WEIR_OK;
}

/* weir is started as o says, but without a thread of its own, and what ends is seen. NULL: as it comes. */
static inline struct weir_exporter *witness(const struct weir_options *given)
{
	struct weir_exporter_options e = {.size = sizeof e, .name = "witness", .spans = see_spans};
	struct weir_options o = {.size = sizeof o};
	struct weir_exporter *exporter = NULL;

	if (given != NULL)
		o = *given;
	o.no_thread = o.no_process = true;
	o.log = say_to_test;
	if (o.spans_queue == 0)
		o.spans_queue = SEEN_MAX;
	assert_int_equal(weir_init(&o), WEIR_OK);
	assert_int_equal(weir_exporter_new(&exporter, &e), WEIR_OK);
	return exporter;
}

static inline size_t see_all(void)
{
	assert_int_equal(weir_flush(WEIR_S(20)), WEIR_OK);
	return seen_count;
}

/* The one ended span of that name. */
static inline const struct weir_ended *see(const char *name)
{
	const struct seen *found = NULL;

	see_all();
	for (size_t i = 0; i < seen_count; i++)
		if (strcmp(seen_list[i]->name, name) == 0) {
			if (found != NULL)
				fail_msg("%s ended twice", name);
			found = seen_list[i];
		}
	if (found == NULL)
		fail_msg("%s was not seen", name);
	return &found->e;
}

static inline const char *failure_of(const struct weir_ended *e)
{
	return ((const struct seen *)(const void *)e)->failure;
}

static inline const char *tracestate_of(const struct weir_ended *e)
{
	return ((const struct seen *)(const void *)e)->tracestate;
}

static inline const struct weir_attr *attr_in(struct weir_attrs attrs, const char *key)
{
	const struct weir_attr *found = NULL;

	for (size_t i = 0; i < attrs.count; i++)
		if (attrs.ptr[i].key.len == strlen(key) && memcmp(attrs.ptr[i].key.ptr, key, strlen(key)) == 0) {
			assert_null(found); /* each key once */
			found = &attrs.ptr[i];
		}
	return found;
}

static inline void check_attr_text(struct weir_attrs attrs, const char *key, const char *text, const char *file, int line)
{
	const struct weir_attr *a = attr_in(attrs, key);

	if (a == NULL || a->type != WEIR_ATTR_STR)
		check_failed(file, line, "no text %s", key);
	if (a->as.str.len != strlen(text) || memcmp(a->as.str.ptr, text, a->as.str.len) != 0)
		check_failed(file, line, "%s is \"%.*s\", not \"%s\"", key, (int)a->as.str.len, a->as.str.ptr, text);
}

static inline void check_attr_int(struct weir_attrs attrs, const char *key, int64_t value, const char *file, int line)
{
	const struct weir_attr *a = attr_in(attrs, key);

	if (a == NULL || a->type != WEIR_ATTR_INT || a->as.integer != value)
		check_failed(file, line, "no %s that is %lld", key, (long long)value);
}
#define assert_attr_text(attrs, key, text) check_attr_text((attrs), (key), (text), __FILE__, __LINE__)
#define assert_attr_int(attrs, key, value) check_attr_int((attrs), (key), (value), __FILE__, __LINE__)
#define assert_no_attr(attrs, key) assert_null(attr_in((attrs), (key)))
#define assert_ids_equal(a, b) assert_memory_equal((a), (b), 8)

/* ---- headers ---- */

static inline struct weir_header header(const char *name, const char *value)
{
	struct weir_header h = {weir_str_of(name), weir_str_of(value)};

	return h;
}

/* A context that begins with a traceparent and a tracestate; NULL: without. */
static inline void begin_with(struct weir_ctx *ctx, const char *traceparent, const char *tracestate)
{
	struct weir_header headers[2];
	size_t count = 0;

	if (traceparent != NULL)
		headers[count++] = header("traceparent", traceparent);
	if (tracestate != NULL)
		headers[count++] = header("tracestate", tracestate);
	weir_ctx_begin(ctx, headers, count);
}

struct sent {
	size_t count;
	char name[SENT_MAX][64], value[SENT_MAX][9000];
};

static inline void keep_sent(void *arg, struct weir_str name, struct weir_str value)
{
	struct sent *s = arg;

	assert_true(s->count < SENT_MAX && name.len < sizeof s->name[0] && value.len < sizeof s->value[0]);
	assert_int_equal(name.ptr[name.len], '\0');
	assert_int_equal(value.ptr[value.len], '\0');
	memcpy(s->name[s->count], name.ptr, name.len + 1);
	memcpy(s->value[s->count++], value.ptr, value.len + 1);
}

static inline const struct sent *send_of(const struct weir_ctx *ctx)
{
	static struct sent sent;

	memset(&sent, 0, sizeof sent);
	weir_ctx_inject(ctx, keep_sent, &sent);
	return &sent;
}

/* NULL: there is none. */
static inline const char *sent_value(const struct weir_ctx *ctx, const char *name)
{
	const struct sent *s = send_of(ctx);

	for (size_t i = 0; i < s->count; i++)
		if (strcmp(s->name[i], name) == 0)
			return s->value[i];
	return NULL;
}

static inline void ids_of_text(struct weir_ids *ids, const char *trace, const char *span)
{
	unsigned v;

	memset(ids, 0, sizeof *ids);
	for (int i = 0; i < 16; i++) {
		assert_int_equal(sscanf(trace + 2 * i, "%2x", &v), 1);
		ids->trace_id[i] = (uint8_t)v;
	}
	for (int i = 0; i < 8; i++) {
		assert_int_equal(sscanf(span + 2 * i, "%2x", &v), 1);
		ids->span_id[i] = (uint8_t)v;
	}
}

static inline bool is_sampled(const struct weir_ctx *ctx)
{
	return (weir_ctx_ids(ctx).flags & 1) != 0;
}

#define TRACE "4bf92f3577b34da6a3ce929d0e0e4736"
#define PARENT "00f067aa0ba902b7"
#define TRACEPARENT "00-" TRACE "-" PARENT "-01"

#endif
