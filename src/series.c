/* L3: series: looked up at each call in a table that readers never lock, made under the core lock, published in the segment.
 * See registry.h. Writer: the holder of the core lock; readers: any thread. */
#include "registry.h"

#include "atomic.h"
#include "claim.h"
#include "label.h"
#include "log.h"
#include "pages.h"
#include "probe.h"
#include "segment.h"

#include <string.h>

static struct { /* the text first, so that what is written lies at the end: see sparse in CMakeLists.txt */
	char text[WEIR__LABELS_MAX][WEIR__VALUE_MAX + 8];
	uint64_t words[WEIR__KEY_WORDS_MAX]; /* scratch of the lock's holder */
	uint64_t cleaned, cut; /* writers: any, relaxed adds */
	uint64_t series;       /* readers: any, relaxed: a figure */
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

static __attribute__((noinline)) struct weir__series *look_up(const struct weir__instrument *i, const uint64_t *words,
                                                             uint32_t count, uint64_t hash)
{
	return weir__series_find(weir__load_acquire(&i->table), words, count, hash);
}

static void insert(struct weir__table *table, struct weir__series *s, uint64_t hash)
{
	uint32_t at = (uint32_t)hash & table->mask;

	while (table->slots[at] != 0)
		at = (at + 1) & table->mask;
	weir__store_release(&table->slots[at], (hash >> WEIR__POINTER_BITS) << WEIR__POINTER_BITS | (uint64_t)(uintptr_t)s);
}

static uint64_t hash_of(const uint64_t *words, uint32_t count)
{
	uint64_t hash = 0;

	for (uint32_t i = 0; i < count; i++)
		hash = weir__hash_step(hash, words[i]);
	return weir__hash_end(hash);
}

/* Room for one more at half full; readers of the former table miss what comes later, and then come here. */
static __attribute__((cold)) bool grow(struct weir__instrument *i)
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
			struct weir__series *s = weir__series_in(former->slots[at]);

			insert(larger, s, hash_of(s->key, s->words));
		}
	weir__store_release(&i->table, larger);
	return true;
}

/* ---- making ---- */

static __attribute__((cold)) struct weir__series *new_series(struct weir__instrument *i, const struct weir_str *values, const uint64_t *words,
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
		s->live = true;
		if (i->claims != 0)
			weir__claim_texts(i, s);
		after += values_bytes / 8;
	}
	if (histogram)
		s->sum = (struct weir__sum *)(void *)after;
	return s;
}

static __attribute__((cold)) void link_series(struct weir__instrument *i, struct weir__series *s)
{
	weir__store_release(i->last, s);
	i->last = &s->next;
	weir__store_release(&i->series_count, i->series_count + 1);
	weir__store_relaxed(&making.series, making.series + 1);
	if (weir__segment_is_open())
		weir__publish_series(i, s);
}

static __attribute__((cold)) struct weir__series *overflow_of(struct weir__instrument *i)
{
	struct weir__series *s = i->overflow;

	if (s != NULL)
		return s;
	if (i->folded_cell == 0)
		i->folded_cell = weir__cells_take(1, false);
	s = i->folded_cell != 0 ? new_series(i, NULL, NULL, 0) : NULL;
	if (s == NULL)
		return NULL;
	s->overflow = s->live = true;
	link_series(i, s);
	weir__store_release(&i->overflow, s);
	return s;
}

__attribute__((cold)) struct weir__series *weir__series_make(struct weir__instrument *i, const struct weir_str *values, const uint64_t *words,
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
__attribute__((cold)) void weir__series_restart(struct weir__instrument *i, struct weir__series *newest)
{
	uint32_t keyed;
	uint64_t hash;

	if (newest->overflow && i->overflow == NULL)
		i->overflow = newest;
	if (i->labels_count == 0 || newest->overflow)
		return;
	hash = hash_of(newest->key, newest->words);
	if (look_up(i, newest->key, newest->words, hash) == NULL)
		insert(i->table, newest, hash);
	keyed = i->series_count - (i->overflow != NULL ? 1 : 0);
	if (i->keyed_count != keyed)
		i->keyed_count = keyed;
}

/* ---- resolving ---- */

/* On its own, since it has much to put on the stack. */
static __attribute__((noinline, cold)) struct weir__instrument *register_now(const struct weir_instrument *d)
{
	struct weir__refusal why = {0, ""};
	struct weir__instrument *i;
	struct weir__guard guard;

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

struct weir__instrument *weir__instrument_of(const struct weir_instrument *d)
{
	struct weir__instrument *i = weir__load_acquire(&d->state_->series_);

	return __builtin_expect(i != NULL, 1) ? i : register_now(d);
}

void weir__mended_count(uint64_t cleaned, uint64_t cut)
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
	s = n != 0 ? look_up(i, words, n, weir__hash_end(hash)) : NULL;
	if (s == NULL && weir__load_relaxed(&i->full))
		s = weir__load_acquire(&i->overflow);
	if (s != NULL)
		weir__mended_count(cleaned, cut);
	return s;
}

static __attribute__((cold)) struct weir__series *make_mended(struct weir__instrument *i, const struct weir_str *values, size_t count)
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
		weir__mended_count(how.cleaned, how.cut);
	}
	hash = weir__hash_end(hash);
	s = look_up(i, making.words, words, hash);
	if (s == NULL)
		s = weir__series_make(i, mended, making.words, words, hash);
	weir__leave(&guard);
	if (s == NULL)
		weir__lose(WEIR__LOST_MEMORY);
	return s;
}

/* What was not in the table. An instrument at its cap answers without the lock, so that a flood of new values stays cheap. */
__attribute__((noinline)) struct weir__series *weir__series_missed(struct weir__instrument *i, const struct weir_str *values, size_t count,
                                                                  const uint64_t *words, uint32_t words_count)
{
	struct weir__series *s = NULL;

	if (weir__load_relaxed(&i->full) && words_count != 0 && weir__key_is_plain(words, words_count))
		s = weir__load_acquire(&i->overflow);
	else if (words_count == 0 || !weir__key_is_plain(words, words_count))
		s = find_mended(i, values, count);
	if (s == NULL)
		s = make_mended(i, values, count);
	if (s != NULL && s->overflow) {
		uint64_t *block = weir_cell_add_(i->folded_cell, 1) ? NULL : weir__block_of(i->folded_cell);

		if (block != NULL)
			weir_cell_bump_(&block[i->folded_cell % 512], 1);
		if (WEIR__WATCHED(overflow))
			weir__probe_overflow(i->name, i->max_series);
	}
	return s;
}

__attribute__((noinline, cold)) struct weir__series *weir__wrong_count(const struct weir__instrument *i)
{
	weir__lose(WEIR__LOST_LABELS);
	weir__log_later_about(i->claims == 0 ? "a record with a wrong number of label values was dropped: "
	                                     : "a record without a context was dropped: ", i->name);
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
	if (__builtin_expect(count != i->given_count, 0))
		return weir__wrong_count(i);
	if (count == 0)
		return i->first;
	for (size_t k = 0; k < count; k++) {
		n = weir__key_append(words, n, WEIR__KEY_WORDS, &hash, values[k]);
		if (n == 0)
			return weir__series_missed(i, values, count, words, 0);
	}
	s = weir__series_find(weir__load_acquire(&i->table), words, n, weir__hash_end(hash));
	return __builtin_expect(s != NULL, 1) ? s : weir__series_missed(i, values, count, words, n);
}
