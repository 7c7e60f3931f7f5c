/* L4: making a snapshot, and its cursors. See snapshot.h. Writer: the maker, under the snapshot lock, which also guards the
 * upper halves of the histograms' sums. */
#include "snapshot.h"

#include "atomic.h"
#include "exemplar.h"
#include "shard.h"

#include <stdlib.h>
#include <string.h>

struct seen_family {
	const struct weir__instrument *instrument;
	const char *const *constant;
	uint32_t series_count;
	uint64_t *highs; /* upper halves of sums, by series; NULL: all 0 */
	bool *hidden;    /* by series; observed: whether the newest whole round left it out; claims: it is retired; NULL: none */
	struct weir_str *values; /* claims: of each series, with the texts behind all of them: they are others' later */
	uint64_t *starts;        /* likewise */
};
struct weir_snapshot {
	uint64_t time_ns;
	const struct weir_attrs *resource;
	uint32_t families_count, blocks;
	uint64_t *totals; /* by cell */
	struct weir__exemplars exemplars;
	struct seen_family families[];
};

static const struct weir_attrs *resource; /* release by set; acquire by snapshots */
static struct {
	uint64_t count, last_ns; /* readers: any, relaxed */
} made;

void weir__resource_set(const struct weir_attrs *attrs)
{
	weir__store_release(&resource, attrs);
}

const struct weir_attrs *weir__resource(void)
{
	return weir__load_acquire(&resource);
}

uint64_t weir__snapshots_total(void)
{
	return weir__load_relaxed(&made.count);
}

uint64_t weir__snapshot_last_ns(void)
{
	return weir__load_relaxed(&made.last_ns);
}

/* Relaxed loads: each cell on its own only ever grows, so that a later sum is never less; nothing is asked of their order. */
static void add_block(uint64_t *to, const uint64_t *page)
{
	for (uint32_t i = 0; i < WEIR__BLOCK_CELLS; i++)
		to[i] += weir__load_relaxed(&page[i]);
}

/* The first shard's, and mostly the only one's: four at once, since the loop would cost as much as they do. */
static void copy_block(uint64_t *to, const uint64_t *page)
{
	for (uint32_t i = 0; i < WEIR__BLOCK_CELLS; i += 4) {
		to[i] = weir__load_relaxed(&page[i]);
		to[i + 1] = weir__load_relaxed(&page[i + 1]);
		to[i + 2] = weir__load_relaxed(&page[i + 2]);
		to[i + 3] = weir__load_relaxed(&page[i + 3]);
	}
}

bool weir__block_sum(uint64_t *to, uint32_t block)
{
	bool levels = weir__block_is_levels(block), empty = true;
	uint32_t shards = levels ? 1 : weir__shards_count();

	for (uint32_t shard = 0; shard < shards; shard++) {
		const uint64_t *page = levels ? weir__level_peek(block) : weir__shard_peek(shard, block);

		if (page == NULL)
			continue;
		(empty ? copy_block : add_block)(to, page);
		empty = false;
	}
	if (empty)
		memset(to, 0, WEIR__BLOCK_CELLS * sizeof *to);
	return !empty;
}

uint64_t weir__cell_sum(uint32_t cell)
{
	uint32_t block = cell / WEIR__BLOCK_CELLS, at = cell % WEIR__BLOCK_CELLS, shards;
	uint64_t sum = 0;

	weir__generation();
	if (block == 0)
		return 0;
	if (weir__block_is_levels(block)) {
		const uint64_t *page = weir__level_peek(block);

		return page != NULL ? weir__load_relaxed(&page[at]) : 0;
	}
	shards = weir__shards_count();
	for (uint32_t shard = 0; shard < shards; shard++) {
		const uint64_t *page = weir__shard_peek(shard, block);

		sum += page != NULL ? weir__load_relaxed(&page[at]) : 0;
	}
	return sum;
}

/* A sum of 64 bits has wrapped where it went back. The snapshot lock is held, so that sums come in order. */
static __attribute__((cold)) bool carry_sums(struct weir_snapshot *snapshot)
{
	for (uint32_t f = 0; f < snapshot->families_count; f++) {
		struct seen_family *family = &snapshot->families[f];
		const struct weir__series *s = weir__load_acquire(&family->instrument->first);

		if (family->instrument->kind != WEIR_HISTOGRAM_KIND)
			continue;
		for (uint32_t n = 0; n < family->series_count; n++, s = weir__load_acquire(&s->next)) {
			uint64_t low = snapshot->totals[s->cell];

			s->sum->high += low < s->sum->low;
			s->sum->low = low;
			if (s->sum->high == 0)
				continue;
			if (family->highs == NULL)
				family->highs = calloc(family->series_count, sizeof *family->highs);
			if (family->highs == NULL)
				return false;
			family->highs[n] = s->sum->high;
		}
	}
	return true;
}

