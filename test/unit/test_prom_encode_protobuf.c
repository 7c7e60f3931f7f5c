/* Snapshots as delimited protobuf, with protobuf-c as the witness: what it reads, and writes again, has the same bytes;
 * and what it read is what the snapshot holds. */
#define _GNU_SOURCE
#include "encode_protobuf.h"
#include "encode.h"

#include "metric_family.pb-c.h"

#include <weir/prometheus.h>
#include <weir/weir.h>

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define ACCEPT "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"

static uint64_t seed = 88172645463325252u;

static uint64_t random_below(uint64_t n)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	seed ^= seed << 17;
	return seed % n;
}

/* Any length of number is as likely. */
static uint64_t random_number(void)
{
	random_below(1);
	return seed >> random_below(64);
}

static bool same(double a, double b)
{
	return memcmp(&a, &b, sizeof a) == 0;
}

/* ---- families ---------------------------------------------------------------------------------------------------- */

struct families {
	Witness__Family *list[256];
	size_t count;
};

/* Each message of the stream, which protobuf-c writes with the same bytes. */
static struct families read_all(const char *bytes, size_t len)
{
	const uint8_t *at = (const uint8_t *)bytes, *end = at + len;
	struct families f = {.count = 0};

	while (at != end) {
		size_t size = 0, packed;
		uint8_t *again;

		for (unsigned shift = 0;; shift += 7) {
			assert_true(at != end && shift < 63);
			size |= (size_t)(*at & 127) << shift;
			if ((*at++ & 128) == 0)
				break;
		}
		assert_true(size <= (size_t)(end - at) && f.count < 256);
		f.list[f.count] = witness__family__unpack(NULL, size, at);
		assert_non_null(f.list[f.count]);
		assert_int_equal(f.list[f.count]->base.n_unknown_fields, 0);
		again = malloc(size + 1);
		packed = witness__family__get_packed_size(f.list[f.count]);
		assert_int_equal(packed, size);
		assert_int_equal(witness__family__pack(f.list[f.count], again), size);
		assert_memory_equal(again, at, size);
		free(again);
		f.count++;
		at += size;
	}
	return f;
}

static struct families encode_all(const struct weir_snapshot *snapshot, const char *accept)
{
	struct families f;
	size_t len, again;
	char *bytes;

	assert_int_equal(weir_prometheus_encode(snapshot, accept, NULL, 0, &len), WEIR_ENOMEM);
	bytes = malloc(len + 1);
	assert_int_equal(weir_prometheus_encode(snapshot, accept, bytes, len, &again), WEIR_OK);
	assert_int_equal(again, len);
	f = read_all(bytes, len);
	free(bytes);
	return f;
}

static void forget_all(struct families *f)
{
	for (size_t i = 0; i < f->count; i++)
		witness__family__free_unpacked(f->list[i], NULL);
}

static const Witness__Family *family(const struct families *f, const char *name)
{
	for (size_t i = 0; i < f->count; i++)
		if (strcmp(f->list[i]->name, name) == 0)
			return f->list[i];
	fail_msg("no family %s", name);
	return NULL;
}

static const char *label(const Witness__Metric *m, const char *name)
{
	for (size_t i = 0; i < m->n_label; i++)
		if (strcmp(m->label[i]->name, name) == 0)
			return m->label[i]->value;
	return NULL;
}

static const Witness__Metric *metric(const Witness__Family *f, const char *name, const char *value)
{
	for (size_t i = 0; i < f->n_metric; i++) {
		const char *found = label(f->metric[i], name);

		if (found != NULL && strcmp(found, value) == 0)
			return f->metric[i];
	}
	fail_msg("no %s with %s=%s", f->name, name, value);
	return NULL;
}

/* ---- every kind, with names and values of any length ------------------------------------------------------------- */

static void random_text(char *text, size_t len)
{
	for (size_t i = 0; i < len; i++)
		text[i] = (char)('a' + random_below(26));
	text[len] = '\0';
}

