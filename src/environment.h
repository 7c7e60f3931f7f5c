/* L5: what comes from outside at weir_init: OTEL_ variables, the resource. */
#ifndef WEIR_ENVIRONMENT_H
#define WEIR_ENVIRONMENT_H

#include <weir/lifecycle.h>

enum weir_log_level weir__environment_log_level(void);
uint64_t weir__environment_interval_ns(void);

/* Makes the resource of this process and hands it to the snapshots; WEIR_ENOMEM. */
int weir__environment_resource(const struct weir_options *options);
/* In a forked child: the same, but for what is the process' own. */
int weir__environment_resource_again(void);

#endif
