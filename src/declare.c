/* L3: where instruments come from: modules that are loaded and unloaded, and definitions made at run time. Writer of its
 * data: the holder of the core lock. */
#include "registry.h"

#include "atomic.h"
#include "label.h"
#include "log.h"
#include "observe.h"
#include "options.h"
#include "pages.h"
#include "probe.h"

#include <string.h>

void weir_module_load_v1_(weir_entry_ *first, weir_entry_ *last, const void *in_module)
{
	struct weir__refusal why;
	struct weir__guard guard;

	(void)in_module;
	/* Each file of the module comes with the same range: what has a record is passed over. */
	for (weir_entry_ *entry = first; entry != NULL && entry < last; entry++) {
		if (*entry == NULL || weir__load_acquire(&(*entry)->state_->series_) != NULL ||
		    weir__load_relaxed(&(*entry)->state_->reserved_) != 0)
			continue;
		if (!weir__enter(&guard))
			return; /* memory is at its end: the first record tries again */
		why.text[0] = '\0';
		if (weir__register(*entry, NULL, &why) == NULL && why.error != WEIR_ENOMEM)
			weir__store_relaxed(&(*entry)->state_->reserved_, 1u);
		weir__leave(&guard);
		if (why.text[0] != '\0')
			weir__log_later(why.text);
	}
}

void weir_module_unload_v1_(weir_entry_ *first, weir_entry_ *last, const void *in_module)
{
	/* The registry has copies of all that it exports, and keeps no pointer into the module; but callbacks may. */
	(void)first;
	(void)last;
	weir__callbacks_unload(in_module);
}

/* ---- at run time ---- */

enum { SHAPE_WORDS = 8 + WEIR__BOUNDS_MAX };

static size_t shape_words(uint64_t words[SHAPE_WORDS], const struct weir_instrument_options *o)
{
	size_t count = 0;

	words[count++] = o != NULL ? o->unit : WEIR_ONE;
	if (o != NULL && (o->slo_threshold != 0 || o->slo_objective_ppm != 0)) {
		words[count++] = WEIR_SHAPE_SLO_;
		words[count++] = o->slo_objective_ppm;
		words[count++] = o->slo_threshold;
	}
	if (o != NULL && (o->range_lowest != 0 || o->range_highest != 0)) {
		words[count++] = WEIR_SHAPE_RANGE_;
		words[count++] = o->range_lowest;
		words[count++] = o->range_highest;
	} else if (o != NULL && o->bounds != NULL) {
		words[count++] = WEIR_SHAPE_BOUNDS_;
		memcpy(words + count, o->bounds, o->bounds_count * sizeof *words);
		count += o->bounds_count;
	}
	return count;
}

/* What the instrument's makers are given, made at the first time and kept: it speaks of the registry's copies. With the lock
 * held; NULL: no memory. */
static const struct weir_instrument *handed_out(struct weir__instrument *i, const struct weir_instrument *definition)
{
	struct weir_instrument *d;
	struct weir_state *state;
	const char **text;

	if (i->made != NULL)
		return i->made;
	d = weir__pages_take(sizeof *d + sizeof *state + (i->labels_count + 3u) * sizeof *text);
	if (d == NULL)
		return NULL;
	state = (struct weir_state *)(void *)(d + 1);
	text = (const char **)(void *)(state + 1);
	*d = *definition;
	*state = *definition->state_;
	text[0] = i->name;
	text[1] = i->help;
	for (size_t k = 0; k < i->labels_count; k++)
		text[2 + k] = i->labels[k];
	d->state_ = state;
	d->text_ = text;
	d->shape_ = NULL;
	d->shape_words_ = 0;
	i->made = d;
	return d;
}

static int refused_with(const char *name, const char *fault)
{
	weir_private_log(WEIR_LOG_ERROR, "%.80s is refused: %s", name != NULL ? name : "(null)", fault);
	return WEIR_EINVAL;
}

