/* What a test's plugin gives to its host: one table of functions, named "plugin". */
#ifndef DLOPEN_PLUGIN_H
#define DLOPEN_PLUGIN_H

#include <weir/weir.h>

struct plugin {
	void (*record)(unsigned n); /* n times each of its instruments */
	uint64_t (*read_adds)(void);
	struct weir_counter_series (*counter_handle)(void);
	struct weir_histogram_series (*histogram_handle)(void);
	int (*start_callback)(uint32_t *runs, unsigned run_us, bool registers); /* never destroyed by the plugin */
	int (*life)(void); /* of its copy of weir: init, a record, shutdown */
	uint64_t (*dropped)(void);
};
extern const struct plugin plugin;

#endif
