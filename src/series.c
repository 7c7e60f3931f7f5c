/* L3: series: looked up at each call in a table that readers never lock, made under the core lock, published in the segment.
 * See registry.h. Writer: the holder of the core lock; readers: any thread. */
#include "registry.h"

#include "atomic.h"
#include "label.h"
#include "log.h"
#include "pages.h"
#include "segment.h"

#include <stdlib.h>
#include <string.h>

static struct {
	uint64_t cleaned, cut; /* writers: any, relaxed adds */
	uint64_t series;       /* readers: any, relaxed: a figure */
	uint64_t words[WEIR__KEY_WORDS_MAX]; /* scratch of the lock's holder */
	char text[WEIR__LABELS_MAX][WEIR__VALUE_MAX + 8];
} making;

uint64_t weir__mended_total(bool cut)
{
	return weir__load_relaxed(cut ? &making.cut : &making.cleaned);
}

void weir__mended_restart(void)
{
	weir__store_relaxed(&making.cleaned, 0u);
	weir__store_relaxed(&making.cut, 0u);
}

uint64_t weir__series_total(void)
{
	return weir__load_relaxed(&making.series);
}

/* ---- the table ---- */

enum { POINTER_BITS = 48 };
#define POINTER_MASK ((UINT64_C(1) << POINTER_BITS) - 1)

static inline struct weir__series *series_in(uint64_t slot)
{
	return (struct weir__series *)(uintptr_t)(slot & POINTER_MASK);
}

static inline __attribute__((always_inline)) struct weir__series *find(const struct weir__table *table, const uint64_t *words,
                                                                      uint32_t count, uint64_t hash)
{
	uint64_t tag = hash >> POINTER_BITS, slot;

	if (table == NULL)
		return NULL;
	/* acquire: pairs with insert's release, so that a found record is whole */
	for (uint32_t at = (uint32_t)hash & table->mask; (slot = weir__load_acquire(&table->slots[at])) != 0;
	     at = (at + 1) & table->mask) {
		struct weir__series *s = series_in(slot);
		uint64_t differs = 0;

		if (slot >> POINTER_BITS != tag || s->words != count)
			continue;
		for (uint32_t i = 0; i < count; i++)
			differs |= s->key[i] ^ words[i];
		if (differs == 0)
			return s;
	}
	return NULL;
}

struct weir__series *weir__series_find(const struct weir__instrument *i, const uint64_t *words, uint32_t count, uint64_t hash)
{
	return find(weir__load_acquire(&i->table), words, count, hash);
}

static void insert(struct weir__table *table, struct weir__series *s, uint64_t hash)
{
	uint32_t at = (uint32_t)hash & table->mask;

	while (table->slots[at] != 0)
		at = (at + 1) & table->mask;
	weir__store_release(&table->slots[at], (hash >> POINTER_BITS) << POINTER_BITS | (uint64_t)(uintptr_t)s);
}

static uint64_t hash_of(const uint64_t *words, uint32_t count)
{
	uint64_t hash = 0;

	for (uint32_t i = 0; i < count; i++)
		hash = weir__hash_step(hash, words[i]);
	return weir__hash_end(hash);
}

/* Room for one more at half full; readers of the former table miss what comes later, and then come here. */
static bool grow(struct weir__instrument *i)
{
	struct weir__table *former = i->table, *larger;
	uint32_t mask = former == NULL ? 7 : former->mask;

	if (former != NULL && (i->keyed_count + 1) * 2 <= mask + 1)
		return true;
	mask = former == NULL ? mask : mask * 2 + 1;
	larger = weir__pages_take(sizeof *larger + ((size_t)mask + 1) * sizeof larger->slots[0]);
	if (larger == NULL)
		return false;
	larger->mask = mask;
	for (uint32_t at = 0; former != NULL && at <= former->mask; at++)
		if (former->slots[at] != 0) {
			struct weir__series *s = series_in(former->slots[at]);

			insert(larger, s, hash_of(s->key, s->words));
		}
	weir__store_release(&i->table, larger);
	return true;
}

