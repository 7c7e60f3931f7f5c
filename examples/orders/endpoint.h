/* orders: the life of its telemetry: weir, the Prometheus endpoint, the exporter. With ORDERS_BARE there is none. */
#ifndef ORDERS_ENDPOINT_H
#define ORDERS_ENDPOINT_H

struct args;

#ifdef ORDERS_BARE

#define endpoint_start(args) ((void)(args), 0)
#define endpoint_stop() (void)0

#else

#ifdef __cplusplus
extern "C" {
#endif

/* Starts weir, its Prometheus endpoint and, with --otlp, its exporter, and says on standard error where: metrics ADDR:PORT. 0,
 * or it has said why not. */
int endpoint_start(const struct args *args);
void endpoint_stop(void);

#ifdef __cplusplus
}
#endif

#endif
#endif
