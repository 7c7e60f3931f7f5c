/* L3: instruments: registration, cells. See registry.h. Writer of its data: the holder of the core lock. */
#include "registry.h"

#include "atomic.h"
#include "claim.h"
#include "label.h"
#include "log.h"
#include "pages.h"
#include "segment.h"
#include "shard.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { CHAINS = 256, CAP = 2000 };

static struct {
	struct weir__instrument *first, **last;
	struct weir__instrument *chains[CHAINS];
	uint32_t count;
	uint64_t refused;
	uint64_t began_ns; /* of a forked child: no series is older. Written before anybody else can look */
} registry;

static uint32_t hash_name(const char *name)
{
	uint32_t hash = 2166136261u;

	for (; *name != '\0'; name++)
		hash = (hash ^ (uint8_t)*name) * 16777619u;
	return hash;
}

/* Where it is found by name, once: a fork may have come between its place in the list and the one here. */
static void chain(struct weir__instrument *i)
{
	struct weir__instrument **first = &registry.chains[hash_name(i->canonical) % CHAINS];

	if (*first == i)
		return;
	i->same_hash = *first;
	weir__store_release(first, i);
}

/* The child's numbers begin at zero. Another thread of the parent may have been at work on a list: its end is found anew. What
 * is right already is not written: the pages are shared with the parent until then. */
void weir__registry_restart(void)
{
	uint32_t instruments = 0;

	registry.began_ns = weir__wall_ns();
	registry.last = &registry.first;
	for (struct weir__instrument *i = registry.first; i != NULL; i = i->next, instruments++) {
		struct weir__series **last = &i->first, *newest = NULL;
		uint32_t count = 0;

		registry.last = &i->next;
		for (struct weir__series *s = i->first; s != NULL; s = s->next, count++) {
			last = &s->next;
			if (s->round != 0) /* reported in the parent: here it is not exported until it is reported here */
				s->round = 0;
			newest = s;
			if (s->turn != 0)
				s->turn = 0;
			if (s->sum != NULL && (s->sum->low != 0 || s->sum->high != 0))
				*s->sum = (struct weir__sum){0, 0};
		}
		if (i->last != last || i->series_count != count) {
			i->last = last;
			i->series_count = count;
		}
		if (newest != NULL)
			weir__series_restart(i, newest);
		if (i->round != 0 || i->reporting != 0)
			i->round = i->reporting = 0;
		if (i->retired != 0)
			i->retired = 0;
		if (i->next == NULL)
			chain(i);
	}
	registry.count = instruments;
	weir__mended_restart();
}

uint64_t weir__began_ns(void)
{
	return registry.began_ns;
}

/* ---- instruments ---- */

/* The caller drops and counts from here on, without asking again. */
__attribute__((format(printf, 3, 4))) static struct weir__instrument *refuse(struct weir__refusal *why, int error,
                                                                           const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why->text, sizeof why->text, format, args);
	va_end(args);
	why->error = error;
	weir__store_relaxed(&registry.refused, registry.refused + 1);
	return NULL;
}

static const char *kind_name(unsigned kind)
{
	static const char names[][18] = {"?", "counter", "up-down counter", "gauge", "float gauge", "histogram", "info",
	                                    "observed counter", "observed gauge"};

	return names[kind < sizeof names / sizeof *names ? kind : 0];
}

/* The definition as one line, so that a conflict names both. */
static void describe(char *out, size_t size, const char *name, unsigned kind, unsigned unit, const char *const *labels, size_t count)
{
	static const char units[][8] = {"1", "seconds", "bytes", "ratio"};
	int used = snprintf(out, size, "%s %.80s in %s {", kind_name(kind), name, units[unit < 4 ? unit : 0]);

	for (size_t i = 0; i < count && used > 0 && (size_t)used < size; i++)
		used += snprintf(out + used, size - (size_t)used, "%s%.40s", i != 0 ? "," : "", labels[i]);
	if (used > 0 && (size_t)used < size)
		snprintf(out + used, size - (size_t)used, "}");
}

static bool same_list(const char *const *a, size_t a_count, const char *const *b, size_t b_count)
{
	if (a_count != b_count)
		return false;
	for (size_t i = 0; i < a_count; i++)
		if (strcmp(a[i], b[i]) != 0)
			return false;
	return true;
}

static size_t list_length(const char *const *list)
{
	size_t count = 0;

	while (list != NULL && list[count] != NULL)
		count++;
	return count;
}

