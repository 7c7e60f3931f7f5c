/* weir: an exporter of your own, called with a snapshot at each interval on weir's thread of exporters (or in weir_pump). */
#ifndef WEIR_EXPORTER_H
#define WEIR_EXPORTER_H

#include <weir/snapshot.h>
#include <weir/span.h>

WEIR_BEGIN_DECLS_

/* ---- ended spans, read by a cursor that is a value: weir_ended_begin(&e, batch); while (weir_ended_next(&e)) ... ---- */
struct weir_batch;
struct weir_event {
	struct weir_str name;
	uint64_t time_ns;
	uint64_t dropped_attrs;
	struct weir_attrs attrs;
};
struct weir_ended {
	struct weir_ids ids;       /* with the flags of the wire */
	uint8_t parent_id[8];      /* all zero: a root */
	bool remote_parent;        /* the parent is another process' */
	bool failed;               /* status is error */
	bool kept;                 /* exported though it was not sampled */
	enum weir_span_kind kind;
	enum weir_span_status status;
	struct weir_str name, failure, tracestate; /* failure: the status' description */
	uint64_t start_ns, end_ns; /* wall clock */
	struct weir_attrs attrs;   /* each key once */
	const struct weir_event *events;
	const struct weir_link *links;
	const uint64_t *links_dropped_attrs; /* one a link */
	size_t events_count, links_count;
	uint64_t dropped_attrs, dropped_events, dropped_links;
	uint64_t private_[8];
};
/* What a step gives is valid until the next step. A batch is read by one cursor at a time.
 * Threads: the exporter's, within its spans callback. Signals: no. Blocks: no. Allocates: room for one span. Owns: nothing.
 * Errors: next: false at the end. */
WEIR_API size_t weir_batch_count(const struct weir_batch *batch);
WEIR_API struct weir_attrs weir_batch_resource(const struct weir_batch *batch);
WEIR_API void weir_ended_begin(struct weir_ended *ended, struct weir_batch *batch);
WEIR_API bool weir_ended_next(struct weir_ended *ended);

struct weir_exporter;
struct weir_exporter_options { /* each callback is told its time; what it does not return WEIR_OK for is counted */
	WEIR_SIZE_(weir_exporter_options);
	const char *name;
	void *arg;
	uint64_t interval_ns; /* 0: OTEL_METRIC_EXPORT_INTERVAL, 60 s without it */
	/* WEIR_ELIMIT: not now; the next snapshot will do. */
	int (*metrics)(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns);
	void (*closed)(void *arg); /* the last call: arg may go. May be NULL */
	/* Ended spans, as they come (OTEL_BSP_SCHEDULE_DELAY, OTEL_BSP_MAX_EXPORT_BATCH_SIZE). WEIR_OK: taken. WEIR_ELIMIT: not
	 * now: the same are offered again, in 100 ms, amid a flush each 5 ms (for half of its time where there is no flush
	 * below, else for all of it), and wait in the queue. Anything else: they are dropped and counted. May be NULL, as
	 * may metrics, but not both. */
	int (*spans)(void *arg, struct weir_batch *batch, uint64_t timeout_ns);
	/* At weir_flush, weir_shutdown and destroy, after metrics and spans: what was taken is sent on. WEIR_OK: all of it is
	 * delivered. May be NULL. */
	int (*flush)(void *arg, uint64_t timeout_ns);
};

/* An exporter that lies in a module is destroyed before the module is unloaded.
 * Threads: any. Signals: no. Blocks: while another sets up. Allocates: yes. Owns: name is copied; arg is the exporter's until
 * closed, which is called also where new fails. Errors: WEIR_EINVAL, WEIR_ENOMEM, WEIR_ELIMIT (64 exporters). */
WEIR_API int weir_exporter_new(struct weir_exporter **exporter, const struct weir_exporter_options *options);
/* Flushes this one a last time, with what callbacks reported last, then closes it.
 * Threads: any but a callback's or an exporter's. Signals: no. Blocks: timeout_ns at most. Allocates: no. Owns: takes it.
 * Errors: WEIR_ETIMEOUT (closed is called when it comes back), WEIR_EIO (the last export failed), WEIR_EINVAL. */
WEIR_API int weir_exporter_destroy(struct weir_exporter *exporter, uint64_t timeout_ns);

WEIR_END_DECLS_
#endif