/* Before the values are summed: a series that is seen as reported has its value there. The instrument's round first: what a
 * later one reports is shown as well. */
static __attribute__((cold)) bool hide(struct seen_family *family)
{
	const struct weir__instrument *i = family->instrument;
	bool observed = i->kind == WEIR_OBSERVED_COUNTER_KIND || i->kind == WEIR_OBSERVED_GAUGE_KIND;
	uint32_t whole = weir__load_acquire(&i->round);
	const struct weir__series *s = weir__load_acquire(&i->first);

	if (!observed && i->claims == 0)
		return true;
	for (uint32_t n = 0; n < family->series_count; n++, s = weir__load_acquire(&s->next)) {
		uint32_t round = weir__load_acquire(&s->round);

		if (observed ? round != 0 && round >= whole : weir__load_acquire(&s->live))
			continue;
		if (family->hidden == NULL)
			family->hidden = calloc(family->series_count, sizeof *family->hidden);
		if (family->hidden == NULL)
			return false;
		family->hidden[n] = true;
	}
	return true;
}

/* What was seen as live stays so while the snapshot lock is held. */
static __attribute__((cold)) bool copy_texts(struct seen_family *family)
{
	const struct weir__instrument *i = family->instrument;
	const struct weir__series *first = weir__load_acquire(&i->first), *s = first;
	size_t labels = i->labels_count, bytes = 0;
	struct weir_str *to;
	char *text;

	if (i->claims == 0)
		return true;
	for (uint32_t n = 0; n < family->series_count; n++, s = weir__load_acquire(&s->next))
		for (size_t k = 0; k < labels && s->values != NULL && !(family->hidden != NULL && family->hidden[n]); k++)
			bytes += s->values[k].len + 1;
	to = calloc(1, family->series_count * (labels * sizeof *to + sizeof *family->starts) + bytes + 1);
	if (to == NULL)
		return false;
	family->values = to;
	family->starts = (uint64_t *)(void *)(to + family->series_count * labels);
	text = (char *)(family->starts + family->series_count);
	s = first;
	for (uint32_t n = 0; n < family->series_count; n++, s = weir__load_acquire(&s->next), to += labels) {
		if (family->hidden != NULL && family->hidden[n])
			continue;
		family->starts[n] = s->start_ns;
		for (size_t k = 0; k < labels && s->values != NULL; k++) {
			to[k] = weir_str_n(text, s->values[k].len);
			memcpy(text, s->values[k].ptr, to[k].len);
			text += to[k].len + 1;
		}
	}
	return true;
}

static __attribute__((cold)) struct weir_snapshot *collect(void)
{
	uint32_t count = weir__instruments_count(), blocks;
	struct weir_snapshot *snapshot = calloc(1, sizeof *snapshot + count * sizeof *snapshot->families);
	const struct weir__instrument *i = weir__instruments_first();

	if (snapshot == NULL)
		return NULL;
	snapshot->time_ns = weir__wall_ns();
	snapshot->resource = weir__load_acquire(&resource);
	snapshot->families_count = count;
	for (uint32_t f = 0; f < count; f++, i = weir__load_acquire(&i->next)) {
		snapshot->families[f].instrument = i;
		snapshot->families[f].constant = weir__load_acquire(&i->constant);
		snapshot->families[f].series_count = weir__load_acquire(&i->series_count);
		if (!hide(&snapshot->families[f]) || !copy_texts(&snapshot->families[f])) {
			weir_snapshot_destroy(snapshot);
			return NULL;
		}
	}
	/* Before the values are summed: what an exemplar tells of is counted. */
	if (!weir__exemplars_copy(&snapshot->exemplars)) {
		weir_snapshot_destroy(snapshot);
		return NULL;
	}
	/* Behind the counts: a series that was counted has its block counted. */
	blocks = weir__blocks_count();
	snapshot->blocks = blocks;
	snapshot->totals = malloc(((size_t)blocks + 1) * WEIR__BLOCK_CELLS * sizeof *snapshot->totals);
	if (snapshot->totals == NULL) {
		weir_snapshot_destroy(snapshot);
		return NULL;
	}
	memset(snapshot->totals, 0, WEIR__BLOCK_CELLS * sizeof *snapshot->totals);
	for (uint32_t block = 1; block < blocks; block++)
		weir__block_sum(snapshot->totals + (size_t)block * WEIR__BLOCK_CELLS, block);
	if (!carry_sums(snapshot)) {
		weir_snapshot_destroy(snapshot);
		return NULL;
	}
	return snapshot;
}

