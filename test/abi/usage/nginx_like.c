/* An event loop: one thread, many requests in flight, none of them "current". Contexts are explicit and lie in the request's
 * pool; headers are pointer and length; metrics go by handles that were resolved once. */
#include <weir/weir.h>

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the server's own world ---- */
struct text {
	size_t len;
	unsigned char *data;
};
struct field {
	struct text name, value;
};
struct request {
	const struct field *headers;
	size_t headers_count;
	struct text host, uri;
	int status;
	uint64_t sent;
	struct telemetry *telemetry; /* of the request's pool */
};
struct upstream {
	struct request *request;
	char head[512];
	struct weir_span span;
};
int config_load(void);
int request_begin(struct request *r);
int upstream_begin(struct upstream *u, struct request *r, struct weir_str peer);
uint64_t upstream_end(struct upstream *u, int status);
uint64_t request_end(struct request *r);

/* ---- instruments and handles ---- */
WEIR_COUNTER(requests, "http_requests_total", "Requests answered.", "class");
WEIR_COUNTER(by_host, "http_host_requests_total", "Requests by host.", "host");
WEIR_UPDOWN(in_flight, "http_requests_in_flight", "Requests being answered.");
WEIR_HISTOGRAM(latency, WEIR_LATENCY_SLO(995000, WEIR_MS(200)), "http_request_duration_seconds", "Time to answer.");
WEIR_HISTOGRAM(upstream_time, WEIR_BUCKETS(WEIR_SECONDS, WEIR_RANGE(1000, WEIR_S(60))), "http_upstream_duration_seconds",
               "Time of an upstream.", "peer");
WEIR_COUNTER_IN(sent, WEIR_BYTES, "http_sent_bytes_total", "Bytes sent.");

static struct weir_counter_series by_class[6];
static struct weir_histogram_series store_time;

int config_load(void)
{
	static const char *const classes[] = {"other", "1xx", "2xx", "3xx", "4xx", "5xx"};

	for (size_t i = 0; i < 6; i++)
		by_class[i] = weir_counter_with(&requests, classes[i]);
	store_time = weir_histogram_with(&upstream_time, "store:8080");
	return weir_init(NULL);
}

/* ---- a request, and as many upstream calls at once as it likes ---- */
struct telemetry {
	struct weir_ctx ctx;
	struct weir_span span;
	char baggage[256];
};

int request_begin(struct request *r)
{
	struct telemetry *t = r->telemetry = malloc(sizeof *t);
	struct weir_ctx_options options = {.size = sizeof options};

	if (t == NULL)
		return -1;
	options.buffer = t->baggage;
	options.buffer_size = sizeof t->baggage;
	weir_ctx_begin_opts(&t->ctx, &options);
	for (size_t i = 0; i < r->headers_count; i++)
		weir_ctx_add_header(&t->ctx, weir_str_n(r->headers[i].name.data, r->headers[i].name.len),
		                    weir_str_n(r->headers[i].value.data, r->headers[i].value.len));
	weir_ctx_set_slo(&t->ctx, &latency);
	weir_span_begin(&t->span, &t->ctx, WEIR_SERVER, "http.request");
	weir_span_set_with(&t->span, weir_attr_str_n("url.path", weir_str_n(r->uri.data, r->uri.len)));
	weir_updown_add(&in_flight, 1);
	return 0;
}

int upstream_begin(struct upstream *u, struct request *r, struct weir_str peer)
{
	struct telemetry *t = r->telemetry;
	struct weir_span_options options = {.size = sizeof options, .parent = &t->span, .timed = true};
	int len;

	u->request = r;
	weir_span_begin_opts(&u->span, &t->ctx, WEIR_CLIENT, "http.upstream", &options);
	weir_span_set_with(&u->span, weir_attr_str_n("server.address", peer));
	len = weir_span_inject_text(&u->span, u->head, sizeof u->head);
	return len < 0 || (size_t)len >= sizeof u->head ? -1 : len;
}

uint64_t upstream_end(struct upstream *u, int status)
{
	if (status >= 500)
		weir_span_fail(&u->span, "upstream failed");
	return weir_span_end_record_series(&u->span, store_time);
}

uint64_t request_end(struct request *r)
{
	struct telemetry *t = r->telemetry;
	struct weir_str host = weir_str_n(r->host.data, r->host.len);
	uint64_t took;

	weir_ctx_set_status(&t->ctx, r->status);
	weir_counter_series_add(by_class[r->status < 600 && r->status > 0 ? r->status / 100 : 0], 1);
	weir_counter_add_values(&by_host, 1, NULL, &host, 1);
	weir_counter_add(&sent, r->sent);
	weir_updown_add(&in_flight, -1);
	took = weir_span_end_record(&t->span, &latency);
	weir_ctx_end(&t->ctx); /* the pool's memory may go now */
	free(t);
	return took;
}

