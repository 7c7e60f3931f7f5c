/* L4: series read back one by one, without a snapshot. Writer of the upper halves of sums: the holder of the snapshot lock. */
#include "snapshot.h"

#include "atomic.h"

#include <string.h>

/* NULL where it is refused, or nobody has recorded it yet: to read is no record, so that nothing is counted as dropped. */
static const struct weir__instrument *instrument_of(const struct weir_instrument *d)
{
	return weir__load_acquire(&d->state_->series_);
}

/* The instrument's own series; 0 where it has labels, was refused, or memory is at its end. */
static uint32_t own_cell(const struct weir_instrument *d)
{
	const struct weir__instrument *i = instrument_of(d);

	return i != NULL && i->labels_count == 0 ? i->first->cell : 0;
}

uint64_t weir_counter_read(const struct weir_counter *c)
{
	return weir__cell_sum(own_cell(&c->i_));
}

uint64_t weir_counter_series_read(struct weir_counter_series s)
{
	return weir__cell_sum(s.cell_);
}

int64_t weir_updown_read(const struct weir_updown *u)
{
	return (int64_t)weir__cell_sum(own_cell(&u->i_));
}

int64_t weir_updown_series_read(struct weir_updown_series s)
{
	return (int64_t)weir__cell_sum(s.cell_);
}

int64_t weir_gauge_read(const struct weir_gauge *g)
{
	return (int64_t)weir__cell_sum(own_cell(&g->i_));
}

int64_t weir_gauge_series_read(struct weir_gauge_series s)
{
	return (int64_t)weir__cell_sum(s.cell_);
}

double weir_float_gauge_series_read(struct weir_float_gauge_series s)
{
	uint64_t bits = weir__cell_sum(s.cell_);
	double v;

	memcpy(&v, &bits, sizeof v);
	return v;
}

double weir_float_gauge_read(const struct weir_float_gauge *g)
{
	return weir_float_gauge_series_read((struct weir_float_gauge_series){own_cell(&g->i_)});
}

/* The series that begins at this cell: its sum's upper half stands there. */
static struct weir__series *series_at(const struct weir_layout *layout, uint32_t cell)
{
	for (const struct weir__instrument *i = weir__instruments_first(); i != NULL; i = weir__load_acquire(&i->next)) {
		if (i->layout == NULL || i->layout->bounds_ != layout->bounds_)
			continue;
		for (struct weir__series *s = weir__load_acquire(&i->first); s != NULL; s = weir__load_acquire(&s->next))
			if (s->cell == cell)
				return s;
	}
	return NULL;
}

struct weir_distribution weir_histogram_series_read(struct weir_histogram_series h)
{
	struct weir_distribution d = {0, 0, 0, 0, {0}};
	const struct weir__shape *shape;
	struct weir__wiped *wiped;
	struct weir__series *s;

	if (h.cell_ == 0 || h.layout_ == NULL || weir__generation() == 0)
		return d;
	s = series_at(h.layout_, h.cell_);
	if (s == NULL)
		return d;
	shape = (const struct weir__shape *)(const void *)h.layout_->bounds_; /* its first member */
	wiped = weir__wiped();
	weir__lock(&wiped->snapshot);
	for (uint32_t b = 0; b <= shape->bounds_count; b++) {
		uint64_t n = weir__cell_sum(h.cell_ + 1 + b);

		d.count += n;
		if (b < shape->bounds_count && shape->slo_threshold != 0 && shape->bounds[b] <= shape->slo_threshold)
			d.good += n;
	}
	d.sum_low = weir__cell_sum(h.cell_);
	s->sum->high += d.sum_low < s->sum->low;
	s->sum->low = d.sum_low;
	d.sum_high = s->sum->high;
	weir__unlock(&wiped->snapshot);
	return d;
}

struct weir_distribution weir_histogram_read(const struct weir_histogram *h)
{
	const struct weir__instrument *i = instrument_of(&h->i_);
	struct weir_histogram_series none = {NULL, 0};

	if (i == NULL || i->labels_count != 0)
		return weir_histogram_series_read(none);
	return weir_histogram_series_read((struct weir_histogram_series){i->layout, i->first->cell});
}
