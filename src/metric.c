/* L3: recording: what the inline path leaves over, the forms with labels, and the same functions out of line for other
 * languages. Invariant: no lock, no system call, no errno on any path but a thread's, a block's or a series' first use. */
#define WEIR_NO_INLINE
#include "registry.h"

#include <weir/span.h>

#include "atomic.h"
#include "claim.h"

#include <string.h>

enum { CAS_TRIES = 1000 };

/* ---- the slow ends of the inline path ---- */

static void add_at(uint32_t cell, uint64_t n)
{
	if (!weir_cell_add_(cell, n)) {
		uint64_t *block = weir__block_of(cell);

		if (block != NULL)
			weir_cell_bump_(&block[cell % 512], n);
	}
}

static void level_at(uint32_t cell, uint64_t bits, bool set)
{
	if (!weir_cell_level_(cell, bits, set)) {
		uint64_t *block = weir__block_of(cell);

		if (block == NULL)
			return;
		if (set)
			weir__store_relaxed(&block[cell % 512], bits);
		else
			weir__add_relaxed(&block[cell % 512], bits);
	}
}

static void record_at(const struct weir_layout *layout, uint32_t cell, uint64_t v)
{
	uint64_t *block;

	if (weir_cells_record_(layout, cell, v))
		return;
	if (v > INT64_MAX) {
		weir__lose(WEIR__LOST_VALUE);
		return;
	}
	block = cell != 0 ? weir_tls_v1[cell / 512] : NULL;
	if (block == NULL)
		block = weir__block_of(cell);
	if (block == NULL)
		return;
	block += cell % 512;
	weir_cell_bump_(&block[1 + weir__bucket_search(layout->bounds_, layout->buckets_ - 1, v)], 1);
	weir_cell_bump_(&block[0], v);
}

static void float_add_at(uint32_t cell, double v)
{
	uint64_t *block = cell != 0 ? weir__load_relaxed(&weir_tls_v1[cell / 512]) : NULL, before;

	if (block == NULL)
		block = weir__block_of(cell);
	if (block == NULL)
		return;
	before = weir__load_relaxed(&block[cell % 512]);
	for (int tries = 0; tries < CAS_TRIES; tries++) {
		double sum;

		memcpy(&sum, &before, sizeof sum);
		if (weir__cas_relaxed(&block[cell % 512], &before, weir_double_bits_(sum + v)))
			return;
	}
	weir__lose(WEIR__LOST_CONTENDED);
}

/* The one series of an instrument without labels; 0: lost, and counted. */
static uint32_t own_cell(const struct weir_instrument *d)
{
	uint32_t cell = weir__load_acquire(&d->state_->cell_);
	struct weir__instrument *i;

	if (cell != 0)
		return cell;
	i = weir__instrument_of(d);
	if (i == NULL)
		return 0;
	if (i->labels_count != 0) { /* where the compiler could not see it */
		weir__resolve(d, NULL, 0);
		return 0;
	}
	return i->first->cell;
}

void weir_add_slow_v1_(const struct weir_instrument *d, uint64_t n)
{
	uint32_t cell = own_cell(d);

	if (cell != 0)
		add_at(cell, n);
}

void weir_cell_add_slow_v1_(uint32_t cell, uint64_t n)
{
	add_at(cell, n);
}

void weir_level_slow_v1_(const struct weir_instrument *d, uint64_t bits, bool set)
{
	uint32_t cell = own_cell(d);

	if (cell != 0)
		level_at(cell, bits, set);
}

void weir_cell_level_slow_v1_(uint32_t cell, uint64_t bits, bool set)
{
	level_at(cell, bits, set);
}

void weir_record_slow_v1_(const struct weir_instrument *d, uint64_t v)
{
	uint32_t cell = own_cell(d);

	if (cell != 0)
		record_at(weir__load_acquire(&d->state_->layout_), cell, v);
}

void weir_cells_record_slow_v1_(struct weir_histogram_series s, uint64_t v)
{
	if (s.cell_ == 0 || s.layout_ == NULL)
		weir__lose(WEIR__LOST_REFUSED);
	else
		record_at(s.layout_, s.cell_, v);
}

