/* weir: the Prometheus exporter: an endpoint to be scraped, or the bytes for a server of your own. Library weir-prometheus. */
#ifndef WEIR_PROMETHEUS_H
#define WEIR_PROMETHEUS_H

#include <weir/snapshot.h>

WEIR_BEGIN_DECLS_

struct weir_prometheus_options {
	WEIR_SIZE_(weir_prometheus_options);
	const char *host;         /* NULL: OTEL_EXPORTER_PROMETHEUS_HOST, "localhost" without it */
	uint16_t port;            /* 0: OTEL_EXPORTER_PROMETHEUS_PORT, 9464 without it */
	bool any_port;            /* a free one: weir_prometheus_port tells it */
	uint32_t max_connections; /* 0: 64; one more takes the place of one that waits without a request, or is closed */
	uint64_t client_ns;       /* 0: 10 s: from accept, or a further request's first byte, to the answer's last byte */
	uint64_t max_age_ns;      /* 0: 100 ms: many scrapers are served from one snapshot that is no older */
};

/* Serves GET and HEAD /metrics on a thread of its own, with gzip where it is accepted. One endpoint a process; it ends with
 * weir_prometheus_stop, or weir_shutdown. weir_init comes first.
 * Threads: any. Signals: no. Blocks: until it listens. Allocates: yes. Owns: text is copied.
 * Errors: WEIR_EINVAL (options, or no weir_init), WEIR_EIO (the address is taken or not to be had; the log says which),
 * WEIR_ECONFLICT (it runs already), WEIR_ENOMEM. */
WEIR_API int weir_prometheus_start(const struct weir_prometheus_options *options);
/* Threads: any. Signals: no. Blocks: until the thread is gone, 1 s at most. Allocates: no. Owns: nothing.
 * Errors: WEIR_ETIMEOUT; WEIR_OK where none runs. */
WEIR_API int weir_prometheus_stop(void);
/* The port it listens on; 0 where none runs. Threads: any. Signals: no. Blocks: no. Allocates: no. Errors: none. */
WEIR_API uint16_t weir_prometheus_port(void);

/* For a server of your own: the Content-Type that answers an Accept header (NULL: none came), and the bytes, through a
 * callback, or into a buffer as snprintf does: *len is what it takes, and WEIR_ENOMEM where size is less. Text, or messages
 * of protobuf where the header asks for these; then exponential histograms are native ones.
 * Threads: any. Signals: no. Blocks: as write does. Allocates: yes. Owns: the content type is static.
 * Errors: WEIR_EIO (write stopped it), WEIR_ENOMEM.
 * Source: Prometheus exposition formats, text 0.0.4, protobuf; OpenMetrics 1.0.0. */
WEIR_API const char *weir_prometheus_content_type(const char *accept);
WEIR_API int weir_prometheus_write(const struct weir_snapshot *snapshot, const char *accept, weir_write_fn *write,
                                   void *arg);
WEIR_API int weir_prometheus_encode(const struct weir_snapshot *snapshot, const char *accept, char *buf, size_t size,
                                    size_t *len);

WEIR_END_DECLS_
#endif