/* As it will be exported, but for _total: by this it is found, and two that become equal conflict. */
static void exported_name(char out[280], const char *name, unsigned unit, unsigned kind)
{
	static const char suffix[][9] = {"", "_seconds", "_bytes", "_ratio"};
	size_t len;

	weir__name_canonical(out, name, unit);
	strcat(out, suffix[unit <= WEIR_RATIO ? unit : 0]);
	len = strlen(out);
	if (kind == WEIR_INFO_KIND && (len < 5 || strcmp(out + len - 5, "_info") != 0))
		strcat(out, "_info");
}

static struct weir__instrument *find(const char *canonical)
{
	struct weir__instrument *i = weir__load_acquire(&registry.chains[hash_name(canonical) % CHAINS]);

	while (i != NULL && strcmp(i->canonical, canonical) != 0)
		i = i->same_hash;
	return i;
}

/* Who would be exported by the same name, or is written the same, in whatever unit. In OpenMetrics the family of an info is
 * named without its _info. */
static struct weir__instrument *who_has(const char *name, unsigned unit, unsigned kind)
{
	char canonical[280];
	struct weir__instrument *i;

	exported_name(canonical, name, unit, kind);
	i = find(canonical);
	if (i == NULL && kind == WEIR_INFO_KIND) {
		canonical[strlen(canonical) - 5] = '\0';
		i = find(canonical);
	} else if (i == NULL) {
		strcat(canonical, "_info");
		i = find(canonical);
		if (i != NULL && i->kind != WEIR_INFO_KIND)
			i = NULL;
	}
	for (unsigned other = 0; i == NULL && other <= WEIR_RATIO + 1; other++) {
		exported_name(canonical, name, other <= WEIR_RATIO ? other : WEIR_ONE,
		              other <= WEIR_RATIO ? WEIR_GAUGE_KIND : WEIR_INFO_KIND);
		i = find(canonical);
		if (i != NULL && strcmp(i->name, name) != 0)
			i = NULL;
	}
	return i;
}

/* ---- what was configured before it was declared ---- */

static struct configured {
	struct configured *next;
	char *name;
	uint32_t max_series;
	const char *const *constant;
} *configured;

static const char *const *copy_list(const char *const *list, size_t count)
{
	const char **copy = weir__pages_take((count + 1) * sizeof *copy);

	for (size_t i = 0; copy != NULL && i < count; i++) {
		copy[i] = weir__pages_text(list[i], strlen(list[i]));
		if (copy[i] == NULL)
			return NULL;
	}
	return copy;
}

int weir__configure(const char *name, const struct weir_instrument_options *options, struct weir__refusal *why)
{
	size_t count = list_length(options->constant);
	const char *fault = weir__constant_fault(options->constant, count, true);
	struct weir__instrument *i = registry.first;
	struct configured *c;

	while (i != NULL && name != NULL && strcmp(i->name, name) != 0)
		i = i->next;
	if (fault == NULL && i != NULL)
		fault = weir__labels_fault(i->labels, i->labels_count, options->constant, count, false);
	if (!weir__name_is_valid(name) || fault != NULL) {
		refuse(why, WEIR_EINVAL, "%.80s cannot be configured: %s", name != NULL ? name : "(null)",
		       fault != NULL ? fault : "the name is not allowed");
		return WEIR_EINVAL;
	}
	for (c = configured; c != NULL && strcmp(c->name, name) != 0;)
		c = c->next;
	if (c == NULL) {
		c = weir__pages_take(sizeof *c);
		if (c == NULL || (c->name = weir__pages_text(name, strlen(name))) == NULL)
			return WEIR_ENOMEM;
		c->next = configured;
		configured = c;
	}
	if (options->max_series != 0)
		c->max_series = options->max_series;
	if (count != 0) {
		const char *const *constant = copy_list(options->constant, count);

		if (constant == NULL)
			return WEIR_ENOMEM;
		c->constant = constant;
	}
	if (i == NULL)
		return WEIR_OK;
	if (c->max_series != 0)
		i->max_series = c->max_series;
	weir__store_relaxed(&i->full, i->keyed_count >= i->max_series);
	if (c->constant != NULL) {
		weir__store_release(&i->constant, c->constant);
		if (weir__segment_is_open())
			weir__publish_instrument(i);
	}
	return WEIR_OK;
}

/* ---- registration ---- */