__attribute__((cold)) int weir_snapshot_new(struct weir_snapshot **snapshot)
{
	uint64_t began = weir__clock_ns();
	struct weir__wiped *wiped;

	*snapshot = NULL;
	if (weir__generation() == 0)
		return WEIR_ENOMEM;
	wiped = weir__wiped();
	weir__lock(&wiped->snapshot);
	weir__health_refresh(); /* one at a time, or an older value might come after a newer one */
	*snapshot = collect();
	weir__store_relaxed(&made.count, made.count + 1);
	weir__store_relaxed(&made.last_ns, weir__clock_ns() - began);
	weir__unlock(&wiped->snapshot);
	return *snapshot != NULL ? WEIR_OK : WEIR_ENOMEM;
}

__attribute__((cold)) void weir_snapshot_destroy(struct weir_snapshot *snapshot)
{
	if (snapshot == NULL)
		return;
	for (uint32_t f = 0; f < snapshot->families_count; f++) {
		free(snapshot->families[f].highs);
		free(snapshot->families[f].hidden);
		free(snapshot->families[f].values);
	}
	weir__exemplars_free(&snapshot->exemplars);
	free(snapshot->totals);
	free(snapshot);
}

uint64_t weir_snapshot_time_ns(const struct weir_snapshot *snapshot)
{
	return snapshot->time_ns;
}

struct weir_attrs weir_snapshot_resource(const struct weir_snapshot *snapshot)
{
	return snapshot->resource != NULL ? *snapshot->resource : (struct weir_attrs){NULL, 0};
}

/* ---- cursors: private_[0] snapshot, [1] next family; of a series: [0] family, [1] next series, [2] how many are left,
 * [3] its number, [4] snapshot ---- */

/* n: the number of the series in its family. */
static bool is_shown(const struct seen_family *family, const struct weir__series *s, uint64_t n, const struct weir_snapshot *snapshot)
{
	if (family->instrument->kind == WEIR_INFO_KIND)
		return snapshot->totals[s->cell] != 0;
	return family->hidden == NULL || !family->hidden[n];
}

static bool has_series(const struct seen_family *family, const struct weir_snapshot *snapshot)
{
	const struct weir__series *s = weir__load_acquire(&family->instrument->first);

	for (uint32_t n = 0; n < family->series_count; n++, s = weir__load_acquire(&s->next))
		if (is_shown(family, s, n, snapshot))
			return true;
	return false;
}

void weir_family_begin(struct weir_family *family, const struct weir_snapshot *snapshot)
{
	memset(family, 0, sizeof *family);
	family->private_[0] = (uint64_t)(uintptr_t)snapshot;
}

bool weir_family_next(struct weir_family *family)
{
	static const double divisors[] = {1, 1e9, 1, 1e6};
	const struct weir_snapshot *snapshot = (const struct weir_snapshot *)(uintptr_t)family->private_[0];

	while (family->private_[1] < snapshot->families_count) {
		const struct seen_family *seen = &snapshot->families[family->private_[1]++];
		const struct weir__instrument *i = seen->instrument;

		if (!has_series(seen, snapshot))
			continue;
		family->name = i->name;
		family->help = i->help;
		family->labels = i->labels;
		family->labels_count = i->labels_count;
		family->constant = seen->constant;
		for (family->constant_count = 0; seen->constant != NULL && seen->constant[2 * family->constant_count] != NULL;)
			family->constant_count++;
		family->kind = (enum weir_kind)i->kind;
		family->unit = (enum weir_unit)i->unit;
		family->divisor = divisors[i->unit];
		family->slo_objective_ppm = i->shape != NULL ? i->shape->slo_objective_ppm : 0;
		family->slo_threshold = i->shape != NULL ? i->shape->slo_threshold : 0;
		family->series_count = seen->series_count;
		return true;
	}
	return false;
}

