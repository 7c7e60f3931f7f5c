/* weir-otlp: a snapshot as requests: the loop over the cursors. See encode.h. Layer: exporter, pure. */
#include "encode.h"

#include "delta.h"
#include "encode_attr.h"
#include "encode_point.h"

struct piece {
	struct weir__otlp_bytes *to;
	size_t before, max_bytes, count;
	struct weir__otlp_metric metric;
	bool is_open;   /* the metric */
	bool is_full;   /* the series that is held begins the next piece */
	bool no_memory; /* for deltas */
};

void weir__otlp_metrics_begin(struct weir__otlp_metrics *m, const struct weir_snapshot *snapshot,
                              struct weir__otlp_delta *delta)
{
	*m = (struct weir__otlp_metrics){.snapshot = snapshot, .delta = delta};
	weir_family_begin(&m->family, snapshot);
}

static void close_metric(struct piece *p, const struct weir_family *family)
{
	if (p->is_open)
		weir__otlp_metric_close(p->to, &p->metric, family);
	p->is_open = false;
}

/* The next series that is not written yet; a metric ends with its family. */
static bool hold(struct weir__otlp_metrics *m, struct piece *p)
{
	while (!m->held) {
		if (m->in_family && weir_series_next(&m->series)) {
			m->held = true;
			break;
		}
		close_metric(p, &m->family);
		m->in_family = weir_family_next(&m->family);
		if (!m->in_family)
			return false;
		weir_series_begin(&m->series, &m->family);
	}
	return true;
}

/* The series that is held as a point, in its metric. What was written is known to be too much once it is: it is cut off
 * again, and so is what the delta took of it. The cursor's own series stays as it is, in case it comes again. */
static void put_held(struct weir__otlp_metrics *m, struct piece *p)
{
	struct weir_series s = m->series;
	bool is_delta = weir__otlp_is_delta(m->delta, m->family.kind), opened_here = false;
	struct weir__otlp_taken *mark = weir__otlp_delta_mark(m->delta);
	uint64_t time_ns = weir_snapshot_time_ns(m->snapshot);
	size_t used;

	if (p->is_open && p->metric.exponential != s.exponential) /* the same name, buckets of another kind */
		close_metric(p, &m->family);
	used = weir__otlp_used(p->to);
	if (!p->is_open) {
		if (!weir__otlp_metric_open(p->to, &p->metric, &m->family, s.exponential, is_delta)) {
			m->in_family = m->held = false; /* a kind of a newer libweir */
			return;
		}
		p->is_open = opened_here = true;
	}
	if (is_delta && !weir__otlp_delta_take(m->delta, &m->family, &s, time_ns)) {
		p->no_memory = true;
		return;
	}
	weir__otlp_put_point(p->to, &p->metric, &m->family, &s, time_ns);
	if (p->to->failed)
		return;
	if (weir__otlp_used(p->to) - p->before + WEIR__METRIC_END + WEIR__REQUEST_END <= p->max_bytes) {
		p->count++;
		m->held = false;
		return;
	}
	weir__otlp_cut(p->to, used);
	weir__otlp_delta_cut(m->delta, mark);
	if (opened_here)
		p->is_open = false;
	p->is_full = p->count != 0;
	if (!p->is_full) {
		m->too_large++;
		m->held = false;
	}
}

int weir__otlp_metrics_next(struct weir__otlp_metrics *m, struct weir__otlp_bytes *to, size_t max_bytes, size_t *count)
{
	struct weir__otlp_metrics was = *m;
	struct weir__otlp_taken *mark = weir__otlp_delta_mark(m->delta);
	struct piece p = {.to = to, .before = weir__otlp_used(to), .max_bytes = max_bytes};
	struct weir__otlp_request request = weir__otlp_request_open(to, weir_snapshot_resource(m->snapshot));

	while (!to->failed && !p.no_memory && !p.is_full && hold(m, &p))
		put_held(m, &p);
	close_metric(&p, &m->family);
	weir__otlp_request_close(to, &request);
	*count = p.count;
	if (!to->failed && !p.no_memory && p.count != 0)
		return WEIR_OK;
	weir__otlp_cut(to, p.before);
	if (!to->failed && !p.no_memory)
		return WEIR_OK;
	weir__otlp_delta_cut(m->delta, mark);
	*m = was;
	*count = 0;
	return WEIR_ENOMEM;
}