/* ---- with labels ---- */

static uint32_t resolved(const struct weir_instrument *d, WEIR_VALUES_)
{
	const struct weir__series *s = weir__resolve(d, values, count);

	return s != NULL ? s->cell : 0;
}

struct weir_counter_series weir_counter_values(const struct weir_counter *c, WEIR_VALUES_)
{
	return (struct weir_counter_series){resolved(&c->i_, values, count)};
}

struct weir_updown_series weir_updown_values(const struct weir_updown *u, WEIR_VALUES_)
{
	return (struct weir_updown_series){resolved(&u->i_, values, count)};
}

struct weir_gauge_series weir_gauge_values(const struct weir_gauge *g, WEIR_VALUES_)
{
	return (struct weir_gauge_series){resolved(&g->i_, values, count)};
}

struct weir_float_gauge_series weir_float_gauge_values(const struct weir_float_gauge *g, WEIR_VALUES_)
{
	return (struct weir_float_gauge_series){resolved(&g->i_, values, count)};
}

struct weir_histogram_series weir_histogram_values(const struct weir_histogram *h, WEIR_VALUES_)
{
	uint32_t cell = resolved(&h->i_, values, count);

	return (struct weir_histogram_series){weir__load_acquire(&h->i_.state_->layout_), cell};
}

void weir_counter_add_values(const struct weir_counter *c, uint64_t n, const struct weir_ctx *ctx, WEIR_VALUES_)
{
	uint32_t cell;

	if (ctx != NULL && count != c->i_.labels_) {
		weir__claim_record(&c->i_, n, ctx, values, NULL, count);
		return;
	}
	cell = resolved(&c->i_, values, count);
	if (ctx != NULL && cell != 0)
		weir_counter_series_add_ctx((struct weir_counter_series){cell}, n, ctx);
	else if (cell != 0)
		add_at(cell, n);
}

void weir_updown_add_values(const struct weir_updown *u, int64_t n, const struct weir_ctx *ctx, WEIR_VALUES_)
{
	uint32_t cell = resolved(&u->i_, values, count);

	(void)ctx;
	if (cell != 0)
		add_at(cell, (uint64_t)n);
}

void weir_gauge_set_values(const struct weir_gauge *g, int64_t v, WEIR_VALUES_)
{
	uint32_t cell = resolved(&g->i_, values, count);

	if (cell != 0)
		level_at(cell, (uint64_t)v, true);
}

void weir_gauge_add_values(const struct weir_gauge *g, int64_t v, WEIR_VALUES_)
{
	uint32_t cell = resolved(&g->i_, values, count);

	if (cell != 0)
		level_at(cell, (uint64_t)v, false);
}

void weir_float_gauge_set_values(const struct weir_float_gauge *g, double v, WEIR_VALUES_)
{
	uint32_t cell = resolved(&g->i_, values, count);

	if (cell != 0)
		level_at(cell, weir_double_bits_(v), true);
}

void weir_float_gauge_add_values(const struct weir_float_gauge *g, double v, WEIR_VALUES_)
{
	uint32_t cell = resolved(&g->i_, values, count);

	if (cell != 0)
		float_add_at(cell, v);
}

void weir_histogram_record_values(const struct weir_histogram *h, uint64_t v, const struct weir_ctx *ctx, WEIR_VALUES_)
{
	uint32_t cell;

	if (ctx != NULL && count != h->i_.labels_) {
		weir__claim_record(&h->i_, v, ctx, values, NULL, count);
		return;
	}
	cell = resolved(&h->i_, values, count);
	if (ctx != NULL && cell != 0)
		weir_histogram_series_record_ctx((struct weir_histogram_series){weir__load_acquire(&h->i_.state_->layout_), cell}, v, ctx);
	else if (cell != 0)
		record_at(weir__load_acquire(&h->i_.state_->layout_), cell, v);
}

void weir_info_set_values(const struct weir_info *i, WEIR_VALUES_)
{
	uint32_t cell = resolved(&i->i_, values, count);

	if (cell != 0)
		level_at(cell, 1, true);
}