static bool add_layout(struct weir__instrument *i, const struct weir__shape *shape)
{
	struct weir_layout *layout = weir__pages_take(sizeof *layout);
	struct weir__shape *kept;
	uint8_t *map;

	for (struct weir__instrument *other = registry.first; other != NULL && layout != NULL; other = other->next)
		if (other->shape != NULL && memcmp(other->shape, shape, sizeof *shape) == 0) { /* maps are shared */
			*layout = *other->layout;
			layout->cell_ = 0;
			i->shape = other->shape;
			i->layout = layout;
			return true;
		}
	kept = weir__pages_take(sizeof *kept);
	map = weir__pages_take(WEIR__MAP_SLOTS);
	if (layout == NULL || kept == NULL || map == NULL)
		return false;
	*kept = *shape;
	layout->limit_ = weir__map_build(map, kept->bounds, kept->bounds_count);
	layout->map_ = map;
	layout->bounds_ = kept->bounds;
	layout->buckets_ = kept->bounds_count + 1;
	i->shape = kept;
	i->layout = layout;
	return true;
}

static struct weir__instrument *append(struct weir__instrument *i)
{
	if (registry.last == NULL)
		registry.last = &registry.first;
	weir__store_release(registry.last, i);
	registry.last = &i->next;
	weir__store_release(&registry.count, registry.count + 1);
	chain(i);
	return i;
}

static struct weir__instrument *make(const struct weir_instrument *d, const struct weir_instrument_options *o,
                                     const struct weir__shape *shape, size_t constant_count, unsigned unit, uint32_t claims)
{
	struct weir__instrument *i = weir__pages_take(sizeof *i);
	const char *const *labels = d->text_ + 2;
	char canonical[280];

	if (i == NULL)
		return NULL;
	exported_name(canonical, d->text_[0], unit, d->kind_);
	i->name = weir__pages_text(d->text_[0], strlen(d->text_[0]));
	i->help = weir__pages_text(d->text_[1] != NULL ? d->text_[1] : "", d->text_[1] != NULL ? strlen(d->text_[1]) : 0);
	i->canonical = weir__pages_text(canonical, strlen(canonical));
	i->labels = copy_list(labels, d->labels_);
	i->declared = i->constant = constant_count != 0 ? copy_list(o->constant, constant_count) : NULL;
	if (i->name == NULL || i->help == NULL || i->canonical == NULL || i->labels == NULL ||
	    (constant_count != 0 && i->constant == NULL))
		return NULL;
	i->id = registry.count;
	i->labels_count = d->labels_;
	i->claims = claims;
	i->given_count = claims == 0 ? d->labels_ : UINT16_MAX;
	weir__claim_tags(i);
	i->kind = d->kind_;
	i->unit = (uint8_t)unit;
	i->levels = d->kind_ != WEIR_COUNTER_KIND && d->kind_ != WEIR_UPDOWN_KIND && d->kind_ != WEIR_HISTOGRAM_KIND;
	i->cells = shape != NULL ? shape->bounds_count + 2 : 1;
	i->max_series = o != NULL && o->max_series != 0 ? o->max_series : CAP;
	i->last = &i->first;
	for (const struct configured *c = configured; c != NULL; c = c->next)
		if (strcmp(c->name, i->name) == 0) {
			i->max_series = c->max_series != 0 ? c->max_series : i->max_series;
			if (c->constant != NULL && weir__labels_fault(labels, d->labels_, c->constant, list_length(c->constant), false) == NULL)
				i->constant = c->constant;
			else if (c->constant != NULL)
				weir__log_later_about("constant labels are passed over, since one is also a label of ", i->name);
		}
	if (shape != NULL && !add_layout(i, shape))
		return NULL;
	/* An instrument without labels is a series, exported as 0 before its first use; but what a callback reports, or an info
	 * says, exists once it is told. */
	if (d->labels_ == 0) {
		struct weir__series *s = weir__series_make(i, NULL, NULL, 0, 0);

		if (s == NULL)
			return NULL;
		if (shape != NULL) {
			struct weir_layout *own = weir__pages_take(sizeof *own);

			if (own == NULL)
				return NULL;
			*own = *i->layout;
			own->cell_ = s->cell;
			i->layout = own;
		}
	}
	return i;
}

/* What the caller's state needs to know, cell_ last. */
static void resolve_state(struct weir_state *state, struct weir__instrument *i)
{
	if (i->layout != NULL)
		weir__store_release(&state->layout_, i->layout);
	weir__store_release(&state->series_, (void *)i);
	weir__store_release(&state->cell_, i->labels_count == 0 ? i->first->cell : 0u);
}

/* Labels as they will be exported; which of them a context fills. */
static uint32_t plain_labels(const char *text[WEIR__LABELS_MAX + 3], const struct weir_instrument *d)
{
	uint32_t claims = 0;

	for (uint32_t k = 0; k < d->labels_ + 2u && k < WEIR__LABELS_MAX + 2; k++) {
		bool claim = k >= 2 && d->text_[k] != NULL && d->text_[k][0] == '\1';

		text[k] = claim ? d->text_[k] + 1 : d->text_[k];
		claims |= (uint32_t)claim << k;
	}
	return claims >> 2;
}