static void make_random(unsigned n)
{
	char name[300], help[300], labels[8][256], values[8][1200];
	const char *names[9] = {NULL}, *given[8];
	struct weir_instrument_options o = {.size = sizeof o, .max_series = 20, .unit = (enum weir_unit)(n % 4)};
	size_t count = random_below(7), len = (size_t)snprintf(name, sizeof name, "r%u_", n);
	struct weir_str tuple[8];

	random_text(name + len, random_below(n % 5 == 0 ? 200 : 20));
	random_text(help, n % 3 == 0 ? 0 : random_below(290));
	for (size_t i = 0; i < count; i++) {
		labels[i][0] = (char)('a' + i);
		random_text(labels[i] + 1, random_below(n % 7 == 0 ? 150 : 12));
		names[i] = labels[i];
	}
	for (unsigned series = 0; series < 1 + n % 25; series++) {
		uint64_t v = random_number() / 2;

		for (size_t i = 0; i < count; i++) {
			random_text(values[i], random_below(series % 6 == 5 ? 1100 : series % 6 == 4 ? 140 : 24));
			given[i] = values[i];
			tuple[i] = weir_str_of(given[i]);
		}
		if (n % 3 == 0) {
			const struct weir_counter *c;

			assert_int_equal(weir_counter_create(&c, name, help, names, &o), WEIR_OK);
			weir_counter_series_add(weir_counter_values(c, tuple, count), v);
		} else if (n % 3 == 1) {
			const struct weir_gauge *g;

			assert_int_equal(weir_gauge_create(&g, name, help, names, &o), WEIR_OK);
			weir_gauge_series_set(weir_gauge_values(g, tuple, count),
			                      series % 2 != 0 ? -(int64_t)v : (int64_t)v);
		} else {
			const struct weir_histogram *h;

			if (n % 2 != 0) {
				o.range_lowest = 1000;
				o.range_highest = 100000000;
			}
			assert_int_equal(weir_histogram_create(&h, name, help, names, &o), WEIR_OK);
			for (unsigned k = 0; k < 50; k++)
				weir_histogram_series_record(weir_histogram_values(h, tuple, count), random_number() / 2);
		}
	}
}

static void check_series(const struct weir_family *f, const struct weir_series *s, const Witness__Metric *m)
{
	bool native = s->exponential;
	uint64_t below = 0;
	int64_t delta = 0;

	assert_int_equal(m->n_label, s->overflow && f->labels_count != 0 ? 1 : f->labels_count);
	for (size_t i = 0; i < m->n_label && !s->overflow; i++) {
		assert_string_equal(m->label[i]->name, f->labels[i]);
		assert_string_equal(m->label[i]->value, s->values[i].ptr);
	}
	if (f->kind == WEIR_COUNTER_KIND) {
		assert_true(m->counter != NULL && m->gauge == NULL && m->histogram == NULL && m->untyped == NULL);
		assert_true(same(m->counter->value, (double)s->count / f->divisor));
		assert_int_equal((uint64_t)m->counter->created_timestamp->seconds, s->start_ns / 1000000000);
		assert_int_equal(m->counter->created_timestamp->nanos, s->start_ns % 1000000000);
		return;
	}
	if (f->kind == WEIR_GAUGE_KIND) {
		assert_true(m->gauge != NULL && m->counter == NULL && m->histogram == NULL && m->untyped == NULL);
		assert_true(same(m->gauge->value, (double)s->level / f->divisor));
		return;
	}
	assert_true(m->histogram != NULL && m->gauge == NULL && m->counter == NULL && m->untyped == NULL);
	assert_int_equal(m->histogram->sample_count, s->count);
	assert_int_equal(m->histogram->n_bucket, native ? 1 : s->buckets_count);
	assert_int_equal(m->histogram->has_schema, native);
	assert_true(isinf(m->histogram->bucket[m->histogram->n_bucket - 1]->upper_bound) != 0);
	assert_int_equal(m->histogram->bucket[m->histogram->n_bucket - 1]->cumulative_count, s->count);
	for (size_t b = 0; !native && b + 1 < s->buckets_count; b++) {
		below += s->buckets[b];
		assert_int_equal(m->histogram->bucket[b]->cumulative_count, below);
		assert_true(same(m->histogram->bucket[b]->upper_bound, (double)s->bounds[b] / f->divisor));
	}
	below = m->histogram->zero_count;
	for (size_t i = 0; native && i < m->histogram->n_positive_delta; i++) {
		delta += m->histogram->positive_delta[i];
		assert_true(delta >= 0);
		below += (uint64_t)delta;
	}
	assert_int_equal(native ? below : s->count, s->count);
}

static void random_families(void **state)
{
	struct weir_snapshot *snapshot;
	struct weir_family f;
	struct weir_series s;
	struct families all;
	size_t checked = 0;

	(void)state;
	for (unsigned n = 0; n < 120; n++)
		make_random(n);
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	all = encode_all(snapshot, ACCEPT);
	for (weir_family_begin(&f, snapshot); weir_family_next(&f);) {
		char name[WEIR__NAME_ROOM];
		const Witness__Family *read;
		size_t n = 0;

		if (f.name[0] != 'r')
			continue;
		weir__prom_full_name(name, f.name, f.kind, f.unit);
		read = family(&all, name);
		assert_string_equal(read->help != NULL ? read->help : "", f.help != NULL ? f.help : "");
		for (weir_series_begin(&s, &f); weir_series_next(&s); checked++)
			check_series(&f, &s, read->metric[n++]);
		assert_int_equal(n, read->n_metric);
	}
	assert_true(checked > 1000);
	forget_all(&all);
	weir_snapshot_destroy(snapshot);
}

