/* Instruments that a header declares, for every file that includes it: at file scope, in C++ also in a namespace. */
#ifndef TWO_FILES_H
#define TWO_FILES_H

#include <weir/weir.h>

WEIR_COUNTER(shared, "two_files_shared_total", "Adds by either file.");
WEIR_COUNTER(labelled, "two_files_labelled_total", "Adds by file.", "file");
WEIR_HISTOGRAM(times, WEIR_LATENCY_SLO(995000, WEIR_MS(200)), "two_files_seconds", "Times of either file.");
WEIR_GAUGE(idle, "two_files_idle", "Used by neither.");

#ifdef __cplusplus
namespace shop {
WEIR_COUNTER(shared, "two_files_of_the_shop_total", "Adds by either file, in a namespace.");
} // namespace shop
#define ADD_IN_NAMESPACE() weir_counter_add(&shop::shared, 1)
#define READ_IN_NAMESPACE() weir_counter_read(&shop::shared)
#else
#define ADD_IN_NAMESPACE() (void)0
#define READ_IN_NAMESPACE() UINT64_C(2)
#endif

void record_in_other_file(void);
#endif