struct weir__instrument *weir__register(const struct weir_instrument *given, const struct weir_instrument_options *o,
                                        struct weir__refusal *why)
{
	const char *text[WEIR__LABELS_MAX + 3] = {NULL};
	struct weir_instrument plain = *given, *d = &plain;
	size_t labels_count = d->labels_, constant_count = o != NULL ? list_length(o->constant) : 0;
	const char *name = d->text_[0], *fault = NULL;
	bool histogram = d->kind_ == WEIR_HISTOGRAM_KIND;
	struct weir__instrument *i = weir__load_acquire(&d->state_->series_);
	struct weir__shape shape;
	unsigned unit = d->unit_;
	uint32_t claims;

	if (i != NULL)
		return i;
	if (d->state_->reserved_ != 0)
		return refuse(why, WEIR_EINVAL, "%.80s was refused before", name != NULL ? name : "");
	if (d->abi_ != 1)
		return refuse(why, WEIR_EUNSUPPORTED, "an instrument was made for another version of weir");
	claims = plain_labels(text, given);
	d->text_ = text;
	if (!weir__tls_is_own())
		return refuse(why, WEIR_ECONFLICT, "%.80s is refused: another copy of weir, whose symbols are not hidden, stands before "
		              "this one: build it with -fvisibility=hidden", name != NULL ? name : "");
	if (!weir__name_is_valid(name))
		return refuse(why, WEIR_EINVAL, "the instrument's name \"%.80s\" is not allowed", name != NULL ? name : "");
	memset(&shape, 0, sizeof shape);
	if (labels_count > WEIR__LABELS_MAX)
		fault = "it has more than 16 labels";
	else if (d->kind_ == 0 || d->kind_ > WEIR_OBSERVED_GAUGE_KIND)
		fault = "its kind is unknown";
	else if (histogram)
		fault = weir__shape_parse(&shape, d->shape_, d->shape_words_);
	if (fault == NULL && histogram)
		unit = shape.unit;
	if (fault == NULL && claims != 0 && !histogram && d->kind_ != WEIR_COUNTER_KIND)
		fault = "a context fills labels of counters and histograms only";
	if (fault == NULL && unit > WEIR_RATIO)
		fault = "its unit is unknown";
	if (fault == NULL && o != NULL)
		fault = weir__constant_fault(o->constant, constant_count, histogram);
	if (fault == NULL)
		fault = weir__labels_fault(d->text_ + 2, labels_count, o != NULL ? o->constant : NULL, constant_count, histogram);
	if (fault != NULL)
		return refuse(why, WEIR_EINVAL, "%.80s is refused: %s", name, fault);
	i = who_has(name, unit, d->kind_);
	if (i != NULL) {
		char here[200], there[200];

		if (strcmp(i->name, name) == 0 && i->kind == d->kind_ && i->unit == unit && i->claims == claims &&
		    same_list(i->labels, i->labels_count, d->text_ + 2, labels_count) &&
		    (constant_count == 0 || same_list(i->declared, list_length(i->declared), o->constant, constant_count)) &&
		    (!histogram || memcmp(i->shape, &shape, sizeof shape) == 0)) {
			resolve_state(d->state_, i);
			return i;
		}
		describe(here, sizeof here, name, d->kind_, unit, d->text_ + 2, labels_count);
		describe(there, sizeof there, i->name, i->kind, i->unit, i->labels, i->labels_count);
		return refuse(why, WEIR_ECONFLICT, "%s is refused: registered already is %s%s", here, there,
		              strcmp(here, there) == 0 ? " with other bounds or constant labels, or claims" : "");
	}
	i = make(d, o, histogram ? &shape : NULL, constant_count, unit, claims);
	if (i == NULL && weir__blocks_count() >= WEIR__BLOCKS_MAX)
		return refuse(why, WEIR_ELIMIT, "%.80s is refused: no cells are left", name);
	if (i == NULL)
		return refuse(why, WEIR_ENOMEM, "%.80s is refused: no memory is left", name);
	append(i);
	if (weir__segment_is_open())
		weir__publish_instrument(i);
	resolve_state(d->state_, i);
	return i;
}

struct weir__instrument *weir__instruments_first(void)
{
	return weir__load_acquire(&registry.first);
}

uint32_t weir__instruments_count(void)
{
	return weir__load_acquire(&registry.count);
}

uint64_t weir__refused_total(void)
{
	return weir__load_relaxed(&registry.refused);
}
