/* weir: begin, end, and what is between: init, pump, flush, shutdown, fork, status. Recording needs none of it. */
#ifndef WEIR_LIFECYCLE_H
#define WEIR_LIFECYCLE_H

#include <weir/span.h>

WEIR_BEGIN_DECLS_

enum weir_log_level {
	WEIR_LOG_ENV, /* OTEL_LOG_LEVEL: none, error, warn, info, debug; warn without it */
	WEIR_LOG_NONE,
	WEIR_LOG_ERROR,
	WEIR_LOG_WARN,
	WEIR_LOG_INFO,
	WEIR_LOG_DEBUG,
};
/* Takes a line without its newline. From any thread of yours that sets things up and from weir's; never from a record; each
 * message at most once a minute. It may record and read, and may not set up. It should be quick: the tick waits for it. */
typedef void weir_log_fn(void *arg, enum weir_log_level level, const char *text);

/* ---- which requests are recorded ---- */
enum weir_sampler {
	WEIR_SAMPLER_ENV, /* OTEL_TRACES_SAMPLER and _ARG; parentbased_always_on without it */
	WEIR_SAMPLER_ALWAYS,
	WEIR_SAMPLER_NEVER,
	WEIR_SAMPLER_RATIO, /* ratio_ppm; consistent over services: W3C randomness, tracestate ot=th */
};
struct weir_sampling_rule { /* NULL or 0 matches all; of a context's first span the first rule that matches gives the ratio */
	const char *name_prefix;
	const char *attr_key, *attr_prefix; /* an attribute given at begin: a string that begins so */
	enum weir_span_kind kind;
	uint32_t ratio_ppm;
	uint64_t reserved_[4];
};
struct weir_sampling {
	WEIR_SIZE_(weir_sampling);
	enum weir_sampler sampler; /* of roots; a caller's decision stands, unless ignore_parent */
	uint32_t ratio_ppm;
	uint32_t per_second; /* sampled roots a second at most, for the process; 0: no limit */
	const struct weir_sampling_rule *rules;
	size_t rules_count;
	bool ignore_parent;
	bool keep_failed, keep_slow; /* export what was not sampled, but failed, or missed its SLO (weir_ctx_set_slo) */
	uint64_t keep_bytes;         /* memory for what may yet be kept; 0: 8 MiB */
};
/* Replaces the sampling of weir_init: all of it or nothing. NULL: as the environment has it.
 * Threads: any. Signals: no. Blocks: while another sets up. Allocates: yes. Owns: rules are copied.
 * Errors: WEIR_EINVAL (a ratio over 1000000, 64 rules), WEIR_ENOMEM. */
WEIR_API int weir_sampling_set(const struct weir_sampling *sampling);

struct weir_options { /* what is set wins over its OTEL_ variable */
	WEIR_SIZE_(weir_options);
	const char *service_name, *service_version; /* OTEL_SERVICE_NAME */
	struct weir_attrs resource;                 /* over OTEL_RESOURCE_ATTRIBUTES, key by key */
	weir_log_fn *log;                           /* NULL: warnings and errors to standard error */
	void *log_arg;
	enum weir_log_level log_level;
	bool no_thread;         /* the host calls weir_pump */
	bool no_process;        /* without process_* metrics */
	uint64_t tick_ns;       /* 0: one second; 1 ms to 1 hour */
	uint64_t segment_bytes; /* room for cells: 0: 1 GiB, of which only what is used is paid; it counts only before first use */
	uint64_t totals_ns;     /* 0: never; 1 ms to 1 hour: how often, to the tick, sums stand in the segment for readers that cannot
	                         * add up by themselves (BPF programs). It costs two pages more for each block of 512 cells */
	const struct weir_sampling *sampling; /* NULL: OTEL_TRACES_SAMPLER */
	uint64_t spans_bytes;                 /* memory for ended spans until they are exported; 0: 16 MiB, paid as used */
	uint32_t spans_queue;                 /* how many may wait; 0: OTEL_BSP_MAX_QUEUE_SIZE, 2048 */
	const char *request_id_header;        /* NULL: X-Trace-ID */
	const char *const *baggage_attrs;     /* keys of baggage that become attributes of server spans; ends in NULL */
	bool export_in_child;                 /* a forked child starts its own pipeline at its next weir_ctx_begin */
};

/* Starts weir's thread, which looks after dead threads' shards and takes up spans; the first callback and the first exporter
 * start one each. A second call changes nothing and is
 * WEIR_OK; after weir_shutdown it starts again. All signals stay with the host's threads.
 * Threads: any. Signals: no. Blocks: while another sets up. Allocates: yes. Owns: text and attributes are copied; log_arg is
 * the caller's.
 * Errors: WEIR_EINVAL (options), WEIR_ENOMEM (no thread could be had). */
