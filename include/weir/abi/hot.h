/* weir: the record path, frozen, because it is compiled into the caller. The soname and the name weir_tls_v1 stand for this
 * file: another layout is weir_tls_v2, and an object made with an older one fails to link or to load, never to run.
 *
 * Invariant: a cell of a thread's block has one writer, its thread; a thread's table has one writer, the slow path on that
 * thread. Nothing here locks, allocates, makes a system call or touches errno; what cannot be done inline goes out of line. */
#ifndef WEIR_ABI_HOT_H
#define WEIR_ABI_HOT_H

#include <weir/base.h>

WEIR_BEGIN_DECLS_

enum weir_kind {
	WEIR_COUNTER_KIND = 1,
	WEIR_UPDOWN_KIND,
	WEIR_GAUGE_KIND,
	WEIR_FLOAT_GAUGE_KIND,
	WEIR_HISTOGRAM_KIND,
	WEIR_INFO_KIND,
	WEIR_OBSERVED_COUNTER_KIND,
	WEIR_OBSERVED_GAUGE_KIND,
};
enum weir_unit {
	WEIR_ONE,
	WEIR_SECONDS, /* recorded in ns */
	WEIR_BYTES,
	WEIR_RATIO, /* recorded in ppm */
};

/* How a histogram divides: immutable, published by one pointer. Values fall into slots of 1/32 octave (below 64, of 1); map
 * gives a slot's first bucket, and a slot holds two bounds at most; bounds ends in two UINT64_MAX. Values from limit on go
 * out of line: limit is 2^63, or 0 where a slot holds more than two bounds, and while unresolved. A series is its sum, then
 * its buckets, in one block. */
struct weir_layout {
	const uint8_t *map_;
	const uint64_t *bounds_;
	uint64_t limit_;
	uint32_t buckets_;
	uint32_t cell_; /* of the series without labels; 0 where there is none */
};

/* An instrument is a constant description and the state that weir writes. Being constant, it tells the compiler how many
 * labels there are, and its state has an address known at link time.
 * Each field of the state is written once, under the registry's lock: cell_ last, with release. */
struct weir_state {
	const struct weir_layout *layout_; /* histograms; weir_layout_none_v1 until resolved */
	void *series_;                     /* the registry's record, which lives as long as the process */
	uint32_t cell_;                    /* of the series without labels; 0: unresolved, refused, or labelled */
	uint32_t reserved_;
};
struct weir_instrument {
	struct weir_state *state_;
	const char *const *text_; /* name, help, label names..., NULL */
	const uint64_t *shape_;   /* histograms: unit, then tagged words */
	uint16_t shape_words_, labels_;
	uint8_t abi_, kind_, unit_, reserved_;
};

/* One type a kind: to add to a gauge, or to set a counter, does not compile. */
struct weir_counter { struct weir_instrument i_; };
struct weir_updown { struct weir_instrument i_; };
struct weir_gauge { struct weir_instrument i_; };       /* int64_t */
struct weir_float_gauge { struct weir_instrument i_; }; /* double, in the exported unit */
struct weir_histogram { struct weir_instrument i_; };
struct weir_info { struct weir_instrument i_; };
struct weir_observed { struct weir_instrument i_; };    /* a counter or a gauge that a callback reports */

/* Handles: plain values, valid as long as the process lives, in any thread. Zeroed, they drop and count. */
struct weir_counter_series { uint32_t cell_; };
struct weir_updown_series { uint32_t cell_; };
struct weir_gauge_series { uint32_t cell_; };
struct weir_float_gauge_series { uint32_t cell_; };
struct weir_histogram_series {
	const struct weir_layout *layout_;
	uint32_t cell_;
};

