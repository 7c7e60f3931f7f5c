#include <weir/prometheus.h>
#include <weir/weir.h>

WEIR_COUNTER(greetings, "hello_greetings_total", "Greetings said.");
WEIR_COUNTER(requests, "hello_requests_total", "Requests answered.", "code");
WEIR_HISTOGRAM(latency, WEIR_LATENCY_SLO(995000, WEIR_MS(200)), "hello_request_duration_seconds", "Time to answer.");

static void answer(void)
{
	struct weir_stopwatch watch = weir_stopwatch_begin();

	/* the work */
	weir_counter_add(&greetings, 1);
	weir_counter_add_with(&requests, 1, "200");
	weir_stopwatch_record(&watch, &latency);
}
int main(void)
{
	if (weir_init(NULL) || weir_prometheus_start(NULL)) return 1; /* http://localhost:9464/metrics */
	answer();
	return weir_shutdown(WEIR_S(5)) ? 1 : 0;
}