void weir_series_begin(struct weir_series *series, const struct weir_family *family)
{
	const struct weir_snapshot *snapshot = (const struct weir_snapshot *)(uintptr_t)family->private_[0];
	const struct seen_family *seen;

	memset(series, 0, sizeof *series);
	if (family->private_[1] == 0) /* no family yet: no series */
		return;
	seen = &snapshot->families[family->private_[1] - 1];
	series->private_[0] = (uint64_t)(uintptr_t)seen;
	series->private_[1] = (uint64_t)(uintptr_t)weir__load_acquire(&seen->instrument->first);
	series->private_[2] = seen->series_count;
	series->private_[4] = (uint64_t)(uintptr_t)snapshot;
}

static void show_histogram(struct weir_series *series, const struct seen_family *seen, const struct weir__series *s,
                           const uint64_t *cells)
{
	const struct weir__shape *shape = seen->instrument->shape;

	series->sum_low = cells[0];
	series->sum_high = seen->highs != NULL ? seen->highs[series->private_[3]] : 0;
	series->bounds = shape->bounds;
	series->buckets = cells + 1;
	series->buckets_count = shape->bounds_count + 1;
	series->exponential = shape->exponential;
	series->scale = shape->scale;
	series->offset = shape->offset;
	series->split = shape->split;
	series->count = series->good = 0;
	for (uint32_t b = 0; b <= shape->bounds_count; b++) {
		series->count += cells[1 + b];
		if (b < shape->bounds_count && shape->slo_threshold != 0 && shape->bounds[b] <= shape->slo_threshold)
			series->good += cells[1 + b];
	}
	(void)s;
}

bool weir_series_next(struct weir_series *series)
{
	const struct seen_family *seen = (const struct seen_family *)(uintptr_t)series->private_[0];
	const struct weir_snapshot *snapshot = (const struct weir_snapshot *)(uintptr_t)series->private_[4];
	const struct weir__instrument *i = seen != NULL ? seen->instrument : NULL;

	while (i != NULL && series->private_[2] != 0) {
		const struct weir__series *s = (const struct weir__series *)(uintptr_t)series->private_[1];
		const uint64_t *cells = snapshot->totals + s->cell;
		uint64_t began = weir__began_ns();

		series->private_[1] = (uint64_t)(uintptr_t)weir__load_acquire(&s->next);
		series->private_[2]--;
		if (!is_shown(seen, s, series->private_[3], snapshot)) {
			series->private_[3]++;
			continue;
		}
		if (__builtin_expect(seen->values != NULL, 0)) {
			series->values = s->overflow ? NULL : seen->values + series->private_[3] * i->labels_count;
			series->start_ns = seen->starts[series->private_[3]];
		} else {
			series->values = s->values;
			series->start_ns = s->start_ns;
		}
		if (series->start_ns < began)
			series->start_ns = began;
		series->overflow = s->overflow;
		series->floating = i->kind == WEIR_FLOAT_GAUGE_KIND || weir__load_acquire(&s->floating);
		if (i->kind == WEIR_HISTOGRAM_KIND) {
			show_histogram(series, seen, s, cells);
		} else {
			series->count = cells[0];
			series->level = (int64_t)cells[0];
			if (series->floating)
				memcpy(&series->real, cells, sizeof series->real);
		}
		series->exemplars = NULL;
		series->exemplars_count = 0;
		if (__builtin_expect(snapshot->exemplars.count != 0, 0))
			series->exemplars = weir__exemplars_of(&snapshot->exemplars, s->cell, &series->exemplars_count);
		series->private_[3]++;
		return true;
	}
	return false;
}

static bool same_text(struct weir_str kept, struct weir_str asked)
{
	size_t len = asked.ptr != NULL ? asked.len : 0;

	return kept.len == len && (len == 0 || memcmp(kept.ptr, asked.ptr, len) == 0);
}

__attribute__((cold)) bool weir_snapshot_find(const struct weir_snapshot *snapshot, const char *name, const struct weir_str *values, size_t count,
                        struct weir_series *series)
{
	struct weir_family family;

	for (weir_family_begin(&family, snapshot); weir_family_next(&family);) {
		if (strcmp(family.name, name) != 0 || family.labels_count != count)
			continue;
		for (weir_series_begin(series, &family); weir_series_next(series);) {
			size_t k = 0;

			while (k < count && series->values != NULL && same_text(series->values[k], values[k]))
				k++;
			if (k == count && !series->overflow)
				return true;
		}
	}
	return false;
}
