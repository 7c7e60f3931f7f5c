/* weir: instruments: how they are declared, recorded and read back.
 *
 * The last word of a function tells its form, the same for every kind:
 *   (none)   the instrument itself, which then has no labels: weir_counter_add(&requests, 1)     (abi/hot.h)
 *   _with    label values in the call, C strings: weir_counter_add_with(&requests, 1, "GET", code)
 *   _values  label values as an array of {ptr, len}: text without NUL, bindings, lists made at run time
 *   _series  (in the noun) on a handle that was resolved once: weir_counter_series_add(ok, 1)      (abi/hot.h) */
#ifndef WEIR_METRIC_H
#define WEIR_METRIC_H

#include <weir/abi/hot.h>
#include <weir/slo.h>

WEIR_BEGIN_DECLS_

/* ---- declaring -------------------------------------------------------------------------------------------------------
 * The variable first, then what is the kind's own, then the text: name, help, and label names if any. At file scope, in a
 * namespace, in a function, in a header of several files (the same definition twice is one instrument). In C++ templates and
 * inline functions: weir::counter and its like (weir.hpp). WEIR_COUNTER_IN and its like take a unit.
 *   WEIR_COUNTER(requests, "http_requests_total", "Requests answered.", "method", "code");
 *   WEIR_COUNTER_IN(busy, WEIR_SECONDS, "worker_busy_seconds_total", "Time at work.");
 *   WEIR_HISTOGRAM(latency, WEIR_LATENCY, "http_request_duration_seconds", "Time to answer.", "route");
 * A name is 1 to 255 of A-Za-z0-9_.:/- and begins with a letter or _. A label's name is [A-Za-z_][A-Za-z0-9_.]*, does not
 * begin with __, is not le on a histogram, and stands once; 16 labels at most. What breaks a rule is refused with an error
 * in the log, and recording on it is harmless and counted. */
#define WEIR_COUNTER(var, ...) WEIR_COUNTER_IN(var, WEIR_ONE, __VA_ARGS__)
#define WEIR_UPDOWN(var, ...) WEIR_UPDOWN_IN(var, WEIR_ONE, __VA_ARGS__)
#define WEIR_GAUGE(var, ...) WEIR_GAUGE_IN(var, WEIR_ONE, __VA_ARGS__)
#define WEIR_FLOAT_GAUGE(var, ...) WEIR_FLOAT_GAUGE_IN(var, WEIR_ONE, __VA_ARGS__)
#define WEIR_OBSERVED_COUNTER(var, ...) WEIR_OBSERVED_COUNTER_IN(var, WEIR_ONE, __VA_ARGS__)
#define WEIR_OBSERVED_GAUGE(var, ...) WEIR_OBSERVED_GAUGE_IN(var, WEIR_ONE, __VA_ARGS__)
#define WEIR_INFO(var, ...) WEIR_SCALAR_(weir_info, var, WEIR_INFO_KIND, WEIR_ONE, __VA_ARGS__)
#define WEIR_COUNTER_IN(var, unit, ...) WEIR_SCALAR_(weir_counter, var, WEIR_COUNTER_KIND, unit, __VA_ARGS__)
#define WEIR_UPDOWN_IN(var, unit, ...) WEIR_SCALAR_(weir_updown, var, WEIR_UPDOWN_KIND, unit, __VA_ARGS__)
#define WEIR_GAUGE_IN(var, unit, ...) WEIR_SCALAR_(weir_gauge, var, WEIR_GAUGE_KIND, unit, __VA_ARGS__)
#define WEIR_FLOAT_GAUGE_IN(var, unit, ...)                                                                            \
	WEIR_SCALAR_(weir_float_gauge, var, WEIR_FLOAT_GAUGE_KIND, unit, __VA_ARGS__)
#define WEIR_OBSERVED_COUNTER_IN(var, unit, ...)                                                                       \
	WEIR_SCALAR_(weir_observed, var, WEIR_OBSERVED_COUNTER_KIND, unit, __VA_ARGS__)
#define WEIR_OBSERVED_GAUGE_IN(var, unit, ...)                                                                         \
	WEIR_SCALAR_(weir_observed, var, WEIR_OBSERVED_GAUGE_KIND, unit, __VA_ARGS__)
