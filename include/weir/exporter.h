/* weir: an exporter of your own, called with a snapshot at each interval on weir's second thread (or in weir_pump). */
#ifndef WEIR_EXPORTER_H
#define WEIR_EXPORTER_H

#include <weir/snapshot.h>

WEIR_BEGIN_DECLS_

struct weir_exporter;
struct weir_exporter_options { /* each callback is told its time; what it does not return WEIR_OK for is counted */
	WEIR_SIZE_(weir_exporter_options);
	const char *name;
	void *arg;
	uint64_t interval_ns; /* 0: OTEL_METRIC_EXPORT_INTERVAL, 60 s without it */
	int (*metrics)(void *arg, const struct weir_snapshot *snapshot, uint64_t timeout_ns);
	void (*closed)(void *arg); /* the last call: arg may go. May be NULL */
};

/* An exporter that lies in a module is destroyed before the module is unloaded.
 * Threads: any. Signals: no. Blocks: while another sets up. Allocates: yes. Owns: name is copied; arg is the exporter's until
 * closed, which is called also where new fails. Errors: WEIR_EINVAL, WEIR_ENOMEM, WEIR_ELIMIT (64 exporters). */
WEIR_API int weir_exporter_new(struct weir_exporter **exporter, const struct weir_exporter_options *options);
/* Flushes this one a last time, then closes it.
 * Threads: any but a callback's or an exporter's. Signals: no. Blocks: timeout_ns at most. Allocates: no. Owns: takes it.
 * Errors: WEIR_ETIMEOUT (closed is called when it comes back), WEIR_EIO (the last export failed), WEIR_EINVAL. */
WEIR_API int weir_exporter_destroy(struct weir_exporter *exporter, uint64_t timeout_ns);

WEIR_END_DECLS_
#endif
