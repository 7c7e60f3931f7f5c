/* weir-otlp: traces and metrics by OTLP over HTTP (protobuf) to an OpenTelemetry Collector, or whoever speaks it. */
#ifndef WEIR_OTLP_H
#define WEIR_OTLP_H

#include <weir/exporter.h>
#include <weir/fetch.h>

WEIR_BEGIN_DECLS_

enum weir_otlp_compression { WEIR_OTLP_COMPRESSION_ENV, WEIR_OTLP_NONE, WEIR_OTLP_GZIP };
enum weir_otlp_temporality { WEIR_OTLP_TEMPORALITY_ENV, WEIR_OTLP_CUMULATIVE, WEIR_OTLP_DELTA, WEIR_OTLP_LOWMEMORY };

struct weir_otlp_options { /* what is set wins over its OTEL_EXPORTER_OTLP_ variable */
	WEIR_SIZE_(weir_otlp_options);
	const char *endpoint;             /* the base: v1/traces and v1/metrics are appended; NULL: http://localhost:4318 */
	const char *const *headers;       /* name, value, ..., NULL: with each request */
	const char *ca_file, *cert_file, *key_file; /* PEM */
	enum weir_otlp_compression compression;
	enum weir_otlp_temporality temporality;
	bool no_traces, no_metrics;       /* OTEL_TRACES_EXPORTER=none, OTEL_METRICS_EXPORTER=none */
	uint64_t timeout_ns;              /* of one export; 0: 10 s */
	uint64_t interval_ns;             /* of metrics; 0: OTEL_METRIC_EXPORT_INTERVAL, 60 s */
	const char *spool_dir;            /* what cannot be sent waits here, also over a restart; NULL: in memory only */
	uint64_t spool_bytes;             /* at most; 0: 8 MiB in memory, 256 MiB in a directory */
	uint64_t spool_age_ns;            /* older is dropped and counted; 0: 1 hour */
};

/* Starts exporting, once a process; a second call is WEIR_OK and changes nothing. It has one thread of its own, weir-otlp.
 * Threads: any. Signals: no. Blocks: while another sets up. Allocates: yes. Owns: all is copied.
 * Errors: WEIR_EINVAL (options, an endpoint that is no URL), WEIR_EIO (a file or the spool's directory cannot be used; the log
 * says why), WEIR_EUNSUPPORTED (a protocol other than http/protobuf), WEIR_ENOMEM. */
WEIR_API int weir_otlp_start(const struct weir_otlp_options *options);
/* Sends what is there, then stops. weir_shutdown does this.
 * Threads: any but an exporter's. Signals: no. Blocks: timeout_ns at most. Allocates: no. Owns: nothing.
 * Errors: WEIR_ETIMEOUT, WEIR_EIO (not all was delivered). */
WEIR_API int weir_otlp_stop(uint64_t timeout_ns);

/* The bytes of an ExportMetricsServiceRequest (cumulative) or ExportTraceServiceRequest, for who sends by himself.
 * Threads: any; a batch within its callback. Signals: no. Blocks: as write does. Allocates: yes. Owns: nothing.
 * Errors: WEIR_ENOMEM, WEIR_EIO (write stopped it). Source: opentelemetry-proto 1.x. */
WEIR_API int weir_otlp_write_metrics(const struct weir_snapshot *snapshot, weir_write_fn *write, void *arg);
WEIR_API int weir_otlp_write_spans(struct weir_batch *batch, weir_write_fn *write, void *arg);

/* Fetches a document by http or https, by libcurl: for weir_jwt_options, {.jwks_url = ..., .fetch = weir_otlp_fetch}. No redirect is
 * followed, no cookie, .netrc or other scheme is used; the body ends at the limit. arg: NULL, or struct weir_otlp_options of which
 * ca_file, cert_file and key_file count; it is read at each fetch. Nothing else of weir-otlp needs to be started.
 * Threads: any. Signals: no. Blocks: timeout_ns at most. Allocates: yes. Owns: the body, until release.
 * Errors: in status: WEIR_ETIMEOUT, WEIR_ELIMIT (too large), WEIR_EUNSUPPORTED (another scheme), WEIR_EIO, WEIR_ENOMEM. */
WEIR_API void weir_otlp_fetch(void *arg, struct weir_fetch *fetch);

WEIR_END_DECLS_
#endif