#define WEIR_HISTOGRAM(var, buckets, ...)                                                                              \
	static const uint64_t var##_shape_[] = buckets;                                                                \
	WEIR_ASSERT_(sizeof var##_shape_ <= 8 * 68,                                                                    \
	             "weir: too many bounds (62 at most, checked exactly at registration)");                           \
	WEIR_DECLARE_(weir_histogram, var, WEIR_HISTOGRAM_KIND, 0, &weir_layout_none_v1, var##_shape_,                 \
	              sizeof var##_shape_ / 8, WEIR_KEEP_(var), __VA_ARGS__)

#define WEIR_SCALAR_(type, var, kind, unit, ...)                                                                       \
	WEIR_DECLARE_(type, var, kind, unit, NULL, NULL, 0, WEIR_KEEP_(var), __VA_ARGS__)
#define WEIR_DECLARE_(type, var, kind, unit, layout, shape, words, keep, ...)                                          \
	static const char *const var##_text_[] = {__VA_ARGS__, NULL};                                                  \
	WEIR_ASSERT_(sizeof var##_text_ >= 3 * sizeof(char *),                                                         \
	             "weir: an instrument needs a name and a help text: " #var);                                       \
	static struct weir_state var##_state_ = {layout, NULL, 0, 0};                                                  \
	static const struct type var = {{&var##_state_, var##_text_, shape, words,                                     \
	                                 sizeof var##_text_ / sizeof(char *) - 3, 1, kind, unit, 0}};                  \
	keep
#if defined(__has_attribute) && __has_attribute(retain)
#define WEIR_KEPT_ __attribute__((section("weir_instruments"), used, retain))
#else
#define WEIR_KEPT_ __attribute__((section("weir_instruments"), used))
#endif
#define WEIR_KEEP_(var) static const struct weir_instrument *const var##_entry_ WEIR_KEPT_ = &var.i_

/* Each module has a section of pointers to its instruments; each file's constructor hands over the range, taken once. The
 * constructor registers names in memory, and does no more: no thread, no file. At unload the registry lets go of what lies
 * in the module, and waits for the module's running callbacks; the names, the series and their totals stay exported. */
typedef const struct weir_instrument *const weir_entry_;
WEIR_API void weir_module_load_v1_(weir_entry_ *first, weir_entry_ *last, const void *in_module);
WEIR_API void weir_module_unload_v1_(weir_entry_ *first, weir_entry_ *last, const void *in_module);
#ifndef WEIR_NO_MODULE_ /* weir's own files */
static const char weir_module_ = 0;
extern weir_entry_ __start_weir_instruments[] __attribute__((weak, visibility("hidden")));
extern weir_entry_ __stop_weir_instruments[] __attribute__((weak, visibility("hidden")));
__attribute__((constructor)) static void weir_load_(void)
{
	weir_module_load_v1_(__start_weir_instruments, __stop_weir_instruments, &weir_module_);
}
__attribute__((destructor)) static void weir_unload_(void)
{
	weir_module_unload_v1_(__start_weir_instruments, __stop_weir_instruments, &weir_module_);
}
#endif

/* ---- made at run time, for bindings, plugins, and names that come from configuration --------------------------------- */
struct weir_instrument_options {
	WEIR_SIZE_(weir_instrument_options);
	enum weir_unit unit;
	uint32_t max_series;         /* 0: 2000; what is past it goes to the overflow series */
	const char *const *constant; /* name, value, ..., NULL: labels with the same value on every series */
	const uint64_t *bounds;      /* histograms: in the base unit; NULL: the unit's defaults */
	size_t bounds_count;
	uint64_t range_lowest, range_highest;      /* histograms: exponential over this range; 0: not */
	uint64_t slo_threshold, slo_objective_ppm; /* histograms; 0: none */
};
#define WEIR_DEFINITION_                                                                                               \
	const char *name, const char *help, const char *const *labels, const struct weir_instrument_options *options

/* The instrument of that name: made, or found if its definition is the same. labels ends in NULL; NULL: none. It lives as
 * long as the process. What is refused is set to one that drops and counts, so that the caller may go on.
 * Threads: any. Signals: no. Blocks: on the registry's lock. Allocates: yes. Owns: text and bounds are copied.
 * Errors: WEIR_EINVAL (a rule is broken; the log says which), WEIR_ECONFLICT (another definition has the name; the log has
 * both), WEIR_ENOMEM, WEIR_ELIMIT (no cells are left). */
WEIR_API int weir_counter_create(const struct weir_counter **counter, WEIR_DEFINITION_);
WEIR_API int weir_updown_create(const struct weir_updown **updown, WEIR_DEFINITION_);
WEIR_API int weir_gauge_create(const struct weir_gauge **gauge, WEIR_DEFINITION_);
WEIR_API int weir_float_gauge_create(const struct weir_float_gauge **gauge, WEIR_DEFINITION_);
WEIR_API int weir_histogram_create(const struct weir_histogram **histogram, WEIR_DEFINITION_);
WEIR_API int weir_info_create(const struct weir_info **info, WEIR_DEFINITION_);
/* kind: WEIR_OBSERVED_COUNTER_KIND or WEIR_OBSERVED_GAUGE_KIND. */
WEIR_API int weir_observed_create(const struct weir_observed **observed, enum weir_kind kind, WEIR_DEFINITION_);

/* Sets an instrument's cap and constant labels from outside: anyone's, before or after it is declared. Zero leaves as is; a
 * cap below what exists stops new series only. Constant labels already set are replaced.
 * Threads: any. Signals: no. Blocks: on the registry's lock. Allocates: yes. Owns: text is copied.
 * Errors: WEIR_EINVAL, WEIR_ENOMEM, WEIR_EUNSUPPORTED (bounds, ranges, units and SLOs belong to the definition). */
WEIR_API int weir_instrument_configure(const char *name, const struct weir_instrument_options *options);

/* ---- recording with labels --------------------------------------------------------------------------------------------
 * _with and _values resolve the series at each call, in a table that readers never lock; a handle is resolved once. A value
 * is any UTF-8; invalid bytes and control characters but newline become U+FFFD, and what is over 1024 bytes is cut at a
 * character; both are counted, and values equal afterwards are one series. Past the cap (2000 series) values go to the
 * overflow series, labelled otel_metric_overflow="true", and are counted there. NULL is the empty value.
 * Threads: any. Signals: safe. Blocks: no, once the series exists and the thread has used its block; a series' first use, and
 * a list of values of over 512 bytes, take the registry's lock, held for microseconds. Allocates: no, likewise; first use takes weir's own pages. Owns: values
 * are copied. Errors: none; a wrong number of values, a refused instrument, memory's end: dropped and counted.
 * ctx: the request that the record belongs to, or NULL for none; with one, labels that a context fills are left out of values. */
struct weir_ctx;
struct weir_labels_ {
	const char *const *v_;
	size_t n_;
};
#define WEIR_LABELS_(...) WEIR_LIST_(weir_labels_, const char *const, __VA_ARGS__)
#define WEIR_VALUES_ const struct weir_str *values, size_t count

WEIR_API void weir_add_with_v1_(const struct weir_instrument *i, uint64_t n, struct weir_labels_ l);
WEIR_API void weir_level_with_v1_(const struct weir_instrument *i, uint64_t bits, bool set, struct weir_labels_ l);
WEIR_API void weir_record_with_v1_(const struct weir_instrument *i, uint64_t v, struct weir_labels_ l);
WEIR_API void weir_float_add_with_v1_(const struct weir_instrument *i, double v, struct weir_labels_ l);
WEIR_API void weir_info_set_v1_(const struct weir_instrument *i, struct weir_labels_ l);
WEIR_API uint32_t weir_resolve_with_v1_(const struct weir_instrument *i, struct weir_labels_ l);

/* ---- labels that a request's context fills in ----------------------------------------------------------------------------
 * Of counters and histograms. They are declared among the others, and are not given: weir_counter_add_ctx and its like
 * (span.h) take the others' values, in order, and what a verified token says of the request (weir/jwt.h):
 *   WEIR_COUNTER(requests, "http_requests_total", "Requests answered.", "method", "code", WEIR_CLAIM("tenant"));
 *   weir_counter_add_ctx(&requests, 1, ctx, "GET", "200");
 * A context that says nothing has the claim's value for that ("anonymous"); a value that has no place of its own is "other"; a
 * label that is no verifier's is "". Forms without a context, and handles, are refused: counted as labels, logged once. */
#define WEIR_CLAIM(label) "\1" label

/* How many these are, where the compiler sees the instrument. In full, since loops are unrolled too late to be known. */
#define WEIR_IS_CLAIM_(k) (WEIR_CAST_(size_t, i->labels_ > (k) && i->text_[2 + (k)][0] == '\1'))
WEIR_INLINE_ size_t weir_claims_(const struct weir_instrument *i)
{
	return WEIR_IS_CLAIM_(0) + WEIR_IS_CLAIM_(1) + WEIR_IS_CLAIM_(2) + WEIR_IS_CLAIM_(3) + WEIR_IS_CLAIM_(4) +
	       WEIR_IS_CLAIM_(5) + WEIR_IS_CLAIM_(6) + WEIR_IS_CLAIM_(7) + WEIR_IS_CLAIM_(8) + WEIR_IS_CLAIM_(9) +
	       WEIR_IS_CLAIM_(10) + WEIR_IS_CLAIM_(11) + WEIR_IS_CLAIM_(12) + WEIR_IS_CLAIM_(13) + WEIR_IS_CLAIM_(14) +
	       WEIR_IS_CLAIM_(15);
}
#if defined(__OPTIMIZE__) && defined(__has_attribute) && (!defined(__clang__) || __clang_major__ >= 14)
void weir_claim_without_context_(void)
	__attribute__((nothrow, error("weir: a context fills some of these labels: give it, in the form with _ctx")));
#define WEIR_CHECK_WITH_(i, n)                                                                                         \
	do {                                                                                                           \
		size_t claims_ = weir_claims_(&(i)->i_);                                                               \
		if (__builtin_constant_p(claims_) && claims_ != 0)                                                     \
			weir_claim_without_context_();                                                                 \
		WEIR_CHECK_(i, n, !=);                                                                                 \
	} while (0)
#define WEIR_CHECK_CTX_(i, n)                                                                                          \
	do {                                                                                                           \
		size_t all_ = (n) + weir_claims_(&(i)->i_);                                                            \
		WEIR_CHECK_(i, all_, !=);                                                                              \
	} while (0)
#else
#define WEIR_CHECK_WITH_(i, n) (void)0
#define WEIR_CHECK_CTX_(i, n) (void)0
#endif

/* Behind each _with: an inline check of the label count, and the call. */
#define WEIR_WITH_(result, name, type, i, params, call)                                                                \
	WEIR_INLINE_ result name params                                                                                \
	{                                                                                                              \
		WEIR_CHECK_WITH_(i, l.n_);                                                                              \
		call;                                                                                                  \
	}
#define WEIR_HANDLE_WITH_(kind, i)                                                                                     \
	WEIR_INLINE_ struct weir_##kind##_series weir_##kind##_with_(const struct weir_##kind *i, struct weir_labels_ l) \
	{                                                                                                              \
		struct weir_##kind##_series s;                                                                         \
                                                                                                                       \
		WEIR_CHECK_WITH_(i, l.n_);                                                                              \
		s.cell_ = weir_resolve_with_v1_(&i->i_, l);                                                            \
		return s;                                                                                              \
	}
WEIR_HANDLE_WITH_(counter, c)
WEIR_HANDLE_WITH_(updown, u)
WEIR_HANDLE_WITH_(gauge, g)
WEIR_HANDLE_WITH_(float_gauge, g)
WEIR_INLINE_ struct weir_histogram_series weir_histogram_with_(const struct weir_histogram *h, struct weir_labels_ l)
{
	struct weir_histogram_series s;

	WEIR_CHECK_WITH_(h, l.n_);
	s.cell_ = weir_resolve_with_v1_(&h->i_, l);
	s.layout_ = __atomic_load_n(&h->i_.state_->layout_, __ATOMIC_ACQUIRE);
	return s;
}
WEIR_WITH_(void, weir_counter_add_with_, weir_counter, c, (const struct weir_counter *c, uint64_t n, struct weir_labels_ l),
           weir_add_with_v1_(&c->i_, n, l))
WEIR_WITH_(void, weir_updown_add_with_, weir_updown, u, (const struct weir_updown *u, int64_t n, struct weir_labels_ l),
           weir_add_with_v1_(&u->i_, WEIR_CAST_(uint64_t, n), l))
WEIR_WITH_(void, weir_gauge_set_with_, weir_gauge, g, (const struct weir_gauge *g, int64_t v, struct weir_labels_ l),
           weir_level_with_v1_(&g->i_, WEIR_CAST_(uint64_t, v), true, l))
WEIR_WITH_(void, weir_gauge_add_with_, weir_gauge, g, (const struct weir_gauge *g, int64_t v, struct weir_labels_ l),
           weir_level_with_v1_(&g->i_, WEIR_CAST_(uint64_t, v), false, l))
WEIR_WITH_(void, weir_float_gauge_set_with_, weir_float_gauge, g,
           (const struct weir_float_gauge *g, double v, struct weir_labels_ l),
           weir_level_with_v1_(&g->i_, weir_double_bits_(v), true, l))
WEIR_WITH_(void, weir_float_gauge_add_with_, weir_float_gauge, g,
           (const struct weir_float_gauge *g, double v, struct weir_labels_ l), weir_float_add_with_v1_(&g->i_, v, l))
WEIR_WITH_(void, weir_histogram_record_with_, weir_histogram, h,
           (const struct weir_histogram *h, uint64_t v, struct weir_labels_ l), weir_record_with_v1_(&h->i_, v, l))
WEIR_WITH_(void, weir_info_set_, weir_info, i, (const struct weir_info *i, struct weir_labels_ l),
           weir_info_set_v1_(&i->i_, l))

#define weir_counter_with(c, ...) weir_counter_with_((c), WEIR_LABELS_(__VA_ARGS__))
#define weir_updown_with(u, ...) weir_updown_with_((u), WEIR_LABELS_(__VA_ARGS__))
#define weir_gauge_with(g, ...) weir_gauge_with_((g), WEIR_LABELS_(__VA_ARGS__))
#define weir_float_gauge_with(g, ...) weir_float_gauge_with_((g), WEIR_LABELS_(__VA_ARGS__))
#define weir_histogram_with(h, ...) weir_histogram_with_((h), WEIR_LABELS_(__VA_ARGS__))
#define weir_counter_add_with(c, n, ...) weir_counter_add_with_((c), (n), WEIR_LABELS_(__VA_ARGS__))
#define weir_updown_add_with(u, n, ...) weir_updown_add_with_((u), (n), WEIR_LABELS_(__VA_ARGS__))
#define weir_gauge_set_with(g, v, ...) weir_gauge_set_with_((g), (v), WEIR_LABELS_(__VA_ARGS__))
#define weir_gauge_add_with(g, v, ...) weir_gauge_add_with_((g), (v), WEIR_LABELS_(__VA_ARGS__))
#define weir_float_gauge_set_with(g, v, ...) weir_float_gauge_set_with_((g), (v), WEIR_LABELS_(__VA_ARGS__))
#define weir_float_gauge_add_with(g, v, ...) weir_float_gauge_add_with_((g), (v), WEIR_LABELS_(__VA_ARGS__))
#define weir_histogram_record_with(h, v, ...) weir_histogram_record_with_((h), (v), WEIR_LABELS_(__VA_ARGS__))
/* The series of these values says 1; those set before stay, until weir_info_clear. */
#define weir_info_set(info, ...) weir_info_set_((info), WEIR_LABELS_(__VA_ARGS__))

WEIR_API struct weir_counter_series weir_counter_values(const struct weir_counter *c, WEIR_VALUES_);
WEIR_API struct weir_updown_series weir_updown_values(const struct weir_updown *u, WEIR_VALUES_);
WEIR_API struct weir_gauge_series weir_gauge_values(const struct weir_gauge *g, WEIR_VALUES_);
WEIR_API struct weir_float_gauge_series weir_float_gauge_values(const struct weir_float_gauge *g, WEIR_VALUES_);
WEIR_API struct weir_histogram_series weir_histogram_values(const struct weir_histogram *h, WEIR_VALUES_);
WEIR_API void weir_counter_add_values(const struct weir_counter *c, uint64_t n, const struct weir_ctx *ctx, WEIR_VALUES_);
WEIR_API void weir_updown_add_values(const struct weir_updown *u, int64_t n, const struct weir_ctx *ctx, WEIR_VALUES_);
WEIR_API void weir_gauge_set_values(const struct weir_gauge *g, int64_t v, WEIR_VALUES_);
WEIR_API void weir_gauge_add_values(const struct weir_gauge *g, int64_t v, WEIR_VALUES_);
WEIR_API void weir_float_gauge_set_values(const struct weir_float_gauge *g, double v, WEIR_VALUES_);
WEIR_API void weir_float_gauge_add_values(const struct weir_float_gauge *g, double v, WEIR_VALUES_);
WEIR_API void weir_histogram_record_values(const struct weir_histogram *h, uint64_t v, const struct weir_ctx *ctx,
                                           WEIR_VALUES_);
WEIR_API void weir_info_set_values(const struct weir_info *i, WEIR_VALUES_);
WEIR_API void weir_info_clear(const struct weir_info *i);

/* Adds to a double: a compare-and-swap, tried 1000 times at most, then dropped and counted.
 * Threads: any. Signals: safe. Blocks: no. Allocates: as the forms above. Owns: nothing. Errors: none. */
WEIR_API void weir_float_gauge_add(const struct weir_float_gauge *g, double v);
WEIR_API void weir_float_gauge_series_add(struct weir_float_gauge_series s, double v);

/* ---- reading back, summed over all threads: for a host's own tests and decisions ---------------------------------------
 * Exact when recorders rest; zero for an instrument with labels (read its series) and for a handle that was refused.
 * Histograms: slo.h. Any series by name: weir_snapshot_find.
 * Threads: any. Signals: no. Blocks: while another reads. Allocates: no. Owns: nothing. Errors: none: zero. */
WEIR_API uint64_t weir_counter_read(const struct weir_counter *c);
WEIR_API uint64_t weir_counter_series_read(struct weir_counter_series s);
WEIR_API int64_t weir_updown_read(const struct weir_updown *u);
WEIR_API int64_t weir_updown_series_read(struct weir_updown_series s);
WEIR_API int64_t weir_gauge_read(const struct weir_gauge *g);
WEIR_API int64_t weir_gauge_series_read(struct weir_gauge_series s);
WEIR_API double weir_float_gauge_read(const struct weir_float_gauge *g);
WEIR_API double weir_float_gauge_series_read(struct weir_float_gauge_series s);

/* ---- elapsed time: one clock reading at each end -------------------------------------------------------------------------
 * Records the ns since begin, and returns them. A stopwatch is a value: record it twice, or never.
 * Threads: any; it may move. Signals: safe. Blocks: no. Allocates: as recording. Owns: nothing. Errors: none. */
struct weir_stopwatch {
	uint64_t began_;
};
WEIR_API struct weir_stopwatch weir_stopwatch_begin(void);
WEIR_API uint64_t weir_stopwatch_read(const struct weir_stopwatch *w); /* the ns so far; records nothing */
WEIR_API uint64_t weir_stopwatch_record(const struct weir_stopwatch *w, const struct weir_histogram *h);
WEIR_API uint64_t weir_stopwatch_record_series(const struct weir_stopwatch *w, struct weir_histogram_series s);

/* ---- callbacks: what the host keeps by itself is read, each tick -------------------------------------------------------
 * A callback reports any number of instruments, as they are at one moment. All of them run, one after the other, once a tick
 * and at each flush, on a thread for nothing else, which the first callback starts (or in weir_pump), under no lock; they may
 * register instruments and callbacks. One that takes its time holds up the other callbacks, and no exporter: those have what
 * was reported last, and weir_callbacks_late_total. A series that was reported before, but not in the newest round that
 * reported its instrument, is no longer exported. destroy waits for a run in progress, except from within it.
 * new and destroy: Threads: any. Signals: no. Blocks: destroy, as said. Allocates: yes. Owns: arg stays the caller's.
 * Errors: WEIR_EINVAL, WEIR_ENOMEM, WEIR_ELIMIT (1024 callbacks).
 * report: Threads: within the callback. Signals: no. Blocks: no. Allocates: a series' first use. Owns: values are copied.
 * Errors: none, as recording. Units: value in the base unit; real in the exported one. */
struct weir_observer;
struct weir_callback;
typedef void weir_observe_fn(struct weir_observer *observer, void *arg);
WEIR_API int weir_callback_new(struct weir_callback **callback, weir_observe_fn *observe, void *arg);
WEIR_API void weir_callback_destroy(struct weir_callback *callback);
WEIR_API void weir_observer_report(struct weir_observer *observer, const struct weir_observed *i, int64_t value);
WEIR_API void weir_observer_report_float(struct weir_observer *observer, const struct weir_observed *i, double real);
WEIR_API void weir_observer_report_values(struct weir_observer *observer, const struct weir_observed *i, int64_t value,
                                          WEIR_VALUES_);
WEIR_API void weir_observer_report_float_values(struct weir_observer *observer, const struct weir_observed *i, double real,
                                                WEIR_VALUES_);
WEIR_API void weir_report_with_v1_(struct weir_observer *observer, const struct weir_instrument *i, int64_t value,
                                   struct weir_labels_ l);
WEIR_WITH_(void, weir_observer_report_with_, weir_observed, i,
           (struct weir_observer *o, const struct weir_observed *i, int64_t v, struct weir_labels_ l),
           weir_report_with_v1_(o, &i->i_, v, l))
#define weir_observer_report_with(o, i, v, ...) weir_observer_report_with_((o), (i), (v), WEIR_LABELS_(__VA_ARGS__))

WEIR_END_DECLS_
#endif
