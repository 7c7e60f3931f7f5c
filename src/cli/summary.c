/* weir, the command: what top shows. See summary.h. No data of its own. */
#include "summary.h"

#include "measure.h"
#include "requests.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MOST = 1024 };

static bool add_all_series(const struct making *m)
{
	const struct model *model = &m->now->model;

	for (uint32_t n = 0; n < model->instruments_count; n++) {
		const struct model_instrument *i = &model->instruments[n];
		bool histogram = i->record->kind == MODEL_HISTOGRAM;

		for (const struct model_series *s = NULL; (s = model_next(model, i, s)) != NULL;) {
			char name[NAME_MOST];
			size_t len = measure_name(name, sizeof name, model, i, s);
			struct row *row = rows_at(&m->to->series, NULL, name, len);
			const uint64_t *before = making_before(m, s);

			if (row == NULL)
				return false;
			row->columns[COLUMN_VALUE] = measure_value(i, s, s->cells);
			if (model_is_counter(i) || histogram)
				row->columns[COLUMN_RATE] = (row->columns[COLUMN_VALUE] - measure_value(i, s, before)) / m->to->span_s;
			if (histogram && i->record->unit == 1) {
				uint64_t buckets[WEIR_SEGMENT_CELLS];

				for (uint32_t b = 0; b <= i->record->bounds_count; b++)
					buckets[b] = measure_grown(s->cells[1 + b], before[1 + b]);
				row->columns[COLUMN_P99] = measure_quantile(i, buckets, 990000);
			}
		}
	}
	return true;
}

/* ---- the process, and losses ---- */

/* Into the list, the fastest first, then the most. */
static void add_loss(struct summary *to, const struct summary_loss *loss)
{
	size_t at;

	for (at = to->losses_count; at > 0; at--) {
		const struct summary_loss *other = &to->losses[at - 1];

		if (other->rate > loss->rate || (other->rate >= loss->rate && other->all >= loss->all))
			break;
		if (at < SUMMARY_LOSSES)
			to->losses[at] = *other;
	}
	if (at < SUMMARY_LOSSES)
		to->losses[at] = *loss;
	to->losses_count += to->losses_count < SUMMARY_LOSSES;
}

static void add_lost_series(const struct making *m, const struct model_instrument *i, const struct model_series *s)
{
	const struct model *model = &m->now->model;
	struct summary_loss loss = {.all = (double)s->cells[0]};
	char name[MEANING_NAME_MOST], *text = name;
	size_t used;

	if (s->cells[0] == 0)
		return;
	loss.rate = (double)measure_grown(s->cells[0], making_before(m, s)[0]) / m->to->span_s;
	meaning_normal(name, i->name);
	text += strncmp(name, "weir_", 5) == 0 ? 5 : strncmp(name, "otel_sdk_", 9) == 0 ? 9 : 0;
	used = measure_put(loss.text, sizeof loss.text, 0, text, strlen(text));
	for (uint32_t k = 0; k < i->record->labels_count && !model_is_overflow(s); k++) {
		struct model_text value = model_value(model, s, k);

		if (meaning_has(model_label(model, i, k), "component"))
			continue;
		used = measure_put(loss.text, sizeof loss.text, used, " ", 1);
		used = measure_put(loss.text, sizeof loss.text, used, value.ptr, value.len);
	}
	loss.text[used] = '\0';
	add_loss(m->to, &loss);
}

/* What the header tells, where no series tells it better, by reason. */
static void add_lost_header(const struct making *m, const char *name, uint64_t now, uint64_t before)
{
	struct summary_loss loss = {.all = (double)now, .rate = (double)measure_grown(now, before) / m->to->span_s};

	for (size_t n = 0; n < m->to->losses_count; n++)
		if (strncmp(m->to->losses[n].text, name, strlen(name)) == 0)
			return;
	measure_put(loss.text, sizeof loss.text, 0, name, strlen(name));
	if (now != 0)
		add_loss(m->to, &loss);
}

