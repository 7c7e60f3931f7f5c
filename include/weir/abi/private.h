/* weir: what weir's other libraries need of libweir beyond its headers. Not installed, no promise: version node WEIR_PRIVATE. */
#ifndef WEIR_ABI_PRIVATE_H
#define WEIR_ABI_PRIVATE_H

#include <weir/context.h>
#include <weir/lifecycle.h>

WEIR_BEGIN_DECLS_

/* A polite thread: all signals blocked, a descriptor table of its own (so that closefrom by the host leaves it alone), a
 * name. run begins under that. 0, or WEIR_ENOMEM; WEIR_EINVAL while weir_shutdown stops the others. The handle is joined by weir_private_thread_join with a deadline:
 * true: it ended within timeout_ns and is joined; false: it is left to itself (detached). Either way the handle is void. */
struct weir_private_thread;
WEIR_API int weir_private_thread_start(struct weir_private_thread **thread, const char *name, void (*run)(void *), void *arg);
WEIR_API bool weir_private_thread_join(struct weir_private_thread *thread, uint64_t timeout_ns);

/* The gate: weir's threads hold it while in foreign code (HTTP, TLS, callbacks, exporters); exit() takes it, waits 50 ms at
 * most, and never gives it back. at_exit registers it again, behind the exit handlers that libraries have registered by now. */
WEIR_API void weir_private_gate_enter(void);
WEIR_API void weir_private_gate_leave(void);
WEIR_API void weir_private_gate_at_exit(void);

/* One line to the log callback; each message at most once a minute. Never from a record, nor under a lock that one takes. */
WEIR_API void weir_private_log(enum weir_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Runs at each weir_shutdown from here on, with the time that is left, behind those that came before. The same function again
 * is harmless; false: eight others are there. */
WEIR_API bool weir_private_on_shutdown(int (*stop)(uint64_t timeout_ns));
WEIR_API bool weir_private_disabled(void); /* OTEL_SDK_DISABLED, as weir_init read it: starts succeed, and start nothing */
WEIR_API bool weir_private_started(void); /* between weir_init and weir_shutdown, which it is false within once that stops the others */
WEIR_API bool weir_private_pumped(void);  /* started with no_thread */
/* Counts up each time that this process turns out to be a forked child. */
WEIR_API uint32_t weir_private_generation(void);
WEIR_API uint64_t weir_private_clock_ns(void); /* CLOCK_MONOTONIC */

/* ---- the segment's home ----
 * Its pages go into another file or map, and stay where they are for who records: no record is lost, and none waits, but
 * those of levels, for as long as pages are copied. fd is weir's then, as home is. A reader that has the former home open finds
 * that it counts no more. whole: a map that is all there, zeroed, and is mapped at once (fewer bytes are fine); else a file of tmpfs
 * of just as many bytes as the segment, without any. start_time, boot_id: of this process, as in segment.h.
 * WEIR_ELIMIT: its pages do not fit; WEIR_ENOMEM: no room for them, or a map is refused; WEIR_EUNSUPPORTED: private memory that
 * somebody has recorded into. Then all is as it was. Threads: any.
 * fd -1: nothing moves: bytes is set to the segment's, which is opened if there is none; where it is no private memory, home is
 * what weir_status_read says of it from here on; NULL: as it is. */
struct weir_private_home {
	int fd;
	bool whole;
	uint64_t bytes;
	const char *home;
	uint64_t start_time;
	uint8_t boot_id[16];
	/* A level's cell whose old page was written to behind the copy, and whose new one, too. Locks are held. */
	void (*both)(const void *segment, uint32_t cell, uint64_t *word, uint64_t final, uint64_t copied);
};
WEIR_API int weir_private_segment_move(struct weir_private_home *home);

/* Numbers as text, without locale, without allocation; the length is returned and the text also ends in NUL.
 * decimal: (high * 2^64 + low) / 10^digits, exact, no trailing zeros in the fraction ("12", "0.0005"); out has 64 bytes.
 * canonical: low / 10^digits as Go's %g writes it, with .0 where it would look like an integer ("0.005", "1.0", "1e+06").
 * double: the shortest text that reads back as v; NaN, +Inf, -Inf; out has 32 bytes. */
WEIR_API size_t weir_private_decimal(char *out, uint64_t high, uint64_t low, unsigned digits);
WEIR_API size_t weir_private_canonical(char *out, uint64_t value, unsigned digits);
WEIR_API size_t weir_private_double(char *out, double v);

/* ---- tags: what is said of a request by who verified it: values in its context, copied in: 8 of them, in 240 bytes, of which
 * each takes 8 more than its length. ----
 * A tag has a name (for weir_ctx_get_claim), a metric label's name and a span attribute's (NULL: not that), for the life of
 * the process: the same three again are the same tag; 64 at most. absent: the label's value where a context has none of it.
 * The value "" is told from none. define: the tag's number, from 1 on; WEIR_EINVAL (a label's name against the rules), WEIR_ECONFLICT (the label is another tag's),
 * WEIR_ELIMIT, WEIR_ENOMEM. */
struct weir_private_tag {
	const char *name, *label, *attribute, *absent;
};
WEIR_API int weir_private_tag_define(const struct weir_private_tag *tag);

/* A label's values are places: numbers that series are looked up by, with the text that is exported. A place that was given up
 * lets go of its series: records by contexts that still have it go to the value "other" from then on; what the series held is
 * exported for linger_ns more, then goes into weir_series_retired_total, and the place may be taken again. 4096 in the process.
 * take: the place of this text, made if need be; one that was given up and is not retired yet comes back, under another number.
 * 0: none is free now, or the text is empty, "other", or the tag's absent one (records of place 0 with a tag go to "other").
 * A text is mended as every label's value; what is over 240 bytes is cut.
 * give_up: harmless for 0 and for what is given up already (true). Where the system cannot tell that no record is on its way
 * (membarrier is refused), places stay: false.
 * Both: threads: any; blocks: on the registry's lock; allocates: weir's own pages. is_current: from anywhere;
 * false for 0. */
WEIR_API uint64_t weir_private_place_take(int tag, struct weir_str text);
WEIR_API bool weir_private_place_give_up(uint64_t place, uint64_t linger_ns);
WEIR_API bool weir_private_place_is_current(uint64_t place);

/* begin: takes all tags off, and says how it went and until when it holds (two words that weir does not look into). add: false:
 * no room, or 8 are there: counted. place 0: the label's value is "other".
 * refuse: another result; the values stay, but that of tag. */
WEIR_API void weir_private_ctx_tags_begin(struct weir_ctx *ctx, uint32_t result, uint64_t expiry_ns);
WEIR_API void weir_private_ctx_tags_refuse(struct weir_ctx *ctx, uint32_t result, int tag);
WEIR_API bool weir_private_ctx_tag(struct weir_ctx *ctx, int tag, struct weir_str value, uint64_t place);
WEIR_API struct weir_str weir_private_ctx_tag_value(const struct weir_ctx *ctx, int tag); /* ptr NULL: none */
WEIR_API uint32_t weir_private_ctx_tags_result(const struct weir_ctx *ctx, uint64_t *expiry_ns); /* expiry_ns may be NULL */

/* For probes: what a request is, as texts, of which none is empty ("-"); tenant: where it leaves the process by a label or an
 * attribute. Zeros: there is no trace id yet. Signals: safe. */
struct weir_private_about {
	uint8_t trace_id[16];
	char route[256], tenant[256], peer[256];
};
WEIR_API void weir_private_ctx_about(const struct weir_ctx *ctx, struct weir_private_about *about);

WEIR_END_DECLS_
#endif
