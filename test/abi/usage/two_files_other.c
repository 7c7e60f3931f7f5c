/* The other file: see two_files.c. */
#include "two_files.h"

static void in_a_function(void)
{
	WEIR_COUNTER(here, "two_files_in_functions_total", "Declared in a function of each file.");

	weir_counter_add(&here, 1);
}

void record_in_other_file(void)
{
	weir_counter_add(&shared, 10);
	weir_counter_add_with(&labelled, 1, "other");
	weir_histogram_record(&times, WEIR_MS(300));
	ADD_IN_NAMESPACE();
	in_a_function();
}
