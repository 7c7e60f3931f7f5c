/* weir-prometheus: families that no instrument is behind: target_info with the resource, and what the SLOs promise.
 *
 * Layer: exporter, pure. Invariant: each is one contiguous family; a histogram is called as its own samples are. */
#include "encode_state.h"

#include <stdlib.h>

/* An attribute's value as text; what is neither text nor a number is left out. */
static bool value_of(const struct weir_attr *attr, char text[32], struct weir_str *value)
{
	switch (attr->type) {
	case WEIR_ATTR_STR:
		*value = attr->as.str;
		return true;
	case WEIR_ATTR_BOOL:
		*value = weir_str_of(attr->as.boolean ? "true" : "false");
		return true;
	case WEIR_ATTR_INT: {
		bool minus = attr->as.integer < 0;
		uint64_t v = minus ? 0 - (uint64_t)attr->as.integer : (uint64_t)attr->as.integer;
		char *end = weir__put_u64(text + minus, v);

		text[0] = minus ? '-' : text[0];
		*value = weir_str_n(text, (size_t)(end - text));
		return true;
	}
	case WEIR_ATTR_DOUBLE:
		*value = weir_str_n(text, weir_private_double(text, attr->as.real));
		return true;
	case WEIR_ATTR_BYTES:
	case WEIR_ATTR_STRS:
	case WEIR_ATTR_BOOLS:
	case WEIR_ATTR_INTS:
	case WEIR_ATTR_DOUBLES:
		break;
	}
	return false;
}

bool weir__encode_target(struct weir__encoder *e)
{
	static const char name[] = "target_info";
	struct weir_attrs attrs = weir_snapshot_resource(e->snapshot);
	char(*texts)[32] = NULL;
	bool ok, again;

	if (attrs.count == 0)
		return true;
	texts = malloc(attrs.count * sizeof *texts);
	ok = texts != NULL;
	e->labels.count = 0;
	for (size_t i = 0; i < attrs.count && ok; i++) {
		struct weir_str value;

		if (value_of(&attrs.ptr[i], texts[i], &value))
			ok = weir__labels_add(&e->labels, attrs.ptr[i].key.ptr, attrs.ptr[i].key.len, value, -1);
	}
	ok = ok &&
	     weir__encode_start(e, name, sizeof name - 1, e->openmetrics ? "info" : "gauge", WEIR_ONE,
	                        "What the process says of itself.", &again) &&
	     weir__encode_lone(e, 1, weir__scale_of(1)) && weir__encode_finish(e);
	free(texts);
	return ok;
}

/* histogram="<its name>", and its constant labels: found beside its samples. */
static bool put_slo(struct weir__encoder *e, const struct weir_family *f, struct weir__out *histogram, bool threshold)
{
	char name[WEIR__NAME_ROOM];
	size_t len = weir__prom_full_name(name, f->name, f->kind, f->unit);

	histogram->at = histogram->start;
	if (!weir__prom_put_name(histogram, name, len, e->escaping, false))
		return false;
	e->labels.count = 0;
	if (!weir__labels_add(&e->labels, "histogram", 9, weir_str_n(histogram->start, weir__out_used(histogram)), -1))
		return false;
	for (size_t i = 0; i < f->constant_count; i++)
		if (!weir__labels_add(&e->labels, f->constant[2 * i], strlen(f->constant[2 * i]),
		                      weir_str_of(f->constant[2 * i + 1]), -1))
			return false;
	return threshold ? weir__encode_lone(e, f->slo_threshold, weir__scale_of(f->divisor))
	                 : weir__encode_lone(e, f->slo_objective_ppm, weir__scale_of(1e6));
}

static bool put_slo_family(struct weir__encoder *e, const char *name, const char *help, bool threshold)
{
	struct weir_family f;
	struct weir__out histogram;
	bool ok = true, begun = false, again = false;

	weir__out_grown(&histogram, 0);
	e->family.kind = WEIR_GAUGE_KIND;
	for (weir_family_begin(&f, e->snapshot); ok && !again && weir_family_next(&f);) {
		if (f.kind != WEIR_HISTOGRAM_KIND || f.slo_objective_ppm == 0)
			continue;
		ok = begun || weir__encode_start(e, name, strlen(name), "gauge", WEIR_ONE, help, &again);
		if (ok && !again)
			ok = put_slo(e, &f, &histogram, threshold);
		begun = true;
	}
	weir__out_free(&histogram);
	return ok && (!begun || again || weir__encode_finish(e));
}

bool weir__encode_slos(struct weir__encoder *e)
{
	return put_slo_family(e, "weir_slo_objective_ratio", "Share of values that is to be within the threshold.",
	                      false) &&
	       put_slo_family(e, "weir_slo_threshold", "What a value is to be within, in the histogram's unit.", true);
}
