/* weir: what weir's other libraries need of libweir beyond its headers. Not installed, no promise: version node WEIR_PRIVATE. */
#ifndef WEIR_ABI_PRIVATE_H
#define WEIR_ABI_PRIVATE_H

#include <weir/lifecycle.h>

WEIR_BEGIN_DECLS_

/* A polite thread: all signals blocked, a descriptor table of its own (so that closefrom by the host leaves it alone), a
 * name. run begins under that. 0, or WEIR_ENOMEM. The handle is joined by weir_private_thread_join with a deadline:
 * true: it ended within timeout_ns and is joined; false: it is left to itself (detached). */
struct weir_private_thread;
WEIR_API int weir_private_thread_start(struct weir_private_thread **thread, const char *name, void (*run)(void *), void *arg);
WEIR_API bool weir_private_thread_join(struct weir_private_thread *thread, uint64_t timeout_ns);

/* The gate: weir's threads hold it while in foreign code (HTTP, TLS, callbacks, exporters); exit() takes it, waits 50 ms at
 * most, and never gives it back. at_exit registers it again, behind the exit handlers that libraries have registered by now. */
WEIR_API void weir_private_gate_enter(void);
WEIR_API void weir_private_gate_leave(void);
WEIR_API void weir_private_gate_at_exit(void);

/* One line to the log callback; each message at most once a minute. Never from a record, nor under a lock that one takes. */
WEIR_API void weir_private_log(enum weir_log_level level, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Runs at each weir_shutdown from here on, with the time that is left, behind those that came before. The same function again
 * is harmless; false: eight others are there. */
WEIR_API bool weir_private_on_shutdown(int (*stop)(uint64_t timeout_ns));
WEIR_API bool weir_private_disabled(void); /* OTEL_SDK_DISABLED, as weir_init read it: starts succeed, and start nothing */
WEIR_API bool weir_private_started(void); /* between weir_init and weir_shutdown */
WEIR_API bool weir_private_pumped(void);  /* started with no_thread */
/* Counts up each time that this process turns out to be a forked child. */
WEIR_API uint32_t weir_private_generation(void);
WEIR_API uint64_t weir_private_clock_ns(void); /* CLOCK_MONOTONIC */

/* Numbers as text, without locale, without allocation; the length is returned and the text also ends in NUL.
 * decimal: (high * 2^64 + low) / 10^digits, exact, no trailing zeros in the fraction ("12", "0.0005"); out has 64 bytes.
 * canonical: low / 10^digits as Go's %g writes it, with .0 where it would look like an integer ("0.005", "1.0", "1e+06").
 * double: the shortest text that reads back as v; NaN, +Inf, -Inf; out has 32 bytes. */
WEIR_API size_t weir_private_decimal(char *out, uint64_t high, uint64_t low, unsigned digits);
WEIR_API size_t weir_private_canonical(char *out, uint64_t value, unsigned digits);
WEIR_API size_t weir_private_double(char *out, double v);

WEIR_END_DECLS_
#endif