/* weir's own counters of what did not get through. */
static bool is_loss(const struct model *model, const struct model_instrument *i, const struct model_series *s)
{
	static const char *const parts[] = {"dropped", "failed", "overflowed", "refused", "_late", "set_aside", "faults"};

	if (!model_is_counter(i) || i->record->unit != 0 || !meaning_is_own(i->name))
		return false;
	for (size_t p = 0; p < sizeof parts / sizeof *parts; p++)
		if (meaning_has(i->name, parts[p]))
			return true;
	for (uint32_t k = 0; k < i->record->labels_count && !model_is_overflow(s); k++) {
		struct model_text label = model_label(model, i, k), value = model_value(model, s, k);

		if (meaning_of_label(label) == ROLE_ERROR && value.len != 0)
			return true;
	}
	return false;
}

static void add_process(const struct making *m, const struct model_instrument *i, const struct model_series *s)
{
	struct summary *to = m->to;
	const struct {
		const char *name;
		double *to;
	} known[] = {{"process_resident_memory_bytes", &to->memory_bytes}, {"process_threads", &to->threads},
	             {"process_open_fds", &to->fds}, {"process_max_fds", &to->fds_most}};
	double value = measure_value(i, s, s->cells);
	char name[MEANING_NAME_MOST];

	for (size_t k = 0; k < sizeof known / sizeof *known; k++)
		if (i->name.len == strlen(known[k].name) && memcmp(i->name.ptr, known[k].name, i->name.len) == 0)
			*known[k].to = value;
	meaning_normal(name, i->name);
	if (strcmp(name, "process_cpu") == 0 && model_is_counter(i))
		to->cpu = (value - measure_value(i, s, making_before(m, s))) / to->span_s;
	if ((i->record->kind == MODEL_UPDOWN || i->record->kind == MODEL_GAUGE || i->record->kind == MODEL_OBSERVED_GAUGE) &&
	    !meaning_is_own(i->name) && (strstr(name, "requests_in_flight") != NULL || strstr(name, "requests_inflight") != NULL ||
	                                 strstr(name, "active_requests") != NULL || strstr(name, "in_flight_requests") != NULL))
		to->in_flight = isnan(to->in_flight) ? value : to->in_flight + value;
}

static void add_facts(const struct making *m)
{
	static const struct weir_segment_header none;
	const struct weir_segment_header *h = segment_copy_header(&m->now->copy);
	const struct weir_segment_header *before = m->before != NULL ? segment_copy_header(&m->before->copy) : &none;
	const struct model *model = &m->now->model;
	struct summary *to = m->to;

	to->in_flight = to->cpu = to->memory_bytes = to->threads = to->fds = to->fds_most = to->tick_age_s = (double)NAN;
	to->recorders = model->threads;
	to->series_count = model->shown;
	if (h->heartbeat_ns != 0)
		to->tick_age_s = fmax(0, m->now->at_s - (double)h->heartbeat_ns / 1e9);
	for (uint32_t n = 0; n < model->instruments_count; n++) {
		const struct model_instrument *i = &model->instruments[n];

		for (const struct model_series *s = NULL; (s = model_next(model, i, s)) != NULL;) {
			if (i->record->kind == MODEL_HISTOGRAM)
				break;
			if (is_loss(model, i, s))
				add_lost_series(m, i, s);
			add_process(m, i, s);
		}
	}
	add_lost_header(m, "dropped_records", h->records_dropped, before->records_dropped);
	add_lost_header(m, "overflowed_lookups", h->records_overflowed, before->records_overflowed);
}

bool summary_make(struct summary *summary, const struct look *before, const struct look *now, double age_s, bool since_start, bool series)
{
	struct making m = {summary, !since_start && look_goes_on(before, now) && now->at_s > before->at_s ? before : NULL, now};

	*summary = (struct summary){.since_start = m.before == NULL};
	summary->span_s = m.before != NULL ? now->at_s - before->at_s : age_s;
	if (!groups_make(&summary->groups, &now->model))
		return false;
	if (!requests_add(&m) || (series && !add_all_series(&m))) {
		summary_free(summary);
		return false;
	}
	add_facts(&m);
	return true;
}

void summary_free(struct summary *summary)
{
	groups_free(&summary->groups);
	rows_free(&summary->requests);
	rows_free(&summary->tenants);
	rows_free(&summary->series);
	free(summary->total.buckets);
	summary->total.buckets = NULL;
}
