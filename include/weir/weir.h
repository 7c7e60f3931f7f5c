/* weir: instruments that are recorded without a lock, exporters that read them. This includes all of libweir;
 * weir/prometheus.h and its like, a library each, are included by themselves. */
#ifndef WEIR_H
#define WEIR_H

#include <weir/base.h>
#include <weir/context.h>
#include <weir/exporter.h>
#include <weir/lifecycle.h>
#include <weir/metric.h>
#include <weir/semconv.h>
#include <weir/slo.h>
#include <weir/snapshot.h>
#include <weir/span.h>

#endif
