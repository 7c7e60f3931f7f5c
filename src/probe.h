/* L0: weir's own probes, as others see them by name (weir-probes(7), weir/usdt.h): their semaphores, and those of them that any
 * layer passes. Those of requests and spans stand in probe_request.h.
 *
 * Invariants: a site lies in a cold function, behind one look at its semaphore, and there is one of each name; what an argument
 * points to is this thread's stack, written just before; no text is empty. Writer of a semaphore: the kernel, while somebody
 * watches. */
#ifndef WEIR_PROBE_H
#define WEIR_PROBE_H

#include <weir/usdt.h>

#define WEIR__PROBES(X)                                                                                                \
	X(request_begin) X(request_end) X(span_begin) X(span_end) X(slo_miss) X(overflow) X(drop) X(export_begin) X(export_end) \
	X(config)
#define WEIR__PROBE_SEMAPHORE(name) \
	extern volatile unsigned short weir_##name##_semaphore __attribute__((visibility("hidden")));
WEIR__PROBES(WEIR__PROBE_SEMAPHORE)
#define WEIR__WATCHED(name) __builtin_expect(weir_##name##_semaphore != 0, 0)

enum { WEIR__PROBE_TEXT = 256 };
/* A copy that ends in NUL, cut where it is too long; "-" where there is none. */
const char *weir__probe_text(char out[WEIR__PROBE_TEXT], const char *text, size_t len);

/* The nth of texts that stand one after the other, each with its NUL. */
const char *weir__nth_text(const char *texts, unsigned n);

void weir__probe_drop(const char *reason, uint64_t number) __attribute__((cold));
void weir__probe_overflow(const char *instrument, uint64_t cap) __attribute__((cold));
void weir__probe_config(const char *what, const char *name);
/* begin gives when it began, for end; 0: nobody watches. number: of spans; 0 for metrics. end returns error. */
uint64_t weir__probe_export_begin(const char *exporter, bool spans, uint64_t number);
int weir__probe_export_end(const char *exporter, bool spans, uint64_t number, int error, uint64_t began_ns);

#endif