WEIR_API int weir_init(const struct weir_options *options);

/* With no_thread: does what is due, within budget_ns as far as callbacks and exporters allow. next_ns: when to come again,
 * from now; may be NULL.
 * Threads: one at a time (a second one returns at once). Signals: no. Blocks: in your callbacks and exporters.
 * Allocates: yes. Owns: nothing. Errors: WEIR_EINVAL (weir has its own thread, or is not started). */
WEIR_API int weir_pump(uint64_t budget_ns, uint64_t *next_ns);

/* Callbacks report, then every exporter sends what is recorded by now. WEIR_OK: all delivered. Callbacks that do not come are
 * waited for half of the time; what was reported last is sent then, and all else, and the result is WEIR_ETIMEOUT, maybe
 * before the time is over. With no_thread your callbacks and exporters run in this call, for as long as they take.
 * Threads: any but a callback's or an exporter's. Signals: no. Blocks: timeout_ns at most, but with no_thread. Allocates: with
 * no_thread. Owns: nothing.
 * Errors: WEIR_ETIMEOUT (at once where exit has begun, and weir's threads have stopped for it), WEIR_EIO (an exporter failed,
 * or lost spans since the last flush, or no thread could be had for it), WEIR_EINVAL (not started, or called by a callback
 * or an exporter). */
WEIR_API int weir_flush(uint64_t timeout_ns);

/* Flushes, then stops weir's threads and closes the exporters. Twice is harmless; recording and reading go on.
 * Threads: any but a callback's or an exporter's. Signals: no. Blocks: as weir_flush. Allocates: as weir_flush. Owns: nothing.
 * Errors: as weir_flush; after WEIR_ETIMEOUT what is stuck is left behind, and does no harm. */
WEIR_API int weir_shutdown(uint64_t timeout_ns);

/* In a forked child: starts weir's threads again, for the child's own numbers, which begin at zero. Recording needs no call.
 * The Prometheus endpoint stays the parent's: start another on its own port.
 * Threads: the forked one. Signals: no. Blocks: no. Allocates: yes. Owns: nothing.
 * Errors: WEIR_ENOMEM; WEIR_EINVAL where weir was not started before fork. */
WEIR_API int weir_after_fork(void);

/* Attaches the thread, and opens all blocks that exist, so that its records make no system call (game loops, audio, seccomp).
 * Threads: any. Signals: safe. Blocks: on the registry's lock. Allocates: weir's own pages. Owns: nothing.
 * Errors: WEIR_ENOMEM. */
WEIR_API int weir_thread_attach(void);

struct weir_status {
	WEIR_SIZE_(weir_status);
	const char *home; /* where the cells are: "memfd", "private: memfd_create was refused", "none yet"; of weir_shm_start: "file: PATH",
	                   * "map: PATH", or "memfd: " and why they are there still */
	uint64_t instruments, refused, series;
	uint64_t overflowed; /* look-ups that met a cap: each record with labels in the call, and each handle */
	uint64_t segment_bytes, heap_bytes;                /* in use: the segment's pages; the registry, tables and the like */
	uint64_t shards, blocks;
	uint64_t dropped_records; /* the sum of those below */
	uint64_t dropped_refused, dropped_value, dropped_labels, dropped_memory, dropped_reentry, dropped_contended;
	uint64_t values_cleaned, values_cut; /* label values mended: what was no UTF-8 text, what was over 1024 bytes */
	uint64_t snapshots, snapshot_ns;     /* how many; the last one's time */
	uint64_t exports_failed;
	uint64_t spans_ended, spans_exported; /* sampled or kept ones */
	uint64_t spans_waiting;               /* ended, and neither exported nor dropped yet */
	uint64_t dropped_spans;               /* the sum of those below */
	uint64_t dropped_spans_pool, dropped_spans_queue, dropped_spans_export, dropped_spans_malformed, dropped_spans_reentry;
	uint64_t kept_spans, evicted_spans;   /* of what was not sampled */
	uint64_t headers_malformed, baggage_dropped, detached_out_of_order, ended_twice, untimed, exemplars_dropped, routes_dropped;
	uint64_t tags_dropped;
	uint64_t callbacks_late; /* ticks that met a round of callbacks that the tick before had met */
};
/* size must be set: status.size = sizeof status.
 * Threads: any. Signals: no. Blocks: no. Allocates: no. Owns: home is static. Errors: WEIR_EINVAL. */
WEIR_API int weir_status_read(struct weir_status *status);

WEIR_END_DECLS_
#endif
