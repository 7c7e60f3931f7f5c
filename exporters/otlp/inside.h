/* weir-otlp: being inside libcurl, and exit. Layer: exporter.
 *
 * weir's gate holds exit() back for 50 ms at most; the first use of TLS may compute for longer (it reads the authorities), and
 * a process that ends meanwhile crashes in what the library's exit handlers have freed. So exit waits here too, for as long as
 * a turn of libcurl computes, a second at most; nothing sleeps inside. Invariant: after exit has begun nobody enters.
 * Writers: the sender's threads, those of fetches, exit. */
#ifndef WEIR_OTLP_INSIDE_H
#define WEIR_OTLP_INSIDE_H

#include <stdbool.h>

/* Sets libcurl up, once, and exit behind it. Any thread. false: libcurl cannot be. */
bool weir__otlp_inside_prepare(void);
/* Behind what libcurl and its TLS have registered with atexit by then; prepare does it. */
void weir__otlp_inside_at_exit(void);
/* At each new sender and fetch: in a forked child nobody is inside, whatever the parent's thread was at. */
void weir__otlp_inside_begin(void);
void weir__otlp_enter(void);
void weir__otlp_leave(void);

#endif