WEIR_ASSERT_(sizeof(struct weir_layout) == 32 || sizeof(void *) != 8, "frozen");
WEIR_ASSERT_(sizeof(struct weir_state) == 24 || sizeof(void *) != 8, "frozen");
WEIR_ASSERT_(offsetof(struct weir_state, cell_) == 16 || sizeof(void *) != 8, "frozen");
WEIR_ASSERT_(sizeof(struct weir_instrument) == 32 || sizeof(void *) != 8, "frozen");
WEIR_ASSERT_(sizeof(struct weir_histogram_series) == 16 || sizeof(void *) != 8, "frozen");

/* A wrong number of label values is a compile error where the compiler sees the instrument (from -O1 on); elsewhere the
 * record is dropped, counted, and logged once. */
#if defined(__OPTIMIZE__) && defined(__has_attribute) && (!defined(__clang__) || __clang_major__ >= 14)
void weir_label_count_(void)
	__attribute__((nothrow, error("weir: give as many label values as the instrument has label names")));
#define WEIR_CHECK_(i, n, differs)                                                                                     \
	do                                                                                                             \
		if (__builtin_constant_p((n)differs(i)->i_.labels_) && (n)differs(i)->i_.labels_)                      \
			weir_label_count_();                                                                           \
	while (0)
#else
#define WEIR_CHECK_(i, n, differs) (void)0
#endif

/* The thread's table of blocks. It starts at a table of nulls, so that "not initialised", "thread not attached" and "block
 * not there yet" are one branch. Writer: the slow path of this thread. Readers: this thread. */
extern WEIR_API __thread uint64_t *const *weir_tls_v1 __attribute__((tls_model("initial-exec")));
extern WEIR_API const struct weir_layout weir_layout_none_v1; /* all zero: unresolved */

/* What the inline path cannot do. Each attaches the thread, resolves the instrument or opens the block, then records; or
 * drops and counts. Threads: any. Signals: safe. Blocks: on a lock held for microseconds. Allocates: from weir's own pages. */
WEIR_API void weir_add_slow_v1_(const struct weir_instrument *i, uint64_t n) __attribute__((cold));
WEIR_API void weir_cell_add_slow_v1_(uint32_t cell, uint64_t n) __attribute__((cold));
WEIR_API void weir_level_slow_v1_(const struct weir_instrument *i, uint64_t bits, bool set) __attribute__((cold));
WEIR_API void weir_cell_level_slow_v1_(uint32_t cell, uint64_t bits, bool set) __attribute__((cold));
WEIR_API void weir_record_slow_v1_(const struct weir_instrument *i, uint64_t v) __attribute__((cold));
WEIR_API void weir_cells_record_slow_v1_(struct weir_histogram_series s, uint64_t v) __attribute__((cold));

#if defined(__SANITIZE_THREAD__)
#define WEIR_TSAN_
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
#define WEIR_TSAN_
#endif
#endif

/* One writer a cell, one instruction: a signal handler on the same thread loses nothing, and no lock prefix is paid.
 * Pairs with the relaxed loads of the snapshot, which needs no order between cells. The address stands in one register:
 * adds to one cell in a row take 0.5 ns so, and 2.1 ns by base and index, which processors do not forward as fast. */
WEIR_INLINE_ void weir_cell_bump_(uint64_t *cell, uint64_t n)
{
#if defined(__x86_64__) && !defined(WEIR_TSAN_)
	__asm__ volatile("addq %1, (%2)" : "+m"(*cell) : "er"(n), "r"(cell) : "cc");
#else
	__atomic_fetch_add(cell, n, __ATOMIC_RELAXED);
#endif
}

/* The bucket of a value below limit. */
WEIR_INLINE_ uint64_t weir_bucket_(const struct weir_layout *l, uint64_t v)
{
	uint64_t shift = (WEIR_CAST_(uint64_t, __builtin_clzll(v | 32)) ^ 63u) - 5u; /* the leading bit's place: one instruction */
	uint64_t bucket = l->map_[(shift << 5) + (v >> shift)];
	bucket += v > l->bounds_[bucket];
	return bucket + (v > l->bounds_[bucket]);
}

