#include <weir/prometheus.h>
#include <weir/weir.h>

WEIR_COUNTER(requests, "hello_requests_total", "Requests answered.");
WEIR_HISTOGRAM(latency, WEIR_LATENCY_SLO(995000, WEIR_MS(200)), "hello_request_duration_seconds", "Time to answer.");

static void answer(const char *traceparent)
{
	struct weir_header header = {weir_str_of("traceparent"), weir_str_of(traceparent)};
	struct weir_ctx ctx;
	struct weir_span span;

	weir_ctx_begin(&ctx, &header, 1);
	weir_span_begin(&span, &ctx, WEIR_SERVER, "GET /hello");
	/* the work */
	weir_counter_add(&requests, 1);
	weir_span_end_record(&span, &latency);
	weir_ctx_end(&ctx);
}
int main(void)
{
	if (weir_init(NULL) || weir_prometheus_start(NULL)) return 1; /* http://localhost:9464/metrics */
	answer("00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
	return weir_shutdown(WEIR_S(5)) ? 1 : 0;
}
