#include <weir/prometheus.h>
#include <weir/weir.hpp>

#include <map>
#include <string>

WEIR_COUNTER(requests, "hello_requests_total", "Requests answered.");
WEIR_HISTOGRAM(latency, WEIR_LATENCY_SLO(995000, WEIR_MS(200)), "hello_request_duration_seconds", "Time to answer.");

static void answer(const std::map<std::string, std::string> &headers)
{
	weir::ctx ctx{headers};
	weir::span span{ctx, "GET /hello", WEIR_SERVER}; // ends with its scope, or here:
	// the work
	weir_counter_add(&requests, 1);
	span.end(latency);
}
int main()
{
	if (weir_init(nullptr) || weir_prometheus_start(nullptr)) return 1; // http://localhost:9464/metrics
	answer({{"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"}});
	return weir_shutdown(WEIR_S(5)) ? 1 : 0;
}
