/* L3: recording with label values, which are resolved in the call: `weir_<kind>_<verb>_with`. Invariant: a list that is in the
 * table costs no lock, no system call, no allocation and no errno. Writers: as recording has; of `reading`, any thread. */
#include "atomic.h"
#include "label.h"
#include "registry.h"

#include <stdlib.h>
#include <string.h>

/* Whether text may be read past its end, within its page. Under valgrind, which is known by what it preloads, it is not: a
 * host's own reports must stay clean. 0: not known yet. Writers: any thread, with the same value. */
enum { MAY_READ_AHEAD = 1, MUST_MEASURE };
static uint32_t reading;

/* What is not in the table, or must not be read ahead. */
static __attribute__((noinline)) struct weir__series *resolve_measured(const struct weir_instrument *d, struct weir_labels_ l)
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

static inline __attribute__((always_inline)) struct weir__series *resolve(const struct weir_instrument *d, struct weir_labels_ l)
{
	struct weir__instrument *i = weir__load_acquire(&d->state_->series_);
	uint64_t words[WEIR__KEY_WORDS], hash = 0;
	struct weir__series *s;
	uint32_t n = 0;

	if (__builtin_expect(i == NULL || weir__load_relaxed(&reading) != MAY_READ_AHEAD || l.n_ != i->given_count, 0))
		return resolve_measured(d, l);
	for (size_t k = 0; k < l.n_; k++) {
		n = weir__key_append_text(words, n, WEIR__KEY_WORDS, &hash, l.v_[k]);
		if (__builtin_expect(n == 0, 0))
			return resolve_measured(d, l);
	}
	s = weir__series_find(weir__load_acquire(&i->table), words, n, weir__hash_end(hash));
	return __builtin_expect(s != NULL, 1) ? s : resolve_measured(d, l);
}

struct weir__series *weir__resolve_text(const struct weir_instrument *d, struct weir_labels_ l)
{
	return resolve(d, l);
}

void weir_add_with_v1_(const struct weir_instrument *d, uint64_t n, struct weir_labels_ l)
{
	const struct weir__series *s = weir__resolve_text(d, l);

	if (__builtin_expect(s != NULL, 1))
		weir_counter_series_add((struct weir_counter_series){s->cell}, n);
}

void weir_level_with_v1_(const struct weir_instrument *d, uint64_t bits, bool set, struct weir_labels_ l)
{
	const struct weir__series *s = weir__resolve_text(d, l);

	if (s != NULL && !weir_cell_level_(s->cell, bits, set))
		weir_cell_level_slow_v1_(s->cell, bits, set);
}

void weir_record_with_v1_(const struct weir_instrument *d, uint64_t v, struct weir_labels_ l)
{
	const struct weir__series *s = weir__resolve_text(d, l);

	if (s != NULL)
		weir_histogram_series_record((struct weir_histogram_series){weir__load_relaxed(&d->state_->layout_), s->cell}, v);
}

void weir_float_add_with_v1_(const struct weir_instrument *d, double v, struct weir_labels_ l)
{
	const struct weir__series *s = weir__resolve_text(d, l);

	if (s != NULL)
		weir_float_gauge_series_add((struct weir_float_gauge_series){s->cell}, v);
}

void weir_info_set_v1_(const struct weir_instrument *d, struct weir_labels_ l)
{
	weir_level_with_v1_(d, 1, true, l);
}

uint32_t weir_resolve_with_v1_(const struct weir_instrument *d, struct weir_labels_ l)
{
	const struct weir__series *s = weir__resolve_text(d, l);

	return s != NULL ? s->cell : 0;
}
