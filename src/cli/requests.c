/* weir, the command: rows of requests. See requests.h. No data of its own. */
#include "requests.h"

#include "measure.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MOST = 512 };

static const uint64_t zeros[WEIR_SEGMENT_CELLS];

const uint64_t *making_before(const struct making *m, const struct model_series *s)
{
	return m->before != NULL ? look_before(m->before, m->now, s) : zeros;
}

/* ---- figures ---- */

static double share(uint64_t part, uint64_t whole)
{
	return whole != 0 ? (double)part / (double)whole : (double)NAN;
}

/* What is left of an SLO's budget when so many were bad. */
static double budget(const struct model_instrument *i, uint64_t good, uint64_t all, double *spent)
{
	double allowed = 1 - (double)i->record->slo_objective_ppm / 1e6;

	*spent = allowed > 0 && all != 0 ? (1 - share(good, all)) / allowed : (double)NAN;
	return 1 - *spent;
}

static void finish_row(const struct making *m, struct row *row)
{
	const struct model_instrument *latency = row->group->latency;
	double spent;

	if (latency == NULL)
		row->count = row->coded;
	row->columns[COLUMN_RATE] = (double)row->count / m->to->span_s;
	row->columns[COLUMN_ERRORS] = share(row->errors, row->coded);
	row->columns[COLUMN_REFUSED] = share(row->refused, row->coded);
	if (latency == NULL || row->buckets == NULL)
		return;
	row->columns[COLUMN_P50] = measure_quantile(latency, row->buckets, 500000);
	row->columns[COLUMN_P99] = measure_quantile(latency, row->buckets, 990000);
	if (latency->record->slo_objective_ppm == 0)
		return;
	row->columns[COLUMN_GOOD] = share(row->all_good, row->all);
	row->columns[COLUMN_BUDGET] = budget(latency, row->all_good, row->all, &spent);
}

/* ---- names of rows ---- */

struct name {
	char text[NAME_MOST];
	size_t len;
};

static void append(struct name *name, const char *text, size_t len)
{
	if (len > NAME_MOST - name->len)
		len = NAME_MOST - name->len;
	memcpy(name->text + name->len, text, len);
	name->len += len;
}

static void append_word(struct name *name, struct model_text label, struct model_text value, enum role role)
{
	if (name->len != 0)
		append(name, " ", 1);
	if (role == ROLE_OTHER) {
		append(name, label.ptr, label.len);
		append(name, "=", 1);
	}
	append(name, value.ptr, value.len);
}

static void append_instrument(struct name *name, const struct model_instrument *i)
{
	char text[MEANING_NAME_MOST];

	meaning_normal(text, i->name);
	append(name, text, strlen(text));
}

/* The value that a series of i has for a label of this name. */
static bool value_of(const struct model *model, const struct model_instrument *i, const struct model_series *s, struct model_text label,
                     struct model_text *value)
{
	for (uint32_t k = 0; k < i->record->labels_count; k++) {
		struct model_text name = model_label(model, i, k);

		if (name.len == label.len && memcmp(name.ptr, label.ptr, name.len) == 0) {
			*value = model_value(model, s, k);
			return true;
		}
	}
	return false;
}

/* The row of a series of i, one of the group's: GET /orders, then what else its labels say, that no role takes away. */
static void name_request(struct name *name, const struct making *m, const struct group *g, const struct model_instrument *i,
                         const struct model_series *s)
{
	static const uint8_t order[] = {ROLE_METHOD, ROLE_ROUTE, ROLE_OTHER};
	const struct model *model = &m->now->model;
	const struct model_instrument *first = group_first(g);
	const uint8_t *roles = group_first_roles(g);

	name->len = 0;
	if (g != m->to->groups.main)
		append_instrument(name, first);
	if (model_is_overflow(s)) {
		append_word(name, (struct model_text){"", 0}, (struct model_text){"(all others)", 12}, ROLE_ROUTE);
		return;
	}
	for (size_t o = 0; o < sizeof order; o++)
		for (uint32_t k = 0; k < first->record->labels_count; k++) {
			struct model_text label = model_label(model, first, k), value;

			if (roles[k] == order[o] && value_of(model, i, s, label, &value))
				append_word(name, label, value, order[o]);
		}
	if (name->len == 0)
		append_instrument(name, first);
}

static void name_tenant(struct name *name, const struct making *m, const struct group *g, const struct model_instrument *i,
                        const struct model_series *s)
{
	const struct model *model = &m->now->model;
	const uint8_t *roles = i == g->latency ? g->latency_roles : g->codes_roles;

	name->len = 0;
	for (uint32_t k = 0; k < i->record->labels_count && !model_is_overflow(s); k++)
		if (roles[k] == ROLE_TENANT)
			append(name, model_value(model, s, k).ptr, model_value(model, s, k).len);
	if (name->len == 0)
		append(name, model_is_overflow(s) ? "(all others)" : "(none)", model_is_overflow(s) ? 12 : 6);
}

typedef void name_row(struct name *, const struct making *, const struct group *, const struct model_instrument *, const struct model_series *);