/* ---- making ---- */

static struct weir__series *new_series(struct weir__instrument *i, const struct weir_str *values, const uint64_t *words,
                                       uint32_t count)
{
	bool histogram = i->kind == WEIR_HISTOGRAM_KIND;
	size_t values_bytes = values != NULL ? i->labels_count * sizeof *values : 0;
	uint32_t cell = weir__cells_take(i->cells, i->levels); /* first: memory is never given back */
	struct weir__series *s;
	uint64_t *after;

	if (cell == 0)
		return NULL;
	s = weir__pages_take(sizeof *s + count * 8 + values_bytes + (histogram ? sizeof *s->sum : 0));
	if (s == NULL) {
		weir__cells_give_back(cell, i->cells, i->levels);
		return NULL;
	}
	s->cell = cell;
	s->words = count;
	s->start_ns = weir__wall_ns();
	if (count != 0)
		memcpy(s->key, words, count * sizeof *words);
	after = s->key + count;
	if (values != NULL) { /* they point into the key, where each ends in a NUL */
		struct weir_str *kept = (struct weir_str *)(void *)after;
		const char *at = (const char *)s->key;

		for (size_t k = 0; k < i->labels_count; k++) {
			kept[k] = weir_str_n(at, values[k].len);
			at += values[k].len / 8 * 8 + 8;
		}
		s->values = kept;
		after += values_bytes / 8;
	}
	if (histogram)
		s->sum = (struct weir__sum *)(void *)after;
	return s;
}

static void link_series(struct weir__instrument *i, struct weir__series *s)
{
	weir__store_release(i->last, s);
	i->last = &s->next;
	weir__store_release(&i->series_count, i->series_count + 1);
	weir__store_relaxed(&making.series, making.series + 1);
	if (weir__segment_is_open())
		weir__publish_series(i, s);
}

static struct weir__series *overflow_of(struct weir__instrument *i)
{
	struct weir__series *s = i->overflow;

	if (s != NULL)
		return s;
	if (i->folded_cell == 0)
		i->folded_cell = weir__cells_take(1, false);
	s = i->folded_cell != 0 ? new_series(i, NULL, NULL, 0) : NULL;
	if (s == NULL)
		return NULL;
	s->overflow = true;
	link_series(i, s);
	weir__store_release(&i->overflow, s);
	return s;
}

struct weir__series *weir__series_make(struct weir__instrument *i, const struct weir_str *values, const uint64_t *words,
                                       uint32_t count, uint64_t hash)
{
	struct weir__series *s;

	if (i->labels_count != 0 && i->keyed_count >= i->max_series) {
		weir__store_relaxed(&i->full, true);
		return overflow_of(i);
	}
	if (i->labels_count != 0 && !grow(i))
		return NULL;
	s = new_series(i, values, words, count);
	if (s == NULL)
		return NULL;
	link_series(i, s);
	if (i->labels_count != 0) {
		i->keyed_count++;
		insert(i->table, s, hash);
	}
	return s;
}

/* A fork may have come between the newest series' place in the list and the one where it is looked up. */
void weir__series_restart(struct weir__instrument *i, struct weir__series *newest)
{
	uint32_t keyed;
	uint64_t hash;

	if (newest->overflow && i->overflow == NULL)
		i->overflow = newest;
	if (i->labels_count == 0 || newest->overflow)
		return;
	hash = hash_of(newest->key, newest->words);
	if (weir__series_find(i, newest->key, newest->words, hash) == NULL)
		insert(i->table, newest, hash);
	keyed = i->series_count - (i->overflow != NULL ? 1 : 0);
	if (i->keyed_count != keyed)
		i->keyed_count = keyed;
}

/* ---- resolving ---- */

struct weir__instrument *weir__instrument_of(const struct weir_instrument *d)
{
	struct weir__instrument *i = weir__load_acquire(&d->state_->series_);
	struct weir__refusal why = {0, ""};
	struct weir__guard guard;