void weir_info_clear(const struct weir_info *info)
{
	struct weir__instrument *i = weir__instrument_of(&info->i_);

	for (struct weir__series *s = i != NULL ? weir__load_acquire(&i->first) : NULL; s != NULL; s = weir__load_acquire(&s->next))
		level_at(s->cell, 0, true);
}

void weir_float_gauge_add(const struct weir_float_gauge *g, double v)
{
	uint32_t cell = own_cell(&g->i_);

	if (cell != 0)
		float_add_at(cell, v);
}

void weir_float_gauge_series_add(struct weir_float_gauge_series s, double v)
{
	float_add_at(s.cell_, v);
}

/* ---- elapsed time ---- */

struct weir_stopwatch weir_stopwatch_begin(void)
{
	return (struct weir_stopwatch){weir__clock_ns()};
}

uint64_t weir_stopwatch_read(const struct weir_stopwatch *w)
{
	return weir__clock_ns() - w->began_;
}

uint64_t weir_stopwatch_record(const struct weir_stopwatch *w, const struct weir_histogram *h)
{
	uint64_t ns = weir_stopwatch_read(w);

	weir_histogram_record(h, ns);
	return ns;
}

uint64_t weir_stopwatch_record_series(const struct weir_stopwatch *w, struct weir_histogram_series s)
{
	uint64_t ns = weir_stopwatch_read(w);

	weir_histogram_series_record(s, ns);
	return ns;
}

/* ---- the inline functions, for who cannot inline ---- */

void weir_counter_add(const struct weir_counter *c, uint64_t n)
{
	if (!weir_cell_add_(WEIR_OWN_CELL_(c), n))
		weir_add_slow_v1_(&c->i_, n);
}

void weir_counter_series_add(struct weir_counter_series s, uint64_t n)
{
	add_at(s.cell_, n);
}

void weir_updown_add(const struct weir_updown *u, int64_t n)
{
	if (!weir_cell_add_(WEIR_OWN_CELL_(u), (uint64_t)n))
		weir_add_slow_v1_(&u->i_, (uint64_t)n);
}

void weir_updown_series_add(struct weir_updown_series s, int64_t n)
{
	add_at(s.cell_, (uint64_t)n);
}

void weir_gauge_set(const struct weir_gauge *g, int64_t v)
{
	if (!weir_cell_level_(WEIR_OWN_CELL_(g), (uint64_t)v, true))
		weir_level_slow_v1_(&g->i_, (uint64_t)v, true);
}

void weir_gauge_series_set(struct weir_gauge_series s, int64_t v)
{
	level_at(s.cell_, (uint64_t)v, true);
}

void weir_gauge_add(const struct weir_gauge *g, int64_t v)
{
	if (!weir_cell_level_(WEIR_OWN_CELL_(g), (uint64_t)v, false))
		weir_level_slow_v1_(&g->i_, (uint64_t)v, false);
}

void weir_gauge_series_add(struct weir_gauge_series s, int64_t v)
{
	level_at(s.cell_, (uint64_t)v, false);
}

void weir_float_gauge_set(const struct weir_float_gauge *g, double v)
{
	if (!weir_cell_level_(WEIR_OWN_CELL_(g), weir_double_bits_(v), true))
		weir_level_slow_v1_(&g->i_, weir_double_bits_(v), true);
}

void weir_float_gauge_series_set(struct weir_float_gauge_series s, double v)
{
	level_at(s.cell_, weir_double_bits_(v), true);
}

void weir_histogram_record(const struct weir_histogram *h, uint64_t v)
{
	const struct weir_layout *l = weir__load_acquire(&h->i_.state_->layout_);

	if (!weir_cells_record_(l, l->cell_, v))
		weir_record_slow_v1_(&h->i_, v);
}

void weir_histogram_series_record(struct weir_histogram_series s, uint64_t v)
{
	if (!weir_cells_record_(s.layout_, s.cell_, v))
		weir_cells_record_slow_v1_(s, v);
}