WEIR_INLINE_ bool weir_cell_add_(uint32_t cell, uint64_t n)
{
	uint64_t *block = weir_tls_v1[cell >> 9];

	if (__builtin_expect(block == NULL, 0))
		return false;
	weir_cell_bump_(&block[cell & 511u], n);
	return true;
}

/* Levels (gauges) live in blocks that all threads share: a plain atomic store, a locked add. Who moves the cells takes such a
 * block out of the table for a moment (release; no order is needed: the block stays where it is), so it is looked up each time. */
WEIR_INLINE_ bool weir_cell_level_(uint32_t cell, uint64_t bits, bool set)
{
	uint64_t *block = __atomic_load_n(&weir_tls_v1[cell >> 9], __ATOMIC_RELAXED);

	if (__builtin_expect(block == NULL, 0))
		return false;
	if (set)
		__atomic_store_n(&block[cell & 511u], bits, __ATOMIC_RELAXED);
	else
		__atomic_fetch_add(&block[cell & 511u], bits, __ATOMIC_RELAXED);
	return true;
}

/* Cell 0 is never there, so that a zeroed handle's layout is not looked at. */
WEIR_INLINE_ bool weir_cells_record_(const struct weir_layout *l, uint32_t cell, uint64_t v)
{
	uint64_t *block = weir_tls_v1[cell >> 9];

	if (__builtin_expect(block == NULL || v >= l->limit_, 0))
		return false;
	block += cell & 511u;
	weir_cell_bump_(&block[1 + weir_bucket_(l, v)], 1);
	weir_cell_bump_(&block[0], v);
	return true;
}

/* weir_<kind>_<verb>: the instrument itself, which must have no labels; weir_<kind>_series_<verb>: a handle.
 * Threads: any. Signals: safe; an add interrupted by a handler that adds loses nothing. Blocks: no, after the thread's first
 * use of the cell's block. Allocates: no, likewise. Owns: nothing. Errors: none; what cannot be counted is dropped and
 * counted. Shapes: n of a counter is modulo 2^64; v of a histogram is below 2^63, in ns, bytes, ppm or 1. */
#define WEIR_OWN_CELL_(i) __atomic_load_n(&(i)->i_.state_->cell_, __ATOMIC_RELAXED)
WEIR_INLINE_ uint64_t weir_double_bits_(double v)
{
	uint64_t bits;

	__builtin_memcpy(&bits, &v, sizeof bits);
	return bits;
}