	if (__builtin_expect(i != NULL, 1))
		return i;
	if (weir__load_relaxed(&d->state_->reserved_) != 0) { /* refused before */
		weir__lose(WEIR__LOST_REFUSED);
		return NULL;
	}
	if (!weir__enter(&guard))
		return NULL;
	i = weir__register(d, NULL, &why);
	if (i == NULL && why.error != WEIR_ENOMEM)
		weir__store_relaxed(&d->state_->reserved_, 1u);
	weir__leave(&guard);
	if (i == NULL) {
		weir__lose(why.error == WEIR_ENOMEM ? WEIR__LOST_MEMORY : WEIR__LOST_REFUSED);
		weir__log_later(why.text); /* this may be a record: the next tick tells it */
	}
	return i;
}

static void count_mended(uint64_t cleaned, uint64_t cut)
{
	if (cleaned != 0)
		weir__add_relaxed(&making.cleaned, cleaned);
	if (cut != 0)
		weir__add_relaxed(&making.cut, cut);
}

/* Values that must be mended, on the stack: the series is found without the lock where it exists, and past the cap. NULL: the
 * lock is needed; so it is for long lists. */
static struct weir__series *find_mended(const struct weir__instrument *i, const struct weir_str *values, size_t count)
{
	uint64_t words[WEIR__KEY_WORDS] = {0}, hash = 0, cleaned = 0, cut = 0;
	struct weir__series *s;
	uint32_t n = 0;

	for (size_t k = 0; k < count; k++) {
		struct weir__mended how = {false, false};
		char text[WEIR__VALUE_MAX + 1];
		size_t len = weir__value_mend(text, values[k], &how);

		n = weir__key_append(words, n, WEIR__KEY_WORDS, &hash, weir_str_n(text, len));
		if (n == 0)
			return NULL;
		cleaned += how.cleaned;
		cut += how.cut;
	}
	s = n != 0 ? weir__series_find(i, words, n, weir__hash_end(hash)) : NULL;
	if (s == NULL && weir__load_relaxed(&i->full))
		s = weir__load_acquire(&i->overflow);
	if (s != NULL)
		count_mended(cleaned, cut);
	return s;
}

static struct weir__series *make_mended(struct weir__instrument *i, const struct weir_str *values, size_t count)
{
	struct weir_str mended[WEIR__LABELS_MAX];
	struct weir__series *s = NULL;
	struct weir__guard guard;
	uint64_t hash = 0;
	uint32_t words = 0;

	if (!weir__enter(&guard))
		return NULL;
	for (size_t k = 0; k < count; k++) {
		struct weir__mended how = {false, false};

		mended[k] = weir_str_n(making.text[k], weir__value_mend(making.text[k], values[k], &how));
		words = weir__key_append(making.words, words, WEIR__KEY_WORDS_MAX, &hash, mended[k]);
		count_mended(how.cleaned, how.cut);
	}
	hash = weir__hash_end(hash);
	s = weir__series_find(i, making.words, words, hash);
	if (s == NULL)
		s = weir__series_make(i, mended, making.words, words, hash);
	weir__leave(&guard);
	if (s == NULL)
		weir__lose(WEIR__LOST_MEMORY);
	return s;
}

/* What was not in the table. An instrument at its cap answers without the lock, so that a flood of new values stays cheap. */
static __attribute__((noinline)) struct weir__series *missed(struct weir__instrument *i, const struct weir_str *values, size_t count,
                                                            const uint64_t *words, uint32_t words_count)
{
	struct weir__series *s = NULL;

	if (weir__load_relaxed(&i->full) && words_count != 0 && weir__key_is_plain(words, words_count))
		s = weir__load_acquire(&i->overflow);
	else if (words_count == 0 || !weir__key_is_plain(words, words_count))
		s = find_mended(i, values, count);
	if (s == NULL)
		s = make_mended(i, values, count);
	if (s != NULL && s->overflow && !weir_cell_add_(i->folded_cell, 1)) {
		uint64_t *block = weir__block_of(i->folded_cell);

		if (block != NULL)
			weir_cell_bump_(&block[i->folded_cell % 512], 1);
	}
	return s;
}

