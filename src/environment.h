/* L5: what comes from outside at weir_init: OTEL_ variables, the resource. */
#ifndef WEIR_ENVIRONMENT_H
#define WEIR_ENVIRONMENT_H

#include <weir/lifecycle.h>

enum weir_log_level weir__environment_log_level(void);
/* A variable in milliseconds, 1 to a day; what is none is told, and taken as what is without it. */
uint64_t weir__environment_ns(const char *name, unsigned ms_without);

/* Sampling, propagation, limits, the queue of spans: options over OTEL_ variables. WEIR_EINVAL, WEIR_ENOMEM. */
int weir__environment_traces(const struct weir_options *options);
struct weir_sampling;
void weir__environment_sampler(struct weir_sampling *sampling); /* where it leaves the sampler to the environment */
bool weir__environment_disabled(void);
bool weir__environment_console(void); /* OTEL_TRACES_EXPORTER names it, alone or in a list */

/* Makes the resource of this process and hands it to the snapshots; WEIR_ENOMEM. */
int weir__environment_resource(const struct weir_options *options);
/* In a forked child: the same, but for what is the process' own. */
int weir__environment_resource_again(void);

#endif