static void every_kind_and_what_no_instrument_is_behind(void **state)
{
	static const char *const labels[] = {"http.route", NULL}, *const constant[] = {"zone", "a\"1\n\\", NULL};
	struct weir_instrument_options slo = {.size = sizeof slo,
	                                      .unit = WEIR_SECONDS,
	                                      .slo_objective_ppm = 995000,
	                                      .slo_threshold = WEIR_MS(200)},
				       capped = {.size = sizeof capped, .max_series = 2, .constant = constant};
	const Witness__Family *f;
	const struct weir_float_gauge *real;
	const struct weir_histogram *h;
	const struct weir_updown *u;
	const struct weir_counter *c;
	const struct weir_info *i;
	struct weir_snapshot *snapshot;
	struct families all;

	(void)state;
	weir_histogram_create(&h, "k_took", "Time.", NULL, &slo);
	weir_histogram_record(h, WEIR_MS(200));
	weir_updown_create(&u, "k_depth", "", NULL, NULL);
	weir_updown_add(u, -5);
	weir_float_gauge_create(&real, "k_real", "Real.", NULL, NULL);
	weir_float_gauge_set(real, (double)INFINITY);
	weir_info_create(&i, "k_build", "What runs.", labels, NULL);
	weir_info_set(i, "v\"1");
	weir_counter_create(&c, "k.capped", "No\xff text\n\"\\.", labels, &capped);
	for (int n = 0; n < 5; n++)
		weir_counter_add_with(c, 1, n == 0 ? "a" : n == 1 ? "b" : n == 2 ? "c" : n == 3 ? "d" : "e");
	assert_int_equal(weir_snapshot_new(&snapshot), WEIR_OK);
	all = encode_all(snapshot, ACCEPT);
	f = family(&all, "k_took_seconds");
	assert_int_equal(f->type, WITNESS__FAMILY__TYPE__HISTOGRAM);
	f = family(&all, "k_depth");
	assert_int_equal(f->type, WITNESS__FAMILY__TYPE__GAUGE);
	assert_true(f->help == NULL && same(f->metric[0]->gauge->value, -5) && f->metric[0]->n_label == 0);
	assert_true(isinf(family(&all, "k_real")->metric[0]->gauge->value) != 0);
	f = family(&all, "k_build_info");
	assert_int_equal(f->type, WITNESS__FAMILY__TYPE__GAUGE);
	assert_true(same(metric(f, "http_route", "v\"1")->gauge->value, 1));
	f = family(&all, "k_capped_total");
	assert_int_equal(f->type, WITNESS__FAMILY__TYPE__COUNTER);
	assert_string_equal(f->help, "No\xef\xbf\xbd text\n\"\\.");
	assert_int_equal(f->n_metric, 3);
	assert_string_equal(label(metric(f, "http_route", "a"), "zone"), "a\"1\n\\");
	assert_true(same(metric(f, "otel_metric_overflow", "true")->counter->value, 3));
	assert_true(same(metric(family(&all, "weir_slo_threshold"), "histogram", "k_took_seconds")->gauge->value, 0.2));
	assert_true(same(metric(family(&all, "weir_slo_objective_ratio"), "histogram", "k_took_seconds")->gauge->value,
	                 0.995));
	f = family(&all, "target_info");
	assert_true(f->n_metric == 1 && same(f->metric[0]->gauge->value, 1));
	assert_string_equal(label(f->metric[0], "service_name"), "witness");
	assert_string_equal(label(f->metric[0], "joined_key"), "1;2"); /* two keys that are one here */
	forget_all(&all);
	all = encode_all(snapshot, ACCEPT ";escaping=allow-utf-8");
	f = family(&all, "k.capped_total");
	assert_non_null(label(f->metric[0], "http.route"));
	assert_string_equal(label(family(&all, "target_info")->metric[0], "joined.key"), "1");
	forget_all(&all);
	weir_snapshot_destroy(snapshot);
}

static int make(void **state)
{
	static const struct weir_attr attrs[] = {
	    {{"joined.key", 10}, WEIR_ATTR_STR, {.str = {"1", 1}}},
	    {{"joined_key", 10}, WEIR_ATTR_INT, {.integer = 2}},
	};
	struct weir_options o = {.size = sizeof o, .service_name = "witness", .no_thread = true};

	(void)state;
	o.resource = (struct weir_attrs){attrs, 2};
	return weir_init(&o);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(random_families),
	    cmocka_unit_test(every_kind_and_what_no_instrument_is_behind),
	};

	return cmocka_run_group_tests_name("prom_encode_protobuf", tests, make, NULL);
}