static __attribute__((noinline, cold)) struct weir__series *wrong_count(const struct weir__instrument *i)
{
	weir__lose(WEIR__LOST_LABELS);
	weir__log_later_about("a record with a wrong number of label values was dropped: ", i->name);
	return NULL;
}

struct weir__series *weir__resolve(const struct weir_instrument *d, const struct weir_str *values, size_t count)
{
	struct weir__instrument *i = weir__instrument_of(d);
	uint64_t words[WEIR__KEY_WORDS], hash = 0;
	struct weir__series *s;
	uint32_t n = 0;

	if (__builtin_expect(i == NULL, 0))
		return NULL;
	if (__builtin_expect(count != i->labels_count, 0))
		return wrong_count(i);
	if (count == 0)
		return i->first;
	for (size_t k = 0; k < count; k++) {
		n = weir__key_append(words, n, WEIR__KEY_WORDS, &hash, values[k]);
		if (n == 0)
			return missed(i, values, count, words, 0);
	}
	s = find(weir__load_acquire(&i->table), words, n, weir__hash_end(hash));
	return __builtin_expect(s != NULL, 1) ? s : missed(i, values, count, words, n);
}

static __attribute__((noinline)) struct weir__series *missed_text(struct weir__instrument *i, struct weir_labels_ l,
                                                                 const uint64_t *words, uint32_t words_count)
{
	struct weir_str values[WEIR__LABELS_MAX];

	for (size_t k = 0; k < l.n_; k++)
		values[k] = weir_str_of(l.v_[k]);
	return missed(i, values, l.n_, words, words_count);
}

/* Whether text may be read past its end, within its page. Under valgrind, which is known by what it preloads, it is not: a
 * host's own reports must stay clean. 0: not known yet. Writers: any thread, with the same value. */
enum { MAY_READ_AHEAD = 1, MUST_MEASURE };
static uint32_t reading;

static __attribute__((noinline, cold)) struct weir__series *resolve_measured(const struct weir_instrument *d, struct weir_labels_ l)
{
	struct weir_str values[WEIR__LABELS_MAX];
	const char *preloaded;

	if (weir__load_relaxed(&reading) == 0) {
		preloaded = getenv("LD_PRELOAD");
		weir__store_relaxed(&reading, preloaded != NULL && strstr(preloaded, "vgpreload") != NULL ? (uint32_t)MUST_MEASURE
		                                                                                      : (uint32_t)MAY_READ_AHEAD);
	}
	for (size_t k = 0; k < l.n_ && k < WEIR__LABELS_MAX; k++)
		values[k] = weir_str_of(l.v_[k]);
	return weir__resolve(d, values, l.n_);
}

struct weir__series *weir__resolve_text(const struct weir_instrument *d, struct weir_labels_ l)
{
	struct weir__instrument *i = weir__load_acquire(&d->state_->series_);
	uint64_t words[WEIR__KEY_WORDS], hash = 0;
	struct weir__series *s;
	uint32_t n = 0;

	if (__builtin_expect(i == NULL || weir__load_relaxed(&reading) != MAY_READ_AHEAD, 0))
		return resolve_measured(d, l);
	if (__builtin_expect(l.n_ != i->labels_count, 0))
		return wrong_count(i);
	for (size_t k = 0; k < l.n_; k++) {
		n = weir__key_append_text(words, n, WEIR__KEY_WORDS, &hash, l.v_[k]);
		if (__builtin_expect(n == 0, 0))
			return missed_text(i, l, words, 0);
	}
	if (__builtin_expect(n == 0, 0))
		return i->first;
	s = find(weir__load_acquire(&i->table), words, n, weir__hash_end(hash));
	return __builtin_expect(s != NULL, 1) ? s : missed_text(i, l, words, n);
}

