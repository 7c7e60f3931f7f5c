/* An event loop: one thread, many requests in flight, none of them "current". Text is pointer and length; metrics go by
 * handles that were resolved once. */
#include <weir/weir.h>

#include <assert.h>

/* ---- the server's own world ---- */
struct text {
	size_t len;
	unsigned char *data;
};
struct request {
	struct text host;
	int status;
	uint64_t sent;
	struct weir_stopwatch began;
};
struct upstream {
	struct request *request;
	struct weir_stopwatch began;
};
int config_load(void);
void request_begin(struct request *r);
void upstream_begin(struct upstream *u, struct request *r);
uint64_t upstream_end(struct upstream *u);
void request_end(struct request *r);

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
void request_begin(struct request *r)
{
	r->began = weir_stopwatch_begin();
	weir_updown_add(&in_flight, 1);
}

void upstream_begin(struct upstream *u, struct request *r)
{
	u->request = r;
	u->began = weir_stopwatch_begin();
}

uint64_t upstream_end(struct upstream *u)
{
	return weir_stopwatch_record_series(&u->began, store_time);
}

void request_end(struct request *r)
{
	struct weir_str host = weir_str_n(r->host.data, r->host.len);

	weir_counter_series_add(by_class[r->status < 600 && r->status > 0 ? r->status / 100 : 0], 1);
	weir_counter_add_values(&by_host, 1, NULL, &host, 1);
	weir_counter_add(&sent, r->sent);
	weir_updown_add(&in_flight, -1);
	weir_stopwatch_record(&r->began, &latency);
}

enum { REQUESTS = 100 };

int main(void)
{
	static struct request in[REQUESTS];
	static struct upstream up[REQUESTS];
	static unsigned char hosts[] = "shop.example\0mail.example"; /* not ended by NUL where the server cuts it */
	struct weir_distribution upstreams, answers;
	struct weir_str shop = weir_str_n(hosts, 4);
	uint64_t total_ns = 0;

	assert(config_load() == WEIR_OK);
	for (int i = 0; i < REQUESTS; i++) {
		in[i].host = (struct text){4, hosts + (i % 4 == 0 ? 13 : 0)};
		in[i].status = i % 10 == 0 ? 503 : 200;
		in[i].sent = 1000;
		request_begin(&in[i]);
		upstream_begin(&up[i], &in[i]);
	}
	assert(weir_updown_read(&in_flight) == REQUESTS);
	for (int i = REQUESTS - 1; i >= 0; i--) {
		total_ns += upstream_end(&up[i]);
		request_end(up[i].request);
	}
	assert(weir_updown_read(&in_flight) == 0);
	assert(weir_counter_series_read(by_class[2]) == 90 && weir_counter_series_read(by_class[5]) == 10);
	assert(weir_counter_read(&sent) == 1000 * REQUESTS);
	assert(weir_counter_series_read(weir_counter_values(&by_host, &shop, 1)) == 75);
	upstreams = weir_histogram_series_read(store_time);
	answers = weir_histogram_read(&latency);
	assert(upstreams.count == REQUESTS && upstreams.sum_low == total_ns && upstreams.sum_high == 0);
	assert(answers.count == REQUESTS && answers.good <= REQUESTS);
	return weir_shutdown(WEIR_S(5)) ? 1 : 0;
}
