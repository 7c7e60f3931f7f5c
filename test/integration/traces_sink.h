/* An exporter of spans, as a third party would write one, for the tests of traces: it counts what it is given, answers what it
 * is told to, and may be held inside. Words are atomic: it runs on weir's thread. */
#ifndef TRACES_SINK_H
#define TRACES_SINK_H

#include "case.h"

#include <weir/weir.h>

#define GET(word) __atomic_load_n(&(word), __ATOMIC_SEQ_CST)
#define SET(word, v) __atomic_store_n(&(word), (v), __ATOMIC_SEQ_CST)
#define COUNT_UP(word, n) __atomic_fetch_add(&(word), (n), __ATOMIC_SEQ_CST)

struct sink {
	uint64_t spans, batches, closed, flushes; /* spans: of batches that it took */
	uint64_t offered;                         /* spans of all batches */
	uint64_t told_ns;                         /* the time that it was given for the newest */
	int answer;
	uint32_t hold, inside; /* hold: it stays inside until that is 0 */
	void (*each)(void *arg, const struct weir_ended *e); /* of batches that it takes */
	void *arg;
	struct weir_exporter *exporter;
};

static inline int sink_spans(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	struct sink *s = arg;
	struct weir_ended e;
	uint64_t count = 0;
	int answer = GET(s->answer);

	SET(s->told_ns, timeout_ns);
	CHECK(GET(s->closed) == 0);
	SET(s->inside, 1u);
	for (uint64_t until = now_ns() + WEIR_S(30); GET(s->hold) != 0 && now_ns() < until;)
		usleep(200);
	for (weir_ended_begin(&e, batch); weir_ended_next(&e); count++)
		if (answer == WEIR_OK && s->each != NULL)
			s->each(s->arg, &e);
	AT_MOST(count, weir_batch_count(batch));
	COUNT_UP(s->offered, count);
	COUNT_UP(s->batches, 1);
	if (answer == WEIR_OK)
		COUNT_UP(s->spans, count);
	SET(s->inside, 0u);
	return answer;
}

static inline int sink_flush(void *arg, uint64_t timeout_ns)
{
	struct sink *s = arg;

	(void)timeout_ns;
	COUNT_UP(s->flushes, 1);
	return WEIR_OK;
}

static inline void sink_closed(void *arg)
{
	COUNT_UP(((struct sink *)arg)->closed, 1);
}

static inline void sink_open_with(struct sink *s, int (*flush)(void *arg, uint64_t timeout_ns))
{
	struct weir_exporter_options o = {.size = sizeof o, .name = "sink", .arg = s, .spans = sink_spans, .flush = flush,
	                                  .closed = sink_closed};

	EQUAL_INT(weir_exporter_new(&s->exporter, &o), WEIR_OK);
}

static inline void sink_open(struct sink *s, void (*each)(void *arg, const struct weir_ended *e), void *arg)
{
	s->each = each;
	s->arg = arg;
	sink_open_with(s, sink_flush);
}

static inline void traces_start(uint32_t queue, uint64_t bytes, const struct weir_sampling *sampling)
{
	struct weir_options o = {.size = sizeof o, .no_process = true, .service_name = "traces", .spans_queue = queue,
	                         .spans_bytes = bytes, .sampling = sampling};

	EQUAL_INT(weir_init(&o), WEIR_OK);
}

static inline struct weir_status traces_status(void)
{
	struct weir_status status;

	memset(&status, 0, sizeof status);
	status.size = sizeof status;
	CHECK(weir_status_read(&status) == WEIR_OK);
	return status;
}

/* Ended, and neither exported, nor waiting, nor counted as dropped: none. */
static inline struct weir_status traces_expect(uint64_t offered)
{
	struct weir_status s = traces_status();

	EQUAL(s.spans_exported + s.spans_waiting + s.dropped_spans, offered);
	EQUAL(s.dropped_spans, s.dropped_spans_pool + s.dropped_spans_queue + s.dropped_spans_export +
	                           s.dropped_spans_malformed + s.dropped_spans_reentry);
	return s;
}

static inline void end_one(const char *name)
{
	struct weir_ctx ctx;
	struct weir_span span;

	weir_ctx_begin(&ctx, NULL, 0);
	weir_span_begin(&span, &ctx, WEIR_SERVER, name);
	weir_span_end(&span);
	weir_ctx_end(&ctx);
}

static inline void end_many(uint64_t count)
{
	for (uint64_t n = 0; n < count; n++)
		end_one("span");
}

#endif