#ifdef WEIR_NO_INLINE /* for coroutines on arm64 that cache the thread pointer, and as other languages bind them */
WEIR_API void weir_counter_add(const struct weir_counter *c, uint64_t n);
WEIR_API void weir_counter_series_add(struct weir_counter_series s, uint64_t n);
WEIR_API void weir_updown_add(const struct weir_updown *u, int64_t n);
WEIR_API void weir_updown_series_add(struct weir_updown_series s, int64_t n);
WEIR_API void weir_gauge_set(const struct weir_gauge *g, int64_t v);
WEIR_API void weir_gauge_series_set(struct weir_gauge_series s, int64_t v);
WEIR_API void weir_gauge_add(const struct weir_gauge *g, int64_t v);
WEIR_API void weir_gauge_series_add(struct weir_gauge_series s, int64_t v);
WEIR_API void weir_float_gauge_set(const struct weir_float_gauge *g, double v);
WEIR_API void weir_float_gauge_series_set(struct weir_float_gauge_series s, double v);
WEIR_API void weir_histogram_record(const struct weir_histogram *h, uint64_t v);
WEIR_API void weir_histogram_series_record(struct weir_histogram_series s, uint64_t v);
#else
WEIR_INLINE_ void weir_counter_add(const struct weir_counter *c, uint64_t n)
{
	WEIR_CHECK_(c, 0u, !=);
	if (!weir_cell_add_(WEIR_OWN_CELL_(c), n))
		weir_add_slow_v1_(&c->i_, n);
}
WEIR_INLINE_ void weir_counter_series_add(struct weir_counter_series s, uint64_t n)
{
	if (!weir_cell_add_(s.cell_, n))
		weir_cell_add_slow_v1_(s.cell_, n);
}
WEIR_INLINE_ void weir_updown_add(const struct weir_updown *u, int64_t n)
{
	WEIR_CHECK_(u, 0u, !=);
	if (!weir_cell_add_(WEIR_OWN_CELL_(u), WEIR_CAST_(uint64_t, n)))
		weir_add_slow_v1_(&u->i_, WEIR_CAST_(uint64_t, n));
}
WEIR_INLINE_ void weir_updown_series_add(struct weir_updown_series s, int64_t n)
{
	if (!weir_cell_add_(s.cell_, WEIR_CAST_(uint64_t, n)))
		weir_cell_add_slow_v1_(s.cell_, WEIR_CAST_(uint64_t, n));
}
WEIR_INLINE_ void weir_gauge_set(const struct weir_gauge *g, int64_t v)
{
	WEIR_CHECK_(g, 0u, !=);
	if (!weir_cell_level_(WEIR_OWN_CELL_(g), WEIR_CAST_(uint64_t, v), true))
		weir_level_slow_v1_(&g->i_, WEIR_CAST_(uint64_t, v), true);
}
WEIR_INLINE_ void weir_gauge_series_set(struct weir_gauge_series s, int64_t v)
{
	if (!weir_cell_level_(s.cell_, WEIR_CAST_(uint64_t, v), true))
		weir_cell_level_slow_v1_(s.cell_, WEIR_CAST_(uint64_t, v), true);
}
WEIR_INLINE_ void weir_gauge_add(const struct weir_gauge *g, int64_t v)
{
	WEIR_CHECK_(g, 0u, !=);
	if (!weir_cell_level_(WEIR_OWN_CELL_(g), WEIR_CAST_(uint64_t, v), false))
		weir_level_slow_v1_(&g->i_, WEIR_CAST_(uint64_t, v), false);
}
WEIR_INLINE_ void weir_gauge_series_add(struct weir_gauge_series s, int64_t v)
{
	if (!weir_cell_level_(s.cell_, WEIR_CAST_(uint64_t, v), false))
		weir_cell_level_slow_v1_(s.cell_, WEIR_CAST_(uint64_t, v), false);
}
WEIR_INLINE_ void weir_float_gauge_set(const struct weir_float_gauge *g, double v)
{
	WEIR_CHECK_(g, 0u, !=);
	if (!weir_cell_level_(WEIR_OWN_CELL_(g), weir_double_bits_(v), true))
		weir_level_slow_v1_(&g->i_, weir_double_bits_(v), true);
}
WEIR_INLINE_ void weir_float_gauge_series_set(struct weir_float_gauge_series s, double v)
{
	if (!weir_cell_level_(s.cell_, weir_double_bits_(v), true))
		weir_cell_level_slow_v1_(s.cell_, weir_double_bits_(v), true);
}
WEIR_INLINE_ void weir_histogram_record(const struct weir_histogram *h, uint64_t v)
{
	const struct weir_layout *l = __atomic_load_n(&h->i_.state_->layout_, __ATOMIC_ACQUIRE);

	WEIR_CHECK_(h, 0u, !=);
	if (!weir_cells_record_(l, l->cell_, v))
		weir_record_slow_v1_(&h->i_, v);
}
WEIR_INLINE_ void weir_histogram_series_record(struct weir_histogram_series s, uint64_t v)
{
	if (!weir_cells_record_(s.layout_, s.cell_, v))
		weir_cells_record_slow_v1_(s, v);
}
#endif

WEIR_END_DECLS_
#endif