/* Every kind's first member is its struct weir_instrument, so that one function makes them all. */
static int create(const struct weir_instrument **made, unsigned kind, WEIR_DEFINITION_)
{
	static struct weir_state refused_state = {&weir_layout_none_v1, NULL, 0, 1};
	static const char *const refused_text[] = {"refused", "", NULL};
	static const struct weir_instrument refused = {&refused_state, refused_text, NULL, 0, 0, 1, 0, 0, 0};
	const char *text[WEIR__LABELS_MAX + 3] = {name, help};
	struct weir_state state = {kind == WEIR_HISTOGRAM_KIND ? &weir_layout_none_v1 : NULL, NULL, 0, 0};
	struct weir_instrument d = {&state, text, NULL, 0, 0, 1, (uint8_t)kind, 0, 0};
	const struct weir_instrument *kept = NULL;
	struct weir_instrument_options taken;
	struct weir__refusal why = {WEIR_OK, ""};
	uint64_t words[SHAPE_WORDS];
	struct weir__instrument *i;
	struct weir__guard guard;

	*made = &refused;
	if (help == NULL)
		return refused_with(name, "it has no help text");
	if (!weir__take_options(&taken, sizeof taken, options, options != NULL ? options->size : 0))
		return refused_with(name, "its options are not of a size that this version knows");
	if (taken.bounds_count > WEIR__BOUNDS_MAX)
		return refused_with(name, "more than 62 bounds");
	if ((unsigned)taken.unit > WEIR_RATIO)
		return refused_with(name, "its unit is unknown");
	for (; labels != NULL && labels[d.labels_] != NULL && d.labels_ <= WEIR__LABELS_MAX; d.labels_++)
		if (d.labels_ < WEIR__LABELS_MAX) /* one too many is refused by name, with the others that are */
			text[2 + d.labels_] = labels[d.labels_];
	d.unit_ = (uint8_t)taken.unit;
	if (kind == WEIR_HISTOGRAM_KIND) {
		d.shape_ = words;
		d.shape_words_ = (uint16_t)shape_words(words, &taken);
	}
	if (!weir__enter(&guard))
		return WEIR_ENOMEM;
	i = weir__register(&d, &taken, &why);
	if (i != NULL)
		kept = handed_out(i, &d);
	weir__leave(&guard);
	if (why.error != WEIR_OK)
		weir_private_log(WEIR_LOG_ERROR, "%s", why.text);
	if (kept == NULL)
		return why.error != WEIR_OK ? why.error : WEIR_ENOMEM;
	*made = kept;
	return WEIR_OK;
}

int weir_counter_create(const struct weir_counter **counter, WEIR_DEFINITION_)
{
	return create((const struct weir_instrument **)(void *)counter, WEIR_COUNTER_KIND, name, help, labels, options);
}

int weir_updown_create(const struct weir_updown **updown, WEIR_DEFINITION_)
{
	return create((const struct weir_instrument **)(void *)updown, WEIR_UPDOWN_KIND, name, help, labels, options);
}

int weir_gauge_create(const struct weir_gauge **gauge, WEIR_DEFINITION_)
{
	return create((const struct weir_instrument **)(void *)gauge, WEIR_GAUGE_KIND, name, help, labels, options);
}

int weir_float_gauge_create(const struct weir_float_gauge **gauge, WEIR_DEFINITION_)
{
	return create((const struct weir_instrument **)(void *)gauge, WEIR_FLOAT_GAUGE_KIND, name, help, labels, options);
}

int weir_histogram_create(const struct weir_histogram **histogram, WEIR_DEFINITION_)
{
	return create((const struct weir_instrument **)(void *)histogram, WEIR_HISTOGRAM_KIND, name, help, labels, options);
}

int weir_info_create(const struct weir_info **info, WEIR_DEFINITION_)
{
	return create((const struct weir_instrument **)(void *)info, WEIR_INFO_KIND, name, help, labels, options);
}

int weir_observed_create(const struct weir_observed **observed, enum weir_kind kind, WEIR_DEFINITION_)
{
	/* another kind is refused by name, as unknown */
	return create((const struct weir_instrument **)(void *)observed,
	              kind == WEIR_OBSERVED_COUNTER_KIND || kind == WEIR_OBSERVED_GAUGE_KIND ? (unsigned)kind : 0u, name, help,
	              labels, options);
}

int weir_instrument_configure(const char *name, const struct weir_instrument_options *options)
{
	struct weir_instrument_options taken;
	struct weir__refusal why = {WEIR_OK, ""};
	struct weir__guard guard;
	int error;

	if (options == NULL || !weir__take_options(&taken, sizeof taken, options, options != NULL ? options->size : 0))
		return WEIR_EINVAL;
	if (taken.bounds != NULL || taken.bounds_count != 0 || taken.range_lowest != 0 || taken.range_highest != 0 ||
	    taken.slo_threshold != 0 || taken.slo_objective_ppm != 0 || taken.unit != WEIR_ONE)
		return WEIR_EUNSUPPORTED;
	if (!weir__enter(&guard))
		return WEIR_ENOMEM;
	error = weir__configure(name, &taken, &why);
	weir__leave(&guard);
	if (error == WEIR_OK)
		weir__probe_config("instrument", name);
	if (why.text[0] != '\0')
		weir_private_log(WEIR_LOG_ERROR, "%s", why.text);
	return error;
}