/* ---- what arrives ---- */
static struct {
	size_t spans, servers, clients, failed, orphans;
} seen;

static int look(void *arg, struct weir_batch *batch, uint64_t timeout_ns)
{
	static const uint8_t none[8];
	struct weir_ended e;

	(void)arg;
	(void)timeout_ns;
	weir_ended_begin(&e, batch);
	while (weir_ended_next(&e)) {
		seen.spans++;
		seen.servers += e.kind == WEIR_SERVER;
		seen.clients += e.kind == WEIR_CLIENT;
		seen.failed += e.failed;
		seen.orphans += memcmp(e.parent_id, none, sizeof none) == 0;
	}
	return WEIR_OK;
}

enum { REQUESTS = 100, UPSTREAMS = 2 };

static struct text text_of(char *text)
{
	struct text t = {strlen(text), (unsigned char *)text};

	return t;
}

int main(void)
{
	static struct request in[REQUESTS];
	static struct upstream up[REQUESTS][UPSTREAMS];
	static unsigned char hosts[] = "shop.example\0mail.example"; /* not ended by NUL where the server cuts it */
	static char names[][12] = {"traceparent", "User-Agent", "baggage"}, parents[REQUESTS][64], curl[] = "curl", tenant[] = "t=1";
	static char path[] = "/orders";
	static struct field fields[REQUESTS][3];
	struct weir_exporter_options looks = {.size = sizeof looks, .name = "looks", .spans = look};
	struct weir_exporter *exporter;
	struct weir_distribution upstreams, answers;
	struct weir_str shop = weir_str_n(hosts, 4);
	uint64_t upstreams_ns = 0, answers_ns = 0;

	assert(config_load() == WEIR_OK && weir_exporter_new(&exporter, &looks) == WEIR_OK);
	for (int i = 0; i < REQUESTS; i++) { /* every second one is sampled by its caller, the others are not */
		snprintf(parents[i], sizeof parents[i], "00-%032x-%016x-0%d", i + 1, i + 1, i % 2);
		fields[i][0] = (struct field){text_of(names[0]), text_of(parents[i])};
		fields[i][1] = (struct field){text_of(names[1]), text_of(curl)};
		fields[i][2] = (struct field){text_of(names[2]), text_of(tenant)};
		in[i].headers = fields[i];
		in[i].headers_count = 3;
		in[i].uri = text_of(path);
		in[i].host = (struct text){4, hosts + (i % 4 == 0 ? 13 : 0)};
		in[i].status = i % 10 == 0 ? 503 : 200;
		in[i].sent = 1000;
		assert(request_begin(&in[i]) == 0);
		for (int k = 0; k < UPSTREAMS; k++) {
			char expected[64];
			int len = upstream_begin(&up[i][k], &in[i], weir_str_of("store:8080"));

			snprintf(expected, sizeof expected, "traceparent: 00-%032x-", i + 1);
			assert(len > 0 && strncmp(up[i][k].head, expected, strlen(expected)) == 0);
			assert(strstr(up[i][k].head, "baggage: t=1\r\n") != NULL);
			assert(weir_span_is_recording(&up[i][k].span) == (i % 2 == 1));
		}
		assert(i % 2 == 0 || strcmp(up[i][0].head, up[i][1].head) != 0); /* each call has its own span's id */
	}
	assert(weir_updown_read(&in_flight) == REQUESTS);
	for (int i = REQUESTS - 1; i >= 0; i--) {
		for (int k = 0; k < UPSTREAMS; k++)
			upstreams_ns += upstream_end(&up[i][k], k == 0 && i % 10 == 1 ? 502 : 200);
		answers_ns += request_end(up[i][0].request);
	}
	assert(weir_updown_read(&in_flight) == 0);
	assert(weir_counter_series_read(by_class[2]) == 90 && weir_counter_series_read(by_class[5]) == 10);
	assert(weir_counter_read(&sent) == 1000 * REQUESTS);
	assert(weir_counter_series_read(weir_counter_values(&by_host, &shop, 1)) == 75);
	upstreams = weir_histogram_series_read(store_time);
	answers = weir_histogram_read(&latency);
	assert(upstreams.count == REQUESTS * UPSTREAMS && upstreams.sum_low == upstreams_ns && upstreams.sum_high == 0);
	assert(answers.count == REQUESTS && answers.sum_low == answers_ns && answers.good <= REQUESTS);

	assert(weir_flush(WEIR_S(5)) == WEIR_OK);
	assert(seen.servers == REQUESTS / 2 && seen.clients == REQUESTS / 2 * UPSTREAMS);
	assert(seen.spans == seen.servers + seen.clients && seen.failed == 10 && seen.orphans == 0);
	return weir_shutdown(WEIR_S(5)) ? 1 : 0;
}