/* ---- the published copy ---- */

void weir__publish_series(const struct weir__instrument *i, const struct weir__series *s)
{
	struct {
		struct weir_segment_series head;
		uint32_t values[WEIR__LABELS_MAX];
	} record;
	uint32_t count = s->values != NULL ? i->labels_count : 0;

	/* What a callback reports exists once it is reported, and then it is known whether it is a double. */
	if ((i->kind == WEIR_OBSERVED_COUNTER_KIND || i->kind == WEIR_OBSERVED_GAUGE_KIND) && weir__load_acquire(&s->round) == 0)
		return;
	memset(&record, 0, sizeof record);
	for (uint32_t k = 0; k < count; k++) {
		record.values[k] = weir__segment_string(s->values[k].ptr, s->values[k].len);
		if (record.values[k] == 0)
			return; /* the segment is full: readers outside miss it, and its cells are in private memory then */
	}
	record.head.bytes = (uint32_t)(sizeof record.head + count * 4 + 7) & ~7u;
	record.head.type = WEIR_RECORD_SERIES;
	record.head.flags = (uint16_t)((s->overflow ? 1 : 0) | (i->kind == WEIR_FLOAT_GAUGE_KIND || s->floating ? 2 : 0));
	record.head.instrument = i->id;
	record.head.cell = s->cell;
	record.head.cells = i->cells;
	record.head.values_count = count;
	weir__segment_record(&record, record.head.bytes);
}

void weir__publish_instrument(const struct weir__instrument *i)
{
	enum { CONSTANTS = 64 };
	struct {
		struct weir_segment_instrument head;
		uint64_t bounds[WEIR__BUCKETS_MAX];
		uint32_t strings[WEIR__LABELS_MAX + CONSTANTS];
	} record;
	uint32_t strings[WEIR__LABELS_MAX + CONSTANTS], count = 0, constants = 0;
	const struct weir__shape *shape = i->shape;
	uint8_t *to = (uint8_t *)record.bounds;

	memset(&record, 0, sizeof record);
	for (; count < i->labels_count; count++)
		strings[count] = weir__segment_string(i->labels[count], strlen(i->labels[count]));
	for (const char *const *c = i->constant; c != NULL && *c != NULL && constants < CONSTANTS; c++, constants++)
		strings[count++] = weir__segment_string(*c, strlen(*c));
	if (shape != NULL) {
		memcpy(to, shape->bounds, shape->bounds_count * 8);
		to += shape->bounds_count * 8;
		record.head.bounds_count = shape->bounds_count;
		record.head.scale = shape->scale;
		record.head.offset = shape->offset;
		record.head.split = shape->split;
		record.head.flags = shape->exponential ? 1 : 0;
		record.head.slo_objective_ppm = shape->slo_objective_ppm;
		record.head.slo_threshold = shape->slo_threshold;
	}
	record.head.type = WEIR_RECORD_INSTRUMENT;
	record.head.kind = i->kind;
	record.head.unit = i->unit;
	record.head.id = i->id;
	record.head.name = weir__segment_string(i->name, strlen(i->name));
	record.head.help = weir__segment_string(i->help, strlen(i->help));
	record.head.labels_count = i->labels_count;
	record.head.constant_count = constants / 2;
	memcpy(to, strings, count * 4);
	record.head.bytes = (uint32_t)((size_t)(to - (uint8_t *)&record) + count * 4 + 7) & ~7u;
	weir__segment_record(&record, record.head.bytes);
}

void weir__segment_ready(void)
{
	if (weir__segment_is_open() || !weir__segment_open())
		return;
	for (const struct weir__instrument *i = weir__instruments_first(); i != NULL; i = i->next) {
		weir__publish_instrument(i);
		for (const struct weir__series *s = i->first; s != NULL; s = s->next)
			weir__publish_series(i, s);
	}
}