/* ---- rows of groups ---- */

static enum outcome outcome_of(const struct model *model, const struct group *g, const struct model_series *s)
{
	enum outcome worst = OUTCOME_FINE;

	for (uint32_t k = 0; k < g->codes->record->labels_count && !model_is_overflow(s); k++) {
		enum role role = (enum role)g->codes_roles[k];
		enum outcome is = role != ROLE_STATUS && role != ROLE_ERROR
		                      ? OUTCOME_FINE
		                      : meaning_of_status(role, model_label(model, g->codes, k), model_value(model, s, k));

		worst = is > worst ? is : worst;
	}
	return worst;
}

static void add_ended(struct row *row, enum outcome outcome, uint64_t count)
{
	row->coded += count;
	row->errors += outcome == OUTCOME_ERROR ? count : 0;
	row->refused += outcome == OUTCOME_REFUSED ? count : 0;
}

static bool add_latency(const struct making *m, struct row *row, const struct group *g, const struct model_series *s)
{
	const struct weir_segment_instrument *r = g->latency->record;
	const uint64_t *before = making_before(m, s);
	uint64_t count = 0;

	if (row->buckets == NULL)
		row->buckets = calloc(r->bounds_count + 1, sizeof *row->buckets);
	if (row->buckets == NULL)
		return false;
	for (uint32_t b = 0; b <= r->bounds_count; b++) {
		uint64_t more = measure_grown(s->cells[1 + b], before[1 + b]);

		row->buckets[b] += more;
		count += more;
		if (b < r->bounds_count && weir_segment_bounds(r)[b] <= r->slo_threshold)
			row->good += more;
	}
	row->count += count;
	row->all += model_count(g->latency, s);
	row->all_good += model_good(g->latency, s);
	if (g->codes == g->latency)
		add_ended(row, outcome_of(&m->now->model, g, s), count);
	return true;
}

static bool add_group(const struct making *m, struct rows *rows, const struct group *g, name_row *name_of)
{
	const struct model *model = &m->now->model;
	struct name name;
	struct row *row;

	for (const struct model_series *s = NULL; g->latency != NULL && (s = model_next(model, g->latency, s)) != NULL;) {
		name_of(&name, m, g, g->latency, s);
		row = rows_at(rows, g, name.text, name.len);
		if (row == NULL || !add_latency(m, row, g, s))
			return false;
	}
	for (const struct model_series *s = NULL; g->codes != NULL && g->codes != g->latency && (s = model_next(model, g->codes, s)) != NULL;) {
		name_of(&name, m, g, g->codes, s);
		row = rows_at(rows, g, name.text, name.len);
		if (row == NULL)
			return false;
		add_ended(row, outcome_of(model, g, s), measure_grown(s->cells[0], making_before(m, s)[0]));
	}
	return true;
}

static bool add_total(const struct making *m)
{
	struct row *total = &m->to->total;
	const struct group *g = m->to->groups.main;
	const struct rows *rows = &m->to->requests;
	double spent;

	*total = (struct row){.group = g};
	for (int c = 0; c < COLUMNS; c++)
		total->columns[c] = (double)NAN;
	m->to->burn = (double)NAN;
	if (g == NULL)
		return true;
	if (g->latency != NULL && (total->buckets = calloc(g->latency->record->bounds_count + 1, sizeof *total->buckets)) == NULL)
		return false;
	for (size_t n = 0; n < rows->count; n++) {
		const struct row *row = &rows->list[n];

		if (row->group != g)
			continue;
		total->count += row->count;
		total->coded += row->coded;
		total->errors += row->errors;
		total->refused += row->refused;
		total->all += row->all;
		total->all_good += row->all_good;
		total->good += row->good;
		for (uint32_t b = 0; row->buckets != NULL && b <= g->latency->record->bounds_count; b++)
			total->buckets[b] += row->buckets[b];
	}
	finish_row(m, total);
	if (g->latency != NULL && g->latency->record->slo_objective_ppm != 0) {
		budget(g->latency, total->good, total->count, &spent);
		m->to->burn = spent;
	}
	return true;
}

static void finish(const struct making *m, struct rows *rows)
{
	for (size_t n = 0; n < rows->count; n++)
		finish_row(m, &rows->list[n]);
}

/* Who asked alone is no way to tell requests apart, unless there is no other. */
static bool is_in_requests(const struct groups *groups, const struct group *g)
{
	return g == groups->main || !g->has_tenant || g->has_route;
}

bool requests_add(const struct making *m)
{
	const struct groups *groups = &m->to->groups;

	for (size_t n = 0; n < groups->count; n++)
		if (is_in_requests(groups, &groups->list[n]) && !add_group(m, &m->to->requests, &groups->list[n], name_request))
			return false;
	if (groups->tenants != NULL && !add_group(m, &m->to->tenants, groups->tenants, name_tenant))
		return false;
	if (!add_total(m))
		return false;
	finish(m, &m->to->requests);
	finish(m, &m->to->tenants);
	return true;
}
